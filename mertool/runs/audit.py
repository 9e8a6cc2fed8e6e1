"""Whether a finished cross-validation leaked, or was changed since: each check passes, is worth a note, or fails.

Nothing is taken on trust that can be done again: files are compared with the hashes that each fold left, the networks
are asked what they have seen, and they predict their test clips once more.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, FileError, MertoolError
from ..evaluation.folds import Folds, inner_split
from ..evaluation.predictions import Predictions
from ..files import read_json
from ..network.inputs import Samples
from ..pack import file_sha256
from ..settings import FUSION, NETWORK
from ..text import few
from ..texture.features import features_of, layout_of
from ..texture.model_selection import classify_again, design_of
from .config import RunConfig, fingerprint, open_samples
from .execute import Again, finished_marks, predict_again
from .finished import Run, load_run
from .methods.fusion import fuse_fold, member_folders, weights_of

__all__ = ["FAIL", "NOTE", "PASS", "Check", "audit_run"]

PASS, NOTE, FAIL = "pass", "note", "fail"
SAME = 1e-3  # probabilities that differ by more are not the same network's, on whatever machine
NEAR = 0.5  # grey levels: mean difference of reduced frames below which two clips are one picture, encoded twice
_SIDE = 16
_MOST = 4000  # clips that are compared pair by pair; beyond it only equal ones are found
_DISJOINT = ("group", "loso")


class Check(NamedTuple):
    """One check: its name, `PASS`, `NOTE` or `FAIL`, and what was found."""

    name: str
    verdict: str
    detail: str


def audit_run(folder: Path, *, choose: bool = True) -> list[Check]:
    """Audit a finished run of `mertool cv`.

    Args:
        folder: The run.
        choose: Make the choices of texture classifiers once more too, which takes as long as making them.

    Raises:
        FileError: It is no run folder.
        DataError: Its configuration is damaged, or it is not finished.
    """
    config = RunConfig.read(folder)
    if config.command != "cv":
        raise DataError(
            f'{folder}: made by "mertool {config.command}", which tests nothing; audit a run of "mertool cv"'
        )
    folds = Folds.load(folder / "folds.json")
    checks = [_files(folder, len(folds.tests))]
    try:
        run = load_run(folder)
    except MertoolError as error:
        return [*checks, Check("predictions", FAIL, str(error))]
    checks += [_predictions(run), _subjects(run), _initial(run)]
    features = config.settings.features
    if features == FUSION:
        checks += _members(folder, config, folds, choose)
    try:
        samples = open_samples(folder, config)
    except MertoolError as error:
        gone = NOTE if isinstance(error, FileError) else FAIL
        what = {NETWORK: " and networks", FUSION: ""}.get(features, " and classifiers")
        missing = Check("pack", gone, f"not read, so pictures{what} were not checked: {error}")
        return [*checks, missing, _statistics(features), Check("key frames", NOTE, run.key_frames)]
    if features == NETWORK:
        checks += _networks(folder, config, folds, samples)
    elif features != FUSION:
        checks.append(_classifiers(folder, config, folds, samples, choose))
    return [*checks, _pictures(samples, folds), _statistics(features), Check("key frames", NOTE, run.key_frames)]


def _files(folder: Path, n_folds: int) -> Check:
    """The hashes that each fold left behind when it was done."""
    changed, without, otherwise = [], [], []
    mark = fingerprint(folder)
    for fold in range(n_folds):
        marks = finished_marks(folder, fold)
        for name, digest in marks.files.items():
            try:
                if file_sha256(folder / f"fold_{fold}" / name) != digest:
                    changed.append(f"fold_{fold}/{name}")
            except FileError:
                changed.append(f"fold_{fold}/{name} (gone)")
        if not marks.run:
            without.append(fold)
        elif marks.run != mark:
            otherwise.append(str(fold))
    if otherwise:
        folds = f"fold {otherwise[0]} was" if len(otherwise) == 1 else f"folds {few(otherwise)} were"
        changed.append(f"folds.json or config.json, since {folds} done")
    if changed:
        return Check("files", FAIL, f"changed since they were written: {', '.join(changed)}")
    if without:
        return Check("files", NOTE, "made by an older mertool, which left no hash of folds.json and config.json")
    return Check("files", PASS, f"what {n_folds} folds left, folds.json and config.json as written")


def _predictions(run: Run) -> Check:
    n = run.metrics["n"]
    return Check("predictions", PASS, f"{n} clips, each tested in the fold of folds.json and predicted exactly once")


def _subjects(run: Run) -> Check:
    shared, people = run.shared_subjects, run.metrics["n_subjects"]
    if not shared:
        return Check("subjects", PASS, f"none of {people} people has clips in both training and test parts")
    what = f"{len(shared)} of {people} people have clips in both training and test parts: {few(shared)}"
    protocol = run.folds.protocol
    if protocol in _DISJOINT or run.settings.protocol in _DISJOINT:
        return Check("subjects", FAIL, f"{what}; the protocol says {run.settings.protocol}")
    return Check("subjects", NOTE, f"{what}; subject-dependent, as --protocol {protocol} allows")


def _initial(run: Run) -> Check:
    if not run.init and not run.init_people:
        network = run.settings.features == NETWORK
        return Check("initial weights", PASS, "random" if network else "none but what the folds themselves trained")
    if run.init_people:
        what = f"{run.init or 'a fused run'} has seen {len(run.init_people)} people of this run, in other clips"
        return Check("initial weights", FAIL if run.settings.protocol in _DISJOINT else NOTE, what)
    return Check("initial weights", PASS, f"{run.init} has seen nobody of this run")


def _networks(folder: Path, config: RunConfig, folds: Folds, samples: Samples) -> Iterator[Check]:
    """What the networks have seen, for how long they were trained, and whether the predictions are theirs."""
    leaks: list[str] = []
    apart: list[str] = []
    wrong: list[str] = []
    chosen: list[int] = []
    epochs = set()
    for fold, ids in enumerate(folds.tests):
        try:
            again = predict_again(folder, config, samples, fold, ids)
        except MertoolError as error:
            yield Check("networks", FAIL, str(error))
            return
        leaks += sorted(set(ids) & set(again.seen))
        epochs.add(again.epochs)
        chosen.append(again.epoch)
        wrong += _epoch_faults(folder, fold, again, samples, folds, config)
        apart += again.differing(SAME)
    yield (
        Check("clips", FAIL, f"networks have seen clips that they were tested on: {few(leaks)}")
        if leaks
        else Check(
            "clips", PASS, "no network has seen a clip of its test part; copies are made of training clips alone"
        )
    )
    wanted = config.settings.epochs
    if epochs != {wanted}:
        yield Check("epoch", FAIL, f"logs of {few(sorted(map(str, epochs)))} epochs, expected {wanted}")
    elif apart:
        yield Check("epoch", FAIL, f"not what the final weights predict: {len(apart)} clips, {few(apart)}")
    elif wrong:
        yield Check("epoch", FAIL, "; ".join(wrong))
    else:
        rule = f"last of {wanted}"
        if config.settings.select == "inner":
            rule = f"best of {wanted} on people kept out of the training part: {', '.join(map(str, chosen))}"
        yield Check("epoch", PASS, f"{rule}; the final weights predict the same once more")


def _epoch_faults(
    folder: Path, fold: int, again: Again, samples: Samples, folds: Folds, config: RunConfig
) -> Iterator[str]:
    """Whether a fold's epoch was chosen as its settings say."""
    said = finished_marks(folder, fold).epoch
    if said is not None and said != again.epoch:
        yield f"fold {fold}: done.json says epoch {said}, its weights are those of {again.epoch}"
    if config.settings.select == "last":
        if again.epoch != config.settings.epochs:
            yield f"fold {fold} has the weights of epoch {again.epoch}, expected the last, {config.settings.epochs}"
        return
    class_of = {name: samples.classes[label] for name, label in zip(samples.ids, samples.labels, strict=True)}
    training = folds.training(fold)
    _, validating = inner_split(training, [class_of[name] for name in training], config.settings.split_seed)
    if again.inner != validating:
        yield f"fold {fold} chose its epoch on other clips than the inner part of its training part"
    elif again.scores is None or not 1 <= again.epoch <= len(again.logged):
        yield f"fold {fold} has the weights of epoch {again.epoch}, of which its log has no scores"
    else:
        logged = again.logged[again.epoch - 1]
        if abs(logged.loss - again.scores.loss) > SAME:
            yield f"fold {fold}: its weights do not score on its inner part as its log says of epoch {again.epoch}"
        if (logged.uf1, -logged.loss) < max((one.uf1, -one.loss) for one in again.logged):
            yield f"fold {fold} has the weights of epoch {again.epoch}, which was not the best on its inner part"


