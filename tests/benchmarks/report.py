"""Time and memory of `mertool report` over very many runs, in every format.

python -m tests.benchmarks.report            200 runs of 500 clips of 30 people, five folds, 30 epochs logged
python -m tests.benchmarks.report 50 2000
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mertool.evaluation.folds import Folds
from mertool.evaluation.predictions import Predictions
from mertool.files import file_sha256
from mertool.runs.config import fingerprint
from mertool.settings import Settings

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
FOLDS, EPOCHS, PEOPLE = 5, 30, 30


def make(run: Path, clips: int, seed: int) -> None:
    """A finished run with random answers, a little better than chance."""
    rng = np.random.default_rng(seed)
    ids = [f"samm/{clip % PEOPLE:03d}/{clip:04d}" for clip in range(clips)]
    truths = [CLASSES[clip // PEOPLE % 6] for clip in range(clips)]
    run.mkdir(parents=True)
    values = {
        "format": 1,
        "mertool": "0.1.0",
        "command": "cv",
        "settings": Settings(abn=True, seed=seed, width=8 + seed % 3).as_dict(),
        "classes": list(CLASSES),
        "packs": [
            {
                "name": "SAMM",
                "path": "../SAMM.npz",
                "sha256": "0" * 64,
                "apex": "table",
                "jitter": 0,
                "alignment": "clip",
            }
        ],
        "init": None,
        "clips": ids,
    }
    (run / "config.json").write_text(json.dumps(values))
    (run / "env.json").write_text(json.dumps({"mertool": "0.1.0", "torch": "2.13.0"}))
    folds = Folds("stratified", 0, tuple(tuple(ids[fold::FOLDS]) for fold in range(FOLDS)))
    folds.save(run / "folds.json")
    mark = fingerprint(run)
    for fold, names in enumerate(folds.tests):
        part = run / f"fold_{fold}"
        part.mkdir()
        scores = rng.dirichlet(np.ones(6), len(names))
        labels = [truths[ids.index(name)] for name in names]
        scores[np.arange(len(names)), [CLASSES.index(label) for label in labels]] += 0.2
        scores /= scores.sum(1, keepdims=True)
        Predictions(names, (fold,) * len(names), tuple(labels), scores, CLASSES).write(part / "predictions.csv")
        lines = ["epoch,loss,loss_perception,loss_attention,accuracy,accuracy_attention"]
        lines += [f"{epoch},2,1.2,0.8,0.5,0.4" for epoch in range(1, EPOCHS + 1)]
        (part / "log.csv").write_text("\n".join(lines) + "\n")
        (part / "final.pt").write_bytes(b"weights")
        digests = {name: file_sha256(part / name) for name in ("predictions.csv", "final.pt")}
        (part / "done.json").write_text(json.dumps({"sha256": digests, "run": mark, "epoch": EPOCHS}))


def main(runs: int = 200, clips: int = 500) -> None:
    """Make the runs, then report them three times in each format; prints seconds and peak memory of each."""
    command = str(Path(sys.executable).with_name("mertool"))
    with tempfile.TemporaryDirectory() as home:
        names = [f"runs/run_{number:03d}" for number in range(runs)]
        for number, name in enumerate(names):
            make(Path(home) / name, clips, number)
        print(f"{runs} runs of {clips} clips")
        for style in ("text", "md", "latex", "csv", "json", "html"):
            for _ in range(3):
                began = time.perf_counter()
                process = subprocess.Popen(
                    [command, "report", *names, "--format", style, "-o", "out"], cwd=home, stderr=subprocess.DEVNULL
                )
                _, status, usage = os.wait4(process.pid, 0)
                seconds = time.perf_counter() - began
                size = next((Path(home) / "out").glob("report.*")).stat().st_size
                peak = usage.ru_maxrss / 1024
                print(f"{style:5} {seconds:5.1f} s, {peak:.0f} MB, exit {status}, {size / 1e6:.1f} MB written")
                next((Path(home) / "out").glob("report.*")).unlink()
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
