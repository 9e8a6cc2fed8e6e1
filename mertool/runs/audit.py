"""Whether a finished cross-validation leaked, or was changed since: each check passes, is worth a note, or fails.

Nothing is taken on trust that can be done again: files are compared with the hashes that each fold left, and the method
of the run is asked what it was trained on and predicts its test clips again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError, MertoolError, RunError
from ..evaluation.folds import Folds
from ..evaluation.protocols import PROTOCOLS, SUBJECT_DISJOINT
from ..inputs.samples import Samples
from ..text import few, plural
from .audit_files import check_files, check_results
from .checks import BEYOND, FAIL, NOTE, PASS, Check
from .config import RunConfig, made_with, open_samples
from .finished import Run, load_run
from .layout import RunFolder
from .methods import method_of
from .methods.base import AuditCase

__all__ = ["FAIL", "NOTE", "PASS", "Check", "audit_repeats", "audit_run"]

NEAR = 0.5  # grey levels: mean difference of reduced frames below which two clips are one picture, encoded twice
_SIDE = 16
_MOST = 4000  # clips that are compared pair by pair; beyond it only equal ones are found


def audit_run(folder: Path, *, choose: bool = True) -> list[Check]:
    """Audit a finished run of `mertool cv`.

    Args:
        folder: The run.
        choose: Make the choices of texture classifiers again too, which takes as long as making them did.

    Raises:
        FileError: It is not a run folder.
        RunError: Its configuration or folds.json is damaged, or it is not finished.
    """
    return [*_checks(folder, choose), BEYOND]


def _checks(folder: Path, choose: bool) -> list[Check]:
    config = RunConfig.read(folder)
    if config.command != "cv":
        raise RunError(
            f'{folder}: made by "mertool {config.command}", which tests nothing; audit a run of "mertool cv"'
        )
    folds = RunFolder(folder).read_folds()
    method = method_of(config.settings)
    checks = [check_files(folder, config, folds)]
    try:
        run = load_run(folder)
    except MertoolError as error:
        return [*checks, Check("predictions", FAIL, str(error))]
    case = AuditCase(folder, config, folds, choose, lambda other: audit_run(other, choose=choose))
    checks += [_predictions(run), check_results(run), _subjects(run), _initial(run), *method.audit_files(case)]
    statistics = Check("statistics", PASS, method.statistics)
    key_frames = Check("key frames", NOTE, run.key_frames)
    try:
        samples = open_samples(folder, config)
    except MertoolError as error:
        gone = NOTE if isinstance(error, FileError) else FAIL
        what = f" and {method.trained_things}" if method.trained_things else ""
        missing = Check("pack", gone, f"not read, so pictures{what} were not checked: {error}")
        return [*checks, missing, statistics, key_frames]
    checks += [_pack(config, samples), _clips(config, folds, samples), _labels(run, case, samples)]
    if FAIL not in {check.verdict for check in checks[-2:]}:
        checks.append(_folds(config, folds, samples))
    return [*checks, *method.audit(case, samples), _pictures(samples, folds), statistics, key_frames]


def audit_repeats(folder: Path, *, choose: bool = True) -> dict[str, list[Check]]:
    """`audit_run` of a run and of each of its repeats, by the path of each; arguments and errors as there."""
    found = {folder.as_posix(): audit_run(folder, choose=choose)}
    for number in range(1, RunConfig.read(folder).settings.repeats):
        repeat = RunFolder(folder).repeat(number).path
        found[repeat.as_posix()] = audit_run(repeat, choose=choose)
    return found


def _predictions(run: Run) -> Check:
    n = run.metrics["n"]
    return Check("predictions", PASS, f"{n} clips, each tested in the fold of folds.json and predicted exactly once")


def _pack(config: RunConfig, samples: Samples) -> Check:
    """Whether config.json says of each pack what the pack says itself."""
    apart, renamed = [], []
    for record, pack in zip(config.packs, samples.packs, strict=True):
        stated = (record.apex, record.jitter, record.alignment)
        for what, here, there in zip(("apex", "jitter", "alignment"), stated, made_with(pack), strict=True):
            if here != there:
                apart.append(f"{record.name}: {what} {here}, its pack has {there}")
        if record.name != pack.path.stem:
            renamed.append(f"{record.name} is now {pack.path.name}")
    if apart:
        return Check("pack", FAIL, "; ".join(apart))
    if renamed:
        return Check("pack", NOTE, f"as when the run was started, but renamed: {few(renamed)}")
    return Check("pack", PASS, "as when the run was started, with the key frames and alignment that the run states")


def _clips(config: RunConfig, folds: Folds, samples: Samples) -> Check:
    """Whether the clips of the run are all clips of its packs that belong to a class, each in one test part."""
    known, tested = set(samples.ids), set(folds.fold_of())
    for names, what in (
        (known - tested, "of the pack are in no test part"),
        (tested - known, "are tested, but not in the pack or of no class"),
        (known ^ set(config.clips), "are not both in the pack and in the run's list"),
    ):
        if names:
            return Check("clips", FAIL, f"{plural(len(names), 'clip')} {what}: {few(sorted(names))}")
    return Check("clips", PASS, f"each of the {len(known)} clips of its packs that have a class is in one test part")


def _labels(run: Run, case: AuditCase, samples: Samples) -> Check:
    """Whether each truth is the pack's label, in the predictions of test clips and in those that chose something."""
    classes, wanted = case.config.classes, samples.classes
    if classes != wanted:
        return Check("labels", FAIL, f"classes {', '.join(classes)}, its class set has {', '.join(wanted)}")
    class_of = samples.class_names()
    truths = set(zip(run.predictions.clip, run.predictions.truth, strict=True))
    method = method_of(case.config.settings)
    for fold in range(len(case.folds.tests)):
        folder = RunFolder(case.run).fold(fold)
        if folder.inner in method.files_left(folder, case.config, case.folds.training(fold)):
            try:
                inner = folder.read_inner()
            except MertoolError as error:
                return Check("labels", FAIL, str(error))
            truths |= set(zip(inner.clip, inner.truth, strict=True))
    wrong = sorted({clip for clip, truth in truths if class_of.get(clip) != truth})
    if wrong:
        return Check("labels", FAIL, f"{plural(len(wrong), 'clip')} not as the pack labels them: {few(wrong)}")
    return Check("labels", PASS, "every truth is the label of its clip in the pack")


