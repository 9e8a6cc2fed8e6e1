"""Random edits to annotation tables, label files and clip folders: a right pack, named clips, or one clear error.

The oracle knows nothing of the readers: it interprets the edited table by the names of its columns, row by row, and
asks of every outcome that

- an error is one line that names a file, and comes only of edits to the header, never of one bad row;
- a usable clip has the label and the frame numbers of a row with its name, or `detail` says what differs;
- its key frames are the files with these numbers in that clip's own folder;
- a row that was not edited gives exactly what it gave before;
- every row, and every clip that was usable before, is accounted for: nothing disappears silently;
- no id is there twice.
"""

from __future__ import annotations

import csv
import os
import random
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from recordings import plan_layout, write_empty
from recordings.tables import write_book

from mertool.clips import OK, STATUSES
from mertool.datasets import read_clips
from mertool.datasets.corrections import CORRECTIONS
from mertool.errors import MertoolError

EDITS = 500
EDITS_XLSX = 30

# What a table says, interpreted slowly


def number(text: str) -> int | None:
    return int(float(text)) if re.fullmatch(r"[+-]?[0-9]+(\.0*)?", text) else None


def emotion_word(text: str) -> str:
    word = " ".join(text.lower().split())
    plain = {"others": "other", "happy": "happiness", "happyiness": "happiness", "sad": "sadness"}
    return {**plain, "comtempt": "contempt"}.get(word, word)


def frame_of(name: str) -> int:
    return int(re.findall(r"[0-9]+", Path(name).stem)[-1])


def key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


NOT_ANNOTATED = ("", "/", "\\", "-", "null", "none", "nan")

Id = tuple[str, str, str]  # dataset, subject, clip
Values = dict[str, Any]  # role -> text of the cell, without outer blanks


def samm_name(text: str) -> tuple[int, int, int] | None:
    found = re.fullmatch(r"([0-9]{1,3})_([0-9]{1,3})_([0-9]{1,3})", text)
    return tuple(map(int, found.groups())) if found else None  # type: ignore[return-value]


def samm_id(v: Values) -> Id | None:
    name = samm_name(v["clip"])
    if name is None or number(v["subject"]) != name[0]:
        return None
    return "samm", f"{name[0]:03d}", f"{name[0]:03d}_{name[1]}_{name[2]}"


def samm_lv_id(v: Values) -> Id | None:
    return samm_id(v) if v["type"].lower().startswith("micro") else None


def ep_id(dataset: str) -> Callable[[Values], Id | None]:
    def identify(v: Values) -> Id | None:
        plain = re.fullmatch(r"(?:sub)?_?0*([0-9]+)", v["subject"], re.IGNORECASE)
        who = int(plain[1]) if plain else number(v["subject"])
        if who is None or who < 0 or not re.match("EP[0-9]+", v["clip"], re.IGNORECASE):
            return None
        return dataset, f"sub{who:02d}", v["clip"]

    return identify


def smic_name(text: str) -> tuple[int, str, int] | None:
    found = re.fullmatch(r"s0*([0-9]{1,2})_(ne|po|sur)_0*([0-9]{1,3})", text, re.IGNORECASE)
    return (int(found[1]), found[2].lower(), int(found[3])) if found else None


CODES = {"ne": "negative", "po": "positive", "sur": "surprise"}
MORE_NAMES = {"s3_ne_02": ["s3_ne_03"], "s4_ne_04": ["s4_ne_05", "s4_ne_06"], "s9_sur_01": ["s9_sur_02"]}
MOTHERS = {further: mother for mother, names in MORE_NAMES.items() for further in names}


def smic_id(camera: str) -> Callable[[Values], Id | None]:
    def identify(v: Values) -> Id | None:
        name = smic_name(v["clip"])
        if name is None or number(v["subject"].lower().removeprefix("s")) != name[0]:
            return None
        return f"smic-{camera}", f"s{name[0]}", f"s{name[0]}_{name[1]}_{name[2]:02d}"

    return identify


def mmew_id(v: Values) -> Id | None:
    found = re.fullmatch(r"S0*([0-9]+)-([0-9]+)-([0-9]+)", v["clip"], re.IGNORECASE)
    return ("mmew", f"S{int(found[1]):02d}", v["clip"].upper()) if found else None


def casme3_id(v: Values) -> Id | None:
    who = re.fullmatch(r"spno\.?0*([0-9]+)", v["subject"], re.IGNORECASE)
    onset = number(v["onset"])
    if not who or onset is None or onset < 0 or not re.fullmatch("[a-z]", v["clip"], re.IGNORECASE):
        return None
    return "casme3", f"spNO.{int(who[1])}", f"{v['clip'].lower()}_{onset}"


def fourdme_id(v: Values) -> Id | None:
    return ("4dme", v["subject"], v["clip"]) if v["subject"] and v["clip"] else None


def squared_id(dataset: str) -> Callable[[Values], Id | None]:
    """Of CAS(ME)^2, whose `values` hold the folder number that naming rule1 gives the participant."""

    def identify(v: Values) -> Id | None:
        kind = re.sub("[^a-z]", "", v["type"].lower())
        if kind != {"casme-squared": "microexpression", "casme-squared-macro": "macroexpression"}[dataset]:
            return None
        if v["folder"] is None or not re.fullmatch(r"[a-z]+[0-9]*_[0-9]+", v["clip"], re.IGNORECASE):
            return None
        return dataset, f"s{v['folder']}", v["clip"].lower()

    return identify


# Data sets


@dataclass(frozen=True)
class Spec:
    """How the oracle reads a table.

    Attributes:
        layout, dataset: For the planner and for `read_clips`.
        table: The table that is edited, as planned.
        roles: Role -> accepted names of its column, as `key` gives them; empty: by position.
        optional: Roles that may be missing.
        identify: The id of the clip that a row speaks of; None where it speaks of none that could be used.
        emotions: What a label may be.
        home: Whether a folder (parts of its path) is that of a clip (subject, clip).
        open_end: The offset may be missing.
        apexless: The middle is always the apex.
        whole: Clips lie in long recordings: a deleted row leaves no stray folder.
        rebases: Frame numbers may be counted from the beginning of a recording.
        reach: How many frames a missing one's stand-in may lie away: two at 100 or 200 a second, else one.
    """

    layout: str
    dataset: str
    table: str
    roles: dict[str, tuple[str, ...]]
    identify: Callable[[Values], Id | None]
    emotions: tuple[str, ...]
    home: Callable[[tuple[str, ...], str, str], bool]
    optional: tuple[str, ...] = ()
    open_end: bool = False
    apexless: bool = False
    whole: bool = False
    rebases: bool = False
    reach: int = 1


