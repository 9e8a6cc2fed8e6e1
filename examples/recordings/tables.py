"""Annotation tables as .xlsx, .xls and .csv files, the same bytes for the same rows."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Rows = list[list[Any]]  # None: an empty cell


@dataclass(frozen=True)
class Units:
    """A cell that will hold the action units of a move, once they are known.

    Attributes:
        recording: Index of the recording.
        move: Index of the move in it.
        ending: Text behind the last unit.
    """

    recording: int
    move: int = 0
    ending: str = ""


@dataclass(frozen=True)
class Book:
    """An annotation table: path, and its sheets, the main one first."""

    path: str
    sheets: Mapping[str, Rows]

    @property
    def main(self) -> Rows:
        """The rows of the main sheet."""
        return next(iter(self.sheets.values()))


def fill(rows: Rows, units: Sequence[Sequence[str]] | None) -> Rows:
    """A copy of `rows` with the action units in their cells, a single one as a number; without `units` with ""."""

    def text(cell: Units) -> str | int:
        found = "" if units is None else units[cell.recording][cell.move] + cell.ending
        return int(found) if found.isdigit() else found

    return [[text(cell) if isinstance(cell, Units) else cell for cell in row] for row in rows]


def write_book(path: Path, sheets: Mapping[str, Rows]) -> None:
    """Write the sheets as the suffix of `path` says; a .csv holds the first one."""
    if path.suffix == ".csv":
        write_csv(path, next(iter(sheets.values())))
    elif path.suffix == ".xls":
        write_xls(path, sheets)
    else:
        write_xlsx(path, sheets)


def write_csv(path: Path, rows: Rows) -> None:
    """Write rows as Excel exports them, in UTF-8."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


def write_xls(path: Path, sheets: Mapping[str, Rows]) -> None:
    """Write the old binary format."""
    import xlwt

    book = xlwt.Workbook()
    for name, rows in sheets.items():
        sheet = book.add_sheet(name)
        for at, row in enumerate(rows):
            for column, value in enumerate(row):
                if value is not None:
                    sheet.write(at, column, value)
    book.save(str(path))


def write_xlsx(path: Path, sheets: Mapping[str, Rows]) -> None:
    """Write the format of today; text that begins with "=" becomes a formula."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for at, row in enumerate(rows, 1):
            for column, value in enumerate(row, 1):
                if value is not None:
                    sheet.cell(at, column, value)
    stream = io.BytesIO()
    book.save(stream)
    # openpyxl writes the time of day into the archive and into core.xml.
    with zipfile.ZipFile(stream) as dated, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in dated.namelist():
            content = dated.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2000-01-01T00:00:00Z", content)
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
