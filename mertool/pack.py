"""The pack: one .npz file with the aligned key frames and landmarks of every usable clip. No pickles.

Members are stored uncompressed, so that `frames` can be memory-mapped, and carry no dates: equal content gives equal
bytes. Members: frames (N, 3, S, S) uint8 = onset, middle, apex; landmarks (N, 3, 68, 2) float32 in crop pixels, NaN
where there are none; clip, dataset, subject, emotion (text); onset, middle, apex, offset (int64); optional sequence
(N, L, S, S) uint8, evenly spaced from onset to offset; optional head (N, 3, 2, 3) float32, with stabilised frames: crop
pixel of a key frame -> crop pixel of the same picture under the onset's transform; meta (JSON text).
"""

from __future__ import annotations

import json
import math
import shlex
import struct
import sys
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .errors import FileError, PackError
from .files import open_regular, write_arrays
from .text import abbreviate, is_plain, os_error_text, video_advice

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
    Warning,
)
_LARGEST = 2**42  # bytes
_FARTHEST = 30_000  # px from the corner of a crop: far beyond any picture
_NEAREST = 0.01  # px between the eyes: nearer ones have no direction
_DTYPES = {"u1": "uint8", "f4": "float32", "i8": "int64", "U": "text"}
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


def load_pack(path: Path, *, check_frames: bool = True) -> Pack:
    """Open a pack and check that it is whole; nothing behind this door looks at it again.

    Args:
        path: The file.
        check_frames: Read the frames once and compare them with their checksum. Only where the whole file has just been
            compared with a hash is there nothing to gain from it.

    Raises:
        FileError: It is missing or cannot be read.
        PackError: It is not a pack, is damaged, or was written by a newer mertool.
    """
    again = 'make it again with "mertool extract"'
    _refuse_recordings(path)
    try:
        with open_regular(path, _LARGEST) as stream, zipfile.ZipFile(stream) as archive, warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy warns of headers that it never wrote
            members = _Members(path, stream, archive)
            if "meta" not in members.names:
                raise PackError(f"{path}: not a pack of mertool (no member 'meta'); {again}")
            meta = json.loads(str(members.read("meta")))
            if not isinstance(meta, dict) or type(meta.get("format")) is not int:
                raise PackError(f"{path}: not a pack of mertool (no format number); {again}")
            if meta["format"] > FORMAT:
                raise PackError(
                    f"{path}: pack format {meta['format']}, this mertool reads up to {FORMAT}; update mertool"
                )
            missing = {"frames", "landmarks", *_TEXT, *_NUMBERS} - members.names
            if missing:
                raise PackError(f"{path}: incomplete pack, no {', '.join(sorted(missing))}; {again}")
            frames = members.map("frames", check_frames)
            sequence = members.map("sequence", check_frames) if "sequence" in members.names else None
            head = members.read("head") if "head" in members.names else None
            arrays = {name: members.read(name) for name in ("landmarks", *_TEXT, *_NUMBERS)}
            texts = {name: tuple(map(str, np.atleast_1d(arrays[name]).tolist())) for name in _TEXT}
    except PackError:
        raise
    except _DAMAGE as error:
        # What NumPy says is advice to its own callers, such as to allow pickles.
        cause = f" ({error})" if isinstance(error, zipfile.BadZipFile) else ""
        raise PackError(f"{path}: damaged or not a pack{cause}; {again}") from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
    wrong = _misfit(frames, sequence, head, arrays) or _bad_values(arrays["landmarks"], head, texts, meta)
    if wrong:
        raise PackError(f"{path}: damaged pack, {wrong}; {again}")
    pack = Pack(
        path=path,
        frames=frames,
        landmarks=arrays["landmarks"],
        sequence=sequence,
        head=head,
        meta=meta,
        **{attribute: texts[member] for member, attribute in _TEXT.items()},
    )
    if len(set(pack.ids)) != len(frames):
        raise PackError(f"{path}: damaged pack, two rows are the same clip; {again}")
    return pack


def _refuse_recordings(path: Path) -> None:
    """Say what makes a pack of a folder or a video."""
    if path.is_dir():
        command = shlex.join(["mertool", "extract", str(path)])
        raise FileError(f'{path}: a folder, expected a pack (.npz); make one with "{command}"')
    video = video_advice(path.name)
    if video:
        raise FileError(f"{path}: expected a pack (.npz), got {video}")


