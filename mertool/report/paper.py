"""The paper's Tables 5 and 6 with our figures beside its own: `mertool report --layout paper`.

A run belongs to a cell by its settings alone, whatever its folder is called: region, number of frames, attention
branch, ArcFace, and whether it began with the weights of another network.

Source: K. Hata, T. Hirose, H. Takano, Performance Evaluation of Micro-Expression Recognition with Various Network
Design Variations in Deep Learning, Tables 5 and 6. Their figures are means of five fold accuracies, in %, on SAMM.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

from ..errors import DataError, UsageError
from ..runs.finished import Run
from ..runs.methods import method_of
from ..settings import Settings
from ..text import plural
from .blocks import Block, Heading, Notes, Table
from .compare import compare_runs, labels_of
from .formats import BLOCK_FORMATS

__all__ = ["CELLS", "Cell", "Filled", "PaperTables", "fill_tables", "paper_blocks", "render_paper"]

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
_TITLES = {5: "Table 5, ROI", 6: "Table 6, full face"}
_REGIONS = {5: "roi", 6: "face"}
_COLUMNS = {5: {1: "2D (Apex)", 3: "3D3F"}, 6: {1: "2D (Apex)", 3: "3D (3F)"}}  # as the paper heads them
# Which N gives, by whole hits in five folds, each of its figures: docs/evaluation.md, section 1.
_PAPERS_N = "The paper states neither its N nor its classes: its figures fit 121 to 124 clips of SAMM"
_PAPERS_PROTOCOL = ("stratified", 5)
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


class Filled(NamedTuple):
    """A cell with its run.

    Attributes:
        cell: Where it stands.
        run: What fills it; None for nothing.
        marked: The run has the most hits of its column, and a paired test tells it apart from every other one there.
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

    cells: tuple[Filled, ...]
    unmarked: dict[str, str]
    left_out: tuple[tuple[Run, str], ...]


def fill_tables(runs: Sequence[Run]) -> PaperTables:
    """Put runs into the cells of the paper's tables.

    A run is marked only where the exact McNemar test against each other run of its column gives p < 0.05 after Holm's
    correction for these comparisons, over the same clips and classes.

    Raises:
        UsageError: Two runs fit the same cell.
        DataError: No run fits any.
    """
    place = {(cell.table, cell.abn, cell.network, cell.frames): cell for cell in CELLS}
    run_of: dict[Cell, Run] = {}
    left_out = []
    for run in runs:
        settings = run.settings
        if not method_of(settings).has_network:
            left_out.append((run, f"{settings.method} is no network, of which the tables are"))
            continue
        table = next(number for number, region in _REGIONS.items() if region == settings.region)
        if settings.arcface and run.init:
            left_out.append((run, "ArcFace and initial weights at once"))
            continue
        network = ARCFACE if settings.arcface else CKPLUS if run.init else RESNET
        cell = place.get((table, settings.abn, network, settings.frames))
        if cell is None:
            left_out.append((run, f"{_TITLES[table]}, has no row {network}"))
        elif cell in run_of:
            raise UsageError(
                f"--layout paper: {run_of[cell].name} and {run.name} both belong to {_place_of(cell)}; give one of them"
            )
        else:
            run_of[cell] = run
    if not run_of:
        what = "; ".join(f"{run.name}: {why}" for run, why in left_out)
        raise DataError(f"report: no run fits a cell of the paper's tables ({what}); expected e.g. --roi --frames 3")
    winners, unmarked = [], {}
    for table, columns in _COLUMNS.items():
        for frames, title in columns.items():
            best, why = _judge([run for cell, run in run_of.items() if (cell.table, cell.frames) == (table, frames)])
            if best is None:
                unmarked[f"{title} of Table {table}"] = why
            else:
                winners.append(best)
    cells = tuple(
        Filled(cell, run_of.get(cell), any(run_of.get(cell) is winner for winner in winners)) for cell in CELLS
    )
    return PaperTables(cells, unmarked, tuple(left_out))


def paper_blocks(tables: PaperTables) -> list[Block]:
    """The tables, and what one must know to read them."""
    return [
        Heading("Tables 5 and 6 of the paper"),
        *(_table_block(number, [one for one in tables.cells if one.cell.table == number]) for number in _TITLES),
        Notes(tuple(_notes(tables))),
    ]


def render_paper(runs: Sequence[Run], style: str) -> str:
    """The paper's tables in one format.

    json has a list of sixteen cells and one of notes, csv has a line for each cell; there all accuracies are shares,
    0..1, the paper's too.

    Args:
        runs: Finished runs; those that fit no cell are named and left out.
        style: A name of `mertool.report.formats.BLOCK_FORMATS`, "json" or "csv".

    Raises:
        UsageError, DataError: As `fill_tables`.
    """
    tables = fill_tables(runs)
    if style == "json":
        values = {"cells": [_values(one) for one in tables.cells], "notes": _notes(tables)}
        return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if style == "csv":
        return _csv(tables.cells)
    return BLOCK_FORMATS[style](paper_blocks(tables))


