"""What a report is made of, independent of its format: headings, key-value lists, tables, notes and pictures."""

from __future__ import annotations

from dataclasses import dataclass

from ..text import display_width, strip_control_chars

__all__ = [
    "Block",
    "ColourScale",
    "Gallery",
    "Heading",
    "KeyValues",
    "Notes",
    "Picture",
    "Table",
    "column_widths",
    "without_control_chars",
]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading."""

    text: str


@dataclass(frozen=True, slots=True)
class KeyValues:
    """Pairs of a key and its value, one per line."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; the first `n_left` columns are aligned to the left, the others (numbers) to the right."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_left: int = 1


@dataclass(frozen=True, slots=True)
class Notes:
    """Sentences, each a paragraph of its own."""

    lines: tuple[str, ...]


Block = Heading | KeyValues | Table | Notes


@dataclass(frozen=True, slots=True)
class Picture:
    """The bytes of a JPEG or PNG file, or none, and the caption below it."""

    data: bytes
    caption: str


@dataclass(frozen=True, slots=True)
class ColourScale:
    """The colours of all maps of a run: the bytes of a picture of them, and the values at its left and right end."""

    data: bytes
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures of one run.

    Attributes:
        maps: Mean attention of each class, over the network's input and over a face.
        clips: Title -> clips with their frames.
        note: What the reader should know about them, or why there are none.
        selected: For texture features, which share of each region's features was selected, one picture per plane.
        scale: Of all maps; None if there are none.
    """

    maps: tuple[Picture, ...]
    clips: tuple[tuple[str, tuple[Picture, ...]], ...]
    note: str
    selected: tuple[Picture, ...] = ()
    scale: ColourScale | None = None


def without_control_chars(block: Block) -> Block:
    """The block without control characters: names on disk may hold them, and they drive a terminal or break a line."""
    if isinstance(block, Heading):
        return Heading(strip_control_chars(block.text))
    if isinstance(block, Notes):
        return Notes(tuple(map(strip_control_chars, block.lines)))
    if isinstance(block, KeyValues):
        return KeyValues(tuple((key, strip_control_chars(value)) for key, value in block.rows))
    rows = tuple(tuple(map(strip_control_chars, row)) for row in block.rows)
    return Table(strip_control_chars(block.title), tuple(map(strip_control_chars, block.header)), rows, block.n_left)


def column_widths(table: Table) -> list[int]:
    """Width of each column of a table, header included, in columns of a terminal."""
    return [max(map(display_width, column)) for column in zip(table.header, *table.rows, strict=True)]
