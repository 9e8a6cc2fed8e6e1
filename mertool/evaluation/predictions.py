"""Predictions: one row per clip, and predictions.csv, the only file from which results are computed.

Columns: clip, dataset, subject, fold, truth, prediction, then one probability per class, `p_<class>`, in the order of
the class list. `clip` is the id `dataset/subject/clip`. Probabilities are rounded to float32 and written with the
fewest digits that give the same float32 back, so that writing and reading change nothing. `truth` is empty for a clip
without a label and `fold` for a clip that is in none (both as `mertool predict` writes them); metrics refuse the
former.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..clips import split_id
from ..csv_text import csv_text, unescape_cell
from ..errors import DataError, FileError
from ..files import read_text, write_text
from ..text import abbreviate, os_error_text

__all__ = ["NO_FOLD", "SAME_WITHIN", "Predictions"]

NO_FOLD = -1
SAME_WITHIN = 1e-3  # probabilities and scores that differ by more are of another model, on whatever machine
_COLUMNS = ("clip", "dataset", "subject", "fold", "truth", "prediction")
_FOLD_DIGITS = 6  # --folds goes to 100 000
_LARGEST = 2**28  # bytes; 100,000 clips take 15 MB
_SUM_TOLERANCE = 1e-3  # a softmax in float32 sums to 1 within 1e-6; anything beyond this is no distribution


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predicted class probabilities of N clips over K classes.

    What follows from these columns is not stored: `dataset` and `subject` from the clip id, `prediction` from the
    probabilities. So they cannot contradict each other.

    Attributes:
        clip: N clip ids `dataset/subject/clip`, each once.
        fold: N numbers of the folds the clips were tested in; `NO_FOLD` for none.
        truth: N class names; "" if the label is not known.
        probabilities: (N, K) float64, 0..1, rows sum to 1; values are rounded to the nearest float32.
        classes: The K class names, in the order of the probabilities' columns.

    Raises:
        DataError: Columns of differing length, a clip twice, an unknown class, or rows that are no probabilities.
    """

    clip: tuple[str, ...]
    fold: tuple[int, ...]
    truth: tuple[str, ...]
    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = (len(self.clip), len(self.classes))
        if not (len(self.clip) == len(self.fold) == len(self.truth)) or np.shape(self.probabilities) != shape:
            raise DataError(
                f"predictions: expected {shape[0]} folds and truths and {shape} probabilities, "
                f"got {len(self.fold)}, {len(self.truth)} and {np.shape(self.probabilities)}"
            )
        if shape[1] < 2 or len(set(self.classes)) != shape[1] or "" in self.classes:
            raise DataError(f"predictions: expected at least two different classes, got {', '.join(self.classes)!r}")
        object.__setattr__(self, "fold", tuple(int(fold) for fold in self.fold))
        values = np.asarray(self.probabilities, np.float64)
        seen: set[str] = set()
        sums = values.sum(axis=1).tolist()
        valid = np.all((values >= 0) & (values <= 1), axis=1).tolist()  # false for NaN as well
        for row, (clip, truth) in enumerate(zip(self.clip, self.truth, strict=True)):
            if clip in seen:
                raise _RowError(row, f"clip {clip} is there a second time; expected each clip once")
            seen.add(clip)
            try:
                split_id(clip)
            except DataError as error:
                raise _RowError(row, str(error)) from error
            if truth and truth not in self.classes:
                raise _RowError(row, f"truth: unknown class {truth!r}; expected one of {', '.join(self.classes)}")
            if not valid[row]:
                raise _RowError(row, f"expected probabilities from 0 to 1, got {values[row].tolist()}")
            if abs(sums[row] - 1) > _SUM_TOLERANCE:
                raise _RowError(row, f"expected probabilities that sum to 1, got {sums[row]:.4g}")
        object.__setattr__(self, "probabilities", values.astype(np.float32).astype(np.float64))

    @property
    def dataset(self) -> tuple[str, ...]:
        """N names of data sets."""
        return tuple(split_id(clip)[0] for clip in self.clip)

    @property
    def subject(self) -> tuple[str, ...]:
        """N subjects, unique only within their data set."""
        return tuple(split_id(clip)[1] for clip in self.clip)

    @property
    def prediction(self) -> tuple[str, ...]:
        """N class names: the most probable class; ties are broken by the order of `classes`."""
        return tuple(self.classes[k] for k in self.probabilities.argmax(axis=1))

    def to_csv(self) -> str:
        """The rows, sorted by clip id, as CSV with '\\n' line ends: equal rows give equal text."""
        rows: list[list[object]] = [[*_COLUMNS, *(f"p_{name}" for name in self.classes)]]
        columns = zip(self.clip, self.dataset, self.subject, self.fold, self.truth, self.prediction, strict=True)
        probabilities = self.probabilities.astype(np.float32)
        for (clip, dataset, subject, fold, truth, prediction), row in sorted(
            zip(columns, probabilities, strict=True), key=lambda pair: pair[0][0]
        ):
            number = "" if fold == NO_FOLD else fold
            rows.append([clip, dataset, subject, number, truth, prediction, *(str(value) for value in row)])
        return csv_text(rows)

    def write(self, path: Path) -> None:
        """Write `to_csv` as UTF-8, atomically."""
        write_text(path, self.to_csv())

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Read what `write` wrote; rows may come in any order.

        Raises:
            FileError: The file is missing or cannot be read.
            DataError: A missing or unknown column, a bad number, an unknown class, a clip twice, or a dataset, subject
                or prediction that contradicts the clip id or the probabilities. The message names file and line.
        """
        try:
            reader = csv.reader(io.StringIO(read_text(path, _LARGEST), newline=""))
            rows = [(reader.line_num, list(map(unescape_cell, row))) for row in reader]
        except OSError as error:
            raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path}: not a CSV file ({error}); it was damaged or is not mertool's") from error

        header = rows[0][1] if rows else []
        fixed, named = header[: len(_COLUMNS)], header[len(_COLUMNS) :]
        missing = [name for name in _COLUMNS if name not in header]
        if missing:
            raise DataError(
                f"{path}: line 1: no column {', '.join(missing)}; expected {','.join(_COLUMNS)},p_<class>..."
            )
        if tuple(fixed) != _COLUMNS or not all(name.startswith("p_") for name in named):
            raise DataError(f"{path}: line 1: expected {','.join(_COLUMNS)},p_<class>..., got {','.join(header)}")
        classes = tuple(name[2:] for name in named)

        folds, values = [], []
        for line, row in rows[1:]:
            if len(row) != len(header):
                raise DataError(f"{path}: line {line}: expected {len(header)} columns, got {len(row)}")
            folds.append(_fold(row[3], path, line))
            values.append([_number(cell, name, path, line) for name, cell in zip(named, row[6:], strict=True)])
        cells = [row for _, row in rows[1:]]
        probabilities = np.array(values, np.float64).reshape(len(values), len(classes))
        clips, truths = tuple(row[0] for row in cells), tuple(row[4] for row in cells)
        try:
            predictions = cls(clips, tuple(folds), truths, probabilities, classes)
        except _RowError as error:
            raise DataError(f"{path}: line {rows[1 + error.row][0]}: {error.fault}") from error
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

        derived = zip(predictions.dataset, predictions.subject, predictions.prediction, strict=True)
        for (line, row), expected in zip(rows[1:], derived, strict=True):
            for name, cell, value in zip(
                ("dataset", "subject", "prediction"), (row[1], row[2], row[5]), expected, strict=True
            ):
                if cell != value:
                    source = "the highest probability" if name == "prediction" else "the clip id"
                    raise DataError(
                        f"{path}: line {line}: {name} is {cell!r}, but {source} says {value!r}; was it edited?"
                    )
        return predictions

    @classmethod
    def join(cls, parts: Sequence[Predictions]) -> Predictions:
        """All rows of several predictions over the same classes, sorted by clip id.

        Raises:
            DataError: No parts, differing class lists, or a clip in more than one row.
        """
        if not parts:
            raise DataError("predictions: nothing to join; expected at least one file")
        classes = parts[0].classes
        for part in parts:
            if part.classes != classes:
                raise DataError(f"predictions: classes differ: {', '.join(classes)} and {', '.join(part.classes)}")
        clips = [clip for part in parts for clip in part.clip]
        twice = sorted(clip for clip, count in Counter(clips).items() if count > 1)
        if twice:
            raise DataError(f"predictions: clip {twice[0]} is predicted more than once; expected each clip once")
        order = sorted(range(len(clips)), key=clips.__getitem__)
        folds = [fold for part in parts for fold in part.fold]
        truths = [truth for part in parts for truth in part.truth]
        return cls(
            tuple(clips[row] for row in order),
            tuple(folds[row] for row in order),
            tuple(truths[row] for row in order),
            np.concatenate([part.probabilities for part in parts])[order],
            classes,
        )


class _RowError(DataError):
    """The fault of one row, so that a reader can name its line."""

    def __init__(self, row: int, fault: str) -> None:
        super().__init__(f"predictions: row {row}: {fault}")
        self.row, self.fault = row, fault


def _fold(cell: str, path: Path, line: int) -> int:
    if cell == "":
        return NO_FOLD
    if not (cell.isascii() and cell.isdigit() and len(cell) <= _FOLD_DIGITS):
        raise DataError(f"{path}: line {line}: fold: expected a whole number, got {abbreviate(cell)}")
    return int(cell)


def _number(cell: str, name: str, path: Path, line: int) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise DataError(f"{path}: line {line}: {name}: expected a number, got {abbreviate(cell)}") from error
