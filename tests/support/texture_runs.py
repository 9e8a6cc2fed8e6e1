"""Small runs of texture features: their options, and the files of a fold."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from mertool.runs.layout import FoldFolder
from mertool.settings import fields_of
from mertool.texture.model_selection import FoldFiles

SIZE = ("--face-size", "32", "--points", "4", "--grid", "2,2,1", "--length", "6")
LBP = ("--method", "lbp-top", *SIZE)
CBP = ("--method", "cbp-top", *SIZE)
ONE_DESIGN = ("--n-features", "24", "--cost", "10")
GROUP = ("--protocol", "group", "--folds", "2")
PEOPLE = {f"p{n}": ["fear", "joy", "rage", "fear"][: 3 + n % 2] for n in range(6)}

TEXTURE_FIELDS = sorted(fields_of("texture") | fields_of("classifier") | fields_of("lbp-top") | fields_of("cbp-top"))
# The files of a fold.
FOLD = {".lock", "classifier.npz", "done.json", "inner.csv", "predictions.csv", "selection.csv"}


def texture_files(folder: Path) -> FoldFiles:
    """The files of a texture classifier's fold in any folder, without a run."""
    own = FoldFolder(folder)
    return FoldFiles(own.classifier, own.predictions, own.inner, own.selection)


def tampered(path, change, sign=False):
    """Kept features with other members; with `sign` their hash is right."""
    with np.load(path, allow_pickle=False) as archive:
        members = {name: archive[name] for name in archive.files}
    change(members)
    if sign:
        content = np.ascontiguousarray(members["array"]).tobytes()
        members["sha256"] = np.array(hashlib.sha256(content).hexdigest())
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=True)
