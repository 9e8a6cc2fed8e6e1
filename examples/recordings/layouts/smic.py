"""SMIC, short clips: SMIC_all_raw/SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559740.bmp, also VIS and NIR.

There is no table: the folder is the label.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np

from ..plan import Draft, Move, Plan, Truth, draw_time, first_numbers, hands

ROOT = "SMIC_all_raw/SMIC_all_raw"
CODES = {"Negative": "ne", "Positive": "po", "Surprise": "sur"}
SHARES = {"Negative": 0.43, "Positive": 0.31, "Surprise": 0.26}
SUBJECTS = (18, 3, 9, 20, 4, 1, 11, 2, 5, 6, 8, 12, 13, 14, 15, 19)  # those that rules are about come first
IN_ALL_CAMERAS = 11  # from this subject on there is VIS and NIR too
BASES = (34208, 559740, 1203377, 17581039)  # where frame numbers begin: five to eight digits


def plan(n_subjects: int, clips: int, length: tuple[int, int], seed: int) -> Plan:
    """`clips` clips per subject in HS, the same expressions in VIS and NIR for some subjects."""
    rng = np.random.default_rng([seed, 2])
    draft = Draft("smic", seed, colour=False)
    numbers = first_numbers(n_subjects, SUBJECTS, 21)
    subjects = [f"s{n}" for n in numbers]
    empty: list[str] = []
    for index, hand in enumerate(hands(n_subjects, clips, SHARES, rng)):
        subject, number = subjects[index], numbers[index]
        cameras = ("HS", "VIS", "NIR") if number >= IN_ALL_CAMERAS else ("HS",)
        counts: dict[str, int] = {}
        wanted = [(emotion, counted(counts, emotion)) for emotion in hand]
        if number == 18 and ("Surprise", 3) not in wanted:
            wanted.append(("Surprise", 3))
        shown = {emotion for emotion, _ in wanted}
        empty += [f"{ROOT}/HS/{subject}/micro/{emotion.lower()}" for emotion in CODES if emotion not in shown]
        at = {"HS": BASES[index % len(BASES)], "VIS": 12345 + 900 * (index % 80), "NIR": 20417 + 900 * (index % 80)}
        if index == 1:
            at["HS"] = 99995  # the number of digits changes inside a clip
        for k, (emotion, serial) in enumerate(wanted):
            name = f"{subject}_{CODES[emotion]}_{serial:02d}"
            n_frames, apex = draw_time(rng, length)
            for camera in cameras:
                span = n_frames if camera == "HS" else max(5, n_frames // 2)
                peak = apex * (span - 1) // (n_frames - 1) or 1
                onset = at[camera]
                at[camera] += span + int(rng.integers(20, 90))
                shots = [file_name(camera, n) for n in range(onset, onset + span)]
                folder = f"{ROOT}/{camera}/{subject}/micro/{emotion.lower()}/{name}"
                gaps, odd = [], ""
                if k == 0 and camera == "HS":
                    gaps = [n for n in (1, span - 3, span - 2) if n != peak][:2]
                    odd = f"{len(gaps)} frames missing"
                move = Move(emotion, 0, peak, span - 1)
                draft.record(index, [f"{folder}/{shot}" for shot in shots], [move], missing=gaps)
                draft.truths.append(
                    Truth(
                        *(f"smic-{camera.lower()}", subject, name, emotion.lower(), onset),
                        apex=None,
                        offset=onset + span - 1,
                        usable=True,
                        odd=odd,
                    )
                )
        for camera in cameras:
            calm = f"{ROOT}/{camera}/{subject}/non_micro/{subject}_non_01"
            onset = at[camera] + 40
            draft.record(index, [f"{calm}/{file_name(camera, n)}" for n in range(onset, onset + 8)])
    draft.oddities += [
        "the top folder is doubled; there is no table, the folder is the label",
        "folders non_micro beside micro, with frames but no expression",
        "HS: image and five to eight digits, padded to six; VIS and NIR: five digits only",
        f"the same subjects and clips in HS, VIS and NIR; below s{IN_ALL_CAMERAS} only HS; no apex is annotated",
    ]
    draft.oddities += [f"no clip in {folder}" for folder in empty[:1]]
    person = f"{ROOT}/HS/{subjects[0]}"
    draft.litter(
        finder=["", ROOT, f"{ROOT}/HS", person, f"{person}/micro", *empty[:1]],
        thumbs=str(PurePosixPath(draft.recordings[0].files[0]).parent),
    )
    return draft.done(subjects)


def counted(counts: dict[str, int], key: str) -> int:
    """How often `key` was counted, this time included."""
    counts[key] = counts.get(key, 0) + 1
    return counts[key]


def file_name(camera: str, number: int) -> str:
    """A frame's name as the camera's folders have it."""
    return f"image{number:06d}.bmp" if camera == "HS" else f"{number:05d}.bmp"
