"""The head's rigid motion between the onset and another frame, from grey levels to a few hundredths of a pixel.

A head is never still, and moves the skin as far as a micro-expression does. Landmarks jitter by 1 to 2 px and cannot
tell; grey levels can:

1. Dense optical flow (DIS) on small crops and a similarity fitted robustly to it give a first estimate.
2. Up to three steps of Lucas and Kanade's method refine it, each from a crop interpolated once from the picture. Grey
   levels are normalised by their local mean and standard deviation, so that light does not matter. Each of some 220
   windows of the face gives its own shift with a covariance; what most of them agree on is the head's motion. Windows
   that disagree by more than about 0.05 px - an expression, a blink, a shadow - lose their weight (the weights of
   Geman and McClure, over a scale that shrinks).

A head also turns in depth, which moves the nose against the cheeks. A similarity cannot follow that, and would be led
astray by it. Two further unknowns, turns to the side and up of a face of rough generic depth, take it out of the
estimate: the similarity returned is the one that fits the whole rigid motion best over the fifteen regions.

Transforms are (2, 3), map (x, y), and have pixel centres at whole numbers, as in `mertool.regions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..regions import compose, crop_transform, face_frame, invert, region_centres, whole_transform

__all__ = ["HeadMotion", "Stabiliser"]

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

SIDE = 240  # of the crops that are compared; eyes are 65 to 80 px apart there
FLOW_SIDE = 96  # of those for the first estimate
_FLOW_STEP = 3
_FLOW_SCALES = (2.0, 1.0, 0.5, 0.25)  # px of the crop of SIDE
_BLOCK = 12  # windows are 2 x 2 blocks and overlap by one
_SCALES = (0.25, 0.12, 0.05)  # px of the crop of SIDE
_ROUNDS_PER_SCALE = 3
_NORMAL_PX = 29  # window of the local mean and standard deviation
_NORMAL_FLOOR = 3.0  # grey levels: what varies less counts less
_MOST_STEPS = 3
_SMALL_STEP = 0.45  # px of the crop at its corners: the next step would be of a few hundredths
_CORNERS = np.array([[0, 0], [SIDE - 1, 0], [0, SIDE - 1], [SIDE - 1, SIDE - 1]], np.float64)
_MOUTH_WEIGHT = 0.3
_FOLLOWS = 0.25  # px of the crop of SIDE: a window this close to the rigid motion follows it
_LEAST_SHARE = 0.3  # of the face must follow one rigid motion; pictures of two subjects reach 0.1, a mirrored face 0.26
_MOST_SCALE = 1.25  # no head comes nearer faster


@dataclass(frozen=True, slots=True)
class HeadMotion:
    """How the head has moved since the onset.

    Attributes:
        transform: (2, 3) similarity, pixel of the onset's picture -> pixel of the frame's picture.
        shift_px: How far the face's centre has moved, in pixels of the picture.
        turn_deg: Turn in the picture plane in degrees, positive from x to y (clockwise as seen).
        depth_deg: Turn in depth in degrees, rough, since the depth of a generic face is used. Its effect is not part
            of `transform`, and stays in the frame.
        stable: Share of the face, 0..1, that follows the rigid motion.
    """

    transform: Array
    shift_px: float
    turn_deg: float
    depth_deg: float
    stable: float


class Stabiliser:
    """Measures the head's motion since the onset of one clip.

    The result for a frame depends on that frame and the onset alone.

    Args:
        onset: (H, W) uint8 grey, or (H, W, 3) uint8 BGR.
        landmarks: (68, 2) of the onset in pixels of the picture. None for a picture that is an aligned face already:
            then all of its middle counts, and no turn in depth is looked for.
    """

    def __init__(self, onset: Image, landmarks: NDArray[np.floating] | None) -> None:
        if landmarks is None:
            self._to_picture, points = whole_transform(onset.shape, SIDE), None
        else:
            self._to_picture = crop_transform(landmarks, SIDE)
            points = _apply(invert(self._to_picture), np.asarray(landmarks, np.float64))
        self._centre = np.full((1, 2), (SIDE - 1) / 2) if points is None else region_centres(points).mean(0)[None]
        self._onset = _core.align(onset, self._to_picture, (SIDE, SIDE))
        self._weight = _face_weight(points)
        self._windows = _Windows(self._onset, self._weight, points)
        self._small_onset = _small(onset, self._to_picture)
        small = cv2.resize(self._weight, (FLOW_SIDE, FLOW_SIDE), interpolation=cv2.INTER_AREA)[
            ::_FLOW_STEP, ::_FLOW_STEP
        ]
        at = np.argwhere(small > 0) * _FLOW_STEP
        self._flow_at = (at[:, 0], at[:, 1])
        points_at: Array = (at[:, ::-1].astype(np.float64) + 0.5) * (SIDE / FLOW_SIDE) - 0.5
        self._flow_points = (points_at, small[small > 0].astype(np.float64))
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def motion(self, frame: Image, start: Array | None = None) -> HeadMotion | None:
        """The head's motion between the onset and a frame; None if no motion holds for enough of the face.

        Args:
            frame: As the onset, and of its size.
            start: (2, 3) similarity to start from, pixel of the onset's picture -> pixel of the frame's picture, for
                motions of more than about a fifth of the inter-ocular distance. Default: none.
        """
        to_picture, back = self._to_picture, invert(self._to_picture)
        first = np.eye(2, 3) if start is None else compose(back, compose(start, to_picture))
        estimate = compose(first, self._by_flow(frame, compose(to_picture, first)))
        for _ in range(_MOST_STEPS):
            if not _plausible(estimate):
                return None
            step, turns, stable = self._windows.fit(_core.align(frame, compose(to_picture, estimate), (SIDE, SIDE)))
            estimate = compose(estimate, step)
            if np.abs(_apply(step, _CORNERS) - _CORNERS).max() < _SMALL_STEP:
                break
        if stable < _LEAST_SHARE or not _plausible(estimate):
            return None
        total = compose(compose(to_picture, estimate), back)
        centre = _apply(to_picture, self._centre)
        return HeadMotion(
            transform=total,
            shift_px=float(np.linalg.norm(_apply(total, centre) - centre)),
            turn_deg=float(np.rad2deg(np.arctan2(total[1, 0], total[0, 0]))),
            depth_deg=float(np.rad2deg(np.linalg.norm(turns))),
            stable=stable,
        )

    def _by_flow(self, frame: Image, to_picture: Array) -> Array:
        """A first estimate, crop pixel of the onset -> crop pixel of the frame."""
        flow = self._flow.calc(self._small_onset, _small(frame, to_picture), None)
        shifts = (SIDE / FLOW_SIDE) * flow[self._flow_at].astype(np.float64)
        source, weight = self._flow_points
        moved = np.median(shifts, axis=0)
        estimate = np.array([[1, 0, moved[0]], [0, 1, moved[1]]])
        for scale in _FLOW_SCALES:
            for _ in range(2):
                square = ((_apply(estimate, source) - source - shifts) ** 2).sum(1) / scale**2
                estimate = _fit_similarity(source, source + shifts, weight / (1 + square) ** 2)
        return estimate


class _Windows:
    """Windows of the onset's crop: what each says about its own shift, and what they agree on.

    Args:
        onset: (SIDE, SIDE) uint8.
        weight: (SIDE, SIDE) float32, how much each pixel counts.
        landmarks: (68, 2) in pixels of the crop, or None.
    """

    def __init__(self, onset: Image, weight: NDArray[np.float32], landmarks: Array | None) -> None:
        count = _window_sums(weight)
        inside = count > 0.3 * (2 * _BLOCK) ** 2
        self._inside = inside
        self._count = count[inside].astype(np.float64)
        self._normal = _normalised(onset)
        across = cv2.Sobel(self._normal, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
        down = cv2.Sobel(self._normal, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
        self._weight, self._across, self._down = weight, weight * across, weight * down
        self._energy = self._sums(weight * self._normal * self._normal)
        xx, xy, yy = (self._sums(a * b) for a, b in ((self._across, across), (self._across, down), (self._down, down)))
        floor = 0.002 * self._count + 1e-6  # a window without texture says nothing
        self._inverse = _inverse(xx + floor, xy, yy + floor)
        points: Array = (np.argwhere(inside)[:, ::-1].astype(np.float64) + 1) * _BLOCK - 0.5
        self._fields = _rigid_fields(points, landmarks)

    def fit(self, crop: Image) -> tuple[Array, Array, float]:
        """The rigid motion between the onset's crop and another one, both nearly aligned.

        Args:
            crop: (SIDE, SIDE) uint8.

        Returns:
            (2, 3) similarity, onset's crop -> this crop; (2,) turns in depth in radians, to the side and up (zeros
            without landmarks); share of the windows' weight that follows, 0..1.
        """
        other = _normalised(crop)
        error = self._normal - other
        sums = np.stack([self._sums(self._across * error), self._sums(self._down * error)], 1)
        shifts = _times(self._inverse, sums)
        left = self._sums(self._weight * error * error) - (sums * shifts).sum(1)
        noise = float(np.median(np.maximum(left, 0) / self._count))
        unknowns = self._fields.shape[2]
        motion = np.zeros(unknowns)
        for scale in _SCALES:
            precision = self._precision(noise, scale)
            weighted = _matrices(precision) @ self._fields
            normal = (np.swapaxes(self._fields, 1, 2) @ weighted).reshape(-1, unknowns**2)
            right = (np.swapaxes(weighted, 1, 2) @ shifts[..., None])[..., 0]
            for _ in range(_ROUNDS_PER_SCALE):
                away = shifts - self._fields @ motion
                trust = self._count / (1 + (away * _times(precision, away)).sum(1)) ** 2
                system = (trust @ normal).reshape(unknowns, unknowns)
                motion = np.linalg.solve(system + 1e-9 * np.trace(system) * np.eye(unknowns), trust @ right)
        turn = np.array([[motion[0], -motion[1]], [motion[1], motion[0]]]) / (SIDE / 2)
        middle = np.full(2, (SIDE - 1) / 2)
        similarity = np.concatenate([np.eye(2) + turn, (motion[2:4] - turn @ middle)[:, None]], 1)
        turns = motion[4:] if unknowns == 6 else np.zeros(2)
        away = shifts - self._fields @ motion
        follows = (away * _times(self._precision(noise, _FOLLOWS), away)).sum(1) < 1
        # Correlated by more than about a half: in noise and in other pictures no window says anything.
        follows &= 2 * left < self._energy + self._sums(self._weight * other * other)
        return similarity, turns, float(self._count @ follows / self._count.sum())

    def _precision(self, noise: float, scale: float) -> Array:
        """(N, 3) inverse of each shift's covariance from noise plus what a scale in pixels allows."""
        xx, xy, yy = noise * self._inverse.T
        return _inverse(xx + scale**2, xy, yy + scale**2)

    def _sums(self, values: NDArray[np.float32]) -> Array:
        """(N,) sums over the windows that count."""
        return _window_sums(values)[self._inside].astype(np.float64)


