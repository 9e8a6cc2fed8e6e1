"""The paper's Tables 5 and 6 with our figures beside its own: `mertool report --tables paper`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..csv_text import csv_text
from ..runs.finished import Run
from ..settings import Settings
from ..text import plural, strip_control_chars
from .blocks import Block, Heading, Notes, Table
from .compare import labels_of
from .formats import blocks_markdown
from .grouping import grouped, short_names
from .latex import NEEDS, table_latex
from .paper_tables import CKPLUS, COLUMNS, TITLES, FilledCell, PaperTables, fill_tables
from .plain import USUAL_WIDTH, blocks_text

__all__ = ["paper_blocks", "render_paper"]

# The values of N for which whole hits in five folds give each of its figures: docs/evaluation.md, section 1.
_PAPERS_N = "The paper states neither its N nor its classes: its figures fit 121 to 124 clips of SAMM"
_MARK = (
    "* marks the run with the most hits in its column, only if it differs significantly from every other run there at "
    "the 5 % level (exact McNemar test clip by clip, Holm's correction for the comparisons in the column) and its "
    "interval lies above the accuracy of always predicting the most frequent class."
)
_PAPERS_PROTOCOL = ("stratified", 5)


def paper_blocks(tables: PaperTables) -> list[Block]:
    """The tables, and notes on how to read them."""
    return [
        Heading("Tables 5 and 6 of the paper"),
        *(_table_block(number, [one for one in tables.cells if one.cell.table == number]) for number in TITLES),
        Notes(tuple(_notes(tables))),
    ]


def render_paper(runs: Sequence[Run], output_format: str, width: int = USUAL_WIDTH) -> str:
    """The paper's tables in one format.

    JSON has a list of sixteen cells and one of notes, CSV one line per cell; in both, all accuracies are 0..1, those of
    the paper too.

    Args:
        runs: Finished runs; those that fit no cell are named and left out.
        output_format: "text", "md", "latex", "json" or "csv".
        width: Columns of the terminal that a text is for.

    Raises:
        UsageError, DataError: As `fill_tables`.
    """
    tables = fill_tables(runs)
    if output_format == "json":
        values = {"cells": [_values(one) for one in tables.cells], "notes": _notes(tables)}
        return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if output_format == "csv":
        return _csv(tables.cells)
    if output_format == "latex":
        return _latex(tables)
    if output_format == "md":
        return blocks_markdown(paper_blocks(tables))
    return blocks_text(paper_blocks(tables), width)


# The tables


def _table_block(number: int, cells: Sequence[FilledCell]) -> Table:
    header = ["Use of ABN", "Network"]
    spans = [("", len(header))]
    for title in COLUMNS[number].values():
        columns = ("mean", "hits/N", "95 %", "paper")
        header += columns
        spans.append((title, len(columns)))
    with_mark = {one.cell.frames for one in cells if one.marked}
    rows: list[tuple[str, ...]] = []
    branch = None
    for abn, network in dict.fromkeys((one.cell.abn, one.cell.network) for one in cells):
        row = ["", network]  # the branch is named in the first of its rows only
        if abn != branch:
            row[0] = "w/ ABN" if abn else "w/o ABN"
        branch = abn
        for one in cells:
            if (one.cell.abn, one.cell.network) == (abn, network):
                row += _figures(one, one.cell.frames in with_mark)
        rows.append(tuple(row))
    rows += _baseline_row(cells)
    title = f"{TITLES[number]}: mean of folds in %, hits/N with its 95 % interval (Wilson), and the paper's figure"
    return Table(title, tuple(header), tuple(rows), n_left=2, n_keys=2, spans=tuple(spans))


def _latex(tables: PaperTables) -> str:
    """Both tables; the notes that a reader of the paper needs are below the second, the others are comments."""
    texts = []
    runs = [one.run for one in tables.cells if one.run is not None]
    names = short_names(runs)
    below = [*_clip_notes(runs, names), *_short_notes(runs, names)]
    if any(one.marked for one in tables.cells):
        below = [_MARK, *below]
    for number in TITLES:
        table = _table_block(number, [one for one in tables.cells if one.cell.table == number])
        rows = tuple(_short_row(*row) for row in table.rows)
        table = replace(table, header=("ABN", *table.header[1:]), rows=rows)
        caption = (
            f"The conditions of Hata et al., {TITLES[number]}: mean of the folds' accuracies in %, hits in all folds "
            "together with their 95 % interval (Wilson), and the paper's figure."
        )
        texts.append(table_latex(table, f"paper-{number}", caption, below if number == max(TITLES) else ()))
    comments = [f"% {note}" for note in map(strip_control_chars, _notes(tables)) if note not in below]
    return "\n\n".join([NEEDS, *texts, "\n".join(comments)]).rstrip() + "\n"


def _short_row(branch: str, network: str, *figures: str) -> tuple[str, ...]:
    """A row whose first cells take less of a page; a note says what the baseline is."""
    if branch == "baseline":
        return ("", branch, *figures)
    return (branch.removesuffix(" ABN"), network, *figures)


def _baseline_row(cells: Sequence[FilledCell]) -> list[tuple[str, ...]]:
    """What always predicting the most frequent class gives, if all runs of the table test the same clips."""
    runs = [one.run for one in cells if one.run is not None]
    if not runs or any(labels_of(run) != labels_of(runs[0]) for run in runs):
        return []
    scores = runs[0].metrics
    hits = round(scores["majority"] * scores["n"])
    figures = [f"{100 * scores['majority']:.2f}", f"{hits}/{scores['n']}", "", ""]
    columns = len(COLUMNS[cells[0].cell.table])
    return [("baseline", f"always '{scores['majority_class']}'", *(figures * columns))]


def _figures(one: FilledCell, with_mark: bool) -> list[str]:
    """The four texts of a cell; in a column with a mark the other cells leave room for it, so that the digits align."""
    paper, mark = f"{one.cell.paper:.2f}", ""
    if with_mark:
        mark = "*" if one.marked else " "
    if one.run is None:
        return [f"-{mark}", "-", "-", paper]
    scores, (low, high) = one.run.metrics, one.run.wilson_ci
    mean = scores["fold_accuracy_mean"]
    accuracy = "-" if mean is None else f"{100 * mean:.2f}"
    return [f"{accuracy}{mark}", f"{scores['hits']}/{scores['n']}", f"[{100 * low:.1f}, {100 * high:.1f}]", paper]


# The notes


def _notes(tables: PaperTables) -> list[str]:
    runs = [one.run for one in tables.cells if one.run is not None]
    names = short_names([*runs, *(run for run, _ in tables.left_out)])

    def of_runs(say: Callable[[Run], str]) -> str:
        return grouped([(say(run), names[run.name]) for run in runs])

    notes = [*_mark_notes(tables), *_clip_notes(runs, names), *_short_notes(runs, names)]
    fine_tuned = [run for run in runs if run.init]
    if fine_tuned:
        weights = grouped([(run.init_name, names[run.name]) for run in fine_tuned], always=True)
        notes.append(f"{CKPLUS}: runs with initial weights, whatever these were trained on: {weights}.")
    notes.append(f"{of_runs(lambda run: run.key_frames.rstrip('.'))}.")
    notes.append(f"Alignment: {of_runs(lambda run: run.alignment)}. The paper aligned each frame by its own landmarks.")
    if any(run.settings.repeats > 1 for run in runs):
        notes.append("For a run with repeats, the tables give its first seed; the run's own report gives all.")
    if tables.left_out:
        told = "; ".join(f"{names[run.name]} ({why})" for run, why in tables.left_out)
        notes.append(f"Left out because they fit no cell: {told}.")
    return notes


def _short_notes(runs: Sequence[Run], names: dict[str, str]) -> Iterable[str]:
    """How the runs were made, for any table of them."""
    for title, say in (("Protocol", _protocol), ("Training", _training), ("Subjects", _subjects)):
        yield f"{title}: {grouped([(say(run), names[run.name]) for run in runs])}."


def _mark_notes(tables: PaperTables) -> Iterable[str]:
    yield _MARK
    if tables.unmarked:
        told = grouped([(why, column) for column, why in tables.unmarked.items()], always=True)
        yield f"No mark: {told}."


def _clip_notes(runs: Sequence[Run], names: dict[str, str]) -> Iterable[str]:
    """N, classes, the weight of one clip, and whether the runs test the same clips."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        groups.setdefault(labels_of(run), []).append(run)
    if len(groups) == 1:
        subject = "All runs test the same " if len(runs) > 1 else ""
        yield f"{subject}{_clips(runs[0])}. {_PAPERS_N}."
        splits = {frozenset(map(frozenset, run.folds.tests)) for run in runs}
        if len(splits) > 1:
            yield "These runs split the clips into different folds."
        return
    told = "; ".join(f"{_clips(group[0])} ({', '.join(names[run.name] for run in group)})" for group in groups.values())
    yield f"These runs test different clips or classes, so their figures are not comparable. {told}. {_PAPERS_N}."


