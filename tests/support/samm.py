"""A made-up SAMM: empty files as frames, made-up rows in its table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from mertool.datasets import samm

HEADER = [
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset Frame",
    "Apex Frame",
    "Offset Frame",
    "Duration",
    "Micro",
    "Action Units",
    "Estimated Emotion",
    "Objective Classes",
    "Notes",
]

PREAMBLE: list[list[Any]] = [
    ["SAMM Dataset - Master FACS Codes", None, None, None, "Subject", "x"],
    *[["Made-up preamble", None, "Onset Frame; Apex Frame"]] * 3,
    *[[None]] * 9,
]

TABLE = "SAMM_Micro_FACS_Codes_v2.xlsx"
WIDE = {"006_1", "028_4"}  # videos whose frame numbers are padded to five digits
Rows = list[list[Any]]


def row(clip: str, onset: int, apex: int, offset: int, emotion: str, units: Any = "4+7") -> list[Any]:
    subject, inducement, _ = clip.split("_")
    span = offset - onset + 1
    return [subject, clip, int(inducement), onset, apex, offset, span, "Micro - 1/2", units, emotion, 7, None]


def made_up_rows() -> Rows:
    return [
        row("006_1_2", 562, 566, 570, "Anger"),
        row("006_1_10", 1003, 1008, 1014, "Happiness", 12),
        row("006_5_3", 98, 101, 105, "Other"),
        row("011_2_1", 9, 12, 15, "Surprise"),
        row("011_2_4", 40, 44, 47, "Contempt", "R14"),
        row("028_4_1", 1071, 1143, 1080, "Disgust"),
        row("032_3_1", 4896, 1930, 4905, "Sadness"),
        row("032_3_2", 5126, 5127, 5133, "Fear", "1+2 "),
    ]


def write_table(path: Path, rows: Rows, header: Sequence[Any] = HEADER, preamble: Rows = PREAMBLE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [*preamble, list(header), *rows]
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(cells)
    elif path.suffix == ".xls":
        xlwt = pytest.importorskip("xlwt")
        book = xlwt.Workbook()
        sheet = book.add_sheet("MICRO_ONLY")
        for r, line in enumerate(cells):
            for c, cell in enumerate(line):
                if cell is not None:
                    sheet.write(r, c, cell)
        book.save(str(path))
    else:
        book = openpyxl.Workbook()
        sheet = book.active
        sheet.title = "MICRO_ONLY"
        for line in cells:
            sheet.append(list(line))
        book.save(path)
    return path


def frame_name(clip: str, number: int) -> str:
    subject, inducement, _ = clip.split("_")
    digits = 5 if f"{subject}_{inducement}" in WIDE else 4
    return f"{subject}_{number:0{digits}d}.jpg"


def write_frames(root: Path, rows: Rows) -> None:
    for line in rows:
        folder = root / line[0] / line[1]
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(line[3], line[5] + 1):
            (folder / frame_name(line[1], number)).touch()


def make_samm(folder: Path, rows: Rows | None = None) -> Path:
    """A made-up SAMM: `folder` with the table and the image root SAMM/."""
    rows = made_up_rows() if rows is None else rows
    write_table(folder / TABLE, rows)
    write_frames(folder / "SAMM", rows)
    return folder


def full_table() -> Rows:
    """159 made-up rows with SAMM's subjects and counts by emotion."""
    emotions = [name.title() for name, count in samm.EXPECTED.emotions.items() for _ in range(count)]
    subjects = samm.EXPECTED.subjects
    assert isinstance(subjects, tuple)
    return [
        row(f"{subjects[n % 29]}_{n // 29 + 1}_1", 10 * n, 10 * n + 1, 10 * n + 2, emotion)
        for n, emotion in enumerate(emotions)
    ]
