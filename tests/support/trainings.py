"""Small trainings on made-up batches, without a run."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mertool.network import training
from mertool.network.model import Network
from mertool.network.training import FitResult, TrainingBatches
from mertool.runs.layout import FoldFolder
from mertool.settings import Settings
from tests.support.processes import KilledError

CLASSES = ("anger", "fear", "joy", "none")
STEPS = 2


def tiny(**fields: Any) -> Settings:
    fixed = {"lr": 1e-3, "weight_decay": 0.05, "dropout": 0.0}
    return Settings(**{"width": 4, "blocks": 1, "epochs": 6, "batch_size": 4, **fixed, **fields})


def made_up(epoch: int, frames: int = 3) -> list[tuple[Tensor, Tensor]]:
    """Eight samples in two batches: a bright patch whose place is the class, other noise each epoch."""
    generator = torch.Generator().manual_seed(epoch)
    labels = torch.arange(8) % 4
    x = 0.3 * torch.randn(8, frames, 32, 48, generator=generator)
    for i, label in enumerate(labels.tolist()):
        x[i, :, 8 * label : 8 * label + 8, 8 * label : 8 * label + 8] += 2.0
    order = torch.randperm(8, generator=generator)
    return [(x[part], labels[part]) for part in order.split(4)]


def stopping(epoch: int, step: int) -> Callable[[int], Iterator[tuple[Tensor, Tensor]]]:
    """Batches that kill the training before a step of an epoch."""

    def batches(present: int) -> Iterator[tuple[Tensor, Tensor]]:
        for i, batch in enumerate(made_up(present)):
            if (present, i) == (epoch, step):
                raise KilledError
            yield batch

    return batches


def same(one: Network, other: Network) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def fit(settings: Any, classes: Any, batches: Any, steps: int, folder: Path, *rest: Any, **options: Any) -> FitResult:
    """`mertool.network.training.fit` with the files of a folder."""
    given = TrainingBatches(batches, steps)
    return training.fit(settings, classes, given, FoldFolder(folder).training_files, *rest, **options)
