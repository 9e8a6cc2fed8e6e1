"""CAS(ME)^2: 57 micro- and 300 macro-expressions of 22 subjects at 30 fps; a table without a header, and naming rules.

The sheet counts subjects 1 to 22 and names clips by stimulus; the sheets "naming rule1" and "naming rule2" say which
folder belongs to which. Source: docs/datasets.md, section 9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ...clips import Clip
from ...errors import AnnotationError
from ..annotations import AnnotationBuilder, Annotations, Expected
from ..reader import Reader, TableDescription
from ..rows import FirstRows, Row, cell_text
from ..sheets import Line, read_sheets, whole_number
from ..survey import ClipFolders, Folder, Survey
from ..table_search import TableFormat, tables_above
from ..tables import Record, Records

__all__ = ["READER"]

_NAME = "casme-squared"
_MACRO = "casme-squared-macro"
_COLUMNS = ("participant", "clip", "onset", "apex", "offset", "AUs", "emotion", "type")
_EMOTIONS = ("negative", "other", "positive", "surprise")
_DATASETS = {"microexpression": _NAME, "macroexpression": _MACRO}
_CLIP = re.compile(r"([a-z]+[0-9]{0,4})_([0-9]{1,6})", re.ASCII | re.IGNORECASE)
_VIDEO = re.compile(r"[0-9]{1,4}_([0-9]{4})\D.*", re.ASCII)
_SUBJECT = re.compile(r"s?([0-9]{1,4})", re.ASCII | re.IGNORECASE)
_FRAME = re.compile(r"img_?[0-9]+\.", re.ASCII | re.IGNORECASE)
_EXPECTED = {
    _NAME: Expected(57, None, {"negative": 21, "other": 19, "positive": 8, "surprise": 9}),
    _MACRO: Expected(300, None, {"negative": 105, "other": 63, "positive": 116, "surprise": 16}),
}


def _type(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


def _dataset(record: Record) -> str | None:
    """The data set that a row's type says."""
    return _DATASETS.get(_type(record.values["type"]))


# The table


def _padded(line: Line) -> tuple[str, ...]:
    """The cells of a row, at least one for each column."""
    return (*line.cells, *("",) * len(_COLUMNS))


def _is_data(line: Line) -> bool:
    """Whether a row is one of the coded ones, as far as its clip's name and its type can tell."""
    cells = _padded(line)
    return bool(_CLIP.fullmatch(cells[1])) and _type(cells[7]) in _DATASETS


def _is_header(line: Line) -> bool:
    """Whether a row is a header that somebody added: words where numbers belong."""
    cells = _padded(line)
    return _type(cells[7]) in ("", "type", "expressiontype") and cells[2].lower().startswith("onset")


def _read_table(path: Path) -> Records | None:
    """The coded rows, by position; a table is this one if most of its rows look like it.

    Raises:
        AnnotationError: It looks like this table, but its columns are in another order.
    """
    for sheet, lines in read_sheets(path):
        typed = [line for line in lines if any(_type(cell) in _DATASETS for cell in line.cells)]
        if not lines or 2 * len(typed) < len(lines):
            continue
        if 2 * sum(map(_is_data, lines)) < len(typed):
            first = typed[0]
            raise AnnotationError(
                f"{path}: row {first.number}: expected the columns {', '.join(_COLUMNS)} in this order, "
                f"got {', '.join(cell or 'nothing' for cell in first.cells[:8])}"
            )
        records = tuple(
            Record(line.number, dict(zip(_COLUMNS, _padded(line), strict=False)))
            for line in lines
            if any(line.cells[: len(_COLUMNS)]) and not _is_header(line)
        )
        return Records(sheet, 0, records)
    return None


_TABLE = TableFormat(
    ("CAS(ME)^2code_final(Updated).xlsx", "CAS(ME)^2code_final.xlsx", "code_final.xlsx"),
    ("cas(me)^2", "cas(me)2", "casme^2", "code_final"),
    _read_table,
    ignored=("rule",),
)


# The naming rules


@dataclass(frozen=True, slots=True)
class _Rules:
    """The naming rules.

    Attributes:
        subjects: Participant -> number of the folder, 15 for s15.
        codes: Stimulus -> code within a video folder's name.
    """

    subjects: dict[int, int]
    codes: dict[str, str]

    def add(self, path: Path, line: Line) -> None:
        """Take a row of either rule; any other row is left alone."""
        cells = (*line.cells, "", "", "")
        folder = re.fullmatch(r"s([0-9]{1,4})", cells[1], re.ASCII | re.IGNORECASE)
        participant, code = whole_number(cells[2]), whole_number(cells[0])
        if folder and participant is not None:
            number = int(folder[1])
            known = self.subjects.setdefault(participant, number)
            if known != number:
                raise AnnotationError(
                    f"{path}: naming rule1 says s{known} and s{number} of participant {participant}; keep one"
                )
        elif code is not None and re.fullmatch(r"[a-z]+[0-9]{0,4}", cells[1], re.ASCII | re.IGNORECASE):
            known_code = self.codes.setdefault(cells[1].lower(), f"{code:04d}")
            if known_code != f"{code:04d}":
                raise AnnotationError(f"{path}: naming rule2 says {known_code} and {code:04d} of {cells[1]}; keep one")

    def subject(self, record: Record) -> int | None:
        """The number of the folder of a row's participant."""
        participant = whole_number(record.values["participant"])
        return None if participant is None else self.subjects.get(participant)


