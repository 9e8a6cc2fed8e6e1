"""MMEW: 300 micro-expressions with a table, and 900 macro-expressions as single stills, of the same people.

Source: docs/datasets.md, section 6.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ...clips import BAD_ANNOTATION, OK, Clip
from ...errors import DataError, FileError
from ..annotations import Annotations, Expected, Join
from ..frames import is_picture, list_files
from ..labels import canonical_emotion
from ..reader import Reader, Table
from ..rows import Row, said
from ..survey import Folder, Survey, find_clips, find_table
from ..tables import Record, Records, read_records, whole_number

__all__ = ["READER"]

_NAME = "mmew"
_MACRO = "mmew-macro"
_COLUMNS = {
    "Subject": ("subject",),
    "Filename": ("filename",),
    "OnsetFrame": ("onsetframe", "onset"),
    "ApexFrame": ("apexframe", "apex"),
    "OffsetFrame": ("offsetframe", "offset"),
    "Estimated Emotion": ("estimatedemotion", "emotion"),
}
_EMOTIONS = ("anger", "disgust", "fear", "happiness", "other", "sadness", "surprise")
_CLIP = re.compile(r"S([0-9]{1,4})-([0-9]{1,4})-([0-9]{1,6})", re.ASCII | re.IGNORECASE)

_Key = tuple[int, int, int]  # person, emotion, sample


def _name_key(name: str) -> _Key | None:
    parts = _CLIP.fullmatch(name)
    return (int(parts[1]), int(parts[2]), int(parts[3])) if parts else None


def _folder_emotion(folder: Path) -> str:
    """The emotion of a folder; the sheet's "others" lies in a folder "others" or "repression"."""
    emotion = canonical_emotion(folder.name)
    return "other" if emotion == "repression" else emotion


def _key(folder: Folder) -> _Key | None:
    return _name_key(folder.path.name)


def _root(clip: Path) -> Path:
    """The image root above anger/S13-07-001 or S13/anger/S13-07-001."""
    root = clip.parent.parent
    return root.parent if re.fullmatch(r"S[0-9]+", root.name, re.ASCII | re.IGNORECASE) else root


def _stills(seen: Survey) -> list[Path]:
    """The macro-expressions: pictures such as S01/anger/S01-07-001.jpg."""
    folders = [f.path for f in seen.folders if f.picture and _name_key(Path(f.picture).stem)]
    names = ((path, name) for path in folders for name in list_files(path) if is_picture(name))
    return [path / name for path, name in names if _name_key(Path(name).stem)]


def _clue(seen: Survey) -> str | None:
    found = next((f.path for f in seen.folders if _key(f)), None)
    if found is None:
        found = next((f.path / f.picture for f in seen.folders if _name_key(Path(f.picture).stem)), None)
    return f"{seen.shown(found)}" if found else None


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS, named=("Filename", _CLIP))


def _annotated(record: Record, rows: dict[_Key, Record]) -> tuple[Clip, _Key | None]:
    row = Row(record)
    key = _name_key(row["Filename"])
    if key is None:
        row.expect("Filename", "e.g. S13-07-001")
    row.first_of(key, rows, record)
    number = whole_number(row["Subject"].upper().removeprefix("S"))
    if key is not None and number != key[0]:  # nobody says that the two count alike
        row.say(f"Subject is {said(row['Subject'])}; person {key[0]} of the clip's name is used")
    subject = f"S{key[0] if key else number:02d}" if key or number is not None else row["Subject"]
    clip = row["Filename"].upper()
    row.correct(_NAME, subject, clip)
    if canonical_emotion(row["Estimated Emotion"]) == "repression":  # the owners' page calls "others" so
        row.replace("Estimated Emotion", "others")
    emotion = row.emotion("Estimated Emotion", _EMOTIONS)
    moments = row.moments("OnsetFrame", "ApexFrame", "OffsetFrame")
    return row.clip(_NAME, subject, clip, emotion, moments), key


