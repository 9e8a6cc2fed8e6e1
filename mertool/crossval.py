"""Cross-validation and training runs: each fold in a process of its own, resumable, equal bytes however it is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .files import atomic_file, file_lock, make_folder, read_json, write_json
from .inputs import Copies, Samples, batch_plan, draw_copies, render, steps_per_epoch
from .metrics import evaluate
from .pack import file_sha256
from .predictions import Predictions
from .runs import RunConfig, locate, open_samples, read_folds
from .workers import run_each

if TYPE_CHECKING:
    from torch import Tensor

    from .model import Network

__all__ = [
    "Again",
    "FoldMarks",
    "cross_validate",
    "draw_attention",
    "finished_marks",
    "plain_batches",
    "predict_again",
    "train_run",
]

_PREDICT_BATCH = 32  # clips rendered at once: memory stays small

Progress = Callable[[int, int], None]


def cross_validate(run: Path, config: RunConfig, folds: Sequence[int] | None, jobs: int, progress: Progress) -> bool:
    """Train and test the folds of a run that are not done yet.

    Args:
        run: A folder begun by `mertool.runs.begin_run`.
        config: Its configuration.
        folds: Which folds; None for all.
        jobs: Folds at once.
        progress: Called with (epochs done, epochs in all).

    Returns:
        Whether every fold of the run is done; results.json is then written.

    Raises:
        MertoolError: A fold failed; finished folds stay finished.
    """
    every = range(config.settings.folds)
    chosen = list(every if folds is None else dict.fromkeys(folds))
    todo = [fold for fold in chosen if not _is_done(run, fold)]
    _run_all(
        _work_on_fold, [(run, fold) for fold in todo], [_folder(run, fold) for fold in todo], config, jobs, progress
    )
    if not all(_is_done(run, fold) for fold in every):
        return False
    with file_lock(run / ".lock"):  # the last two of an array of jobs may end together
        _write_results(run, config)
    return True


def _write_results(run: Path, config: RunConfig) -> None:
    every = range(config.settings.folds)
    parts = [Predictions.read(_folder(run, fold) / "predictions.csv") for fold in every]
    write_json(run / "results.json", {"settings": config.settings.as_dict(), **evaluate(Predictions.join(parts))})


def train_run(run: Path, config: RunConfig, progress: Progress) -> None:
    """Train one network on all clips of a run; leaves final.pt.

    Raises:
        MertoolError: The training failed.
    """
    if not (run / "done.json").exists():
        _run_all(_work_on_training, [(run,)], [run], config, 1, progress)


def plain_batches(samples: Samples, rows: NDArray[np.int64], config: RunConfig) -> Iterator[Tensor]:
    """Batches (B, T, H, W) of clips as they are, in the order of `rows`."""
    import torch

    for start in range(0, len(rows), _PREDICT_BATCH):
        part = rows[start : start + _PREDICT_BATCH]
        yield torch.from_numpy(render(samples, part, Copies.plain(len(part)), config.settings))


class FoldMarks(NamedTuple):
    """What a fold left when it was done: hashes of its files by name, and the run's fingerprint ("" in old runs)."""

    files: dict[str, str]
    run: str


def finished_marks(run: Path, fold: int) -> FoldMarks:
    """The marks of a finished fold.

    Raises:
        DataError: It is not finished, or its done.json is damaged.
    """
    path = _folder(run, fold) / "done.json"
    if not path.exists():
        raise DataError(f'{run}: fold {fold} is not done; run "mertool cv -o {run} --resume"')
    values = read_json(path)
    files = values.get("sha256") if isinstance(values, dict) else None
    if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
        raise DataError(f"{path}: damaged; expected the hashes of the fold's files")
    return FoldMarks(files, str(values.get("run", "")))


class Again(NamedTuple):
    """A fold's test clips, predicted once more.

    Attributes:
        seen: Ids of the clips that the network has seen.
        epochs: Rows of its log.
        written, now: Probabilities as predictions.csv has them and as the final weights give them, by clip.
    """

    seen: tuple[str, ...]
    epochs: int
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

    from .checkpoint import load_weights, restore
    from .engine import predict

    folder = _folder(run, fold)
    checkpoint = load_weights(folder / "final.pt")
    torch.set_num_threads(config.settings.threads)
    names = sorted(ids)
    batches = plain_batches(samples, samples.rows_of(names), config)
    probabilities, _ = predict(restore(checkpoint), batches, config.settings)
    written = Predictions.read(folder / "predictions.csv")
    return Again(
        checkpoint.seen,
        _epochs_logged(folder),
        dict(zip(written.clip, written.probabilities, strict=True)),
        dict(zip(names, np.asarray(probabilities, np.float64), strict=True)),
    )


