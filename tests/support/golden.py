"""Texture codes of another implementation, and a comparison to the last bit."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from mertool import _core
from tests.support.command import ROOT
from tests.support.reference import uniform_labels

CASES = json.loads((ROOT / "tests" / "data" / "lbp-top-golden.json").read_text())["cases"]


def golden_volume(name):
    if name == "F":
        flat = np.full((9, 24, 26), 117, np.uint8)
        flat[3:6, 8:16, 9:17] = 118
        return flat
    t, y, x = np.mgrid[0:9, 0:24, 0:26]
    return ((3 * x**2 + 7 * y + 11 * t**2 + 5 * x * y + 13 * t * x) % 251).astype(np.uint8)


def check_golden_codes():
    """Compare codes and counts of the kernels with all cases."""
    for case in CASES:
        volume, points, radii = golden_volume(case["vol"]), case["P"], (case["R"],) * 3
        if "hist32" in case:
            counts = _core.texture_counts(volume[None], "cbp", points, radii, "nearest", case["C"])
            assert counts[0, 0].tolist() == case["hist32"], case["C"]
            continue
        codes = _core.texture_codes(volume, "lbp", points, radii, case["mode"])
        assert list(codes.shape[1:]) == case["shape"]
        hashes = [hashlib.sha256(plane.astype("<u2").tobytes()).hexdigest()[:16] for plane in codes]
        assert hashes == case["sha256_codes"]
        counts = _core.texture_counts(volume[None], "lbp", points, radii, case["mode"])[0, 0]
        folded = [np.bincount(uniform_labels(points), plane).astype(int).tolist() for plane in counts]
        assert folded == case["hist_u2"]
