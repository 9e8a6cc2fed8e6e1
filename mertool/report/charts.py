"""The charts of a report's HTML page, as SVG: learning curves, and the accuracies of several runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..runs.finished import Run
from .html_elements import escape

__all__ = ["accuracy_chart", "learning_curves"]

_DASHES = ("━", "╍", "┅")  # the pattern of each line, for readers who cannot tell its colour
_MAX_NAME = 60  # letters of a run's name that fit into the chart, also on a phone
_FOREST_WIDTH, _FOREST_MARGIN, _RUN_PX = 640, 8, 70  # of the chart of runs, its margins and each run in it
_VALUE_PX = 72  # width of "100.0 %" in the letters of a phone
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _RIGHT, _TOP = 520, 260, 46, 34, 12, 10  # of a chart of curves, and its margins

# The columns of a fold's log.csv, as `Run.read_logs` gives them.
Log = Mapping[str, Sequence[float]]


def learning_curves(logs: Sequence[Log], chosen: Sequence[int]) -> str:
    """Loss and accuracy over the epochs, mean and range of the folds.

    Args:
        logs: Of each fold.
        chosen: The epoch, from 1, that each fold chose on its inner part; empty where the last one counts.
    """
    losses = [
        ("perception branch", "loss_perception"),
        ("attention branch", "loss_attention"),
        ("inner validation", "loss_validation"),
    ]
    accuracies = [
        ("perception branch", "accuracy"),
        ("attention branch", "accuracy_attention"),
        ("inner validation (UF1)", "uf1_validation"),
    ]
    title = "Accuracy on augmented training clips"
    if chosen:
        title += ", UF1 on the inner part"
    return _curves("Loss", losses, logs, None, chosen) + _curves(title, accuracies, logs, 1.0, chosen)


@dataclass(frozen=True, slots=True)
class _Axes:
    """Epochs from left to right, values from 0 up to `highest`."""

    epochs: int
    highest: float

    def point(self, index: int, value: float) -> str:
        """`x,y` of a value at an epoch, from 0."""
        return f"{self.x(index):.1f},{self.y(value):.1f}"

    def x(self, index: int) -> float:
        across = 0.5 if self.epochs == 1 else index / (self.epochs - 1)
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * across

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * min(value, self.highest) / self.highest

    def marks(self) -> list[str]:
        """Grid lines and labels."""
        marks = []
        for k in range(5):
            value = self.highest * k / 4
            y = f"{self.y(value):.1f}"
            marks.append(f"<line class='grid' x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{y}' y2='{y}'/>")
            marks.append(
                f"<text x='{_LEFT - 6}' y='{y}' text-anchor='end' dominant-baseline='middle'>{value:.3g}</text>"
            )
        for index in sorted({0, self.epochs // 2, self.epochs - 1}):
            x = f"{self.x(index):.1f}"
            marks.append(f"<text x='{x}' y='{_HEIGHT - _BOTTOM + 16}' text-anchor='middle'>{index + 1}</text>")
        marks.append(f"<text x='{(_LEFT + _WIDTH) / 2}' y='{_HEIGHT - 2}' text-anchor='middle'>epoch</text>")
        return marks


def _curves(
    title: str, columns: Sequence[tuple[str, str]], logs: Sequence[Log], highest: float | None, chosen: Sequence[int]
) -> str:
    """A line and a band per column that all folds have; `highest` None for the next round number above all values."""
    series = [(name, [log[column] for log in logs]) for name, column in columns if all(log.get(column) for log in logs)]
    epochs = min(len(values) for _, folds in series for values in folds)
    axes = _Axes(epochs, highest or _round_up(max(max(values) for _, folds in series for values in folds)))
    marks, legend, at_last = axes.marks(), [], []
    for number, (name, folds) in enumerate(series):
        means = [math.fsum(values[k] for values in folds) / len(folds) for k in range(epochs)]
        marks += _series_marks(axes, number, folds, means)
        at_last.append(f"{name} {means[-1]:.3g}")
        legend.append(f"<span class='s{number}'>{_DASHES[number]} {escape(name)} {means[-1]:.3g}</span>")
    for epoch in chosen:
        tip, foot = axes.x(min(epoch, epochs) - 1), _HEIGHT - _BOTTOM
        corners = f"{tip:.1f},{foot - 9} {tip - 4:.1f},{foot} {tip + 4:.1f},{foot}"
        marks.append(f"<polygon class='chosen' points='{corners}'/>")
    label = escape(f"{title} over {epochs} epochs; at the last epoch: {', '.join(at_last)}")
    return (
        f"<figure><figcaption>{escape(title)} <small>at the last epoch: {' '.join(legend)}</small></figcaption>"
        f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' aria-label='{label}'>{''.join(marks)}</svg></figure>"
    )


def _series_marks(axes: _Axes, number: int, folds: Sequence[Sequence[float]], means: Sequence[float]) -> list[str]:
    """The line of the means, and a band from the lowest to the highest fold."""
    epochs = range(axes.epochs)
    highs = [axes.point(k, max(values[k] for values in folds)) for k in epochs]
    lows = [axes.point(k, min(values[k] for values in folds)) for k in reversed(epochs)]
    line = [axes.point(k, mean) for k, mean in enumerate(means)]
    marks = [
        f"<polygon class='band s{number}' points='{' '.join(highs + lows)}'/>",
        f"<polyline class='line s{number}' points='{' '.join(line)}'/>",
    ]
    if axes.epochs == 1:
        x, _, y = line[0].partition(",")
        marks.append(f"<circle class='dot s{number}' cx='{x}' cy='{y}' r='4'/>")
    return marks


def _round_up(value: float) -> float:
    """The next round number: 1, 2, 3, 4, 5, 6, 8 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-6)))
    return next((step * power for step in (1, 2, 3, 4, 5, 6, 8) if step * power >= value), 10 * power)


