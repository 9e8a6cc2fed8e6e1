"""How the face has moved since the onset: dense optical flow, and what follows from it.

The flow of a clip is computed once, from its stored frames, and kept beside the pack at half their resolution. It is in
percent of the distance between the outer eye corners, so that people and packs of any size have one scale. What the
whole face shares (a residue of the head's motion) is taken out as the median over the nose, which expressions move
least.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..pack import Pack
from ..regions import REGIONS, SQUARE, face_frame, region_centres
from .kept import KeptArray

__all__ = ["Progress", "eye_distance", "flow_of_pack", "strain_of"]

_FORMAT = 1  # goes up when the same pack gives another flow
_HALF = 2  # stored pixels per pixel of a flow
_BLUR = 4.0  # stored pixels: sigma of the blur of a 256-px crop, wider than the flow's noise, narrower than an eyelid
_FARTHEST = 1000.0  # percent: ten times the distance of the eyes, and within half precision
_LARGE = 192  # side of a crop in pixels from which half of it is enough
_NOSE = next(number for number, region in enumerate(REGIONS) if region.name == "M_nose")
# Of packs without landmarks, which show a face from ear to ear: outer eye corners apart, in sides of the picture.
_USUAL_OUTER = 0.43

Progress = Callable[[int, int], None]


def flow_of_pack(pack: Pack, progress: Progress = lambda _done, _total: None) -> NDArray[np.float16]:
    """The flow of all clips of a pack, from the file beside it or computed and kept there.

    Returns:
        (N, 2, 2, h, w) float16, h and w half the side of a stored frame: from the onset to the middle and to the apex,
        right and down, in percent of the distance between the outer eye corners.
    """
    n, _, height, width = pack.frames.shape
    shape = (n, 2, 2, height // _HALF, width // _HALF)
    kept = KeptArray(pack, "flow", {"format": _FORMAT, "opencv": cv2.__version__})
    found = kept.load(shape, np.float16)
    if found is None:
        found = np.empty(shape, np.float16)
        flow = _make_flow(width)
        for row in range(n):
            found[row] = _flow_of_clip(flow, pack, row)
            progress(row + 1, n)
        kept.store(found)
    return found


def _make_flow(side: int) -> Any:
    flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    # At half resolution the flow of a 256-px crop is faster and, of noisy pictures, better (docs/methods.md, 8.3).
    flow.setFinestScale(int(side >= _LARGE))
    return flow


def _flow_of_clip(flow: Any, pack: Pack, row: int) -> NDArray[np.float32]:
    """(2, 2, h, w), as `flow_of_pack`."""
    frames = np.asarray(pack.frames[row])
    side, outer = frames.shape[-1], float(eye_distance(pack, np.array([row]))[0])
    middle, half = np.array([side / 2, side / 2]), side // 4
    landmarks = pack.landmarks[row, 0]
    if not np.isnan(landmarks).any():
        middle, half = region_centres(landmarks)[_NOSE], round(SQUARE * outer / 2)
    x, y = np.rint(middle).astype(int)
    nose = np.s_[max(0, y - half) : y + half, max(0, x - half) : x + half]
    found = np.empty((2, 2, side // _HALF, side // _HALF), np.float32)
    for number, frame in enumerate(frames[1:]):
        moved = cv2.GaussianBlur(flow.calc(frames[0], frame, None), (0, 0), _BLUR * side / 256)
        moved = (moved - np.median(moved[nose], axis=(0, 1))) * (100 / outer)
        small = cv2.resize(moved, found.shape[:1:-1], interpolation=cv2.INTER_AREA)
        found[number] = np.clip(np.moveaxis(small, -1, 0), -_FARTHEST, _FARTHEST)
    return found


def eye_distance(pack: Pack, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(B,) distance between the outer eye corners of clips of a pack, in stored pixels."""
    found = face_frame(pack.landmarks[rows, 0]).outer
    return np.asarray(np.where(np.isnan(found), _USUAL_OUTER * pack.frames.shape[-1], found), np.float64)


def strain_of(flow: NDArray[np.floating], outer: NDArray[np.floating]) -> NDArray[np.float32]:
    """Optical strain: how much the skin is stretched, whichever way it is turned.

    Args:
        flow: (B, F, 2, h, w), as `flow_of_pack` gives it.
        outer: (B,) distance between the outer eye corners in stored pixels.

    Returns:
        (B, F, h, w) float32, in percent: the norm of the strain tensor, with its cross term.
    """
    u, v = np.moveaxis(flow.astype(np.float32), 2, 0)
    uy, ux = np.gradient(u, axis=(-2, -1))
    vy, vx = np.gradient(v, axis=(-2, -1))
    norm = np.sqrt(ux**2 + vy**2 + (uy + vx) ** 2 / 2)
    return np.asarray(norm * (outer.astype(np.float32) / _HALF)[:, None, None, None], np.float32)