SAMM = "SAMM_Micro_FACS_Codes_v2.xlsx"
LONG = "SAMM_LongVideos_V2_Release.xlsx"
SQUARED = "CAS(ME)^2/CAS(ME)^2code_final.xlsx"
SMIC_TABLES = {
    "hs": "SMIC-E_raw image/HS_long/SMIC-HS-E_annotation_2019.xlsx",
    "vis": "SMIC-E_raw image/VIS_long/SMIC_VIS_E_annotation.xlsx",
}
SAMM_EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "other", "sadness", "surprise")
SAMM_ROLES = {
    "subject": ("subject",),
    "clip": ("filename",),
    "onset": ("onsetframe", "onset"),
    "apex": ("apexframe", "apex"),
    "offset": ("offsetframe", "offset"),
    "emotion": ("estimatedemotion", "emotion"),
    "duration": ("duration",),
}
LONG_ROLES = {"subject": ("subject",), "clip": ("filename",), "type": ("type",)} | {
    name: (name,) for name in ("onset", "apex", "offset")
}
SMIC_ROLES = {
    "subject": ("subject",),
    "clip": ("filename",),
    "onset": ("onsetf", "onsetfhs", "onsetfvis", "onsetfnir", "onset"),
    "offset": ("offsetf", "offsetfhs", "offsetfvis", "offsetfnir", "offset"),
    "emotion": ("emotion", "label"),
    **{name: (name,) for name in ("onset2f", "offset2f", "onset3f", "offset3f", "firstf", "lastf", "totalmf1")},
}
CASME_ROLES = {
    "subject": ("subject",),
    "clip": ("filename",),
    "onset": ("onsetf", "onsetframe"),
    "apex": ("apexf1", "apexf", "apexframe"),
    "offset": ("offsetf", "offsetframe"),
    "emotion": ("emotion", "estimatedemotion"),
}
CASME3_ROLES = {"subject": ("subject", "sub"), "clip": ("filename", "seq")} | {
    name: (name,) for name in ("onset", "apex", "offset", "emotion")
}
FOURDME_ROLES = {
    "subject": ("subid", "subject"),
    "clip": ("foldname", "foldername", "filename"),
    "onset": ("onset", "onsetframe"),
    "apex": ("apex", "apexframe"),
    "offset": ("offset", "offsetframe"),
    "emotion": ("emotion", "videoemo"),
}
POSITIONS = ("participant", "clip", "onset", "apex", "offset", "aus", "emotion", "type")


def last_two(parts: tuple[str, ...], subject: str, clip: str) -> bool:
    return [part.lower() for part in parts[-2:]] == [subject.lower(), clip.lower()]


def smic_home(camera: str) -> Callable[[tuple[str, ...], str, str], bool]:
    def home(parts: tuple[str, ...], subject: str, clip: str) -> bool:
        clip = clip.partition("+")[0]
        padded = f"s{int(subject[1:]):02d}"
        return f"{camera.upper()}_long" in parts and parts[-2:] == (padded, MOTHERS.get(clip, clip))

    return home


SPECS = {
    "samm": Spec("samm", "samm", SAMM, SAMM_ROLES, samm_id, SAMM_EMOTIONS, last_two, ("duration",), reach=2),
    "samm-lv": Spec(
        *("samm-lv", "samm-lv", LONG, LONG_ROLES, samm_lv_id, SAMM_EMOTIONS),
        home=lambda parts, _, clip: parts[-1] == clip.rpartition("_")[0],
        whole=True,
        reach=2,
    ),
    "casme2": Spec(
        *("casme2", "casme2", "CASME2-coding-20190701.xlsx"),
        {name: names for name, names in SAMM_ROLES.items() if name != "duration"},
        ep_id("casme2"),
        ("disgust", "fear", "happiness", "other", "repression", "sadness", "surprise"),
        last_two,
        reach=2,
    ),
    **{
        f"smic-e {camera}": Spec(
            *("smic-e", f"smic-e-{camera}", table, SMIC_ROLES, smic_id(camera), tuple(CODES.values())),
            smic_home(camera),
            optional=("onset2f", "offset2f", "onset3f", "offset3f", "firstf", "lastf", "totalmf1"),
            reach=2 if camera == "hs" else 1,
            apexless=True,
        )
        for camera, table in SMIC_TABLES.items()
    },
    "mmew": Spec(
        *("mmew", "mmew", "MMEW_Final/MMEW_Micro_Exp.xlsx"),
        {name: names for name, names in SAMM_ROLES.items() if name != "duration"},
        mmew_id,
        ("anger", "disgust", "fear", "happiness", "other", "sadness", "surprise"),
        home=lambda parts, _, clip: parts[-1] == clip and "Micro_Expression" in parts,
        rebases=True,
    ),
    "casme": Spec(
        *("casme", "casme", "CASME-coded-20190721.xls", CASME_ROLES, ep_id("casme")),
        ("contempt", "disgust", "fear", "happiness", "repression", "sadness", "surprise", "tense"),
        last_two,
    ),
    **{
        name: Spec(
            *("casme-squared", name, SQUARED, {}, squared_id(name), ("negative", "other", "positive", "surprise")),
            home=lambda parts, subject, _: parts[-2] == subject,  # the video's code: `check_clip`
            open_end=True,
            whole=True,
        )
        for name in ("casme-squared", "casme-squared-macro")
    },
    "casme3": Spec(
        *("casme3", "casme3", "part_A/annotation/cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", CASME3_ROLES, casme3_id),
        ("anger", "disgust", "fear", "happiness", "other", "sadness", "surprise"),
        home=lambda parts, subject, clip: parts[-3:] == (subject, clip.partition("_")[0], "color"),
        open_end=True,
        whole=True,
    ),
    "4dme": Spec(
        *("4dme", "4dme", "4DME_Labelling_Micro_release v1.xlsx", FOURDME_ROLES, fourdme_id),
        ("negative", "other", "positive", "repression", "surprise"),
        last_two,
        optional=("offset",),
        open_end=True,
        rebases=True,
    ),
}


