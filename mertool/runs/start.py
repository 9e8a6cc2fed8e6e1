"""From the options of `train` and `cv` to a begun run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..datasets.labels import default_classes
from ..errors import DataError, UsageError
from ..network.device import choose_device
from ..pack import Pack, load_pack
from ..settings import Settings
from .config import RunConfig, initial_weights, open_packs, resolve_in_run, update_pack_paths
from .create import create_run, default_run, resume_run
from .layout import RunFolder
from .methods import method_named, method_of
from .methods.options import reject_irrelevant

__all__ = ["begin", "choose_packs", "settings_of", "start_repeats"]

Remark = Callable[[str], None]
_AUTO = {("device", "auto"), ("precision", "auto")}  # what these are without the option


def choose_packs(packs: tuple[Path, ...], remark: Remark) -> list[Path]:
    """The packs that were named, or the only one of the working folder.

    Raises:
        UsageError: None was named, and there is none or more than one.
    """
    if packs:
        return list(packs)
    found = sorted(Path().glob("*.npz"))
    if len(found) != 1:
        seen = ", ".join(path.name for path in found) or "none"
        raise UsageError(f"which pack? expected one .npz in this folder, found {seen}; name it: mertool cv SAMM.npz")
    remark(f"pack {found[0]}")
    return found


def _given(given: dict[str, Any]) -> dict[str, Any]:
    """The settings that were really asked for, with numbers as numbers."""
    numbers = ("frames", "stem_kernel", "stem_stride", "map_kernel", "points")
    said = {name: value for name, value in given.items() if value is not None and (name, value) not in _AUTO}
    said |= {name: int(said[name]) for name in numbers if name in said}
    if "classes" in said:
        said["classes"] = said["classes"].strip().lower()
    return said


def _usual_classes(packs: Sequence[Pack]) -> str:
    """The class set of the packs' data sets; "" where these differ."""
    usual = {default_classes(name) for pack in packs for name in pack.dataset}
    return usual.pop() if len(usual) == 1 else ""


def settings_of(given: dict[str, Any], packs: Sequence[Pack]) -> Settings:
    """All settings, from the options that were given.

    Raises:
        UsageError: A value is out of range or belongs to other features, or the packs leave the classes open.
    """
    said = _given(given)
    method = method_named(said.setdefault("method", Settings().method))
    reject_irrelevant(method, _given(given))
    said["device"] = choose_device(said.get("device", "auto") if method.has_network else "cpu")
    said.setdefault("precision", "fp32")
    said.setdefault("classes", _usual_classes(packs))
    if not said["classes"]:
        names = sorted({name for pack in packs for name in pack.dataset})
        raise UsageError(f"--classes: the packs hold {', '.join(names)}, whose class sets differ; name one")
    return Settings.from_recipe(**said)


def _protocol_option(protocol: str) -> str:
    return "--folds-file" if protocol == "file" else f"--protocol {protocol}"


