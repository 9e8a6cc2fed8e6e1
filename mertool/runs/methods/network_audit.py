"""Whether networks are what settings and training parts make of them, and whether predictions and maps are theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...clips import subject_key_of_id
from ...errors import MertoolError, RunError
from ...evaluation.folds import Folds
from ...evaluation.predictions import SAME_WITHIN
from ...evaluation.protocols import inner_split
from ...inputs.samples import Samples
from ...settings import Settings
from ...text import few, plural
from ..attention import read_maps
from ..checks import FAIL, PASS, Check
from ..config import RunConfig
from ..layout import FoldFolder, RunFolder, as_run_error
from .base import AuditCase
from .network_batches import inference_batches, score

if TYPE_CHECKING:
    from ...network.checkpoint import Checkpoint
    from ...network.training import ValidationScores

__all__ = ["audit_networks"]


def audit_networks(case: AuditCase, samples: Samples) -> Iterator[Check]:
    """Checks of what the networks were trained on and for how long, and of what they predict."""
    config = case.config
    leaks: list[str] = []
    others: list[str] = []
    again: list[_Reprediction] = []
    for fold, ids in enumerate(case.folds.tests):
        try:
            checkpoint = _load(case, fold)
            leaks += sorted(set(ids) & set(checkpoint.seen))
            faults = list(_setting_faults(config, checkpoint))
            if not faults:  # else it may not even fit the pictures
                again.append(_repredict(case, samples, fold, checkpoint))
                faults = list(_clip_faults(config, case.folds.training(fold), checkpoint))
        except MertoolError as error:
            yield Check("networks", FAIL, str(error))
            return
        others += [f"fold {fold}: {fault}" for fault in faults]
    if leaks:
        yield Check("networks", FAIL, f"trained on clips that they were tested on: {few(leaks)}")
    elif others:
        yield Check("networks", FAIL, "; ".join(others))
    else:
        yield Check(
            "networks",
            PASS,
            "each has the run's settings and classes, and was trained on the clips of its training part and their "
            "copies alone",
        )
    if len(again) == len(case.folds.tests):
        yield _epoch(case, samples, again)
        if config.settings.abn:
            yield _attention(again)


def _epoch(case: AuditCase, samples: Samples, again: Sequence[_Reprediction]) -> Check:
    """Whether the weights are those of the epoch that counts, and predict what predictions.csv has."""
    settings = case.config.settings
    wanted = settings.epochs
    logged = {one.epochs for one in again}
    apart = [clip for one in again for clip in one.differing]
    if logged != {wanted}:
        return Check("epoch", FAIL, f"logs of {few(sorted(map(str, logged)))} epochs, expected {wanted}")
    if apart:
        return Check("epoch", FAIL, f"not what the final weights predict: {len(apart)} clips, {few(apart)}")
    wrong = [text for fold, one in enumerate(again) for text in _epoch_faults(case, fold, one, samples)]
    if wrong:
        return Check("epoch", FAIL, "; ".join(wrong))
    rule = f"last of {wanted}"
    if settings.epoch_selection == "inner":
        chosen = ", ".join(str(one.epoch) for one in again)
        rule = f"best of {wanted} on subjects kept out of the training part: {chosen}"
    return Check("epoch", PASS, f"{rule}; the final weights predict the same again")


def _attention(again: Sequence[_Reprediction]) -> Check:
    apart = [clip for one in again for clip in one.other_maps]
    if apart:
        return Check("attention", FAIL, f"not the maps that the final weights give: {len(apart)} clips, {few(apart)}")
    return Check("attention", PASS, "the final weights give the same maps again")


def _load(case: AuditCase, fold: int) -> Checkpoint:
    import torch

    from ...network.checkpoint import load_weights

    torch.set_num_threads(case.config.settings.threads)
    with as_run_error():
        return load_weights(RunFolder(case.run).fold(fold).final)


def _setting_faults(config: RunConfig, checkpoint: Checkpoint) -> Iterator[str]:
    """Settings and classes of a network that are not the run's."""
    wanted = config.settings.as_dict()
    for name, value in checkpoint.settings.as_dict().items():
        if value != wanted[name]:
            yield f"{name} {value}, the run has {wanted[name]}"
    if checkpoint.classes != config.classes:
        yield f"classes {', '.join(checkpoint.classes)}, the run has {', '.join(config.classes)}"


def _clip_faults(config: RunConfig, training: Sequence[str], checkpoint: Checkpoint) -> Iterator[str]:
    """What is wrong with the list of clips that a network was trained on; that it has no test clip is checked."""
    unseen = sorted(set(training) - set(checkpoint.seen))
    if unseen:
        yield f"not trained on {plural(len(unseen), 'clip')} of its training part: {few(unseen)}"
    foreign = sorted(set(checkpoint.seen) - set(config.clips))
    if foreign and config.init is None:
        yield f"trained on {plural(len(foreign), 'clip')} that the run does not have: {few(foreign)}"
    if config.init is not None:
        known = {subject_key_of_id(clip) for clip in foreign} & {subject_key_of_id(clip) for clip in config.clips}
        if known != set(config.init.subjects):
            yield (
                f"its initial weights were trained on {plural(len(known), 'subject')} of the run, which has "
                f"{len(config.init.subjects)} on record"
            )


