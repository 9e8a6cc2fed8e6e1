"""Folds as data: which clips are tested in which fold, written once and reused.

A fold is the tuple of clip ids (`dataset/subject/clip`) of its test part; all clips of the other folds are its training
part. Splitting by clip id is what keeps augmented copies and the frames of one clip on one side.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..clips import natural_key, subject_key
from ..errors import DataError, FileError, UsageError
from ..files import read_json, write_json
from ..text import abbreviate, os_error_text

__all__ = [
    "Folds",
    "Overlap",
    "dataset_folds",
    "group_folds",
    "inner_folds",
    "inner_split",
    "loso_folds",
    "read_folds_file",
    "split_id",
    "stratified_folds",
    "subject_key_of_id",
    "subject_overlap",
]

_FORMAT = 1
_INNER_PARTS = 5  # a fifth of the training part: about twenty clips of a hundred


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
            raise DataError("folds: tests: expected a list of clip ids a fold")
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
    """People of one fold's test part who also have clips in its training part, sorted (`subject_key_of_id`)."""

    fold: int
    n_shared: int
    subjects: tuple[str, ...]


def split_id(clip_id: str) -> tuple[str, str, str]:
    """Dataset, subject and clip of an id `dataset/subject/clip`; only the clip may itself contain a slash.

    Raises:
        DataError: The id has fewer parts or an empty one.
    """
    parts = clip_id.split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise DataError(f"clip id: expected dataset/subject/clip, got {clip_id!r}")
    return parts[0], parts[1], parts[2]


def stratified_folds(ids: Sequence[str], labels: Sequence[str], n_folds: int, seed: int) -> Folds:
    """Spread every class as evenly as possible over the folds; a subject may be in several (the paper's protocol).

    Within a class the clips are ordered by a hash of seed and id, so that the folds depend neither on the order of the
    input nor on the version of a random number generator; then all classes, one after the other, are dealt out in one
    go like cards. That keeps each class and the total balanced within one clip: 121 clips give 25, 24, 24, 24, 24.

    Args:
        ids: Clip ids `dataset/subject/clip`, each once.
        labels: Class of each clip.
        n_folds: Number of folds, at least 2.
        seed: Other seeds give other folds.

    Raises:
        UsageError: Fewer than two folds are asked for.
        DataError: No clips, an id twice, one class only, or a class with fewer clips than folds.

    Source: Hata et al., section 4 (5 folds); the paper does not say how the clips were drawn.
    """
    if n_folds < 2:
        raise UsageError(f"--folds: expected at least 2, got {n_folds}")
    counts = Counter(labels)
    if not counts:
        raise DataError("folds: no clip is of the wanted classes; try another --classes")
    if len(counts) == 1:
        raise DataError(f"folds: all {len(ids)} clips are {labels[0]!r}; expected two classes, try another --classes")
    few = {name: count for name, count in sorted(counts.items()) if count < n_folds}
    if few:
        smallest = min(few.values())
        remedy = f"--folds {smallest} or another --classes" if smallest >= 2 else "another --classes"
        found = ", ".join(f"{name!r} has {count}" for name, count in few.items())
        raise DataError(f"folds: every class needs a clip a fold, {n_folds} here, but {found}; try {remedy}")

    def deal(clip: tuple[str, str]) -> tuple[str, bytes]:
        clip_id, label = clip
        return label, hashlib.sha256(f"{seed}/{clip_id}".encode()).digest()

    order = [clip_id for clip_id, _ in sorted(zip(ids, labels, strict=True), key=deal)]
    return Folds("stratified", seed, tuple(tuple(sorted(order[fold::n_folds])) for fold in range(n_folds)))


def subject_key_of_id(clip_id: str) -> str:
    """The person of a clip: data sets that share people are one (`mertool.clips.subject_key`)."""
    return subject_key(*split_id(clip_id)[:2])


