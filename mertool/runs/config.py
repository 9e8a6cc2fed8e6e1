"""The run folder: what config.json says, and how a run is opened (`mertool.runs.start` begins one).

RUN/config.json env.json folds.json fold_0/{log.csv, last.pt, final.pt, predictions.csv, done.json} ... results.json
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..datasets.labels import ClassSet, resolve_classes
from ..errors import DataError, FileError, UsageError
from ..evaluation.folds import (
    Folds,
)
from ..files import file_sha256, read_json, write_json
from ..inputs.samples import Samples, load_samples
from ..pack import Pack, load_pack
from ..settings import Settings, option_name
from ..text import abbreviate
from .layout import RunFolder
from .methods import method_of

__all__ = [
    "FusedRun",
    "InitialWeights",
    "RunConfig",
    "class_set_of",
    "command_of",
    "fingerprint",
    "initial_weights",
    "open_packs",
    "open_samples",
    "read_folds",
    "relative_to_run",
    "resolve_in_run",
    "update_pack_paths",
]

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """Where the initial weights came from: `--init`."""

    path: str
    sha256: str
    loaded: tuple[str, ...]
    not_loaded: tuple[str, ...]
    people: tuple[str, ...]  # of this run's, those whom the weights have seen, in whatever clips


@dataclass(frozen=True, slots=True)
class FusedRun:
    """A run whose predictions a fusion joins: `--fuse`."""

    path: str
    fingerprint: str  # of its run
    people: tuple[str, ...]  # whom its initial weights have seen, see InitialWeights


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What config.json holds.

    Attributes:
        command: "cv" or "train".
        settings: Everything that can change the result.
        classes: Class names in the order of the probabilities.
        packs: (path relative to the run folder, sha256) of each pack.
        clips: Ids of all clips of the classes, sorted.
        init: Initial weights, or None.
        apexes: How each pack's apexes were chosen: "table", "middle" or "difference".
        jitters: By up to how many frames each pack's onsets and apexes were moved at random (`extract --jitter`).
        alignments: How each pack's frames were aligned, see `mertool.pack.Pack.alignment`.
        members: The runs of a fusion.
    """

    command: str
    settings: Settings
    classes: tuple[str, ...]
    packs: tuple[tuple[str, str], ...]
    clips: tuple[str, ...]
    init: InitialWeights | None
    apexes: tuple[str, ...] = ()
    jitters: tuple[int, ...] = ()
    alignments: tuple[str, ...] = ()
    members: tuple[FusedRun, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as config.json holds them."""
        init = self.init
        return {
            "format": _FORMAT,
            "mertool": __version__,
            "command": self.command,
            "settings": self.settings.as_dict(),
            "classes": list(self.classes),
            "packs": [
                {
                    "name": Path(path).stem,
                    "path": path,
                    "sha256": digest,
                    "apex": apex,
                    "jitter": jitter,
                    "alignment": alignment,
                }
                for (path, digest), apex, jitter, alignment in zip(
                    self.packs,
                    self.apexes or ("table",) * len(self.packs),
                    self.jitters or (0,) * len(self.packs),
                    self.alignments or ("clip",) * len(self.packs),
                    strict=True,
                )
            ],
            "init": init
            and {
                "path": init.path,
                "sha256": init.sha256,
                "loaded": list(init.loaded),
                "not_loaded": list(init.not_loaded),
                "people": list(init.people),
            },
            "clips": list(self.clips),
            **(
                {"members": [{**asdict(member), "people": list(member.people)} for member in self.members]}
                if self.members
                else {}
            ),
        }

    @classmethod
    def read(cls, run: Path) -> RunConfig:
        """The configuration of a run folder.

        Raises:
            FileError: There is none.
            DataError: It is damaged or was written by a newer mertool.
        """
        path = RunFolder(run).config
        if not path.is_file():
            raise FileError(f'{run}: not a run folder (no config.json); make one with "mertool cv" or "mertool train"')
        values = read_json(path)
        try:
            if type(values["format"]) is not int:
                raise TypeError(f"format: expected a whole number, got {abbreviate(values['format'])}")
            if values["format"] > _FORMAT:
                raise DataError(
                    f"{path}: format {values['format']}, this mertool reads up to {_FORMAT}; update mertool"
                )
            init, packs = values["init"], _list(values["packs"], dict, "packs")
            if values["command"] not in ("cv", "train"):
                raise TypeError(f"command: expected cv or train, got {abbreviate(values['command'])}")
            if not packs:
                raise TypeError("packs: expected at least one")
            settings = Settings.from_file(values["settings"])
            if not method_of(settings).trains and len(_list(values.get("members", []), dict, "members")) < 2:
                raise TypeError("members: expected two runs or more of a fusion")
            return cls(
                command=values["command"],
                settings=settings,
                classes=_list(values["classes"], str, "classes"),
                packs=tuple((_path(pack["path"]), _text(pack["sha256"], "sha256")) for pack in packs),
                clips=_list(values["clips"], str, "clips"),
                apexes=tuple(_text(pack.get("apex", "table"), "apex") for pack in packs),
                jitters=_list([pack.get("jitter", 0) for pack in packs], int, "jitter"),
                alignments=tuple(_text(pack.get("alignment", "clip"), "alignment") for pack in packs),
                init=None
                if init is None
                else InitialWeights(
                    _path(init["path"]),
                    _text(init["sha256"], "sha256"),
                    _list(init["loaded"], str, "loaded"),
                    _list(init["not_loaded"], str, "not_loaded"),
                    _list(init.get("people", []), str, "people"),
                ),
                members=tuple(
                    FusedRun(
                        _path(one["path"]),
                        _text(one["fingerprint"], "fingerprint"),
                        _list(one["people"], str, "people"),
                    )
                    for one in _list(values.get("members", []), dict, "members")
                ),
            )
        except (AttributeError, KeyError, OverflowError, TypeError, UsageError) as error:
            raise DataError(f"{path}: damaged configuration ({error}); start the run again with another -o") from error

    def differences(self, other: RunConfig) -> list[str]:
        """What differs between two configurations, in words; empty when they describe the same run."""
        texts = self.settings.differences(other.settings)
        if [digest for _, digest in self.packs] != [digest for _, digest in other.packs]:
            texts.append("other packs")
        if (self.init and self.init.sha256) != (other.init and other.init.sha256):
            texts.append("other initial weights (--init)")
        if [member.fingerprint for member in self.members] != [member.fingerprint for member in other.members]:
            texts.append("other runs (--fuse)")
        if self.command != other.command:
            texts.append(f"command {self.command} here, {other.command} there")
        return texts


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected text, got {abbreviate(value)}")
    return value


def _path(value: Any) -> str:
    """The name of a file that the system could have."""
    text = _text(value, "path")
    try:
        there = bool(text) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        there = False
    if not there:
        raise TypeError(f"path: expected a file, got {abbreviate(text)}")
    return text


def _list(value: Any, kind: type, name: str) -> tuple[Any, ...]:
    if not isinstance(value, list) or not all(type(item) is kind for item in value):
        raise TypeError(f"{name}: expected a list of {kind.__name__}, got {abbreviate(value)}")
    return tuple(value)


def fingerprint(run: Path) -> str:
    """Hash of all that decides a run's results: its folds, settings, classes, clips, packs and initial weights.

    Paths are no part of it: packs may move. It is made from config.json as it stands, so that settings which a newer
    mertool adds change nothing.

    Raises:
        FileError: A file is gone.
        DataError: config.json is damaged.
    """
    path = RunFolder(run).config
    values = read_json(path)
    try:
        hashed = {name: values[name] for name in ("format", "command", "settings", "classes", "clips")}
        hashed["packs"] = [pack["sha256"] for pack in values["packs"]]
        hashed["init"] = values["init"] and values["init"]["sha256"]
        if "members" in values:
            hashed["members"] = [member["fingerprint"] for member in values["members"]]
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: damaged configuration ({error}); start the run again") from error
    hashed["folds"] = file_sha256(RunFolder(run).folds)
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()


def class_set_of(packs: Sequence[Pack], settings: Settings) -> ClassSet:
    """The class set that the settings name, for what the packs hold.

    Raises:
        UsageError: An unknown class set or class.
    """
    return resolve_classes(settings.classes, {emotion for pack in packs for emotion in pack.emotion})


def update_pack_paths(run: Path, config: RunConfig, packs: Sequence[Path]) -> RunConfig:
    """The configuration of a run whose packs now lie at `packs`; config.json is written anew where they have moved."""
    places = tuple((relative_to_run(path, run), digest) for path, (_, digest) in zip(packs, config.packs, strict=True))
    if places == config.packs:
        return config
    written = read_json(RunFolder(run).config)  # all else stays as the mertool that began the run wrote it
    for pack, (path, _) in zip(written["packs"], places, strict=True):
        pack |= {"name": Path(path).stem, "path": path}
    write_json(RunFolder(run).config, written)
    return dataclasses.replace(config, packs=places)


def command_of(run: Path, config: RunConfig) -> str:
    """The command line that makes a run again, as seen from the working folder; give it another -o.

    Every setting that is not its recipe's usual one is named. Own folds are read from the run itself.
    """
    settings, usual = config.settings, Settings.from_recipe(config.settings.recipe)
    if not method_of(settings).trains:
        words = [
            "mertool",
            "cv",
            "--fuse",
            *(os.path.relpath(resolve_in_run(run, member.path)) for member in config.members),
        ]
        words += ["--fuse-weights", settings.fuse_weights] if settings.fuse_weights != usual.fuse_weights else []
        return shlex.join([*words, "-o", f"{os.path.relpath(run)}-again"])
    words = ["mertool", config.command, *(os.path.relpath(resolve_in_run(run, path)) for path, _ in config.packs)]
    words += [f"--{settings.region}", "--classes", settings.classes]
    words += ["--recipe", settings.recipe] if settings.recipe != "modern" else []
    own_folds = settings.protocol == "file"
    given_folds = settings.protocol in ("loso", "leave-dataset-out", "file")  # their number follows
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name in ("region", "classes", "recipe") or value == getattr(usual, field.name):
            continue
        if (field.name == "folds" and given_folds) or (field.name == "protocol" and own_folds):
            continue
        option = option_name(field.name)
        words += [option if value else f"--no-{option[2:]}"] if isinstance(value, bool) else [option, str(value)]
    words += ["--folds-file", os.path.relpath(RunFolder(run).folds)] if own_folds else []
    words += ["--init", os.path.relpath(resolve_in_run(run, config.init.path))] if config.init else []
    return shlex.join([*words, "-o", f"{os.path.relpath(run)}-again"])


def open_samples(run: Path, config: RunConfig) -> Samples:
    """The clips of a run, from its packs.

    Raises:
        FileError: A pack is gone.
        DataError: A pack is not the one the run began with.
    """
    packs = open_packs(run, config)
    return load_samples(packs, class_set_of(packs, config.settings), config.settings)


def open_packs(run: Path, config: RunConfig) -> list[Pack]:
    """The packs of a run.

    Raises:
        FileError: A pack is gone.
        DataError: A pack is not the one the run began with.
    """
    packs = []
    for relative, digest in config.packs:
        path = resolve_in_run(run, relative)
        if file_sha256(path) != digest:
            raise DataError(f"{path}: changed since {run} was begun; extract it with the old settings or begin anew")
        packs.append(load_pack(path))
    return packs


def initial_weights(run: Path, config: RunConfig) -> Path | None:
    """The file of a run's initial weights; None where they are random.

    Raises:
        FileError: It is gone.
        DataError: It is not the one the run began with.
    """
    if config.init is None:
        return None
    path = resolve_in_run(run, config.init.path)
    if file_sha256(path) != config.init.sha256:
        raise DataError(f"{path}: the initial weights changed since {run} was begun; begin anew with another -o")
    return path


def read_folds(run: Path, samples: Samples) -> Folds:
    """The folds of a run, checked against its clips."""
    folds = RunFolder(run).read_folds()
    folds.check(samples.ids)
    return folds


def relative_to_run(path: Path, run: Path) -> str:
    """`path` as seen from the run folder, so that both may be moved together."""
    return os.path.relpath(path.resolve(), run.resolve())


def resolve_in_run(run: Path, relative: str) -> Path:
    """The file that config.json names relative to the run folder, also where that is reached through a link."""
    return Path(os.path.normpath(run.resolve() / relative))
