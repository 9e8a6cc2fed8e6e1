"""Fuzzing of every function of `_core` as Python sees it, with libFuzzer and the sanitizers of clang.

    python -m tests.core.fuzz                      # a minute each
    python -m tests.core.fuzz render --seconds 600

libFuzzer's bytes choose sizes, layouts and contents of arguments as working calls have them, and rarely a bad one of
the table in bad_arguments. A call must give what its stub promises, the same on every path of instructions and
for any number of threads, or one line of ValueError that names the function. Anything else, and whatever the
sanitizers find, ends the process with the bytes in a file.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np

from tests.core.bad_arguments import TABLE
from tests.core.calls import CALLS, Labelled, backwards, misaligned, strided
from tests.support.command import ROOT
from tests.support.native import available_paths, build_core, load_core, run_tool

FUNCTIONS = tuple(name for name in CALLS if CALLS[name])
POOL = np.random.default_rng(0).integers(0, 256, 1 << 20, dtype=np.uint8)
LEVELS = np.random.default_rng(1).integers(100, 103, 1 << 20, dtype=np.uint8)
BAD = {name: {key: [row.value for row in TABLE if row[:2] == (name, key)] for key in CALLS[name]} for name in CALLS}


class Source:
    """Choices made by a string of bytes; when they are used up, always the first."""

    def __init__(self, data):
        self.data = data
        self.place = 0

    def take(self, n):
        part = self.data[self.place : self.place + n]
        self.place += n
        return part.ljust(n, b"\0")

    def below(self, n):
        return int.from_bytes(self.take(1 if n <= 256 else 4), "little") % n

    def pick(self, values):
        return values[self.below(len(values))]

    def within(self, least, most):
        return least + self.below(most - least + 1)

    def number(self):
        """Mostly a modest multiple of 1/256, else any 64 bits."""
        kind = self.below(8)
        if kind == 7:
            return float(np.frombuffer(self.take(8), np.float64)[0])
        return int.from_bytes(self.take(2), "little", signed=True) / (256 if kind < 6 else 1)

    def pixels(self, *shape):
        pool = self.pick((POOL, LEVELS))
        count = int(np.prod(shape))
        start = self.below(len(pool) - count)
        return pool[start : start + count].reshape(shape)

    def floats(self, dtype, *shape):
        values = np.array([self.number() for _ in range(min(int(np.prod(shape)), 16))])
        with np.errstate(over="ignore", invalid="ignore"):
            return np.resize(values, shape).astype(dtype)

    def linear(self):
        """Two by two: turn, scale and mirror, sometimes a little off."""
        scale, angle = 2.0 ** self.pick((0, -1, -4, 0.7, 1, 2, 3, 5, 5.9)), self.below(256) / 40
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        matrix = np.array([[cos, -sin], [sin, cos]])
        if self.below(2):
            matrix[:, 0] *= -1
        if self.below(8) == 7:
            matrix[self.below(2), self.below(2)] = self.number()
        return matrix

    def layout(self, array):
        """The same values elsewhere, or of another kind."""
        forms = (
            lambda: array,
            lambda: strided(array, 0),
            lambda: strided(array, -1),
            lambda: backwards(array, array.ndim // 2),
            lambda: np.asfortranarray(array),
            lambda: np.broadcast_to(array[:1], array.shape),
            lambda: array.view(Labelled),
            lambda: misaligned(array),
            lambda: array.astype(array.dtype.newbyteorder(">")),
            lambda: array.astype(self.pick("bBhHiIlLqQefdgFDO?")),
            lambda: array[..., : self.below(4)],
            lambda: array[self.below(3) :],
            lambda: array[None],
        )
        kind = self.below(64)
        return array if array.size == 0 or kind >= len(forms) else forms[kind]()


def render(source):
    clips, frames = source.within(1, 3), source.within(1, 3)
    height, width = (source.pick((1, 2, 3, 15, 16, 17, 31, 40, 70)) for _ in range(2))
    grid = source.within(1, 3), source.within(1, 3)
    tile = source.within(1, 40), source.within(1, 80)
    n = source.within(0, 4)
    chosen = np.array([source.below(clips) for _ in range(n)], np.int64)
    transforms = np.zeros((n, grid[0] * grid[1], 2, 3))
    kind = source.below(4)
    for index in np.ndindex(transforms.shape[:2]) if kind < 3 else ():
        transforms[index][:, :2] = source.linear()
        transforms[index][:, 2] = source.number(), source.number()
    if kind == 3:
        transforms = source.floats(np.float64, *transforms.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        transforms = transforms.astype(np.float32)
    tone = source.floats(np.float32, n, 2) if source.below(2) else np.tile(np.array([1.2, -9], np.float32), (n, 1))
    arguments = {"frames": source.pixels(clips, frames, height, width), "transforms": transforms, "tone": tone}
    return {**arguments, "grid": grid, "tile": tile, "dtype": source.pick(("uint8", "float32")), "clips": chosen}


def align(source):
    height, width = (source.pick((1, 2, 3, 17, 40, 64)) for _ in range(2))
    shape = (height, width, 3) if source.below(2) else (height, width)
    transform = np.zeros((2, 3))
    transform[:, :2] = source.linear()
    transform[:, 2] = source.number(), source.number()
    size = source.within(1, 9), source.within(1, 9)
    return {"image": source.pixels(*shape), "transform": transform, "size": size}


def transform_points(source):
    shape = [source.within(0, 3) for _ in range(source.below(4))]
    return {"points": source.floats(np.float32, *shape, 2), "transform": source.floats(np.float64, 2, 3)}


def mirror_points(source):
    count = source.within(0, 9)
    order = np.arange(count)
    for _ in range(source.below(4) if count else 0):
        one, other = source.below(count), source.below(count)
        if order[one] == one and order[other] == other:
            order[[one, other]] = other, one
    if count and source.below(8) == 7:
        order[source.below(count)] = source.below(12) - 1
    shape = [source.within(0, 3) for _ in range(source.below(3))]
    return {"points": source.floats(np.float32, *shape, count, 2), "width": source.within(0, 16385), "order": order}


def texture(source):
    pattern = source.pick(("lbp", "cbp"))
    return {
        "pattern": pattern,
        "points": source.pick((8, 4, 8, 4, 8, 4, 16)),
        "radii": tuple(source.pick((1, 1, 1, 2, 3, 4)) for _ in range(3)),
        "interpolation": "nearest" if pattern == "cbp" else source.pick(("bilinear", "nearest")),
        "threshold": source.below(256),
        "with_sign": bool(source.below(2)),
    }


def sides(source, radii):
    """Of a clip, mostly larger than the circles."""
    return tuple(2 * radius + source.within(0, most) for radius, most in zip(radii[::-1], (3, 5, 45), strict=True))


def texture_codes(source):
    settings = texture(source)
    return {"volume": source.pixels(*sides(source, settings["radii"])), **settings}


def texture_counts(source):
    settings = texture(source)
    volumes = source.pixels(source.within(0, 3), *sides(source, settings["radii"]))
    blocks = tuple(source.within(1, 1 if settings["points"] == 16 else 3) for _ in range(3))
    return {"volumes": volumes, **settings, "blocks": blocks}


def result_of(name, given):
    """Shape and dtype that the stub promises."""
    if name == "render":
        (height, width), (rows, columns) = given["tile"], given["grid"]
        n = len(given["frames"] if given["clips"] is None else given["clips"])
        return (n, given["frames"].shape[1], rows * height, columns * width), given["dtype"]
    if name == "align":
        return tuple(given["size"]), "uint8"
    if name.endswith("points"):
        return given["points"].shape, "float32"
    bins = 2 ** (given["points"] if given["pattern"] == "lbp" else given["points"] // 2 + 1)
    if name == "texture_counts":
        return (len(given["volumes"]), int(np.prod(given["blocks"])), 3, bins), "uint32"
    radii = given["radii"][::-1]
    return (3, *(side - 2 * radius for side, radius in zip(given["volume"].shape, radii, strict=True))), "uint16"


def outcome(core, name, given):
    """What a call gives: an array, or the line of its refusal."""
    try:
        return getattr(core, name)(**given)
    except ValueError as error:
        assert re.fullmatch(rf"{name}: .{{1,500}}", str(error)), str(error)
        return str(error)


def check(cores, name, data):
    """Make a call of `data` on every path and compare."""
    source = Source(data)
    given = globals()[name](source)
    for key, value in given.items():
        if isinstance(value, np.ndarray):
            given[key] = source.layout(value)
    threads = {"threads": source.pick((1, 2, 3, 64))} if "threads" in CALLS[name] else {}
    for _ in range(source.below(64) // 62):  # rarely something altogether bad
        key = source.pick(list(given))
        given[key] = source.pick(BAD[name][key])
    first, *others = (outcome(core, name, {**given, **(threads if k else {})}) for k, core in enumerate(cores))
    if not isinstance(first, str):
        assert (first.shape, first.dtype) == result_of(name, given)
        if name == "render" and source.below(2):
            out = source.layout(np.full(first.shape, 77, first.dtype))
            found = outcome(cores[-1], name, {**given, "out": out})
            assert found.startswith("render: out") if isinstance(found, str) else found.tobytes() == first.tobytes()
    for other in others:
        assert type(other) is type(first)
        same = other == first if isinstance(first, str) else other.tobytes() == first.tobytes()
        assert same, (first, other)


def fuzz(runtime, core, name, folder, seconds):
    """In a process that has the sanitizers: never returns."""
    warnings.simplefilter("ignore")  # of casts to other dtypes
    paths = available_paths(folder)
    cores = [load_core(simd, folder, core) for simd in paths]
    if "threads" in CALLS[name]:
        cores.append(cores[0])
    elif "pattern" not in CALLS[name]:
        del cores[1:]  # whose instructions nothing chooses

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
    def target(data, size):
        try:
            check(cores, name, ctypes.string_at(data, size))
        except BaseException:
            traceback.print_exc()
            os.abort()
        return 0

    corpus = folder / name
    corpus.mkdir()
    for number in range(32):  # the working calls: of all the first choice, and of some others
        (corpus / f"seed{number}").write_bytes(
            POOL[number * 200 : number * 200 + 150].tobytes() if number else bytes(8)
        )
    words = ["fuzz", f"-max_total_time={seconds}", "-print_final_stats=1", "-max_len=400", "-timeout=60"]
    words += [
        "-detect_leaks=0",
        "-rss_limit_mb=4096",
        "-verbosity=1",
        f"-artifact_prefix={ROOT}/fuzz-{name}-",
        str(corpus),
    ]
    arguments = (ctypes.c_char_p * (len(words) + 1))(*(word.encode() for word in words), None)
    count = ctypes.c_int(len(words))
    pointer = ctypes.cast(arguments, ctypes.POINTER(ctypes.c_char_p))
    ctypes.CDLL(runtime).LLVMFuzzerRunDriver(ctypes.byref(count), ctypes.byref(pointer), target)


def missing():
    """What fuzzing needs and this machine lacks, or nothing."""
    if sys.platform != "linux" or shutil.which("clang++") is None:
        return "no clang++ on Linux here"
    return (
        "" if archive("fuzzer_no_main").exists() and archive("asan", "so").exists() else "clang has no libFuzzer here"
    )


def archive(name, kind="a"):
    machine = os.uname().machine
    found = run_tool("clang++", f"-print-file-name=libclang_rt.{name}-{machine}.{kind}").strip()
    folder = Path(run_tool("clang++", "-print-resource-dir").strip()) / "lib" / "linux"
    return next((path for path in (Path(found), folder / Path(found).name) if path.is_absolute()), Path(found))


def build(folder):
    """The extension with clang's sanitizers, and libFuzzer as a library."""
    sanitizers = "address,undefined,fuzzer-no-link"
    options = ["-DCMAKE_CXX_COMPILER=clang++", f"-DMERTOOL_SANITIZE={sanitizers}", "-DCMAKE_STRIP="]
    core = build_core(folder / "core", *options, "-DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF")
    runtime = folder / "libfuzzer.so"
    whole = ["-Wl,--whole-archive", archive("fuzzer_no_main"), "-Wl,--no-whole-archive"]
    run_tool("clang++", "-shared", "-o", runtime, *whole, "-lstdc++", "-lpthread", "-ldl", "-lm")
    return runtime, core


