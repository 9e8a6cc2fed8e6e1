"""Files: written atomically, so that a killed process leaves no half of one; read only if they are regular and of a
sensible size; JSON, .npz, hashes, locks.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import json
import os
import platform
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .errors import DataError, FileError
from .text import os_error_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "atomic_file",
    "check_writable",
    "file_lock",
    "file_sha256",
    "make_folder",
    "open_regular",
    "read_arrays",
    "read_bytes",
    "read_json",
    "read_text",
    "refuse_links",
    "write_arrays",
    "write_json",
    "write_text",
]

_DEEPEST = 50  # lists and objects inside each other in a JSON file: many more than mertool's have
_LARGEST = 2**42  # bytes of any file
_LARGEST_JSON = 2**28  # bytes; a run of 100,000 clips has 20 MB
_HOST = platform.node().replace(".", "_")


def _reason_to_write(error: OSError) -> str:
    """`os_error_text`, and where what was to be written may go instead."""
    advice = "; choose a place that you may write to"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return os_error_text(error) + advice
    return os_error_text(error)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`; on a clean exit sync it and rename it to `path`.

    After any failure or kill, `path` is what it was before. Temporary files are named `.<name>.*.tmp`; those that a
    killed process left are removed by the next one that writes `path`. A link stays, and the file that it leads to is
    written. What is no regular file (a pipe, `/dev/null`, `/dev/stdout`) is written into.

    Raises:
        FileError: The file cannot be written (no space, no permission, no such folder).
    """
    name = None
    try:
        if _is_special(path):
            with _open_special(path) as stream:
                yield stream
            return
        target = Path(os.path.realpath(path))
        _remove_leftovers(target)
        handle, name = _make_temporary(target)
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
        name = None
        _sync_folder(target.parent)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {_reason_to_write(error)}") from error
    finally:
        if name is not None:
            _unlink(name)


def _make_temporary(path: Path) -> tuple[int, str]:
    prefix = f".{path.name}.{_HOST}.{os.getpid()}."
    return tempfile.mkstemp(prefix=prefix, suffix=".tmp", dir=path.parent)


def _is_special(path: Path) -> bool:
    """Whether something is there that must not be replaced by a file: a device, a pipe, an open file of a process."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "Is a directory")
    return not stat.S_ISREG(mode) or path.absolute().parts[1:2] in (("dev",), ("proc",))


def _open_special(path: Path) -> io.BufferedWriter:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "nothing reads from this pipe") from error
        raise
    if stat.S_ISBLK(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is a disk")
    os.set_blocking(handle, True)
    return os.fdopen(handle, "wb")


def check_writable(path: Path) -> None:
    """Make sure, before long work, that `path` can be written: a temporary file is made beside it and removed.

    Raises:
        FileError: It cannot.
    """
    try:
        if _is_special(path):
            _open_special(path).close()
            return
        handle, name = _make_temporary(Path(os.path.realpath(path)))
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {_reason_to_write(error)}") from error
    os.close(handle)
    _unlink(name)


def open_regular(path: Path, largest: int) -> io.BufferedReader:
    """Open a regular file for reading; a device could have no end, and a pipe no writer.

    Args:
        path: The file, or a link to it.
        largest: Bytes; a larger file is refused before it fills the memory.

    Raises:
        OSError: It is missing, no regular file, too large or cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "Is a directory", str(path))
        if not stat.S_ISREG(found.st_mode):
            kind = "a pipe" if stat.S_ISFIFO(found.st_mode) else "a device"
            raise OSError(errno.EINVAL, f"expected a file, got {kind}", str(path))
        if found.st_size > largest:
            raise OSError(
                errno.EFBIG, f"has {found.st_size} bytes, more than any such file of mertool's ({largest})", str(path)
            )
    except BaseException:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def read_bytes(path: Path, largest: int) -> bytes:
    """The content of a regular file; as `open_regular`."""
    with open_regular(path, largest) as stream:
        return stream.read()


