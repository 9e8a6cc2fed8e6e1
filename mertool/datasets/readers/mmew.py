"""MMEW: 300 micro-expressions with a table, and 900 macro-expressions as single stills, of the same subjects.

Source: docs/datasets.md, section 6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...clips import BAD_ANNOTATION, OK, Clip
from ...errors import AnnotationError, FileError
from ..annotations import AnnotationBuilder, Annotations, Expected
from ..frames import is_picture, list_files
from ..labels import canonical_emotion
from ..reader import Reader, TableDescription
from ..rows import Row, cell_text
from ..sheets import whole_number
from ..survey import Folder, Survey, find_clips
from ..table_search import TableFormat
from ..tables import Columns, Records, read_records, standard_columns

__all__ = ["READER"]

_NAME = "mmew"
_MACRO = "mmew-macro"
_EMOTIONS = ("anger", "disgust", "fear", "happiness", "other", "sadness", "surprise")
_CLIP = re.compile(r"S([0-9]{1,4})-([0-9]{1,4})-([0-9]{1,6})", re.ASCII | re.IGNORECASE)

_Key = tuple[int, int, int]  # subject, emotion, sample


def _name_key(name: str) -> _Key | None:
    parts = _CLIP.fullmatch(name)
    return (int(parts[1]), int(parts[2]), int(parts[3])) if parts else None


def _folder_emotion(folder: Path) -> str:
    """The emotion of a folder; the sheet's "others" is in a folder "others" or "repression"."""
    emotion = canonical_emotion(folder.name)
    return "other" if emotion == "repression" else emotion


def _key(folder: Folder) -> _Key | None:
    return _name_key(folder.path.name)


def _root(clip: Path) -> Path:
    """The image root above anger/S13-07-001 or S13/anger/S13-07-001."""
    root = clip.parent.parent
    return root.parent if re.fullmatch(r"S[0-9]+", root.name, re.ASCII | re.IGNORECASE) else root


def _holds_stills(folder: Folder) -> bool:
    """Whether its pictures are macro-expressions, such as S01/anger/S01-07-001.jpg."""
    return _name_key(Path(folder.picture).stem) is not None


def _detect(survey: Survey) -> str | None:
    for folder in survey.folders:
        if _key(folder):
            return survey.shown(folder.path)
    for folder in survey.folders:
        if _holds_stills(folder):
            return survey.shown(folder.path / folder.picture)
    return None


_COLUMNS = Columns(standard_columns(), clip="Filename", clip_pattern=_CLIP)


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS)


_TABLE = TableFormat(("MMEW_Micro_Exp.xlsx",), ("mmew",), _read_table)


def _subject(row: Row, key: _Key | None) -> str:
    """The subject that the clip's name says; without such a name, the one of the column Subject."""
    number = whole_number(row["Subject"].upper().removeprefix("S"))
    if key is not None:
        if number != key[0]:  # no source says that the two count alike
            row.say(f"Subject is {cell_text(row['Subject'])}; person {key[0]} of the clip's name is used")
        number = key[0]
    return row["Subject"] if number is None else f"S{number:02d}"


def _clip_of(row: Row, folders: Mapping[_Key, Path], survey: Survey) -> tuple[Clip, _Key | None]:
    """The row as a clip; not usable if its folder is in that of another emotion."""
    key = _name_key(row["Filename"])
    if key is None:
        row.expect("Filename", "e.g. S13-07-001")
    row.check_duplicate(key)
    subject, name = _subject(row, key), row["Filename"].upper()
    row.correct(_NAME, subject, name)
    if canonical_emotion(row["Estimated Emotion"]) == "repression":  # what the owners' page calls "others"
        row.replace("Estimated Emotion", "others")
    emotion = row.emotion("Estimated Emotion", _EMOTIONS)
    clip = row.make_clip(_NAME, subject, name, emotion, row.key_frames("OnsetFrame", "ApexFrame", "OffsetFrame"))
    if clip.status == OK and key is not None and key in folders:
        above = folders[key].parent
        if _folder_emotion(above) in _EMOTIONS and _folder_emotion(above) != emotion:
            fault = f"Estimated Emotion is {emotion!r}, but the clip lies in {survey.shown(above)}"
            clip = replace(clip, status=BAD_ANNOTATION, remarks=(f"row {row.number}: {fault}",))
    return clip, key


def _read(survey: Survey, part: str | None) -> Annotations:
    folders, image_notes = find_clips(survey, _key, _root)
    if part == _MACRO or not folders:
        return _read_macro(survey)
    if any("macro" in f.path.name.lower() for f in survey.folders):
        image_notes.append(f"the macro-expressions are there too: --dataset {_MACRO} reads them")
    table = _TABLE.find(survey)
    builder = AnnotationBuilder(survey, _NAME, max_gap=1)
    builder.add_rows(
        table.records.rows,
        partial(_clip_of, folders=folders, survey=survey),
        folders.get,
        lacking=lambda clip: f"no folder {clip.emotion}/{clip.name} on disk",
        renumber=True,
    )
    sources = [table.description, *image_notes, *table.notes]
    return builder.build((table.path,), sources, folders=folders.values(), expected=Expected(clips=300))


def _stills(survey: Survey) -> list[Path]:
    """The macro-expressions: pictures such as S01/anger/S01-07-001.jpg."""
    folders = [f.path for f in survey.folders if _holds_stills(f)]
    names = ((path, name) for path in folders for name in list_files(path) if is_picture(name))
    return [path / name for path, name in names if _name_key(Path(name).stem)]


def _read_macro(survey: Survey) -> Annotations:
    stills = _stills(survey)
    if not stills:
        raise FileError(
            f"{survey.root}: no clip of MMEW in it or below; expected e.g. Micro_Expression/anger/S13-07-001/1.jpg "
            "or Macro_Expression/S01/anger/S01-07-001.jpg"
        )
    clips: list[Clip] = []
    first: dict[_Key, Path] = {}
    for path in sorted(stills):
        key = _name_key(path.stem)
        assert key is not None
        if key in first:
            raise AnnotationError(
                f"{survey.root}: {path.stem} is there twice: {survey.shown(first[key])} and {survey.shown(path)}; "
                "keep one"
            )
        first[key] = path
        clips.append(_still_clip(path, key, survey))
    sources = (
        f"{len(clips)} stills below {survey.shown(_common(stills))}",
        "a still is onset, middle and apex at once: it shows no movement",
    )
    return Annotations(_MACRO, tuple(clips), sources=sources, expected=Expected(clips=900))


def _still_clip(path: Path, key: _Key, survey: Survey) -> Clip:
    emotion = _folder_emotion(path.parent)
    clip = Clip(path.stem.upper(), _MACRO, f"S{key[0]:02d}", emotion)
    if emotion in _EMOTIONS:
        return replace(clip, key_frames=(path,) * 3)
    fault = f"lies in {survey.shown(path.parent)}, expected a folder named after its emotion"
    return replace(clip, status=BAD_ANNOTATION, remarks=(fault,))


def _common(stills: list[Path]) -> Path:
    """The innermost folder above all stills."""
    parents = [path.parents for path in stills]
    shared = set(parents[0]).intersection(*map(set, parents[1:]))
    return max(shared, key=lambda path: len(path.parts))


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
        TableDescription(
            _TABLE.official[0],
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
    named=_TABLE.named,
    detect=_detect,
    read=_read,
    datasets=(_NAME, _MACRO),
    parts=(_MACRO,),
)