def run_fuzzer(runtime, core, name, folder, seconds):
    """Fuzz one function in a process of its own; gives its exit status and what it said."""
    environment = {
        **os.environ,
        # libFuzzer first: the sanitizer's library has empty functions of the same names.
        "LD_PRELOAD": f"{runtime} {archive('asan', 'so')}",
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:verify_asan_link_order=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    inside = ["--inside", runtime, core, folder, "--seconds", str(seconds)]
    command = [sys.executable, "-m", "tests.core.fuzz", name, *inside]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return done.returncode, done.stdout


def executions(text):
    found = re.search(r"stat::number_of_executed_units: *(\d+)", text)
    return int(found[1]) if found else 0


def main():
    parser = argparse.ArgumentParser(description="Fuzz the functions of mertool._core.")
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=f"of {', '.join(FUNCTIONS)} (default: all)")
    parser.add_argument("--seconds", type=int, default=60, help="of each function (default: %(default)s)")
    parser.add_argument("--inside", nargs=3, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        runtime, core, folder = options.inside
        return fuzz(runtime, core, options.functions[0], folder, options.seconds)
    if reason := missing():
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as folder:
        runtime, core = build(Path(folder))
        for name in options.functions or FUNCTIONS:
            status, text = run_fuzzer(runtime, core, name, Path(folder), options.seconds)
            if status:
                sys.exit(text[-6000:])
            print(f"{name}: {executions(text)} executions in {options.seconds} s, nothing found", flush=True)
    return None


if __name__ == "__main__":
    main()
