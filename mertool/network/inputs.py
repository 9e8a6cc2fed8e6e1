"""Pack -> what the network sees: choice of frames, region mosaic or face, augmented copies, batches.

Augmented copies exist only here, at the moment a batch is rendered from its parent clip, so that a copy cannot stray
into another fold. Random numbers are keyed by (seed, epoch, clip, copy): a copy looks the same in whatever batch,
order, thread or process it is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..datasets.labels import ClassSet
from ..errors import DataError
from ..evaluation.predictions import NO_FOLD, Predictions
from ..pack import Pack
from ..regions import GRID, face_transforms, region_transforms
from ..settings import Settings

__all__ = [
    "Copies",
    "Samples",
    "batch_plan",
    "geometry",
    "input_shape",
    "load_samples",
    "render",
    "sample_augmentation",
    "steps_per_epoch",
]


@dataclass(frozen=True, slots=True)
class Samples:
    """The clips of one or more packs that belong to a class set, in the order of the packs.

    Attributes:
        packs: The packs.
        place: (N, 2) int64: pack and row of each clip.
        ids: N clip ids, `dataset/subject/clip`.
        labels: (N,) int64 index into `classes`.
        classes: Class names.
    """

    packs: tuple[Pack, ...]
    place: NDArray[np.int64]
    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def predictions(
        self, rows: NDArray[np.int64], probabilities: NDArray[np.float64], fold: int = NO_FOLD
    ) -> Predictions:
        """Predictions of these clips: (B,) rows and their (B, K) probabilities."""
        clips = tuple(self.ids[row] for row in rows)
        truth = tuple(self.classes[label] for label in self.labels[rows])
        return Predictions(clips, (fold,) * len(rows), truth, probabilities, self.classes)

    def rows_of(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """(len(ids),) rows of the named clips.

        Raises:
            DataError: A clip is not among them.
        """
        row = {name: index for index, name in enumerate(self.ids)}
        unknown = [name for name in ids if name not in row]
        if unknown:
            raise DataError(f"clip {unknown[0]} and {len(unknown) - 1} more are not in the pack; was it made again?")
        return np.array([row[name] for name in ids], np.int64)


@dataclass(frozen=True, slots=True)
class Copies:
    """How B clips are rendered.

    Attributes:
        angle_deg: (B,) turn of each region about its centre.
        mirror: (B,) bool.
        tone: (B, 2) float32 gain and bias, the same for all frames of a clip.
    """

    angle_deg: NDArray[np.float64]
    mirror: NDArray[np.bool_]
    tone: NDArray[np.float32]

    @classmethod
    def plain(cls, count: int) -> Copies:
        """Clips as they are."""
        return cls(np.zeros(count), np.zeros(count, bool), np.tile(np.array([1, 0], np.float32), (count, 1)))


def load_samples(packs: Sequence[Pack], class_set: ClassSet, settings: Settings) -> Samples:
    """The clips of `packs` that belong to one of the classes.

    Raises:
        DataError: A clip stands in two packs, no clip belongs to a class, or `--roi` meets a pack without landmarks.
    """
    place, ids, labels = [], [], []
    for number, pack in enumerate(packs):
        if settings.region == "roi" and not pack.has_landmarks:
            raise DataError(
                f"{pack.path}: has no landmarks (made with --aligned), but --roi renders regions from them; "
                "use --face, or extract without --aligned"
            )
        for row, name in enumerate(pack.ids):
            label = class_set.class_of(pack.dataset[row], pack.emotion[row], pack.subject[row], pack.clip_name[row])
            if label is not None:
                place.append((number, row))
                ids.append(name)
                labels.append(class_set.classes.index(label))
    if not ids:
        present = sorted({emotion for pack in packs for emotion in pack.emotion})
        raise DataError(
            f"none of the clips belongs to --classes {settings.classes}; the packs hold {', '.join(present)}"
        )
    if len(set(ids)) < len(ids):
        double = next(name for name in ids if ids.count(name) > 1)
        raise DataError(f"clip {double} stands in more than one pack; leave one of them out")
    return Samples(
        tuple(packs), np.array(place, np.int64), tuple(ids), np.array(labels, np.int64), tuple(class_set.classes)
    )


def input_shape(settings: Settings) -> tuple[int, int]:
    """Height and width of the network's input."""
    return (GRID[0] * settings.tile, GRID[1] * settings.tile) if settings.region == "roi" else (settings.face_size,) * 2


