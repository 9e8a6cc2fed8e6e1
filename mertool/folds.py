"""Folds as data: which clips are tested in which fold, written once and reused.

A fold is the tuple of clip ids (`dataset/subject/clip`) of its test part; all clips of the other folds are its training
part. Splitting by clip id is what keeps augmented copies and the frames of one clip on one side.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .clips import natural_key, person_of
from .errors import DataError, UsageError
from .files import read_json, write_json

__all__ = ["Folds", "Overlap", "loso_folds", "person_of_id", "split_id", "stratified_folds", "subject_overlap"]

_FORMAT = 1


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
            raise DataError(f"folds: expected format {_FORMAT}, got {got!r}; was it written by a newer mertool?")
        protocol, seed, tests = (values.get(name) for name in ("protocol", "seed", "tests"))
        if not isinstance(protocol, str):
            raise DataError(f"folds: protocol: expected text, got {protocol!r}")
        if type(seed) is not int:
            raise DataError(f"folds: seed: expected a whole number, got {seed!r}")
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
    """People of one fold's test part who also have clips in its training part, sorted (`person_of_id`)."""

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


def person_of_id(clip_id: str) -> str:
    """The person of a clip: data sets that share people are one (`mertool.clips.person_of`)."""
    return person_of(*split_id(clip_id)[:2])


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
        people.setdefault(person_of_id(clip_id), []).append(clip_id)
    if not people:
        raise DataError("folds: no clip is of the wanted classes; try another --classes")
    if len(people) == 1:
        raise DataError(f"folds: all {len(ids)} clips are of {next(iter(people))}; --protocol loso needs two subjects")
    return Folds("loso", 0, tuple(tuple(people[name]) for name in sorted(people, key=natural_key)))


def subject_overlap(folds: Folds) -> list[Overlap]:
    """For each fold, the people with clips in both its test and its training part.

    A protocol is subject-independent if every `n_shared` is 0.
    """
    subjects = [{person_of_id(clip_id) for clip_id in ids} for ids in folds.tests]
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
