"""SAMM Long Videos: 147 videos with 343 macro- and 159 micro-expressions.

Its table has no emotions: those come from SAMM's own, by name. A micro-expression here *is* that of SAMM, in another
recording with its own frame numbers, and so carries SAMM's id. Source: docs/datasets.md, section 2.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from ...clips import Clip
from ...errors import AnnotationError, FileError
from ..annotations import AnnotationBuilder, Annotations, Expected
from ..labels import canonical_emotion
from ..reader import Reader, TableDescription
from ..rows import Row
from ..survey import ClipFolders, Folder, Survey
from ..table_search import MissingTableError, TableFormat
from ..tables import Columns, Records, read_records
from . import samm

__all__ = ["READER"]

_NAME = "samm-lv"
_SAMM = "samm"
_VIDEO = re.compile(r"([0-9]{3})_([0-9]{1,2})", re.ASCII)
_EXPECTED = Expected(159, samm.EXPECTED.subjects, samm.EXPECTED.emotions)

_Video = tuple[int, int]  # subject, inducement


def _key(folder: Folder) -> _Video | None:
    """The video of a folder such as 009_4, whose pictures have its name; empty ones count as well."""
    parts = _VIDEO.fullmatch(folder.path.name)
    named_alike = folder.picture.startswith(f"{folder.path.name}_") or not folder.picture
    return (int(parts[1]), int(parts[2])) if parts and named_alike else None


_FOLDERS = ClipFolders(
    "SAMM Long Videos", "video folder", "009_4", _key, lambda video: video.parent, needs_picture=True
)

_COLUMNS = Columns(
    {
        "Subject": ("subject",),
        "Filename": ("filename",),
        "Onset": ("onset",),
        "Apex": ("apex",),
        "Offset": ("offset",),
        "Type": ("type",),
    },
    clip="Filename",
    clip_pattern=samm.CLIP,
)


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS)


_TABLE = TableFormat(
    tuple(f"SAMM_LongVideos_V{version}_Release.{kind}" for version in (3, 2, 1) for kind in ("xlsx", "xls")),
    ("longvideo", "long_video", "long video"),
    _read_table,
)


def _emotions(survey: Survey) -> tuple[Path, dict[samm.Key, str]]:
    """SAMM's emotion of each micro-expression. A clip that its table names twice with two emotions has none."""
    try:
        table = samm.TABLE.find(survey)
    except FileError as error:
        others = error.other_tables if isinstance(error, MissingTableError) else ""
        unlike = others and f" ({others})"
        raise FileError(
            f"{survey.root}: the table of SAMM Long Videos has no emotions; "
            f"put SAMM_Micro_FACS_Codes_v2.xlsx beside it{unlike}"
        ) from error
    emotions: dict[samm.Key, str] = {}
    for record in table.records.rows:
        key = samm.key_of(record.values["Filename"])
        if key:
            emotion = canonical_emotion(record.values["Estimated Emotion"])
            if emotions.setdefault(key, emotion) != emotion:
                emotions[key] = ""
    return table.path, emotions


def _is_micro(kind: str) -> bool:
    return kind.lower().startswith("micro")


def _is_macro(kind: str) -> bool:
    return kind.lower().startswith("macro")


def _clip_of(row: Row, emotions: dict[samm.Key, str], emotion_table: str) -> tuple[Clip, _Video | None]:
    """The row as a clip of SAMM, with the emotion that SAMM's own table gives it."""
    key, subject, name = samm.clip_identity(row)
    if not _is_micro(row["Type"]):
        row.expect("Type", "Micro - 1/2 or Macro")
    emotion = emotions.get(key, "") if key else ""
    if key and emotion not in (samm.EXPECTED.emotions or ()):
        instead = emotion and f", it says {emotion!r}"
        row.refuse(f"{emotion_table} has no emotion for {name}{instead}")
    key_frames = row.key_frames("Onset", "Apex", "Offset")
    return row.make_clip(_SAMM, subject, name, emotion, key_frames), key and key[:2]


def _read(survey: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = _FOLDERS.find(survey)
    table = _TABLE.find(survey)
    if not any(_is_micro(record.values["Type"]) for record in table.records.rows):
        raise AnnotationError(
            f"{table.path}: no row has a Type such as 'Micro - 1/2', which tells micro- from macro-expressions"
        )
    emotion_table, emotions = _emotions(survey)
    emotion_source = survey.shown(emotion_table)
    builder = AnnotationBuilder(survey, _NAME, max_gap=2)
    macro = [record for record in table.records.rows if _is_macro(record.values["Type"])]
    for record in macro:
        key = samm.key_of(record.values["Filename"])
        builder.mark_used(folders.get(key[:2]) if key else None)
    builder.add_rows(
        (record for record in table.records.rows if not _is_macro(record.values["Type"])),
        partial(_clip_of, emotions=emotions, emotion_table=emotion_source),
        folders.get,
        lacking=lambda clip: f"no folder {clip.name.rpartition('_')[0]} on disk",
    )
    sources = [
        table.description,
        f"emotions from {emotion_source}",
        f"{len(macro)} macro-expressions of the table are not read: they have no emotion labels",
        *image_notes,
        *table.notes,
    ]
    return builder.build((table.path, emotion_table), sources, expected=_EXPECTED)


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
        TableDescription(
            _TABLE.official[0],
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
    named=_TABLE.named,
    detect=_FOLDERS.detect,
    read=_read,
    datasets=(_SAMM,),
    remark="Its micro-expressions are those of SAMM and carry SAMM's ids (samm/006/006_1_2), so that the two are "
    "never taken for different clips.",
)
