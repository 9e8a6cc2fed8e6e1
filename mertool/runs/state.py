"""Which runs there are, how far each is, and how much room it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .config import RunConfig
from .layout import RunFolder, is_repeat_name
from .methods import method_of

__all__ = ["RunState", "find_runs", "is_complete", "state_of"]


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run is, its repeats included.

    Attributes:
        folder: The run's folder.
        config: What it is made from.
        done: Folds that are done; for a `train` run 0 or 1.
        of: Folds in all.
    """

    folder: Path
    config: RunConfig
    done: int
    of: int

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.done == self.of

    @property
    def size(self) -> int:
        """Bytes of its files, counted when it is asked for."""
        return sum(path.lstat().st_size for path in self.folder.rglob("*") if path.is_file())

    @property
    def text(self) -> str:
        """`finished`, `3 of 5 folds`, or for a training `20 of 30 epochs`."""
        if self.is_finished:
            return "finished"
        if self.config.command == "cv":
            return f"{self.done} of {self.of} folds"
        method, training = method_of(self.config.settings), RunFolder(self.folder).training
        return f"{method.steps_done(training, self.config)} of {method.steps(self.config)} {method.unit}"


def state_of(run: Path) -> RunState:
    """How far a run is.

    Raises:
        FileError: It is not a run folder.
        RunError: Its config.json is damaged.
    """
    config, folder = RunConfig.read(run), RunFolder(run)
    if config.command == "train":
        return RunState(run, config, int(folder.training.is_done), 1)
    n_folds, n_runs = config.settings.folds, config.settings.repeats
    runs = [folder, *(folder.repeat(number) for number in range(1, n_runs))]
    done = sum(one.fold(fold).is_done for one in runs for fold in range(n_folds))
    return RunState(run, config, done, n_folds * n_runs)


def is_complete(run: Path, config: RunConfig) -> bool:
    """Whether every fold of a cross-validation is done; repeats do not count."""
    return all(RunFolder(run).fold(fold).is_done for fold in range(config.settings.folds))


def find_runs(folder: Path) -> list[Path]:
    """A run, or all runs below a folder, without repeats; those whose config.json was written last come first."""
    names = folder.rglob(RunFolder(folder).config.name)
    found = [RunFolder(path.parent) for path in names if not _is_repeat(path.parent)]
    return [run.path for run in sorted(found, key=lambda run: (-run.config.stat().st_mtime_ns, run.path))]


def _is_repeat(folder: Path) -> bool:
    return is_repeat_name(folder.name) and RunFolder(folder.parent).is_run
