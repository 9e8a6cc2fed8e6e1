"""`python -m tests.benchmarks.render`: the render kernel beside other ways to the same pixels, in one run.

160 clips of three 256 x 256 frames, ten copies each, once as mosaics of 3 x 5 tiles of 32 px and once as faces of
128 px. Everyone gets what suits him best: OpenCV and torch have their frames (three channels) prepared outside the
clock, remap and grid_sample also their maps (`opencv_remap_lut`, `torch_grid_sample`), as if every copy had the same
geometry; `render` starts from transforms. As copies differ, `opencv_remap_fresh` makes each copy's map within the
clock. Everybody writes into memory that was there and touched before, save `render_new_memory`, which shows what a
fresh result costs; `copy` writes a finished result into such memory and is the floor.

`albumentationsx` (`pip install albumentationsx`; left out where it is not there) does what its interface offers: a
piece of the picture, twice as wide as the tile, is turned and scaled by one `Affine`, its middle cut out, and the tone
of a copy changed by one `RandomBrightnessContrast`. It draws angles and tones itself, from the same ranges, takes
centres as whole pixels, and its pixels are not compared. It renders one copy of a clip and its time counts ten times.

Repetitions are interleaved, so that a busy machine slows all alike. Each `ratio` is the rival's time over that of
`render` with as many threads: median, lowest and highest of the repetitions.
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

try:
    import albumentations
except ImportError:
    albumentations = None

Array = NDArray[Any]
SIDE = 256
FRAMES = 3
THREADS = (1, 2)
MAPS_FOR_FREE = ("opencv_remap_lut", "torch_grid_sample")


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
        self.copies, self.scale = copies, 1 / scale
        height, width = grid[0] * tile[0], grid[1] * tile[1]
        self.out, self.result = np.ones((2, n, FRAMES, height, width), np.uint8)
        self.out_float = np.ones(self.out.shape, np.float32)
        self.out_pictures = np.ones((n, height, width, FRAMES), np.uint8)
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
        self.torch_out = torch.ones(self.out.shape, dtype=torch.uint8)
        if albumentations is not None:
            affine = albumentations.Affine(
                scale=(self.scale, self.scale), rotate=(-10, 10), border_mode=cv2.BORDER_REPLICATE, p=1
            )
            self.turn = albumentations.Compose([affine, albumentations.CenterCrop(*self.tile)], seed=0)
            tone = albumentations.RandomBrightnessContrast((-10 / 255, 10 / 255), (-0.2, 0.2), p=1)
            self.change_tone = albumentations.Compose([tone], seed=0)

    def map_of(self, n: int) -> Array:
        """Input point of every pixel of one copy: (rows * h, cols * w, 2) float32."""
        (rows, columns), (height, width) = self.grid, self.tile
        at = (self.transforms[n] @ self.pixels).reshape(rows, columns, 2, height, width)
        return np.ascontiguousarray(at.transpose(0, 3, 1, 4, 2)).reshape(rows * height, columns * width, 2)

    def ours(self, threads: int, out: Array | None = None) -> Array:
        return _core.render(
            self.frames, self.transforms, self.tone, self.grid, self.tile, threads, clips=self.clips, out=out
        )

    def ours_float(self, threads: int) -> Array:
        return _core.render(
            self.frames,
            self.transforms,
            self.tone,
            self.grid,
            self.tile,
            threads,
            "float32",
            clips=self.clips,
            out=self.out_float,
        )

    def opencv_warp(self, _threads: int) -> Array:
        (_, columns), (height, width) = self.grid, self.tile
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for n, clip in enumerate(self.clips):
            picture, out = self.pictures[clip], self.out_pictures[n]
            for region, matrix in enumerate(self.matrices[n]):
                row, column = divmod(region, columns)
                place = out[row * height : (row + 1) * height, column * width : (column + 1) * width]
                cv2.warpAffine(picture, matrix, (width, height), place, flags, cv2.BORDER_REPLICATE)
            cv2.LUT(out, self.tables[n], out)
        return self.out_pictures

    def opencv_remap(self, _threads: int) -> Array:
        for n, clip in enumerate(self.clips):
            out = self.out_pictures[n]
            cv2.remap(self.pictures[clip], *self.maps[n], cv2.INTER_LINEAR, out, cv2.BORDER_REPLICATE)
            cv2.LUT(out, self.tables[n], out)
        return self.out_pictures

    def opencv_remap_fresh(self, _threads: int) -> Array:
        for n, clip in enumerate(self.clips):
            out = self.out_pictures[n]
            cv2.remap(self.pictures[clip], self.map_of(n), None, cv2.INTER_LINEAR, out, cv2.BORDER_REPLICATE)
            cv2.LUT(out, self.tables[n], out)
        return self.out_pictures

    def torch_grid_sample(self, _threads: int) -> Array:
        for start in range(0, len(self.clips), 16):
            part = slice(start, start + 16)
            grey = torch.nn.functional.grid_sample(
                self.torch_frames[part], self.torch_grids[part], "bilinear", "border", align_corners=True
            )
            grey.mul_(self.torch_tone[part, 0]).add_(self.torch_tone[part, 1]).round_().clamp_(0, 255)
            self.torch_out[part].copy_(grey)
        return self.torch_out.numpy()

    def albumentations(self, _threads: int) -> Array:
        (rows, columns), (height, width) = self.grid, self.tile
        middle = np.array([(width - 1) / 2, (height - 1) / 2, 1])
        corners = np.rint(self.matrices @ middle).astype(int) - (width, height)
        corners = np.clip(corners, 0, (SIDE - 2 * width, SIDE - 2 * height))
        for n in range(0, len(self.clips), self.copies):
            picture, out = self.pictures[self.clips[n]], self.out_pictures[n]
            for region in range(rows * columns):
                row, column = divmod(region, columns)
                left, top = corners[n, region]
                piece = picture[top : top + 2 * height, left : left + 2 * width]
                place = out[row * height : (row + 1) * height, column * width : (column + 1) * width]
                place[:] = self.turn(image=piece)["image"]
            out[:] = self.change_tone(image=out)["image"]
        return self.out_pictures

    def copy(self, _threads: int) -> Array:
        np.copyto(self.out, self.result)
        return self.out

    def rivals(self) -> dict[str, Callable[[int], Array]]:
        ways: dict[str, Callable[[int], Array]] = {
            "render": lambda threads: self.ours(threads, self.out),
            "render_new_memory": self.ours,
            "render_float32": self.ours_float,
            "opencv_warpaffine_lut": self.opencv_warp,
            "opencv_remap_lut": self.opencv_remap,
            "opencv_remap_fresh": self.opencv_remap_fresh,
            "torch_grid_sample": self.torch_grid_sample,
            "albumentationsx": self.albumentations,
            "copy": self.copy,
        }
        if albumentations is None:
            del ways["albumentationsx"]
        return ways

    def check(self) -> None:
        """Stop unless all rivals make the same pictures, up to their coarser fractions (OpenCV: 1/32 px)."""
        ours = self.ours(1)
        np.copyto(self.result, ours)
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


Times = dict[tuple[str, int], Array]


def measure(task: Task, repetitions: int) -> Times:
    """Milliseconds of every repetition of each rival, by name and threads."""
    spent: dict[tuple[str, int], list[float]] = {}
    for _ in range(repetitions):
        for threads in THREADS:
            cv2.setNumThreads(threads)
            torch.set_num_threads(threads)
            for name, function in task.rivals().items():
                start = time.perf_counter()
                function(threads)
                factor = task.copies if name == "albumentationsx" else 1
                spent.setdefault((name, threads), []).append(1000 * factor * (time.perf_counter() - start))
    return {key: np.array(values) for key, values in spent.items()}


def spread(values: Array) -> str:
    return f"{np.median(values):.2f} ({values.min():.2f}-{values.max():.2f})"


def report(times: Times, goal: float) -> None:
    """A line a rival, and how far from the goals."""
    names = list(dict.fromkeys(name for name, _ in times))
    for threads in THREADS:
        for name in names:
            print(f"ms {name} threads {threads} {spread(times[name, threads])}")
        for name in names[1:]:
            print(f"ratio {name} threads {threads} {spread(times[name, threads] / times['render', threads])}")
    others = [name for name in names if not name.startswith("render") and name != "copy"]
    for what, field in (
        ("maps made outside the clock", others),
        ("maps made inside the clock", [name for name in others if name not in MAPS_FOR_FREE]),
    ):
        best = min(field, key=lambda name: float(np.median(times[name, 1])))
        ratio = times[best, 1] / times["render", 1]
        verdict = "reached" if np.median(ratio) >= goal else "missed"
        print(f"goal {goal:g} times the best of the others, {what}: {best} {spread(ratio)}, {verdict}")
    gain = times["render", 1] / times["render", 2]
    print(f"goal 1.8 on two threads: {spread(gain)}, {'reached' if np.median(gain) >= 1.8 else 'missed'}")
    print(f"floor: render takes {spread(times['render', 1] / times['copy', 1])} times a copy of its result")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=160)
    parser.add_argument("--augmentations", type=int, default=10)
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    print(f"cores {os.cpu_count()} simd {_core.simd()} compiler {_core.compiler}")
    print(f"numpy {np.__version__} opencv {cv2.__version__} torch {torch.__version__}")
    if albumentations is None:
        print("albumentationsx is not installed and left out: pip install albumentationsx")
    else:
        print(f"albumentationsx {albumentations.__version__}")
    for name, grid, tile, side_px, goal in (
        ("mosaic", (3, 5), (32, 32), 50.0, 6.0),
        ("face", (1, 1), (128, 128), 200.0, 3.0),
    ):
        task = Task(grid, tile, side_px, options.clips, options.copies)
        print(f"{name}: {options.clips} clips x {FRAMES} frames x {options.copies} copies, {grid} tiles of {tile} px")
        task.check()
        report(measure(task, options.repetitions), goal)


if __name__ == "__main__":
    main()
