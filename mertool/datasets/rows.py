"""One row of an annotation table, read field by field, with the checks that all data sets share.

What is wrong with a row and what was repaired are collected, never raised: one bad row does not stop the others, and a
row with three faults names all three.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable
from dataclasses import replace
from typing import TypeVar

from ..clips import BAD_ANNOTATION, Clip
from ..text import few
from .annotations import SAYS_OTHERWISE, middle_of
from .corrections import corrections_of
from .labels import canonical_emotion
from .tables import Record, Records, whole_number

__all__ = ["Row", "remarks", "said"]

Key = TypeVar("Key", bound=Hashable)

_NOT_ANNOTATED = {"", "/", "\\", "-", "null", "none", "nan"}
_FORMULA = re.compile(r"=.*[A-Z]+[0-9]")


class Row:
    """A row under inspection: `clip` makes the clip, or the refusal, of what was found until then."""

    def __init__(self, record: Record) -> None:
        self.number = record.number
        self._values = dict(record.values)
        self._wrong: list[str] = []
        self._said: list[str] = []

    def __getitem__(self, column: str) -> str:
        return self._values[column]

    def replace(self, column: str, text: str) -> None:
        """Read a column as `text`; say why."""
        self._values[column] = text

    def refuse(self, why: str) -> None:
        """Note what is wrong: the row gives no usable clip."""
        self._wrong.append(why)

    def say(self, what: str) -> None:
        """Note what was repaired or is odd: the clip stays usable."""
        self._said.append(what)

    def expect(self, column: str, what: str) -> None:
        """Refuse a field: it is not `what` was expected."""
        self.refuse(f"{column} is {said(self[column])}, expected {what}")

    def first_of(self, key: Key | None, seen: dict[Key, Record], record: Record) -> bool:
        """Whether the row is the first of its clip; a later one is refused."""
        if key is None:
            return False
        first = seen.setdefault(key, record)
        if first is record:
            return True
        differing = [name for name, text in record.values.items() if text != first.values[name]]
        says = f"{SAYS_OTHERWISE} {', '.join(differing)}" if differing else "says the same"
        self.refuse(f"double of row {first.number}, which {says}")
        return False

    def correct(self, dataset: str, subject: str, clip: str) -> None:
        """Apply the known corrections to this clip's row (`mertool.datasets.corrections`)."""
        for entry in corrections_of(dataset, subject, clip):
            there = self._values.get(entry.column, "").lower()
            if there == entry.published or str(whole_number(there)) == entry.published:
                self._values[entry.column] = entry.used
                instead = f"{entry.used!r} is used" if entry.used else "it is not used"
                self.say(f"{entry.column} {entry.published!r} is a known fault ({entry.reason}): {instead}")

    def emotion(self, column: str, known: Collection[str]) -> str:
        """The canonical emotion of a column, which must be one of `known`."""
        emotion = canonical_emotion(self[column])
        if emotion not in known:
            self.refuse(f"{column} is {said(emotion)}, expected one of {', '.join(known)}")
        return emotion

    def whole(self, column: str) -> int | None:
        """A whole number from 0; anything else is refused."""
        number = whole_number(self[column])
        if number is None or number < 0:
            hint = "; save the table with values instead of formulas" if _FORMULA.match(self[column]) else ""
            self.expect(column, f"a whole number from 0{hint}")
            return None
        return number

    def moments(
        self, onset_column: str, apex_column: str, offset_column: str, *, open_end: bool = False
    ) -> tuple[int, int, int]:
        """Onset, apex and offset frame.

        An apex that is not annotated, is no number or lies outside onset..offset becomes their middle, and so does one
        equal to the onset, against which nothing would move; the clip's detail says so.

        Args:
            onset_column, apex_column, offset_column: Names of the columns.
            open_end: The offset may be missing (empty or 0); the clip then ends at its apex, and -1 is returned.

        Returns:
            The three numbers; meaningless where the row is refused.
        """
        apex = whole_number(self[apex_column])
        if apex is None and self[apex_column].lower() not in _NOT_ANNOTATED:
            self.say(f"{apex_column} {said(self[apex_column])} is no frame number")
        onset = self.whole(onset_column)
        if open_end and (self[offset_column].lower() in _NOT_ANNOTATED or whole_number(self[offset_column]) == 0):
            if onset is not None and (apex is None or apex <= onset):
                self.refuse(f"no {offset_column} is given, and no {apex_column} behind {onset_column} {onset}")
            elif not self._wrong:
                self.say(f"no {offset_column} is given; the clip ends at its apex")
            return onset or 0, apex or 0, -1
        offset = self.whole(offset_column)
        if onset is None or offset is None:
            return 0, 0, 0
        if offset <= onset:
            what = "lies before" if offset < onset else "equals"
            self.refuse(f"{offset_column} {offset} {what} {onset_column} {onset}")
            return 0, 0, 0
        if apex is None or not onset < apex <= offset:
            middle = middle_of(onset, offset)
            if apex is None:
                what = "no apex is given for"
            elif apex == onset:
                what = f"apex {apex} equals the onset of"
            else:
                what = f"apex {apex} lies outside"
            self.say(f"{what} onset..offset {onset}..{offset}; their middle {middle} is used")
            apex = middle
        return onset, apex, offset

    def clip(self, dataset: str, subject: str, clip: str, emotion: str, moments: tuple[int, int, int]) -> Clip:
        """The row as a clip without frames: status ok, or bad_annotation with all that is wrong with it."""
        made = Clip(clip=clip or f"row {self.number}", dataset=dataset, subject=subject, emotion=emotion)
        if self._wrong:
            return replace(made, status=BAD_ANNOTATION, detail=f"row {self.number}: {'; '.join(self._wrong)}")
        onset, apex, offset = moments
        return replace(made, onset=onset, apex=apex, offset=offset, detail="; ".join(self._said))


def said(text: str) -> str:
    """A cell for a message."""
    return repr(text) if text else "empty"


def remarks(records: Records) -> list[str]:
    """Notes on what of a table was not read."""
    notes = []
    if records.strange:
        notes.append(f"not read, text that names no clip: row {few([str(row) for row in records.strange], 10)}")
    if records.further:
        further = few(records.further, 10)
        notes.append(f"not read, sheets with the same columns: {further}; sheet {records.sheet} is used")
    return notes
