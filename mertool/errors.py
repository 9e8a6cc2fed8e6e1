"""Exceptions of mertool. Every message is one line: where, what was expected, what came, what to try."""

from __future__ import annotations

__all__ = ["AnnotationError", "DataError", "FileError", "MertoolError", "PackError", "PictureError", "UsageError"]


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
