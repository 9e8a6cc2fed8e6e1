"""What a report is made of, independent of its format: headings, facts, tables and notes."""

from __future__ import annotations

from dataclasses import dataclass

from ..text import display_width, strip_control_chars

__all__ = ["Block", "Facts", "Heading", "Notes", "Table", "column_widths", "without_control_chars"]


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


def without_control_chars(block: Block) -> Block:
    """The same without control characters: names on disk may hold them, and they drive a terminal or break a line."""

    if isinstance(block, Heading):
        return Heading(strip_control_chars(block.text))
    if isinstance(block, Notes):
        return Notes(tuple(map(strip_control_chars, block.lines)))
    if isinstance(block, Facts):
        return Facts(tuple((label, strip_control_chars(value)) for label, value in block.rows))
    rows = tuple(tuple(map(strip_control_chars, row)) for row in block.rows)
    return Table(strip_control_chars(block.title), tuple(map(strip_control_chars, block.header)), rows, block.n_left)


def column_widths(table: Table) -> list[int]:
    """Width of each column of a table, header included, in columns of a terminal."""
    return [max(map(display_width, column)) for column in zip(table.header, *table.rows, strict=True)]
