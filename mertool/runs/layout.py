"""What a run folder holds: the only place that knows its file names, and what reads and writes each file.

    RUN/config.json        settings, packs, classes, clips (`mertool.runs.config.RunConfig`); written last
    RUN/env.json           versions and processor
    RUN/folds.json         which clips each fold tests (`mertool.evaluation.folds.Folds`); written first
    RUN/fold_0/ ...        one folder per fold (`FoldFolder`)
    RUN/results.json       metrics, once every fold is done
    RUN/repeat_1/ ...      the same run with the next seeds, each complete in itself

A fold's folder holds what its method leaves, and done.json (`FoldRecord`) when it is finished. The folder of a `train`
run is a fold's folder too, with config.json and env.json beside the rest.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, FileError, RunError
from ..evaluation.folds import Folds
from ..evaluation.predictions import Predictions
from ..files import file_lock, make_folder, read_json, refuse_links, write_json
from ..network.training_files import TrainingFiles
from .record import FoldRecord

__all__ = ["FoldFolder", "RunFolder", "as_run_error", "is_repeat_name"]

_REPEAT = "repeat_"


@contextmanager
def as_run_error() -> Iterator[None]:
    """Whatever is wrong with the content of a file that is read inside: it is a run's file, so it is a `RunError`."""
    try:
        yield
    except RunError:
        raise
    except DataError as error:
        raise RunError(str(error)) from error


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of a run.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """config.json."""
        return self.path / "config.json"

    @property
    def environment(self) -> Path:
        """env.json."""
        return self.path / "env.json"

    @property
    def folds(self) -> Path:
        """folds.json."""
        return self.path / "folds.json"

    @property
    def results(self) -> Path:
        """results.json."""
        return self.path / "results.json"

    @property
    def is_run(self) -> bool:
        """Whether the folder holds a run: config.json is written last."""
        return self.config.exists()

    def fold(self, number: int) -> FoldFolder:
        """The folder of a fold."""
        return FoldFolder(self.path / f"fold_{number}")

    @property
    def training(self) -> FoldFolder:
        """The folder of a `train` run seen as that of its only training."""
        return FoldFolder(self.path)

    def repeat(self, number: int) -> RunFolder:
        """The folder of repeat `number`, from 1."""
        return RunFolder(self.path / f"{_REPEAT}{number}")

    def read_folds(self) -> Folds:
        """The folds.

        Raises:
            FileError: folds.json is missing.
            RunError: It is damaged.
        """
        with as_run_error():
            return Folds.load(self.folds)

    def lock(self) -> Any:
        """Held while a run is written or its results are put together; no link leads out of it."""
        refuse_links(self.path.iterdir())
        return file_lock(self.path / ".lock")

    def repeats_lock(self) -> Any:
        """Held while repeats are started: the jobs of an array start them together."""
        return file_lock(self.path / ".repeats")

    def training_lock(self) -> Any:
        """Held by the process that trains a `train` run; no link leads out of it."""
        refuse_links(self.path.iterdir())
        busy = f"{self.path}: another process is working on this run; wait for it, or name another -o"
        return file_lock(self.path / ".training", busy)

    def foreign_files(self) -> list[str]:
        """Names in a folder without config.json that are not of a run about to be written, sorted."""
        ours = {".lock", self.folds.name, self.environment.name}
        return sorted(path.name for path in self.path.iterdir() if path.name not in ours and path.suffix != ".tmp")

    def unexpected_files(self, n_folds: int, repeats: int) -> list[str]:
        """Names in a cross-validation's folder that neither mertool nor `examples/slurm` puts there, sorted."""
        known = {path.name for path in (self.config, self.environment, self.folds, self.results)}
        known |= {self.fold(number).path.name for number in range(n_folds)}
        known |= {self.repeat(number).path.name for number in range(1, repeats)}
        return _names_beside(self.path, {*known, "slurm"})

    def resume_command(self, command: str = "cv") -> str:
        """The command that continues the run."""
        return shlex.join(["mertool", command, "-o", str(self.path), "--resume"])

    def fold_folders(self) -> list[FoldFolder]:
        """The folders of all folds of a cross-validation.

        Raises:
            FileError, RunError: folds.json is missing or damaged.
        """
        return [self.fold(number) for number in range(len(self.read_folds().tests))]

    def trained_folders(self, command: str, holding: str) -> list[FoldFolder]:
        """The folders of all folds of a cross-validation, or the one of a `train` run.

        Args:
            command: "cv" or "train".
            holding: The property of `FoldFolder` that each must have a file for.

        Raises:
            RunError: One has none: the run is not finished.
        """
        folders = [self.training]
        if command == "cv":
            folders = self.fold_folders()
        for folder in folders:
            file: Path = getattr(folder, holding)
            if not file.is_file():
                name = file.relative_to(self.path)
                raise RunError(f'{self.path}: not finished, no {name}; run "{self.resume_command(command)}"')
        return folders

    def write_environment(self, values: dict[str, Any]) -> None:
        """Write env.json."""
        write_json(self.environment, values)

    def read_environment(self) -> dict[str, Any]:
        """What env.json says; empty if it is missing or damaged."""
        try:
            values = read_json(self.environment)
        except (DataError, FileError):
            return {}
        return values if isinstance(values, dict) else {}

    def read_results(self) -> Any:
        """The value in results.json.

        Raises:
            FileError: There is none.
            RunError: It is not JSON.
        """
        with as_run_error():
            return read_json(self.results)

    def discard_results(self) -> None:
        """Remove results.json: they are not, or no longer, those of all folds."""
        self.results.unlink(missing_ok=True)

    def write_results(self, values: dict[str, Any]) -> None:
        """Write results.json."""
        write_json(self.results, values)


