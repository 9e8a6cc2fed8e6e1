"""The apex that frames show: known movements of a real portrait, under changing light and head sway."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mertool.extraction.apex import ApexFinder
from mertool.regions import crop_transform

FRAMES = 25


def clip(portrait, apex, sway=0.0, light=0.0, seed=0):
    """Frames in which a mouth corner rises by two pixels until `apex` and falls again."""
    grey, points = portrait
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
    bell = np.exp(-0.5 * ((x - points[48, 0]) ** 2 + (y - points[48, 1]) ** 2) / 12**2)
    frames = []
    for k in range(FRAMES):
        amount = k / apex if k <= apex else (FRAMES - 1 - k) / (FRAMES - 1 - apex)
        lift = np.float32(2 * amount) * bell
        moved = cv2.remap(grey, x + np.float32(sway * k / FRAMES), y + lift, cv2.INTER_CUBIC)
        frames.append(np.clip(moved * (1 + light * k) + rng.normal(0, 1.0, grey.shape), 0, 255).astype(np.uint8))
    return frames


def found(portrait, frames):
    finder = ApexFinder(frames[0], crop_transform(portrait[1], ApexFinder.SIDE))
    return 1 + finder.largest([finder.amount(frame) for frame in frames[1:]])


@pytest.mark.parametrize("apex", [6, 12, 19])
@pytest.mark.parametrize(("sway", "light"), [(0, 0), (3, 0), (0, 0.01), (-3, -0.01)])
def test_the_frame_of_largest_movement_is_found(portrait, apex, sway, light):
    assert abs(found(portrait, clip(portrait, apex, sway, light)) - apex) <= 2


def test_plain_differences_would_follow_the_light(portrait):
    """Why the amount is optical flow: here the largest grey-level difference is the last frame."""
    frames = clip(portrait, 8, light=0.01)
    differences = [np.abs(frame.astype(float) - frames[0]).mean() for frame in frames[1:]]
    assert 1 + int(np.argmax(differences)) == FRAMES - 1
    assert abs(found(portrait, frames) - 8) <= 2


def test_nothing_moved_measures_nearly_nothing(portrait):
    grey, points = portrait
    finder = ApexFinder(grey, crop_transform(points, ApexFinder.SIDE))
    assert finder.amount(grey) < 0.02
    assert finder.amount(np.clip(grey * 0.9, 0, 255).astype(np.uint8)) < 0.1


def test_an_aligned_face_needs_no_landmarks(portrait):
    transform = crop_transform(portrait[1], 256)
    frames = [
        cv2.warpAffine(frame, transform, (256, 256), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        for frame in clip(portrait, 12)
    ]
    finder = ApexFinder(frames[0], None)
    assert abs(1 + finder.largest([finder.amount(frame) for frame in frames[1:]]) - 12) <= 2


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 16, 100])
def test_largest_is_the_peak_whatever_the_length(n):
    amounts = [1.0 - abs(k - n // 2) / n for k in range(n)]
    assert ApexFinder.largest(amounts) == n // 2
    assert ApexFinder.largest([0.0] * n) == 0


def test_one_noisy_frame_is_no_apex():
    amounts = [1.0 - abs(k - 20) / 20 for k in range(40)]
    amounts[3] = 1.1
    assert abs(ApexFinder.largest(amounts) - 20) <= 1