def _classifiers(folder: Path, config: RunConfig, folds: Folds, samples: Samples, choose: bool) -> Check:
    """Whether the classifiers of texture features are what training parts alone give, and the predictions theirs."""
    wrong = []
    try:
        features = features_of(samples, config.settings, kept=False)
        for fold, ids in enumerate(folds.tests):
            place = folder / f"fold_{fold}"
            training = folds.training(fold)
            kept, faults = classify_again(samples, features, training, ids, place, config.settings, choose=choose)
            said = read_json(place / "done.json")
            if said.get("design") != design_of(kept, layout_of(config.settings)):
                faults.append("its done.json tells of another design than its classifier has")
            wrong += [f"fold {fold}: {fault}" for fault in faults]
    except MertoolError as error:
        return Check("classifiers", FAIL, str(error))
    if wrong:
        return Check("classifiers", FAIL, "; ".join(wrong))
    return Check(
        "classifiers", PASS, "no classifier has seen a clip of its test part; trained once more, they predict the same"
    )


def _members(folder: Path, config: RunConfig, folds: Folds, choose: bool) -> Iterator[Check]:
    """Whether the runs of a fusion are sound, and its predictions what they give."""
    try:
        members = member_folders(folder, config)
        apart = []
        for fold in range(len(folds.tests)):
            again, weights = fuse_fold(folder, config, fold)
            written = Predictions.read(folder / f"fold_{fold}" / "predictions.csv")
            if again.to_csv() != written.to_csv() or not np.allclose(weights, weights_of(folder, config, fold)):
                apart.append(str(fold))
    except MertoolError as error:
        yield Check("fusion", NOTE if isinstance(error, FileError) else FAIL, f"not made once more: {error}")
        return
    if apart:
        yield Check("fusion", FAIL, f"its runs give other predictions or weights than those of fold {few(apart)}")
    else:
        yield Check("fusion", PASS, f"what {len(members)} runs predict, joined once more, is the same")
    for member in members:
        checks = audit_run(member, choose=choose)
        failed = [check.name for check in checks if check.verdict == FAIL]
        if failed:
            yield Check("fused run", FAIL, f"{member.name} fails its own audit: {', '.join(failed)}")
        else:
            notes = [check.name for check in checks if check.verdict == NOTE and check.name != "key frames"]
            said = f", notes on {', '.join(notes)}" if notes else ""
            yield Check("fused run", NOTE if notes else PASS, f"{member.name} passes its own audit{said}")


