"""Checkpoint files: weights, settings and classes together, read without ever running code from them.

A checkpoint is a `torch.save` archive of plain containers and tensors (format `FORMAT`, version `VERSION`). `final.pt`
holds a trained network; `last.pt` also the state that training needs to continue. `transfer` loads the weights of one
network into another, whose number of frames, classes and attention branch may differ (`--init`).
"""

from __future__ import annotations

import io
import pickle
import platform
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from .. import __version__
from ..errors import DataError, FileError
from ..files import atomic_file, read_bytes
from ..settings import Settings
from ..text import os_error_text
from .model import Network, build_model

__all__ = ["FORMAT", "VERSION", "Checkpoint", "LoadReport", "load_weights", "restore", "save_checkpoint", "transfer"]

FORMAT = "mertool checkpoint"
VERSION = 1

# Bias of the attention map's normalisation where a branch joins a network that was trained without one:
# sigmoid(-2) = 0.12, so that stage 4 and its running statistics get nearly the features they know, not 1.5 times them.
_QUIET_MAP_BIAS = -2.0

_LARGEST = 2**32  # bytes of a checkpoint

# Parts whose weights depend on the class list.
_CLASS_PARTS = ("head", "attention.classes", "attention.class_head", "attention.map_head")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file in memory.

    Attributes:
        path: The file.
        settings: Of the training that wrote it.
        classes: Emotion of each output, in order.
        weights: Name -> tensor on the CPU, as `Network.state_dict`.
        state: In `last.pt` what training needs to continue; in `final.pt` the epoch, from 1, whose weights it has.
        seen: Ids of all clips that the weights were trained or chosen on, including those of `--init`.
    """

    path: Path
    settings: Settings
    classes: tuple[str, ...]
    weights: dict[str, Tensor]
    state: dict[str, Any]
    seen: tuple[str, ...]

    @property
    def epoch(self) -> int:
        """The epoch, from 1, whose weights `final.pt` has: the last one where an older mertool did not store it."""
        found = self.state.get("epoch")
        return found if type(found) is int else self.settings.epochs


@dataclass
class LoadReport:
    """What `transfer` did with each part of a network; an entry gives the reason where there is one."""

    loaded: list[str] = field(default_factory=list)
    adapted: list[str] = field(default_factory=list)
    not_loaded: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """One line each for what was loaded, adapted and not loaded, where there is any."""
        parts = {"loaded": self.loaded, "adapted": self.adapted, "not loaded": self.not_loaded}
        return [f"{what}: {'; '.join(entries)}" for what, entries in parts.items() if entries]


def save_checkpoint(
    path: Path,
    settings: Settings,
    classes: tuple[str, ...],
    weights: dict[str, Tensor],
    state: dict[str, Any] | None = None,
    seen: Sequence[str] = (),
) -> None:
    """Write a checkpoint atomically.

    Args:
        path: The file; an existing one is replaced atomically and kept on any failure.
        settings: Of the training.
        classes: Emotion of each output, in order.
        weights: `Network.state_dict()`, on any device.
        state: Plain containers and tensors beside the weights, such as what training needs to continue.
        seen: Ids of all clips that the weights were trained or chosen on.

    Raises:
        FileError: It cannot be written.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "settings": settings.as_dict(),
        "classes": list(classes),
        "weights": {name: tensor.detach().cpu() for name, tensor in weights.items()},
        "state": state or {},
        "seen": list(seen),
        "versions": {"mertool": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
    }
    buffer = io.BytesIO()  # torch.save hides the reason of a failed write, such as a full disk
    torch.save(content, buffer)
    with atomic_file(path) as stream:
        stream.write(buffer.getbuffer())


def load_weights(path: Path, hint: str = "give another checkpoint") -> Checkpoint:
    """Read a checkpoint without running code from it.

    Args:
        path: A checkpoint.
        hint: What the user can do about a bad file: the end of every message.

    Raises:
        FileError: There is no such file, or it cannot be read.
        DataError: It is not a checkpoint, is damaged, holds Python objects, or comes from a newer mertool.
    """
    content = _read_plain(path, hint)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{path}: expected a mertool checkpoint, got another torch file; {hint}")
    version = content.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise DataError(
            f"{path}: checkpoint format {version!r}, this mertool reads up to {VERSION}; update mertool, or {hint}"
        )
    try:
        settings = Settings.from_dict(content["settings"])
        classes = tuple(str(name) for name in content["classes"])
        weights, state = dict(content["weights"]), dict(content["state"])
        seen = tuple(str(name) for name in content["seen"])
    except (KeyError, TypeError, ValueError) as error:  # UsageError is a ValueError
        detail = f"no {error}" if isinstance(error, KeyError) else error
        raise DataError(f"{path}: unusable content ({detail}); {hint}") from error
    return Checkpoint(path, settings, classes, weights, state, seen)


