"""Cross-validation and training runs: each fold in a process of its own, resumable, equal bytes however it is run.

A fold trains a network, trains a classifier of texture features, or joins what the runs of a fusion predicted.
"""

from __future__ import annotations

import csv
import dataclasses
import shlex
import tokenize
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..evaluation.folds import Folds, inner_split
from ..evaluation.metrics import evaluate
from ..evaluation.predictions import NO_FOLD, Predictions
from ..files import atomic_file, file_lock, make_folder, read_json, write_json
from ..network.inputs import Copies, Samples, batch_plan, draw_copies, input_shape, render, steps_per_epoch
from ..pack import file_sha256
from ..settings import FUSION, NETWORK, Settings
from ..text import abbreviate, os_error_text
from ..workers import run_each
from .config import RunConfig, fingerprint, initial_weights, open_samples, read_folds

if TYPE_CHECKING:
    from torch import Tensor

    from ..network.model import Network
    from ..network.training import Fitted, Validation

__all__ = [
    "Again",
    "FoldMarks",
    "attention_of",
    "cross_validate",
    "finished_marks",
    "how_trained",
    "is_complete",
    "plain_batches",
    "predict_again",
    "train_run",
]

_PREDICT_BATCH = 32  # clips rendered at once: memory stays small

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

Progress = Callable[[int, int], None]


def cross_validate(
    runs: Sequence[tuple[Path, RunConfig]], folds: Sequence[int] | None, jobs: int, progress: Progress
) -> None:
    """Train and test the folds of runs that are not done yet, and write results.json of each run that is then complete.

    Args:
        runs: Folders begun by `mertool.runs.start.begin_run` with their configurations: a run and its repeats.
        folds: Which folds of each; None for all.
        jobs: Folds at once.
        progress: Called with (steps done, steps in all): epochs of networks, else clips.

    Raises:
        MertoolError: A fold failed; finished folds stay finished.
    """
    todo = [
        (run, fold)
        for run, config in runs
        for fold in (range(config.settings.folds) if folds is None else dict.fromkeys(folds))
        if not _is_done(run, fold)
    ]
    before = 0
    if todo and runs[0][1].settings.features not in (NETWORK, FUSION):
        before = len(runs[0][1].clips)
        _keep_features(*runs[0], jobs, lambda done: progress(done, before * (1 + len(todo))))
    _run_all(_work_on_fold, todo, [_folder(*where) for where in todo], runs[0][1], jobs, progress, before)
    for run, config in runs:
        if is_complete(run, config):
            with file_lock(run / ".lock"):  # the last two of an array of jobs may end together
                _write_results(run, config)


