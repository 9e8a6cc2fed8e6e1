"""SMIC-E: the clips of SMIC with the frames around them; a table says where the expressions are.

One long clip may hold several expressions: each becomes a clip of its own, under the name that SMIC's short clips give
it. Clips carry SMIC's ids, since they are the same expressions. Source: docs/datasets.md, section 4.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ...clips import BAD_ANNOTATION, OK, Clip
from ...errors import MertoolError
from ...text import few
from ..annotations import AnnotationBuilder, Annotations, Expected
from ..key_frames import middle_of
from ..reader import Reader, TableDescription
from ..rows import FirstRows, Row, cell_text
from ..sheets import whole_number
from ..survey import ClipFolders, Folder, Survey
from ..table_search import FoundTable, TableFormat
from ..tables import Columns, Records, read_records
from .smic import (
    CAMERAS,
    CLIP,
    COUNTS,
    EMOTIONS,
    FURTHER_NAMES,
    UNNAMED,
    Key,
    by_camera,
    camera_in,
    camera_of,
    choose_camera,
    clip_key,
    clip_name,
    image_root,
    max_gap,
)
from .smic_spotting import SPOTTING, read_spotting

__all__ = ["READER"]

_NAME = "smic-e"
_NAMED = ("smic",)
_INTERVALS = (("OnsetF", "OffsetF"), ("Onset2F", "Offset2F"), ("Onset3F", "Offset3F"))
_MOTHER = {further: mother for mother, all_further in FURTHER_NAMES.items() for further in all_further}
_CLASSES = tuple(EMOTIONS.values())
_COUNTS = {  # 157 long clips of HS hold 161 expressions
    "hs": Expected(161, COUNTS["hs"].subjects, {"negative": 68, "positive": 51, "surprise": 42}),
    "vis": COUNTS["vis"],
    "nir": COUNTS["nir"],
}


# Folders


def _key(folder: Folder, root: Path) -> tuple[str, Key] | None:
    """The clip of a folder such as s01/s1_ne_01; a short clip is in negative/ instead."""
    key = clip_key(folder.path.name)
    if key is None or not re.fullmatch(r"s0*[0-9]+", folder.path.parent.name, re.ASCII | re.IGNORECASE):
        return None
    return camera_of(folder.path.parent, root) or UNNAMED, key


def _clip_folders(survey: Survey) -> ClipFolders[tuple[str, Key]]:
    example = "s01/s1_ne_01"
    return ClipFolders("SMIC-E", "clip folder", example, lambda folder: _key(folder, survey.root), image_root)


def _detect(survey: Survey) -> str | None:
    return _clip_folders(survey).detect(survey)


# The table

_COLUMNS = Columns(
    {
        "Subject": ("subject",),
        "Filename": ("filename", "material", "clip"),
        "OnsetF": ("onsetf", "onsetfhs", "onsetfvis", "onsetfnir", "onset"),
        "OffsetF": ("offsetf", "offsetfhs", "offsetfvis", "offsetfnir", "offset"),
        "Emotion": ("emotion", "label"),
    },
    clip="Filename",
    clip_pattern=CLIP,
    optional={
        name: (name.lower(),) for name in ("Onset2F", "Offset2F", "Onset3F", "Offset3F", "FirstF", "LastF", "TotalMF1")
    },
)


def _read_table(path: Path, camera: str) -> Records | None:
    """A camera's records in a table that names this camera or none; of a workbook of another one, its sheet of this."""
    named = camera_in(path.stem)

    def is_ours(sheet: str) -> bool:
        of = sheet.strip().lower()
        return of == camera or (of not in CAMERAS and named in (None, camera))

    if named not in (None, camera) and path.suffix.lower() == ".csv":
        return None
    return read_records(path, _COLUMNS, is_ours)


def _table_format(camera: str) -> TableFormat:
    name = camera.upper()
    official = (
        f"SMIC-{name}-E_annotation_2019.xlsx",
        f"SMIC-{name}-E_annotation.xlsx",
        f"SMIC_{name}_E_annotation.xlsx",
        f"SMIC-{name}-E_annotation_orig.xlsx",
    )
    return TableFormat(official, _NAMED, lambda path: _read_table(path, camera), ignored=("spot",))


# The expressions of a row


def _interval(row: Row, number: int, previous: tuple[int, int]) -> tuple[int, int] | None:
    """One further expression of a long clip; None if its columns hold nothing to be trusted.

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


def _identity(row: Row) -> tuple[Key | None, str, str]:
    """Key, subject and name of a row's clip, after the checks on them."""
    key = clip_key(row["Filename"])
    if key is None:
        row.expect("Filename", "e.g. s1_ne_01")
    row.check_duplicate(key)
    number = whole_number(row["Subject"].lower().removeprefix("s"))
    if key is not None:
        if number != key[0]:
            row.expect("Subject", str(key[0]))
        return key, f"s{key[0]}", clip_name(key)
    if number is None:
        row.expect("Subject", "a number")
        return None, row["Subject"], row["Filename"]
    return None, f"s{number}", row["Filename"]


