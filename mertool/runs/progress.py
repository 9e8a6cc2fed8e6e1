"""How a run gets on, in words: what is being done, and a line on each fold that was finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..text import duration
from .config import RunConfig
from .layout import FoldFolder, RunFolder, is_repeat_name
from .methods import method_of

__all__ = ["FoldsProgress", "Watch"]


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told how a run gets on.

    Attributes:
        progress: Called with steps done, steps in all, and what is being done: `epochs, fold 2, loss 0.43`.
        line: Called with a line for a log on each finished fold, `fold 2 of 5: 18/24, 21 s, about 1 min left`, and on
            each tenth of a training of `train`, `epoch 10 of 30, loss 0.43, 21 s, about 1 min left`.
    """

    progress: Callable[[int, int, str], None] = lambda _done, _total, _doing: None
    line: Callable[[str], None] = lambda _line: None


class FoldsProgress:
    """Looks at the folders of folds, or of a training, while processes work on them.

    Args:
        folders: In the order in which they are worked on.
        config: Of the run; its repeats differ in seeds only.
        jobs: How many are worked on at once.
        watch: Who is told.
        before: Steps done before the folds.
    """

    def __init__(
        self, folders: Sequence[FoldFolder], config: RunConfig, jobs: int, watch: Watch, before: int = 0
    ) -> None:
        self._folders, self._config, self._watch, self._before = folders, config, watch, before
        self._method = method_of(config.settings)
        self._waiting = list(folders[jobs:])
        self._begun = time.monotonic()
        self._running = dict.fromkeys(folders[:jobs], self._begun)  # folder -> when it was begun
        self._first = self._told = sum(self._method.steps_done(folder, config) for folder in folders)

    def tell(self) -> None:
        """Tell what is new; to be called every now and then, and at the end."""
        now = time.monotonic()
        for folder, begun in list(self._running.items()):
            if folder.is_done:
                del self._running[folder]
                self._running |= dict.fromkeys(self._waiting[:1], now)
                del self._waiting[:1]
                if self._config.command == "cv":
                    self._watch.line(self._line(folder, now - begun, now - self._begun))
        done = sum(self._method.steps_done(folder, self._config) for folder in self._folders)
        total = self._method.steps(self._config) * len(self._folders)
        if self._config.command == "train":
            self._tell_tenth(done, total, now - self._begun)
        self._watch.progress(self._before + done, self._before + total, self._doing())

    def _tell_tenth(self, done: int, total: int, seconds: float) -> None:
        if 10 * done // total == 10 * self._told // total:
            return
        self._told = done
        log = self._folders[0].training_files.read_log()
        parts = [f"epoch {done} of {total}"]
        parts += [f"loss {log[-1]['loss']:.3g}"] if log and "loss" in log[-1] else []
        parts.append(duration(seconds))
        if done < total:
            parts.append(f"about {duration(seconds * (total - done) / (done - self._first))} left")
        self._watch.line(", ".join(parts))

    def _line(self, folder: FoldFolder, seconds: float, since_begin: float) -> str:
        found = folder.read_predictions()
        hits = sum(truth == answer for truth, answer in zip(found.truth, found.prediction, strict=True))
        name = f"{_name(folder.path)} of {self._config.settings.folds}"
        parts = [f"{name}: {hits}/{len(found.clip)}", duration(seconds)]
        n_left = len(self._running) + len(self._waiting)
        if n_left:
            parts.append(f"about {duration(since_begin * n_left / (len(self._folders) - n_left))} left")
        return ", ".join(parts)

    def _doing(self) -> str:
        words = [self._method.unit]
        folder = next(iter(self._running), None)
        if folder is not None:
            words += [_name(folder.path)] if self._config.command == "cv" else []
            log = folder.training_files.read_log()
            words += [f"loss {log[-1]['loss']:.3g}"] if log and "loss" in log[-1] else []
        return ", ".join(words)


def _name(path: Path) -> str:
    """`fold 2`, `repeat 1, fold 2`."""
    names = [path.name]
    if is_repeat_name(path.parent.name) and RunFolder(path.parent.parent).is_run:
        names.insert(0, path.parent.name)
    return ", ".join(name.replace("_", " ") for name in names)
