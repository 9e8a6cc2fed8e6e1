"""Texture features of whole clips: LBP-TOP and CBP-TOP histograms of the fifteen regions, or of blocks of the face.

A pack's `sequence` is rendered to the mosaic of the regions or to the face, with one geometry per clip and one
interpolation in space; then interpolated in time to `length` frames; then coded and counted by `_core`. Histograms are
in the order region (row by row of the mosaic), block (t, y, x), plane (XY, XT, YT), bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..errors import DataError, UsageError
from ..inputs.rendering import Augmentation, render_transforms
from ..pack import Pack
from ..regions import GRID, REGIONS
from ..settings import Settings, parse_xyt

__all__ = [
    "FeatureLayout",
    "check_packs",
    "compute_histograms",
    "interpolate_frames",
    "layout_of",
    "texture_volumes",
    "uniform_labels",
]

_PLANES = ("XY", "XT", "YT")
_MAX_BYTES = 2 * 1024**3  # of the features of one pack


class FeatureLayout(NamedTuple):
    """What the columns of the features are.

    Attributes:
        regions: Names of the regions, or "face" alone.
        blocks: Histograms along t, y and x in each region.
        bins: Bins of a histogram.
    """

    regions: tuple[str, ...]
    blocks: tuple[int, int, int]
    bins: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(regions, blocks, planes, bins), whose product is the number of features."""
        return len(self.regions), int(np.prod(self.blocks)), len(_PLANES), self.bins

    @property
    def size(self) -> int:
        """Number of features."""
        return int(np.prod(self.shape))

    def count_by_region(self, columns: NDArray[np.int64]) -> dict[str, dict[str, int]]:
        """How many of these columns belong to each region and plane: {"M_nose": {"XY": 3, "XT": 8, "YT": 5}, ...}.

        With the face, the blocks of its pictures take the place of regions: "block 1,2" is the second of the first row.
        """
        chosen = np.zeros(self.size, np.int64)
        chosen[columns] = 1
        t, y, x = self.blocks
        counts = chosen.reshape(len(self.regions), t, y * x, len(_PLANES), self.bins).sum((1, 4))
        names = self.regions
        if len(names) == 1:
            counts = counts.transpose(1, 0, 2)
            names = tuple(f"block {row + 1},{column + 1}" for row in range(y) for column in range(x))
        totals = counts.sum(1).tolist()
        return {name: dict(zip(_PLANES, row, strict=True)) for name, row in zip(names, totals, strict=True)}

    @property
    def map_shape(self) -> tuple[int, int]:
        """Rows and columns in which the regions of `count_by_region` are arranged in a picture."""
        if len(self.regions) > 1:
            return GRID
        return self.blocks[1], self.blocks[2]


def layout_of(settings: Settings) -> FeatureLayout:
    """The columns that these settings give."""
    regions: tuple[str, ...] = ("face",)
    grid = "5,5,2"
    if settings.region == "roi":
        regions, grid = tuple(region.name for region in REGIONS), "1,1,2"
    if settings.grid != "auto":
        grid = settings.grid
    x, y, t = parse_xyt("grid", grid, 64)
    return FeatureLayout(regions, (t, y, x), _count_bins(settings))


