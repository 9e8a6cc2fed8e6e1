"""Print every sheet of a workbook, given on stdin, as JSON: run as a program of its own by `sheets`, never imported.

A damaged .xls makes the reader (calamine) panic, or ask for so much memory that the whole process is aborted; here
that ends a child process that takes a tenth of a second, with nothing on the user's screen.
"""

import io
import json
import sys
from datetime import date, datetime, time, timedelta

MEMORY = 4 << 30  # bytes of address space; a table with one stray cell in the last row and column asks for 500 GB


def as_text(cell: str | float | bool | date | datetime | time | timedelta) -> str:
    """A cell's value as text; whole numbers without a point, since Excel holds every number as a float."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)


def main() -> None:
    """Write `[[name, [row, ...]], ...]`, one pair per sheet, or `{"error": text}` to stdout."""
    try:
        import resource  # not on Windows

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (ImportError, OSError, ValueError):
        pass
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        print(json.dumps({"error": f"reading it needs python-calamine: {error}"}))
        return
    try:
        # From memory, so that the content decides what it is: an .xlsx renamed to .xls is read too.
        book = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
        sheets = [(name, book.get_sheet_by_name(name).to_python(skip_empty_area=False)) for name in book.sheet_names]
    except (CalamineError, OSError) as error:
        print(json.dumps({"error": str(error)}))
    else:
        print(json.dumps([(name, [[as_text(cell) for cell in row] for row in rows]) for name, rows in sheets]))


if __name__ == "__main__":
    main()
