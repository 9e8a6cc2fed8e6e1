"""How a run folder is created, joined or resumed: folds.json is written first, config.json last.

A folder without config.json is not a run yet.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..clips import filmed_together, split_id
from ..datasets.labels import megc3_remarks
from ..errors import DataError, FileError, UsageError
from ..evaluation.folds import Folds, read_folds_file
from ..evaluation.protocols import PROTOCOLS, SUBJECT_DISJOINT, inner_split
from ..files import file_sha256, make_folder
from ..inputs.samples import Samples, load_samples
from ..pack import Pack
from ..settings import Settings, settings_table
from ..text import is_plain
from .config import Command, InitialWeights, PackRecord, RunConfig, class_set_of, update_paths
from .environment import describe_environment
from .initial_weights import open_initial_weights, weights_file
from .layout import RunFolder
from .methods import method_of

__all__ = ["NewRun", "check_resumable", "create_run", "default_folder", "resume_run", "write_or_join"]


def default_folder(
    command: Command, packs: Sequence[Path], settings: Settings, init: Path | None, usual_classes: str
) -> Path:
    """`runs/<packs>-<short settings>`, e.g. runs/SAMM-roi-3f-abn; settings that are not named are the recipe's."""
    usual = Settings.from_recipe(settings.recipe).as_dict()
    changed = {name: value for name, value in settings.as_dict().items() if value != usual[name]}
    parts = ["+".join(pack.stem for pack in packs), settings.region, *method_of(settings).name_parts(settings)]
    if command == "train":
        parts.insert(0, "train")
    parts += _tags(changed)
    if "protocol" in changed:
        parts.append(settings.protocol)
    if settings.recipe != Settings().recipe:
        parts.append(settings.recipe)
    if settings.classes != usual_classes:
        parts.append(settings.classes.replace(",", "+"))
    if init is not None:
        parts.append(f"init_{init.stem}")
    named = {"classes", "region", "frames", "input", "method", "protocol"}
    for name, value in changed.items():
        declared = settings_table()[name]
        if name not in named and not declared.tag and declared.panel != "Running":
            parts.append(f"{name.replace('_', '')}{str(value).replace(',', '+')}")
    return Path("runs") / "-".join(parts)


