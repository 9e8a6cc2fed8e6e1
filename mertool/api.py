"""What the commands do, as functions for a script or a notebook; `mertool` itself offers them by name.

Functions and frozen records with NumPy arrays. Nothing is printed: progress and remarks go to callbacks, and every
failure is a `mertool.errors.MertoolError`. Work is done in new Python processes, so a script (not a notebook) needs
`if __name__ == "__main__":` around its calls.
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
    from .runs.progress import Watch

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
    """Read the annotation of a data set's folder, or a CSV manifest: every clip in it, with its frames on disk.

    Args:
        path: The folder, or a .csv manifest.
        dataset: Name of the data set, needed if the folder could be one of several.
        apex: "table", "middle" or "difference", as in `mertool extract --apex`.

    Raises:
        MertoolError: The folder is not a known data set, or its table cannot be read.
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
    """Make a pack, NAME.npz, and NAME.clips.csv from clips; nothing is done if both exist and nothing has changed.

    Args:
        annotations: From `read_dataset`; pass its `apex` here too.
        output: The path of the pack; it ends in .npz.
        jobs: Number of clips extracted at the same time; default: the cores that this process may use.
        landmarks: dlib's 68-point model; default: the one that `mertool extract` finds.
        overwrite: Make the pack again even if nothing has changed.
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
        MertoolError: The file is missing or damaged.
    """
    return load_pack(Path(path))


def cross_validate(
    packs: Sequence[Path | str] | Path | str,
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
    """Cross-validate as `mertool cv` does, and return the finished run.

    Args:
        packs: Packs made by `extract`; or one alone.
        output: The run's folder.
        init: A `train` run or a checkpoint with initial weights.
        folds_file: A JSON file with the folds to use.
        resume: Continue the run in `output`, with its own settings.
        jobs: Number of folds trained at the same time; default: as many as the cores allow.
        on_progress: Called with (steps done, steps in all).
        on_remark: Called with each remark.
        settings: Fields of `mertool.settings.Settings`: region="roi", frames=3, abn=True, protocol="group", ...

    Raises:
        MertoolError: A setting is wrong, the packs do not fit, or a fold failed.
    """
    from .runs.execute import cross_validate as run_folds
    from .runs.execute import default_jobs
    from .runs.start import Request, start_or_resume, start_repeats

    note = on_remark or _ignore
    request = Request(
        "cv",
        _paths(packs),
        Path(output),
        settings,
        init=_path(init),
        folds_file=_path(folds_file),
        resume=resume,
    )
    folder, config = start_or_resume(request, note)
    runs = start_repeats(folder, config, note, ())
    run_folds(runs, (), jobs or default_jobs(config, len(runs)), _watch(on_progress))
    return load_run(folder)


def train(
    packs: Sequence[Path | str] | Path | str,
    output: Path | str,
    *,
    init: Path | str | None = None,
    resume: bool = False,
    on_progress: Progress | None = None,
    on_remark: Remark | None = None,
    **settings: Any,
) -> Path:
    """Train one network on all clips as `mertool train` does, and return its folder, which `init` and `predict` take.

    Arguments and errors are those of `cross_validate`.
    """
    from .runs.execute import train_run
    from .runs.start import Request, start_or_resume

    request = Request("train", _paths(packs), Path(output), settings, init=_path(init), resume=resume)
    folder, config = start_or_resume(request, on_remark or _ignore)
    train_run(folder, config, _watch(on_progress))
    return folder


def _watch(on_progress: Progress | None) -> Watch:
    from .runs.progress import Watch

    if on_progress is None:
        return Watch()
    return Watch(lambda done, total, _doing: on_progress(done, total))


def _ignore(*_values: object) -> None:
    """Where progress and remarks go that nobody asked for."""


def _paths(packs: Sequence[Path | str] | Path | str) -> list[Path]:
    """The paths of packs; one pack may be given alone."""
    return [Path(packs)] if isinstance(packs, str | Path) else list(map(Path, packs))


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)


def open_run(path: Path | str) -> Run:
    """Open a finished cross-validation: its `predictions`, `metrics`, `settings`, `folds` and intervals.

    Raises:
        FileError: It is not a run folder.
        RunError: The run is not finished, or was damaged.
    """
    return load_run(Path(path))


def attention_maps(run: Run) -> tuple[list[str], NDArray[Any]]:
    """Clip ids and (N, h, w) attention maps, 0..1, each from the network that was not trained on the clip.

    Raises:
        DataError: The run has no attention branch.
        RunError: The maps of a fold are missing or damaged.
    """
    from .runs.attention import read_run_maps

    if not run.settings.abn:
        raise DataError(
            f"{run.name}: was trained without attention branch, so there are no maps; train it with abn=True"
        )
    return read_run_maps(run.folder)


def compare(runs: Sequence[Run]) -> list[Comparison]:
    """Compare each further run with the first, clip by clip: exact McNemar test with Holm's correction.

    Runs that test other clips or classes than the first are left out.
    """
    return compare_runs(runs)


def predict(
    run: Path | str, pack: Pack | Path | str, *, device: str = "auto", on_remark: Remark | None = None
) -> Predictions:
    """Class probabilities of every clip of a pack, averaged over what the folds of a run trained.

    Args:
        run: The folder of a finished `cross_validate` or `train`.
        pack: From `open_pack`, or the path of one.
        device: "auto", "cpu", "cuda" or "mps".
        on_remark: Called with each remark: what the run was trained on, its accuracy on new people, known clips.

    Raises:
        FileError: There is no run.
        RunError: The run is not finished, or was damaged.
        DataError: The pack does not hold what the run looks at.
    """
    from .network.device import choose_device
    from .runs.predict import predict_pack

    opened = pack if isinstance(pack, Pack) else load_pack(Path(pack))
    predictions, remarks = predict_pack(Path(run), opened, choose_device(device))
    for text in remarks:
        (on_remark or _ignore)(text)
    return predictions
