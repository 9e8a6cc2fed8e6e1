"""Cross-validation and training runs: each fold in a process of its own, resumable, equal bytes however it is run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..evaluation.metrics import evaluate
from ..evaluation.predictions import Predictions
from ..workers import run_each
from .config import RunConfig, fingerprint
from .layout import FoldFolder, RunFolder
from .methods import method_of
from .methods.base import FoldWork
from .methods.network import train_on_all

__all__ = ["attention_of", "cross_validate", "is_complete", "train_run", "training_summary"]

Progress = Callable[[int, int], None]


def cross_validate(
    runs: Sequence[tuple[Path, RunConfig]], folds: Sequence[int] | None, jobs: int, progress: Progress
) -> None:
    """Train and test the folds of runs that are not done yet, and write results.json of each run that is then complete.

    Args:
        runs: Folders begun by `mertool.runs.start.begin` with their configurations: a run and its repeats.
        folds: Which folds of each; None for all.
        jobs: Folds at once.
        progress: Called with (steps done, steps in all): epochs of networks, else clips.

    Raises:
        MertoolError: A fold failed; finished folds stay finished.
    """
    todo = [
        (run, fold)
        for run, config in runs
        for fold in (range(config.settings.folds) if folds is None else dict.fromkeys(folds))
        if not RunFolder(run).fold(fold).is_done
    ]
    first, config = runs[0]
    method = method_of(config.settings)
    before = 0
    if todo and method.prepares:
        before = method.steps(config)
        total = before * (1 + len(todo))
        method.prepare(first, config, jobs, lambda done, of: progress(done * before // of, total))
    folders = [RunFolder(run).fold(fold) for run, fold in todo]
    _run_all(_work_on_fold, todo, folders, config, jobs, progress, before)
    for run, own in runs:
        if is_complete(run, own):
            with RunFolder(run).lock():  # the last two of an array of jobs may end together
                _write_results(run, own)


def is_complete(run: Path, config: RunConfig) -> bool:
    """Whether every fold of a run is done."""
    return all(RunFolder(run).fold(fold).is_done for fold in range(config.settings.folds))


def _write_results(run: Path, config: RunConfig) -> None:
    folder = RunFolder(run)
    parts = []
    for fold, ids in enumerate(folder.read_folds().tests):
        path = folder.fold(fold).predictions
        parts.append(Predictions.read(path))
        if set(parts[-1].clip) != set(ids):
            raise DataError(
                f"{path}: its clips are not those that folds.json tests in fold {fold}; was it edited? "
                f"Delete {shlex.quote(str(path.parent))} to train that fold again"
            )
    folder.write_results({"settings": config.settings.as_dict(), **evaluate(Predictions.join(parts))})


def train_run(run: Path, config: RunConfig, progress: Progress) -> None:
    """Train one network on all clips of a run; leaves its final weights.

    Raises:
        MertoolError: The training failed.
    """
    folder = RunFolder(run).training
    if not folder.is_done:
        _run_all(_work_on_training, [(run,)], [folder], config, 1, progress)


def training_summary(run: Path, config: RunConfig) -> str:
    """On how many clips a finished training was made and, with `--epoch-selection inner`, what chose its epoch.

    Raises:
        MertoolError: A file of it is missing or damaged.
    """
    n = len(config.clips)
    if config.settings.epoch_selection != "inner":
        return f"trained on {n} clips"
    folder = RunFolder(run).training
    epoch = folder.read_record().facts.get("epoch")
    held = len(Predictions.read(folder.inner).clip)
    return f"trained on {n - held} clips; {held} more of other people chose epoch {epoch} of {config.settings.epochs}"


def attention_of(run: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Clip ids of a finished run with attention branch, and their maps, each by the network that did not see the clip.

    Returns:
        N ids, and (N, h, w) float32 in 0..1.

    Raises:
        DataError: A fold is not done, or has no maps, damaged ones, or not one per clip.
    """
    ids: list[str] = []
    maps: list[NDArray[np.float32]] = []
    resume = RunFolder(run).resume_command()
    for number, folder in enumerate(RunFolder(run).fold_folders()):
        if not folder.is_done:
            raise DataError(f'{run}: fold {number} is not done; run "{resume}"')
        names = sorted(Predictions.read(folder.predictions).clip)
        try:
            maps.append(folder.read_attention(len(names), maps[0].shape[1:] if maps else None))
        except DataError as error:
            raise DataError(f'{error}; delete {shlex.quote(str(folder.path))} and run "{resume}"') from error
        ids += names
    return ids, np.concatenate(maps)


def _run_all(
    work: Callable[..., None],
    arguments: Sequence[tuple[object, ...]],
    folders: Sequence[FoldFolder],
    config: RunConfig,
    jobs: int,
    progress: Progress,
    before: int = 0,
) -> None:
    method = method_of(config.settings)
    total = before + method.steps(config) * len(folders)

    def report() -> None:
        progress(before + sum(method.steps_done(folder, config) for folder in folders), total)

    run_each(work, arguments, jobs, report)


# In the worker processes.


def _work_on_fold(run: Path, fold: int) -> None:
    folder = RunFolder(run).fold(fold)
    with folder.lock():
        if folder.is_done:
            return
        config = RunConfig.read(run)
        mark = fingerprint(run)  # of what this fold was made from, also if someone edits it meanwhile
        outcome = method_of(config.settings).work_on_fold(FoldWork(run, config, fold, folder))
        folder.write_record(outcome.files, mark, outcome.facts)


def _work_on_training(run: Path) -> None:
    with RunFolder(run).training_lock():
        outcome = train_on_all(run, RunConfig.read(run))
        RunFolder(run).training.write_record(outcome.files, "", outcome.facts)
