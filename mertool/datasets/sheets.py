"""Annotation tables as rows of clean text: .xlsx and .xls by sheet, .csv by delimiter.

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import AnnotationError, FileError
from ..files import read_bytes
from ..text import os_error_text
from .frames import is_junk

__all__ = ["Line", "column_key", "is_table", "read_sheets", "read_table", "whole_number"]

_SUFFIXES = (".xlsx", ".xls", ".csv")
_LARGEST = 2**28  # bytes of a table; the largest data set's has 1 MB
_CSV_DELIMITERS = (",", ";", "\t")  # Excel writes semicolons where the comma is the decimal mark
_BREAKS = re.compile(r"[^\S ]+")  # line breaks, tabs, hard blanks; ordinary blanks stay, since paths contain them
_WHOLE = re.compile(r"[+-]?[0-9]{1,12}(\.0*)?", re.ASCII)


class Line(NamedTuple):
    """One row that holds anything; `number` is its row in the sheet, or its line in the file, from 1."""

    number: int
    cells: tuple[str, ...]


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
        AnnotationError: It is not a table of that kind, or empty.
    """
    widest: list[Line] = []
    for _, rows in read_sheets(path):
        if fits(rows):
            return rows
        widest = max(widest, rows, key=_width)
    if not widest:
        raise AnnotationError(f"{path}: the table is empty")
    return widest


def read_sheets(path: Path) -> Iterator[tuple[str, list[Line]]]:
    """Name and rows of each sheet of a workbook, or of each reading of a csv (by comma, semicolon, tab; name "").

    Raises:
        FileError: The file cannot be read.
        AnnotationError: It is not such a file.
    """
    return _csv_readings(path) if path.suffix.lower() == ".csv" else _sheets(path)


def _width(rows: Sequence[Line]) -> int:
    return max((len(row.cells) for row in rows), default=0)


def _clean(number: int, cells: Iterable[str]) -> Line:
    return Line(number, tuple(_BREAKS.sub(" ", cell).strip() for cell in cells))


def _csv_readings(path: Path) -> Iterator[tuple[str, list[Line]]]:
    text = _decode(path)
    failure: AnnotationError | None = None
    for delimiter in _CSV_DELIMITERS:
        # strict: otherwise an opening quote that is never closed swallows the rows that follow it.
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows, line = [], 1
        try:
            for cells in reader:
                rows.append(_clean(line, cells))
                line = reader.line_num + 1
        except csv.Error as error:
            failure = failure or AnnotationError(
                f"{path}: line {line}: not a proper csv: {error}; look for a stray quote"
            )
            continue
        yield "", [row for row in rows if any(row.cells)]
    if failure is not None:
        raise failure


def _decode(path: Path) -> str:
    try:
        data = read_bytes(path, _LARGEST)
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
    raise AnnotationError(f"{path}: not a text file; save the table as csv with UTF-8 encoding, or as .xlsx")


def _sheets(path: Path) -> Iterator[tuple[str, list[Line]]]:
    program = Path(__file__).with_name("workbook.py")
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(program)],
            input=read_bytes(path, _LARGEST),
            capture_output=True,
            timeout=120,
            check=False,
        )
        sheets = json.loads(done.stdout)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
    except (ValueError, subprocess.TimeoutExpired):
        sheets = {"error": "the file is damaged"}
    if isinstance(sheets, dict):
        cause = " ".join(str(sheets["error"]).split()).rstrip(".")
        raise AnnotationError(f"{path}: not a spreadsheet that can be read ({cause}); save it again as .xlsx or .csv")
    for name, cells_of_rows in sheets:
        rows = [_clean(number, cells) for number, cells in enumerate(cells_of_rows, 1)]
        yield name, [row for row in rows if any(row.cells)]
