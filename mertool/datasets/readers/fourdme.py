"""4DME, its grey stream: one folder a clip, labels that may be double.

Source: docs/datasets.md, section 11.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...clips import Clip
from ...errors import FileError
from ..annotations import Annotations, Expected, Join
from ..labels import canonical_emotion
from ..reader import Reader, Table
from ..rows import Row
from ..survey import Folder, Survey, find_clips, find_table
from ..tables import Record, Records, read_records

__all__ = ["READER"]

_NAME = "4dme"
_COLUMNS = {
    "sub_ID": ("subid", "subject"),
    "fold_name": ("foldname", "foldername", "filename"),
    "Onset": ("onset", "onsetframe"),
    "Apex": ("apex", "apexframe"),
    "Emotion": ("emotion", "videoemo"),
}
_OFFSET = {"Offset": ("offset", "offsetframe")}
_EMOTIONS = ("negative", "other", "positive", "repression", "surprise")
_ROOT = re.compile(r"gray_micro|grey_micro|micro_short_gray", re.IGNORECASE)

_Key = tuple[str, str]  # subject and clip, in lower case, without padding


def _part(name: str) -> str:
    """A name for comparison: in lower case; of a mere number its value."""
    return name.lstrip("0") or "0" if name.isascii() and name.isdigit() else name.lower()


def _key(folder: Folder) -> _Key | None:
    """A clip's folder lies two below one such as gray_micro."""
    above = folder.path.parent.parent
    if not _ROOT.match(above.name) or _ROOT.match(folder.path.parent.name):
        return None
    return _part(folder.path.parent.name), _part(folder.path.name)


def _clue(seen: Survey) -> str | None:
    found = next((f.path for f in seen.folders if _key(f)), None)
    return f"the clip folder {seen.shown(found)}" if found else None


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS, _OFFSET, named=("fold_name", re.compile(r".")))


def _emotion(row: Row) -> str:
    """The emotion; of a double label "Surprise+Positive" both, in alphabetical order."""
    parts = sorted({canonical_emotion(part) for part in re.split(r"[+,&/]", row["Emotion"])})
    if not parts or any(part not in _EMOTIONS for part in parts):
        row.expect("Emotion", f"one of {', '.join(_EMOTIONS)}, or two with a +")
    return "+".join(parts)


def _annotated(record: Record, rows: dict[_Key, Record], people: dict[str, str]) -> tuple[Clip, _Key | None]:
    """A row as a clip; `people` gives one spelling to 3 and 03, who are one person."""
    row = Row(record)
    subject, name = row["sub_ID"], row["fold_name"]
    for column in ("sub_ID", "fold_name"):
        if not row[column] or "/" in row[column]:
            row.expect(column, "the name of a folder")
    key = (_part(subject), _part(name)) if subject and name else None
    subject = people.setdefault(_part(subject), subject)
    row.first_of(key, rows, record)
    row.correct(_NAME, subject, name)
    emotion = _emotion(row)
    moments = row.moments("Onset", "Apex", "Offset", open_end=True)
    return row.clip(_NAME, subject, name, emotion, moments), key


def _read(seen: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = find_clips(seen, _key, lambda clip: clip.parent.parent)
    if not folders:
        raise FileError(f"{seen.root}: no clip folder of 4DME in it or below; expected e.g. gray_micro/SUBJECT/CLIP")
    table = find_table(seen, _OFFICIAL, READER.named, _read_table)
    join = Join(seen.root, seen.pictures, reach=1)
    people = {_part(path.parent.name): path.parent.name for path in folders.values()}
    rows: dict[_Key, Record] = {}
    for record in table.records.rows:
        clip, key = _annotated(record, rows, people)
        folder = folders.get(key) if key else None
        join.add(clip, folder, f"no folder {clip.subject}/{clip.clip} on disk", rebase=True)
    notes = [table.described, *image_notes, *table.notes]
    if len(table.records.rows) > 145:
        notes.append(_SWAPPED)
    return join.done(_NAME, folders.values(), (table.path,), notes, Expected())


_SWAPPED = "a user of the data reports rows 146 and 147 of the release as swapped; they are read as they stand: look"
_OFFICIAL = ("4DME_Labelling_Micro_release v1.xlsx",)

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
        Table(
            _OFFICIAL[0],
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
    named=("4dme", "micro_and_macro-expression_labels"),
    clue=_clue,
    read=_read,
    datasets=(_NAME,),
    remark=_SWAPPED[0].upper() + _SWAPPED[1:] + ".",
)
