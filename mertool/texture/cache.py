"""Texture features of all clips, kept beside their packs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inputs.kept import KeptArray
from ..inputs.samples import Samples
from ..pack import Pack
from ..regions import GRID, REGIONS, SQUARE
from ..settings import Settings, fields_of
from .features import check_packs, compute_histograms, layout_of, texture_volumes

__all__ = ["features_of"]

_FORMAT = 1  # goes up when the same settings give other features
_BATCH = 8  # clips rendered and counted at once, so that memory stays small

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
        kept, table = _kept(pack, settings), None
        if use_cache:
            table = kept.load((len(pack.ids), size), np.float32)
        if table is None:
            table = _compute(pack, settings, progress, done, total)
            if use_cache:
                kept.store(table)
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


def _kept(pack: Pack, settings: Settings) -> KeptArray:
    """The place of a pack's features, by everything that they depend on."""
    size = "tile" if settings.region == "roi" else "face_size"
    fields = {"method", "region", size, *fields_of("texture"), *fields_of(settings.method)}
    key: dict[str, Any] = {name: getattr(settings, name) for name in fields}
    key |= {"format": _FORMAT, "blocks": layout_of(settings).blocks}
    key |= {"regions": [GRID, SQUARE, [region.centre for region in REGIONS]]}
    return KeptArray(pack, settings.method, key)
