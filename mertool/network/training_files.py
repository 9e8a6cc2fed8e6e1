"""Paths that a training writes to; they are chosen by whoever owns the folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["TrainingFiles"]


class TrainingFiles(NamedTuple):
    """Paths of one training, all in one folder that exists.

    Attributes:
        last: All that continuing needs, replaced after every epoch.
        final: The trained network.
        log: One row per epoch.
    """

    last: Path
    final: Path
    log: Path
