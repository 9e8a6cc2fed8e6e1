"""The command that makes a run again: `mertool report --command`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from ..declarations import option_name
from ..evaluation.protocols import PROTOCOLS
from ..settings import Settings, fields_of
from .config import RunConfig, resolve_in_run
from .layout import RunFolder

__all__ = ["command_of"]


def command_of(run: Path, config: RunConfig) -> str:
    """The command line that makes a run again, as seen from the working folder; give it another -o.

    Every setting that differs from its recipe is named. The user's own folds are read from the run itself.
    """
    settings = config.settings
    usual = Settings.from_recipe(settings.recipe)
    changed = {name: value for name, value in settings.as_dict().items() if value != getattr(usual, name)}
    words = ["mertool", config.command]
    if config.members:
        words += ["--fuse", *(os.path.relpath(resolve_in_run(run, member.path)) for member in config.members)]
        changed = {name: value for name, value in changed.items() if name in fields_of("fusion")}
    else:
        words += [os.path.relpath(resolve_in_run(run, pack.path)) for pack in config.packs]
        words += [f"--{settings.region}", "--classes", settings.classes]
    if settings.recipe != Settings().recipe:
        words += ["--recipe", settings.recipe]
    for name in ("region", "classes", "recipe"):
        changed.pop(name, None)
    protocol = PROTOCOLS[settings.protocol]
    if protocol.fixed_by:
        changed.pop("folds", None)
    if protocol.split is None:
        changed.pop("protocol", None)
    for name, value in changed.items():
        words += _option_words(option_name(name), value)
    if protocol.split is None and not config.members:
        words += ["--folds-file", os.path.relpath(RunFolder(run).folds)]
    if config.init:
        words += ["--init", os.path.relpath(resolve_in_run(run, config.init.path))]
    return shlex.join([*words, "-o", f"{os.path.relpath(run)}-again"])


def _option_words(option: str, value: Any) -> list[str]:
    if value is True:
        return [option]
    if value is False:
        return [f"--no-{option.removeprefix('--')}"]
    return [option, str(value)]
