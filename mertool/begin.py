"""From the options of `train` and `cv` to a begun run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .config import Settings
from .datasets.labels import default_classes
from .engine import choose_device
from .errors import UsageError
from .pack import Pack, load_pack
from .runs import RunConfig, begin_run, continue_run, default_run

__all__ = ["begin", "choose_packs", "settings_of"]

Remark = Callable[[str], None]


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
    numbers = ("frames", "stem_kernel", "stem_stride", "map_kernel")
    said = {name: value for name, value in given.items() if value is not None and value != "auto"}
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
        UsageError: A value is out of range, or the packs leave the classes open.
    """
    said = _given(given)
    said["device"] = choose_device(said.get("device", "auto"))
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
        folds_file: `--folds-file`.

    Raises:
        MertoolError: As `mertool.runs.begin_run` and `continue_run`; or options that contradict each other.
    """
    if folds_file is not None:
        if given.get("protocol") is not None:
            raise UsageError("--folds-file: is a protocol of its own; leave out --protocol")
        given["protocol"] = "file"
    if given.get("folds") is not None and given.get("protocol") in ("loso", "leave-dataset-out", "file"):
        what = {"loso": "every subject is a fold", "file": "the file says them"}
        why = what.get(given["protocol"], "every data set is a fold")
        raise UsageError(f"--folds: with {_protocol_option(given['protocol'])} {why}; leave it out")
    if resume and run is not None and (run / "config.json").exists():
        return run, continue_run(run, command, packs, init, _given(given))
    chosen = choose_packs(packs, remark)
    opened = [load_pack(path) for path in chosen]
    settings = settings_of(given, opened)
    folder = run or default_run(command, chosen, settings, init, _usual_classes(opened))
    if resume and (folder / "config.json").exists():
        return folder, continue_run(folder, command, packs, init, _given(given))
    if resume:
        remark(f"{folder}: nothing to continue yet; beginning")
    undecided = {"device", "precision"} - set(_given(given))
    config, remarks = begin_run(
        folder, command, opened, settings, init, only=folds, folds_file=folds_file, undecided=undecided
    )
    for text in remarks:
        remark(text)
    return folder, config