def _count_bins(settings: Settings) -> int:
    points = settings.points
    if settings.method == "cbp-top":
        return int(2 ** (points // 2 + 1))
    if settings.mapping == "full":
        return int(2**points)
    return points * (points - 1) + 3


def uniform_labels(points: int) -> NDArray[np.int64]:
    """(2^P,) bin of each code under the mapping u2: uniform codes in ascending order, and a last bin for all others.

    A code is uniform if it has at most two changes between 0 and 1 around its circle. Source: Ojala et al., PAMI 24
    (2002) 971-987; the order is that of getmapping.m (University of Oulu).
    """
    codes = np.arange(2**points)
    turned = codes >> 1 | (codes & 1) << (points - 1)
    changes = np.array([int(code).bit_count() for code in codes ^ turned])
    uniform = changes <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, points * (points - 1) + 2)


def interpolate_frames(frames: NDArray[np.uint8], length: int, how: str) -> NDArray[np.uint8]:
    """Resample a clip to another number of frames, evenly spaced from its first to its last.

    A frame equal to the one before it is left out first: a sequence that is longer than its clip repeats frames.

    Args:
        frames: (n, H, W), n at least 1.
        length: Number of frames of the result, at least 2.
        how: "linear", or "tim": the temporal interpolation model of Zhou et al. (CVPR 2011), which lays the frames on
            the curve y_k(t) = sin(pi k t + pi (n - k) / (2 n)), k in 1..n - 1. For linearly independent frames its
            solution is a cosine interpolation of each pixel over time, with coefficients that do not depend on the
            frames. This is computed for linearly dependent frames too, for which the model has no solution.

    Returns:
        (length, H, W) uint8, rounded half to even.
    """
    frames = frames[[True, *(bool((frames[k] != frames[k - 1]).any()) for k in range(1, len(frames)))]]
    n = len(frames)
    if n == 1:
        return np.repeat(frames, length, axis=0)
    weights = {"linear": _linear_weights, "tim": _tim_weights}[how](n, length)
    flat = np.zeros((length, frames[0].size))
    for weight, frame in zip(weights.T, frames, strict=True):  # one by one: no sum depends on a library's threads
        flat += weight[:, None] * frame.ravel()
    return np.asarray(np.clip(np.rint(flat), 0, 255), np.uint8).reshape(length, *frames.shape[1:])


def _linear_weights(n: int, length: int) -> NDArray[np.float64]:
    """(length, n) weight of each frame in each new one."""
    position = np.linspace(0, n - 1, length)
    return np.asarray(np.maximum(0, 1 - np.abs(position[:, None] - np.arange(n))))


def _tim_weights(n: int, length: int) -> NDArray[np.float64]:
    """The same for the temporal interpolation model: mean + sum over k of (2 / n) y_k(old) y_k(new)."""
    k = np.arange(1, n)

    def curve(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sin(np.pi * k * t[:, None] + np.pi * (n - k) / (2 * n)))

    old, new = np.arange(1, n + 1) / n, np.linspace(1 / n, 1, length)
    return np.asarray(1 / n + 2 / n * (curve(new)[:, None] * curve(old)).sum(-1))


def texture_volumes(pack: Pack, clips: NDArray[np.int64], settings: Settings) -> NDArray[np.uint8]:
    """The pictures whose texture is coded.

    Args:
        pack: One that has passed `check_packs`.
        clips: (B,) rows of the pack.
        settings: `region`, `tile`, `face_size`, `length`, `interpolation` and `threads`.

    Returns:
        (B, regions, L, h, w): the squares of the fifteen regions, or the face.
    """
    assert pack.sequence is not None
    identity = Augmentation.identity(len(clips))
    transforms, grid, tile = render_transforms(pack, clips, identity, settings)
    frames = _core.render(pack.sequence, transforms, identity.tone, grid, tile, clips=clips, threads=settings.threads)
    if settings.length:
        frames = np.stack([interpolate_frames(clip, settings.length, settings.interpolation) for clip in frames])
    length, (rows, columns), (height, width) = frames.shape[1], grid, tile
    regions = frames.reshape(len(clips), length, rows, height, columns, width).transpose(0, 2, 4, 1, 3, 5)
    return np.ascontiguousarray(regions.reshape(len(clips), rows * columns, length, height, width))


def check_packs(packs: Sequence[Pack], settings: Settings) -> None:
    """Refuse packs and settings from which no features can be computed, before any work.

    Raises:
        UsageError: A circle or grid does not fit into a picture, or more features are to be selected than there are.
        DataError: A pack has no sequence or one of too few frames, or the features do not fit into memory.
    """
    rx, ry, rt = parse_xyt("radii", settings.radii, 64)
    side, option = settings.face_size, "--face-size"
    if settings.region == "roi":
        side, option = settings.tile, "--tile"
    if side <= 2 * max(rx, ry):
        raise UsageError(
            f"--radii: a radius of {max(rx, ry)} px does not fit into a picture of {side} px; choose a smaller one or "
            f"a larger {option}"
        )
    layout = layout_of(settings)
    if settings.n_features.isdigit() and int(settings.n_features) > layout.size:
        raise UsageError(
            f"--n-features: expected at most {layout.size}, the features that these settings give, got "
            f"{settings.n_features}"
        )
    for pack in packs:
        if pack.sequence is None:
            raise DataError(
                f"{pack.path}: has no sequence of frames, which texture features need; extract it again with "
                "--sequence 20"
            )
        length = settings.length or pack.sequence.shape[1]
        if length <= 2 * rt:
            raise DataError(
                f"{pack.path}: its sequence of {length} frames is too short for a radius of {rt} in time; choose a "
                f"--length of at least {2 * rt + 1}, or extract it with a longer --sequence"
            )
        if any(blocks > size for blocks, size in zip(layout.blocks, (length, side, side), strict=True)):
            raise UsageError(
                f"--grid: more blocks than frames or pixels: clips have {length} frames of {side} x {side} px"
            )
        if 4 * len(pack.ids) * layout.size > _MAX_BYTES:
            raise DataError(
                f"{pack.path}: {layout.size} features per clip for {len(pack.ids)} clips do not fit into memory; "
                "choose fewer --points, --mapping u2 or a smaller --grid"
            )


def compute_histograms(volumes: NDArray[np.uint8], settings: Settings) -> NDArray[np.float32]:
    """Histograms of texture codes.

    Args:
        volumes: (B, regions, L, h, w) as `texture_volumes` gives them.
        settings: `method`, `points`, `radii`, `sampling`, `mapping`, `normalise`, `threshold`, `signed`, `grid`.

    Returns:
        (B, features) float32: relative frequencies that sum to 1 in each histogram, or counts.
    """
    layout = layout_of(settings)
    count, regions = volumes.shape[:2]
    clips, radii = volumes.reshape(count * regions, *volumes.shape[2:]), parse_xyt("radii", settings.radii, 64)
    if settings.method == "lbp-top":
        counts = _core.texture_counts(
            clips,
            "lbp",
            settings.points,
            radii,
            settings.sampling,
            blocks=layout.blocks,
            threads=settings.threads,
        )
        if settings.mapping == "u2":
            counts = _merge_bins(counts, uniform_labels(settings.points), layout.bins)
    else:
        counts = _core.texture_counts(
            clips,
            "cbp",
            settings.points,
            radii,
            "nearest",
            settings.threshold,
            settings.signed,
            layout.blocks,
            settings.threads,
        )
    if not settings.normalise:
        return counts.reshape(count, -1).astype(np.float32)
    sums = np.maximum(counts.sum(-1, keepdims=True), 1)  # a block into which no circle fits has an empty histogram
    return np.asarray((counts / sums).reshape(count, -1), np.float32)


def _merge_bins(counts: NDArray[np.uint32], bin_of: NDArray[np.int64], n_bins: int) -> NDArray[np.uint32]:
    """(..., codes) counts added up into (..., n_bins)."""
    order = np.argsort(bin_of, kind="stable")
    starts = np.searchsorted(bin_of[order], np.arange(n_bins))
    return np.add.reduceat(counts[..., order], starts, axis=-1)
