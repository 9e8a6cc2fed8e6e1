"""Data sets: a folder with its annotation table, or a manifest csv, to `Clip`s.

One module a data set, with `NAME`, `CLUE`, `EXPECTED`, `recognise(folder)` and `read(folder)`; `_READERS` lists them.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Protocol

from ..errors import DataError, FileError, UsageError
from . import manifest, samm
from .annotations import Annotations, Expected

__all__ = ["Annotations", "expected_of", "read_clips"]


class _Reader(Protocol):
    NAME: str
    CLUE: str
    EXPECTED: Expected

    def recognise(self, folder: Path) -> bool: ...

    def read(self, folder: Path) -> Annotations: ...


_READERS: dict[str, _Reader] = {samm.NAME: samm}


def read_clips(path: Path, *, dataset: str | None = None) -> Annotations:
    """Every clip that the annotation in a folder (or a manifest csv) names, with its frames on disk.

    Args:
        path: A data set's folder, or a .csv manifest.
        dataset: Name of the data set, e.g. "samm" or "manifest"; recognised from the folder's content if None.

    Raises:
        UsageError: An unknown data set, or one that does not fit the kind of path.
        FileError: Something is missing or cannot be read.
        DataError: The annotation cannot be used, or no data set or several are recognised.
    """
    known = [*_READERS, manifest.NAME]
    if dataset is not None and dataset not in known:
        near = difflib.get_close_matches(dataset.lower(), known, 1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"data set {dataset!r} is unknown{hint}; known are {', '.join(known)}")
    if os.path.isdir(path):  # noqa: PTH112  (unlike Path's, never raises, e.g. for a name too long)
        if dataset == manifest.NAME:
            raise UsageError(f"{path}: a manifest is a .csv file, not a folder")
        return _READERS[dataset or _recognise(path)].read(path)
    if not os.path.exists(path):  # noqa: PTH110
        raise FileError(f"{path}: no such file or folder; expected a data set's folder or a .csv manifest")
    if path.suffix.lower() != ".csv":
        raise UsageError(f"{path}: expected a data set's folder or a .csv manifest; for a table, give its folder")
    if dataset not in (None, manifest.NAME):
        raise UsageError(f"{path}: {dataset} is read from its folder, not from a .csv file")
    return manifest.read(path)


def expected_of(dataset: str) -> Expected | None:
    """What the data set holds as released; None for a manifest."""
    reader = _READERS.get(dataset)
    return reader.EXPECTED if reader else None


def _recognise(folder: Path) -> str:
    found = [name for name, reader in _READERS.items() if reader.recognise(folder)]
    if len(found) > 1:
        raise DataError(f"{folder}: holds {' and '.join(found)}; give the folder of one of them")
    if not found:
        clues = "; ".join(f"{name}: {reader.CLUE}" for name, reader in _READERS.items())
        raise DataError(
            f"{folder}: holds no data set that mertool knows ({clues}); "
            "describe your own recordings in a .csv manifest and give that"
        )
    return found[0]
