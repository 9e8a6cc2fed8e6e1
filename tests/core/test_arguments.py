"""Every bad argument of every function of `_core` is refused with its message; every odd one that is right is taken."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import mertool
from mertool import _core
from tests.core.bad_arguments import ARRAYS, NO_ROWS, TABLE, markdown
from tests.core.calls import (
    CALLS,
    CLIPS,
    FRAMES,
    IMAGE,
    ORDER,
    POINTS,
    SIMILARITY,
    TONE,
    TRANSFORMS,
    Labelled,
    backwards,
    strided,
)
from tests.support.command import ROOT


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.function}-{row.argument}-{row.fault}".replace(" ", "_"))
def test_refused(row):
    with pytest.raises(ValueError, match=f"^{re.escape(row.message)}$"):
        row.call()


def signatures():
    """Names of the arguments of each function of the stub."""
    stub = Path(mertool.__file__).with_name("_core.pyi").read_text(encoding="utf-8")
    functions = [node for node in ast.parse(stub).body if isinstance(node, ast.FunctionDef)]
    return {node.name: {argument.arg for argument in node.args.args + node.args.kwonlyargs} for node in functions}


def test_every_argument_of_every_function_is_in_the_table():
    found = {function: {row.argument for row in TABLE if row.function == function} for function in signatures()}
    assert found == signatures()
    assert {function: set(call) for function, call in CALLS.items()} == signatures()


@pytest.mark.parametrize("function", CALLS)
def test_calls_in_the_table_work_and_wrong_names_do_not(function):
    call = getattr(_core, function)
    call(**CALLS[function])
    for arguments in ({**CALLS[function], "colour": 1}, dict.fromkeys(list(CALLS[function])[1:])):
        if arguments or CALLS[function]:
            with pytest.raises(TypeError, match=f"^{function}\\(\\): incompatible function arguments"):
                call(**arguments)


def locked(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def mapped(array, folder):
    np.save(folder / "array.npy", array)
    return np.load(folder / "array.npy", mmap_mode="r")


@pytest.mark.parametrize(("function", "argument"), ARRAYS)
def test_any_layout_of_the_same_values_gives_the_same_result(function, argument, tmp_path):
    call, arguments = getattr(_core, function), CALLS[function]
    expected, array = call(**arguments), arguments[argument]
    free = array.ndim - (2 if argument == "frames" else 1)  # the axis of pixels that must lie side by side excepted
    forms = [
        strided(array, free),
        strided(array, 0),
        backwards(array, free),
        backwards(array, 0),
        locked(array),
        mapped(array, tmp_path),
        np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
        array.view(Labelled),
        np.ma.masked_array(array),
        sliding_window_view(array, array.shape)[(0,) * array.ndim],
    ]
    if argument != "frames":
        forms.append(np.asfortranarray(array))
    for form in forms:
        before = form.copy()
        np.testing.assert_array_equal(call(**{**arguments, argument: form}), expected)
        np.testing.assert_array_equal(form, before)
        assert type(call(**{**arguments, argument: form})) is np.ndarray


@pytest.mark.parametrize("argument", ["image", "volume", "volumes"])
def test_an_array_of_one_byte_is_as_large_as_it_says(argument):
    function = next(name for name, call in CALLS.items() if argument in call)
    array = np.broadcast_to(np.uint8(7), CALLS[function][argument].shape)
    call = getattr(_core, function)
    arguments = {**CALLS[function], argument: array}
    np.testing.assert_array_equal(call(**arguments), call(**{**arguments, argument: array.copy()}))


class Two:
    """An integer as other packages have them."""

    def __index__(self):
        return 2


@pytest.mark.parametrize(
    ("function", "argument", "values"),
    [
        ("render", "threads", [2, True, np.int64(2), np.uint8(2), np.array(2), Two(), 1024]),
        ("render", "grid", [(2, 3), [2, 3], np.array([2, 3]), (np.int16(2), 3), (Two(), 3), range(2, 4)]),
        ("mirror_points", "width", [256, np.int64(256), np.uint16(256)]),
        ("texture_codes", "radii", [(1, 2, 1), [1, 2, 1], np.array([1, 2, 1], np.uint8), (1, Two(), True)]),
        ("texture_codes", "with_sign", [False, np.bool_(False)]),
        ("texture_codes", "pattern", ["lbp", np.str_("lbp")]),
        ("texture_counts", "blocks", [(1, 2, 2), np.array([1, 2, 2]), [True, Two(), 2]]),
    ],
)
def test_spellings_of_the_same_number_or_word(function, argument, values):
    call, arguments = getattr(_core, function), CALLS[function]
    for value in values:
        np.testing.assert_array_equal(call(**{**arguments, argument: value}), call(**arguments))


@pytest.mark.parametrize(
    ("function", "changes", "shape"),
    [
        ("render", {"transforms": TRANSFORMS[:0], "tone": TONE[:0], "clips": np.zeros(0, np.int64)}, (0, 3, 16, 27)),
        ("render", {"frames": FRAMES[:0], **NO_ROWS}, (0, 3, 16, 27)),
        ("transform_points", {"points": POINTS[:0]}, (0, 68, 2)),
        ("transform_points", {"points": POINTS[:, :0]}, (4, 0, 2)),
        ("mirror_points", {"points": POINTS[:0]}, (0, 68, 2)),
        ("mirror_points", {"points": POINTS[:, :0], "order": ORDER[:0]}, (4, 0, 2)),
        ("mirror_points", {"points": POINTS[0, :0], "order": ORDER[:0]}, (0, 2)),
        ("texture_counts", {"volumes": CLIPS[:0]}, (0, 4, 3, 16)),
    ],
)
def test_of_nothing_comes_an_empty_result(function, changes, shape):
    assert getattr(_core, function)(**{**CALLS[function], **changes}).shape == shape


def test_points_may_be_anything():
    wild = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 0, -0.0], np.float32)
    points = np.stack(np.meshgrid(wild, wild), -1)
    with np.errstate(all="ignore"):
        for transform in (SIMILARITY, np.full((2, 3), 1e308), np.full((2, 3), -5e-324)):
            assert _core.transform_points(points, transform).shape == points.shape
    order = np.arange(len(wild))[::-1].copy()
    np.testing.assert_array_equal(_core.mirror_points(_core.mirror_points(points, 1, order), 1, order), points)


class Shrinks:
    """An integer whose look-up frees an array that the same call was given."""

    def __init__(self, array):
        self.array = array

    def __index__(self):
        self.array.resize(0, refcheck=False)
        return 2


@pytest.mark.parametrize(
    ("function", "argument", "numbers"),
    [
        ("render", "frames", ("threads", "grid", "tile")),
        ("align", "image", ("size",)),
        ("mirror_points", "points", ("width",)),
        ("texture_codes", "volume", ("points", "radii", "threshold")),
        ("texture_counts", "volumes", ("points", "radii", "threshold", "blocks", "threads")),
    ],
)
def test_numbers_are_looked_up_before_any_array(function, argument, numbers):
    for number in numbers:
        given = CALLS[function][number]
        array = CALLS[function][argument].copy()
        value = (Shrinks(array), *given[1:]) if isinstance(given, tuple) else Shrinks(array)
        with pytest.raises(ValueError, match=re.escape(f"{function}: ")):
            getattr(_core, function)(**{**CALLS[function], argument: array, number: value})


def test_an_error_inside_an_argument_is_not_hidden():
    class Bad:
        def __index__(self):
            raise KeyError("mine")

        def __repr__(self):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        _core.align(IMAGE, SIMILARITY, (Bad(), 1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=re.escape("in 1..16384, got tuple")):
        _core.align(IMAGE, SIMILARITY, (0, Bad(), 1))  # type: ignore[arg-type]


def test_refusals_and_calls_keep_no_reference():
    for function, arguments in CALLS.items():
        held = [value for value in arguments.values() if isinstance(value, np.ndarray)]
        counts = [sys.getrefcount(value) for value in held]
        for _ in range(10):
            getattr(_core, function)(**arguments)
        assert [sys.getrefcount(value) for value in held] == counts
    for row in TABLE:
        value = row.value
        before = sys.getrefcount(value)
        for _ in range(3):
            with pytest.raises(ValueError, match=f"^{row.function}"):
                row.call()
        assert sys.getrefcount(value) <= before + 1, row[:3]  # what pytest keeps of the last


NO_MEMORY = """
import resource
import numpy as np
from mertool import _core
from tests.core.calls import CALLS, FRAMES, POINTS, SIMILARITY, TONE, TRANSFORMS