def _first_clip(row: Row, dataset: str) -> tuple[Clip, Key | None]:
    """The expression that a row is named after."""
    key, subject, name = _identity(row)
    row.correct("smic", subject, name)
    emotion = row.emotion("Emotion", _CLASSES)
    if emotion in _CLASSES and key and emotion != EMOTIONS[key[1]]:
        row.refuse(f"Emotion is {cell_text(emotion)}, but the name says {EMOTIONS[key[1]]}")
    _offset_from_total(row)
    onset, offset = row.whole("OnsetF"), row.whole("OffsetF")
    if onset is not None and offset is not None and offset <= onset:
        row.refuse(f"OffsetF {offset} does not lie behind OnsetF {onset}")
    onset, offset = onset or 0, offset or 0
    return row.make_clip(dataset, subject, name, emotion, (onset, middle_of(onset, offset), offset)), key


def _further_clips(clip: Clip, key: Key, row: Row, own_rows: Collection[Key]) -> Iterator[tuple[Clip, Key]]:
    """The other expressions of a long clip; not those that have a row of their own, as in older tables."""
    previous = (clip.onset, clip.offset)
    names = FURTHER_NAMES.get(key, ())
    for number in (1, 2):
        further = names[number - 1] if number <= len(names) else None
        if further in own_rows:
            continue
        interval = _interval(row, number, previous)
        if interval is None:
            if further is not None:
                why = f"row {row.number}: no interval of it in Onset{number + 1}F and Offset{number + 1}F"
                yield _unknown(clip, further, why), further
            continue
        previous = interval
        onset, offset = interval
        placed = replace(clip, onset=onset, apex=middle_of(onset, offset), offset=offset)
        if further is not None:
            yield replace(placed, name=clip_name(further), remarks=()), further
        else:
            unnamed = f"expression {number + 1} of the long clip {clip.name}, which has no name of its own"
            yield replace(placed, name=f"{clip.name}+{number}", remarks=(unnamed,)), key


def _unknown(clip: Clip, key: Key, why: str) -> Clip:
    """An expression that SMIC has, but the row of its long clip does not place."""
    return replace(clip, name=clip_name(key), onset=-1, apex=-1, offset=-1, status=BAD_ANNOTATION, remarks=(why,))


# Both together


def _read(survey: Survey, part: str | None) -> Annotations:
    folders_of = _clip_folders(survey)
    if folders_of.detect(survey) is None:
        annotations = read_spotting(survey)
        if annotations is None:
            raise folders_of.missing(survey)
        return annotations
    folders, image_notes = folders_of.find(survey)
    cameras = by_camera(folders)
    camera, camera_notes = choose_camera(survey, cameras, part, _NAME)
    try:
        table = _table_format(camera).find(survey)
    except MertoolError:
        annotations = read_spotting(survey)
        if annotations is None:
            raise
        return annotations
    builder = AnnotationBuilder(survey, _NAME, max_gap(camera))
    dropped = _add_rows(builder, table, f"smic-{camera}", cameras[camera])
    sources = [table.description, *camera_notes]
    if dropped:
        rows = few([str(number) for number in dropped], 10)
        sources.append(f"further intervals (2, 3) outside FirstF..LastF or not after the one before: row {rows}")
    sources += [*image_notes[1:], *table.notes]
    annotations = builder.build((table.path,), sources, folders=cameras[camera].values(), expected=_COUNTS[camera])
    return replace(annotations, middle_is_apex=True)


def _add_rows(builder: AnnotationBuilder, table: FoundTable, dataset: str, folders: Mapping[Key, Path]) -> list[int]:
    """Take every expression of every row; gives the rows of which some interval could not be used."""
    dropped = []
    first_rows: FirstRows = {}
    own_rows = set(filter(None, (clip_key(record.values["Filename"]) for record in table.records.rows)))
    for record in table.records.rows:
        row = Row(record, first_rows)
        clip, key = _first_clip(row, dataset)
        further: list[tuple[Clip, Key]] = []
        if clip.status == OK and key:
            further = list(_further_clips(clip, key, row, own_rows))
        n_given = sum(bool(whole_number(row[onset])) for onset, _ in _INTERVALS[1:])
        n_used = sum(made.status == OK for made, _ in further)
        have_own_rows = key is not None and not own_rows.isdisjoint(FURTHER_NAMES.get(key, ()))
        if n_used < n_given and not have_own_rows:
            dropped.append(record.number)
        for made, of in [(clip, key), *further]:
            folder = None
            if of is not None:
                folder = folders.get(of) or folders.get(_MOTHER.get(of, of))
            builder.add(made, folder, f"no folder {made.subject}/{made.name} on disk")
    return dropped


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
          image559740.jpg         frame, from before the expression to after it
""",
    tables=(
        TableDescription(
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
            "A further interval (2, 3) counts if it lies within FirstF..LastF and after the one before it.",
        ),
        SPOTTING,
    ),
    named=_NAMED,
    detect=_detect,
    read=_read,
    datasets=("smic", *(f"smic-{camera}" for camera in CAMERAS)),
    parts=tuple(f"{_NAME}-{camera}" for camera in CAMERAS),
    remark="Clips carry SMIC's ids (smic-hs/s1/s1_ne_01): they are the same moments as the short clips.",
)
