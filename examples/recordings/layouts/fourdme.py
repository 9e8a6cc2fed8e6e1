"""4DME: gray_micro/<sub_ID>/<fold_name>/Frame_000000123.jpg, its table of micro-expressions."""

from __future__ import annotations

import numpy as np

from ..plan import Draft, Move, Plan, Truth, canonical, draw_time, hands, prototype
from ..tables import Book, Rows, Units

ROOT = "gray_micro"
TABLE = "4DME_Labelling_Micro_release v1.xlsx"
WORDS = ("Positive", "Negative", "Surprise", "Repression", "Others")
COLUMNS = [
    *("sub_ID'", "video emo'", "fold_name'", "Onset", "Apex", "Offset", "AUs", "Emotion", "eye blink"),
    *(*WORDS, "Total", "fold"),
]
SHARES = {"Negative": 0.45, "Positive": 0.15, "Surprise": 0.15, "Repression": 0.1, "Others": 0.15}
DOUBLE = "Surprise+Positive"


def plan(n_subjects: int, clips: int, length: tuple[int, int], seed: int) -> Plan:
    """`clips` recordings a subject, and one with two labels."""
    rng = np.random.default_rng([seed, 2])
    draft = Draft("4dme", seed, colour=False)
    subjects = [f"S{n + 1:03d}" for n in range(n_subjects)]
    rows: Rows = []
    for index, hand in enumerate(hands(n_subjects, clips, SHARES, rng)):
        subject = subjects[index]
        for k, emotion in enumerate([DOUBLE, *hand]):
            name = f"{subject}_T{k // 2 + 1:02d}_{k % 2 + 1}"
            n_frames, at = draw_time(rng, length)
            onset = int(rng.integers(90, 2000))
            apex, offset = onset + at, onset + n_frames - 1
            parts = emotion.split("+")
            move = Move(prototype(parts[0]), 0, at, n_frames - 1)
            files = [f"{ROOT}/{subject}/{name}/Frame_{n:09d}.jpg" for n in range(onset, offset + 1)]
            units = Units(draft.record(index, files, [move]), ending="+43(k)" if k == 1 else "")
            flags = [int(word in parts) for word in WORDS]
            blink = int(rng.integers(2))
            numbers = [onset, apex, offset] if k != 1 else [str(onset), str(apex), str(offset)]
            rows.append(
                [subject, parts[0].lower(), name, *numbers, units, emotion, blink, *flags, sum(flags), index + 1]
            )
            label = "+".join(sorted(map(canonical, parts)))
            odd = "two labels" if len(parts) > 1 else ""
            draft.truths.append(Truth("4dme", subject, name, label, onset, apex, offset, True, odd))
    lost = f"{subjects[0]}_T99_1"
    rows.append([subjects[0], "positive", lost, 201, 213, 226, 12, "Positive", 0, 1, 0, 0, 0, 0, 1, 1])
    draft.truths.append(Truth("4dme", subjects[0], lost, "positive", 201, 213, 226, False, "no folder"))
    rows += [[None] * len(COLUMNS), [None] * 9 + [clips] * 5]
    unannotated = f"{ROOT}/{subjects[-1]}/{subjects[-1]}_T98_1"
    draft.record(
        n_subjects - 1, [f"{unannotated}/Frame_{n:09d}.jpg" for n in range(95, 107)], [Move("Negative", 0, 6, 11)]
    )
    draft.leave_unannotated(unannotated)
    draft.books = [Book(TABLE, {"Sheet1": [list(COLUMNS), *rows]})]
    draft.oddities += [
        "frame numbers of nine digits",
        "an apostrophe in the names of some columns; columns Positive, Negative and so on repeat the label as 0 or 1",
        "(k) behind some action units, numbers stored as text in some rows",
        "behind the last row an empty one and one of sums",
    ]
    first = f"{ROOT}/{subjects[0]}"
    draft.litter(lock=[TABLE], finder=["", ROOT, first], thumbs=f"{first}/{subjects[0]}_T01_1")
    return draft.done(subjects)
