"""Slow definitions of the kernels in `mertool._core`, in float64 or whole numbers, for tests to compare with.

Pixel centres lie at whole numbers; points are (x, y), sizes (height, width); a transform [[a, b, c], [d, e, f]] maps
an output pixel to an input point. Each function is the definition its kernel is measured against.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def bilinear(image: Array, x: Array, y: Array) -> Array:
    """Values of (H, W) `image` at points; outside, those of the nearest edge pixel. float64."""
    height, width = image.shape
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = x - left, y - top
    image = image.astype(np.float64)
    above = image[top, left] * (1 - fx) + image[top, right] * fx
    below = image[bottom, left] * (1 - fx) + image[bottom, right] * fx
    return np.asarray(above * (1 - fy) + below * fy)


def render_exact(
    frames: Array,
    transforms: Array,
    tone: Array,
    grid: tuple[int, int],
    tile: tuple[int, int],
    clips: Array | None = None,
) -> Array:
    """`gain * v + bias` before clipping and rounding: (N, T, rows*h, cols*w) float64."""
    rows, columns = grid
    height, width = tile
    index = np.arange(len(frames)) if clips is None else clips
    out = np.zeros((len(index), frames.shape[1], rows * height, columns * width))
    y, x = np.mgrid[:height, :width].astype(np.float64)
    for n, clip in enumerate(index):
        gain, bias = tone[n].astype(np.float64)
        for region, (to_x, to_y) in enumerate(transforms[n].astype(np.float64)):
            at_x, at_y = to_x[0] * x + to_x[1] * y + to_x[2], to_y[0] * x + to_y[1] * y + to_y[2]
            row, column = divmod(region, columns)
            place = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
            for t, frame in enumerate(frames[clip]):
                out[n, t][place] = gain * bilinear(frame, at_x, at_y) + bias
    return out


def render(
    frames: Array,
    transforms: Array,
    tone: Array,
    grid: tuple[int, int],
    tile: tuple[int, int],
    clips: Array | None = None,
) -> Array:
    """`_core.render` with dtype uint8, to the last bit: `render_exact` in whole numbers."""
    rows, columns = grid
    height, width = tile
    index = np.arange(len(frames)) if clips is None else clips
    out = np.zeros((len(index), frames.shape[1], rows * height, columns * width), np.uint8)
    y, x = np.mgrid[:height, :width]
    for n, clip in enumerate(index):
        toning = fixed_tone(*tone[n].astype(np.float64))
        for region, fixed in enumerate(np.rint(transforms[n].astype(np.float64) * 2**31).astype(np.int64)):
            left, fx = fixed_place(fixed[0], x, y, frames.shape[3])
            top, fy = fixed_place(fixed[1], x, y, frames.shape[2])
            row, column = divmod(region, columns)
            place = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
            for t, frame in enumerate(frames[clip].astype(np.int64)):
                out[n, t][place] = fixed_mix(np.pad(frame, ((0, 1), (0, 1)), mode="edge"), left, fx, top, fy, toning)
    return out


def fixed_place(fixed: Array, x: Array, y: Array, size: int) -> tuple[Array, Array]:
    """First of two neighbours and the way to the second, in 2^-15 px: a row's start and the way along it, each rounded.

    `fixed` is one row of a transform in 2^-31 px. Outside the frame its edge is repeated.
    """
    at = ((fixed[1] * y + fixed[2] + 2**15) >> 16) + ((fixed[0] * x + 2**15) >> 16)
    at = np.clip(at, 0, (size - 1) << 15)
    whole = np.minimum(at >> 15, max(size - 2, 0))
    return whole, at - (whole << 15)


def fixed_tone(gain: float, bias: float) -> tuple[int, int, int]:
    """Gain over 126, bias and half a grey level in steps of 2^-shift levels: 16 and 31 bits, 2^-21 at most; shift."""
    for shift in range(21, -1, -1):
        factor, addend = np.rint(gain / 126 * 2.0**shift), np.rint((bias + 0.5) * 2.0**shift)
        if abs(factor) <= 32767 and abs((bias + 0.5) * 2.0**shift) <= 2**30:
            break
    return int(factor), int(addend), shift


def fixed_mix(padded: Array, left: Array, fx: Array, top: Array, fy: Array, tone: tuple[int, int, int]) -> Array:
    """Columns with weights that are 126 in all, rows with weights that are the gain in all; clipped, uint8."""
    gain, bias, shift = tone
    right = np.rint(126 * fx / 2**15).astype(np.int64)  # half to even: mirrored weights are mirrored
    above = padded[top, left] * (126 - right) + padded[top, left + 1] * right
    below = padded[top + 1, left] * (126 - right) + padded[top + 1, left + 1] * right
    lower = (gain * fy + 2**14) >> 15
    return np.clip((above * (gain - lower) + below * lower + bias) >> shift, 0, 255).astype(np.uint8)


def normalise(rendered: Array) -> Array:
    """What `_core.render` makes of its uint8 result (N, T, H, W) for dtype float32."""
    values = rendered.astype(np.float64)
    mean = values.mean(axis=(1, 2, 3), keepdims=True)
    deviation = values.std(axis=(1, 2, 3), keepdims=True)
    return ((values - mean) / np.maximum(deviation, 1.0)).astype(np.float32)


def grey_of(image: Array) -> Array:
    """(H, W) uint8 or (H, W, 3) BGR uint8 as float64 grey, not rounded."""
    return image @ np.array([0.114, 0.587, 0.299]) if image.ndim == 3 else image.astype(np.float64)


def align_exact(image: Array, transform: Array, size: tuple[int, int]) -> Array:
    """`_core.align` before rounding: (h, w) float64."""
    grey = grey_of(image)
    linear, shift = transform[:, :2], transform[:, 2]
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    centres = np.stack([x, y], axis=-1) @ linear.T + shift
    if np.sqrt(abs(np.linalg.det(linear))) <= 1:
        return bilinear(grey, centres[..., 0], centres[..., 1])
    inverse = np.linalg.inv(linear)
    radius = np.abs(linear).sum(axis=1)
    out = np.zeros(size)
    for place in np.ndindex(*size):
        centre = centres[place]
        first, last = np.floor(centre - radius).astype(int), np.ceil(centre + radius).astype(int)
        py, px = np.mgrid[first[1] : last[1] + 1, first[0] : last[0] + 1]
        u, v = np.moveaxis((np.stack([px, py], axis=-1) - centre) @ inverse.T, -1, 0)
        weight = np.maximum(0, 1 - np.abs(u)) * np.maximum(0, 1 - np.abs(v))
        values = grey[np.clip(py, 0, grey.shape[0] - 1), np.clip(px, 0, grey.shape[1] - 1)]
        out[place] = (weight * values).sum() / weight.sum()
    return out


def transform_points(points: Array, transform: Array) -> Array:
    """`_core.transform_points`: multiples of 1/1024 px."""
    moved = points.astype(np.float64) @ transform[:, :2].T + transform[:, 2]
    return (np.rint(moved * 1024) / 1024).astype(np.float32)


def mirror_points(points: Array, width: int, order: Array) -> Array:
    """`_core.mirror_points`."""
    mirrored = points[..., order, :].copy()
    mirrored[..., 0] = (width - 1) - mirrored[..., 0]
    return mirrored


def texture_planes(
    volume: Array, points: int, radii: tuple[int, int, int], interpolation: str
) -> list[tuple[Array, list[Array]]]:
    """Centres and samples of a (T, H, W) clip in the planes XY, XT and YT.

    Of each plane the (T - 2 rt, H - 2 ry, W - 2 rx) grey levels whose circles lie inside, and for each point of the
    circle the grey levels there, float64. Offsets are rounded to five decimals and coordinates are sums of place and
    offset, interpolated along the columns first, as scikit-image's local_binary_pattern does.
    """
    rx, ry, rt = radii
    grey = np.asarray(volume, np.float64)
    lengths = dict(zip("tyx", grey.shape, strict=True))
    margins = {"t": rt, "y": ry, "x": rx}
    places = {axis: np.arange(margins[axis], lengths[axis] - margins[axis]) for axis in "tyx"}
    centres = grey[np.ix_(*(places[axis] for axis in "tyx"))]

    def along(axis: str, values: Array) -> Array:
        return values.reshape([-1 if axis == other else 1 for other in "tyx"])

    def pick(moved: dict[str, Array]) -> Array:
        return grey[np.ix_(*(moved.get(axis, places[axis]) for axis in "tyx"))]

    planes = []
    for column, row, across, down in (("x", "y", rx, -ry), ("x", "t", rx, rt), ("t", "y", rt, -ry)):
        samples = []
        for p in range(points):
            offsets = {column: across * np.cos(2 * np.pi * p / points), row: down * np.sin(2 * np.pi * p / points)}
            if interpolation == "nearest":
                whole = {axis: places[axis] + int(np.floor(value + 0.5)) for axis, value in offsets.items()}
                samples.append(pick(whole))
                continue
            at = {axis: places[axis] + np.round(value, 5) for axis, value in offsets.items()}
            low = {axis: np.floor(value).astype(int) for axis, value in at.items()}
            high = {axis: np.ceil(value).astype(int) for axis, value in at.items()}
            right, below = (along(axis, at[axis] - low[axis]) for axis in (column, row))
            upper = (1 - right) * pick(low) + right * pick({column: high[column], row: low[row]})
            lower = (1 - right) * pick({column: low[column], row: high[row]}) + right * pick(high)
            samples.append((1 - below) * upper + below * lower)
        planes.append((centres, samples))
    return planes


def lbp_codes(volume: Array, points: int, radii: tuple[int, int, int], interpolation: str) -> Array:
    """Local binary patterns: bit p is set where sample p is at least as bright as the centre. (3, t, y, x) uint16."""
    return np.stack(
        [
            sum((sample >= centres).astype(np.uint16) << p for p, sample in enumerate(samples))
            for centres, samples in texture_planes(volume, points, radii, interpolation)
        ]
    ).astype(np.uint16)


def cbp_codes(volume: Array, points: int, radii: tuple[int, int, int], threshold: int, with_sign: bool) -> Array:
    """Centralised binary patterns (Fu and Wei 2008): opposite samples, then the centre against the mean of all.

    Bit p is set where |g_p - g_(p + P/2)| >= C, bit P/2 where |g_c - mean| >= C over the P + 1 grey levels; with the
    sign the differences themselves are compared. (3, t, y, x) uint16.
    """
    half = points // 2
    size = (lambda value: value) if with_sign else np.abs
    planes = []
    for centres, samples in texture_planes(volume, points, radii, "nearest"):
        codes = sum((size(samples[p] - samples[p + half]) >= threshold).astype(np.uint16) << p for p in range(half))
        # Times P + 1, so that nothing is divided.
        apart = size((points + 1) * centres - (centres + sum(samples)))
        planes.append(codes + ((apart >= (points + 1) * threshold).astype(np.uint16) << half))
    return np.stack(planes).astype(np.uint16)


def texture_counts(
    codes: Array, radii: tuple[int, int, int], size: tuple[int, int, int], blocks: Any, bins: int
) -> Array:
    """Histograms of (3, t, y, x) codes: (blocks, 3, bins). Block k of b ends at (k + 1) * size // b of the clip."""
    ends = [[(k + 1) * length // count for k in range(count)] for length, count in zip(size, blocks, strict=True)]
    counts = np.zeros((*blocks, 3, bins), np.uint32)
    rx, ry, rt = radii
    for plane, t, y, x in np.ndindex(*codes.shape):
        at = (t + rt, y + ry, x + rx)
        place = tuple(next(k for k, end in enumerate(e) if value < end) for value, e in zip(at, ends, strict=True))
        counts[(*place, plane, codes[plane, t, y, x])] += 1
    return counts.reshape(-1, 3, bins)


def tim(frames: Array, length: int) -> Array:
    """Temporal interpolation model of (n, H, W) linearly independent frames, before rounding: (length, H, W) float64.

    Step by step as docs/methods.md, section 5.6 has it: the frames' coordinates Q in the span of their deviations from
    the mean, the linear map W from there to the path graph's curve, and back from points of the curve to frames.

    Source: Z. Zhou, G. Zhao, M. Pietikainen, CVPR 2011, 137-144, as implemented in meb (tvaranka/meb).
    """
    n = len(frames)
    columns = frames.reshape(n, -1).T.astype(np.float64)
    mean = columns.mean(1, keepdims=True)
    left, singular, right = np.linalg.svd(columns - mean, full_matrices=False)
    left, q = left[:, : n - 1], singular[: n - 1, None] * right[: n - 1]
    path = np.diag([1, *[2] * (n - 2), 1]) - np.eye(n, k=1) - np.eye(n, k=-1)
    curve = np.linalg.eigh(path)[1][:, 1:]  # of the Laplacian, by rising eigenvalue; the constant one is left out
    w = np.linalg.solve(q @ q.T, q @ curve)
    k = np.arange(1, n)

    def y(t: float) -> Array:
        return np.asarray(np.sin(np.pi * k * t + np.pi * (n - k) / (2 * n)))

    m = q[:, 0] @ w / y(1 / n)
    new = [
        left @ np.linalg.solve(w.T, m * y(1 / n + i / (length - 1) * (1 - 1 / n))) + mean[:, 0] for i in range(length)
    ]
    return np.stack(new).reshape(length, *frames.shape[1:])


class RigidStep(NamedTuple):
    """What `rigid_step` gives: see `mertool.extraction.stabilise._Windows.fit`."""

    similarity: Array
    turns: Array
    stable: float


def normalised(grey: Array, side: int = 29, floor: float = 3.0) -> Array:
    """Grey levels less the mean of their `side` x `side` neighbourhood, over its standard deviation."""
    half = side // 2
    padded = np.pad(grey.astype(np.float64), half, mode="symmetric")
    around = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    return np.asarray((grey - around.mean((2, 3))) / np.sqrt(around.var((2, 3)) + floor**2))


def slopes(values: Array) -> tuple[Array, Array]:
    """Derivatives along x and y by Sobel's masks."""
    padded = np.pad(values, 1, mode="reflect")
    down = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return (down[:, 2:] - down[:, :-2]) / 8, (across[2:] - across[:-2]) / 8


def rigid_step(onset: Array, crop: Array, weight: Array, rigid_fields: Any, landmarks: Array) -> RigidStep:
    """The rigid motion between two nearly aligned crops, window by window.

    Args:
        onset, crop: (S, S) uint8.
        weight: (S, S) how much each pixel counts.
        rigid_fields: Function of points and landmarks: (N, 2, 6) displacement for each unknown.
        landmarks: (68, 2) in pixels of the crop.
    """
    first, second = normalised(onset), normalised(crop)
    across, down = slopes(first)
    count, points, shifts, inverses, left, energy = [], [], [], [], [], []
    for top in range(0, len(onset) - 12, 12):
        for start in range(0, len(onset) - 12, 12):
            window = np.s_[top : top + 24, start : start + 24]
            w = weight[window].astype(np.float64)
            if not w.sum() > 0.3 * 24**2:
                continue
            gradient = np.stack([across[window], down[window]])
            error = first[window] - second[window]
            tensor = np.einsum("yx,ayx,byx->ab", w, gradient, gradient) + (0.002 * w.sum() + 1e-6) * np.eye(2)
            sums = np.einsum("yx,ayx,yx->a", w, gradient, error)
            count.append(w.sum())
            points.append([start + 11.5, top + 11.5])
            inverses.append(np.linalg.inv(tensor))
            shifts.append(inverses[-1] @ sums)
            left.append((w * error**2).sum() - sums @ shifts[-1])
            energy.append((w * (first[window] ** 2 + second[window] ** 2)).sum())
    fields = rigid_fields(np.array(points), landmarks)
    noise = float(np.median(np.maximum(left, 0) / np.array(count)))
    motion = np.zeros(fields.shape[2])
    for scale in (0.25, 0.12, 0.05):
        for _ in range(3):
            system, right = np.zeros((6, 6)), np.zeros(6)
            for n, field in enumerate(fields):
                precision = np.linalg.inv(noise * inverses[n] + scale**2 * np.eye(2))
                away = shifts[n] - field @ motion
                trust = count[n] / (1 + away @ precision @ away) ** 2
                system += trust * field.T @ precision @ field
                right += trust * field.T @ precision @ shifts[n]
            motion = np.linalg.solve(system + 1e-9 * np.trace(system) * np.eye(6), right)
    follows = 0.0
    for n, field in enumerate(fields):
        away = shifts[n] - field @ motion
        near = away @ np.linalg.inv(noise * inverses[n] + 0.25**2 * np.eye(2)) @ away < 1
        follows += count[n] * (near and 2 * left[n] < energy[n])
    middle = (len(onset) - 1) / 2
    turn = np.array([[motion[0], -motion[1]], [motion[1], motion[0]]]) / (len(onset) / 2)
    similarity = np.concatenate([np.eye(2) + turn, (motion[2:4] - turn @ [middle, middle])[:, None]], 1)
    return RigidStep(similarity, motion[4:], follows / float(np.sum(count)))


def uniform_labels(points):
    """Label of each code: uniform ones (at most two changes round the circle) in their order, all others the last."""
    bits = np.arange(2**points)[:, None] >> np.arange(points) & 1
    uniform = (bits != np.roll(bits, 1, 1)).sum(1) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, uniform.sum())
