"""Exceptions of mertool. Every message is one line: where, what was expected, what came, what to try."""

from __future__ import annotations

__all__ = ["DataError", "FileError", "MertoolError", "UsageError"]


class MertoolError(Exception):
    """Base of every failure that is the input's, not a bug of mertool's. The commands exit with `exit_code`."""

    exit_code = 1


class UsageError(MertoolError, ValueError):
    """The command or call was wrong before any file was looked at (exit code 2)."""

    exit_code = 2


class DataError(MertoolError, ValueError):
    """A file was read, but what it says cannot be used."""


class FileError(MertoolError, OSError):
    """A file or folder is missing, unreadable or cannot be written."""
