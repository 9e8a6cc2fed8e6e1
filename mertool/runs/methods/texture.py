"""Texture features with a linear classifier as a method: LBP-TOP and CBP-TOP."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, MertoolError
from ...evaluation.protocols import inner_folds
from ...inputs.samples import Samples
from ...pack import Pack
from ...settings import Settings
from ...texture.cache import features_of
from ...texture.classifier import Classifier
from ...texture.features import check_packs, layout_of
from ...texture.model_selection import FoldFiles, classify_fold, fold_record, recheck_classifier
from ..checks import FAIL, PASS, Check
from ..config import RunConfig, open_samples, read_folds
from ..layout import RunFolder, as_run_error
from .base import AuditCase, FoldWork, Method

if TYPE_CHECKING:
    from ..finished import Run
    from ..layout import FoldFolder

__all__ = ["TextureMethod"]


class TextureMethod(Method):
    """Texture codes of all frames from onset to offset, and a linear classifier."""

    trained_things = "classifiers"
    statistics = "means, deviations, Fisher ratios and classifiers are of the training part of each fold alone"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.setting_groups = frozenset({"texture", "classifier", name})

    def check_packs(self, packs: Sequence[Pack], settings: Settings) -> None:
        """Packs must hold a sequence, and landmarks for regions."""
        check_packs(packs, settings)

    def check_parts(self, parts: Sequence[tuple[str, ...]], settings: Settings) -> None:
        """What is chosen is chosen over subjects: a part of one subject is refused."""
        if "auto" in (settings.n_features, settings.cost):
            for ids in parts:
                inner_folds(ids, [""] * len(ids), settings.split_seed)

    def name_parts(self, settings: Settings) -> list[str]:  # noqa: ARG002
        """`lbp-top`."""
        return [self.name]

    def prepare(self, run: Path, config: RunConfig, jobs: int, progress: Callable[[int, int], None]) -> None:
        """Compute the features of a run's clips once, for all folds and repeats."""
        settings = dataclasses.replace(config.settings, threads=jobs)  # their bytes do not depend on it
        features_of(open_samples(run, config), settings, progress)

    def work_on_fold(self, work: FoldWork) -> dict[str, Any]:
        """Choose, train and test a classifier."""
        import torch

        config = work.config
        torch.set_num_threads(config.settings.threads)
        samples = open_samples(work.run, config)
        folds = read_folds(work.run, samples)
        features = features_of(samples, config.settings)
        training = folds.training(work.fold)  # refuses a fold that is not there
        tested = sorted(folds.tests[work.fold])
        classifier = classify_fold(samples, features, training, tested, work.fold, _files(work.folder), config.settings)
        return {"design": fold_record(classifier, layout_of(config.settings))}

    def files_left(self, folder: FoldFolder, config: RunConfig, training: Sequence[str]) -> list[Path]:
        """The classifier; and how it was chosen, where the training part has the two subjects that this takes."""
        files = [folder.predictions, folder.classifier]
        try:
            inner_folds(training, [""] * len(training), config.settings.split_seed)
        except DataError:
            return files
        return [*files, folder.inner, folder.selection]

    def predict(self, run: Path, config: RunConfig, samples: Samples, device: str) -> list[NDArray[np.float64]]:  # noqa: ARG002
        """By the classifier of each fold."""
        size = layout_of(config.settings).size
        files = [folder.classifier for folder in RunFolder(run).trained_folders(config.command, "classifier")]
        with as_run_error():
            classifiers = [Classifier.load_for(file, config.classes, size) for file in files]
        features = features_of(samples, config.settings)
        return [classifier.predict(features) for classifier in classifiers]

    def audit(self, case: AuditCase, samples: Samples) -> Iterator[Check]:
        """Whether the classifiers are what training parts alone give, and the predictions theirs."""
        wrong = []
        settings = case.config.settings
        try:
            features = features_of(samples, settings, use_cache=False)
            for fold, ids in enumerate(case.folds.tests):
                folder = RunFolder(case.run).fold(fold)
                training = case.folds.training(fold)
                kept, faults = recheck_classifier(
                    samples, features, training, ids, _files(folder), settings, choose=case.choose
                )
                if folder.read_record().design != fold_record(kept, layout_of(settings)):
                    faults.append("its done.json has other hyperparameters or features than its classifier")
                wrong += [f"fold {fold}: {fault}" for fault in faults]
        except MertoolError as error:
            yield Check("classifiers", FAIL, str(error))
            return
        if wrong:
            yield Check("classifiers", FAIL, "; ".join(wrong))
            return
        sound = "no classifier was trained on a clip of its test part; trained again, they predict the same"
        yield Check("classifiers", PASS, sound)

    def describe(self, run: Run) -> list[str]:
        """`roi`, `LBP-TOP`, `P 8, R 1,1,2`, `10 frames (tim)`, `selection`."""
        settings = run.settings
        frames = f"{settings.length} frames ({settings.interpolation})" if settings.length else "frames as stored"
        chosen = {"auto": "selection", "all": "all features"}.get(settings.n_features, "fixed selection")
        shape = f"P {settings.points}, R {settings.radii}"
        return [settings.region, self.name.upper(), shape, frames, chosen]

    def described_settings(self) -> set[str]:
        """What `describe` tells."""
        return {"method", "region", "points", "radii", "length", "interpolation"}

    def choice_rule(self, run: Run) -> str:
        """What inner validation chose."""
        settings = run.settings
        never = "the test fold is never looked at during training."
        auto = [
            name
            for name, value in (("the number of features", settings.n_features), ("C", settings.cost))
            if value == "auto"
        ]
        chosen = ""
        if run.designs:
            counts = ", ".join(str(design["features"]) for design in run.designs)
            costs = ", ".join(f"{design['cost']:g}" for design in run.designs)
            chosen = f" ({counts} of {run.designs[0]['of']} features; C {costs})"
        if not auto:
            return (
                "Features of highest Fisher ratio and the classifier come from the training part alone"
                f"{chosen}; {never}"
            )
        return (
            f"In each fold {' and '.join(auto)} {'are' if len(auto) > 1 else 'is'} chosen by cross-validation over "
            f"whole subjects of its training part{chosen}; {never}"
        )


def _files(folder: FoldFolder) -> FoldFiles:
    return FoldFiles(folder.classifier, folder.predictions, folder.inner, folder.selection)
