"""Finding the face and its 68 landmarks in a grey picture: dlib behind one small class.

Boxes are (left, top, right, bottom) in whole pixels, both ends included, and may reach beyond the picture; landmarks
are (x, y) with pixel centres at whole numbers, numbered from 0 as in 300-W.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, FileError
from ..files import open_regular
from ..text import os_error_text

__all__ = ["Box", "Face", "FaceFinder", "find_landmark_model"]

Box = tuple[int, int, int, int]

_MODEL = "shape_predictor_68_face_landmarks.dat"
_LARGEST = 2**30  # bytes of a landmark model; dlib's has 100 MB
_DEBIAN = Path("/usr/share/dlib") / _MODEL
# How dlib writes a shape predictor: version 1, then a column of 136 = 68 x 2 coordinates (sizes are stored negated).
_HEADER_68 = bytes([1, 1, 0x81, 136, 0x81, 1])

_REDUCED_PX = 1600  # longer pictures are searched at this length first: about 0.2 s instead of seconds
# dlib's detector knows faces from 80 px on; doubling the picture once and twice finds those from 40 and 20 px on.
# The largest picture that each step searches, in pixels before doubling, bounds memory (0.4 GB) and time (6 s).
_STEPS = ((0, 2**25), (1, 2**21), (2, 640 * 480))
_SAME_FACE_IOU = 0.3


@dataclass(frozen=True, slots=True)
class Face:
    """One face in a picture.

    Attributes:
        box: Where the detector saw it, (left, top, right, bottom).
        score: The detector's score; above 0, and about 1 to 3 for a clear frontal face. NaN where `detected` is False.
        landmarks: (68, 2) float32, (x, y) in pixels of the picture.
        detected: False if the detector saw nothing and the landmarks come from the box of another frame.
    """

    box: Box
    score: float
    landmarks: NDArray[np.float32]
    detected: bool = True

    @property
    def eye_distance_px(self) -> float:
        """Distance of the eyes' centres, the inter-ocular distance."""
        points = self.landmarks
        return float(np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0)))


def find_landmark_model(path: Path | None = None) -> Path:
    """The file of the 68-point model: `path`, else $MERTOOL_LANDMARKS, the `landmarks` extra, or Debian's folder.

    Raises:
        FileError: The file named is missing, or there is none anywhere.
    """
    for source, named in (("--landmarks", path), ("MERTOOL_LANDMARKS", os.environ.get("MERTOOL_LANDMARKS"))):
        if named:
            if not Path(named).is_file():
                raise FileError(f"{source}: no landmark model at {named}; expected the file {_MODEL}")
            return Path(named)
    # Only looked up, never imported: importing face_recognition_models fails with a new setuptools.
    package = importlib.util.find_spec("face_recognition_models")
    folders = list(package.submodule_search_locations or ()) if package is not None else []
    for candidate in (*(Path(folder) / "models" / _MODEL for folder in folders), _DEBIAN):
        if candidate.is_file():
            return candidate
    raise FileError(
        f"landmarks: no 68-point model found; get it with `pip install face-recognition-models`, with "
        f"`apt install libdlib-data`, or from http://dlib.net/files/{_MODEL}.bz2 (unpack it and name it with "
        f"--landmarks or MERTOOL_LANDMARKS); it was trained on iBUG 300-W, whose licence excludes commercial use"
    )


class FaceFinder:
    """Finds the most face-like face of a picture and its landmarks. The same input always gives the same result.

    Args:
        model: dlib's 68-point shape predictor, see `find_landmark_model`.

    Raises:
        FileError: The model cannot be read.
        DataError: It is not a 68-point shape predictor, or is damaged.
    """

    def __init__(self, model: Path) -> None:
        import dlib

        try:
            with open_regular(model, _LARGEST) as file:
                header = file.read(len(_HEADER_68))
        except OSError as error:
            raise FileError(f"{model}: cannot read this landmark model: {os_error_text(error)}") from error
        if header != _HEADER_68:
            raise DataError(f"{model}: expected {_MODEL}, got {_what_instead(header)}")
        try:
            self._predictor = dlib.shape_predictor(str(model))
        except (RuntimeError, MemoryError, ValueError) as error:
            raise DataError(f"{model}: this landmark model is cut short or damaged; get it again") from error
        self._detector = dlib.get_frontal_face_detector()

    def find(self, grey: NDArray[np.uint8], near: Box | None = None) -> Face | None:
        """Find the face with the best detection score (the largest box is often a false one).

        Faces from about 20 px on are found; a picture longer than 1600 px is searched on a reduced copy first.

        Args:
            grey: (H, W) uint8. Strided and read-only input is fine.
            near: Box of the face in another frame of the clip. Then only faces that overlap it count, and if there
                is none, the landmarks are fitted into this box (`Face.detected` is False).

        Returns:
            The face, or None if no face was found. Never None if `near` is given.

        Raises:
            DataError: `grey` has another shape or dtype.
        """
        if grey.ndim != 2 or grey.size == 0 or grey.dtype != np.uint8:
            raise DataError(f"find: grey must be a non-empty (H, W) uint8 array, got {grey.shape} {grey.dtype}")
        grey = np.ascontiguousarray(grey)
        for candidates in self._searches(grey):
            if near is not None:
                candidates = [(score, box) for score, box in candidates if _overlap(box, near) > _SAME_FACE_IOU]
            if candidates:
                score, box = max(candidates)
                return Face(box, score, self._landmarks(grey, box))
        if near is None:
            return None
        return Face(near, float("nan"), self._landmarks(grey, near), detected=False)

    def _searches(self, grey: NDArray[np.uint8]) -> Iterator[list[tuple[float, Box]]]:
        """Detections as (score, box), search after search, from the cheapest to the most thorough."""
        longest = max(grey.shape)
        if longest > _REDUCED_PX:
            import cv2

            scale = _REDUCED_PX / longest
            size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
            reduced = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
            yield [(score, _scaled(box, 1 / scale)) for score, box in self._detect(reduced, 0)]
        for upsampling, largest in _STEPS:
            if grey.size <= largest:
                yield self._detect(grey, upsampling)

    def _detect(self, grey: NDArray[np.uint8], upsampling: int) -> list[tuple[float, Box]]:
        rectangles, scores, _ = self._detector.run(grey, upsampling, 0.0)
        return [
            (float(score), (r.left(), r.top(), r.right(), r.bottom()))
            for score, r in zip(scores, rectangles, strict=True)
        ]

    def _landmarks(self, grey: NDArray[np.uint8], box: Box) -> NDArray[np.float32]:
        import dlib

        shape: Any = self._predictor(grey, dlib.rectangle(*box))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float32)


def _what_instead(header: bytes) -> str:
    if not header:
        return "an empty file"
    if len(header) == len(_HEADER_68) and header[:3] == _HEADER_68[:3] and header[4:] == _HEADER_68[4:]:
        return f"a model of {header[3] // 2} points"
    return f"a file that is not a dlib shape predictor (starts with {header!r})"


def _scaled(box: Box, factor: float) -> Box:
    left, top, right, bottom = (round((edge + 0.5) * factor - 0.5) for edge in box)
    return left, top, right, bottom


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    common = max(0, width) * max(0, height)
    areas = sum((box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b))
    return common / (areas - common)
