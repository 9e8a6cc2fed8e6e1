"""Folders of frames: what counts as a frame, which number it has, and which one is nearest to a wanted number.

The number of a frame is the last run of digits in its stem, whatever the padding: SAMM alone has files of four and of
five digits after a prefix that contains digits too (`006_05562.jpg`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import FileError
from ..text import os_error_text

__all__ = [
    "Frames",
    "absolute",
    "frame_number",
    "index_frames",
    "is_junk",
    "is_picture",
    "list_files",
    "shown",
    "walk",
]

DEPTH = 12  # CASME3/part_A/part_A/data/part_A_split/part_A/spNO.1/a/color has nine
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
_LAST_DIGITS = re.compile(r"([0-9]+)[^0-9]*$", re.ASCII)
_COPY = re.compile(r" (?:\([0-9]+\)|- Copy)(\.[a-z]+)$", re.ASCII | re.IGNORECASE)
_JUNK = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of one folder.

    Attributes:
        folder: Where they are.
        names: Frame number -> file name.
        duplicates: Frame number -> the two or more files that claim it; these numbers are not in `names`.
    """

    folder: Path
    names: dict[int, str]
    duplicates: dict[int, tuple[str, ...]]

    def nearest(self, number: int, max_gap: int) -> int | None:
        """The frame on disk nearest to `number` (of two, the earlier), or None if all are more than `max_gap` away."""
        near = [n for step in range(max_gap + 1) for n in (number - step, number + step) if n in self.names]
        return near[0] if near else None

    def path(self, number: int) -> Path:
        """The picture of a frame."""
        return self.folder / self.names[number]


def is_junk(name: str) -> bool:
    """Whether a file or folder is not part of any data set: hidden, a lock file, or left by a file manager."""
    low = name.lower()
    return low.startswith((".", "~$")) or low in _JUNK or low.endswith(".lnk")


def is_picture(name: str) -> bool:
    """Whether a file of this name is a picture."""
    return name.lower().endswith(_PICTURES) and not is_junk(name)


def frame_number(name: str) -> int | None:
    """The frame number of a picture's file name; None for anything else."""
    if not is_picture(name):
        return None
    digits = _LAST_DIGITS.search(name.rpartition(".")[0])
    return int(digits[1]) if digits else None


def index_frames(folder: Path) -> Frames:
    """The frames of a folder, read once.

    Raises:
        FileError: The folder is missing or cannot be read.
    """
    found: dict[int, list[str]] = {}
    try:
        with os.scandir(folder) as entries:
            names = {entry.name for entry in entries if frame_number(entry.name) is not None and entry.is_file()}
    except OSError as error:
        raise FileError(f"{folder}: cannot be read: {os_error_text(error)}") from error
    for name in names:
        if _COPY.search(name) and _COPY.sub(r"\1", name) in names:
            continue  # a copy that a file manager made: "image000100 (2).bmp" is no frame 2
        found.setdefault(frame_number(name) or 0, []).append(name)
    return Frames(
        folder,
        {number: names[0] for number, names in found.items() if len(names) == 1},
        {number: tuple(sorted(names)) for number, names in found.items() if len(names) > 1},
    )


def walk(folder: Path, depth: int = DEPTH) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder with its folders and files, from the top, in name order, without junk, through links, each once.

    The caller keeps the walk out of folders by taking them from the list. It ends `depth` folders down.

    Raises:
        FileError: A folder is missing or cannot be read.
    """

    def stop(error: OSError) -> None:
        raise FileError(f"{error.filename}: cannot be read: {os_error_text(error)}") from error

    visited: set[tuple[int, int]] = set()
    for here, folders, files in os.walk(folder, onerror=stop, followlinks=True):
        status = Path(here).stat()
        if (
            status.st_dev,
            status.st_ino,
        ) in visited:  # a link to a folder that was visited already, perhaps to one above it
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not is_junk(name))
        yield Path(here), folders, sorted(name for name in files if not is_junk(name))
        if len(Path(here).parts) - len(folder.parts) >= depth - 1:
            folders.clear()


def list_files(folder: Path) -> list[str]:
    """The names of a folder's files, sorted; none if it cannot be read."""
    return next((sorted(files) for _, _, files in os.walk(folder)), [])


def shown(path: Path, folder: Path) -> str:
    """`path` for a message or a note, relative to the parent of the folder that the user gave: never absolute."""
    return Path(os.path.relpath(path, absolute(folder).parent)).as_posix()


def absolute(folder: Path) -> Path:
    """The folder from the root, without "..", links as they are: what is beside a link is wanted, not its target."""
    return Path(os.path.normpath(folder.absolute()))
