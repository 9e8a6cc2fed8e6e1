"""How the packs of a run were made, in words: where key frames come from, and how frames were aligned."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..text import plural
from .config import PackRecord

__all__ = ["alignment", "key_frames"]

_APEXES = {
    "table": "annotated (the middle where it is not)",
    "middle": "the middle of the two",
    "difference": "the frame of largest movement",
}
_ALIGNMENTS = {
    "stabilised": "stabilised, by the onset's landmarks, with the head's motion taken out of each further frame",
    "clip": "one similarity per clip, from the onset's landmarks; the head's motion is left in",
    "frame": "each frame by its own landmarks",
    "none": "pictures taken as they are",
}


def key_frames(packs: Sequence[PackRecord], datasets: Collection[str]) -> str:
    """Where onset, apex and offset come from, in a sentence.

    Args:
        packs: The packs of a run.
        datasets: Names of the data sets in them.
    """
    apexes = {pack.apex for pack in packs}
    ways = {_APEXES[apex] for apex in apexes if apex in _APEXES and apex != "table"}
    if "table" in apexes or not ways:
        unannotated = {name for name in datasets if name.startswith("smic-")}
        if set(datasets) - unannotated:
            ways.add(_APEXES["table"])
        if unannotated:
            ways.add(f"{_APEXES['middle']} in {', '.join(sorted(unannotated))}")
    return (
        "Oracle key frames: where an expression begins and ends is annotated or cut by hand, not found by a "
        f"program; its apex is {' or '.join(sorted(ways))}{_jitter(packs)}."
    )


def _jitter(packs: Sequence[PackRecord]) -> str:
    """What `extract --jitter` did to the key frames, as the end of a sentence."""
    if not any(pack.jitter for pack in packs):
        return ""
    amounts = [f"by up to {plural(pack.jitter, 'frame')}" for pack in packs]
    if len(set(amounts)) > 1:
        amounts = [f"{amount} in {pack.name}" for amount, pack in zip(amounts, packs, strict=True)]
    return f"; onset and apex moved at random {', '.join(dict.fromkeys(amounts))}"


def alignment(packs: Sequence[PackRecord]) -> str:
    """How the frames were aligned, in words; by pack if these differ."""
    ways = [_ALIGNMENTS.get(pack.alignment, pack.alignment) for pack in packs]
    if len(set(ways)) > 1:
        ways = [f"{pack.name}: {way}" for pack, way in zip(packs, ways, strict=True)]
    return "; ".join(dict.fromkeys(ways))
