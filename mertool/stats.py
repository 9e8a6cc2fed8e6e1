"""Intervals for scores of few clips."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

__all__ = ["wilson"]


def wilson(hits: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a share, without continuity correction.

    It treats the n trials as independent; clips of one person are not quite, so the truth is a little wider.

    Args:
        hits: Number of successes, 0..n.
        n: Number of trials, at least 1.
        confidence: Coverage, between 0 and 1.

    Returns:
        Lower and upper bound, 0..1.

    Raises:
        ValueError: An argument is out of its range.

    Source: E. B. Wilson, JASA 22 (1927) 209-212.
    """
    if not 0 <= hits <= n or n < 1 or not 0 < confidence < 1:
        raise ValueError(f"wilson: expected 0 <= hits <= n and 0 < confidence < 1, got {hits}, {n}, {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The bounds are exactly 0 and 1 at the ends; rounding must not push them a hair beside.
    return (0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half)
