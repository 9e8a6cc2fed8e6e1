"""What makes recordings hard: the head moves, lids blink, light changes, the camera has noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mertool.regions import face_frame

from .subjects import Array


@dataclass(frozen=True)
class Conditions:
    """How hard the recordings are. Pixels hold at an inter-ocular distance of 100.

    Attributes:
        strength: Usual peak displacement of an expression in pixels.
        sway: How far the head drifts at most, in pixels.
        roll: How far it turns in the picture plane at most, in degrees.
        yaw: How far it turns in depth at most, in degrees: to the side, and half as far up and down.
        light: How far brightness changes at most, in percent.
        blinks: Share of the recordings with a blink.
        noise: Standard deviation of the camera's noise in grey levels.
    """

    strength: float = 1.4
    sway: float = 1.5
    roll: float = 0.5
    yaw: float = 0.3
    light: float = 1.2
    blinks: float = 0.2
    noise: float = 1.2


DEFAULT = Conditions()


def drift(rng: np.random.Generator, n_frames: int) -> NDArray[np.float64]:
    """(n_frames,) smooth random course that starts at 0 and whose largest value is between 0.5 and 1, or -0.5 and -1.

    The same however long the recording: what is rare in 0.2 s (40 frames) has time in two seconds.
    """
    time = np.arange(n_frames) / 40
    waves = [np.sin(2 * np.pi * (rng.uniform(0.3, 0.9) * time + rng.random())) for _ in range(3)]
    course = np.sum(waves, 0)
    course -= course[0]
    largest = np.abs(course).max()
    return np.asarray(course * (rng.uniform(0.5, 1.0) / largest if largest else 0.0))


def head_motion(
    conditions: Conditions, n_frames: int, iod_px: float, pivot: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How the head moves against the first frame.

    Args:
        conditions: How much.
        n_frames: Length of the recording.
        iod_px: Inter-ocular distance.
        pivot: (2,) point that the head turns about.
        rng: Draws the course.

    Returns:
        (n_frames, 2, 3) similarity, pixel of the first frame -> pixel of frame k, and (n_frames, 2) turns in depth in
        radians, to the side and up.
    """
    direction = rng.uniform(0, 2 * np.pi)
    along, beside = drift(rng, n_frames), 0.4 * drift(rng, n_frames)
    axes = np.array([[np.cos(direction), np.sin(direction)], [-np.sin(direction), np.cos(direction)]])
    sway = conditions.sway * iod_px / 100 * (np.stack([along, beside], 1) @ axes)
    roll = np.deg2rad(conditions.roll) * drift(rng, n_frames)
    linear = np.stack([np.cos(roll), -np.sin(roll), np.sin(roll), np.cos(roll)], 1).reshape(-1, 2, 2)
    offset = pivot + sway - linear @ pivot
    turns = np.deg2rad(conditions.yaw) * np.stack([drift(rng, n_frames), 0.5 * drift(rng, n_frames)], 1)
    return np.concatenate([linear, offset[..., None]], 2), turns


def depth_map(landmarks: NDArray[np.float64], iod_px: float, size: tuple[int, int]) -> Array:
    """(H, W) rough depth of a face in pixels towards the camera: a rounded head with a nose.

    Its mean over the landmarks is 0, so that a turn in depth moves the face as a whole as little as possible.
    """
    frame = face_frame(landmarks)
    width, height = size
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    local = cv2.transform(grid - landmarks[27:36].mean(0).astype(np.float32), np.stack([frame.across, frame.up]))
    side, up = local[..., 0] / iod_px, local[..., 1] / iod_px
    nose = (landmarks[30] - landmarks[27:36].mean(0)) @ np.stack([frame.across, frame.up]).T / iod_px
    bump = 0.30 * np.exp(-0.5 * (((side - nose[0]) / 0.16) ** 2 + ((up - nose[1]) / 0.25) ** 2))
    depth = np.maximum(-0.35 * side**2 - 0.15 * up**2, -1.2) + bump
    x, y = np.clip(np.rint(landmarks).astype(int), 0, [width - 1, height - 1]).T
    return np.asarray((depth - depth[y, x].mean()) * iod_px, np.float32)


def blink_course(n_frames: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(n_frames,) share of a blink of 32 frames (0.16 s) around a random moment; lids close faster than they open."""
    since = np.arange(n_frames) - rng.uniform(0, n_frames)
    share = np.clip(np.where(since < 0, -since / 12, since / 20), 0, 1)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * share))
