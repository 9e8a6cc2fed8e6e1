"""Pictures: what can be read is read exactly; what cannot is one named line, and nothing reaches the screen."""

from __future__ import annotations

import os
import struct
import zlib

import cv2
import numpy as np
import pytest

from mertool.errors import DataError, FileError
from mertool.extraction import image_files
from mertool.extraction.image_files import MAX_PIXELS, decode_picture, read_picture, write_png

RNG = np.random.default_rng(0)
GREY = cv2.resize(RNG.integers(0, 256, (12, 16), dtype=np.uint8), (96, 64), interpolation=cv2.INTER_CUBIC)
COLOUR = np.dstack([GREY, GREY[::-1], GREY[:, ::-1]])


def encode(extension, image, *options):
    return cv2.imencode(extension, image, *options)[1].tobytes()


def png(width, height, colour=0, depth=8, raw=b"", extra=b""):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    )


def jpeg_size(data, width, height, precision=8):
    """The same JPEG with another frame header."""
    place = data.index(b"\xff\xc0") + 4
    return data[:place] + struct.pack(">BHH", precision, height, width) + data[place + 5 :]


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff", ".pgm"])
def test_lossless_grey_comes_back_exactly(extension):
    image = decode_picture(encode(extension, GREY), "a")
    assert image.dtype == np.uint8
    assert np.array_equal(image, GREY)


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff", ".ppm"])
def test_lossless_colour_comes_back_exactly_as_bgr(extension):
    assert np.array_equal(decode_picture(encode(extension, COLOUR), "a"), COLOUR)


def test_jpeg_grey_has_two_axes_and_colour_three():
    assert np.abs(decode_picture(encode(".jpg", GREY, [1, 98]), "a").astype(int) - GREY).max() < 12
    assert decode_picture(encode(".jpg", COLOUR), "a").shape == COLOUR.shape


def test_one_bit_and_palette_pngs_become_eight_bit():
    assert np.array_equal(decode_picture(png(10, 2, 0, 1, b"\0\xff\xc0\0\0\0"), "a"), [[255] * 10, [0] * 10])
    palette = b"PLTE" + bytes([1, 2, 3, 7, 8, 9])
    palette = struct.pack(">I", 6) + palette + struct.pack(">I", zlib.crc32(palette))
    assert np.array_equal(decode_picture(png(2, 1, 3, 8, b"\0\0\1", palette), "a"), [[[3, 2, 1], [9, 8, 7]]])


def test_camera_orientation_is_applied():
    data = encode(".jpg", GREY, [1, 100])
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">H", 1) + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
    exif = b"Exif\0\0" + tiff
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    assert np.array_equal(decode_picture(turned, "a"), np.rot90(decode_picture(data, "a"), -1))


def test_non_ascii_path_and_png_round_trip(tmp_path):
    path = tmp_path / "Ordner ß 顔" / "gesicht ü.png"
    path.parent.mkdir()
    write_png(path, GREY)
    assert np.array_equal(read_picture(path), GREY)
    write_png(path, COLOUR[::2, ::-1])
    assert np.array_equal(read_picture(path), COLOUR[::2, ::-1])
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_write_png_into_a_missing_folder_names_the_file(tmp_path):
    with pytest.raises(FileError, match=r"none.*x\.png: cannot be written: no such file"):
        write_png(tmp_path / "none" / "x.png", GREY)


def test_missing_file_and_folder_name_the_cause(tmp_path):
    with pytest.raises(FileError, match=r"x\.jpg: cannot read this picture: no such file"):
        read_picture(tmp_path / "x.jpg")
    with pytest.raises(FileError, match="cannot read this picture: is a directory"):
        read_picture(tmp_path)


