"""Random edits to a table."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.datasets.mutations.names import Grid, key, number, text_of

EDITS = 500
EDITS_XLSX = 30


GARBAGE = (
    *("=D2+M2-1", "#REF!", "/", "\\", "NULL", "-", "none", "x", "?", "12,5", "1e3", "12.5", "0x10", "1_0", "٣"),
    *("Anger", "micro", "true", "  ", "n/a", "MISSING <-426679", "2014-05-08", "sadness or fear"),
)
NUMBERS = (0, -1, -5, 1, 2, 7, 10, 50, 100, 10**6, 10**11, 10**15, 3.0, 12.0, 12.5)
COLUMN_NAMES = ("", "renamed", "Unnamed: 2", "Frames", "Emotions", "Onset1", "Apex 2", "Label2")


@dataclass
class Edited:
    """A table under edit: `header` is the index of its header row, None where it has none."""

    grid: Grid
    header: int | None
    by_position: bool
    structural: bool = False  # an edit to header or columns, which may rightly end in an error
    done: list[str] = field(default_factory=list)

    @property
    def first(self) -> int:
        return 0 if self.header is None else self.header + 1


def columns_of_interest(table: Edited, spec_roles: dict[str, tuple[str, ...]]) -> list[int]:
    if table.by_position:
        return [0, 1, 2, 3, 4, 6, 7]
    header = table.grid[table.header] if table.header is not None else []
    spellings = {name for names in spec_roles.values() for name in names}
    return [at for at, cell in enumerate(header) if key(text_of(cell)) in spellings] or [0, 1]


def restyle(cell: Any, rng: random.Random) -> Any:
    text = text_of(cell)
    return rng.choice(
        [
            *(f" {text}  ", f"{text}.0", f"0{text}", f"+{text}", f"{text}_", text, f"{text[:1]} {text[1:]}"),
            *(text.upper(), text.lower(), text.swapcase(), text.title()),
            *(text.replace("_0", "_"), text.replace("_", "-")),
        ]
    )


def pad(grid: Grid) -> int:
    width = max(map(len, grid), default=1)
    for row in grid:
        row.extend([None] * (width - len(row)))
    return width


def edit(table: Edited, roles: dict[str, tuple[str, ...]], rng: random.Random) -> None:
    """One random edit, in place."""
    grid = table.grid
    width = pad(grid)
    if len(grid) <= table.first:
        return
    at = rng.randrange(table.first, len(grid))
    other = rng.randrange(table.first, len(grid))
    wanted = columns_of_interest(table, roles)
    column = rng.choice(wanted) if rng.random() < 0.9 else rng.randrange(width)
    kind = rng.choices(
        [*CELL_EDITS, *ROW_EDITS, *COLUMN_EDITS, *HEADER_EDITS],
        [4] * len(CELL_EDITS) + [2] * len(ROW_EDITS) + [1] * (len(COLUMN_EDITS) + len(HEADER_EDITS)),
    )[0]
    row = grid[at]
    table.done.append(f"{kind} ({at}, {column}; {other})")
    if kind == "empty cell":
        row[column] = None
    elif kind == "garbage":
        row[column] = rng.choice(GARBAGE)
    elif kind == "number":
        near = number(text_of(row[column]))
        row[column] = rng.choice([*NUMBERS, *([near + rng.randint(-9, 9)] * 6 if near is not None else [])])
    elif kind == "restyle":
        row[column] = restyle(row[column], rng)
    elif kind == "another's cell":
        row[column] = grid[other][column]
    elif kind == "swap with another row":
        row[column], grid[other][column] = grid[other][column], row[column]
    elif kind == "swap within the row":
        second = rng.choice(wanted)
        row[column], row[second] = row[second], row[column]
    elif kind == "blank row":
        grid[at] = [None] * width
    elif kind == "delete row":
        del grid[at]
    elif kind == "double row":
        grid.insert(other, list(row))
    elif kind == "double row with a change":
        twin = list(row)
        twin[column] = rng.choice([None, rng.choice(GARBAGE), grid[other][column], rng.randint(0, 3000)])
        grid.insert(rng.choice([at, at + 1, other]), twin)
    elif kind == "cut row":
        grid[at] = row[: rng.randrange(width)]
    elif kind == "shift row":
        grid[at] = [None, *row[:-1]] if rng.random() < 0.5 else [*row[1:], None]
    elif kind == "swap rows":
        grid[at], grid[other] = grid[other], grid[at]
    elif kind == "row of text":
        grid.insert(other, [rng.choice([None, "sum", "remark", 17]) if n == column else None for n in range(width)])
    elif kind == "shift column":
        cells = [line[column] for line in grid[table.first :]]
        cells = [None, *cells[:-1]] if rng.random() < 0.5 else [*cells[1:], None]
        for line, cell in zip(grid[table.first :], cells, strict=True):
            line[column] = cell
    elif kind == "column as text":
        for line in grid[table.first :]:
            line[column] = None if line[column] is None else rng.choice([f"{line[column]} ", str(line[column])])
    elif kind == "remove column":
        table.structural = True
        for line in grid:
            del line[column]
    elif kind == "double column":
        table.structural = True
        place = rng.randrange(width + 1)
        for line in grid:
            line.insert(place, line[column])
    elif kind == "reorder columns":
        table.structural = True
        order = rng.sample(range(width), width)
        grid[:] = [[line[n] for n in order] for line in grid]
    elif kind == "swap columns":
        table.structural = True
        second = rng.choice(wanted)
        for line in grid:
            line[column], line[second] = line[second], line[column]
    elif kind == "blank column":
        table.structural = True
        place = rng.randrange(width + 1)
        for line in grid:
            line.insert(place, None)
    elif table.header is None:
        return
    else:
        edit_header(table, kind, column, roles, rng)


def edit_header(table: Edited, kind: str, column: int, roles: dict[str, tuple[str, ...]], rng: random.Random) -> None:
    grid, header = table.grid, table.header
    assert header is not None
    names = grid[header]
    table.structural = True
    if kind == "rename column":
        names[column] = rng.choice([*COLUMN_NAMES, rng.choice(names)])
    elif kind == "respell column":
        name = text_of(names[column])
        aliases = next((spelt for spelt in roles.values() if key(name) in spelt), (name,))
        names[column] = rng.choice([name.upper(), f" {name} ", name.replace(" ", "_"), f"{name}'", *aliases])
    elif kind == "swap names":
        second = rng.choice(range(len(names)))
        names[column], names[second] = names[second], names[column]
    elif kind == "header down":
        steps = rng.randint(1, 3)
        grid.insert(min(header + steps, len(grid) - 1), grid.pop(header))
        table.header = min(header + steps, len(grid) - 1)
    elif kind == "header doubled":
        grid.insert(rng.choice([header + 1, rng.randrange(header + 1, len(grid))]), list(names))
    elif kind == "header removed":
        del grid[header]
        table.header = None
    elif kind == "preamble":
        lines = rng.randint(1, 12)
        grid[:0] = [[rng.choice(["note", None, "Subject", 5])] for _ in range(lines)]
        table.header = header + lines
    pad(grid)


CELL_EDITS = (
    *("empty cell", "garbage", "number", "restyle", "another's cell", "swap with another row", "swap within the row"),
)
ROW_EDITS = (
    *("blank row", "delete row", "double row", "double row with a change", "cut row", "shift row", "swap rows"),
    "row of text",
)
COLUMN_EDITS = (
    *("shift column", "column as text", "remove column", "double column", "reorder columns", "swap columns"),
    "blank column",
)
HEADER_EDITS = (
    *("rename column", "respell column", "swap names", "header down", "header doubled", "header removed", "preamble"),
)


def edit_rules(table: Edited, rng: random.Random) -> None:
    """One random edit to a naming rule."""
    grid = table.grid
    width = pad(grid)
    table.structural = True
    if not grid:
        return
    at, other, column = rng.randrange(len(grid)), rng.randrange(len(grid)), rng.randrange(width)
    kind = rng.choice(["empty", "garbage", "swap", "number", "double", "delete", "restyle", "all gone"])
    table.done.append(f"rule: {kind} ({at}, {column}; {other})")
    if kind == "empty":
        grid[at][column] = None
    elif kind == "garbage":
        grid[at][column] = rng.choice(GARBAGE)
    elif kind == "number":
        grid[at][column] = rng.choice(NUMBERS)
    elif kind == "swap":
        grid[at][column], grid[other][column] = grid[other][column], grid[at][column]
    elif kind == "double":
        twin = list(grid[at])
        twin[column] = grid[other][column]
        grid.insert(other, twin)
    elif kind == "delete":
        del grid[at]
    elif kind == "restyle":
        grid[at][column] = restyle(grid[at][column], rng)
    elif rng.random() < 0.3:
        grid.clear()
