"""What `mertool report` does: read runs, audit and draw them, and make one document of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .audit import FAIL, Check, audit_run
from .errors import MertoolError
from .files import read_json
from .gallery import draw_gallery
from .report import (
    BLOCK_FORMATS,
    Findings,
    Run,
    fill_tables,
    load_run,
    paper_blocks,
    render_csv,
    render_html,
    render_json,
    render_megc,
    render_paper,
    report_blocks,
)
from .runs import RunConfig

__all__ = ["SUFFIXES", "audit_repeats", "compose", "load_runs"]

# Format -> the end of a report's file name.
SUFFIXES = {"text": "txt", "md": "md", "latex": "tex", "csv": "csv", "json": "json", "html": "html", "megc": "megc.txt"}

Progress = Callable[[int, int], None]


def load_runs(folders: Sequence[Path], remark: Callable[[str], None]) -> tuple[list[Run], list[MertoolError]]:
    """Read finished runs; of several folders those that are none are passed over or named.

    Args:
        folders: As given, `runs/*` for example.
        remark: Takes a line on each folder that is passed over since it can be no run to report.

    Returns:
        The runs, and what is wrong with each folder that should be one.

    Raises:
        MertoolError: The only folder is no finished run.
    """
    runs, failures = [], []
    for folder in folders:
        if len(folders) > 1 and folder.is_file():  # a report written beside the runs
            remark(f"{folder}: left out, a file is no run")
        elif len(folders) > 1 and _is_training(folder):  # runs/* holds them too
            remark(f"{folder}: left out, 'mertool train' tests nothing")
        else:
            try:
                runs.append(load_run(folder))
            except MertoolError as error:
                if len(folders) == 1:
                    raise
                failures.append(error)
    return runs, failures


def audit_repeats(folder: Path) -> dict[str, list[Check]]:
    """`mertool.audit.audit_run` of a run and of each of its repeats, by the place of each."""
    found = {folder.as_posix(): audit_run(folder)}
    for number in range(1, RunConfig.read(folder).settings.repeats):
        repeat = folder / f"repeat_{number}"
        found[repeat.as_posix()] = audit_run(repeat)
    return found


def compose(runs: Sequence[Run], style: str, layout: str | None, faces: bool, progress: Progress) -> str:
    """The document.

    Args:
        runs: One or more; for "megc" one.
        style: A name of `SUFFIXES`.
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


def _findings(run: Run, faces: bool) -> Findings:
    try:
        audit = audit_repeats(run.folder)
    except MertoolError as error:
        audit = {run.name: [Check("audit", FAIL, str(error))]}
    checks = tuple(
        (place, tuple((check.name, check.verdict, check.detail) for check in found)) for place, found in audit.items()
    )
    try:
        environment = read_json(run.folder / "env.json")
    except MertoolError:
        environment = {}
    return Findings(checks, environment if isinstance(environment, dict) else {}, draw_gallery(run, faces))


def _is_training(folder: Path) -> bool:
    try:
        config = read_json(folder / "config.json")
    except MertoolError:
        return False
    return isinstance(config, dict) and config.get("command") == "train"
