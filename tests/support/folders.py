"""Files of a fold in any folder, for tests that call a training or a classifier without a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mertool.network import training
from mertool.network.training import FitResult, TrainingBatches
from mertool.runs.layout import FoldFolder
from mertool.texture.model_selection import FoldFiles

__all__ = ["fit", "texture_files"]


def fit(settings: Any, classes: Any, batches: Any, steps: int, folder: Path, *rest: Any, **options: Any) -> FitResult:
    """`mertool.network.training.fit` with the files of a folder."""
    given = TrainingBatches(batches, steps)
    return training.fit(settings, classes, given, FoldFolder(folder).training_files, *rest, **options)


def texture_files(folder: Path) -> FoldFiles:
    """The files of a texture classifier's fold."""
    own = FoldFolder(folder)
    return FoldFiles(own.classifier, own.predictions, own.inner, own.selection)
