"""What training and audit of a network share: rendered batches, and scores on the clips that choose an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...evaluation.metrics import evaluate
from ...inputs.channels import render_input
from ...inputs.rendering import Augmentation, input_shape
from ...inputs.samples import Samples
from ...settings import Settings
from ..config import RunConfig

if TYPE_CHECKING:
    from torch import Tensor

    from ...network.training import ValidationScores

__all__ = ["inference_batches", "render_batch", "score"]

_RENDER_BATCH = 32  # clips rendered at once: memory stays small


def inference_batches(samples: Samples, rows: NDArray[np.int64], config: RunConfig) -> Iterator[Tensor]:
    """Batches (B, T, H, W) of clips as they are, in the order of `rows`."""
    for start in range(0, len(rows), _RENDER_BATCH):
        part = rows[start : start + _RENDER_BATCH]
        yield render_batch(samples, part, Augmentation.identity(len(part)), config.settings)


def render_batch(samples: Samples, rows: NDArray[np.int64], augmentation: Augmentation, settings: Settings) -> Tensor:
    """(B, C, H, W) on the CPU, rendered straight into the memory that a GPU fetches it from."""
    import torch

    shape = (len(rows), settings.channels, *input_shape(settings))
    pinned = settings.device == "cuda" and torch.cuda.is_available()
    batch = torch.empty(shape, pin_memory=pinned)
    render_input(samples, rows, augmentation, settings, batch.numpy())
    return batch


def score(samples: Samples, rows: NDArray[np.int64], probabilities: NDArray[np.float64]) -> ValidationScores:
    """Log loss and UF1 of (n, K) probabilities of these rows."""
    from ...network.training import ValidationScores

    found = samples.predictions(rows, probabilities)
    of_truth = found.probabilities[np.arange(len(rows)), samples.labels[rows]]
    return ValidationScores(float(-np.log(np.maximum(of_truth, 1e-12)).mean()), evaluate(found)["uf1"])