def render(
    samples: Samples,
    rows: NDArray[np.int64],
    copies: Copies,
    settings: Settings,
    dtype: str = "float32",
    out: NDArray[np.generic] | None = None,
) -> NDArray[np.generic]:
    """Render B clips.

    Args:
        samples: Where the clips lie.
        rows: (B,) rows of `samples`.
        copies: How to render each.
        settings: `region`, `frames`, `tile`, `face_size` and `threads`.
        dtype: "float32": normalised by one mean and standard deviation a clip; "uint8": grey levels.
        out: Where the result goes, of its shape and `dtype` and in one piece; None for a new array.

    Returns:
        (B, T, H, W); T = 1 is the apex alone. `out` where it was given.
    """
    if out is None:
        out = np.empty((len(rows), settings.frames, *input_shape(settings)), dtype)
    numbers = np.unique(samples.place[rows, 0])
    for number in numbers:
        pack = samples.packs[number]
        chosen = np.flatnonzero(samples.place[rows, 0] == number)
        clips = np.ascontiguousarray(samples.place[rows[chosen], 1])
        frames = pack.frames if settings.frames == 3 else pack.frames[:, 2:3]
        transforms, grid, tile = geometry(pack, clips, copies.angle_deg[chosen], copies.mirror[chosen], settings)
        target = out if len(numbers) == 1 else np.empty((len(chosen), *out.shape[1:]), dtype)
        _core.render(
            frames, transforms, copies.tone[chosen], grid, tile, settings.threads, dtype, clips=clips, out=target
        )
        if target is not out:
            out[chosen] = target
    return out


def geometry(
    pack: Pack, clips: NDArray[np.int64], angle_deg: NDArray[np.float64], mirror: NDArray[np.bool_], settings: Settings
) -> tuple[NDArray[np.float32], tuple[int, int], tuple[int, int]]:
    """Where the pixels of these clips come from, as `_core.render` takes it.

    Returns:
        (B, R, 2, 3) transforms, (rows, columns) of the grid and (height, width) of a tile.
    """
    landmarks = pack.landmarks[clips, 0]
    if settings.region == "roi":
        side = settings.tile
        return region_transforms(landmarks, side, angle_deg, mirror), GRID, (side, side)
    side = settings.face_size
    if np.isnan(landmarks).any():
        return _whole_frame(pack.frames.shape[-1], side, angle_deg, mirror), (1, 1), (side, side)
    return face_transforms(landmarks, side, angle_deg, mirror), (1, 1), (side, side)


def sample_augmentation(ids: Sequence[str], copy: NDArray[np.int64], epoch: int, settings: Settings) -> Copies:
    """Random geometry and tone of B augmented copies.

    Args:
        ids: B clip ids.
        copy: (B,) number of the copy, from 0.
        epoch: Only counts with `fresh_copies`; else the same copies return each epoch, as the paper's ten.
        settings: Ranges and seed.
    """
    epoch = epoch if settings.fresh_copies else 0
    u = np.stack([_generator(settings.seed, name, epoch, int(k)).random(4) for name, k in zip(ids, copy, strict=True)])
    tone = np.stack([1 + settings.gain * (2 * u[:, 2] - 1), settings.bias * (2 * u[:, 3] - 1)], 1)
    return Copies(
        angle_deg=settings.rotation_deg * (2 * u[:, 0] - 1),
        mirror=(u[:, 1] < 0.5) & settings.mirror,
        tone=tone.astype(np.float32),
    )


def steps_per_epoch(count: int, settings: Settings) -> int:
    """Batches an epoch over `count` training clips.

    Raises:
        DataError: Fewer than two copies an epoch, too few for batch statistics.
    """
    if count * settings.copies < 2:
        raise DataError("training needs at least two clips (or --copies 2)")
    total = count * settings.copies
    return min(-(-total // settings.batch_size), total // 2)


def batch_plan(
    ids: Sequence[str], labels: NDArray[np.int64], epoch: int, settings: Settings
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The order of an epoch: for each batch (B,) places in `ids` and (B,) copy numbers.

    Every clip comes `copies` times, in random order; with `balance`, as many draws but every class equally often in
    expectation. Batches are at most `batch_size` and differ by at most one in size, so none is too
    small for batch statistics.
    """
    generator = _generator(settings.seed, "order", epoch, 0)
    total = len(ids) * settings.copies
    if settings.balance:
        present = np.unique(labels)
        members = [np.flatnonzero(labels == label) for label in present]
        drawn = generator.integers(len(present), size=total)
        place = np.array([members[k][generator.integers(len(members[k]))] for k in drawn])
        copy = generator.integers(settings.copies, size=total) if not settings.fresh_copies else np.arange(total)
    else:
        order = generator.permutation(total)
        place, copy = order % len(ids), order // len(ids)
    for part in np.array_split(np.arange(total), steps_per_epoch(len(ids), settings)):
        yield place[part], copy[part]


def _generator(seed: int, name: str, epoch: int, copy: int) -> np.random.Generator:
    key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    return np.random.Generator(np.random.Philox(key=seed | key << 64, counter=[0, copy, epoch, 0]))


def _whole_frame(
    size: int, side: int, angle_deg: NDArray[np.float64], mirror: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(B, 1, 2, 3) transforms that show the whole stored frame, for packs without landmarks."""
    angle = np.deg2rad(angle_deg)
    sign = np.where(mirror, -1.0, 1.0)
    step = size / side
    cos, sin = step * np.cos(angle), step * np.sin(angle)
    linear = np.stack([np.stack([sign * cos, -sin], -1), np.stack([sign * sin, cos], -1)], -2)
    offset = (size - 1) / 2 - linear.sum(-1) * (side - 1) / 2
    return np.concatenate([linear, offset[..., None]], -1)[:, None].astype(np.float32)
