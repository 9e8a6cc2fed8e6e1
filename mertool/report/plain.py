"""Blocks as plain text that fits a terminal.

A table that is too wide is narrowed first: its text is broken over several lines, at blanks and after `/`, `-` and `_`.
Where numbers alone do not fit, it is divided into parts below each other, which repeat its first columns.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..runs.finished import Run
from ..text import display_width
from .blocks import Block, Heading, KeyValues, Notes, Table, flat_header, share_room, without_control_chars
from .sections import blocks_of

__all__ = ["USUAL_WIDTH", "blocks_text", "render_text", "terminal_width"]

USUAL_WIDTH = 80  # columns of a terminal, and of what goes into a file
_LEAST = 40  # a narrower terminal breaks lines by itself
_LONGEST_SENTENCE = 96  # longer lines are hard to read
_GAP = 2  # blanks between two columns
_NARROW_TEXT, _NARROW_NUMBERS = 16, 24  # a column as wide as this is not narrowed further while numbers fit
_INDENT = 2  # of further lines of a row's first cell, so that it is seen where a row begins
_WORD = re.compile(r"\s+|\S+(?: %\S*)?")  # a number stays with its percent sign
_PIECE = re.compile(r"[^/_-]+[/_-]*|[/_-]+")  # of a long word: a line may end after each


def terminal_width() -> int:
    """Columns of the terminal that standard output goes to, or as COLUMNS says; 80 where it goes elsewhere."""
    return max(_LEAST, shutil.get_terminal_size((USUAL_WIDTH, 0)).columns)


def render_text(runs: Sequence[Run], width: int = USUAL_WIDTH) -> str:
    """A report for a terminal: with several runs a summary first, then each run."""
    return blocks_text(blocks_of(runs), width)


def blocks_text(blocks: Sequence[Block], width: int = USUAL_WIDTH) -> str:
    """Blocks with aligned columns and wrapped sentences.

    Args:
        blocks: What to write.
        width: Columns of the terminal, at least 40; no line of a table is longer.
    """
    return "\n\n".join(_block_text(without_control_chars(block), width) for block in blocks) + "\n"


def _block_text(block: Block, width: int) -> str:
    if isinstance(block, Heading):
        lines = _broken(block.text, width)
        return "\n".join([*lines, "=" * max(map(display_width, lines))])
    if isinstance(block, KeyValues):
        return "\n".join(_key_values_lines(block, min(width, _LONGEST_SENTENCE)))
    if isinstance(block, Notes):
        return "\n".join(line for text in block.lines for line in _broken(text, min(width, _LONGEST_SENTENCE)))
    return _table_text(block, width)


def _key_values_lines(block: KeyValues, width: int) -> Iterator[str]:
    margin = max(display_width(key) for key, _ in block.rows) + _GAP
    for key, value in block.rows:
        lines = [value] if key in block.whole else _broken(value, max(_NARROW_TEXT, width - margin))
        for number, line in enumerate(lines):
            yield (_pad("" if number else key, margin) + line).rstrip()


# Tables


def _table_text(table: Table, width: int) -> str:
    natural = _natural_widths(table)
    if table.narrow is not None and _total(natural) > width:
        return _table_text(table.narrow, width)
    if _total(natural) <= width:
        least, parts = natural, [list(range(len(natural)))]
    else:
        least = _least_widths(table)
        if table.spans and not all(_fits([*_keys(table), *unit], least, width) for unit in _units(table)):
            return _table_text(replace(table, header=flat_header(table), spans=()), width)
        if _total(least) > width:
            least = _bounded(table, least, width)
        parts = _divide(table, least, width)
    texts = []
    for number, columns in enumerate(parts):
        widths = share_room(
            [natural[column] for column in columns],
            [least[column] for column in columns],
            width - _GAP * (len(columns) - 1),
        )
        title = f"{table.title.partition(':')[0]}, continued" if number else table.title
        texts.append("\n".join([*_broken(title, width), *_part_lines(table, columns, widths)]))
    return "\n\n".join(texts)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _keys(table: Table) -> range:
    return range(table.n_keys)


def _natural_widths(table: Table) -> list[int]:
    """Width of each column whose cells, header included, are on one line."""
    widths = [max(map(display_width, column)) for column in zip(table.header, *table.rows, strict=True)]
    return _widened_for_titles(table, widths)


def _least_widths(table: Table) -> list[int]:
    """Width of each column whose text is broken as far as it still reads well; numbers stay on one line."""
    widths = []
    for column, (header, *cells) in enumerate(zip(table.header, *table.rows, strict=True)):
        longest = max(map(display_width, cells), default=0)
        words = max((display_width(piece) for word in header.split() for piece in _PIECE.findall(word)), default=0)
        bound = _NARROW_TEXT if column < table.n_left else _NARROW_NUMBERS
        widths.append(max(1, min(bound, max(longest, words))))
    return _widened_for_titles(table, widths)


def _widened_for_titles(table: Table, widths: list[int]) -> list[int]:
    """Widths in which the titles above columns find room, with a mark on either side."""
    for (title, _), columns in zip(table.spans, _groups(table), strict=False):
        missing = display_width(title) + 2 - _total([widths[column] for column in columns]) if title else 0
        widths[columns[-1]] += max(0, missing)
    return widths


def _bounded(table: Table, least: Sequence[int], width: int) -> list[int]:
    """Least widths of a table to be divided: the repeated columns take a third, and any other fits beside them."""
    repeated = max(4, width // (3 * table.n_keys))
    bounded = [min(least[column], repeated) for column in _keys(table)]
    room = width - _total(bounded) - _GAP
    return [*bounded, *(min(wide, room) for wide in least[table.n_keys :])]


def _groups(table: Table) -> list[list[int]]:
    """The columns of each span; without spans, each column by itself."""
    if not table.spans:
        return [[column] for column in range(len(table.header))]
    units, start = [], 0
    for _, n_columns in table.spans:
        units.append(list(range(start, start + n_columns)))
        start += n_columns
    return units


def _units(table: Table) -> list[list[int]]:
    """Columns that stay together in one part, without those that are in every part."""
    units = [[column for column in unit if column >= table.n_keys] for unit in _groups(table)]
    return [unit for unit in units if unit]


def _fits(columns: Sequence[int], least: Sequence[int], width: int) -> bool:
    return _total([least[column] for column in columns]) <= width


def _divide(table: Table, least: Sequence[int], width: int) -> list[list[int]]:
    """The columns of each part: as many as fit, those that belong together in one."""
    parts = [list(_keys(table))]
    for unit in _units(table):
        if len(parts[-1]) > table.n_keys and not _fits([*parts[-1], *unit], least, width):
            parts.append(list(_keys(table)))
        parts[-1] += unit
    return parts


def _part_lines(table: Table, columns: Sequence[int], widths: Sequence[int]) -> list[str]:
    rows = [[row[column] for column in columns] for row in (table.header, *table.rows)]
    header, *body = (
        [_broken(cell, wide, 0 if k else _INDENT) for k, (cell, wide) in enumerate(zip(row, widths, strict=True))]
        for row in rows
    )
    height = max(map(len, header))
    header = [[""] * (height - len(cell)) + cell for cell in header]  # the last line of each is above its column
    lines = _titles_line(table, columns, widths)
    lines += _row_lines(header, table, columns, widths)
    lines.append("-" * _total(widths))
    for row in body:
        lines += _row_lines(row, table, columns, widths)
    return lines


def _row_lines(
    cells: Sequence[Sequence[str]], table: Table, columns: Sequence[int], widths: Sequence[int]
) -> list[str]:
    lines = []
    for k in range(max(map(len, cells))):
        line = [
            _pad(cell[k] if k < len(cell) else "", wide, right=column >= table.n_left)
            for cell, column, wide in zip(cells, columns, widths, strict=True)
        ]
        lines.append((" " * _GAP).join(line).rstrip())
    return lines


def _titles_line(table: Table, columns: Sequence[int], widths: Sequence[int]) -> list[str]:
    """The titles above columns that belong together, each in a rule over its columns."""
    if not table.spans:
        return []
    width_of = dict(zip(columns, widths, strict=True))
    texts = []
    for (title, _), unit in zip(table.spans, _groups(table), strict=True):
        there = [width_of[column] for column in unit if column in width_of]
        if there:
            texts.append(f" {title} ".center(_total(there), "-") if title else " " * _total(there))
    return [(" " * _GAP).join(texts).rstrip()]


def _broken(text: str, width: int, indent: int = 0) -> list[str]:
    """A text in lines of at most `width`, all but the first indented; words are broken only if longer than a line."""
    if display_width(text) <= width:
        return [text]
    if width < 3 * indent:
        indent = 0
    lines, room = [""], width
    for word in _WORD.findall(text):
        for part in _parts(word, width - indent):
            if display_width(lines[-1] + part.rstrip()) > room:
                lines.append(part.lstrip())
                room = width - indent
            else:
                lines[-1] += part
    return [" " * indent * (number > 0) + line.rstrip() for number, line in enumerate(lines) if line.strip()]


def _parts(word: str, width: int) -> list[str]:
    """What a word that is longer than a line can be divided into."""
    if display_width(word) <= width:
        return [word]
    parts = []
    for piece in _PIECE.findall(word):
        while display_width(piece) > width:
            fitting = _n_fitting(piece, width)
            parts.append(piece[:fitting])
            piece = piece[fitting:]
        parts.append(piece)
    return parts


def _n_fitting(text: str, width: int) -> int:
    """How many of its first characters fit; marks stay with their letter."""
    n = 1
    while n < len(text) and display_width(text[: n + 1]) <= width:
        n += 1
    return n


def _pad(text: str, width: int, right: bool = False) -> str:
    space = " " * (width - display_width(text))
    return space + text if right else text + space
