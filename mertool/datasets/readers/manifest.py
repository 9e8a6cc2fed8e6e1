"""One's own recordings: a csv with one row a clip.

Columns: clip, subject, emotion, optionally dataset (default: the file's name), and one of three forms:

    frames, onset, apex[, offset]             a folder of numbered frames, and frame numbers
    onset_image, middle_image, apex_image     three pictures
    image                                     one picture whose three channels are the three inputs

Paths are relative to the csv's folder, or absolute.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePath

from ...clips import BAD_ANNOTATION, MISSING_FRAME, OK, Clip
from ...errors import DataError
from ..annotations import Annotations, with_frames
from ..frames import Frames, index_frames
from ..labels import canonical_emotion
from ..tables import Line, column_key, read_table, whole_number

__all__ = ["DESCRIPTION", "NAME", "read"]

NAME = "manifest"
DESCRIPTION = """A manifest (--dataset manifest): your own recordings, one row a clip

mine.csv: the columns clip, subject, emotion, optionally dataset (default: the file's name), and one of
  frames, onset, apex[, offset]             a folder of numbered pictures, and frame numbers
  onset_image, middle_image, apex_image     the three pictures
  image                                     one picture whose three channels are the three inputs

Example:
  clip,subject,emotion,frames,onset,apex,offset
  a01,p1,happiness,clips/a01,12,25,40

Paths are relative to the csv's folder, or absolute."""
_ALWAYS = ("clip", "subject", "emotion")
_FORMS = (
    ("frames", "onset", "apex"),
    ("onset_image", "middle_image", "apex_image"),
    ("image",),
)
_KNOWN = (*_ALWAYS, "dataset", *_FORMS[0], "offset", *_FORMS[1], *_FORMS[2])


def read(path: Path) -> Annotations:
    """The clips of a manifest.

    Raises:
        FileError: The file cannot be read.
        DataError: It is not a csv, or its header has unknown, double or missing columns.
    """
    header, *rows = read_table(path, lambda rows: bool(rows) and set(_ALWAYS) <= _keys(rows[0]))
    columns = _columns(path, header)
    if not rows:
        raise DataError(f"{path}: no row follows the header")
    name = path.stem.lower()
    first: dict[str, int] = {}
    folders: dict[Path, Frames] = {}
    clips = []
    for row in rows:
        value = {column: row.cells[at] if at < len(row.cells) else "" for column, at in columns.items()}
        clip = Clip(
            clip=value["clip"] or f"line {row.number}",
            dataset=value.get("dataset", "").lower() or name,
            subject=value["subject"],
            emotion=canonical_emotion(value["emotion"]),
        )
        form, wrong = _form(value)
        if any(row.cells[len(header.cells) :]):
            wrong.append(f"{len(row.cells)} values for {len(header.cells)} columns; quote a value that holds a comma")
        for part, text in (("subject", clip.subject), ("dataset", clip.dataset)):
            if "/" in text:
                wrong.append(f"{part} {text!r} holds a slash, which separates the parts of a clip's id")
        if clip.id in first:
            wrong.append(f"double of line {first[clip.id]}: clip {clip.clip} of subject {clip.subject}")
        first.setdefault(clip.id, row.number)
        if wrong:
            clip = replace(clip, status=BAD_ANNOTATION, detail="; ".join(wrong))
        elif form == _FORMS[0]:
            clip = _from_frames(clip, value, path.parent, folders)
        else:
            clip = _from_pictures(clip, {column: value[column] for column in form}, path.parent)
        if clip.status != OK:
            clip = replace(clip, detail=f"line {row.number}: {clip.detail}")
        clips.append(clip)
    return Annotations(name, tuple(clips), (path,), (f"manifest {path.name}, {len(clips)} rows",))


def _keys(row: Line) -> set[str]:
    return {column_key(cell) for cell in row.cells}


def _columns(path: Path, header: Line) -> dict[str, int]:
    names = {column_key(name): name for name in _KNOWN}
    columns: dict[str, int] = {}
    for at, cell in enumerate(header.cells):
        if not cell:
            continue  # a blank column at the end, as spreadsheets write it
        name = names.get(column_key(cell))
        if name is None:
            near = difflib.get_close_matches(column_key(cell), list(names), 1)
            hint = f"did you mean {names[near[0]]!r}?" if near else f"known are {', '.join(_KNOWN)}"
            raise DataError(f"{path}: unknown column {cell!r}; {hint}")
        if name in columns:
            raise DataError(f"{path}: column {name!r} stands there twice; keep one")
        columns[name] = at
    missing = [name for name in _ALWAYS if name not in columns]
    if missing:
        raise DataError(f"{path}: line {header.number} must name the columns; missing: {', '.join(missing)}")
    if not any(set(form) <= set(columns) for form in _FORMS):
        forms = " or ".join("+".join(form) for form in _FORMS)
        raise DataError(f"{path}: no columns that say where the pictures are; expected {forms}")
    return columns


def _form(value: Mapping[str, str]) -> tuple[tuple[str, ...], list[str]]:
    """The form of a row, and all that is wrong with it."""
    wrong = [f"{name} is empty" for name in _ALWAYS if not value[name]]
    given = [form for form in _FORMS if any(value.get(name) for name in form)]
    if len(given) > 1:
        return (), [*wrong, f"{' and '.join('+'.join(form) for form in given)} are given; keep one form a row"]
    if not given:
        return (), [*wrong, f"it names no pictures: {' or '.join('+'.join(form) for form in _FORMS)}"]
    form = given[0]
    wrong += [f"{name} is empty" for name in form if not value.get(name)]
    if value.get("offset") and form != _FORMS[0]:
        wrong.append(f"offset is given, but belongs to frames, not to {'+'.join(form)}")
    return form, wrong


def _from_frames(clip: Clip, value: Mapping[str, str], base: Path, folders: dict[Path, Frames]) -> Clip:
    numbers: dict[str, int] = {}
    for name in ("onset", "apex", "offset"):
        text = value.get(name, "")
        number = whole_number(text) if text else -1
        if number is None or (text and number < 0):
            return replace(clip, status=BAD_ANNOTATION, detail=f"{name} is {text!r}, expected a whole number from 0")
        numbers[name] = number
    onset, apex, offset = numbers["onset"], numbers["apex"], numbers["offset"]
    if not onset <= apex or (offset >= 0 and apex > offset):
        said = f"onset {onset}, apex {apex}" + (f", offset {offset}" if offset >= 0 else "")
        return replace(clip, status=BAD_ANNOTATION, detail=f"expected onset <= apex <= offset, got {said}")
    clip = replace(clip, onset=onset, apex=apex, offset=offset)
    folder = base / value["frames"]
    if not os.path.isdir(folder):  # noqa: PTH112  (unlike Path's, never raises, e.g. for a name too long)
        return replace(clip, status=MISSING_FRAME, detail=f"no folder {_short(value['frames'])}")
    if folder not in folders:
        folders[folder] = index_frames(folder)
    return with_frames(clip, folders[folder], _short(value["frames"]))


def _from_pictures(clip: Clip, pictures: Mapping[str, str], base: Path) -> Clip:
    paths = [base / text for text in pictures.values()]
    lost = [
        f"no {name} {_short(text)}"
        for (name, text), path in zip(pictures.items(), paths, strict=True)
        if not os.path.isfile(path)  # noqa: PTH113  (as above)
    ]
    if lost:
        return replace(clip, status=MISSING_FRAME, detail="; ".join(lost))
    if len(paths) == 1:
        return replace(clip, key_frames=(paths[0],) * 3, channels=True)
    return replace(clip, key_frames=tuple(paths))


def _short(text: str) -> str:
    """A path as the csv writes it; of an absolute one the end, since `detail` goes into packs that travel."""
    path = PurePath(text)
    return text if not path.is_absolute() else str(PurePath("...", *path.parts[-2:]))
