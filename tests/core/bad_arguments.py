"""The table of all bad arguments of the functions of `_core`, each with its message.

`python -m tests.core.bad_arguments` prints it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from mertool import _core
from tests.core.calls import (
    CALLS,
    CLIP,
    CLIPS,
    FRAMES,
    IMAGE,
    ORDER,
    OUT,
    POINTS,
    SIMILARITY,
    TONE,
    TRANSFORMS,
    misaligned,
)


class Row(NamedTuple):
    """What is wrong with an argument (in words), what it is, and the message; `also` are the arguments that change."""

    function: str
    argument: str
    fault: str
    value: Any
    message: str
    also: dict[str, Any] = {}  # noqa: RUF012

    def call(self):
        arguments = {**CALLS[self.function], **self.also, self.argument: self.value}
        return getattr(_core, self.function)(**arguments)


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


def virtual(dtype, *shape):
    """An array of any size that takes a few bytes: all its strides are zero."""
    return as_strided(np.zeros(1, dtype), shape, (0,) * len(shape))


def misread(function, argument, expected, good):
    """What nobody should take for an array of this kind."""
    where = f"{function}: {argument} must be {expected}, got "
    shape = good.shape
    rows = [
        ("a list", good.tolist(), where + "list"),
        ("bytes", good.tobytes(), where + "bytes"),
        ("a memoryview", memoryview(good), where + "memoryview"),
        ("a number", good.dtype.type(3), where + good.dtype.name),
        ("an array without axes", np.zeros((), good.dtype), f"{where}() {good.dtype}"),
        ("an axis too many", good.reshape(*shape, 1, 1, 1, 1, 1), f"{where}{(*shape, 1, 1, 1, 1, 1)} {good.dtype}"),
        ("objects", good.astype(object), f"{where}{shape} object"),
        ("complex numbers", good.astype(complex), f"{where}{shape} complex128"),
        ("text", good.astype("U4"), f"{where}{shape} <U4"),
        ("records", np.zeros(shape, [("x", "<i4")]), f"{where}{shape} [('x', '<i4')]"),
        ("half floats", good.astype(np.float16), f"{where}{shape} float16"),
        ("8-bit integers with a sign", good.astype(np.int8), f"{where}{shape} int8"),
    ]
    if argument not in ("clips", "out"):
        rows.append(("None", None, where + "NoneType"))
    if good.itemsize > 1:
        swapped = good.astype(good.dtype.newbyteorder(">"))
        rows.append(("the other byte order", swapped, f"{where}{shape} {swapped.dtype}"))
        start = f"{function}: {argument} must be aligned in memory; copy it first"
        rows.append(("not aligned in memory", misaligned(good), start))
    return [Row(function, argument, *row) for row in rows]


ARRAYS = {
    ("render", "frames"): "(M, T, H, W) uint8",
    ("render", "transforms"): "(2, 6, 2, 3) float32",
    ("render", "tone"): "(2, 2) float32",
    ("render", "clips"): "(N,) int64",
    ("align", "image"): "(H, W) or (H, W, 3) uint8",
    ("align", "transform"): "(2, 3) float64",
    ("transform_points", "points"): "(..., 2) float32",
    ("transform_points", "transform"): "(2, 3) float64",
    ("mirror_points", "points"): "(..., 68, 2) float32",
    ("mirror_points", "order"): "(K,) int64",
    ("texture_codes", "volume"): "(T, H, W) uint8",
    ("texture_counts", "volumes"): "(N, T, H, W) uint8",
}


def misnumbered(function, argument, expected, least, most):
    """Numbers out of range, and what is no whole number."""
    where = f"{function}: {argument} must be {expected}, got "
    values = [
        ("one too small", least - 1),
        ("one too large", most + 1),
        ("beyond 31 bits", 2**31),
        ("beyond 63 bits", 2**63),
        ("beyond 64 bits, negative", -(2**64)),
        ("text", str(least)),
        ("a float", float(most)),
        ("not a number", np.nan),
        ("None", None),
        ("a list", [least]),
    ]
    rows = [Row(function, argument, fault, value, f"{where}{value!r}") for fault, value in values]
    rows.append(Row(function, argument, "too long to be written", 10**5000, where + "int"))
    rows.append(Row(function, argument, "several numbers", np.arange(2), where + "(2,) int64"))
    rows.append(Row(function, argument, "a NumPy float", np.float32(least), where + "float32"))
    return rows


NUMBERS = {
    ("render", "threads"): ("a whole number in 1..1024", 1, 1024),
    ("mirror_points", "width"): ("a whole number in 1..16384", 1, 16384),
    ("texture_codes", "threshold"): ("a whole number in 0..255", 0, 255),
    ("texture_counts", "threshold"): ("a whole number in 0..255", 0, 255),
    ("texture_codes", "points"): ("4, 8 or 16", 4, 16),
    ("texture_counts", "points"): ("4, 8 or 16", 4, 16),
    ("texture_counts", "threads"): ("a whole number in 1..1024", 1, 1024),
}


def miscounted(function, argument, expected, count, most, end=""):
    """Pairs and triples of numbers with something wrong about the first or the last, or that are none."""
    where = f"{function}: {argument} must be {expected}, got "
    good = (1,) * (count - 1)
    values = [
        ("the first zero", (0, *good)),
        ("the last zero", (*good, 0)),
        ("a negative one", (*good, -1)),
        ("the first too large", (most + 1, *good)),
        ("the last too large", (*good, most + 1)),
        ("beyond 31 bits", (*good, 2**31 + 1)),
        ("beyond 64 bits", (*good, 2**64 + 1)),
        ("a float among them", (*good, 1.0)),
        ("text among them", (*good, "1")),
        ("None among them", (None, *good)),
        ("one too few", good),
        ("one too many", (*good, 1, 1)),
        ("none", ()),
        ("a single number", 1),
        ("text", "1" * count),
        ("None", None),
        ("lists among them", [[1]] * count),
    ]
    rows = [Row(function, argument, fault, value, f"{where}{value!r}{end}") for fault, value in values]
    others = [
        ("a set", set(range(1, 1 + count)), "set"),
        ("bytes", b"\x01" * count, "bytes"),
        ("floats in an array", np.ones(count), f"({count},) float64"),
        ("far too many", range(10**12), "range"),
    ]
    return rows + [Row(function, argument, fault, value, f"{where}{kind}{end}") for fault, value, kind in others]


COUNTED = {
    ("render", "grid"): ("two whole numbers in 1..1024", 2, 1024),
    ("render", "tile"): ("two whole numbers in 1..16384", 2, 16384),
    ("align", "size"): ("two whole numbers in 1..16384", 2, 16384),
    ("texture_codes", "radii"): ("three whole numbers (x, y, t) in 1..64", 3, 64),
    ("texture_counts", "radii"): ("three whole numbers (x, y, t) in 1..64", 3, 64),
    ("texture_counts", "blocks"): (
        "three whole numbers (t, y, x) from 1 up to the clips' size",
        3,
        30,
        " for (2, 5, 9, 11) uint8",
    ),
}


def mischosen(function, argument, one, other):
    """What is neither of two words."""
    where = f"{function}: {argument} must be '{one}' or '{other}', got "
    values = [
        ("another word", "float64", "'float64'"),
        ("capitals", one.upper(), f"'{one.upper()}'"),
        ("more behind it", one + "\0", f"'{one}\\x00'"),
        ("other alphabets", "é\ud800", "'\\xe9\\ud800'"),
        ("nothing", "", "''"),
        ("a novel", "x" * 10**6, "'" + "x" * 119 + "..."),
        ("bytes", one.encode(), "bytes"),
        ("a number", 1, "1"),
        ("None", None, "None"),
        ("a list", [one], f"['{one}']"),
        ("a NumPy type", np.uint8, "type"),
    ]
    return [Row(function, argument, fault, value, where + got) for fault, value, got in values]


CHOICES = {
    ("render", "dtype"): ("uint8", "float32"),
    ("texture_codes", "pattern"): ("lbp", "cbp"),
    ("texture_counts", "pattern"): ("lbp", "cbp"),
    ("texture_codes", "interpolation"): ("bilinear", "nearest"),
    ("texture_counts", "interpolation"): ("bilinear", "nearest"),
}


def misflagged(function):
    where = f"{function}: with_sign must be True or False, got "
    values = [
        ("a number", 1, "1"),
        ("text", "no", "'no'"),
        ("None", None, "None"),
        ("an array", np.ones(1), "(1,) float64"),
    ]
    return [Row(function, "with_sign", fault, value, where + got) for fault, value, got in values]


def turned(a, b, c, d):
    return np.array([[a, b, 0.0], [c, d, 0.0]])


SCALE = "align: transform must take between 1/64 and 64 input pixels per output pixel"
SHAPE = "align: transform must be a similarity: turn, scale, shift and mirror only"
PAIRS = "mirror_points: order must swap pairs of 0..67 (mirroring twice changes nothing), got "
EMPTY = "render: frames must not be empty in T, H or W, got "
BESIDE = "render: frames must have the pixels of a row side by side, got a stride of "
FAR = " (clip, region) leads beyond 30000 px from the origin"
LEVELS = " (clip) must be a gain and a bias in -1000000..1000000, got "
WRITEABLE = "render: out must be writeable"
LESS = "; render fewer clips or smaller tiles at once"
NO_ROWS = {"clips": None, "transforms": TRANSFORMS[:0], "tone": TONE[:0]}

# What the lists above cannot say for all: limits, contents, and how arguments fit each other.
SINGLE = [
    Row("render", "frames", "one clip", FRAMES[0], "render: frames must be (M, T, H, W) uint8, got (3, 20, 30) uint8"),
    Row("render", "frames", "no frames", FRAMES[:, :0], EMPTY + "(2, 0, 20, 30) uint8"),
    Row("render", "frames", "no rows", FRAMES[:, :, :0], EMPTY + "(2, 3, 0, 30) uint8"),
    Row("render", "frames", "no columns", FRAMES[..., :0], EMPTY + "(2, 3, 20, 0) uint8"),
    Row("render", "frames", "broadcast columns", virtual(np.uint8, 2, 3, 20, 30), BESIDE + "0 bytes; copy them first"),
    Row("render", "frames", "mirrored columns", FRAMES[..., ::-1], BESIDE + "-1 bytes; copy them first"),
    Row("render", "frames", "every second column", FRAMES[..., ::2], BESIDE + "2 bytes; copy them first"),
    Row("render", "frames", "Fortran order", np.asfortranarray(FRAMES), BESIDE + "120 bytes; copy them first"),
    Row(
        "render",
        "frames",
        "too high",
        virtual(np.uint8, 2, 3, 32769, 1),
        "render: frames must be at most 32768 px high and wide, got (2, 3, 32769, 1) uint8",
    ),
    Row(
        "render",
        "frames",
        "too wide",
        virtual(np.uint8, 2, 3, 1, 2**62 // 6),
        "render: frames must be at most 32768 px high and wide, got (2, 3, 1, 768614336404564650) uint8",
    ),
    Row(
        "render",
        "frames",
        "too many frames",
        as_strided(FRAMES, (2, 2**50, 20, 30), (0, 0, 30, 1)),
        "render: the result would take 905969664 GiB" + LESS,
    ),
    Row(
        "render",
        "frames",
        "no clips of too many frames",
        as_strided(FRAMES, (0, 2**50, 20, 30), (0, 0, 30, 1)),
        "render: the result would take 452984832 GiB" + LESS,
        NO_ROWS,
    ),
    Row(
        "render",
        "frames",
        "too many clips",
        as_strided(FRAMES, (2**50, 3, 20, 30), (0, 0, 30, 1)),
        "render: transforms would take 150994944 GiB as one block of memory, got (1125899906842624, 6, 2, 3) float32",
        {"clips": None, "transforms": virtual(np.float32, 2**50, 6, 2, 3), "tone": virtual(np.float32, 2**50, 2)},
    ),
    Row(
        "render",
        "tile",
        "a result too large",
        (16384, 16384),
        "render: the result would take 9000 GiB" + LESS,
        {"frames": np.broadcast_to(FRAMES[:, :1], (2, 3000, 20, 30))},
    ),
    Row(
        "render",
        "dtype",
        "a result too large",
        "float32",
        "render: the result would take 12000 GiB" + LESS,
        {"frames": np.broadcast_to(FRAMES[:, :1], (2, 1000, 20, 30)), "tile": (16384, 16384)},
    ),
    Row(
        "render",
        "transforms",
        "fewer than the grid",
        TRANSFORMS[:, :5],
        "render: transforms must be (2, 6, 2, 3) float32, got (2, 5, 2, 3) float32",
    ),
    Row(
        "render",
        "transforms",
        "fewer than the clips",
        TRANSFORMS,
        "render: transforms must be (3, 6, 2, 3) float32, got (2, 6, 2, 3) float32",
        {"clips": np.array([0, 1, 1])},
    ),
    *(
        Row(
            "render",
            "transforms",
            f"{value} in it",
            changed(TRANSFORMS, place, value),
            f"render: transforms[{place[0]}, {place[1]}] (clip, region) is not finite",
        )
        for place, value in (((1, 4, 0, 2), np.nan), ((0, 5, 1, 1), -np.inf), ((0, 0, 1, 0), np.inf))
    ),
    Row(
        "render",
        "transforms",
        "too far to the right",
        changed(TRANSFORMS, (1, 0, 0, 2), 29993),
        "render: transforms[1, 0]" + FAR,
    ),
    Row("render", "transforms", "huge", changed(TRANSFORMS, (0, 1, 1, 1), -3e38), "render: transforms[0, 1]" + FAR),
    Row(
        "render",
        "transforms",
        "huge, of one pixel",
        changed(TRANSFORMS, (0, 1, 0, 0), 1e30),
        "render: transforms[0, 1]" + FAR,
        {"tile": (1, 1)},
    ),
    Row("render", "tone", "fewer than the clips", TONE[:1], "render: tone must be (2, 2) float32, got (1, 2) float32"),
    Row("render", "tone", "nan in it", changed(TONE, (1, 0), np.nan), f"render: tone[1]{LEVELS}nan, 0.000000"),
    Row("render", "tone", "-inf in it", changed(TONE, (1, 1), -np.inf), f"render: tone[1]{LEVELS}1.000000, -inf"),
    Row("render", "tone", "huge", changed(TONE, (0, 1), 1000001), f"render: tone[0]{LEVELS}1.000000, 1000001.000000"),
    Row(
        "render",
        "clips",
        "a row beyond the last",
        np.array([0, 2]),
        "render: clips[1] must be in 0..1 (rows of frames), got 2",
    ),
    Row(
        "render",
        "clips",
        "a negative row",
        np.array([-1, 0]),
        "render: clips[0] must be in 0..1 (rows of frames), got -1",
    ),
    Row(
        "render",
        "clips",
        "beyond any row",
        np.array([0, -(2**63)]),
        "render: clips[1] must be in 0..1 (rows of frames), got -9223372036854775808",
    ),
    Row("render", "clips", "32 bits", np.array([0, 1], np.int32), "render: clips must be (N,) int64, got (2,) int32"),
    Row(
        "render",
        "clips",
        "too many",
        virtual(np.int64, 2**40),
        "render: clips would take 8192 GiB as one block of memory, got (1099511627776,) int64",
    ),
    Row(
        "align",
        "image",
        "two channels",
        IMAGE[..., :2],
        "align: image must be (H, W) or (H, W, 3) uint8, got (20, 30, 2) uint8",
    ),
    Row("align", "image", "a row alone", IMAGE[0, 0], "align: image must be (H, W) or (H, W, 3) uint8, got (3,) uint8"),
    *misread("render", "out", "(2, 3, 16, 27) uint8", OUT),
    Row(
        "render",
        "out",
        "of another shape",
        OUT[:1],
        "render: out must be (2, 3, 16, 27) uint8, got (1, 3, 16, 27) uint8",
    ),
    Row("render", "out", "mirrored", OUT[::-1], "render: out must be C-contiguous"),
    Row("render", "out", "Fortran order", np.asfortranarray(OUT), "render: out must be C-contiguous"),
    Row("render", "out", "broadcast", virtual(np.uint8, *OUT.shape), "render: out must be C-contiguous"),
    Row("render", "out", "read-only", np.frombuffer(bytes(2592), np.uint8).reshape(OUT.shape), WRITEABLE),
    Row(
        "render",
        "out",
        "not aligned in memory",
        misaligned(OUT.astype(np.float32)),
        "render: out must be aligned in memory",
        {"dtype": "float32"},
    ),
    Row(
        "render",
        "out",
        "the frames themselves",
        FRAMES.reshape(-1)[:2592].reshape(OUT.shape),
        "render: out must not share memory with what is rendered from",
    ),
    Row("align", "image", "no rows", IMAGE[:0], "align: image must not be empty, got (0, 30, 3) uint8"),
    Row("align", "image", "no columns", IMAGE[:, :0], "align: image must not be empty, got (20, 0, 3) uint8"),
    Row(
        "align",
        "image",
        "too large",
        virtual(np.uint8, 2**31, 2**31),
        "align: image would take 4294967296 GiB as one block of memory, got (2147483648, 2147483648) uint8",
    ),
    Row("align", "transform", "three rows", np.eye(3), "align: transform must be (2, 3) float64, got (3, 3) float64"),
    *(
        Row(
            "align", "transform", f"{value} in it", changed(SIMILARITY, (0, 2), value), "align: transform is not finite"
        )
        for value in (np.nan, np.inf, -np.inf)
    ),
    *(
        Row(
            "align",
            "transform",
            f"a shift of {value:g}",
            changed(SIMILARITY, (1, 2), value),
            "align: transform leads beyond 1000000 px from the origin",
        )
        for value in (2e6, -1e308)
    ),
    *(
        Row("align", "transform", fault, turned(*linear), SCALE)
        for fault, linear in {
            "shrinks too much": (64.0, 0, 0, 64),
            "enlarges too much": (1 / 64, 0, 0, 1 / 64),
            "all zero": (0, 0, 0, 0),
            "a row zero": (1, 0, 0, 0),
            "huge": (1e308, 1e308, -1e308, 1e308),
            "tiny": (1e-308, 0, 0, 1e-308),
        }.items()
    ),
    *(
        Row("align", "transform", fault, turned(*linear), SHAPE)
        for fault, linear in {
            "stretched": (1, 0, 0, 1.01),
            "sheared": (1, 0.1, 0, 1),
            "sheared both ways": (2, 1, 1, 2),
            "flat": (1, 1, 1, 1),
            "huge and tiny": (1e300, 0, 0, 1e-300),
        }.items()
    ),
    Row(
        "transform_points",
        "points",
        "no coordinates",
        POINTS[..., :0],
        "transform_points: points must be (..., 2) float32, got (4, 68, 0) float32",
    ),
    Row(
        "transform_points",
        "points",
        "too many",
        virtual(np.float32, 2**40, 2),
        "transform_points: points would take 8192 GiB as one block of memory, got (1099511627776, 2) float32",
    ),
    *(
        Row(
            "transform_points",
            "transform",
            f"{value} in it",
            changed(SIMILARITY, (1, 0), value),
            "transform_points: transform is not finite",
        )
        for value in (np.nan, np.inf, -np.inf)
    ),
    Row(
        "mirror_points",
        "points",
        "fewer than the order",
        POINTS[:, :67],
        "mirror_points: points must be (..., 68, 2) float32, got (4, 67, 2) float32",
    ),
    Row(
        "mirror_points",
        "points",
        "one point",
        POINTS[0, 0],
        "mirror_points: points must be (..., 68, 2) float32, got (2,) float32",
    ),
    Row(
        "mirror_points",
        "points",
        "too many",
        virtual(np.float32, 2**40, 68, 2),
        "mirror_points: points would take 557056 GiB as one block of memory, got (1099511627776, 68, 2) float32",
    ),
    Row("mirror_points", "order", "a circle", np.roll(np.arange(68), 1), PAIRS + "67 at 0"),
    Row("mirror_points", "order", "beyond the last", changed(ORDER, 3, 68), PAIRS + "68 at 3"),
    Row("mirror_points", "order", "negative", changed(ORDER, 3, -1), PAIRS + "-1 at 3"),
    Row("mirror_points", "order", "beyond any", changed(ORDER, 67, 2**63 - 1), PAIRS + "67 at 0"),
    Row(
        "mirror_points",
        "order",
        "too long",
        virtual(np.int64, 2**40),
        "mirror_points: order would take 8192 GiB as one block of memory, got (1099511627776,) int64",
    ),
    *(
        Row(
            "texture_codes",
            "volume",
            fault,
            volume,
            "texture_codes: volume must be larger than the circles, at least (T, H, W) = (3, 5, 3), got "
            f"{volume.shape} uint8",
        )
        for fault, volume in {
            "no frames": CLIP[:0],
            "as long as the circle": CLIP[:2],
            "as high as the circle": CLIP[:, :4],
            "as wide as the circle": CLIP[:, :, :2],
        }.items()
    ),
    Row(
        "texture_codes",
        "volume",
        "too wide",
        np.zeros((3, 5, 32769), np.uint8),
        "texture_codes: volume must be at most 32768 long, high and wide, got (3, 5, 32769) uint8",
    ),
    Row(
        "texture_codes",
        "volume",
        "too large",
        virtual(np.uint8, 32768, 32768, 32768),
        "texture_codes: volume would take 32768 GiB as one block of memory, got (32768, 32768, 32768) uint8",
    ),
    *(
        Row(
            function,
            "interpolation",
            "of 'cbp'",
            "bilinear",
            f"{function}: interpolation of 'cbp' must be 'nearest': its sums are whole numbers",
            {"pattern": "cbp"},
        )
        for function in ("texture_codes", "texture_counts")
    ),
    Row("texture_codes", "points", "another number", 6, "texture_codes: points must be 4, 8 or 16, got 6"),
    Row("texture_counts", "points", "another number", 12, "texture_counts: points must be 4, 8 or 16, got 12"),
    Row(
        "texture_counts",
        "volumes",
        "smaller than the circles",
        CLIPS[:, :, :4],
        "texture_counts: volumes must be larger than the circles, at least (T, H, W) = (3, 5, 3), got "
        "(2, 5, 4, 11) uint8",
    ),
    Row(
        "texture_counts",
        "volumes",
        "too many",
        virtual(np.uint8, 2**50, 5, 9, 11),
        "texture_counts: volumes would take 519045120 GiB as one block of memory, got "
        "(1125899906842624, 5, 9, 11) uint8",
    ),
    Row(
        "texture_counts",
        "volumes",
        "too long",
        np.zeros((0, 32769, 9, 11), np.uint8),
        "texture_counts: volumes must be at most 32768 long, high and wide, got (0, 32769, 9, 11) uint8",
    ),
    Row(
        "texture_counts",
        "blocks",
        "of no clips a shape too large",
        (32768, 32768, 32768),
        "texture_counts: the result would take 6291456 GiB; count fewer clips, blocks or points at once",
        {"volumes": np.zeros((0, 32768, 32768, 32768), np.uint8)},
    ),
    Row(
        "texture_counts",
        "blocks",
        "a result too large",
        (3, 1000, 1000),
        "texture_counts: the result would take 2197 GiB; count fewer clips, blocks or points at once",
        {"volumes": np.zeros((1, 3, 1000, 1000), np.uint8), "points": 16},
    ),
]

TABLE = [
    *(row for key, expected in ARRAYS.items() for row in misread(*key, expected, CALLS[key[0]][key[1]])),
    *(row for key, rule in COUNTED.items() for row in miscounted(*key, *rule)),
    *(row for key, rule in NUMBERS.items() for row in misnumbered(*key, *rule)),
    *(row for key, rule in CHOICES.items() for row in mischosen(*key, *rule)),
    *(row for function in ("texture_codes", "texture_counts") for row in misflagged(function)),
    *SINGLE,
]
TABLE.sort(key=lambda row: (list(CALLS).index(row.function), list(CALLS[row.function]).index(row.argument)))


def markdown():
    lines = [f"{len(TABLE)} bad arguments, all `ValueError`.", "", "| argument | fault | message |", "|---|---|---|"]
    for row in TABLE:
        message = row.message.replace("|", "\\|")
        lines.append(f"| `{row.function}: {row.argument}` | {row.fault} | {message} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())
