"""Which settings mean something for a method: others are refused, and left out where a run is described."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import UsageError
from ...settings import GROUPS, Settings, option_name
from . import METHODS, method_named, method_of
from .base import Method

__all__ = ["reject_irrelevant", "relevant_settings"]

_OF_A_JOIN = ("method", "fuse_weights", "classes", "protocol", "folds", "split_seed")


def _foreign(method: Method) -> frozenset[str]:
    """Settings of other methods."""
    return frozenset().union(*(fields for group, fields in GROUPS.items() if group not in method.setting_groups))


def relevant_settings(settings: Settings) -> dict[str, Any]:
    """The values of a run's settings without those that mean nothing for its method."""
    values = settings.as_dict()
    method = method_of(settings)
    if not method.trains:
        return {name: values[name] for name in _OF_A_JOIN}
    return {name: value for name, value in values.items() if name not in _foreign(method)}


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
        own = frozenset().union(*(GROUPS[group] for group in method.setting_groups))
        unfit, why = asked - own, "--fuse takes all else from its runs; leave it out"
    elif asked & GROUPS["fusion"]:
        unfit, why = asked & GROUPS["fusion"], "goes with --fuse"
    else:
        unfit = asked & _foreign(method)
        why = f"means nothing for --method {method.name}; leave it out"
        if method.has_network:
            theirs = [name for name in METHODS if _takes(name, unfit)]
            why = f"goes with --method {' or '.join(theirs)}"
    if unfit:
        raise UsageError(f"{', '.join(map(option_name, sorted(unfit)))}: {why}")


def _takes(name: str, fields: set[str]) -> bool:
    """Whether a method that trains has a use for one of these settings."""
    other = method_named(name)
    own = frozenset().union(*(GROUPS.get(group, frozenset()) for group in other.setting_groups))
    return other.trains and bool(own & fields)
