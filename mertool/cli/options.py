"""Options that several commands share, each defined once; the defaults are those of `Settings`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..settings import RECIPES, Settings, option_name

__all__ = ["PATH", "jobs_option", "network_options", "quiet_option", "setting_option", "texture_options"]

PATH = click.Path(path_type=Path)
_DEFAULTS = Settings()


def quiet_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--quiet`."""
    return click.option("-q", "--quiet", is_flag=True, help="No progress and no remarks; errors and failures only.")(
        command
    )


def jobs_option(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`--jobs`: how many of `what` at once."""
    return click.option(
        "-j", "--jobs", type=click.IntRange(1), help=f"{what} at once.  [default: the cores this process may use]"
    )


def _default(name: str) -> str:
    """`[default: 30; paper 100]`"""
    if name == "classes":
        return "  [default: the data set's own, e.g. basic6 for SAMM; all for a manifest]"
    values = [_shown(getattr(_DEFAULTS, name))]
    values += [f"{recipe} {_shown(fixed[name])}" for recipe, fixed in RECIPES.items() if name in fixed]
    return f"  [default: {'; '.join(values)}]"


def _shown(value: Any) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def setting_option(name: str, help: str, **extra: Any) -> Callable[[Any], Any]:
    """The option of one field of Settings; None when it was not given."""
    kind = type(getattr(_DEFAULTS, name))
    flag = option_name(name)
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=help + _default(name), **extra)
    return click.option(flag, name, type=extra.pop("type", kind), help=help + _default(name), **extra)


_NETWORK = (
    click.option("--face", "region", flag_value="face", help="The whole face as input.  [default]"),
    click.option("--roi", "region", flag_value="roi", help="The fifteen regions of interest as a 3 x 5 mosaic."),
    setting_option("frames", "1: apex; 3: onset, middle and apex.", type=click.Choice(["1", "3"])),
    setting_option("abn", "Attention branch (ABN)."),
    setting_option("arcface", "ArcFace loss."),
    click.option("--init", type=PATH, help="Begin with the weights of this run of 'mertool train' (fine-tuning)."),
    setting_option(
        "classes",
        "Class set by name (basic6, casme5, smic3, megc3, all, ...) or a list: anger,happiness.",
    ),
    click.option(
        "--recipe",
        type=click.Choice(list(RECIPES)),
        help="Training recipe; the options below override it.  [default: modern]",
    ),
    setting_option("epochs", "Epochs; the last one counts."),
    setting_option("batch_size", "Clips a step."),
    setting_option("lr", "Learning rate."),
    setting_option("optimizer", "Optimiser.", type=click.Choice(["adamw", "sgd"])),
    setting_option("momentum", "Momentum of SGD."),
    setting_option("weight_decay", "Weight decay."),
    setting_option("schedule", "Course of the learning rate.", type=click.Choice(["cosine", "constant"])),
    setting_option("warmup", "Share of the steps in which the learning rate grows."),
    setting_option("clip_norm", "Largest norm of the gradient; 0 for any."),
    setting_option("dropout", "Dropout before the head."),
    setting_option("copies", "Augmented copies of a training clip in each epoch."),
    setting_option("fresh_copies", "New copies in each epoch."),
    setting_option("balance", "Draw every class equally often (against imbalance)."),
    setting_option("mirror", "Mirror half of the copies."),
    setting_option("rotation_deg", "Turn copies by up to this many degrees."),
    setting_option("gain", "Change the contrast of copies by up to this share."),
    setting_option("bias", "Change the brightness of copies by up to this many grey levels."),
    setting_option("width", "Channels of the first stage."),
    setting_option("blocks", "Residual blocks a stage."),
    setting_option("pool", "Pooling before the head.", type=click.Choice(["global", "region"])),
    setting_option("stem_kernel", "Kernel of the first convolution.", type=click.Choice(["3", "5", "7"])),
    setting_option("stem_stride", "Stride of the first convolution.", type=click.Choice(["1", "2"])),
    setting_option("map_kernel", "Kernel of the attention map.", type=click.Choice(["1", "3"])),
    setting_option("arc_scale", "Scale s of ArcFace."),
    setting_option("arc_margin", "Margin m of ArcFace in radians."),
    setting_option("arc_ramp", "Share of the epochs in which the margin grows from 0."),
    setting_option(
        "temporal_init", "Three frames from a one-frame --init.", type=click.Choice(["mean", "centre", "diff"])
    ),
    setting_option("tile", "Side of a region in pixels."),
    setting_option("face_size", "Side of the face in pixels."),
    setting_option(
        "select",
        "Which epoch counts: the last, or the best on people kept out of the training part (inner).",
        type=click.Choice(["last", "inner"]),
    ),
    setting_option("seed", "Seed of weights and copies."),
    setting_option("threads", "Threads of a training process; other numbers change the last digits."),
    click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Where to compute.  [default: auto]"
    ),
    click.option(
        "--precision", type=click.Choice(["auto", "fp32", "bf16"]), help="Arithmetic of the layers.  [default: auto]"
    ),
)


_TEXTURE = (
    setting_option(
        "method",
        "Instead of the network: texture features with a linear classifier.",
        type=click.Choice(["network", "lbp-top", "cbp-top"]),
    ),
    setting_option(
        "select_features", "Features of highest Fisher ratio: a number, all, or auto (inner validation chooses)."
    ),
    setting_option("cost", "C of the linear classifier: a number, or auto (inner validation chooses)."),
    setting_option("points", "Texture: P, points of a circle.", type=click.Choice(["4", "8", "16"])),
    setting_option("radii", "Texture: R along x, y and t.", metavar="X,Y,T"),
    setting_option("length", "Texture: frames a clip is interpolated to; 0 for those of the pack's sequence."),
    setting_option(
        "interpolation",
        "Texture: to these frames by the temporal interpolation model (tim), or linear.",
        type=click.Choice(["tim", "linear"]),
    ),
    setting_option(
        "grid",
        "Texture: histograms along x, y and t of the face or of each region; auto: 5,5,2 and 1,1,2.",
        metavar="X,Y,T",
    ),
    setting_option("normalise", "Texture: divide each histogram by its sum."),
    setting_option("sampling", "LBP: between pixels, or the nearest one.", type=click.Choice(["bilinear", "nearest"])),
    setting_option(
        "mapping",
        "LBP: a bin for each uniform pattern and one for the rest, or all.",
        type=click.Choice(["u2", "full"]),
    ),
    setting_option("threshold", "CBP: C, the grey levels that make a difference."),
    setting_option("signed", "CBP: compare differences with their sign."),
)


def network_options(command: Callable[..., None]) -> Callable[..., None]:
    """Input, network, training and arithmetic: all that `train` and `cv` share."""
    return _with(_NETWORK, command)


def texture_options(command: Callable[..., None]) -> Callable[..., None]:
    """Texture features and their classifier."""
    return _with(_TEXTURE, command)


def _with(options: Sequence[Callable[[Any], Any]], command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(options):
        command = option(command)
    return command
