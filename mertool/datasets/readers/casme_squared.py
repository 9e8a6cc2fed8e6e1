"""CAS(ME)^2: 57 micro- and 300 macro-expressions of 22 people at 30 fps; a table without a header, and naming rules.

The sheet counts people 1 to 22 and names clips by stimulus; the sheets "naming rule1" and "naming rule2" say which
folder belongs to which. Source: docs/datasets.md, section 9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ...clips import Clip
from ...errors import DataError, FileError
from ..annotations import Annotations, Expected, Join
from ..reader import Reader, Table
from ..rows import Row, said
from ..survey import Folder, Survey, find_clips, find_table
from ..tables import Line, Record, Records, read_sheets, tables_above, whole_number

__all__ = ["READER"]

_NAME = "casme-squared"
_MACRO = "casme-squared-macro"
_COLUMNS = ("participant", "clip", "onset", "apex", "offset", "AUs", "emotion", "type")
_EMOTIONS = ("negative", "other", "positive", "surprise")
_TYPES = {"microexpression": _NAME, "macroexpression": _MACRO}
_CLIP = re.compile(r"([a-z]+[0-9]{0,4})_([0-9]{1,6})", re.ASCII | re.IGNORECASE)
_VIDEO = re.compile(r"[0-9]{1,4}_([0-9]{4})\D.*", re.ASCII)
_SUBJECT = re.compile(r"s?([0-9]{1,4})", re.ASCII | re.IGNORECASE)
_FRAME = re.compile(r"img_?[0-9]+\.", re.ASCII | re.IGNORECASE)
_EXPECTED = {
    _NAME: Expected(57, None, {"negative": 21, "other": 19, "positive": 8, "surprise": 9}),
    _MACRO: Expected(300, None, {"negative": 105, "other": 63, "positive": 116, "surprise": 16}),
}


@dataclass(frozen=True, slots=True)
class _Rules:
    """The naming rules: participant -> number of the folder s15; stimulus -> code within a video folder's name."""

    subjects: dict[int, int]
    codes: dict[str, str]


