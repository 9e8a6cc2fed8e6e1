"""Runs of one report against each other, clip by clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..evaluation.statistics import PairedTest, compare_paired, holm, minimal_detectable
from ..runs.finished import Run

__all__ = ["Comparison", "compare_runs", "labels_of"]


class Comparison(NamedTuple):
    """A run against the first of a report, on the same clips.

    Attributes:
        run, with_run: Names.
        paired: Both clip by clip; "first" is the run compared with.
        p_holm: Its p, adjusted for all comparisons of the report.
        detectable: The smallest difference that this many differing clips would show four times in five at the first,
            strictest level of Holm's correction; None for none.
    """

    run: str
    with_run: str
    paired: PairedTest
    p_holm: float
    detectable: float | None


def compare_runs(runs: Sequence[Run]) -> list[Comparison]:
    """Every further run against the first; those that test other clips or classes are left out."""
    alike = [run for run in runs[1:] if labels_of(run) == labels_of(runs[0])]
    paired = [compare_paired(_hits(runs[0]), _hits(run)) for run in alike]
    adjusted = holm([pair.p for pair in paired])
    level = 0.05 / max(1, len(paired))
    return [
        Comparison(
            run.name,
            runs[0].name,
            pair,
            p,
            minimal_detectable(pair.n, pair.discordant_first + pair.discordant_second, level),
        )
        for run, pair, p in zip(alike, paired, adjusted, strict=True)
    ]


def _hits(run: Run) -> dict[str, bool]:
    rows = run.predictions
    return {clip: t == p for clip, t, p in zip(rows.clip, rows.truth, rows.prediction, strict=True)}


def labels_of(run: Run) -> tuple[tuple[str, ...], frozenset[tuple[str, str]]]:
    """Classes, and clips with their truth: runs in which these are equal compare."""
    return run.predictions.classes, frozenset(zip(run.predictions.clip, run.predictions.truth, strict=True))