def accuracy_chart(runs: Sequence[Run]) -> str:
    """A forest plot: the pooled accuracy of each run with its interval, and the majority baseline.

    Each run has a line for its name, one for the value above its point, and one for what is drawn, so that no label
    lies on a line or on another label.
    """
    height = _RUN_PX * len(runs) + 24
    marks, at_runs = _percent_axis(height), []
    names = _shortened([run.name for run in runs])
    for row, (run, name) in enumerate(zip(runs, names, strict=True)):
        marks += _forest_row(run, name, _RUN_PX * row)
        low, high = run.wilson_ci
        at_runs.append(f"{run.name} {100 * run.metrics['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})")
    seeds = " Rings: other seeds." if any(run.repeats for run in runs) else ""
    return (
        "<figure class='forest'><figcaption>Pooled accuracy with its 95 % Wilson interval; vertical bar: always "
        f"predicting the most frequent class.{seeds} Overlapping intervals are not a test; see the paired test below."
        f"</figcaption><svg viewBox='0 0 {_FOREST_WIDTH} {height}' role='img' "
        f"aria-label='{escape('; '.join(at_runs))}'>{''.join(marks)}</svg></figure>"
    )


def _across(share: float) -> float:
    """Where a share lies in the forest plot."""
    return _FOREST_MARGIN + (_FOREST_WIDTH - 2 * _FOREST_MARGIN) * share


def _percent_axis(height: int) -> list[str]:
    marks = []
    for percent in range(0, 101, 20):
        at = f"{_across(percent / 100):.1f}"
        marks.append(f"<line class='grid' x1='{at}' x2='{at}' y1='0' y2='{height - 20}'/>")
        anchor = {0: "start", 100: "end"}.get(percent, "middle")
        marks.append(f"<text x='{at}' y='{height - 4}' text-anchor='{anchor}'>{percent} %</text>")
    return marks


def _forest_row(run: Run, name: str, top: float) -> list[str]:
    """Name, value, interval and baseline of a run, below each other."""
    y = top + _RUN_PX - 12
    accuracy = run.metrics["accuracy"]
    low, high, at = (f"{_across(share):.1f}" for share in (*run.wilson_ci, accuracy))
    majority = f"{_across(run.metrics['majority']):.1f}"
    beside = min(max(_across(accuracy), _VALUE_PX / 2), _FOREST_WIDTH - _VALUE_PX / 2)
    rings = [f"<circle class='seed' cx='{_across(v):.1f}' cy='{y}' r='4'/>" for v in run.over_seeds("accuracy")[1:]]
    return [
        f"<text class='name' x='{_FOREST_MARGIN}' y='{top + 26}'>{escape(name)}</text>",
        f"<text class='value' x='{beside:.1f}' y='{y - 11}' text-anchor='middle'>{100 * accuracy:.1f} %</text>",
        f"<line class='base' x1='{majority}' x2='{majority}' y1='{y - 8}' y2='{y + 8}'/>",
        f"<line class='line s0' x1='{low}' x2='{high}' y1='{y}' y2='{y}'/>",
        *rings,
        f"<circle class='dot s0' cx='{at}' cy='{y}' r='5'/>",
    ]


def _shortened(names: Sequence[str]) -> list[str]:
    """Names that fit into the chart; what all have in common is left out first, then the middle of what is left."""
    if max(map(len, names)) <= _MAX_NAME:
        return list(names)
    start = _common_words(names)
    end = _common_words([name[start:][::-1] for name in names])
    return [_fitting(f"{'…' * (start > 0)}{name[start : len(name) - end]}{'…' * (end > 0)}") for name in names]


def _common_words(names: Sequence[str]) -> int:
    """Length of the beginning that all names share, without the word in which they part and the mark before it."""
    first, last = min(names), max(names)
    shared = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return max((at for at, letter in enumerate(first[:shared]) if not letter.isalnum()), default=0)


def _fitting(name: str) -> str:
    if len(name) <= _MAX_NAME:
        return name
    half = (_MAX_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
