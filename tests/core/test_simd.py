"""Every kernel gives the same bytes on every path of instructions, for any number of threads, from any of Python's."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from mertool import _core
from mertool.regions import FLIP68
from tests.core.renderings import CASES, GRID, noise, tones, turned
from tests.support.command import REAL_FACES
from tests.support.native import load_core, simd_paths

FACES = sorted(REAL_FACES.glob("photos/**/*.jpg"))[:3]
THREADS = (1, 2, 7, 64)


def pictures():
    """Real faces, small enough to be quick: the astronaut, and those that MERTOOL_TEST_FACES names."""
    found = [astronaut()[:200, 130:310, ::-1]]
    for path in FACES:
        image = cv2.imread(str(path))
        if image is not None:
            found.append(cv2.resize(image, (211, 187), interpolation=cv2.INTER_AREA))
    return [np.ascontiguousarray(image) for image in found]


def clip_of(image, size, n):
    """(n, 3, *size) uint8: parts of a picture, whose three colours stand for frames."""
    rng = np.random.default_rng(n)
    top, left = (rng.integers(0, max(1, have - want + 1), n) for have, want in zip(image.shape, size, strict=False))
    tall = np.pad(image, ((0, size[0]), (0, size[1]), (0, 0)), mode="wrap")
    parts = [tall[y : y + size[0], x : x + size[1]] for y, x in zip(top, left, strict=True)]
    return np.ascontiguousarray(np.stack(parts).transpose(0, 3, 1, 2))


def render_calls():
    for number, (size, tile, scale, degrees) in enumerate(CASES):
        for seed, dtype in enumerate(("uint8", "float32")):
            rng = np.random.default_rng(seed)
            for frames in (noise(rng, 3, 2, *size), clip_of(PICTURES[number % len(PICTURES)], size, 3)):
                transforms, tone = turned(rng, 3, 6, size, tile, scale, degrees), tones(rng, 3)
                yield (
                    "render",
                    {
                        "frames": frames,
                        "transforms": transforms,
                        "tone": tone,
                        "grid": GRID,
                        "tile": tile,
                        "dtype": dtype,
                    },
                )


def align_calls():
    for image, scale in itertools.product(PICTURES, (0.4, 1.0, 1.7, 5.0)):
        angle = scale
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        transform = np.concatenate([turn, [[50.0], [60.0]]], axis=1)
        yield "align", {"image": image, "transform": transform, "size": (33, 47)}
        yield "align", {"image": image[..., 1], "transform": transform, "size": (33, 47)}


def point_calls():
    points = np.random.default_rng(0).uniform(-20, 300, (5, 68, 2)).astype(np.float32)
    transform = np.array([[1.1, -0.3, 5], [0.3, 1.1, -7]])
    yield "transform_points", {"points": points, "transform": transform}
    yield "mirror_points", {"points": points, "width": 256, "order": np.array(FLIP68, np.int64)}


def texture_calls():
    sizes = [(3, 3, 3), (7, 16, 18), (8, 21, 35), (9, 19, 64), (7, 23, 81)]
    patterns = [("lbp", "bilinear", 0, False), ("lbp", "nearest", 0, False)]
    patterns += [("cbp", "nearest", threshold, sign) for threshold in (0, 2, 255) for sign in (False, True)]
    for number, (size, points, pattern) in enumerate(itertools.product(sizes, (4, 8, 16), patterns)):
        radii = (1, 1, 1) if size[0] < 7 else ((3, 1, 2), (1, 2, 3), (2, 2, 2))[number % 3]
        name, interpolation, threshold, with_sign = pattern
        image = PICTURES[number % len(PICTURES)][..., 1]
        moving = np.stack([image[k : k + size[1], 2 * k : 2 * k + size[2]] for k in range(size[0])])
        options = {
            "pattern": name,
            "points": points,
            "radii": radii,
            "interpolation": interpolation,
            "threshold": threshold,
            "with_sign": with_sign,
        }
        for volume in (moving, noise(np.random.default_rng(number), *size)):
            yield "texture_codes", {"volume": volume, **options}
            yield (
                "texture_counts",
                {"volumes": np.stack([volume, volume[::-1], volume[:, ::-1]]), **options, "blocks": (1, 2, 3)},
            )


PICTURES = pictures()
ALL = [*render_calls(), *align_calls(), *point_calls(), *texture_calls()]
THREADED = ("render", "texture_counts")


def test_every_function_is_called_here():
    exported = {name for name in dir(_core) if not name.startswith("_") and callable(getattr(_core, name))}
    assert {name for name, _ in ALL} == exported - {"simd"}
    threaded = {name for name in exported if "threads" in getattr(_core, name).__doc__}
    assert threaded == set(THREADED)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    plain = load_core("plain", tmp_path_factory.mktemp("plain"))
    return [getattr(plain, name)(**arguments) for name, arguments in ALL]


@pytest.mark.parametrize("simd", simd_paths())
def test_every_path_of_instructions_and_any_number_of_threads_gives_the_same_bytes(simd, expected, tmp_path):
    if "MERTOOL_TEST_CORE" in os.environ and simd != _core.simd():
        pytest.skip("with sanitizers each path has a run of its own")
    core = load_core(simd, tmp_path)
    for (name, arguments), right in zip(ALL, expected, strict=True):
        for threads in THREADS if name in THREADED else (None,):
            options = {} if threads is None else {"threads": threads}
            found = getattr(core, name)(**arguments, **options)
            assert found.dtype == right.dtype
            assert found.tobytes() == right.tobytes(), (name, arguments, threads)


# A few calls of each kernel: shared by all threads, and an own copy each.
FEW = [call for name in dict(ALL) for call in [call for call in ALL if call[0] == name][:12:3]]


def copied(arguments):
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in arguments.items()}


def test_eight_python_threads_share_their_input_while_each_changes_its_own():
    shared = [(name, copied(arguments)) for name, arguments in FEW]
    for _, arguments in shared:
        for value in arguments.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
    alone = [getattr(_core, name)(**arguments) for name, arguments in shared]
    ready = threading.Barrier(8)

    def work(number):
        rng = np.random.default_rng(number)
        ready.wait()
        for turn in range(3):
            for k in rng.permutation(len(shared)):
                name, arguments = shared[k]
                options = {"threads": 1 + (number + turn) % 4} if name in THREADED else {}
                np.testing.assert_array_equal(getattr(_core, name)(**arguments, **options), alone[k])
                own = copied(arguments)
                pixels = next(iter(own.values()))  # the first argument of every kernel: what it reads most
                pixels[...] = pixels[::-1].copy()
                getattr(_core, name)(**own, **options)
                pixels[...] = next(iter(arguments.values()))
                np.testing.assert_array_equal(getattr(_core, name)(**own, **options), alone[k])

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work, number) for number in range(8)]:
            future.result(timeout=300)


def test_pixels_that_change_during_a_call_harm_nobody():
    """The result is then that of no one moment, but it comes, and the next one is right."""
    calls = [(name, copied(arguments)) for name, arguments in FEW]
    right = [getattr(_core, name)(**arguments) for name, arguments in calls]
    stop = threading.Event()

    def change(number):
        rng = np.random.default_rng(number)
        while not stop.is_set():
            for _, arguments in calls:
                pixels = next(iter(arguments.values()))
                saved = pixels.copy()
                pixels[...] = rng.permutation(saved.reshape(-1)).reshape(saved.shape)

    changers = [threading.Thread(target=change, args=(number,)) for number in range(2)]
    for thread in changers:
        thread.start()
    try:
        for _ in range(30):
            for (name, arguments), array in zip(calls, right, strict=True):
                found = getattr(_core, name)(**arguments)
                assert (found.shape, found.dtype) == (array.shape, array.dtype)
    finally:
        stop.set()
        for thread in changers:
            thread.join()
    for (name, arguments), array in zip(FEW, right, strict=True):
        np.testing.assert_array_equal(getattr(_core, name)(**arguments), array)


def test_the_interpreter_runs_on_during_a_call():
    frames = np.zeros((1, 3, 256, 256), np.uint8)
    transforms, tone = np.tile(np.eye(2, 3, dtype=np.float32), (1, 1, 1, 1)), np.array([[1, 0]], np.float32)
    began = threading.Event()
    done = threading.Event()

    def call():
        began.set()
        _core.render(frames, transforms, tone, (1, 1), (8000, 8000))
        done.set()

    thread = threading.Thread(target=call)
    thread.start()
    began.wait()
    steps = 0
    while not done.is_set():
        steps += 1
    thread.join()
    assert steps > 100


SUBINTERPRETER = """
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
from mertool import _core

number = interpreters.create()
try:
    print(interpreters.run_string(number, "import mertool._core"))
except interpreters.RunFailedError as error:
    print(error)
interpreters.destroy(number)
_core.simd()
"""


def test_a_subinterpreter_is_refused():
    done = subprocess.run([sys.executable, "-c", SUBINTERPRETER], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "ImportError" in done.stdout
    assert "mertool._core works in the main interpreter only, not in a subinterpreter" in done.stdout
