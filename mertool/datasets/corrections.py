"""Corrections to published annotation tables, each with its reason: data to read, to question and to add to.

One applies only if the table at hand says what was published; a copy that was mended already is left alone.
Every correction made is in the clip's remarks, is listed by `mertool extract --verify` and stored in the pack.
What a general rule repairs (such as an apex outside onset..offset) needs no line here unless its reason is known.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CORRECTIONS", "NONE", "Correction", "corrections_of"]

NONE = ""  # read as if the cell were empty


class Correction(NamedTuple):
    """`published` in `column` of a clip's row is read as `used`."""

    dataset: str
    subject: str
    clip: str
    column: str
    published: str
    used: str
    reason: str


CORRECTIONS = (
    Correction("samm", "028", "028_4_1", "Apex Frame", "1143", NONE, "behind the offset; other copies name 4 others"),
    Correction("samm", "032", "032_3_1", "Apex Frame", "1930", NONE, "before the onset; perhaps 4930 was meant"),
    Correction("casme2", "sub04", "EP12_01f", "ApexFrame", "/", NONE, "not annotated in any release"),
    Correction("casme2", "sub05", "EP09_05f", "ApexFrame", "69", NONE, "equal to the onset: nothing would move"),
    Correction("smic", "s18", "s18_sur_03", "Emotion", "negative", "surprise", "name, folder and MEGC2019 agree"),
    Correction("casme3", "spNO.40", "e_1812", "Offset", "0", NONE, "0 stands for not annotated"),
    Correction("casme3", "spNO.40", "e_2327", "Offset", "0", NONE, "0 stands for not annotated"),
)


def corrections_of(dataset: str, subject: str, clip: str) -> tuple[Correction, ...]:
    """The corrections to one clip's row."""
    return _BY_CLIP.get((dataset, subject, clip.lower()), ())


_BY_CLIP: dict[tuple[str, str, str], tuple[Correction, ...]] = {}
for _entry in CORRECTIONS:
    _key = (_entry.dataset, _entry.subject, _entry.clip.lower())
    _BY_CLIP[_key] = (*_BY_CLIP.get(_key, ()), _entry)
