"""Which settings mean something for a method: others are refused, and left out where a run is described."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...declarations import option_name
from ...errors import UsageError
from ...settings import Settings, fields_of, settings_table
from . import METHODS, method_named, method_of
from .base import Method

__all__ = ["reject_irrelevant", "relevant_settings"]


def relevant_settings(settings: Settings) -> dict[str, Any]:
    """The values of a run's settings without those that mean nothing for its method."""
    method = method_of(settings)
    return {name: value for name, value in settings.as_dict().items() if _is_relevant(name, method)}


def _is_relevant(field: str, method: Method) -> bool:
    group = settings_table()[field].group
    if group == "training":
        return method.trains
    return group == "" or group in method.setting_groups


def reject_irrelevant(method: Method, given: Iterable[str]) -> None:
    """Refuse options that mean nothing for a method, rather than ignore them.

    Args:
        method: The method.
        given: Names of the settings that were asked for.

    Raises:
        UsageError: One of them belongs to other methods.
    """
    asked = set(given)
    if not method.trains:
        unfit, why = asked - _own_fields(method), "--fuse takes all else from its runs; leave it out"
    elif asked & fields_of("fusion"):
        unfit, why = asked & fields_of("fusion"), "goes with --fuse"
    else:
        unfit = {name for name in asked if not _is_relevant(name, method)}
        why = f"means nothing for --method {method.name}; leave it out"
        if method.has_network:
            others = [name for name in METHODS if _takes(name, unfit)]
            why = f"goes with --method {' or '.join(others)}"
    if unfit:
        raise UsageError(f"{', '.join(map(option_name, sorted(unfit)))}: {why}")


def _own_fields(method: Method) -> frozenset[str]:
    """The fields of a method's own groups."""
    return frozenset().union(*map(fields_of, method.setting_groups))


def _takes(name: str, fields: set[str]) -> bool:
    """Whether a method that trains has a use for one of these settings."""
    other = method_named(name)
    return other.trains and bool(_own_fields(other) & fields)
