"""Checks of the files of a finished run: exactly those that it must have, each as it was when its fold was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isclose
from pathlib import Path
from typing import Any

from ..errors import FileError, MertoolError, RunError
from ..evaluation.folds import Folds
from ..files import file_sha256
from ..text import abbreviate, few
from .checks import FAIL, PASS, Check
from .config import RunConfig, fingerprint
from .finished import Run, results_of
from .layout import FoldFolder, RunFolder
from .methods import method_of
from .record import FoldRecord

__all__ = ["check_files", "check_results"]

_ROUNDING = 1e-9  # relative; of sums in another order on another machine


def check_files(folder: Path, config: RunConfig, folds: Folds) -> Check:
    """Compare what is in the folders with what the method leaves, and with the hashes of done.json.

    Raises:
        RunError: A fold is not done, or its done.json is damaged.
    """
    run = RunFolder(folder)
    method = method_of(config.settings)
    expected = _fingerprint(folder)
    wrong: list[str] = []
    other_run: list[str] = []
    for fold in range(len(folds.tests)):
        own = run.fold(fold)
        if not own.is_done:
            raise RunError(f'{folder}: fold {fold} is not done; run "{run.resume_command()}"')
        record = own.read_record()
        wrong += _faults_of_fold(own, record, method.files_left(own, config, folds.training(fold)))
        if record.fingerprint != expected:
            other_run.append(str(fold))
    started = f"{run.config.name}, {run.environment.name} or {run.folds.name}"
    if other_run:
        which = f"fold {other_run[0]} was" if len(other_run) == 1 else f"folds {few(other_run)} were"
        wrong.insert(0, f"{started}, since {which} done")
    wrong += [f"{name} (unexpected)" for name in run.unexpected_files(len(folds.tests), config.settings.repeats)]
    if wrong:
        return Check("files", FAIL, f"changed since they were written: {few(wrong)}")
    return Check("files", PASS, f"{len(folds.tests)} folds hold exactly the files that they wrote; {started} unchanged")


def check_results(run: Run) -> Check:
    """Compare results.json, which other tools read, with the scores of the predictions."""
    path = RunFolder(run.folder).results
    if not path.is_file():
        return Check("results", FAIL, f"{path.name} (gone)")
    try:
        found = RunFolder(run.folder).read_results()
    except MertoolError as error:
        return Check("results", FAIL, str(error))
    wanted = results_of(run.settings, run.metrics)
    if not isinstance(found, dict):
        return Check("results", FAIL, f"{path.name}: damaged; expected the scores of the run")
    names = dict.fromkeys([*wanted, *found])
    apart = [name for name in names if not _same(found.get(name), wanted.get(name))]
    if apart:
        return Check("results", FAIL, f"{path.name} has other values than the predictions give: {few(apart)}")
    return Check("results", PASS, f"the predictions give what {path.name} says")


def _fingerprint(folder: Path) -> str | None:
    """The fingerprint of a run; None if a file that it needs is gone."""
    try:
        return fingerprint(folder)
    except FileError:
        return None


def _faults_of_fold(folder: FoldFolder, record: FoldRecord, left: Sequence[Path]) -> Iterator[str]:
    """Files that are gone, changed, without a hash, or not expected; a name that is not expected is never opened."""
    for path in left:
        name = f"{folder.path.name}/{path.name}"
        digest = record.files.get(path.name)
        if not path.exists():
            yield f"{name} (gone)"
        elif digest is None:
            yield f"{name} (no hash)"
        elif _sha256(path) != digest:
            yield name
    for listed in sorted(record.files.keys() - {path.name for path in left}):
        yield f"{folder.path.name}/{folder.done.name} names {abbreviate(listed)}"
    for found in folder.unexpected_files(left):
        yield f"{folder.path.name}/{found} (unexpected)"


def _sha256(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except FileError:
        return None


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, but for rounding and for lists that were tuples before they were JSON."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
    return bool(one == other)
