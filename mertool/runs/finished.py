"""A run folder, read and scored.

`load_run` recomputes everything from folds.json and the folds' predictions.csv, which are joined by clip id; it never
reads results.json.
"""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ..errors import DataError, FileError, RunError, UnfinishedRunError
from ..evaluation.folds import Folds, Overlap, subject_overlap
from ..evaluation.metrics import Metrics, confusions_by_subject, evaluate
from ..evaluation.predictions import Predictions
from ..evaluation.statistics import bootstrap_intervals, wilson
from ..files import file_sha256
from ..settings import Settings
from ..text import plural
from . import provenance
from .config import RunConfig
from .environment import as_date
from .layout import FoldFolder, RunFolder, as_run_error
from .record import FoldRecord
from .reproduce import command_of
from .state import find_runs, state_of

__all__ = ["Run", "find_newest_run", "load_run", "results_of"]

_BOOTSTRAP_SEED = 0  # the same report every time


@dataclass(frozen=True, slots=True)
class Run:
    """A finished cross-validation and its scores.

    Attributes:
        name: As its user named it (`cv --name`), else the run folder as it was given.
        folder: Its path.
        config: What it was made from.
        folds: Which clips were tested in which fold.
        predictions: One row for each of those clips.
        metrics: `mertool.evaluation.metrics.evaluate(predictions)`.
        wilson_ci: 95 % Wilson interval of the pooled accuracy, 0..1.
        bootstrap_ci: 95 % intervals of "accuracy", "uf1" and "uar" over resampled subjects, 0..1.
        overlap: `mertool.evaluation.folds.subject_overlap(folds)`.
        records: done.json of each fold; None for a missing or damaged one.
        changed: Predictions that are no longer as their fold left them, by their hashes.
        repeats: The same run with other seeds (`--repeats`), this one excluded.
    """

    name: str
    folder: Path
    config: RunConfig
    folds: Folds
    predictions: Predictions
    metrics: Metrics
    wilson_ci: tuple[float, float]
    bootstrap_ci: dict[str, tuple[float, float]]
    overlap: tuple[Overlap, ...]
    records: tuple[FoldRecord | None, ...]
    changed: tuple[str, ...]
    repeats: tuple[Run, ...]

    @property
    def settings(self) -> Settings:
        """All settings of the run."""
        return self.config.settings

    @property
    def version(self) -> str:
        """Of the mertool that started the run."""
        return self.config.version

    @property
    def packs(self) -> tuple[str, ...]:
        """Names of its packs."""
        return tuple(pack.name for pack in self.config.packs)

    @property
    def pack_sha256(self) -> tuple[str, ...]:
        """Hash of each pack."""
        return tuple(pack.sha256 for pack in self.config.packs)

    @property
    def apexes(self) -> tuple[str, ...]:
        """How the apexes of its packs were chosen, see `mertool.runs.config.PackRecord`; each way once, sorted."""
        return tuple(sorted({pack.apex for pack in self.config.packs}))

    @property
    def jitters(self) -> tuple[int, ...]:
        """By up to how many frames onset and apex of each pack were moved at random (`extract --jitter`)."""
        return tuple(pack.jitter for pack in self.config.packs)

    @property
    def alignments(self) -> tuple[str, ...]:
        """How the frames of each pack were aligned, see `mertool.pack.Pack.alignment`."""
        return tuple(pack.alignment for pack in self.config.packs)

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the runs of a fusion."""
        return tuple(PurePath(member.path).name for member in self.config.members)

    @property
    def init(self) -> str:
        """Path of the initial weights (`--init`), as seen from the run folder; "" for random ones."""
        return self.config.init.path if self.config.init else ""

    @property
    def init_sha256(self) -> str:
        """Hash of the initial weights; "" for random ones."""
        return self.config.init.sha256 if self.config.init else ""

    @property
    def init_layers(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What of the initial weights was loaded, and what was not and why."""
        init = self.config.init
        return (init.loaded, init.not_loaded) if init else ((), ())

    @property
    def init_subjects(self) -> tuple[str, ...]:
        """Subjects of the run that the initial weights were trained on, sorted."""
        return self.config.init_subjects

    @property
    def init_name(self) -> str:
        """`ckplus` for ../../ckplus/final.pt: the name that the user gave the training; "" for random weights."""
        path = PurePath(self.init)
        if path.name == FoldFolder(Path()).final.name and path.parent.name:
            return path.parent.name
        return path.name

    @property
    def epochs(self) -> tuple[int, ...]:
        """The epoch of each fold's weights, from 1; empty if a fold does not say it."""
        found = [record.epoch for record in self.records if record and record.epoch is not None]
        return tuple(found) if len(found) == len(self.records) else ()

    @property
    def designs(self) -> tuple[dict[str, Any], ...]:
        """What each fold of a texture method chose, see `FoldRecord`; empty if a fold does not say it."""
        found = [record.design for record in self.records if record and record.design is not None]
        return tuple(found) if len(found) == len(self.records) else ()

    @property
    def weights(self) -> tuple[tuple[float, ...], ...]:
        """The weights of a fusion's runs in each fold; empty if a fold does not say them."""
        found = [record.weights for record in self.records if record and record.weights]
        whole = len(found) == len(self.records) and all(len(weights) == len(self.members) for weights in found)
        return tuple(found) if whole else ()

    @property
    def subject_dependent(self) -> bool:
        """Whether networks were trained on subjects that they were tested on, initial weights included."""
        return bool(self.shared_subjects or self.init_subjects)

    @property
    def shared_subjects(self) -> tuple[str, ...]:
        """Subjects with clips in both the training and the test part of some fold, sorted."""
        return tuple(sorted({subject for fold in self.overlap for subject in fold.subjects}))

    @property
    def key_frames(self) -> str:
        """Where onset, apex and offset come from, in a sentence."""
        return provenance.key_frames(self.config.packs, set(self.predictions.dataset))

    @property
    def alignment(self) -> str:
        """How the frames were aligned, in words; by pack if these differ."""
        return provenance.alignment(self.config.packs)

    @property
    def started(self) -> str | None:
        """When the run was started, `2026-11-28T11:42:27Z`; None if it does not say it."""
        date = RunFolder(self.folder).read_environment().get("started")
        return date if isinstance(date, str) and as_date(date) else None

    @property
    def finished(self) -> str | None:
        """When the last of its folds was finished; None if a fold does not say it."""
        found = [record.finished for record in self.records if record and record.finished]
        return max(found) if len(found) == len(self.records) else None

    @property
    def seconds(self) -> float | None:
        """How long its folds computed, one after the other; None if it is not known.

        Of networks the time of every epoch, also of those before a kill; else that of the process that finished a fold.
        """
        logs = self.read_logs()
        if logs and all("seconds" in log for log in logs):
            return math.fsum(second for log in logs for second in log["seconds"])
        found = [record.seconds for record in self.records if record and record.seconds is not None]
        return math.fsum(found) if len(found) == len(self.records) else None

    @property
    def command_line(self) -> str:
        """The command that makes it again, as seen from the working folder."""
        return command_of(self.folder, self.config)

    def over_seeds(self, score: str) -> list[float]:
        """A score of `metrics` of this run and of each repeat."""
        found = [run.metrics[score] for run in (self, *self.repeats)]  # type: ignore[literal-required]
        return [float(value) for value in found]

    def read_logs(self) -> list[dict[str, list[float]]]:
        """Per fold the columns of log.csv that have a number in every epoch; empty unless all folds have a log."""
        logs = []
        for fold in range(len(self.folds.tests)):
            rows = RunFolder(self.folder).fold(fold).training_files.read_log()
            if not rows or not {"loss_perception", "accuracy"} <= set(rows[0]):
                return []
            logs.append({name: [row[name] for row in rows] for name in rows[0]})
        return logs

    def selected_shares(self) -> dict[str, dict[str, float]]:
        """The share of texture features that was selected, 0..1, by region and plane, as the mean over the folds.

        Empty if nothing was selected, or it is not known.
        """
        designs = self.designs
        if not designs or any(design["features"] == design["of"] for design in designs):
            return {}
        regions = designs[0]["places"]
        shapes = [{region: {*planes} for region, planes in design["places"].items()} for design in designs]
        if any(shape != shapes[0] for shape in shapes) or len({*map(frozenset, shapes[0].values())}) > 1:
            return {}
        per_region = designs[0]["of"] / len(regions)
        shares: dict[str, dict[str, float]] = {}
        for region, planes in regions.items():
            of_plane = len(designs) * per_region / len(planes)
            shares[region] = {
                plane: sum(design["places"][region].get(plane, 0) for design in designs) / of_plane for plane in planes
            }
        return shares


