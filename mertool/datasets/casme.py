"""CASME (the first): about 190 micro-expressions at 60 fps, in one coded table or in two sections.

Source: reference/datasets.md, section 8.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..clips import Clip
from ..errors import FileError
from .annotations import Annotations, Expected, Join
from .casme2 import Key, ep_clip, ep_key, ep_root
from .reader import Reader, Table
from .rows import Row, remarks
from .survey import Survey, find_clips
from .tables import Record, Records, choose_table, read_records

__all__ = ["READER"]

_NAME = "casme"
_COLUMNS = {
    "Subject": ("subject",),
    "Filename": ("filename",),
    "OnsetF": ("onsetf", "onsetframe"),
    "ApexF1": ("apexf1", "apexf", "apexframe"),
    "OffsetF": ("offsetf", "offsetframe"),
    "Emotion": ("emotion", "estimatedemotion"),
}
_EMOTIONS = ("contempt", "disgust", "fear", "happiness", "repression", "sadness", "surprise", "tense")
_CLIP = re.compile(r"EP[0-9]+", re.ASCII | re.IGNORECASE)
_FRAME = re.compile(r"(reg_)?EP[0-9]+_[0-9a-z]+.*-[0-9]+\.", re.ASCII | re.IGNORECASE)
_SECTION = re.compile(r"section[ _-]?([ab])\b", re.IGNORECASE)


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS, named=("Filename", _CLIP))


def _annotated(record: Record, rows: dict[Key, Record]) -> tuple[Clip, Key | None]:
    row = Row(record)
    key = ep_clip(row, record, rows)
    subject = f"sub{key[0]:02d}" if key else row["Subject"]
    row.correct(_NAME, subject, row["Filename"])
    emotion = row.emotion("Emotion", _EMOTIONS)
    moments = row.moments("OnsetF", "ApexF1", "OffsetF")
    return row.clip(_NAME, subject, row["Filename"], emotion, moments), key


def _clue(seen: Survey) -> str | None:
    found = next((f for f in seen.folders if ep_key(f) and _FRAME.match(f.picture)), None)
    return f"the clip folder {seen.shown(found.path)} with {found.picture}" if found else None


def _tables(seen: Survey) -> tuple[list[tuple[Path, Records]], list[str]]:
    """The annotation: one table, or one of each section where only these are there."""
    sections: dict[str, list[Path]] = {}
    for path in seen.tables:
        section = _SECTION.search(path.stem.replace("CASME_", ""))
        if section:
            sections.setdefault(section[1].lower(), []).append(path)
    whole = [path for path in seen.tables if not any(path in paths for paths in sections.values())]
    if len(sections) < 2 or any(_readable(path) for path in whole):
        table, records, notes = choose_table(seen.root, seen.tables, _OFFICIAL, READER.named, _read_table)
        return [(table, records)], notes
    chosen, notes = [], []
    for paths in sections.values():
        table, records, said = choose_table(seen.root, paths, _OFFICIAL, ("casme_section",), _read_table)
        chosen.append((table, records))
        notes += said
    return chosen, notes


def _readable(path: Path) -> bool:
    try:
        return _read_table(path) is not None
    except (ValueError, OSError):
        return False


def _read(seen: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = find_clips(seen, ep_key, ep_root)
    if not folders:
        raise FileError(f"{seen.root}: no clip folder of CASME in it or below; expected e.g. sub01/EP01_12")
    tables, notes = _tables(seen)
    join = Join(seen.root)
    rows: dict[Key, Record] = {}
    said = []
    for table, records in tables:
        for record in records.rows:
            clip, key = _annotated(record, rows)
            folder = folders.get(key) if key else None
            join.add(clip, folder, f"no folder {clip.subject}/{clip.clip} on disk")
        said.append(f"table {seen.shown(table)}, header in row {records.header}, {len(records.rows)} rows")
        notes += remarks(records)
    said += [*image_notes, *notes]
    return join.done(_NAME, folders.values(), [table for table, _ in tables], said, Expected())


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
