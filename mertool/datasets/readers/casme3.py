"""CAS(ME)^3, part A: 860 micro-expressions of 94 subjects at 30 fps, in whole recordings or cut clips.

A clip is known by subject, letter of the recording and onset, since each letter has several. Source:
docs/datasets.md, section 10.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...clips import Clip
from ...errors import FileError
from ..annotations import Annotations, Expected, Join
from ..frames import index_frames
from ..reader import Reader, Table
from ..rows import Row
from ..survey import Folder, Survey, find_clips, find_table
from ..tables import Record, Records, read_records

__all__ = ["READER"]

_NAME = "casme3"
_COLUMNS = {
    "Subject": ("subject", "sub"),
    "Filename": ("filename", "seq"),
    "Onset": ("onset",),
    "Apex": ("apex",),
    "Offset": ("offset",),
    "emotion": ("emotion",),
}
_TYPE = {"Expression type": ("expressiontype",)}
_EMOTIONS = ("anger", "disgust", "fear", "happiness", "other", "sadness", "surprise")
_EXPECTED = Expected(
    860,
    94,
    {"anger": 64, "disgust": 250, "fear": 86, "happiness": 55, "other": 161, "sadness": 57, "surprise": 187},
)
_SUBJECT = re.compile(r"spno\.?([0-9]{1,6})", re.ASCII | re.IGNORECASE)
_LETTER = re.compile(r"[a-z]", re.ASCII | re.IGNORECASE)
_CUT = re.compile(r"spno\.?([0-9]{1,6})_([a-z])_([0-9]{1,9})", re.ASCII | re.IGNORECASE)

_NOT_READ = re.compile(r"(?<![a-z])mae(?![a-z])|^depth$", re.IGNORECASE)  # Part_A_MaE_clip: macro-expressions

_DEPTH = re.compile(r"/depth$", re.IGNORECASE)

_Key = tuple[int, str, str]  # subject; letter, with a number for the derived layout e2; onset of a cut clip, or ""


def _key(folder: Folder) -> _Key | None:
    """What a folder holds: a cut clip spNo.1_a_355, or a recording spNO.1/a or spNO.1/a/color. Depth is left out."""
    path = folder.path
    if not folder.picture or any(_NOT_READ.search(name) for name in path.parts):
        return None
    cut = _CUT.fullmatch(path.name)
    if cut:
        return int(cut[1]), cut[2].lower(), str(int(cut[3]))
    if path.name.lower() in ("color", "colour"):
        path = path.parent
    subject = _SUBJECT.fullmatch(path.parent.name)
    if subject and re.fullmatch(r"[a-z][0-9]*", path.name, re.ASCII | re.IGNORECASE):
        return int(subject[1]), path.name.lower(), ""
    return None


def _root(clip: Path) -> Path:
    if _CUT.fullmatch(clip.name):
        return clip.parent
    return (clip.parent if clip.name.lower() in ("color", "colour") else clip).parent.parent


def _clue(seen: Survey) -> str | None:
    found = next((f.path for f in seen.folders if _key(f)), None)
    return f"the folder {seen.shown(found)}" if found else None


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS, _TYPE, named=("Subject", _SUBJECT))


def _annotated(record: Record, rows: dict[_Key, Record], typed: bool) -> tuple[Clip, _Key | None]:
    row = Row(record)
    if typed and not row["Expression type"].lower().startswith(("mi", "me")):
        row.expect("Expression type", "micro or macro")
    number, letter = _SUBJECT.fullmatch(row["Subject"]), row["Filename"].lower()
    if number is None:
        row.expect("Subject", "e.g. spNO.1")
    if not _LETTER.fullmatch(letter):
        row.expect("Filename", "a letter")
    subject = f"spNO.{int(number[1])}" if number else row["Subject"]
    onset = row.whole("Onset")
    known = number is not None and onset is not None and bool(_LETTER.fullmatch(letter))
    key = (int(number[1]), letter, str(onset)) if known and number else None
    row.first_of(key, rows, record)
    name = f"{letter}_{onset}" if key else f"{row['Filename']}_{row['Onset']}"
    row.correct(_NAME, subject, name)
    emotion = row.emotion("emotion", _EMOTIONS)
    moments = row.moments("Onset", "Apex", "Offset", open_end=True) if onset is not None else (0, 0, 0)
    return row.clip(_NAME, subject, name, emotion, moments), key


class _Recordings:
    """The folder of each clip, in whichever layout."""

    def __init__(self, folders: dict[_Key, Path]) -> None:
        self._folders = folders
        self._parts: dict[tuple[int, str], list[Path]] = {}
        for (subject, letter, onset), path in sorted(folders.items()):
            if not onset and len(letter) > 1:  # the derived layout numbers what a recording holds: e, e2, ...
                self._parts.setdefault((subject, letter[0]), []).append(path)

    def find(self, key: _Key) -> Path | None:
        """The cut clip, or the recording; of numbered parts the one that holds the onset."""
        subject, letter, onset = key
        path = self._folders.get(key)
        if path is not None:
            return path
        whole = self._folders.get((subject, letter, ""))
        parts = self._parts.get((subject, letter), [])
        if not parts:
            return whole
        for part in [*([whole] if whole else []), *parts]:
            if int(onset) in index_frames(part).names:
                return part
        return whole


def _read(seen: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = find_clips(seen, _key, _root)
    if not folders:
        raise FileError(
            f"{seen.root}: no folder of CAS(ME)^3 in it or below; "
            "expected e.g. spNO.1/a/color/355.jpg or spNo.1_a_355/355.jpg"
        )
    table = find_table(seen, _OFFICIAL, READER.named, _read_table, ignored=("_mae_", "error_list"))
    typed = any(record.values["Expression type"] for record in table.records.rows)
    join = Join(seen.root, seen.pictures, reach=1)
    recordings = _Recordings(folders)
    rows: dict[_Key, Record] = {}
    macro = 0
    for record in table.records.rows:
        if record.values["Expression type"].lower().startswith("ma"):
            macro += 1
            continue
        clip, key = _annotated(record, rows, typed)
        folder = recordings.find(key) if key else None
        missing = f"no folder {clip.subject}/{clip.clip.partition('_')[0]} nor {clip.subject}_{clip.clip} on disk"
        join.add(clip, folder, missing)
    notes = [*image_notes, *table.notes]
    if macro:
        notes.append(f"{macro} macro-expressions of the table are not read")
    cut = [path for key, path in folders.items() if key[2]]
    return join.done(_NAME, cut, (table.path,), [table.described, *notes], _EXPECTED, unread=_DEPTH)


_OFFICIAL = (
    "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
    "cas(me)3_part_A_ME_label_JpgIndex_v2_20250903.xlsx",
    "cas(me)3_part_A_ME_label_JpgIndex_v1.xls",
)

READER = Reader(
    name=_NAME,
    title="CAS(ME)^3, part A",
    tree="""
part_A/
  annotation/
    cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx
  data/part_A_split/part_A/
    spNO.1/                       subject
      a/                          recording, a letter
        color/                    (depth is not read)
          355.jpg                 frame, not padded
  or Part_A_ME_clip/frame/spNo.1_a_355/355.jpg, cut clips: subject_letter_onset
""",
    tables=(
        Table(
            _OFFICIAL[0],
            (
                ("Subject", "spNO.1"),
                ("Filename", "a"),
                ("Onset", "355"),
                ("Apex", "362"),
                ("Offset", "371"),
                ("emotion", "disgust"),
            ),
            "An offset of 0 stands for not annotated: the clip ends at its apex.",
        ),
    ),
    named=("cas(me)3", "cas(me)^3", "casme3"),
    clue=_clue,
    read=_read,
    datasets=(_NAME,),
)
