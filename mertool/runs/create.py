"""How a run folder is begun, joined or continued: folds.json first, config.json last.

A folder without config.json holds no run yet.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..clips import filmed_together
from ..datasets.labels import megc3_remarks
from ..errors import DataError, FileError, UsageError
from ..evaluation.folds import (
    Folds,
    dataset_folds,
    group_folds,
    inner_split,
    loso_folds,
    read_folds_file,
    split_id,
    stratified_folds,
)
from ..files import file_sha256, make_folder, write_json
from ..inputs.samples import Samples, load_samples
from ..pack import Pack
from ..settings import Settings
from .config import RunConfig, class_set_of, relative_to_run, update_pack_paths
from .environment import describe_environment
from .initial_weights import open_initial_weights, weights_file
from .layout import RunFolder
from .methods import method_of

__all__ = ["create_run", "default_run", "resume_run", "write_or_join"]

_SUBJECT_DISJOINT = ("group", "loso")


def default_run(command: str, packs: Sequence[Path], settings: Settings, init: Path | None, usual_classes: str) -> Path:
    """`runs/<packs>-<short settings>`, e.g. runs/SAMM-roi-3f-abn; what is not said has its recipe's value."""
    parts = ["train"] if command == "train" else []
    parts += ["+".join(pack.stem for pack in packs), settings.region]
    parts += method_of(settings).name_parts(settings)
    parts += [name for name in ("abn", "arcface", "balance") if getattr(settings, name)]
    parts += [settings.protocol] if settings.protocol != "stratified" else []
    parts += [settings.recipe] if settings.recipe != "modern" else []
    parts += [settings.classes.replace(",", "+")] if settings.classes != usual_classes else []
    parts += [f"init_{init.stem}"] if init is not None else []
    said = {"classes", "region", "frames", "abn", "arcface", "balance", "recipe", "threads", "device", "precision"}
    said |= {"protocol", "method"}
    usual = Settings.from_recipe(settings.recipe).as_dict()
    for name, value in settings.as_dict().items():
        if name not in said and value != usual[name]:
            parts.append(f"{name.replace('_', '')}{str(value).replace(',', '+')}")
    return Path("runs") / "-".join(parts)


def create_run(
    run: Path,
    command: str,
    packs: Sequence[Pack],
    settings: Settings,
    init: Path | None = None,
    *,
    only: Collection[int] = (),
    join: bool = False,
    folds_file: Path | None = None,
    undecided: Collection[str] = (),
) -> tuple[RunConfig, list[str]]:
    """Make a run folder: folds.json first, config.json last.

    Args:
        run: The folder; empty, or not there yet.
        command: "cv" or "train".
        packs: Where the clips come from.
        settings: All settings.
        init: Weights to begin with.
        only: The folds to work on (`--fold K`).
        join: The folder may hold a run with equal settings already, which is then joined (`--fold K`, `--repeat K`).
        folds_file: One's own folds (protocol "file").
        undecided: Settings that the machine decided and not the user; joining takes those of the run.

    Returns:
        The configuration of the run, and remarks for the user.

    Raises:
        FileError: The folder is in use, or cannot be written.
        UsageError: Its run has other settings, there is no such fold, or the seeds of the repeats are out of range.
        DataError: The packs do not give the clips that the settings need.
    """
    _check_seeds(settings)
    method = method_of(settings)
    method.check_packs(packs, settings)
    samples = load_samples(packs, class_set_of(packs, settings), settings)
    populated = np.unique(samples.labels)
    if len(populated) < 2:
        single = samples.classes[populated[0]]
        raise DataError(f"all {len(samples.ids)} clips are {single!r}; expected two classes, try another --classes")
    start, remarks = (None, []) if init is None else open_initial_weights(init, run, command, samples, settings)
    total = sum(len(pack.ids) for pack in packs)
    if total > len(samples.ids):
        remarks.insert(0, f"{len(samples.ids)} of {total} clips belong to --classes {settings.classes}")
    if settings.classes == "megc3":
        subjects = (split_id(name)[:2] for name in samples.ids)
        labelled = zip(subjects, samples.labels, strict=True)
        remarks += megc3_remarks((*who, samples.classes[label]) for who, label in labelled)
    absent = [name for label, name in enumerate(samples.classes) if label not in populated]
    if absent:
        remarks.insert(0, f"no clip of class {', '.join(absent)}")
    if settings.protocol not in _SUBJECT_DISJOINT:
        _refuse_cameras(samples)
    folds = None
    if command == "cv":  # before anything is written: what cannot be split leaves no folder behind
        folds = _make_folds(samples, settings, folds_file)
        if folds_file is not None:
            remarks.append(f"folds from {folds_file}, of the {len(samples.ids)} clips that belong to the classes")
        settings = dataclasses.replace(settings, folds=len(folds.tests))
        remarks += _unlearnable(samples, folds)
        for fold in only:
            folds.training(fold)  # refuses one that is not there
        parts = [folds.training(fold) for fold in range(len(folds.tests))]
    else:
        parts = [tuple(sorted(samples.ids))]
    method.check_parts(parts, settings)
    if settings.select == "inner":
        remarks += _inner_unlearnable(samples, parts, settings.split_seed)
    wanted = RunConfig(
        command=command,
        settings=settings,
        classes=samples.classes,
        packs=tuple((relative_to_run(pack.path, run), file_sha256(pack.path)) for pack in packs),
        clips=tuple(sorted(samples.ids)),
        init=start,
        apexes=tuple(str(pack.meta.get("settings", {}).get("apex", "table")) for pack in packs),
        jitters=tuple(pack.meta.get("settings", {}).get("jitter", 0) for pack in packs),
        alignments=tuple(pack.alignment for pack in packs),
    )
    return write_or_join(run, wanted, folds, join=join, undecided=undecided), remarks


