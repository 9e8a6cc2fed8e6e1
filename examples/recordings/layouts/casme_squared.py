"""CAS(ME)^2: CAS(ME)^2/rawpic/s15/15_0101disgustingteeth/img001.jpg, a table of three sheets without any header."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plan import Draft, Move, Plan, Truth, canonical, draw_time, hands, prototype
from ..tables import Book, Rows, Units

TOP = "CAS(ME)^2"
ROOT = f"{TOP}/rawpic"
TABLE = f"{TOP}/CAS(ME)^2code_final.xlsx"
SHARES = {"negative": 0.37, "others": 0.33, "surprise": 0.16, "positive": 0.14}
MICRO, MACRO = "micro-expression", "macro-expression"
# Stimulus -> code and what the folders are called; one is misspelt in the data set.
STIMULI = {
    "disgust1": (101, "disgustingteeth"),
    "happy3": (503, "unnyfarting"),
    "anger1": (401, "girlcrashing"),
    "anger2": (402, "beatingpregnantwoman"),
    "happy2": (502, "funnyerrors"),
    "happy5": (505, "funnyinnovations"),
    "disgust2": (102, "eatingworms"),
    "happy8": (508, "funnydunno"),
}
ON_DISK = 6  # of them; then one that only the table has, one that only the disk has
FOLDERS = (15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, *range(29, 39), 40)  # of participants 1 to 22


def plan(n_subjects: int, clips: int, length: tuple[int, int], seed: int) -> Plan:
    """Long videos of `clips` micro-expressions a subject, with macro-expressions between them."""
    rng = np.random.default_rng([seed, 2])
    draft = Draft("casme-squared", seed)
    numbers = [*FOLDERS, *range(41, 41 + n_subjects)][:n_subjects]
    subjects = [f"s{n}" for n in numbers]
    rows: Rows = []
    for index, hand in enumerate(hands(n_subjects, clips, SHARES, rng)):
        subject = subjects[index]
        videos = list(STIMULI)[: min(ON_DISK, max(2, -(-clips // 3)))]
        for number, stimulus in enumerate(videos):
            planned = [(emotion, MICRO) for emotion in hand[number :: len(videos)]]
            planned.insert(min(1, len(planned)), ("positive", MACRO))
            if number == 0:
                planned.append(("negative", MACRO))
            elif number == 1 and index == 0:
                planned += [("others", MACRO), ("surprise", MACRO)]
            moves, at = [], int(rng.integers(6, 12)) + (60 if number == 0 else 0)  # beyond 99 in some videos
            for emotion, kind in planned:
                n_frames, apex = draw_time(rng, length)
                moves.append(Move(prototype(emotion), at, at + apex, at + n_frames - 1, macro=kind == MACRO))
                at += n_frames + int(rng.integers(6, 12))
            folder = video(numbers[index], stimulus)
            recording = draft.record(index, [f"{folder}/img{k:03d}.jpg" for k in range(1, at + 1)], moves)
            for k, ((emotion, kind), move) in enumerate(zip(planned, moves, strict=True)):
                onset, apex, offset = (n + 1 for n in (move.onset, move.apex, move.offset))
                said: list[Any] = [onset, apex, offset]
                found_apex: int | None = apex
                found_offset: int | None = offset
                odd = ""
                if kind == MACRO and k != 1 and number == 0:
                    said[2], found_offset, odd = 0, None, "offset 0"
                elif kind == MACRO and number == 1 and index == 0:
                    if emotion == "others":
                        said[1], found_apex, odd = 0, None, "apex 0"
                    elif emotion == "surprise":
                        said[2] = found_offset = (onset + apex) // 2
                        found_apex, odd = None, "offset before the apex"
                units: Any = Units(recording, k)
                if number == 0 and k < 2:
                    units = (("NULL", "null"), ("10or11", "4,24"))[index % 2][k]
                if number == 0 and k == 2:
                    said[0] = str(said[0])
                name = f"{stimulus}_{k + 1}"
                feels = "happyiness" if stimulus.startswith("happy") else stimulus.rstrip("0123456789")
                rows.append([index + 1, name, *said, units, emotion, kind, feels])
                dataset = "casme-squared-macro" if kind == MACRO else "casme-squared"
                draft.truths.append(
                    Truth(dataset, subject, name, canonical(emotion), onset, found_apex, found_offset, True, odd)
                )
    lost, silent = list(STIMULI)[ON_DISK:]
    rows.append([1, f"{lost}_1", 41, 49, 56, 4, "negative", MICRO, "disgust"])
    draft.truths.append(
        Truth("casme-squared", subjects[0], f"{lost}_1", "negative", 41, 49, 56, False, "no folder of this video")
    )
    unannotated = video(numbers[-1], silent)
    draft.record(n_subjects - 1, [f"{unannotated}/img{k:03d}.jpg" for k in range(1, 13)])
    draft.leave_unannotated(unannotated)
    sheets = {
        "CASFEcode_final": rows,
        "naming rule1": [[n, subject, k + 1] for k, (n, subject) in enumerate(zip(numbers, subjects, strict=True))],
        "naming rule2": [[code, stimulus] for stimulus, (code, _) in STIMULI.items()],
    }
    draft.books = [Book(TABLE, sheets)]
    draft.oddities += [
        "no header in any sheet; sheets `naming rule1` and `naming rule2` lead from a row to the folder of its video",
        "codes lose their zero in the table (401), folders have it (0401girlcrashing); 0503unnyfarting is misspelt",
        "frame numbers padded to three digits, beyond 99 in some videos; frames count from 1",
        "NULL, null, 10or11 and 4,24 as action units; happyiness as self-report; a number stored as text",
        "rows of micro- and of macro-expressions, told apart by a column",
    ]
    first = video(numbers[0], "disgust1")
    draft.litter(lock=[TABLE], finder=["", TOP, ROOT, first], thumbs=first, shortcut=f"{ROOT}/{subjects[0]}")
    return draft.done(subjects)


def video(number: int, stimulus: str) -> str:
    """The folder of a participant's video."""
    code, words = STIMULI[stimulus]
    return f"{ROOT}/s{number}/{number}_{code:04d}{words}"
