"""What env.json says: versions and hardware. No absolute paths.

Nothing is said about a git checkout around the working folder: asking git runs programs that the folder names in its
configuration (`core.fsmonitor`, `filter.*.clean`), and whoever sent the folder chose them.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..settings import Settings

__all__ = ["cpu_name", "describe_environment"]


def describe_environment(settings: Settings) -> dict[str, Any]:
    """Plain values for env.json of a run with these settings."""
    import cv2
    import torch

    return {
        "mertool": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
        "opencv": str(cv2.__version__),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "threads": settings.threads,
        "device": torch.cuda.get_device_name() if settings.device == "cuda" else settings.device,
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
