"""Score-level fusion: the predictions of several runs with the same folds, joined clip by clip.

A fused probability is the weighted mean of the runs' own. The weights are equal, or fitted on the runs' inner
predictions, those of clips that are in the training part of a fold; a test clip never has a say in them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, FileError, MertoolError, UsageError
from ...evaluation.folds import Folds
from ...evaluation.predictions import Predictions
from ...files import file_sha256, read_json, write_json
from ...settings import FUSION, Settings
from ...text import few
from ..checks import FAIL, NOTE, PASS, Check
from ..config import FusedRun, RunConfig, fingerprint, relative_to_run, resolve_in_run
from ..create import write_or_join
from ..layout import RunFolder
from . import method_of
from .base import AuditCase, FoldWork, Method, Outcome

if TYPE_CHECKING:
    from ...inputs.samples import Samples
    from ..finished import Run

__all__ = [
    "FusionMethod",
    "begin_fusion",
    "default_fusion",
    "fit_weights",
    "fuse",
    "fuse_fold",
    "member_folders",
    "weights_of",
]

_LONGEST = 200  # bytes of a folder's name: file systems end at 255
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
        """A fusion is named by its runs, see `default_fusion`."""
        return [self.name]

    def work_on_fold(self, work: FoldWork) -> Outcome:
        """Join the runs' predictions."""
        predictions, weights = fuse_fold(work.run, work.config, work.fold)
        predictions.write(work.folder.predictions)
        return Outcome([work.folder.predictions], {"weights": weights})

    def predict(self, run: Path, config: RunConfig, samples: Samples, device: str) -> list[NDArray[np.float64]]:
        """By the runs of the fusion, weighed as in each fold."""
        n_folds = len(RunFolder(run).trained_folders(config.command, "done"))
        weights = [weights_of(run, config, fold) for fold in range(n_folds)]
        members = []
        for folder in member_folders(run, config):
            own = RunConfig.read(folder)
            members.append(method_of(own.settings).predict(folder, own, samples, device))
        return [
            np.asarray(sum(weight * part for weight, part in zip(shares, parts, strict=True)))
            for shares, parts in zip(weights, zip(*members, strict=True), strict=True)
        ]

    def audit_files(self, case: AuditCase) -> Iterator[Check]:
        """Whether the runs are sound, and the predictions what they give."""
        try:
            members = member_folders(case.run, case.config)
            apart = []
            for fold in range(len(case.folds.tests)):
                again, weights = fuse_fold(case.run, case.config, fold)
                written = Predictions.read(RunFolder(case.run).fold(fold).predictions)
                same_weights = np.allclose(weights, weights_of(case.run, case.config, fold))
                if again.to_csv() != written.to_csv() or not same_weights:
                    apart.append(str(fold))
        except MertoolError as error:
            yield Check("fusion", NOTE if isinstance(error, FileError) else FAIL, f"not made once more: {error}")
            return
        if apart:
            yield Check("fusion", FAIL, f"its runs give other predictions or weights than those of fold {few(apart)}")
        else:
            yield Check("fusion", PASS, f"what {len(members)} runs predict, joined once more, is the same")
        for member in members:
            checks = case.audit_run(member)
            failed = [check.name for check in checks if check.verdict == FAIL]
            if failed:
                yield Check("fused run", FAIL, f"{member.name} fails its own audit: {', '.join(failed)}")
            else:
                notes = [check.name for check in checks if check.verdict == NOTE and check.name != "key frames"]
                said = f", notes on {', '.join(notes)}" if notes else ""
                yield Check("fused run", NOTE if notes else PASS, f"{member.name} passes its own audit{said}")

    def audit(self, case: AuditCase, samples: Samples) -> Iterator[Check]:  # noqa: ARG002
        """Nothing but what `audit_files` has checked."""
        yield from ()

    def describe(self, run: Run) -> str:
        """`fusion of a + b, equal weights`."""
        return f"fusion of {' + '.join(run.members)}, {run.settings.fuse_weights} weights"

    def choice_rule(self, run: Run) -> str:
        """Where the weights come from."""
        fitted = run.settings.fuse_weights == "fitted"
        how = "are fitted in each fold on clips of its training part" if fitted else "are equal"
        said = ""
        if run.weights and fitted:
            folds = "; ".join("/".join(f"{weight:.2f}" for weight in fold) for fold in run.weights)
            said = f" ({' / '.join(run.members)}: {folds})"
        return f"Fusion: probabilities are averaged clip by clip; the runs' weights {how}{said}."


