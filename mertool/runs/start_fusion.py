"""From finished runs to the run folder of their fusion: `cv --fuse`."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import RunError, UsageError
from ..evaluation.folds import Folds
from ..settings import FUSION, Settings
from .config import FusedRun, PackRecord, RunConfig, fingerprint, relative_to_run, resolve_in_run, update_paths
from .create import check_resumable, write_or_join
from .layout import RunFolder
from .methods.fusion import FuseWeights, join_fold, read_member

__all__ = ["default_fusion_folder", "start_fusion"]

_LONGEST = 200  # bytes of a folder's name: file systems end at 255


def default_fusion_folder(runs: Sequence[Path], weights: FuseWeights) -> Path:
    """`runs/fusion-<run>+<run>`, or `runs/fusion-fitted-<run>+<run>`."""
    name = "+".join(run.resolve().name for run in runs)
    if len(os.fsencode(name)) > _LONGEST:
        name = f"{len(runs)}-runs-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
    if weights != "equal":
        name = f"{weights}-{name}"
    return Path("runs") / f"fusion-{name}"


def start_fusion(
    runs: Sequence[Path], folder: Path, weights: FuseWeights, name: str, *, resume: bool
) -> tuple[RunConfig, list[str]]:
    """Make the run folder of a fusion.

    Args:
        runs: Finished runs of `mertool cv`, two or more.
        folder: The folder to make.
        weights: "equal" or "fitted".
        name: What reports call it; "" for its folder's name.
        resume: The folder holds the same fusion already; none is begun.

    Returns:
        Its configuration, and remarks for the user.

    Raises:
        UsageError: Fewer than two runs, or one twice.
        RunError: They have other folds, clips or classes, are not finished, or lack what the weights are fitted on.
        FileError: A folder is not a run, or `folder` is in use, or there is nothing to resume.
    """
    _check_names(runs, folder)
    if resume:
        check_resumable(folder)
    configs = [read_member(run) for run in runs]
    folds = [RunFolder(run).read_folds() for run in runs]
    first = configs[0]
    _check_same(runs, configs, folds)
    for fold, tested in enumerate(folds[0].tests):  # before anything is written
        joined, _ = join_fold(runs, fold, weights)
        if set(joined.clip) != set(tested) or joined.classes != first.classes:
            raise RunError(f"{runs[0]}: fold {fold} predicts other clips or classes than the run says")
    settings = Settings(
        method=FUSION,
        fuse_weights=weights,
        classes=first.settings.classes,
        protocol=first.settings.protocol,
        folds=len(folds[0].tests),
        split_seed=first.settings.split_seed,
    )
    wanted = RunConfig(
        command="cv",
        settings=settings,
        classes=first.classes,
        packs=tuple(_as_seen_from(folder, runs[0], pack) for pack in first.packs),
        clips=first.clips,
        init=None,
        members=tuple(
            FusedRun(relative_to_run(run, folder), fingerprint(run), config.init_subjects)
            for run, config in zip(runs, configs, strict=True)
        ),
        name=name,
    )
    config = write_or_join(folder, wanted, folds[0], join=resume)
    packs = [resolve_in_run(runs[0], pack.path) for pack in first.packs]
    return update_paths(folder, config, packs, runs), list(_remarks(runs, configs))


def _as_seen_from(folder: Path, run: Path, pack: PackRecord) -> PackRecord:
    return replace(pack, path=relative_to_run(resolve_in_run(run, pack.path), folder))


def _check_names(runs: Sequence[Path], folder: Path) -> None:
    if len(runs) < 2:
        raise UsageError(f"--fuse: expected two or more runs, got {len(runs)}; name them: mertool cv --fuse RUN RUN")
    resolved = {run.resolve() for run in runs}
    if len(resolved) < len(runs):
        raise UsageError("--fuse: a run is named twice")
    if folder.resolve() in resolved:
        raise UsageError(f"-o: {folder} is one of the runs to fuse; name another folder")


def _check_same(runs: Sequence[Path], configs: Sequence[RunConfig], folds: Sequence[Folds]) -> None:
    """Refuse runs with other classes or folds than the first."""
    for run, config, own in zip(runs, configs, folds, strict=True):
        if config.classes != configs[0].classes:
            raise RunError(
                f"{run}: has the classes {', '.join(config.classes)}, {runs[0]} {', '.join(configs[0].classes)}; a "
                "fusion needs the same"
            )
        if own.tests != folds[0].tests:
            shown = shlex.quote(str(RunFolder(runs[0]).folds))
            raise RunError(
                f"{run}: has other folds than {runs[0]}{_first_difference(own, folds[0])}; make it with --folds-file "
                f"{shown}"
            )


def _first_difference(folds: Folds, other: Folds) -> str:
    here, there = folds.fold_of(), other.fold_of()
    for clip_id in sorted({*here, *there}):
        if here.get(clip_id) != there.get(clip_id):
            return f" (clip {clip_id}: fold {here.get(clip_id, 'none')} here, {there.get(clip_id, 'none')} there)"
    return ""


def _remarks(runs: Sequence[Path], configs: Sequence[RunConfig]) -> Iterator[str]:
    """What makes a fusion of these runs less than it seems."""
    first = configs[0]
    for run, config in zip(runs, configs, strict=True):
        if config.settings.repeats > 1:
            yield f"{run}: its repeats are not fused; fuse repeat_1 and so on by their names"
        if _key_frames(config) != _key_frames(first):
            yield f"{run}: its key frames were chosen in another way than those of {runs[0]}"
        if {pack.alignment for pack in config.packs} != {pack.alignment for pack in first.packs}:
            yield f"{run}: its frames were aligned in another way than those of {runs[0]}"


def _key_frames(config: RunConfig) -> tuple[set[str], set[int]]:
    return {pack.apex for pack in config.packs}, {pack.jitter for pack in config.packs}
