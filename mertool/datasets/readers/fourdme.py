"""4DME, its grey stream: one folder per clip, labels that may be double.

Source: docs/datasets.md, section 11.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from ...clips import Clip
from ..annotations import AnnotationBuilder, Annotations
from ..labels import canonical_emotion
from ..reader import Reader, TableDescription
from ..rows import Row
from ..survey import ClipFolders, Folder, Survey
from ..table_search import TableFormat
from ..tables import Columns, Records, read_records

__all__ = ["READER"]

_NAME = "4dme"
_EMOTIONS = ("negative", "other", "positive", "repression", "surprise")
_ROOT = re.compile(r"gray_micro|grey_micro|micro_short_gray", re.IGNORECASE)
_SWAPPED_FROM = 146  # row of the release
_SWAPPED = (
    "a user of the data reports rows 146 and 147 of the release as swapped; they are read as they are: check them"
)

_Key = tuple[str, str]  # subject and clip, in lower case, without padding


def _canonical(name: str) -> str:
    """A name for comparison: in lower case; of a mere number its value."""
    if name.isascii() and name.isdigit():
        return name.lstrip("0") or "0"
    return name.lower()


def _key(folder: Folder) -> _Key | None:
    """A clip's folder is two below one such as gray_micro."""
    above = folder.path.parent.parent
    if not _ROOT.match(above.name) or _ROOT.match(folder.path.parent.name):
        return None
    return _canonical(folder.path.parent.name), _canonical(folder.path.name)


_FOLDERS = ClipFolders("4DME", "clip folder", "gray_micro/SUBJECT/CLIP", _key, lambda clip: clip.parent.parent)

_COLUMNS = Columns(
    {
        "sub_ID": ("subid", "subject"),
        "fold_name": ("foldname", "foldername", "filename"),
        "Onset": ("onset", "onsetframe"),
        "Apex": ("apex", "apexframe"),
        "Emotion": ("emotion", "videoemo"),
    },
    clip="fold_name",
    clip_pattern=re.compile(r"."),
    optional={"Offset": ("offset", "offsetframe")},
)


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS)


_TABLE = TableFormat(
    ("4DME_Labelling_Micro_release v1.xlsx",), ("4dme", "micro_and_macro-expression_labels"), _read_table
)


def _emotion(row: Row) -> str:
    """The emotion; of a double label "Surprise+Positive" both, in alphabetical order."""
    parts = sorted({canonical_emotion(part) for part in re.split(r"[+,&/]", row["Emotion"])})
    if not parts or any(part not in _EMOTIONS for part in parts):
        row.expect("Emotion", f"one of {', '.join(_EMOTIONS)}, or two with a +")
    return "+".join(parts)


def _clip_of(row: Row, subjects: dict[str, str]) -> tuple[Clip, _Key | None]:
    """The row as a clip; `subjects` gives one spelling to 3 and 03, which are one subject."""
    subject, name = row["sub_ID"], row["fold_name"]
    for column in ("sub_ID", "fold_name"):
        if not row[column] or "/" in row[column]:
            row.expect(column, "the name of a folder")
    key = (_canonical(subject), _canonical(name)) if subject and name else None
    subject = subjects.setdefault(_canonical(subject), subject)
    row.check_duplicate(key)
    row.correct(_NAME, subject, name)
    emotion = _emotion(row)
    key_frames = row.key_frames("Onset", "Apex", "Offset", open_end=True)
    return row.make_clip(_NAME, subject, name, emotion, key_frames), key


def _read(survey: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = _FOLDERS.find(survey)
    table = _TABLE.find(survey)
    subjects = {_canonical(path.parent.name): path.parent.name for path in folders.values()}
    builder = AnnotationBuilder(survey, _NAME, max_gap=1)
    builder.add_rows(table.records.rows, partial(_clip_of, subjects=subjects), folders.get, renumber=True)
    sources = [table.description, *image_notes, *table.notes]
    if len(table.records.rows) >= _SWAPPED_FROM:
        sources.append(_SWAPPED)
    return builder.build((table.path,), sources, folders=folders.values())


READER = Reader(
    name=_NAME,
    title="4DME",
    tree="""
4DME/
  4DME_Labelling_Micro_release v1.xlsx
  gray_micro/                     (or gray_micro_crop, micro_short_gray_video_cropped; raw frames come first)
    SUBJECT/                      sub_ID of the table
      CLIP/                       fold_name of the table
        Frame_000000123.jpg       frame
""",
    tables=(
        TableDescription(
            _TABLE.official[0],
            (
                ("sub_ID", "03"),
                ("fold_name", "03_micro_2"),
                ("Onset", "123"),
                ("Apex", "140"),
                ("Offset", "151"),
                ("Emotion", "Surprise+Positive"),
            ),
            "Apostrophes in the header do not matter. A double label is an emotion of its own, positive+surprise.",
        ),
    ),
    named=_TABLE.named,
    detect=_FOLDERS.detect,
    read=_read,
    datasets=(_NAME,),
    remark=_SWAPPED[0].upper() + _SWAPPED[1:] + ".",
)
