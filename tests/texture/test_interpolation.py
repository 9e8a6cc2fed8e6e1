"""Interpolation in time: the model of Zhou et al. and linear interpolation, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from mertool.texture import features as texture
from mertool.texture.features import interpolate_frames
from tests.support import reference
from tests.support.texture_packs import noise


def assert_rounds_to(found, exact):
    """Whole grey levels next to the exact values; where these lie halfway between two, either will do."""
    exact = np.clip(exact, 0, 255)
    halfway = np.abs(exact % 1 - 0.5) < 1e-6
    np.testing.assert_array_equal(found[~halfway], np.rint(exact[~halfway]))
    assert np.abs(found - exact).max() < 0.5 + 1e-6


def equal_off_ties(found, expected, frames, length):
    """Equality, except where the exact value lies halfway between two grey levels."""
    exact = np.clip(reference.tim(frames, length), 0, 255)
    clear = np.abs(exact % 1 - 0.5) > 1e-6
    assert clear.mean() > 0.8
    np.testing.assert_array_equal(found[clear], expected[clear])


TIMES = [(2, 2), (2, 3), (2, 10), (3, 2), (3, 10), (4, 3), (5, 5), (7, 10), (10, 10), (11, 10), (13, 5), (24, 10)]


@pytest.mark.parametrize(("n", "length"), TIMES)
def test_tim_is_the_model_of_zhou(n, length):
    for seed in range(3):
        frames = noise(n, 7, 9, seed=seed)
        found = interpolate_frames(frames, length, "tim")
        assert (found.dtype, found.shape) == (np.uint8, (length, 7, 9))
        assert_rounds_to(found, reference.tim(frames, length))


@pytest.mark.parametrize("how", ["tim", "linear"])
@pytest.mark.parametrize(
    ("n", "length", "step_old", "step_new"), [(6, 11, 1, 2), (9, 5, 2, 1), (10, 10, 1, 1), (7, 13, 1, 2)]
)
def test_frames_at_the_old_places_are_the_old_frames(how, n, length, step_old, step_new):
    frames = noise(n, 5, 6, seed=n)
    found = interpolate_frames(frames, length, how)
    np.testing.assert_array_equal(found[::step_new], frames[::step_old])


@pytest.mark.parametrize("how", ["tim", "linear"])
@pytest.mark.parametrize(("n", "length"), TIMES)
def test_first_and_last_frame_stay(how, n, length):
    frames = noise(n, 4, 5, seed=3)
    found = interpolate_frames(frames, length, how)
    np.testing.assert_array_equal(found[[0, -1]], frames[[0, -1]])


@pytest.mark.parametrize(("n", "length"), TIMES)
def test_linear_interpolation_is_that_of_numpy(n, length):
    frames = noise(n, 6, 5, seed=1)
    places = np.linspace(0, n - 1, length)
    exact = np.stack([np.interp(places, np.arange(n), pixel) for pixel in frames.reshape(n, -1).T], 1)
    assert_rounds_to(interpolate_frames(frames, length, "linear"), exact.reshape(length, 6, 5))


@pytest.mark.parametrize(("n", "length"), TIMES)
def test_the_shares_of_the_frames_sum_to_one(n, length):
    """So brightness added to all frames is added to the result; without it a still clip would flicker."""
    for shares in (texture._tim_weights(n, length), texture._linear_weights(n, length)):
        assert shares.shape == (length, n)
        np.testing.assert_allclose(shares.sum(1), 1, rtol=0, atol=1e-12)
    frames = noise(n, 6, 7, seed=2) // 4 + 80
    brighter = interpolate_frames(frames + np.uint8(25), length, "tim")
    equal_off_ties(brighter, interpolate_frames(frames, length, "tim") + np.uint8(25), frames, length)


@pytest.mark.parametrize("how", ["tim", "linear"])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_a_still_clip_stays_still(how, n):
    frame = noise(6, 7, seed=4)
    found = interpolate_frames(np.stack([frame] * n), 10, how)
    np.testing.assert_array_equal(found, np.stack([frame] * 10))


@pytest.mark.parametrize("how", ["tim", "linear"])
def test_still_pixels_of_a_moving_clip_stay_still(how):
    frames = noise(7, 5, 6, seed=5)
    frames[:, 1:4, 2:5] = frames[0, 1:4, 2:5]
    found = interpolate_frames(frames, 17, how)
    np.testing.assert_array_equal(found[:, 1:4, 2:5], np.stack([frames[0, 1:4, 2:5]] * 17))


@pytest.mark.parametrize("how", ["tim", "linear"])
def test_repeated_frames_do_not_show(how):
    """A sequence of more frames than its clip has repeats some of them."""
    frames = noise(7, 5, 6, seed=6)
    expected = interpolate_frames(frames, 10, how)
    for length in (8, 11, 20, 29):
        stored = frames[np.rint(np.linspace(0, 6, length)).astype(int)]
        np.testing.assert_array_equal(interpolate_frames(stored, 10, how), expected)
    came_back = frames[[0, 1, 0, 2]]  # like an earlier one, but not like the one before: it counts
    np.testing.assert_array_equal(interpolate_frames(came_back, 4, how), came_back)


@pytest.mark.parametrize(("n", "length"), TIMES)
def test_backwards_in_time_is_the_result_backwards(n, length):
    frames = noise(n, 6, 7, seed=7)
    forwards = interpolate_frames(frames, length, "tim")
    backwards = interpolate_frames(frames[::-1], length, "tim")
    equal_off_ties(backwards[::-1], forwards, frames, length)


@pytest.mark.parametrize(("n", "length"), TIMES)
def test_a_negative_is_the_negative_of_the_result(n, length):
    frames = noise(n, 6, 7, seed=8)
    negative = interpolate_frames(255 - frames, length, "tim")
    equal_off_ties(255 - negative, interpolate_frames(frames, length, "tim"), frames, length)


def test_overshoot_is_clipped_and_does_not_wrap():
    frames = noise(8, 6, 7, seed=11)
    exact = reference.tim(frames, 29)
    assert exact.min() < -20
    assert exact.max() > 275
    found = interpolate_frames(frames, 29, "tim")
    assert set(found[exact > 255].tolist()) == {255}
    assert set(found[exact < 0].tolist()) == {0}


def test_frames_that_depend_on_each_other_are_interpolated_by_the_same_rule():
    """The model has no solution where the frames are not independent; pixel by pixel the rule is the same."""
    independent = noise(6, 8, 9, seed=9)
    narrow = independent[:, :1, :2]  # two pixels, six frames
    found = interpolate_frames(np.ascontiguousarray(narrow), 15, "tim")
    np.testing.assert_array_equal(found, interpolate_frames(independent, 15, "tim")[:, :1, :2])


def test_interpolation_does_not_write_to_its_frames_and_takes_strided_ones():
    wide = noise(14, 6, 20, seed=10)
    view = wide[::2, :, ::3]
    before = view.copy()
    found = interpolate_frames(view, 10, "tim")
    np.testing.assert_array_equal(view, before)
    np.testing.assert_array_equal(found, interpolate_frames(before, 10, "tim"))
