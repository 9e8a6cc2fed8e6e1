"""What a report is made of, independent of its format: headings, key-value lists, tables, notes and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

from ..text import strip_control_chars

__all__ = [
    "Block",
    "ColourScale",
    "Gallery",
    "Heading",
    "KeyValues",
    "Notes",
    "Picture",
    "Table",
    "flat_header",
    "share_room",
    "without_control_chars",
]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading."""

    text: str


@dataclass(frozen=True, slots=True)
class KeyValues:
    """Pairs of a key and its value, one per line.

    Attributes:
        rows: The pairs.
        whole: Keys whose values are not broken over lines, since they are copied: commands.
    """

    rows: tuple[tuple[str, str], ...]
    whole: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; the first `n_left` columns are aligned to the left, the others (numbers) to the right.

    Attributes:
        n_keys: The first columns, which say what a row is about; they are repeated where a wide table is divided.
        spans: Titles above columns that belong together, from left to right, each with its number of columns; "" for
            columns that need none. Empty, or for all columns.
        narrow: The same table with shorter cells, for where this one does not fit.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_left: int = 1
    n_keys: int = 1
    spans: tuple[tuple[str, int], ...] = ()
    narrow: Table | None = None


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


@overload
def without_control_chars(block: Table) -> Table: ...
@overload
def without_control_chars(block: Block) -> Block: ...
def without_control_chars(block: Block) -> Block:
    """The block without control characters: names on disk may hold them, and they drive a terminal or break a line."""
    if isinstance(block, Heading):
        return Heading(strip_control_chars(block.text))
    if isinstance(block, Notes):
        return Notes(tuple(map(strip_control_chars, block.lines)))
    if isinstance(block, KeyValues):
        return replace(block, rows=tuple((key, strip_control_chars(value)) for key, value in block.rows))
    return replace(
        block,
        title=strip_control_chars(block.title),
        header=tuple(map(strip_control_chars, block.header)),
        rows=tuple(tuple(map(strip_control_chars, row)) for row in block.rows),
        narrow=block.narrow and without_control_chars(block.narrow),
    )


def flat_header(table: Table) -> tuple[str, ...]:
    """One line of header cells, for a format without cells that span columns: `Accuracy: mean`, `interval`."""
    cells = list(table.header)
    column = 0
    for title, n_columns in table.spans:
        if title:
            cells[column] = f"{title}: {cells[column]}"
        column += n_columns
    return tuple(cells)


def share_room(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths of columns that share `room`: at least `least` each, and what is left goes to the narrowest ones first."""
    widths = list(least)
    growing = [column for column, width in enumerate(widths) if width < natural[column]]
    for _ in range(room - sum(least)):
        if not growing:
            break
        narrowest = min(growing, key=lambda column: widths[column])
        widths[narrowest] += 1
        if widths[narrowest] >= natural[narrowest]:
            growing.remove(narrowest)
    return widths
