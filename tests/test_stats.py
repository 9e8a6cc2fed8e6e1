"""Intervals against scipy and at their ends."""

from __future__ import annotations

import pytest

from mertool.stats import wilson


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 2, 24, 121, 442, 100_000])
def test_wilson_agrees_with_scipy(n: int, confidence: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    for hits in sorted({0, 1, n // 3, n // 2, n - 1, n}):
        expected = stats.binomtest(hits, n).proportion_ci(confidence, method="wilson")
        assert wilson(hits, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_by_hand() -> None:
    # The paper's best, 80 of 121. With z = 1.96: centre (0.66116 + 0.01587) / 1.03175 = 0.65620,
    # half width 1.96 sqrt(0.66116 0.33884 / 121 + 3.8416 / (4 121^2)) / 1.03175 = 0.08318.
    assert wilson(80, 121) == pytest.approx((0.57302, 0.73938), abs=2e-5)


def test_wilson_is_mirrored_and_exact_at_the_ends() -> None:
    for n in range(1, 200):
        assert (wilson(0, n)[0], wilson(n, n)[1]) == (0.0, 1.0)
    low, high = wilson(3, 10)
    assert wilson(7, 10) == pytest.approx((1 - high, 1 - low), abs=1e-15)


@pytest.mark.parametrize(
    ("hits", "n", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (0, 0, 0.95), (1, 5, 1.0), (1, 5, 0)]
)
def test_wilson_refuses_what_is_no_share(hits: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"^wilson: expected 0 <= hits <= n and 0 < confidence < 1, got"):
        wilson(hits, n, confidence)
