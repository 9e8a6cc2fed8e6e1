"""SMIC-E: the clips of SMIC with the frames around them; a table says where the expressions are.

One long clip may hold several expressions: each becomes a clip of its own, under the name that SMIC's short clips give
it. Clips carry SMIC's ids, since they are the same moments. Source: reference/datasets.md, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from ..clips import OK, Clip
from ..errors import DataError, FileError
from .annotations import Annotations, Expected, Join, middle_of
from .frames import index_frames
from .labels import canonical_emotion
from .reader import Reader, Table
from .rows import Row, remarks, said
from .smic import CAMERAS, CLIP, EMOTIONS, Key, camera_of, choose_camera, clip_key, clip_name, image_root
from .survey import Folder, Survey, find_clips
from .tables import Record, Records, choose_table, column_key, read_records, read_sheets, whole_number

__all__ = ["READER"]

_NAME = "smic-e"
_COLUMNS = {
    "Subject": ("subject",),
    "Filename": ("filename",),
    "OnsetF": ("onsetf", "onsetfhs", "onsetfvis", "onsetfnir", "onset"),
    "OffsetF": ("offsetf", "offsetfhs", "offsetfvis", "offsetfnir", "offset"),
    "Emotion": ("emotion", "label"),
}
_FURTHER = {
    name: (name.lower(),) for name in ("Onset2F", "Offset2F", "Onset3F", "Offset3F", "FirstF", "LastF", "TotalMF1")
}
_INTERVALS = (("OnsetF", "OffsetF"), ("Onset2F", "Offset2F"), ("Onset3F", "Offset3F"))
# Long clips with more than one expression, and the names of the further ones among the short clips.
_FURTHER_NAMES: dict[Key, tuple[Key, ...]] = {
    (3, "ne", 2): ((3, "ne", 3),),
    (4, "ne", 4): ((4, "ne", 5), (4, "ne", 6)),
    (9, "sur", 1): ((9, "sur", 2),),
}
_MOTHER = {further: mother for mother, all_further in _FURTHER_NAMES.items() for further in all_further}
_CLASSES = tuple(EMOTIONS.values())
_SUBJECTS = {
    "hs": (1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 18, 19, 20),
    "vis": (11, 12, 13, 14, 15, 18, 19, 20),
    "nir": (11, 12, 13, 14, 15, 18, 19, 20),
}
_COUNTS = {  # 157 long clips of HS hold 161 expressions
    "hs": Expected(161, tuple(f"s{n}" for n in _SUBJECTS["hs"]), {"negative": 68, "positive": 51, "surprise": 42}),
    "vis": Expected(71, tuple(f"s{n}" for n in _SUBJECTS["vis"]), {"negative": 23, "positive": 28, "surprise": 20}),
    "nir": Expected(71, tuple(f"s{n}" for n in _SUBJECTS["nir"]), None),
}


def _long_key(folder: Folder) -> tuple[str, Key] | None:
    """The clip of a folder such as s01/s1_ne_01; a short clip lies in negative/ instead."""
    key = clip_key(folder.path.name)
    if key is None or not re.fullmatch(r"s0*[0-9]+", folder.path.parent.name, re.ASCII | re.IGNORECASE):
        return None
    return camera_of(folder.path.parent) or "", key


def _clue(seen: Survey) -> str | None:
    found = next((f.path for f in seen.folders if _long_key(f)), None)
    return f"the clip folder {seen.shown(found)}" if found else None


def _sheet_of(camera: str) -> Callable[[str], bool]:
    """Which sheets can hold a camera's table: the workbook of HS has one of VIS as well."""

    def fits(name: str) -> bool:
        other = name.strip().lower()
        return other not in CAMERAS or other == camera

    return fits


def _tables_of(camera: str, seen: Survey) -> list[Path]:
    """The tables that may be a camera's: named after it or after none; of HS also for VIS, which it has a sheet of."""
    chosen = [path for path in seen.tables if camera_of(Path("/") / path.name) in (camera, None)]
    return chosen or seen.tables


def _interval(row: Row, number: int, previous: tuple[int, int] | None) -> tuple[int, int] | None:
    """One further expression of a long clip; None where its columns hold nothing to be trusted."""
    onset, offset = (whole_number(row[name]) for name in _INTERVALS[number])
    first, last = whole_number(row["FirstF"]), whole_number(row["LastF"])
    if onset is None or offset is None or previous is None:
        return None
    inside = (first is None or first <= onset) and (last is None or offset <= last)
    # Broken formulas give numbers below FirstF, a copy of the interval before it, or one before that.
    return (onset, offset) if inside and previous[1] < onset < offset else None