def write_or_join(
    run: Path, wanted: RunConfig, folds: Folds | None, *, join: bool = False, undecided: Collection[str] = ()
) -> RunConfig:
    """Write folds.json, env.json and config.json of a new run, or join the run that is there; gives its configuration.

    Arguments and errors as `create_run`.
    """
    make_folder(run)
    place = RunFolder(run)
    with place.lock():
        if place.is_run:
            if not join:
                raise FileError(f"{run}: holds a run already; --resume continues it, -o names another folder")
            existing = RunConfig.read(run)
            adopted = {name: getattr(existing.settings, name) for name in undecided}
            wanted = dataclasses.replace(wanted, settings=dataclasses.replace(wanted.settings, **adopted))
            differing = wanted.differences(existing)
            if not differing and folds is not None and place.read_folds().tests != folds.tests:
                differing.append("other folds")
            if differing:
                raise UsageError(f"{run}: its settings differ ({'; '.join(differing)}); name another folder with -o")
            return existing
        strangers = place.strangers()
        if strangers:
            raise FileError(f"{run}: not empty and not a run (it holds {strangers[0]}); name another folder with -o")
        if folds is not None:
            folds.save(place.folds)
        place.write_environment(describe_environment(wanted.settings))
        write_json(place.config, wanted.as_dict())
    return wanted


def resume_run(run: Path, command: str, packs: Sequence[Path], init: Path | None, given: dict[str, Any]) -> RunConfig:
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
    if packs and [file_sha256(path) for path in packs] != [digest for _, digest in config.packs]:
        texts.append("other packs")
    if init is not None and (config.init is None or file_sha256(weights_file(init)) != config.init.sha256):
        texts.append("other initial weights (--init)")
    if texts:
        raise UsageError(
            f"{run}: --resume takes the run's own settings, but {'; '.join(texts)}; leave these options out"
        )
    return update_pack_paths(run, config, packs) if packs else config


def _check_seeds(settings: Settings) -> None:
    """Refuse seeds that leave no room for those of the repeats."""
    try:
        settings.for_repeat(settings.repeats - 1)
    except UsageError as error:
        raise UsageError(f"{error}, which the last of {settings.repeats} repeats would have") from error


def _make_folds(samples: Samples, settings: Settings, folds_file: Path | None) -> Folds:
    labels = [samples.classes[label] for label in samples.labels]
    if folds_file is not None:
        outside = {name for pack in samples.packs for name in pack.ids} - set(samples.ids)
        return read_folds_file(folds_file, samples.ids, outside)
    if settings.protocol == "loso":
        return loso_folds(samples.ids)
    if settings.protocol == "leave-dataset-out":
        return dataset_folds(samples.ids)
    make = group_folds if settings.protocol == "group" else stratified_folds
    return make(samples.ids, labels, settings.folds, settings.split_seed)


def _unlearnable(samples: Samples, folds: Folds) -> list[str]:
    """A remark on each class that a fold tests without a clip to learn it from."""
    label_of = dict(zip(samples.ids, samples.labels, strict=True))
    total = Counter(label_of.values())
    alone: dict[int, list[int]] = {}
    for fold, ids in enumerate(folds.tests):
        for label, count in Counter(label_of[name] for name in ids).items():
            if count == total[label]:
                alone.setdefault(label, []).append(fold)
    return [
        f"class {samples.classes[label]} cannot be learned in fold {where[0]}, which tests all its clips"
        for label, where in sorted(alone.items())
    ]


def _inner_unlearnable(samples: Samples, parts: Sequence[tuple[str, ...]], seed: int) -> list[str]:
    """A remark on each class that `--select inner` takes away from a training part; refuses parts of one person."""
    class_of = {name: samples.classes[label] for name, label in zip(samples.ids, samples.labels, strict=True)}
    lost: dict[str, list[int]] = {}
    for fold, ids in enumerate(parts):
        kept, _ = inner_split(ids, [class_of[name] for name in ids], seed)
        for name in sorted({class_of[i] for i in ids} - {class_of[i] for i in kept}):
            lost.setdefault(name, []).append(fold)
    where = {name: f" in fold {', '.join(map(str, some))}" if len(parts) > 1 else "" for name, some in lost.items()}
    return [
        f"--select inner: class {name} cannot be learned{place}: all its clips there validate"
        for name, place in where.items()
    ]


def _refuse_cameras(samples: Samples) -> None:
    """Cameras that filmed the same moments must not meet where one is trained on what the other tests."""
    datasets = sorted({split_id(name)[0] for name in samples.ids})
    for dataset in datasets:
        for other in datasets:
            if filmed_together(dataset, other):
                raise DataError(
                    f"{dataset} and {other} filmed the same moments, which would be trained on and tested; "
                    "give one of them, or --protocol loso or group"
                )
