"""Weights to begin with (`--init`): found, checked for what they have seen, and described."""

from __future__ import annotations

from pathlib import Path

from ..clips import filmed_together
from ..errors import DataError, FileError
from ..evaluation.folds import split_id, subject_key_of_id
from ..files import file_sha256
from ..inputs.samples import Samples
from ..settings import Settings
from .config import InitialWeights, relative_to_run
from .layout import RunFolder

__all__ = ["open_initial_weights", "weights_file"]


def weights_file(path: Path) -> Path:
    """The checkpoint that `--init` names: a file, or that of a finished training."""
    return RunFolder(path).training.final if path.is_dir() else path


def open_initial_weights(
    path: Path, run: Path, command: str, samples: Samples, settings: Settings
) -> tuple[InitialWeights, list[str]]:
    """The weights that `--init` names, after checking that they have not seen the clips to be tested on."""
    from ..network.checkpoint import load_weights, transfer
    from ..network.model import build_model

    file = weights_file(path)
    if not file.is_file():
        raise FileError(f'{path}: no weights for --init; expected a finished folder of "mertool train" or a .pt file')
    checkpoint = load_weights(file)
    known = sorted(set(checkpoint.seen) & set(samples.ids))
    if command == "cv" and known:
        raise DataError(
            f"{path}: has seen {len(known)} clips of this run (first: {known[0]}), which would then be tested with "
            "what they taught; train on other recordings"
        )
    everyone = {subject_key_of_id(name) for name in samples.ids}
    datasets = {split_id(name)[0] for name in samples.ids}
    if command == "cv":
        for name in checkpoint.seen:
            other = split_id(name)[0]
            twin = next((dataset for dataset in datasets if filmed_together(dataset, other)), None)
            if twin and subject_key_of_id(name) in everyone:
                raise DataError(
                    f"{path}: has seen {name}, and {twin} filmed the same moments, which would then be tested; "
                    "train on other recordings"
                )
    model = build_model(settings, len(samples.classes), settings.seed)
    outcome = transfer(model, settings, samples.classes, checkpoint)
    loaded = (*outcome.loaded, *outcome.adapted)
    people = tuple(sorted(everyone & {subject_key_of_id(name) for name in checkpoint.seen}))
    init = InitialWeights(relative_to_run(file, run), file_sha256(file), loaded, tuple(outcome.not_loaded), people)
    remarks = [f"--init {path}: {line}" for line in outcome.lines()]
    if people:
        remarks.append(
            f"--init {path}: its weights have seen {len(people)} of the {len(everyone)} people of this run, in other "
            "clips: results are subject-dependent"
        )
    return init, remarks
