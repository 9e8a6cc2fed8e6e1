"""SAMM Long Videos: 147 videos with 343 macro- and 159 micro-expressions.

Its table has no emotions: those come from SAMM's own, by name. A micro-expression here *is* that of SAMM, in another
recording of the same moment's numbering, and so carries SAMM's id. Source: docs/datasets.md, section 2.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...clips import Clip
from ...errors import DataError, FileError
from ..annotations import Annotations, Expected, Join
from ..labels import canonical_emotion
from ..reader import Reader, Table
from ..rows import Row
from ..survey import Folder, Survey, find_clips, find_table
from ..tables import Record, Records, read_records
from . import samm

__all__ = ["READER"]

_NAME = "samm-lv"
_SAMM = "samm"
_COLUMNS = {
    "Subject": ("subject",),
    "Filename": ("filename",),
    "Onset": ("onset",),
    "Apex": ("apex",),
    "Offset": ("offset",),
    "Type": ("type",),
}
_VIDEO = re.compile(r"([0-9]{3})_([0-9]{1,2})", re.ASCII)

_Video = tuple[int, int]


def _video(name: str) -> _Video | None:
    parts = _VIDEO.fullmatch(name)
    return (int(parts[1]), int(parts[2])) if parts else None


def _key(folder: Folder) -> _Video | None:
    return _video(folder.path.name) if folder.picture.startswith(f"{folder.path.name}_") or not folder.picture else None


def _clue(seen: Survey) -> str | None:
    found = next((f for f in seen.folders if _key(f) and f.picture), None)
    return f"the video folder {seen.shown(found.path)} with {found.picture}" if found else None


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS, named=("Filename", samm.CLIP))


def _emotions(seen: Survey) -> tuple[Path, dict[samm.Key, str]]:
    """SAMM's emotion of each micro-expression. A clip that its table names twice with two emotions has none."""
    try:
        table = samm.find_micro_table(seen)
    except FileError as error:
        met = str(error).rpartition("; ")[2]
        unlike = f" ({met})" if met.endswith("no such table") else ""
        raise FileError(
            f"{seen.root}: the table of SAMM Long Videos has no emotions; "
            f"put SAMM_Micro_FACS_Codes_v2.xlsx beside it{unlike}"
        ) from error
    emotions: dict[samm.Key, str] = {}
    for record in table.records.rows:
        key = samm.key_of(record.values["Filename"])
        if key:
            emotion = canonical_emotion(record.values["Estimated Emotion"])
            emotions[key] = emotion if emotions.get(key, emotion) == emotion else ""
    return table.path, emotions


def _annotated(
    record: Record, rows: dict[samm.Key, Record], emotions: dict[samm.Key, str], table: str
) -> tuple[Clip, _Video | None]:
    row = Row(record)
    key, subject, clip = samm.identify(row, record, rows)
    if _is_micro(row["Type"]) is None:
        row.expect("Type", "Micro - 1/2 or Macro")
    emotion = emotions.get(key, "") if key else ""
    if key and emotion not in (samm.EXPECTED.emotions or ()):
        row.refuse(f"{table} has no emotion for {clip}" + (f", it says {emotion!r}" if emotion else ""))
    moments = row.moments("Onset", "Apex", "Offset")
    return row.clip(_SAMM, subject, clip, emotion, moments), key[:2] if key else None


def _is_micro(text: str) -> bool | None:
    low = text.lower()
    return True if low.startswith("micro") else False if low.startswith("macro") else None


def _read(seen: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = find_clips(seen, _key, lambda clip: clip.parent)
    if not folders:
        raise FileError(f"{seen.root}: no video folder of SAMM Long Videos in it or below; expected e.g. 009_4")
    table = find_table(seen, _OFFICIAL, READER.named, _read_table)
    if not any(_is_micro(record.values["Type"]) for record in table.records.rows):
        raise DataError(
            f"{table.path}: no row has a Type such as 'Micro - 1/2', which tells micro- from macro-expressions"
        )
    emotion_table, emotions = _emotions(seen)
    join = Join(seen.root, seen.pictures, reach=2)
    rows: dict[samm.Key, Record] = {}
    n_macro = 0
    for record in table.records.rows:
        if _is_micro(record.values["Type"]) is False:
            n_macro += 1
            video = samm.key_of(record.values["Filename"])
            join.meets(folders.get(video[:2]) if video else None)
            continue
        clip, key = _annotated(record, rows, emotions, seen.shown(emotion_table))
        folder = folders.get(key) if key else None
        join.add(clip, folder, f"no folder {clip.clip.rpartition('_')[0]} on disk")
    said = [
        table.described,
        f"emotions from {seen.shown(emotion_table)}",
        f"{n_macro} macro-expressions of the table are not read: nobody gave them an emotion",
        *image_notes,
        *table.notes,
    ]
    return join.done(_NAME, (), (table.path, emotion_table), said, _EXPECTED)


_EXPECTED = Expected(159, samm.EXPECTED.subjects, samm.EXPECTED.emotions)
_OFFICIAL = tuple(f"SAMM_LongVideos_V{version}_Release.{kind}" for version in (3, 2, 1) for kind in ("xlsx", "xls"))

READER = Reader(
    name=_NAME,
    title="SAMM Long Videos",
    tree="""
SAMM_LV/
  SAMM_LongVideos_V3_Release.xlsx   (or V1, V2; header in any row)
  SAMM_Micro_FACS_Codes_v2.xlsx     SAMM's own table: the emotions (inside, above or beside)
  SAMM_longvideos/
    009_4/                          video: subject_inducement
      009_4_0007.jpg                frame, of 4 or 5 digits, from 1
""",
    tables=(
        Table(
            _OFFICIAL[0],
            (
                ("Subject", "009"),
                ("Filename", "009_4_2"),
                ("Onset", "1307"),
                ("Apex", "1331"),
                ("Offset", "1364"),
                ("Type", "Micro - 1/2"),
            ),
            "Macro-expressions are counted, not read: they have no emotion. Apex -1 stands for not annotated.",
        ),
    ),
    named=("longvideo", "long_video", "long video"),
    clue=_clue,
    read=_read,
    datasets=(_SAMM,),
    remark="Its micro-expressions are those of SAMM and carry SAMM's ids (samm/006/006_1_2), so that the two are "
    "never taken for different clips.",
)
