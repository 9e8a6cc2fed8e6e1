"""SMIC-E: long clips with neutral frames around, of HS, VIS and NIR, a table each.

"SMIC-E_raw image/HS_long/SMIC-HS-E/s01/s1_ne_01/image559740.jpg", SMIC-HS-E_annotation_2019.xlsx and so on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..plan import Draft, Move, Plan, Truth, draw_time, first_numbers, hands
from ..tables import Book, Rows
from .smic import BASES, CODES, IN_ALL_CAMERAS, SHARES, SUBJECTS, counted

TOP = "SMIC-E_raw image"
ROOTS = {
    "HS": f"{TOP}/HS_long/SMIC-HS-E",
    "VIS": f"{TOP}/VIS_long/SMIC_VIS_E/SMIC_VIS_E/VIS",
    "NIR": f"{TOP}/NIR_long/SMIC-NIR-E/NIR",
}
TABLES = {
    "HS": f"{TOP}/HS_long/SMIC-HS-E_annotation_2019.xlsx",
    "VIS": f"{TOP}/VIS_long/SMIC_VIS_E_annotation.xlsx",
    "NIR": f"{TOP}/NIR_long/SMIC-NIR-E_annotation.xlsx",
}
COLUMNS = {
    "HS": [
        *("Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F", None),
        *("FirstF", "LastF", "TotalMF1", "TotalMF2", "TotalMF3", "TotalVL", "Emotion"),
    ],
    "VIS": [
        *("Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", None),
        *("FirstF", "TotalMF1", "TotalMF2", "TotalVL", "Emotion"),
    ],
}
COLUMNS["NIR"] = ["OnsetF NIR" if name == "OnsetF" else name for name in COLUMNS["VIS"]]
# Clips that hold more than one expression -> what the further ones are called.
SEVERAL = {"s3_ne_02": ["s3_ne_03"], "s9_sur_01": ["s9_sur_02"], "s4_ne_04": ["s4_ne_05", "s4_ne_06"]}
NEEDED = {3: ("Negative", 2), 9: ("Surprise", 1), 4: ("Negative", 4), 18: ("Surprise", 3)}


@dataclass
class Clip:
    """A long clip of one camera: its intervals are (onset, offset) in frame numbers."""

    number: int
    name: str
    emotion: str
    first: int
    last: int
    intervals: list[tuple[int, int]] = field(default_factory=list)


def plan(n_subjects: int, clips: int, length: tuple[int, int], seed: int) -> Plan:
    """`clips` long clips per subject in HS, the same ones in VIS and NIR for some subjects."""
    rng = np.random.default_rng([seed, 2])
    draft = Draft("smic-e", seed, colour=False)
    numbers = first_numbers(n_subjects, SUBJECTS, 21)
    subjects = [f"s{n}" for n in numbers]
    found: dict[str, list[Clip]] = {camera: [] for camera in ROOTS}
    for index, hand in enumerate(hands(n_subjects, clips, SHARES, rng)):
        number = numbers[index]
        counts: dict[str, int] = {}
        wanted = [(emotion, counted(counts, emotion)) for emotion in hand]
        if number in NEEDED and NEEDED[number] not in wanted:
            wanted.append(NEEDED[number])
        names = [f"s{number}_{CODES[emotion]}_{serial:02d}" for emotion, serial in wanted]
        inside = {further for name in names for further in SEVERAL.get(name, ())}  # these have no folder of their own
        at = {"HS": BASES[index % len(BASES)], "VIS": 12345 + 900 * (index % 80), "NIR": 20417 + 900 * (index % 80)}
        for (emotion, _), name in zip(wanted, names, strict=True):
            if name in inside:
                continue
            n_frames, apex = draw_time(rng, length)
            for camera in ROOTS if number >= IN_ALL_CAMERAS else ("HS",):
                span = n_frames if camera == "HS" else max(5, n_frames // 2)
                peak = apex * (span - 1) // (n_frames - 1) or 1
                first = at[camera]
                moves, end = [], int(rng.integers(6, 11)) + (8 if name == "s18_sur_03" else 0)
                for _ in range(1 + len(SEVERAL.get(name, ()))):
                    moves.append(Move(emotion, end, end + peak, end + span - 1))
                    end += span + int(rng.integers(6, 11))
                at[camera] += end + int(rng.integers(20, 90))
                folder = f"{ROOTS[camera]}/s{number:02d}/{name}"
                draft.record(index, [f"{folder}/image{first + k:06d}.jpg" for k in range(end)], moves)
                spans = [(first + move.onset, first + move.offset) for move in moves]
                found[camera].append(Clip(number, name, emotion.lower(), first, first + end - 1, spans))
                for called, (onset, offset) in zip([name, *SEVERAL.get(name, ())], spans, strict=True):
                    odd = f"one of {len(spans)} expressions in folder {name}" if len(spans) > 1 else ""
                    if name == "s18_sur_03" and camera != "NIR":
                        odd = "called negative in the table, surprise by its name"
                        odd += "; a second interval before the first one" if camera == "HS" else ""
                    draft.truths.append(
                        Truth(
                            *(f"smic-{camera.lower()}", f"s{number}", called, emotion.lower(), onset),
                            apex=None,
                            offset=offset,
                            usable=True,
                            odd=odd,
                        )
                    )
    lost = Clip(numbers[0], f"s{numbers[0]}_po_99", "positive", 411240, 411290, [(411250, 411270)])
    draft.truths.append(Truth("smic-hs", subjects[0], lost.name, "positive", 411250, None, 411270, False, "no folder"))
    unannotated = f"{ROOTS['HS']}/s{numbers[-1]:02d}/{subjects[-1]}_po_98"
    draft.record(
        n_subjects - 1, [f"{unannotated}/image{k:06d}.jpg" for k in range(99995, 100007)], [Move("Positive", 2, 6, 9)]
    )
    draft.leave_unannotated(unannotated)

    # Rows begin with subject 20 where there is one.
    high = sorted([*found["HS"], lost], key=lambda clip: (clip.number != 20, clip.number, clip.name))
    rows = {
        "HS": [row_hs(clip) for clip in high],
        **{camera: [row_vis(c, camera) for c in found[camera]] for camera in ("VIS", "NIR")},
    }
    rows["HS"] += [[None] * 17, [None] * 3 + ["frames of the recording"], [None] * 12 + ["sum"]]
    for camera in ("HS", "VIS", "NIR"):
        sheets: dict[str, Rows] = {camera: [list(COLUMNS[camera]), *rows[camera]]}
        if camera == "HS":
            sheets |= {"VIS": [list(COLUMNS["VIS"]), *rows["VIS"]], "Sheet2": [], "Sheet3": []}
        if rows[camera]:
            draft.books.append(Book(TABLES[camera], sheets))
    draft.oddities += [
        "folders of subjects are padded (s01), clips are not (s1_ne_01), subjects in the table are numbers",
        "neutral frames before and behind the expressions; no apex is annotated",
        "a sheet VIS in the table of HS, with frame numbers of VIS; two empty sheets",
        "columns without header; LastF is missing in VIS and NIR; the onset is called OnsetF NIR in NIR",
        "Onset3F and Offset3F of subjects 18 and 20 lie below FirstF and mean nothing",
        "behind the last row an empty one and one of text without subject",
    ]
    draft.litter(
        lock=[TABLES["HS"]],
        finder=[
            "",
            TOP,
            ROOTS["HS"],
            f"{ROOTS['HS']}/s{numbers[0]:02d}",
            f"{ROOTS['HS']}/s{numbers[0]:02d}/{found['HS'][0].name}",
        ],
        thumbs=f"{ROOTS['HS']}/s{numbers[0]:02d}/{found['HS'][0].name}",
    )
    return draft.done(subjects)


def row_hs(clip: Clip) -> list[Any]:
    """A row of sheet HS."""
    intervals: list[tuple[Any, Any]] = [*clip.intervals, (None, None), (None, None)][:3]
    if clip.name == "s9_sur_01":
        intervals[2] = intervals[1]
    if clip.name == "s18_sur_03":
        intervals[1] = (clip.intervals[0][0] - 7, clip.intervals[0][0] - 2)
    if clip.number in (18, 20):
        intervals[2] = (clip.number, clip.number + clip.intervals[0][1] - clip.intervals[0][0])
    totals = [b - a + 1 if a is not None else None for a, b in intervals]
    return [
        *(clip.number, clip.name, None, *intervals[0], *intervals[1], *intervals[2], None),
        *(clip.first, clip.last, *totals, clip.last - clip.first + 1, label(clip, "HS")),
    ]


def row_vis(clip: Clip, camera: str) -> list[Any]:
    """A row of VIS or NIR."""
    onset, offset = clip.intervals[0]
    return [
        *(clip.number, clip.name, None, onset, offset, None, None, None),
        *(clip.first, offset - onset + 1, None, clip.last - clip.first + 1, label(clip, camera)),
    ]


def label(clip: Clip, camera: str) -> str:
    """The table's emotion, which is wrong for one clip of two cameras."""
    return "negative" if clip.name == "s18_sur_03" and camera != "NIR" else clip.emotion
