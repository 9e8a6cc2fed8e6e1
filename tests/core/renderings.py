"""Frames and transforms to render: every layout of the fast paths, their limits, and what goes the plain way."""

from __future__ import annotations

import hashlib

import numpy as np

from mertool import _core

GRID, TILE = (2, 3), (20, 28)


def turned(rng, n, regions, size, tile, scale, degrees):
    """(n, regions, 2, 3) float32: squares anywhere in a frame of `size`, partly outside, every second one mirrored."""
    angle = np.radians(rng.uniform(-degrees, degrees, (n, regions)))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]).transpose(2, 3, 0, 1)
    linear[:, ::2, :, 0] *= -1
    centre = rng.uniform(-0.1, 1.1, (n, regions, 2)) * (size[1], size[0])
    shift = centre - linear @ np.array([(tile[1] - 1) / 2, (tile[0] - 1) / 2])
    return np.concatenate([linear, shift[..., None]], axis=-1).astype(np.float32)


def tones(rng, n):
    return np.stack([rng.uniform(0.5, 1.5, n), rng.uniform(-40, 40, n)], axis=1).astype(np.float32)


def noise(rng, *shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


# (frame size, tile, scale, degrees): every layout of the fast paths, their limits, and what goes the plain way.
CASES = [
    ((90, 120), (20, 28), 1.5, 0),
    ((90, 120), (20, 28), 1.5, 5),
    ((90, 120), (32, 32), 1.56, 10),
    ((120, 90), (33, 31), 2.0, 10),
    ((120, 90), (9, 130), 0.7, 180),
    ((140, 150), (16, 16), 3.5, 10),
    ((140, 150), (16, 16), 1.5, 90),
    ((140, 150), (7, 5), 9.0, 45),
    ((50, 16), (12, 20), 1.0, 10),
    ((50, 15), (12, 20), 1.0, 10),
    ((2, 40), (6, 17), 1.0, 0),
    ((3, 40), (6, 17), 1.0, 180),
    ((1, 40), (6, 17), 1.0, 5),
    ((40, 3), (6, 17), 1.0, 5),
    ((2, 2), (5, 4), 0.3, 45),
    ((1, 1), (3, 3), 1.0, 10),
    ((256, 256), (32, 32), 1.56, 0),
    ((256, 256), (32, 32), 1.56, 3),
    ((256, 256), (32, 32), 1.56, 14),
    ((256, 256), (40, 70), 1.1, 10),
    ((256, 256), (33, 150), 1.3, 5),
    ((256, 240), (16, 32), 1.99, 8),
    ((256, 240), (16, 17), 2.01, 8),
    ((66, 65), (20, 33), 1.0, 2),
]


def digest():
    """Instructions in use and a hash over many renderings."""
    seen = hashlib.sha256()
    for size, tile, scale, degrees in CASES:
        rng = np.random.default_rng(7)
        frames, tone = noise(rng, 3, 3, *size), tones(rng, 3)
        transforms = turned(rng, 3, 6, size, tile, scale, degrees)
        for dtype in ("uint8", "float32"):
            seen.update(_core.render(frames, transforms, tone, GRID, tile, dtype=dtype).tobytes())
    return f"{_core.simd()} {seen.hexdigest()}"


def random_digest():
    """Instructions in use and a hash over jobs of random sizes."""
    rng = np.random.default_rng(11)
    seen = hashlib.sha256()
    for _ in range(300):
        size = rng.choice([2, 16, 33, 64, 65, 96, 200, 300], 2)
        height, width = (int(side) for side in rng.choice([1, 5, 16, 17, 32, 33, 64, 129], 2))
        tile = (height, width)
        scale = rng.choice([0.3, 1.0, 1.5625, 1.99, min(size[0] / (tile[0] + 4), size[1] / (tile[1] + 4))])
        frames = noise(rng, 2, int(rng.integers(1, 6)), *size)
        tone = tones(rng, 2) * np.float32(rng.choice([-1, 0, 0.3, 1, 40, 1000]))
        transforms = turned(rng, 2, 4, size, tile, scale, rng.choice([0, 1, 4, 8, 12, 90]))
        seen.update(_core.render(frames[:, :, ::-1], transforms, tone, (2, 2), tile).tobytes())
    return f"{_core.simd()} {seen.hexdigest()}"
