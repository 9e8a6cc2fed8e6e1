"""Texture features of whole clips: LBP-TOP and CBP-TOP histograms of the fifteen regions, or of blocks of the face.

A pack's `sequence` is rendered to the mosaic of the regions or to the face, with one geometry a clip and one
interpolation in space; then interpolated in time to `length` frames; then coded and counted by `_core`. Histograms are
in the order region (row by row of the mosaic), block (t, y, x), plane (XY, XT, YT), bin.

Features are kept beside their pack, in `NAME.features/`, under a hash of everything that they depend on.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..errors import DataError, FileError, UsageError
from ..files import make_folder
from ..network.inputs import Samples, geometry
from ..pack import Pack, file_sha256, write_arrays
from ..regions import GRID, REGIONS, SQUARE
from ..settings import Settings, fields_of, parse_xyt

__all__ = [
    "Layout",
    "check_packs",
    "compute_histograms",
    "features_of",
    "interpolate_frames",
    "layout_of",
    "texture_volumes",
    "uniform_labels",
]

_PLANES = ("XY", "XT", "YT")
_FORMAT = 1  # of what the features are: goes up when the same settings give other numbers
_BATCH = 8  # clips rendered and counted at once: memory stays small
_MOST_BYTES = 2 * 1024**3  # of the features of one pack

Progress = Callable[[int, int], None]


class Layout(NamedTuple):
    """What the columns of the features are.

    Attributes:
        places: Names of the regions, or "face".
        blocks: Histograms along t, y and x in each place.
        bins: Bins of a histogram.
    """

    places: tuple[str, ...]
    blocks: tuple[int, int, int]
    bins: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(places, blocks, planes, bins), whose product is the number of features."""
        return len(self.places), int(np.prod(self.blocks)), len(_PLANES), self.bins

    @property
    def size(self) -> int:
        """Number of features."""
        return int(np.prod(self.shape))

    def count_places(self, columns: NDArray[np.int64]) -> dict[str, dict[str, int]]:
        """How many of these columns belong to each region, plane by plane: {"M_nose": {"XY": 3, "XT": 8, "YT": 5}}.

        Of the face, to each of its blocks, "block 1,2" being the first row's second.
        """
        chosen = np.zeros(self.size, np.int64)
        chosen[columns] = 1
        t, y, x = self.blocks
        counts = chosen.reshape(len(self.places), t, y * x, len(_PLANES), self.bins).sum((1, 4))
        names = self.places
        if len(names) == 1:
            counts = counts.transpose(1, 0, 2)
            names = tuple(f"block {row + 1},{column + 1}" for row in range(y) for column in range(x))
        totals = counts.sum(1).tolist()
        return {name: dict(zip(_PLANES, row, strict=True)) for name, row in zip(names, totals, strict=True)}

    @property
    def map_shape(self) -> tuple[int, int]:
        """Rows and columns in which the names of `count_places` lie."""
        return GRID if len(self.places) > 1 else (self.blocks[1], self.blocks[2])


def layout_of(settings: Settings) -> Layout:
    """The columns that these settings give."""
    regions = settings.region == "roi"
    grid = settings.grid if settings.grid != "auto" else "1,1,2" if regions else "5,5,2"
    x, y, t = parse_xyt("grid", grid, 64)
    points = settings.points
    if settings.method == "cbp-top":
        bins = 2 ** (points // 2 + 1)
    else:
        bins = 2**points if settings.mapping == "full" else points * (points - 1) + 3
    return Layout(tuple(region.name for region in REGIONS) if regions else ("face",), (t, y, x), bins)


def uniform_labels(points: int) -> NDArray[np.int64]:
    """(2^P,) bin of each code under the mapping u2: uniform codes in ascending order, then all others in the last.

    A code is uniform if it has at most two changes between 0 and 1 round its circle. Source: Ojala et al., PAMI 24
    (2002) 971-987; the order is that of Oulu's getmapping.
    """
    codes = np.arange(2**points)
    turned = codes >> 1 | (codes & 1) << (points - 1)
    changes = np.array([int(code).bit_count() for code in codes ^ turned])
    uniform = changes <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, points * (points - 1) + 2)


