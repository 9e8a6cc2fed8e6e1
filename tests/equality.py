"""Two versions of mertool, the same commands, the same recordings: is everything that they compute equal?

    python -m tests.equality --old OLD/bin/mertool --new NEW/bin/mertool --portraits PORTRAITS WORK

makes recordings of all PORTRAITS in the folder WORK, runs `extract`, `cv`, `train`, `predict` with both versions, and
compares frames, landmarks and rows of the packs, predictions, every final weight, attention map and coefficient bit for
bit, and all figures of the JSON reports. It prints what was compared and what differs, and exits with 1 if anything
does. Wording may differ; what has another name in the old version is in `OLD_WORDS` and `OLD_KEYS`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

LAYOUTS = {"samm": "SAMM", "casme2": "CASME2", "ckplus": "CKPLUS"}
SMALL = "--width 4 --blocks 1 --epochs 3 --augmentations 1 --face-size 48 --tile 16"
TEXTURE = "--length 0 --radii 1,1,1 --points 4"
CV = {
    "roi": f"SAMM.npz --roi --frames 3 --abn {SMALL}",
    "apex": f"SAMM.npz --frames 1 --protocol group --recipe paper --folds 3 {SMALL}",
    "arcface": f"SAMM.npz CASME2.npz --roi --arcface --classes megc3 --balanced-sampling --folds 3 {SMALL}",
    "tuned": f"SAMM.npz --init CK --frames 3 --abn --folds 3 {SMALL}",
    "inner": f"SAMM.npz --abn --epoch-selection inner --protocol group --folds 3 {SMALL}",
    "loso": f"CASME2.npz --protocol loso --no-hflip --rotation 5 --contrast 0.1 --brightness 5 {SMALL}",
    "repeats": f"SAMM.npz --roi --repeats 2 --folds 3 {SMALL}",
    "lbp": f"SAMM.npz --roi --method lbp-top --folds 3 {TEXTURE}",
    "cbp": f"SAMM.npz --method cbp-top --folds 3 {TEXTURE}",
    "network": f"SAMM.npz --roi --folds 3 {SMALL}",
    "fusion": "--fuse network lbp",
}
# Old words of the command line and old keys of JSON files, where they were others.
OLD_WORDS = {
    "--method": "--features",
    "--augmentations": "--copies",
    "--balanced-sampling": "--balance",
    "--epoch-selection": "--select",
    "--no-hflip": "--no-mirror",
    "--contrast": "--gain",
    "--brightness": "--bias",
}
OLD_KEYS = {
    "n_features": "select_features",
    "max_grad_norm": "clip_norm",
    "intervals_over_subjects": "intervals_by_people",
    "per_subject": "per_person",
    "subjects": "people",
    "method": "features",
    "augmentations": "copies",
    "fresh_augmentations": "fresh_copies",
    "balanced_sampling": "balance",
    "epoch_selection": "select",
    "hflip": "mirror",
    "contrast": "gain",
    "brightness": "bias",
}

TIMES = ("started", "finished", "seconds", "command")  # of a run; the command names its folder


def call(command, arguments, folder, old):
    words = arguments.split()
    if old:
        words = [OLD_WORDS.get(word, word) for word in words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([command, *words], cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{command} {' '.join(words)}\n{done.stderr[-2000:]}")
    return done.stdout


def make_recordings(work, portraits):
    script = Path(__file__).parents[1] / "examples" / "make_recordings.py"
    for layout, name in LAYOUTS.items():
        if not (work / name).exists():
            size = ("--clips-per-subject", "3", "--length", "8", "10", "--portraits", portraits)
            subprocess.run([sys.executable, script, "--layout", layout, *size, work / name], check=True)


def make_everything(command, folder, old):
    """All commands with one version; what is there from an earlier call stays."""
    folder.mkdir(exist_ok=True)
    for name in LAYOUTS.values():
        if not (folder / f"{name}.npz").exists():
            call(command, f"extract ../{name} -o {name}.npz --sequence 6 --size 128 --quiet", folder, old)
    for align in ("clip", "frame"):
        if not (folder / f"{align}.npz").exists():
            call(command, f"extract ../SAMM -o {align}.npz --align {align} --apex difference --quiet", folder, old)
    if not (folder / "CK" / "done.json").exists():
        call(command, f"train CKPLUS.npz --frames 1 --abn -o CK --quiet {SMALL}", folder, old)
    for name, arguments in CV.items():
        if not (folder / name / "results.json").exists():
            call(command, f"cv {arguments} -o {name} --quiet", folder, old)
        (folder / f"{name}.json").write_text(call(command, f"report {name} --format json --quiet", folder, old))
    for name in ("inner", "lbp"):
        (folder / f"{name}-predict.csv").write_text(call(command, f"predict {name} CASME2.npz --quiet", folder, old))


class Comparison:
    """Counts what was compared, and keeps what differs."""

    def __init__(self):
        self.compared = {}
        self.differences = []

    def equal(self, kind, where, old, new):
        self.compared[kind] = self.compared.get(kind, 0) + 1
        if not same(old, new):
            self.differences.append(f"{kind}: {where}")

    def packs(self, where, old, new):
        with np.load(old) as first, np.load(new) as second:
            self.equal("members of packs", f"{where}, names", sorted(first), sorted(second))
            for name in set(first) & set(second) - {"meta"}:
                self.equal("members of packs", f"{where}, {name}", first[name], second[name])
            self.figures(f"{where}, meta", json.loads(str(first["meta"])), json.loads(str(second["meta"])))
        rows = [path.with_suffix(".clips.csv").read_text(encoding="utf-8") for path in (old, new)]
        self.equal("tables of clips", where, *([*csv.reader(text.splitlines())] for text in rows))

    def figures(self, where, old, new):
        """Numbers and single words of two JSON values; sentences may differ."""
        if isinstance(old, dict) and isinstance(new, dict):
            old, new = ({key: value for key, value in one.items() if key not in TIMES} for one in (old, new))
            new = {OLD_KEYS.get(key, key): value for key, value in new.items()}
            old = {OLD_KEYS.get(key, key): value for key, value in old.items()}
            self.equal("keys of JSON", where, sorted(old), sorted(new))
            for key in old.keys() & new.keys():
                self.figures(f"{where}.{key}", old[key], new[key])
        elif isinstance(old, list) and isinstance(new, list):
            self.equal("lengths in JSON", where, len(old), len(new))
            for number, (first, second) in enumerate(zip(old, new, strict=False)):
                self.figures(f"{where}.{number}", first, second)
        elif not (isinstance(old, str) and isinstance(new, str) and " " in old):
            self.equal("figures in JSON", where, old, new)

    def runs(self, where, old, new):
        names = [sorted(path.relative_to(run).as_posix() for path in run.rglob("*")) for run in (old, new)]
        self.equal("file names of runs", where, *names)
        for name in set(names[0]) & set(names[1]):
            first, second = old / name, new / name
            if name.endswith((".csv", "folds.json")) and not name.endswith("log.csv"):
                self.equal("predictions and folds", f"{where}/{name}", first.read_bytes(), second.read_bytes())
            elif name.endswith("log.csv"):
                self.equal("logs without times", f"{where}/{name}", timeless(first), timeless(second))
            elif name.endswith("final.pt"):
                self.weights(f"{where}/{name}", first, second)
            elif name.endswith((".npy", ".npz")):
                self.arrays(f"{where}/{name}", first, second)
            elif name.endswith("results.json"):
                self.figures(f"{where}/{name}", json.loads(first.read_text()), json.loads(second.read_text()))

    def weights(self, where, old, new):
        old, new = (torch.load(path, weights_only=True, map_location="cpu") for path in (old, new))
        for key, first in flat(old):
            if isinstance(first, torch.Tensor):
                self.equal("tensors of weights", f"{where}, {key}", first, dict(flat(new)).get(key))

    def arrays(self, where, old, new):
        old, new = np.load(old), np.load(new)
        if isinstance(old, np.ndarray):
            self.equal("arrays", where, old, new)
            return
        for name in set(old) | set(new):
            self.equal("arrays", f"{where}, {name}", old.get(name), new.get(name))


def timeless(path):
    with path.open(encoding="utf-8") as file:
        return [
            {key: row[key] for key in row if key not in ("seconds", "images_per_s")} for row in csv.DictReader(file)
        ]


def flat(tree, path=""):
    if not isinstance(tree, dict):
        return [(path, tree)]
    return [pair for key, value in tree.items() for pair in flat(value, f"{path}.{key}")]


def same(old, new):
    if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
        return old.dtype == new.dtype and torch.equal(old, new)
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        return old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes()
    return type(old) is type(new) and old == new


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--old", "--new", "--portraits"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("work", type=Path)
    given = parser.parse_args()
    given.work.mkdir(exist_ok=True)
    make_recordings(given.work, given.portraits.resolve())
    folders = [given.work / "old", given.work / "new"]
    for command, folder in zip((given.old, given.new), folders, strict=True):
        make_everything(command.absolute(), folder, folder.name == "old")

    comparison, (old, new) = Comparison(), folders
    for name in [*LAYOUTS.values(), "clip", "frame"]:
        comparison.packs(name, old / f"{name}.npz", new / f"{name}.npz")
    for name in [*CV, "CK"]:
        comparison.runs(name, old / name, new / name)
    for name in CV:
        reports = [json.loads((folder / f"{name}.json").read_text()) for folder in folders]
        comparison.figures(f"report of {name}", *reports)
    for name in ("inner", "lbp"):
        tables = [(folder / f"{name}-predict.csv").read_text() for folder in folders]
        comparison.equal("predictions of new clips", name, *tables)
    for kind, count in comparison.compared.items():
        print(f"{count:6} {kind}")
    print(f"{len(comparison.differences):6} differences")
    print("\n".join(comparison.differences[:200]))
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