def _type(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


def _is_data(line: Line) -> bool:
    """Whether a row is one of the coded ones, as far as its clip's name and its type can tell."""
    cells = (*line.cells, *("",) * len(_COLUMNS))
    return bool(_CLIP.fullmatch(cells[1])) and _type(cells[7]) in _TYPES


def _read_table(path: Path) -> Records | None:
    """The coded rows, by position; a table is this one if most of its rows look like it.

    Raises:
        DataError: It looks like this table, but its columns stand in another order.
    """
    for sheet, lines in read_sheets(path):
        if not lines:
            continue
        types = [line for line in lines if any(_type(cell) in _TYPES for cell in line.cells)]
        if 2 * len(types) < len(lines):
            continue
        right = [line for line in lines if _is_data(line)]
        if 2 * len(right) < len(types):
            seen = types[0]
            raise DataError(
                f"{path}: row {seen.number}: expected the columns {', '.join(_COLUMNS)} in this order, "
                f"got {', '.join(cell or 'nothing' for cell in seen.cells[:8])}"
            )
        records = tuple(
            Record(line.number, dict(zip(_COLUMNS, (*line.cells, *("",) * len(_COLUMNS)), strict=False)))
            for line in lines
            if any(line.cells[: len(_COLUMNS)]) and not _is_header(line)
        )
        return Records(sheet, 0, records)
    return None


def _is_header(line: Line) -> bool:
    """A header that somebody added: words where numbers belong."""
    cells = (*line.cells, *("",) * len(_COLUMNS))
    return _type(cells[7]) in ("", "type", "expressiontype") and cells[2].lower().startswith("onset")


def _rules(table: Path, seen: Survey) -> _Rules:
    """Both naming rules, from the workbook's sheets or from csv files beside it."""
    rules = _Rules({}, {})
    beside = [path for path in seen.tables if path != table and "rule" in path.name.lower()]
    beside += [path for _, path in tables_above(seen.root, ("rule",)) if path.parent == table.parent]
    for path in (table, *beside):
        for _, lines in read_sheets(path):
            for line in lines:
                _take_rule(path, line, rules)
    if not rules.subjects:
        raise DataError(
            f"{table}: has no sheet 'naming rule1', which says whose folder is whose (participant 1: s15); "
            "keep the workbook whole, or put that sheet beside it as 'naming rule1.csv'"
        )
    return rules


def _take_rule(path: Path, line: Line, rules: _Rules) -> None:
    cells = (*line.cells, "", "", "")
    folder = re.fullmatch(r"s([0-9]{1,4})", cells[1], re.ASCII | re.IGNORECASE)
    number, code = whole_number(cells[2]), whole_number(cells[0])
    if folder and number is not None:
        who = rules.subjects.setdefault(number, int(folder[1]))
        if who != int(folder[1]):
            raise DataError(f"{path}: naming rule1 says s{who} and s{int(folder[1])} of participant {number}; keep one")
    elif code is not None and re.fullmatch(r"[a-z]+[0-9]{0,4}", cells[1], re.ASCII | re.IGNORECASE):
        there = rules.codes.setdefault(cells[1].lower(), f"{code:04d}")
        if there != f"{code:04d}":
            raise DataError(f"{path}: naming rule2 says {there} and {code:04d} of {cells[1]}; keep one")


@dataclass(frozen=True, slots=True)
class _Images:
    """Folders by person: of cut clips by name, of whole videos by code."""

    clips: dict[tuple[int, str], Path]
    videos: dict[tuple[int, str], Path]
    notes: list[str]

    def find(self, subject: int | None, clip: str, rules: _Rules) -> tuple[Path | None, str]:
        """A clip's folder, or what is not there."""
        if subject is None:
            return None, ""
        if not self.videos:
            return self.clips.get((subject, clip)), f"no folder {subject}/{clip} on disk"
        stimulus = clip.rpartition("_")[0]
        code = rules.codes.get(stimulus)
        if code is None:
            return None, f"naming rule2 has no stimulus {stimulus}"
        return self.videos.get((subject, code)), f"no folder s{subject}/*{code}* on disk"


def _images(seen: Survey) -> _Images:
    found, notes = find_clips(seen, _key, lambda path: path.parent.parent)
    clips = {(subject, name): path for (kind, subject, name), path in found.items() if kind == "clip"}
    videos = {(subject, code): path for (kind, subject, code), path in found.items() if kind == "video"}
    if clips and videos:  # the videos are raw, cut clips registered faces
        notes.append("cut clips and whole videos are there: the videos are used; give the clips' folder for these")
    return _Images(clips, videos, notes)


def _key(folder: Folder) -> tuple[str, int, str] | None:
    """What a folder holds: "video" with person and code, or "clip" with person and name."""
    subject = _SUBJECT.fullmatch(folder.path.parent.name)
    video, clip = _VIDEO.fullmatch(folder.path.name), _CLIP.fullmatch(folder.path.name)
    if subject is None or (folder.picture and not _FRAME.match(folder.picture)):
        return None
    if video:
        return "video", int(subject[1]), video[1]
    return ("clip", int(subject[1]), folder.path.name.lower()) if clip else None


def _clue(seen: Survey) -> str | None:
    found = next((f for f in seen.folders if f.picture and _key(f)), None)
    return f"the folder {seen.shown(found.path)} with {found.picture}" if found else None


def _annotated(record: Record, rules: _Rules, rows: dict[tuple[int, str], Record]) -> tuple[Clip, int | None]:
    row = Row(record)
    participant = whole_number(row["participant"])
    folder = rules.subjects.get(participant) if participant is not None else None
    if participant is None:
        row.refuse(f"participant (column 1) is {said(row['participant'])}, expected a number")
    elif folder is None:
        row.refuse(f"naming rule1 has no participant {participant}")
    name = row["clip"].lower()
    if not _CLIP.fullmatch(name):
        row.refuse(f"clip (column 2) is {said(row['clip'])}, expected e.g. anger1_1")
    elif participant is not None:
        row.first_of((participant, name), rows, record)
    subject = f"s{folder}" if folder is not None else row["participant"]
    dataset = _TYPES[_type(row["type"])]
    row.correct(dataset, subject, name)
    emotion = row.emotion("emotion", _EMOTIONS)
    moments = row.moments("onset", "apex", "offset", open_end=True)
    return row.clip(dataset, subject, name, emotion, moments), folder


def _read(seen: Survey, part: str | None) -> Annotations:
    images = _images(seen)
    if not images.clips and not images.videos:
        raise FileError(
            f"{seen.root}: no folder of CAS(ME)^2 in it or below; expected e.g. rawpic/s15/15_0101disgustingteeth"
        )
    table = find_table(seen, _OFFICIAL, READER.named, _read_table, ignored=("rule",))
    rules = _rules(table.path, seen)
    if images.videos and not rules.codes:
        raise DataError(
            f"{table.path}: has no sheet 'naming rule2', which says whose video is which (401: anger1); "
            "keep the workbook whole, or put that sheet beside it as 'naming rule2.csv'"
        )
    wanted = part or _NAME
    join = Join(seen.root, seen.pictures, reach=1)
    rows: dict[tuple[int, str], Record] = {}
    others = 0
    for record in table.records.rows:
        dataset = _TYPES.get(_type(record.values["type"]))
        if dataset is None:
            row = Row(record)
            row.expect("type", "micro-expression or macro-expression")
            who = rules.subjects.get(whole_number(record.values["participant"]) or -1)
            subject = f"s{who}" if who is not None else record.values["participant"]
            join.add(row.clip(wanted, subject, record.values["clip"].lower(), "", (0, 0, 0)), None)
            continue
        clip, who = _annotated(record, rules, rows)
        folder, missing = images.find(who, clip.clip, rules)
        if dataset == wanted:
            join.add(clip, folder, missing)
        else:
            others += 1
            join.meets(folder)
    if not join.clips:
        raise DataError(f"{table.path}: no row is a {'micro' if wanted == _NAME else 'macro'}-expression")
    notes = [*images.notes, *table.notes]
    if others:
        other, kind = (_MACRO, "macro") if wanted == _NAME else (_NAME, "micro")
        notes.append(f"{others} rows are {kind}-expressions: --dataset {other} reads them")
    return join.done(wanted, (), (table.path,), [table.described, *notes], _EXPECTED[wanted])


_OFFICIAL = ("CAS(ME)^2code_final(Updated).xlsx", "CAS(ME)^2code_final.xlsx", "code_final.xlsx")

READER = Reader(
    name=_NAME,
    title="CAS(ME)^2",
    tree="""
CAS(ME)^2/
  CAS(ME)^2code_final.xlsx        with its sheets "naming rule1" and "naming rule2"
  rawpic/
    s15/                          subject (naming rule1: participant -> s15)
      15_0101disgustingteeth/     whole video (naming rule2: stimulus -> 0101)
        img001.jpg                frame, padded to 3 digits
  or cropped/15/anger1_1/img557.jpg, cut clips
""",
    tables=(
        Table(
            _OFFICIAL[1],
            (
                ("participant", "1"),
                ("clip", "anger1_1"),
                ("onset", "557"),
                ("apex", "563"),
                ("offset", "572"),
                ("AUs", "4"),
                ("emotion", "negative"),
                ("type", "micro-expression"),
            ),
            "The sheet has no header: the order counts. An offset of 0 stands for none: the clip ends at its apex.",
        ),
    ),
    named=("cas(me)^2", "cas(me)2", "casme^2", "code_final"),
    clue=_clue,
    read=_read,
    datasets=(_NAME, _MACRO),
    parts=(_MACRO,),
)
