"""MMEW: MMEW_Final/Micro_Expression/<emotion>/S13-07-001/1.jpg, its table, macro-expressions as stills."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plan import Draft, Move, Plan, Truth, canonical, draw_time, first_numbers, hands, prototype
from ..tables import Book, Rows, Units

ROOT = "MMEW_Final"
MICRO, STILLS = f"{ROOT}/Micro_Expression", f"{ROOT}/Macro_Expression"
TABLE = f"{ROOT}/MMEW_Micro_Exp.xlsx"
COLUMNS = [
    *("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion", "remarks"),
]
SHARES = {
    "surprise": 0.30,
    "disgust": 0.24,
    "others": 0.22,
    "happiness": 0.12,
    "fear": 0.05,
    "sadness": 0.04,
    "anger": 0.03,
}
CODES = {"happiness": 1, "surprise": 2, "disgust": 3, "fear": 4, "sadness": 5, "others": 6, "anger": 7}
SUBJECTS = (13, *(n for n in range(1, 31) if n != 13))


def plan(n_subjects: int, clips: int, length: tuple[int, int], seed: int) -> Plan:
    """`clips` micro-expressions and six stills of macro-expressions a subject."""
    rng = np.random.default_rng([seed, 2])
    draft = Draft("mmew", seed)
    numbers = first_numbers(n_subjects, SUBJECTS, 31)
    subjects = [f"S{n:02d}" for n in numbers]
    rows: Rows = []
    for index, hand in enumerate(hands(n_subjects, clips, SHARES, rng, fewest=2)):
        counts: dict[str, int] = {}
        for k, emotion in enumerate(["others", "anger", *hand]):
            counts[emotion] = counts.get(emotion, 0) + 1
            name = f"{subjects[index]}-{CODES[emotion]:02d}-{counts[emotion]:03d}"
            n_frames, at = draw_time(rng, length)
            before, behind = (0, 0) if k == 1 else (int(rng.integers(0, 4)), int(rng.integers(0, 4)))
            onset, apex, offset = before + 1, before + at + 1, before + n_frames
            # The label `others` lies in a folder called otherwise.
            folder = f"{MICRO}/{'repression' if emotion == 'others' else emotion}/{name}"
            move = Move(prototype(emotion), onset - 1, apex - 1, offset - 1)
            recording = draft.record(index, [f"{folder}/{n}.jpg" for n in range(1, offset + behind + 1)], [move])
            shift, odd = 0, ""
            if k == 1 and index == 0:
                shift, odd = 3170, "frame numbers in the table are those of a recording, not those of the files"
            said: list[Any] = [onset + shift, apex + shift, offset + shift]
            if k == 0:
                odd = "label others, folder repression"
                said = [str(number) for number in said]
            remarks = "glasses" if k == 1 else None
            rows.append([numbers[index], name, *said, Units(recording), emotion, remarks])
            draft.truths.append(
                Truth("mmew", subjects[index], name, canonical(emotion), onset, apex, offset, True, odd)
            )
    lost = f"{subjects[0]}-05-099"
    rows.append([numbers[0], lost, 2, 14, 25, None, "sadness", None])
    draft.truths.append(Truth("mmew", subjects[0], lost, "sadness", 2, 14, 25, False, "no folder"))
    rows += [[None] * 8, [None] * 7 + ["text behind the last row"]]
    unannotated = f"{MICRO}/fear/{subjects[-1]}-04-099"
    draft.record(n_subjects - 1, [f"{unannotated}/{n}.jpg" for n in range(1, 13)], [Move("Fear", 0, 6, 11)])
    draft.leave_unannotated(unannotated)
    for index, subject in enumerate(subjects):
        for emotion in ("anger", "disgust", "fear", "happiness", "sadness", "surprise"):
            name = f"{subject}-{CODES[emotion]:02d}-001"
            file = f"{STILLS}/{subject}/{emotion}/{name}.jpg"
            draft.record(index, [file], [Move(emotion.capitalize(), 0, 0, 0, macro=True)])
            draft.truths.append(Truth("mmew-macro", subject, name, emotion, -1, None, None, True))
    draft.books = [Book(TABLE, {"Sheet1": [list(COLUMNS), *rows]})]
    draft.oddities += [
        "no folders of subjects; the subject is a number in the table, and part of a clip's name",
        "the label others lies in the folder repression",
        "macro-expressions are single stills, some with names that micro-expressions have too",
        "some frame numbers are numbers stored as text; an empty row and one with text in `remarks` only at the end",
    ]
    draft.litter(lock=[TABLE], finder=["", MICRO, f"{MICRO}/anger", f"{STILLS}/{subjects[0]}"], thumbs=f"{MICRO}/anger")
    return draft.done(subjects)