def default_fusion(runs: Sequence[Path], weights: str) -> Path:
    """`runs/fusion-<run>+<run>`, with weights that are not equal `runs/fusion-fitted-...`."""
    name = "+".join(run.resolve().name for run in runs)
    if len(os.fsencode(name)) > _LONGEST:
        name = f"{len(runs)}-runs-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
    return Path("runs") / "-".join(["fusion", *([weights] if weights != "equal" else []), name])


def begin_fusion(runs: Sequence[Path], folder: Path, weights: str, *, join: bool) -> tuple[RunConfig, list[str]]:
    """Make the run folder of a fusion.

    Args:
        runs: Finished runs of `mertool cv`, two or more.
        folder: The folder to make.
        weights: "equal" or "fitted".
        join: The folder may hold the same fusion already.

    Returns:
        Its configuration, and remarks for the user.

    Raises:
        UsageError: Fewer than two runs, or one twice.
        DataError: They have other folds, clips or classes, are not finished, or lack what the weights are fitted on.
        FileError: A folder is no run, or `folder` is in use.
    """
    if len(runs) < 2:
        raise UsageError(f"--fuse: expected two runs or more, got {len(runs)}; name them: mertool cv --fuse RUN RUN")
    if len({run.resolve() for run in runs}) < len(runs):
        raise UsageError("--fuse: a run is named twice")
    if folder.resolve() in {run.resolve() for run in runs}:
        raise UsageError(f"-o: {folder} is one of the runs to fuse; name another folder")
    configs = [_read_member(run) for run in runs]
    folds = [RunFolder(run).read_folds() for run in runs]
    first, remarks = configs[0], []
    for run, config, parts in zip(runs, configs, folds, strict=True):
        if config.classes != first.classes:
            raise DataError(
                f"{run}: has the classes {', '.join(config.classes)}, {runs[0]} {', '.join(first.classes)}; a fusion "
                "needs the same"
            )
        if parts.tests != folds[0].tests:
            shown = shlex.quote(str(RunFolder(runs[0]).folds))
            raise DataError(
                f"{run}: has other folds than {runs[0]}{_first_apart(parts, folds[0])}; make it with --folds-file "
                f"{shown}"
            )
        if config.settings.repeats > 1:
            remarks.append(f"{run}: its repeats are not fused; fuse repeat_1 and so on by their names")
        if (set(config.apexes), set(config.jitters)) != (set(first.apexes), set(first.jitters)):
            remarks.append(f"{run}: its apexes were chosen otherwise than those of {runs[0]}")
        if set(config.alignments) != set(first.alignments):
            remarks.append(f"{run}: its frames were aligned otherwise than those of {runs[0]}")
    for fold, tested in enumerate(folds[0].tests):  # before anything is written
        joined, _ = _join(runs, fold, weights)
        if set(joined.clip) != set(tested) or joined.classes != first.classes:
            raise DataError(f"{runs[0]}: fold {fold} predicts other clips or classes than the run says")
    settings = Settings.from_dict(
        {
            "method": FUSION,
            "fuse_weights": weights,
            "classes": first.settings.classes,
            "protocol": first.settings.protocol,
            "folds": len(folds[0].tests),
            "split_seed": first.settings.split_seed,
        }
    )
    wanted = RunConfig(
        command="cv",
        settings=settings,
        classes=first.classes,
        packs=tuple((relative_to_run(resolve_in_run(runs[0], path), folder), digest) for path, digest in first.packs),
        clips=first.clips,
        init=None,
        apexes=first.apexes,
        jitters=first.jitters,
        alignments=first.alignments,
        members=tuple(
            FusedRun(relative_to_run(run, folder), fingerprint(run), _people(config))
            for run, config in zip(runs, configs, strict=True)
        ),
    )
    config = write_or_join(folder, wanted, folds[0], join=join)
    if (config.members, config.packs) != (wanted.members, wanted.packs):  # runs that have moved since
        config = dataclasses.replace(config, members=wanted.members, packs=wanted.packs)
        moved = {name: config.as_dict()[name] for name in ("members", "packs")}
        path = RunFolder(folder).config
        write_json(path, {**read_json(path), **moved})
    return config, remarks