def results_of(settings: Settings, metrics: Metrics) -> dict[str, Any]:
    """What results.json says."""
    return {"settings": settings.as_dict(), **metrics}


def load_run(folder: Path) -> Run:
    """Read the run folder of a finished `mertool cv`.

    Raises:
        FileError: It is not a run folder, or a file is missing or cannot be read.
        UnfinishedRunError: Some of its folds are still to be done.
        RunError: A clip is predicted twice, in another fold than folds.json says, or not at all; its classes are not
            those of config.json; or a file is damaged.
    """
    name = folder.as_posix() if folder.name else folder.resolve().name
    config = RunConfig.read(folder)
    if config.command == "train":
        raise RunError(f'{name}: made by "mertool train", which tests nothing; give a run of "mertool cv"')
    folds = RunFolder(folder).read_folds()
    with as_run_error():
        predictions = _join_folds(folder, folds, config.classes, name)
    try:
        metrics = evaluate(predictions)
    except DataError as error:
        raise RunError(f"{name}: {error}") from error
    records = _read_records(RunFolder(folder), len(folds.tests))
    repeats = range(1, config.settings.repeats)
    return Run(
        name=config.name or name,
        folder=folder,
        config=config,
        folds=folds,
        predictions=predictions,
        metrics=metrics,
        wilson_ci=wilson(metrics["hits"], metrics["n"]),
        bootstrap_ci=bootstrap_intervals(confusions_by_subject(predictions), _BOOTSTRAP_SEED),
        overlap=tuple(subject_overlap(folds)),
        records=records,
        changed=_changed(folder, records),
        repeats=tuple(_repeat(folder, number, config.settings, predictions, name) for number in repeats),
    )