def draw_attention(run: Path, path: Path) -> None:
    """Draw the attention maps of a finished cross-validation, each by the network that did not see the clip.

    Raises:
        DataError: The run has no attention branch, or a fold is not done.
    """
    from .sheets import attention_sheet

    config = RunConfig.read(run)
    if not config.settings.abn:
        raise DataError(f"{run}: was trained without attention branch, so there are no maps; run cv with --abn")
    samples = open_samples(run, config)
    ids: list[str] = []
    maps = []
    for fold in range(config.settings.folds):
        folder = _folder(run, fold)
        try:
            maps.append(np.load(folder / "attention.npy", allow_pickle=False))
        except (OSError, ValueError) as error:
            raise DataError(f'{folder}: no attention maps ({error}); run "mertool cv -o {run} --resume"') from error
        ids += sorted(Predictions.read(folder / "predictions.csv").clip)
    attention_sheet(samples, samples.rows_of(ids), np.concatenate(maps), config.settings, path)


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
) -> None:
    total = config.settings.epochs * len(folders)
    run_each(work, arguments, jobs, lambda: progress(sum(map(_epochs_logged, folders)), total))


def _epochs_logged(folder: Path) -> int:
    try:
        return max(0, (folder / "log.csv").read_bytes().count(b"\n") - 1)
    except OSError:
        return 0


# In the worker processes.


def _work_on_fold(run: Path, fold: int) -> None:
    folder = _folder(run, fold)
    make_folder(folder)
    busy = f"{folder}: another process is working on this fold; wait for it, or take another --fold"
    with file_lock(folder / ".lock", busy):
        if (folder / "done.json").exists():
            return
        config = RunConfig.read(run)
        samples = open_samples(run, config)
        folds = read_folds(run, samples)
        model = _fit(samples, samples.rows_of(folds.training(fold)), config, run, folder)
        test = samples.rows_of(sorted(folds.tests[fold]))
        _predict(model, samples, test, config, folder, fold)
        _finish(folder, ("predictions.csv", "final.pt"), config.fingerprint(run))


def _work_on_training(run: Path) -> None:
    with file_lock(
        run / ".training", f"{run}: another process is working on this run; wait for it, or name another -o"
    ):
        config = RunConfig.read(run)
        samples = open_samples(run, config)
        _fit(samples, samples.rows_of(sorted(samples.ids)), config, run, run)
        _finish(run, ("final.pt",), "")


def _finish(folder: Path, names: Sequence[str], fingerprint: str) -> None:
    write_json(
        folder / "done.json", {"sha256": {name: file_sha256(folder / name) for name in names}, "run": fingerprint}
    )


def _fit(samples: Samples, rows: NDArray[np.int64], config: RunConfig, run: Path, folder: Path) -> Network:
    import torch

    from .checkpoint import load_weights, transfer
    from .engine import fit
    from .model import build_model

    settings = config.settings
    torch.set_num_threads(settings.threads)
    ids = [samples.ids[row] for row in rows]
    labels = samples.labels[rows]

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for place, copy in batch_plan(ids, labels, epoch, settings):
            copies = draw_copies([ids[k] for k in place], copy, epoch, settings)
            pictures = render(samples, rows[place], copies, settings)
            yield torch.from_numpy(pictures), torch.from_numpy(labels[place])

    initial: dict[str, Tensor] | None = None
    seen: tuple[str, ...] = ()
    if config.init is not None:
        path = locate(run, config.init.path)
        if file_sha256(path) != config.init.sha256:
            raise DataError(f"{path}: the initial weights changed since {run} was begun; begin anew with another -o")
        model = build_model(settings, len(config.classes), settings.seed)
        start = load_weights(path)
        transfer(model, settings, config.classes, start)
        initial, seen = model.state_dict(), start.seen
    steps = steps_per_epoch(len(rows), settings)
    return fit(settings, config.classes, batches, steps, folder, initial, sorted({*seen, *ids}))


def _predict(
    model: Network, samples: Samples, rows: NDArray[np.int64], config: RunConfig, folder: Path, fold: int
) -> None:
    from .engine import predict

    probabilities, maps = predict(model, plain_batches(samples, rows, config), config.settings)
    clips = tuple(samples.ids[row] for row in rows)
    truth = tuple(samples.classes[label] for label in samples.labels[rows])
    predictions = Predictions(clips, (fold,) * len(rows), truth, probabilities, config.classes)
    predictions.write(folder / "predictions.csv")
    if maps is not None:
        with atomic_file(folder / "attention.npy") as stream:  # one map a row of predictions.csv
            np.save(stream, maps, allow_pickle=False)
