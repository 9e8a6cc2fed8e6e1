"""Score-level fusion: the predictions of several runs with the same folds, joined clip by clip.

A fused probability is the weighted mean of the runs' own. The weights are equal, or fitted on the runs' inner
predictions, those of clips that are in the training part of a fold; a test clip never has a say in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, FileError, MertoolError, RunError
from ...evaluation.predictions import Predictions
from ...files import file_sha256
from ...settings import Settings
from ...text import few
from ..checks import BEYOND, FAIL, NOTE, PASS, Check
from ..config import RunConfig, fingerprint, resolve_in_run
from ..layout import RunFolder, as_run_error
from . import method_of
from .base import AuditCase, FoldWork, Method

if TYPE_CHECKING:
    from ...inputs.samples import Samples
    from ..finished import Run

__all__ = [
    "FuseWeights",
    "FusionMethod",
    "fit_weights",
    "fuse",
    "join_fold",
    "read_member",
]

FuseWeights = Literal["equal", "fitted"]

_EVERY_RUNS = ("key frames", BEYOND.name)  # notes
_STEPS = 10_000
_SETTLED = 1e-12  # change of a weight below which they are fitted
_LEAST = 1e-12  # a probability of the truth never counts as less


class FusionMethod(Method):
    """Joins what other runs predicted."""

    setting_groups = frozenset({"fusion"})
    trains = False
    trained_things = ""
    statistics = "probabilities are averaged; weights, where fitted, are of training parts"

    def name_parts(self, settings: Settings) -> list[str]:  # noqa: ARG002
        """A fusion is named by its runs, see `mertool.runs.start_fusion.default_fusion_folder`."""
        return [self.name]

    def work_on_fold(self, work: FoldWork) -> dict[str, Any]:
        """Join the runs' predictions."""
        predictions, weights = _fuse_fold(work.run, work.config, work.fold)
        predictions.write(work.folder.predictions)
        return {"weights": weights}

    def predict(self, run: Path, config: RunConfig, samples: Samples, device: str) -> list[NDArray[np.float64]]:
        """By the runs of the fusion, weighed as in each fold."""
        n_folds = len(RunFolder(run).trained_folders(config.command, "done"))
        weights = [_weights_of(run, config, fold) for fold in range(n_folds)]
        members = []
        for folder in _member_folders(run, config):
            own = RunConfig.read(folder)
            members.append(method_of(own.settings).predict(folder, own, samples, device))
        return [
            np.asarray(sum(weight * part for weight, part in zip(shares, parts, strict=True)))
            for shares, parts in zip(weights, zip(*members, strict=True), strict=True)
        ]

    def audit_files(self, case: AuditCase) -> Iterator[Check]:
        """Whether the runs are sound, and the predictions what they give."""
        try:
            members = _member_folders(case.run, case.config)
            apart = []
            for fold in range(len(case.folds.tests)):
                again, weights = _fuse_fold(case.run, case.config, fold)
                written = RunFolder(case.run).fold(fold).read_predictions()
                same_weights = np.allclose(weights, _weights_of(case.run, case.config, fold))
                if again.to_csv() != written.to_csv() or not same_weights:
                    apart.append(str(fold))
        except MertoolError as error:
            yield Check("fusion", NOTE if isinstance(error, FileError) else FAIL, f"could not be made again: {error}")
            return
        if apart:
            yield Check("fusion", FAIL, f"its runs give other predictions or weights than those of fold {few(apart)}")
        else:
            yield Check("fusion", PASS, f"what {len(members)} runs predict, joined again, is the same")
        for record, member in zip(case.config.members, members, strict=True):
            checks = case.audit_run(member)
            failed = [check.name for check in checks if check.verdict == FAIL]
            if record.subjects != RunConfig.read(member).init_subjects:
                failed.append("the subjects of its initial weights, of which this run says otherwise")
            if failed:
                yield Check("fused run", FAIL, f"{member.name} fails its own audit: {', '.join(failed)}")
            else:
                notes = [check.name for check in checks if check.verdict == NOTE and check.name not in _EVERY_RUNS]
                said = f", notes on {', '.join(notes)}" if notes else ""
                yield Check("fused run", NOTE if notes else PASS, f"{member.name} passes its own audit{said}")

    def audit(self, case: AuditCase, samples: Samples) -> Iterator[Check]:  # noqa: ARG002
        """Nothing but what `audit_files` has checked."""
        yield from ()

    def describe(self, run: Run) -> list[str]:
        """`fusion of a + b`, `equal weights`."""
        return [f"fusion of {' + '.join(run.members)}", f"{run.settings.fuse_weights} weights"]

    def choice_rule(self, run: Run) -> str:
        """Where the weights come from."""
        how = "are equal"
        if run.settings.fuse_weights == "fitted":
            how = "are fitted in each fold on clips of its training part"
            if run.weights:
                folds = "; ".join("/".join(f"{weight:.2f}" for weight in fold) for fold in run.weights)
                how += f" ({' / '.join(run.members)}: {folds})"
        return f"Fusion: probabilities are averaged clip by clip; the runs' weights {how}."

    def described_settings(self) -> set[str]:
        """What `describe` tells."""
        return {"method", "fuse_weights"}


def read_member(run: Path) -> RunConfig:
    """The configuration of a run that can be fused.

    Raises:
        FileError: It is not a run folder.
        RunError: It is damaged, or a run of `train`.
    """
    config = RunConfig.read(run)
    if config.command != "cv":
        raise RunError(f'{run}: made by "mertool {config.command}", which tests nothing; fuse runs of "mertool cv"')
    return config


