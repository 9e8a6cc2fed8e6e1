"""CK+ (extended Cohn-Kanade): posed expressions from neutral to peak; 327 of 593 sequences have an emotion.

There is no table: each labelled sequence has a text file with a number. The first frame is the onset; the apex is the
peak, whose number is in the name of the label file. Source: docs/datasets.md, section 5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ...clips import BAD_ANNOTATION, Clip
from ...errors import AnnotationError, FileError
from ...files import read_text
from ...text import few, os_error_text
from ..annotations import AnnotationBuilder, Annotations, Expected
from ..frames import absolute, index_frames
from ..reader import Reader
from ..survey import ClipFolders, Folder, Survey, survey_folder

__all__ = ["READER"]

_NAME = "ckplus"
_LARGEST = 2**16  # bytes of a label file, which holds one number
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


_FOLDERS = ClipFolders(
    "CK+", "sequence", "S005/001 with pictures", _key, lambda clip: clip.parent.parent, needs_picture=True
)
_CK48 = {"anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"}


def _find_ck48(survey: Survey) -> Folder | None:
    """A folder of CK+48, which has one per emotion."""
    return next((f for f in survey.folders if f.path.name.lower() in _CK48 and _FRAME.match(f.picture)), None)


def _detect(survey: Survey) -> str | None:
    found = _FOLDERS.detect(survey)
    tiny = _find_ck48(survey)
    if found is None and tiny is not None:
        return f"the folder {survey.shown(tiny.path)} with {tiny.picture}"
    return found


# Labels


@dataclass(frozen=True, slots=True)
class _Label:
    """A label file.

    Attributes:
        path: Where it is.
        peak: The frame number that its name carries.
        emotion: What it says; "" if that is not an emotion.
        fault: What is wrong with it; or "".
    """

    path: Path
    peak: int
    emotion: str
    fault: str


def _find_labels(survey: Survey) -> tuple[dict[_Key, list[_Label]], list[str]]:
    """The labels of each sequence, and notes on files that are none."""
    labels: dict[_Key, list[_Label]] = {}
    notes = []
    for path in list(survey.files("_emotion.txt")) or _label_files_beside(survey):
        named = _LABEL.fullmatch(path.name)
        if named:
            label = _Label(path, int(named[3]), *_read_label(path))
            labels.setdefault((int(named[1]), int(named[2])), []).append(label)
        else:
            notes.append(f"not read: {survey.shown(path)}, expected a name such as S005_001_00000011_emotion.txt")
    misnamed = [survey.shown(path) for path in survey.files(".txt") if _MISNAMED.match(path.name)]
    if misnamed:
        notes.append(f"not read, names that are not CK+'s, {len(misnamed)}: {few(misnamed, 10)}")
    return labels, notes


def _label_files_beside(survey: Survey) -> list[Path]:
    """The label files in a folder such as Emotion_labels beside or above the pictures, given these alone."""
    for parent in absolute(survey.root).parents[:2]:
        beside = (path for path in sorted(parent.iterdir()) if _LABELS.search(path.name) and path.is_dir())
        found = [path for folder in beside for path in survey_folder(folder).files("_emotion.txt")]
        if found:
            return found
    return []


def _read_label(path: Path) -> tuple[str, str]:
    """The emotion that a label file names, and what is wrong with it."""
    try:
        text = read_text(path, _LARGEST, "replace").strip()
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


def _clip_of(key: _Key, labels: list[_Label], folder: Path | None, survey: Survey) -> Clip:
    """The clip of a labelled sequence, from its first frame to the peak that the label's name carries."""
    distinct = sorted({(label.path.name, label.emotion, label.fault) for label in labels})
    _, emotion, fault = distinct[0]
    if len(distinct) > 1:
        paths = " and ".join(sorted(survey.shown(label.path) for label in labels))
        fault = f"{len(distinct)} label files disagree: {paths}"
    clip = Clip(f"{key[1]:03d}", _NAME, f"S{key[0]:03d}", emotion)
    peak = labels[0].peak
    numbers = sorted(index_frames(folder).names) if folder else []
    if folder and not fault:
        if len(numbers) < 2:
            fault = "expected at least two frames, onset and peak"
        elif peak <= numbers[0]:
            fault = f"its label names the peak frame {peak}, but the first on disk is {numbers[0]}"
    if fault:
        return replace(clip, status=BAD_ANNOTATION, remarks=(fault,))
    if not folder:
        return clip
    n_later = sum(number > peak for number in numbers)
    remarks: tuple[str, ...] = ()
    if n_later:
        remarks = (f"{n_later} frames behind the peak {peak} that its label names are not used",)
    return replace(clip, onset=numbers[0], apex=peak, offset=peak, remarks=remarks)


def _read(survey: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    if _FOLDERS.detect(survey) is None and _find_ck48(survey):
        raise AnnotationError(
            f"{survey.root}: is CK+48, which has only the last three frames of a sequence and no onset; "
            "expected the original, e.g. cohn-kanade-images/S005/001"
        )
    folders, image_notes = _FOLDERS.find(survey)
    labels, label_notes = _find_labels(survey)
    if not labels:
        raise FileError(
            f"{survey.root}: no emotion label; expected e.g. Emotion/S005/001/S005_001_00000011_emotion.txt"
        )
    builder = AnnotationBuilder(survey, _NAME, max_gap=1)
    for key, found in sorted(labels.items()):
        clip = _clip_of(key, found, folders.get(key), survey)
        builder.add(clip, folders.get(key), f"no folder {clip.subject}/{clip.name} on disk")
    for key in set(folders) - set(labels):
        builder.mark_used(folders[key])
    n_sequences = len(set(folders) | set(labels))
    sources = [
        *image_notes,
        *label_notes,
        f"{len(labels)} of {n_sequences} sequences have an emotion; the others are not read",
        "onset: the first frame; apex: the frame that the label's name carries",
    ]
    return builder.build((), sources, folders=folders.values(), expected=_EXPECTED)


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
    detect=_detect,
    read=_read,
    datasets=(_NAME,),
    remark="Labels: " + ", ".join(f"{number} {name}" for number, name in enumerate(_EMOTIONS) if name) + ". "
    "CK+48 has no onset frames and cannot be used.",
)
