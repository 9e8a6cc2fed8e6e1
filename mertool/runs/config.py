"""config.json: what a run was made from; opens its packs, folds and initial weights."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from .. import __version__
from ..datasets.labels import ClassSet, resolve_classes
from ..errors import FileError, RunError, UsageError
from ..evaluation.folds import Folds
from ..files import file_sha256, read_json, write_json
from ..inputs.samples import Samples, load_samples
from ..pack import Pack, load_pack
from ..settings import Settings
from ..text import abbreviate
from .environment import timeless_sha256
from .layout import RunFolder, as_run_error
from .methods import method_of

__all__ = [
    "Command",
    "FusedRun",
    "InitialWeights",
    "PackRecord",
    "RunConfig",
    "class_set_of",
    "fingerprint",
    "made_with",
    "open_packs",
    "open_samples",
    "read_folds",
    "relative_to_run",
    "resolve_in_run",
    "update_paths",
]

_FORMAT = 1

Command = Literal["cv", "train"]


@dataclass(frozen=True, slots=True)
class PackRecord:
    """A pack of a run, and how it was made.

    Attributes:
        name: `SAMM` for SAMM.npz, as the file was named when the run was started.
        path: As seen from the run folder.
        sha256: Hash of the file.
        apex: How its apexes were chosen: "table", "middle" or "difference".
        jitter: By up to how many frames onset and apex were moved at random (`extract --jitter`).
        alignment: How its frames were aligned, see `mertool.pack.Pack.alignment`.
    """

    name: str
    path: str
    sha256: str
    apex: str
    jitter: int
    alignment: str

    @classmethod
    def of(cls, pack: Pack, run: Path) -> PackRecord:
        """The record of a pack, as seen from a run folder."""
        path = relative_to_run(pack.path, run)
        return cls(pack.path.stem, path, file_sha256(pack.path), *made_with(pack))


def made_with(pack: Pack) -> tuple[str, int, str]:
    """Apex, jitter and alignment of a pack, as in `PackRecord`."""
    settings = pack.meta.get("settings", {})
    return str(settings.get("apex", "table")), settings.get("jitter", 0), pack.alignment


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """Where the initial weights came from: `--init`."""

    path: str
    sha256: str
    loaded: tuple[str, ...]
    not_loaded: tuple[str, ...]
    subjects: tuple[str, ...]  # those of this run that the weights were trained on, in whatever clips


@dataclass(frozen=True, slots=True)
class FusedRun:
    """A run whose predictions a fusion joins: `--fuse`."""

    path: str
    fingerprint: str  # of its run
    subjects: tuple[str, ...]  # those that its initial weights were trained on, see InitialWeights


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What config.json holds.

    Attributes:
        command: "cv" or "train".
        settings: Everything that can change the result.
        classes: Class names in the order of the probabilities.
        packs: Where the clips come from.
        clips: Ids of all clips of the classes, sorted.
        init: Initial weights, or None.
        members: The runs of a fusion.
        version: Of the mertool that started the run.
        name: What its user calls it in reports (`--name`); "" for the folder's name.
    """

    command: Command
    settings: Settings
    classes: tuple[str, ...]
    packs: tuple[PackRecord, ...]
    clips: tuple[str, ...]
    init: InitialWeights | None
    members: tuple[FusedRun, ...] = ()
    version: str = __version__
    name: str = ""

    def write(self, run: Path) -> None:
        """Write config.json."""
        write_json(RunFolder(run).config, self._as_dict())

    def _as_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = {
            "format": _FORMAT,
            "mertool": self.version,
            "command": self.command,
            "settings": self.settings.as_dict(),
            "classes": self.classes,
            "packs": [asdict(pack) for pack in self.packs],
            "init": self.init and asdict(self.init),
            "clips": self.clips,
        }
        if self.name:
            values["name"] = self.name
        if self.members:
            values["members"] = [asdict(member) for member in self.members]
        return values

    @classmethod
    def read(cls, run: Path) -> RunConfig:
        """The configuration of a run folder.

        Raises:
            FileError: There is none.
            RunError: It is damaged or has another format.
        """
        path = RunFolder(run).config
        if not path.is_file():
            raise FileError(f'{run}: not a run folder (no {path.name}); make one with "mertool cv" or "mertool train"')
        values = _read_values(path)
        try:
            return cls._from_dict(values)
        except KeyError as error:
            raise RunError(
                f"{path}: damaged configuration (no {error}); start the run again with another -o"
            ) from error
        except (AttributeError, OverflowError, TypeError, UsageError) as error:
            raise RunError(f"{path}: damaged configuration ({error}); start the run again with another -o") from error

    @classmethod
    def _from_dict(cls, values: dict[str, Any]) -> RunConfig:
        if values["command"] not in ("cv", "train"):
            raise TypeError(f"command: expected cv or train, got {abbreviate(values['command'])}")
        packs = tuple(_pack_record(pack) for pack in _list(values["packs"], dict, "packs"))
        if not packs:
            raise TypeError("packs: expected at least one")
        settings = Settings.from_dict(values["settings"])
        members = tuple(_fused_run(member) for member in _list(values.get("members", []), dict, "members"))
        if not method_of(settings).trains and len(members) < 2:
            raise TypeError("members: expected two or more runs of a fusion")
        init = values["init"]
        return cls(
            command=values["command"],
            settings=settings,
            classes=_list(values["classes"], str, "classes"),
            packs=packs,
            clips=_list(values["clips"], str, "clips"),
            init=None if init is None else _initial_weights(init),
            members=members,
            version=_text(values["mertool"], "mertool"),
            name=_text(values.get("name", ""), "name"),
        )

    @property
    def init_subjects(self) -> tuple[str, ...]:
        """Subjects of the run that its initial weights, or those of the runs that it joins, were trained on; sorted."""
        subjects = set(self.init.subjects if self.init else ())
        return tuple(sorted(subjects.union(*(member.subjects for member in self.members))))

    def differences(self, other: RunConfig) -> list[str]:
        """What differs between two configurations, in words; empty when they describe the same run."""
        texts = self.settings.differences(other.settings)
        if [pack.sha256 for pack in self.packs] != [pack.sha256 for pack in other.packs]:
            texts.append("other packs")
        if (self.init and self.init.sha256) != (other.init and other.init.sha256):
            texts.append("other initial weights (--init)")
        if [member.fingerprint for member in self.members] != [member.fingerprint for member in other.members]:
            texts.append("other runs (--fuse)")
        if self.command != other.command:
            texts.append(f"command {self.command} here, {other.command} there")
        return texts


