"""What a run folder holds: the only place that knows its file names and their formats.

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

import csv
import shlex
import tokenize
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, FileError
from ..evaluation.folds import Folds
from ..files import atomic_file, file_lock, file_sha256, make_folder, read_json, write_json
from ..network.training_files import TrainingFiles
from ..text import abbreviate, os_error_text

__all__ = ["FoldFolder", "FoldRecord", "RunFolder", "is_repeat_name"]

_REPEAT = "repeat_"
# What NumPy raises on a damaged header, depending on which byte it is; a warning is one of Python 2's.
_DAMAGE = (
    EOFError,
    MemoryError,
    OverflowError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    tokenize.TokenError,
)


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
            FileError, DataError: As `Folds.load`.
        """
        return Folds.load(self.folds)

    def lock(self) -> Any:
        """Held while a run is written or its results are put together."""
        return file_lock(self.path / ".lock")

    def repeats_lock(self) -> Any:
        """Held while repeats are begun: the jobs of an array begin them together."""
        return file_lock(self.path / ".repeats")

    def training_lock(self) -> Any:
        """Held by the process that trains a `train` run."""
        busy = f"{self.path}: another process is working on this run; wait for it, or name another -o"
        return file_lock(self.path / ".training", busy)

    def strangers(self) -> list[str]:
        """Names in a folder without config.json that no run begins with, sorted."""
        ours = {".lock", self.folds.name, self.environment.name}
        return sorted(path.name for path in self.path.iterdir() if path.name not in ours and path.suffix != ".tmp")

    def resume_command(self, command: str = "cv") -> str:
        """The command that continues the run."""
        return shlex.join(["mertool", command, "-o", str(self.path), "--resume"])

    def fold_folders(self) -> list[FoldFolder]:
        """The folders of all folds of a cross-validation.

        Raises:
            FileError, DataError: folds.json is missing or damaged.
        """
        return [self.fold(number) for number in range(len(self.read_folds().tests))]

    def trained_folders(self, command: str, holding: str) -> list[FoldFolder]:
        """The folders of all folds of a cross-validation, or the one of a `train` run.

        Args:
            command: "cv" or "train".
            holding: The property of `FoldFolder` that each must have a file for.

        Raises:
            DataError: One has none: the run is not finished.
        """
        folders = self.fold_folders() if command == "cv" else [self.training]
        for folder in folders:
            file: Path = getattr(folder, holding)
            if not file.is_file():
                name = file.relative_to(self.path)
                raise DataError(f'{self.path}: not finished, no {name}; run "{self.resume_command(command)}"')
        return folders

    def write_environment(self, values: dict[str, Any]) -> None:
        """Write env.json."""
        write_json(self.environment, values)

    def read_environment(self) -> dict[str, Any]:
        """What env.json says; empty where it is missing or damaged."""
        try:
            values = read_json(self.environment)
        except (DataError, FileError):
            return {}
        return values if isinstance(values, dict) else {}

    def write_results(self, values: dict[str, Any]) -> None:
        """Write results.json."""
        write_json(self.results, values)


def is_repeat_name(name: str) -> bool:
    """Whether a folder is named as that of a repeat."""
    return name.startswith(_REPEAT) and name.removeprefix(_REPEAT).isdigit()


@dataclass(frozen=True, slots=True)
class FoldRecord:
    """What done.json says: what a finished fold left.

    Attributes:
        files: Hashes of its files by name.
        fingerprint: Of the run (`mertool.runs.config.fingerprint`); "" in old runs.
        facts: What its method adds, as it is in the file: the epoch of a network, the design of a classifier, the
            weights of a fusion.
    """

    files: dict[str, str]
    fingerprint: str
    facts: dict[str, Any]


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
        """last.pt: all that continuing a training needs."""
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

    def lock(self) -> Any:
        """Held by the process that works on the fold; the folder is made."""
        make_folder(self.path)
        busy = f"{self.path}: another process is working on this fold; wait for it, or take another --fold"
        return file_lock(self.path / ".lock", busy)

    def write_record(self, files: Sequence[Path], fingerprint: str, facts: dict[str, Any]) -> None:
        """Write done.json: the fold is finished.

        Args:
            files: What the method left in the folder.
            fingerprint: Of the run.
            facts: What the method adds.
        """
        digests = {path.name: file_sha256(path) for path in files}
        write_json(self.done, {"sha256": digests, "run": fingerprint, **facts})

    def read_record(self) -> FoldRecord:
        """What done.json says.

        Raises:
            FileError: There is none.
            DataError: It is damaged.
        """
        values = read_json(self.done)
        files = values.get("sha256") if isinstance(values, dict) else None
        if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
            raise DataError(f"{self.done}: damaged; expected the hashes of the fold's files")
        facts = {name: value for name, value in values.items() if name not in ("sha256", "run")}
        epoch = facts.get("epoch")
        if epoch is not None and type(epoch) is not int:
            raise DataError(f"{self.done}: damaged; expected the number of an epoch, got {abbreviate(epoch)}")
        return FoldRecord(files, str(values.get("run", "")), facts)

    def epochs_logged(self) -> int:
        """Rows of log.csv; 0 where there is none."""
        try:
            return max(0, self.log.read_bytes().count(b"\n") - 1)
        except OSError:
            return 0

    def read_log(self) -> list[dict[str, float]]:
        """The rows of log.csv, with the columns that have a finite number in every row; empty where it has none."""
        try:
            with self.log.open(encoding="utf-8", newline="") as stream:
                rows = list(csv.DictReader(stream))
            names = [name for name in rows[0] if name and all(row.get(name) for row in rows)]
            log = [{name: float(row[name]) for name in names} for row in rows]
        except (OSError, ValueError, TypeError, IndexError, csv.Error):
            return []
        return log if all(isfinite(value) for row in log for value in row.values()) else []

    def write_attention(self, maps: NDArray[np.float32]) -> None:
        """Write attention.npy: one map per row of predictions.csv."""
        with atomic_file(self.attention) as stream:
            np.save(stream, maps, allow_pickle=False)

    def read_attention(self, n: int, shape: tuple[int, ...] | None) -> NDArray[np.float32]:
        """(n, *shape) attention maps, 0..1; of any shape where it is None.

        Raises:
            DataError: The file is missing, damaged, or holds something else.
        """
        path = self.attention
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                # No archive, no pickle, no room for what is not there.
                found = np.lib.format.open_memmap(path, mode="r")
        except OSError as error:
            raise DataError(f"{path}: no attention maps ({os_error_text(error)})") from error
        except _DAMAGE as error:
            raise DataError(f"{path}: damaged, not the attention maps that mertool writes") from error
        right = found.ndim == 3 and len(found) == n and found.size > 0 and shape in (None, found.shape[1:])
        if found.dtype != np.float32 or not right:
            wanted = " x ".join(map(str, shape or ("h", "w")))
            raise DataError(f"{path}: expected {n} x {wanted} of float32, got {found.shape} of {found.dtype}")
        maps = np.array(found, np.float32)
        with np.errstate(invalid="ignore"):
            if not ((maps >= 0) & (maps <= 1)).all():
                raise DataError(f"{path}: expected values from 0 to 1, got others")
        return maps
