"""CK+ (extended Cohn-Kanade): posed expressions from neutral to peak; 327 of 593 sequences have an emotion.

There is no table: each labelled sequence has a text file with a number. The first frame is the onset, the peak - whose
number the label file's name carries - the apex. Source: docs/datasets.md, section 5.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ...clips import BAD_ANNOTATION, Clip
from ...errors import DataError, FileError
from ...text import few, os_error_text
from ..annotations import Annotations, Expected, Join
from ..frames import absolute, index_frames
from ..reader import Reader
from ..survey import Folder, Survey, find_clips, survey

__all__ = ["READER"]

_NAME = "ckplus"
_EMOTIONS = ("", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")  # by number, 1 to 7
_EXPECTED = Expected(
    327,
    118,
    {"anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83},
)
_SUBJECT = re.compile(r"S([0-9]{2,4})", re.ASCII | re.IGNORECASE)
_SEQUENCE = re.compile(r"[0-9]{3}", re.ASCII)
_FRAME = re.compile(r"S[0-9]{2,4}_[0-9]{3}_[0-9]+\.", re.ASCII | re.IGNORECASE)
_MISNAMED = re.compile(r"S[0-9]+_[0-9]+_(?!.*_(emotion|facs|landmarks)\.txt$)", re.ASCII | re.IGNORECASE)
_LABELS = re.compile(r"emotion|label", re.IGNORECASE)
_LABEL = re.compile(r"S([0-9]{2,6})_([0-9]{3})_([0-9]{1,9})_emotion\.txt", re.ASCII | re.IGNORECASE)

_Key = tuple[int, int]  # subject, sequence


def _key(folder: Folder) -> _Key | None:
    """The sequence of a folder such as S005/001 with pictures; the folders of labels have the same names."""
    subject = _SUBJECT.fullmatch(folder.path.parent.name)
    if subject is None or not _SEQUENCE.fullmatch(folder.path.name) or not _FRAME.match(folder.picture):
        return None
    return int(subject[1]), int(folder.path.name)


def _clue(seen: Survey) -> str | None:
    found = next((f for f in seen.folders if _key(f)), None)
    if found:
        return f"the sequence {seen.shown(found.path)} with {found.picture}"
    tiny = _ck48(seen)
    return f"the folder {seen.shown(tiny.path)} with {tiny.picture}" if tiny else None


def _ck48(seen: Survey) -> Folder | None:
    """A folder of CK+48, which has one an emotion."""
    return next((f for f in seen.folders if f.path.name.lower() in _CK48 and _FRAME.match(f.picture)), None)


_CK48 = {"anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"}


def _labels_beside(seen: Survey) -> list[Path]:
    """The label files in a folder such as Emotion_labels beside or above the pictures, given these alone."""
    for parent in absolute(seen.root).parents[:2]:
        beside = (path for path in sorted(parent.iterdir()) if _LABELS.search(path.name) and path.is_dir())
        found = [path for folder in beside for path in survey(folder).files("_emotion.txt")]
        if found:
            return found
    return []


def _label(path: Path) -> tuple[str, str]:
    """The emotion that a label file names, and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace").strip()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
    try:
        value = float(text) if re.fullmatch(r"[0-9.+eE-]+", text, re.ASCII) else -1.0
    except ValueError:
        value = -1.0
    if value not in range(1, len(_EMOTIONS)):
        shown = repr(text[:20]) if text else "nothing"
        return "", f"{path.name} says {shown}, expected a number from 1 (anger) to 7 (surprise)"
    return _EMOTIONS[int(value)], ""


def _read(seen: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, notes = find_clips(seen, _key, lambda clip: clip.parent.parent)
    if not folders:
        if _ck48(seen):
            raise DataError(
                f"{seen.root}: is CK+48, which has only the last three frames of a sequence and no onset; "
                "expected the original, e.g. cohn-kanade-images/S005/001"
            )
        raise FileError(f"{seen.root}: no sequence of CK+ in it or below; expected e.g. S005/001 with pictures")
    labels: dict[_Key, list[tuple[Path, int]]] = {}
    for path in list(seen.files("_emotion.txt")) or _labels_beside(seen):
        named = _LABEL.fullmatch(path.name)
        if named:
            labels.setdefault((int(named[1]), int(named[2])), []).append((path, int(named[3])))
        else:
            notes.append(f"not read: {seen.shown(path)}, expected a name such as S005_001_00000011_emotion.txt")
    misnamed = [seen.shown(path) for path in seen.files(".txt") if _MISNAMED.match(path.name)]
    if misnamed:
        notes.append(f"not read, names that are none of CK+'s, {len(misnamed)}: {few(misnamed, 10)}")
    if not labels:
        raise FileError(f"{seen.root}: no emotion label; expected e.g. Emotion/S005/001/S005_001_00000011_emotion.txt")
    join = Join(seen.root, seen.pictures, reach=1)
    for key, found in sorted(labels.items()):
        folder = folders.get(key)
        clip = Clip(clip=f"{key[1]:03d}", dataset=_NAME, subject=f"S{key[0]:03d}", emotion="")
        said = {(path.name, *_label(path)) for path, _ in found}
        emotion, wrong = next(iter(sorted(said)))[1:]
        if len(said) > 1:
            wrong = f"{len(said)} label files disagree: {' and '.join(sorted(seen.shown(path) for path, _ in found))}"
        clip = replace(clip, emotion=emotion)
        peak = found[0][1]
        numbers = sorted(index_frames(folder).names) if folder else []
        if wrong:
            clip = replace(clip, status=BAD_ANNOTATION, detail=wrong)
        elif folder and len(numbers) < 2:
            clip = replace(clip, status=BAD_ANNOTATION, detail="expected at least two frames, onset and peak")
        elif folder and peak <= numbers[0]:
            what = f"its label names the peak frame {peak}, but the first on disk is {numbers[0]}"
            clip = replace(clip, status=BAD_ANNOTATION, detail=what)
        elif folder:
            beyond = sum(number > peak for number in numbers)
            detail = f"{beyond} frames behind the peak {peak} that its label names are not used" if beyond else ""
            clip = replace(clip, onset=numbers[0], apex=peak, offset=peak, detail=detail)
        join.add(clip, folder, f"no folder {clip.subject}/{clip.clip} on disk")
    without = sorted(set(folders) - set(labels))
    for key in without:
        join.meets(folders[key])
    notes.append(
        f"{len(labels)} of {len(set(folders) | set(labels))} sequences have an emotion; the others are not read"
    )
    notes.append("onset: the first frame; apex: the frame that the label's name carries")
    return join.done(_NAME, folders.values(), (), notes, _EXPECTED)


READER = Reader(
    name=_NAME,
    title="CK+ (extended Cohn-Kanade)",
    tree="""
CK+/
  cohn-kanade-images/             (or extended-cohn-kanade-images/...)
    S005/                         subject
      001/                        sequence, from neutral to peak
        S005_001_00000001.png     frame; the first is the onset, the peak the apex
  Emotion/                        (or Emotion_labels/...)
    S005/
      001/                        empty or absent where there is no label
        S005_001_00000011_emotion.txt     "3.0000000e+00", its name carries the number of the peak frame
""",
    tables=(),
    named=(),
    clue=_clue,
    read=_read,
    datasets=(_NAME,),
    remark="Labels: " + ", ".join(f"{number} {name}" for number, name in enumerate(_EMOTIONS) if name) + ". "
    "CK+48 has no onset frames and cannot be used.",
)
