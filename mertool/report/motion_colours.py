"""Movements as pictures: the hue says where to, the saturation how far."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..settings import Settings

__all__ = ["motion_pictures"]

Image = NDArray[np.uint8]

_FULL = 2.0  # value of a channel that gets the full colour


def motion_pictures(channels: NDArray[np.float32], settings: Settings) -> list[Image]:
    """The channels of one clip that are no grey frames, as `mertool.inputs.channels.render_input` gives them.

    Args:
        channels: (C, H, W).
        settings: `input` and `frames`.

    Returns:
        (H, W, 3) BGR pictures of the middle (with three frames), then the apex; of each what has moved, where red is to
        the right, yellow-green down, cyan to the left and violet up, then its strain; or the difference, grey at rest.
    """
    n_grey = settings.frames * ("gray" in settings.input)
    of_each = np.split(channels[n_grey:], max(1, settings.frames - 1))
    pictures = []
    for moved in of_each:
        if settings.input == "diff":
            pictures.append(_grey(moved[0] / 2 + _FULL / 2))
            continue
        pictures.append(_colours(moved[0], moved[1]))
        pictures += [_grey(strain) for strain in moved[2:]]
    return pictures


def _grey(values: NDArray[np.float32]) -> Image:
    levels = np.clip(255 / _FULL * values, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(levels, cv2.COLOR_GRAY2BGR), np.uint8)


def _colours(u: NDArray[np.float32], v: NDArray[np.float32]) -> Image:
    hue = np.rad2deg(np.arctan2(v, u)) % 360 / 2  # OpenCV's degrees
    saturation = np.clip(255 / _FULL * np.hypot(u, v), 0, 255)
    hsv = np.stack([hue, saturation, np.full_like(hue, 255)], -1).astype(np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8)
