"""Small runs of texture features: their options, and the files of a fold."""

from __future__ import annotations

from pathlib import Path

from mertool.runs.layout import FoldFolder
from mertool.texture.model_selection import FoldFiles

SIZE = ("--face-size", "32", "--points", "4", "--grid", "2,2,1", "--length", "6")
LBP = ("--method", "lbp-top", *SIZE)
CBP = ("--method", "cbp-top", *SIZE)
ONE_DESIGN = ("--n-features", "24", "--cost", "10")


def texture_files(folder: Path) -> FoldFiles:
    """The files of a texture classifier's fold in any folder, without a run."""
    own = FoldFolder(folder)
    return FoldFiles(own.classifier, own.predictions, own.inner, own.selection)
