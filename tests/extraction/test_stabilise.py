"""The head's motion from grey levels: against a slow definition, against known motion, and where it must give up."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

# Below examples/, which pytest puts on the path.
from recordings.movement import Expression, Scene

from mertool import _core
from mertool.extraction import stabilise
from mertool.extraction.stabilise import SIDE, Stabiliser
from mertool.regions import compose, crop_transform, invert, region_centres
from tests.support import reference
from tests.support.scenes import error_px, fitted, make_scene


def measured(made, finder, k=12):
    onset = made.frame(0)
    return Stabiliser(onset, finder.find(onset).landmarks).motion(made.frame(k))


@pytest.mark.parametrize(
    ("dx", "dy", "angle_deg", "scale"), [(0.4, -0.3, 0.2, 1.0), (-0.7, 0.2, -0.3, 1.004), (0, 0, 0, 1)]
)
def test_a_step_equals_its_definition(portrait, dx, dy, angle_deg, scale):
    grey, points = portrait
    to_picture = crop_transform(points, SIDE)
    matrix = cv2.getRotationMatrix2D(tuple(map(float, points[30])), angle_deg, scale)
    matrix[:, 2] += dx, dy
    frame = cv2.warpAffine(grey, matrix, grey.shape[::-1], flags=cv2.INTER_CUBIC)
    frame = np.clip(frame * 1.05 - 3 + np.random.default_rng(0).normal(0, 2, grey.shape), 0, 255).astype(np.uint8)
    made = Stabiliser(grey, points)
    crop = _core.align(frame, to_picture, (SIDE, SIDE))
    step, turns, stable = made._windows.fit(crop)
    inside = points @ invert(to_picture)[:, :2].T + invert(to_picture)[:, 2]
    expected = reference.rigid_step(made._onset, crop, made._weight, stabilise._rigid_fields, inside)
    corners = np.array([[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]], float)
    apart = corners @ (step - expected.similarity)[:, :2].T + (step - expected.similarity)[:, 2]
    assert np.abs(apart).max() < 2e-3
    np.testing.assert_allclose(turns, expected.turns, atol=1e-4)
    assert stable == pytest.approx(expected.stable, abs=0.02)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("conditions", "most"),
    [
        ({}, 0.03),
        ({"sway": 8}, 0.04),
        ({"sway": 2, "roll": 3}, 0.05),
        ({"sway": 2, "light": 6}, 0.05),
        ({"sway": 2, "noise": 4}, 0.08),
        ({"sway": 2, "blinks": 1}, 0.08),
        ({"sway": 2, "strength": 3}, 0.1),
        ({"sway": 2, "strength": 3, "emotion": "Anger"}, 0.1),
        ({"sway": 2, "strength": 3, "emotion": "Surprise"}, 0.25),  # brows up and jaw down look like coming nearer
        ({"sway": 4, "roll": 1.5, "strength": 0.7, "light": 6, "blinks": 0.5, "noise": 2.5}, 0.1),
        ({"sway": 2, "yaw": 3, "strength": 1}, 0.2),
    ],
    ids=str,
)
def test_known_motion_is_recovered(person, finder, conditions, most, seed):
    made = make_scene(person, seed, **conditions)
    motion = measured(made, finder)
    assert motion is not None
    assert error_px(made, motion.transform) < most
    points = region_centres(made.landmarks)
    truth = fitted(points, made.rigid(12, points))
    assert motion.turn_deg == pytest.approx(np.rad2deg(np.arctan2(truth[1, 0], truth[0, 0])), abs=0.1)
    turned = np.rad2deg(np.linalg.norm(made.turns[12]))
    assert motion.depth_deg == pytest.approx(turned, abs=0.3 + 0.4 * turned)


def test_nothing_moved_gives_the_identity(portrait):
    grey, points = portrait
    motion = Stabiliser(grey, points).motion(grey)
    np.testing.assert_allclose(motion.transform, np.eye(2, 3), atol=1e-9)
    assert (motion.shift_px, motion.stable) == (pytest.approx(0, abs=1e-9), 1.0)


def test_a_frame_s_motion_depends_on_no_other_frame(person, finder):
    made = make_scene(person, sway=4, roll=1, strength=2)
    frames = [made.frame(k) for k in (3, 12, 20)]
    onset = made.frame(0)
    points = finder.find(onset).landmarks
    one = Stabiliser(onset, points)
    forwards = [one.motion(frame).transform for frame in frames]
    backwards = [one.motion(frame).transform for frame in frames[::-1]][::-1]
    alone = [Stabiliser(onset, points).motion(frame).transform for frame in frames]
    for first, second, third in zip(forwards, backwards, alone, strict=True):
        assert (first == second).all()
        assert (first == third).all()


@pytest.mark.parametrize(
    "units", [{12: 1.0, 6: 0.6}, {12: 1.0}, {4: 1.0}, {1: 1.0, 2: 1.0}, {26: 1.0}, {9: 1.0, 10: 0.7}]
)
def test_an_expression_alone_is_not_taken_out(person, finder, monkeypatch, units):
    """At most 5 % of a movement of 2 px goes with the head: as much at each region, in any direction."""
    monkeypatch.setattr("recordings.movement.draw_expression", lambda *_: Expression(units, (1.0, 1.0)))
    monkeypatch.setattr(Scene, "_peak_px", lambda self, *_: 2 * self.iod_px / 100)
    made = make_scene(person, strength=2)
    motion = measured(made, finder)
    centres = region_centres(made.landmarks)
    taken = centres @ motion.transform[:, :2].T + motion.transform[:, 2] - centres
    assert np.linalg.norm(taken, axis=1).max() * 100 / made.iod_px < 0.05 * 2


def test_light_and_gain_do_not_move_the_head(portrait):
    grey, points = portrait
    slope = np.linspace(0.8, 1.1, grey.shape[1])[None]
    lit = np.clip(grey * slope * 0.8 + 12, 0, 255).astype(np.uint8)
    motion = Stabiliser(grey, points).motion(lit)
    assert motion.shift_px < 0.05
    assert abs(motion.turn_deg) < 0.03


def unlike(portrait):
    grey, points = portrait
    rng = np.random.default_rng(0)
    covered = grey.copy()
    covered[int(points[20, 1]) :] = 90
    yield "noise", rng.integers(0, 256, grey.shape, np.uint8)
    yield "flat", np.full_like(grey, 128)
    yield "black", np.zeros_like(grey)
    yield "negative", 255 - grey
    yield "upside down", np.ascontiguousarray(grey[::-1])
    yield "covered below the brows", covered
    yield "another picture", np.ascontiguousarray(cv2.resize(skimage.data.camera(), grey.shape[::-1]))
    yield "no face", np.ascontiguousarray(cv2.resize(skimage.data.coins(), grey.shape[::-1]))


def test_what_is_no_picture_of_this_face_gives_no_motion(portrait):
    made = Stabiliser(*portrait)
    for name, frame in unlike(portrait):
        assert made.motion(frame) is None, name


def test_a_far_head_is_found_from_a_start(portrait):
    grey, points = portrait
    matrix = cv2.getRotationMatrix2D(tuple(map(float, points[30])), 25, 1.0)
    matrix[:, 2] += 35, 20
    frame = cv2.warpAffine(grey, matrix, grey.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    made = Stabiliser(grey, points)
    near = compose(np.array([[1, 0, 4.0], [0, 1, -3.0]]), matrix)
    found = made.motion(frame, near)
    away = points @ (found.transform - matrix)[:, :2].T + (found.transform - matrix)[:, 2]
    assert np.abs(away).max() < 0.1
    assert found.turn_deg == pytest.approx(-25, abs=0.1)  # OpenCV counts against the clock


def test_colour_counts_as_its_grey(portrait):
    colour = np.ascontiguousarray(skimage.data.astronaut()[..., ::-1])
    moved = np.roll(colour, 2, axis=1)
    motion = Stabiliser(colour, portrait[1]).motion(moved)
    assert motion.transform[0, 2] == pytest.approx(2, abs=0.02)


def test_without_landmarks_all_of_the_middle_counts(portrait):
    grey, points = portrait
    crop = cv2.warpAffine(grey, crop_transform(points, 200), (200, 200), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    shift = np.array([[1, 0, 1.3], [0, 1, -0.6]])
    frame = cv2.warpAffine(crop, shift, (200, 200), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    motion = Stabiliser(crop, None).motion(frame)
    np.testing.assert_allclose(motion.transform[:, 2], [1.3, -0.6], atol=0.1)
    assert motion.depth_deg == 0
