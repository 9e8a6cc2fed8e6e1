"""The layouts, one module each: `LAYOUTS` has their planners by name."""

from __future__ import annotations

from ..plan import Plan
from . import casme, casme2, casme3, casme_squared, ckplus, fourdme, mmew, samm, samm_lv, smic, smic_e

LAYOUTS = {
    "samm": samm.plan,
    "samm-lv": samm_lv.plan,
    "casme2": casme2.plan,
    "smic": smic.plan,
    "smic-e": smic_e.plan,
    "ckplus": ckplus.plan,
    "mmew": mmew.plan,
    "casme": casme.plan,
    "casme-squared": casme_squared.plan,
    "casme3": casme3.plan,
    "4dme": fourdme.plan,
}
TITLES = {
    "samm": "SAMM",
    "samm-lv": "SAMM Long Videos",
    "casme2": "CASME II",
    "smic": "SMIC (short clips)",
    "smic-e": "SMIC-E",
    "ckplus": "CK+",
    "mmew": "MMEW",
    "casme": "CASME",
    "casme-squared": "CAS(ME)^2",
    "casme3": "CAS(ME)^3",
    "4dme": "4DME",
}
DEFAULT_LENGTHS = {name: (8, 12) if name == "smic" else (24, 40) for name in LAYOUTS}  # bitmaps are large


def plan_layout(layout: str, n_subjects: int, clips_per_subject: int, length: tuple[int, int], seed: int) -> Plan:
    """What a data set's folder consists of.

    Oddities that belong to certain subjects need these: four subjects have them all, two have most. A layout has more
    clips than asked for, since oddities come on top.

    Args:
        layout: A key of `LAYOUTS`.
        n_subjects: Subjects.
        clips_per_subject: Ordinary clips of each subject.
        length: Fewest and most frames from onset to offset.
        seed: The same seed gives the same plan.
    """
    return LAYOUTS[layout](n_subjects, clips_per_subject, length, seed)
