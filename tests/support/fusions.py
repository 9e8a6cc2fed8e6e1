"""Fusions of small runs: their protocol, and the weighted mean of predictions computed from the csv files alone."""

from __future__ import annotations

import csv

import numpy as np

from tests.support.audits import sign_again
from tests.support.noise import SMALL
from tests.support.run_folders import done_of

FOLDS = ("--protocol", "group", "--folds", "3")
NET = (*SMALL, "--epochs", "2")
MEMBERS = ("lbp", "cbp", "net", "plain")


def table(folder, name="predictions.csv"):
    """Fold, clip -> its row, from the csv files alone."""
    found = {}
    for path in sorted(folder.glob(f"fold_*/{name}")):
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                found[int(path.parent.name[5:]), row["clip"]] = row
    return found


def shares(row):
    return np.array([float(row[name]) for name in row if name.startswith("p_")])


def check_fused(fused, members, weights):
    """Each fused probability is the weighted mean of those of the same clip; truth and fold are its own."""
    found, parts = table(fused), [table(member) for member in members]
    assert set(found) == set(parts[0])
    for (fold, clip), row in found.items():
        mean = sum(weight * shares(part[fold, clip]) for weight, part in zip(weights[fold], parts, strict=True))
        np.testing.assert_allclose(shares(row), mean, atol=2e-7)
        assert (row["truth"], row["fold"]) == (parts[0][fold, clip]["truth"], str(fold))
        names = [name[2:] for name in row if name.startswith("p_")]
        assert row["prediction"] == names[int(shares(row).argmax())]


def weights_in(folder):
    return [done_of(folder, fold)["weights"] for fold in range(len(list(folder.glob("fold_*"))))]


def forge(folder, name):
    """Other probabilities in a csv file of every fold, of the same clips and truths, with repaired hashes."""
    rng = np.random.default_rng(1)
    for path in folder.glob(f"fold_*/{name}"):
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        names = [key for key in rows[0] if key.startswith("p_")]
        for row in rows:
            values = rng.dirichlet(np.ones(len(names))).astype(np.float32)
            row.update(zip(names, map(str, values), strict=True))
            row["prediction"] = names[int(values.argmax())][2:]
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    sign_again(folder)
