"""Texture features of all clips, cached beside their packs.

`NAME.features/` beside `NAME.npz` holds one file per combination of everything that the features depend on; a hash of
this key is part of the file's name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from ..files import file_sha256, make_folder, read_arrays, write_arrays
from ..inputs.samples import Samples
from ..pack import Pack
from ..regions import GRID, REGIONS, SQUARE
from ..settings import Settings, fields_of
from .features import check_packs, compute_histograms, layout_of, texture_volumes

__all__ = ["features_of"]

_FORMAT = 1  # goes up when the same settings give other features
_BATCH = 8  # clips rendered and counted at once, so that memory stays small
_LARGEST = 2**40  # bytes of kept features

Progress = Callable[[int, int], None]


def features_of(
    samples: Samples, settings: Settings, progress: Progress = lambda _done, _total: None, *, use_cache: bool = True
) -> NDArray[np.float32]:
    """Features of all clips of `samples`.

    Args:
        samples: The clips.
        settings: See `mertool.texture.features.compute_histograms`.
        progress: Called with (clips done, clips in all).
        use_cache: Read features that are stored beside their pack, and store new ones; otherwise compute all.

    Returns:
        (N, features) float32.

    Raises:
        MertoolError: As `mertool.texture.features.check_packs`.
    """
    check_packs(samples.packs, settings)
    size = layout_of(settings).size
    total = sum(len(pack.ids) for pack in samples.packs)
    done = 0
    tables = []
    for pack in samples.packs:
        path, key = _cache_path(pack, settings)
        table = None
        if use_cache:
            table = _load_cached(path, key, (len(pack.ids), size))
        if table is None:
            table = _compute(pack, settings, progress, done, total)
            if use_cache:
                _store(path, key, table)
        tables.append(table)
        done += len(pack.ids)
        progress(done, total)
    return np.stack([tables[number][row] for number, row in samples.pack_row])


def _compute(pack: Pack, settings: Settings, progress: Progress, before: int, total: int) -> NDArray[np.float32]:
    n, size = len(pack.ids), layout_of(settings).size
    table = np.empty((n, size), np.float32)
    for start in range(0, n, _BATCH):
        clips = np.arange(start, min(start + _BATCH, n))
        table[clips] = compute_histograms(texture_volumes(pack, clips, settings), settings)
        progress(before + int(clips[-1]) + 1, total)
    return table


def _cache_path(pack: Pack, settings: Settings) -> tuple[Path, str]:
    """The file for a pack's features, and the key: the text of everything that they depend on."""
    size = "tile" if settings.region == "roi" else "face_size"
    fields = {"method", "region", size, *fields_of("texture"), *fields_of(settings.method)}
    key: dict[str, Any] = {name: getattr(settings, name) for name in fields}
    key |= {"format": _FORMAT, "pack": file_sha256(pack.path), "clips": list(pack.ids)}
    key |= {"blocks": layout_of(settings).blocks, "regions": [GRID, SQUARE, [region.centre for region in REGIONS]]}
    text = json.dumps(key, sort_keys=True)
    name = f"{settings.method}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"
    return pack.path.with_suffix(".features") / name, text


def _load_cached(path: Path, key: str, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Cached features; None where there are none, or others, or damaged ones: they can be computed again."""
    try:
        members = read_arrays(path, _LARGEST)
        table = members["features"]
        intact = str(members["key"]) == key and str(members["sha256"]) == _digest(table)
    except Exception:  # whatever is wrong with a cached copy, the answer is to compute it again
        return None
    if intact and table.shape == shape and table.dtype == np.float32:
        return table
    return None


def _store(path: Path, key: str, table: NDArray[np.float32]) -> None:
    """Store features for the next run; a folder that cannot be written to is no reason to fail."""
    try:
        make_folder(path.parent)
        write_arrays(path, {"key": np.array(key), "sha256": np.array(_digest(table)), "features": table})
    except FileError:
        return


def _digest(table: NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()
