"""SMIC-E: the clips of SMIC with the frames around them; a table says where the expressions are.

One long clip may hold several expressions: each becomes a clip of its own, under the name that SMIC's short clips give
it. Clips carry SMIC's ids, since they are the same moments. Source: docs/datasets.md, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from ...clips import BAD_ANNOTATION, OK, Clip
from ...errors import FileError, MertoolError
from ...text import few
from ..annotations import Annotations, Expected, Join, middle_of
from ..reader import Reader, Table
from ..rows import Row, said
from ..survey import Folder, Survey, find_clips, find_table
from ..tables import Record, Records, read_records, whole_number
from .smic import (
    CAMERAS,
    CLIP,
    COUNTS,
    EMOTIONS,
    FURTHER_NAMES,
    NO_APEX,
    UNNAMED,
    Key,
    camera_in,
    camera_of,
    choose_camera,
    clip_key,
    clip_name,
    image_root,
)
from .smic_spotting import SPOTTING, read_spotting

__all__ = ["READER"]

_NAME = "smic-e"
_COLUMNS = {
    "Subject": ("subject",),
    "Filename": ("filename", "material", "clip"),
    "OnsetF": ("onsetf", "onsetfhs", "onsetfvis", "onsetfnir", "onset"),
    "OffsetF": ("offsetf", "offsetfhs", "offsetfvis", "offsetfnir", "offset"),
    "Emotion": ("emotion", "label"),
}
_FURTHER = {
    name: (name.lower(),) for name in ("Onset2F", "Offset2F", "Onset3F", "Offset3F", "FirstF", "LastF", "TotalMF1")
}
_INTERVALS = (("OnsetF", "OffsetF"), ("Onset2F", "Offset2F"), ("Onset3F", "Offset3F"))
_MOTHER = {further: mother for mother, all_further in FURTHER_NAMES.items() for further in all_further}
_CLASSES = tuple(EMOTIONS.values())
_COUNTS = {  # 157 long clips of HS hold 161 expressions
    "hs": Expected(161, COUNTS["hs"].subjects, {"negative": 68, "positive": 51, "surprise": 42}),
    "vis": COUNTS["vis"],
    "nir": COUNTS["nir"],
}


def _key(folder: Folder, root: Path) -> tuple[str, Key] | None:
    """The clip of a folder such as s01/s1_ne_01; a short clip lies in negative/ instead."""
    key = clip_key(folder.path.name)
    if key is None or not re.fullmatch(r"s0*[0-9]+", folder.path.parent.name, re.ASCII | re.IGNORECASE):
        return None
    return camera_of(folder.path.parent, root) or UNNAMED, key


def _clue(seen: Survey) -> str | None:
    found = next((f.path for f in seen.folders if _key(f, seen.root)), None)
    return f"the clip folder {seen.shown(found)}" if found else None


def _read_table(path: Path, camera: str) -> Records | None:
    """A camera's records in a table that names this camera or none; of a workbook of another one, its sheet of this."""
    named = camera_in(path.stem)

    def is_ours(sheet: str) -> bool:
        of = sheet.strip().lower()
        return of == camera or (of not in CAMERAS and named in (None, camera))

    if named not in (None, camera) and path.suffix.lower() == ".csv":
        return None
    return read_records(path, _COLUMNS, _FURTHER, named=("Filename", CLIP), sheets=is_ours)


def _interval(row: Row, number: int, previous: tuple[int, int]) -> tuple[int, int] | None:
    """One further expression of a long clip; None where its columns hold nothing to be trusted.

    Broken formulas give numbers below FirstF, a copy of the interval before it, or one before that.
    """
    onset, offset = (whole_number(row[name]) for name in _INTERVALS[number])
    if onset is None or offset is None or not previous[1] < onset < offset:
        return None
    first, last = whole_number(row["FirstF"]), whole_number(row["LastF"])
    inside = (first is None or first <= onset) and (last is None or offset <= last)
    return (onset, offset) if inside else None


def _offset_from_total(row: Row) -> None:
    """OffsetF is a formula, OnsetF + TotalMF1 - 1, which some exports lose."""
    onset, total = whole_number(row["OnsetF"]), whole_number(row["TotalMF1"])
    if whole_number(row["OffsetF"]) is None and onset is not None and total:
        row.replace("OffsetF", str(onset + total - 1))
        row.say(f"OffsetF is missing; OnsetF + TotalMF1 - 1 = {onset + total - 1} is used")


def _first(record: Record, rows: dict[Key, Record], dataset: str) -> tuple[Clip, Key | None, Row]:
    """The expression that a row is named after."""
    row = Row(record)
    key = clip_key(row["Filename"])
    if key is None:
        row.expect("Filename", "e.g. s1_ne_01")
    row.first_of(key, rows, record)
    number = whole_number(row["Subject"].lower().removeprefix("s"))
    if number is None or (key is not None and number != key[0]):
        row.expect("Subject", str(key[0]) if key else "a number")
    name = clip_name(key) if key else row["Filename"]
    subject = f"s{key[0]}" if key else (f"s{number}" if number is not None else row["Subject"])
    row.correct("smic", subject, name)
    emotion = row.emotion("Emotion", _CLASSES)
    if emotion in _CLASSES and key and emotion != EMOTIONS[key[1]]:
        row.refuse(f"Emotion is {said(emotion)}, but the name says {EMOTIONS[key[1]]}")
    _offset_from_total(row)
    onset, offset = row.whole("OnsetF"), row.whole("OffsetF")
    if onset is not None and offset is not None and offset <= onset:
        row.refuse(f"OffsetF {offset} does not lie behind OnsetF {onset}")
    onset, offset = onset or 0, offset or 0
    return row.clip(dataset, subject, name, emotion, (onset, middle_of(onset, offset), offset)), key, row