def _read_rules(table: Path, survey: Survey, *, need_codes: bool) -> _Rules:
    """Both naming rules, from the workbook's sheets or from csv files beside it."""
    rules = _Rules({}, {})
    beside = [path for path in survey.tables if path != table and "rule" in path.name.lower()]
    beside += [path for _, path in tables_above(survey.root, ("rule",)) if path.parent == table.parent]
    for path in (table, *beside):
        for _, lines in read_sheets(path):
            for line in lines:
                rules.add(path, line)
    if not rules.subjects:
        raise AnnotationError(
            f"{table}: has no sheet 'naming rule1', which says whose folder is whose (participant 1: s15); "
            "keep the workbook whole, or put that sheet beside it as 'naming rule1.csv'"
        )
    if need_codes and not rules.codes:
        raise AnnotationError(
            f"{table}: has no sheet 'naming rule2', which says whose video is which (401: anger1); "
            "keep the workbook whole, or put that sheet beside it as 'naming rule2.csv'"
        )
    return rules


# The images


@dataclass(frozen=True, slots=True)
class _Images:
    """Folders by subject: of cut clips by name, of whole videos by code."""

    clips: dict[tuple[int, str], Path]
    videos: dict[tuple[int, str], Path]
    notes: list[str]

    def find(self, subject: int | None, name: str, rules: _Rules) -> tuple[Path | None, str]:
        """A clip's folder, or what is not there."""
        if subject is None:
            return None, ""
        if not self.videos:
            return self.clips.get((subject, name)), f"no folder {subject}/{name} on disk"
        stimulus = name.rpartition("_")[0]
        code = rules.codes.get(stimulus)
        if code is None:
            return None, f"naming rule2 has no stimulus {stimulus}"
        return self.videos.get((subject, code)), f"no folder s{subject}/*{code}* on disk"


def _key(folder: Folder) -> tuple[str, int, str] | None:
    """What a folder holds: "video" with subject and code, or "clip" with subject and name."""
    subject = _SUBJECT.fullmatch(folder.path.parent.name)
    video, clip = _VIDEO.fullmatch(folder.path.name), _CLIP.fullmatch(folder.path.name)
    if subject is None or (folder.picture and not _FRAME.match(folder.picture)):
        return None
    if video:
        return "video", int(subject[1]), video[1]
    if clip:
        return "clip", int(subject[1]), folder.path.name.lower()
    return None


_FOLDERS = ClipFolders(
    "CAS(ME)^2",
    "folder",
    "rawpic/s15/15_0101disgustingteeth",
    _key,
    lambda path: path.parent.parent,
    needs_picture=True,
)


def _find_images(survey: Survey) -> _Images:
    folders, notes = _FOLDERS.find(survey)
    clips = {(subject, name): path for (kind, subject, name), path in folders.items() if kind == "clip"}
    videos = {(subject, code): path for (kind, subject, code), path in folders.items() if kind == "video"}
    if clips and videos:  # the videos are raw, cut clips are registered faces
        notes.append("cut clips and whole videos are there: the videos are used; give the clips' folder for these")
    return _Images(clips, videos, notes)


# Both together


def _clip_of(record: Record, rules: _Rules, first_rows: FirstRows, dataset: str) -> Clip:
    row = Row(record, first_rows)
    participant, folder = whole_number(row["participant"]), rules.subject(record)
    if participant is None:
        row.refuse(f"participant (column 1) is {cell_text(row['participant'])}, expected a number")
    elif folder is None:
        row.refuse(f"naming rule1 has no participant {participant}")
    name = row["clip"].lower()
    if not _CLIP.fullmatch(name):
        row.refuse(f"clip (column 2) is {cell_text(row['clip'])}, expected e.g. anger1_1")
    elif participant is not None:
        row.check_duplicate((participant, name))
    subject = _subject_name(record, rules)
    row.correct(dataset, subject, name)
    emotion = row.emotion("emotion", _EMOTIONS)
    key_frames = row.key_frames("onset", "apex", "offset", open_end=True)
    return row.make_clip(dataset, subject, name, emotion, key_frames)


def _untyped_clip(record: Record, rules: _Rules, dataset: str) -> Clip:
    """The refusal of a row whose type is neither."""
    row = Row(record)
    row.expect("type", "micro-expression or macro-expression")
    return row.make_clip(dataset, _subject_name(record, rules), row["clip"].lower(), "", (0, 0, 0))


def _subject_name(record: Record, rules: _Rules) -> str:
    folder = rules.subject(record)
    return record.values["participant"] if folder is None else f"s{folder}"


def _read(survey: Survey, part: str | None) -> Annotations:
    images = _find_images(survey)
    table = _TABLE.find(survey)
    rules = _read_rules(table.path, survey, need_codes=bool(images.videos))
    wanted = part or _NAME
    builder = AnnotationBuilder(survey, wanted, max_gap=1)
    first_rows: FirstRows = {}
    n_others = 0
    for record in table.records.rows:
        dataset = _dataset(record)
        if dataset is None:
            builder.add(_untyped_clip(record, rules, wanted), None, "")
            continue
        clip = _clip_of(record, rules, first_rows, dataset)
        folder, lacking = images.find(rules.subject(record), clip.name, rules)
        if dataset == wanted:
            builder.add(clip, folder, lacking)
        else:
            n_others += 1
            builder.mark_used(folder)
    kind, other_kind, other = ("micro", "macro", _MACRO) if wanted == _NAME else ("macro", "micro", _NAME)
    if not builder.clips:
        raise AnnotationError(f"{table.path}: no row is a {kind}-expression")
    sources = [table.description, *images.notes, *table.notes]
    if n_others:
        sources.append(f"{n_others} rows are {other_kind}-expressions: --dataset {other} reads them")
    return builder.build((table.path,), sources, expected=_EXPECTED[wanted])


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
        TableDescription(
            _TABLE.official[1],
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
    named=_TABLE.named,
    detect=_FOLDERS.detect,
    read=_read,
    datasets=(_NAME, _MACRO),
    parts=(_MACRO,),
)
