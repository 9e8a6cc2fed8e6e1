"""The network: a compact residual net with an optional attention branch, in one file.

    x (B, T, H, W) -> stem -> stage 1..3 = g -> [attention: M, class scores] -> g * (1 + M) -> stage 4 -> pool -> head

The T frames of a clip are the input channels. The paper's "3-D" stem, a kernel 3 x k x k without temporal padding on
three frames, leaves one time step, so it *is* a 2-D convolution with three input channels (a test compares it with
`torch.nn.Conv3d`). Differences between the paper's "2D" and "3D" columns are therefore differences in the input frames,
not in the kind of convolution.

There is no max-pooling: it would leave too small a map for the attention branch (Fukui et al., CVPR 2019), which
splits off after stage 3 as in the authors' released code.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..settings import Settings

__all__ = ["Network", "Output", "build_model"]

# One cell per region for --pool region: the 3 x 5 mosaic; a face has no regions and gets 4 x 4 cells.
_CELLS = {"roi": (3, 5), "face": (4, 4)}


class Output(NamedTuple):
    """What the network returns for a batch; float32 whatever the precision of the layers.

    Attributes:
        scores: (B, K); logits of a linear head, cosines in -1..1 of an ArcFace head (see `mertool.network.losses`).
        attention_logits: (B, K) of the attention branch; None without it.
        map: (B, 1, h, w) attention map in 0..1; None without the branch.
    """

    scores: Tensor
    attention_logits: Tensor | None
    map: Tensor | None


class Block(nn.Module):
    """Basic residual block: two 3 x 3 convolutions, `stride` in the first and in the 1 x 1 shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.shortcut: nn.Sequential | None = None
        if stride != 1 or n_in != n_out:
            # In channels-last order oneDNN's strided 1 x 1 convolution writes beyond its buffer if the input channels
            # are no multiple of 16 (torch 2.13, AVX-512; heap corruption seen with 4 and 8): there the pixels are
            # chosen first, which gives the same numbers. The strided form is faster where it is safe.
            self.pick = stride if n_in % 16 else 1
            convolution = nn.Conv2d(n_in, n_out, 1, stride // self.pick, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, h, w) -> (B, n_out, h / stride, w / stride), rounded up."""
        y = functional.relu(self.norm1(self.conv1(x)), inplace=True)  # (B, n_out, h', w')
        y = self.norm2(self.conv2(y))  # (B, n_out, h', w')
        y += x if self.shortcut is None else self.shortcut(x[:, :, :: self.pick, :: self.pick])  # (B, n_out, h', w')
        return functional.relu(y, inplace=True)  # (B, n_out, h', w')


def _stage(n_in: int, n_out: int, n_blocks: int, stride: int) -> nn.Sequential:
    first = Block(n_in, n_out, stride)
    return nn.Sequential(first, *(Block(n_out, n_out, 1) for _ in range(n_blocks - 1)))


class Attention(nn.Module):
    """Attention branch: a copy of the last stage at full resolution, class scores and a one-channel map.

    The map is a function of only K numbers per pixel, as published.
    """

    def __init__(self, stage: nn.Sequential, n_features: int, n_classes: int, map_kernel: int) -> None:
        super().__init__()
        self.stage = stage
        self.norm = nn.BatchNorm2d(n_features)  # no ReLU between it and the next convolution, as released
        self.classes = nn.Sequential(
            nn.Conv2d(n_features, n_classes, 1, bias=False), nn.BatchNorm2d(n_classes), nn.ReLU(inplace=True)
        )
        self.class_head = nn.Conv2d(n_classes, n_classes, 1, bias=False)
        self.map_head = nn.Sequential(
            nn.Conv2d(n_classes, 1, map_kernel, padding=map_kernel // 2, bias=False), nn.BatchNorm2d(1), nn.Sigmoid()
        )

    def forward(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 4w, h, w) -> class logits (B, K), map (B, 1, h, w)."""
        a = self.classes(self.norm(self.stage(g)))  # (B, K, h, w)
        logits = self.class_head(a).float().mean((2, 3))  # (B, K)
        return logits, self.map_head(a)  # (B, K), (B, 1, h, w)


class CosineHead(nn.Module):
    """Cosines between features and one learnt direction per class: the bias-free head of ArcFace."""

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_classes, n_features))

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, K) in -1..1 (up to rounding)."""
        return functional.linear(functional.normalize(features), functional.normalize(self.weight))  # (B, K)


class Network(nn.Module):
    """The network that `settings` describe; build it with `build_model`.

    Any input height and width from 32 pixels works. A 96 x 160 mosaic gives an attention map of 12 x 20, a 128 x 128
    face one of 16 x 16 (stem stride 2).
    """

    def __init__(self, settings: Settings, n_classes: int) -> None:
        super().__init__()
        w, n = settings.width, settings.blocks
        k = settings.stem_kernel
        self.stem = nn.Sequential(
            nn.Conv2d(settings.channels, w, k, settings.stem_stride, k // 2, bias=False),
            nn.BatchNorm2d(w),
            nn.ReLU(inplace=True),
        )
        self.stage1 = _stage(w, w, n, 1)
        self.stage2 = _stage(w, 2 * w, n, 2)
        self.stage3 = _stage(2 * w, 4 * w, n, 2)
        self.attention: Attention | None = None
        if settings.abn:
            self.attention = Attention(_stage(4 * w, 8 * w, n, 1), 8 * w, n_classes, settings.map_kernel)
        self.stage4 = _stage(4 * w, 8 * w, n, 2)
        self.cells = _CELLS[settings.region] if settings.pool == "region" else (1, 1)
        self.dropout = nn.Dropout(settings.dropout)
        n_features = 8 * w * self.cells[0] * self.cells[1]
        self.head = CosineHead(n_features, n_classes) if settings.arcface else nn.Linear(n_features, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Output:
        """(B, T, H, W) float32 -> `Output`; below, h = H/8, w = W/8 and D = 8 * width * cells with stem stride 2."""
        x = self.stem(x)  # (B, width, 4h, 4w)
        x = self.stage2(self.stage1(x))  # (B, 2 width, 2h, 2w)
        x = self.stage3(x)  # (B, 4 width, h, w)
        logits, m = None, None
        if self.attention is not None:
            logits, m = self.attention(x)  # (B, K), (B, 1, h, w)
            x = x * (1 + m)  # (B, 4 width, h, w)
            m = m.float()
        x = self.stage4(x).float()  # (B, 8 width, h/2, w/2)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 has too few digits for scores and cosines
            x = functional.adaptive_avg_pool2d(x, self.cells).flatten(1)  # (B, D)
            scores = self.head(self.dropout(x))  # (B, K)
        return Output(scores, logits, m)


def build_model(settings: Settings, n_classes: int, seed: int) -> Network:
    """A network with fresh weights that depend on its arguments only.

    Convolutions: Kaiming normal, fan_out; batch normalisation: 1 and 0, as in the released attention branch code. The
    random state of the caller is neither used nor changed.

    Args:
        settings: Fields of the network group, `region` and `frames`.
        n_classes: K, at least 2.
        seed: 0 or more.

    Returns:
        The network on the CPU, in training mode.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Network(settings, n_classes)