def _tags(changed: dict[str, Any]) -> list[str]:
    """Words for the flags that are on, e.g. `abn`."""
    tags = {name: declared.tag for name, declared in settings_table().items() if declared.tag}
    return [tag for name, tag in tags.items() if changed.get(name)]


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a run is created from.

    Attributes:
        command: "cv" or "train".
        packs: Where the clips come from.
        settings: All settings.
        init: Initial weights (`--init`), or None.
        folds_file: The user's own folds (protocol "file"), or None.
        only: The folds to work on (`--fold K`).
        join: The folder may already hold a run with equal settings, which is then joined (`--fold K`, `--repeat K`).
        undecided: Settings that the machine decided and not the user; a run that is joined decides them.
        name: What its user calls it in reports; a run that is joined keeps its own.
    """

    command: Command
    packs: Sequence[Pack]
    settings: Settings
    init: Path | None = None
    folds_file: Path | None = None
    only: Collection[int] = ()
    join: bool = False
    undecided: Collection[str] = ()
    name: str = ""


def create_run(run: Path, new: NewRun) -> tuple[RunConfig, list[str]]:
    """Create a run folder, or join the run in it.

    Args:
        run: The folder; empty or missing unless `new.join`.
        new: What the run is created from.

    Returns:
        The configuration of the run, and remarks for the user.

    Raises:
        FileError: The folder is in use, or cannot be written.
        UsageError: Its run has other settings, there is no such fold, or the seeds of the repeats are out of range.
        DataError: The packs do not give the clips that the settings need.
    """
    settings = new.settings
    _check_seeds(settings)
    method = method_of(settings)
    method.check_packs(new.packs, settings)
    samples = load_samples(new.packs, class_set_of(new.packs, settings), settings)
    remarks = _check_clips(samples, settings)
    init: InitialWeights | None = None
    if new.init is not None:
        init, texts = open_initial_weights(new.init, run, new.command, samples, settings)
        remarks += texts
    folds, parts = None, [tuple(sorted(samples.ids))]
    if new.command == "cv":  # before anything is written: what cannot be split leaves no folder behind
        folds = _make_folds(samples, settings, new.folds_file)
        if new.folds_file is not None:
            remarks.append(f"folds from {new.folds_file}, of the {len(samples.ids)} clips that belong to the classes")
        settings = dataclasses.replace(settings, folds=len(folds.tests))
        remarks += _unlearnable(samples, folds)
        for fold in new.only:
            folds.training(fold)  # refuses one that is not there
        parts = [folds.training(fold) for fold in range(len(folds.tests))]
    method.check_parts(parts, settings)
    if settings.epoch_selection == "inner":
        remarks += _inner_unlearnable(samples, parts, settings.split_seed)
    wanted = RunConfig(
        command=new.command,
        settings=settings,
        classes=samples.classes,
        packs=tuple(PackRecord.of(pack, run) for pack in new.packs),
        clips=tuple(sorted(samples.ids)),
        init=init,
        name=new.name,
    )
    return write_or_join(run, wanted, folds, join=new.join, undecided=new.undecided), remarks


def write_or_join(
    run: Path, wanted: RunConfig, folds: Folds | None, *, join: bool = False, undecided: Collection[str] = ()
) -> RunConfig:
    """Write folds.json, env.json and config.json of a new run, or join the run that is there; gives its configuration.

    Args:
        run: The folder; it is made.
        wanted: The configuration of the new run.
        folds: Its folds; None for `train`.
        join, undecided: As in `NewRun`.

    Raises:
        FileError: The folder is in use, or cannot be written.
        UsageError: Its run has other settings or folds, or its name has control characters.
    """
    if not is_plain(run.name):
        raise UsageError(f"{run}: the name of a run is UTF-8 without control characters; choose another -o")
    make_folder(run)
    folder = RunFolder(run)
    with folder.lock():
        if folder.is_run:
            if not join:
                raise FileError(f"{run}: already holds a run; --resume continues it, -o names another folder")
            return _join(run, wanted, folds, undecided)
        foreign = folder.foreign_files()
        if foreign:
            raise FileError(f"{run}: not empty and not a run (it holds {foreign[0]}); name another folder with -o")
        if folds is not None:
            folds.save(folder.folds)
        folder.write_environment(describe_environment(wanted.settings))
        wanted.write(run)
    return wanted


def _join(run: Path, wanted: RunConfig, folds: Folds | None, undecided: Collection[str]) -> RunConfig:
    existing = RunConfig.read(run)
    adopted = {name: getattr(existing.settings, name) for name in undecided}
    wanted = dataclasses.replace(wanted, settings=dataclasses.replace(wanted.settings, **adopted))
    differing = wanted.differences(existing)
    if not differing and folds is not None and RunFolder(run).read_folds().tests != folds.tests:
        differing.append("other folds")
    if differing:
        raise UsageError(f"{run}: its settings differ ({'; '.join(differing)}); name another folder with -o")
    return existing


def check_resumable(run: Path) -> None:
    """Refuse to resume what is no run: a name misspelt, or a start that was stopped, is no reason to begin another.

    Raises:
        FileError: It is no run.
    """
    if not RunFolder(run).is_run:
        raise FileError(f"{run}: nothing to resume, this is no run; name one with -o, or leave out --resume")


def resume_run(
    run: Path, command: Command, packs: Sequence[Path], init: Path | None, given: dict[str, Any]
) -> RunConfig:
    """The configuration of a run that `--resume` continues: all settings are the run's.

    Args:
        run: A run folder.
        command: "cv" or "train".
        packs: Packs that were named again, if any.
        init: `--init`, if it was named again.
        given: Settings that were named again.

    Raises:
        UsageError: Something that was named again is not what the run has.
    """
    config = RunConfig.read(run)
    if config.command != command:
        raise UsageError(f'{run}: is a run of "mertool {config.command}", not of "mertool {command}"')
    texts = [
        f"{name}: {value!r} here, {getattr(config.settings, name)!r} there"
        for name, value in given.items()
        if value != getattr(config.settings, name)
    ]
    if packs and [file_sha256(path) for path in packs] != [pack.sha256 for pack in config.packs]:
        texts.append("other packs")
    if init is not None and (config.init is None or file_sha256(weights_file(init)) != config.init.sha256):
        texts.append("other initial weights (--init)")
    if texts:
        raise UsageError(
            f"{run}: --resume takes the run's own settings, but {'; '.join(texts)}; leave these options out"
        )
    return update_paths(run, config, packs)


def _check_seeds(settings: Settings) -> None:
    """Refuse seeds that leave no room for those of the repeats."""
    try:
        settings.for_repeat(settings.repeats - 1)
    except UsageError as error:
        raise UsageError(f"{error}, which the last of {settings.repeats} repeats would have") from error


def _check_clips(samples: Samples, settings: Settings) -> list[str]:
    """Remarks on the clips and classes of a run; refuses clips of one class, or that must not be trained on together.

    Raises:
        DataError: They are refused.
    """
    present = np.unique(samples.labels)
    if len(present) < 2:
        only = samples.classes[present[0]]
        raise DataError(f"all {len(samples.ids)} clips are {only!r}; expected two classes, try another --classes")
    if settings.protocol not in SUBJECT_DISJOINT:
        _refuse_cameras(samples)
    remarks = []
    absent = [name for label, name in enumerate(samples.classes) if label not in present]
    if absent:
        remarks.append(f"no clip of class {', '.join(absent)}")
    total = sum(len(pack.ids) for pack in samples.packs)
    if total > len(samples.ids):
        remarks.append(f"{len(samples.ids)} of {total} clips belong to --classes {settings.classes}")
    if settings.classes == "megc3":
        labels = zip(samples.ids, samples.labels, strict=True)
        remarks += megc3_remarks((*split_id(clip_id)[:2], samples.classes[label]) for clip_id, label in labels)
    return remarks


def _refuse_cameras(samples: Samples) -> None:
    """Cameras that filmed the same moments must not meet: one would be trained on what the other tests."""
    datasets = sorted({split_id(clip_id)[0] for clip_id in samples.ids})
    for dataset in datasets:
        for other in datasets:
            if filmed_together(dataset, other):
                raise DataError(
                    f"{dataset} and {other} filmed the same moments, which would be trained on and tested; "
                    "give one of them, or --protocol loso or group"
                )


def _make_folds(samples: Samples, settings: Settings, folds_file: Path | None) -> Folds:
    split = PROTOCOLS[settings.protocol].split
    if folds_file is not None:
        outside = {clip_id for pack in samples.packs for clip_id in pack.ids} - set(samples.ids)
        return read_folds_file(folds_file, samples.ids, outside)
    if split is None:
        raise UsageError(f"--protocol: {settings.protocol} needs a file of folds; name it with --folds-file")
    labels = [samples.classes[label] for label in samples.labels]
    return split(samples.ids, labels, settings.folds, settings.split_seed)


def _unlearnable(samples: Samples, folds: Folds) -> Iterator[str]:
    """A remark on each class that a fold tests without a clip to learn it from."""
    label_of = dict(zip(samples.ids, samples.labels, strict=True))
    total = Counter(label_of.values())
    tested_alone: dict[int, list[int]] = {}
    for fold, ids in enumerate(folds.tests):
        for label, count in Counter(label_of[clip_id] for clip_id in ids).items():
            if count == total[label]:
                tested_alone.setdefault(label, []).append(fold)
    for label, in_folds in sorted(tested_alone.items()):
        yield f"class {samples.classes[label]} cannot be learned in fold {in_folds[0]}, which tests all its clips"


def _inner_unlearnable(samples: Samples, parts: Sequence[tuple[str, ...]], seed: int) -> Iterator[str]:
    """A remark on each class that `--epoch-selection inner` takes away from a training part.

    Raises:
        DataError: A part has clips of one subject only.
    """
    class_of = {clip_id: samples.classes[label] for clip_id, label in zip(samples.ids, samples.labels, strict=True)}
    lost: dict[str, list[int]] = {}
    for fold, ids in enumerate(parts):
        kept, _ = inner_split(ids, [class_of[clip_id] for clip_id in ids], seed)
        for name in sorted({class_of[i] for i in ids} - {class_of[i] for i in kept}):
            lost.setdefault(name, []).append(fold)
    for name, in_folds in lost.items():
        where = ""
        if len(parts) > 1:
            where = f" in fold {', '.join(map(str, in_folds))}"
        yield (
            f"--epoch-selection inner: class {name} cannot be learned{where}: all its clips fall into the validation "
            "part"
        )
