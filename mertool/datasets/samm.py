"""SAMM: 159 micro-expressions of 29 subjects, one folder a clip, one Excel table.

Source: reference/datasets.md, sections 0 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..clips import BAD_ANNOTATION, MISSING_FRAME, OK, Clip
from ..errors import DataError, FileError
from .annotations import Annotations, Expected, middle_of, with_frames
from .frames import index_frames, shown, walk
from .labels import canonical_emotion
from .tables import Record, Records, choose_table, is_table, read_records, whole_number

__all__ = ["CLUE", "EXPECTED", "NAME", "read", "recognise"]

NAME = "samm"
CLUE = "clip folders such as 006/006_1_2, or a table named like SAMM_Micro_FACS_Codes_v2.xlsx"
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

_TABLE = "SAMM_Micro_FACS_Codes_v2.xlsx"
_COLUMNS = {
    "Subject": ("subject",),
    "Filename": ("filename",),
    "Onset Frame": ("onsetframe", "onset"),
    "Apex Frame": ("apexframe", "apex"),
    "Offset Frame": ("offsetframe", "offset"),
    "Estimated Emotion": ("estimatedemotion", "emotion"),
}
_DURATION = {"Duration": ("duration",)}
_CLIP = re.compile(r"([0-9]{1,3})_([0-9]{1,3})_([0-9]{1,3})", re.ASCII)
_NOT_ANNOTATED = ("", "/", "\\")

_Key = tuple[int, int, int]  # subject, inducement, serial: names compare by value, whatever their padding


def recognise(folder: Path) -> bool:
    """Whether the folder shows the clue of SAMM, in it or below."""
    return any(
        any(map(_key, folders)) or any(is_table(name) and "samm" in name.lower() for name in files)
        for _, folders, files in walk(folder)
    )


def read(folder: Path) -> Annotations:
    """The clips of SAMM: its table joined with the frame folders in `folder` or below.

    Raises:
        FileError: No clip folder or no table is there, or something cannot be read.
        DataError: The table cannot be used, or clips are there in two copies.
    """
    folders, tables = _scan(folder)
    if not folders:
        raise FileError(
            f"{folder}: no clip folder of SAMM in it or below; expected e.g. 006/006_1_2 with 006_05562.jpg and so on"
        )
    table, records, notes = choose_table(folder, tables, _TABLE, NAME, _read_table)
    clips: list[Clip] = []
    rows: dict[_Key, Record] = {}
    absent: set[str] = set()
    for record in records.rows:
        clip = _annotated(record, rows)
        key = _key(clip.clip)
        if clip.status == OK and key is not None:
            path = folders.get(key)
            if path is None:
                absent.add(clip.id)
                clip = replace(clip, status=MISSING_FRAME, detail=f"no folder {clip.subject}/{clip.clip} on disk")
            else:
                clip = with_frames(clip, index_frames(path), shown(path, folder))
        clips.append(clip)
    strays = tuple(shown(path, folder) for key, path in sorted(folders.items()) if key not in rows)
    return Annotations(
        NAME,
        tuple(clips),
        table,
        (
            f"table {shown(table, folder)}, header in row {records.header}, {len(clips)} rows",
            f"image root {', '.join(sorted({shown(_root(path), folder) for path in folders.values()}))}",
            *notes,
            *_remarks(records, clips, absent, strays),
        ),
        frozenset(absent),
        strays,
    )


def _key(name: str) -> _Key | None:
    parts = _CLIP.fullmatch(name)
    return (int(parts[1]), int(parts[2]), int(parts[3])) if parts else None


def _scan(folder: Path) -> tuple[dict[_Key, Path], list[Path]]:
    """Clip folders by key, and table files, in `folder` or below."""
    clips: dict[_Key, Path] = {}
    tables: list[Path] = []
    for here, folders, files in walk(folder):
        tables += [here / name for name in files if is_table(name)]
        for name in list(folders):
            key = _key(name)
            if key is None:
                continue
            folders.remove(name)  # nothing but frames below
            other = clips.setdefault(key, here / name)
            if not other.samefile(here / name):
                raise DataError(
                    f"{folder}: clip {name} is there twice: {shown(other, folder)} and {shown(here / name, folder)}; "
                    f"give the folder of one copy, e.g. {shown(_root(other), folder)}"
                )
    return clips, tables


def _root(clip: Path) -> Path:
    """The image root above a clip folder; between them lies the subject's folder, as a rule."""
    key, subject = _key(clip.name), clip.parent.name
    between = key is not None and subject.isascii() and subject.isdigit() and int(subject) == key[0]
    return clip.parent.parent if between else clip.parent