# Edits

GARBAGE = (
    *("=D2+M2-1", "#REF!", "/", "\\", "NULL", "-", "none", "x", "?", "12,5", "1e3", "12.5", "0x10", "1_0", "٣"),
    *("Anger", "micro", "true", "  ", "n/a", "MISSING <-426679", "2014-05-08", "sadness or fear"),
)
NUMBERS = (0, -1, -5, 1, 2, 7, 10, 50, 100, 10**6, 10**11, 10**15, 3.0, 12.0, 12.5)
COLUMN_NAMES = ("", "renamed", "Unnamed: 2", "Frames", "Emotions", "Onset1", "Apex 2", "Label2")

Grid = list[list[Any]]


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


def text_of(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


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


# Interpretation of a whole table


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


# A data set on disk


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
        self.by_id = {(c.dataset, c.subject, c.clip): c for c in self.base.clips if c.status == OK}
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
            values["folder"] = who.get(number(values["participant"]))  # type: ignore[arg-type]
            rows.append((line, values))
    return Told(rows)


def all_sheets(path: Path, rows: Grid) -> dict[str, Grid]:
    if path.suffix != ".xlsx":
        return {"Sheet1": rows}
    book = openpyxl.load_workbook(path)
    return {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book}


# The invariants


def same_name(one: Id, other: Id) -> bool:
    return [part.lower() for part in one] == [part.lower() for part in other]


def check_label(clip: Any, v: Values, spec: Spec) -> str:
    """What is wrong with a usable clip's emotion, as a row has it; "" where nothing is."""
    if spec.layout == "4dme":
        parts = {emotion_word(part) for part in re.split(r"[+,&/]", v["emotion"])}
        return "" if parts <= set(spec.emotions) and set(clip.emotion.split("+")) == parts else "emotion"
    if spec.layout == "mmew" and number(v["subject"].upper().removeprefix("S")) != int(clip.subject[1:]):
        # The name decides, since nobody says that column Subject counts people alike; but not in silence.
        shown = repr(v["subject"]) if v["subject"] else "empty"
        if f"Subject is {shown}" not in clip.detail:
            return f"subject {v['subject']!r}, which detail does not say"
    says = emotion_word(v["emotion"])
    if says in spec.emotions and says == clip.emotion:
        return ""
    dataset = "smic" if spec.layout == "smic-e" else clip.dataset
    for entry in CORRECTIONS:
        known = entry[:3] == (dataset, clip.subject, clip.name) and "motion" in entry.column
        if known and says == entry.published and clip.emotion == entry.used and repr(says) in clip.detail:
            return ""
    return f"emotion {clip.emotion!r}, the row says {v['emotion']!r}"


def moved_rightly(clip: Any, what: str, used: int, wanted: int, reach: int) -> bool:
    """Whether a key frame is the wanted one, or its neighbour for want of that, which `detail` says."""
    said = f"{what} frame {wanted} is not on disk, {used} is used" in clip.detail
    return used == wanted or (said and abs(used - wanted) <= reach)


def check_moments(clip: Any, v: Values, spec: Spec, before: Any) -> str:
    """What is wrong with a usable clip's frame numbers, as a row has them."""
    onset, offset = number(v["onset"]), number(v["offset"])
    if spec.apexless:
        return check_interval(clip, v, before, spec.reach)
    apex = number(v["apex"])
    dataset = clip.dataset
    corrected = {
        entry.column.lower().split("frame")[0].strip(): entry
        for entry in CORRECTIONS
        if entry[:3] == (dataset, clip.subject, clip.name) and "rame" in entry.column
    }
    if "apex" in corrected and v["apex"].lower() == corrected["apex"].published:
        if repr(corrected["apex"].published) not in clip.detail:
            return "a corrected apex that detail does not name"
        apex = None
    elif apex is None and v["apex"].lower() not in NOT_ANNOTATED and repr(v["apex"]) not in clip.detail:
        return f"apex {v['apex']!r} is no number, which detail does not say"
    elif apex is not None and abs(apex) >= 10**12 and v["apex"] in clip.detail:
        apex = None  # no frame number either
    if onset is None or onset < 0:
        return f"onset {v['onset']!r} is no frame number, yet the clip is used"
    if offset is None and not (spec.open_end and v["offset"].lower() in NOT_ANNOTATED):
        return f"offset {v['offset']!r} is no number, yet the clip is used"
    if spec.open_end and not offset:
        if clip.offset != -1 or "ffset is given" not in clip.detail:
            return "an offset that is not annotated, which detail does not say"
        end = None
        if apex is None or apex <= onset:
            return "neither apex nor offset, yet the clip is used"
    else:
        end = offset
        if end is None or end < onset:
            return "the offset lies before the onset, yet the clip is used"
    shift = 0
    if spec.rebases and "whole recording" in clip.detail:
        if f"frames {onset}.." not in clip.detail:
            return "detail does not say which frames were rebased"
        shift = onset - clip.onset
        if shift <= 0:
            return "rebased to nothing"
    if end is not None and clip.offset != end - shift:
        return f"offset {clip.offset}, the row says {end}"
    if not moved_rightly(clip, "onset", clip.onset, onset - shift, spec.reach):
        return f"onset {clip.onset}, the row says {onset}"
    if end is not None and (apex is None or not onset <= apex <= end or apex == onset < end):
        middle = (onset + end + 1) // 2
        named = f"apex {apex}" in clip.detail if apex is not None else "no apex is given" in clip.detail
        if not named or str(middle) not in clip.detail:
            return f"the middle stands for apex {v['apex']!r}, which detail does not say"
        apex = middle
    assert apex is not None
    if not moved_rightly(clip, "apex", clip.apex, apex - shift, spec.reach):
        return f"apex {clip.apex}, the row says {apex}"
    middle = (onset + apex + 1) // 2 - shift
    if not moved_rightly(clip, "middle", clip.middle, middle, spec.reach):
        return f"middle {clip.middle} instead of {middle}"
    return ""


def check_interval(clip: Any, v: Values, before: Any, reach: int) -> str:
    """SMIC-E: onset and offset of an expression, whose middle is the apex."""
    onset, offset = number(v["onset"]), number(v["offset"])
    mother = smic_name(v["clip"])
    assert mother is not None
    name = f"s{mother[0]}_{mother[1]}_{mother[2]:02d}"
    further = clip.name != name
    if further:
        place = MORE_NAMES[name].index(clip.name) if clip.name in MORE_NAMES.get(name, ()) else None
        pairs = [(number(v[f"onset{n}f"]), number(v[f"offset{n}f"])) for n in (2, 3)]
        if place is not None:
            onset, offset = pairs[place]
        elif (clip.onset, clip.offset) in pairs:
            onset, offset = clip.onset, clip.offset
        else:
            return "no interval of the row is that of this further expression"
    if further and before is not None and (clip.onset, clip.offset) == (before.onset, before.offset):
        onset, offset = before.onset, before.offset  # of s9_sur_02 there is a copy in the third interval
    total = number(v["totalmf1"])
    if offset is None and onset is not None and total and not further and "TotalMF1" in clip.detail:
        offset = onset + total - 1
    if onset is None or offset is None or not 0 <= onset < offset:
        return f"{onset}..{offset} is no interval, yet {clip.onset}..{clip.offset} is used"
    if clip.offset != offset:
        return f"offset {clip.offset}, the row says {offset}"
    apex = (onset + offset + 1) // 2
    for what, used, wanted in (
        ("onset", clip.onset, onset),
        ("apex", clip.apex, apex),
        ("middle", clip.middle, (onset + apex + 1) // 2),
    ):
        if not moved_rightly(clip, what, used, wanted, reach):
            return f"{what} {used} instead of {wanted}"
    return ""


def check_frames(clip: Any, copy: Copy, codes: dict[str, int] | None) -> str:
    """What is wrong with a usable clip's files."""
    numbers = (clip.onset, clip.middle, clip.apex)
    if tuple(frame_of(path.name) for path in clip.key_frames) != numbers:
        return f"key frames {[path.name for path in clip.key_frames]} for {numbers}"
    folders = {path.parent.relative_to(copy.out) for path in clip.key_frames}
    if len(folders) != 1:
        return "key frames from several folders"
    folder = folders.pop()
    if not copy.spec.home(folder.parts, clip.subject, clip.name):
        return f"key frames from {folder}"
    if codes is not None and f"_{codes.get(clip.name.rpartition('_')[0], -1):04d}" not in folder.name:
        return f"key frames from {folder}, another video"
    if copy.spec.layout == "mmew":
        lies_in = emotion_word(folder.parent.name)
        if {"repression": "other"}.get(lies_in, lies_in) != clip.emotion:
            return f"{clip.emotion!r} in {folder}"
    there = copy.folders[folder]
    if not all(there.get(n) == path.name for n, path in zip(numbers, clip.key_frames, strict=True)):
        return "key frames that are not on disk"
    last = max(clip.offset, clip.apex)
    if list(clip.sequence.numbers) != sorted(n for n in there if clip.onset <= n <= last):
        return "a sequence other than the frames from onset to offset"
    return ""


def claim(v: Values, spec: Spec) -> Id | None:
    """The clip whose name a row bears, even where its subject or its type says otherwise."""
    if spec.layout == "samm-lv" and not v["type"].lower().startswith("macro"):
        v = {**v, "type": "micro"}
    elif spec.layout == "casme-squared":
        v = {**v, "type": {"casme-squared": "micro-expression"}.get(spec.dataset, "macro-expression")}
    if spec.layout in ("samm", "samm-lv", "mmew", "smic-e") and (digits := re.search("[0-9]+", v["clip"])):
        v = {**v, "subject": digits[0]}
    return spec.identify(v)


def rows_of(told: Told, spec: Spec) -> list[tuple[int, Values, Id]]:
    found = [(line, values, spec.identify(values)) for line, values in told.rows]
    return [(line, values, name) for line, values, name in found if name is not None]


def violations(copy: Copy, found: Any, told: Told, codes: dict[str, int] | None) -> list[str]:
    spec = copy.spec
    wrong = []
    usable = [clip for clip in found.clips if clip.status == OK]
    ids = Counter(clip.id for clip in usable)
    wrong += [f"{name}: usable {n} times" for name, n in ids.items() if n > 1]
    identified = rows_of(told, spec)
    if told.trouble:
        return [f"read, though the table has {told.trouble}"]

    # Every usable clip says what a row with its name says.
    for clip in found.clips:
        who = (clip.dataset, clip.subject, clip.name)
        if clip.status != OK:
            if clip.status not in STATUSES or not clip.detail or clip.key_frames or "\n" in clip.detail:
                wrong.append(f"{clip.id}: {clip.status} with detail {clip.detail!r}")
            continue
        mother = (clip.dataset, clip.subject, MOTHERS.get(clip.name, clip.name).partition("+")[0])
        own = [values for _, values, name in identified if same_name(name, who)]
        if spec.layout == "smic-e" and not own:
            own = [values for _, values, name in identified if name == mother]
        if not own:
            wrong.append(f"{clip.id}: usable, but no row names it")
            continue
        reasons = [check_label(clip, v, spec) or check_moments(clip, v, spec, copy.by_id.get(who)) for v in own]
        if all(reasons):
            wrong.append(f"{clip.id}: {' / '.join(reasons)}")
        if trouble := check_frames(clip, copy, codes):
            wrong.append(f"{clip.id}: {trouble}")
        spelt = next((name for name in copy.by_id if same_name(name, who)), who)
        if spelt != who:
            wrong.append(f"{clip.id}: is {'/'.join(spelt)} in another spelling")

    # A row that was not edited gives what it gave.
    before = {name: values for _, values, name in rows_of(copy.told, spec)}
    shared = Counter("/".join(name).lower() for name in (claim(values, spec) for _, values in told.rows) if name)
    now = {(clip.dataset, clip.subject, clip.name): clip for clip in usable}
    furthers = {name[2] for _, _, name in identified}
    for _, values, name in identified:
        if before.get(name) != values or shared["/".join(name).lower()] > 1:
            continue
        for more in (name[2], *MORE_NAMES.get(name[2], ())):
            who = (*name[:2], more)
            if who not in copy.by_id or (more != name[2] and more in furthers):
                continue
            if codes is not None and codes != copy_codes(copy):
                continue
            if now.get(who) != copy.by_id[who]:
                wrong.append(f"{'/'.join(who)}: its row is unchanged, the clip is not: {now.get(who)}")

    # Every row is accounted for.
    details = " ".join(clip.detail for clip in found.clips)
    mentioned = {int(n) for n in re.findall(r"\brow ([0-9]+)", details)}
    dropped: set[int] = set()  # rows of SMIC-E with intervals that are not read, which a note names
    for note in found.notes:
        if spec.layout == "smic-e" and re.search("interval|expression", note):
            dropped |= {int(n) for n in re.findall(r"\b[0-9]+\b", note)} | ({*range(1000)} if "more" in note else set())
        if note.startswith("not read, text"):
            mentioned |= {int(n) for n in re.findall(r"[0-9]+", note)}
            if "more" in note:
                mentioned |= {line for line, _ in told.rows}
    met = {(clip.dataset, clip.subject.lower(), clip.name.lower()) for clip in found.clips}
    for line, values in told.rows:
        name = spec.identify(values)
        if line in mentioned or (name and (name[0], name[1].lower(), name[2].lower()) in met):
            continue
        kind = re.sub("[^a-z]", "", values.get("type", "").lower())
        if kind.startswith("macro" if spec.dataset != "casme-squared-macro" else "micro"):
            continue
        wrong.append(f"row {line} is named nowhere: {values}")

    by_name = defaultdict(set)
    for line, _, name in identified:
        by_name["/".join(name).lower()].add(line)
    for name, lines in by_name.items():
        if len(lines - mentioned) > 1:
            wrong.append(
                f"{name}: rows {sorted(lines)} name it, and only {sorted(lines & mentioned)} are refused by number"
            )

    # Every clip that was usable is used as it was, or named.
    notes = " ".join(found.notes)
    for who, clip in copy.by_id.items():
        if who in now:
            continue
        if any(same_name((c.dataset, c.subject, c.clip), who) for c in found.clips):
            continue
        folder = clip.key_frames[0].parent.relative_to(copy.out)
        if any(stray.endswith(folder.as_posix()) for stray in found.unannotated):
            continue
        if spec.whole and not any(name == who for _, _, name in identified):
            continue  # its row is gone or speaks of another clip, which was accounted for above
        mother = (*who[:2], MOTHERS.get(who[2], ""))
        if mother[2]:
            if (
                any(name == mother and line in dropped for line, _, name in identified)
                or "no Onset2F is given" in notes
            ):
                continue
            rows = [values for _, values, name in identified if name == mother]
            place = MORE_NAMES[mother[2]].index(who[2]) + 2
            if rows and not any(values[f"onset{place}f"] + values[f"offset{place}f"] for values in rows):
                continue  # the table holds no such interval
            if any(c.status != OK and (c.dataset, c.subject, c.clip) == mother for c in found.clips):
                continue
            if any(stray.endswith(folder.as_posix()) for stray in found.unannotated):
                continue
        if f"/{folder.name}" in notes:
            continue
        wrong.append(f"{clip.id}: disappeared silently")
    return wrong


def copy_codes(copy: Copy) -> dict[str, int]:
    return codes_of(copy.rules(), copy.suffix)


def codes_of(rules: dict[str, Grid], suffix: str) -> dict[str, int]:
    codes: dict[str, int] = {}
    for row in as_read(rules["naming rule2"], suffix):
        cells = [*row, "", ""]
        code = number(cells[0])
        if code is not None and re.fullmatch("[a-z]+[0-9]*", cells[1], re.IGNORECASE):
            codes.setdefault(cells[1].lower(), code)
    return codes


def check_message(text: str, copy_root: Path) -> list[str]:
    """An error is one line that names a file and says what is wrong."""
    wrong = []
    if "\n" in text or "Traceback" in text or len(text) > 900:
        wrong.append(f"not one clear line: {text!r}")
    if copy_root.name not in text:
        wrong.append(f"names no file: {text!r}")
    causes = "lacks|times|no annotation table|above the header|no row|expected|no emotion|no sheet|there twice|differ"
    if not re.search(f"{causes}|keep one|says which", text):
        wrong.append(f"does not say what is wrong: {text!r}")
    return wrong


# The tests


def run_edits(copy: Copy, seeds: range) -> tuple[Counter[str], list[str]]:
    """Ends of all edits, and every violation with its seed and what was edited."""
    ends: Counter[str] = Counter()
    wrong: list[str] = []
    spec = copy.spec
    for seed in seeds:
        rng = random.Random(seed)
        target = SAMM if spec.layout == "samm-lv" and rng.random() < 0.3 else spec.table
        rules = copy.rules() if spec.layout == "casme-squared" else {}
        if rules and rng.random() < 0.3:
            target = rng.choice(list(rules))
        by_position = spec.layout == "casme-squared"
        grid = rules[target] if target in rules else copy.main(target)
        roles = SAMM_ROLES if target == SAMM else spec.roles
        header = None if by_position else next(n for n, row in enumerate(grid) if {*map(text_of, row)} & HEADERS)
        table = Edited(grid, header, by_position)
        for _ in range(rng.choices([1, 2, 3], [6, 3, 1])[0]):
            if target in rules:
                edit_rules(table, rng)
            else:
                edit(table, roles, rng)
        edited = {**rules, target: table.grid}
        if rules and target not in rules:
            edited[spec.table] = table.grid
        copy.write_rules({name: edited[name] for name in rules})
        for name in {spec.table, target} - set(rules):
            copy.write(name, edited.get(name, copy.main(name)))
        told = copy.tell(edited)
        codes = codes_of(edited, copy.suffix) if rules else None
        context = f"{spec.dataset}{copy.suffix} seed {seed}, {target}: {'; '.join(table.done)}"
        try:
            found = read_clips(copy.out, dataset=spec.dataset)
        except MertoolError as error:
            ends["error"] += 1
            trouble = check_message(str(error), copy.out)
            if not table.structural:
                trouble.append(f"one bad row stops all others: {error}")
            elif not told.trouble and not by_position and rows_of(told, spec) and "above the header" not in str(error):
                trouble.append(f"an error, though the table can be read: {error}")
        except Exception as error:
            trouble = [f"{type(error).__name__}: {error}"]
        else:
            trouble = violations(copy, found, told, codes)
            named = any(c.status != OK or c.detail for c in found.clips if c not in copy.base.clips)
            named = named or found.unannotated != copy.base.unannotated
            same = found.clips == copy.base.clips
            ends["equal" if same else "named" if named else "different"] += 1
        wrong += [f"{context}: {text}" for text in trouble]
        if target != spec.table and target not in rules:
            copy.write(target, copy.main(target))
    return ends, wrong


HEADERS = {"Filename", "fold_name'"}


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


def report(ends: Counter[str], wrong: list[str], needed: tuple[str, ...]) -> None:
    assert not wrong, f"{len(wrong)} violations; ends {dict(ends)}\n" + "\n".join(wrong[:40])
    assert all(ends[kind] >= 3 for kind in needed), ends


@pytest.mark.parametrize("name", SPECS)
def test_edited_csv_tables_end_in_right_clips_named_clips_or_one_error(tmp_path: Path, name: str) -> None:
    copy = Copy(SPECS[name], tmp_path / "data", ".csv")
    assert copy.by_id
    report(*run_edits(copy, range(EDITS)), ("error", "named", "equal"))


@pytest.mark.parametrize("name", SPECS)
def test_edited_workbooks_end_in_right_clips_named_clips_or_one_error(tmp_path: Path, name: str) -> None:
    copy = Copy(SPECS[name], tmp_path / "data", ".xlsx")
    report(*run_edits(copy, range(1000, 1000 + EDITS_XLSX)), ())


# Data sets without a table: label files, folders and file names are edited instead


class Tree:
    """Files (empty frames) of a layout, kept as a dict so that an edit is a change of names."""

    def __init__(self, layout: str, out: Path) -> None:
        self.out = out
        self.plan = plan_layout(layout, 4, 3, (8, 10), 3)
        write_empty(self.plan, out)
        self.files = {
            path.relative_to(out): b"" if path.suffix in (".png", ".bmp") else path.read_bytes()
            for path in sorted(out.rglob("*"))
            if path.is_file()
        }
        self.base = read_clips(out, dataset=layout)
        self.by_id = {(c.dataset, c.subject, c.clip): c for c in self.base.clips if c.status == OK}

    def lay(self, files: dict[Path, bytes], before: dict[Path, bytes], folders: list[Path]) -> None:
        """Change the folder from `before` to `files`; `folders` are empty ones to make."""
        for name in before.keys() - files.keys():
            (self.out / name).unlink()
        for name, content in files.items():
            if before.get(name) != content:
                (self.out / name).parent.mkdir(parents=True, exist_ok=True)
                (self.out / name).write_bytes(content)
        for here, _, _ in os.walk(self.out, topdown=False):
            if not os.listdir(here) and Path(here) != self.out:
                Path(here).rmdir()
        for name in folders:
            (self.out / name).mkdir(parents=True, exist_ok=True)


def frames_in(files: dict[Path, bytes], folder: Path) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for name in files:
        if name.parent == folder and name.suffix in (".png", ".bmp", ".jpg") and re.search("[0-9]", name.stem):
            found[frame_of(name.name)].append(name.name)
    return found


def check_pictures(clip: Any, tree: Tree, files: dict[Path, bytes], folder: Path) -> str:
    there = frames_in(files, folder)
    numbers = (clip.onset, clip.middle, clip.apex)
    if {path.parent for path in clip.key_frames} != {tree.out / folder}:
        return f"key frames outside {folder}"
    if any([path.name] != there.get(n) for n, path in zip(numbers, clip.key_frames, strict=True)):
        return f"key frames {[path.name for path in clip.key_frames]} for {numbers}"
    return ""


def run_tree_edits(
    tree: Tree,
    layout: str,
    seeds: range,
    change: Callable[[dict[Path, bytes], random.Random], str],
    check: Callable[[Tree, dict[Path, bytes], Any, list[Path]], list[str]],
) -> tuple[Counter[str], list[str]]:
    ends: Counter[str] = Counter()
    wrong: list[str] = []
    now = dict(tree.files)
    for seed in seeds:
        rng = random.Random(seed)
        files = dict(tree.files)
        done = [change(files, rng) for _ in range(rng.choices([1, 2, 3], [6, 3, 1])[0])]
        gone = {name.parent for name in tree.files} - {name.parent for name in files}
        empty = [folder for folder in sorted(gone) if rng.random() < 0.5]
        tree.lay(files, now, empty)
        now = files
        try:
            found = read_clips(tree.out, dataset=layout)
        except MertoolError as error:
            ends["error"] += 1
            trouble = check_message(str(error), tree.out)
        except Exception as error:
            trouble = [f"{type(error).__name__}: {error}"]
        else:
            trouble = check(tree, files, found, empty)
            trouble += [f"{n}: usable {k} times" for n, k in Counter(c.id for c in usable_of(found)).items() if k > 1]
            trouble += [f"{c.id}: {c.status} without detail" for c in found.clips if c.status != OK and not c.detail]
            same = found.clips == tree.base.clips and found.unannotated == tree.base.unannotated
            named = any(c.status != OK or c.detail for c in found.clips if c not in tree.base.clips)
            ends[
                "equal" if same else "named" if named or found.unannotated != tree.base.unannotated else "different"
            ] += 1
        wrong += [f"{layout} seed {seed}: {'; '.join(done)}: {text}" for text in trouble]
        for folder in empty:
            shutil.rmtree(tree.out / folder, ignore_errors=True)
            for name in [name for name in now if folder in name.parents]:
                del now[name]
    return ends, wrong


def usable_of(found: Any) -> list[Any]:
    return [clip for clip in found.clips if clip.status == OK]


CK_LABEL = re.compile(r"S0*([0-9]+)_([0-9]{3})_([0-9]+)_emotion\.txt", re.IGNORECASE)
CK_EMOTIONS = dict(enumerate(("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"), 1))
CK_TEXTS = (
    *("", "   0.0000000e+00\n", "8", "3.5", "nan", "inf", "-1", "x", "3 4", "   7.0000000e+00\n", "2", "1.0", "+6"),
    *("   1.0000000e+00\n", "4,0", "1e400", "\x00\x01", "five", "0x3", "5.0000000e+00\n5.0000000e+00\n"),
)


def change_labels(files: dict[Path, bytes], rng: random.Random) -> str:
    labels = sorted(name for name in files if name.name.endswith("_emotion.txt"))
    if not labels:
        return "nothing left"
    name, other = rng.choice(labels), rng.choice(labels)
    kind = rng.choice(["text", "text", "swap", "rename", "peak", "delete", "double", "move", "another's name", "frame"])
    if kind == "text":
        files[name] = rng.choice(CK_TEXTS).encode()
    elif kind == "swap":
        files[name], files[other] = files[other], files[name]
    elif kind == "rename":
        stem = name.name.removesuffix("_emotion.txt")
        called = [f"{stem.lower()}_emotion.txt", f"{stem}_Emotion.TXT", f"{stem}.txt", f"{stem}_emotions.txt"]
        called += [f"S0{stem[1:]}_emotion.txt", f"{stem.replace('_', '-')}_emotion.txt", f"x{stem}_emotion.txt"]
        files[name.with_name(rng.choice(called))] = files.pop(name)
    elif kind == "peak":
        at = frame_of(name.name.removesuffix("_emotion.txt"))
        peak = rng.choice([0, 1, 2, at - 1, at - 3, at + 1, at + 2, at + 9, 10**9])
        files[name.with_name(f"{name.name[:9]}{peak:08d}_emotion.txt")] = files.pop(name)
    elif kind == "delete":
        del files[name]
    elif kind == "double":
        twin = rng.choice([name.with_name(name.name.replace("_000", "_00")), Path("CK+/copy") / name.name])
        files[twin] = rng.choice([files[name], files[other]])
    elif kind == "move":
        files[other.with_name(name.name)] = files.pop(name)
    elif kind == "another's name":
        files[name.with_name(other.name)] = files.pop(name)
    else:
        picture = rng.choice(sorted(path for path in files if path.suffix == ".png"))
        del files[picture]
        name = picture
    return f"{kind} {name.name}"


def check_ckplus(tree: Tree, files: dict[Path, bytes], found: Any, _: list[Path]) -> list[str]:
    labels: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    odd = []
    for name, content in files.items():
        parts = CK_LABEL.fullmatch(name.name)
        if parts:
            says = content.decode("latin1").strip()
            labels[f"S{int(parts[1]):03d}", parts[2]].append((int(parts[3]), says))
        elif name.suffix.lower() == ".txt" and any("emotion" in part.lower() for part in name.parts[:-1]):
            odd.append(name)
    pictures = {(path.parent.parent.name, path.parent.name): path.parent for path in files if path.suffix == ".png"}
    notes = " ".join(found.notes)
    wrong = []
    met = {}
    for clip in found.clips:
        who = (clip.subject, clip.name)
        met[who] = clip
        if clip.status != OK:
            continue
        says = labels.get(who, [])
        if len(set(says)) != 1:
            wrong.append(f"{clip.id}: used, though its labels are {says}")
            continue
        peak, text = says[0]
        if not re.fullmatch(r"\+?[0-9]+(\.0*)?(e\+?0*)?", text) or CK_EMOTIONS.get(int(float(text))) != clip.emotion:
            wrong.append(f"{clip.id}: {clip.emotion}, the label says {text!r}")
        folder = pictures[who]
        there = frames_in(files, folder)
        if clip.onset != min(there):
            wrong.append(f"{clip.id}: onset {clip.onset}, the first frame is {min(there)}")
        if clip.apex != peak and f"apex frame {peak} is not on disk, {clip.apex}" not in clip.detail:
            wrong.append(f"{clip.id}: apex {clip.apex}, the label says {peak}")
        if max(there) > peak and str(peak) not in clip.detail:
            wrong.append(f"{clip.id}: frames behind the peak {peak}, which detail does not say")
        if trouble := check_pictures(clip, tree, files, folder):
            wrong.append(f"{clip.id}: {trouble}")
    for who in labels:
        if who not in met and not any(f"{who[0]}_{who[1]}_" in note for note in found.notes):
            wrong.append(f"the label of {who} is named nowhere")
    for name in odd:
        if name.name not in notes:
            wrong.append(f"{name} is not read and named nowhere")
    labels_then = [name for name in tree.files if CK_LABEL.fullmatch(name.name)]
    for (_, subject, name), before in tree.by_id.items():
        folder = before.key_frames[0].parent.relative_to(tree.out)
        own = {path: tree.files[path] for path in labels_then if path.name.startswith(f"{subject}_{name}_")}
        now = {path: says for path, says in files.items() if path.name.startswith(f"{subject}_{name}_") and says}
        now = {path: says for path, says in now.items() if CK_LABEL.fullmatch(path.name)}
        untouched = own == now and frames_in(files, folder) == frames_in(tree.files, folder)
        if untouched and len(labels[subject, name]) == 1 and met[subject, name] != before:
            wrong.append(f"{before.id}: its files are unchanged, the clip is not: {met[subject, name].detail}")
    return wrong


def change_folders(files: dict[Path, bytes], rng: random.Random) -> str:
    clips = sorted({name.parent for name in files if name.suffix == ".bmp" and "micro" in name.parts})
    folder, other = rng.choice(clips), rng.choice(clips)
    names = [name for name in files if name.parent == folder]
    pictures = [name for name in names if name.suffix == ".bmp"]
    kind = rng.choice(
        [
            "emotion",
            "rename",
            "another's name",
            "empty",
            "double",
            "delete",
            "file",
            "frame",
            "subject",
            "loose",
            "camera",
        ]
    )

    def move(new: Path, copy: bool = False) -> None:
        for name in names:
            files[new / name.name] = files[name] if copy else files.pop(name)

    if kind == "emotion":
        move(
            folder.parent.with_name(rng.choice(["negative", "positive", "surprise", "Negative", "other"])) / folder.name
        )
    elif kind == "rename":
        called = [
            folder.name.upper(),
            folder.name.replace("_0", "_"),
            f"{folder.name} (2)",
            f"{folder.name}_",
            "clip 1",
        ]
        called += [
            folder.name.replace("s", "s0", 1),
            folder.name.replace("_ne_", "_neg_"),
            folder.name.replace("_", "-"),
        ]
        move(folder.with_name(rng.choice(called)))
    elif kind == "another's name":
        move(folder.with_name(other.name))
    elif kind == "empty":
        for name in pictures:
            del files[name]
    elif kind == "double":
        new = [folder.with_name(f"{folder.name} - copy"), other.parent / folder.name, Path("again", *folder.parts[1:])]
        move(rng.choice(new), copy=True)
    elif kind == "delete":
        for name in names:
            del files[name]
    elif kind == "subject":
        parts = ["s99" if re.fullmatch("s[0-9]+", part) else part for part in folder.parts]
        move(Path(*parts))
    elif kind == "loose":
        move(folder.parent)
    elif kind == "camera":
        move(Path(*[{"HS": "VIS", "VIS": "HS", "NIR": "films"}.get(part, part) for part in folder.parts]))
    elif pictures:
        name = rng.choice(pictures)
        if kind == "frame":
            del files[name]
        else:
            at = frame_of(name.name)
            called = [
                f"image{at + 10**6}.bmp",
                f"image{at:09d}.bmp",
                "image.bmp",
                f"image{at}.txt",
                f"image{at + 1}.bmp",
            ]
            new = name.with_name(rng.choice(called))
            files[new] = files[name]
            if rng.random() < 0.7 and new != name:
                del files[name]
    return f"{kind} {folder.name}"


def check_smic(tree: Tree, files: dict[Path, bytes], found: Any, empty: list[Path]) -> list[str]:
    folders = {name.parent for name in files if name.suffix == ".bmp"} | set(empty)
    wrong = []
    met = set()
    for clip in found.clips:
        match = [
            folder
            for folder in folders
            if smic_name(folder.name) == smic_name(clip.name) and clip.dataset[5:].upper() in folder.parts
        ]
        met |= set(match)
        if clip.status != OK:
            continue
        own = [folder for folder in match if folder.parent.name.lower() == clip.emotion]
        if len(own) > 1 and all(
            any("not used" in note and f.parts[0] in note for note in found.notes) for f in own[1:]
        ):
            own = own[:1]
        if len(own) != 1 or CODES[smic_name(clip.name)[1]] != clip.emotion:  # type: ignore[index]
            wrong.append(f"{clip.id}: {clip.emotion}, but its folders are {[str(f) for f in match]}")
            continue
        there = frames_in(files, own[0])
        if (clip.onset, clip.offset) != (min(there), max(there)):
            wrong.append(f"{clip.id}: {clip.onset}..{clip.offset} of {min(there)}..{max(there)}")
        middle = (min(there) + max(there) + 1) // 2
        if clip.apex != middle and f"apex frame {middle} is not on disk, {clip.apex}" not in clip.detail:
            wrong.append(f"{clip.id}: apex {clip.apex} instead of {middle}")
        if any(len(names) > 1 for names in there.values()):
            wrong.append(f"{clip.id}: used, though two files have one number")
        if clip.subject.removeprefix("s") not in [part.removeprefix("s").lstrip("0") for part in own[0].parts]:
            wrong.append(f"{clip.id}: lies in the folder of another subject, {own[0]}, which nothing says")
        if trouble := check_pictures(clip, tree, files, own[0]):
            wrong.append(f"{clip.id}: {trouble}")
    now = {(clip.dataset, clip.subject, clip.name): clip for clip in found.clips}
    for who, before in tree.by_id.items():
        folder = before.key_frames[0].parent.relative_to(tree.out)
        alone = [f for f in folders if smic_name(f.name) == smic_name(folder.name) and "HS" in f.parts] == [folder]
        if alone and frames_in(files, folder) == frames_in(tree.files, folder) and now.get(who) != before:
            wrong.append(f"{before.id}: its files are unchanged, the clip is not: {now.get(who)}")
    said = " ".join((*found.notes, *found.unannotated, *(clip.detail for clip in found.clips)))
    unread = "".join(f"{note}\n" for note in found.notes if note.startswith("folders with pictures that were not read"))
    for folder in folders:
        if "HS" not in folder.parts or any("non" in part for part in folder.parts) or folder in met:
            continue
        branch = ["/".join(folder.parts[:end]) for end in range(1, len(folder.parts))]
        if folder.name not in said and not any(f"{above}{end}" in unread for above in branch for end in (", ", "\n")):
            wrong.append(f"{folder} is read by nobody and named nowhere")
    return wrong


@pytest.mark.parametrize(
    ("layout", "change", "check"),
    [("ckplus", change_labels, check_ckplus), ("smic", change_folders, check_smic)],
    ids=["ckplus", "smic"],
)
def test_edited_files_end_in_right_clips_named_clips_or_one_error(
    tmp_path: Path, layout: str, change: Any, check: Any
) -> None:
    tree = Tree(layout, tmp_path / "data")
    assert tree.by_id
    ends, wrong = run_tree_edits(tree, layout, range(EDITS), change, check)
    report(ends, wrong, ("named", "different", "equal"))
