"""The apex as the frames show it: where the face has moved most since the onset (`extract --apex difference`).

Movement is dense optical flow between aligned crops, without what all of the face shares (sway of the head). Grey-level
differences follow the light instead: on made-up clips of known apex their largest lies a quarter of the clip away from
it, that of the flow 3 % of the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ApexFinder"]


class ApexFinder:
    """Measures how far the face of one clip has moved since its onset.

    Args:
        onset: (H, W) uint8 grey.
        transform: (2, 3) crop pixel of a crop of `SIDE` pixels -> picture pixel, as `mertool.regions.crop_transform`
            gives; None for a picture that is an aligned face already.
    """

    SIDE = 128  # eyes about 35 px apart: a movement of 0.5 px at 100 is 0.2 px here, which the flow resolves

    def __init__(self, onset: NDArray[np.uint8], transform: NDArray[np.float64] | None) -> None:
        import cv2

        self._transform = transform
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._flow.setFinestScale(0)
        self._onset = self._crop(onset, transform)
        # The crop leaves room for rotation; in this circle lie brows, cheeks, nose and mouth of every face.
        grid = np.indices((self.SIDE, self.SIDE)) - (self.SIDE - 1) / 2
        self._face = np.hypot(*grid) < 0.35 * self.SIDE

    def amount(self, frame: NDArray[np.uint8], transform: NDArray[np.float64] | None = None) -> float:
        """Movement since the onset in crop pixels: the 95th percentile over the face of the flow's length.

        Args:
            frame: (H, W) uint8 grey, of the onset's size.
            transform: Of this frame, if it is not the onset's.
        """
        import cv2

        crop = self._crop(frame, self._transform if transform is None else transform)
        flow = cv2.GaussianBlur(self._flow.calc(self._onset, crop, None), (0, 0), 3)
        own = flow[self._face] - np.median(flow[self._face], axis=0)
        return float(np.percentile(np.linalg.norm(own, axis=1), 95))

    @staticmethod
    def largest(amounts: Sequence[float]) -> int:
        """Index of the largest amount, after a running mean over up to five frames against noise."""
        window = min(5, len(amounts) // 8 * 2 + 1)
        padded = np.pad(np.asarray(amounts, np.float64), window // 2, mode="edge")
        return int(np.convolve(padded, np.ones(window) / window, "valid").argmax())

    def _crop(self, frame: NDArray[np.uint8], transform: NDArray[np.float64] | None) -> NDArray[np.uint8]:
        if transform is None:
            import cv2

            return np.asarray(cv2.resize(frame, (self.SIDE, self.SIDE), interpolation=cv2.INTER_AREA), np.uint8)
        from .. import _core

        return _core.align(frame, transform, (self.SIDE, self.SIDE))
