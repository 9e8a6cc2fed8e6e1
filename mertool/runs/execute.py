"""Cross-validation and training runs: each fold in a process of its own, resumable, equal bytes however it is run."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..evaluation.metrics import evaluate
from ..evaluation.predictions import NO_FOLD, Predictions
from ..workers import available_cores, run_each
from .config import RunConfig, fingerprint
from .environment import date_now
from .finished import results_of
from .layout import RunFolder
from .methods import method_of
from .methods.base import FoldWork
from .progress import FoldsProgress, Watch
from .state import is_complete

__all__ = ["cross_validate", "default_jobs", "train_run", "training_summary"]


def cross_validate(
    runs: Sequence[tuple[Path, RunConfig]],
    folds: Sequence[int],
    jobs: int,
    watch: Watch,
    repeats: Sequence[int] = (),
) -> bool:
    """Train and test the folds of runs that are not done yet, and write results.json of each run that is then complete.

    Args:
        runs: Folders and configurations of a run and its repeats, as `mertool.runs.start.start_repeats` gives them.
        folds: Which folds of each; none for all.
        jobs: Folds at once.
        watch: Who is told how they get on; steps are epochs of networks, else clips.
        repeats: Which of the runs, by number; none for all.

    Returns:
        Whether all runs are complete, and the last of them by this call: of several processes, one completes them.

    Raises:
        MertoolError: A fold failed; finished folds stay finished.
    """
    chosen = [runs[number] for number in dict.fromkeys(repeats)] or runs
    todo = [(run, fold) for run, config in chosen for fold in _unfinished(run, config, folds)]
    first, config = runs[0]
    method = method_of(config.settings)
    before = 0
    if todo and method.prepares(config.settings):
        before = method.steps(config)
        total = before * (1 + len(todo))
        method.prepare(first, config, jobs, lambda done, of: watch.progress(done * before // of, total, "clips"))
    folders = [RunFolder(run).fold(fold) for run, fold in todo]
    run_each(_work_on_fold, todo, jobs, FoldsProgress(folders, config, jobs, watch, before).tell)
    completed = False
    with RunFolder(first).lock():  # the last two of an array of jobs may end together
        for run, config in chosen:
            if is_complete(run, config) and not (todo and RunFolder(run).results.exists()):
                _write_results(run, config)
                completed = True
        return completed and all(RunFolder(run).results.exists() for run, _ in runs)


def _unfinished(run: Path, config: RunConfig, folds: Sequence[int]) -> list[int]:
    """Which of the folds are to be done; what is left over of another state of the run is removed."""
    folder = RunFolder(run)
    if not is_complete(run, config):
        folder.discard_results()
    found = []
    for number in dict.fromkeys(folds) or range(config.settings.folds):
        if folder.fold(number).is_done:
            folder.fold(number).discard_state()  # of a process that was killed as it finished the fold
        else:
            found.append(number)
    return found


def default_jobs(config: RunConfig, n_runs: int) -> int:
    """How many folds of so many runs to work on at once: as many as the cores that this process may use allow."""
    return max(1, min(available_cores() // config.settings.threads, config.settings.folds * n_runs))


def _write_results(run: Path, config: RunConfig) -> None:
    folder = RunFolder(run)
    parts = []
    for fold, ids in enumerate(folder.read_folds().tests):
        path = folder.fold(fold).predictions
        parts.append(folder.fold(fold).read_predictions())
        if set(parts[-1].clip) != set(ids):
            raise RunError(
                f"{path}: its clips are not those that folds.json tests in fold {fold}; was it edited? "
                f"Delete {shlex.quote(str(path.parent))} to train that fold again"
            )
    folder.write_results(results_of(config.settings, evaluate(Predictions.join(parts))))


def train_run(run: Path, config: RunConfig, watch: Watch) -> None:
    """Train one network on all clips of a run; leaves its final weights.

    Raises:
        MertoolError: The training failed.
    """
    folder = RunFolder(run).training
    if not folder.is_done:
        run_each(_work_on_training, [(run,)], 1, FoldsProgress([folder], config, 1, watch).tell)


def training_summary(run: Path, config: RunConfig) -> str:
    """On how many clips a network was trained and, with `--epoch-selection inner`, what chose its epoch.

    Raises:
        MertoolError: A file of it is missing or damaged.
    """
    n = len(config.clips)
    if config.settings.epoch_selection != "inner":
        return f"trained on {n} clips"
    folder = RunFolder(run).training
    epoch = folder.read_record().epoch
    held = len(folder.read_inner().clip)
    return f"trained on {n - held} clips; {held} more of other subjects chose epoch {epoch} of {config.settings.epochs}"


# In the worker processes.


def _work_on_fold(run: Path, fold: int) -> None:
    folder = RunFolder(run).fold(fold)
    with folder.lock():
        if folder.is_done:
            return
        config = RunConfig.read(run)
        made_from = fingerprint(run)  # even if somebody edits it meanwhile
        method = method_of(config.settings)
        begun = time.monotonic()
        facts = method.work_on_fold(FoldWork(run, config, fold, folder))
        training = RunFolder(run).read_folds().training(fold)
        folder.write_record(method.files_left(folder, config, training), made_from, facts | _times(begun))
        folder.discard_state()


def _work_on_training(run: Path) -> None:
    with RunFolder(run).training_lock():
        config, folder = RunConfig.read(run), RunFolder(run).training
        method = method_of(config.settings)
        begun = time.monotonic()
        facts = method.train_on_all(FoldWork(run, config, NO_FOLD, folder))
        folder.write_record(method.files_left(folder, config, config.clips), "", facts | _times(begun))
        folder.discard_state()


def _times(begun: float) -> dict[str, Any]:
    """When a fold was finished, and how long the process that finished it worked on it."""
    return {"finished": date_now(), "seconds": round(time.monotonic() - begun, 2)}
