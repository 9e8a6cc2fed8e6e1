"""CSV files as mertool writes them: no cell is a formula to a spreadsheet that opens the file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

__all__ = ["csv_text", "unescape_cell"]

_FORMULA = re.compile("'*[=+@\t\r]")  # what spreadsheets compute; a minus is left, since numbers begin with it


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV with '\\n' line ends. A text that a spreadsheet would compute gets a leading apostrophe."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([_escape(cell) for cell in row] for row in rows)
    return stream.getvalue()


def unescape_cell(cell: str) -> str:
    """The text that `csv_text` wrote as this cell."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _escape(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell
