"""The runs of one report compared with its first run, clip by clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..evaluation.statistics import PairedTest, compare_paired, holm, minimal_detectable
from ..runs.finished import Run

__all__ = ["Comparison", "compare_runs", "labels_of"]


class Comparison(NamedTuple):
    """A run compared with the first run of a report, on the same clips.

    Attributes:
        run, with_run: Names of the run and of the first run.
        paired: The test clip by clip; its "first" is `with_run`.
        p_holm: Its p, adjusted by Holm's method for all comparisons of the report.
        detectable: The smallest true difference that the test detects with a power of 80 % when the runs differ on this
            many clips, at the strictest level of Holm's correction; None if no difference can be detected.
    """

    run: str
    with_run: str
    paired: PairedTest
    p_holm: float
    detectable: float | None


def compare_runs(runs: Sequence[Run]) -> list[Comparison]:
    """Compare every further run with the first; runs that test other clips or classes are left out."""
    comparable = [run for run in runs[1:] if labels_of(run) == labels_of(runs[0])]
    paired = [compare_paired(_hits(runs[0]), _hits(run)) for run in comparable]
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
        for run, pair, p in zip(comparable, paired, adjusted, strict=True)
    ]


def _hits(run: Run) -> dict[str, bool]:
    rows = run.predictions
    return {clip: t == p for clip, t, p in zip(rows.clip, rows.truth, rows.prediction, strict=True)}


def labels_of(run: Run) -> tuple[tuple[str, ...], frozenset[tuple[str, str]]]:
    """Classes, and clips with their truth: runs in which these are equal can be compared."""
    return run.predictions.classes, frozenset(zip(run.predictions.clip, run.predictions.truth, strict=True))
