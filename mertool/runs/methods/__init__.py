"""The methods that a run can use. A new one is one file beside this one, and one line in `METHODS`.

Nothing outside this folder compares with a method's name: whoever has settings asks `method_of` for the object and
calls its duties (`mertool.runs.methods.base.Method`).
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

from ...errors import UsageError

if TYPE_CHECKING:
    from ...settings import Settings
    from .base import Method

__all__ = ["METHODS", "OFFERED", "method_named", "method_of"]

# Name -> the module and class that fulfil it; imported when first used, since --help shows the names.
METHODS: dict[str, str] = {
    "network": "mertool.runs.methods.network:NetworkMethod",
    "lbp-top": "mertool.runs.methods.texture:TextureMethod",
    "cbp-top": "mertool.runs.methods.texture:TextureMethod",
    "fusion": "mertool.runs.methods.fusion:FusionMethod",
}

OFFERED = tuple(name for name in METHODS if name != "fusion")  # by --method; --fuse starts a fusion


@cache
def _load(name: str, path: str) -> Method:
    module, _, kind = path.partition(":")
    method: Method = getattr(importlib.import_module(module), kind)(name)
    return method


def method_named(name: str) -> Method:
    """The method of this name.

    Raises:
        UsageError: There is none.
    """
    if name not in METHODS:
        raise UsageError(f"--method: expected one of {', '.join(METHODS)}, got {name!r}")
    return _load(name, METHODS[name])


def method_of(settings: Settings) -> Method:
    """The method of a run with these settings.

    Raises:
        UsageError: There is none of this name.
    """
    return method_named(settings.method)
