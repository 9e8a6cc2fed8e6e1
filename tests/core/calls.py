"""A call of every function of `_core` that works, and unusual arrays of the same values."""

from __future__ import annotations

from typing import Any

import numpy as np

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 256, (2, 3, 20, 30), dtype=np.uint8)
TRANSFORMS = np.tile(np.array([[1, 0, 0], [0, 1, 0]], np.float32), (2, 6, 1, 1))
TONE = np.tile(np.array([1, 0], np.float32), (2, 1))
IMAGE = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
SIMILARITY = np.array([[1.0, 0, 2], [0, 1, 3]])
OUT = np.zeros((2, 3, 16, 27), np.uint8)
POINTS = RNG.uniform(0, 256, (4, 68, 2)).astype(np.float32)
ORDER = np.arange(68)[::-1].copy()
CLIP = RNG.integers(0, 256, (9, 21, 40), dtype=np.uint8)
CLIPS = RNG.integers(0, 256, (2, 5, 9, 11), dtype=np.uint8)

# A call of each function with every argument, that works.
CALLS: dict[str, dict[str, Any]] = {
    "render": {
        "frames": FRAMES,
        "transforms": TRANSFORMS,
        "tone": TONE,
        "grid": (2, 3),
        "tile": (8, 9),
        "threads": 2,
        "dtype": "uint8",
        "clips": np.array([1, 0]),
        "out": None,
    },
    "align": {"image": IMAGE, "transform": SIMILARITY, "size": (8, 9)},
    "transform_points": {"points": POINTS, "transform": SIMILARITY},
    "mirror_points": {"points": POINTS, "width": 256, "order": ORDER},
    "texture_codes": {
        "volume": CLIP,
        "pattern": "lbp",
        "points": 8,
        "radii": (1, 2, 1),
        "interpolation": "nearest",
        "threshold": 0,
        "with_sign": False,
    },
    "texture_counts": {
        "volumes": CLIPS,
        "pattern": "lbp",
        "points": 4,
        "radii": (1, 2, 1),
        "interpolation": "nearest",
        "threshold": 0,
        "with_sign": False,
        "blocks": (1, 2, 2),
        "threads": 2,
    },
    "simd": {},
}


def misaligned(array):
    memory = bytes(array.nbytes + 1)
    return np.frombuffer(memory, array.dtype, array.size, 1).reshape(array.shape)


class Labelled(np.ndarray):
    """A subclass such as other packages have."""


def strided(array, axis=-1):
    """The same values with others between them."""
    view = np.repeat(array, 2, axis=axis).swapaxes(0, axis)[::2].swapaxes(0, axis)
    np.testing.assert_array_equal(view, array)
    return view


def backwards(array, axis=-1):
    return np.flip(np.ascontiguousarray(np.flip(array, axis)), axis)
