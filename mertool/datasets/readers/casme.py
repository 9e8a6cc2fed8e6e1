"""CASME (the first): about 190 micro-expressions at 60 fps, in one coded table or in two sections.

Source: docs/datasets.md, section 8.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...clips import Clip
from ...errors import FileError, MertoolError
from ..annotations import Annotations, Expected, Join
from ..labels import canonical_emotion
from ..reader import Reader, Table
from ..rows import Row
from ..survey import Folder, Found, Survey, find_clips, find_table
from ..tables import Record, Records, read_records, tables_above
from .casme2 import CLIP, Key, ep_clip, ep_key, ep_root

__all__ = ["READER"]

_NAME = "casme"
_COLUMNS = {
    "Subject": ("subject",),
    "Filename": ("filename",),
    "OnsetF": ("onsetf",),
    "ApexF1": ("apexf1", "apexf"),
    "OffsetF": ("offsetf",),
    "Emotion": ("emotion", "estimatedemotion"),
}
_EMOTIONS = ("contempt", "disgust", "fear", "happiness", "repression", "sadness", "surprise", "tense")
_FRAME = re.compile(r"(reg_)?EP[0-9]+_[0-9a-z]+.*-[0-9]+\.", re.ASCII | re.IGNORECASE)
_SECTION = re.compile(r"section[ _-]?([ab])\b", re.IGNORECASE)


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS, named=("Filename", CLIP))


def _annotated(record: Record, rows: dict[Key, Record]) -> tuple[Clip, Key | None]:
    row = Row(record)
    key = ep_clip(row, record, rows)
    subject = f"sub{key[0]:02d}" if key else row["Subject"]
    row.correct(_NAME, subject, row["Filename"])
    if canonical_emotion(row["Emotion"]) == "amusement":
        row.replace("Emotion", "happiness")
        row.say("amusement is the earlier word for happiness")
    emotion = row.emotion("Emotion", _EMOTIONS)
    moments = row.moments("OnsetF", "ApexF1", "OffsetF")
    return row.clip(_NAME, subject, row["Filename"], emotion, moments), key


def _key(folder: Folder) -> Key | None:
    return ep_key(folder, _FRAME)


def _clue(seen: Survey) -> str | None:
    found = next((f for f in seen.folders if f.picture and _key(f)), None)
    return f"the clip folder {seen.shown(found.path)} with {found.picture}" if found else None


def _tables(seen: Survey) -> list[Found]:
    """The annotation: one table, or one of each section where only these are there."""
    tables = [*seen.tables, *(path for _, path in tables_above(seen.root, READER.named))]
    sections: dict[str, list[Path]] = {}
    for path in tables:
        section = _SECTION.search(path.stem)
        if section:
            sections.setdefault(section[1].lower(), []).append(path)
    whole = [path for path in tables if not _SECTION.search(path.stem)]
    if len(sections) < 2 or any(_readable(path) for path in whole):
        return [find_table(seen, _OFFICIAL, READER.named, _read_table)]
    return [find_table(seen, _OFFICIAL, (), _read_table, inside=paths) for _, paths in sorted(sections.items())]


def _readable(path: Path) -> bool:
    try:
        return _read_table(path) is not None
    except MertoolError:
        return False


def _read(seen: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = find_clips(seen, _key, ep_root)
    if not folders:
        raise FileError(
            f"{seen.root}: no clip folder of CASME in it or below; expected e.g. sub01/EP01_12 with EP01_12-73.jpg"
        )
    tables = _tables(seen)
    join = Join(seen.root, seen.pictures, reach=1)
    rows: dict[Key, Record] = {}
    for table in tables:
        for record in table.records.rows:
            clip, key = _annotated(record, rows)
            folder = folders.get(key) if key else None
            join.add(clip, folder, f"no folder {clip.subject}/{clip.clip} on disk")
    notes = [*(table.described for table in tables), *image_notes, *(note for table in tables for note in table.notes)]
    return join.done(_NAME, folders.values(), [table.path for table in tables], notes, Expected())


_OFFICIAL = ("CASME-coded-20190721.xls",)

READER = Reader(
    name=_NAME,
    title="CASME",
    tree="""
CASME/
  CASME-coded-20190721.xls        (or CASME_SectionA.xls and CASME_SectionB.xls; .xlsx, .xls or .csv)
  CASME_raw_selected/             (or Cropped; raw frames come first where both are there)
    sub01/                        subject
      EP01_12/                    clip
        EP01_12-73.jpg            frame behind the last hyphen, padded or not
""",
    tables=(
        Table(
            _OFFICIAL[0],
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
    named=("casme-coded", "casme_coded", "casme_section", "casme.xls", "casme.csv", "casme1"),
    clue=_clue,
    read=_read,
    datasets=(_NAME,),
)
