"""From the options of `train` and `cv` to a run that is ready to be worked on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..datasets.labels import default_classes
from ..errors import DataError, RunError, UsageError
from ..evaluation.protocols import PROTOCOLS
from ..network.device import choose_device
from ..pack import Pack, load_pack
from ..settings import Settings, settings_table
from .config import Command, RunConfig, open_packs, resolve_in_run, update_paths
from .create import NewRun, check_resumable, create_run, default_folder, resume_run
from .initial_weights import initial_weights
from .layout import RunFolder
from .methods import method_named, method_of
from .methods.options import reject_irrelevant

__all__ = ["Request", "choose_packs", "settings_of", "start_or_resume", "start_repeats"]

Remark = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What a call of `train` or `cv` asks for.

    Attributes:
        command: "cv" or "train".
        packs: As named; see `choose_packs`.
        output: The run folder; None for the default one.
        given: Settings by name; None for those that were not given.
        init: `--init`.
        resume: Continue a run; none is begun.
        folds_file: `--folds-file`.
        folds: `--fold`.
        repeats: `--repeat`.
        name: `--name`.
    """

    command: Command
    packs: Sequence[Path]
    output: Path | None
    given: dict[str, Any] = field(default_factory=dict)
    init: Path | None = None
    resume: bool = False
    folds_file: Path | None = None
    folds: Sequence[int] = ()
    repeats: Sequence[int] = ()
    name: str = ""