def begin(
    command: str,
    packs: tuple[Path, ...],
    run: Path | None,
    given: dict[str, Any],
    remark: Remark,
    *,
    resume: bool,
    init: Path | None,
    folds: tuple[int, ...] = (),
    repeats: tuple[int, ...] = (),
    folds_file: Path | None = None,
) -> tuple[Path, RunConfig]:
    """Begin a run, join it, or continue it with its own settings.

    Args:
        command: "cv" or "train".
        packs: As named; see `choose_packs`.
        run: Its folder; None for the default one.
        given: Settings by name; None for those that were not given.
        remark: Takes each remark for the user.
        resume: Continue the run if there is one.
        init: `--init`.
        folds: `--fold`.
        repeats: `--repeat`.
        folds_file: `--folds-file`.

    Raises:
        MertoolError: As `mertool.runs.create.create_run` and `resume_run`; or options that contradict each other.
    """
    if folds_file is not None:
        if given.get("protocol") is not None:
            raise UsageError("--folds-file: is a protocol of its own; leave out --protocol")
        given["protocol"] = "file"
    if given.get("folds") is not None and given.get("protocol") in ("loso", "leave-dataset-out", "file"):
        what = {"loso": "every subject is a fold", "file": "the file says them"}
        why = what.get(given["protocol"], "every data set is a fold")
        raise UsageError(f"--folds: with {_protocol_option(given['protocol'])} {why}; leave it out")
    if given.get("new_splits") and given.get("protocol") in ("loso", "leave-dataset-out", "file"):
        raise UsageError(f"--new-splits: {_protocol_option(given['protocol'])} leaves nothing to split anew")

    def go_on(folder: Path) -> tuple[Path, RunConfig]:
        config = resume_run(folder, command, packs, init, _given(given))
        _check_repeats(repeats, config.settings)
        return folder, config

    if resume and run is not None and RunFolder(run).is_run:
        return go_on(run)
    chosen = choose_packs(packs, remark)
    opened = [load_pack(path) for path in chosen]
    settings = settings_of(given, opened)
    if init is not None and not method_of(settings).has_network:
        raise UsageError(f"--init: --method {settings.method} has no network; leave it out")
    folder = run or default_run(command, chosen, settings, init, _usual_classes(opened))
    if resume and RunFolder(folder).is_run:
        return go_on(folder)
    _check_repeats(repeats, settings)
    if resume:
        remark(f"{folder}: nothing to continue yet; beginning")
    undecided = {"device", "precision"} - set(_given(given))
    config, remarks = create_run(
        folder,
        command,
        opened,
        settings,
        init,
        only=folds,
        join=bool(folds or repeats),
        folds_file=folds_file,
        undecided=undecided,
    )
    for text in remarks:
        remark(text)
    return folder, config


def _check_repeats(chosen: tuple[int, ...], settings: Settings) -> None:
    if settings.repeats > 1 and not method_of(settings).has_chance and not settings.new_splits:
        fixed = settings.protocol in ("loso", "leave-dataset-out", "file")
        advice = f"and {_protocol_option(settings.protocol)} leaves none to them; leave it out" if fixed else ""
        raise UsageError(
            f"--repeats: {settings.method} has no chance in it but the folds{', ' if fixed else '; '}"
            f"{advice or 'add --new-splits'}"
        )
    if settings.new_splits and settings.repeats < 2:
        raise UsageError("--new-splits: of repeats; add --repeats 5")
    for number in chosen:
        if number >= settings.repeats:
            raise UsageError(f"--repeat: expected 0 to {settings.repeats - 1}, got {number}")


def start_repeats(run: Path, config: RunConfig, remark: Remark, said: Sequence[str]) -> list[tuple[Path, RunConfig]]:
    """A begun run and its repeats, each a complete run in `RUN/repeat_K`, which are begun or joined.

    Repeat K has the seed `seed + K`, and the folds of the run or, with `new_splits`, those of `split_seed + K`.

    Args:
        run: The run's folder.
        config: Its configuration.
        remark: Takes each remark for the user, of other folds for example.
        said: Remarks that the run has made already; of repeats they are not made again.

    Raises:
        MertoolError: As `mertool.runs.create.create_run`; or what the run was made from has changed.
    """
    runs = [(run, config)]
    settings = config.settings
    if settings.repeats == 1:
        return runs
    packs: list[Pack] = []
    place = RunFolder(run)
    with place.repeats_lock():
        for number in range(1, settings.repeats):
            folder = place.repeat(number).path
            wanted = settings.for_repeat(number)
            if RunFolder(folder).is_run:
                found = RunConfig.read(folder)
                differing = dataclasses.replace(config, settings=wanted).differences(found)
                if differing:
                    raise DataError(f"{folder}: is no repeat of {run} ({'; '.join(differing)}); move it away")
                found = update_pack_paths(folder, found, [resolve_in_run(run, path) for path, _ in config.packs])
            else:
                packs = packs or open_packs(run, config)
                own = place.folds if settings.protocol == "file" else None
                found, texts = create_run(folder, "cv", packs, wanted, initial_weights(run, config), folds_file=own)
                for text in texts:
                    if text not in said:
                        remark(f"repeat {number}: {text}")
            runs.append((folder, found))
    return runs
