"""What decides the content of a pack, apart from the recordings: the options of `mertool extract`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ALIGNMENTS", "APEXES", "STABILISED", "ExtractOptions"]

STABILISED = "stabilised"
ALIGNMENTS = (STABILISED, "clip", "frame")
APEXES = ("table", "middle", "difference")


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """What decides the content of a pack, apart from the recordings.

    Attributes:
        size: Side S of the crop in pixels.
        align: "stabilised" (the onset's landmarks give the similarity of the clip, and the head's motion since the
            onset is taken out of each further frame), "clip" (one similarity per clip) or "frame" (each frame by its
            own landmarks). Aligned pictures know "stabilised" and "clip", which leaves them as they are. Default:
            "clip" with `aligned`, else "stabilised".
        aligned: Take the pictures as they are, resized, without landmarks.
        sequence: Frames of the optional sequence; 0 for none.
        apex: "table" or "middle" (both are settled when the annotation is read), or "difference": the frame that has
            moved most since the onset.
        jitter: Move onset and apex of every clip at random by up to this many frames, after `apex` is settled; 0: not.
        jitter_seed: Seed of these moves; 0 without `jitter`.
    """

    size: int = 256
    align: str = ""
    aligned: bool = False
    sequence: int = 0
    apex: str = "table"
    jitter: int = 0
    jitter_seed: int = 0

    def __post_init__(self) -> None:
        if not self.align:
            object.__setattr__(self, "align", "clip" if self.aligned else STABILISED)
        if not self.jitter:
            object.__setattr__(self, "jitter_seed", 0)
