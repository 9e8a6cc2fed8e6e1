"""`python -m tests.benchmarks.texture`: the texture kernels beside other ways to the same histograms, in one run.

Clips of ten 128 x 128 frames: a face that drifts, as extraction crops it, and noise. scikit-image codes one plane image
after the other (its calls and the counting are within the clock, the cutting of planes is not); NumPy shifts the whole
volume, as a vectorised program would. All must count the same, to the bit, and the golden codes are checked first.
Repetitions are interleaved, so that a busy machine slows all alike. Each `ratio` is the rival's time over that of
`texture_counts`: median, lowest and highest of the repetitions.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data
from skimage.feature import local_binary_pattern

from mertool import _core
from tests.support import golden, reference

Array = NDArray[Any]
FRAMES, SIDE = 10, 128


def make_clips(name: str, count: int) -> Array:
    """(N, 10, 128, 128) uint8."""
    rng = np.random.default_rng(0)
    if name == "noise":
        return rng.integers(0, 256, (count, FRAMES, SIDE, SIDE), dtype=np.uint8)
    face = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)[20:200, 140:320]
    clips = np.empty((count, FRAMES, SIDE, SIDE), np.uint8)
    for clip in clips:
        speed, start = rng.uniform(-0.3, 0.3, 2), rng.uniform(-5, 5, 2)
        for t, frame in enumerate(clip):
            shift = np.array([[1.2, 0, start[0] + t * speed[0]], [0, 1.2, start[1] + t * speed[1]]])
            cv2.warpAffine(face, shift, (SIDE, SIDE), frame, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return clips


class Task:
    """One workload and every rival's way to do it: (N, 1, 3, bins) counts."""

    def __init__(self, clips: Array, pattern: Any, points: int, radius: int) -> None:
        self.clips, self.pattern, self.points, self.radius = clips, pattern, points, radius
        self.bins = 2**points if pattern == "lbp" else 2 ** (points // 2 + 1)
        self.inside = slice(radius, -radius)
        turn = [(points - p) % points for p in range(points)]
        self.turned = sum((np.arange(2**points) >> old & 1) << new for new, old in enumerate(turn))
        # Planes cut outside the clock: frames, then images of t and x, then of y and t.
        self.images = [
            [np.ascontiguousarray(clip.transpose(axes)) for clip in clips] for axes in ((0, 1, 2), (1, 0, 2), (2, 1, 0))
        ]

    def ours(self, threads: int) -> Array:
        kind: Any = "nearest" if self.pattern == "cbp" else "bilinear"
        return _core.texture_counts(self.clips, self.pattern, self.points, (self.radius,) * 3, kind, 3, threads=threads)

    def scikit_image(self, _threads: int) -> Array:
        counts = np.empty((len(self.clips), 1, 3, self.bins), np.int64)
        for plane, clips in enumerate(self.images):
            for n, clip in enumerate(clips):
                codes = [
                    local_binary_pattern(image, self.points, self.radius)[self.inside, self.inside]
                    for image in clip[self.inside]
                ]
                found = np.bincount(np.stack(codes).astype(np.int64).ravel(), minlength=self.bins)
                counts[n, 0, plane] = found[self.turned] if plane == 1 else found
        return counts

    def numpy(self, _threads: int) -> Array:
        radii = (self.radius,) * 3
        counts = []
        for clip in self.clips:
            codes = (
                reference.lbp_codes(clip, self.points, radii, "bilinear")
                if self.pattern == "lbp"
                else reference.cbp_codes(clip, self.points, radii, 3, False)
            )
            counts.append([[np.bincount(plane.ravel(), minlength=self.bins) for plane in codes]])
        return np.array(counts)

    def numpy_copy(self, _threads: int) -> Array:
        return self.clips.copy()

    def rivals(self) -> dict[str, Callable[[int], Array]]:
        """Those that can do this pattern."""
        others = {"scikit_image": self.scikit_image} if self.pattern == "lbp" else {}
        return {"texture_counts": self.ours, **others, "numpy_vectorised": self.numpy, "numpy_copy": self.numpy_copy}

    def check(self) -> None:
        """Stop unless all rivals count the same."""
        ours = self.ours(1)
        for name, function in self.rivals().items():
            if name != "numpy_copy" and not np.array_equal(function(1), ours):
                raise SystemExit(f"{name} counts something else")


def measure(task: Task, threads: int, repetitions: int) -> None:
    """Print one line a rival."""
    times: dict[str, list[float]] = {name: [] for name in task.rivals()}
    for _ in range(repetitions):
        for name, function in task.rivals().items():
            start = time.perf_counter()
            function(threads)
            times[name].append(1000 * (time.perf_counter() - start))
    ours = times.pop("texture_counts")
    print(f"ms texture_counts threads {threads} median {np.median(ours):.2f} ({min(ours):.2f}-{max(ours):.2f})")
    for name, spent in times.items():
        ratio = np.array(spent) / np.array(ours)
        print(f"ratio {name} {np.median(ratio):.2f} ({ratio.min():.2f}-{ratio.max():.2f})")


def main() -> None:
    """Run every workload on one thread and on two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # scikit-image's advice on float images does not concern these
    print(f"cores {os.cpu_count()} simd {_core.simd()} compiler {_core.compiler}")
    print(f"numpy {np.__version__} scikit-image {version('scikit-image')}")
    golden.check_golden_codes()
    print("golden codes: equal")
    for name in ("face", "noise"):
        clips = make_clips(name, options.clips)
        for pattern, points, radius in (("lbp", 8, 1), ("lbp", 8, 3), ("lbp", 4, 1), ("lbp", 16, 2), ("cbp", 8, 1)):
            task = Task(clips, pattern, points, radius)
            task.check()
            print(f"{name}: {pattern}-top {points} points, radius {radius}, {options.clips} clips of {clips[0].shape}")
            for threads in (1, 2):
                measure(task, threads, options.repetitions)


if __name__ == "__main__":
    main()
