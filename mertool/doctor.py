"""`mertool doctor`: whether this machine has what mertool needs, found out by using it, in a few seconds."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import torch
from numpy.typing import NDArray

from . import __version__, _core
from .errors import MertoolError
from .extraction.faces import FaceFinder, find_landmark_model
from .network.device import deterministic_arithmetic, input_to_device, to_device
from .network.losses import branch_losses
from .network.model import build_model
from .network.training import make_optimizer
from .runs.checks import FAIL, NOTE, PASS, Check
from .runs.environment import cpu_name
from .settings import Settings
from .text import os_error_text
from .workers import available_cores, memory, run_each

__all__ = ["examine", "kernel_results"]

_KERNELS_CRC = 3355019555  # CRC-32 of `kernel_results`, on every machine
_LEAST_MEMORY = 2**30  # free bytes; a training process takes half of it


def examine(landmarks: Path | None = None) -> Iterator[Check]:
    """What is there and whether it works.

    Args:
        landmarks: dlib's model, as in `mertool extract --landmarks`.
    """
    yield Check("versions", PASS, _versions())
    yield _kernels()
    yield _network("cpu")
    yield _graphics_card()
    yield _workers()
    yield _memory()
    yield _landmark_model(landmarks)
    yield _folder("working folder", Path())
    yield _folder("temporary files", Path(tempfile.gettempdir()))


def _versions() -> str:
    found = [f"{module.__name__} {module.__version__}" for module in (torch, dlib, np, cv2)]
    return f"mertool {__version__}, Python {platform.python_version()}, {', '.join(found)}; {platform.platform()}"


def kernel_results() -> list[NDArray[Any]]:
    """What the kernels make of fixed numbers: rendered regions, an aligned picture, texture histograms."""
    frames = (np.arange(2 * 3 * 40 * 48) * 7919 // 8 % 256).astype(np.uint8).reshape(2, 3, 40, 48)
    turned = np.array([[0.75, 0.25, 3.5], [-0.25, 0.75, 9.25]])
    transforms = np.tile(turned.astype(np.float32), (2, 6, 1, 1))
    tone = np.array([[1, 0], [1.25, -8]], np.float32)
    return [
        _core.render(frames, transforms, tone, (2, 3), (16, 16)),
        _core.align(frames[0, 0], turned, (32, 32)),
        _core.texture_counts(np.tile(frames, (1, 2, 1, 1)), radii=(1, 1, 2)),
    ]


def _kernels() -> Check:
    try:
        used = _core.simd()
    except ValueError as error:
        return Check("kernels", FAIL, f"{error}; unset MERTOOL_SIMD")
    what = f"{used} instructions, built with {_core.compiler}"
    crc = 0
    for result in kernel_results():
        crc = zlib.crc32(result.astype(result.dtype.newbyteorder("<")).tobytes(), crc)
    if crc != _KERNELS_CRC:
        return Check("kernels", FAIL, f"{what}: wrong results; install mertool again on this machine")
    return Check("kernels", PASS, f"{what}: same bytes as everywhere")


def _network(device: str) -> Check:
    name = "network" if device == "cpu" else f"network on {device}"
    try:
        first, images_per_s = _train(device)
        again, _ = _train(device)
    except RuntimeError as error:
        return Check(name, FAIL, f"cannot be trained: {str(error).splitlines()[0]}")
    if not np.isfinite(first).all():
        return Check(name, FAIL, "its training gives no numbers")
    if not np.array_equal(first, again):
        return Check(name, FAIL, "two trainings with the same seed differ: results will not repeat")
    return Check(
        name, PASS, f"trains, twice to the same weights; {images_per_s:.0f} images/s of 128 x 128 on one thread"
    )


def _train(device: str) -> tuple[np.ndarray, float]:
    """The weights of a few steps with the default network, and its images per second."""
    settings = Settings(abn=True)
    n, steps, side = settings.batch_size, 3, settings.face_size
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(), deterministic_arithmetic():
            torch.manual_seed(0)  # for dropout
            place = torch.device(device)
            model = to_device(build_model(settings, 3, 0), place)
            optimizer = make_optimizer(model, settings)
            generator = torch.Generator().manual_seed(0)
            x = input_to_device(torch.randn((n, settings.channels, side, side), generator=generator), place)
            labels = (torch.arange(n) % 3).to(place)
            started = time.perf_counter()
            for _ in range(steps):
                optimizer.zero_grad()
                branch_losses(model(x), labels, settings, 0.0).total.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            weights = torch.cat([p.detach().flatten() for p in model.parameters()]).cpu().numpy()
            return weights, n * steps / (time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)


def _graphics_card() -> Check:
    if torch.cuda.is_available():
        found = _network("cuda")
        return found._replace(detail=f"{torch.cuda.get_device_name()}: {found.detail}")
    if torch.backends.mps.is_available():
        return _network("mps")
    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    return Check("graphics card", NOTE, f"none that torch can use ({built}): networks are trained on the processor")


def _workers() -> Check:
    cores = f"{available_cores()} of {os.cpu_count()} cores ({cpu_name()})"
    started = time.perf_counter()
    try:
        run_each(_nothing, [()], 1, lambda: None)
    except MertoolError as error:
        return Check("processes", FAIL, f"{cores}; a worker process failed: {error}")
    return Check("processes", PASS, f"{cores}; a worker process started in {time.perf_counter() - started:.1f} s")


def _nothing() -> None:
    """The work of a worker process that is only started."""


def _memory() -> Check:
    found = memory()
    if found is None:
        return Check("memory", NOTE, "not known on this system")
    free, total = found
    text = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        free = min(free, limit)
        text += f", limited to {limit / 2**30:.1f} GiB for each process (ulimit -v)"
    if free < _LEAST_MEMORY:
        return Check("memory", NOTE, f"{text}; free or allow some, or use --jobs 1")
    return Check("memory", PASS, text)


def _landmark_model(path: Path | None) -> Check:
    try:
        model = find_landmark_model(path)
        FaceFinder(model)
    except MertoolError as error:
        return Check("landmark model", FAIL, f"{error} (extract needs it, except with --aligned)")
    return Check("landmark model", PASS, f"{model} can be used")


def _folder(name: str, folder: Path) -> Check:
    shown = folder.resolve()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"mertool")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(name, FAIL, f"{shown}: cannot be written: {os_error_text(error)}")
    return Check(name, PASS, f"{shown} can be written, {free / 2**30:.1f} GiB free")