def _keep_features(run: Path, config: RunConfig, jobs: int, progress: Callable[[int], None]) -> None:
    """Compute the features of a run's clips once, for all folds and repeats."""
    from ..texture.features import features_of

    settings = dataclasses.replace(config.settings, threads=jobs)  # their bytes do not depend on it
    features_of(open_samples(run, config), settings, lambda done, total: progress(done * len(config.clips) // total))


def is_complete(run: Path, config: RunConfig) -> bool:
    """Whether every fold of a run is done."""
    return all(_is_done(run, fold) for fold in range(config.settings.folds))


def _write_results(run: Path, config: RunConfig) -> None:
    parts = []
    for fold, ids in enumerate(Folds.load(run / "folds.json").tests):
        path = _folder(run, fold) / "predictions.csv"
        parts.append(Predictions.read(path))
        if set(parts[-1].clip) != set(ids):
            raise DataError(
                f"{path}: its clips are not those that folds.json tests in fold {fold}; was it edited? "
                f"Delete {shlex.quote(str(path.parent))} to train that fold again"
            )
    write_json(run / "results.json", {"settings": config.settings.as_dict(), **evaluate(Predictions.join(parts))})


def train_run(run: Path, config: RunConfig, progress: Progress) -> None:
    """Train one network on all clips of a run; leaves final.pt.

    Raises:
        MertoolError: The training failed.
    """
    if not (run / "done.json").exists():
        _run_all(_work_on_training, [(run,)], [run], config, 1, progress)


def how_trained(run: Path, config: RunConfig) -> str:
    """On how many clips a finished training was made and, with `--select inner`, what chose its epoch.

    Raises:
        MertoolError: A file of it is missing or damaged.
    """
    n = len(config.clips)
    if config.settings.select != "inner":
        return f"trained on {n} clips"
    values = read_json(run / "done.json")
    epoch = values.get("epoch") if isinstance(values, dict) else None
    held = len(Predictions.read(run / "inner.csv").clip)
    return f"trained on {n - held} clips; {held} more of other people chose epoch {epoch} of {config.settings.epochs}"


def plain_batches(samples: Samples, rows: NDArray[np.int64], config: RunConfig) -> Iterator[Tensor]:
    """Batches (B, T, H, W) of clips as they are, in the order of `rows`."""
    for start in range(0, len(rows), _PREDICT_BATCH):
        part = rows[start : start + _PREDICT_BATCH]
        yield _render_batch(samples, part, Copies.plain(len(part)), config.settings)


def _render_batch(samples: Samples, rows: NDArray[np.int64], copies: Copies, settings: Settings) -> Tensor:
    """(B, T, H, W) on the CPU, rendered straight into the memory that a GPU fetches it from."""
    import torch

    shape = (len(rows), settings.frames, *input_shape(settings))
    pinned = settings.device == "cuda" and torch.cuda.is_available()
    batch = torch.empty(shape, pin_memory=pinned)
    render(samples, rows, copies, settings, out=batch.numpy())
    return batch


class FoldMarks(NamedTuple):
    """What a fold left when it was done.

    Attributes:
        files: Hashes of its files by name.
        run: The run's fingerprint; "" in old runs.
        epoch: The epoch, from 1, that its network has the weights of; None in old runs.
    """

    files: dict[str, str]
    run: str
    epoch: int | None


def finished_marks(run: Path, fold: int) -> FoldMarks:
    """The marks of a finished fold.

    Raises:
        DataError: It is not finished, or its done.json is damaged.
    """
    path = _folder(run, fold) / "done.json"
    if not path.exists():
        raise DataError(f'{run}: fold {fold} is not done; run "{_resume(run)}"')
    values = read_json(path)
    files = values.get("sha256") if isinstance(values, dict) else None
    if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
        raise DataError(f"{path}: damaged; expected the hashes of the fold's files")
    epoch = values.get("epoch")
    if epoch is not None and type(epoch) is not int:
        raise DataError(f"{path}: damaged; expected the number of an epoch, got {abbreviate(epoch)}")
    return FoldMarks(files, str(values.get("run", "")), epoch)


class Again(NamedTuple):
    """A fold's test clips, predicted once more.

    Attributes:
        seen: Ids of the clips that the network has seen.
        epochs: Rows of its log.
        epoch: The epoch, from 1, whose weights it has.
        inner: Ids of the clips that chose this epoch; empty where the last one counts.
        logged: The scores on these after each epoch, as log.csv has them.
        scores: The scores on these that the final weights give; None where there are no such clips.
        written, now: Probabilities of test and inner clips, as the csv files have them and as the final weights give
            them, by clip.
    """

    seen: tuple[str, ...]
    epochs: int
    epoch: int
    inner: tuple[str, ...]
    logged: tuple[Validation, ...]
    scores: Validation | None
    written: dict[str, NDArray[np.float64]]
    now: dict[str, NDArray[np.float64]]

    def differing(self, most: float) -> list[str]:
        """Clips with a probability that differs by more than `most`."""
        return sorted(clip for clip, values in self.written.items() if np.abs(values - self.now[clip]).max() > most)


def predict_again(run: Path, config: RunConfig, samples: Samples, fold: int, ids: Sequence[str]) -> Again:
    """Predict the test clips of a finished fold from its final weights.

    Raises:
        MertoolError: A file of the fold is missing or damaged.
    """
    import torch

    from ..network.checkpoint import load_weights, restore
    from ..network.training import predict

    folder = _folder(run, fold)
    checkpoint = load_weights(folder / "final.pt")
    torch.set_num_threads(config.settings.threads)
    written = Predictions.read(folder / "predictions.csv")
    parts = [written]
    if config.settings.select == "inner":
        parts.append(Predictions.read(folder / "inner.csv"))
        if parts[1].classes != config.classes or not parts[1].clip:
            raise DataError(f"{folder / 'inner.csv'}: expected clips of {', '.join(config.classes)}; was it edited?")
    inner = tuple(sorted(clip for part in parts[1:] for clip in part.clip))
    names = sorted({*ids, *inner})
    batches = plain_batches(samples, samples.rows_of(names), config)
    probabilities, _ = predict(restore(checkpoint), batches, config.settings)
    now = dict(zip(names, np.asarray(probabilities, np.float64), strict=True))
    rows = samples.rows_of(inner)
    return Again(
        checkpoint.seen,
        _epochs_logged(folder),
        checkpoint.epoch,
        inner,
        _validations_logged(folder),
        _score(samples, rows, np.stack([now[clip] for clip in inner])) if inner else None,
        {clip: values for part in parts for clip, values in zip(part.clip, part.probabilities, strict=True)},
        now,
    )


def attention_of(run: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Clip ids of a finished run with attention branch, and their maps, each by the network that did not see the clip.

    Returns:
        N ids, and (N, h, w) float32 in 0..1.

    Raises:
        DataError: A fold is not done, or has no maps, damaged ones, or not one a clip.
    """
    ids: list[str] = []
    maps: list[NDArray[np.float32]] = []
    for fold in range(len(Folds.load(run / "folds.json").tests)):
        folder = _folder(run, fold)
        if not _is_done(run, fold):
            raise DataError(f'{run}: fold {fold} is not done; run "{_resume(run)}"')
        names = sorted(Predictions.read(folder / "predictions.csv").clip)
        try:
            maps.append(_read_maps(folder / "attention.npy", len(names), maps[0].shape[1:] if maps else None))
        except DataError as error:
            raise DataError(f'{error}; delete {shlex.quote(str(folder))} and run "{_resume(run)}"') from error
        ids += names
    return ids, np.concatenate(maps)


def _read_maps(path: Path, n: int, shape: tuple[int, ...] | None) -> NDArray[np.float32]:
    """(n, *shape) attention maps, or whatever shape where it is None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = np.lib.format.open_memmap(path, mode="r")  # no archive, no pickle, no room for what is not there
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


def _resume(run: Path) -> str:
    """The command that goes on with a run."""
    return shlex.join(["mertool", "cv", "-o", str(run), "--resume"])


def _folder(run: Path, fold: int) -> Path:
    return run / f"fold_{fold}"


def _is_done(run: Path, fold: int) -> bool:
    return (_folder(run, fold) / "done.json").exists()


def _run_all(
    work: Callable[..., None],
    arguments: Sequence[tuple[object, ...]],
    folders: Sequence[Path],
    config: RunConfig,
    jobs: int,
    progress: Progress,
    before: int = 0,
) -> None:
    def steps_done(folder: Path) -> int:
        if config.settings.features == NETWORK:
            return _epochs_logged(folder)
        return steps * (folder / "done.json").exists()

    steps = config.settings.epochs if config.settings.features == NETWORK else len(config.clips)
    total = before + steps * len(folders)
    run_each(work, arguments, jobs, lambda: progress(before + sum(map(steps_done, folders)), total))


def _epochs_logged(folder: Path) -> int:
    try:
        return max(0, (folder / "log.csv").read_bytes().count(b"\n") - 1)
    except OSError:
        return 0


def _validations_logged(folder: Path) -> tuple[Validation, ...]:
    """The scores of each epoch in a fold's log.csv; empty where one has none."""
    from ..network.training import Validation

    try:
        with (folder / "log.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
            return tuple(Validation(float(row["loss_validation"]), float(row["uf1_validation"])) for row in rows)
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        return ()


# In the worker processes.


def _work_on_fold(run: Path, fold: int) -> None:
    folder = _folder(run, fold)
    make_folder(folder)
    busy = f"{folder}: another process is working on this fold; wait for it, or take another --fold"
    with file_lock(folder / ".lock", busy):
        if (folder / "done.json").exists():
            return
        config = RunConfig.read(run)
        mark = fingerprint(run)  # of what this fold was made from, also if someone edits it meanwhile
        works = {NETWORK: _train_network, FUSION: _fuse}
        names, marks = works.get(config.settings.features, _train_classifier)(run, config, fold, folder)
        _finish(folder, names, mark, marks)


def _train_network(run: Path, config: RunConfig, fold: int, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """Train and test a network; gives the names of the files that are the result, and what else done.json says."""
    samples = open_samples(run, config)
    folds = read_folds(run, samples)
    model, epoch = _fit(samples, samples.rows_of(folds.training(fold)), config, run, folder, fold)
    test = samples.rows_of(sorted(folds.tests[fold]))
    maps = _predict(model, samples, test, config, folder / "predictions.csv", fold)
    if maps is not None:
        with atomic_file(folder / "attention.npy") as stream:  # one map a row of predictions.csv
            np.save(stream, maps, allow_pickle=False)
    names = ["predictions.csv", "final.pt", "log.csv"]
    names += ["inner.csv"] if config.settings.select == "inner" else []
    names += ["attention.npy"] if maps is not None else []
    return names, {"epoch": epoch}


def _train_classifier(run: Path, config: RunConfig, fold: int, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """The same of a classifier of texture features."""
    import torch

    from ..texture.features import features_of, layout_of
    from ..texture.model_selection import classify_fold, design_of

    torch.set_num_threads(config.settings.threads)
    samples = open_samples(run, config)
    folds = read_folds(run, samples)
    features = features_of(samples, config.settings)
    training = folds.training(fold)  # refuses a fold that is not there
    tested = sorted(folds.tests[fold])
    names, classifier = classify_fold(samples, features, training, tested, fold, folder, config.settings)
    return names, {"design": design_of(classifier, layout_of(config.settings))}


def _fuse(run: Path, config: RunConfig, fold: int, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """The same of the runs of a fusion."""
    from .methods.fusion import fuse_fold

    predictions, weights = fuse_fold(run, config, fold)
    predictions.write(folder / "predictions.csv")
    return ["predictions.csv"], {"weights": weights}


def _work_on_training(run: Path) -> None:
    with file_lock(
        run / ".training", f"{run}: another process is working on this run; wait for it, or name another -o"
    ):
        config = RunConfig.read(run)
        samples = open_samples(run, config)
        _, epoch = _fit(samples, samples.rows_of(sorted(samples.ids)), config, run, run, NO_FOLD)
        _finish(run, ("final.pt", "log.csv"), "", {"epoch": epoch})


def _finish(folder: Path, names: Sequence[str], mark: str, marks: dict[str, Any]) -> None:
    digests = {name: file_sha256(folder / name) for name in names}
    write_json(folder / "done.json", {"sha256": digests, "run": mark, **marks})


def _fit(samples: Samples, rows: NDArray[np.int64], config: RunConfig, run: Path, folder: Path, fold: int) -> Fitted:
    """Train a network on these rows; with `--select inner` a part of them validates, and leaves inner.csv."""
    import torch

    from ..network.checkpoint import load_weights, transfer
    from ..network.model import build_model
    from ..network.training import fit

    settings = config.settings
    torch.set_num_threads(settings.threads)
    everything = sorted(samples.ids[row] for row in rows)
    validate: Callable[[Network], Validation] | None = None
    held = rows[:0]
    if settings.select == "inner":
        names = [samples.classes[label] for label in samples.labels[samples.rows_of(everything)]]
        kept, validating = inner_split(everything, names, settings.split_seed)
        rows, held = samples.rows_of(kept), samples.rows_of(validating)
        validate = partial(_validate, samples, held, config)
    ids = [samples.ids[row] for row in rows]
    labels = samples.labels[rows]

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for place, copy in batch_plan(ids, labels, epoch, settings):
            copies = draw_copies([ids[k] for k in place], copy, epoch, settings)
            yield _render_batch(samples, rows[place], copies, settings), torch.from_numpy(labels[place])

    initial: dict[str, Tensor] | None = None
    seen: tuple[str, ...] = ()
    path = initial_weights(run, config)
    if path is not None:
        model = build_model(settings, len(config.classes), settings.seed)
        start = load_weights(path)
        transfer(model, settings, config.classes, start)
        initial, seen = model.state_dict(), start.seen
    steps = steps_per_epoch(len(rows), settings)
    seen = tuple(sorted({*seen, *everything}))  # what an epoch was chosen on counts as seen
    fitted = fit(settings, config.classes, batches, steps, folder, initial, seen, validate)
    if len(held):
        _predict(fitted.model, samples, held, config, folder / "inner.csv", fold)
    return fitted


def _validate(samples: Samples, rows: NDArray[np.int64], config: RunConfig, model: Network) -> Validation:
    from ..network.training import predict

    probabilities, _ = predict(model, plain_batches(samples, rows, config), config.settings)
    return _score(samples, rows, probabilities)


def _score(samples: Samples, rows: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Validation:
    from ..network.training import Validation

    found = samples.predictions(rows, probabilities)
    of_truth = found.probabilities[np.arange(len(rows)), samples.labels[rows]]
    return Validation(float(-np.log(np.maximum(of_truth, 1e-12)).mean()), evaluate(found)["uf1"])


def _predict(
    model: Network, samples: Samples, rows: NDArray[np.int64], config: RunConfig, path: Path, fold: int
) -> NDArray[np.float32] | None:
    """Write predictions of these rows to `path`; gives their attention maps."""
    from ..network.training import predict

    probabilities, maps = predict(model, plain_batches(samples, rows, config), config.settings)
    samples.predictions(rows, probabilities, fold).write(path)
    return maps
