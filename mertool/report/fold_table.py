"""The table of a run's folds, which is long where every subject is a fold."""

from __future__ import annotations

from ..runs.finished import Run
from .blocks import Table

__all__ = ["FOLDS", "LONG", "fold_table", "short_fold_table"]

FOLDS = "Per fold"
LONG = 10  # folds; more are folded away or left out
_LOWEST = 5  # folds that are shown of many


def fold_table(run: Run) -> Table:
    """One row per fold, named after the subject or data set that it tests."""
    rows = [
        (name, f"{hits}/{n}", f"{100 * hits / n:.2f}", str(part.n_shared))
        for name, (_, hits, n), part in zip(run.folds.names(), run.metrics["fold_hits"], run.overlap, strict=True)
    ]
    return Table(FOLDS, ("fold", "hits/n", "accuracy, %", "subjects also in training"), tuple(rows))


def short_fold_table(run: Run) -> Table:
    """`fold_table`, of many folds only those with the lowest accuracy."""
    table = fold_table(run)
    if len(table.rows) <= LONG:
        return table
    order = sorted(run.metrics["fold_hits"], key=lambda fold: fold[1] / fold[2])
    return Table(
        f"{FOLDS}: the {_LOWEST} lowest of {len(table.rows)} (--format json and html have all)",
        table.header,
        tuple(table.rows[fold] for fold, _, _ in order[:_LOWEST]),
    )
