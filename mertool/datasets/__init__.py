"""Data sets: a folder with its annotation, or a manifest csv, to `Clip`s.

One module per data set in `readers`, each with a `READER`; `READERS` lists them.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from pathlib import Path

from ..clips import OK
from ..errors import DataError, FileError, UsageError
from .annotations import Annotations, middle_of, with_apex
from .reader import Reader
from .readers import (
    casme,
    casme2,
    casme3,
    casme_squared,
    ckplus,
    fourdme,
    manifest,
    mmew,
    samm,
    samm_lv,
    smic,
    smic_e,
)
from .survey import Survey, survey

__all__ = ["READERS", "Annotations", "describe_layout", "read_clips"]

READERS: dict[str, Reader] = {
    module.READER.name: module.READER
    for module in (
        samm,
        samm_lv,
        casme2,
        smic,
        smic_e,
        ckplus,
        mmew,
        casme,
        casme_squared,
        casme3,
        fourdme,
    )
}
_ALIASES = {"casmeii": "casme2", "ck+": "ckplus", "ck": "ckplus", "sammlongvideos": "samm-lv", "sammlv": "samm-lv"}
_PARTS = {part: reader for reader in READERS.values() for part in reader.parts}


def read_clips(path: Path, *, dataset: str | None = None, apex: str = "table") -> Annotations:
    """Every clip that the annotation in a folder (or a manifest csv) names, with its frames on disk.

    Args:
        path: A data set's folder, or a .csv manifest.
        dataset: Name of the data set or of a part of one, e.g. "samm", "smic-vis" or "manifest"; recognised from the
            folder's content if None.
        apex: "table", or "middle": of onset..offset, whatever the table says.

    Raises:
        UsageError: An unknown data set, or one that does not fit the kind of path.
        FileError: Something is missing or cannot be read.
        DataError: The annotation cannot be used, or no data set or several are recognised.
    """
    found = _read(path, dataset)
    if apex != "table":
        found = dataclasses.replace(found, notes=tuple(note for note in found.notes if note != smic.NO_APEX))
    if apex == "middle":
        clips = tuple(
            with_apex(clip, middle_of(clip.onset, max(clip.sequence.numbers, default=clip.onset)), apex)
            if clip.status == OK
            else clip
            for clip in found.clips
        )
        found = dataclasses.replace(found, clips=clips)
    return found


def describe_layout(name: str) -> str:
    """The folder and the table columns that a data set's reader looks for.

    Raises:
        UsageError: An unknown data set.
    """
    if name == manifest.NAME:
        return manifest.DESCRIPTION
    return _reader(name).describe()


def _read(path: Path, dataset: str | None) -> Annotations:
    reader = None if dataset in (None, manifest.NAME) else _reader(dataset)
    if os.path.isdir(path):  # noqa: PTH112  (unlike Path's, never raises, e.g. for a name too long)
        if dataset == manifest.NAME:
            raise UsageError(f"{path}: a manifest is a .csv file, not a folder")
        seen = survey(path)
        return (reader or _recognise(seen)).read(seen, dataset if dataset in _PARTS else None)
    if not os.path.exists(path):  # noqa: PTH110
        raise FileError(f"{path}: no such file or folder; expected a data set's folder or a .csv manifest")
    if path.suffix.lower() != ".csv":
        raise UsageError(f"{path}: expected a data set's folder or a .csv manifest; for a table, give its folder")
    if dataset not in (None, manifest.NAME):
        raise UsageError(f"{path}: {dataset} is read from its folder, not from a .csv file")
    return manifest.read(path)


def _reader(name: str) -> Reader:
    reader = READERS.get(name) or _PARTS.get(name)
    if reader is None:
        known = [*READERS, *_PARTS, manifest.NAME]
        plain = re.sub(r"[^a-z0-9+]", "", name.lower())
        near = [_ALIASES[plain]] if plain in _ALIASES else difflib.get_close_matches(name.lower(), known, 1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"data set {name!r} is unknown{hint}; known are {', '.join(known)}")
    return reader


def _recognise(seen: Survey) -> Reader:
    """The reader whose clip folders are there; where there are none, the one whose table is."""
    by_folder = {name: clue for name, reader in READERS.items() if (clue := reader.clue(seen))}
    by_table = {name: clue for name, reader in READERS.items() if (clue := reader.detect_table(seen))}
    for clues in (by_folder, by_table):
        if len(clues) > 1:
            met = "; ".join(f"{name}: {clue}" for name, clue in clues.items())
            raise DataError(
                f"{seen.root}: could be {' or '.join(clues)} ({met}); "
                f"say which with --dataset {next(iter(clues))}, or give the folder of one of them"
            )
        if clues:
            return READERS[next(iter(clues))]
    raise DataError(
        f"{seen.root}: holds no data set that mertool knows ({', '.join(READERS)}); what it looks for, "
        "'mertool extract --layout NAME' shows; your own recordings go into a .csv manifest"
    )
