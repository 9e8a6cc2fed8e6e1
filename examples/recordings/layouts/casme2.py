"""CASME II: CASME2_RAW_selected/CASME2_RAW_selected/sub01/EP02_01f/img46.jpg from onset to offset, two tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plan import Draft, Move, Plan, Truth, canonical, draw_time, first_numbers, hands, prototype
from ..tables import Book, Rows, Units

ROOT = "CASME2_RAW_selected/CASME2_RAW_selected"
TABLE = "CASME2-coding-20190701.xlsx"
CLASSES = "CASME2-ObjectiveClasses.xlsx"
COLUMNS = [
    *("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None),
    *("Action Units", "Estimated Emotion"),
]
SHARES = {"others": 0.40, "disgust": 0.26, "happiness": 0.13, "repression": 0.11, "surprise": 0.10}
OBJECTIVE = {"happiness": 1, "surprise": 2, "disgust": 4, "sadness": 5, "fear": 6}
SUBJECTS = (4, 5, 24, 1, *(n for n in range(2, 27) if n not in (4, 5, 24)))  # those that rules are about come first


def plan(n_subjects: int, clips: int, length: tuple[int, int], seed: int) -> Plan:
    """`clips` recordings of the five usual emotions a subject, then those with oddities."""
    rng = np.random.default_rng([seed, 2])
    draft = Draft("casme2", seed)
    numbers = first_numbers(n_subjects, SUBJECTS, 27)
    subjects = [f"sub{n:02d}" for n in numbers]
    # Of each clip: subject, name, emotion, what is odd.
    wanted: list[tuple[int, str, str, str]] = []
    for index, hand in enumerate(hands(n_subjects, clips, SHARES, rng)):
        for k, emotion in enumerate(hand):
            name = "EP02_01f" if k == 0 else f"EP{2 + int(rng.integers(0, 6)):02d}_{k + 10}{'f' * int(rng.integers(2))}"
            wanted.append((index, name, emotion, ""))
    for k, name in enumerate(("EP01_2", "EP06_02_01", "EP09f")):
        wanted.append((k % n_subjects, name, "others", "unusual name"))
    for k, emotion in enumerate(("sadness", "fear")):
        wanted.append((k % n_subjects, f"EP18_0{k + 1}", emotion, "an emotion outside the five usual classes"))
    wanted += [(0, "EP16_04f", "disgust", "apex = offset"), (n_subjects - 1, "EP17_09", "happiness", "no folder")]
    for number, name, emotion, odd in (
        (4, "EP12_01f", "disgust", "apex /"),
        (5, "EP09_05f", "repression", "apex = onset"),
        (24, "EP07_01", "surprise", "called surprise here, sadness in the older table"),
    ):
        if number in numbers:
            wanted.append((numbers.index(number), name, emotion, odd))
    rows: Rows = []
    classes: Rows = [["Subject", "Filename", "Objective Class"]]
    for index, name, emotion, odd in sorted(wanted, key=lambda clip: clip[0]):
        n_frames, at = draw_time(rng, length)
        onset = 95 if name == "EP02_01f" else int(rng.integers(20, 300))  # 99, 100: names do not sort by number
        apex, offset = onset + at, onset + n_frames - 1
        units: Any = 12
        if odd != "no folder":
            files = [f"{ROOT}/{subjects[index]}/{name}/img{k}.jpg" for k in range(onset, offset + 1)]
            move = Move(prototype(emotion), 0, at, n_frames - 1)
            units = Units(draft.record(index, files, [move]))
        said: Any = {"apex /": "/", "apex = onset": onset, "apex = offset": offset}.get(odd, apex)
        found = {"apex /": None, "apex = onset": None, "apex = offset": offset}.get(odd, apex)
        subject = subjects[index].removeprefix("sub")
        rows.append([subject, name, None, onset, said, offset, None, units, emotion])
        classes.append([int(subject), name, OBJECTIVE.get(emotion, 7)])
        usable = odd != "no folder"
        draft.truths.append(
            Truth("casme2", subjects[index], name, canonical(emotion), onset, found, offset, usable, odd)
        )
    rows[0][3] = str(rows[0][3])  # a number stored as text
    rows.append([None, None, "blank column"])
    unannotated = f"{ROOT}/{subjects[-1]}/EP02_02f"
    draft.record(n_subjects - 1, [f"{unannotated}/img{k}.jpg" for k in range(51, 61)], [Move("Happiness", 0, 5, 9)])
    draft.leave_unannotated(unannotated)
    draft.books = [
        Book(TABLE, {"Sheet1": [list(COLUMNS), *rows], "Sheet2": [], "Sheet3": []}),
        Book(CLASSES, {"Sheet1": classes}),
    ]
    draft.oddities += [
        "the top folder is doubled",
        "frame numbers are not padded: img100.jpg sorts before img95.jpg",
        "columns C and G have neither header nor content; subjects are text ('01'); sheets 2 and 3 are empty",
        "one onset is a number stored as text; the last row has text in a column without header only",
        "EP02_01f is there for every subject" if n_subjects > 1 else "EP02_01f as a name",
        f"{CLASSES} beside the table has the same clips but no frame numbers, and subjects as numbers",
    ]
    draft.litter(
        lock=[TABLE],
        finder=["", ROOT, f"{ROOT}/{subjects[0]}", f"{ROOT}/{subjects[0]}/EP02_01f"],
        thumbs=f"{ROOT}/{subjects[-1]}/EP02_01f",
        shortcut=f"{ROOT}/{subjects[0]}",
    )
    return draft.done(subjects)
