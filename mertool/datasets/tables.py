"""Annotation tables as records: the header wherever it is, columns by their names in whatever order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import AnnotationError
from ..text import few
from .sheets import Line, column_key, read_sheets, whole_number

__all__ = ["Columns", "Record", "Records", "read_records", "standard_columns"]

Spellings = Mapping[str, Sequence[str]]  # official name of a column -> its spellings as `column_key` gives them


def standard_columns(onset: str = "OnsetFrame", apex: str = "ApexFrame", offset: str = "OffsetFrame") -> Spellings:
    """The columns that most data sets have, under the official names of the three that differ."""
    return {
        "Subject": ("subject",),
        "Filename": ("filename",),
        onset: ("onsetframe", "onset"),
        apex: ("apexframe", "apex"),
        offset: ("offsetframe", "offset"),
        "Estimated Emotion": ("estimatedemotion", "emotion"),
    }


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of an annotation table, spellings best first.

    Attributes:
        required: Without one of these the table cannot be used.
        clip: The required column that has the clips' names.
        clip_pattern: What such a name looks like, matched from its beginning. A table without one such name is
            another data set's.
        optional: Read if they are there.
    """

    required: Spellings
    clip: str
    clip_pattern: re.Pattern[str]
    optional: Spellings = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """One row below the header: row number, and the text of every wanted column ("" where there is no such column)."""

    number: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Records:
    """A table below its header.

    Attributes:
        sheet: Name of the sheet; "" for a csv.
        header: Line of the header, from 1; 0 if there is none.
        rows: The rows that name a clip, or hold at least two numbers where a clip's row has some.
        skipped_rows: Numbers of the other rows below the header that hold text: remarks, sums.
        further_sheets: Names of later sheets that have the same columns; they are not read.
    """

    sheet: str
    header: int
    rows: tuple[Record, ...]
    skipped_rows: tuple[int, ...] = ()
    further_sheets: tuple[str, ...] = ()

    def notes(self) -> list[str]:
        """What of the table was not read, one line each."""
        notes = []
        if self.skipped_rows:
            skipped = few([str(row) for row in self.skipped_rows], 10)
            notes.append(f"not read, text that names no clip: row {skipped}")
        if self.further_sheets:
            further = few(self.further_sheets, 10)
            notes.append(f"not read, sheets with the same columns: {further}; sheet {self.sheet} is used")
        return notes

    def same_content(self, other: Records) -> bool:
        """Whether another table says the same, whatever its padding and case.

        Copies that Excel saved as csv lose the zeros of "006".
        """
        return self._content() == other._content()

    def _content(self) -> list[list[str | int]]:
        return [[_canonical(text) for text in record.values.values()] for record in self.rows]


def read_records(path: Path, columns: Columns, sheets: Callable[[str], bool] | None = None) -> Records | None:
    """A table by the names of its columns, with the header in any row.

    The header is the first row that holds at least three of the required columns. Rows that repeat it are left out.

    Args:
        path: An .xlsx, .xls or .csv file.
        columns: What to read.
        sheets: Which sheets may be read, by their names; None for all.

    Returns:
        The records, or None where there is no header row, or no row names a clip of this kind.

    Raises:
        FileError: The file cannot be read.
        AnnotationError: It is not a table, a required column is missing or there twice, a clip is named above the
            header, or no row follows it.
    """
    fitting = _sheets_with_header(path, columns, sheets)
    first = next(fitting, None)
    if first is None:
        return None
    sheet, lines, at = first
    further = tuple(name for name, _, _ in fitting) if sheet else ()
    header, above, below = lines[at], lines[:at], lines[at + 1 :]
    positions = _find_columns(path, header, columns)
    _check_above(path, above, header, positions[columns.clip], columns.clip_pattern)
    rows, skipped = _split_rows(below, header, positions, columns)
    if not rows:
        raise AnnotationError(f"{path}: no row follows the header in row {header.number}")
    if not any(columns.clip_pattern.match(row.values[columns.clip]) for row in rows):
        return None
    return Records(sheet, header.number, tuple(rows), tuple(skipped), further)


def _sheets_with_header(
    path: Path, columns: Columns, sheets: Callable[[str], bool] | None
) -> Iterator[tuple[str, list[Line], int]]:
    """Name and lines of each sheet that may be read and has a header, and the index of the header."""
    for name, lines in read_sheets(path):
        if sheets is None or not name or sheets(name):
            header = _find_header(lines, columns)
            if header is not None:
                yield name, lines, header


def _find_header(lines: Sequence[Line], columns: Columns) -> int | None:
    for i, line in enumerate(lines):
        keys = {column_key(cell) for cell in line.cells}
        if sum(not keys.isdisjoint(spellings) for spellings in columns.required.values()) >= 3:
            return i
    return None


def _find_columns(path: Path, header: Line, columns: Columns) -> dict[str, int]:
    """Position of each column that the header has."""
    keys = [column_key(cell) for cell in header.cells]
    positions = {}
    for name, spellings in (*columns.required.items(), *columns.optional.items()):
        spelling = next((text for text in spellings if text in keys), None)
        if spelling is None:
            continue
        if keys.count(spelling) > 1:
            raise AnnotationError(
                f"{path}: column {name} is there {keys.count(spelling)} times in row {header.number}; keep one"
            )
        positions[name] = keys.index(spelling)
    missing = [name for name in columns.required if name not in positions]
    if missing:
        raise AnnotationError(
            f"{path}: row {header.number} is the header but lacks {', '.join(missing)}; "
            f"it has {', '.join(cell for cell in header.cells if cell)}"
        )
    return positions


def _check_above(path: Path, above: Iterable[Line], header: Line, position: int, pattern: re.Pattern[str]) -> None:
    """Refuse a table whose header was moved: a clip named above it would be lost in silence."""
    for line in above:
        name = _cell(line, position)
        if pattern.match(name):
            raise AnnotationError(
                f"{path}: row {line.number} names clip {name}, but is above the header in row {header.number}; "
                "move the header to the top"
            )


def _split_rows(
    lines: Iterable[Line], header: Line, positions: Mapping[str, int], columns: Columns
) -> tuple[list[Record], list[int]]:
    """The rows that give clips, and the numbers of those that do not."""
    rows, skipped = [], []
    empty = dict.fromkeys(columns.optional, "")
    for line in lines:
        if line.cells == header.cells:
            continue
        values = {name: _cell(line, position) for name, position in positions.items()}
        n_numbers = sum(whole_number(values[name]) is not None for name in columns.required)
        if values[columns.clip] or n_numbers > 1:
            rows.append(Record(line.number, empty | values))
        else:
            skipped.append(line.number)
    return rows, skipped


def _cell(line: Line, position: int) -> str:
    return line.cells[position] if position < len(line.cells) else ""


def _canonical(text: str) -> str | int:
    number = whole_number(text)
    return text.lower() if number is None else number
