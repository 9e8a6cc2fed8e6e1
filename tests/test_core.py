"""What `_core` exports, and every refusal of a bad argument by its text."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import mertool
from mertool import _core

FRAMES = np.zeros((2, 3, 20, 30), np.uint8)
TRANSFORMS = np.tile(np.array([[1, 0, 0], [0, 1, 0]], np.float32), (2, 6, 1, 1))
TONE = np.tile(np.array([1, 0], np.float32), (2, 1))
IMAGE = np.zeros((20, 30, 3), np.uint8)
SIMILARITY = np.array([[1.0, 0, 0], [0, 1, 0]])
POINTS = np.zeros((4, 68, 2), np.float32)
ORDER = np.arange(68)


def test_stub_lists_what_is_exported():
    stub = Path(mertool.__file__).with_name("_core.pyi").read_text(encoding="utf-8")
    listed = set()
    for node in ast.parse(stub).body:
        if isinstance(node, ast.FunctionDef):
            listed.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            listed.add(node.target.id)
    assert listed == {name for name in dir(_core) if not name.startswith("_")}


def test_arguments_of_the_stub_are_those_of_the_functions():
    stub = Path(mertool.__file__).with_name("_core.pyi").read_text(encoding="utf-8")
    for node in ast.parse(stub).body:
        if isinstance(node, ast.FunctionDef):
            signature = getattr(_core, node.name).__doc__.splitlines()[0]
            names = re.findall(r"(\w+):", signature)
            assert [a.arg for a in node.args.args + node.args.kwonlyargs] == names


def test_build():
    assert _core.simd() in ("avx512", "avx2", "plain")
    assert re.fullmatch(r"(gcc|clang|msvc) [\d.]+", _core.compiler)


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


def misaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)
    view = memory[1:].view(array.dtype).reshape(array.shape)
    view[:] = array
    return view


def render(**changes):
    arguments = {"frames": FRAMES, "transforms": TRANSFORMS, "tone": TONE, "grid": (2, 3), "tile": (8, 9)}
    return _core.render(**{**arguments, **changes})


RENDER = [
    ({"frames": FRAMES[0]}, "render: frames must be (M, T, H, W) uint8, got (3, 20, 30) uint8"),
    ({"frames": FRAMES.astype(np.int8)}, "render: frames must be (M, T, H, W) uint8, got (2, 3, 20, 30) int8"),
    ({"frames": FRAMES.tolist()}, "render: frames must be (M, T, H, W) uint8, got list"),
    ({"frames": None}, "render: frames must be (M, T, H, W) uint8, got NoneType"),
    ({"frames": FRAMES[:, :0]}, "render: frames must not be empty in T, H or W, got (2, 0, 20, 30) uint8"),
    ({"frames": FRAMES[:, :, :0]}, "render: frames must not be empty in T, H or W, got (2, 3, 0, 30) uint8"),
    ({"frames": FRAMES[..., :0]}, "render: frames must not be empty in T, H or W, got (2, 3, 20, 0) uint8"),
    (
        {"frames": np.broadcast_to(FRAMES[:, :, :, :1], (2, 3, 20, 30))},
        "render: frames must have the pixels of a row side by side, got a stride of 0 bytes; copy them first",
    ),
    (
        {"frames": FRAMES[..., ::-1]},
        "render: frames must have the pixels of a row side by side, got a stride of -1 bytes; copy them first",
    ),
    (
        {"frames": np.broadcast_to(FRAMES[:, :, :1, :1], (2, 3, 32769, 1))},
        "render: frames must be at most 32768 px high and wide, got (2, 3, 32769, 1) uint8",
    ),
    (
        {"transforms": np.zeros((5, 2))},
        "render: transforms must be (2, 6, 2, 3) float32, got (5, 2) float64",
    ),
    (
        {"transforms": TRANSFORMS[:, :5]},
        "render: transforms must be (2, 6, 2, 3) float32, got (2, 5, 2, 3) float32",
    ),
    (
        {"transforms": TRANSFORMS.astype(">f4")},
        "render: transforms must be (2, 6, 2, 3) float32, got (2, 6, 2, 3) >f4",
    ),
    ({"transforms": misaligned(TRANSFORMS)}, "render: transforms must be aligned in memory; copy it first"),
    (
        {"transforms": changed(TRANSFORMS, (1, 4, 0, 2), np.nan)},
        "render: transforms[1, 4] (clip, region) is not finite",
    ),
    (
        {"transforms": changed(TRANSFORMS, (0, 5, 1, 1), -np.inf)},
        "render: transforms[0, 5] (clip, region) is not finite",
    ),
    (
        {"transforms": changed(TRANSFORMS, (1, 0, 0, 2), 29993)},
        "render: transforms[1, 0] (clip, region) leads beyond 30000 px from the origin",
    ),
    (
        {"transforms": changed(TRANSFORMS, (0, 1, 1, 1), -1e30)},
        "render: transforms[0, 1] (clip, region) leads beyond 30000 px from the origin",
    ),
    (
        {"transforms": changed(TRANSFORMS, (0, 1, 0, 0), 1e30), "tile": (1, 1)},
        "render: transforms[0, 1] (clip, region) leads beyond 30000 px from the origin",
    ),
    ({"tone": TONE[:1]}, "render: tone must be (2, 2) float32, got (1, 2) float32"),
    ({"tone": TONE.astype(np.float64)}, "render: tone must be (2, 2) float32, got (2, 2) float64"),
    (
        {"tone": changed(TONE, (1, 0), np.nan)},
        "render: tone[1] (clip) must be a gain and a bias in -1000000..1000000, got nan, 0.000000",
    ),
    (
        {"tone": changed(TONE, (0, 1), 1000001)},
        "render: tone[0] (clip) must be a gain and a bias in -1000000..1000000, got 1.000000, 1000001.000000",
    ),
    ({"grid": (0, 3)}, "render: grid must be two numbers in 1..1024, got (0, 3)"),
    ({"grid": (2, 1025)}, "render: grid must be two numbers in 1..1024, got (2, 1025)"),
    ({"tile": (8, 0)}, "render: tile must be two numbers in 1..16384, got (8, 0)"),
    ({"tile": (-1, 8)}, "render: tile must be two numbers in 1..16384, got (-1, 8)"),
    ({"tile": (16385, 8)}, "render: tile must be two numbers in 1..16384, got (16385, 8)"),
    ({"threads": 0}, "render: threads must be at least 1, got 0"),
    ({"threads": -3}, "render: threads must be at least 1, got -3"),
    ({"dtype": "float64"}, "render: dtype must be 'uint8' or 'float32', got 'float64'"),
    ({"clips": np.array([0, 2])}, "render: clips[1] must be in 0..1 (rows of frames), got 2"),
    ({"clips": np.array([-1, 0])}, "render: clips[0] must be in 0..1 (rows of frames), got -1"),
    ({"clips": np.array([0, 1], np.int32)}, "render: clips must be (N,) int64, got (2,) int32"),
    ({"clips": np.array([[0, 1]])}, "render: clips must be (N,) int64, got (1, 2) int64"),
    ({"clips": np.array([0, 1, 1])}, "render: transforms must be (3, 6, 2, 3) float32, got (2, 6, 2, 3) float32"),
    (
        {"frames": np.broadcast_to(FRAMES[:, :1], (2, 1000, 20, 30)), "tile": (16384, 16384)},
        "render: the result would take 3000 GiB; render fewer clips or smaller tiles at once",
    ),
]


@pytest.mark.parametrize(("changes", "message"), RENDER)
def test_render_refuses(changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        render(**changes)


def turned(a, b, c, d):
    return np.array([[a, b, 0.0], [c, d, 0.0]])


ALIGN = [
    ({"image": IMAGE[0, 0]}, "align: image must be (H, W) or (H, W, 3) uint8, got (3,) uint8"),
    ({"image": IMAGE[..., :2]}, "align: image must be (H, W) or (H, W, 3) uint8, got (20, 30, 2) uint8"),
    (
        {"image": IMAGE.astype(np.uint16)},
        "align: image must be (H, W) or (H, W, 3) uint8, got (20, 30, 3) uint16",
    ),
    ({"image": "face.jpg"}, "align: image must be (H, W) or (H, W, 3) uint8, got str"),
    ({"image": IMAGE[:0]}, "align: image must not be empty, got (0, 30, 3) uint8"),
    ({"transform": SIMILARITY.astype(np.float32)}, "align: transform must be (2, 3) float64, got (2, 3) float32"),
    ({"transform": np.eye(3)}, "align: transform must be (2, 3) float64, got (3, 3) float64"),
    ({"transform": changed(SIMILARITY, (0, 2), np.nan)}, "align: transform is not finite"),
    (
        {"transform": changed(SIMILARITY, (1, 2), 2e6)},
        "align: transform leads beyond 1000000 px from the origin",
    ),
    *(
        (
            {"transform": linear},
            "align: transform must take between 1/64 and 64 input pixels an output pixel",
        )
        for linear in (turned(64.0, 0, 0, 64), turned(1 / 64, 0, 0, 1 / 64), turned(0, 0, 0, 0), turned(1, 0, 0, 0))
    ),
    *(
        (
            {"transform": linear},
            "align: transform must be a similarity: turn, scale, shift and mirror only",
        )
        for linear in (turned(1, 0, 0, 1.01), turned(1, 0.1, 0, 1), turned(2, 1, 1, 2), turned(1, 1, 1, 1))
    ),
    ({"size": (0, 8)}, "align: size must be two numbers in 1..16384, got (0, 8)"),
    ({"size": (8, 16385)}, "align: size must be two numbers in 1..16384, got (8, 16385)"),
]


@pytest.mark.parametrize(("changes", "message"), ALIGN)
def test_align_refuses(changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        _core.align(**{"image": IMAGE, "transform": SIMILARITY, "size": (8, 9), **changes})


@pytest.mark.parametrize(
    ("points", "transform", "message"),
    [
        (POINTS[..., 0], SIMILARITY, "transform_points: points must be (..., 2) float32, got (4, 68) float32"),
        (
            POINTS.astype(np.float64),
            SIMILARITY,
            "transform_points: points must be (..., 2) float32, got (4, 68, 2) float64",
        ),
        (np.float32(3), SIMILARITY, "transform_points: points must be (..., 2) float32, got float32"),
        (POINTS, SIMILARITY[:1], "transform_points: transform must be (2, 3) float64, got (1, 3) float64"),
        (POINTS, changed(SIMILARITY, (0, 0), np.inf), "transform_points: transform is not finite"),
        (misaligned(POINTS), SIMILARITY, "transform_points: points must be aligned in memory; copy it first"),
    ],
)
def test_transform_points_refuses(points, transform, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        _core.transform_points(points, transform)


@pytest.mark.parametrize(
    ("points", "width", "order", "message"),
    [
        (POINTS[:, :67], 256, ORDER, "mirror_points: points must be (..., 68, 2) float32, got (4, 67, 2) float32"),
        (POINTS[0, 0], 256, ORDER, "mirror_points: points must be (..., 68, 2) float32, got (2,) float32"),
        (POINTS, 0, ORDER, "mirror_points: width must be in 1..16384, got 0"),
        (POINTS, 16385, ORDER, "mirror_points: width must be in 1..16384, got 16385"),
        (POINTS, 256, ORDER.astype(np.int32), "mirror_points: order must be (K,) int64, got (68,) int32"),
        (
            POINTS,
            256,
            np.roll(ORDER, 1),
            "mirror_points: order must swap pairs of 0..67 (mirroring twice changes nothing), got 67 at 0",
        ),
        (
            POINTS,
            256,
            changed(ORDER, 3, 68),
            "mirror_points: order must swap pairs of 0..67 (mirroring twice changes nothing), got 68 at 3",
        ),
        (
            POINTS,
            256,
            changed(ORDER, 3, -1),
            "mirror_points: order must swap pairs of 0..67 (mirroring twice changes nothing), got -1 at 3",
        ),
    ],
)
def test_mirror_points_refuses(points, width, order, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        _core.mirror_points(points, width, order)
