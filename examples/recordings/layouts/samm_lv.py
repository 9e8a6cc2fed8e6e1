"""SAMM Long Videos: SAMM_longvideos/SAMM_longvideos/006_1/006_1_0001.jpg, its table, and that of SAMM beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plan import BASIC, Draft, Move, Plan, Truth, draw_time, hands
from ..tables import Book, Rows, Units
from . import samm

ROOT = "SAMM_longvideos/SAMM_longvideos"
TABLE = "SAMM_LongVideos_V2_Release.xlsx"
COLUMNS = (
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset",
    "Apex",
    "Offset",
    "Duration",
    "Type",
    "Action Units",
    "Notes",
)
MICRO, MACRO = "Micro - 1/2", "Macro"
VIDEOS = 5  # of a subject at most; SAMM has seven inducements, two are needed for an unannotated and for a lost one
PREAMBLE = {
    "A1": "Made-up recordings in the layout of the SAMM dataset - no row of SAMM is in this table",
    "A3": "Frame numbers differ from those of the long videos by a constant a video",
}


def plan(n_subjects: int, clips: int, length: tuple[int, int], seed: int) -> Plan:
    """Long videos of `clips` micro-expressions a subject, macro-expressions between them."""
    rng = np.random.default_rng([seed, 2])
    draft = Draft("samm-lv", seed, samm.SIZE, colour=False)
    subjects = samm.subject_names(n_subjects)
    long_rows: Rows = []
    micro_rows: list[tuple[str, Any, Any, Any, Any, str]] = []
    for index, hand in enumerate(hands(n_subjects, clips, BASIC, rng)):
        subject = subjects[index]
        a_video = max(3, -(-clips // VIDEOS))
        videos = [hand[k : k + a_video] for k in range(0, clips, a_video)]
        for number, emotions in enumerate(videos):
            inducement = number + 1
            # What comes when: (emotion, type); a macro-expression has no emotion in the table.
            planned = [(emotion, MICRO) for emotion in emotions]
            planned.insert(0 if number == 0 else int(rng.integers(1, len(planned) + 1)), ("Happiness", MACRO))
            moves, at = [], int(rng.integers(6, 12))
            for place, (emotion, kind) in enumerate(planned):
                if number == 0 and place == 0:
                    at = 0  # the movement began before the video
                n_frames, apex = draw_time(rng, length)
                moves.append(Move(emotion, at, at + apex, at + n_frames - 1, macro=kind == MACRO))
                at += n_frames + int(rng.integers(6, 12))
            digits = 5 if number == 0 and index % 2 == 0 else 4
            shift = 0 if number % 2 else 100 * int(rng.integers(1, 30))
            video = f"{subject}_{inducement}"
            files = [f"{ROOT}/{video}/{video}_{k:0{digits}d}.jpg" for k in range(1, at + 1)]
            recording = draft.record(index, files, moves)
            serial = 0
            for place, ((emotion, kind), move) in enumerate(zip(planned, moves, strict=True)):
                serial += int(rng.integers(1, 4))
                name = f"{video}_{serial}"
                onset, apex, offset = (k + 1 for k in (move.onset, move.apex, move.offset))
                # Said in the table: 0 for an onset before the video, -1 for an apex that is not annotated.
                said_onset = 0 if number == 0 and place == 0 else onset
                said_apex, said_offset = apex, offset
                odd = []
                if kind == MACRO and (number == 1 or index == n_subjects - 1):
                    said_apex = -1
                if kind == MACRO and index == 0 and number == 0:
                    said_offset = len(files) + 40
                if kind == MICRO and index == n_subjects - 1 and place == 1 and number == 0:
                    said_apex = -1
                    odd.append("apex -1 in the long table, behind the offset in SAMM's own")
                units = Units(recording, place)
                numbers: list[Any] = [said_onset, said_apex, said_offset]
                if place == 1:
                    numbers = [float(k) for k in numbers]
                span = numbers[2] - numbers[0] + 1
                long_rows.append([subject, name, inducement, *numbers, span, kind, units, None])
                if kind == MACRO:
                    continue
                micro_apex = apex + shift if said_apex != -1 else offset + shift + 9
                micro_rows.append((name, onset + shift, micro_apex, offset + shift, units, emotion))
                found = None if said_apex == -1 else apex
                if index == 0 and number == 0 and place == 1:  # one name for both types
                    long_rows[0][1] = name
                    odd.append("a macro-expression bears the same name")
                draft.truths.append(
                    Truth("samm", subject, name, emotion.lower(), onset, found, offset, True, "; ".join(odd))
                )
    subject = subjects[0]
    lost = f"{subject}_7_1"
    long_rows.append([subject, lost, 7, 211, 220, 231, 21, MICRO, 4, None])
    micro_rows.append((lost, 511, 520, 531, 4, "Anger"))
    draft.truths.append(Truth("samm", subject, lost, "anger", 211, 220, 231, False, "no folder of this video"))
    quiet = f"{subjects[-1]}_6"
    draft.record(n_subjects - 1, [f"{ROOT}/{quiet}/{quiet}_{k:04d}.jpg" for k in range(1, 13)])
    draft.leave_unannotated(f"{ROOT}/{quiet}")
    preamble: Rows = [
        ["Made-up recordings in the layout of the SAMM Long Videos dataset - no row of SAMM is in this table"],
        [None],
        ["Type: Macro or Micro - 1/2", None, None, "-1 in Apex: not annotated"],
        ["Onset 0: the movement began before the video"],
        *([None] for _ in range(5)),
    ]
    draft.books = [
        Book(TABLE, {"FACS_Movement_Only": [*preamble, list(COLUMNS), *long_rows]}),
        Book(samm.TABLE, {"MICRO_ONLY": samm.table(micro_rows, PREAMBLE)}),
    ]
    draft.oddities += [
        "the top folder is doubled; no folders of subjects, one flat folder a long video",
        "frame numbers of four digits in some videos, of five in others",
        "nine lines before the header, some numbers with a decimal point",
        "rows of macro-expressions, which have no emotion anywhere",
        "a macro-expression with onset 0, one whose offset lies behind the last frame, some with apex -1",
        f"{samm.TABLE} has other frame numbers, by a constant a video",
    ]
    draft.litter(
        lock=[TABLE, samm.TABLE],
        finder=["", ROOT, f"{ROOT}/{subjects[0]}_1"],
        thumbs=f"{ROOT}/{subjects[0]}_1",
        shortcut=ROOT,
    )
    return draft.done(subjects)