def _place_of(cell: Cell) -> str:
    branch = "w/ ABN" if cell.abn else "w/o ABN"
    return f"Table {cell.table}, {branch}, {cell.network}, {_COLUMNS[cell.table][cell.frames]}"


def _judge(runs: Sequence[Run]) -> tuple[Run | None, str]:
    """The run of a column that can be told apart from all its others, or None and why there is none."""
    if len(runs) < 2:
        return None, "fewer than two runs"
    # Equal hits differ in no test, so which of several best runs comes first does not matter.
    best = max(runs, key=lambda run: run.metrics["hits"])
    found = compare_runs([best, *(run for run in runs if run is not best)])
    if len(found) < len(runs) - 1:
        return None, "different clips or classes, which no paired test compares"
    if len({run.folds.protocol for run in runs}) > 1:
        return None, "different protocols"
    if any(comparison.p_holm >= _LEVEL for comparison in found):
        return None, "no run of the column can be told apart from all others"
    if best.wilson_ci[0] <= best.metrics["majority"]:
        return None, "the best run cannot be told apart from always giving the most frequent answer"
    return best, ""


# The tables


def _table_block(number: int, cells: Sequence[Filled]) -> Table:
    header = ["Use of ABN", "Network"]
    for title in _COLUMNS[number].values():
        header += [title, "hits/N", "95 %", "paper"]
    starred = {one.cell.frames for one in cells if one.marked}
    rows: list[tuple[str, ...]] = []
    said = None
    for abn, network in dict.fromkeys((one.cell.abn, one.cell.network) for one in cells):
        row = ["" if abn == said else "w/ ABN" if abn else "w/o ABN", network]
        said = abn
        for one in cells:
            if (one.cell.abn, one.cell.network) == (abn, network):
                row += _figures(one, one.cell.frames in starred)
        rows.append(tuple(row))
    rows += _baseline_row(cells)
    title = f"{_TITLES[number]}: mean of folds in %, hits/N with its 95 % interval (Wilson), and the paper's figure"
    return Table(title, tuple(header), tuple(rows), n_left=2)


def _baseline_row(cells: Sequence[Filled]) -> list[tuple[str, ...]]:
    """What always answering the most frequent class gives, where all runs of the table test the same."""
    runs = [one.run for one in cells if one.run is not None]
    if not runs or any(labels_of(run) != labels_of(runs[0]) for run in runs):
        return []
    scores = runs[0].metrics
    hits = round(scores["majority"] * scores["n"])
    figures = [f"{100 * scores['majority']:.2f}", f"{hits}/{scores['n']}", "", ""]
    columns = len(_COLUMNS[cells[0].cell.table])
    return [("always", f"'{scores['majority_class']}'", *(figures * columns))]


def _figures(one: Filled, starred: bool) -> list[str]:
    """Four texts of a cell; in a column with a mark the others leave its room, so that the digits align."""
    paper = f"{one.cell.paper:.2f}"
    if one.run is None:
        return ["-" + " " * starred, "-", "-", paper]
    scores, (low, high) = one.run.metrics, one.run.wilson_ci
    mean = scores["fold_accuracy_mean"]
    mark = "*" if one.marked else " " * starred
    return [
        f"{'-' if mean is None else f'{100 * mean:.2f}'}{mark}",
        f"{scores['hits']}/{scores['n']}",
        f"[{100 * low:.1f}, {100 * high:.1f}]",
        paper,
    ]


# The notes


def _notes(tables: PaperTables) -> list[str]:
    runs = [one.run for one in tables.cells if one.run is not None]
    names = _short_names([*runs, *(run for run, _ in tables.left_out)])

    def grouped(say: Callable[[Run], str]) -> str:
        return _grouped([(say(run), names[run.name]) for run in runs])

    notes = [
        *_mark_notes(tables),
        *_clip_notes(runs, names),
        f"Protocol: {grouped(_protocol)}.",
        f"Training: {grouped(_training)}.",
    ]
    fine_tuned = [run for run in runs if run.init]
    if fine_tuned:
        weights = _grouped([(run.init_name, names[run.name]) for run in fine_tuned], always=True)
        notes.append(f"{CKPLUS}: runs that began with other weights, whatever these have seen: {weights}.")
    notes += [f"Subjects: {grouped(_subjects)}.", f"{grouped(lambda run: run.key_frames.rstrip('.'))}."]
    notes.append(f"Alignment: {grouped(lambda run: run.alignment)}. The paper aligned each frame by its own landmarks.")
    if any(run.settings.repeats > 1 for run in runs):
        notes.append("Of a run with repeats its first seed stands here; the run's own report has all.")
    if tables.left_out:
        told = "; ".join(f"{names[run.name]} ({why})" for run, why in tables.left_out)
        notes.append(f"Left out, for they fit no cell: {told}.")
    return notes


