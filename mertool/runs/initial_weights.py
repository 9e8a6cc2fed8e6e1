"""Initial weights (`--init`): found, checked for what they were trained on, and described."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..clips import filmed_together, split_id, subject_key_of_id
from ..errors import DataError, FileError, RunError
from ..files import file_sha256
from ..inputs.samples import Samples
from ..settings import Settings
from .config import Command, InitialWeights, RunConfig, relative_to_run, resolve_in_run
from .layout import RunFolder

__all__ = ["initial_weights", "open_initial_weights", "weights_file"]


def weights_file(path: Path) -> Path:
    """The checkpoint that `--init` names: a file, or that of a finished training."""
    return RunFolder(path).training.final if path.is_dir() else path


def open_initial_weights(
    path: Path, run: Path, command: Command, samples: Samples, settings: Settings
) -> tuple[InitialWeights, list[str]]:
    """The weights that `--init` names, after checking that they were not trained on the clips to be tested.

    Returns:
        What config.json says of them, and remarks for the user.

    Raises:
        FileError: There are none.
        DataError: They are damaged, or were trained on what this run tests.
    """
    from ..network.checkpoint import load_weights, transfer
    from ..network.model import build_model

    file = weights_file(path)
    if not file.is_file():
        raise FileError(f'{path}: no weights for --init; expected a finished folder of "mertool train" or a .pt file')
    checkpoint = load_weights(file)
    subjects = {subject_key_of_id(clip_id) for clip_id in samples.ids}
    if command == "cv":
        _refuse_tested(path, checkpoint.seen, samples.ids, subjects)
    model = build_model(settings, len(samples.classes), settings.seed)
    outcome = transfer(model, settings, samples.classes, checkpoint)
    loaded = (*outcome.loaded, *outcome.adapted)
    shared = tuple(sorted(subjects & {subject_key_of_id(clip_id) for clip_id in checkpoint.seen}))
    init = InitialWeights(relative_to_run(file, run), file_sha256(file), loaded, tuple(outcome.not_loaded), shared)
    remarks = [f"--init {path}: {line}" for line in outcome.lines()]
    if shared:
        remarks.append(
            f"--init {path}: its weights were trained on {len(shared)} of the {len(subjects)} subjects of this run, in "
            "other clips: results are subject-dependent"
        )
    return init, remarks


def _refuse_tested(path: Path, trained_on: Sequence[str], tested: Sequence[str], subjects: set[str]) -> None:
    """Refuse weights that were trained on clips of a cross-validation, or on the same moments from another camera."""
    known = sorted(set(trained_on) & set(tested))
    if known:
        raise DataError(
            f"{path}: was trained on {len(known)} clips of this run (first: {known[0]}), which would then be tested; "
            "train on other recordings"
        )
    datasets = {split_id(clip_id)[0] for clip_id in tested}
    for clip_id in trained_on:
        other = split_id(clip_id)[0]
        twin = next((dataset for dataset in datasets if filmed_together(dataset, other)), None)
        if twin and subject_key_of_id(clip_id) in subjects:
            raise DataError(
                f"{path}: was trained on {clip_id}, and {twin} filmed the same moments, which would then be tested; "
                "train on other recordings"
            )


def initial_weights(run: Path, config: RunConfig) -> Path | None:
    """The file of a run's initial weights; None for random ones.

    Raises:
        FileError: It is gone.
        RunError: It is not the one that the run was started with.
    """
    if config.init is None:
        return None
    path = resolve_in_run(run, config.init.path)
    if file_sha256(path) != config.init.sha256:
        raise RunError(f"{path}: the initial weights changed since {run} was started; start a new run with another -o")
    return path
