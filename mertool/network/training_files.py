"""The files of one training: their paths, which the owner of the folder gives, and the format of the log."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from ..csv_text import csv_text
from ..files import read_bytes, read_text, write_text

__all__ = ["LOG_COLUMNS", "TrainingFiles"]

_LARGEST = 2**26  # bytes of log.csv, one line per epoch

# Columns of log.csv; those of the attention branch are empty without it, those of validation without
# `--epoch-selection inner`.
LOG_COLUMNS = (
    "epoch",
    "loss",
    "loss_perception",
    "loss_attention",
    "accuracy",
    "accuracy_attention",
    "lr",
    "seconds",
    "images_per_s",
    "loss_validation",
    "uf1_validation",
)


class TrainingFiles(NamedTuple):
    """Paths of one training, all in one folder that exists.

    Attributes:
        last: All that continuing needs, replaced after every epoch.
        final: The trained network.
        log: `LOG_COLUMNS`, one row per epoch.
    """

    last: Path
    final: Path
    log: Path

    def write_log(self, rows: Sequence[dict[str, float]]) -> None:
        """Replace the log, atomically."""
        texts = ({name: f"{value:.6g}" for name, value in row.items()} for row in rows)
        write_text(self.log, csv_text([LOG_COLUMNS, *([row.get(name, "") for name in LOG_COLUMNS] for row in texts)]))

    def read_log(self) -> list[dict[str, float]]:
        """The rows of the log, with the columns that have a finite number in every row; empty if there are none."""
        try:
            rows = list(csv.DictReader(io.StringIO(read_text(self.log, _LARGEST), newline="")))
            names = [name for name in rows[0] if name and all(row.get(name) for row in rows)]
            log = [{name: float(row[name]) for name in names} for row in rows]
        except (OSError, ValueError, TypeError, IndexError, csv.Error):
            return []
        return log if all(isfinite(value) for row in log for value in row.values()) else []

    def epochs_logged(self) -> int:
        """Rows of the log; 0 without one."""
        try:
            return max(0, read_bytes(self.log, _LARGEST).count(b"\n") - 1)
        except OSError:
            return 0
