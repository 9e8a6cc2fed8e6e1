"""`python -m tests.benchmarks.align`: the kernels of extraction beside other ways to the same crop, in one run.

A 1088 x 2040 colour picture (SAMM's size: noise that was blurred) becomes a grey 256 x 256 crop at 2.6 input pixels an
output pixel, upright and turned by 17 degrees; then 68 landmarks follow, 1000 times. The ways that average as they
shrink, as `align` does: OpenCV turns the face at full size and shrinks it by INTER_AREA, or blurs it and then warps it;
torch samples 3 x 3 places a pixel and averages them. Everyone cuts out what is needed first. `opencv_warp` does not
average, so it is another job: it shows what that costs. Each line has the mean difference from the definition in grey
levels. Repetitions are interleaved, so that a busy machine slows all alike. Each `ratio` is the rival's time over that
of ours: median, lowest and highest of the repetitions.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mertool import _core
from mertool.regions import FLIP68
from tests.support import reference

Array = NDArray[Any]
PICTURE, SIDE, SCALE = (1088, 2040), 256, 2.6
POINTS, TIMES = 68, 1000


class Crop:
    """One picture and transform, and every way to its crop."""

    def __init__(self, degrees: float) -> None:
        rng = np.random.default_rng(0)
        noise = rng.integers(0, 256, (*PICTURE, 3), dtype=np.uint8)
        self.picture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX)
        angle = np.radians(degrees)
        linear = SCALE * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.array([PICTURE[1], PICTURE[0]]) / 2
        self.transform = np.concatenate([linear, (middle - linear @ np.full(2, (SIDE - 1) / 2))[:, None]], 1)
        reach = SCALE * SIDE * (abs(np.cos(angle)) + abs(np.sin(angle))) / 2 + 8
        low, high = np.floor(middle - reach).astype(int), np.ceil(middle + reach).astype(int)
        self.window = (slice(low[1], high[1]), slice(low[0], high[0]))
        self.inside = self.transform.copy()
        self.inside[:, 2] -= low
        side = round(SIDE * SCALE)  # the crop at full size
        step = SIDE / side
        # Centres of pixels at whole numbers: pixel k of `side` lies at (k + 0.5) step - 0.5 of SIDE.
        self.full = np.concatenate(
            [self.inside[:, :2] * step, (self.inside @ [(step - 1) / 2, (step - 1) / 2, 1])[:, None]], 1
        )
        self.full_side = side
        part = (np.arange(3 * SIDE) + 0.5) / 3 - 0.5
        grid = np.stack(np.meshgrid(part, part), -1) @ self.inside[:, :2].T + self.inside[:, 2]
        height, width = (high - low)[1], (high - low)[0]
        self.grid = torch.from_numpy((grid * 2 / (np.array([width, height]) - 1) - 1).astype(np.float32))[None]

    def grey(self) -> Array:
        return cv2.cvtColor(self.picture[self.window], cv2.COLOR_BGR2GRAY)

    def align(self) -> Array:
        return _core.align(self.picture, self.transform, (SIDE, SIDE))

    def opencv_turn_area(self) -> Array:
        size = (self.full_side, self.full_side)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        turned = cv2.warpAffine(self.grey(), self.full, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return cv2.resize(turned, (SIDE, SIDE), interpolation=cv2.INTER_AREA)

    def opencv_blur_warp(self) -> Array:
        return self.opencv_warp(cv2.GaussianBlur(self.grey(), (0, 0), SCALE * 0.41))

    def opencv_warp(self, grey: Array | None = None) -> Array:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        source = self.grey() if grey is None else grey
        return cv2.warpAffine(source, self.inside, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)

    def torch_sample_pool(self) -> Array:
        weights = torch.tensor([0.114, 0.587, 0.299])
        grey = (torch.from_numpy(self.picture[self.window]).float() @ weights)[None, None]
        fine = torch.nn.functional.grid_sample(grey, self.grid, "bilinear", "border", align_corners=True)
        return torch.nn.functional.avg_pool2d(fine, 3).round().clamp(0, 255).to(torch.uint8)[0, 0].numpy()

    def ways(self) -> dict[str, Callable[[], Array]]:
        return {
            "align": self.align,
            "opencv_turn_area": self.opencv_turn_area,
            "opencv_blur_warp": self.opencv_blur_warp,
            "torch_sample_pool": self.torch_sample_pool,
            "opencv_warp": self.opencv_warp,
        }

    def apart(self, rows: slice = slice(100, 116)) -> dict[str, float]:
        """Mean difference of each way from the definition, over some rows."""
        moved = self.transform.copy()
        moved[:, 2] += self.transform[:, 1] * rows.start
        exact = reference.align_exact(self.picture, moved, (rows.stop - rows.start, SIDE))
        return {name: float(np.abs(way()[rows] - exact).mean()) for name, way in self.ways().items()}


class Landmarks:
    """68 points of 1000 faces, warped and mirrored, and NumPy's way to them."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.points = rng.uniform(0, 1000, (TIMES, POINTS, 2)).astype(np.float32)
        self.transform = Crop(17).transform
        self.order = np.asarray(FLIP68, np.int64)

    def points_ours(self) -> Array:
        return _core.mirror_points(_core.transform_points(self.points, self.transform), SIDE, self.order)

    def numpy(self) -> Array:
        moved = self.points.astype(np.float64) @ self.transform[:, :2].T + self.transform[:, 2]
        moved = (np.rint(moved * 1024) / 1024).astype(np.float32)[:, self.order]
        moved[..., 0] = SIDE - 1 - moved[..., 0]
        return moved

    def opencv(self) -> Array:
        moved = cv2.transform(self.points, self.transform)[:, self.order]
        moved[..., 0] = SIDE - 1 - moved[..., 0]
        return moved

    def ways(self) -> dict[str, Callable[[], Array]]:
        return {"points": self.points_ours, "numpy": self.numpy, "opencv_transform": self.opencv}


def measure(ways: dict[str, Callable[[], Array]], repetitions: int) -> None:
    """Print one line a rival of the first of the ways."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            start = time.perf_counter()
            for _ in range(5):
                way()
            times[name].append(200 * (time.perf_counter() - start))
    ours = next(iter(ways))
    spent = times.pop(ours)
    print(f"ms {ours} median {np.median(spent):.3f} ({min(spent):.3f}-{max(spent):.3f})")
    for name, others in times.items():
        ratio = np.array(others) / np.array(spent)
        print(f"ratio {name} {np.median(ratio):.2f} ({ratio.min():.2f}-{ratio.max():.2f})")


def main() -> None:
    """Run on one thread: extraction has a process for each clip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print(f"cores {os.cpu_count()} simd {_core.simd()} compiler {_core.compiler}")
    print(f"numpy {np.__version__} opencv {cv2.__version__} torch {torch.__version__}")
    for degrees in (0, 17):
        crop = Crop(degrees)
        print(f"crop: {PICTURE} px to {SIDE} px, {SCALE} px a pixel, turned by {degrees} degrees")
        for name, apart in crop.apart().items():
            print(f"agreement {name} mean {apart:.3f}")
            if name != "opencv_warp" and apart > 3:
                raise SystemExit(f"{name} renders something else")
        measure(crop.ways(), options.repetitions)
    landmarks = Landmarks()
    for name, way in landmarks.ways().items():
        if np.abs(way() - landmarks.numpy()).max() > 0.01:
            raise SystemExit(f"{name} moves points elsewhere")
    print(f"points: {TIMES} faces of {POINTS} landmarks, warped and mirrored")
    measure(landmarks.ways(), options.repetitions)


if __name__ == "__main__":
    main()