def _mark_notes(tables: PaperTables) -> Iterable[str]:
    yield (
        "* marks the run with the most hits of its column, only where it is told apart from every other run there at "
        "5 % (exact McNemar test clip by clip, Holm's correction for the comparisons of the column) and its interval "
        "lies above always giving the most frequent answer."
    )
    if tables.unmarked:
        told = _grouped([(why, column) for column, why in tables.unmarked.items()], always=True)
        yield f"Without mark: {told}."


def _clip_notes(runs: Sequence[Run], names: dict[str, str]) -> Iterable[str]:
    """N, classes, what one clip weighs, and whether the runs test the same."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        groups.setdefault(labels_of(run), []).append(run)
    if len(groups) == 1:
        whose = "All runs test the same " if len(runs) > 1 else ""
        yield f"{whose}{_clips(runs[0])}. {_PAPERS_N}."
        splits = {frozenset(map(frozenset, run.folds.tests)) for run in runs}
        if len(splits) > 1:
            yield "These runs split the clips into different folds."
        return
    told = "; ".join(f"{_clips(group[0])} ({_listed(names[run.name] for run in group)})" for group in groups.values())
    yield f"These runs test different clips or classes: their figures do not compare. {told}. {_PAPERS_N}."


def _clips(run: Run) -> str:
    scores = run.metrics
    counts = ", ".join(f"{name} {part['support']}" for name, part in scores["per_class"].items())
    return (
        f"{plural(scores['n'], 'clip')} of {plural(scores['n_subjects'], 'subject')} "
        f"of {', '.join(scores['per_dataset'])}: {counts}; one clip is {100 / scores['n']:.2f} points, and always "
        f"answering '{scores['majority_class']}' gives {100 * scores['majority']:.2f} %"
    )


def _protocol(run: Run) -> str:
    protocol, folds = run.folds.protocol, len(run.folds.tests)
    seed = f", split seed {run.folds.seed}" if protocol in ("stratified", "group") else ""
    whose = "as in the paper" if (protocol, folds) == _PAPERS_PROTOCOL else "not the paper's stratified five folds"
    return f"{protocol}, {plural(folds, 'fold')}{seed}, {whose}"


def _training(run: Run) -> str:
    """Whether a run follows the paper's recipe, and where not."""
    settings = run.settings
    # Told by the tables or by other notes, or of no weight beyond the last digits.
    told = {"classes", "region", "frames", "abn", "arcface", "recipe", "protocol", "folds", "seed", "split_seed"}
    told |= {"repeats", "new_splits", "threads", "device"}
    usual = Settings.from_recipe(settings.recipe).as_dict()
    changed = [
        f"{name} {value} instead of {usual[name]}"
        for name, value in settings.as_dict().items()
        if name not in told and value != usual[name]
    ]
    if settings.recipe != "paper":
        return f"not the paper's, recipe {', '.join([settings.recipe, *changed])}"
    if changed:
        return f"not quite the paper's recipe, {', '.join(changed)}"
    return "the paper's recipe (SGD 1e-3, batch 16, 100 epochs, ten copies; where the paper is silent mertool's choice)"


def _subjects(run: Run) -> str:
    n, shared = run.metrics["n_subjects"], len(run.shared_subjects)
    if shared:
        return (
            f"subject-dependent, {shared} of {n} have clips in both training and test parts; accuracy on new people "
            "will be lower"
        )
    if run.init_subjects:
        return f"subject-dependent, the initial weights have seen {len(run.init_subjects)} of {n} in other clips"
    return f"subject-independent, none of {n} has clips in both training and test parts"


def _grouped(told: Sequence[tuple[str, str]], always: bool = False) -> str:
    """`text (names); other text (names)`; without names where all say the same, unless `always`."""
    groups: dict[str, list[str]] = {}
    for text, name in told:
        groups.setdefault(text, []).append(name)
    if len(groups) == 1 and not always:
        return told[0][0]
    return "; ".join(f"{text} ({_listed(names)})" for text, names in groups.items())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _short_names(runs: Sequence[Run]) -> dict[str, str]:
    """Name of each run -> its last part, where these differ: sixteen whole paths would fill a page."""
    short = {run.name: PurePath(run.name).name for run in runs}
    return short if len(set(short.values())) == len(short) else {name: name for name in short}


# JSON and CSV


def _values(one: Filled) -> dict[str, Any]:
    scores = None if one.run is None else one.run.metrics
    return {
        "table": one.cell.table,
        "abn": one.cell.abn,
        "network": one.cell.network,
        "frames": one.cell.frames,
        "run": one.run and one.run.name,
        "hits": scores and scores["hits"],
        "n": scores and scores["n"],
        "fold_accuracy_mean": scores and scores["fold_accuracy_mean"],
        "interval": one.run and list(one.run.wilson_ci),
        "paper": round(one.cell.paper / 100, 4),
        "marked": one.marked,
    }


def _csv(cells: Sequence[Filled]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for number, one in enumerate(cells):
        values = _values(one)
        ends = values.pop("interval") or (None, None)
        values |= {"accuracy_low": ends[0], "accuracy_high": ends[1]}
        if not number:
            writer.writerow(values)
        writer.writerow("" if value is None else value for value in values.values())
    return stream.getvalue()
