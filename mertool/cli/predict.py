"""`mertool predict`: label other recordings."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ..errors import UsageError
from .console import Command, print_out, remark
from .options import PATH, quiet_option

__all__ = ["predict"]


@click.command(cls=Command)
@click.argument("run", type=PATH)
@click.argument("pack", type=PATH)
@click.option("-o", "--output", type=PATH, help="CSV to write.  [default: standard output]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@quiet_option
def predict(run: Path, pack: Path, output: Path | None, device: str, quiet: bool) -> None:
    """Predict the emotion of every clip of a pack with what the folds of a run trained, averaged.

    \b
    Example:
      mertool predict runs/SAMM-roi-3f-abn mine.npz > mine.csv
    """
    from ..files import check_writable, make_folder, write_text
    from ..network.device import choose_device
    from ..pack import load_pack
    from ..runs.layout import RunFolder
    from ..runs.predict import predict_pack

    if run.is_file() and RunFolder(pack).is_run:
        order = shlex.join(["mertool", "predict", str(pack), str(run)])
        raise UsageError(f'predict: {run} is no run, but {pack} is; the run comes first, then the pack: "{order}"')
    if output is not None:
        make_folder(output.parent)
        check_writable(output)
    predictions, remarks = predict_pack(run, load_pack(pack), choose_device(device))
    for text in remarks:
        remark(text, quiet)
    if output is None:
        print_out(predictions.to_csv())
    else:
        write_text(output, predictions.to_csv())
