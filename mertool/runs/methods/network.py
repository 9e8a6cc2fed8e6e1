"""The network as a method: trains a network per fold, resumable, and can be asked again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import MertoolError, RunError
from ...evaluation.folds import Folds
from ...evaluation.metrics import evaluate
from ...evaluation.predictions import SAME_WITHIN
from ...evaluation.protocols import inner_split
from ...inputs.rendering import Augmentation, input_shape, render
from ...inputs.samples import Samples
from ...network.batches import batch_plan, sample_augmentation, steps_per_epoch
from ...settings import Settings
from ...text import few
from ..attention import write_maps
from ..checks import FAIL, PASS, Check
from ..config import RunConfig, initial_weights, open_samples, read_folds
from ..layout import FoldFolder, RunFolder, as_run_error
from .base import AuditCase, FoldWork, Method, Outcome

if TYPE_CHECKING:
    from torch import Tensor

    from ...network.model import Network
    from ...network.training import FitResult, ValidationScores
    from ..finished import Run

__all__ = ["NetworkMethod", "inference_batches"]

_RENDER_BATCH = 32  # clips rendered at once: memory stays small


class NetworkMethod(Method):
    """Residual network with optional attention branch and ArcFace."""

    setting_groups = frozenset({"network"})
    has_network = True
    unit = "epochs"
    has_chance = True
    trained_things = "networks"
    statistics = "none is fitted over clips: each is normalised by its own mean and deviation"

    def name_parts(self, settings: Settings) -> list[str]:
        """`3f`."""
        return [f"{settings.frames}f"]

    def steps(self, config: RunConfig) -> int:
        """Epochs."""
        return config.settings.epochs

    def steps_done(self, folder: FoldFolder, config: RunConfig) -> int:  # noqa: ARG002
        """Epochs done."""
        return folder.training_files.epochs_logged()

    def work_on_fold(self, work: FoldWork) -> Outcome:
        """Train and test a network."""
        config, folder = work.config, work.folder
        samples = open_samples(work.run, config)
        folds = read_folds(work.run, samples)
        rows = samples.rows_of(folds.training(work.fold))
        model, epoch = _fit(samples, rows, work)
        test = samples.rows_of(sorted(folds.tests[work.fold]))
        maps = _predict(model, samples, test, config, folder.predictions, work.fold)
        files = [folder.predictions, folder.final, folder.log]
        files += [folder.inner] if config.settings.epoch_selection == "inner" else []
        if maps is not None:
            write_maps(folder.attention, maps)
            files.append(folder.attention)
        return Outcome(files, {"epoch": epoch})

    def train_on_all(self, work: FoldWork) -> Outcome:
        """Train one network on all clips."""
        samples = open_samples(work.run, work.config)
        rows = samples.rows_of(sorted(samples.ids))
        _, epoch = _fit(samples, rows, work)
        return Outcome([work.folder.final, work.folder.log], {"epoch": epoch})

    def predict(self, run: Path, config: RunConfig, samples: Samples, device: str) -> list[NDArray[np.float64]]:
        """By the network of each fold, or of `train`."""
        from ...network.checkpoint import load_weights, restore
        from ...network.prediction import predict

        rows = np.arange(len(samples.ids))
        found = []
        for folder in RunFolder(run).trained_folders(config.command, "final"):
            with as_run_error():
                checkpoint = load_weights(folder.final)
            model = restore(checkpoint).to(device)
            found.append(predict(model, inference_batches(samples, rows, config), config.settings)[0])
        return found

    def audit(self, case: AuditCase, samples: Samples) -> Iterator[Check]:
        """What the networks were trained on and for how long, and whether the predictions are theirs."""
        leaks: list[str] = []
        apart: list[str] = []
        wrong: list[str] = []
        chosen: list[int] = []
        epochs = set()
        for fold, ids in enumerate(case.folds.tests):
            try:
                again = _repredict(case, samples, fold, ids)
            except MertoolError as error:
                yield Check("networks", FAIL, str(error))
                return
            leaks += sorted(set(ids) & set(again.trained_on))
            epochs.add(again.epochs)
            chosen.append(again.epoch)
            wrong += _epoch_faults(case, fold, again, samples)
            apart += again.differing(SAME_WITHIN)
        if leaks:
            yield Check("clips", FAIL, f"networks were trained on clips that they were tested on: {few(leaks)}")
        else:
            yield Check(
                "clips",
                PASS,
                "no network was trained on a clip of its test part; copies are made of training clips alone",
            )
        wanted = case.config.settings.epochs
        if epochs != {wanted}:
            yield Check("epoch", FAIL, f"logs of {few(sorted(map(str, epochs)))} epochs, expected {wanted}")
        elif apart:
            yield Check("epoch", FAIL, f"not what the final weights predict: {len(apart)} clips, {few(apart)}")
        elif wrong:
            yield Check("epoch", FAIL, "; ".join(wrong))
        else:
            rule = f"last of {wanted}"
            if case.config.settings.epoch_selection == "inner":
                rule = f"best of {wanted} on subjects kept out of the training part: {', '.join(map(str, chosen))}"
            yield Check("epoch", PASS, f"{rule}; the final weights predict the same again")

    def describe(self, run: Run) -> str:
        """`roi, 3 frames, abn, modern`."""
        settings = run.settings
        words = [settings.region, f"{settings.frames} frame{'s' if settings.frames > 1 else ''}"]
        words += [name for name, on in (("abn", settings.abn), ("arcface", settings.arcface)) if on]
        return ", ".join([*words, settings.recipe, *([f"init {run.init_name}"] if run.init else [])])

    def described_settings(self) -> set[str]:
        """What `describe` tells."""
        return {"region", "frames", "abn", "arcface", "recipe"}

    def choice_rule(self, run: Run) -> str:
        """Which epoch counts."""
        if run.settings.epoch_selection == "last":
            return "Epoch rule: last epoch; the test fold is never looked at during training."
        chosen = f": {', '.join(map(str, run.epochs))} of {run.settings.epochs}" if run.epochs else ""
        return (
            f"Epoch rule: in each fold the best on subjects kept out of its training part (about a fifth){chosen}; the "
            "test fold is never looked at during training."
        )


def inference_batches(samples: Samples, rows: NDArray[np.int64], config: RunConfig) -> Iterator[Tensor]:
    """Batches (B, T, H, W) of clips as they are, in the order of `rows`."""
    for start in range(0, len(rows), _RENDER_BATCH):
        part = rows[start : start + _RENDER_BATCH]
        yield _render_batch(samples, part, Augmentation.identity(len(part)), config.settings)


def _render_batch(samples: Samples, rows: NDArray[np.int64], augmentation: Augmentation, settings: Settings) -> Tensor:
    """(B, T, H, W) on the CPU, rendered straight into the memory that a GPU fetches it from."""
    import torch

    shape = (len(rows), settings.frames, *input_shape(settings))
    pinned = settings.device == "cuda" and torch.cuda.is_available()
    batch = torch.empty(shape, pin_memory=pinned)
    render(samples, rows, augmentation, settings, out=batch.numpy())
    return batch


def _fit(samples: Samples, rows: NDArray[np.int64], work: FoldWork) -> FitResult:
    """Train a network on these rows; with `--epoch-selection inner` a part of them validates, and leaves inner.csv."""
    import torch

    from ...network.checkpoint import load_weights, transfer
    from ...network.model import build_model
    from ...network.training import TrainingBatches, fit

    config, settings = work.config, work.config.settings
    torch.set_num_threads(settings.threads)
    everything = sorted(samples.ids[row] for row in rows)
    validate = None
    held = rows[:0]
    if settings.epoch_selection == "inner":
        names = [samples.classes[label] for label in samples.labels[samples.rows_of(everything)]]
        kept, validating = inner_split(everything, names, settings.split_seed)
        rows, held = samples.rows_of(kept), samples.rows_of(validating)
        validate = partial(_validate, samples, held, config)
    ids = [samples.ids[row] for row in rows]
    labels = samples.labels[rows]

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for index, copy in batch_plan(ids, labels, epoch, settings):
            augmentation = sample_augmentation([ids[k] for k in index], copy, epoch, settings)
            yield _render_batch(samples, rows[index], augmentation, settings), torch.from_numpy(labels[index])

    initial: dict[str, Tensor] | None = None
    seen: tuple[str, ...] = ()
    path = initial_weights(work.run, config)
    if path is not None:
        model = build_model(settings, len(config.classes), settings.seed)
        start = load_weights(path)
        transfer(model, settings, config.classes, start)
        initial, seen = model.state_dict(), start.seen
    training = TrainingBatches(batches, steps_per_epoch(len(rows), settings))
    seen = tuple(sorted({*seen, *everything}))  # what an epoch was chosen on counts as seen
    files = work.folder.training_files
    fitted = fit(settings, config.classes, training, files, initial, seen, validate)
    if len(held):
        _predict(fitted.model, samples, held, config, work.folder.inner, work.fold)
    return fitted


def _validate(samples: Samples, rows: NDArray[np.int64], config: RunConfig, model: Network) -> ValidationScores:
    from ...network.prediction import predict

    probabilities, _ = predict(model, inference_batches(samples, rows, config), config.settings)
    return _score(samples, rows, probabilities)


def _score(samples: Samples, rows: NDArray[np.int64], probabilities: NDArray[np.float64]) -> ValidationScores:
    from ...network.training import ValidationScores

    found = samples.predictions(rows, probabilities)
    of_truth = found.probabilities[np.arange(len(rows)), samples.labels[rows]]
    return ValidationScores(float(-np.log(np.maximum(of_truth, 1e-12)).mean()), evaluate(found)["uf1"])


def _predict(
    model: Network, samples: Samples, rows: NDArray[np.int64], config: RunConfig, path: Path, fold: int
) -> NDArray[np.float32] | None:
    """Write predictions of these rows to `path`; gives their attention maps."""
    from ...network.prediction import predict

    probabilities, maps = predict(model, inference_batches(samples, rows, config), config.settings)
    samples.predictions(rows, probabilities, fold).write(path)
    return maps


class _Reprediction(NamedTuple):
    """A fold's test clips, predicted again.

    Attributes:
        trained_on: Ids of the clips that the network was trained on or chosen by.
        epochs: Rows of its log.
        epoch: The epoch, from 1, whose weights it has.
        inner: Ids of the clips that chose this epoch; empty where the last one counts.
        logged: The scores on these after each epoch, as log.csv has them.
        scores: The scores on these that the final weights give; None where there are no such clips.
        written, now: Probabilities of test and inner clips, as the csv files have them and as the final weights give
            them, by clip.
    """

    trained_on: tuple[str, ...]
    epochs: int
    epoch: int
    inner: tuple[str, ...]
    logged: tuple[ValidationScores, ...]
    scores: ValidationScores | None
    written: dict[str, NDArray[np.float64]]
    now: dict[str, NDArray[np.float64]]

    def differing(self, most: float) -> list[str]:
        """Clips with a probability that differs by more than `most`."""
        return sorted(clip for clip, values in self.written.items() if np.abs(values - self.now[clip]).max() > most)


def _repredict(case: AuditCase, samples: Samples, fold: int, ids: Sequence[str]) -> _Reprediction:
    """Predict the test clips of a finished fold from its final weights.

    Raises:
        MertoolError: A file of the fold is missing or damaged.
    """
    import torch

    from ...network.checkpoint import load_weights, restore
    from ...network.prediction import predict

    config = case.config
    folder = RunFolder(case.run).fold(fold)
    with as_run_error():
        checkpoint = load_weights(folder.final)
    torch.set_num_threads(config.settings.threads)
    parts = [folder.read_predictions()]
    if config.settings.epoch_selection == "inner":
        parts.append(folder.read_inner())
        if parts[1].classes != config.classes or not parts[1].clip:
            raise RunError(f"{folder.inner}: expected clips of {', '.join(config.classes)}; was it edited?")
    inner = tuple(sorted(clip for part in parts[1:] for clip in part.clip))
    names = sorted({*ids, *inner})
    batches = inference_batches(samples, samples.rows_of(names), config)
    probabilities, _ = predict(restore(checkpoint), batches, config.settings)
    now = dict(zip(names, np.asarray(probabilities, np.float64), strict=True))
    rows = samples.rows_of(inner)
    return _Reprediction(
        checkpoint.seen,
        folder.training_files.epochs_logged(),
        checkpoint.epoch,
        inner,
        _validations_logged(folder),
        _score(samples, rows, np.stack([now[clip] for clip in inner])) if inner else None,
        {clip: values for part in parts for clip, values in zip(part.clip, part.probabilities, strict=True)},
        now,
    )


def _validations_logged(folder: FoldFolder) -> tuple[ValidationScores, ...]:
    """The scores of each epoch in a fold's log.csv; empty where one has none."""
    from ...network.training import ValidationScores

    try:
        return tuple(
            ValidationScores(row["loss_validation"], row["uf1_validation"]) for row in folder.training_files.read_log()
        )
    except KeyError:
        return ()


def _epoch_faults(case: AuditCase, fold: int, again: _Reprediction, samples: Samples) -> Iterator[str]:
    """Whether a fold's epoch was chosen as its settings say."""
    settings, folds = case.config.settings, case.folds
    recorded = RunFolder(case.run).fold(fold).read_record().epoch
    if recorded is not None and recorded != again.epoch:
        yield f"fold {fold}: done.json says epoch {recorded}, its weights are those of {again.epoch}"
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
    elif again.scores is None or not 1 <= again.epoch <= len(again.logged):
        yield f"fold {fold} has the weights of epoch {again.epoch}, of which its log has no scores"
    else:
        logged = again.logged[again.epoch - 1]
        if abs(logged.loss - again.scores.loss) > SAME_WITHIN:
            yield f"fold {fold}: its weights do not score on its inner part as its log says of epoch {again.epoch}"
        if (logged.uf1, -logged.loss) < max((one.uf1, -one.loss) for one in again.logged):
            yield f"fold {fold} has the weights of epoch {again.epoch}, which was not the best on its inner part"
