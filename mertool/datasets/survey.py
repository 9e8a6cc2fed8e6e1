"""What lies in a folder, looked through once: which data set it could be, where its clip folders and tables are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..errors import DataError
from .frames import absolute, is_picture, shown, walk
from .rows import remarks
from .tables import Records, choose_table, is_table

__all__ = ["Folder", "Found", "Survey", "find_clips", "find_table", "survey"]

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder, without the junk in it.

    Attributes:
        path: Where it lies.
        files: Names of the files that are no pictures.
        picture: Name of its first picture; "" where it has none.
    """

    path: Path
    files: tuple[str, ...]
    picture: str


@dataclass(frozen=True, slots=True)
class Survey:
    """All folders from the one that the user gave down, in name order.

    Attributes:
        root: The folder that the user gave.
        folders: It, and those below.
    """

    root: Path
    folders: tuple[Folder, ...]

    @property
    def tables(self) -> list[Path]:
        """Every file that can be an annotation table."""
        return [folder.path / name for folder in self.folders for name in folder.files if is_table(name)]

    @property
    def pictures(self) -> list[Path]:
        """Every folder with pictures."""
        return [folder.path for folder in self.folders if folder.picture]

    def shown(self, path: Path) -> str:
        """A path for a message: as seen from beside the folder that the user gave."""
        return shown(path, self.root)

    def files(self, suffix: str) -> Iterator[Path]:
        """Every file, pictures aside, whose name ends in `suffix`."""
        return (f.path / name for f in self.folders for name in f.files if name.lower().endswith(suffix))


def survey(root: Path) -> Survey:
    """Look through a folder.

    Raises:
        FileError: It, or a folder in it, is missing or cannot be read.
    """
    found = []
    for path, _, names in walk(absolute(root)):  # names of folders count, also of those above it
        picture = next((name for name in names if is_picture(name)), "")
        found.append(Folder(path, tuple(name for name in names if not is_picture(name)), picture))
    return Survey(root, tuple(found))


class Found(NamedTuple):
    """An annotation table that was found."""

    path: Path
    records: Records
    described: str
    notes: list[str]


def find_table(
    seen: Survey,
    official: Sequence[str],
    named: Sequence[str],
    read: Callable[[Path], Records | None],
    *,
    inside: Sequence[Path] | None = None,
    ignored: Sequence[str] = (),
) -> Found:
    """The annotation table in or above a folder, described in a note, with further ones on what was not read.

    Arguments and errors as `mertool.datasets.tables.choose_table`; `inside` are all tables of the survey unless given.
    """
    tables = seen.tables if inside is None else inside
    path, records, notes = choose_table(seen.root, tables, official, named, read, ignored)
    sheet = f", sheet {records.sheet}" if records.sheet else ""
    header = f"header in row {records.header}" if records.header else "without a header"
    described = f"table {seen.shown(path)}{sheet}, {header}, {len(records.rows)} rows"
    return Found(path, records, described, [*notes, *remarks(records)])


def find_clips(
    seen: Survey, key_of: Callable[[Folder], Key | None], root_of: Callable[[Path], Path]
) -> tuple[dict[Key, Path], list[str]]:
    """The clip folders of a data set, of several copies the best one.

    Where a clip is there in two copies, one image root is chosen: raw frames before cropped faces (mertool aligns by
    itself), whole recordings before selected frames, updated crops before the first ones.

    Args:
        seen: The survey.
        key_of: What clip a folder holds; None for any other folder.
        root_of: The image root above a clip's folder.

    Returns:
        The folder of each clip, and a note on each image root, used or not.

    Raises:
        DataError: Two copies have the same claim.
    """
    roots: dict[Path, dict[Key, Path]] = {}
    for folder in seen.folders:
        key = key_of(folder)
        if key is not None:
            there = roots.setdefault(root_of(folder.path), {})
            if key in there:
                raise _twice(seen, there[key], folder.path, folder.path)
            there[key] = folder.path
    chosen: dict[Key, Path] = {}
    of: dict[Key, Path] = {}
    used, notes = [], []
    for root in sorted(roots, key=lambda root: (*_rank(seen, root), root)):
        double = next((key for key in roots[root] if key in chosen), None)
        if double is None:
            chosen |= roots[root]
            of |= dict.fromkeys(roots[root], root)
            used.append(root)
        elif _rank(seen, of[double]) == _rank(seen, root):
            raise _twice(seen, chosen[double], roots[root][double], of[double])
        else:
            only = len(set(roots[root]) - set(chosen))
            missed = f"; {only} clips are only there" if only else ""
            notes.append(
                f"not used: {seen.shown(root)}, another copy of clips in {seen.shown(of[double])}{missed}; "
                "give its folder to read it"
            )
    if used:
        notes.insert(0, f"image root {', '.join(seen.shown(root) for root in sorted(used))}")
    return chosen, notes


def _rank(seen: Survey, root: Path) -> tuple[bool, bool, bool]:
    where = seen.shown(root).lower()
    return "crop" in where, "select" in where, "updated" not in where


def _twice(seen: Survey, one: Path, other: Path, root: Path) -> DataError:
    return DataError(
        f"{seen.root}: clip {one.name} is there twice: {seen.shown(one)} and {seen.shown(other)}; "
        f"give the folder of one copy, e.g. {seen.shown(root)}"
    )
