"""How each frame of a clip comes into the clip's crop (`extract --align`), and what that says of the head."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..regions import compose, crop_transform, invert, whole_transform
from ..text import plural
from .faces import Face, FaceFinder
from .options import STABILISED
from .stabilise import HeadMotion, Stabiliser

__all__ = ["Aligner", "HeadRecord", "Placed", "lost_remark", "to_grey"]

Picture = NDArray[np.uint8]

# Head motion beyond these is remarked.
_FAR = 0.15  # inter-ocular distances
_TURNED_DEG, _DEPTH_DEG = 5.0, 3.0


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """How the head of a clip moved between the onset and the frames of the pack: the largest of all frames.

    Attributes:
        shift_px, turn_deg, depth_deg, stable: See `mertool.extraction.stabilise.HeadMotion`; `stable` is the smallest.
    """

    shift_px: float
    turn_deg: float
    depth_deg: float
    stable: float

    @classmethod
    def of(cls, motions: list[HeadMotion]) -> HeadRecord | None:
        """The record of all motions that were measured; None if there are none."""
        if not motions:
            return None
        return cls(
            shift_px=max(motion.shift_px for motion in motions),
            turn_deg=max(abs(motion.turn_deg) for motion in motions),
            depth_deg=max(motion.depth_deg for motion in motions),
            stable=min(motion.stable for motion in motions),
        )

    def columns(self) -> dict[str, str]:
        """Cells of NAME.clips.csv."""
        return {
            "head_shift_px": f"{self.shift_px:.2f}",
            "head_turn_deg": f"{self.turn_deg:.2f}",
            "head_depth_deg": f"{self.depth_deg:.1f}",
            "head_stable": f"{self.stable:.2f}",
        }

    def remark(self, eye_distance_px: float | None) -> str:
        """What is unusual enough to be told; "" for nothing.

        Args:
            eye_distance_px: Between the eyes' centres in the onset's picture; None if it is not known.
        """
        parts = []
        if eye_distance_px is not None and self.shift_px > _FAR * eye_distance_px:
            parts.append(f"moved {self.shift_px:.0f} px")
        if self.turn_deg > _TURNED_DEG:
            parts.append(f"turned {self.turn_deg:.0f} degrees")
        if self.depth_deg > _DEPTH_DEG:
            parts.append(f"turned about {self.depth_deg:.0f} degrees in depth, which no similarity takes out")
        return f"the head {' and '.join(parts)}" if parts else ""


@dataclass(frozen=True, slots=True)
class Placed:
    """How one frame comes into the crop.

    Attributes:
        transform: (2, 3) similarity, crop pixel -> picture pixel.
        motion: Of the head since the onset; None if it was not measured.
        lost: It should have been measured, but no motion holds for enough of the face.
    """

    transform: NDArray[np.float64]
    motion: HeadMotion | None = None
    lost: bool = False


class Aligner:
    """Places the frames of one clip.

    Args:
        onset: Picture of the onset.
        face: Its face; None for pictures that are aligned faces already.
        size: Side of the crop.
        align: One of `ALIGNMENTS`.
        finder: Finds the faces of other frames, if these are needed.
    """

    def __init__(
        self, onset: Picture, face: Face | None, size: int, align: str, finder: FaceFinder | None = None
    ) -> None:
        self._face, self._size, self._align, self._finder = face, size, align, finder
        landmarks = None if face is None else face.landmarks
        transform = whole_transform(onset.shape, size) if landmarks is None else crop_transform(landmarks, size)
        self.onset = Placed(transform)
        self._stabiliser: Stabiliser | None = None
        if align == STABILISED:
            self._stabiliser = Stabiliser(onset, landmarks)

    def place(self, image: Picture, face: Face | None = None) -> Placed:
        """Place a frame after the onset; `face` is the frame's own, if it is known already."""
        if self._stabiliser is not None:
            return self._stabilised(image, face, self._stabiliser)
        if self._align == "clip":
            return self.onset
        face = face or self._find(image)
        if face is None:
            return self.onset
        return Placed(crop_transform(face.landmarks, self._size))

    def _stabilised(self, image: Picture, face: Face | None, stabiliser: Stabiliser) -> Placed:
        common = self.onset.transform
        motion = stabiliser.motion(image)
        if motion is None:  # too far for the flow: start from the landmarks
            face = face or self._find(image)
            if face is not None and face.detected:
                there = compose(crop_transform(face.landmarks, self._size), invert(common))
                motion = stabiliser.motion(image, there)
        if motion is None:
            return Placed(common, lost=True)
        return Placed(compose(motion.transform, common), motion)

    def _find(self, image: Picture) -> Face | None:
        if self._finder is None or self._face is None:
            return None
        return self._finder.find(to_grey(image), self._face.box)


def lost_remark(key_frames: list[str], others: int) -> str:
    """What there is to say of a clip in which the head's motion could not be measured; "" if it was.

    Args:
        key_frames: Names of the key frames that were lost.
        others: How many other frames were.
    """
    frames = [f"the {name} frame" for name in key_frames]
    if others:
        frames.append(plural(others, "other frame"))
    if not frames:
        return ""
    return f"the head's motion could not be measured in {' and '.join(frames)}: aligned as the onset is"


def to_grey(image: Picture) -> Picture:
    """(H, W) of a (H, W) or (H, W, 3) BGR picture."""
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
