"""Runs on disk as a table: state, size and settings, unfinished ones too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..csv_text import csv_text
from ..errors import FileError, MertoolError
from ..runs.finished import Run, load_run
from ..runs.state import RunState, find_runs, state_of
from .blocks import Table
from .formats import blocks_markdown
from .plain import blocks_text, terminal_width

__all__ = ["render_list"]

_HEADER = ("run", "command", "state", "hits/N", "accuracy", "MB")


def render_list(folders: Sequence[Path], output_format: str) -> tuple[str, list[str]]:
    """One row per run.

    Args:
        folders: Runs, or folders that hold runs; without any, ./runs.
        output_format: "text", "md" or "csv".

    Returns:
        The table, and what is wrong with runs that cannot be read.

    Raises:
        FileError: There is no run.
    """
    found: dict[Path, None] = {}
    for folder in folders or [Path("runs")]:
        found |= dict.fromkeys(find_runs(folder))
    if not found:
        where = ", ".join(map(str, folders)) or "runs"
        raise FileError(f'report: no run below {where}; make one with "mertool cv" or name its folder')
    rows, problems = [], []
    for folder in sorted(found):
        try:
            state = state_of(folder)
            rows.append(_cells(state, _finished(state)))
        except MertoolError as error:
            rows.append((folder.as_posix(), "-", "cannot be read", "-", "-", "-"))
            problems.append(str(error))
    if output_format == "csv":
        return csv_text([_HEADER, *rows]), problems
    table = Table("Runs", _HEADER, tuple(rows), n_left=3)
    if output_format == "md":
        return blocks_markdown([table]), problems
    return blocks_text([table], terminal_width()), problems


def _finished(state: RunState) -> Run | None:
    if state.config.command != "cv" or not state.is_finished:
        return None
    return load_run(state.folder)


def _cells(state: RunState, run: Run | None) -> tuple[str, ...]:
    hits, accuracy = "-", "-"
    if run is not None:
        hits = f"{run.metrics['hits']}/{run.metrics['n']}"
        accuracy = f"{100 * run.metrics['accuracy']:.1f} %"
    name = state.folder.as_posix()
    if state.config.name not in ("", state.folder.name):
        name = f"{name} ({state.config.name})"
    return name, state.config.command, state.text, hits, accuracy, f"{state.size / 1e6:.1f}"