def choose_packs(packs: Sequence[Path], remark: Remark, command: Command = "cv") -> list[Path]:
    """The packs that were named, or the only one of the working folder.

    Raises:
        UsageError: None was named, and there is none or more than one; or a run was named.
    """
    if packs:
        for path in packs:
            if RunFolder(path).is_run:
                raise UsageError(
                    f'{path}: a run, expected packs (.npz); "{RunFolder(path).resume_command()}" continues it'
                )
        return list(packs)
    found = sorted(Path().glob("*.npz"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise UsageError(
            f"which pack? expected one .npz in this folder, found {names}; name it: mertool {command} SAMM.npz"
        )
    remark(f"pack {found[0]}")
    return found


def _chosen(given: dict[str, Any]) -> dict[str, Any]:
    """The settings that the user chose: neither left out nor left to the machine."""
    for name in given:
        if name not in settings_table():
            Settings.from_dict({name: None})  # refuses it and offers the nearest name
    chosen = {name: value for name, value in given.items() if value is not None}
    for name, declared in settings_table().items():
        if declared.auto and chosen.get(name) == "auto":
            del chosen[name]
    if "classes" in chosen:
        chosen["classes"] = chosen["classes"].strip().lower()
    return chosen


def _usual_classes(packs: Sequence[Pack]) -> str:
    """The class set of the packs' data sets; "" if these differ."""
    usual = {default_classes(name) for pack in packs for name in pack.dataset}
    return usual.pop() if len(usual) == 1 else ""


def _refuse_unlabelled(packs: Sequence[Pack]) -> None:
    for pack in packs:
        if not any(pack.emotion):
            raise DataError(
                f"{pack.path}: its clips have no emotions to train on; add the column emotion to their manifest and "
                "extract them again, or label them with 'mertool predict RUN PACK'"
            )


def settings_of(given: dict[str, Any], packs: Sequence[Pack]) -> Settings:
    """All settings, from the options that were given.

    Raises:
        UsageError: A value is out of range or belongs to other methods, or the packs leave the classes open.
        DataError: The clips of a pack have no labels.
    """
    _refuse_unlabelled(packs)
    values = _chosen(given)
    method = method_named(values.get("method", Settings().method))
    reject_irrelevant(method, values)
    values["device"] = choose_device(values.get("device", "auto") if method.has_network else "cpu")
    values.setdefault("classes", _usual_classes(packs))
    if not values["classes"]:
        names = sorted({name for pack in packs for name in pack.dataset})
        raise UsageError(f"--classes: the packs hold {', '.join(names)}, whose class sets differ; name one")
    return Settings.from_recipe(**values)


def start_or_resume(request: Request, remark: Remark) -> tuple[Path, RunConfig]:
    """Start a run, join it, or continue it with its own settings.

    Args:
        request: What was asked for.
        remark: Takes each remark for the user.

    Returns:
        The run folder and its configuration.

    Raises:
        MertoolError: As `mertool.runs.create.create_run` and `resume_run`; or options that contradict each other.
    """
    given = _with_protocol(request)
    if request.resume and request.output is not None:
        return _resume(request.output, request, given)
    paths = choose_packs(request.packs, remark, request.command)
    packs = [load_pack(path) for path in paths]
    settings = settings_of(given, packs)
    method = method_of(settings)
    if not method.has_network and (request.init is not None or request.command == "train"):
        option = "--init" if request.init is not None else "train"
        raise UsageError(f"{option}: --method {settings.method} has no network; leave it out")
    folder = request.output or default_folder(request.command, paths, settings, request.init, _usual_classes(packs))
    if request.resume:
        return _resume(folder, request, given)
    _check_repeats(request.repeats, settings)
    decided = _chosen(given)
    new = NewRun(
        command=request.command,
        packs=packs,
        settings=settings,
        init=request.init,
        folds_file=request.folds_file,
        only=request.folds,
        join=bool(request.folds or request.repeats),
        undecided=[name for name, declared in settings_table().items() if declared.auto and name not in decided],
        name=request.name,
    )
    config, remarks = create_run(folder, new)
    for text in remarks:
        remark(text)
    return folder, config


def _with_protocol(request: Request) -> dict[str, Any]:
    """The settings of a request, with the protocol that `--folds-file` stands for.

    Raises:
        UsageError: Options contradict each other.
    """
    given = dict(request.given)
    if request.folds_file is not None:
        if given.get("protocol") is not None:
            raise UsageError("--folds-file: is a protocol of its own; leave out --protocol")
        given["protocol"] = "file"
    protocol = PROTOCOLS.get(given.get("protocol") or "")
    if protocol is not None and protocol.fixed_by:
        if given.get("folds") is not None:
            raise UsageError(f"--folds: with {protocol.option} {protocol.fixed_by}; leave it out")
        if given.get("new_splits"):
            raise UsageError(f"--new-splits: {protocol.option} leaves nothing to split again; leave it out")
    return given


def _resume(folder: Path, request: Request, given: dict[str, Any]) -> tuple[Path, RunConfig]:
    check_resumable(folder)
    config = resume_run(folder, request.command, request.packs, request.init, _chosen(given))
    if request.name and request.name != config.name:
        called = repr(config.name) if config.name else "without a name"
        raise UsageError(f"{folder}: the run is {called}; leave out --name {request.name!r}")
    _check_repeats(request.repeats, config.settings)
    return folder, config


def _check_repeats(chosen: Sequence[int], settings: Settings) -> None:
    if settings.repeats > 1 and not method_of(settings).has_chance and not settings.new_splits:
        protocol = PROTOCOLS[settings.protocol]
        if protocol.fixed_by:
            raise UsageError(
                f"--repeats: {settings.method} is deterministic, and {protocol.option} fixes the folds: all repeats "
                "would be identical; leave it out"
            )
        raise UsageError(
            f"--repeats: {settings.method} is deterministic: all repeats over the same folds would be identical; "
            "add --new-splits"
        )
    if settings.new_splits and settings.repeats < 2:
        raise UsageError("--new-splits: has an effect on repeats only; add --repeats 5")
    for number in chosen:
        if number >= settings.repeats:
            raise UsageError(f"--repeat: expected 0 to {settings.repeats - 1}, got {number}")


def start_repeats(run: Path, config: RunConfig, remark: Remark, known: Sequence[str]) -> list[tuple[Path, RunConfig]]:
    """A started run and its repeats, each a complete run in `RUN/repeat_K`, which are started or joined.

    Repeat K has the seed `seed + K`, and the folds of the run or, with `new_splits`, those of `split_seed + K`.

    Args:
        run: The run's folder.
        config: Its configuration.
        remark: Takes each remark for the user, on other folds for example.
        known: Remarks on the run that the user has seen already; they are not repeated.

    Raises:
        MertoolError: As `mertool.runs.create.create_run`; or what the run was made from has changed.
    """
    runs = [(run, config)]
    settings = config.settings
    if settings.repeats == 1:
        return runs
    packs: list[Pack] = []
    own = RunFolder(run)
    with own.repeats_lock():
        for number in range(1, settings.repeats):
            folder = own.repeat(number).path
            wanted = settings.for_repeat(number)
            if RunFolder(folder).is_run:
                runs.append((folder, _open_repeat(folder, run, dataclasses.replace(config, settings=wanted))))
                continue
            packs = packs or open_packs(run, config)
            folds_file = own.folds if settings.protocol == "file" else None
            new = NewRun("cv", packs, wanted, initial_weights(run, config), folds_file)
            found, texts = create_run(folder, new)
            for text in texts:
                if text not in known:
                    remark(f"repeat {number}: {text}")
            runs.append((folder, found))
    return runs


def _open_repeat(folder: Path, run: Path, wanted: RunConfig) -> RunConfig:
    """The configuration of a repeat that is there already."""
    found = RunConfig.read(folder)
    differing = wanted.differences(found)
    if differing:
        raise RunError(f"{folder}: is not a repeat of {run} ({'; '.join(differing)}); move it away")
    return update_paths(folder, found, [resolve_in_run(run, pack.path) for pack in wanted.packs])