def _window_sums(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums over all windows of 2 x 2 blocks."""
    blocks = SIDE // _BLOCK
    means = cv2.resize(values, (blocks, blocks), interpolation=cv2.INTER_AREA)
    return np.asarray(_BLOCK**2 * (means[1:, 1:] + means[1:, :-1] + means[:-1, 1:] + means[:-1, :-1]))


# Symmetric 2 x 2 matrices as rows (xx, xy, yy)


def _inverse(xx: Array, xy: Array, yy: Array) -> Array:
    return np.stack([yy, -xy, xx], 1) / (xx * yy - xy * xy)[:, None]


def _times(matrices: Array, vectors: Array) -> Array:
    (xx, xy, yy), (x, y) = matrices.T, vectors.T
    return np.stack([xx * x + xy * y, xy * x + yy * y], 1)


def _matrices(rows: Array) -> Array:
    return rows[:, [0, 1, 1, 2]].reshape(-1, 2, 2)


def _rigid_fields(points: Array, landmarks: Array | None) -> Array:
    """(N, 2, K) displacement at (N, 2) points for each of K unknowns: scale, turn, shift; with landmarks also two
    turns in depth, from which the similarity that fits them best over the fifteen regions is taken out.
    """
    plane = _plane_fields(points)
    if landmarks is None:
        return plane
    regions = region_centres(landmarks)
    at_regions = _plane_fields(regions).reshape(-1, 4)
    fields = [plane]
    frame = face_frame(landmarks)
    depth, depth_of_regions = _depth(points, landmarks), _depth(regions, landmarks)
    for axis in (frame.across, frame.up):
        turned = np.outer(depth_of_regions, axis).reshape(-1)
        similarity = np.linalg.lstsq(at_regions, turned, rcond=None)[0]
        fields.append((np.outer(depth, axis) - plane @ similarity)[..., None])
    return np.concatenate(fields, 2)


def _plane_fields(points: Array) -> Array:
    x, y = ((points - (SIDE - 1) / 2) / (SIDE / 2)).T
    one, zero = np.ones_like(x), np.zeros_like(x)
    return np.stack([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)], 1)


def _depth(points: Array, landmarks: Array) -> Array:
    """(N,) depth towards the camera, in pixels, of a generic face: an ellipsoid with a nose."""
    frame = face_frame(landmarks)
    ruler = float(np.linalg.norm(landmarks[36:42].mean(0) - landmarks[42:48].mean(0)))
    axes = np.stack([frame.across, frame.up], 1) / ruler
    side, up = ((points - landmarks[27:36].mean(0)) @ axes).T
    nose_side, nose_up = (landmarks[30] - landmarks[27:36].mean(0)) @ axes
    head = 0.7 * np.sqrt(np.maximum(0.0, 1 - (side / 1.25) ** 2 - (up / 1.9) ** 2))
    nose = 0.33 * np.exp(-0.5 * (((side - nose_side) / 0.14) ** 2 + ((up - nose_up) / 0.28) ** 2))
    return np.asarray(ruler * (head + nose))


def _face_weight(landmarks: Array | None) -> NDArray[np.float32]:
    """(SIDE, SIDE) how much each pixel counts: 1 on face and forehead, less on the mouth, 0 on eyes and outside.

    Without landmarks the disc in the middle that lies on every face.
    """
    weight = np.zeros((SIDE, SIDE), np.float32)
    if landmarks is None:
        cv2.circle(weight, (SIDE // 2, SIDE // 2), round(0.4 * SIDE), 1.0, cv2.FILLED)
        return weight
    frame = face_frame(landmarks)
    forehead = landmarks[17:27] + 0.5 * frame.outer * frame.up
    _fill(weight, np.concatenate([landmarks[:27], forehead]), 0.0, 1.0)
    _fill(weight, landmarks[48:60], 0.10 * float(frame.outer), _MOUTH_WEIGHT)
    for eye in (landmarks[36:42], landmarks[42:48]):
        _fill(weight, eye, 0.08 * float(frame.outer), 0.0)
    return weight


def _fill(weight: NDArray[np.float32], points: Array, margin: float, value: float) -> None:
    """Fill the convex hull of points, grown by a margin, with a value."""
    hull = cv2.convexHull(points.astype(np.float32)).reshape(-1, 2)
    middle = hull.mean(0)
    away = hull - middle
    grown = middle + away * (1 + margin / np.linalg.norm(away, axis=1).max())
    cv2.fillConvexPoly(weight, np.rint(grown).astype(np.int32), value)


def _normalised(grey: Image) -> NDArray[np.float32]:
    """Grey levels less their local mean, over their local standard deviation."""
    size = (_NORMAL_PX, _NORMAL_PX)
    mean = cv2.boxFilter(grey, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT)
    square = cv2.sqrBoxFilter(grey, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT)
    variance = np.maximum(square - mean * mean, 0)
    return np.asarray((grey - mean) / np.sqrt(variance + np.float32(_NORMAL_FLOOR**2)))


def _small(picture: Image, to_picture: Array) -> Image:
    """(FLOW_SIDE, FLOW_SIDE) uint8 crop for the flow: made fast, not well."""
    ratio = SIDE / FLOW_SIDE
    small = compose(to_picture, np.array([[ratio, 0, (ratio - 1) / 2], [0, ratio, (ratio - 1) / 2]]))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(picture, small, (FLOW_SIDE, FLOW_SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)


def _plausible(estimate: Array) -> bool:
    scale = float(np.hypot(estimate[0, 0], estimate[1, 0]))
    return 1 / _MOST_SCALE < scale < _MOST_SCALE and float(np.abs(estimate[:, 2]).max()) < 100 * SIDE


def _apply(transform: Array, points: Array) -> Array:
    return np.asarray(points @ transform[:, :2].T + transform[:, 2])


def _fit_similarity(source: Array, target: Array, weight: Array) -> Array:
    """(2, 3) similarity of least weighted squares (Umeyama's in the plane, without mirroring)."""
    share = weight / weight.sum()
    from_middle, to_middle = share @ source, share @ target
    a, b = source - from_middle, target - to_middle
    spread = share @ (a * a).sum(1)
    cos = share @ (a * b).sum(1) / spread
    sin = share @ (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / spread
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.concatenate([linear, (to_middle - linear @ from_middle)[:, None]], 1)
