"""`python -m tests.benchmarks.stabilise`: the head's motion, measured in made-up recordings in which it is known.

Each row is a condition; each cell the median and the 95th percentile, over people, of the error in pixels at an
inter-ocular distance of 100 (root mean square over the fifteen regions, against the similarity that fits the true
motion best). Ways:

    ours      mertool.extraction.stabilise
    plane     ours without the two unknowns for turns in depth
    sketch    DIS flow between crops, similarity by RANSAC over the landmarks' hull (0.25 px, grid of 6 px), two rounds
    homography  the same with a homography, of which the similarity that fits best is taken
    landmarks each frame by its own 68 landmarks (`--align frame`)
    none      the onset's transform for all frames (`--align clip`): what there is to take out

A second table raises sway, turn in depth and blur until nothing holds; `lost` counts frames in which no motion was
found, which are then aligned as the onset is. Last, milliseconds per clip and per frame.

    python -m tests.benchmarks.stabilise --portraits FOLDER     26 people instead of twelve variants of one
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from recordings.movement import Scene
from recordings.subjects import Subject, load_portraits, make_subjects

from mertool import _core
from mertool.extraction import stabilise
from mertool.extraction.faces import FaceFinder, find_landmark_model
from mertool.extraction.stabilise import Stabiliser
from mertool.regions import compose, crop_transform, invert, region_centres
from tests.support.scenes import APEX, error_px, fitted, make_scene

Array = NDArray[Any]
EMOTIONS = ("Anger", "Happiness", "Surprise", "Disgust", "Fear", "Sadness")
HARD = {"sway": 4, "roll": 1.5, "light": 6, "blinks": 0.5, "noise": 2.5}
CONDITIONS: dict[str, dict[str, float]] = {
    "nothing moves": {},
    "sway 2 px": {"sway": 2},
    "sway 4 px": {"sway": 4},
    "sway 8 px": {"sway": 8},
    "roll 1.5": {"sway": 2, "roll": 1.5},
    "roll 3": {"sway": 2, "roll": 3},
    "yaw 1": {"sway": 2, "yaw": 1},
    "yaw 3": {"sway": 2, "yaw": 3},
    "yaw 5": {"sway": 2, "yaw": 5},
    "expression 0.5 px": {"sway": 2, "strength": 0.5},
    "expression 1 px": {"sway": 2, "strength": 1},
    "expression 3 px": {"sway": 2, "strength": 3},
    "blink": {"sway": 2, "blinks": 1},
    "light 6 %": {"sway": 2, "light": 6},
    "noise 2.5": {"sway": 2, "noise": 2.5},
    "noise 5": {"sway": 2, "noise": 5},
    "hard, 0.7 px": {"strength": 0.7, **HARD},
    "hard, 0.7 px, yaw 1": {"strength": 0.7, "yaw": 1, **HARD},
    "hard, 2 px": {"strength": 2, **HARD},
}
Way = Callable[[Array, Array, Array], "Array | None"]


def ours(onset: Array, frame: Array, landmarks: Array) -> Array | None:
    """The product."""
    motion = Stabiliser(onset, landmarks).motion(frame)
    return None if motion is None else motion.transform


def plane(onset: Array, frame: Array, landmarks: Array) -> Array | None:
    """The product without turns in depth."""
    whole = stabilise._rigid_fields
    stabilise._rigid_fields = lambda points, landmarks: whole(points, None)
    try:
        return ours(onset, frame, landmarks)
    finally:
        stabilise._rigid_fields = whole


def by_flow(onset: Array, frame: Array, landmarks: Array, homography: bool = False) -> Array:
    """DIS flow and RANSAC, two rounds, the crop warped back between them."""
    side = 256
    to_picture = crop_transform(landmarks, side)
    first, start = (_core.align(image, to_picture, (side, side)) for image in (onset, frame))
    inside = _core.transform_points(landmarks.astype(np.float32), invert(to_picture))
    mask = cv2.fillConvexPoly(np.zeros((side, side), np.uint8), np.rint(cv2.convexHull(inside)).astype(np.int32), 1)
    points = np.argwhere(mask[::6, ::6])[:, ::-1].astype(np.float32) * 6
    flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    total, crop = np.eye(3), start
    for _ in range(2):
        moved = points + flow.calc(first, crop, None)[points[:, 1].astype(int), points[:, 0].astype(int)]
        cv2.setRNGSeed(1)
        if homography:
            step = cv2.findHomography(points, moved, cv2.RANSAC, 0.25, maxIters=2000)[0]
        else:
            found = cv2.estimateAffinePartial2D(
                points, moved, method=cv2.RANSAC, ransacReprojThreshold=0.25, maxIters=2000
            )
            step = np.vstack([found[0], [0, 0, 1]])
        total = total @ step
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop = cv2.warpPerspective(start, total, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    centres = region_centres(inside)
    similarity = fitted(centres, cv2.perspectiveTransform(centres[None], total)[0])
    return compose(compose(to_picture, similarity), invert(to_picture))


class Bench:
    """People, and what is measured with them."""

    def __init__(self, people: Sequence[Subject], finder: FaceFinder) -> None:
        self.people, self.finder = people, finder
        self.ways: dict[str, Way] = {
            "ours": ours,
            "plane": plane,
            "sketch": by_flow,
            "homography": partial(by_flow, homography=True),
            "landmarks": self.by_landmarks,
            "none": lambda *_: np.eye(2, 3),
        }

    def by_landmarks(self, onset: Array, frame: Array, landmarks: Array) -> Array | None:
        """Each frame by its own landmarks."""
        face = self.finder.find(frame)
        return (
            None
            if face is None
            else compose(crop_transform(face.landmarks, 256), invert(crop_transform(landmarks, 256)))
        )

    def scenes(self, conditions: dict[str, float]) -> list[Scene]:
        """One per person."""
        return [
            make_scene(person, n, EMOTIONS[n % 6], (960, 650), **conditions) for n, person in enumerate(self.people)
        ]

    def pair(self, scene: Scene) -> tuple[Array, Array, Array]:
        """Onset, apex, and the onset's landmarks."""
        onset = scene.frame(0)
        face = self.finder.find(onset)
        assert face is not None
        return onset, scene.frame(APEX), face.landmarks

    def row(self, conditions: dict[str, float], ways: Sequence[str], sigma: float = 0) -> tuple[list[str], int]:
        """Cells of one condition, and in how many frames ours found no motion."""
        errors: dict[str, list[float]] = {way: [] for way in ways}
        lost = 0
        for scene in self.scenes(conditions):
            onset, frame, landmarks = self.pair(scene)
            if sigma:
                frame = cv2.GaussianBlur(frame, (0, 0), sigma * scene.iod_px / 100)
            for way in ways:
                found = self.ways[way](onset, frame, landmarks)
                lost += found is None and way == "ours"
                errors[way].append(error_px(scene, np.eye(2, 3) if found is None else found))
        return [f"{np.median(one):.3f} {np.percentile(one, 95):.3f}" for one in errors.values()], lost


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    finder = FaceFinder(find_landmark_model())
    portraits = load_portraits(arguments.portraits, finder)
    people = make_subjects(portraits, len(portraits) if len(portraits) > 1 else 12, 0)
    bench = Bench(people, finder)
    print(f"{len(people)} people; median and 95th percentile of the error in px at an inter-ocular distance of 100")
    print(f"{'':<22}" + "".join(f"{way:>16}" for way in bench.ways))
    for name, conditions in CONDITIONS.items():
        cells, _ = bench.row(conditions, list(bench.ways))
        print(f"{name:<22}" + "".join(f"{cell:>16}" for cell in cells), flush=True)
    print("\nWhat breaks first (an expression of 1 px)")
    print(f"{'':<22}{'ours':>16}{'sketch':>16}   lost")
    worse: list[tuple[str, dict[str, Any], float]] = [
        *((f"sway {px} px", {"sway": px}, 0.0) for px in (10, 20, 30, 40, 60)),
        *((f"roll {deg}", {"roll": deg}, 0.0) for deg in (5, 10, 15, 20)),
        *((f"yaw {deg}", {"yaw": deg}, 0.0) for deg in (5, 8, 12, 16)),
        *((f"blur, sigma {px} px", {"sway": 2}, float(px)) for px in (1, 2, 4, 8)),
        *((f"noise {sd}", {"sway": 2, "noise": sd}, 0.0) for sd in (5, 10, 20)),
    ]
    for name, conditions, sigma in worse:
        cells, lost = bench.row({"strength": 1, **conditions}, ["ours", "sketch"], sigma)
        print(f"{name:<22}" + "".join(f"{cell:>16}" for cell in cells) + f"   {lost} of {len(people)}", flush=True)
    _print_times(bench)