def _pictures(samples: Samples, folds: Folds) -> Check:
    """Clips of different folds with equal or nearly equal frames."""
    fold_of = folds.fold_of()
    by_content: dict[bytes, list[int]] = defaultdict(list)
    reduced = np.empty((len(samples.ids), 3 * _SIDE * _SIDE), np.float32)
    for row, (pack, place) in enumerate(samples.place):
        frames = samples.packs[pack].frames[place]
        by_content[hashlib.sha256(np.ascontiguousarray(frames).tobytes()).digest()].append(row)
        reduced[row] = _reduce(frames)
    equal = [(rows[0], other) for rows in by_content.values() for other in rows[1:]]
    equal = [(one, other) for one, other in equal if fold_of[samples.ids[one]] != fold_of[samples.ids[other]]]
    if equal:
        pairs = [f"{samples.ids[one]} = {samples.ids[other]}" for one, other in equal]
        return Check("pictures", FAIL, f"the same frames in training and test: {few(pairs)}")
    if len(reduced) > _MOST:
        return Check(
            "pictures", PASS, f"no two clips have equal frames (nearly equal ones not sought over {_MOST} clips)"
        )
    near = [
        f"{samples.ids[one]} ~ {samples.ids[other]}"
        for one, other in _near_pairs(reduced)
        if fold_of[samples.ids[one]] != fold_of[samples.ids[other]]
    ]
    if near:
        return Check("pictures", NOTE, f"nearly the same frames in training and test; look: {few(near)}")
    return Check("pictures", PASS, f"no two of {len(reduced)} clips have equal or nearly equal frames")


def _reduce(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(3, S, S) -> means over a grid of squares, which survive another encoding."""
    side = frames.shape[1] // _SIDE * _SIDE
    squares = frames[:, :side, :side].reshape(3, _SIDE, side // _SIDE, _SIDE, side // _SIDE)
    return np.asarray(squares.mean((2, 4), dtype=np.float32).ravel(), np.float32)


def _near_pairs(reduced: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    for one in range(len(reduced) - 1):
        distance = np.abs(reduced[one + 1 :] - reduced[one]).mean(1)
        yield from ((one, one + 1 + int(other)) for other in np.flatnonzero(distance < NEAR))


def _statistics(features: str) -> Check:
    if features == FUSION:
        return Check("statistics", PASS, "probabilities are averaged; weights, where fitted, are of training parts")
    if features != NETWORK:
        what = "means, deviations, Fisher ratios and classifiers are of the training part of each fold alone"
        return Check("statistics", PASS, what)
    return Check("statistics", PASS, "none is fitted over clips: each is normalised by its own mean and deviation")
