"""Made-up recordings whose head motion is known, frame by frame and without files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Below examples/, which pytest puts on the path.
from recordings import Conditions, Move, Recording
from recordings.movement import Scene
from recordings.subjects import Subject

from mertool.regions import region_centres

__all__ = ["APEX", "error_px", "fitted", "make_scene"]

APEX, FRAMES = 12, 24
_CALM = {"strength": 0, "sway": 0, "roll": 0, "yaw": 0, "light": 0, "blinks": 0, "noise": 1}


def make_scene(
    person: Subject,
    seed: int = 0,
    emotion: str = "Happiness",
    size: tuple[int, int] = (640, 480),
    **conditions: float,
) -> Scene:
    """24 grey frames of one expression with its apex at frame 12; what `conditions` does not name is calm."""
    files = tuple(f"{k}.png" for k in range(FRAMES))
    recording = Recording(0, files, (Move(emotion, 0, APEX, FRAMES - 1),), size, False, (seed, 9))
    return Scene(person, recording, Conditions(**{**_CALM, **conditions}))


def fitted(points: NDArray[Any], moved: NDArray[Any]) -> NDArray[np.float64]:
    """The (2, 3) similarity of least squares, by NumPy's solver."""
    x, y = points.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, dx, dy = np.linalg.lstsq(system, np.concatenate([moved[:, 0], moved[:, 1]]), rcond=None)[0]
    return np.array([[a, -b, dx], [b, a, dy]])


def error_px(scene: Scene, transform: NDArray[Any], k: int = APEX) -> float:
    """How far a transform is from the similarity that fits the head's motion best.

    Args:
        scene: With the head's motion.
        transform: (2, 3) pixel of the first frame -> pixel of frame k.
        k: The frame.

    Returns:
        Root mean square over the centres of the fifteen regions, in pixels at an inter-ocular distance of 100.
    """
    points = region_centres(scene.landmarks)
    apart = transform - fitted(points, scene.rigid(k, points))
    away = points @ apart[:, :2].T + apart[:, 2]
    return float(np.sqrt((away**2).sum(1).mean())) * 100 / scene.iod_px
