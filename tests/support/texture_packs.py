"""Packs of noise with and without faces and sequences, their samples, and settings that make few features of them."""

from __future__ import annotations

import dataclasses

import numpy as np

from mertool.inputs.samples import Samples
from mertool.pack import load_pack, save_pack
from mertool.settings import Settings
from mertool.texture import cache

SMALL = Settings(method="lbp-top", face_size=32, tile=12, length=6, points=4, grid="2,2,1", radii="1,1,1")


def face_points(rng, size):
    points = size * (0.3 + 0.4 * rng.random((68, 2)))
    for first, x in ((36, 0.35), (42, 0.65)):
        points[first : first + 6] = size * (np.array([x, 0.4]) + 0.05 * rng.standard_normal((6, 2)))
    return points.astype(np.float32)


def make_pack(path, n=3, length=7, size=40, seed=0, landmarks=True, sequence=True, dataset="noise"):
    rng = np.random.default_rng(seed)
    arrays = {
        "frames": rng.integers(0, 256, (n, 3, size, size), np.uint8),
        "landmarks": np.full((n, 3, 68, 2), np.nan, np.float32),
        "subject": np.array([f"p{k // 2}" for k in range(n)]),
        "clip": np.array([f"c{k}" for k in range(n)]),
        "emotion": np.array(["fear", "joy"] * n)[:n],
        "dataset": np.array([dataset] * n),
    }
    if landmarks:
        arrays["landmarks"] = np.stack([[face_points(rng, size)] * 3 for _ in range(n)])
    if sequence:
        arrays["sequence"] = rng.integers(0, 256, (n, length, size, size), np.uint8)
    arrays |= {name: np.full(n, k, np.int64) for k, name in enumerate(("onset", "middle", "apex", "offset"))}
    save_pack(path, arrays, {"settings": {}})
    return load_pack(path)


def samples_of(*packs):
    place = np.array([(number, row) for number, pack in enumerate(packs) for row in range(len(pack.ids))])
    ids = tuple(name for pack in packs for name in pack.ids)
    return Samples(packs, place, ids, np.arange(len(ids)) % 2, ("fear", "joy"))


def changed(settings, **values):
    return dataclasses.replace(settings, **values)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def only_reading(monkeypatch):
    def fail(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(cache, "_compute", fail)
