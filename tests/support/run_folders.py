"""Run folders: written as `mertool cv` leaves them, without any training; and what is compared of two of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from mertool.evaluation.folds import Folds
from mertool.evaluation.predictions import Predictions
from mertool.network.checkpoint import load_weights
from mertool.settings import Settings

CLASSES = ("anger", "fear", "joy")

# A clip: id, truth, answer. Two folds; subject 001 is in both, 002 only in the first, 003 only in the second.
FOLD_0 = [
    ("samm/001/a", "anger", "anger"),
    ("samm/001/b", "anger", "fear"),
    ("samm/002/a", "fear", "fear"),
    ("samm/002/b", "joy", "joy"),
]

FOLD_1 = [("samm/001/c", "anger", "anger"), ("samm/003/a", "fear", "anger"), ("samm/003/b", "joy", "joy")]
Clip = tuple[str, str, str]


def resume_if_begun(run):
    """The option that continues a run, if there is one."""
    return ["--resume"] if (run / "config.json").exists() else []


PACK = {"sha256": "0" * 64, "apex": "table", "jitter": 0, "alignment": "stabilised"}


def make_run(
    folder: Path,
    parts: list[list[Clip]] | None = None,
    classes: tuple[str, ...] = CLASSES,
    config: dict[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """Write a run folder as `mertool cv` does."""
    parts = parts if parts is not None else [FOLD_0, FOLD_1]
    folder.mkdir(parents=True)
    values = {
        "format": 1,
        "mertool": "0.1.0",
        "command": "cv",
        "settings": Settings.from_recipe(**settings).as_dict(),
        "classes": list(classes),
        "packs": [{"name": "SAMM", "path": "SAMM.npz", **PACK}],
        "init": None,
        "clips": sorted(clip for part in parts for clip, _, _ in part),
        **(config or {}),
    }
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    Folds("stratified", 0, tuple(tuple(clip for clip, _, _ in part) for part in parts)).save(folder / "folds.json")
    for fold, part in enumerate(parts):
        (folder / f"fold_{fold}").mkdir()
        sure = np.full((len(part), len(classes)), 0.2 / (len(classes) - 1))
        sure[range(len(part)), [classes.index(answer) for _, _, answer in part]] = 0.8
        clips, truths = tuple(clip for clip, _, _ in part), tuple(truth for _, truth, _ in part)
        Predictions(clips, (fold,) * len(part), truths, sure, classes).write(
            folder / f"fold_{fold}" / "predictions.csv"
        )
    return folder


def weights_of(path):
    """The weights of a checkpoint as bytes, by name."""
    return {name: tensor.numpy().tobytes() for name, tensor in load_weights(path).weights.items()}


def timeless_log(folder):
    """log.csv without the columns that tell how long it took."""
    rows = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()]
    kept = [place for place, name in enumerate(rows[0]) if name not in ("seconds", "images_per_s")]
    return [[row[place] for place in kept] for row in rows]


def whole_run(folder):
    """All of a run that must be equal after any kills and in whatever way it was run, its repeats included."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name in ("config.json", "folds.json", "results.json", "predictions.csv", "inner.csv", "attention.npy"):
            found[name] = path.read_bytes()
        elif path.name in ("final.pt", "last.pt"):
            found[name] = weights_of(path)
        elif path.name == "log.csv":
            found[name] = timeless_log(path.parent)
    return found


def files_of(folder):
    """Every file of a run of texture features or of a fusion, and its bytes; of machine, dates and locks nothing."""
    return {
        path.relative_to(folder).as_posix(): timeless_record(path) if path.name == "done.json" else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("env.json", ".lock", ".repeats")
    }


def timeless_record(path):
    """done.json without what tells when it was made and how long that took; as it is if it is no JSON object."""
    try:
        values = json.loads(path.read_bytes())
        return {name: values[name] for name in values if name not in ("finished", "seconds")}
    except (ValueError, TypeError, RecursionError):
        return path.read_bytes()


def done_of(folder, fold=0):
    return json.loads((folder / f"fold_{fold}" / "done.json").read_text())


def edit_predictions(path):
    """Another answer of one clip, consistently."""
    rows = list(csv.reader(path.read_text().splitlines()))
    header, row = rows[0], rows[1]
    values = [*row[7:], row[6]]
    row[6:] = values
    row[5] = header[6 + max(range(len(values)), key=lambda k: float(values[k]))][2:]
    path.write_text("\n".join(",".join(cells) for cells in rows) + "\n")


def probabilities(path):
    """By clip the probabilities of a predictions.csv, as they stand there."""
    with path.open(encoding="utf-8", newline="") as stream:
        return {
            row["clip"]: tuple(row[name] for name in row if name.startswith("p_")) for row in csv.DictReader(stream)
        }