def _print_times(bench: Bench) -> None:
    pairs = [bench.pair(scene) for scene in bench.scenes({"strength": 0.7, **HARD})]

    def median_ms(work: Callable[[Array, Array, Array], object]) -> float:
        times = []
        for _ in range(5):
            for pair in pairs:
                start = time.perf_counter()
                work(*pair)
                times.append(time.perf_counter() - start)
        return 1000 * float(np.median(times))

    made = {id(landmarks): Stabiliser(onset, landmarks) for onset, _, landmarks in pairs}
    once = median_ms(lambda onset, _frame, landmarks: Stabiliser(onset, landmarks))
    frame_ms = median_ms(lambda _onset, frame, landmarks: made[id(landmarks)].motion(frame))
    crop = median_ms(lambda _onset, frame, landmarks: _core.align(frame, crop_transform(landmarks, 256), (256, 256)))
    face = median_ms(lambda _onset, frame, _landmarks: bench.finder.find(frame))
    sketch = median_ms(by_flow)
    print("\nMilliseconds, median of five repetitions over all people, one thread, frames of 960 x 650")
    print(f"onset, once per clip    {once:6.1f}")
    print(f"each further frame      {frame_ms:6.1f}   (sketch, onset included: {sketch:.1f})")
    beside = f"beside {3 * face:.0f} for its faces and {3 * crop:.1f} for its crops"
    print(f"clip of three key frames{once + 2 * frame_ms:6.1f}   {beside}")


if __name__ == "__main__":
    main()