def _misfit(
    frames: NDArray[Any], sequence: NDArray[Any] | None, head: NDArray[Any] | None, arrays: dict[str, NDArray[Any]]
) -> str:
    """Which member has a shape or dtype that does not fit the others; "" if none has."""
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.shape[2] != frames.shape[3] or 0 in frames.shape[2:]:
        return f"frames are {_kind(frames)}, expected (N, 3, S, S) uint8"
    n, side = len(frames), frames.shape[2]
    expected: dict[str, tuple[NDArray[Any], tuple[int, ...], str]] = {
        "frames": (frames, frames.shape, "u1"),
        "landmarks": (arrays["landmarks"], (n, 3, 68, 2), "f4"),
        **{name: (arrays[name], (n,), "U") for name in _TEXT},
        **{name: (arrays[name], (n,), "i8") for name in _NUMBERS},
    }
    if sequence is not None:
        length = sequence.shape[1] if sequence.ndim == 4 and sequence.shape[1] else "L"
        expected["sequence"] = (sequence, (n, length, side, side), "u1")  # type: ignore[assignment]
    if head is not None:
        expected["head"] = (head, (n, 3, 2, 3), "f4")
    for name, (array, shape, kind) in expected.items():
        if array.shape != shape or not (array.dtype.kind == kind or array.dtype.str[1:] == kind):
            wanted = str(shape).replace("'", "")
            return f"{name} is {_kind(array)}, expected {wanted} of {_DTYPES[kind]}"
    return ""


def _kind(array: NDArray[Any]) -> str:
    return f"{array.shape} of {array.dtype}"


def _bad_values(
    landmarks: NDArray[np.float32], head: NDArray[np.float32] | None, texts: dict[str, tuple[str, ...]], meta: Any
) -> str:
    """What no clip can have although its dtype allows it; "" if all is well."""
    with np.errstate(invalid="ignore"):
        if (np.abs(landmarks) > _FARTHEST).any():
            return f"a landmark is infinite or more than {_FARTHEST} px away"
        for first, second in ((range(36, 42), range(42, 48)), ([36], [45]), ([39], [42])):  # eyes, outer, inner corners
            apart = landmarks[:, :, first].mean(2) - landmarks[:, :, second].mean(2)
            if (np.hypot(apart[..., 0], apart[..., 1]) < _NEAREST).any():
                return "the landmarks of both eyes are at one place"
    if head is not None and not np.isfinite(head).all():
        return "a head motion is not a number"
    for name, values in texts.items():
        for row, text in enumerate(values):
            if not is_plain(text):
                return f"{name} of row {row} has characters that no name has: {abbreviate(text)}"
    if not isinstance(meta.get("settings", {}), dict) or not isinstance(meta.get("rows", []), list):
        return "its settings or rows are not what mertool writes"
    return ""


class _Members:
    """Members of an open pack. Nothing is read before its header is known to fit the file, so that no pack, however
    it was made, takes more memory than it has bytes.
    """

    def __init__(self, path: Path, stream: BinaryIO, archive: zipfile.ZipFile) -> None:
        self.names = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
        self._path, self._stream, self._archive = path, stream, archive

    def read(self, name: str) -> NDArray[Any]:
        """A member, compared with its checksum."""
        shape, dtype, offset, entry = self._locate(name)
        self._check(name, entry)
        self._stream.seek(offset)
        data = self._stream.read(math.prod(shape) * dtype.itemsize)
        if dtype.kind == "U" and (dtype.str[0] != "<" or (np.frombuffer(data, "<u4") > sys.maxunicode).any()):
            raise ValueError  # NumPy would make texts of it that crash whatever looks at them
        return np.frombuffer(data, dtype).reshape(shape)

    def map(self, name: str, check: bool) -> NDArray[Any]:
        """A member as a read-only memory map, compared with its checksum if `check` is set."""
        shape, dtype, offset, entry = self._locate(name)
        if check:
            self._check(name, entry)
        if 0 in shape:
            return np.zeros(shape, dtype)
        return np.memmap(self._path, dtype, "r", offset, shape)

    def _check(self, name: str, entry: zipfile.ZipInfo) -> None:
        try:
            with self._archive.open(entry) as member:  # reading to the end compares
                while member.read(2**20):
                    pass
        except zipfile.BadZipFile as error:
            raise PackError(
                f"{self._path}: damaged pack, member {name!r} has changed since it was written; copy it again"
            ) from error

    def _locate(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any], int, zipfile.ZipInfo]:
        """Shape, dtype and place of the values of a member."""
        path, stream, entry = self._path, self._stream, self._archive.getinfo(f"{name}.npy")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise PackError(f"{path}: member {name!r} is compressed; packs are written uncompressed")
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
        size = math.prod(shape) * dtype.itemsize
        if fortran or dtype.hasobject or offset - start + size != entry.file_size or min(shape, default=0) < 0:
            raise PackError(f"{path}: damaged pack, member {name!r} has another size than it says")
        stream.seek(0, 2)
        if offset + size > stream.tell():
            raise PackError(f"{path}: damaged pack, member {name!r} ends after the file; copy it again")
        return shape, dtype, offset, entry