def _offset_from_total(row: Row) -> None:
    """OffsetF is a formula, OnsetF + TotalMF1 - 1, which some exports lose."""
    onset, total = whole_number(row["OnsetF"]), whole_number(row["TotalMF1"])
    if whole_number(row["OffsetF"]) is None and onset is not None and total:
        row.replace("OffsetF", str(onset + total - 1))
        row.say(f"OffsetF is missing; OnsetF + TotalMF1 - 1 = {onset + total - 1} is used")


def _expressions(
    record: Record, rows: dict[Key, Record], own: Collection[Key | None], dataset: str
) -> list[tuple[Clip, Key | None]]:
    """The clips of a row, each with the key of its folder: one, or more where a long clip holds more."""
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
    emotion = canonical_emotion(row["Emotion"])
    if emotion not in _CLASSES:
        row.expect("Emotion", f"one of {', '.join(_CLASSES)}")
    elif key and emotion != EMOTIONS[key[1]]:
        row.refuse(f"Emotion is {said(emotion)}, but the name says {EMOTIONS[key[1]]}")
    _offset_from_total(row)
    onset, offset = row.whole("OnsetF"), row.whole("OffsetF")
    if onset is not None and offset is not None and offset <= onset:
        row.refuse(f"OffsetF {offset} does not lie behind OnsetF {onset}")
    onset, offset = onset or 0, offset or 0
    clip = row.clip(dataset, subject, name, emotion, (onset, middle_of(onset, offset), offset))
    made: list[tuple[Clip, Key | None]] = [(clip, key)]
    if clip.status != OK or key is None:
        return made
    previous: tuple[int, int] | None = (onset, offset)
    names = iter(_FURTHER_NAMES.get(key, ()))
    for place in (1, 2):
        found = _interval(row, place, previous)
        if found is None:
            continue
        previous = found
        further = next(names, None)
        if further in own:  # older tables give each expression a row
            continue
        name = clip_name(further) if further else f"{clip.clip}+{place}"
        part = f"expression {place + 1} of the long clip {clip.clip}"
        made.append(
            (
                replace(
                    clip,
                    clip=name,
                    onset=found[0],
                    apex=middle_of(*found),
                    offset=found[1],
                    detail="" if further else f"{part}, which has no name of its own",
                ),
                further or key,
            )
        )
    return made


def _read(seen: Survey, part: str | None) -> Annotations:
    spotting = _spotting_table(seen)
    if spotting is not None and not any(_long_key(f) for f in seen.folders):
        return _read_spotting(seen, *spotting)
    folders, notes = find_clips(seen, _long_key, image_root)
    if not folders:
        raise FileError(f"{seen.root}: no clip folder of SMIC-E in it or below; expected e.g. s01/s1_ne_01")
    cameras: dict[str, dict[Key, Path]] = {}
    for (camera, key), path in folders.items():
        cameras.setdefault(camera or "hs", {})[key] = path
    if any(camera == "" for camera, _ in folders):
        notes.append("no folder says which camera; taken as HS")
    camera, chosen_notes = choose_camera(seen, cameras, part, _NAME)
    there = cameras[camera]
    required = {**_COLUMNS, **{name: _FURTHER[name] for name in ("Onset2F", "Offset2F", "FirstF")}}

    def read(path: Path) -> Records | None:
        return read_records(path, required, _FURTHER, named=("Filename", CLIP), sheets=_sheet_of(camera))

    table, records, table_notes = choose_table(
        seen.root, _tables_of(camera, seen), _official(camera), READER.named, read
    )
    join = Join(seen.root)
    dataset = f"smic-{camera}"
    rows: dict[Key, Record] = {}
    own = {clip_key(record.values["Filename"]) for record in records.rows}
    for record in records.rows:
        for clip, place in _expressions(record, rows, own, dataset):
            folder = there.get(place) or there.get(_MOTHER.get(place, place)) if place else None
            join.add(clip, folder, f"no folder {clip.subject}/{clip.clip} on disk")
    sheet = f", sheet {records.sheet}" if records.sheet else ""
    lines = [
        f"table {seen.shown(table)}{sheet}, header in row {records.header}, {len(records.rows)} rows",
        *chosen_notes,
        *notes[1:],
        *table_notes,
        *remarks(records),
        "no apex is annotated: the middle of onset..offset is used (--apex difference finds another)",
    ]
    return join.done(_NAME, there.values(), (table,), lines, _COUNTS[camera])


# SMIC-E-Long: made for spotting; one row a video, with as many triples of type, onset and offset as it has expressions.

_SPOTTING = {"subject": ("subject",), "video_name": ("videoname",), "NumME": ("numme",), "StartFrame": ("startframe",)}


