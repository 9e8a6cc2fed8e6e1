"""Packs: the same bytes for the same content, memory-mapped, and a named reason for every damage."""

from __future__ import annotations

import json
import warnings
import zipfile
import zlib

import numpy as np
import pytest

from mertool.errors import DataError, FileError
from mertool.pack import load_pack, save_pack
from tests.support.damage import Payload


def content(n=4, size=16, sequence=False):
    rng = np.random.default_rng(3)
    arrays = {
        "frames": rng.integers(0, 256, (n, 3, size, size), np.uint8),
        "landmarks": rng.random((n, 3, 68, 2), np.float32),
        **{name: np.array([f"{name} é{k}" for k in range(n)]) for name in ("clip", "dataset", "subject", "emotion")},
        **{name: np.arange(n, dtype=np.int64) for name in ("onset", "middle", "apex", "offset")},
    }
    if sequence:
        arrays["sequence"] = rng.integers(0, 256, (n, 7, size, size), np.uint8)
    return arrays


def saved(path, meta=None, **changed):
    arrays = {**content(), **changed}
    save_pack(path, {name: array for name, array in arrays.items() if array is not None}, meta or {})
    return path


@pytest.mark.parametrize("sequence", [False, True])
def test_what_is_saved_is_loaded(tmp_path, sequence):
    arrays = content(sequence=sequence)
    save_pack(tmp_path / "a.npz", arrays, {"settings": {"size": 16}})
    pack = load_pack(tmp_path / "a.npz")
    assert isinstance(pack.frames, np.memmap)
    assert not pack.frames.flags.writeable
    np.testing.assert_array_equal(pack.frames, arrays["frames"])
    np.testing.assert_array_equal(pack.landmarks, arrays["landmarks"])
    if sequence:
        np.testing.assert_array_equal(pack.sequence, arrays["sequence"])
    else:
        assert pack.sequence is None
    assert pack.ids[2] == "dataset é2/subject é2/clip é2"
    assert pack.meta["settings"] == {"size": 16}
    with np.load(tmp_path / "a.npz", allow_pickle=False) as plain:  # any NumPy user can open it
        np.testing.assert_array_equal(plain["frames"], arrays["frames"])


def test_equal_content_gives_equal_bytes(tmp_path):
    assert saved(tmp_path / "a.npz").read_bytes() == saved(tmp_path / "b.npz").read_bytes()


def test_landmarks_that_are_missing_are_seen(tmp_path):
    landmarks = content()["landmarks"]
    assert load_pack(saved(tmp_path / "a.npz")).has_landmarks
    landmarks[2] = np.nan
    assert not load_pack(saved(tmp_path / "b.npz", landmarks=landmarks)).has_landmarks


def test_a_future_format_is_refused(tmp_path):
    path = saved(tmp_path / "a.npz", {"format": 9})
    with pytest.raises(DataError, match="pack format 9, this mertool reads up to 1; update mertool"):
        load_pack(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_pack_cut_short_is_refused(tmp_path, share):
    path = saved(tmp_path / "a.npz")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"damaged or not a pack .*; make it again with"):
        load_pack(path)


def test_every_flipped_header_byte_is_an_error_or_harmless(tmp_path):
    """Flips bytes all over the file outside the pixels: a DataError or a loaded pack, never another exception."""
    path = saved(tmp_path / "a.npz")
    data = path.read_bytes()
    outside = [k for k in range(len(data)) if k < 200 or k > 4000]
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.choice(outside, 300, replace=False):
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            load_pack(path)
        except DataError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 200  # nearly every byte there matters


def with_points_at_one_place(points):
    landmarks = np.random.default_rng(0).uniform(0, 100, (4, 3, 68, 2)).astype(np.float32)
    landmarks[2, 1, list(points)] = 7
    return landmarks


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"frames": None}, "incomplete pack, no frames"),
        (
            {"frames": np.zeros((3, 3, 16, 16), np.uint8)},
            r"landmarks is \(4, 3, 68, 2\) of float32, expected \(3, 3, 68, 2\)",
        ),
        ({"frames": np.zeros((4, 3, 16, 16), np.float32)}, "frames is .* of float32, expected .* of uint8"),
        (
            {"frames": np.zeros((4, 2, 16, 16), np.uint8)},
            r"frames are \(4, 2, 16, 16\) of uint8, expected \(N, 3, S, S\)",
        ),
        ({"frames": np.array(3, np.uint8)}, r"frames are \(\) of uint8"),
        ({"frames": np.zeros((4, 3, 0, 0), np.uint8)}, r"frames are \(4, 3, 0, 0\) of uint8"),
        ({"landmarks": np.zeros((4, 3, 67, 2), np.float32)}, r"expected \(4, 3, 68, 2\) of float32"),
        ({"landmarks": np.array(0, np.float32)}, r"landmarks is \(\) of float32"),
        (
            {"landmarks": np.full((4, 3, 68, 2), np.inf, np.float32)},
            "a landmark is infinite or more than 30000 px away",
        ),
        ({"landmarks": np.full((4, 3, 68, 2), 31e3, np.float32)}, "a landmark is infinite or more than 30000 px away"),
        ({"landmarks": np.zeros((4, 3, 68, 2), np.float32)}, "the landmarks of both eyes are at one place"),
        *(
            ({"landmarks": with_points_at_one_place(points)}, "the landmarks of both eyes are at one place")
            for points in (range(36, 48), (36, 45), (39, 42))
        ),
        ({"sequence": np.zeros((4, 5, 8, 8), np.uint8)}, r"sequence is .*, expected \(4, 5, 16, 16\) of uint8"),
        ({"sequence": np.zeros((4, 0, 16, 16), np.uint8)}, r"sequence is .*, expected \(4, L, 16, 16\) of uint8"),
        ({"sequence": np.array(1, np.uint8)}, r"sequence is \(\) of uint8"),
        ({"head": np.full((4, 3, 2, 3), np.nan, np.float32)}, "a head motion is not a number"),
        ({name: np.array(["a"] * 4) for name in ("clip", "dataset", "subject")}, "two rows are the same clip"),
        ({"clip": np.arange(4)}, r"clip is \(4,\) of int64, expected \(4,\) of text"),
        ({"clip": np.array("a")}, r"clip is \(\) of <U1"),
        ({"onset": np.arange(4.0)}, r"onset is \(4,\) of float64, expected \(4,\) of int64"),
        ({"clip": np.array(["a", "b\r", "c", "d"])}, r"clip of row 1 has characters that no name has: 'b\\r'"),
        ({"emotion": np.array(["a", "b", "\x1b[31m", "d"])}, r"emotion of row 2 has .*: '\\x1b\[31m'"),
        ({"subject": np.array(["a", "\ud800", "c", "d"])}, r"subject of row 1 has .*: '\\ud800'"),
    ],
)
def test_members_that_do_not_fit_are_refused(tmp_path, changed, message):
    with pytest.raises(DataError, match=message):
        load_pack(saved(tmp_path / "a.npz", **changed))