def _clips(run: Run) -> str:
    scores = run.metrics
    counts = ", ".join(f"{name} {part['support']}" for name, part in scores["per_class"].items())
    return (
        f"{plural(scores['n'], 'clip')} of {plural(scores['n_subjects'], 'subject')} "
        f"of {', '.join(scores['per_dataset'])}: {counts}; one clip is {100 / scores['n']:.2f} percentage points, and "
        f"always predicting '{scores['majority_class']}' gives {100 * scores['majority']:.2f} %"
    )


def _protocol(run: Run) -> str:
    protocol, folds = run.folds.protocol, len(run.folds.tests)
    words = [protocol, plural(folds, "fold")]
    if protocol in ("stratified", "group"):
        words.append(f"split seed {run.folds.seed}")
    as_in_paper = (protocol, folds) == _PAPERS_PROTOCOL
    words.append("as in the paper" if as_in_paper else "not the paper's stratified five folds")
    return ", ".join(words)


def _training(run: Run) -> str:
    """Whether a run follows the paper's recipe, and where it does not."""
    settings = run.settings
    # Shown by the tables or by other notes, or without effect beyond the last digits.
    told = {"classes", "region", "frames", "abn", "arcface", "recipe", "protocol", "folds", "seed", "split_seed"}
    told |= {"repeats", "new_splits", "threads", "device"}
    usual = Settings.from_recipe(settings.recipe).as_dict()
    changed = [
        f"{name} {value} instead of {usual[name]}"
        for name, value in settings.as_dict().items()
        if name not in told and value != usual[name]
    ]
    if settings.recipe != "paper":
        return f"not the paper's recipe, but {', '.join([settings.recipe, *changed])}"
    if changed:
        return f"the paper's recipe except {', '.join(changed)}"
    return (
        "the paper's recipe (SGD 1e-3, batch size 16, 100 epochs, ten augmentations; mertool's choice where the paper "
        "is silent)"
    )


def _subjects(run: Run) -> str:
    n, shared = run.metrics["n_subjects"], len(run.shared_subjects)
    if shared:
        return (
            f"subject-dependent, {shared} of {n} have clips in both training and test parts; accuracy on new subjects "
            "will be lower"
        )
    if run.init_subjects:
        return f"subject-dependent, the initial weights were trained on other clips of {len(run.init_subjects)} of {n}"
    return f"subject-independent, none of {n} has clips in both training and test parts"


# JSON and CSV


def _values(one: FilledCell) -> dict[str, Any]:
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


def _csv(cells: Sequence[FilledCell]) -> str:
    rows: list[list[object]] = []
    for one in cells:
        values = _values(one)
        ends = values.pop("interval") or (None, None)
        values |= {"accuracy_low": ends[0], "accuracy_high": ends[1]}
        if not rows:
            rows.append([*values])
        rows.append(["" if value is None else value for value in values.values()])
    return csv_text(rows)