def _read(seen: Survey, part: str | None) -> Annotations:
    folders, notes = find_clips(seen, _key, _root)
    if part == _MACRO or not folders:
        return _read_macro(seen)
    if any("macro" in f.path.name.lower() for f in seen.folders):
        notes.append(f"the macro-expressions are there too: --dataset {_MACRO} reads them")
    table = find_table(seen, _OFFICIAL, READER.named, _read_table)
    join = Join(seen.root, seen.pictures, reach=1)
    rows: dict[_Key, Record] = {}
    for record in table.records.rows:
        clip, key = _annotated(record, rows)
        folder = folders.get(key) if key else None
        lies_in = _folder_emotion(folder.parent) if folder else ""
        if clip.status == OK and folder and lies_in in _EMOTIONS and lies_in != clip.emotion:
            there = seen.shown(folder.parent)
            what = f"row {record.number}: Estimated Emotion is {clip.emotion!r}, but the clip lies in {there}"
            clip = replace(clip, status=BAD_ANNOTATION, detail=what)
        join.add(clip, folder, f"no folder {clip.emotion}/{clip.clip} on disk", rebase=True)
    notes = [table.described, *notes, *table.notes]
    return join.done(_NAME, folders.values(), (table.path,), notes, Expected(clips=300))


def _read_macro(seen: Survey) -> Annotations:
    stills = _stills(seen)
    if not stills:
        raise FileError(
            f"{seen.root}: no clip of MMEW in it or below; expected e.g. Micro_Expression/anger/S13-07-001/1.jpg "
            "or Macro_Expression/S01/anger/S01-07-001.jpg"
        )
    clips: list[Clip] = []
    first: dict[_Key, Path] = {}
    for path in sorted(stills):
        key = _name_key(path.stem)
        assert key is not None
        emotion = _folder_emotion(path.parent)
        clip = Clip(clip=path.stem.upper(), dataset=_MACRO, subject=f"S{key[0]:02d}", emotion=emotion)
        if key in first:
            raise DataError(
                f"{seen.root}: {path.stem} is there twice: {seen.shown(first[key])} and {seen.shown(path)}; keep one"
            )
        first[key] = path
        if emotion not in _EMOTIONS:
            what = f"lies in {seen.shown(path.parent)}, expected a folder named after its emotion"
            clip = replace(clip, status=BAD_ANNOTATION, detail=what)
        else:
            clip = replace(clip, key_frames=(path,) * 3)
        clips.append(clip)
    return Annotations(
        _MACRO,
        tuple(clips),
        notes=(
            f"{len(clips)} stills below {seen.shown(_common(stills))}",
            "a still is onset, middle and apex at once: it shows no movement",
        ),
        expected=Expected(clips=900),
    )


def _common(stills: list[Path]) -> Path:
    parents = [path.parents for path in stills]
    shared = set(parents[0]).intersection(*map(set, parents[1:]))
    return max(shared, key=lambda path: len(path.parts))


_OFFICIAL = ("MMEW_Micro_Exp.xlsx",)

READER = Reader(
    name=_NAME,
    title="MMEW",
    tree="""
MMEW_Final/
  MMEW_Micro_Exp.xlsx             (inside, above or beside the images; .xlsx, .xls or .csv)
  Micro_Expression/
    anger/                        emotion (the sheet's "others" may lie in "repression"); or S13/anger/...
      S13-07-001/                 clip: person-emotion-sample
        1.jpg                     frame, from 1, not padded
  Macro_Expression/               read with --dataset mmew-macro
    S01/
      anger/
        S01-07-001.jpg            one still
""",
    tables=(
        Table(
            _OFFICIAL[0],
            (
                ("Subject", "13"),
                ("Filename", "S13-07-001"),
                ("OnsetFrame", "1"),
                ("ApexFrame", "12"),
                ("OffsetFrame", "27"),
                ("Estimated Emotion", "anger"),
            ),
            "Frames beyond those on disk are taken as counted from the beginning of the recording, and said.",
        ),
    ),
    named=("mmew",),
    clue=_clue,
    read=_read,
    datasets=(_NAME, _MACRO),
    parts=(_MACRO,),
)
