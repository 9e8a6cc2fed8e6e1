"""CAS(ME)^3, part A: 860 micro-expressions of 94 subjects at 30 fps, in whole recordings or cut clips.

A clip is known by subject, letter of the recording and onset, since each letter has several. Source:
docs/datasets.md, section 10.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from ...clips import Clip
from ..annotations import AnnotationBuilder, Annotations, Expected
from ..frames import index_frames
from ..reader import Reader, TableDescription
from ..rows import Row
from ..survey import ClipFolders, Folder, Survey
from ..table_search import TableFormat
from ..tables import Columns, Records, read_records

__all__ = ["READER"]

_NAME = "casme3"
_EMOTIONS = ("anger", "disgust", "fear", "happiness", "other", "sadness", "surprise")
_EXPECTED = Expected(
    860,
    94,
    {"anger": 64, "disgust": 250, "fear": 86, "happiness": 55, "other": 161, "sadness": 57, "surprise": 187},
)
_SUBJECT = re.compile(r"spno\.?([0-9]{1,6})", re.ASCII | re.IGNORECASE)
_LETTER = re.compile(r"[a-z]", re.ASCII | re.IGNORECASE)
_RECORDING = re.compile(r"[a-z][0-9]*", re.ASCII | re.IGNORECASE)
_CUT = re.compile(r"spno\.?([0-9]{1,6})_([a-z])_([0-9]{1,9})", re.ASCII | re.IGNORECASE)
_COLOUR = ("color", "colour")
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
    if path.name.lower() in _COLOUR:
        path = path.parent
    subject = _SUBJECT.fullmatch(path.parent.name)
    if subject and _RECORDING.fullmatch(path.name):
        return int(subject[1]), path.name.lower(), ""
    return None


def _root(clip: Path) -> Path:
    if _CUT.fullmatch(clip.name):
        return clip.parent
    if clip.name.lower() in _COLOUR:
        clip = clip.parent
    return clip.parent.parent


_FOLDERS = ClipFolders("CAS(ME)^3", "folder", "spNO.1/a/color/355.jpg or spNo.1_a_355/355.jpg", _key, _root)

_COLUMNS = Columns(
    {
        "Subject": ("subject", "sub"),
        "Filename": ("filename", "seq"),
        "Onset": ("onset",),
        "Apex": ("apex",),
        "Offset": ("offset",),
        "emotion": ("emotion",),
    },
    clip="Subject",
    clip_pattern=_SUBJECT,
    optional={"Expression type": ("expressiontype",)},
)


def _read_table(path: Path) -> Records | None:
    return read_records(path, _COLUMNS)


_TABLE = TableFormat(
    (
        "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        "cas(me)3_part_A_ME_label_JpgIndex_v2_20250903.xlsx",
        "cas(me)3_part_A_ME_label_JpgIndex_v1.xls",
    ),
    ("cas(me)3", "cas(me)^3", "casme3"),
    _read_table,
    ignored=("_mae_", "error_list"),
)


def _clip_of(row: Row, typed: bool) -> tuple[Clip, _Key | None]:
    """The row as a clip; `typed` if the table says which rows are micro-expressions."""
    if typed and not row["Expression type"].lower().startswith(("mi", "me")):
        row.expect("Expression type", "micro or macro")
    number, letter = _SUBJECT.fullmatch(row["Subject"]), _LETTER.fullmatch(row["Filename"])
    if number is None:
        row.expect("Subject", "e.g. spNO.1")
    if letter is None:
        row.expect("Filename", "a letter")
    subject = f"spNO.{int(number[1])}" if number else row["Subject"]
    onset = row.whole("Onset")
    key, name = None, f"{row['Filename']}_{row['Onset']}"
    if number and letter and onset is not None:
        key = (int(number[1]), letter[0].lower(), str(onset))
        name = f"{key[1]}_{onset}"
    row.check_duplicate(key)
    row.correct(_NAME, subject, name)
    emotion = row.emotion("emotion", _EMOTIONS)
    key_frames = (0, 0, 0)
    if onset is not None:
        key_frames = row.key_frames("Onset", "Apex", "Offset", open_end=True)
    return row.make_clip(_NAME, subject, name, emotion, key_frames), key


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
        for part in (whole, *parts):
            if part is not None and int(onset) in index_frames(part).names:
                return part
        return whole


def _lacking(clip: Clip) -> str:
    letter = clip.name.partition("_")[0]
    return f"no folder {clip.subject}/{letter} nor {clip.subject}_{clip.name} on disk"


def _read(survey: Survey, part: str | None) -> Annotations:  # noqa: ARG001
    folders, image_notes = _FOLDERS.find(survey)
    table = _TABLE.find(survey)
    types = [record.values["Expression type"] for record in table.records.rows]
    micro = [record for record in table.records.rows if not record.values["Expression type"].lower().startswith("ma")]
    builder = AnnotationBuilder(survey, _NAME, max_gap=1)
    builder.add_rows(micro, partial(_clip_of, typed=any(types)), _Recordings(folders).find, lacking=_lacking)
    sources = [table.description, *image_notes, *table.notes]
    n_macro = len(table.records.rows) - len(micro)
    if n_macro:
        sources.append(f"{n_macro} macro-expressions of the table are not read")
    cut_clips = [path for key, path in folders.items() if key[2]]
    return builder.build((table.path,), sources, folders=cut_clips, expected=_EXPECTED, ignored=_DEPTH)


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
        TableDescription(
            _TABLE.official[0],
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
    named=_TABLE.named,
    detect=_FOLDERS.detect,
    read=_read,
    datasets=(_NAME,),
)
