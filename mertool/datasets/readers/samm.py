"""SAMM: 159 micro-expressions of 29 subjects, one folder per clip, one Excel table.

Source: docs/datasets.md, sections 0 and 1.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...clips import Clip
from ..annotations import AnnotationBuilder, Annotations, Expected
from ..reader import Reader, TableDescription
from ..rows import Row
from ..sheets import whole_number
from ..survey import ClipFolders, Folder, Survey
from ..table_search import TableFormat
from ..tables import Columns, Records, read_records, standard_columns

__all__ = ["CLIP", "EXPECTED", "READER", "TABLE", "Key", "clip_identity", "key_of"]

EXPECTED = Expected(
    clips=159,
    subjects=tuple(f"{n:03d}" for n in (6, 7, *range(9, 27), 28, *range(30, 38))),
    emotions={
        "anger": 57,
        "contempt": 12,
        "disgust": 9,
        "fear": 8,
        "happiness": 26,
        "other": 26,
        "sadness": 6,
        "surprise": 15,
    },
)

_NAME = "samm"
CLIP = re.compile(r"([0-9]{1,3})_([0-9]{1,3})_([0-9]{1,3})", re.ASCII)

Key = tuple[int, int, int]  # subject, inducement, serial: names compare by value, whatever their padding


def key_of(name: str) -> Key | None:
    """The numbers of a clip's name, e.g. 006_1_2."""
    parts = CLIP.fullmatch(name)
    return (int(parts[1]), int(parts[2]), int(parts[3])) if parts else None


def _key(folder: Folder) -> Key | None:
    return key_of(folder.path.name)


def _root(clip: Path) -> Path:
    """The image root above a clip folder; between them is the subject's folder, as a rule."""
    key, subject = key_of(clip.name), clip.parent.name
    between = key is not None and subject.isascii() and subject.isdigit() and int(subject) == key[0]
    return clip.parent.parent if between else clip.parent


_FOLDERS = ClipFolders("SAMM", "clip folder", "006/006_1_2 with 006_05562.jpg and so on", _key, _root)

_COLUMNS = Columns(
    standard_columns("Onset Frame", "Apex Frame", "Offset Frame"),
    clip="Filename",
    clip_pattern=CLIP,
    optional={"Duration": ("duration",)},
)


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS)


# The micro-expressions and their emotions. The table of SAMM Long Videos has the same columns but the emotion.
TABLE = TableFormat(("SAMM_Micro_FACS_Codes_v2.xlsx",), ("samm",), _read_table, ignored=("longvideo",))


def clip_identity(row: Row) -> tuple[Key | None, str, str]:
    """Key, subject and name of a row's clip, after the checks on them."""
    key = key_of(row["Filename"])
    if key is None:
        row.expect("Filename", "e.g. 006_1_2")
    row.check_duplicate(key)
    number = whole_number(row["Subject"])
    if key is not None:
        if number != key[0]:
            row.expect("Subject", f"{key[0]:03d}")
        return key, f"{key[0]:03d}", f"{key[0]:03d}_{key[1]}_{key[2]}"
    if number is None:
        row.expect("Subject", "a number")
        return None, row["Subject"], row["Filename"]
    return None, f"{number:03d}", row["Filename"]


def _clip_of(row: Row) -> tuple[Clip, Key | None]:
    key, subject, name = clip_identity(row)
    row.correct(_NAME, subject, name)
    emotion = row.emotion("Estimated Emotion", EXPECTED.emotions or ())
    onset, apex, offset = row.key_frames("Onset Frame", "Apex Frame", "Offset Frame")
    duration = whole_number(row["Duration"])
    if duration not in (None, offset - onset + 1):
        row.say(f"Duration is {duration}, but onset..offset {onset}..{offset} is {offset - onset + 1} frames")
    return row.make_clip(_NAME, subject, name, emotion, (onset, apex, offset)), key


def _read(survey: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = _FOLDERS.find(survey)
    table = TABLE.find(survey)
    builder = AnnotationBuilder(survey, _NAME, max_gap=2)
    builder.add_rows(table.records.rows, _clip_of, folders.get)
    sources = [table.description, *image_notes, *table.notes]
    return builder.build((table.path,), sources, folders=folders.values(), expected=EXPECTED)


READER = Reader(
    name=_NAME,
    title="SAMM",
    tree="""
SAMM/
  SAMM_Micro_FACS_Codes_v2.xlsx   (inside, above or beside the images; .xlsx, .xls or .csv; header in any row)
  006/                            subject
    006_1_2/                      clip: subject_inducement_serial
      006_05562.jpg               subject_frame, of 4 or 5 digits
""",
    tables=(
        TableDescription(
            TABLE.official[0],
            (
                ("Subject", "006"),
                ("Filename", "006_1_2"),
                ("Onset Frame", "5562"),
                ("Apex Frame", "5588"),
                ("Offset Frame", "5632"),
                ("Estimated Emotion", "Anger"),
            ),
        ),
    ),
    named=TABLE.named,
    detect=_FOLDERS.detect,
    read=_read,
    datasets=(_NAME,),
)
