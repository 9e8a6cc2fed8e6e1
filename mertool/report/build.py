"""What `mertool report` does: read runs, audit and draw them, and make one document of it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TypeVar

from ..errors import DataError, MertoolError, UnfinishedRunError, UsageError
from ..runs.audit import FAIL, Check, audit_repeats
from ..runs.config import RunConfig
from ..runs.finished import Run, load_run
from ..runs.layout import RunFolder, is_repeat_name
from .blocks import Block
from .figures import draw_gallery
from .formats import blocks_markdown, render_csv, render_json, render_megc
from .html import RunExtras, render_html
from .latex import render_latex
from .paper import paper_blocks, render_paper
from .paper_tables import fill_tables
from .plain import render_text
from .sections import blocks_of

__all__ = ["compose", "file_name", "load_runs", "paper_remarks", "read_each"]

# Format -> suffix of a report's file.
_SUFFIXES = {
    "text": "txt",
    "md": "md",
    "latex": "tex",
    "csv": "csv",
    "json": "json",
    "html": "html",
    "megc": "megc.txt",
}

Progress = Callable[[int, int], None]
Remark = Callable[[str], None]
T = TypeVar("T")


def file_name(output_format: str, tables: str | None) -> str:
    """The name of a report's file in its folder; an HTML page is a whole report, whatever tables it begins with."""
    stem = "report"
    if tables is not None and output_format != "html":
        stem = tables
    return f"{stem}.{_SUFFIXES[output_format]}"


def read_each(
    folders: Sequence[Path], read: Callable[[Path], T], remark: Remark
) -> tuple[dict[Path, T], list[MertoolError]]:
    """Read each run. Among several folders, skip those that are no finished run to report.

    Args:
        folders: As given, `runs/*` for example.
        read: Reads one, such as `load_run`.
        remark: Takes a line about each folder that is skipped or given twice, and each run that is not finished.

    Returns:
        What was read, and what is wrong with each folder that should be a run.

    Raises:
        MertoolError: The only folder is not a run.
        DataError: All of several folders are skipped.
    """
    folder_of: dict[str, Path] = {}
    for folder in folders:
        real_path = os.path.realpath(folder)
        if real_path in folder_of:
            remark(f"{folder}: left out, given twice")
        folder_of.setdefault(real_path, folder)
    found: dict[Path, T] = {}
    failures = []
    unfinished = False
    for real_path, folder in folder_of.items():
        why = _why_skipped(folder, real_path, folder_of) if len(folders) > 1 else ""
        if why:
            remark(f"{folder}: left out, {why}")
            continue
        try:
            found[folder] = read(folder)
        except MertoolError as error:
            if len(folder_of) == 1:
                raise
            if isinstance(error, UnfinishedRunError):
                unfinished = True
                remark(f"left out, not finished: {error}")
            else:
                failures.append(error)
    if unfinished and not found and not failures:
        raise DataError("report: none of these runs is finished")
    if not found and not failures:
        raise DataError("report: none of these is a run of 'mertool cv'; name one, such as runs/SAMM-roi-3f-abn")
    return found, failures


def load_runs(
    folders: Sequence[Path], remark: Remark, names: Mapping[Path, str] | None = None
) -> tuple[list[Run], list[MertoolError]]:
    """Read finished runs; see `read_each`.

    Args:
        folders: As given.
        remark: As in `read_each`.
        names: What to call them; "" or missing for the name that a run has.

    Raises:
        MertoolError: As `read_each`.
        UsageError: Two runs were given the same name.
    """
    found, failures = read_each(folders, load_run, remark)
    given = {folder: name for folder, name in (names or {}).items() if name}
    for name in given.values():
        if list(given.values()).count(name) > 1:
            raise UsageError(f"report: two runs are called {name!r}; give each a name of its own")
    return _named(found, given), failures


def _named(found: Mapping[Path, Run], given: Mapping[Path, str]) -> list[Run]:
    """Runs with the names that reports call them by: given here, given to `cv`, or of their folders.

    Of several runs the folders are told by their last part, or by all of it where two would have the same name.
    """
    if len(found) == 1:
        return [dataclasses.replace(run, name=given.get(folder, run.name)) for folder, run in found.items()]
    names = {folder: given.get(folder) or run.config.name or PurePath(run.name).name for folder, run in found.items()}
    taken = list(names.values())
    for folder in found:
        if folder not in given and taken.count(names[folder]) > 1:
            names[folder] = folder.as_posix()
    return [dataclasses.replace(run, name=names[folder]) for folder, run in found.items()]


def _why_skipped(folder: Path, real_path: str, folder_of: Mapping[str, Path]) -> str:
    """Why one of several folders is skipped; "" for a run, or for what should be one."""
    if folder.is_file():  # a report written beside the runs
        return "a file is not a run"
    if _is_training(folder):  # runs/* holds them too
        return "made by 'mertool train', which tests nothing"
    parent, name = os.path.split(real_path)
    if parent in folder_of and is_repeat_name(name):
        return f"a repeat of {folder_of[parent]}, which is given too"
    if folder.is_dir() and not RunFolder(folder).is_run:
        names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
        if names and all(each.startswith(("report.", "paper.")) for each in names):
            return "holds a written report"
    return ""


def compose(
    runs: Sequence[Run], output_format: str, tables: str | None, faces: bool, progress: Progress, width: int
) -> str:
    """The document.

    Args:
        runs: One or more; for "megc" one.
        output_format: "text", "md", "latex", "csv", "json", "html" or "megc".
        tables: "paper" for the paper's tables: an HTML page begins with them, the other formats consist of them.
        faces: Show pictures of the recordings (HTML only).
        progress: Called with (runs audited and drawn, runs) (HTML only).
        width: Columns of the terminal that a text is for.

    Raises:
        MertoolError: The runs do not fit the tables, or their classes the log of MEGC2019.
    """
    if output_format == "html":
        return _compose_html(runs, tables, faces, progress)
    if tables is not None:
        return render_paper(runs, output_format, width)
    if output_format == "megc":
        return render_megc(runs[0])
    if output_format == "text":
        return render_text(runs, width)
    if output_format == "md":
        return blocks_markdown(blocks_of(runs))
    return {"latex": render_latex, "csv": render_csv, "json": render_json}[output_format](runs)


def _compose_html(runs: Sequence[Run], tables: str | None, faces: bool, progress: Progress) -> str:
    first: list[Block] = []
    if tables is not None:
        first = paper_blocks(fill_tables(runs))
    extras = []
    for number, run in enumerate(runs):
        progress(number, len(runs))
        extras.append(_extras_of(run, faces))
    progress(len(runs), len(runs))
    return render_html(runs, extras, first)


def paper_remarks(runs: Sequence[Run], output_format: str) -> list[str]:
    """The runs that fit no cell of the paper's tables, for the formats without notes that name them."""
    if output_format not in ("csv", "json"):
        return []
    return [f"{run.name}: left out, {why}" for run, why in fill_tables(runs).left_out]


def _extras_of(run: Run, faces: bool) -> RunExtras:
    try:
        audit = audit_repeats(run.folder, choose=False)
    except MertoolError as error:
        audit = {run.name: [Check("audit", FAIL, str(error))]}
    checks = tuple(
        (folder, tuple((check.name, check.verdict, check.detail) for check in found)) for folder, found in audit.items()
    )
    return RunExtras(checks, RunFolder(run.folder).read_environment(), draw_gallery(run, faces))


def _is_training(folder: Path) -> bool:
    try:
        return RunConfig.read(folder).command == "train"
    except MertoolError:
        return False
