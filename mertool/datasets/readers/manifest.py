"""The user's own recordings: a csv with one row per clip.

Columns: clip, subject, emotion, optionally dataset (default: the file's name), and one of three forms:

    frames, onset, apex[, offset]             a folder of numbered frames, and frame numbers
    onset_image, middle_image, apex_image     three pictures
    stacked_image                             one picture whose red, green and blue are onset, middle and apex

Recordings without labels have no column emotion. With `--apex middle` or `difference` frames need no apex, but an
offset. Paths are relative to the csv's folder, or absolute.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from ...clips import BAD_ANNOTATION, MISSING_FRAME, OK, Clip
from ...errors import AnnotationError
from ...text import video_advice
from ..annotations import Annotations
from ..frames import Frames, index_frames
from ..key_frames import middle_of, with_frames
from ..labels import canonical_emotion, misspelt_emotions
from ..sheets import Line, column_key, read_table, whole_number

__all__ = ["DESCRIPTION", "NAME", "read"]

NAME = "manifest"
DESCRIPTION = """A manifest (--dataset manifest): your own recordings, one row per clip

mine.csv: the columns clip, subject, emotion, optionally dataset (default: the file's name), and one of
  frames, onset, apex[, offset]             a folder of numbered pictures, and frame numbers
  onset_image, middle_image, apex_image     the three pictures
  stacked_image                             one picture whose red, green and blue are onset, middle and apex

Example:
  clip,subject,emotion,frames,onset,apex,offset
  a01,p1,happiness,clips/a01,12,25,40

Recordings to be labelled by 'mertool predict' have no column emotion. With --apex middle or difference, frames need no
apex, but an offset.
Paths are relative to the csv's folder, or absolute."""
_ALWAYS = ("clip", "subject")
_FRAMES = ("frames", "onset", "apex")
_FRAMES_WITHOUT_APEX = ("frames", "onset", "offset")
_IMAGES = ("onset_image", "middle_image", "apex_image")
_STACKED = ("stacked_image",)
_KNOWN = (*_ALWAYS, "emotion", "dataset", *_FRAMES, "offset", *_IMAGES, *_STACKED)

_Form = tuple[str, ...]


def read(path: Path, apex: str = "table") -> Annotations:
    """The clips of a manifest.

    Args:
        path: The csv.
        apex: As in `mertool.datasets.read_clips`; if not "table", frames need no apex.

    Raises:
        FileError: The file cannot be read.
        AnnotationError: It is not a csv, or its header has unknown, duplicate or missing columns.
    """
    frames = _FRAMES if apex == "table" else _FRAMES_WITHOUT_APEX
    header, *lines = read_table(path, lambda lines: bool(lines) and set(_ALWAYS) <= _keys(lines[0]))
    columns = _columns(path, header, (frames, _IMAGES, _STACKED))
    if not lines:
        raise AnnotationError(f"{path}: no row follows the header")
    rows = _Rows(path, header, columns, frames)
    clips = tuple(rows.clip(line) for line in lines)
    sources = [f"manifest {path.name}, {len(clips)} rows"]
    if "emotion" not in columns:
        sources.append("no column emotion: these clips can be labelled by 'mertool predict', not trained on")
    sources += [
        f"emotion {word!r}: did you mean {near!r}? As it is, it is a class of its own"
        for word, near in misspelt_emotions(clip.emotion for clip in clips)
    ]
    return Annotations(path.stem.lower(), clips, (path,), tuple(sources))


class _Rows:
    """Turns the rows of a manifest into clips, one after the other.

    Args:
        path, header, columns: The csv, its first line, and the place of each column.
        frames: What a row must give with the form of numbered frames.
    """

    def __init__(self, path: Path, header: Line, columns: Mapping[str, int], frames: _Form) -> None:
        self._path, self._header, self._columns = path, header, columns
        self._forms = (frames, _IMAGES, _STACKED)
        self._always = [name for name in (*_ALWAYS, "emotion") if name in columns]
        self._first: dict[str, int] = {}  # clip id -> line
        self._folders: dict[Path, Frames] = {}

    def clip(self, line: Line) -> Clip:
        """The clip of a row, with its pictures; or what is wrong with the row."""
        values = {name: line.cells[at] if at < len(line.cells) else "" for name, at in self._columns.items()}
        clip = Clip(
            name=values["clip"] or f"line {line.number}",
            dataset=values.get("dataset", "").lower() or self._path.stem.lower(),
            subject=values["subject"],
            emotion=canonical_emotion(values.get("emotion", "")),
        )
        form, faults = self._form(values)
        faults += self._faults(line, clip)
        if faults:
            clip = replace(clip, status=BAD_ANNOTATION, remarks=tuple(faults))
        elif form[0] == "frames":
            clip = _from_frames(clip, values, self._path.parent, self._folders)
        else:
            clip = _from_pictures(clip, {name: values[name] for name in form}, self._path.parent)
        if clip.status != OK:
            clip = replace(clip, remarks=(f"line {line.number}: {clip.detail}",))
        return clip

    def _form(self, values: Mapping[str, str]) -> tuple[_Form, list[str]]:
        """The form of a row, and all that is wrong with it."""
        faults = [f"{name} is empty" for name in self._always if not values[name]]
        given = [form for form in self._forms if any(values.get(name) for name in form)]
        if len(given) > 1:
            return (), [*faults, f"{' and '.join('+'.join(form) for form in given)} are given; keep one form per row"]
        if not given:
            return (), [*faults, f"it names no pictures: {_listed(self._forms)}"]
        form = given[0]
        faults += [f"{name} is empty" for name in form if not values.get(name)]
        if values.get("offset") and form[0] != "frames":
            faults.append(f"offset is given, but belongs to frames, not to {'+'.join(form)}")
        return form, faults

    def _faults(self, line: Line, clip: Clip) -> list[str]:
        """What is wrong with a row apart from its pictures."""
        faults = []
        n_columns = len(self._header.cells)
        if any(line.cells[n_columns:]):
            faults.append(f"{len(line.cells)} values for {n_columns} columns; quote a value that holds a comma")
        for part, text in (("subject", clip.subject), ("dataset", clip.dataset)):
            if "/" in text:
                faults.append(f"{part} {text!r} holds a slash, which separates the parts of a clip's id")
        first = self._first.setdefault(clip.id, line.number)
        if first != line.number:
            faults.append(f"duplicates line {first}: clip {clip.name} of subject {clip.subject}")
        return faults


def _keys(row: Line) -> set[str]:
    return {column_key(cell) for cell in row.cells}


def _columns(path: Path, header: Line, forms: Sequence[_Form]) -> dict[str, int]:
    names = {column_key(name): name for name in _KNOWN}
    columns: dict[str, int] = {}
    for at, cell in enumerate(header.cells):
        if not cell:
            continue  # a blank column at the end, as spreadsheets write it
        name = names.get(column_key(cell))
        if name is None:
            near = difflib.get_close_matches(column_key(cell), list(names), 1)
            hint = f"did you mean {names[near[0]]!r}?" if near else f"known are {', '.join(_KNOWN)}"
            if column_key(cell) == "image":
                hint = (
                    "three pictures are onset_image, middle_image and apex_image; one that stacks them, stacked_image"
                )
            raise AnnotationError(f"{path}: unknown column {cell!r}; {hint}")
        if name in columns:
            raise AnnotationError(f"{path}: column {name!r} is there twice; keep one")
        columns[name] = at
    missing = [name for name in _ALWAYS if name not in columns]
    if missing:
        raise AnnotationError(f"{path}: line {header.number} must name the columns; missing: {', '.join(missing)}")
    if not any(set(form) <= set(columns) for form in forms):
        if _FRAMES in forms and set(_FRAMES_WITHOUT_APEX) <= set(columns):
            raise AnnotationError(f"{path}: no column apex; add it, or choose with --apex middle or --apex difference")
        raise AnnotationError(f"{path}: no columns that say where the pictures are; expected {_listed(forms)}")
    return columns


def _listed(forms: Sequence[_Form]) -> str:
    return " or ".join("+".join(form) for form in forms)


def _from_frames(clip: Clip, value: Mapping[str, str], base: Path, folders: dict[Path, Frames]) -> Clip:
    numbers: dict[str, int] = {}
    for name in ("onset", "apex", "offset"):
        text = value.get(name, "")
        number = whole_number(text) if text else -1
        if number is None or (text and number < 0):
            return replace(
                clip, status=BAD_ANNOTATION, remarks=(f"{name} is {text!r}, expected a whole number from 0",)
            )
        numbers[name] = number
    onset, apex, offset = numbers["onset"], numbers["apex"], numbers["offset"]
    if apex < 0:  # which --apex will choose
        apex = middle_of(onset, offset)
    if not onset <= apex or (offset >= 0 and apex > offset):
        order = f"onset {onset}, apex {apex}"
        if offset >= 0:
            order += f", offset {offset}"
        return replace(clip, status=BAD_ANNOTATION, remarks=(f"expected onset <= apex <= offset, got {order}",))
    clip = replace(clip, onset=onset, apex=apex, offset=offset)
    folder = base / value["frames"]
    if not os.path.isdir(folder):  # noqa: PTH112  (unlike Path's, never raises, e.g. for a name too long)
        advice = video_advice(value["frames"])
        why = f"{_short(value['frames'])} is {advice}" if advice else f"no folder {_short(value['frames'])}"
        return replace(clip, status=MISSING_FRAME, remarks=(why,))
    if folder not in folders:
        folders[folder] = index_frames(folder)
    frames = folders[folder]
    clip = with_frames(clip, frames, _short(value["frames"]))
    if clip.status == OK and offset > max(frames.names):
        beyond = f"offset {offset} is beyond the last picture, {max(frames.names)}"
        clip = replace(clip, remarks=(*clip.remarks, beyond))
    return clip


def _from_pictures(clip: Clip, pictures: Mapping[str, str], base: Path) -> Clip:
    paths = [base / text for text in pictures.values()]
    lost = [
        f"no {name} {_short(text)}"
        for (name, text), path in zip(pictures.items(), paths, strict=True)
        if not os.path.isfile(path)  # noqa: PTH113  (as above)
    ]
    if lost:
        return replace(clip, status=MISSING_FRAME, remarks=tuple(lost))
    if len(paths) == 1:
        return replace(clip, key_frames=(paths[0],) * 3, channels=True)
    return replace(clip, key_frames=tuple(paths))


def _short(text: str) -> str:
    """A path as the csv writes it; of an absolute one the end, since remarks go into packs that travel."""
    path = PurePath(text)
    return text if not path.is_absolute() else str(PurePath("...", *path.parts[-2:]))
