"""Words that messages share: plurals, shortened lists and values, causes of system errors."""

from __future__ import annotations

import errno
import re
import unicodedata
from collections.abc import Sequence

__all__ = [
    "abbreviate",
    "display_width",
    "few",
    "is_plain",
    "one_line",
    "os_error_text",
    "plural",
    "printable",
    "strip_control_chars",
    "video_advice",
]

_LONGEST = 60  # characters of a wrong value in a message
_LONGEST_LINE = 500
_DRIVING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # as `_DRIVES`, but \t and \n
_VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm", ".wmv")
_DRIVES = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of characters, separators of lines


def plural(n: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def few(names: Sequence[str], most: int = 3) -> str:
    """The first names of a list, and how many more there are: `a, b, c and 4 more`."""
    listed = ", ".join(names[:most])
    if len(names) > most:
        return f"{listed} and {len(names) - most} more"
    return listed


def duration(seconds: float) -> str:
    """`21 s`, `5 min`, `2.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 5970:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def abbreviate(value: object) -> str:
    """A value as it is written in Python, cut where a long text would drown the message."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def os_error_text(error: OSError) -> str:
    """Short cause of an OSError for a message: `no such file or directory`, without path and number."""
    if error.errno == errno.ENOSPC:
        return "no space left on the device; free some or choose another place with -o"
    return (error.strerror or str(error)).lower()


def strip_control_chars(text: str) -> str:
    """The text with control characters as escapes: they drive a terminal or break a line."""
    return "".join(repr(mark)[1:-1] if unicodedata.category(mark) in _DRIVES else mark for mark in text)


def printable(text: str) -> str:
    """Lines, tables or JSON as they may reach a terminal: what would drive it is written `\\u001b`, as JSON does."""
    return _DRIVING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def is_plain(text: str) -> bool:
    """Whether a text can be printed and stored everywhere: valid Unicode without control characters."""
    return all(unicodedata.category(mark) not in _DRIVES for mark in text)


def one_line(text: str) -> str:
    """A message as it may reach a terminal: one line of at most 500 characters, without anything that drives it.

    A long message loses its middle: its beginning says where, its end what to do.
    """
    text = strip_control_chars(text)
    if len(text) <= _LONGEST_LINE:
        return text
    half = (_LONGEST_LINE - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def display_width(text: str) -> int:
    """Columns of a terminal: wide East Asian characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    marks = sum(unicodedata.combining(c) > 0 for c in text)
    return len(text) - marks + sum(unicodedata.east_asian_width(c) in "WF" for c in text)


def video_advice(name: str) -> str:
    """What to do with a file that is named as a video is; "" for any other."""
    if not name.lower().endswith(_VIDEOS):
        return ""
    return (
        "a video, which mertool does not read; cut it into numbered pictures (ffmpeg -i VIDEO FOLDER/%05d.png) and "
        "name their folder in a .csv manifest"
    )
