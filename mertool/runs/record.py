"""done.json: what a finished fold, or the training of a `train` run, has left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..files import file_sha256, read_json, write_json
from ..text import abbreviate, is_plain
from .environment import as_date

__all__ = ["FoldRecord"]

_MOST = 1e12  # of anything in a file: beyond it no count is real


@dataclass(frozen=True, slots=True)
class FoldRecord:
    """What done.json says.

    Attributes:
        files: Name -> SHA-256 of each file that the method left.
        fingerprint: Of the run (`mertool.runs.config.fingerprint`); "" for `train`, which has no folds.
        facts: What the method adds, as it is in the file.
        epoch: Of a network: the epoch whose weights it has, from 1.
        design: Of a texture classifier: "features" selected, "of" how many, "cost", and in "places" how many were
            selected by region and plane.
        weights: Of a fusion: the weight of each run, 0..1.
        finished: When, as `mertool.runs.environment.date_now`; None in old files.
        seconds: How long the process that finished it worked on it; None in old files.
    """

    files: dict[str, str]
    fingerprint: str
    facts: dict[str, Any]
    epoch: int | None
    design: dict[str, Any] | None
    weights: tuple[float, ...] | None
    finished: str | None
    seconds: float | None

    @staticmethod
    def write(path: Path, files: Sequence[Path], fingerprint: str, facts: dict[str, Any]) -> None:
        """Write done.json: the fold is finished.

        Args:
            path: The file.
            files: What the method left in the folder; hashed here.
            fingerprint: Of the run.
            facts: What the method adds.
        """
        digests = {file.name: file_sha256(file) for file in files}
        write_json(path, {"sha256": digests, "run": fingerprint, **facts})

    @classmethod
    def read(cls, path: Path) -> FoldRecord:
        """What done.json says.

        Raises:
            FileError: There is none.
            DataError: It is damaged.
        """
        values = read_json(path)
        files = values.get("sha256") if isinstance(values, dict) else None
        if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
            raise RunError(f"{path}: damaged; expected the hashes of the fold's files")
        for name in files:
            if name in ("", ".", "..") or "/" in name or not is_plain(name):
                raise RunError(f"{path}: damaged; expected names of files beside it, got {abbreviate(name)}")
        facts = {name: value for name, value in values.items() if name not in ("sha256", "run")}
        epoch, design, weights = (facts.get(name) for name in ("epoch", "design", "weights"))
        if epoch is not None and type(epoch) is not int:
            raise RunError(f"{path}: damaged; expected the number of an epoch, got {abbreviate(epoch)}")
        if design is not None and not _is_design(design):
            raise RunError(f"{path}: damaged; expected the design of a classifier, got {abbreviate(design)}")
        if weights is not None:
            if not isinstance(weights, list) or not all(_is_number(weight, 0, 1) for weight in weights):
                raise RunError(f"{path}: damaged; expected the weights of runs, got {abbreviate(weights)}")
            weights = tuple(map(float, weights))
        finished, seconds = facts.get("finished"), facts.get("seconds")
        if finished is not None and as_date(finished) is None:
            raise RunError(f"{path}: damaged; expected the date of its end, got {abbreviate(finished)}")
        if seconds is not None and not _is_number(seconds, 0, _MOST):
            raise RunError(f"{path}: damaged; expected how many seconds it took, got {abbreviate(seconds)}")
        return cls(files, str(values.get("run", "")), facts, epoch, design, weights, finished, seconds)


def _is_number(value: Any, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high


def _is_design(design: Any) -> bool:
    if not isinstance(design, dict):
        return False
    if not all(_is_number(design.get(name), 0, _MOST) and design[name] > 0 for name in ("features", "of", "cost")):
        return False
    places = design.get("places")
    if not isinstance(places, dict) or not places:
        return False
    return all(
        isinstance(planes, dict) and planes and all(type(n) is int and 0 <= n < _MOST for n in planes.values())
        for planes in places.values()
    )
