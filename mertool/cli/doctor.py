"""`mertool doctor`: whether this machine has what mertool needs."""

from __future__ import annotations

from pathlib import Path

import click

from .console import Command, print_out
from .options import PATH

__all__ = ["doctor"]


@click.command(cls=Command)
@click.option(
    "--landmarks", type=PATH, help="dlib's 68-point model.  [default: MERTOOL_LANDMARKS, or an installed one]"
)
def doctor(landmarks: Path | None) -> None:
    """Check this machine in a few seconds: versions, kernels, a short training, processes, memory, landmark model.

    Ends with 1 if something fails. What it prints belongs into every question and bug report.

    \b
    Example:
      mertool doctor
    """
    from ..doctor import examine
    from ..runs.checks import FAIL, check_line

    failed = 0
    for check in examine(landmarks):
        print_out(check_line(check))
        failed += check.verdict == FAIL
    if failed:
        raise SystemExit(1)
