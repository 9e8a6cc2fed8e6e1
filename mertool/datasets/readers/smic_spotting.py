"""SMIC-E-Long: SMIC-E's HS clips as its spotting table has them, one row a video with a triple an expression.

Source: docs/datasets.md, section 4.1 (c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...clips import Clip
from ...errors import DataError
from ..annotations import Annotations, Expected, Join, middle_of
from ..frames import Frames, index_frames
from ..labels import canonical_emotion
from ..reader import Table
from ..rows import Row, said
from ..survey import Folder, Survey, find_clips
from ..tables import Line, Record, column_key, read_sheets, tables_above, whole_number
from .smic import EMOTIONS, FURTHER_NAMES, NO_APEX, clip_key, clip_name

__all__ = ["SPOTTING", "read_spotting"]

_COLUMNS = {
    "subject": "subject",
    "video_name": "videoname",
    "NumME": "numme",
    "StartFrame": "startframe",
    "Endframe": "endframe",
}
_CLASSES = tuple(EMOTIONS.values())

SPOTTING = Table(
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


class _Video(NamedTuple):
    """A row: its number, its first columns, and type, onset and offset of each expression."""

    number: int
    values: dict[str, str]
    expressions: list[tuple[str, str, str]]


def read_spotting(seen: Survey) -> Annotations | None:
    """The clips of a spotting table in or above the folder; None where there is no such table.

    Raises:
        DataError: It has no rows, or a clip's folder is there twice.
    """
    places = [*seen.tables, *(path for _, path in tables_above(seen.root, ("spot",)))]
    found = ((path, videos) for path in places if "spot" in path.name.lower() and (videos := _videos(path)) is not None)
    table, videos = next(found, (None, None))
    if table is None or videos is None:
        return None
    folders, notes = find_clips(seen, _key, lambda clip: clip.parent.parent)
    join = Join(seen.root, seen.pictures, reach=2)
    met: set[tuple[int | None, str]] = set()
    for video in videos:
        name = video.values["video_name"]
        who = whole_number(video.values["subject"].lower().removeprefix("s"))
        key = (who, name.lower())
        folder = None if who is None else folders.get((who, name.lower()))
        frames = index_frames(folder) if folder else None
        for clip in _clips(video, who, frames, key in met):
            join.add(clip, folder, f"no folder {clip.subject}/{name} on disk")
        met.add(key)
    if not join.clips:
        raise DataError(f"{table}: no row follows the header")
    described = f"table {seen.shown(table)}, {len(videos)} rows, of SMIC-E-Long for spotting"
    return join.done("smic-e", folders.values(), (table,), [described, *notes, NO_APEX], Expected())


def _key(folder: Folder) -> tuple[int, str] | None:
    """Subject and video of a folder such as s01/VIDEO."""
    subject = re.fullmatch(r"s?([0-9]{1,4})", folder.path.parent.name, re.ASCII | re.IGNORECASE)
    return (int(subject[1]), folder.path.name.lower()) if subject and folder.picture else None


def _videos(path: Path) -> list[_Video] | None:
    for _, lines in read_sheets(path):
        for place, header in enumerate(lines):
            keys = [column_key(cell) for cell in header.cells]
            starts = [at for at, key in enumerate(keys) if key.startswith("metype")]
            if not starts or any(keys.count(spelt) != 1 for spelt in _COLUMNS.values()):
                continue
            columns = {name: keys.index(spelt) for name, spelt in _COLUMNS.items()}
            read = (_video(line, columns, starts) for line in lines[place + 1 :])
            return [video for video in read if video.values["video_name"] or any(map(any, video.expressions))]
    return None


def _video(line: Line, columns: dict[str, int], starts: list[int]) -> _Video:
    cells = (*line.cells, *("",) * (max(*columns.values(), *starts) + 3))
    expressions = [(cells[at], cells[at + 1], cells[at + 2]) for at in starts]
    return _Video(line.number, {name: cells[at] for name, at in columns.items()}, [e for e in expressions if any(e)])


def _clips(video: _Video, subject: int | None, frames: Frames | None, again: bool) -> Iterator[Clip]:
    values = video.values
    for place, (kind, first, last) in enumerate(video.expressions or [("", "", "")]):
        row = Row(Record(video.number, {**values, "ME_Type": kind, "onset": first, "offset": last}))
        if again:
            row.refuse(f"{values['video_name']} stands there twice")
        key = clip_key(values["video_name"])
        if subject is None or (key and subject != key[0]):
            row.expect("subject", str(key[0]) if key else "a number")
        if not values["video_name"]:
            row.expect("video_name", "the name of a folder")
        if whole_number(values["NumME"]) != len(video.expressions):
            row.refuse(f"NumME is {said(values['NumME'])}, but {len(video.expressions)} expressions are given")
        emotion = EMOTIONS.get(kind.lower(), canonical_emotion(kind))
        if emotion not in _CLASSES:
            row.expect("ME_Type", f"one of {', '.join(_CLASSES)}")
        onset, offset = row.whole("onset"), row.whole("offset")
        if onset is not None and offset is not None and offset <= onset:
            row.refuse(f"offset {offset} does not lie behind onset {onset}")
        onset, offset = _in_folder(row, onset or 0, offset or 0, frames)
        name = clip_name(key) if key else values["video_name"]
        if place:
            further = FURTHER_NAMES.get(key, ()) if key else ()
            name = clip_name(further[place - 1]) if place <= len(further) else f"{name}+{place}"
        who = f"s{subject}" if subject is not None else values["subject"]
        yield row.clip("smic-hs", who, name, emotion, (onset, middle_of(onset, offset), offset))


def _in_folder(row: Row, onset: int, offset: int, frames: Frames | None) -> tuple[int, int]:
    """Onset and offset in the numbers of the folder, which may begin at 1 where the recording began at StartFrame."""
    start = whole_number(row["StartFrame"])
    held = min(frames.names) if frames and frames.names else None
    if start is None or held is None or start == held or onset < start:
        return onset, offset
    row.say(f"frames {onset}..{offset} are those of the recording, which begins at {start} and in the folder at {held}")
    return onset - start + held, offset - start + held
