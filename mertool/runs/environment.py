"""What env.json says: versions, hardware, and the state of the working folder. No absolute paths."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..settings import Settings

__all__ = ["describe_environment"]


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
        "cpu": _cpu_name(),
        "threads": settings.threads,
        "device": torch.cuda.get_device_name() if settings.device == "cuda" else settings.device,
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "git": _git_state(),
    }


def _git_state() -> dict[str, Any] | None:
    """Commit of the working folder, and whether tracked files are changed; None where it is in no git checkout."""
    words = (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
    try:
        commit, status = (
            subprocess.run(["git", *part], capture_output=True, text=True, timeout=20, check=True).stdout.strip()
            for part in words
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": bool(status)}


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