def _repeat(folder: Path, number: int, settings: Settings, predictions: Predictions, name: str) -> Run:
    """Repeat `number` of a run with these settings and predictions."""
    own = RunFolder(folder).repeat(number)
    if not own.is_run:
        raise UnfinishedRunError(f'{name}: no {own.path.name} yet; "{_resume(folder)}" continues it')
    repeat = load_run(own.path)
    differing = settings.for_repeat(number).differences(repeat.settings)
    if set(repeat.predictions.clip) != set(predictions.clip):
        differing.append("other clips")
    if differing:
        raise RunError(f"{name}: {own.path.name} is not a repeat of it ({'; '.join(differing)}); move it away")
    return repeat


def find_newest_run(folder: Path) -> Path:
    """The newest finished cross-validation below `folder`/runs.

    Raises:
        FileError: There is none.
    """
    runs = folder / "runs"
    unfinished = []
    for path in find_runs(runs):
        try:
            state = state_of(path)
        except RunError:  # damaged: named when somebody asks for it
            continue
        if state.config.command == "cv" and state.is_finished:
            return path
        if state.config.command == "cv":
            unfinished.append(state)
    if unfinished:
        newest = unfinished[0]
        raise FileError(
            f'report: no finished run below {runs}; {newest.folder} has {newest.text}, "{_resume(newest.folder)}" '
            "continues it"
        )
    raise FileError(f'report: no run below {runs}; make one with "mertool cv" or name its folder')


def _resume(folder: Path) -> str:
    return RunFolder(Path(folder.as_posix())).resume_command()


def _read_records(run: RunFolder, n_folds: int) -> tuple[FoldRecord | None, ...]:
    """done.json of each fold; None for a missing or damaged one, which an audit finds."""
    found: list[FoldRecord | None] = []
    for number in range(n_folds):
        fold = run.fold(number)
        try:
            found.append(fold.read_record() if fold.is_done else None)
        except RunError:
            found.append(None)
    return tuple(found)


def _changed(folder: Path, records: tuple[FoldRecord | None, ...]) -> tuple[str, ...]:
    """predictions.csv of those folds whose done.json has another hash for it."""
    found = []
    for number, record in enumerate(records):
        path = RunFolder(folder).fold(number).predictions
        wanted = record.files.get(path.name) if record else None
        if wanted is not None and wanted != file_sha256(path):
            found.append(f"{path.parent.name}/{path.name}")
    return tuple(found)


def _join_folds(folder: Path, folds: Folds, classes: tuple[str, ...], name: str) -> Predictions:
    """The predictions of all folds, each clip exactly once and in the fold that folds.json gives it."""
    run = RunFolder(folder)
    n_folds = len(folds.tests)
    missing = [fold for fold in range(n_folds) if not run.fold(fold).predictions.is_file()]
    lost = [fold for fold in missing if run.fold(fold).is_done]
    if lost:
        shown = shlex.quote(str(run.fold(lost[0]).path))
        raise RunError(
            f"{name}: fold {lost[0]} was finished and has lost its predictions.csv; delete {shown} and run "
            f'"{_resume(folder)}"'
        )
    if missing:
        raise UnfinishedRunError(
            f'{name}: {n_folds - len(missing)} of {n_folds} folds are done; "{_resume(folder)}" continues it'
        )
    known = {run.fold(fold).predictions for fold in range(n_folds)}
    for path in sorted(folder.glob(f"fold_*/{run.fold(0).predictions.name}")):
        if path not in known:
            raise RunError(f"{name}: {path.parent.name} is not a fold of folds.json, which has {n_folds}; move it away")
    return Predictions.join([_read_fold(run.fold(fold), fold, folds, classes) for fold in range(n_folds)])


def _read_fold(folder: FoldFolder, fold: int, folds: Folds, classes: tuple[str, ...]) -> Predictions:
    """The predictions of one fold, checked against folds.json and config.json."""
    path, fold_of = folder.predictions, folds.fold_of()
    part = folder.read_predictions()
    if part.classes != classes:
        raise DataError(f"{path}: expected the classes {', '.join(classes)}, got {', '.join(part.classes)}")
    for clip, number in zip(part.clip, part.fold, strict=True):
        if clip not in fold_of:
            raise DataError(f"{path}: clip {clip} is not in folds.json; the run was mixed with another or edited")
        if fold_of[clip] != fold:
            raise DataError(
                f"{path}: clip {clip} is predicted in fold {fold}, but folds.json tests it in {fold_of[clip]}"
            )
        if number != fold:
            raise DataError(f"{path}: clip {clip}: expected fold {fold}, got {number}; was it edited?")
    left = sorted(set(folds.tests[fold]) - set(part.clip))
    if left:
        verb = "has" if len(left) == 1 else "have"
        count = f"{plural(len(left), 'clip')} of fold {fold} {verb}"
        raise DataError(f"{path}: {count} no prediction, first {left[0]}; was it edited?")
    return part