def _spotting_table(seen: Survey) -> tuple[Path, list[tuple[int, dict[str, str], list[tuple[str, str, str]]]]] | None:
    """The table for spotting: of each row its number, its first columns, and the triples."""
    for path in seen.tables:
        if "spot" not in path.name.lower():
            continue
        for _, rows in read_sheets(path):
            for place, header in enumerate(rows):
                keys = [column_key(cell) for cell in header.cells]
                columns = {name: keys.index(spelt[0]) for name, spelt in _SPOTTING.items() if spelt[0] in keys}
                starts = [at for at, key in enumerate(keys) if key.startswith("metype")]
                if len(columns) < len(_SPOTTING) or not starts:
                    continue
                found = []
                for row in rows[place + 1 :]:
                    cells = (*row.cells, *("",) * (starts[-1] + 3))
                    values = {name: cells[at] for name, at in columns.items()}
                    if any(values.values()):
                        found.append((row.number, values, [(cells[at], cells[at + 1], cells[at + 2]) for at in starts]))
                return path, found
    return None


def _read_spotting(
    seen: Survey, table: Path, rows: list[tuple[int, dict[str, str], list[tuple[str, str, str]]]]
) -> Annotations:
    folders = {f.path.name.lower(): f.path for f in seen.folders if f.picture}
    join = Join(seen.root)
    met: set[tuple[str, int]] = set()
    for number, values, triples in rows:
        video = values["video_name"].lower()
        folder = folders.get(video)
        start = whole_number(values["StartFrame"])
        wanted = whole_number(values["NumME"])
        held = index_frames(folder).names if folder else {}
        used = [triple for triple in triples if any(triple)]
        if wanted != len(used):
            used = used or [("", "", "")]
        for place, (kind, first, last) in enumerate(used, 1):
            columns = {"video_name": values["video_name"], "subject": values["subject"]}
            row = Row(Record(number, {**columns, "ME_Type": kind, "onset": first, "offset": last}))
            subject = whole_number(values["subject"].lower().removeprefix("s"))
            if subject is None:
                row.expect("subject", "a number")
            if not video:
                row.expect("video_name", "the name of a folder")
            if (video, place) in met:
                row.refuse(f"{values['video_name']} stands there twice")
            met.add((video, place))
            if wanted != len([triple for triple in triples if any(triple)]):
                row.refuse(f"NumME is {said(values['NumME'])}, but {len(used)} expressions are given")
            emotion = EMOTIONS.get(kind.lower(), canonical_emotion(kind))
            if emotion not in _CLASSES:
                row.expect("ME_Type", f"one of {', '.join(_CLASSES)}")
            onset, offset = row.whole("onset"), row.whole("offset")
            if onset is not None and offset is not None and offset <= onset:
                row.refuse(f"offset {offset} does not lie behind onset {onset}")
            onset, offset = onset or 0, offset or 0
            if held and start and onset > max(held):  # counted in the camera's recording, not in the folder
                row.say(f"frames {onset}..{offset} are those of the whole recording, from {start}")
                onset, offset = onset - start + min(held), offset - start + min(held)
            key = clip_key(values["video_name"])
            name = clip_name(key) if key else values["video_name"]
            if place > 1:
                further = _FURTHER_NAMES.get(key, ()) if key else ()
                name = clip_name(further[place - 2]) if place - 2 < len(further) else f"{name}+{place - 1}"
            who = f"s{subject}" if subject is not None else values["subject"]
            clip = row.clip("smic-hs", who, name, emotion, (onset, middle_of(onset, offset), offset))
            join.add(clip, folder, f"no folder {values['video_name']} on disk")
    notes = [
        f"table {seen.shown(table)}, {len(rows)} rows, of SMIC-E-Long for spotting",
        "no apex is annotated: the middle of onset..offset is used (--apex difference finds another)",
    ]
    if not join.clips:
        raise DataError(f"{table}: no row follows the header")
    return join.done(_NAME, folders.values(), (table,), notes, Expected())


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
        Table(
            "SMIC_HS_E_spotting.xlsx",
            (
                ("subject", "1"),
                ("video_name", "s1_ne_01"),
                ("NumME", "1"),
                ("StartFrame", "559520"),
                ("ME_Type", "negative"),
                ("onset", "559740"),
                ("offset", "559778"),
            ),
            "SMIC-E-Long: cropped/s01/VIDEO/image000001.jpg; the last three columns once an expression.",
        ),
    ),
    named=("smic",),
    clue=_clue,
    read=_read,
    datasets=("smic", *(f"smic-{camera}" for camera in CAMERAS)),
    parts=tuple(f"{_NAME}-{camera}" for camera in CAMERAS),
    remark="Clips carry SMIC's ids (smic-hs/s1/s1_ne_01): they are the same moments as the short clips.",
)