def restore(checkpoint: Checkpoint) -> Network:
    """The network of a checkpoint with its weights, on the CPU, in evaluation mode.

    Raises:
        DataError: The weights do not fit the network that the settings describe.
    """
    network = build_model(checkpoint.settings, len(checkpoint.classes), checkpoint.settings.seed)
    try:
        network.load_state_dict(checkpoint.weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise DataError(
            f"{checkpoint.path}: its weights do not fit the network that its settings describe; give another checkpoint"
        ) from error
    return network.eval()


def transfer(model: Network, settings: Settings, classes: tuple[str, ...], source: Checkpoint) -> LoadReport:
    """Load into `model` all weights of `source` that mean the same in it (`--init`); the rest keeps its fresh weights.

    The stem needs the same input. That of grey frames is adapted to their number: from three to one by summing over
    time (same response to a still clip); from one to three by `settings.temporal_init`: "mean" (a third in each frame:
    same response to a still clip), "centre" (the middle frame only) or "diff" (apex minus onset: no response to a still
    clip). The head, and the parts of the attention branch that depend on the classes, load only for the same class
    list.

    Args:
        model: A network of `settings` and `classes`; changed in place.
        settings: Of `model`.
        classes: Of `model`.
        source: What to load.

    Returns:
        What was loaded, adapted and left out, and why.

    Raises:
        DataError: Width, blocks or stem kernel differ, so nothing would fit; or `source` is damaged.

    Source: inflation of 2-D kernels, Carreira and Zisserman, CVPR 2017.
    """
    for name in ("width", "blocks", "stem_kernel"):
        there, here = getattr(source.settings, name), getattr(settings, name)
        if there != here:
            option = "--" + name.replace("_", "-")
            raise DataError(
                f"{source.path}: its network has {option} {there}, this one {here}; give {option} {there} or "
                "another --init"
            )
    ours, theirs = model.state_dict(), restore(source).state_dict()
    report = LoadReport()
    for part in _parts(ours):
        names = [name for name in ours if _part(name) == part]
        why_not = _why_not(part, names, ours, theirs, settings, classes, source)
        if why_not:
            report.not_loaded.append(f"{part} ({why_not})")
            continue
        if part == "stem" and source.settings.frames != settings.frames:  # of grey frames, see _why_not
            theirs["stem.0.weight"] = _adapt_stem(theirs["stem.0.weight"], settings)
            how = "by their sum" if settings.frames == 1 else f"by {settings.temporal_init}"
            report.adapted.append(f"stem (from {source.settings.frames} to {settings.frames} frames, {how})")
        else:
            report.loaded.append(part)
        for name in names:
            ours[name].copy_(theirs[name])
    if settings.abn and not source.settings.abn:
        bias = cast(nn.BatchNorm2d, cast(nn.Sequential, model.get_submodule("attention.map_head"))[1]).bias
        nn.init.constant_(bias, _QUIET_MAP_BIAS)
        report.adapted.append("attention map (starts near 0.12 everywhere: stage4 was trained without one)")
    if source.settings.abn and not settings.abn:
        report.not_loaded.append("attention (this network has no such branch)")
    return report


def _read_plain(path: Path, hint: str) -> Any:
    """The plain containers and tensors of a torch archive."""
    try:
        data = io.BytesIO(read_bytes(path, _LARGEST))
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}; {hint}") from error
    if not zipfile.is_zipfile(data):  # a truncated archive has lost its index, which is at the end
        raise DataError(f"{path}: expected a mertool checkpoint, got another file or a truncated one; {hint}")
    try:
        with zipfile.ZipFile(data) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("compressed, which torch never does")
            damaged = archive.testzip()
        if damaged is None:
            data.seek(0)
            return torch.load(data, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path}: expected plain tensors, got Python objects, which are refused because they could run code; {hint}"
        ) from error
    except Exception as error:  # on damaged input torch and zipfile raise nearly every kind
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: damaged, or not a mertool checkpoint ({detail[:80]}); {hint}") from error
    raise DataError(f"{path}: damaged (wrong checksum of {damaged}); {hint}")


def _part(name: str) -> str:
    """The part of the network that a tensor belongs to: "stage1", "attention.classes", ..."""
    words = name.split(".")
    return ".".join(words[:2]) if words[0] == "attention" else words[0]


def _parts(weights: dict[str, Tensor]) -> list[str]:
    return list(dict.fromkeys(_part(name) for name in weights))


def _why_not(
    part: str,
    names: list[str],
    ours: dict[str, Tensor],
    theirs: dict[str, Tensor],
    settings: Settings,
    classes: tuple[str, ...],
    source: Checkpoint,
) -> str:
    """Why a part cannot be loaded; "" if it can."""
    if part.startswith("attention") and not source.settings.abn:
        return "not in the checkpoint"
    if part in _CLASS_PARTS and classes != source.classes:
        return f"other classes: {', '.join(source.classes)} there"
    if part == "head" and settings.arcface != source.settings.arcface:
        return f"{'an ArcFace' if source.settings.arcface else 'a linear'} head there"
    if part == "stem" and settings.input != source.settings.input:
        return f"other input: {source.settings.input} there"
    if part == "stem" and settings.input != "gray" and settings.frames != source.settings.frames:
        return f"{source.settings.frames} frames of {settings.input} there"
    for name in names:
        if part != "stem" and ours[name].shape != theirs[name].shape:
            return f"other shape: {tuple(ours[name].shape)} here, {tuple(theirs[name].shape)} there"
    return ""


def _adapt_stem(weight: Tensor, settings: Settings) -> Tensor:
    """The stem's (O, T, k, k) weight for `settings.frames` instead of T frames."""
    if settings.frames == 1:
        return weight.sum(1, keepdim=True)  # (O, 1, k, k)
    zero = torch.zeros_like(weight)  # (O, 1, k, k)
    frames = {
        "mean": (weight / 3, weight / 3, weight / 3),
        "centre": (zero, weight, zero),
        "diff": (-weight, zero, weight),
    }
    return torch.cat(frames[settings.temporal_init], 1)  # (O, 3, k, k)
