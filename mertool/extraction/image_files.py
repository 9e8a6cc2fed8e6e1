"""Picture files -> 8-bit arrays, with a reason for every file that cannot be one.

OpenCV decodes; what its decoders would only print to the screen, or not say at all (a picture cut short, damaged in the
middle, with 16 bits or transparency), is an error here.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError, PictureError
from ..files import atomic_file, read_bytes
from ..text import os_error_text

__all__ = ["MAX_PIXELS", "decode_picture", "looks_like_photograph", "picture_bytes", "read_picture", "write_png"]

# Beyond this a file is more likely a mistake than a frame (the largest cameras in use give 2 to 4 megapixels), and
# decoding it would take gigabytes.
MAX_PIXELS = 2**27
_LARGEST = 2**30  # bytes: that many pixels in colour, uncompressed

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_ALPHA = (4, 6)  # PNG colour types: grey and RGB, each with transparency
# Of 59 portraits of 30 people: details of red and blue correlate by 0.72 to 0.99, and the middle of all but one person
# is coloured by 10 to 43 grey levels.
_SHARED_DETAILS = 0.6
_COLOUR_CAST = 8.0  # grey levels
_CAPTURE = threading.Lock()


def picture_bytes(path: Path) -> bytes:
    """The content of a picture file.

    Raises:
        OSError: It is missing, no regular file, too large or cannot be read.
    """
    return read_bytes(path, _LARGEST)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture file; see `decode_picture`. Any path that the system can open works, also a non-ASCII one.

    Raises:
        FileError: The file is missing or cannot be read.
        PictureError: See `decode_picture`.
    """
    try:
        data = picture_bytes(path)
    except OSError as error:
        raise FileError(f"{path}: cannot read this picture: {os_error_text(error)}") from error
    return decode_picture(data, str(path))


