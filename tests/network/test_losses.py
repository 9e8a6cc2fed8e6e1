"""ArcFace against its formula, its gradient, and a prediction that knows no margin."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mertool.network.losses import arcface_logits, branch_losses, probabilities
from mertool.network.model import Output, build_model
from mertool.settings import Settings


def reference(cosines: np.ndarray, labels: np.ndarray, scale: float, margin: float) -> np.ndarray:
    """The formula with acos, float64."""
    out = cosines.astype(np.float64).copy()
    for row, label in enumerate(labels):
        theta = math.acos(out[row, label])
        beyond = theta + margin > math.pi
        out[row, label] = out[row, label] - margin * math.sin(margin) if beyond else math.cos(theta + margin)
    return scale * out


@pytest.mark.parametrize("margin", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("scale", [1.0, 10.0, 64.0])
def test_logits_follow_the_formula(scale: float, margin: float) -> None:
    cosines = np.random.default_rng(0).uniform(-0.999, 0.999, (400, 6))
    labels = np.arange(400) % 6
    cosines[0, 0] = -0.99  # beyond pi for every margin above 0.15
    ours = arcface_logits(torch.tensor(cosines), torch.tensor(labels), scale, margin)
    np.testing.assert_allclose(ours.numpy(), reference(cosines, labels, scale, margin), atol=1e-9 * scale)
    single = arcface_logits(torch.tensor(cosines, dtype=torch.float32), torch.tensor(labels), scale, margin)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), reference(cosines, labels, scale, margin), atol=1e-5 * scale)


def test_golden_values() -> None:
    # cos(60 deg + 0.5) by hand; other classes only scaled.
    out = arcface_logits(torch.tensor([[0.5, 0.2, -0.4]]), torch.tensor([0]), 30.0, 0.5)
    assert out[0].tolist() == pytest.approx([30 * math.cos(math.pi / 3 + 0.5), 6.0, -12.0], rel=1e-6)


@pytest.mark.parametrize("margin", [0.25, 0.5])
def test_gradient_is_that_of_the_formula(margin: float) -> None:
    # Ends as near as finite differences in double allow, both sides of the change at theta + m = pi.
    edge = math.cos(math.pi - margin)
    own = [-1 + 1e-5, -0.99, edge - 1e-3, edge + 1e-3, -0.5, 0.0, 0.5, 0.99, 1 - 1e-5]
    cosines = torch.zeros(len(own), 3, dtype=torch.float64)
    cosines[:, 1] = torch.tensor(own, dtype=torch.float64)
    cosines[:, 0], cosines[:, 2] = 0.3, -0.7
    labels = torch.ones(len(own), dtype=torch.int64)
    cosines.requires_grad_()
    assert torch.autograd.gradcheck(lambda c: arcface_logits(c, labels, 10.0, margin), cosines, eps=1e-8, atol=1e-3)
    # d cos(theta + m) / d cos theta = sin(theta + m) / sin theta: the factor a straight-through estimator drops.
    arcface_logits(cosines, labels, 1.0, margin)[:, 1].sum().backward()
    theta = np.arccos(own)
    expected = np.where(theta + margin > math.pi, 1.0, np.sin(theta + margin) / np.sin(theta))
    np.testing.assert_allclose(cosines.grad[:, 1].numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("cosine", [1.0, -1.0, 1.0 + 1e-6, -1.0 - 1e-6, 1.0 - 1e-7])
def test_gradient_is_finite_at_the_ends(cosine: float) -> None:
    cosines = torch.full((2, 3), cosine, requires_grad=True)
    logits = arcface_logits(cosines, torch.tensor([0, 2]), 10.0, 0.25)
    assert logits.abs().max() <= 10.0 * (1 + 0.25 * math.sin(0.25)) + 1e-4
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])).backward()
    assert cosines.grad.isfinite().all()


def test_margin_is_computed_in_float32_under_autocast() -> None:
    cosines = torch.rand(4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        low = arcface_logits(cosines.bfloat16(), torch.tensor([0, 1, 2, 0]), 10.0, 0.25)
        out = arcface_logits(cosines, torch.tensor([0, 1, 2, 0]), 10.0, 0.25)
    assert low.dtype == torch.float32
    assert torch.equal(out, arcface_logits(cosines, torch.tensor([0, 1, 2, 0]), 10.0, 0.25))


def test_branches_are_summed_and_only_the_perception_branch_has_a_margin() -> None:
    cosines, attention = torch.rand(6, 4) * 0.8, torch.randn(6, 4)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    output, settings = Output(cosines, attention, None), Settings(arcface=True, abn=True)
    plain, hard = (branch_losses(output, labels, settings, margin) for margin in (0.0, 0.25))
    assert torch.equal(plain.total, plain.perception + plain.attention)
    assert torch.equal(plain.attention, torch.nn.functional.cross_entropy(attention, labels))
    assert torch.equal(plain.attention, hard.attention)
    assert torch.equal(plain.perception, torch.nn.functional.cross_entropy(10.0 * cosines, labels))
    assert hard.perception > plain.perception
    linear = branch_losses(Output(cosines, None, None), labels, Settings(), 0.25)
    assert linear.attention is None
    assert torch.equal(linear.total, torch.nn.functional.cross_entropy(cosines, labels))


@pytest.mark.parametrize("arcface", [False, True])
def test_prediction_never_sees_the_margin(arcface: bool) -> None:
    settings = [Settings(width=4, blocks=1, arcface=arcface, arc_margin=margin) for margin in (0.0, 1.0)]
    x = torch.randn(3, 3, 64, 64)
    one, two = (probabilities(build_model(s, 5, 0).eval()(x), s).detach() for s in settings)
    assert torch.equal(one, two)
    assert one.dtype == torch.float64
    torch.testing.assert_close(one.sum(1), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-12)
    scores = build_model(settings[0], 5, 0).eval()(x).scores.double() * (10.0 if arcface else 1.0)
    torch.testing.assert_close(one, scores.softmax(1).detach())