def _read_values(path: Path) -> dict[str, Any]:
    """The content of config.json, of which only the format has been checked.

    Raises:
        FileError: It is gone.
        RunError: It is not JSON or has another format.
    """
    with as_run_error():
        values = read_json(path)
    if not isinstance(values, dict):
        raise RunError(f"{path}: damaged configuration (expected an object); start the run again with another -o")
    if type(values.get("format")) is not int or values["format"] != _FORMAT:
        found = abbreviate(values.get("format"))
        raise RunError(f"{path}: expected format {_FORMAT}, got {found}; was it written by a newer mertool?")
    return values


def _pack_record(values: dict[str, Any]) -> PackRecord:
    if type(values["jitter"]) is not int:
        raise TypeError(f"jitter: expected a whole number, got {abbreviate(values['jitter'])}")
    name, sha256, apex, alignment = (_text(values[key], key) for key in ("name", "sha256", "apex", "alignment"))
    return PackRecord(name, _path(values["path"]), sha256, apex, values["jitter"], alignment)


def _initial_weights(values: dict[str, Any]) -> InitialWeights:
    loaded, not_loaded, subjects = (_list(values[name], str, name) for name in ("loaded", "not_loaded", "subjects"))
    return InitialWeights(_path(values["path"]), _text(values["sha256"], "sha256"), loaded, not_loaded, subjects)


def _fused_run(values: dict[str, Any]) -> FusedRun:
    subjects = _list(values["subjects"], str, "subjects")
    return FusedRun(_path(values["path"]), _text(values["fingerprint"], "fingerprint"), subjects)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected text, got {abbreviate(value)}")
    return value


def _path(value: Any) -> str:
    """The name of a file that the system could have."""
    text = _text(value, "path")
    try:
        possible = bool(text) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise TypeError(f"path: expected a file, got {abbreviate(text)}")
    return text


