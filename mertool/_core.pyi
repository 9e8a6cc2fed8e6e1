"""Compiled kernels.

Everywhere: pixel centres at whole numbers; points are (x, y), sizes (height, width); a transform
[[a, b, c], [d, e, f]] maps an output pixel (x, y) to the input point (a x + b y + c, d x + e y + f). Nothing is
converted: an array of another dtype, shape, byte order or alignment, or a number or word that is none of those allowed,
is a ValueError of one line naming function, argument, what was expected and what came; too little memory is a
MemoryError. Strided arrays are copied unless said otherwise. Inputs are never written to, `out` aside. Same bytes
whatever the threads and instructions.

The GIL is released while a kernel runs, and several Python threads may call at once, with the same arrays too. An
array that another thread writes to meanwhile gives a mixed result, but nothing is read or written out of bounds;
one whose memory another thread takes away (`resize(refcheck=False)`) is not protected. Free-threaded Python turns its
GIL on when it imports this module, and warns, since the module has not been tested without it. It works in the main
interpreter only: in a subinterpreter the import is an ImportError.
"""

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

compiler: str
"""Compiler and version the extension was built with, e.g. "gcc 12.2.0"."""

def simd() -> Literal["avx512", "avx2", "plain"]:
    """Instructions in use; all give the same bytes. The environment variable MERTOOL_SIMD=plain|avx2|avx512 forces one.

    "avx512" needs a processor with AVX-512 VBMI and VNNI; only `render` has more for it than for "avx2".

    Raises:
        ValueError: MERTOOL_SIMD names something else, or a path that this machine lacks.
    """

@overload
def render(
    frames: NDArray[np.uint8],
    transforms: NDArray[np.float32],
    tone: NDArray[np.float32],
    grid: tuple[int, int],
    tile: tuple[int, int],
    threads: int = 1,
    dtype: Literal["uint8"] = "uint8",
    clips: NDArray[np.int64] | None = None,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]: ...
@overload
def render(
    frames: NDArray[np.uint8],
    transforms: NDArray[np.float32],
    tone: NDArray[np.float32],
    grid: tuple[int, int],
    tile: tuple[int, int],
    threads: int = 1,
    *,
    dtype: Literal["float32"],
    clips: NDArray[np.int64] | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]: ...
