"""What `mertool report` does: read runs, audit and draw them, and make one document of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ..errors import DataError, MertoolError
from ..runs.audit import FAIL, Check, audit_repeats
from ..runs.config import RunConfig
from ..runs.finished import Run, load_run
from ..runs.layout import RunFolder, is_repeat_name
from . import (
    BLOCK_FORMATS,
    Findings,
    fill_tables,
    paper_blocks,
    render_csv,
    render_html,
    render_json,
    render_megc,
    render_paper,
    report_blocks,
)
from .figures import draw_gallery

__all__ = ["compose", "file_name", "load_runs", "paper_remarks", "read_each"]

# Format -> the end of a report's file name.
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


def file_name(style: str, layout: str | None) -> str:
    """The name of a report's file in its folder; a page holds the whole report, whatever tables it begins with."""
    stem = "report" if layout is None or style == "html" else layout
    return f"{stem}.{_SUFFIXES[style]}"


def read_each(
    folders: Sequence[Path], read: Callable[[Path], T], remark: Remark
) -> tuple[dict[Path, T], list[MertoolError]]:
    """Read what is to be said of each run; of several folders those that are none are passed over or named.

    Args:
        folders: As given, `runs/*` for example.
        read: Reads it, such as `load_run`.
        remark: Takes a line on each folder that is passed over since it can be no run to report, or is given twice.

    Returns:
        What was read, and what is wrong with each folder that should be a run.

    Raises:
        MertoolError: The only folder is no run.
        DataError: All of several are passed over.
    """
    place_of: dict[str, Path] = {}
    for folder in folders:
        place = os.path.realpath(folder)
        if place in place_of:
            remark(f"{folder}: left out, given twice")
        place_of.setdefault(place, folder)
    found: dict[Path, T] = {}
    failures = []
    for place, folder in place_of.items():
        why = _why_no_run(folder, place, place_of) if len(folders) > 1 else ""
        if why:
            remark(f"{folder}: left out, {why}")
            continue
        try:
            found[folder] = read(folder)
        except MertoolError as error:
            if len(place_of) == 1:
                raise
            failures.append(error)
    if not found and not failures:
        raise DataError("report: no run of 'mertool cv' among these; name one, such as runs/SAMM-roi-3f-abn")
    return found, failures


def load_runs(folders: Sequence[Path], remark: Remark) -> tuple[list[Run], list[MertoolError]]:
    """Read finished runs, as `read_each`."""
    found, failures = read_each(folders, load_run, remark)
    return list(found.values()), failures


def _why_no_run(folder: Path, place: str, place_of: Mapping[str, Path]) -> str:
    """Why one of several folders is passed over; "" for a run, or what should be one."""
    if folder.is_file():  # a report written beside the runs
        return "a file is no run"
    if _is_training(folder):  # runs/* holds them too
        return "'mertool train' tests nothing"
    whole, name = os.path.split(place)
    if whole in place_of and is_repeat_name(name):
        return f"a repeat of {place_of[whole]}, which is given too"
    if folder.is_dir() and not RunFolder(folder).is_run:
        names = [each.name for each in folder.iterdir() if not each.name.startswith(".")]
        if names and all(each.startswith(("report.", "paper.")) for each in names):
            return "holds a written report"
    return ""


def compose(runs: Sequence[Run], style: str, layout: str | None, faces: bool, progress: Progress) -> str:
    """The document.

    Args:
        runs: One or more; for "megc" one.
        style: "text", "md", "latex", "csv", "json", "html" or "megc".
        layout: "paper" for the paper's tables, which an HTML page begins with and the other formats consist of.
        faces: Show the recordings' pictures (HTML only).
        progress: Called with (runs audited and drawn, runs) (HTML only).

    Raises:
        MertoolError: As the functions of `mertool.report`.
    """
    if style == "html":
        first = paper_blocks(fill_tables(runs)) if layout else []
        findings = []
        for number, run in enumerate(runs):
            progress(number, len(runs))
            findings.append(_findings(run, faces))
        progress(len(runs), len(runs))
        return render_html(runs, findings, first)
    if layout is not None:
        return render_paper(runs, style)
    if style == "megc":
        return render_megc(runs[0])
    if style in BLOCK_FORMATS:
        return BLOCK_FORMATS[style](report_blocks(runs))
    return {"csv": render_csv, "json": render_json}[style](runs)


def paper_remarks(runs: Sequence[Run], style: str) -> list[str]:
    """The runs that fit no cell of the paper's tables, for the formats that have no notes to name them in."""
    if style not in ("csv", "json"):
        return []
    return [f"{run.name}: left out, {why}" for run, why in fill_tables(runs).left_out]


def _findings(run: Run, faces: bool) -> Findings:
    try:
        audit = audit_repeats(run.folder, choose=False)
    except MertoolError as error:
        audit = {run.name: [Check("audit", FAIL, str(error))]}
    checks = tuple(
        (place, tuple((check.name, check.verdict, check.detail) for check in found)) for place, found in audit.items()
    )
    return Findings(checks, RunFolder(run.folder).read_environment(), draw_gallery(run, faces))


def _is_training(folder: Path) -> bool:
    try:
        return RunConfig.read(folder).command == "train"
    except MertoolError:
        return False
