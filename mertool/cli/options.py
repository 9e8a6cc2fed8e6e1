"""Options that several commands share, each defined once; the defaults are those of `Settings`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..declarations import Panel, option_name
from ..recipes import RECIPES
from ..runs.methods import OFFERED
from ..settings import Settings, choices_of, settings_table

__all__ = [
    "PATH",
    "fusion_options",
    "jobs_option",
    "network_options",
    "panels_of",
    "protocol_options",
    "quiet_option",
    "texture_options",
]

PATH = click.Path(path_type=Path)
Option = Callable[[Any], Any]
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
    declared = settings_table()[name]
    if declared.auto:
        return "  [default: auto]"
    if declared.usual is not None:
        return f"  [default: {declared.usual}]"
    values = [_shown(getattr(_DEFAULTS, name))]
    values += [f"{recipe} {_shown(fixed[name])}" for recipe, fixed in RECIPES.items() if name in fixed]
    return f"  [default: {'; '.join(values)}]"


def _shown(value: Any) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def _setting_option(name: str) -> Option:
    """The option of one field of Settings, made from its declaration; None when it was not given."""
    declared = settings_table()[name]
    kind = type(getattr(_DEFAULTS, name))
    flag, help = option_name(name), declared.help + _default(name)
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=help)
    choices = _offered(name)
    if not choices:
        return click.option(flag, name, type=kind, help=help, metavar=declared.metavar)

    def as_declared(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Any:
        return None if value is None else kind(value)  # click gives its choices as text

    return click.option(flag, name, type=click.Choice(choices), callback=as_declared, help=help)


def _offered(name: str) -> list[str]:
    """The choices that the option of a field offers; empty for one of any text or number."""
    if name == "method":  # its choices are in a registry, not in its type
        return list(OFFERED)
    declared = settings_table()[name]
    choices = [str(value) for value in choices_of(name) if value not in declared.own_choices]
    return ["auto", *choices] if declared.auto else choices


def _options(*panels: Panel, cv_only: bool = False) -> list[Option]:
    """The options of all fields below these headings that both `train` and `cv` have, or that only `cv` has."""
    return [
        _setting_option(name)
        for name, declared in settings_table().items()
        if declared.panel in panels and declared.cv_only == cv_only and name != "region"  # which --face and --roi set
    ]


_MOST_USED = (
    "region",
    "frames",
    "input",
    "abn",
    "arcface",
    "init",
    "classes",
    "protocol",
    "method",
    "recipe",
    "epochs",
)


def panels_of(*first: str) -> dict[str, tuple[str, ...]]:
    """Headings of the help of `train` and `cv`, with the names of the options below each.

    Args:
        first: Names of options that are shown with those used most.
    """
    panels: dict[str, list[str]] = {"Most used": [*_MOST_USED, *first]}
    for name, declared in settings_table().items():
        if declared.panel and name not in panels["Most used"]:
            panels.setdefault(declared.panel, []).append(name)
    panels["Protocol"] += ["folds_file", "only_folds", "only_repeats"]
    panels["Running"] += ["jobs", "plan", "show_input", "quiet", "help"]
    return {heading: tuple(names) for heading, names in panels.items()}


def network_options(command: Callable[..., None]) -> Callable[..., None]:
    """Input, network, training and arithmetic: all that `train` and `cv` share."""
    options = [
        click.option("--face", "region", flag_value="face", help="The whole face as input.  [default]"),
        click.option("--roi", "region", flag_value="roi", help="The fifteen regions of interest as a 3 x 5 mosaic."),
        click.option("--init", type=PATH, help="Start from the weights of this run of 'mertool train' (fine-tuning)."),
        *_options("Input", "Network", "Training", "Augmentation", "Protocol", "Running"),
    ]
    return _with(options, command)


def protocol_options(command: Callable[..., None]) -> Callable[..., None]:
    """Folds and repeats."""
    return _with(_options("Protocol", cv_only=True), command)


def texture_options(command: Callable[..., None]) -> Callable[..., None]:
    """Other methods than the network."""
    return _with([*_options("Input", cv_only=True), *_options("Texture features")], command)


def fusion_options(command: Callable[..., None]) -> Callable[..., None]:
    """Fusion of finished runs."""
    return _with(_options("Fusion"), command)


def _with(options: Sequence[Option], command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(options):
        command = option(command)
    return command