def interpolate_frames(frames: NDArray[np.uint8], length: int, how: str) -> NDArray[np.uint8]:
    """A clip with another number of frames, evenly spaced from its first to its last.

    A frame equal to the one before it is left out first: a sequence that is longer than its clip repeats frames.

    Args:
        frames: (n, H, W), n in 1...
        length: Frames of the result, 2 or more.
        how: "linear", or "tim": the temporal interpolation model of Zhou et al. (CVPR 2011), which lays the frames on
            the curve y_k(t) = sin(pi k t + pi (n - k) / (2 n)), k in 1..n - 1. For linearly independent frames its
            solution is a cosine interpolation of each pixel over time, with coefficients that do not depend on the
            frames; this is what is computed, also where frames depend on each other and the model has no solution.

    Returns:
        (length, H, W) uint8, rounded half to even.
    """
    frames = frames[[True, *(bool((frames[k] != frames[k - 1]).any()) for k in range(1, len(frames)))]]
    n = len(frames)
    if n == 1:
        return np.repeat(frames, length, axis=0)
    shares = _linear_shares(n, length) if how == "linear" else _tim_shares(n, length)
    flat = np.zeros((length, frames[0].size))
    for share, frame in zip(shares.T, frames, strict=True):  # one by one: no sum depends on a library's threads
        flat += share[:, None] * frame.ravel()
    return np.asarray(np.clip(np.rint(flat), 0, 255), np.uint8).reshape(length, *frames.shape[1:])


def _linear_shares(n: int, length: int) -> NDArray[np.float64]:
    """(length, n) share of each frame in each new one."""
    place = np.linspace(0, n - 1, length)
    return np.asarray(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(n))))


def _tim_shares(n: int, length: int) -> NDArray[np.float64]:
    """The same for the temporal interpolation model: mean + sum over k of (2 / n) y_k(old) y_k(new)."""
    k = np.arange(1, n)

    def curve(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sin(np.pi * k * t[:, None] + np.pi * (n - k) / (2 * n)))

    old, new = np.arange(1, n + 1) / n, np.linspace(1 / n, 1, length)
    return np.asarray(1 / n + 2 / n * (curve(new)[:, None] * curve(old)).sum(-1))


def texture_volumes(pack: Pack, clips: NDArray[np.int64], settings: Settings) -> NDArray[np.uint8]:
    """What is coded of these clips of a pack that `check_packs` lets pass.

    Returns:
        (B, places, L, h, w): the squares of the fifteen regions, or the face.
    """
    assert pack.sequence is not None
    plain = np.zeros(len(clips))
    transforms, (rows, columns), (height, width) = geometry(pack, clips, plain, plain > 0, settings)
    tone = np.tile(np.array([1, 0], np.float32), (len(clips), 1))
    shown = _core.render(
        pack.sequence, transforms, tone, (rows, columns), (height, width), clips=clips, threads=settings.threads
    )
    if settings.length:
        shown = np.stack([interpolate_frames(clip, settings.length, settings.interpolation) for clip in shown])
    length = shown.shape[1]
    cells = shown.reshape(len(clips), length, rows, height, columns, width).transpose(0, 2, 4, 1, 3, 5)
    return np.ascontiguousarray(cells.reshape(len(clips), rows * columns, length, height, width))


def check_packs(packs: Sequence[Pack], settings: Settings) -> None:
    """Refuse packs and settings of which no features can be made, before any work.

    Raises:
        UsageError: Circles that find no place in a picture, or more features to select than there are.
        DataError: A pack without a sequence, or with one of too few frames; or too many features to hold.
    """
    rx, ry, rt = parse_xyt("radii", settings.radii, 64)
    side, option = (settings.tile, "--tile") if settings.region == "roi" else (settings.face_size, "--face-size")
    if side <= 2 * max(rx, ry):
        raise UsageError(
            f"--radii: circles of radius {max(rx, ry)} find no place in {side} px; choose smaller ones or a larger "
            f"{option}"
        )
    layout = layout_of(settings)
    if settings.n_features.isdigit() and int(settings.n_features) > layout.size:
        raise UsageError(
            f"--n-features: expected at most {layout.size}, the features that these settings give, got "
            f"{settings.n_features}"
        )
    for pack in packs:
        if pack.sequence is None:
            raise DataError(
                f"{pack.path}: has no sequence of frames, of which texture features are made; extract it again with "
                "--sequence 20"
            )
        length = settings.length or pack.sequence.shape[1]
        if length <= 2 * rt:
            raise DataError(
                f"{pack.path}: its sequence of {length} frames holds no circle of radius {rt} in time; choose a "
                f"--length of at least {2 * rt + 1}, or extract it with a longer --sequence"
            )
        if any(blocks > size for blocks, size in zip(layout.blocks, (length, side, side), strict=True)):
            raise UsageError(
                f"--grid: more blocks than there are frames or pixels: {length} frames of {side} x {side} px"
            )
        if 4 * len(pack.ids) * layout.size > _MOST_BYTES:
            raise DataError(
                f"{pack.path}: {layout.size} features of each of {len(pack.ids)} clips do not fit into memory; choose "
                "fewer --points, --mapping u2 or a smaller --grid"
            )