JPG, PNG = encode(".jpg", GREY), encode(".png", COLOUR)
HUGE = f"expected a picture of at most {MAX_PIXELS // 2**20} megapixels, got "
TRANSPARENT = "expected a grey or coloured picture, got a transparent one; convert"
TRNS = struct.pack(">I", 2) + b"tRNS\0\0" + struct.pack(">I", zlib.crc32(b"tRNS\0\0"))
BAD = {
    "empty": (b"", "expected a picture, got an empty file"),
    "text": (b"not a picture at all", r"got something else or a format OpenCV cannot read \(starts with b'not a pi'\)"),
    "jpg half": (JPG[: len(JPG) // 2], "this JPEG is cut short"),
    "jpg without end": (JPG[:-2], "this JPEG is cut short"),
    "jpg header only": (JPG[:30], "this JPEG is cut short"),
    "jpg end zeroed": (JPG[:-200] + bytes(200), "this JPEG is cut short"),
    "png half": (PNG[: len(PNG) // 2], "this PNG is cut short"),
    "png bad crc": (PNG[:300] + bytes([PNG[300] ^ 1]) + PNG[301:], "this picture is damaged .*CRC"),
    "png too little data": (png(100, 100, raw=bytes(50)), r"this picture is damaged \(libpng error"),
    "png zero width": (png(0, 10), "this picture is damaged"),
    "png huge": (png(100_000, 100_000), HUGE + "100000x100000"),
    "jpg huge": (jpeg_size(JPG, 60_000, 50_000), HUGE + "60000x50000"),
    "jpg 12 bits": (jpeg_size(JPG, 96, 64, 12), "expected 8 bits a channel, got 12-bit"),
    "png 16 bits": (encode(".png", GREY.astype(np.uint16) * 257), "expected 8 bits a channel, got 16-bit; convert"),
    "tiff 16 bits": (encode(".tiff", GREY.astype(np.uint16) * 257), "expected 8 bits a channel, got 16-bit; convert"),
    "tiff float": (encode(".tiff", GREY.astype(np.float32)), "expected 8 bits a channel, got 32-bit"),
    "png rgba": (encode(".png", cv2.cvtColor(COLOUR, cv2.COLOR_BGR2BGRA)), TRANSPARENT),
    "png grey and alpha": (png(2, 1, 4, 8, bytes(5)), TRANSPARENT),
    "png transparent grey": (png(2, 1, 0, 8, bytes(3), TRNS), TRANSPARENT),
    "tiff rgba": (encode(".tiff", cv2.cvtColor(COLOUR, cv2.COLOR_BGR2BGRA)), TRANSPARENT),
    "bmp half": (encode(".bmp", COLOUR)[:5000], r"this picture is damaged \(it cannot be decoded\); copy it again"),
    "tiff half": (encode(".tiff", COLOUR)[:5000], "this picture is damaged"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_picture_is_one_line_and_silent(case, capfd):
    data, message = BAD[case]
    with pytest.raises(DataError, match=r"^frame\.jpg: .*" + message) as caught:
        decode_picture(data, "frame.jpg")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_damage_inside_a_jpeg_is_noticed(capfd):
    """200 random bytes anywhere in the coded data: the decoder only warns, and only on the screen."""
    data = encode(".jpg", cv2.resize(GREY, (640, 480), interpolation=cv2.INTER_CUBIC), [1, 95])
    start = data.index(b"\xff\xda") + 12
    noticed = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        place = int(rng.integers(start, len(data) - 202))
        damaged = data[:place] + rng.integers(0, 256, 200, dtype=np.uint8).tobytes() + data[place + 200 :]
        try:
            decode_picture(damaged, "f")
        except DataError:
            noticed += 1
    assert noticed >= 19
    assert capfd.readouterr() == ("", "")


def test_the_cause_is_told_without_the_decoders_own_label():
    """Found by mutated pictures, whose last words were a warning."""
    told = image_files._why_not(JPG, "[ WARN:0@1.2] x\nWarning: unknown JFIF revision number 16.01\n")
    assert told == "this picture is damaged (unknown JFIF revision number 16.01); copy it again"


def test_harmless_decoder_warning_is_neither_shown_nor_an_error(capfd):
    """libpng warns of many ICC profiles and unknown chunks with errors; the picture is fine."""
    gamma = b"gAMA" + bytes(4)
    chunk = struct.pack(">I", 4) + gamma + struct.pack(">I", zlib.crc32(gamma))
    assert decode_picture(PNG[:33] + chunk + PNG[33:], "a").shape == COLOUR.shape
    assert capfd.readouterr() == ("", "")


def test_stderr_works_again_after_decoding(capfd):
    decode_picture(JPG, "a")
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"
