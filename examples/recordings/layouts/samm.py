"""SAMM: OUT/006/006_1_2/006_05562.jpg from onset to offset, SAMM_Micro_FACS_Codes_v2.xlsx."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..plan import BASIC, Draft, Move, Plan, Recording, Truth, hands
from ..tables import Book, Rows, Units

TABLE = "SAMM_Micro_FACS_Codes_v2.xlsx"
SIZE = (960, 650)  # of the released frames
FURTHER = ("Other", "Contempt")  # beside the six
OBJECTIVE = {"Happiness": 1, "Surprise": 2, "Anger": 3, "Disgust": 4, "Sadness": 5, "Fear": 6}  # all others: 7
COLUMNS = (
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
)
PREAMBLE = {
    "A1": "Made-up recordings in the layout of the SAMM dataset - no row of SAMM is in this table",
    "E1": "200 frames a second",
    "A3": "Written by mertool's examples/make_recordings.py; see README.txt beside this table",
    "I3": "Action units: R and L are the subject's right and left side",
    "A4": "Frame numbers are those in the file names; only onset to offset are on disk",
    "E4": "Two apex frames are impossible on purpose, as in SAMM",
    "A6": "Micro - 1/2: micro-expression",
    "A8": "Duration = offset - onset + 1",
    "A10": "Objective Classes: 1 happiness, 2 surprise, 3 anger, 4 disgust, 5 sadness, 6 fear, 7 other",
}


@dataclass(frozen=True)
class Clip:
    """A row of the table; `apex` may be impossible, the recording's own never is."""

    recording: Recording
    name: str
    emotion: str
    onset: int
    apex: int
    offset: int


def plan(n_subjects: int, clips: int, length: tuple[int, int], seed: int) -> Plan:
    """`clips` recordings of the six basic emotions a subject, and some of further ones, two with an impossible apex."""
    rng = np.random.default_rng([seed, 2])
    dealt = hands(n_subjects, clips, BASIC, rng)
    further = max(2, n_subjects // 3)
    for k, hand in enumerate(rng.choice(n_subjects, further, replace=further > n_subjects)):
        dealt[hand].append(FURTHER[k % 2])
    subjects = subject_names(n_subjects)
    rows = []
    impossible = [10, -1000]  # how far the apex slips: behind the offset, far before the onset
    for index, (subject, hand) in enumerate(zip(subjects, dealt, strict=True)):
        serials: dict[int, int] = {}
        frames: dict[int, int] = {}
        digits = {video: 5 if rng.random() < 0.25 else 4 for video in range(1, 8)}  # fixed for a source video
        for number, emotion in enumerate(hand):
            video = int(rng.integers(1, 8))
            serials[video] = serials.get(video, 0) + int(rng.integers(1, 5))
            onset = frames.get(video, int(rng.integers(1001, 3000))) + int(rng.integers(5, 300))
            duration = int(rng.integers(length[0], length[1] + 1))
            offset = onset + duration - 1
            apex = shown = onset + round((duration - 1) * rng.uniform(0.36, 0.64))
            if emotion in FURTHER and impossible:
                slip = impossible.pop()
                apex = (offset if slip > 0 else onset) + slip
                shown = onset + duration // 2
            frames[video] = offset
            name = f"{subject}_{video}_{serials[video]}"
            recording = Recording(
                subject=index,
                files=tuple(f"{subject}/{name}/{subject}_{k:0{digits[video]}d}.jpg" for k in range(onset, offset + 1)),
                moves=(Move(emotion, 0, shown - onset, duration - 1),),
                size=SIZE,
                colour=False,
                seed=(seed, 3, index, number),
            )
            rows.append(Clip(recording, name, emotion, onset, apex, offset))
    rows.sort(key=lambda row: [int(part) for part in row.name.split("_")])
    draft = Draft("samm", seed, SIZE, colour=False)
    draft.recordings = [row.recording for row in rows]
    for row in rows:
        possible = row.onset <= row.apex <= row.offset
        draft.truths.append(
            Truth(
                *("samm", row.name[:3], row.name, row.emotion.lower(), row.onset),
                apex=row.apex if possible else None,
                offset=row.offset,
                usable=True,
                odd="" if possible else f"apex {row.apex} outside {row.onset}..{row.offset}",
            )
        )
    cells = table(
        [(row.name, row.onset, row.apex, row.offset, Units(at), row.emotion) for at, row in enumerate(rows)], PREAMBLE
    )
    draft.books = [Book(TABLE, {"MICRO_ONLY": cells})]
    draft.oddities.append("frame numbers of four and of five digits, fixed for a source video")
    draft.oddities.append("13 lines before the header, Duration as a formula without a cached value")
    draft.litter(lock=[TABLE], finder=[""], thumbs=f"{subjects[rows[0].recording.subject]}/{rows[0].name}")
    return draft.done(subjects)


def subject_names(count: int) -> list[str]:
    """Three digits; SAMM has no 008, 027 and 029."""
    return [f"{n:03d}" for n in range(6, 7 + count + 4) if n not in (8, 27, 29)][:count]


def table(rows: Sequence[tuple[str, Any, Any, Any, Any, str]], preamble: dict[str, str]) -> Rows:
    """The sheet: preamble, header in row 14, then (clip, onset, apex, offset, action units, emotion) a row."""
    cells: Rows = [[None] * 9 for _ in range(13)]
    for cell, text in preamble.items():
        cells[int(cell[1:]) - 1]["ABCDEFGHI".index(cell[0])] = text
    cells.append(list(COLUMNS))
    for at, (name, onset, apex, offset, units, emotion) in enumerate(rows, 15):
        subject, inducement, _ = name.split("_")
        cells.append(
            [
                *(subject, name, int(inducement), onset, apex, offset, f"=F{at}-D{at}+1", "Micro - 1/2"),
                *(units, emotion, OBJECTIVE.get(emotion, 7), None),
            ]
        )
    return cells