def decode_picture(data: bytes, name: str) -> NDArray[np.uint8]:
    """Decode a picture file's bytes (jpg, png, bmp, tiff and whatever else this OpenCV reads).

    The orientation that a camera wrote into the file is applied. Palettes and 1-bit pictures become 8-bit ones.
    Damage inside a JPEG is noticed where the decoder notices it: a third of single changed bytes, nine in ten changes
    of 50 bytes, all of 512.

    Args:
        data: Content of the file.
        name: What messages call it.

    Returns:
        (H, W) uint8 for a grey file, (H, W, 3) uint8 in the order blue, green, red for a coloured one.

    Raises:
        PictureError: Empty, not a picture, cut short, damaged, not 8 bits per channel, transparent, or larger than
            `MAX_PIXELS`.
    """
    import cv2

    if not data:
        raise PictureError(f"{name}: expected a picture, got an empty file; copy it again")
    _check_header(data, name)
    buffer = np.frombuffer(data, np.uint8)
    with _captured_stderr() as printed:
        try:
            image = cv2.imdecode(buffer, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
            # A PNG's header was checked, JPEG and BMP have no transparency; only the rare rest is decoded twice.
            twice = image is not None and not data.startswith((_PNG, _JPEG, b"BM"))
            unchanged = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if twice else None
        except cv2.error:
            image = unchanged = None
    if image is None or "Corrupt JPEG data" in printed[0] or "Premature end" in printed[0]:
        raise PictureError(f"{name}: {_why_not(data, printed[0])}")
    _check_size(image.shape[1], image.shape[0], name)
    if image.dtype != np.uint8:
        raise PictureError(_wrong_depth(name, f"{8 * image.dtype.itemsize}-bit"))
    if unchanged is not None and unchanged.shape[2:] == (4,):
        raise PictureError(_transparent(name))
    return np.asarray(image, np.uint8)


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write (H, W) grey or (H, W, 3) blue-green-red uint8 as a PNG; it appears whole or not at all.

    Raises:
        FileError: It cannot be written.
    """
    import cv2

    encoded = cv2.imencode(".png", image)[1]
    with atomic_file(path) as stream:
        stream.write(encoded.tobytes())


def _check_header(data: bytes, name: str) -> None:
    """Refuse what the first bytes show: before memory is spent on it, or because decoding would hide it."""
    if data.startswith(_PNG) and len(data) >= 33:
        width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
        if depth == 16:
            raise PictureError(_wrong_depth(name, "16-bit"))
        if colour in _ALPHA or b"tRNS" in data[33 : data.find(b"IDAT")]:
            raise PictureError(_transparent(name))
        _check_size(width, height, name)
    elif data.startswith(_JPEG):
        at = 2
        while at + 9 <= len(data) and data[at] == 0xFF:
            marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame header, SOF
                depth, height, width = struct.unpack(">BHH", data[at + 4 : at + 9])
                if depth != 8:
                    raise PictureError(_wrong_depth(name, f"{depth}-bit"))
                _check_size(width, height, name)
                return
            at += 2 + length


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{name}: expected a picture of at most {MAX_PIXELS // 2**20} megapixels, got {width}x{height}; reduce it"
        )


def _wrong_depth(name: str, depth: str) -> str:
    return f"{name}: expected 8 bits a channel, got {depth}; convert it, choosing yourself how greys are scaled"


def _transparent(name: str) -> str:
    return f"{name}: expected a grey or coloured picture, got a transparent one; convert it without alpha channel"


def _why_not(data: bytes, printed: str) -> str:
    for kind, start, end in (("JPEG", _JPEG, b"\xff\xd9"), ("PNG", _PNG, b"IEND")):
        if data.startswith(start) and end not in data[-4096:]:
            return f"this {kind} is cut short (its end is missing); copy it again"
    if printed or data.startswith((_PNG, _JPEG)):
        # OpenCV's own lines, "[ERROR:0@0.218] ...", give the time rather than the cause.
        causes = [line for line in printed.splitlines() if line and not line.startswith("[")]
        cause = causes[-1].removeprefix("Warning: ") if causes else "it cannot be decoded"
        return f"this picture is damaged ({cause}); copy it again"
    return f"expected a picture, got something else or a format OpenCV cannot read (starts with {data[:8]!r})"


@contextlib.contextmanager
def _captured_stderr() -> Iterator[list[str]]:
    """Keep what C code prints to the screen: the list's one text is set on leaving.

    libjpeg and libpng print from C, so that only replacing file descriptor 2 catches them, and their warning is the
    only sign of a damaged JPEG. Another thread's messages in these milliseconds are lost.
    """
    printed = [""]
    with _CAPTURE, tempfile.TemporaryFile() as file:
        try:
            screen = os.dup(2)
        except OSError:  # The process has no stderr, so nothing can appear on it either.
            yield printed
            return
        try:
            os.dup2(file.fileno(), 2)
            yield printed
        finally:
            os.dup2(screen, 2)
            os.close(screen)
        file.seek(0)
        printed[0] = file.read().decode("utf-8", "replace")


def looks_like_photograph(picture: NDArray[np.uint8]) -> bool:
    """Whether the channels of a (H, W, 3) picture are the colours of one photograph, not three stacked key frames.

    The colours of a photograph share its details, but differ in brightness over whole areas. Stacked frames of a still
    head have the same brightness, those of a moved head other details, and so have the channels of a flow picture.
    """
    import cv2

    small = cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA).astype(np.float32)
    details = small - cv2.blur(small, (9, 9))
    blue, red = details[..., 0], details[..., 2]
    strength = math.sqrt(float((blue**2).sum() * (red**2).sum()))
    if float((blue * red).sum()) <= _SHARED_DETAILS * strength:
        return False
    areas = cv2.resize(small, (16, 16), interpolation=cv2.INTER_AREA)[4:12, 4:12]  # the middle, where the face is
    return float(np.median(np.abs(areas[..., 0] - areas[..., 2]))) > _COLOUR_CAST
