"""One row of an annotation table, read field by field, with the checks that all data sets share.

What is wrong with a row and what was repaired are collected, never raised: one bad row does not stop the others, and a
row with three faults names all three.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable
from dataclasses import replace

from ..clips import BAD_ANNOTATION, Clip
from .corrections import corrections_of
from .key_frames import middle_of
from .labels import canonical_emotion
from .sheets import whole_number
from .tables import Record

__all__ = ["FirstRows", "Row", "cell_text"]

FirstRows = dict[Hashable, Record]  # by the key of their clip

_NOT_ANNOTATED = {"", "/", "\\", "-", "null", "none", "nan"}
_FORMULA = re.compile(r"=.*[A-Z]+[0-9]")


class Row:
    """A row under inspection: `make_clip` turns what was found until then into the clip, or its refusal.

    Args:
        record: The row.
        first_rows: The first row of each clip, shared by all rows of a table; `check_duplicate` adds to it.
    """

    def __init__(self, record: Record, first_rows: FirstRows | None = None) -> None:
        self.number = record.number
        self._record = record
        self._first_rows: FirstRows = {} if first_rows is None else first_rows
        self._values = dict(record.values)
        self._faults: list[str] = []
        self._repairs: list[str] = []
        self._contradicts = False

    def __getitem__(self, column: str) -> str:
        return self._values[column]

    def replace(self, column: str, text: str) -> None:
        """Replace a column's text; the caller gives the reason with `say`."""
        self._values[column] = text

    def refuse(self, why: str) -> None:
        """Note what is wrong: the row gives no usable clip."""
        self._faults.append(why)

    def say(self, what: str) -> None:
        """Note what was repaired or is odd: the clip stays usable."""
        self._repairs.append(what)

    def expect(self, column: str, what: str) -> None:
        """Refuse a field: it is not `what` was expected."""
        self.refuse(f"{column} is {cell_text(self[column])}, expected {what}")

    def check_duplicate(self, key: Hashable | None) -> None:
        """Refuse the row if an earlier one has the same clip, `key`; None for a row that names no clip."""
        if key is None:
            return
        first = self._first_rows.setdefault(key, self._record)
        if first is self._record:
            return
        differing = [name for name, text in self._record.values.items() if text != first.values[name]]
        self._contradicts = bool(differing)
        if differing:
            self.refuse(f"double of row {first.number}, which says otherwise in {', '.join(differing)}")
        else:
            self.refuse(f"double of row {first.number}, which says the same")

    def correct(self, dataset: str, subject: str, clip: str) -> None:
        """Apply the known corrections to this clip's row (`mertool.datasets.corrections`)."""
        for entry in corrections_of(dataset, subject, clip):
            published = self._values.get(entry.column, "").lower()
            if entry.published in (published, str(whole_number(published))):
                self._values[entry.column] = entry.used
                instead = f"{entry.used!r} is used" if entry.used else "it is not used"
                self.say(f"{entry.column} {entry.published!r} is a known fault ({entry.reason}): {instead}")

    def emotion(self, column: str, known: Collection[str]) -> str:
        """The canonical emotion of a column, which must be one of `known`."""
        emotion = canonical_emotion(self[column])
        if emotion not in known:
            self.refuse(f"{column} is {cell_text(emotion)}, expected one of {', '.join(known)}")
        return emotion

    def whole(self, column: str) -> int | None:
        """A whole number from 0; anything else is refused."""
        number = whole_number(self[column])
        if number is None or number < 0:
            hint = "; save the table with values instead of formulas" if _FORMULA.match(self[column]) else ""
            self.expect(column, f"a whole number from 0{hint}")
            return None
        return number

    def key_frames(
        self, onset_column: str, apex_column: str, offset_column: str, *, open_end: bool = False
    ) -> tuple[int, int, int]:
        """Onset, apex and offset frame.

        An apex that is not annotated, is not a number or is outside onset..offset becomes their middle, and so does one
        equal to the onset, against which nothing would move; the clip's remarks say so.

        Args:
            onset_column, apex_column, offset_column: Names of the columns.
            open_end: The offset may be missing (empty or 0); the clip then ends at its apex, and -1 is returned.

        Returns:
            The three numbers; meaningless if the row is refused.
        """
        apex = whole_number(self[apex_column])
        if apex is None and self[apex_column].lower() not in _NOT_ANNOTATED:
            self.say(f"{apex_column} {cell_text(self[apex_column])} is no frame number")
        onset = self.whole(onset_column)
        if open_end and (self[offset_column].lower() in _NOT_ANNOTATED or whole_number(self[offset_column]) == 0):
            if onset is not None and (apex is None or apex <= onset):
                self.refuse(f"no {offset_column} is given, and no {apex_column} behind {onset_column} {onset}")
            elif not self._faults:
                self.say(f"no {offset_column} is given; the clip ends at its apex")
            return onset or 0, apex or 0, -1
        offset = self.whole(offset_column)
        if onset is None or offset is None:
            return 0, 0, 0
        if offset <= onset:
            what = "lies before" if offset < onset else "equals"
            self.refuse(f"{offset_column} {offset} {what} {onset_column} {onset}")
            return 0, 0, 0
        return onset, self._checked_apex(onset, apex, offset), offset

    def _checked_apex(self, onset: int, apex: int | None, offset: int) -> int:
        """The apex, or the middle of onset..offset in its place."""
        if apex is not None and onset < apex <= offset:
            return apex
        middle = middle_of(onset, offset)
        if apex is None:
            what = "no apex is given for"
        elif apex == onset:
            what = f"apex {apex} equals the onset of"
        else:
            what = f"apex {apex} lies outside"
        self.say(f"{what} onset..offset {onset}..{offset}; their middle {middle} is used")
        return middle

    def make_clip(self, dataset: str, subject: str, name: str, emotion: str, key_frames: tuple[int, int, int]) -> Clip:
        """The row as a clip without frames: status ok, or bad_annotation with all that is wrong with it.

        Args:
            dataset, subject, name, emotion: See `Clip`.
            key_frames: Onset, apex and offset, as `key_frames` gives them.
        """
        clip = Clip(name or f"row {self.number}", dataset, subject, emotion, contradicts=self._contradicts)
        if self._faults:
            return replace(clip, status=BAD_ANNOTATION, remarks=(f"row {self.number}: {'; '.join(self._faults)}",))
        onset, apex, offset = key_frames
        return replace(clip, onset=onset, apex=apex, offset=offset, remarks=tuple(self._repairs))


def cell_text(text: str) -> str:
    """A cell for a message."""
    return repr(text) if text else "empty"
