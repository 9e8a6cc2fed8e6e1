"""Folds as data: which clips are tested in which fold, written once and reused (`protocols.py` makes them).

A fold is the tuple of clip ids (`dataset/subject/clip`) of its test part; all clips of the other folds are its training
part. Splitting by clip id is what keeps augmented copies and the frames of one clip on one side.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..clips import split_id, subject_key_of_id
from ..csv_text import unescape_cell
from ..errors import DataError, FileError, UsageError
from ..files import read_json, read_text, write_json
from ..text import abbreviate, os_error_text

__all__ = ["Folds", "Overlap", "read_folds_file", "subject_overlap"]

_FORMAT = 1
_MOST_DIGITS = 6  # of the number of a fold: --folds goes to 100 000
_LARGEST = 2**28  # bytes of a csv of folds


@dataclass(frozen=True, slots=True)
class Folds:
    """A partition of clips into test parts.

    Attributes:
        protocol: How the folds were made, e.g. "stratified".
        seed: Seed they were made with.
        tests: The clip ids each fold tests; fold k is `tests[k]`.

    Raises:
        DataError: Fewer than two folds, an empty fold, a clip tested twice, an id that is not dataset/subject/clip.
    """

    protocol: str
    seed: int
    tests: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if len(self.tests) < 2:
            raise DataError(f"folds: expected at least two folds, got {len(self.tests)}")
        empty = [str(fold) for fold, ids in enumerate(self.tests) if not ids]
        if empty:
            raise DataError(f"folds: fold {', '.join(empty)} has no clips; every fold needs at least one")
        counts = Counter(clip_id for ids in self.tests for clip_id in ids)
        for clip_id in counts:
            split_id(clip_id)
        twice = sorted(clip_id for clip_id, count in counts.items() if count > 1)
        if twice:
            raise DataError(f"folds: {_listing(twice)} tested more than once; a clip belongs to one fold")

    def training(self, fold: int) -> tuple[str, ...]:
        """The clip ids fold number `fold` trains on: all of the other folds, sorted.

        Raises:
            UsageError: There is no such fold.
        """
        if not 0 <= fold < len(self.tests):
            raise UsageError(f"--fold: expected 0 to {len(self.tests) - 1}, got {fold}")
        return tuple(sorted(i for other, ids in enumerate(self.tests) if other != fold for i in ids))

    def fold_of(self) -> dict[str, int]:
        """The number of the fold that tests each clip id."""
        return {clip_id: fold for fold, ids in enumerate(self.tests) for clip_id in ids}

    def names(self) -> tuple[str, ...]:
        """What to call each fold: the data set or the subject that it tests, else its number.

        Data sets if every fold tests another one; where a fold tests one subject, its `subject_key_of_id`.
        """
        datasets = [{split_id(clip_id)[0] for clip_id in ids} for ids in self.tests]
        subjects = [{subject_key_of_id(clip_id) for clip_id in ids} for ids in self.tests]
        by_subject = all(len(tested) == 1 for tested in subjects)
        n_datasets = len(set().union(*datasets))
        if all(len(tested) == 1 for tested in datasets) and n_datasets == len(datasets) and not by_subject:
            return tuple(*zip(*datasets, strict=True))
        return tuple(next(iter(tested)) if len(tested) == 1 else str(fold) for fold, tested in enumerate(subjects))

    def check(self, ids: Iterable[str]) -> None:
        """Make sure that the folds test exactly these clips.

        Raises:
            DataError: A clip that no fold tests, or a tested clip that is not among `ids`; both are named.
        """
        wanted, tested = set(ids), set(self.fold_of())
        unknown, missing = sorted(tested - wanted), sorted(wanted - tested)
        if unknown:
            raise DataError(f"folds: {_listing(unknown)} not in the pack; were the folds made from another pack?")
        if missing:
            raise DataError(f"folds: {_listing(missing)} in no fold; were the folds made from another pack?")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, always in the same order."""
        tests = [list(ids) for ids in self.tests]
        return {"format": _FORMAT, "protocol": self.protocol, "seed": self.seed, "tests": tests}

    @classmethod
    def from_dict(cls, values: Any) -> Folds:
        """Folds from what `to_dict` gives.

        Raises:
            DataError: Another format or other types, or folds that cannot be (see the class).
        """
        if not isinstance(values, dict) or values.get("format") != _FORMAT:
            got = values.get("format") if isinstance(values, dict) else type(values).__name__
            raise DataError(
                f"folds: expected format {_FORMAT}, got {abbreviate(got)}; was it written by a newer mertool?"
            )
        protocol, seed, tests = (values.get(name) for name in ("protocol", "seed", "tests"))
        if not isinstance(protocol, str):
            raise DataError(f"folds: protocol: expected text, got {abbreviate(protocol)}")
        if type(seed) is not int:
            raise DataError(f"folds: seed: expected a whole number, got {abbreviate(seed)}")
        if not isinstance(tests, list) or not all(
            isinstance(ids, list) and all(isinstance(clip_id, str) for clip_id in ids) for ids in tests
        ):
            raise DataError("folds: tests: expected one list of clip ids per fold")
        return cls(protocol, seed, tuple(tuple(ids) for ids in tests))

    def save(self, path: Path) -> None:
        """Write folds.json atomically; equal folds give equal bytes."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: Path) -> Folds:
        """Read folds.json.

        Raises:
            FileError: The file is missing or not JSON.
            DataError: What it says cannot be folds.
        """
        values = read_json(path)
        try:
            return cls.from_dict(values)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error


class Overlap(NamedTuple):
    """Subjects with clips in both the test and the training part of a fold, sorted; named by `subject_key_of_id`."""

    fold: int
    n_shared: int
    subjects: tuple[str, ...]


def read_folds_file(path: Path, ids: Sequence[str], outside: Collection[str] = ()) -> Folds:
    """The user's own folds: a folds.json of another run, or a csv with the columns `clip` (an id) and `fold` (from 0).

    Args:
        path: The file.
        ids: The clips of the run; the file must give each of them a fold.
        outside: Clips that may be in the file too; they are left out, since they belong to none of the classes.

    Raises:
        FileError: The file cannot be read.
        DataError: It gives no folds, or folds of other clips.
    """
    tests = _tests_of_csv(path) if path.suffix.lower() == ".csv" else Folds.load(path).tests
    try:
        folds = Folds("file", 0, tuple(tuple(name for name in part if name not in outside) for part in tests))
        folds.check(ids)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return folds


def _tests_of_csv(path: Path) -> tuple[tuple[str, ...], ...]:
    try:
        text = read_text(path, _LARGEST)
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        lines = csv.reader(io.StringIO(text), delimiter=delimiter)
        rows = [(line, row) for line, row in enumerate(lines, 1) if row]
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a csv file ({error})") from error
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    if header.count("clip") != 1 or header.count("fold") != 1:
        raise DataError(f"{path}: line 1: expected the columns clip and fold, got {','.join(header) or 'nothing'}")
    tests: dict[int, list[str]] = {}
    for line, row in rows[1:]:
        cells = dict(zip(header, map(str.strip, row), strict=False))
        number = cells.get("fold", "")
        if not number.isascii() or not number.isdigit() or len(number) > _MOST_DIGITS:
            raise DataError(f"{path}: line {line}: fold: expected a whole number from 0, got {abbreviate(number)}")
        tests.setdefault(int(number), []).append(unescape_cell(cells["clip"]))
    if not tests or sorted(tests) != list(range(len(tests))):
        got = ", ".join(map(str, sorted(tests))) or "none"
        raise DataError(f"{path}: expected folds numbered from 0 without a gap, got {got}")
    return tuple(tuple(sorted(tests[fold])) for fold in range(len(tests)))


def subject_overlap(folds: Folds) -> list[Overlap]:
    """For each fold, the subjects with clips in both its test and its training part.

    A protocol is subject-independent if every `n_shared` is 0.
    """
    subjects = [{subject_key_of_id(clip_id) for clip_id in ids} for ids in folds.tests]
    n_folds_with = Counter(subject for fold in subjects for subject in fold)
    overlaps = []
    for fold, tested in enumerate(subjects):
        shared = tuple(sorted(subject for subject in tested if n_folds_with[subject] > 1))
        overlaps.append(Overlap(fold, len(shared), shared))
    return overlaps


def _listing(ids: Sequence[str]) -> str:
    """The first three ids with their verb: 'clip a/b/c is', '5 clips (a/b/c, ...) are'."""
    if len(ids) == 1:
        return f"clip {ids[0]} is"
    return f"{len(ids)} clips ({', '.join(ids[:3])}{', ...' if len(ids) > 3 else ''}) are"
