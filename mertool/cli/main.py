"""The command line: one file per command, and every failure as one line.

Heavy imports stay inside the bodies of the commands, so that `--help` answers at once. Nothing imports this folder.
"""

from __future__ import annotations

import click

from .console import Commands
from .cv import cv
from .doctor import doctor
from .extract import extract
from .predict import predict
from .report import report
from .train import train

__all__ = ["main"]


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    import platform

    from .. import __version__

    click.echo(f"mertool {__version__}, Python {platform.python_version()}", nl=False)
    for name, module in (("torch", "torch"), ("OpenCV", "cv2"), ("dlib", "dlib")):
        click.echo(f", {name} {_version_of(module)}", nl=False)
    click.echo()
    ctx.exit()


def _version_of(module: str) -> str:
    import importlib

    try:
        return str(importlib.import_module(module).__version__)
    except ImportError as error:
        return f"missing ({error})"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show versions and exit.",
)
def main() -> None:
    """Micro-expression recognition: from a folder of recordings to an honest, cross-validated table.

    \b
    Example:
      mertool extract SAMM/
      mertool cv --roi --frames 3 --abn
      mertool report
    """


for command in (extract, train, cv, predict, report, doctor):
    main.add_command(command)
