"""The fifteen facial regions as data, the face's own frame of reference, and the transforms that render them.

Conventions: points are (x, y) with pixel centres at whole numbers, y grows downwards, landmarks are dlib's 68 points
counted from 0. "Right" and "left" are the subject's: the subject's right brow lies in the left half of the picture.

The regions are ours (docs/methods.md, section 4.4), since the paper's Figure 3 is not published as
numbers: squares of side 0.45 x the outer-eye distance, aligned with the eyes, in a 3 x 5 mosaic whose mirror image is
the mosaic of the mirrored face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CROP_ROOM",
    "FLIP68",
    "GRID",
    "REGIONS",
    "REGION_FLIP",
    "SQUARE",
    "FaceFrame",
    "Region",
    "compose",
    "crop_transform",
    "face_frame",
    "face_transforms",
    "invert",
    "region_centres",
    "region_squares",
    "region_transforms",
    "whole_transform",
]

GRID = (3, 5)  # rows and columns of the mosaic
SQUARE = 0.45  # side of a region's square in outer-eye distances
CROP_ROOM = 1.2  # crop side in face squares: cos 10 + sin 10 = 1.16 for rotation, the rest for head sway


@dataclass(frozen=True, slots=True)
class Region:
    """One region: its name, the rule for the centre of its square, and the action units it shows."""

    name: str
    centre: str
    action_units: str


REGIONS = (
    Region("R_brow_outer", "p18 + r/3 up", "2 (1+2), part of 4"),
    Region("R_brow_inner", "(p20+p21)/2 + r/4 up", "1, 4"),
    Region("M_nose", "mean(p27..p30)", "9, 38, 39 (root wrinkles of 4)"),
    Region("L_brow_inner", "(p23+p22)/2 + r/4 up", "1, 4"),
    Region("L_brow_outer", "p25 + r/3 up", "2 (1+2), part of 4"),
    Region("R_eye", "mean(p36..p41)", "5, 7, 43/45 (blink)"),
    Region("R_cheek", "p41 - r up", "6"),
    Region("M_mouth", "mean(p48,p51,p54,p57)", "10, 18, 22, 23, 24, 25, 28"),
    Region("L_cheek", "p46 - r up", "6"),
    Region("L_eye", "mean(p42..p47)", "5, 7, 43/45 (blink)"),
    Region("R_mouth_corner", "p48", "12, 13, 14, 15, 20"),
    Region("R_nasolabial", "(p31+p48)/2", "10, 11 (9, 12 furrow)"),
    Region("M_chin", "(p57+p8)/2", "16, 17, 26"),
    Region("L_nasolabial", "(p35+p54)/2", "10, 11 (9, 12 furrow)"),
    Region("L_mouth_corner", "p54", "12, 13, 14, 15, 20"),
)

# Region k of a mirrored face is region REGION_FLIP[k] of the face itself.
REGION_FLIP = np.array([4, 3, 2, 1, 0, 9, 8, 7, 6, 5, 14, 13, 12, 11, 10])

# Landmark k of a mirrored face is landmark FLIP68[k] of the face itself (the 300-W numbering; an involution).
# fmt: off
FLIP68 = np.array([
    16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0,
    26, 25, 24, 23, 22, 21, 20, 19, 18, 17,
    27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
])
# fmt: on

# Transforms are rounded to this grid: then the float32 transform of a mirrored tile is exact, and so is its rendering.
_STEPS_PER_PIXEL = 4096.0


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """A face's own axes: arrays over the leading axes of the landmarks they came from.

    Attributes:
        across: (..., 2) unit vector from the subject's right to left eye (rightwards in the picture).
        up: (..., 2) unit vector towards the forehead.
        inner: (...) distance of the inner eye corners in pixels, the ruler r of the regions.
        outer: (...) distance of the outer eye corners in pixels.
    """

    across: NDArray[np.float64]
    up: NDArray[np.float64]
    inner: NDArray[np.float64]
    outer: NDArray[np.float64]


def face_frame(landmarks: NDArray[np.floating]) -> FaceFrame:
    """Axes and rulers of faces from (..., 68, 2) landmarks."""
    p = np.asarray(landmarks, np.float64)
    eyes = p[..., 42:48, :].mean(-2) - p[..., 36:42, :].mean(-2)
    across = eyes / np.linalg.norm(eyes, axis=-1, keepdims=True)
    up = np.stack([across[..., 1], -across[..., 0]], -1)
    inner = np.linalg.norm(p[..., 39, :] - p[..., 42, :], axis=-1)
    outer = np.linalg.norm(p[..., 36, :] - p[..., 45, :], axis=-1)
    return FaceFrame(across, up, inner, outer)


def region_centres(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., 15, 2) centres of the regions' squares for (..., 68, 2) landmarks, in the same pixels."""
    p = np.asarray(landmarks, np.float64)
    frame = face_frame(p)
    rise = frame.inner[..., None] * frame.up

    def mean(*points: int) -> NDArray[np.float64]:
        return np.asarray(p[..., points, :].mean(-2))

    return np.stack(
        [
            mean(18) + rise / 3,
            mean(20, 21) + rise / 4,
            mean(27, 28, 29, 30),
            mean(23, 22) + rise / 4,
            mean(25) + rise / 3,
            mean(*range(36, 42)),
            mean(41) - rise,
            mean(48, 51, 54, 57),
            mean(46) - rise,
            mean(*range(42, 48)),
            mean(48),
            mean(31, 48),
            mean(57, 8),
            mean(35, 54),
            mean(54),
        ],
        -2,
    )


