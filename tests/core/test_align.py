"""`_core.align`, `transform_points` and `mirror_points` against their float64 definitions."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from skimage.data import astronaut

from mertool import _core
from mertool.regions import FLIP68
from tests.support import reference


def similarity(scale, degrees, to=(0.0, 0.0), of=(0.0, 0.0), mirror=False):
    """(2, 3) float64 that takes output point `of` to input point `to`."""
    angle = np.radians(degrees)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirror:
        linear[:, 0] *= -1
    return np.concatenate([linear, (np.array(to) - linear @ np.array(of))[:, None]], axis=1)


PICTURES = {
    "portrait": np.ascontiguousarray(astronaut()[40:170, 150:250, ::-1]),
    "grey": np.ascontiguousarray(astronaut()[40:150, 150:280, 1]),
    "noise": np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8),
    "line": np.random.default_rng(1).integers(0, 256, (1, 40), dtype=np.uint8),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(
    ("scale", "degrees", "mirror"),
    [
        (1.7, 0, False),
        (1.7, 8, True),
        (2.6, 45, False),
        (1.001, 120, False),
        (1, 0, False),
        (0.6, 17, True),
        (1 / 50, 3, False),
        (9, 200, False),
        (25, 30, True),
    ],
)
def test_align_reference(name, scale, degrees, mirror):
    image = PICTURES[name]
    height, width = image.shape[:2]
    transform = similarity(scale, degrees, (width * 0.4, height * 0.6), (13, 9), mirror)
    before = image.copy()
    out = _core.align(image, transform, (19, 30))
    np.testing.assert_array_equal(image, before)
    assert out.dtype == np.uint8
    assert np.abs(out - reference.align_exact(image, transform, (19, 30))).max() <= 0.51


@pytest.mark.parametrize("scale", [0.7, 3.3])
@pytest.mark.parametrize("to", [(-500.3, 20), (700, 20.7), (30, -400), (40, 999), (-900, -900), (5000.5, 1e5)])
def test_align_repeats_the_edge_outside(to, scale):
    image = PICTURES["noise"]
    transform = similarity(scale, 25, to, (6, 6))
    out = _core.align(image, transform, (12, 13))
    # The definition looks at every input pixel it names: a picture with wide edges says the same from nearer by.
    assert np.abs(out - reference.align_exact(image, transform, (12, 13))).max() <= 0.51


def test_align_identity_and_grey():
    grey = PICTURES["grey"]
    np.testing.assert_array_equal(_core.align(grey, similarity(1, 0), grey.shape), grey)
    colour = PICTURES["portrait"]
    expected = np.rint(reference.grey_of(colour))
    assert np.abs(_core.align(colour, similarity(1, 0), colour.shape[:2]) - expected).max() <= 1
    blue, green, red = (np.eye(3, dtype=np.uint8)[i][None, None] * np.uint8(255) for i in range(3))
    assert [int(_core.align(c, similarity(1, 0), (1, 1))[0, 0]) for c in (blue, green, red)] == [29, 150, 76]


@pytest.mark.parametrize("scale", [0.5, 1.7, 8])
def test_align_keeps_a_flat_picture(scale):
    for level in (0, 1, 128, 255):
        out = _core.align(np.full((50, 60), level, np.uint8), similarity(scale, 33, (20, 20)), (40, 30))
        assert np.unique(out).tolist() == [level]


def test_align_averages_when_it_shrinks():
    checkers = (np.indices((120, 160)).sum(axis=0) % 2 * 255).astype(np.uint8)
    out = _core.align(checkers, similarity(4, 10, (80, 60), (10, 10)), (20, 20))
    assert np.abs(out.astype(int) - 127).max() <= 3


def test_align_of_strided_and_read_only_pictures():
    image = PICTURES["portrait"]
    transform = similarity(1.4, 12, (50, 60), (20, 20))
    expected = _core.align(image, transform, (40, 41))
    strided = np.repeat(np.repeat(image, 2, axis=0), 3, axis=1)[::2, ::3]
    strided.flags.writeable = False
    turned = np.asfortranarray(transform)
    turned.flags.writeable = False
    np.testing.assert_array_equal(_core.align(strided, turned, (40, 41)), expected)
    np.testing.assert_array_equal(_core.align(image[:, ::-1][:, ::-1], transform, (40, 41)), expected)
    with ThreadPoolExecutor(4) as pool:
        for out in pool.map(lambda _: _core.align(image, transform, (40, 41)), range(20)):
            np.testing.assert_array_equal(out, expected)


def landmarks(*leading):
    points = np.random.default_rng(0).uniform(-20, 300, (*leading, 68, 2))
    return (np.rint(points * 1024) / 1024).astype(np.float32)


@pytest.mark.parametrize("leading", [(), (5,), (4, 3), (0,)])
def test_transform_points(leading):
    points, transform = landmarks(*leading), similarity(1.7, 20, (30, 40), (128, 128))
    if points.size:
        points[..., 5, :] = np.nan
    out = _core.transform_points(points, transform)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, reference.transform_points(points, transform))
    np.testing.assert_array_equal(out * 1024, np.rint(out * 1024))
    np.testing.assert_array_equal(np.isnan(out), np.isnan(points))
    strided = np.repeat(points, 2, axis=-2)[..., ::2, :]
    np.testing.assert_array_equal(_core.transform_points(strided, transform), out)


def test_transform_points_of_one_point():
    assert _core.transform_points(np.array([3, 4], np.float32), similarity(2, 0, (1, 1))).tolist() == [7, 9]


def test_points_follow_the_picture():
    image = np.zeros((200, 200), np.uint8)
    image[118:123, 68:73] = 255  # a square about (70, 120)
    transform = similarity(2.3, 15, (90, 100), (32, 32))
    out = _core.align(image, transform, (64, 64)).astype(np.float64)
    y, x = np.indices(out.shape)
    seen = np.array([(x * out).sum(), (y * out).sum()]) / out.sum()
    inverse = np.linalg.inv(np.vstack([transform, [0, 0, 1]]))[:2]
    np.testing.assert_allclose(seen, _core.transform_points(np.array([70, 120], np.float32), inverse), atol=0.05)


@pytest.mark.parametrize("leading", [(), (5,), (4, 3), (0, 3)])
def test_mirror_points(leading):
    points, order = landmarks(*leading), np.array(FLIP68, np.int64)
    if points.size:
        points[..., 7, :] = np.nan
    before = points.copy()
    out = _core.mirror_points(points, 256, order)
    np.testing.assert_array_equal(points, before)
    np.testing.assert_array_equal(out, reference.mirror_points(points, 256, order))
    np.testing.assert_array_equal(_core.mirror_points(out, 256, order), points)


def test_mirror_points_of_a_face():
    # The right eye's outer corner (36) of the mirrored face is the left eye's (45) of the face, seen from behind.
    points = landmarks()
    out = _core.mirror_points(points, 100, np.array(FLIP68, np.int64))
    assert json.loads(json.dumps(out[36].tolist())) == [99 - points[45, 0], points[45, 1]]
