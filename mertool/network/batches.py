"""What each training batch holds: the order of the clips, and the random augmentation of each.

Random numbers are keyed by (seed, epoch, clip, augmentation): a clip is augmented in the same way in whatever batch,
order, thread or process it is rendered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..inputs.rendering import Augmentation
from ..settings import Settings

__all__ = ["batch_plan", "sample_augmentation", "steps_per_epoch"]


def sample_augmentation(ids: Sequence[str], copy: NDArray[np.int64], epoch: int, settings: Settings) -> Augmentation:
    """Random geometry and tone of B augmented clips.

    Args:
        ids: B clip ids.
        copy: (B,) which of a clip's augmentations, from 0.
        epoch: Only used with `fresh_augmentations`; without it each epoch has the same ones, as the paper's ten.
        settings: Ranges and seed.
    """
    epoch = epoch if settings.fresh_augmentations else 0
    u = np.stack([_generator(settings.seed, name, epoch, int(k)).random(4) for name, k in zip(ids, copy, strict=True)])
    tone = np.stack([1 + settings.contrast * (2 * u[:, 2] - 1), settings.brightness * (2 * u[:, 3] - 1)], 1)
    return Augmentation(
        angle_deg=settings.rotation_deg * (2 * u[:, 0] - 1),
        mirror=(u[:, 1] < 0.5) & settings.hflip,
        tone=tone.astype(np.float32),
    )


def steps_per_epoch(count: int, settings: Settings) -> int:
    """Batches per epoch over `count` training clips.

    Raises:
        DataError: Fewer than two samples per epoch, too few for batch statistics.
    """
    if count * settings.augmentations < 2:
        raise DataError("training needs at least two clips (or --augmentations 2)")
    total = count * settings.augmentations
    return min(-(-total // settings.batch_size), total // 2)


def batch_plan(
    ids: Sequence[str], labels: NDArray[np.int64], epoch: int, settings: Settings
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The order of an epoch: for each batch (B,) indices into `ids`, and (B,) numbers of their augmentations.

    Every clip comes `copies` times, in random order; with `balance`, as many clips are drawn in all, and every class
    equally often in expectation. Batches hold at most `batch_size` clips and differ in size by at most one, so that
    none is too small for batch statistics.
    """
    generator = _generator(settings.seed, "order", epoch, 0)
    total = len(ids) * settings.augmentations
    if settings.balanced_sampling:
        present = np.unique(labels)
        members = [np.flatnonzero(labels == label) for label in present]
        drawn = generator.integers(len(present), size=total)
        index = np.array([members[k][generator.integers(len(members[k]))] for k in drawn])
        copy = np.arange(total)
        if not settings.fresh_augmentations:
            copy = generator.integers(settings.augmentations, size=total)
    else:
        order = generator.permutation(total)
        index, copy = order % len(ids), order // len(ids)
    for part in np.array_split(np.arange(total), steps_per_epoch(len(ids), settings)):
        yield index[part], copy[part]


def _generator(seed: int, name: str, epoch: int, copy: int) -> np.random.Generator:
    key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    return np.random.Generator(np.random.Philox(key=seed | key << 64, counter=[0, copy, epoch, 0]))