def _folds(config: RunConfig, folds: Folds, samples: Samples) -> Check:
    """Whether the folds are those that the protocol makes of the clips."""
    settings = config.settings
    split = PROTOCOLS[settings.protocol].split
    if split is None:
        return Check("folds", PASS, "the user's own (--folds-file)")
    names = samples.class_names()
    labels = [names[clip] for clip in samples.ids]
    which = f"those of --protocol {settings.protocol} with split seed {settings.split_seed}"
    try:
        made = split(samples.ids, labels, settings.folds, settings.split_seed)
    except MertoolError as error:
        return Check("folds", FAIL, f"not {which}: {error}")
    if made != folds:
        return Check("folds", FAIL, f"not {which}")
    return Check("folds", PASS, which)


def _subjects(run: Run) -> Check:
    shared, total = run.shared_subjects, plural(run.metrics["n_subjects"], "subject")
    if not shared:
        return Check("subjects", PASS, f"none of {total} has clips in both training and test parts")
    verb = "has" if len(shared) == 1 else "have"
    what = f"{len(shared)} of {total} {verb} clips in both training and test parts: {few(shared)}"
    protocol = run.folds.protocol
    if SUBJECT_DISJOINT & {protocol, run.settings.protocol}:
        return Check("subjects", FAIL, f"{what}; the protocol says {run.settings.protocol}")
    return Check("subjects", NOTE, f"{what}; subject-dependent, as --protocol {protocol} allows")


def _initial(run: Run) -> Check:
    n_known = len(run.init_subjects)
    if n_known:
        what = f"{run.init or 'a fused run'} was trained on {plural(n_known, 'subject')} of this run, in other clips"
        return Check("initial weights", FAIL if run.settings.protocol in SUBJECT_DISJOINT else NOTE, what)
    if run.init:
        return Check("initial weights", PASS, f"{run.init} was trained on no subject of this run")
    network = method_of(run.settings).has_network
    return Check("initial weights", PASS, "random" if network else "none but what the folds themselves trained")


def _pictures(samples: Samples, folds: Folds) -> Check:
    """Clips of different folds with equal or nearly equal frames."""
    fold_of = folds.fold_of()
    by_content: dict[bytes, list[int]] = defaultdict(list)
    reduced = np.empty((len(samples.ids), 3 * _SIDE * _SIDE), np.float32)
    for row, (pack, pack_row) in enumerate(samples.pack_row):
        frames = samples.packs[pack].frames[pack_row]
        by_content[hashlib.sha256(np.ascontiguousarray(frames).tobytes()).digest()].append(row)
        reduced[row] = _reduce(frames)
    equal = [(rows[0], other) for rows in by_content.values() for other in rows[1:]]
    equal = [(one, other) for one, other in equal if fold_of[samples.ids[one]] != fold_of[samples.ids[other]]]
    if equal:
        pairs = [f"{samples.ids[one]} = {samples.ids[other]}" for one, other in equal]
        return Check("pictures", FAIL, f"the same frames in training and test: {few(pairs)}")
    if len(reduced) > _MOST:
        return Check(
            "pictures", PASS, f"no two clips have equal frames (nearly equal ones not sought over {_MOST} clips)"
        )
    near = [
        f"{samples.ids[one]} ~ {samples.ids[other]}"
        for one, other in _near_pairs(reduced)
        if fold_of[samples.ids[one]] != fold_of[samples.ids[other]]
    ]
    if near:
        return Check("pictures", NOTE, f"nearly the same frames in training and test; look: {few(near)}")
    return Check("pictures", PASS, f"no two of {len(reduced)} clips have equal or nearly equal frames")


def _reduce(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(3, S, S) -> means over a grid of squares, which survive another encoding."""
    side = frames.shape[1] // _SIDE * _SIDE
    squares = frames[:, :side, :side].reshape(3, _SIDE, side // _SIDE, _SIDE, side // _SIDE)
    return np.asarray(squares.mean((2, 4), dtype=np.float32).ravel(), np.float32)


def _near_pairs(reduced: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    for one in range(len(reduced) - 1):
        distance = np.abs(reduced[one + 1 :] - reduced[one]).mean(1)
        yield from ((one, one + 1 + int(other)) for other in np.flatnonzero(distance < NEAR))
