"""What tells the runs of one report from each other, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..evaluation.protocols import PROTOCOLS
from ..runs.finished import Run
from ..runs.methods import method_of
from ..runs.methods.options import relevant_settings
from ..settings import Settings

__all__ = ["distinguish"]

# Settings that other words or columns tell.
_TOLD = {"protocol", "method", "repeats", "new_splits"}


def distinguish(runs: Sequence[Run]) -> tuple[list[list[str]], list[str]]:
    """Words for the settings of each run that not all of them have, and words for those that they share.

    Args:
        runs: One or more.
    """
    words = [
        [run.folds.protocol, *method_of(run.settings).describe(run), *more]
        for run, more in zip(runs, _unusual_settings(runs), strict=True)
    ]
    shared = [word for word in words[0] if all(word in others for others in words)]
    return [[word for word in own if word not in shared] for own in words], shared


def _unusual_settings(runs: Sequence[Run]) -> list[list[str]]:
    """`epochs 50` for each other setting that some run has other than its recipe, and each fact in which packs differ.

    What only follows from different recipes is left out: the recipe is named.
    """
    values = [_values(run) for run in runs]
    usual = [Settings.from_recipe(run.settings.recipe).as_dict() for run in runs]
    names = list(dict.fromkeys(name for one in values for name in one))
    told = [
        name
        for name in names
        if any(
            one[name] != own.get(name, values[0].get(name))
            for one, own in zip(values, usual, strict=True)
            if name in one
        )
    ]
    return [[f"{name} {one[name]}" for name in told if name in one] for one in values]


def _values(run: Run) -> dict[str, Any]:
    told = _TOLD | method_of(run.settings).described_settings()
    if PROTOCOLS[run.settings.protocol].fixed_by:
        told.add("folds")
    values = {name: value for name, value in relevant_settings(run.settings).items() if name not in told}
    made = {"packs": run.packs, "apex": run.apexes, "jitter": run.jitters, "alignment": run.alignments}
    return values | {name: ", ".join(dict.fromkeys(map(str, found))) for name, found in made.items()}
