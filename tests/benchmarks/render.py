"""`python -m tests.benchmarks.render`: the render kernel beside other ways to the same pixels, in one run.

160 clips of three 256 x 256 frames, ten copies each, once as mosaics of 3 x 5 tiles of 32 px and once as faces of
128 px. Everyone gets what suits him best: OpenCV and torch have their frames (three channels) prepared outside the
clock, and remap and grid_sample also their maps, as if every copy had the same geometry; `render` starts from
transforms. As copies differ, `opencv_remap_fresh` makes each copy's map within the clock. Repetitions are interleaved,
so that a busy machine slows all alike. Each `ratio` is the rival's time over that of `render`: median, lowest and
highest of the repetitions.
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

Array = NDArray[Any]
SIDE = 256
FRAMES = 3


class Task:
    """One workload and every rival's way to do it. The results have the rival's own layout; see `as_ours`."""

    def __init__(self, grid: tuple[int, int], tile: tuple[int, int], side_px: float, clips: int, copies: int) -> None:
        rng = np.random.default_rng(0)
        self.grid, self.tile = grid, tile
        noise = rng.integers(0, 256, (clips, FRAMES, SIDE, SIDE), dtype=np.uint8)
        self.frames = np.stack([[cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in clip] for clip in noise])
        self.frames = cv2.normalize(self.frames, None, 0, 255, cv2.NORM_MINMAX)
        self.clips = np.repeat(np.arange(clips), copies)
        n, regions = len(self.clips), grid[0] * grid[1]
        angle = np.radians(rng.uniform(-10, 10, (n, regions)))
        scale = side_px / tile[0]
        room = min(side_px * 0.6, SIDE / 2 - 1)
        centre = rng.uniform(room, SIDE - room, (n, regions, 2))
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(
            2, 3, 0, 1
        )
        middle = np.array([(tile[1] - 1) / 2, (tile[0] - 1) / 2])
        shift = centre - linear @ middle
        self.transforms = np.concatenate([linear, shift[..., None]], axis=-1).astype(np.float32)
        self.tone = np.stack([rng.uniform(0.8, 1.2, n), rng.uniform(-10, 10, n)], axis=1).astype(np.float32)
        self.out = np.zeros((n, FRAMES, grid[0] * tile[0], grid[1] * tile[1]), np.uint8)
        self.prepare()

    def prepare(self) -> None:
        """What OpenCV and torch are given outside the clock."""
        levels = np.arange(256, dtype=np.float64)
        self.tables = [np.clip(np.rint(gain * levels + bias), 0, 255).astype(np.uint8) for gain, bias in self.tone]
        self.pictures = np.ascontiguousarray(self.frames.transpose(0, 2, 3, 1))
        self.matrices = self.transforms.astype(np.float64)
        height, width = self.tile
        y, x = np.mgrid[:height, :width].astype(np.float32)
        self.pixels = np.stack([x.ravel(), y.ravel(), np.ones(height * width, np.float32)])
        maps = [self.map_of(n) for n in range(len(self.clips))]
        self.maps = [cv2.convertMaps(at, None, cv2.CV_16SC2) for at in maps]
        self.torch_grids = torch.from_numpy(np.stack(maps) * np.float32(2 / (SIDE - 1)) - 1)
        self.torch_frames = torch.from_numpy(self.frames[self.clips].astype(np.float32))
        self.torch_tone = torch.from_numpy(self.tone)[:, :, None, None, None]

    def map_of(self, n: int) -> Array:
        """Input point of every pixel of one copy: (rows * h, cols * w, 2) float32."""
        (rows, columns), (height, width) = self.grid, self.tile
        at = (self.transforms[n] @ self.pixels).reshape(rows, columns, 2, height, width)
        return np.ascontiguousarray(at.transpose(0, 3, 1, 4, 2)).reshape(rows * height, columns * width, 2)

    def ours(self, threads: int) -> Array:
        return _core.render(
            self.frames, self.transforms, self.tone, self.grid, self.tile, threads=threads, clips=self.clips
        )

    def ours_float(self, threads: int) -> Array:
        return _core.render(
            self.frames,
            self.transforms,
            self.tone,
            self.grid,
            self.tile,
            threads=threads,
            dtype="float32",
            clips=self.clips,
        )

    def opencv_warp(self, _threads: int) -> Array:
        (_, columns), (height, width) = self.grid, self.tile
        out = np.empty((*self.out.shape[:1], *self.out.shape[2:], FRAMES), np.uint8)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for n, clip in enumerate(self.clips):
            picture = self.pictures[clip]
            for region, matrix in enumerate(self.matrices[n]):
                row, column = divmod(region, columns)
                place = out[n, row * height : (row + 1) * height, column * width : (column + 1) * width]
                place[:] = cv2.warpAffine(
                    picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
                )
            cv2.LUT(out[n], self.tables[n], out[n])
        return out

    def opencv_remap(self, _threads: int) -> Array:
        out = np.empty((*self.out.shape[:1], *self.out.shape[2:], FRAMES), np.uint8)
        for n, clip in enumerate(self.clips):
            cv2.remap(self.pictures[clip], *self.maps[n], cv2.INTER_LINEAR, out[n], cv2.BORDER_REPLICATE)
            cv2.LUT(out[n], self.tables[n], out[n])
        return out

    def opencv_remap_fresh(self, _threads: int) -> Array:
        out = np.empty((*self.out.shape[:1], *self.out.shape[2:], FRAMES), np.uint8)
        for n, clip in enumerate(self.clips):
            cv2.remap(self.pictures[clip], self.map_of(n), None, cv2.INTER_LINEAR, out[n], cv2.BORDER_REPLICATE)
            cv2.LUT(out[n], self.tables[n], out[n])
        return out

    def torch_grid_sample(self, _threads: int) -> Array:
        out = torch.empty(self.out.shape, dtype=torch.uint8)
        for start in range(0, len(self.clips), 16):
            part = slice(start, start + 16)
            grey = torch.nn.functional.grid_sample(
                self.torch_frames[part], self.torch_grids[part], "bilinear", "border", align_corners=True
            )
            grey.mul_(self.torch_tone[part, 0]).add_(self.torch_tone[part, 1]).round_().clamp_(0, 255)
            out[part] = grey.to(torch.uint8)
        return out.numpy()

    def numpy_copy(self, _threads: int) -> Array:
        return self.out.copy()

    def rivals(self) -> dict[str, Callable[[int], Array]]:
        return {
            "render": self.ours,
            "render_float32": self.ours_float,
            "opencv_warpaffine_lut": self.opencv_warp,
            "opencv_remap_lut": self.opencv_remap,
            "opencv_remap_fresh": self.opencv_remap_fresh,
            "torch_grid_sample": self.torch_grid_sample,
            "numpy_copy": self.numpy_copy,
        }

    def check(self) -> None:
        """Stop unless all rivals make the same pictures, up to their coarser fractions (OpenCV: 1/32 px)."""
        self.out = ours = self.ours(1)
        for name in ("opencv_warpaffine_lut", "opencv_remap_lut", "opencv_remap_fresh", "torch_grid_sample"):
            theirs = self.rivals()[name](1)
            theirs = theirs.transpose(0, 3, 1, 2) if theirs.shape[-1] == FRAMES else theirs
            difference = np.abs(theirs.astype(np.int16) - ours)
            print(f"agreement {name} mean {difference.mean():.3f} highest {difference.max()}")
            if difference.mean() > 1 or difference.max() > 16:
                raise SystemExit(f"{name} renders something else")
        floats = self.ours_float(1).astype(np.float64)
        levels = ours.astype(np.float64)
        levels -= levels.mean(axis=(1, 2, 3), keepdims=True)
        if np.abs(floats - levels / levels.std(axis=(1, 2, 3), keepdims=True)).max() > 1e-5:
            raise SystemExit("float32 is not the normalised uint8")


def measure(task: Task, threads: int, repetitions: int) -> None:
    """Print one line a rival."""
    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
    rivals = task.rivals()
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(repetitions):
        for name, function in rivals.items():
            start = time.perf_counter()
            function(threads)
            times[name].append(1000 * (time.perf_counter() - start))
    for name, spent in times.items():
        print(f"ms {name} threads {threads} median {np.median(spent):.1f} ({min(spent):.1f}-{max(spent):.1f})")
    for name, spent in times.items():
        if name != "render":
            ratio = np.array(spent) / np.array(times["render"])
            print(f"ratio {name} {np.median(ratio):.2f} ({ratio.min():.2f}-{ratio.max():.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=160)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    print(f"cores {os.cpu_count()} simd {_core.simd()} compiler {_core.compiler}")
    print(f"numpy {np.__version__} opencv {cv2.__version__} torch {torch.__version__}")
    for name, grid, tile, side_px in (("mosaic", (3, 5), (32, 32), 50.0), ("face", (1, 1), (128, 128), 200.0)):
        task = Task(grid, tile, side_px, options.clips, options.copies)
        print(f"{name}: {options.clips} clips x {FRAMES} frames x {options.copies} copies, {grid} tiles of {tile} px")
        task.check()
        for threads in (1, 2):
            measure(task, threads, options.repetitions)


if __name__ == "__main__":
    main()