@overload
def render(
    frames: NDArray[np.uint8],
    transforms: NDArray[np.float32],
    tone: NDArray[np.float32],
    grid: tuple[int, int],
    tile: tuple[int, int],
    threads: int = 1,
    dtype: str = "uint8",
    clips: NDArray[np.int64] | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Warp, tone and stack all regions of all frames of a clip in a single interpolation.

    Bilinear; outside a frame its edge pixel is repeated; then clip(round(gain * v + bias)) to 0..255, rounded once.
    In whole numbers: columns lie within 1/252 px of where they should, all else adds less than max(1, |gain|) / 32 grey
    levels, so that a result near a half may be a level off; whole grey levels at gain 1 and bias 0 are exact. Same
    bytes whatever the threads and instructions. Mirrored frames with mirrored transforms give the mirrored result
    exactly where transform entries are multiples of 2^-15 (finer ones are rounded to about that).

    Args:
        frames: (M, T, H, W) uint8, T, H, W in 1.., H, W up to 32768. May be read-only and memory-mapped; any strides
            but for the last axis, whose pixels must lie side by side. Never copied.
        transforms: (N, R, 2, 3) float32, R = rows * cols, from a pixel of tile r (row r // cols, column r % cols of
            the grid) to a pixel of the frame. May lead up to 30000 px from the origin.
        tone: (N, 2) float32, gain and bias in grey levels, each in -1e6..1e6.
        grid: (rows, cols), each 1..1024.
        tile: (h, w) in pixels, each 1..16384.
        threads: 1..1024; clips are shared out.
        dtype: "uint8", or "float32" for the same values less their mean and over their standard deviation (at least
            one grey level), both of the whole clip: all frames, all tiles.
        clips: (N,) int64, the row of `frames` each of the N results is made from; None for all rows in order (N = M).
        out: Where the result goes, for memory used again and again or pinned for a GPU: an array of the result's shape
            and `dtype`, C-contiguous, aligned, writeable, apart from all that is read. None for a new one.

    Returns:
        (N, T, rows * h, cols * w) of `dtype`; `out` where it was given.

    Raises:
        ValueError: An argument is not as described; a bad entry is named by clip and region.
    """

def align(image: NDArray[np.uint8], transform: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Grey conversion and similarity warp with averaging in one pass, rounded once.

    Up to one input pixel per output pixel: bilinear. Above that, each output pixel is the mean of the input pixels
    under a tent of radius one output pixel along the output's axes. Outside the picture its edge pixel is repeated.

    Args:
        image: (H, W) uint8 grey or (H, W, 3) uint8 BGR (0.299 R + 0.587 G + 0.114 B). Strided input is copied.
        transform: (2, 3) float64 from output to input pixels: turn, scale (1/64..64), shift, mirror.
        size: (h, w) of the result, each 1..16384.

    Returns:
        (h, w) uint8.

    Raises:
        ValueError: An argument is not as described.
    """

def transform_points(points: NDArray[np.float32], transform: NDArray[np.float64]) -> NDArray[np.float32]:
    """Apply a transform to points in float64; the result is rounded to multiples of 1/1024 px.

    So float32 holds it, and any mirror image of it, exactly (up to 8192 px).

    Args:
        points: (..., 2) float32. NaN stays NaN.
        transform: (2, 3) float64, from the points' pixels to the result's.

    Returns:
        Same shape, float32.

    Raises:
        ValueError: An argument is not as described.
    """

def mirror_points(points: NDArray[np.float32], width: int, order: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mirror points in a picture: x becomes width - 1 - x, and point i is the image of point order[i].

    Twice is the identity, exactly for multiples of 1/1024 px.

    Args:
        points: (..., K, 2) float32, e.g. K = 68 landmarks. NaN stays NaN.
        width: Of the picture in pixels, 1..16384.
        order: (K,) int64, its own inverse.

    Returns:
        Same shape, float32.

    Raises:
        ValueError: An argument is not as described.
    """

def texture_codes(
    volume: NDArray[np.uint8],
    pattern: Literal["lbp", "cbp"] = "lbp",
    points: int = 8,
    radii: tuple[int, int, int] = (1, 1, 1),
    interpolation: Literal["bilinear", "nearest"] = "bilinear",
    threshold: int = 0,
    with_sign: bool = False,
) -> NDArray[np.uint16]:
    """Binary patterns of a clip's voxels on the three orthogonal planes XY, XT and YT (LBP-TOP, CBP-TOP).

    Point p of P lies at (x + rx cos a, y - ry sin a), (x + rx cos a, t + rt sin a), (y - ry sin a, t + rt cos a) with
    a = 2 pi p / P. LBP: bit p is set where the point is at least as bright as the centre. CBP: bit p < P/2 is set where
    |g_p - g_(p + P/2)| >= C, bit P/2 where the centre differs by >= C from the mean of all P + 1 grey levels.

    Args:
        volume: (T, H, W) uint8, larger than 2 (rt, ry, rx).
        pattern: "lbp" or "cbp".
        points: P: 4, 8 or 16.
        radii: rx, ry, rt in pixels and frames, 1..64.
        interpolation: "bilinear", bit for bit as scikit-image's local_binary_pattern (offsets rounded to five decimals,
            columns first, double precision), or "nearest"; of "cbp" always the nearest.
        threshold: C of "cbp" in grey levels, 0..255.
        with_sign: "cbp": compare the differences themselves, not their sizes.

    Returns:
        (3, T - 2 rt, H - 2 ry, W - 2 rx) uint16 codes of the voxels whose circles lie inside the clip.

    Raises:
        ValueError: An argument is not as described.

    Source: G. Zhao, M. Pietikainen, PAMI 29 (2007) 915-928; X. Fu, W. Wei, ICNC 2008.
    """

def texture_counts(
    volumes: NDArray[np.uint8],
    pattern: Literal["lbp", "cbp"] = "lbp",
    points: int = 8,
    radii: tuple[int, int, int] = (1, 1, 1),
    interpolation: Literal["bilinear", "nearest"] = "bilinear",
    threshold: int = 0,
    with_sign: bool = False,
    blocks: tuple[int, int, int] = (1, 1, 1),
    threads: int = 1,
) -> NDArray[np.uint32]:
    """Histograms of the codes of many clips (see `texture_codes`), block by block.

    Args:
        volumes: (N, T, H, W) uint8.
        blocks: Along t, y and x; block k of b covers the voxels from k size // b up to (k + 1) size // b of the clip.
        threads: 1..1024, clips at once.

    Returns:
        (N, blocks, 3, bins) uint32; bins are 2^P of "lbp" and 2^(P/2 + 1) of "cbp".

    Raises:
        ValueError: An argument is not as described.
    """
