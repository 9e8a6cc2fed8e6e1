"""Class probabilities and attention maps of a trained network."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..settings import Settings
from .device import autocast, deterministic_arithmetic, input_to_device
from .losses import probabilities
from .model import Network

__all__ = ["predict"]

# Arithmetic libraries choose their kernels, and so the last digits, by the size of a batch: hence always the same size.
_BATCH_SIZE = 16


def predict(
    model: Network, batches: Iterable[Tensor], settings: Settings
) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    """Class probabilities of the perception branch, and attention maps.

    Every clip is computed in a batch of one fixed size, padded with zeros, so that its result depends neither on the
    caller's batches nor on the other clips.

    Args:
        model: A trained network on any device; it is put into evaluation mode.
        batches: (B, T, H, W) float32 inputs, any B, all of one height and width.
        settings: `arcface`, `arc_scale` and `precision` of the network.

    Returns:
        probabilities: (N, K) float64 in the order of the inputs; every row sums to 1.
        maps: (N, h, w) float32 in 0..1, or None without an attention branch.

    Raises:
        ValueError: `batches` is empty.
    """
    device = next(model.parameters()).device
    model.eval()
    rows: list[NDArray[np.float64]] = []
    maps: list[NDArray[np.float32]] = []
    with deterministic_arithmetic(), torch.inference_mode():
        for batch in batches:
            for start in range(0, len(batch), _BATCH_SIZE):
                part = batch[start : start + _BATCH_SIZE]  # (n, T, H, W)
                n = len(part)
                padded = functional.pad(part, (0, 0, 0, 0, 0, 0, 0, _BATCH_SIZE - n))  # (16, T, H, W)
                with autocast(settings, device):
                    output = model(input_to_device(padded, device))
                rows.append(probabilities(output, settings)[:n].numpy())  # (n, K)
                if output.map is not None:
                    maps.append(output.map[:n, 0].cpu().numpy())  # (n, h, w)
    return np.concatenate(rows), np.concatenate(maps) if maps else None
