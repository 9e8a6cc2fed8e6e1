"""How a field of `mertool.settings.Settings` is declared: all that is known of it besides name, type and default."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, NamedTuple

__all__ = ["Group", "Panel", "Setting", "option_name", "setting"]

# Headings of `train --help` and `cv --help`.
Panel = Literal["Input", "Network", "Training", "Augmentation", "Texture features", "Fusion", "Protocol", "Running"]
# Methods that a setting means something for: "" for all, "training" for all that train something, else those that have
# the group among their `setting_groups`.
Group = Literal["", "training", "network", "texture", "classifier", "lbp-top", "cbp-top", "fusion"]


class Setting(NamedTuple):
    """What is known of a field besides its name, type and default.

    Attributes:
        help: One or two sentences for `--help`.
        panel: Heading of the option in `--help`.
        group: Methods that it means something for.
        low, high: Range of a number, both ends included; None where that end is open.
        metavar: How `--help` shows a text; None for click's own way.
        usual: What `--help` shows as the default, where that is not the value itself.
        cv_only: `train` has no such option.
        auto: The option also takes "auto", and is that without being given: the machine decides.
        own_choices: Choices that the option does not offer, since another option makes them.
        tag: Word for a flag that is on, in names of run folders and summaries.
    """

    help: str
    panel: Panel
    group: Group = "training"
    low: float | None = None
    high: float | None = None
    metavar: str | None = None
    usual: str | None = None
    cv_only: bool = False
    auto: bool = False
    own_choices: tuple[str, ...] = ()
    tag: str = ""

    def allows(self, value: Any) -> bool:
        """Whether a value is in the range; NaN never is in one."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    @property
    def range_text(self) -> str:
        """`1 to 1000`, `at least 1` or `at most 1000`."""
        if self.low is None:
            return f"at most {self.high:g}"
        if self.high is None:
            return f"at least {self.low:g}"
        return f"{self.low:g} to {self.high:g}"


def setting(default: Any, help: str, panel: Panel, group: Group = "training", **rest: Any) -> Any:
    """Declare a field of `Settings`; arguments as the attributes of `Setting`."""
    return dataclasses.field(default=default, metadata={"setting": Setting(help, panel, group, **rest)})


def option_name(field: str) -> str:
    """The command-line option that sets a field; a unit is no part of it."""
    return "--" + field.removesuffix("_deg").replace("_", "-")