class _Reprediction(NamedTuple):
    """A fold's test clips, predicted again.

    Attributes:
        epochs: Rows of its log.
        log: The rows, with the columns that are numbers throughout.
        epoch: The epoch, from 1, whose weights it has.
        inner: Ids of the clips that chose this epoch; empty where the last one counts.
        scores: The scores on these that the final weights give; None where there are no such clips.
        differing: Clips with other probabilities than the csv files have.
        other_maps: Clips with another attention map than attention.npy has.
    """

    epochs: int
    log: list[dict[str, float]]
    epoch: int
    inner: tuple[str, ...]
    scores: ValidationScores | None
    differing: tuple[str, ...]
    other_maps: tuple[str, ...]


def _repredict(case: AuditCase, samples: Samples, fold: int, checkpoint: Checkpoint) -> _Reprediction:
    """Predict the test clips of a finished fold, and those that chose its epoch, from its final weights.

    Raises:
        MertoolError: A file of the fold is missing or damaged.
    """
    from ...network.checkpoint import restore
    from ...network.prediction import predict

    config = case.config
    folder = RunFolder(case.run).fold(fold)
    parts = [folder.read_predictions()]
    if config.settings.epoch_selection == "inner":
        parts.append(folder.read_inner())
        if parts[1].classes != config.classes or not parts[1].clip:
            raise RunError(f"{folder.inner}: expected clips of {', '.join(config.classes)}; was it edited?")
    inner = tuple(sorted(clip for part in parts[1:] for clip in part.clip))
    names = sorted({*case.folds.tests[fold], *inner})
    batches = inference_batches(samples, samples.rows_of(names), config)
    probabilities, maps = predict(restore(checkpoint), batches, config.settings)
    now = dict(zip(names, np.asarray(probabilities, np.float64), strict=True))
    scores = None
    if inner:
        scores = score(samples, samples.rows_of(inner), np.stack([now[clip] for clip in inner]))
    written = {clip: values for part in parts for clip, values in zip(part.clip, part.probabilities, strict=True)}
    other_maps: tuple[str, ...] = ()
    if maps is not None:
        other_maps = _other_maps(folder, sorted(case.folds.tests[fold]), dict(zip(names, maps, strict=True)))
    return _Reprediction(
        folder.training_files.epochs_logged(),
        folder.training_files.read_log(),
        checkpoint.epoch,
        inner,
        scores,
        tuple(sorted(clip for clip, values in written.items() if np.abs(values - now[clip]).max() > SAME_WITHIN)),
        other_maps,
    )


def _other_maps(folder: FoldFolder, clips: Sequence[str], now: dict[str, NDArray[np.float32]]) -> tuple[str, ...]:
    """The test clips, which are sorted, whose map in attention.npy is another than now."""
    written = read_maps(folder.attention, len(clips), now[clips[0]].shape)
    return tuple(
        clip for clip, values in zip(clips, written, strict=True) if np.abs(values - now[clip]).max() > SAME_WITHIN
    )


def _validations_logged(log: Sequence[dict[str, float]]) -> tuple[ValidationScores, ...]:
    """The scores of each epoch in a fold's log.csv; empty where one has none."""
    from ...network.training import ValidationScores

    try:
        return tuple(ValidationScores(row["loss_validation"], row["uf1_validation"]) for row in log)
    except KeyError:
        return ()


def _epoch_faults(case: AuditCase, fold: int, again: _Reprediction, samples: Samples) -> Iterator[str]:
    """Whether a fold's epoch was chosen as its settings say."""
    settings, folds = case.config.settings, case.folds
    recorded = RunFolder(case.run).fold(fold).read_record().epoch
    if recorded != again.epoch:
        yield f"fold {fold}: done.json says epoch {recorded}, its weights are those of {again.epoch}"
    if [row.get("epoch") for row in again.log] != list(range(1, settings.epochs + 1)):
        yield f"fold {fold}: its log does not count the epochs from 1 to {settings.epochs}"
    if settings.epoch_selection == "last":
        if again.epoch != settings.epochs:
            yield f"fold {fold} has the weights of epoch {again.epoch}, expected the last, {settings.epochs}"
        return
    yield from _inner_faults(fold, again, samples, folds, settings)


def _inner_faults(fold: int, again: _Reprediction, samples: Samples, folds: Folds, settings: Settings) -> Iterator[str]:
    class_of = {name: samples.classes[label] for name, label in zip(samples.ids, samples.labels, strict=True)}
    training = folds.training(fold)
    _, validating = inner_split(training, [class_of[name] for name in training], settings.split_seed)
    if again.inner != validating:
        yield f"fold {fold} chose its epoch on other clips than the inner part of its training part"
        return
    logged = _validations_logged(again.log)
    if again.scores is None or not 1 <= again.epoch <= len(logged):
        yield f"fold {fold} has the weights of epoch {again.epoch}, of which its log has no scores"
    else:
        own = logged[again.epoch - 1]
        if abs(own.loss - again.scores.loss) > SAME_WITHIN:
            yield f"fold {fold}: its weights do not score on its inner part as its log says of epoch {again.epoch}"
        if (own.uf1, -own.loss) < max((one.uf1, -one.loss) for one in logged):
            yield f"fold {fold} has the weights of epoch {again.epoch}, which was not the best on its inner part"
