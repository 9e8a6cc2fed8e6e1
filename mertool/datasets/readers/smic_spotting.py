"""SMIC-E-Long: SMIC-E's HS clips as its spotting table has them, one row per video with a triple per expression.

Source: docs/datasets.md, section 4.1 (c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ...clips import Clip
from ...errors import AnnotationError
from ..annotations import AnnotationBuilder, Annotations
from ..frames import Frames, index_frames
from ..key_frames import middle_of
from ..labels import canonical_emotion
from ..reader import TableDescription
from ..rows import Row, cell_text
from ..sheets import Line, column_key, read_sheets, whole_number
from ..survey import Folder, Survey, find_clips
from ..table_search import tables_above
from ..tables import Record
from .smic import EMOTIONS, FURTHER_NAMES, Key, clip_key, clip_name

__all__ = ["SPOTTING", "read_spotting"]

_COLUMNS = {
    "subject": "subject",
    "video_name": "videoname",
    "NumME": "numme",
    "StartFrame": "startframe",
    "Endframe": "endframe",
}
_CLASSES = tuple(EMOTIONS.values())

SPOTTING = TableDescription(
    "SMIC_HS_E_spotting.xlsx",
    (
        ("subject", "1"),
        ("video_name", "s1_ne_01"),
        ("NumME", "1"),
        ("StartFrame", "559520"),
        ("Endframe", "559990"),
        ("ME_Type", "negative"),
        ("onset", "559740"),
        ("offset", "559778"),
    ),
    "SMIC-E-Long: cropped/s01/VIDEO/image000001.jpg; the last three columns once for each expression.",
)


_Key = tuple[int | None, str]  # subject, video


class _Expression(NamedTuple):
    """One triple of a row, as text."""

    kind: str
    onset: str
    offset: str


class _Video(NamedTuple):
    """A row: its number, its first columns, and the expressions."""

    row: int
    values: dict[str, str]
    expressions: list[_Expression]

    @property
    def name(self) -> str:
        return self.values["video_name"]

    @property
    def subject(self) -> int | None:
        return whole_number(self.values["subject"].lower().removeprefix("s"))


def read_spotting(survey: Survey) -> Annotations | None:
    """The clips of a spotting table in or above the folder; None if there is no such table.

    Raises:
        AnnotationError: It has no rows, or a clip's folder is there twice.
    """
    found = _find_table(survey)
    if found is None:
        return None
    table, videos = found
    folders, image_notes = find_clips(survey, _key, lambda clip: clip.parent.parent)
    builder = AnnotationBuilder(survey, "smic-e", max_gap=2)
    earlier: set[_Key] = set()
    for video in videos:
        key = (video.subject, video.name.lower())
        folder = folders.get(key)
        frames = index_frames(folder) if folder else None
        for clip in _clips_of(video, frames, is_duplicate=key in earlier):
            builder.add(clip, folder, f"no folder {clip.subject}/{video.name} on disk")
        earlier.add(key)
    if not builder.clips:
        raise AnnotationError(f"{table}: no row follows the header")
    description = f"table {survey.shown(table)}, {len(videos)} rows, of SMIC-E-Long for spotting"
    annotations = builder.build((table,), [description, *image_notes], folders=folders.values())
    return replace(annotations, middle_is_apex=True)


def _key(folder: Folder) -> _Key | None:
    """Subject and video of a folder such as s01/VIDEO."""
    subject = re.fullmatch(r"s?([0-9]{1,4})", folder.path.parent.name, re.ASCII | re.IGNORECASE)
    if subject is None or not folder.picture:
        return None
    return int(subject[1]), folder.path.name.lower()


def _find_table(survey: Survey) -> tuple[Path, list[_Video]] | None:
    """The first spotting table in the folder, below it or above it, and its rows."""
    for path in (*survey.tables, *(path for _, path in tables_above(survey.root, ("spot",)))):
        if "spot" in path.name.lower():
            videos = _read_videos(path)
            if videos is not None:
                return path, videos
    return None


def _read_videos(path: Path) -> list[_Video] | None:
    """The rows of a spotting table; None if it is another kind of table."""
    for _, lines in read_sheets(path):
        for i, header in enumerate(lines):
            keys = [column_key(cell) for cell in header.cells]
            starts = [at for at, key in enumerate(keys) if key.startswith("metype")]
            if not starts or any(keys.count(spelt) != 1 for spelt in _COLUMNS.values()):
                continue
            columns = {name: keys.index(spelt) for name, spelt in _COLUMNS.items()}
            videos = (_video(line, columns, starts) for line in lines[i + 1 :])
            return [video for video in videos if video.name or any(map(any, video.expressions))]
    return None


def _video(line: Line, columns: dict[str, int], starts: list[int]) -> _Video:
    cells = (*line.cells, *("",) * (max(*columns.values(), *starts) + 3))
    expressions = (_Expression(*cells[at : at + 3]) for at in starts)
    values = {name: cells[at] for name, at in columns.items()}
    return _Video(line.number, values, [expression for expression in expressions if any(expression)])


def _clips_of(video: _Video, frames: Frames | None, *, is_duplicate: bool) -> Iterator[Clip]:
    """The clip of each expression; a video without one gives a single clip, which is refused."""
    for i, expression in enumerate(video.expressions or [_Expression("", "", "")]):
        columns = {"ME_Type": expression.kind, "onset": expression.onset, "offset": expression.offset}
        row = Row(Record(video.row, {**video.values, **columns}))
        if is_duplicate:
            row.refuse(f"{video.name} stands there twice")
        key = _checked_key(row, video)
        emotion = EMOTIONS.get(expression.kind.lower(), canonical_emotion(expression.kind))
        if emotion not in _CLASSES:
            row.expect("ME_Type", f"one of {', '.join(_CLASSES)}")
        onset, offset = row.whole("onset"), row.whole("offset")
        if onset is not None and offset is not None and offset <= onset:
            row.refuse(f"offset {offset} does not lie behind onset {onset}")
        onset, offset = _in_folder(row, onset or 0, offset or 0, frames)
        subject = video.values["subject"] if video.subject is None else f"s{video.subject}"
        key_frames = (onset, middle_of(onset, offset), offset)
        yield row.make_clip("smic-hs", subject, _name(video, key, i), emotion, key_frames)


def _checked_key(row: Row, video: _Video) -> Key | None:
    """The key of a video that is named as SMIC's clips are, after the checks on its first columns."""
    key = clip_key(video.name)
    if video.subject is None or (key and video.subject != key[0]):
        row.expect("subject", str(key[0]) if key else "a number")
    if not video.name:
        row.expect("video_name", "the name of a folder")
    if whole_number(video.values["NumME"]) != len(video.expressions):
        n_given = len(video.expressions)
        row.refuse(f"NumME is {cell_text(video.values['NumME'])}, but {n_given} expressions are given")
    return key


def _name(video: _Video, key: Key | None, i: int) -> str:
    """The name of expression `i` of a video, from 0: the one that SMIC's short clips give it, if any."""
    if key is None:
        return f"{video.name}+{i}" if i else video.name
    names = (key, *FURTHER_NAMES.get(key, ()))
    return clip_name(names[i]) if i < len(names) else f"{clip_name(key)}+{i}"


def _in_folder(row: Row, onset: int, offset: int, frames: Frames | None) -> tuple[int, int]:
    """Onset and offset in the numbers of the folder, which may begin at 1 where the recording began at StartFrame."""
    start = whole_number(row["StartFrame"])
    first = min(frames.names) if frames and frames.names else None
    if start is None or first is None or start == first or onset < start:
        return onset, offset
    row.say(
        f"frames {onset}..{offset} are those of the recording, which begins at {start} and in the folder at {first}"
    )
    return onset - start + first, offset - start + first
