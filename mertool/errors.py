"""Exceptions of mertool. Every message is one line: where, what is wrong, what was expected, what to do."""

from __future__ import annotations

__all__ = [
    "AnnotationError",
    "DataError",
    "FileError",
    "MertoolError",
    "PackError",
    "PictureError",
    "RunError",
    "UnfinishedRunError",
    "UsageError",
]


class MertoolError(Exception):
    """Base of every failure that is the input's fault, not a bug. The commands exit with `exit_code`."""

    exit_code = 1


class UsageError(MertoolError, ValueError):
    """The command or call was wrong before any file was looked at (exit code 2)."""

    exit_code = 2


class FileError(MertoolError, OSError):
    """A file or folder is missing, unreadable or cannot be written."""


class DataError(MertoolError, ValueError):
    """A file was read, but what it says cannot be used. Its children say which kind of file."""


class AnnotationError(DataError):
    """A data set's folder, annotation table or manifest: damaged, ambiguous or contradictory."""


class PictureError(DataError):
    """A picture of a recording: damaged, cut short, or of a kind that cannot be used."""


class PackError(DataError):
    """A pack: damaged, incomplete, or written by a newer mertool."""


class RunError(DataError):
    """A run folder: not finished, damaged or edited, or it no longer fits what it was made from."""


class UnfinishedRunError(RunError):
    """A run folder that is in order, but some of its folds are still to be done."""
