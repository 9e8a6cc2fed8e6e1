"""CK+: sequences from the neutral face to the peak, one label file for some of them, no table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..plan import Draft, Move, Plan, Truth, first_numbers, hands

IMAGES = "CK+/extended-cohn-kanade-images/cohn-kanade-images"
EMOTIONS = "CK+/Emotion_labels/Emotion"
FACS = "CK+/FACS_labels/FACS"
LABELS = {"Anger": 1, "Contempt": 2, "Disgust": 3, "Fear": 4, "Happiness": 5, "Sadness": 6, "Surprise": 7}
SHARES = {
    "Surprise": 0.25,
    "Happiness": 0.21,
    "Disgust": 0.18,
    "Anger": 0.14,
    "Sadness": 0.09,
    "Fear": 0.08,
    "Contempt": 0.05,
}
SUBJECTS = (5, 501, 10, 11, 14, 22, 26, 28, 29, 32, 34, 35, 37, 42, 44, 45, 46, 50, 51, 52, 53, 54, 55, 56, 57, 58)


def plan(n_subjects: int, clips: int, length: tuple[int, int], seed: int) -> Plan:
    """`clips` labelled sequences a subject, and two without a label: one with an empty label folder, one with none."""
    rng = np.random.default_rng([seed, 2])
    draft = Draft("ckplus", seed, (640, 490), colour=False)
    subjects = [f"S{n:03d}" for n in first_numbers(n_subjects, SUBJECTS, 600)]
    labels: dict[str, str] = {}  # path -> content
    facs: list[tuple[str, int]] = []  # path, recording
    empty = []
    for index, hand in enumerate(hands(n_subjects, clips, SHARES, rng)):
        subject = subjects[index]
        for k, emotion in enumerate([*hand, "Happiness", "Surprise"]):
            sequence, labelled, coloured = f"{k + 1:03d}", k < clips, k == 0 and index % 2 == 0
            n_frames = int(rng.integers(length[0], length[1] + 1))
            stem = f"{subject}_{sequence}"
            folder = f"{IMAGES}/{subject}/{sequence}"
            files = [f"{folder}/{stem}_{n:08d}.png" for n in range(1, n_frames + 1)]
            move = Move(emotion, 0, n_frames - 1, n_frames - 1, macro=True)
            recording = draft.record(index, files, [move], colour=coloured)
            facs.append((f"{FACS}/{subject}/{sequence}/{stem}_{n_frames:08d}_facs.txt", recording))
            if labelled:
                path = f"{EMOTIONS}/{subject}/{sequence}/{stem}_{n_frames:08d}_emotion.txt"
                labels[path] = f"   {LABELS[emotion]:.7e}\n"
                odd = "24-bit colour" if coloured else ""
                draft.truths.append(
                    Truth("ckplus", subject, sequence, emotion.lower(), 1, n_frames, n_frames, True, odd)
                )
                continue
            draft.leave_unannotated(folder)
            if k == clips:
                empty.append(f"{EMOTIONS}/{subject}/{sequence}")
    lost = f"{clips + 3:03d}"
    labels[f"{EMOTIONS}/{subjects[0]}/{lost}/{subjects[0]}_{lost}_00000012_emotion.txt"] = "   3.0000000e+00\n"
    draft.truths.append(
        Truth("ckplus", subjects[0], lost, "disgust", 1, 12, 12, False, "a label, but no folder of pictures")
    )
    draft.oddities += [
        "numbers in e-notation with leading blanks; label files carry the number of the last frame",
        f"sequences without a label: {clips + 1:03d} of each subject has an empty label folder, {clips + 2:03d} none",
        "some sequences are 24-bit colour, the others grey; neither onset nor apex is annotated",
    ]
    draft.litter(
        finder=[
            *("CK+", f"{IMAGES}/{subjects[0]}", f"{IMAGES}/{subjects[0]}/001", EMOTIONS),
            *(
                f"{EMOTIONS}/{subjects[0]}",
                f"{EMOTIONS}/{subjects[0]}/001",
                f"{EMOTIONS}/{subjects[0]}/{clips + 1:03d}",
            ),
        ],
        thumbs=f"{IMAGES}/{subjects[-1]}/001",
    )
    made = draft.done(subjects)

    def write_labels(out: Path, units: Sequence[Sequence[str]]) -> None:
        for folder in empty:
            (out / folder).mkdir(parents=True, exist_ok=True)
        texts = labels | {
            path: "".join(f"   {float(unit):.7e}   0.0000000e+00\n" for unit in re.findall(r"\d+", units[at][0]))
            for path, at in facs
        }
        for path, text in texts.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_text(text, encoding="ascii")

    made.tables = write_labels
    return made
