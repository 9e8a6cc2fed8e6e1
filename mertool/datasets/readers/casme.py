"""CASME (the first): about 190 micro-expressions at 60 fps, in one coded table or in two sections.

Source: docs/datasets.md, section 8.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ...clips import Clip
from ...errors import MertoolError
from ..annotations import AnnotationBuilder, Annotations
from ..labels import canonical_emotion
from ..reader import Reader, TableDescription
from ..rows import Row
from ..survey import ClipFolders, Folder, Survey
from ..table_search import FoundTable, TableFormat, tables_above
from ..tables import Columns, Records, read_records
from .casme2 import CLIP, Key, ep_folder_key, ep_root, ep_row_key

__all__ = ["READER"]

_NAME = "casme"
_EMOTIONS = ("contempt", "disgust", "fear", "happiness", "repression", "sadness", "surprise", "tense")
_FRAME = re.compile(r"(reg_)?EP[0-9]+_[0-9a-z]+.*-[0-9]+\.", re.ASCII | re.IGNORECASE)
_SECTION = re.compile(r"section[ _-]?([ab])\b", re.IGNORECASE)


def _key(folder: Folder) -> Key | None:
    return ep_folder_key(folder, _FRAME)


_FOLDERS = ClipFolders("CASME", "clip folder", "sub01/EP01_12 with EP01_12-73.jpg", _key, ep_root, needs_picture=True)

_COLUMNS = Columns(
    {
        "Subject": ("subject",),
        "Filename": ("filename",),
        "OnsetF": ("onsetf",),
        "ApexF1": ("apexf1", "apexf"),
        "OffsetF": ("offsetf",),
        "Emotion": ("emotion", "estimatedemotion"),
    },
    clip="Filename",
    clip_pattern=CLIP,
)


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS)


_TABLE = TableFormat(
    ("CASME-coded-20190721.xls",),
    ("casme-coded", "casme_coded", "casme_section", "casme.xls", "casme.csv", "casme1"),
    _read_table,
)


def _tables(survey: Survey) -> list[FoundTable]:
    """The annotation: one table, or one of each section if only these are there."""
    tables = [*survey.tables, *(path for _, path in tables_above(survey.root, _TABLE.named))]
    sections: dict[str, list[Path]] = {}
    for path in tables:
        section = _SECTION.search(path.stem)
        if section:
            sections.setdefault(section[1].lower(), []).append(path)
    whole = [path for path in tables if not _SECTION.search(path.stem)]
    if len(sections) < 2 or any(_readable(path) for path in whole):
        return [_TABLE.find(survey)]
    only_inside = replace(_TABLE, named=())
    return [only_inside.find(survey, inside=paths) for _, paths in sorted(sections.items())]


def _readable(path: Path) -> bool:
    try:
        return _read_table(path) is not None
    except MertoolError:
        return False


def _clip_of(row: Row) -> tuple[Clip, Key | None]:
    key = ep_row_key(row)
    subject = f"sub{key[0]:02d}" if key else row["Subject"]
    row.correct(_NAME, subject, row["Filename"])
    if canonical_emotion(row["Emotion"]) == "amusement":
        row.replace("Emotion", "happiness")
        row.say("amusement is the earlier word for happiness")
    emotion = row.emotion("Emotion", _EMOTIONS)
    key_frames = row.key_frames("OnsetF", "ApexF1", "OffsetF")
    return row.make_clip(_NAME, subject, row["Filename"], emotion, key_frames), key


def _read(survey: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = _FOLDERS.find(survey)
    tables = _tables(survey)
    builder = AnnotationBuilder(survey, _NAME, max_gap=1)
    builder.add_rows((record for table in tables for record in table.records.rows), _clip_of, folders.get)
    sources = [table.description for table in tables]
    sources += [*image_notes, *(note for table in tables for note in table.notes)]
    return builder.build([table.path for table in tables], sources, folders=folders.values())


READER = Reader(
    name=_NAME,
    title="CASME",
    tree="""
CASME/
  CASME-coded-20190721.xls        (or CASME_SectionA.xls and CASME_SectionB.xls; .xlsx, .xls or .csv)
  CASME_raw_selected/             (or Cropped; raw frames come first where both are there)
    sub01/                        subject
      EP01_12/                    clip
        EP01_12-73.jpg            frame after the last hyphen, padded or not
""",
    tables=(
        TableDescription(
            _TABLE.official[0],
            (
                ("Subject", "1"),
                ("Filename", "EP01_12"),
                ("OnsetF", "73"),
                ("ApexF1", "81"),
                ("OffsetF", "96"),
                ("Emotion", "disgust"),
            ),
            "Onset and Total of the same table are milliseconds and not read. A backslash stands for nothing.",
        ),
    ),
    named=_TABLE.named,
    detect=_FOLDERS.detect,
    read=_read,
    datasets=(_NAME,),
)