def _first_apart(one: Folds, other: Folds) -> str:
    mine, theirs = one.fold_of(), other.fold_of()
    for name in sorted({*mine, *theirs}):
        if mine.get(name) != theirs.get(name):
            here, there = mine.get(name, "none"), theirs.get(name, "none")
            return f" (clip {name}: fold {here} here, {there} there)"
    return ""


def _read_member(run: Path) -> RunConfig:
    config = RunConfig.read(run)
    if config.command != "cv":
        raise DataError(f'{run}: made by "mertool {config.command}", which tests nothing; fuse runs of "mertool cv"')
    return config


def _people(config: RunConfig) -> tuple[str, ...]:
    """Whom the weights of a run have seen before it began, its own members' included."""
    people = set(config.init.people if config.init else ())
    return tuple(sorted(people.union(*(member.people for member in config.members))))


def member_folders(run: Path, config: RunConfig) -> list[Path]:
    """The folders of a fusion's runs.

    Raises:
        FileError: One is gone.
        DataError: One is not the run that was fused.
    """
    folders = []
    for member in config.members:
        folder = resolve_in_run(run, member.path)
        _read_member(folder)
        if fingerprint(folder) != member.fingerprint:
            raise DataError(f"{folder}: is not the run that {run} was begun with; fuse anew with another -o")
        folders.append(folder)
    return folders


def _read_part(run: Path, fold: int, inner: bool = False) -> Predictions:
    """Predictions of a fold as the run left them: of its test clips, or those that weights are fitted on."""
    folder = RunFolder(run).fold(fold)
    if not folder.is_done:
        raise DataError(f'{run}: fold {fold} is not done; run "{RunFolder(run).resume_command()}"')
    path = folder.inner if inner else folder.predictions
    digests = folder.read_record().files
    if inner and path.name not in digests:
        trains = method_of(RunConfig.read(run).settings).trains
        advice = "make it with --select inner" if trains else "fuse its own runs"
        raise DataError(f"{run}: has no inner predictions to fit weights on; {advice}, or leave out --fuse-weights")
    if file_sha256(path) != digests.get(path.name):
        raise DataError(f"{path}: changed since it was made; fuse only what a run left")
    return Predictions.read(path)


def fuse_fold(run: Path, config: RunConfig, fold: int) -> tuple[Predictions, list[float]]:
    """The fused predictions of a fold's test clips, and the weights of the runs.

    Raises:
        MertoolError: A run is gone, is not the one that was fused, or was changed.
    """
    return _join(member_folders(run, config), fold, config.settings.fuse_weights)


def _join(runs: Sequence[Path], fold: int, how: str) -> tuple[Predictions, list[float]]:
    parts = [_read_part(run, fold) for run in runs]
    weights = np.full(len(parts), 1 / len(parts))
    if how == "fitted":
        weights = fit_weights([_read_part(run, fold, inner=True) for run in runs])
    return fuse(parts, weights), weights.tolist()


def weights_of(run: Path, config: RunConfig, fold: int) -> list[float]:
    """The weights that a finished fold of a fusion has left.

    Raises:
        FileError: It is not finished.
        DataError: Its done.json is damaged.
    """
    folder = RunFolder(run).fold(fold)
    weights = folder.read_record().facts.get("weights")
    if (
        not isinstance(weights, list)
        or len(weights) != len(config.members)
        or not all(type(weight) in (int, float) and 0 <= weight <= 1 for weight in weights)
        or abs(sum(weights) - 1) > 1e-6
    ):
        raise DataError(f"{folder.done}: damaged; expected the weights of {len(config.members)} runs")
    return [float(weight) for weight in weights]


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