def _names_beside(folder: Path, known: set[str]) -> list[str]:
    """Sorted names in a folder that are not known, without locks and what killed processes left."""
    names = {path.name for path in folder.iterdir()} - known - {".lock", ".repeats"}
    return sorted(name for name in names if not (name.startswith(".") and name.endswith(".tmp")))


def is_repeat_name(name: str) -> bool:
    """Whether a folder is named as that of a repeat."""
    return name.startswith(_REPEAT) and name.removeprefix(_REPEAT).isdigit()


@dataclass(frozen=True, slots=True)
class FoldFolder:
    """The paths of a fold, and of a `train` run.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def log(self) -> Path:
        """log.csv: one row per epoch."""
        return self.path / "log.csv"

    @property
    def last(self) -> Path:
        """last.pt: all that continuing a training needs; removed when it is finished."""
        return self.path / "last.pt"

    @property
    def final(self) -> Path:
        """final.pt: the trained network."""
        return self.path / "final.pt"

    @property
    def training_files(self) -> TrainingFiles:
        """What the training of a network writes."""
        return TrainingFiles(self.last, self.final, self.log)

    @property
    def predictions(self) -> Path:
        """predictions.csv: the test clips."""
        return self.path / "predictions.csv"

    @property
    def inner(self) -> Path:
        """inner.csv: predictions of clips of the training part, on which something was chosen."""
        return self.path / "inner.csv"

    @property
    def selection(self) -> Path:
        """selection.csv: scores of each candidate of a texture classifier."""
        return self.path / "selection.csv"

    @property
    def classifier(self) -> Path:
        """classifier.npz: a texture classifier."""
        return self.path / "classifier.npz"

    @property
    def attention(self) -> Path:
        """attention.npy: the attention map of each row of predictions.csv."""
        return self.path / "attention.npy"

    @property
    def done(self) -> Path:
        """done.json."""
        return self.path / "done.json"

    @property
    def is_done(self) -> bool:
        """Whether the fold is finished."""
        return self.done.exists()

    def unexpected_files(self, left: Sequence[Path]) -> list[str]:
        """Names in the folder other than those of files that a method has left, done.json and last.pt; sorted."""
        return _names_beside(self.path, {path.name for path in (*left, self.done, self.last)})

    def discard_state(self) -> None:
        """Remove last.pt, four fifths of a fold: nothing continues what is finished."""
        self.last.unlink(missing_ok=True)

    def lock(self) -> Any:
        """Held by the process that works on the fold; the folder is made, and no link leads out of it."""
        refuse_links([self.path])
        make_folder(self.path)
        refuse_links(self.path.iterdir())
        busy = f"{self.path}: another process is working on this fold; wait for it, or take another --fold"
        return file_lock(self.path / ".lock", busy)

    def write_record(self, files: Sequence[Path], fingerprint: str, facts: dict[str, Any]) -> None:
        """Write done.json, as `FoldRecord.write`: the fold is finished."""
        FoldRecord.write(self.done, files, fingerprint, facts)

    def read_record(self) -> FoldRecord:
        """What done.json says.

        Raises:
            FileError: There is none.
            RunError: It is damaged.
        """
        with as_run_error():
            return FoldRecord.read(self.done)

    def read_predictions(self) -> Predictions:
        """predictions.csv: the test clips.

        Raises:
            FileError: There is none.
            RunError: It is damaged.
        """
        with as_run_error():
            return Predictions.read(self.predictions)

    def read_inner(self) -> Predictions:
        """inner.csv: the clips of the training part on which something was chosen.

        Raises:
            FileError: There is none.
            RunError: It is damaged.
        """
        with as_run_error():
            return Predictions.read(self.inner)
