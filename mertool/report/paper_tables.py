"""The cells of the paper's Tables 5 and 6, and which run fills each of them.

A run belongs to a cell by its settings alone, whatever its folder is called: region, number of frames, attention
branch, ArcFace, and whether it began with the weights of another network.

Source: K. Hata, T. Hirose, H. Takano, Performance Evaluation of Micro-Expression Recognition with Various Network
Design Variations in Deep Learning, Tables 5 and 6. Their figures are means of five fold accuracies, in %, on SAMM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import DataError, UsageError
from ..runs.finished import Run
from ..runs.methods import method_of
from .compare import compare_runs

__all__ = [
    "ARCFACE",
    "CELLS",
    "CKPLUS",
    "COLUMNS",
    "RESNET",
    "TITLES",
    "Cell",
    "FilledCell",
    "PaperTables",
    "fill_tables",
]

RESNET, CKPLUS, ARCFACE = "ResNet", "CK+ Fine-tuning", "w/ ArcFace"
# Attention branch, network: figures of the columns 2D (apex) and 3D (three frames).
_TABLE_5 = {  # ROI
    (False, RESNET): (62.83, 62.83),
    (False, CKPLUS): (61.17, 62.90),
    (False, ARCFACE): (62.00, 64.50),
    (True, RESNET): (64.53, 66.17),
    (True, CKPLUS): (62.83, 65.40),
    (True, ARCFACE): (64.53, 65.33),
}
_TABLE_6 = {  # the full face
    (False, RESNET): (62.83, 60.37),
    (True, RESNET): (63.70, 62.83),
}
TITLES = {5: "Table 5, ROI", 6: "Table 6, full face"}
_REGIONS = {5: "roi", 6: "face"}
COLUMNS = {5: {1: "2D (Apex)", 3: "3D3F"}, 6: {1: "2D (Apex)", 3: "3D (3F)"}}  # as the paper heads them
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the paper's tables.

    Attributes:
        table: 5 or 6.
        abn: With attention branch.
        network: The row, in the paper's words.
        frames: The column: 1 or 3.
        paper: The paper's figure in %, as printed.
    """

    table: int
    abn: bool
    network: str
    frames: int
    paper: float


CELLS = tuple(
    Cell(table, abn, network, frames, figure)
    for table, rows in ((5, _TABLE_5), (6, _TABLE_6))
    for (abn, network), figures in rows.items()
    for frames, figure in zip((1, 3), figures, strict=True)
)


class FilledCell(NamedTuple):
    """A cell with its run.

    Attributes:
        cell: The cell.
        run: The run that fills it, or None.
        marked: The run has the most hits of its column, and paired tests distinguish it from every other run there.
    """

    cell: Cell
    run: Run | None
    marked: bool


class PaperTables(NamedTuple):
    """Both tables.

    Attributes:
        cells: All sixteen, in the order of `CELLS`.
        unmarked: Columns ("2D (Apex) of Table 5") without a mark -> why.
        left_out: Runs that fit no cell, and why.
    """

    cells: tuple[FilledCell, ...]
    unmarked: dict[str, str]
    left_out: tuple[tuple[Run, str], ...]


def fill_tables(runs: Sequence[Run]) -> PaperTables:
    """Put runs into the cells of the paper's tables.

    A run is marked only if the exact McNemar test against each other run of its column gives p < 0.05 after Holm's
    correction for these comparisons, over the same clips and classes.

    Raises:
        UsageError: Two runs fit the same cell.
        DataError: No run fits any cell.
    """
    run_of: dict[Cell, Run] = {}
    left_out = []
    for run in runs:
        cell = _cell_of(run)
        if not isinstance(cell, Cell):
            left_out.append((run, cell))
        elif cell in run_of:
            raise UsageError(
                f"--tables paper: {run_of[cell].name} and {run.name} both belong to {_describe(cell)}; give one of them"
            )
        else:
            run_of[cell] = run
    if not run_of:
        what = "; ".join(f"{run.name}: {why}" for run, why in left_out)
        raise DataError(f"report: no run fits a cell of the paper's tables ({what}); expected e.g. --roi --frames 3")
    winners, unmarked = [], {}
    for table, columns in COLUMNS.items():
        for frames, title in columns.items():
            best, why = _judge([run for cell, run in run_of.items() if (cell.table, cell.frames) == (table, frames)])
            if best is None:
                unmarked[f"{title} of Table {table}"] = why
            else:
                winners.append(best)
    cells = tuple(
        FilledCell(cell, run_of.get(cell), any(run_of.get(cell) is winner for winner in winners)) for cell in CELLS
    )
    return PaperTables(cells, unmarked, tuple(left_out))


def _cell_of(run: Run) -> Cell | str:
    """The cell that a run belongs to, or why it fits none."""
    settings = run.settings
    if not method_of(settings).has_network:
        return f"the tables are about networks, not {settings.method}"
    if settings.input != "gray":
        return f"the paper's networks see grey frames, not {settings.input}"
    if settings.arcface and run.init:
        return "ArcFace together with initial weights"
    table = next(number for number, region in _REGIONS.items() if region == settings.region)
    network = RESNET
    if settings.arcface:
        network = ARCFACE
    elif run.init:
        network = CKPLUS
    for cell in CELLS:
        if (cell.table, cell.abn, cell.network, cell.frames) == (table, settings.abn, network, settings.frames):
            return cell
    return f"{TITLES[table]}, has no row {network}"


def _describe(cell: Cell) -> str:
    branch = "w/ ABN" if cell.abn else "w/o ABN"
    return f"Table {cell.table}, {branch}, {cell.network}, {COLUMNS[cell.table][cell.frames]}"


def _judge(runs: Sequence[Run]) -> tuple[Run | None, str]:
    """The run of a column that differs significantly from all its others, or None and why there is none."""
    if len(runs) < 2:
        return None, "fewer than two runs"
    # No test distinguishes runs with equal hits, so it does not matter which of several best runs comes first.
    best = max(runs, key=lambda run: run.metrics["hits"])
    found = compare_runs([best, *(run for run in runs if run is not best)])
    if len(found) < len(runs) - 1:
        return None, "different clips or classes, so no paired test is possible"
    if len({run.folds.protocol for run in runs}) > 1:
        return None, "different protocols"
    if any(comparison.p_holm >= _LEVEL for comparison in found):
        return None, "no run differs significantly from all others"
    if best.wilson_ci[0] <= best.metrics["majority"]:
        return None, "the best run is not distinguishable from always predicting the most frequent class"
    return best, ""
