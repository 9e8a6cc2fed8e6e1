"""CASME: CASME_raw_selected/sub01/EP01_12/EP01_12-73.jpg, an old binary .xls."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plan import Draft, Move, Plan, Truth, canonical, draw_time, hands, prototype
from ..tables import Book, Rows, Units

ROOT = "CASME_raw_selected"
TABLE = "CASME-coded-20190721.xls"
COLUMNS = [
    *("Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None),
    *("Onset", "Total", "AU", "Emotion"),
]
SHARES = {"tense": 0.40, "disgust": 0.26, "repression": 0.22, "surprise": 0.12}
NOTHING = "\\"


def plan(n_subjects: int, clips: int, length: tuple[int, int], seed: int) -> Plan:
    """`clips` recordings of the four usual emotions a subject, then those with oddities."""
    rng = np.random.default_rng([seed, 2])
    draft = Draft("casme", seed)
    subjects = [f"sub{n + 1:02d}" for n in range(n_subjects)]
    rows: Rows = []
    for index, hand in enumerate(hands(n_subjects, clips, SHARES, rng)):
        extra = ["comtempt", "contempt", "happiness", "sadness", "fear", "disgust", "tense"]
        share = extra if n_subjects == 1 else [*extra[:2], *extra[2 + index :: n_subjects]]
        for k, emotion in enumerate([*hand, *share]):
            subject, name = subjects[index], f"EP01_{k + 5}" if k < 8 else f"EP{k // 8 + 1:02d}_{k}"
            n_frames, at = draw_time(rng, length)
            onset = 96 if k == 0 else int(rng.integers(8, 90))  # 99, 100: names do not sort by number
            apex, offset = onset + at, onset + n_frames - 1
            padded = index % 2 == 1 if n_subjects > 1 else k % 2 == 1
            names = [f"{name}-{n:0{3 if padded else 1}d}.jpg" for n in range(onset, offset + 1)]
            files = [f"{ROOT}/{subject}/{name}/{file}" for file in names]
            recording = draft.record(index, files, [Move(prototype(emotion), 0, at, n_frames - 1)])
            end: Any = min(apex + 2, offset) if rng.random() < 0.6 else NOTHING
            start: Any = apex
            odd = "spelt comtempt" if emotion == "comtempt" else ""
            found: int | None = apex
            if index == 0 and emotion == "contempt":
                start, end, found, odd = NOTHING, NOTHING, None, "apex \\"
            units = Units(recording)
            ms = [round(1000 * at / 60), round(1000 * n_frames / 60)]
            rows.append([index + 1, name, None, onset, start, end, offset, None, *ms, units, emotion])
            draft.truths.append(Truth("casme", subject, name, canonical(emotion), onset, found, offset, True, odd))
    rows[0][3] = str(rows[0][3])
    rows.append([1, "EP17_2", None, 31, 40, NOTHING, 52, None, 150, 367, 4, "tense"])
    draft.truths.append(Truth("casme", "sub01", "EP17_2", "tense", 31, 40, 52, False, "no folder"))
    rows += [[None] * 12, [None] * 7 + ["blank column"]]
    unannotated = f"{ROOT}/{subjects[-1]}/EP19_3"
    draft.record(
        n_subjects - 1, [f"{unannotated}/EP19_3-{n:03d}.jpg" for n in range(21, 33)], [Move("Tense", 0, 6, 11)]
    )
    draft.leave_unannotated(unannotated)
    draft.books = [Book(TABLE, {"Sheet1": [list(COLUMNS), *rows], "Sheet2": [], "Sheet3": []})]
    draft.oddities += [
        "frame numbers stand behind the last hyphen: not padded for some subjects, three digits for others",
        "an old binary .xls; columns C and H have neither header nor content",
        "missing numbers are a backslash; ApexF1 to ApexF2 is the phase of the apex",
        "columns Onset and Total are milliseconds, not frames",
        "contempt is spelt comtempt in some rows",
        "one onset is a number stored as text; behind the last row an empty one and one with text in a blank column",
    ]
    draft.litter(
        lock=[TABLE],
        finder=["", ROOT, f"{ROOT}/{subjects[0]}", f"{ROOT}/{subjects[0]}/EP01_5"],
        thumbs=f"{ROOT}/{subjects[-1]}/EP01_5",
        shortcut=f"{ROOT}/{subjects[0]}",
    )
    return draft.done(subjects)
