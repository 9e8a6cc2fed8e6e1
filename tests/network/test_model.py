"""The network: every variant, its shapes, its seeds, and what its stem and attention really are."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
import torch
from torch import nn

from mertool.network.losses import branch_losses
from mertool.network.model import Block, build_model
from mertool.settings import Settings

K = 5
SIZES = {"roi": (96, 160), "face": (128, 128)}
VARIANTS = list(itertools.product((1, 3), (False, True), (False, True), ("global", "region"), ("roi", "face")))


def tiny(**fields: object) -> Settings:
    return Settings(**{"width": 4, "blocks": 1, **fields})  # type: ignore[arg-type]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("frames", "abn", "arcface", "pool", "region"), VARIANTS)
def test_variant_gives_scores_and_gradients_everywhere(
    frames: int, abn: bool, arcface: bool, pool: str, region: str
) -> None:
    settings = tiny(frames=frames, abn=abn, arcface=arcface, pool=pool, region=region)
    model = build_model(settings, K, 0)
    output = model(noise(4, frames, *SIZES[region]))
    assert output.scores.shape == (4, K)
    assert output.scores.isfinite().all()
    if arcface:
        assert output.scores.abs().max() <= 1.0 + 1e-6
    assert (output.attention_logits is not None) is (output.map is not None) is abn
    if abn:
        assert output.attention_logits.shape == (4, K)
        assert output.map.shape == (4, 1, *((12, 20) if region == "roi" else (16, 16)))
        assert 0.0 < output.map.min() < output.map.max() < 1.0
    branch_losses(output, torch.arange(4), settings, 0.25).total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 47), (96, 160), (200, 64)])
@pytest.mark.parametrize("stem", [(3, 1), (5, 2), (7, 2)])
@pytest.mark.parametrize("pool", ["global", "region"])
def test_any_size_from_32_works(height: int, width: int, stem: tuple[int, int], pool: str) -> None:
    settings = tiny(abn=True, pool=pool, region="roi", stem_kernel=stem[0], stem_stride=stem[1], map_kernel=1)
    output = build_model(settings, K, 0)(noise(2, 3, height, width))
    assert output.scores.isfinite().all()
    # Stem, stage 2 and stage 3 each divide by their stride and round up.
    size = [-(-n // (4 * stem[1])) for n in (height, width)]
    assert list(output.map.shape) == [2, 1, *size]


def test_size_is_that_of_the_reference() -> None:
    # docs/methods.md, section 1.2: width 16 has 0.70 M parameters, with the attention branch 1.23 M.
    counts = [
        sum(p.numel() for p in build_model(Settings(abn=abn, blocks=2, pool="global"), 6, 0).parameters())
        for abn in (False, True)
    ]
    assert [round(n / 1e6, 2) for n in counts] == [0.70, 1.23]


@pytest.mark.parametrize("n_in", [4, 8, 16])
def test_shortcuts_of_narrow_blocks_give_what_strided_ones_give(n_in: int) -> None:
    """oneDNN's strided 1 x 1 convolution of few channels in channels-last order corrupts the heap; see `Block`."""
    block = Block(n_in, 2 * n_in, 2).eval()
    x = noise(2, n_in, 9, 12)
    convolution, norm = block.shortcut
    strided = nn.Conv2d(n_in, 2 * n_in, 1, 2, bias=False)
    strided.load_state_dict(convolution.state_dict())
    main = block.norm2(block.conv2(block.norm1(block.conv1(x)).relu()))
    torch.testing.assert_close(block(x), (main + norm(strided(x))).relu())


@pytest.mark.parametrize("width", [4, 8, 12])
def test_narrow_networks_train_in_channels_last_without_corrupting_the_heap(width: int) -> None:
    code = (
        "import torch\nfrom mertool.settings import Settings\nfrom mertool.network.model import build_model\n"
        f"model = build_model(Settings(region='roi', abn=True, width={width}), 4, 0)\n"
        "model = model.to(memory_format=torch.channels_last)\n"
        "for _ in range(3):\n"
        "    x = torch.randn(16, 3, 96, 160).to(memory_format=torch.channels_last)\n"
        "    output = model(x)\n    (output.scores.sum() + output.attention_logits.sum()).backward()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_weights_depend_on_the_seed_only() -> None:
    settings = tiny(abn=True, arcface=True)
    torch.manual_seed(1)
    one = build_model(settings, K, 7).state_dict()
    torch.manual_seed(2)
    state = torch.get_rng_state()
    two = build_model(settings, K, 7).state_dict()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = build_model(settings, K, 8).state_dict()
    assert not torch.equal(one["stem.0.weight"], other["stem.0.weight"])
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_initial_spread_is_kaiming_fan_out() -> None:
    weight = build_model(Settings(), K, 0).state_dict()["stage4.0.conv1.weight"]  # 64 -> 128 channels
    assert weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_stem_is_the_3d_convolution(kernel: int) -> None:
    stem = build_model(tiny(stem_kernel=kernel), K, 0).stem[0]
    assert isinstance(stem, nn.Conv2d)
    three = nn.Conv3d(1, 4, (3, kernel, kernel), (1, 2, 2), (0, kernel // 2, kernel // 2), bias=False)
    with torch.no_grad():
        three.weight.copy_(stem.weight[:, None])
    x = noise(2, 3, 40, 56)
    out2, out3 = stem(x), three(x[:, None])
    assert out3.shape == (2, 4, 1, 20, 28)  # one time step is left
    torch.testing.assert_close(out2, out3[:, :, 0], rtol=1e-5, atol=1e-5)
    out2.square().sum().backward()
    out3.square().sum().backward()
    torch.testing.assert_close(stem.weight.grad, three.weight.grad[:, 0], rtol=1e-4, atol=1e-3)


def test_attention_map_weights_the_features_by_one_plus_m() -> None:
    model = build_model(tiny(abn=True, region="roi"), K, 0).eval()
    seen = {}
    model.stage3.register_forward_hook(lambda _m, _i, out: seen.update(g=out.detach().clone()))
    model.stage4.register_forward_hook(lambda _m, inputs, _o: seen.update(weighted=inputs[0]))
    with torch.no_grad():
        output = model(noise(2, 3, 96, 160))
    torch.testing.assert_close(seen["weighted"], seen["g"] * (1 + output.map))
    assert not any("map" in name for name, value in vars(model).items() if isinstance(value, torch.Tensor))


def test_region_pooling_keeps_where_and_global_pooling_does_not() -> None:
    x = torch.zeros(2, 3, 96, 320)
    x[0, :, 40:56, 96:112] = 1.0  # the same patch in the second and in the fourth column, away from the borders
    x[1, :, 40:56, 208:224] = 1.0
    distance = {}
    for pool in ("global", "region"):
        model = build_model(tiny(region="roi", pool=pool), K, 0).eval()
        features = {}
        model.head.register_forward_pre_hook(lambda _m, inputs, kept=features: kept.update(x=inputs[0]))
        with torch.no_grad():
            model(x)
        a, b = features["x"]
        distance[pool] = ((a - b).norm() / a.norm()).item()
    assert distance["global"] < 0.2 < distance["region"]


def test_samples_of_a_batch_do_not_mix_in_evaluation() -> None:
    model = build_model(tiny(abn=True), K, 0).eval()
    x = noise(4, 3, 64, 64)
    with torch.no_grad():
        both, alone = model(x), model(x[1:2])
    torch.testing.assert_close(both.scores[1:2], alone.scores)
    torch.testing.assert_close(both.map[1:2], alone.map)
