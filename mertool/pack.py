"""The pack: one .npz file with the aligned key frames and landmarks of every usable clip. No pickles.

Members are stored uncompressed, so that `frames` can be memory-mapped, and carry no dates: equal content gives equal
bytes. Members: frames (N, 3, S, S) uint8 = onset, middle, apex; landmarks (N, 3, 68, 2) float32 in crop pixels, NaN
where there are none; clip, dataset, subject, emotion (text); onset, middle, apex, offset (int64); optional sequence
(N, L, S, S) uint8, evenly spaced from onset to offset; optional head (N, 3, 2, 3) float32, with stabilised frames: crop
pixel of a key frame -> crop pixel of the same picture under the onset's transform; meta (JSON text).
"""

from __future__ import annotations

import json
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FileError, PackError
from .files import write_arrays
from .text import os_error_text

__all__ = ["FORMAT", "Pack", "load_pack", "save_pack"]

FORMAT = 1
# What zipfile and NumPy raise on damaged bytes, depending on which byte it is.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    EOFError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
# Member -> attribute of `Pack`.
_TEXT = {"clip": "clip_name", "dataset": "dataset", "subject": "subject", "emotion": "emotion"}
_NUMBERS = ("onset", "middle", "apex", "offset")


@dataclass(frozen=True, slots=True)
class Pack:
    """An opened pack; `frames` and `sequence` are read-only memory maps.

    Attributes:
        path: The file it came from.
        frames: (N, 3, S, S) uint8.
        landmarks: (N, 3, 68, 2) float32, NaN if there are none.
        clip_name, dataset, subject, emotion: N texts each.
        sequence: (N, L, S, S) uint8 or None.
        head: (N, 3, 2, 3) float32: how the head's motion was taken out of each key frame; None if it was not.
        meta: Settings and versions of the extraction, and a row for every clip of the annotation.
    """

    path: Path
    frames: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    clip_name: tuple[str, ...]
    dataset: tuple[str, ...]
    subject: tuple[str, ...]
    emotion: tuple[str, ...]
    sequence: NDArray[np.uint8] | None
    head: NDArray[np.float32] | None
    meta: dict[str, Any]

    @property
    def ids(self) -> tuple[str, ...]:
        """`dataset/subject/name` of each row."""
        return tuple("/".join(row) for row in zip(self.dataset, self.subject, self.clip_name, strict=True))

    @property
    def has_landmarks(self) -> bool:
        """Whether every clip has the landmarks that regions are rendered from."""
        return not bool(np.isnan(self.landmarks[:, 0]).any())

    @property
    def alignment(self) -> str:
        """How frames were aligned: "stabilised", "clip", "frame" (see `extract --align`), or "none" for aligned
        pictures that were taken as they are.
        """
        settings = self.meta.get("settings")
        if not isinstance(settings, dict):
            settings = {}
        align = str(settings.get("align", "clip"))
        return "none" if settings.get("aligned") is True and align == "clip" else align


def save_pack(path: Path, arrays: Mapping[str, NDArray[Any]], meta: dict[str, Any]) -> None:
    """Write a pack atomically; equal content gives equal bytes.

    Args:
        path: The final name.
        arrays: Every member named in the module's docstring except `meta`, text as NumPy unicode.
        meta: Plain values; `format` is added.

    Raises:
        FileError: It cannot be written.
    """
    text = json.dumps({"format": FORMAT, **meta}, ensure_ascii=False, allow_nan=False)
    write_arrays(path, {**arrays, "meta": np.array(text)})


def load_pack(path: Path) -> Pack:
    """Open a pack and check that it is whole.

    Raises:
        FileError: It is missing or cannot be read.
        PackError: It is not a pack, is damaged, or was written by a newer mertool.
    """
    again = 'make it again with "mertool extract"'
    try:
        with zipfile.ZipFile(path) as archive:
            names = {Path(name).stem for name in archive.namelist()}
            if "meta" not in names:
                raise PackError(f"{path}: not a pack of mertool (no member 'meta'); {again}")
            meta = json.loads(str(_read(archive, "meta")))
            if not isinstance(meta, dict) or not isinstance(meta.get("format"), int):
                raise PackError(f"{path}: not a pack of mertool (no format number); {again}")
            if meta["format"] > FORMAT:
                raise PackError(
                    f"{path}: pack format {meta['format']}, this mertool reads up to {FORMAT}; update mertool"
                )
            missing = {"frames", "landmarks", *_TEXT, *_NUMBERS} - names
            if missing:
                raise PackError(f"{path}: incomplete pack, no {', '.join(sorted(missing))}; {again}")
            frames = _map(archive, path, "frames")
            sequence = _map(archive, path, "sequence") if "sequence" in names else None
            head = _read(archive, "head") if "head" in names else None
            arrays = {name: _read(archive, name) for name in ("landmarks", *_TEXT, *_NUMBERS)}
    except _DAMAGE as error:
        if isinstance(error, PackError):
            raise
        raise PackError(f"{path}: damaged or not a pack ({error}); {again}") from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
    if not _fit_together({**arrays, "frames": frames}, sequence, head):
        raise PackError(f"{path}: damaged pack, its members do not fit together; {again}")
    texts = {attribute: tuple(arrays[member].tolist()) for member, attribute in _TEXT.items()}
    pack = Pack(
        path=path, frames=frames, landmarks=arrays["landmarks"], sequence=sequence, head=head, meta=meta, **texts
    )
    if len(set(pack.ids)) != len(frames):
        raise PackError(f"{path}: damaged pack, a clip is in it twice; {again}")
    return pack


def _fit_together(arrays: Mapping[str, NDArray[Any]], sequence: NDArray[Any] | None, head: NDArray[Any] | None) -> bool:
    """Whether the members of a pack have the shapes and types that the module's docstring says."""
    frames, landmarks = arrays["frames"], arrays["landmarks"]
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.shape[2] != frames.shape[3] or frames.dtype != np.uint8:
        return False
    n = len(frames)
    if landmarks.shape != (n, 3, 68, 2) or landmarks.dtype != np.float32:
        return False
    for kind, names in (("U", _TEXT), ("i", _NUMBERS)):
        if any(arrays[name].shape != (n,) or arrays[name].dtype.kind != kind for name in names):
            return False
    if sequence is not None and not (
        sequence.dtype == np.uint8 and sequence.ndim == 4 and sequence.shape[::2] == frames.shape[::2]
    ):
        return False
    return head is None or (head.shape == (n, 3, 2, 3) and head.dtype == np.float32)


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as member:  # reading to the end checks the CRC
        array = np.lib.format.read_array(member, allow_pickle=False)
        member.read()
    return np.asarray(array)


def _map(archive: zipfile.ZipFile, path: Path, name: str) -> NDArray[Any]:
    """Memory-map one stored member, after checking that the file is long enough to hold it."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type != zipfile.ZIP_STORED:
        raise PackError(f"{path}: member {name!r} is compressed; packs are written uncompressed")
    with path.open("rb") as stream:
        stream.seek(entry.header_offset)
        header = stream.read(30)
        if header[:4] != b"PK\x03\x04":
            raise PackError(f"{path}: damaged pack, member {name!r} is not where the directory says")
        stream.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
        start = stream.tell()
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise PackError(f"{path}: member {name!r} has array format {version}, expected (1, 0)")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        offset = stream.tell()
    if fortran or dtype.hasobject or offset - start + int(np.prod(shape)) * dtype.itemsize != entry.file_size:
        raise PackError(f"{path}: damaged pack, member {name!r} has another size than it says")
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape)
