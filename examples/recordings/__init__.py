"""Made-up recordings in the layouts of the data sets that mertool reads."""

from .conditions import Conditions
from .layouts import DEFAULT_LENGTHS, LAYOUTS, TITLES, plan_layout
from .plan import Move, Plan, Recording, Truth
from .writing import write_empty, write_rendered

__all__ = [
    "DEFAULT_LENGTHS",
    "LAYOUTS",
    "TITLES",
    "Conditions",
    "Move",
    "Plan",
    "Recording",
    "Truth",
    "plan_layout",
    "write_empty",
    "write_rendered",
]