def _list(value: Any, kind: type, name: str) -> tuple[Any, ...]:
    if not isinstance(value, list) or not all(type(item) is kind for item in value):
        raise TypeError(f"{name}: expected a list of {kind.__name__}, got {abbreviate(value)}")
    return tuple(value)


def fingerprint(run: Path) -> str:
    """Hash of what was fixed when a run was started: all of config.json but paths, env.json but its date, folds.json.

    Packs, initial weights and fused runs may move. config.json is hashed as it is, so that settings that a newer
    mertool adds change nothing.

    Raises:
        FileError: A file is gone.
        RunError: config.json is damaged.
    """
    folder = RunFolder(run)
    values = _read_values(folder.config)
    try:
        members = [_without_path(member) for member in values.get("members", [])]
        packs = [_without_path(pack) for pack in values["packs"]]
        hashed = {
            **values,
            "packs": packs,
            "init": values["init"] and _without_path(values["init"]),
            "members": members,
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise RunError(f"{folder.config}: damaged configuration ({error}); start the run again") from error
    files = {
        folder.environment.name: timeless_sha256(folder.environment),
        folder.folds.name: file_sha256(folder.folds),
    }
    return hashlib.sha256(json.dumps([hashed, files], sort_keys=True).encode()).hexdigest()


def _without_path(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "path"}


def class_set_of(packs: Sequence[Pack], settings: Settings) -> ClassSet:
    """The class set that the settings name, for what the packs hold.

    Raises:
        UsageError: An unknown class set or class.
    """
    return resolve_classes(settings.classes, {emotion for pack in packs for emotion in pack.emotion})


def update_paths(run: Path, config: RunConfig, packs: Sequence[Path] = (), members: Sequence[Path] = ()) -> RunConfig:
    """The configuration of a run whose packs or fused runs are now at other places; config.json is updated.

    Args:
        run: The run folder.
        config: Its configuration.
        packs, members: Where they are now, all of them in their order; none: as they were.
    """
    moved = dataclasses.replace(
        config,
        packs=_at_new_paths(run, config.packs, packs),
        members=_at_new_paths(run, config.members, members),
    )
    if moved != config:
        path, written = RunFolder(run).config, moved._as_dict()
        # All else stays as the mertool that started the run wrote it.
        write_json(
            path, {**_read_values(path), **{name: written[name] for name in ("packs", "members") if written.get(name)}}
        )
    return moved


def _at_new_paths(run: Path, records: tuple[Any, ...], paths: Sequence[Path]) -> tuple[Any, ...]:
    if not paths:
        return records
    return tuple(
        dataclasses.replace(record, path=relative_to_run(path, run))
        for record, path in zip(records, paths, strict=True)
    )


def open_samples(run: Path, config: RunConfig) -> Samples:
    """The clips of a run, from its packs.

    Raises:
        FileError: A pack is gone.
        RunError: A pack is not the one that the run was started with.
        DataError: A pack is damaged.
    """
    packs = open_packs(run, config)
    return load_samples(packs, class_set_of(packs, config.settings), config.settings)


def open_packs(run: Path, config: RunConfig) -> list[Pack]:
    """The packs of a run.

    Raises:
        FileError: A pack is gone.
        RunError: A pack is not the one that the run was started with.
        DataError: A pack is damaged.
    """
    packs = []
    for pack in config.packs:
        path = resolve_in_run(run, pack.path)
        if file_sha256(path) != pack.sha256:
            raise RunError(
                f"{path}: changed since {run} was started; extract it with the old settings, or start a new run"
            )
        packs.append(load_pack(path))
    return packs


def read_folds(run: Path, samples: Samples) -> Folds:
    """The folds of a run, checked against its clips.

    Raises:
        FileError, RunError: As `RunFolder.read_folds`, or they are folds of other clips.
    """
    folds = RunFolder(run).read_folds()
    with as_run_error():
        folds.check(samples.ids)
    return folds


def relative_to_run(path: Path, run: Path) -> str:
    """`path` as seen from the run folder, so that both may be moved together."""
    return os.path.relpath(path.resolve(), run.resolve())


def resolve_in_run(run: Path, relative: str) -> Path:
    """The file that config.json names relative to the run folder, also if that is reached through a link."""
    return Path(os.path.normpath(run.resolve() / relative))
