"""SAMM: 159 micro-expressions of 29 subjects, one folder a clip, one Excel table.

Source: docs/datasets.md, sections 0 and 1.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...clips import Clip
from ...errors import FileError
from ..annotations import Annotations, Expected, Join
from ..reader import Reader, Table
from ..rows import Row
from ..survey import Folder, Found, Survey, find_clips, find_table
from ..tables import Record, Records, read_records, whole_number

__all__ = ["CLIP", "EXPECTED", "READER", "Key", "find_micro_table", "identify", "key_of"]

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
_COLUMNS = {
    "Subject": ("subject",),
    "Filename": ("filename",),
    "Onset Frame": ("onsetframe", "onset"),
    "Apex Frame": ("apexframe", "apex"),
    "Offset Frame": ("offsetframe", "offset"),
    "Estimated Emotion": ("estimatedemotion", "emotion"),
}
_DURATION = {"Duration": ("duration",)}
CLIP = re.compile(r"([0-9]{1,3})_([0-9]{1,3})_([0-9]{1,3})", re.ASCII)

Key = tuple[int, int, int]  # subject, inducement, serial: names compare by value, whatever their padding


def key_of(name: str) -> Key | None:
    """The numbers of a clip's name, e.g. 006_1_2."""
    parts = CLIP.fullmatch(name)
    return (int(parts[1]), int(parts[2]), int(parts[3])) if parts else None


def find_micro_table(seen: Survey) -> Found:
    """The table with the micro-expressions and their emotions, in or above the folder.

    Raises:
        FileError: There is none.
        DataError: It cannot be used.
    """

    def read(path: Path) -> Records | None:
        return read_records(path, _COLUMNS, _DURATION, named=("Filename", CLIP))

    # The table of SAMM Long Videos has the same columns but the emotion.
    return find_table(seen, _OFFICIAL, READER.named, read, ignored=("longvideo",))


def identify(row: Row, record: Record, rows: dict[Key, Record]) -> tuple[Key | None, str, str]:
    """Key, subject and clip of a row, after the checks on them; `rows` holds the first row of each clip so far."""
    key = key_of(row["Filename"])
    if key is None:
        row.expect("Filename", "e.g. 006_1_2")
    row.first_of(key, rows, record)
    number = whole_number(row["Subject"])
    if number is None or (key is not None and number != key[0]):
        row.expect("Subject", f"{key[0]:03d}" if key else "a number")
    subject = f"{key[0] if key else number:03d}" if key or number is not None else row["Subject"]
    return key, subject, f"{key[0]:03d}_{key[1]}_{key[2]}" if key else row["Filename"]


def _annotated(record: Record, rows: dict[Key, Record]) -> tuple[Clip, Key | None]:
    row = Row(record)
    key, subject, clip = identify(row, record, rows)
    row.correct(_NAME, subject, clip)
    emotion = row.emotion("Estimated Emotion", EXPECTED.emotions or ())
    onset, apex, offset = row.moments("Onset Frame", "Apex Frame", "Offset Frame")
    duration = whole_number(row["Duration"])
    if duration not in (None, offset - onset + 1):
        row.say(f"Duration is {duration}, but onset..offset {onset}..{offset} is {offset - onset + 1} frames")
    return row.clip(_NAME, subject, clip, emotion, (onset, apex, offset)), key


def _clue(seen: Survey) -> str | None:
    found = next((f.path for f in seen.folders if key_of(f.path.name)), None)
    return f"the clip folder {seen.shown(found)}" if found else None


def _root(clip: Path) -> Path:
    """The image root above a clip folder; between them lies the subject's folder, as a rule."""
    key, subject = key_of(clip.name), clip.parent.name
    between = key is not None and subject.isascii() and subject.isdigit() and int(subject) == key[0]
    return clip.parent.parent if between else clip.parent


def _key(folder: Folder) -> Key | None:
    return key_of(folder.path.name)


def _read(seen: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = find_clips(seen, _key, _root)
    if not folders:
        raise FileError(
            f"{seen.root}: no clip folder of SAMM in it or below; "
            "expected e.g. 006/006_1_2 with 006_05562.jpg and so on"
        )
    table = find_micro_table(seen)
    join = Join(seen.root, seen.pictures, reach=2)
    rows: dict[Key, Record] = {}
    for record in table.records.rows:
        clip, key = _annotated(record, rows)
        folder = folders.get(key) if key else None
        join.add(clip, folder, f"no folder {clip.subject}/{clip.clip} on disk")
    notes = [table.described, *image_notes, *table.notes]
    return join.done(_NAME, folders.values(), (table.path,), notes, EXPECTED)


_OFFICIAL = ("SAMM_Micro_FACS_Codes_v2.xlsx",)

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
        Table(
            _OFFICIAL[0],
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
    named=("samm",),
    clue=_clue,
    read=_read,
    datasets=(_NAME,),
)
