"""A data set on disk whose table is edited again and again, and what its tables say."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import openpyxl
from recordings import plan_layout, write_empty
from recordings.tables import write_book

from mertool.clips import OK
from mertool.datasets import read_clips
from tests.datasets.mutations.names import Grid, Values, emotion_word, frame_of, key, number, samm_name, text_of
from tests.datasets.mutations.specs import POSITIONS, SAMM, SAMM_ROLES, SQUARED, Spec


def as_read(grid: Grid, suffix: str) -> list[list[str]]:
    """The text of the cells; a formula without a cached value, which is all that openpyxl writes, is empty."""
    width = max(map(len, grid), default=0)
    texts = [[text_of(cell) for cell in (*row, *[None] * (width - len(row)))] for row in grid]
    if suffix == ".xlsx":
        texts = [["" if cell.startswith("=") else cell for cell in row] for row in texts]
    return texts


@dataclass
class Told:
    """What a table says: `rows` are (row number in the file, values by role); `trouble` why it cannot be read."""

    rows: list[tuple[int, Values]]
    trouble: str = ""


def interpret(grid: list[list[str]], roles: dict[str, tuple[str, ...]], optional: tuple[str, ...]) -> Told:
    """By the names of the columns, below the first row that has three of those that must be there."""
    for at, row in enumerate(grid):
        names = [key(cell) for cell in row]
        met = {role: [n for n, name in enumerate(names) if name in spelt] for role, spelt in roles.items()}
        if sum(bool(met[role]) for role in roles if role not in optional) < 3:
            continue
        places: dict[str, int] = {}
        for role, spelt in roles.items():
            best = next((name for name in spelt if name in names), None)
            if best is None and role not in optional:
                return Told([], f"no column for {role}")
            if best is not None:
                if names.count(best) > 1:
                    return Told([], f"two columns for {role}")
                places[role] = names.index(best)
        said = [
            (line + 1, {role: cells[places[role]] if role in places else "" for role in roles})
            for line, cells in enumerate(grid)
            if line > at and cells != row
        ]
        return Told([(line, values) for line, values in said if any(values.values())])
    return Told([], "no header")


class Copy:
    """An empty-frame copy of a layout, whose table is edited again and again."""

    def __init__(self, spec: Spec, out: Path, suffix: str) -> None:
        self.spec, self.out, self.suffix = spec, out, suffix
        self.plan = plan_layout(spec.layout, 5, 3, (8, 12), 3)
        write_empty(self.plan, out)
        self.sheets = {name: all_sheets(out / name, rows) for name, rows in self.plan.cells.items()}
        for name in self.plan.cells:
            (out / name).unlink()
        self.folders: dict[Path, dict[int, str]] = defaultdict(dict)
        for recording in self.plan.recordings:
            for name in recording.paths:
                path = Path(name)
                self.folders[path.parent][frame_of(path.name)] = path.name
        for name in self.plan.cells:
            self.write(name, self.main(name))
        self.first_rules = {name: [list(row) for row in rows] for name, rows in self.sheets.get(SQUARED, {}).items()}
        if spec.layout == "casme-squared":
            self.write_rules(self.rules())
        self.base = read_clips(out, dataset=spec.dataset)
        self.by_id = {(c.dataset, c.subject, c.name): c for c in self.base.clips if c.status == OK}
        self.told = self.tell({})

    def main(self, name: str) -> Grid:
        return [list(row) for row in next(iter(self.sheets[name].values()))]

    def path(self, name: str) -> Path:
        return (self.out / name).with_suffix(self.suffix)

    def write(self, name: str, grid: Grid) -> None:
        if self.suffix == ".csv":
            with self.path(name).open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream).writerows(grid)
            return
        first, *others = self.sheets[name]
        write_book(self.path(name), {first: grid, **{other: self.sheets[name][other] for other in others}})

    def rules(self) -> dict[str, Grid]:
        return {name: [list(row) for row in self.first_rules[name]] for name in ("naming rule1", "naming rule2")}

    def write_rules(self, rules: dict[str, Grid]) -> None:
        for name, grid in rules.items():
            if self.suffix == ".csv":
                with (self.out / "CAS(ME)^2" / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
                    csv.writer(stream).writerows(grid)
            else:
                self.sheets[SQUARED][name] = grid

    def tell(self, edited: dict[str, Grid]) -> Told:
        """What the tables say, where `edited` stand in for the original ones."""

        def grid(name: str) -> list[list[str]]:
            return as_read(edited[name] if name in edited else self.main(name), self.suffix)

        if self.spec.layout == "casme-squared":
            return tell_squared(grid(self.spec.table), edited or self.rules(), self.suffix)
        told = interpret(grid(self.spec.table), self.spec.roles, self.spec.optional)
        if self.spec.layout == "samm-lv" and not told.trouble:
            emotions = interpret(grid(SAMM), SAMM_ROLES, ("duration",))
            if emotions.trouble or not any(samm_name(values["clip"]) for _, values in emotions.rows):
                return Told([], emotions.trouble or "no clip with an emotion")
            words = defaultdict(set)
            for _, values in emotions.rows:
                words[samm_name(values["clip"])].add(emotion_word(values["emotion"]))
            for _, values in told.rows:
                said = words[samm_name(values["clip"])] if samm_name(values["clip"]) else set()
                values["emotion"] = next(iter(said)) if len(said) == 1 else ""
        return told


def tell_squared(grid: list[list[str]], edited: dict[str, Grid], suffix: str) -> Told:
    """By position; the naming rules by what their cells look like. Rules that contradict each other are of no use."""
    folders = defaultdict(set)
    for row in as_read(edited["naming rule1"], suffix):
        cells = [*row, "", "", ""]
        folder, participant = re.fullmatch("s0*([0-9]+)", cells[1], re.IGNORECASE), number(cells[2])
        if folder and participant is not None:
            folders[participant].add(int(folder[1]))
    who = {participant: min(numbers) for participant, numbers in folders.items()}
    if any(len(numbers) > 1 for numbers in folders.values()) or len({*who.values()}) < len(who):
        return Told([], "naming rules that contradict each other")
    codes = defaultdict(set)
    for row in as_read(edited["naming rule2"], suffix):
        cells = [*row, "", ""]
        if number(cells[0]) is not None and re.fullmatch("[a-z]+[0-9]*", cells[1], re.IGNORECASE):
            codes[cells[1].lower()].add(number(cells[0]))
    if any(len(numbers) > 1 for numbers in codes.values()) or len({*map(min, codes.values())}) < len(codes):
        return Told([], "naming rules that contradict each other")
    rows = []
    for line, cells in enumerate(grid, 1):
        values: Values = dict(zip(POSITIONS, (*cells, *[""] * 8), strict=False))
        if any(values.values()):
            values["folder"] = who.get(number(values["participant"]))
            rows.append((line, values))
    return Told(rows)


def all_sheets(path: Path, rows: Grid) -> dict[str, Grid]:
    if path.suffix != ".xlsx":
        return {"Sheet1": rows}
    book = openpyxl.load_workbook(path)
    return {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book}