@pytest.mark.parametrize("meta", [{"settings": None}, {"settings": [1]}, {"rows": 3}])
def test_settings_and_rows_that_mertool_does_not_write_are_refused(tmp_path, meta):
    with pytest.raises(DataError, match="damaged pack, its settings or rows are not what mertool writes"):
        load_pack(saved(tmp_path / "a.npz", meta))


def test_a_code_point_that_does_not_exist_is_refused(tmp_path):
    path = saved(tmp_path / "a.npz")
    with np.load(path) as members:
        text = members["clip"]
    data, wrong = path.read_bytes(), text.tobytes()[:-4] + b"\xff\xff\xff\x7f"
    path.write_bytes(data.replace(text.tobytes(), wrong))
    with zipfile.ZipFile(path, "a") as archive:  # the checksum is right: somebody wrote it so
        entry = archive.getinfo("clip.npy")
    member = data[data.index(b"\x93NUMPY", data.index(b"clip.npy")) :][: entry.file_size]
    old, new = (zlib.crc32(part).to_bytes(4, "little") for part in (member, member.replace(text.tobytes(), wrong)))
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(DataError, match=r"damaged or not a pack; make it again"):
        load_pack(path)


@pytest.mark.parametrize("name", ["frames", "sequence", "landmarks", "clip"])
def test_a_bit_that_has_flipped_on_the_disk_is_found(tmp_path, name):
    path = saved(tmp_path / "a.npz", sequence=content(sequence=True)["sequence"])
    data = bytearray(path.read_bytes())
    place = data.index(b"\x93NUMPY", data.index(f"{name}.npy".encode())) + 140
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"member '{name}' has changed since it was written; copy it again"):
        load_pack(path)


def test_no_pack_takes_more_memory_than_it_has_bytes(tmp_path):
    """A header that promises more than there is, and a member that grows when it is read."""
    path = tmp_path / "a.npz"
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    described = "{'descr': '<f4', 'fortran_order': False, 'shape': (9000000, 3, 68, 2), }"
    arrays = {**content(), "meta": np.array(json.dumps({"format": 1}))}
    for compression, message in (
        (zipfile.ZIP_STORED, "has another size than it says"),
        (zipfile.ZIP_DEFLATED, "is compressed"),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            for name, array in arrays.items():
                entry = zipfile.ZipInfo(f"{name}.npy")
                if name == "landmarks":
                    entry.compress_type = compression
                    zeros = bytes(2**24) if compression else b""
                    archive.writestr(entry, header + described.ljust(117).encode() + b"\n" + zeros)
                else:
                    with archive.open(entry, "w") as member:
                        np.lib.format.write_array(member, array)
        with pytest.raises(DataError, match=f"member 'landmarks' {message}"):
            load_pack(path)


def test_numpys_own_words_are_not_shown(tmp_path):
    path = saved(tmp_path / "a.npz")
    data = path.read_bytes()
    place = data.index(b"'descr'", data.index(b"landmarks.npy"))
    for wrong in (b"'descr':L1,", b"(" * 11, b"{" * 11):
        path.write_bytes(data[:place] + wrong + data[place + 11 :])
        with pytest.raises(DataError) as caught, warnings.catch_warnings():
            warnings.simplefilter("error")
            load_pack(path)
        assert "pickle" not in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


def test_only_regular_files_are_packs(tmp_path):
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    with pytest.raises(FileError, match="cannot be read: expected a file, got a device"):
        load_pack(tmp_path / "zero.npz")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileError, match="cannot be read: no such file"):
        load_pack(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match=r"not a pack"):
        load_pack(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    with pytest.raises(DataError, match=r"not a pack of mertool \(no member 'meta'\)"):
        load_pack(tmp_path / "other.npz")
    np.savez_compressed(tmp_path / "small.npz", **content(), meta=np.array(json.dumps({"format": 1})))
    with pytest.raises(DataError, match="is compressed; packs are written uncompressed"):
        load_pack(tmp_path / "small.npz")


def test_nothing_is_ever_unpickled(tmp_path):
    arrays = {**content(), "meta": np.array(json.dumps({"format": 1}))}
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                trap = np.array([Payload(tmp_path / "sprung")] * 4, dtype=object) if name == "clip" else array
                np.lib.format.write_array(member, trap, allow_pickle=True)
    with pytest.raises(DataError, match=r"member 'clip' has another size than it says"):
        load_pack(tmp_path / "a.npz")
    assert not (tmp_path / "sprung").exists()
