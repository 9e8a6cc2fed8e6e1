"""Samples -> the network's input: grey frames, or what changed, moved and stretched since the onset.

Vectors turn and mirror with the picture: a movement to the left is one to the right in the mirrored face. Grey frames
are normalised by their own mean and deviation; the other channels have one fixed scale.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ..settings import Settings
from .motion import eye_distance, strain_of
from .rendering import Augmentation, input_shape, render, render_transforms
from .samples import Samples

__all__ = ["render_input"]

# What is near 1 in the input of a micro-expression.
_GREY_LEVELS, _FLOW_PERCENT, _STRAIN_PERCENT = 8.0, 0.25, 1.5


def render_input(
    samples: Samples,
    rows: NDArray[np.int64],
    augmentation: Augmentation,
    settings: Settings,
    out: NDArray[np.float32],
) -> None:
    """Render B clips as the network sees them.

    Args:
        samples: Where the clips are.
        rows: (B,) rows of `samples`.
        augmentation: Of each of them; contrast multiplies grey levels and movements alike, brightness only the former.
        settings: `input`, `region`, `frames`, `tile`, `face_size` and `threads`.
        out: (B, C, H, W), C = `settings.channels`: grey frames first; then for the middle (with three frames) and the
            apex the difference, or right and down, and the strain.
    """
    if settings.input == "gray":
        render(samples, rows, augmentation, settings, out=out)
        return
    n_grey = settings.frames * ("gray" in settings.input)
    if n_grey:
        out[:, :n_grey] = render(samples, rows, augmentation, settings)
    for number in np.unique(samples.pack_row[rows, 0]):
        chosen = np.flatnonzero(samples.pack_row[rows, 0] == number)
        clips = samples.pack_row[rows[chosen], 1]
        out[chosen, n_grey:] = _render_motion(samples, number, clips, augmentation[chosen], settings)


def _render_motion(
    samples: Samples, number: int, clips: NDArray[np.int64], augmentation: Augmentation, settings: Settings
) -> NDArray[np.float32]:
    """(B, C, H, W) of clips of one pack, without grey frames."""
    pack = samples.packs[number]
    first = int(settings.frames == 1)  # the middle with three frames, else the apex
    transforms, (rows, columns), (height, width) = render_transforms(pack, clips, augmentation, settings)
    if settings.input == "diff":
        frames = pack.frames[clips].astype(np.float32)
        tiles = _tiles((frames[:, 1 + first :] - frames[:, :1]) / _GREY_LEVELS, transforms, (height, width), 1)
    else:
        flow = samples.flow_of(number)[clips, first:].astype(np.float32)
        fields = [flow / _FLOW_PERCENT]
        if "strain" in settings.input:
            fields.append((strain_of(flow, eye_distance(pack, clips)) / _STRAIN_PERCENT)[:, :, None])
        joined = np.concatenate(fields, 2)  # (B, F, 2 or 3, h, w)
        n_fields = joined.shape[2]
        tiles = _tiles(joined.reshape(len(clips), -1, *joined.shape[3:]), transforms, (height, width), 2)
        vectors = tiles.reshape(len(clips), -1, n_fields, *tiles.shape[2:])  # (B, F, 2 or 3, R, h, w)
        linear = transforms[..., :2].astype(np.float64)
        turn = linear / np.sqrt(np.abs(np.linalg.det(linear)))[..., None, None]  # (B, R, 2, 2), orthogonal
        vectors[:, :, :2] = np.einsum("brji,bfjrhw->bfirhw", turn.astype(np.float32), vectors[:, :, :2])
    tiles *= augmentation.tone[:, :1, None, None, None]
    batch, channels = tiles.shape[:2]
    mosaic = tiles.reshape(batch, channels, rows, columns, height, width).transpose(0, 1, 2, 4, 3, 5)
    return mosaic.reshape(batch, channels, *input_shape(settings))


def _tiles(
    fields: NDArray[np.float32], transforms: NDArray[np.float32], size: tuple[int, int], step: int
) -> NDArray[np.float32]:
    """Fields seen through transforms, bilinear, edges repeated.

    Args:
        fields: (B, C, h, w), every `step` stored pixels.
        transforms: (B, R, 2, 3), from a pixel of a tile to a stored pixel.
        size: Height and width of a tile.
        step: See `fields`.

    Returns:
        (B, C, R, *size).
    """
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    at = np.einsum("brij,jyx->bryxi", transforms.astype(np.float64), np.stack([x, y, np.ones_like(x)]))
    at = (at - (step - 1) / 2) / step  # (B, R, h, w, 2)
    sides = np.array(fields.shape[:1:-1], np.float64)
    grid = torch.from_numpy((2 * at / (sides - 1) - 1).astype(np.float32)).flatten(1, 2)  # (B, R h, w, 2)
    found = functional.grid_sample(torch.from_numpy(fields), grid, padding_mode="border", align_corners=True)
    return found.numpy().reshape(*fields.shape[:2], transforms.shape[1], *size)