def read_text(path: Path, largest: int, errors: str = "strict") -> str:
    """The UTF-8 text of a regular file with its line ends as they are; as `open_regular`, and for what is no UTF-8 as
    `bytes.decode`.
    """
    return read_bytes(path, largest).decode("utf-8-sig", errors)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, atomically."""
    with atomic_file(path) as stream:
        stream.write(text.encode("utf-8", "surrogateescape"))  # names on disk need not be UTF-8


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON to `path`, atomically. NaN is refused: it is not JSON."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        FileError: The file is missing or cannot be read.
        DataError: It is not JSON.
    """
    deep = DataError(f"{path}: nested more than {_DEEPEST} times; it was damaged or is not mertool's")
    try:
        value = json.loads(read_bytes(path, _LARGEST_JSON).decode("utf-8", "surrogateescape"))
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error
    except ValueError as error:
        raise DataError(f"{path}: not a JSON file ({error}); it was damaged or is not mertool's") from error
    except RecursionError as error:
        raise deep from error
    level = [value]
    for _ in range(_DEEPEST):
        lists = [
            list(item.values()) if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)
        ]
        level = [item for items in lists for item in items]
    if level:
        raise deep
    return value


def write_arrays(path: Path, members: Mapping[str, NDArray[Any]]) -> None:
    """Write an .npz of uncompressed members without pickles, atomically; equal members give equal bytes.

    Raises:
        FileError: It cannot be written.
    """
    import numpy as np  # here, because commands that only print their help import this module

    with atomic_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in members.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # its date is always 1980-01-01
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_arrays(path: Path, largest: int) -> dict[str, NDArray[Any]]:
    """The members of a file of `write_arrays`.

    Raises:
        OSError: As `open_regular`.
        Exception: Nearly every kind, on damaged input.
    """
    import numpy as np

    arrays = {}
    with open_regular(path, largest) as stream, zipfile.ZipFile(stream) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"member {entry.filename} is compressed")  # a few bytes could fill the memory
            with archive.open(entry) as member:
                arrays[entry.filename.removesuffix(".npy")] = np.lib.format.read_array(member, allow_pickle=False)
    return arrays


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file.

    Raises:
        FileError: It cannot be read.
    """
    try:
        with open_regular(path, _LARGEST) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {os_error_text(error)}") from error


def make_folder(path: Path) -> None:
    """Make a folder and its parents; one that exists is left as it is.

    Raises:
        FileError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{path}: cannot make this folder: {_reason_to_write(error)}") from error


def refuse_links(paths: Iterable[Path]) -> None:
    """Refuse links where a run is written: what is written there would land outside of it.

    Raises:
        FileError: One of the paths is a link.
    """
    for path in paths:
        if path.is_symlink():
            kind = "folder" if path.is_dir() else "file"
            raise FileError(f"{path}: is a link; expected a {kind} of the run; put the {kind} itself in its place")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unlink(name: str | Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # Some file systems and Windows cannot sync a folder.
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_leftovers(path: Path) -> None:
    for name in os.listdir(path.parent):
        start = f".{path.name}.{_HOST}."
        if name.startswith(start) and name.endswith(".tmp"):  # another machine's processes cannot be asked
            pid = name[len(start) :].split(".")[0]
            if pid.isdigit() and not _is_alive(int(pid)):
                _unlink(path.parent / name)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def file_lock(path: Path, busy: str | None = None) -> Iterator[None]:
    """Hold a lock that vanishes with this process, however it ends.

    Args:
        path: The lock's file; it is left behind, empty.
        busy: Message to fail with at once when another process holds the lock; None waits for it.

    Raises:
        FileError: Another process holds it, or the file cannot be made.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {_reason_to_write(error)}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy is not None else 0))
        except BlockingIOError:
            raise FileError(busy) from None
        except OSError as error:
            raise FileError(f"{path}: cannot be locked: {os_error_text(error)}; choose a local disk with -o") from error
        yield
    finally:
        os.close(handle)
