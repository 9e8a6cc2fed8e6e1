"""Annotation tables: .xlsx, .xls and .csv as rows of clean text, their header wherever it stands, the right file.

A cell is one line of text without outer blanks, "" when empty. Nothing becomes a number unless `whole_number` is asked
to: float("006_1_2") is 612 in Python.
"""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError, FileError
from ..text import os_error_text
from .frames import absolute, is_junk, list_files, shown

__all__ = [
    "Line",
    "Record",
    "Records",
    "choose_table",
    "column_key",
    "is_table",
    "read_records",
    "read_sheets",
    "read_table",
    "tables_above",
    "whole_number",
]

_SUFFIXES = (".xlsx", ".xls", ".csv")
_CSV_DELIMITERS = (",", ";", "\t")  # Excel writes semicolons where the comma is the decimal mark
_BREAKS = re.compile(r"[^\S ]+")  # line breaks, tabs, hard blanks; ordinary blanks stay, for paths hold them
_WHOLE = re.compile(r"[+-]?[0-9]{1,12}(\.0*)?", re.ASCII)
_LEVELS_ABOVE = 3  # part_A/data/part_A_split/part_A: given the inner folder, the table lies above it


class Line(NamedTuple):
    """One row that holds anything; `number` is its row in the sheet, or its line in the file, from 1."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One row below the header: row number, and the text of every wanted column ("" where there is no such column)."""

    number: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Records:
    """A table below its header.

    Attributes:
        header: Line of the header, from 1.
        rows: The rows that name a clip, or hold at least two numbers where a clip's row has some.
        strange: Numbers of the other rows below the header that hold text: remarks, sums.
        further: Names of sheets behind it that have the same columns; they are not read.
    """

    sheet: str
    header: int
    rows: tuple[Record, ...]
    strange: tuple[int, ...] = ()
    further: tuple[str, ...] = ()


def is_table(name: str) -> bool:
    """Whether a file of this name can be an annotation table; junk, and what mertool wrote itself, cannot."""
    low = name.lower()
    return low.endswith(_SUFFIXES) and not low.endswith(".clips.csv") and not is_junk(name)