def loso_folds(ids: Sequence[str]) -> Folds:
    """Leave one subject out: a fold a person, in the order of their names.

    Args:
        ids: Clip ids `dataset/subject/clip`, each once.

    Raises:
        DataError: No clips, an id twice, or one person only.

    Source: MEGC2019 (See et al.), its composite evaluation over 68 subjects.
    """
    people: dict[str, list[str]] = {}
    for clip_id in sorted(ids):
        people.setdefault(subject_key_of_id(clip_id), []).append(clip_id)
    if not people:
        raise DataError("folds: no clip is of the wanted classes; try another --classes")
    if len(people) == 1:
        raise DataError(f"folds: all {len(ids)} clips are of {next(iter(people))}; --protocol loso needs two subjects")
    return Folds("loso", 0, tuple(tuple(people[name]) for name in sorted(people, key=natural_key)))


def group_folds(ids: Sequence[str], labels: Sequence[str], n_folds: int, seed: int) -> Folds:
    """Subject-disjoint folds whose classes are as even as whole people allow.

    People are dealt one after the other, those with most clips first (of equals by a hash of seed and name), each to
    the fold where the classes then deviate least from an even spread; then they move and change places for as long as
    that makes the classes more even.

    Args:
        ids: Clip ids `dataset/subject/clip`, each once.
        labels: Class of each clip.
        n_folds: Number of folds, at least 2.
        seed: Other seeds give other folds.

    Raises:
        UsageError: Fewer than two folds are asked for.
        DataError: No clips, an id twice, or fewer people than folds.
    """
    if n_folds < 2:
        raise UsageError(f"--folds: expected at least 2, got {n_folds}")
    if not ids:
        raise DataError("folds: no clip is of the wanted classes; try another --classes")
    people: dict[str, list[int]] = {}
    for place in sorted(range(len(ids)), key=ids.__getitem__):
        people.setdefault(subject_key_of_id(ids[place]), []).append(place)
    if len(people) == 1:
        raise DataError(f"folds: all {len(ids)} clips are of {next(iter(people))}; --protocol group needs two subjects")
    if len(people) < n_folds:
        raise DataError(
            f"folds: {len(people)} subjects cannot fill {n_folds} disjoint folds; try --folds {len(people)}"
        )
    names = sorted(people, key=lambda name: (-len(people[name]), hashlib.sha256(f"{seed}/{name}".encode()).digest()))
    kinds = sorted(set(labels))
    counts = np.array([[sum(labels[at] == kind for at in people[name]) for kind in kinds] for name in names])
    fold_of = _even_out(counts, n_folds)
    tests = [
        [ids[at] for name, of in zip(names, fold_of, strict=True) if of == fold for at in people[name]]
        for fold in range(n_folds)
    ]
    return Folds("group", seed, tuple(tuple(sorted(part)) for part in tests))


def inner_folds(ids: Sequence[str], labels: Sequence[str], seed: int) -> Folds:
    """Five `group_folds` of a training part, fewer where there are fewer people: whatever is chosen is chosen on them.

    Args:
        ids: Clip ids of the training part, each once.
        labels: Class of each clip.
        seed: Other seeds give other folds.

    Raises:
        DataError: Fewer than two people.
    """
    people = {subject_key_of_id(clip_id) for clip_id in ids}
    if len(people) < 2:
        raise DataError(
            f"inner validation: a training part holds the clips of {len(people)} person; it needs two or more, so "
            "that one can validate"
        )
    return group_folds(ids, labels, min(_INNER_PARTS, len(people)), seed)


