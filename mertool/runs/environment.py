"""What env.json says: when a run was started, versions and hardware. No absolute paths.

Nothing is said about a git checkout around the working folder: asking git runs programs that the folder names in its
configuration (`core.fsmonitor`, `filter.*.clean`), and whoever sent the folder chose them.
"""

from __future__ import annotations

import hashlib
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import FileError
from ..files import read_bytes
from ..settings import Settings
from ..text import os_error_text

__all__ = ["as_date", "cpu_name", "date_now", "describe_environment", "timeless_sha256"]

_DATE = "%Y-%m-%dT%H:%M:%SZ"
_LARGEST = 2**20  # bytes of env.json


def describe_environment(settings: Settings) -> dict[str, Any]:
    """Plain values for env.json of a run with these settings."""
    import cv2
    import torch

    return {
        "started": date_now(),
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


def date_now() -> str:
    """The present date in UTC, as files of a run have it: `2026-11-28T11:42:27Z`."""
    return datetime.now(UTC).strftime(_DATE)


def as_date(value: object) -> str | None:
    """A date that a file of a run has, to the minute: `2026-11-28 11:42`; None if it is none."""
    try:
        return datetime.strptime(str(value), _DATE).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return None


def timeless_sha256(path: Path) -> str:
    """Hash of env.json as it is, but for the date: equal runs that were started at different times stay equal.

    Raises:
        FileError: It cannot be read.
    """
    try:
        content = read_bytes(path, _LARGEST)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
    return hashlib.sha256(re.sub(rb'"started": "[0-9TZ:-]*"', b'"started": ""', content, count=1)).hexdigest()


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