def wide(dtype, *shape):
    return np.broadcast_to(np.zeros((), dtype), shape)

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**27,) * 2)
calls = {
    "render result": lambda: _core.render(FRAMES, TRANSFORMS, TONE, (2, 3), (8000, 8000)),
    "render clips": lambda: _core.render(FRAMES, TRANSFORMS, TONE, (2, 3), (8, 8), clips=wide(np.int64, 2**30)),
    "align copy": lambda: _core.align(wide(np.uint8, 2**15, 2**15), SIMILARITY, (8, 8)),
    "align window": lambda: _core.align(np.zeros((9000, 9000), np.uint8), SIMILARITY, (9000, 9000)),
    "transform_points": lambda: _core.transform_points(wide(np.float32, 2**28, 2), SIMILARITY),
    "mirror_points": lambda: _core.mirror_points(wide(np.float32, 2**28, 68, 2), 256, CALLS["mirror_points"]["order"]),
    "texture_codes": lambda: _core.texture_codes(np.zeros((300, 300, 300), np.uint8)),
    "texture_counts": lambda: _core.texture_counts(np.zeros((1, 3, 300, 300), np.uint8), blocks=(3, 300, 300)),
}
for name, call in calls.items():
    try:
        call()
        print(name, "found memory")
    except MemoryError:
        pass
# Threads need memory too: a call makes do with those it gets.
many = {**CALLS["render"], "clips": np.zeros(200, np.int64), "threads": 200}
many |= {"transforms": np.repeat(TRANSFORMS[:1], 200, 0), "tone": np.repeat(TONE[:1], 200, 0)}
if not (_core.render(**many) == _core.render(**{**many, "threads": 1})).all():
    print("another result")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory with Linux's RLIMIT_AS")
@pytest.mark.skipif("MERTOOL_TEST_CORE" in os.environ, reason="sanitizers need all memory there is")
def test_too_little_memory_is_a_memory_error():
    done = subprocess.run([sys.executable, "-c", NO_MEMORY], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_the_table_can_be_printed():
    assert len(markdown().splitlines()) == len(TABLE) + 4
