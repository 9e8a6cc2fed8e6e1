"""Data sets: from a folder with its annotation, or a manifest csv, to `Clip`s.

There is one module per data set in `readers`, each with a `READER`; `READERS` lists them.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import replace
from pathlib import Path

from ..clips import OK, Clip
from ..errors import AnnotationError, FileError, UsageError
from ..text import is_plain, video_advice
from .annotations import Annotations
from .key_frames import middle_of, with_apex
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
from .survey import Survey, survey_folder

__all__ = ["READERS", "Annotations", "describe_dataset", "read_clips"]

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
        apex: "table"; "middle" of onset..offset, whatever the table says; or "difference", which is found later, when
            the pictures are read.

    Raises:
        UsageError: An unknown data set, or one that does not fit the kind of path.
        FileError: Something is missing or cannot be read.
        AnnotationError: The annotation cannot be used, or no data set or several are recognised.
    """
    annotations = _read(path, dataset, apex)
    _check_names(path, annotations)
    if apex == "table":
        return annotations
    annotations = replace(annotations, middle_is_apex=False)  # `apex` says what is used
    if apex == "middle":
        annotations = replace(annotations, clips=tuple(map(_with_middle_apex, annotations.clips)))
    return annotations


def _check_names(path: Path, annotations: Annotations) -> None:
    """Refuse names that cannot be printed and stored everywhere, before they are in packs, runs and tables."""
    if not is_plain(annotations.dataset):
        raise AnnotationError(
            f"{path}: names a data set, but is not valid UTF-8 or has control characters; rename this file"
        )
    for clip in annotations.clips:
        if not (is_plain(clip.id) and is_plain(clip.emotion)):
            raise AnnotationError(
                f"{path}: name or emotion of clip {clip.id} is not valid UTF-8 or has control characters; change it"
            )


def describe_dataset(name: str) -> str:
    """The folders and table columns that a data set's reader looks for.

    Raises:
        UsageError: An unknown data set.
    """
    if name == manifest.NAME:
        return manifest.DESCRIPTION
    return _reader(name).describe()


def _with_middle_apex(clip: Clip) -> Clip:
    if clip.status != OK:
        return clip
    last = max(clip.sequence.numbers, default=clip.onset)
    return with_apex(clip, middle_of(clip.onset, last), "middle")


def _read(path: Path, dataset: str | None, apex: str) -> Annotations:
    reader = None if dataset in (None, manifest.NAME) else _reader(dataset)
    if os.path.isdir(path):  # noqa: PTH112  (unlike Path's, never raises, e.g. for a name too long)
        if dataset == manifest.NAME:
            raise UsageError(f"{path}: a manifest is a .csv file, not a folder")
        survey = survey_folder(path)
        part = dataset if dataset in _PARTS else None
        return (reader or _recognise(survey)).read(survey, part)
    if not os.path.exists(path):  # noqa: PTH110
        raise FileError(f"{path}: no such file or folder; expected a data set's folder or a .csv manifest")
    video = video_advice(path.name)
    if video:
        raise UsageError(f"{path}: expected a data set's folder or a .csv manifest, got {video}")
    if path.suffix.lower() == ".npz":
        raise UsageError(f"{path}: a pack already; extract makes one from a data set's folder or a .csv manifest")
    if path.suffix.lower() != ".csv":
        raise UsageError(f"{path}: expected a data set's folder or a .csv manifest; for a table, give its folder")
    if reader is not None:
        raise UsageError(f"{path}: {dataset} is read from its folder, not from a .csv file")
    return manifest.read(path, apex)


def _reader(name: str) -> Reader:
    """The reader of a data set, or of a part of one."""
    reader = READERS.get(name) or _PARTS.get(name)
    if reader is None:
        known = [*READERS, *_PARTS, manifest.NAME]
        plain = re.sub(r"[^a-z0-9+]", "", name.lower())
        near = [_ALIASES[plain]] if plain in _ALIASES else difflib.get_close_matches(name.lower(), known, 1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"data set {name!r} is unknown{hint}; known are {', '.join(known)}")
    return reader


def _recognise(survey: Survey) -> Reader:
    """The reader whose clip folders are there; if there are none, the one whose table is."""
    by_folder = {name: reason for name, reader in READERS.items() if (reason := reader.detect(survey))}
    by_table = {name: reason for name, reader in READERS.items() if (reason := reader.detect_table(survey))}
    for reasons in (by_folder, by_table):
        if len(reasons) > 1:
            listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
            raise AnnotationError(
                f"{survey.root}: could be {' or '.join(reasons)} ({listed}); "
                f"say which with --dataset {next(iter(reasons))}, or give the folder of one of them"
            )
        if reasons:
            return READERS[next(iter(reasons))]
    raise AnnotationError(
        f"{survey.root}: holds no data set that mertool knows ({', '.join(READERS)}); 'mertool extract --describe "
        "NAME' shows what it looks for; your own recordings go into a .csv manifest"
    )