def _further(clip: Clip, key: Key, row: Row, own: Collection[Key | None]) -> Iterator[tuple[Clip, Key]]:
    """The other expressions of a long clip; not those that have a row of their own, as in older tables."""
    previous = (clip.onset, clip.offset)
    names = FURTHER_NAMES.get(key, ())
    for place in (1, 2):
        further = names[place - 1] if place <= len(names) else None
        found = None if further in own else _interval(row, place, previous)
        if found is None:
            if further is not None and further not in own:
                why = f"row {row.number}: no interval of it in Onset{place + 1}F and Offset{place + 1}F"
                yield _unknown(clip, further, why), further
            continue
        previous = found
        unnamed = f"expression {place + 1} of the long clip {clip.clip}, which has no name of its own"
        yield (
            replace(
                clip,
                clip=clip_name(further) if further else f"{clip.clip}+{place}",
                onset=found[0],
                apex=middle_of(*found),
                offset=found[1],
                detail="" if further else unnamed,
            ),
            further or key,
        )


def _unknown(clip: Clip, key: Key, why: str) -> Clip:
    """An expression that SMIC has, but the row of its long clip does not place."""
    name = clip_name(key)
    return replace(clip, clip=name, onset=-1, apex=-1, offset=-1, status=BAD_ANNOTATION, detail=why)


def _read(seen: Survey, part: str | None) -> Annotations:
    folders, image_notes = find_clips(seen, lambda folder: _key(folder, seen.root), image_root)
    cameras: dict[str, dict[Key, Path]] = {}
    for (camera, name), path in folders.items():
        cameras.setdefault(camera, {})[name] = path
    if not cameras:
        long = read_spotting(seen)
        if long is None:
            raise FileError(f"{seen.root}: no clip folder of SMIC-E in it or below; expected e.g. s01/s1_ne_01")
        return long
    camera, notes = choose_camera(seen, cameras, part, _NAME)
    there = cameras[camera]
    try:
        table = find_table(
            seen, _official(camera), READER.named, lambda path: _read_table(path, camera), ignored=("spot",)
        )
    except MertoolError:
        long = read_spotting(seen)
        if long is None:
            raise
        return long
    join = Join(seen.root, seen.pictures, reach=2 if camera == "hs" else 1)
    rows: dict[Key, Record] = {}
    dropped = []
    own = {clip_key(record.values["Filename"]) for record in table.records.rows}
    for record in table.records.rows:
        clip, key, row = _first(record, rows, f"smic-{camera}")
        more = list(_further(clip, key, row, own)) if clip.status == OK and key else []
        given = sum(bool(whole_number(row[onset])) for onset, _ in _INTERVALS[1:])
        if sum(made.status == OK for made, _ in more) < given and not own & set(
            FURTHER_NAMES.get(key or (0, "", 0), ())
        ):
            dropped.append(record.number)
        for made, place in [(clip, key), *more]:
            folder = there.get(place) or there.get(_MOTHER.get(place, place)) if place else None
            join.add(made, folder, f"no folder {made.subject}/{made.clip} on disk")
    if dropped:
        rows_said = few([str(number) for number in dropped], 10)
        notes.append(f"further intervals (2, 3) outside FirstF..LastF or not behind the one before: row {rows_said}")
    notes = [table.described, *notes, *image_notes[1:], *table.notes, NO_APEX]
    return join.done(_NAME, there.values(), (table.path,), notes, _COUNTS[camera])


def _official(camera: str) -> tuple[str, ...]:
    name = camera.upper()
    return (
        f"SMIC-{name}-E_annotation_2019.xlsx",
        f"SMIC-{name}-E_annotation.xlsx",
        f"SMIC_{name}_E_annotation.xlsx",
        f"SMIC-{name}-E_annotation_orig.xlsx",
    )


READER = Reader(
    name=_NAME,
    title="SMIC-E, long clips",
    tree="""
SMIC-E_raw image/
  HS_long/                        camera: HS, VIS or NIR; HS where several are there
    SMIC-HS-E_annotation.xlsx     (here or below)
    SMIC-HS-E/
      s01/                        subject, padded
        s1_ne_01/                 clip, not padded
          image559740.jpg         frame, from before the expression to behind it
""",
    tables=(
        Table(
            "SMIC-HS-E_annotation_2019.xlsx",
            (
                ("Subject", "1"),
                ("Filename", "s1_ne_01"),
                ("OnsetF", "559740"),
                ("OffsetF", "559778"),
                ("Onset2F", ""),
                ("Offset2F", ""),
                ("FirstF", "559520"),
                ("LastF", "559990"),
                ("Emotion", "negative"),
            ),
            "A further interval (2, 3) counts if it lies within FirstF..LastF and behind the one before it.",
        ),
        SPOTTING,
    ),
    named=("smic",),
    clue=_clue,
    read=_read,
    datasets=("smic", *(f"smic-{camera}" for camera in CAMERAS)),
    parts=tuple(f"{_NAME}-{camera}" for camera in CAMERAS),
    remark="Clips carry SMIC's ids (smic-hs/s1/s1_ne_01): they are the same moments as the short clips.",
)