def region_squares(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., 15, 4, 2) corners of the regions' squares, in drawing order, for (..., 68, 2) landmarks."""
    frame = face_frame(landmarks)
    half = (SQUARE / 2) * frame.outer[..., None, None]
    across, up = half * frame.across[..., None, :], half * frame.up[..., None, :]
    centres = region_centres(landmarks)
    return np.stack([centres - across + up, centres + across + up, centres + across - up, centres - across - up], -2)


def region_transforms(
    landmarks: NDArray[np.floating],
    tile: int,
    angle_deg: NDArray[np.floating] | float = 0.0,
    mirror: NDArray[np.bool_] | bool = False,
) -> NDArray[np.float32]:
    """Transforms that render the region mosaic of each clip.

    Args:
        landmarks: (N, 68, 2) in pixels of the stored frame.
        tile: Side of a region in output pixels.
        angle_deg: (N,) turn of each square about its own centre, on top of the eye alignment (turning face and
            landmarks together would cancel).
        mirror: (N,) whether to render the mosaic of the mirrored face.

    Returns:
        (N, 15, 2, 3) float32: output pixel (x, y) of a tile -> input pixel.
    """
    frame = face_frame(landmarks)
    step = SQUARE * frame.outer / tile
    return _transforms(region_centres(landmarks), step, frame, tile, angle_deg, mirror, REGION_FLIP)


def face_transforms(
    landmarks: NDArray[np.floating],
    side: int,
    angle_deg: NDArray[np.floating] | float = 0.0,
    mirror: NDArray[np.bool_] | bool = False,
) -> NDArray[np.float32]:
    """Transforms that render each clip's face: the smallest eye-aligned square round all fifteen regions.

    Arguments and result as `region_transforms`, with R = 1.
    """
    frame = face_frame(landmarks)
    centre, square = _face_square(landmarks)
    return _transforms(centre[..., None, :], square / side, frame, side, angle_deg, mirror, np.array([0]))


def crop_transform(landmarks: NDArray[np.floating], size: int) -> NDArray[np.float64]:
    """(2, 3) similarity, crop pixel -> picture pixel, that brings a face upright into a crop of `size` pixels.

    The crop holds the face square, so all fifteen regions, with room for +-10 degrees of rotation and some head sway.

    Args:
        landmarks: (68, 2) of the onset frame, in pixels of the picture.
        size: Side of the crop in pixels.
    """
    frame = face_frame(landmarks)
    centre, square = _face_square(landmarks)
    step = CROP_ROOM * square / size
    linear = step * np.stack([frame.across, -frame.up], -1)
    middle = (size - 1) / 2
    offset = centre - linear @ np.array([middle, middle])
    return np.concatenate([linear, offset[:, None]], 1)


def whole_transform(shape: tuple[int, ...], size: int) -> NDArray[np.float64]:
    """(2, 3) similarity, crop pixel -> picture pixel, that shows all of a picture in a crop of `size` pixels.

    Args:
        shape: Of the picture: height and width first. What it lacks to a square is added around it.
        size: Side of the crop in pixels.
    """
    height, width = shape[:2]
    step = max(height, width) / size
    x, y = ((side - step * size) / 2 + (step - 1) / 2 for side in (width, height))
    return np.array([[step, 0.0, x], [0.0, step, y]])


def invert(transform: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (2, 3) transform that undoes a (2, 3) transform."""
    linear = np.linalg.inv(transform[:, :2])
    return np.concatenate([linear, -linear @ transform[:, 2:]], 1)


def compose(second: NDArray[np.float64], first: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (2, 3) transform that applies `first`, then `second`."""
    linear = second[:, :2] @ first[:, :2]
    return np.concatenate([linear, (second[:, :2] @ first[:, 2] + second[:, 2])[:, None]], 1)


def _face_square(landmarks: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre (..., 2) and side (...) of the smallest eye-aligned square round the fifteen squares."""
    frame = face_frame(landmarks)
    axes = np.stack([frame.across, frame.up], -2)
    along = np.einsum("...rk,...ak->...ra", region_centres(landmarks), axes)
    low, high = along.min(-2), along.max(-2)
    side = (high - low).max(-1) + SQUARE * frame.outer
    return np.einsum("...a,...ak->...k", (low + high) / 2, axes), side


def _transforms(
    centres: NDArray[np.float64],
    step: NDArray[np.float64],
    frame: FaceFrame,
    side: int,
    angle_deg: NDArray[np.floating] | float,
    mirror: NDArray[np.bool_] | bool,
    flip: NDArray[np.int_],
) -> NDArray[np.float32]:
    n, regions = centres.shape[:2]
    angle = np.deg2rad(np.broadcast_to(np.asarray(angle_deg, np.float64), n))[:, None]
    down = -frame.up
    x_axis = np.cos(angle) * frame.across + np.sin(angle) * down
    y_axis = np.cos(angle) * down - np.sin(angle) * frame.across
    linear = _snap(step[:, None, None] * np.stack([x_axis, y_axis], -1))  # columns: image of output x and y
    middle = (side - 1) / 2
    offset = _snap(centres) - (linear @ np.array([middle, middle]))[:, None, :]
    result = np.empty((n, regions, 2, 3))
    result[..., :2] = linear[:, None]
    result[..., 2] = offset
    flipped = result[:, flip]
    flipped[..., 2] += flipped[..., 0] * (side - 1)
    flipped[..., 0] *= -1
    mirrored = np.broadcast_to(np.asarray(mirror, bool), n)[:, None, None, None]
    return np.where(mirrored, flipped, result).astype(np.float32)


def _snap(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.rint(values * _STEPS_PER_PIXEL) / _STEPS_PER_PIXEL
