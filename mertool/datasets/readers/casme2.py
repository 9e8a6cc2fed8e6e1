"""CASME II: 255 micro-expressions of 26 subjects at 200 fps, raw or as registered faces, one Excel table.

Clip names repeat across subjects: a clip is known by subject and name. Source: docs/datasets.md, section 3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...clips import Clip
from ..annotations import AnnotationBuilder, Annotations, Expected
from ..reader import Reader, TableDescription
from ..rows import Row
from ..sheets import whole_number
from ..survey import ClipFolders, Folder, Survey
from ..table_search import TableFormat
from ..tables import Columns, Records, read_records, standard_columns

__all__ = ["CLIP", "READER", "Key", "ep_folder_key", "ep_root", "ep_row_key"]

_NAME = "casme2"
_EMOTIONS = ("disgust", "fear", "happiness", "other", "repression", "sadness", "surprise")
_COUNTS = {"disgust": 63, "fear": 2, "happiness": 32, "other": 99, "repression": 27, "sadness": 7, "surprise": 25}
# The three clips of subject 24 whose label tells the releases apart: sadness in 20140508, surprise in 20190701.
_RELABELLED = {"ep07_01", "ep07_04f", "ep10_03"}
CLIP = re.compile(r"EP[0-9]+", re.ASCII | re.IGNORECASE)
SUBJECT = re.compile(r"(?:sub)?_?([0-9]{1,6})", re.ASCII | re.IGNORECASE)
_FRAME = re.compile(r"(reg_)?img_?[0-9]+\.", re.ASCII | re.IGNORECASE)

Key = tuple[int, str]  # subject, clip in lower case


def ep_folder_key(folder: Folder, frame: re.Pattern[str]) -> Key | None:
    """Subject and clip of a folder such as sub01/EP02_01f; the names of the frames tell CASME and CASME II apart."""
    subject = SUBJECT.fullmatch(folder.path.parent.name)
    if subject is None or not CLIP.match(folder.path.name) or (folder.picture and not frame.match(folder.picture)):
        return None
    return int(subject[1]), folder.path.name.lower()


def ep_root(clip: Path) -> Path:
    """The image root above sub01/EP02_01f."""
    return clip.parent.parent


def _subject_number(row: Row) -> int | None:
    """The subject of a row: 1 for "01", 1, "1.0" and "sub01"; anything else is refused."""
    named = SUBJECT.fullmatch(row["Subject"])
    number = whole_number(row["Subject"]) if named is None else int(named[1])
    if number is None or number < 0:
        row.expect("Subject", "a number such as 01")
        return None
    return number


def ep_row_key(row: Row) -> Key | None:
    """The key of a row, after the checks on its subject and its clip's name."""
    number = _subject_number(row)
    if not CLIP.match(row["Filename"]):
        row.expect("Filename", "e.g. EP02_01f")
        return None
    key = None if number is None else (number, row["Filename"].lower())
    row.check_duplicate(key)
    return key


def _key(folder: Folder) -> Key | None:
    return ep_folder_key(folder, _FRAME)


_FOLDERS = ClipFolders("CASME II", "clip folder", "sub01/EP02_01f", _key, ep_root, needs_picture=True)

_COLUMNS = Columns(standard_columns(), clip="Filename", clip_pattern=CLIP)


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS)


_TABLE = TableFormat(
    (
        "CASME2-coding-20190701.xlsx",
        "CASME2-coding-20140508.xlsx",
        "CASME2-coding-updated.xlsx",
        "CASME2-coding.xlsx",
        "CASME2_label_Ver_2.xls",
    ),
    ("casme2", "casme ii", "casmeii", "casme_ii"),
    _read_table,
)


def _clip_of(row: Row) -> tuple[Clip, Key | None]:
    key = ep_row_key(row)
    subject = f"sub{key[0]:02d}" if key else row["Subject"]
    row.correct(_NAME, subject, row["Filename"])
    emotion = row.emotion("Estimated Emotion", _EMOTIONS)
    key_frames = row.key_frames("OnsetFrame", "ApexFrame", "OffsetFrame")
    return row.make_clip(_NAME, subject, row["Filename"], emotion, key_frames), key


def _release(clips: Sequence[Clip]) -> tuple[str, str, Expected]:
    """The release that a table's labels belong to, in words, and what it holds."""
    relabelled = "sub24 EP07_01, EP07_04f and EP10_03"
    labels = {clip.emotion for clip in clips if clip.subject == "sub24" and clip.name.lower() in _RELABELLED}
    if labels == {"sadness"}:
        return "20140508", f"release 20140508 by its labels ({relabelled}: sadness)", Expected(255, 26, _COUNTS)
    if labels == {"surprise"}:
        newer = Expected(255, 26, {**_COUNTS, "sadness": 4, "surprise": 28})
        return "20190701", f"release 20190701 by its labels ({relabelled}: surprise)", newer
    found = f"which say {' and '.join(sorted(labels))} here" if labels else "which are not in this table"
    return "", f"release unknown: it shows in the labels of {relabelled}, {found}", Expected(255, 26, None)


def _read(survey: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = _FOLDERS.find(survey)
    table = _TABLE.find(survey)
    builder = AnnotationBuilder(survey, _NAME, max_gap=2)
    builder.add_rows(table.records.rows, _clip_of, folders.get)
    release, release_note, expected = _release(builder.clips)
    sources = [table.description, release_note, *image_notes, *table.notes]
    annotations = builder.build((table.path,), sources, folders=folders.values(), expected=expected)
    return replace(annotations, release=release)


READER = Reader(
    name=_NAME,
    title="CASME II",
    tree="""
CASME2/
  CASME2-coding-20190701.xlsx     (or 20140508, ...; .xlsx, .xls or .csv; says which release was met)
  CASME2_RAW_selected/            (or CASME2-RAW, Cropped; raw frames come first where both are there)
    sub01/                        subject
      EP02_01f/                   clip; names repeat across subjects
        img46.jpg                 frame, not padded (reg_img46.jpg in Cropped)
""",
    tables=(
        TableDescription(
            _TABLE.official[0],
            (
                ("Subject", "01"),
                ("Filename", "EP02_01f"),
                ("OnsetFrame", "46"),
                ("ApexFrame", "59"),
                ("OffsetFrame", "86"),
                ("Estimated Emotion", "happiness"),
            ),
        ),
    ),
    named=_TABLE.named,
    detect=_FOLDERS.detect,
    read=_read,
    datasets=(_NAME,),
)
