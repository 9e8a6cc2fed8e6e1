"""Losses and probabilities: cross-entropy of both branches, ArcFace margins, and predictions without a margin.

ArcFace (Deng et al., CVPR 2019) with the exact gradient of its formula, free of acos: with c the cosine between a
feature and its own class, cos(theta + m) = c cos m - sin m sqrt(1 - c^2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ..settings import Settings
from .model import Output

__all__ = ["Losses", "arcface_logits", "branch_losses", "probabilities"]

_SMALLEST_SINE_SQUARED = 1e-7  # below it d/dc sqrt(1 - c^2) grows without bound in float32 (infinite at c = +-1)


class Losses(NamedTuple):
    """Mean losses of a batch, scalars: `total` is the sum of both branches' losses (1 : 1, as in the ABN paper)."""

    total: Tensor
    perception: Tensor
    attention: Tensor | None


def arcface_logits(cosines: Tensor, labels: Tensor, scale: float, margin: float) -> Tensor:
    """Scaled cosines, with `margin` added to the angle of each row's own class.

    Beyond theta + m = pi, where cos(theta + m) would rise again, the linear continuation c - m sin m keeps pulling
    with slope 1. Computed in float32 also under autocast; float64 stays float64.

    Args:
        cosines: (B, K); values outside -1..1 (by rounding) are clamped.
        labels: (B,) int64 in 0..K-1.
        scale: s; the logits are in about -s..s.
        margin: m in radians, 0..1.

    Returns:
        (B, K) float32 (float64 for float64 input).

    Source: the formula, its tail and its safe gradient: Deng et al., equation 3, and the common `easy_margin=False`.
    """
    cosines = cosines if cosines.dtype == torch.float64 else cosines.float()
    c = cosines.clamp(-1.0, 1.0)  # (B, K)
    sine = (1.0 - c * c).clamp_min(_SMALLEST_SINE_SQUARED).sqrt()  # (B, K)
    shifted = c * math.cos(margin) - sine * math.sin(margin)  # (B, K)
    tail = c - margin * math.sin(margin)  # (B, K)
    shifted = torch.where(c > math.cos(math.pi - margin), shifted, tail)  # (B, K)
    own = functional.one_hot(labels, cosines.shape[1]).bool()  # (B, K)
    return scale * torch.where(own, shifted, c)  # (B, K)


def branch_losses(output: Output, labels: Tensor, settings: Settings, margin: float) -> Losses:
    """Cross-entropy of the perception branch (with margins for an ArcFace head) and of the attention branch.

    The attention branch always has plain cross-entropy: its pooled logits are not products of a feature and a class
    direction that could be normalised.

    Args:
        output: Of a batch of B clips.
        labels: (B,) int64 in 0..K-1.
        settings: `arcface` and `arc_scale`.
        margin: Current ArcFace margin in radians; without ArcFace it has no effect.
    """
    scores = output.scores
    if settings.arcface:
        scores = arcface_logits(scores, labels, settings.arc_scale, margin)
    perception = functional.cross_entropy(scores, labels)
    if output.attention_logits is None:
        return Losses(perception, perception, None)
    attention = functional.cross_entropy(output.attention_logits, labels)
    return Losses(perception + attention, perception, attention)


def probabilities(output: Output, settings: Settings) -> Tensor:
    """Class probabilities of the perception branch, (B, K) float64 on the CPU: softmax of logits or s cos theta."""
    scale = settings.arc_scale if settings.arcface else 1.0
    return functional.softmax(scale * output.scores.cpu().double(), dim=1)
