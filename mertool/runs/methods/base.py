"""The duties of a method: what train and test a fold, predict with it, check it and describe it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ...evaluation.folds import Folds
from ...inputs.samples import Samples
from ...pack import Pack
from ...settings import Settings
from ..checks import Check
from ..config import RunConfig
from ..layout import FoldFolder

if TYPE_CHECKING:
    from ..finished import Run

__all__ = ["AuditCase", "FoldWork", "Method"]


@dataclass(frozen=True, slots=True)
class FoldWork:
    """One fold to be done, or the training of a `train` run.

    Attributes:
        run: The run's folder.
        config: Its configuration.
        fold: Number of the fold; `NO_FOLD` for `train`.
        folder: Where its files go.
    """

    run: Path
    config: RunConfig
    fold: int
    folder: FoldFolder


@dataclass(frozen=True, slots=True)
class AuditCase:
    """A finished run to be audited.

    Attributes:
        run: Its folder.
        config: Its configuration.
        folds: Its folds.
        choose: Make the choices of texture classifiers again, which takes as long as making them.
        audit_run: Audits another run, which this one was made from.
    """

    run: Path
    config: RunConfig
    folds: Folds
    choose: bool
    audit_run: Callable[[Path], list[Check]]


class Method(ABC):
    """A way from clips to class probabilities.

    Attributes:
        name: As `--method` gives it.
        setting_groups: Groups of settings that are its own, see `mertool.declarations.Group`.
        has_network: It trains networks: it takes initial weights, may have an attention branch and learning curves,
            can be trained by `train`, and belongs in the paper's tables.
        unit: What a step of its progress is.
        has_chance: Its results depend on the seed even if the folds stay the same.
        trains: It trains something; a method that does not joins what other runs predicted.
    """

    setting_groups: frozenset[str]
    has_network = False
    unit = "clips"
    has_chance = False
    trains = True

    def __init__(self, name: str) -> None:
        self.name = name

    # Before a run starts

    def check_packs(self, packs: Sequence[Pack], settings: Settings) -> None:  # noqa: B027
        """Refuse packs that do not hold what the method looks at."""

    def check_parts(self, parts: Sequence[tuple[str, ...]], settings: Settings) -> None:  # noqa: B027
        """Refuse training parts, given as clip ids, that the method cannot choose on."""

    @abstractmethod
    def name_parts(self, settings: Settings) -> list[str]:
        """Parts of the default name of a run's folder."""

    # The work on a fold, in a worker process

    @abstractmethod
    def work_on_fold(self, work: FoldWork) -> dict[str, Any]:
        """Train on the training part of a fold and predict its test part into `work.folder`.

        Returns:
            What done.json says beside the hashes of the files.
        """

    def files_left(self, folder: FoldFolder, config: RunConfig, training: Sequence[str]) -> list[Path]:  # noqa: ARG002
        """The files in the folder of a finished fold, or of a finished `train` run, all of which are its result.

        They are hashed in done.json, and an audit requires exactly these.

        Args:
            folder: The folder.
            config: The run's configuration.
            training: Ids of the clips of the training part.
        """
        return [folder.predictions]

    def train_on_all(self, work: FoldWork) -> dict[str, Any]:  # noqa: ARG002
        """Train on all clips of a `train` run into `work.folder`; only methods with a network can.

        Returns:
            As `work_on_fold`.

        Raises:
            UsageError: The method cannot.
        """
        raise UsageError(f"train: --method {self.name} has no network; leave it out")

    def steps(self, config: RunConfig) -> int:
        """Steps of progress per fold."""
        return len(config.clips)

    def steps_done(self, folder: FoldFolder, config: RunConfig) -> int:
        """Steps that a fold has done."""
        return self.steps(config) * folder.is_done

    def prepare(  # noqa: B027
        self, run: Path, config: RunConfig, jobs: int, progress: Callable[[int, int], None]
    ) -> None:
        """Do once what all folds and repeats share; `progress` takes (done, in all)."""

    def prepares(self, settings: Settings) -> bool:  # noqa: ARG002
        """Whether `prepare` takes time worth showing."""
        return type(self).prepare is not Method.prepare

    # Afterwards

    @abstractmethod
    def predict(self, run: Path, config: RunConfig, samples: Samples, device: str) -> list[NDArray[np.float64]]:
        """(N, K) probabilities of all clips by what each fold of a run trained, or by the one network of `train`."""

    def audit_files(self, case: AuditCase) -> Iterator[Check]:  # noqa: ARG002
        """Checks that need no pack."""
        yield from ()

    @abstractmethod
    def audit(self, case: AuditCase, samples: Samples) -> Iterator[Check]:
        """Checks that need the clips: what was trained is the method's own, on its own training part."""

    @property
    @abstractmethod
    def trained_things(self) -> str:
        """What a fold trains, in the plural: `networks`; "" for nothing."""

    @property
    @abstractmethod
    def statistics(self) -> str:
        """What is fitted over clips, for the audit."""

    # In words

    @abstractmethod
    def describe(self, run: Run) -> list[str]:
        """The settings that tell a run from others, in a word or two each."""

    @abstractmethod
    def choice_rule(self, run: Run) -> str:
        """What was chosen in training, and on what."""

    def input_in_words(self, settings: Settings) -> str:  # noqa: ARG002
        """What its network sees, where that is not grey frames; else ""."""
        return ""

    def described_settings(self) -> set[str]:
        """Fields of `Settings` that `describe` tells, so that a report need not list them again."""
        return set()
