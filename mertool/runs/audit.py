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
from ..evaluation.protocols import SUBJECT_DISJOINT
from ..files import file_sha256
from ..inputs.samples import Samples
from ..text import few, plural
from .checks import FAIL, NOTE, PASS, Check
from .config import RunConfig, fingerprint, open_samples
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
        RunError: Its configuration is damaged, or it is not finished.
    """
    config = RunConfig.read(folder)
    if config.command != "cv":
        raise RunError(
            f'{folder}: made by "mertool {config.command}", which tests nothing; audit a run of "mertool cv"'
        )
    folds = RunFolder(folder).read_folds()
    method = method_of(config.settings)
    checks = [_files(folder, len(folds.tests))]
    try:
        run = load_run(folder)
    except MertoolError as error:
        return [*checks, Check("predictions", FAIL, str(error))]
    case = AuditCase(folder, config, folds, choose, lambda other: audit_run(other, choose=choose))
    checks += [_predictions(run), _subjects(run), _initial(run), *method.audit_files(case)]
    statistics = Check("statistics", PASS, method.statistics)
    key_frames = Check("key frames", NOTE, run.key_frames)
    try:
        samples = open_samples(folder, config)
    except MertoolError as error:
        gone = NOTE if isinstance(error, FileError) else FAIL
        what = f" and {method.trained_things}" if method.trained_things else ""
        missing = Check("pack", gone, f"not read, so pictures{what} were not checked: {error}")
        return [*checks, missing, statistics, key_frames]
    return [*checks, *method.audit(case, samples), _pictures(samples, folds), statistics, key_frames]


def audit_repeats(folder: Path, *, choose: bool = True) -> dict[str, list[Check]]:
    """`audit_run` of a run and of each of its repeats, by the path of each; arguments and errors as there."""
    found = {folder.as_posix(): audit_run(folder, choose=choose)}
    for number in range(1, RunConfig.read(folder).settings.repeats):
        repeat = RunFolder(folder).repeat(number).path
        found[repeat.as_posix()] = audit_run(repeat, choose=choose)
    return found


def _files(folder: Path, n_folds: int) -> Check:
    """The hashes that each fold left behind when it was done."""
    changed, other_run = [], []
    expected = fingerprint(folder)
    for fold in range(n_folds):
        own = RunFolder(folder).fold(fold)
        if not own.is_done:
            raise RunError(f'{folder}: fold {fold} is not done; run "{RunFolder(folder).resume_command()}"')
        record = own.read_record()
        for name, digest in record.files.items():
            try:
                if file_sha256(own.path / name) != digest:
                    changed.append(f"{own.path.name}/{name}")
            except FileError:
                changed.append(f"{own.path.name}/{name} (gone)")
        if record.fingerprint != expected:
            other_run.append(str(fold))
    if other_run:
        folds = f"fold {other_run[0]} was" if len(other_run) == 1 else f"folds {few(other_run)} were"
        changed.append(f"folds.json or config.json, since {folds} done")
    if changed:
        return Check("files", FAIL, f"changed since they were written: {', '.join(changed)}")
    return Check("files", PASS, f"what {n_folds} folds left, folds.json and config.json as written")


def _predictions(run: Run) -> Check:
    n = run.metrics["n"]
    return Check("predictions", PASS, f"{n} clips, each tested in the fold of folds.json and predicted exactly once")


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
