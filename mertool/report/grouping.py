"""Sentences about several runs: short names, and what all of them have in common said once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from ..runs.finished import Run

__all__ = ["grouped", "short_names"]


def grouped(told: Sequence[tuple[str, str]], always: bool = False) -> str:
    """`text (names); other text (names)` of (text, name); without names where all say the same, unless `always`."""
    groups: dict[str, list[str]] = {}
    for text, name in told:
        groups.setdefault(text, []).append(name)
    if len(groups) == 1 and not always:
        return told[0][0]
    return "; ".join(f"{text} ({', '.join(names)})" for text, names in groups.items())


def short_names(runs: Sequence[Run]) -> dict[str, str]:
    """Name of each run -> its last part, where these differ: sixteen whole paths would fill a page."""
    short = {run.name: PurePath(run.name).name for run in runs}
    return short if len(set(short.values())) == len(short) else {name: name for name in short}
