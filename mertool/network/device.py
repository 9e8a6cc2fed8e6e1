"""The device a network runs on, and the arithmetic that training and prediction share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from ..errors import UsageError
from ..settings import Settings
from .model import Network

__all__ = ["autocast", "choose_device", "deterministic_arithmetic", "input_to_device", "to_device"]


def choose_device(wanted: str) -> str:
    """The device for `wanted`: "cpu", "cuda", "mps", or "auto" for an accelerator where there is one.

    Raises:
        UsageError: This machine, or this build of torch, has no such device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, there in available.items() if there)
    if not available[wanted]:
        raise UsageError(f"--device {wanted}: torch finds no such device here; use --device cpu")
    return wanted


def to_device(model: Network, device: torch.device) -> Network:
    """The network on a device, in the memory order of `input_to_device`."""
    # Channels last is the order that the arithmetic libraries compute in, so nothing is reordered (a third faster on a
    # CPU).
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def input_to_device(x: Tensor, device: torch.device) -> Tensor:
    """A (B, T, H, W) batch on a device."""
    return x.to(device, memory_format=torch.channels_last)


def autocast(settings: Settings, device: torch.device) -> torch.autocast:
    """The precision of the layers that the settings ask for."""
    return torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16")


@contextlib.contextmanager
def deterministic_arithmetic() -> Iterator[None]:
    """On CUDA: deterministic convolutions, chosen without timing them, in full float32; no effect elsewhere."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