def compute_histograms(volumes: NDArray[np.uint8], settings: Settings) -> NDArray[np.float32]:
    """Histograms of texture codes.

    Args:
        volumes: (B, places, L, h, w) as `texture_volumes` gives them.
        settings: `method`, `points`, `radii`, `sampling`, `mapping`, `normalise`, `threshold`, `signed`, `grid`.

    Returns:
        (B, features) float32: shares that sum to 1 in each histogram, or counts.
    """
    layout = layout_of(settings)
    count, places = volumes.shape[:2]
    lbp = settings.method == "lbp-top"
    counts = _core.texture_counts(
        volumes.reshape(count * places, *volumes.shape[2:]),
        "lbp" if lbp else "cbp",
        settings.points,
        parse_xyt("radii", settings.radii, 64),
        "bilinear" if lbp and settings.sampling == "bilinear" else "nearest",
        0 if lbp else settings.threshold,
        not lbp and settings.signed,
        layout.blocks,
        settings.threads,
    )
    if lbp and settings.mapping == "u2":
        labels = uniform_labels(settings.points)
        order = np.argsort(labels, kind="stable")
        starts = np.searchsorted(labels[order], np.arange(layout.bins))
        counts = np.add.reduceat(counts[..., order], starts, axis=-1)
    if not settings.normalise:
        return counts.reshape(count, -1).astype(np.float32)
    sums = np.maximum(counts.sum(-1, keepdims=True), 1)  # a block that holds no circle has an empty histogram
    return np.asarray((counts / sums).reshape(count, -1), np.float32)


def features_of(
    samples: Samples, settings: Settings, progress: Progress = lambda _done, _total: None, *, kept: bool = True
) -> NDArray[np.float32]:
    """Features of all clips of `samples`.

    Args:
        samples: The clips.
        settings: See `compute_histograms`.
        progress: Called with (clips done, clips in all).
        kept: Read those that are kept beside their packs, and keep them there; else compute them.

    Returns:
        (N, features) float32.

    Raises:
        MertoolError: As `check_packs`.
    """
    check_packs(samples.packs, settings)
    total = sum(len(pack.ids) for pack in samples.packs)
    done = 0
    tables = []
    for pack in samples.packs:
        path, key = _place(pack, settings)
        table = _read(path, key, len(pack.ids), layout_of(settings).size) if kept else None
        if table is None:
            table = _compute(pack, settings, progress, done, total)
            if kept:
                _keep(path, key, table)
        tables.append(table)
        done += len(pack.ids)
        progress(done, total)
    return np.stack([tables[number][row] for number, row in samples.place])


def _compute(pack: Pack, settings: Settings, progress: Progress, before: int, total: int) -> NDArray[np.float32]:
    n, size = len(pack.ids), layout_of(settings).size
    table = np.empty((n, size), np.float32)
    for start in range(0, n, _BATCH):
        clips = np.arange(start, min(start + _BATCH, n))
        table[clips] = compute_histograms(texture_volumes(pack, clips, settings), settings)
        progress(before + int(clips[-1]) + 1, total)
    return table


# Kept features.


def _place(pack: Pack, settings: Settings) -> tuple[Path, str]:
    """The file that keeps a pack's features, and the text of what they depend on."""
    size = "tile" if settings.region == "roi" else "face_size"
    own = fields_of("lbp-top" if settings.method == "lbp-top" else "cbp-top")
    fields = {"method", "region", size, *fields_of("texture"), *own}
    key: dict[str, Any] = {name: getattr(settings, name) for name in fields}
    key |= {"format": _FORMAT, "pack": file_sha256(pack.path), "clips": list(pack.ids)}
    key |= {"blocks": layout_of(settings).blocks, "regions": [GRID, SQUARE, [region.centre for region in REGIONS]]}
    text = json.dumps(key, sort_keys=True)
    name = f"{settings.method}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"
    return pack.path.with_suffix(".features") / name, text


def _read(path: Path, key: str, n: int, size: int) -> NDArray[np.float32] | None:
    """Kept features; None where there are none, or others, or damaged ones: they can be made again."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {}
            for name in ("key", "sha256", "features"):
                with archive.open(f"{name}.npy") as member:
                    members[name] = np.lib.format.read_array(member, allow_pickle=False)
        table = members["features"]
        whole = str(members["sha256"]) == hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()
    except Exception:  # whatever is wrong with a kept copy, the answer is to make it again
        return None
    right = whole and str(members["key"]) == key and table.shape == (n, size) and table.dtype == np.float32
    return table if right else None


def _keep(path: Path, key: str, table: NDArray[np.float32]) -> None:
    """Keep features for the next run; a folder that cannot be written is no reason to fail."""
    digest = hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()
    try:
        make_folder(path.parent)
        write_arrays(path, {"key": np.array(key), "sha256": np.array(digest), "features": table})
    except FileError:
        return
