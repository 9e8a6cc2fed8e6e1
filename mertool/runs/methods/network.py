"""The network as a method: trains a network per fold, resumable, and can be asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...evaluation.protocols import inner_split
from ...inputs.samples import Samples
from ...network.batches import batch_plan, sample_augmentation, steps_per_epoch
from ...settings import Settings
from ..attention import write_maps
from ..checks import Check
from ..config import RunConfig, open_samples, read_folds
from ..initial_weights import initial_weights
from ..layout import FoldFolder, RunFolder, as_run_error
from .base import AuditCase, FoldWork, Method
from .network_audit import audit_networks
from .network_batches import inference_batches, render_batch, score

if TYPE_CHECKING:
    from torch import Tensor

    from ...network.model import Network
    from ...network.training import FitResult, ValidationScores
    from ..finished import Run

__all__ = ["NetworkMethod"]


class NetworkMethod(Method):
    """Residual network with optional attention branch and ArcFace."""

    setting_groups = frozenset({"network"})
    has_network = True
    unit = "epochs"
    has_chance = True
    trained_things = "networks"
    statistics = "none is fitted over clips: each is normalised by its own mean and deviation"

    def name_parts(self, settings: Settings) -> list[str]:
        """`3f`, or `3f-flow`."""
        return [f"{settings.frames}f", *([settings.input] if settings.input != "gray" else [])]

    def steps(self, config: RunConfig) -> int:
        """Epochs."""
        return config.settings.epochs

    def steps_done(self, folder: FoldFolder, config: RunConfig) -> int:  # noqa: ARG002
        """Epochs done."""
        return folder.training_files.epochs_logged()

    def prepares(self, settings: Settings) -> bool:
        """Only the flow of clips is computed beforehand."""
        return "flow" in settings.input

    def prepare(self, run: Path, config: RunConfig, jobs: int, progress: Callable[[int, int], None]) -> None:  # noqa: ARG002
        """Compute the flow of a run's clips once, for all folds and repeats."""
        samples = open_samples(run, config)
        total, before = sum(len(pack.ids) for pack in samples.packs), 0
        for number, pack in enumerate(samples.packs):
            samples.flow_of(number, partial(_shifted, progress, before, total))
            before += len(pack.ids)

    def work_on_fold(self, work: FoldWork) -> dict[str, Any]:
        """Train and test a network."""
        config, folder = work.config, work.folder
        samples = open_samples(work.run, config)
        folds = read_folds(work.run, samples)
        rows = samples.rows_of(folds.training(work.fold))
        model, epoch = _fit(samples, rows, work)
        test = samples.rows_of(sorted(folds.tests[work.fold]))
        maps = _predict(model, samples, test, config, folder.predictions, work.fold)
        if maps is not None:
            write_maps(folder.attention, maps)
        return {"epoch": epoch}

    def files_left(self, folder: FoldFolder, config: RunConfig, training: Sequence[str]) -> list[Path]:  # noqa: ARG002
        """The network and its log; with `--epoch-selection inner` and an attention branch more."""
        files = [folder.final, folder.log]
        if config.settings.epoch_selection == "inner":
            files.append(folder.inner)
        if config.command == "cv":
            files.append(folder.predictions)
            if config.settings.abn:
                files.append(folder.attention)
        return files

    def train_on_all(self, work: FoldWork) -> dict[str, Any]:
        """Train one network on all clips."""
        samples = open_samples(work.run, work.config)
        rows = samples.rows_of(sorted(samples.ids))
        _, epoch = _fit(samples, rows, work)
        return {"epoch": epoch}

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
        """What the networks were trained on and for how long, and whether predictions and maps are theirs."""
        yield from audit_networks(case, samples)

    def describe(self, run: Run) -> list[str]:
        """`roi`, `3 frames`, `abn`, `modern`."""
        settings = run.settings
        words = [settings.region, f"{settings.frames} frame{'s' if settings.frames > 1 else ''}"]
        words += [settings.input] if settings.input != "gray" else []
        words += [name for name, on in (("abn", settings.abn), ("arcface", settings.arcface)) if on]
        return [*words, settings.recipe, *([f"init {run.init_name}"] if run.init else [])]

    def input_in_words(self, settings: Settings) -> str:
        """`optical flow since the onset`."""
        return {
            "gray": "",
            "diff": "differences of grey levels to the onset",
            "flow": "optical flow since the onset",
            "flow+strain": "optical flow since the onset and its strain",
            "gray+flow": "grey frames and optical flow since the onset",
        }[settings.input]

    def described_settings(self) -> set[str]:
        """What `describe` tells."""
        return {"region", "frames", "input", "abn", "arcface", "recipe"}

    def choice_rule(self, run: Run) -> str:
        """Which epoch counts."""
        if run.settings.epoch_selection == "last":
            return "Epoch rule: last epoch; the test fold is never looked at during training."
        chosen = f": {', '.join(map(str, run.epochs))} of {run.settings.epochs}" if run.epochs else ""
        return (
            f"Epoch rule: in each fold the best on subjects kept out of its training part (about a fifth){chosen}; the "
            "test fold is never looked at during training."
        )


def _shifted(progress: Callable[[int, int], None], before: int, total: int, done: int, _of: int) -> None:
    """Progress on one of several packs as progress on all."""
    progress(before + done, total)


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
            yield render_batch(samples, rows[index], augmentation, settings), torch.from_numpy(labels[index])

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
    return score(samples, rows, probabilities)


def _predict(
    model: Network, samples: Samples, rows: NDArray[np.int64], config: RunConfig, path: Path, fold: int
) -> NDArray[np.float32] | None:
    """Write predictions of these rows to `path`; gives their attention maps."""
    from ...network.prediction import predict

    probabilities, maps = predict(model, inference_batches(samples, rows, config), config.settings)
    samples.predictions(rows, probabilities, fold).write(path)
    return maps
