"""What a report is made of, independent of its format: headings, facts, tables and notes."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

__all__ = ["Block", "Facts", "Heading", "Notes", "Table", "column_widths", "count_of", "display_width", "visible"]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Label and value, one pair a line."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; the first `n_left` columns are names, the others numbers."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_left: int = 1


@dataclass(frozen=True, slots=True)
class Notes:
    """Sentences, each a paragraph of its own."""

    lines: tuple[str, ...]


Block = Heading | Facts | Table | Notes


def visible(block: Block) -> Block:
    """The same without control characters: names on disk may hold them, and they drive a terminal or break a line."""

    def clean(text: str) -> str:
        return "".join(repr(mark)[1:-1] if unicodedata.category(mark) == "Cc" else mark for mark in text)

    if isinstance(block, Heading):
        return Heading(clean(block.text))
    if isinstance(block, Notes):
        return Notes(tuple(map(clean, block.lines)))
    if isinstance(block, Facts):
        return Facts(tuple((label, clean(value)) for label, value in block.rows))
    rows = tuple(tuple(map(clean, row)) for row in block.rows)
    return Table(clean(block.title), tuple(map(clean, block.header)), rows, block.n_left)


def count_of(n: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def column_widths(table: Table) -> list[int]:
    """Width of each column of a table, header included, in columns of a terminal."""
    return [max(map(display_width, column)) for column in zip(table.header, *table.rows, strict=True)]


def display_width(text: str) -> int:
    """Columns of a terminal: wide East Asian characters take two, combining marks none."""
    marks = sum(unicodedata.combining(c) > 0 for c in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(c) in "WF" for c in text)
