"""Protocols: how clips are divided into folds, and training parts once more into inner folds.

What else depends on the protocol is in one table, `PROTOCOLS`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..clips import natural_key, split_id, subject_key_of_id
from ..errors import DataError, UsageError
from .folds import Folds

__all__ = [
    "DRAWN",
    "PROTOCOLS",
    "SUBJECT_DISJOINT",
    "Protocol",
    "dataset_folds",
    "group_folds",
    "inner_folds",
    "inner_split",
    "loso_folds",
    "stratified_folds",
]

_INNER_PARTS = 5  # a fifth of the training part: about twenty clips of a hundred
_NO_CLIPS = "folds: no clip is of the wanted classes; try another --classes"


def stratified_folds(ids: Sequence[str], labels: Sequence[str], n_folds: int, seed: int) -> Folds:
    """Spread every class as evenly as possible over the folds; a subject may be in several (the paper's protocol).

    Within a class the clips are ordered by a hash of seed and id, so that the folds depend neither on the order of the
    input nor on the version of a random number generator. All classes, one after the other, are then dealt out like
    cards. This keeps each class and the total balanced within one clip: 121 clips give 25, 24, 24, 24, 24.

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
    _check_number(n_folds, ids)
    counts = Counter(labels)
    if len(counts) == 1:
        raise DataError(f"folds: all {len(ids)} clips are {labels[0]!r}; expected two classes, try another --classes")
    few = {name: count for name, count in sorted(counts.items()) if count < n_folds}
    if few:
        smallest = min(few.values())
        remedy = f"--folds {smallest} or another --classes" if smallest >= 2 else "another --classes"
        found = ", ".join(f"{name!r} has {count}" for name, count in few.items())
        raise DataError(f"folds: every class needs one clip per fold, {n_folds} here, but {found}; try {remedy}")

    def deal(clip: tuple[str, str]) -> tuple[str, bytes]:
        clip_id, label = clip
        return label, hashlib.sha256(f"{seed}/{clip_id}".encode()).digest()

    order = [clip_id for clip_id, _ in sorted(zip(ids, labels, strict=True), key=deal)]
    return Folds("stratified", seed, tuple(tuple(sorted(order[fold::n_folds])) for fold in range(n_folds)))


def group_folds(ids: Sequence[str], labels: Sequence[str], n_folds: int, seed: int) -> Folds:
    """Subject-disjoint folds whose classes are as even as whole subjects allow.

    Subjects are dealt out one after the other, those with most clips first (ties are broken by a hash of seed and
    name), each to the fold where the classes then deviate least from an even spread. Then they move and change places
    for as long as that makes the classes more even.

    Args:
        ids: Clip ids `dataset/subject/clip`, each once.
        labels: Class of each clip.
        n_folds: Number of folds, at least 2.
        seed: Other seeds give other folds.

    Raises:
        UsageError: Fewer than two folds are asked for.
        DataError: No clips, an id twice, or fewer subjects than folds.
    """
    _check_number(n_folds, ids)
    rows_of: dict[str, list[int]] = {}
    for row in sorted(range(len(ids)), key=ids.__getitem__):
        rows_of.setdefault(subject_key_of_id(ids[row]), []).append(row)
    _check_subjects(rows_of, ids, "group")
    if len(rows_of) < n_folds:
        raise DataError(
            f"folds: {len(rows_of)} subjects cannot fill {n_folds} disjoint folds; try --folds {len(rows_of)}"
        )

    def deal(subject: str) -> tuple[int, bytes]:
        return -len(rows_of[subject]), hashlib.sha256(f"{seed}/{subject}".encode()).digest()

    subjects = sorted(rows_of, key=deal)
    classes = sorted(set(labels))
    counts = np.array(
        [[sum(labels[row] == name for row in rows_of[subject]) for name in classes] for subject in subjects]
    )
    tests: list[list[str]] = [[] for _ in range(n_folds)]
    for subject, fold in zip(subjects, _even_out(counts, n_folds), strict=True):
        tests[fold] += [ids[row] for row in rows_of[subject]]
    return Folds("group", seed, tuple(tuple(sorted(part)) for part in tests))


def loso_folds(ids: Sequence[str]) -> Folds:
    """Leave one subject out: one fold per subject, in the order of their names.

    Args:
        ids: Clip ids `dataset/subject/clip`, each once.

    Raises:
        DataError: No clips, an id twice, or one subject only.

    Source: MEGC2019 (See et al.), its composite evaluation over 68 subjects.
    """
    if not ids:
        raise DataError(_NO_CLIPS)
    clips_of: dict[str, list[str]] = {}
    for clip_id in sorted(ids):
        clips_of.setdefault(subject_key_of_id(clip_id), []).append(clip_id)
    _check_subjects(clips_of, ids, "loso")
    return Folds("loso", 0, tuple(tuple(clips_of[name]) for name in sorted(clips_of, key=natural_key)))


def dataset_folds(ids: Sequence[str]) -> Folds:
    """Leave one data set out: one fold per data set, in the order of their names.

    Raises:
        DataError: No clips, an id twice, or one data set only.
    """
    if not ids:
        raise DataError(_NO_CLIPS)
    clips_of: dict[str, list[str]] = {}
    for clip_id in sorted(ids):
        clips_of.setdefault(split_id(clip_id)[0], []).append(clip_id)
    if len(clips_of) == 1:
        only = next(iter(clips_of))
        raise DataError(f"folds: all clips are of {only}; --protocol leave-dataset-out needs packs of two data sets")
    return Folds("leave-dataset-out", 0, tuple(tuple(clips_of[name]) for name in sorted(clips_of)))


class Protocol(NamedTuple):
    """What depends on the protocol of a run.

    Attributes:
        split: Divides clips into folds: (ids, labels, number of folds, seed) -> folds. None: a file gives them.
        subject_disjoint: No subject is in both the training and the test part of a fold.
        fixed_by: Why neither the number of folds nor a seed is the user's choice; "" where both are.
        option: What chooses it on the command line.
    """

    split: Callable[[Sequence[str], Sequence[str], int, int], Folds] | None
    subject_disjoint: bool
    fixed_by: str
    option: str


# As `Settings.protocol` names them. Data sets may share subjects, so leaving one out is not subject-disjoint by itself.
PROTOCOLS: dict[str, Protocol] = {
    "stratified": Protocol(stratified_folds, False, "", "--protocol stratified"),
    "group": Protocol(group_folds, True, "", "--protocol group"),
    "loso": Protocol(
        lambda ids, _labels, _n, _seed: loso_folds(ids), True, "every subject is one fold", "--protocol loso"
    ),
    "leave-dataset-out": Protocol(
        lambda ids, _labels, _n, _seed: dataset_folds(ids),
        False,
        "every data set is one fold",
        "--protocol leave-dataset-out",
    ),
    "file": Protocol(None, False, "the file decides", "--folds-file"),
}
SUBJECT_DISJOINT = frozenset(name for name, protocol in PROTOCOLS.items() if protocol.subject_disjoint)
DRAWN = frozenset(name for name, protocol in PROTOCOLS.items() if not protocol.fixed_by)


def inner_folds(ids: Sequence[str], labels: Sequence[str], seed: int) -> Folds:
    """Five `group_folds` of a training part, fewer with fewer subjects; whatever is chosen is chosen on these.

    Args:
        ids: Clip ids of the training part, each once.
        labels: Class of each clip.
        seed: Other seeds give other folds.

    Raises:
        DataError: Fewer than two subjects.
    """
    n_subjects = len({subject_key_of_id(clip_id) for clip_id in ids})
    if n_subjects < 2:
        raise DataError(
            f"inner validation: a training part has clips of {n_subjects} subject; expected two or more subjects, so "
            "that one can validate"
        )
    return group_folds(ids, labels, min(_INNER_PARTS, n_subjects), seed)


def inner_split(ids: Sequence[str], labels: Sequence[str], seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Divide the clips of a training part into a smaller one and a validation part with other subjects.

    The validation part is the inner fold whose classes come nearest to their even share.

    Args:
        ids: Clip ids of the training part, each once.
        labels: Class of each clip.
        seed: Other seeds give other parts.

    Returns:
        The clips left to train on, and those to validate on; both sorted.

    Raises:
        DataError: Fewer than two subjects.
    """
    parts = inner_folds(ids, labels, seed)
    label_of = dict(zip(ids, labels, strict=True))
    classes = sorted(set(labels))
    counts = np.array([[sum(label_of[i] == name for i in part) for name in classes] for part in parts.tests])
    share = counts.sum(0) / len(counts)
    chosen = int(((counts - share) ** 2 / share).sum(1).round(9).argmin())
    return parts.training(chosen), parts.tests[chosen]


def _check_number(n_folds: int, ids: Sequence[str]) -> None:
    if n_folds < 2:
        raise UsageError(f"--folds: expected at least 2, got {n_folds}")
    if not ids:
        raise DataError(_NO_CLIPS)


def _check_subjects(subjects: dict[str, Any], ids: Sequence[str], protocol: str) -> None:
    if len(subjects) == 1:
        only = next(iter(subjects))
        raise DataError(f"folds: all {len(ids)} clips are of {only}; --protocol {protocol} needs two subjects")


def _even_out(counts: NDArray[np.int64], n_folds: int) -> list[int]:
    """The fold of each subject such that no move and no swap makes the classes more even.

    Uneven is the sum over folds and classes of (clips - even share)^2 / even share, as in Pearson's chi-square.

    Args:
        counts: (P, K) clips of each subject and class, in the order in which subjects are dealt out.
        n_folds: At most P.
    """
    share = counts.sum(0) / n_folds

    def uneven(clips: NDArray[Any]) -> Any:
        return ((clips - share) ** 2 / share).sum(-1)

    fold_of = np.full(len(counts), -1)
    held = np.zeros((n_folds, counts.shape[1]))
    for subject, own in enumerate(counts):
        grown = uneven(held + own) - uneven(held)
        empty = [fold for fold in range(n_folds) if not (fold_of == fold).any()]
        open_to = empty if len(empty) >= len(counts) - subject else range(n_folds)
        fold_of[subject] = min(open_to, key=lambda fold: (round(float(grown[fold]), 9), held[fold].sum(), fold))
        held[fold_of[subject]] += own
    improved = True
    while improved:
        improved = False
        for subject, own in enumerate(counts):
            for fold in range(n_folds):
                here = fold_of[subject]
                if fold == here:
                    continue
                others = np.flatnonzero(fold_of == fold)
                back = np.vstack([np.zeros_like(own), counts[others]])  # the subject moves alone, or changes places
                gain = uneven(held[here]) + uneven(held[fold])
                gain = gain - uneven(held[here] - own + back) - uneven(held[fold] + own - back)
                if (fold_of == here).sum() == 1:
                    gain[0] = 0  # no fold is left empty
                best = int(gain.argmax())
                if gain[best] > 1e-9:
                    held[here] += back[best] - own
                    held[fold] += own - back[best]
                    fold_of[subject] = fold
                    if best:
                        fold_of[others[best - 1]] = here
                    improved = True
    return [int(fold) for fold in fold_of]
