"""Texture features of packs: what is rendered, and which packs and settings are refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mertool import _core
from mertool.errors import DataError, UsageError
from mertool.regions import GRID, REGIONS, face_transforms, region_transforms
from mertool.texture.cache import features_of
from mertool.texture.features import check_packs, interpolate_frames, texture_volumes
from tests.support.texture_packs import SMALL, changed, make_pack, only_reading, samples_of

PLAIN = np.array([[1, 0]] * 3, np.float32)


@pytest.mark.parametrize("length", [0, 10])
def test_the_places_of_a_mosaic_are_the_regions_in_their_order(pack, length):
    settings = changed(SMALL, region="roi", tile=14, length=length)
    clips = np.array([2, 0])
    volumes = texture_volumes(pack, clips, settings)
    assert (volumes.dtype, volumes.shape) == (np.uint8, (2, 15, length or 7, 14, 14))
    assert volumes.flags.c_contiguous
    transforms = region_transforms(pack.landmarks[clips, 0], 14)
    for region in range(15):
        alone = _core.render(pack.sequence, transforms[:, [region]], PLAIN[:2], (1, 1), (14, 14), clips=clips)
        if length:
            alone = np.stack([interpolate_frames(clip, length, "tim") for clip in alone])
        np.testing.assert_array_equal(volumes[:, region], alone, REGIONS[region].name)
    assert GRID == (3, 5)


def test_a_face_is_rendered_as_a_face(pack):
    clips = np.array([1, 2, 0])
    volumes = texture_volumes(pack, clips, changed(SMALL, length=0, face_size=33))
    transforms = face_transforms(pack.landmarks[clips, 0], 33)
    expected = _core.render(pack.sequence, transforms, PLAIN, (1, 1), (33, 33), clips=clips)
    np.testing.assert_array_equal(volumes, expected[:, None])


def test_without_landmarks_the_whole_frame_is_taken(tmp_path):
    pack = make_pack(tmp_path / "a.npz", landmarks=False)
    volumes = texture_volumes(pack, np.array([2, 1]), changed(SMALL, length=0, face_size=40))
    np.testing.assert_array_equal(volumes[:, 0], pack.sequence[[2, 1]])  # 40 px shown as they are


def test_each_clip_is_interpolated_by_itself(pack):
    clips = np.arange(3)
    stored = texture_volumes(pack, clips, changed(SMALL, length=0))
    for how in ("tim", "linear"):
        found = texture_volumes(pack, clips, changed(SMALL, length=12, interpolation=how))
        for k in clips:
            np.testing.assert_array_equal(found[k, 0], interpolate_frames(stored[k, 0], 12, how))


def test_a_sequence_of_one_frame_becomes_a_still_clip(tmp_path):
    pack = make_pack(tmp_path / "a.npz", length=1)
    check_packs([pack], SMALL)
    volumes = texture_volumes(pack, np.arange(3), SMALL)
    assert volumes.shape == (3, 1, 6, 32, 32)
    assert (volumes == volumes[:, :, :1]).all()


# Refusals.


def no_sequence(pack):
    return dataclasses.replace(pack, sequence=None)


@pytest.mark.parametrize(
    ("values", "length", "error", "message"),
    [
        (
            {"radii": "16,1,1", "face_size": 32},
            7,
            UsageError,
            "--radii: a radius of 16 px does not fit into a picture of 32 px; choose a smaller one or a larger "
            "--face-size",
        ),
        (
            {"radii": "1,7,1", "region": "roi", "tile": 14},
            7,
            UsageError,
            "--radii: a radius of 7 px does not fit into a picture of 14 px; choose a smaller one or a larger --tile",
        ),
        (
            {"n_features": "181"},
            7,
            UsageError,
            "--n-features: expected at most 180, the features that these settings give, got 181",
        ),
        (
            {},
            None,
            DataError,
            "PACK: has no sequence of frames, which texture features need; extract it again with --sequence 20",
        ),
        (
            {"length": 0, "radii": "1,1,3"},
            6,
            DataError,
            "PACK: its sequence of 6 frames is too short for a radius of 3 in time; choose a --length of at least 7, "
            "or extract it with a longer --sequence",
        ),
        (
            {"grid": "33,1,1"},
            7,
            UsageError,
            "--grid: more blocks than frames or pixels: clips have 6 frames of 32 x 32 px",
        ),
        (
            {"grid": "1,33,1"},
            7,
            UsageError,
            "--grid: more blocks than frames or pixels: clips have 6 frames of 32 x 32 px",
        ),
        (
            {"grid": "1,1,8", "length": 0},
            7,
            UsageError,
            "--grid: more blocks than frames or pixels: clips have 7 frames of 32 x 32 px",
        ),
        (
            {"grid": "1,13,1", "region": "roi"},
            7,
            UsageError,
            "--grid: more blocks than frames or pixels: clips have 6 frames of 12 x 12 px",
        ),
        (
            {"points": 16, "mapping": "full", "grid": "32,32,1"},
            7,
            DataError,
            "PACK: 201326592 features per clip for 3 clips do not fit into memory; choose fewer --points, --mapping u2 "
            "or a smaller --grid",
        ),
    ],
)
def test_packs_of_which_no_features_can_be_made_are_refused(tmp_path, monkeypatch, values, length, error, message):
    path = tmp_path / "a é.npz"
    pack = make_pack(path, length=length or 7, sequence=length is not None)
    only_reading(monkeypatch)
    settings = changed(SMALL, **values)
    for refused in (lambda: check_packs([pack], settings), lambda: features_of(samples_of(pack), settings)):
        with pytest.raises(error) as caught:
            refused()
        assert str(caught.value) == message.replace("PACK", str(path))
    assert not pack.path.with_suffix(".features").exists()


def test_the_largest_settings_that_fit_are_let_pass(tmp_path):
    pack = make_pack(tmp_path / "a.npz")
    for values in (
        {"radii": "15,15,2", "length": 5, "grid": "1,1,1"},
        {"n_features": "180"},
        {"grid": "32,32,6"},
        {"length": 0, "radii": "1,1,3"},
    ):
        settings = changed(SMALL, **values)
        check_packs([pack], settings)
        assert np.isfinite(features_of(samples_of(pack), settings)).all()


def test_the_pack_at_fault_is_the_one_that_is_named(tmp_path):
    good, bad = make_pack(tmp_path / "good.npz"), make_pack(tmp_path / "bad.npz", sequence=False, dataset="other")
    with pytest.raises(DataError, match=r"bad\.npz: has no sequence"):
        check_packs([good, bad], SMALL)
