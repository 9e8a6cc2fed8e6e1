"""What is in a folder, looked through once: which data set it could be, where its clip folders and tables are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ..errors import AnnotationError, FileError
from .frames import absolute, is_picture, shown, walk
from .sheets import is_table

__all__ = ["ClipFolders", "Folder", "Survey", "find_clips", "survey_folder"]

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder, without the junk in it.

    Attributes:
        path: Where it is.
        files: Names of the files that are not pictures.
        picture: Name of its first picture; "" if it has none.
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
        """A path for a message, relative to the parent of the folder that the user gave."""
        return shown(path, self.root)

    def files(self, suffix: str) -> Iterator[Path]:
        """Every file, pictures aside, whose name ends in `suffix`."""
        return (f.path / name for f in self.folders for name in f.files if name.lower().endswith(suffix))


def survey_folder(root: Path) -> Survey:
    """Look through a folder.

    Raises:
        FileError: It, or a folder in it, is missing or cannot be read.
    """
    found = []
    for path, _, names in walk(absolute(root)):  # names of folders count, also of those above it
        picture = next((name for name in names if is_picture(name)), "")
        found.append(Folder(path, tuple(name for name in names if not is_picture(name)), picture))
    return Survey(root, tuple(found))


@dataclass(frozen=True, slots=True)
class ClipFolders(Generic[Key]):
    """How the clip folders of a data set are recognised.

    Attributes:
        title: Of the data set, for messages.
        what: What messages call such a folder: "clip folder".
        example: Where one could be, for messages.
        key_of: What clip a folder holds; None for any other folder.
        root_of: The image root above a clip's folder.
        needs_picture: The names of the pictures tell the data set from others: `detect` passes over folders without.
    """

    title: str
    what: str
    example: str
    key_of: Callable[[Folder], Key | None]
    root_of: Callable[[Path], Path]
    needs_picture: bool = False

    def detect(self, survey: Survey) -> str | None:
        """The first such folder, in words; None if there is none."""
        for folder in survey.folders:
            if (folder.picture or not self.needs_picture) and self.key_of(folder):
                picture = f" with {folder.picture}" if self.needs_picture else ""
                return f"the {self.what} {survey.shown(folder.path)}{picture}"
        return None

    def find(self, survey: Survey) -> tuple[dict[Key, Path], list[str]]:
        """The folder of each clip, and a note on each image root; see `find_clips`.

        Raises:
            FileError: There is none.
            AnnotationError: Two copies have the same claim.
        """
        folders, notes = find_clips(survey, self.key_of, self.root_of)
        if not folders:
            raise self.missing(survey)
        return folders, notes

    def missing(self, survey: Survey) -> FileError:
        """The error for a folder without any clip folder."""
        return FileError(f"{survey.root}: no {self.what} of {self.title} in it or below; expected e.g. {self.example}")


def find_clips(
    survey: Survey, key_of: Callable[[Folder], Key | None], root_of: Callable[[Path], Path]
) -> tuple[dict[Key, Path], list[str]]:
    """The clip folders of a data set; of several copies, the best one.

    Where a clip is there in two copies, one image root is chosen: raw frames before cropped faces (mertool aligns by
    itself), whole recordings before selected frames, updated crops before the first ones.

    Args:
        survey: The folder that the user gave.
        key_of, root_of: See `ClipFolders`.

    Returns:
        The folder of each clip, and a note on each image root, used or not.

    Raises:
        AnnotationError: Two copies have the same claim.
    """
    roots: dict[Path, dict[Key, Path]] = {}
    for folder in survey.folders:
        key = key_of(folder)
        if key is not None:
            clips = roots.setdefault(root_of(folder.path), {})
            if key in clips:
                raise _duplicate(survey, clips[key], folder.path, folder.path)
            clips[key] = folder.path
    chosen: dict[Key, Path] = {}
    chosen_root: dict[Key, Path] = {}
    used, notes = [], []
    for root in sorted(roots, key=lambda root: (*_rank(survey, root), root)):
        duplicate = next((key for key in roots[root] if key in chosen), None)
        if duplicate is None:
            chosen |= roots[root]
            chosen_root |= dict.fromkeys(roots[root], root)
            used.append(root)
        elif _rank(survey, chosen_root[duplicate]) == _rank(survey, root):
            raise _duplicate(survey, chosen[duplicate], roots[root][duplicate], chosen_root[duplicate])
        else:
            only = len(set(roots[root]) - set(chosen))
            missed = f"; {only} clips are only there" if only else ""
            notes.append(
                f"not used: {survey.shown(root)}, another copy of clips in {survey.shown(chosen_root[duplicate])}"
                f"{missed}; give its folder to read it"
            )
    if used:
        notes.insert(0, f"image root {', '.join(survey.shown(root) for root in sorted(used))}")
    return chosen, notes


def _rank(survey: Survey, root: Path) -> tuple[bool, bool, bool]:
    name = survey.shown(root).lower()
    return "crop" in name, "select" in name, "updated" not in name


def _duplicate(survey: Survey, one: Path, other: Path, root: Path) -> AnnotationError:
    return AnnotationError(
        f"{survey.root}: clip {one.name} is there twice: {survey.shown(one)} and {survey.shown(other)}; "
        f"give the folder of one copy, e.g. {survey.shown(root)}"
    )
