"""Micro-expression recognition from a folder of recordings to an honest, cross-validated table.

The names below are the Python interface, imported when first used; docs/python.md shows them at work.
"""

from typing import Any

__version__ = "0.1.0"

_API = (
    "Comparison",
    "Metrics",
    "Pack",
    "Predictions",
    "Run",
    "attention_maps",
    "compare",
    "cross_validate",
    "evaluate",
    "extract",
    "open_pack",
    "open_run",
    "predict",
    "read_dataset",
    "train",
)
__all__ = [*_API, "__version__"]


def __getattr__(name: str) -> Any:
    """Import the interface when one of its names is first used, so that `--help` stays fast."""
    if name in _API:
        from . import api

        return getattr(api, name)
    raise AttributeError(f"module 'mertool' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The names of the interface too."""
    return sorted([*globals(), *_API])