def _read_table(path: Path) -> Records | None:
    """The records of a SAMM table; None for another table. CASME II's has the same columns but other clip names."""
    records = read_records(path, _COLUMNS, _DURATION)
    return records if records and any(_key(row.values["Filename"]) for row in records.rows) else None


def _annotated(record: Record, rows: dict[_Key, Record]) -> Clip:
    """A row as a clip without frames: status ok, or bad_annotation with all that is wrong with it.

    `rows` holds the first row of each clip so far; this one is added.
    """
    value = record.values
    key = _key(value["Filename"])
    subject = whole_number(value["Subject"])
    emotion = canonical_emotion(value["Estimated Emotion"])
    onset, apex, offset = (whole_number(value[f"{name} Frame"]) for name in ("Onset", "Apex", "Offset"))
    wrong = []
    if key is None:
        wrong.append(f"Filename is {_said(value['Filename'])}, expected e.g. 006_1_2")
    elif key in rows:
        wrong.append(_double(record, rows[key]))
    else:
        rows[key] = record
    if subject is None or (key is not None and subject != key[0]):
        wrong.append(f"Subject is {_said(value['Subject'])}, expected {f'{key[0]:03d}' if key else 'a number'}")
    if emotion not in EXPECTED.emotions:
        wrong.append(f"Estimated Emotion is {_said(emotion)}, expected one of {', '.join(EXPECTED.emotions)}")
    if apex is None and value["Apex Frame"] not in _NOT_ANNOTATED:
        wrong.append(f"Apex Frame is {_said(value['Apex Frame'])}, expected a whole number")
    for name, number in (("Onset Frame", onset), ("Offset Frame", offset)):
        if number is None or number < 0:
            wrong.append(f"{name} is {_said(value[name])}, expected a whole number from 0")
    if onset is not None and offset is not None and offset < onset:
        wrong.append(f"Offset Frame {offset} lies before Onset Frame {onset}")
    clip = Clip(
        clip=f"{key[0]:03d}_{key[1]}_{key[2]}" if key else value["Filename"] or f"row {record.number}",
        dataset=NAME,
        subject=f"{key[0] if key else subject:03d}" if key or subject is not None else value["Subject"],
        emotion=emotion,
    )
    if wrong or onset is None or offset is None:
        return replace(clip, status=BAD_ANNOTATION, detail=f"row {record.number}: {'; '.join(wrong)}")
    said = []
    if apex is None or not onset <= apex <= offset:
        middle = middle_of(onset, offset)
        what = f"apex {apex} lies outside" if apex is not None else "no apex is given for"
        said.append(f"{what} onset..offset {onset}..{offset}; their middle {middle} is used")
        apex = middle
    duration = whole_number(value["Duration"])
    if duration not in (None, offset - onset + 1):
        said.append(f"Duration is {duration}, but onset..offset {onset}..{offset} is {offset - onset + 1} frames")
    return replace(clip, onset=onset, apex=apex, offset=offset, detail="; ".join(said))


def _said(text: str) -> str:
    return repr(text) if text else "empty"


def _double(record: Record, first: Record) -> str:
    differing = [name for name, text in record.values.items() if text != first.values[name]]
    says = f"says otherwise in {', '.join(differing)}" if differing else "says the same"
    return f"double of row {first.number}, which {says}"


def _remarks(records: Records, clips: list[Clip], absent: set[str], strays: tuple[str, ...]) -> list[str]:
    remarks = []
    subjects = {clip.subject for clip in clips}
    present = {clip.subject for clip in clips if clip.id not in absent}
    if len(present) < len(subjects):
        without = ", ".join(sorted(subjects - present))
        remarks.append(f"a subset: {len(present)} of {len(subjects)} subjects are on disk, not {without}")
    if strays:
        remarks.append(f"{len(strays)} clip folders on disk without a row: {_few(strays)}")
    if records.strange:
        remarks.append(f"not read, text in no known column: row {_few([str(row) for row in records.strange])}")
    return remarks


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
