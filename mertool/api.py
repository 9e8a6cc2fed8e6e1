"""What the commands do, as functions for a script or a notebook; `mertool` itself offers them by name.

Plain functions and frozen records; arrays are NumPy's. Nothing is printed: progress and remarks go to callbacks, and
every failure is a `mertool.errors.MertoolError`. Work is done by processes that are started fresh, so a script (not a
notebook) needs the usual `if __name__ == "__main__":` around its calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DataError
from .evaluation.metrics import Metrics, evaluate
from .evaluation.predictions import Predictions
from .pack import Pack, load_pack
from .report.compare import Comparison, compare_runs
from .runs.finished import Run, load_run
from .workers import available_cores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .datasets import Annotations
    from .extraction.extract import Extraction

__all__ = [
    "Comparison",
    "Metrics",
    "Pack",
    "Predictions",
    "Run",
    "attention_maps",
    "compare",
    "cross_validate",
    "evaluate",
    "extract",
    "open_pack",
    "open_run",
    "predict",
    "read_dataset",
    "train",
]

Progress = Callable[[int, int], None]
Remark = Callable[[str], None]


def read_dataset(path: Path | str, *, dataset: str | None = None, apex: str = "table") -> Annotations:
    """Every clip that the annotation of a data set's folder (or a manifest csv) names, with its frames on disk.

    Args:
        path: The folder, or a .csv manifest.
        dataset: Name of the data set, where the folder could be several.
        apex: "table", "middle" or "difference", as `mertool extract --apex`.

    Raises:
        MertoolError: There is no such data set, or its table cannot be read.
    """
    from .datasets import read_clips

    return read_clips(Path(path), dataset=dataset, apex=apex)


def extract(
    annotations: Annotations,
    output: Path | str,
    *,
    jobs: int | None = None,
    landmarks: Path | None = None,
    overwrite: bool = False,
    on_progress: Progress | None = None,
    **options: Any,
) -> Extraction:
    """Make a pack, NAME.npz, and NAME.clips.csv from clips; nothing is done if both are there and nothing changed.

    Args:
        annotations: From `read_dataset`; `apex` as there.
        output: The pack's path; ends in .npz.
        jobs: Clips at once; default: the cores that this process may use.
        landmarks: dlib's 68-point model; default: as `mertool extract` finds it.
        overwrite: Make the pack again even if nothing changed.
        on_progress: Called with (clips done, clips in all).
        options: Fields of `mertool.extraction.options.ExtractOptions`: size=256, align="stabilised", sequence=5, ...

    Returns:
        The pack, one row per clip of the annotation, and whether it was made again.

    Raises:
        MertoolError: No clip can be used, or the output cannot be written.
    """
    from .extraction.extract import extract as make_pack
    from .extraction.faces import find_landmark_model
    from .extraction.options import ExtractOptions

    chosen = ExtractOptions(**options)
    return make_pack(
        annotations,
        Path(output),
        chosen,
        landmarks=None if chosen.aligned else find_landmark_model(landmarks),
        jobs=available_cores() if jobs is None else jobs,
        overwrite=overwrite,
        progress=on_progress,
    )


def open_pack(path: Path | str) -> Pack:
    """Open a pack: `frames` (N, 3, S, S) uint8, `landmarks` (N, 3, 68, 2) float32, ids and labels.

    Raises:
        MertoolError: There is none, or it is damaged.
    """
    return load_pack(Path(path))


def cross_validate(
    packs: Sequence[Path | str],
    output: Path | str,
    *,
    init: Path | str | None = None,
    folds_file: Path | str | None = None,
    resume: bool = False,
    jobs: int | None = None,
    on_progress: Progress | None = None,
    on_remark: Remark | None = None,
    **settings: Any,
) -> Run:
    """Cross-validate as `mertool cv` does, and give the finished run.

    Args:
        packs: Files of `extract`.
        output: The run's folder.
        init: A `train` run or checkpoint to begin with.
        folds_file: One's own folds.
        resume: Continue the run in `output`, with its own settings.
        jobs: Folds at once; default: the cores that this process may use.
        on_progress: Called with (steps done, steps in all).
        on_remark: Called with each remark.
        settings: Fields of `mertool.settings.Settings`: region="roi", frames=3, abn=True, protocol="group", ...

    Raises:
        MertoolError: A setting is wrong, the packs do not fit, or a fold failed.
    """
    from .runs.execute import cross_validate as run_folds
    from .runs.start import begin, start_repeats

    note = on_remark or (lambda _: None)
    folder, config = begin(
        "cv",
        tuple(map(Path, packs)),
        Path(output),
        dict(settings),
        note,
        resume=resume,
        init=None if init is None else Path(init),
        folds_file=None if folds_file is None else Path(folds_file),
    )
    runs = start_repeats(folder, config, note, ())
    n_folds = config.settings.folds * len(runs)
    at_once = jobs or max(1, min(available_cores() // config.settings.threads, n_folds))
    run_folds(runs, None, at_once, on_progress or (lambda _done, _total: None))
    return load_run(folder)


def train(
    packs: Sequence[Path | str],
    output: Path | str,
    *,
    init: Path | str | None = None,
    resume: bool = False,
    on_progress: Progress | None = None,
    on_remark: Remark | None = None,
    **settings: Any,
) -> Path:
    """Train one network on all clips as `mertool train` does; gives its folder, which `init` and `predict` take.

    Arguments and errors as `cross_validate`.
    """
    from .runs.execute import train_run
    from .runs.start import begin

    start = None if init is None else Path(init)
    note = on_remark or (lambda _: None)
    folder, config = begin(
        "train", tuple(map(Path, packs)), Path(output), dict(settings), note, resume=resume, init=start
    )
    train_run(folder, config, on_progress or (lambda _done, _total: None))
    return folder


def open_run(path: Path | str) -> Run:
    """Open a finished cross-validation: `predictions`, `metrics`, `settings`, `folds`, intervals.

    Raises:
        MertoolError: It is no run, is not finished, or was damaged.
    """
    return load_run(Path(path))


def attention_maps(run: Run) -> tuple[list[str], NDArray[Any]]:
    """Clip ids and (N, h, w) attention maps, 0..1, each by the network that did not see the clip.

    Raises:
        DataError: The run has no attention branch.
    """
    from .runs.execute import attention_of

    if not run.settings.abn:
        raise DataError(
            f"{run.name}: was trained without attention branch, so there are no maps; train it with abn=True"
        )
    return attention_of(run.folder)


def compare(runs: Sequence[Run]) -> list[Comparison]:
    """Each further run against the first, clip by clip: exact McNemar test with Holm's correction.

    Runs over other clips or classes than the first are left out.
    """
    return compare_runs(runs)


def predict(run: Path | str, pack: Pack, *, device: str = "auto", on_remark: Remark | None = None) -> Predictions:
    """Class probabilities of every clip of a pack by what the folds of a run trained, averaged.

    Args:
        run: The folder of a finished `cross_validate` or `train`.
        pack: From `open_pack`.
        device: "auto", "cpu", "cuda" or "mps".
        on_remark: Called with each remark, of clips that were used in training for example.

    Raises:
        MertoolError: The run is not finished, or the pack does not hold what it looks at.
    """
    from .network.training import choose_device
    from .runs.predict import predict_pack

    predictions, remarks = predict_pack(Path(run), pack, choose_device(device))
    for text in remarks:
        (on_remark or (lambda _: None))(text)
    return predictions
