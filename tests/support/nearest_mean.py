"""A fourth method, as somebody would add one: nearest class mean of the rendered pixels."""

from __future__ import annotations

import numpy as np

from mertool.evaluation.predictions import Predictions
from mertool.inputs.rendering import Augmentation, render
from mertool.runs.checks import FAIL, PASS, Check
from mertool.runs.config import open_samples, read_folds
from mertool.runs.layout import RunFolder
from mertool.runs.methods.base import Method


class NearestMean(Method):
    """Each class is the mean of its training pictures; nearer means are more probable."""

    setting_groups = frozenset()
    trained_things = "means"
    statistics = "means are of the training part of each fold alone"

    def name_parts(self, settings):
        return [self.name]

    def work_on_fold(self, work):
        samples = open_samples(work.run, work.config)
        folds = read_folds(work.run, samples)
        means = self._means(samples, folds.training(work.fold), work.config.settings)
        rows = samples.rows_of(sorted(folds.tests[work.fold]))
        path = work.folder.path / "means.npy"
        np.save(path, means)
        found = self._probabilities(samples, rows, means, work.config.settings)
        samples.predictions(rows, found, work.fold).write(work.folder.predictions)
        return {}

    def files_left(self, folder, config, training):
        return [folder.predictions, folder.path / "means.npy"]

    def predict(self, run, config, samples, device):
        rows = np.arange(len(samples.ids))
        folders = RunFolder(run).trained_folders(config.command, "done")
        means = [np.load(folder.path / "means.npy", allow_pickle=False) for folder in folders]
        return [self._probabilities(samples, rows, one, config.settings) for one in means]

    def audit(self, case, samples):
        for fold in range(len(case.folds.tests)):
            written = Predictions.read(RunFolder(case.run).fold(fold).predictions)
            means = self._means(samples, case.folds.training(fold), case.config.settings)
            again = self._probabilities(samples, samples.rows_of(written.clip), means, case.config.settings)
            if np.abs(again - written.probabilities).max() > 1e-3:
                yield Check("means", FAIL, f"fold {fold}: its training part gives other predictions")
                return
        yield Check("means", PASS, "training parts alone give the predictions")

    def describe(self, run):
        return [run.settings.region, "nearest mean"]

    def choice_rule(self, run):
        return "Nothing is chosen."

    def _means(self, samples, ids, settings):
        rows = samples.rows_of(ids)
        pictures = self._pictures(samples, rows, settings)
        labels = samples.labels[rows]
        everything = pictures.mean(0)
        return np.stack(
            [pictures[labels == k].mean(0) if (labels == k).any() else everything for k in range(len(samples.classes))]
        )

    def _probabilities(self, samples, rows, means, settings):
        away = ((self._pictures(samples, rows, settings)[:, None] - means) ** 2).mean(2)
        score = np.exp(away.min(1, keepdims=True) - away)
        return score / score.sum(1, keepdims=True)

    @staticmethod
    def _pictures(samples, rows, settings):
        return render(samples, rows, Augmentation.identity(len(rows)), settings, "float32").reshape(len(rows), -1)
