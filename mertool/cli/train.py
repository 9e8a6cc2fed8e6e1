"""`mertool train`: one network from all clips."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from .console import Command, continued_by, remark, watch_run
from .options import PATH, network_options, panels_of, quiet_option

__all__ = ["train"]


@click.command(cls=Command, panels=panels_of("output", "resume"))
@click.argument("packs", nargs=-1, type=PATH)
@click.option("-o", "--output", type=PATH, help="Run folder.  [default: runs/train-<packs>-<short settings>]")
@click.option("--resume", is_flag=True, help="Continue the run, with its own settings.")
@network_options
@quiet_option
def train(
    packs: tuple[Path, ...], output: Path | None, resume: bool, quiet: bool, init: Path | None, **given: Any
) -> None:
    """Train one network on all clips of the packs, to predict with or to fine-tune from.

    \b
    Example:
      mertool train CKplus.npz --roi --abn -o ckplus
      mertool cv SAMM.npz --roi --abn --init ckplus
    """
    from ..runs.execute import train_run, training_summary
    from ..runs.layout import RunFolder
    from ..runs.start import Request, start_or_resume

    request = Request("train", packs, output, given, init=init, resume=resume)
    folder, config = start_or_resume(request, partial(remark, quiet=quiet))
    with continued_by(RunFolder(folder).resume_command("train")), watch_run("train", quiet) as watch:
        train_run(folder, config, watch)
    remark(f"{folder}: {training_summary(folder, config)}", quiet)
