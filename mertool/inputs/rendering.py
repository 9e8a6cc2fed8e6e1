"""Samples -> pictures: choice of frames, region mosaic or face, augmentation.

Augmented pictures exist only here, at the moment a batch is rendered from its parent clips, so that no augmented copy
can stray into another fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..pack import Pack
from ..regions import GRID, face_transforms, region_transforms
from ..settings import Settings
from .samples import Samples

__all__ = ["Augmentation", "input_shape", "render", "render_transforms"]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How each of B clips is changed when it is rendered; all its frames alike.

    Attributes:
        angle_deg: (B,) rotation of each region about its centre.
        mirror: (B,) bool.
        tone: (B, 2) float32: contrast, by which intensities are multiplied, and brightness, which is added.
    """

    angle_deg: NDArray[np.float64]
    mirror: NDArray[np.bool_]
    tone: NDArray[np.float32]

    @classmethod
    def identity(cls, count: int) -> Augmentation:
        """`count` clips as they are."""
        return cls(np.zeros(count), np.zeros(count, bool), np.tile(np.array([1, 0], np.float32), (count, 1)))

    def __getitem__(self, rows: NDArray[np.int64]) -> Augmentation:
        """Those of some of the clips."""
        return Augmentation(self.angle_deg[rows], self.mirror[rows], self.tone[rows])


def input_shape(settings: Settings) -> tuple[int, int]:
    """Height and width of what is rendered of a frame."""
    if settings.region == "roi":
        return GRID[0] * settings.tile, GRID[1] * settings.tile
    return settings.face_size, settings.face_size


def render(
    samples: Samples,
    rows: NDArray[np.int64],
    augmentation: Augmentation,
    settings: Settings,
    dtype: str = "float32",
    out: NDArray[np.generic] | None = None,
) -> NDArray[np.generic]:
    """Render B clips.

    Args:
        samples: Where the clips are.
        rows: (B,) rows of `samples`.
        augmentation: Of each of them.
        settings: `region`, `frames`, `tile`, `face_size` and `threads`.
        dtype: "float32": normalised by the mean and standard deviation of each clip; "uint8": grey levels.
        out: Where the result goes: a contiguous array of its shape and `dtype`; None for a new one.

    Returns:
        (B, T, H, W); with T = 1 the apex alone. This is `out` if that was given.
    """
    if out is None:
        out = np.empty((len(rows), settings.frames, *input_shape(settings)), dtype)
    numbers = np.unique(samples.pack_row[rows, 0])
    for number in numbers:
        pack = samples.packs[number]
        chosen = np.flatnonzero(samples.pack_row[rows, 0] == number)
        clips = np.ascontiguousarray(samples.pack_row[rows[chosen], 1])
        frames = pack.frames if settings.frames == 3 else pack.frames[:, 2:3]
        transforms, grid, tile = render_transforms(pack, clips, augmentation[chosen], settings)
        target = out if len(numbers) == 1 else np.empty((len(chosen), *out.shape[1:]), dtype)
        _core.render(
            frames, transforms, augmentation.tone[chosen], grid, tile, settings.threads, dtype, clips=clips, out=target
        )
        if target is not out:
            out[chosen] = target
    return out


def render_transforms(
    pack: Pack, rows: NDArray[np.int64], augmentation: Augmentation, settings: Settings
) -> tuple[NDArray[np.float32], tuple[int, int], tuple[int, int]]:
    """Where the pixels of B clips of a pack come from, as `_core.render` takes it.

    Args:
        pack: The pack.
        rows: (B,) rows of it.
        augmentation: Of each of them; its tone is not used.
        settings: `region`, `tile` and `face_size`.

    Returns:
        (B, R, 2, 3) transforms, (rows, columns) of the grid and (height, width) of a tile.
    """
    landmarks = pack.landmarks[rows, 0]
    angle_deg, mirror = augmentation.angle_deg, augmentation.mirror
    if settings.region == "roi":
        side = settings.tile
        return region_transforms(landmarks, side, angle_deg, mirror), GRID, (side, side)
    side = settings.face_size
    if np.isnan(landmarks).any():
        return _whole_frame(pack.frames.shape[-1], side, angle_deg, mirror), (1, 1), (side, side)
    return face_transforms(landmarks, side, angle_deg, mirror), (1, 1), (side, side)


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
