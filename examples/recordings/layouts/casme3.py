"""CAS(ME)^3 part A: part_A/data/part_A_split/part_A/spNO.1/a/color/355.jpg, whole recordings with gaps, a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plan import Draft, Move, Plan, Truth, canonical, draw_time, hands, prototype
from ..tables import Book, Rows, Units

ROOT = "part_A/data/part_A_split/part_A"
TABLE = "part_A/annotation/cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
COLUMNS = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]
SHARES = {
    "disgust": 0.28,
    "surprise": 0.22,
    "others": 0.18,
    "fear": 0.10,
    "anger": 0.08,
    "sad": 0.07,
    "happy": 0.07,
}
OBJECTIVE = {"happy": "I", "surprise": "II", "anger": "III", "disgust": "IV", "sad": "V", "fear": "VI"}
FOLDERS = [*"abcdefghik", *(f"{letter}{n}" for n in range(2, 9) for letter in "abcdefghik")]
A_RECORDING = 3  # micro-expressions in one recording


def plan(n_subjects: int, clips: int, length: tuple[int, int], seed: int) -> Plan:
    """Recordings of `clips` micro-expressions a subject, two of them with oddities on top for the first one."""
    rng = np.random.default_rng([seed, 2])
    draft = Draft("casme3", seed)
    subjects = [f"spNO.{n + 1}" for n in range(n_subjects)]
    rows: Rows = []
    for index, hand in enumerate(hands(n_subjects, clips, SHARES, rng)):
        subject = subjects[index]
        if index == 0:
            hand += ["Others", "sad", "happy", "disgust", "surprise"]
        for number in range(0, len(hand), A_RECORDING):
            emotions = hand[number : number + A_RECORDING]
            letter = FOLDERS[number // A_RECORDING]
            if index == n_subjects - 1 and number == 0:
                letter = "j"
            first = 340 if number == 0 else int(rng.integers(80, 1900))
            moves, at = [], int(rng.integers(12, 18))
            for emotion in emotions:
                n_frames, apex = draw_time(rng, length)
                moves.append(Move(prototype(emotion), at, at + apex, at + n_frames - 1))
                at += n_frames + int(rng.integers(6, 12))
            folder = f"{ROOT}/{subject}/{letter}"
            gaps = [2, 3, 4, 5, moves[0].offset - 1]
            files = [f"{folder}/color/{first + k}.jpg" for k in range(at)]
            recording = draft.record(index, files, moves, missing=gaps)
            draft.junk[f"{folder}/depth/{first}.png"] = b""
            for k, (emotion, move) in enumerate(zip(emotions, moves, strict=True)):
                onset, apex, offset = (first + n for n in (move.onset, move.apex, move.offset))
                said: list[Any] = [onset, apex, offset]
                found_apex: int | None = apex
                found_offset: int | None = offset
                odd = ""
                if index == 0 and number + k == 1:
                    said[2], found_offset, odd = 0, None, "offset 0"
                elif (index, number + k) in ((0, 2), (n_subjects - 1, clips - 1)):
                    said[1], found_apex, odd = onset, None, "apex = onset"
                if k == 0:
                    said = [str(n) for n in said]  # numbers stored as text
                shown = letter.upper() if letter == "j" and k == 0 else letter
                if shown != letter:
                    odd = "; ".join(filter(None, [odd, "letter J in the table, folder j"]))
                units = Units(recording, k)
                rows.append([subject, shown, *said, units, OBJECTIVE.get(emotion, "VII"), emotion])
                clip = f"{letter}_{onset}"
                draft.truths.append(
                    Truth("casme3", subject, clip, canonical(emotion), onset, found_apex, found_offset, True, odd)
                )
    rows.append([subjects[0], "m", "141", "149", "160", "4", "IV", "disgust"])
    draft.truths.append(Truth("casme3", subjects[0], "m_141", "disgust", 141, 149, 160, False, "no folder"))
    unannotated = f"{ROOT}/{subjects[-1]}/l"
    draft.record(n_subjects - 1, [f"{unannotated}/color/{n}.jpg" for n in range(95, 107)])
    draft.leave_unannotated(unannotated)
    sheets = {"label": [list(COLUMNS), *rows], "Sheet2": []}
    draft.books = [Book(TABLE, sheets)]
    draft.oddities += [
        "whole recordings with dropped frames; frame numbers are not padded",
        "a folder `depth` with a picture of the same number, empty, beside each `color`",
        "numbers stored as text in some rows; several rows of one subject and letter; an empty second sheet",
        "others and Others, happy, sad",
    ]
    draft.litter(
        lock=[TABLE],
        finder=["", ROOT, f"{ROOT}/{subjects[0]}", f"{ROOT}/{subjects[0]}/a/color"],
        thumbs=f"{ROOT}/{subjects[0]}/a/color",
    )
    return draft.done(subjects)
