"""Packs: the same bytes for the same content, memory-mapped, and a named reason for every damage."""

from __future__ import annotations

import json
import zipfile

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


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"frames": None}, "incomplete pack, no frames"),
        ({"frames": np.zeros((3, 3, 16, 16), np.uint8)}, "do not fit together"),
        ({"frames": np.zeros((4, 3, 16, 16), np.float32)}, "do not fit together"),
        ({"frames": np.zeros((4, 2, 16, 16), np.uint8)}, "do not fit together"),
        ({"landmarks": np.zeros((4, 3, 67, 2), np.float32)}, "do not fit together"),
        ({"sequence": np.zeros((4, 5, 8, 8), np.uint8)}, "do not fit together"),
        ({name: np.array(["a"] * 4) for name in ("clip", "dataset", "subject")}, "a clip is in it twice"),
        ({"clip": np.arange(4)}, "do not fit together"),
    ],
)
def test_members_that_do_not_fit_are_refused(tmp_path, changed, message):
    with pytest.raises(DataError, match=message):
        load_pack(saved(tmp_path / "a.npz", **changed))


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
    with pytest.raises(DataError, match=r"Object arrays cannot be loaded"):
        load_pack(tmp_path / "a.npz")
    assert not (tmp_path / "sprung").exists()