def _member_folders(run: Path, config: RunConfig) -> list[Path]:
    """The folders of a fusion's runs.

    Raises:
        FileError: One is gone.
        RunError: One is not the run that was fused.
    """
    folders = []
    for member in config.members:
        folder = resolve_in_run(run, member.path)
        read_member(folder)
        if fingerprint(folder) != member.fingerprint:
            raise RunError(f"{folder}: has changed since {run} was started; run --fuse again with a new -o")
        folders.append(folder)
    return folders


def _read_part(run: Path, fold: int, inner: bool = False) -> Predictions:
    """Predictions of a fold as the run left them: of its test clips, or those that weights are fitted on."""
    folder = RunFolder(run).fold(fold)
    if not folder.is_done:
        raise RunError(f'{run}: fold {fold} is not done; run "{RunFolder(run).resume_command()}"')
    path = folder.inner if inner else folder.predictions
    digests = folder.read_record().files
    if inner and path.name not in digests:
        advice = "fuse its own runs"
        if method_of(RunConfig.read(run).settings).trains:
            advice = "make it with --epoch-selection inner"
        raise RunError(f"{run}: has no inner predictions to fit weights on; {advice}, or leave out --fuse-weights")
    if file_sha256(path) != digests.get(path.name):
        raise RunError(f"{path}: changed since it was made; fuse only what a run left")
    return folder.read_inner() if inner else folder.read_predictions()


def _fuse_fold(run: Path, config: RunConfig, fold: int) -> tuple[Predictions, list[float]]:
    """The fused predictions of a fold's test clips, and the weights of the runs.

    Raises:
        MertoolError: A run is gone, is not the one that was fused, or was changed.
    """
    return join_fold(_member_folders(run, config), fold, config.settings.fuse_weights)


def join_fold(runs: Sequence[Path], fold: int, how: FuseWeights) -> tuple[Predictions, list[float]]:
    """The joined predictions of the clips that a fold of all these runs tests, and the weights of the runs.

    Raises:
        FileError: A file is gone.
        RunError: A run is not finished or was changed; the runs do not fit together; or they lack what weights are
            fitted on.
    """
    parts = [_read_part(run, fold) for run in runs]
    weights = np.full(len(parts), 1 / len(parts))
    if how == "fitted":
        with as_run_error():
            weights = fit_weights([_read_part(run, fold, inner=True) for run in runs])
    with as_run_error():
        return fuse(parts, weights), weights.tolist()


def _weights_of(run: Path, config: RunConfig, fold: int) -> list[float]:
    """The weights that a finished fold of a fusion has left.

    Raises:
        FileError: It is not finished.
        DataError: Its done.json is damaged.
    """
    folder = RunFolder(run).fold(fold)
    weights = folder.read_record().weights
    if weights is None or len(weights) != len(config.members) or abs(sum(weights) - 1) > 1e-6:
        raise RunError(f"{folder.done}: damaged; expected the weights of {len(config.members)} runs")
    return list(weights)


def fuse(parts: Sequence[Predictions], weights: NDArray[np.float64]) -> Predictions:
    """The weighted mean of several predictions of the same clips, joined by clip id.

    Args:
        parts: Each over the same clips, truths, folds and classes, in whatever order.
        weights: (M,) that sum to 1.

    Raises:
        DataError: They are not of the same classes or clips, or their truths differ.
    """
    first = parts[0]
    total = np.zeros_like(first.probabilities)
    for part, weight in zip(parts, weights, strict=True):
        row = {clip: k for k, clip in enumerate(part.clip)}
        if part.classes != first.classes:
            raise DataError(
                f"fusion: the runs' classes differ: {', '.join(part.classes)} and {', '.join(first.classes)}"
            )
        if set(row) != set(first.clip):
            apart = sorted(set(row) ^ set(first.clip))
            raise DataError(f"fusion: clip {apart[0]} is predicted by one run and not by another")
        order = [row[clip] for clip in first.clip]
        wrong = [first.clip[k] for k, there in enumerate(order) if part.truth[there] != first.truth[k]]
        if wrong:
            raise DataError(f"fusion: the runs give clip {wrong[0]} different labels; were the packs made anew?")
        total += weight * part.probabilities[order]
    return Predictions(first.clip, first.fold, first.truth, total / total.sum(1, keepdims=True), first.classes)


def fit_weights(parts: Sequence[Predictions]) -> NDArray[np.float64]:
    """Weights that give the clips' true classes the highest likelihood under the weighted mean.

    The likelihood is concave in the weights, so expectation maximisation climbs to its maximum from equal weights,
    until no weight changes by more than 1e-12 or 10 000 steps are done: weights of runs that hardly differ may then
    stand apart from the maximum, where the likelihood is flat.

    Args:
        parts: Inner predictions, one a run; only clips that all of them have count.

    Returns:
        (M,) float64, 0..1, sum 1.

    Raises:
        DataError: They have no clip in common.
    """
    common = sorted(set.intersection(*(set(part.clip) for part in parts)))
    if not common:
        raise DataError("fusion: the runs' inner predictions have no clip in common; leave out --fuse-weights")
    columns = []
    for part in parts:
        row = {clip: k for k, clip in enumerate(part.clip)}
        columns.append([part.probabilities[row[clip], part.classes.index(part.truth[row[clip]])] for clip in common])
    of_truth = np.maximum(np.array(columns).T, _LEAST)  # (n, M)
    weights = np.full(len(parts), 1 / len(parts))
    for _ in range(_STEPS):
        joint = of_truth * weights
        found = (joint / joint.sum(1, keepdims=True)).mean(0)
        settled = np.abs(found - weights).max() < _SETTLED
        weights = found / found.sum()
        if settled:
            break
    return weights