def column_key(text: str) -> str:
    """A column's name for comparison: "Onset Frame", "OnsetFrame" and "onset_frame" are equal."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def whole_number(text: str) -> int | None:
    """The whole number that a cell says ("5562", "5562.0", "-1"), or None."""
    return int(text.split(".")[0]) if _WHOLE.fullmatch(text) else None


def read_table(path: Path, fits: Callable[[Sequence[Line]], bool]) -> list[Line]:
    """The rows of a table, empty ones left out.

    Args:
        path: An .xlsx, .xls or .csv file.
        fits: Chooses the sheet of a workbook, or the delimiter of a csv (comma, semicolon, tab): the first one whose
            rows fit; where none does, the one with the widest row, for a message to speak of.

    Raises:
        FileError: The file cannot be read.
        DataError: It is not a table of that kind, or empty.
    """
    widest: list[Line] = []
    for _, rows in read_sheets(path):
        if fits(rows):
            return rows
        widest = max(widest, rows, key=_width)
    if not widest:
        raise DataError(f"{path}: the table is empty")
    return widest


def read_sheets(path: Path) -> Iterator[tuple[str, list[Line]]]:
    """Name and rows of each sheet of a workbook, or of each reading of a csv (by comma, semicolon, tab; name "").

    Raises:
        FileError: The file cannot be read.
        DataError: It is not such a file.
    """
    return _csv_readings(path) if path.suffix.lower() == ".csv" else _sheets(path)


def read_records(
    path: Path,
    required: Mapping[str, Sequence[str]],
    optional: Mapping[str, Sequence[str]] | None = None,
    *,
    named: tuple[str, re.Pattern[str]],
    sheets: Callable[[str], bool] | None = None,
) -> Records | None:
    """A table by the names of its columns, in whatever order they stand, with the header in any row.

    The header is the first row that holds at least three of the required columns. Rows that repeat it are left out.

    Args:
        path: An .xlsx, .xls or .csv file.
        required, optional: Official name of a column -> its spellings as `column_key` gives them, best first.
        named: The column with the clips' names, and what such a name looks like (matched from its beginning): a table
            without one such name is another data set's, and one *above* the header means that this was moved.
        sheets: Which sheets may be read, by their names.

    Returns:
        The records, or None where there is no header row, or no row names a clip of this kind.

    Raises:
        FileError: The file cannot be read.
        DataError: It is not a table, a required column is missing or stands there twice, or no row follows.
    """
    fitting = (
        (name, rows, at)
        for name, rows in read_sheets(path)
        if (sheets is None or not name or sheets(name)) and (at := _header_place(rows, required)) is not None
    )
    first = next(fitting, None)
    if first is None:
        return None
    sheet, rows, place = first
    further = tuple(name for name, _, _ in fitting) if sheet else ()
    header = rows[place]
    columns = {**_columns(path, header, required), **_columns(path, header, optional or {})}
    missing = [name for name in required if name not in columns]
    if missing:
        raise DataError(
            f"{path}: row {header.number} is the header but lacks {', '.join(missing)}; "
            f"it has {', '.join(cell for cell in header.cells if cell)}"
        )
    column, pattern = named
    for row in rows[:place]:
        name = row.cells[columns[column]] if columns[column] < len(row.cells) else ""
        if pattern.match(name):
            raise DataError(
                f"{path}: row {row.number} names clip {name}, but stands above the header in row {header.number}; "
                "move the header to the top"
            )
    records, strange = [], []
    for row in rows[place + 1 :]:
        values = {name: row.cells[at] if at < len(row.cells) else "" for name, at in columns.items()}
        if row.cells == header.cells:
            continue
        named_or_numbered = values[column] or sum(whole_number(values[name]) is not None for name in required) > 1
        if named_or_numbered:
            records.append(Record(row.number, dict.fromkeys(optional or {}, "") | values))
        else:
            strange.append(row.number)
    if not records:
        raise DataError(f"{path}: no row follows the header in row {header.number}")
    if not any(pattern.match(record.values[column]) for record in records):
        return None
    return Records(sheet, header.number, tuple(records), tuple(strange), further)


def choose_table(
    folder: Path,
    inside: Iterable[Path],
    official: Sequence[str],
    named: Sequence[str],
    read: Callable[[Path], Records | None],
    ignored: Sequence[str] = (),
) -> tuple[Path, Records, list[str]]:
    """Find a data set's annotation table: in its folder (or below) first, then by the official name.

    Args:
        folder: The folder that the user gave.
        inside: The table files in it and below.
        official: Names that the table has as released, best first.
        named: Lower-case texts of which the name of a table *above* the folder must hold one.
        read: The records of a file; None when it is another kind of table.
        ignored: Lower-case texts; a file with one in its name is another table of the same data set.

    Returns:
        The table, its records, and a note on each other table that was met.

    Raises:
        FileError: There is none.
        DataError: None can be used, or two that differ have the same claim.
    """

    def place(name: str) -> int:
        return official.index(name) if name in official else len(official)

    ranked = [((0, place(path.name)), path) for path in inside]
    ranked += [((level, place(path.name)), path) for level, path in tables_above(folder, named)]
    ranked = [(rank, path) for rank, path in ranked if not any(text in path.name.lower() for text in ignored)]
    usable: list[tuple[tuple[int, int], Path, Records]] = []
    others: list[Path] = []
    errors: list[tuple[Path, DataError | FileError]] = []
    for rank, path in sorted(ranked):
        try:
            records = read(path)
        except (DataError, FileError) as error:
            errors.append((path, error))
            continue
        if records is None:
            others.append(path)
        else:
            usable.append((rank, path, records))
    if not usable:
        if errors:
            raise errors[0][1]
        above = f"; above it with {' or '.join(map(repr, named[:2]))} in its name" if named else ""
        met = f"; {', '.join(shown(path, folder) for path in others[:5])} is no such table" if others else ""
        raise FileError(
            f"{folder}: no annotation table; looked in it, below it and in the {_LEVELS_ABOVE} folders above it for "
            f"{official[0]} (or another .xlsx, .xls or .csv{above}){met}"
        )
    rank, path, records = usable[0]
    notes = []
    for other_rank, other, theirs in usable[1:]:
        same = _content(theirs) == _content(records)
        if not same and other_rank == rank:
            raise DataError(
                f"{folder}: two annotation tables differ and neither comes first: {shown(path, folder)} and "
                f"{shown(other, folder)}; remove one, or give the folder that holds the right one and the clips"
            )
        why = "says the same" if same else f"differs; {_advantage(rank, other_rank)}"
        notes.append(f"not used: {shown(other, folder)}, which {why}")
    notes += [f"not used: {shown(bad, folder)}, which cannot be used: {_cause(error)}" for bad, error in errors]
    return path, records, notes


def tables_above(folder: Path, named: Sequence[str]) -> Iterator[tuple[int, Path]]:
    """Level (1, 2) and path of the tables above a folder whose names hold one of the lower-case texts."""
    for level, parent in enumerate(absolute(folder).parents[:_LEVELS_ABOVE], 1):
        for place in (parent, parent / "annotation"):
            for name in list_files(place):
                if is_table(name) and any(text in name.lower() for text in named):
                    yield level, place / name


def _cause(error: Exception) -> str:
    return str(error).partition(": ")[2]


def _advantage(rank: tuple[int, int], other: tuple[int, int]) -> str:
    return "the table used lies nearer" if rank[0] < other[0] else "the table used goes before it by its name"


def _content(records: Records) -> list[list[str]]:
    """What a table says, whatever its padding and case: copies that Excel saved as csv lose the zeros of "006"."""
    rows = (record.values.values() for record in records.rows)
    return [[text.lower() if (number := whole_number(text)) is None else str(number) for text in row] for row in rows]


def _width(rows: Sequence[Line]) -> int:
    return max((len(row.cells) for row in rows), default=0)


def _header_place(rows: Sequence[Line], required: Mapping[str, Sequence[str]]) -> int | None:
    for place, row in enumerate(rows):
        keys = {column_key(cell) for cell in row.cells}
        if sum(not keys.isdisjoint(spellings) for spellings in required.values()) >= 3:
            return place
    return None


def _columns(path: Path, header: Line, wanted: Mapping[str, Sequence[str]]) -> dict[str, int]:
    keys = [column_key(cell) for cell in header.cells]
    columns = {}
    for name, spellings in wanted.items():
        spelling = next((text for text in spellings if text in keys), None)
        if spelling is None:
            continue
        if keys.count(spelling) > 1:
            raise DataError(
                f"{path}: column {name} stands {keys.count(spelling)} times in row {header.number}; keep one"
            )
        columns[name] = keys.index(spelling)
    return columns


def _clean(number: int, cells: Iterable[str]) -> Line:
    return Line(number, tuple(_BREAKS.sub(" ", cell).strip() for cell in cells))


def _csv_readings(path: Path) -> Iterator[tuple[str, list[Line]]]:
    text = _decode(path)
    failure: DataError | None = None
    for delimiter in _CSV_DELIMITERS:
        # strict: otherwise an opening quote that nobody closes swallows the rows that follow it.
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows, line = [], 1
        try:
            for cells in reader:
                rows.append(_clean(line, cells))
                line = reader.line_num + 1
        except csv.Error as error:
            failure = failure or DataError(f"{path}: line {line}: not a proper csv: {error}; look for a stray quote")
            continue
        yield "", [row for row in rows if any(row.cells)]
    if failure is not None:
        raise failure


def _decode(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
    codecs = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252")
    for codec in codecs:
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise DataError(f"{path}: not a text file; save the table as csv with UTF-8 encoding, or as .xlsx")


def _sheets(path: Path) -> Iterator[tuple[str, list[Line]]]:
    program = Path(__file__).with_name("workbook.py")
    try:
        path.open("rb").close()
        done = subprocess.run(
            [sys.executable, "-P", str(program), str(path)], capture_output=True, timeout=120, check=False
        )
        sheets = json.loads(done.stdout)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
    except (ValueError, subprocess.TimeoutExpired):
        sheets = {"error": "the file is damaged"}
    if isinstance(sheets, dict):
        cause = " ".join(str(sheets["error"]).split()).rstrip(".")
        raise DataError(f"{path}: not a spreadsheet that can be read ({cause}); save it anew as .xlsx or .csv")
    for name, cells_of_rows in sheets:
        rows = [_clean(number, cells) for number, cells in enumerate(cells_of_rows, 1)]
        yield name, [row for row in rows if any(row.cells)]
