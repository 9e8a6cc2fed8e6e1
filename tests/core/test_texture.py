"""The texture kernels: definition, golden codes, scikit-image, properties."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from skimage import data
from skimage.feature import local_binary_pattern

from mertool import _core
from tests.support import reference
from tests.support.golden import CASES, check_golden_codes


def volumes():
    rng = np.random.default_rng(0)
    face = data.astronaut().mean(2).astype(np.uint8)[40:90, 200:262]
    return {
        "noise": rng.integers(0, 256, (9, 21, 40), dtype=np.uint8),
        "steps": rng.integers(100, 103, (8, 20, 37), dtype=np.uint8),
        "flat": np.full((9, 20, 35), 117, np.uint8),
        "face": np.stack([np.roll(face, k, 1) for k in range(8)]),
        "extremes": rng.choice(np.array([0, 255], np.uint8), (9, 20, 33)),
    }


VOLUMES = volumes()
CIRCLES = [
    (8, (1, 1, 1)),
    (8, (3, 3, 3)),
    (4, (1, 1, 1)),
    (4, (2, 2, 2)),
    (16, (2, 2, 2)),
    (8, (3, 1, 2)),
    (16, (1, 2, 3)),
]


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize(("points", "radii"), CIRCLES)
@pytest.mark.parametrize("name", VOLUMES)
def test_lbp_is_its_definition(name, points, radii, interpolation):
    volume = VOLUMES[name]
    found = _core.texture_codes(volume, "lbp", points, radii, interpolation)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, reference.lbp_codes(volume, points, radii, interpolation))


@pytest.mark.parametrize("with_sign", [False, True])
@pytest.mark.parametrize("threshold", [0, 1, 3, 10, 255])
@pytest.mark.parametrize(("points", "radii"), CIRCLES)
def test_cbp_is_its_definition(points, radii, threshold, with_sign):
    for volume in VOLUMES.values():
        found = _core.texture_codes(volume, "cbp", points, radii, "nearest", threshold, with_sign)
        np.testing.assert_array_equal(found, reference.cbp_codes(volume, points, radii, threshold, with_sign))


def test_the_golden_codes_bit_for_bit():
    assert len(CASES) == 24
    check_golden_codes()


def skimage_codes(volume, points, radius):
    """The three planes by scikit-image, plane by plane; its XT has the circle the other way round."""
    t, y, x = (slice(radius, length - radius) for length in volume.shape)
    turned = np.zeros(2**points, np.uint16)
    for p in range(points):
        turned |= ((np.arange(2**points) >> ((points - p) % points) & 1) << p).astype(np.uint16)

    def codes(image):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return local_binary_pattern(np.ascontiguousarray(image), points, radius).astype(np.uint16)

    xy = np.stack([codes(frame)[y, x] for frame in volume[t]])
    xt = np.stack([turned[codes(volume[:, row])][t, x] for row in range(volume.shape[1])][y], 1)
    yt = np.stack([codes(volume[:, :, column].T)[y, t].T for column in range(volume.shape[2])][x], 2)
    return np.stack([xy, xt, yt])


@pytest.mark.parametrize(("points", "radius"), [(8, 1), (8, 2), (8, 3), (4, 1), (4, 2), (16, 2)])
def test_scikit_image_bit_for_bit(points, radius):
    """Also at large coordinates, where the same offset rounds otherwise: ties on a smooth face fall by the last bit."""
    rng = np.random.default_rng(1)
    face = data.astronaut().mean(2).astype(np.uint8)[:150, 150:310]
    for volume in (
        rng.integers(0, 256, (9, 150, 160), dtype=np.uint8),
        np.full((9, 150, 160), 200, np.uint8),
        np.stack([np.roll(face, k, 1) for k in range(9)]),
    ):
        found = _core.texture_codes(volume, "lbp", points, (radius,) * 3)
        np.testing.assert_array_equal(found, skimage_codes(volume, points, radius))


@pytest.mark.parametrize("blocks", [(1, 1, 1), (2, 3, 4), (1, 5, 5), (8, 1, 1), (3, 1, 7)])
def test_counts_are_histograms_of_the_codes(blocks):
    kinds: Any = (("lbp", "bilinear", 256), ("cbp", "nearest", 32))
    for pattern, interpolation, bins in kinds:
        volume, radii = VOLUMES["steps"], (2, 1, 3)
        codes = _core.texture_codes(volume, pattern, 8, radii, interpolation, 1)
        expected = reference.texture_counts(codes, radii, volume.shape, blocks, bins)
        found = _core.texture_counts(volume[None], pattern, 8, radii, interpolation, 1, blocks=blocks)
        assert found.dtype == np.uint32
        np.testing.assert_array_equal(found[0], expected)
        assert found.sum() == codes.size


def test_threads_and_neighbours_do_not_show():
    clips = np.random.default_rng(2).integers(0, 256, (13, 7, 30, 41), dtype=np.uint8)
    one = _core.texture_counts(clips, blocks=(1, 2, 2))
    for threads in (2, 3, 50):
        np.testing.assert_array_equal(_core.texture_counts(clips, blocks=(1, 2, 2), threads=threads), one)
    singly = [_core.texture_counts(clip[None], blocks=(1, 2, 2))[0] for clip in clips]
    np.testing.assert_array_equal(np.stack(singly), one)


def test_several_python_threads_at_once():
    clips = np.random.default_rng(3).integers(0, 256, (5, 7, 40, 41), dtype=np.uint8)
    expected = _core.texture_counts(clips)
    ready = threading.Barrier(4)

    def work(_):
        ready.wait()
        return [_core.texture_counts(clips, threads=2) for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        for results in pool.map(work, range(4)):
            for result in results:
                np.testing.assert_array_equal(result, expected)


def test_a_mirrored_clip_has_permuted_codes():
    """p -> (P/2 - p) mod P in XY and XT, unchanged in YT (whole offsets: no interpolation's ties)."""
    volume = VOLUMES["noise"]
    codes = _core.texture_codes(volume, "lbp", 4, (1, 1, 1))
    mirrored = _core.texture_codes(volume[:, :, ::-1], "lbp", 4, (1, 1, 1))[..., ::-1]
    swapped = sum((codes[:2] >> p & 1) << ((2 - p) % 4) for p in range(4))
    np.testing.assert_array_equal(mirrored[:2], swapped)
    np.testing.assert_array_equal(mirrored[2], codes[2])


def test_brightness_and_rising_contrast_change_no_lbp():
    volume = (VOLUMES["noise"] // 3).astype(np.uint8)
    expected = _core.texture_codes(volume, "lbp", 4, (2, 2, 2))
    np.testing.assert_array_equal(_core.texture_codes(volume + np.uint8(100), "lbp", 4, (2, 2, 2)), expected)
    np.testing.assert_array_equal(_core.texture_codes(volume * np.uint8(3), "lbp", 4, (2, 2, 2)), expected)


def test_strided_read_only_and_no_clips():
    clips = np.random.default_rng(4).integers(0, 256, (3, 7, 20, 24), dtype=np.uint8)
    expected = _core.texture_counts(clips)
    wide = np.zeros((6, 7, 40, 30), np.uint8)
    view = wide[::2, ::-1, ::2, 3:27]
    view[:] = clips
    view.flags.writeable = False
    np.testing.assert_array_equal(_core.texture_counts(view), expected)
    assert _core.texture_counts(clips[:0]).shape == (0, 1, 3, 256)


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 3, 4), (3, 3, 18), (3, 3, 19), (3, 4, 35)])
def test_the_smallest_clips(shape):
    volume = np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(_core.texture_codes(volume), reference.lbp_codes(volume, 8, (1, 1, 1), "bilinear"))