def inner_split(ids: Sequence[str], labels: Sequence[str], seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Divide the clips of a training part into a smaller one and a validation part of other people.

    Of its `inner_folds` the one whose classes come nearest to their even share validates.

    Args:
        ids: Clip ids of the training part, each once.
        labels: Class of each clip.
        seed: Other seeds give other parts.

    Returns:
        The clips left to train on, and those to validate on; both sorted.

    Raises:
        DataError: Fewer than two people.
    """
    parts = inner_folds(ids, labels, seed)
    label_of = dict(zip(ids, labels, strict=True))
    kinds = sorted(set(labels))
    counts = np.array([[sum(label_of[i] == kind for i in part) for kind in kinds] for part in parts.tests])
    share = counts.sum(0) / len(counts)
    chosen = int(((counts - share) ** 2 / share).sum(1).round(9).argmin())
    return parts.training(chosen), parts.tests[chosen]


def _even_out(counts: NDArray[np.int64], n_folds: int) -> list[int]:
    """The fold of each person such that no move and no swap makes the classes more even.

    Uneven is the sum over folds and classes of (clips - even share)^2 / even share, as in Pearson's chi-square.

    Args:
        counts: (P, K) clips of each person and class, in the order in which people are dealt out.
        n_folds: At most P.
    """
    share = counts.sum(0) / n_folds

    def uneven(clips: NDArray[Any]) -> Any:
        return ((clips - share) ** 2 / share).sum(-1)

    fold_of = np.full(len(counts), -1)
    held = np.zeros((n_folds, counts.shape[1]))
    for person, own in enumerate(counts):
        grown = uneven(held + own) - uneven(held)
        empty = [fold for fold in range(n_folds) if not (fold_of == fold).any()]
        open_to = empty if len(empty) >= len(counts) - person else range(n_folds)
        fold_of[person] = min(open_to, key=lambda fold: (round(float(grown[fold]), 9), held[fold].sum(), fold))
        held[fold_of[person]] += own
    improved = True
    while improved:
        improved = False
        for person, own in enumerate(counts):
            for fold in range(n_folds):
                here = fold_of[person]
                if fold == here:
                    continue
                others = np.flatnonzero(fold_of == fold)
                back = np.vstack([np.zeros_like(own), counts[others]])  # the person moves alone, or changes places
                gain = uneven(held[here]) + uneven(held[fold])
                gain = gain - uneven(held[here] - own + back) - uneven(held[fold] + own - back)
                if (fold_of == here).sum() == 1:
                    gain[0] = 0  # no fold is left empty
                best = int(gain.argmax())
                if gain[best] > 1e-9:
                    held[here] += back[best] - own
                    held[fold] += own - back[best]
                    fold_of[person] = fold
                    if best:
                        fold_of[others[best - 1]] = here
                    improved = True
    return [int(fold) for fold in fold_of]


def dataset_folds(ids: Sequence[str]) -> Folds:
    """Leave one data set out: a fold a data set, in the order of their names.

    Raises:
        DataError: No clips, an id twice, or one data set only.
    """
    datasets: dict[str, list[str]] = {}
    for clip_id in sorted(ids):
        datasets.setdefault(split_id(clip_id)[0], []).append(clip_id)
    if not datasets:
        raise DataError("folds: no clip is of the wanted classes; try another --classes")
    if len(datasets) == 1:
        only = next(iter(datasets))
        raise DataError(f"folds: all clips are of {only}; --protocol leave-dataset-out needs packs of two data sets")
    return Folds("leave-dataset-out", 0, tuple(tuple(datasets[name]) for name in sorted(datasets)))


def read_folds_file(path: Path, ids: Sequence[str], outside: Collection[str] = ()) -> Folds:
    """One's own folds: a folds.json of another run, or a csv with the columns `clip` (an id) and `fold` (from 0).

    Args:
        path: The file.
        ids: The clips of the run; the file must give each of them a fold.
        outside: Clips that may be in the file as well and are left out, since they belong to none of the classes.

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
        with path.open(encoding="utf-8-sig", newline="") as stream:
            text = stream.read()
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
        if not number.isascii() or not number.isdigit() or len(number) > 6:
            raise DataError(f"{path}: line {line}: fold: expected a whole number from 0, got {abbreviate(number)}")
        tests.setdefault(int(number), []).append(cells["clip"])
    if not tests or sorted(tests) != list(range(len(tests))):
        got = ", ".join(map(str, sorted(tests))) or "none"
        raise DataError(f"{path}: expected folds numbered from 0 without a gap, got {got}")
    return tuple(tuple(sorted(tests[fold])) for fold in range(len(tests)))


def subject_overlap(folds: Folds) -> list[Overlap]:
    """For each fold, the people with clips in both its test and its training part.

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
    """The first three ids and how many more, with their verb: 'clip a/b/c is', '5 clips (...) are'."""
    if len(ids) == 1:
        return f"clip {ids[0]} is"
    return f"{len(ids)} clips ({', '.join(ids[:3])}{', ...' if len(ids) > 3 else ''}) are"
