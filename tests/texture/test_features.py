"""Texture features: interpolation in time, histograms, what is rendered, what is kept, and every refusal."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from skimage.feature import local_binary_pattern

from mertool import _core
from mertool.errors import DataError, UsageError
from mertool.inputs.samples import Samples
from mertool.pack import load_pack, save_pack
from mertool.regions import GRID, REGIONS, face_transforms, region_transforms
from mertool.runs.methods import method_named
from mertool.runs.methods.options import reject_irrelevant
from mertool.settings import Settings
from mertool.texture import cache
from mertool.texture import features as texture
from mertool.texture.cache import features_of
from mertool.texture.features import (
    check_packs,
    compute_histograms,
    interpolate_frames,
    layout_of,
    texture_volumes,
    uniform_labels,
)
from tests.core.test_texture import GOLDEN, golden_volume
from tests.core.test_texture import uniform_labels as labels_by_definition
from tests.support import reference

LBP = Settings(method="lbp-top")
SMALL = Settings(method="lbp-top", face_size=32, tile=12, length=6, points=4, grid="2,2,1", radii="1,1,1")


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Kept files are written by the hundred; that they are synced is for tests/test_files.py."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def changed(settings, **values):
    return dataclasses.replace(settings, **values)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# Interpolation in time.


def assert_rounds_to(found, exact):
    """Whole grey levels next to the exact values; where these lie halfway between two, either will do."""
    exact = np.clip(exact, 0, 255)
    halfway = np.abs(exact % 1 - 0.5) < 1e-6
    np.testing.assert_array_equal(found[~halfway], np.rint(exact[~halfway]))
    assert np.abs(found - exact).max() < 0.5 + 1e-6


def equal_off_ties(found, expected, frames, length):
    """Equality, except where the exact value lies halfway between two grey levels."""
    exact = np.clip(reference.tim(frames, length), 0, 255)
    clear = np.abs(exact % 1 - 0.5) > 1e-6
    assert clear.mean() > 0.8
    np.testing.assert_array_equal(found[clear], expected[clear])


TIMES = [(2, 2), (2, 3), (2, 10), (3, 2), (3, 10), (4, 3), (5, 5), (7, 10), (10, 10), (11, 10), (13, 5), (24, 10)]


@pytest.mark.parametrize(("n", "length"), TIMES)
def test_tim_is_the_model_of_zhou(n, length):
    for seed in range(3):
        frames = noise(n, 7, 9, seed=seed)
        found = interpolate_frames(frames, length, "tim")
        assert (found.dtype, found.shape) == (np.uint8, (length, 7, 9))
        assert_rounds_to(found, reference.tim(frames, length))


@pytest.mark.parametrize("how", ["tim", "linear"])
@pytest.mark.parametrize(
    ("n", "length", "step_old", "step_new"), [(6, 11, 1, 2), (9, 5, 2, 1), (10, 10, 1, 1), (7, 13, 1, 2)]
)
def test_frames_at_the_old_places_are_the_old_frames(how, n, length, step_old, step_new):
    frames = noise(n, 5, 6, seed=n)
    found = interpolate_frames(frames, length, how)
    np.testing.assert_array_equal(found[::step_new], frames[::step_old])


@pytest.mark.parametrize("how", ["tim", "linear"])
@pytest.mark.parametrize(("n", "length"), TIMES)
def test_first_and_last_frame_stay(how, n, length):
    frames = noise(n, 4, 5, seed=3)
    found = interpolate_frames(frames, length, how)
    np.testing.assert_array_equal(found[[0, -1]], frames[[0, -1]])


@pytest.mark.parametrize(("n", "length"), TIMES)
def test_linear_interpolation_is_that_of_numpy(n, length):
    frames = noise(n, 6, 5, seed=1)
    places = np.linspace(0, n - 1, length)
    exact = np.stack([np.interp(places, np.arange(n), pixel) for pixel in frames.reshape(n, -1).T], 1)
    assert_rounds_to(interpolate_frames(frames, length, "linear"), exact.reshape(length, 6, 5))


@pytest.mark.parametrize(("n", "length"), TIMES)
def test_the_shares_of_the_frames_sum_to_one(n, length):
    """So brightness added to all frames is added to the result; without it a still clip would flicker."""
    for shares in (texture._tim_weights(n, length), texture._linear_weights(n, length)):
        assert shares.shape == (length, n)
        np.testing.assert_allclose(shares.sum(1), 1, rtol=0, atol=1e-12)
    frames = noise(n, 6, 7, seed=2) // 4 + 80
    brighter = interpolate_frames(frames + np.uint8(25), length, "tim")
    equal_off_ties(brighter, interpolate_frames(frames, length, "tim") + np.uint8(25), frames, length)


@pytest.mark.parametrize("how", ["tim", "linear"])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_a_still_clip_stays_still(how, n):
    frame = noise(6, 7, seed=4)
    found = interpolate_frames(np.stack([frame] * n), 10, how)
    np.testing.assert_array_equal(found, np.stack([frame] * 10))


@pytest.mark.parametrize("how", ["tim", "linear"])
def test_still_pixels_of_a_moving_clip_stay_still(how):
    frames = noise(7, 5, 6, seed=5)
    frames[:, 1:4, 2:5] = frames[0, 1:4, 2:5]
    found = interpolate_frames(frames, 17, how)
    np.testing.assert_array_equal(found[:, 1:4, 2:5], np.stack([frames[0, 1:4, 2:5]] * 17))


@pytest.mark.parametrize("how", ["tim", "linear"])
def test_repeated_frames_do_not_show(how):
    """A sequence of more frames than its clip has repeats some of them."""
    frames = noise(7, 5, 6, seed=6)
    expected = interpolate_frames(frames, 10, how)
    for length in (8, 11, 20, 29):
        stored = frames[np.rint(np.linspace(0, 6, length)).astype(int)]
        np.testing.assert_array_equal(interpolate_frames(stored, 10, how), expected)
    came_back = frames[[0, 1, 0, 2]]  # like an earlier one, but not like the one before: it counts
    np.testing.assert_array_equal(interpolate_frames(came_back, 4, how), came_back)


@pytest.mark.parametrize(("n", "length"), TIMES)
def test_backwards_in_time_is_the_result_backwards(n, length):
    frames = noise(n, 6, 7, seed=7)
    forwards = interpolate_frames(frames, length, "tim")
    backwards = interpolate_frames(frames[::-1], length, "tim")
    equal_off_ties(backwards[::-1], forwards, frames, length)


@pytest.mark.parametrize(("n", "length"), TIMES)
def test_a_negative_is_the_negative_of_the_result(n, length):
    frames = noise(n, 6, 7, seed=8)
    negative = interpolate_frames(255 - frames, length, "tim")
    equal_off_ties(255 - negative, interpolate_frames(frames, length, "tim"), frames, length)


def test_overshoot_is_clipped_and_does_not_wrap():
    frames = noise(8, 6, 7, seed=11)
    exact = reference.tim(frames, 29)
    assert exact.min() < -20
    assert exact.max() > 275
    found = interpolate_frames(frames, 29, "tim")
    assert set(found[exact > 255].tolist()) == {255}
    assert set(found[exact < 0].tolist()) == {0}


def test_frames_that_depend_on_each_other_are_interpolated_by_the_same_rule():
    """The model has no solution where the frames are not independent; pixel by pixel the rule is the same."""
    independent = noise(6, 8, 9, seed=9)
    narrow = independent[:, :1, :2]  # two pixels, six frames
    found = interpolate_frames(np.ascontiguousarray(narrow), 15, "tim")
    np.testing.assert_array_equal(found, interpolate_frames(independent, 15, "tim")[:, :1, :2])


def test_interpolation_does_not_write_to_its_frames_and_takes_strided_ones():
    wide = noise(14, 6, 20, seed=10)
    view = wide[::2, :, ::3]
    before = view.copy()
    found = interpolate_frames(view, 10, "tim")
    np.testing.assert_array_equal(view, before)
    np.testing.assert_array_equal(found, interpolate_frames(before, 10, "tim"))


# Uniform patterns.


@pytest.mark.parametrize(("points", "count"), [(4, 15), (8, 59), (16, 243)])
def test_uniform_labels_are_their_definition(points, count):
    labels = uniform_labels(points)
    assert labels.shape == (2**points,)
    np.testing.assert_array_equal(labels, labels_by_definition(points))
    assert set(labels.tolist()) == set(range(count))
    assert (np.bincount(labels)[:-1] == 1).all()  # a bin for each uniform code, one for all others


@pytest.mark.parametrize("points", [4, 8, 16])
def test_uniform_labels_are_those_of_scikit_image_by_other_names(points):
    """The labels of both go together one to one over all codes of a picture, and its last is the last of both."""
    picture = np.concatenate([noise(200, 200, seed=12), data.astronaut().mean(2).astype(np.uint8)[:200, :200]])
    codes, theirs = (local_binary_pattern(picture, points, 1, name).astype(int) for name in ("default", "nri_uniform"))
    ours = uniform_labels(points)[codes]
    pairs = set(zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True))
    last = points * (points - 1) + 2
    assert (last, last) in pairs
    assert len(pairs) == last + 1 if points < 16 else len(pairs) > 200
    assert len({our for our, _ in pairs}) == len({their for _, their in pairs}) == len(pairs)


# Histograms.


def settings_of(kind, **values):
    return Settings(method=kind, **{"radii": "1,1,1", "grid": "1,1,1", "length": 0, **values})


def slow_histograms(volumes, settings):
    """The definition, voxel by voxel: (B, features) float64, counts or shares."""
    radii = tuple(map(int, settings.radii.split(",")))
    x, y, t = map(int, settings.grid.split(","))
    rows = []
    for clip in volumes:
        row = []
        for volume in clip:
            if settings.method == "cbp-top":
                bins = 2 ** (settings.points // 2 + 1)
                codes = reference.cbp_codes(volume, settings.points, radii, settings.threshold, settings.signed)
            else:
                bins = 2**settings.points
                codes = reference.lbp_codes(volume, settings.points, radii, settings.sampling)
                if settings.mapping == "u2":
                    labels = labels_by_definition(settings.points)
                    codes, bins = labels[codes], labels.max() + 1
            counts = reference.texture_counts(codes, radii, volume.shape, (t, y, x), bins).astype(float)
            if settings.normalise:
                for block, plane in np.ndindex(*counts.shape[:2]):
                    if counts[block, plane].any():
                        counts[block, plane] /= counts[block, plane].sum()
            row.append(counts.ravel())
        rows.append(np.concatenate(row))
    return np.stack(rows)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize(
    ("points", "radii", "grid"),
    [
        (4, "1,1,1", "1,1,1"),
        (8, "1,1,2", "1,1,2"),
        (8, "3,1,2", "2,3,1"),
        (8, "2,2,1", "5,1,3"),
        (16, "1,2,3", "1,2,2"),
        (4, "2,1,1", "12,1,9"),  # a block a pixel along x, a block a frame along t: some hold no circle
    ],
)
@pytest.mark.parametrize(
    "own",
    [
        {"method": "lbp-top", "mapping": "u2"},
        {"method": "lbp-top", "mapping": "full", "sampling": "nearest"},
        {"method": "cbp-top", "threshold": 3},
        {"method": "cbp-top", "threshold": 1, "signed": True},
    ],
)
def test_histograms_are_their_definition(own, points, radii, grid, normalise):
    settings = Settings(length=0, points=points, radii=radii, grid=grid, normalise=normalise, **own)
    volumes = np.random.default_rng(1).integers(100, 106, (2, 2, 9, 10, 12), dtype=np.uint8)
    found = compute_histograms(volumes, settings)
    assert (found.dtype, found.shape[0]) == (np.float32, 2)
    np.testing.assert_allclose(found, slow_histograms(volumes, settings), rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", ["lbp-top", "cbp-top"])
def test_each_histogram_sums_to_one_or_is_empty(kind):
    settings = settings_of(kind, grid="2,3,9")
    layout = dataclasses.replace(settings, region="roi")
    volumes = noise(2, 15, 9, 12, 14)
    found = compute_histograms(volumes, layout).reshape(2, *layout_of(layout).shape)
    assert found.min() >= 0
    sums = found.reshape(2, 15, 9, 6, 3, -1).sum(-1)
    np.testing.assert_allclose(sums[:, :, 1:-1], 1, rtol=1e-6)
    assert not sums[:, :, [0, -1]].any()  # one frame, where no circle of radius 1 in time has its centre


@pytest.mark.skipif(not GOLDEN.exists(), reason="the golden codes are not beside this checkout")
def test_the_golden_histograms():
    cases = json.loads(GOLDEN.read_text())["cases"]
    assert sum("hist_u2" in case for case in cases) == 20
    for case in cases:
        radii = ",".join([str(case["R"])] * 3)
        if "hist_u2" in case:
            settings = settings_of("lbp-top", points=case["P"], radii=radii, sampling=case["mode"], normalise=False)
        else:
            settings = settings_of("cbp-top", points=case["P"], radii=radii, threshold=case["C"], normalise=False)
        expected = np.array(case.get("hist_u2") or case["hist32"])
        volumes = golden_volume(case["vol"])[None, None]
        counts = compute_histograms(volumes, settings).reshape(3, -1)
        np.testing.assert_array_equal(counts, expected)
        shares = compute_histograms(volumes, changed(settings, normalise=True)).reshape(3, -1)
        np.testing.assert_array_equal(shares, (expected / expected.sum(1, keepdims=True)).astype(np.float32))


@pytest.mark.parametrize("kind", ["lbp-top", "cbp-top"])
def test_threads_and_neighbours_do_not_show(kind):
    volumes = noise(11, 3, 7, 13, 15)
    settings = settings_of(kind, grid="2,2,2", points=8)
    together = compute_histograms(volumes, settings).tobytes()
    for threads in (2, 7):
        assert compute_histograms(volumes, changed(settings, threads=threads)).tobytes() == together
    for batch in (1, 4):
        parts = [compute_histograms(volumes[start : start + batch], settings) for start in range(0, 11, batch)]
        assert np.concatenate(parts).tobytes() == together


def mirrored_bins(settings):
    """For the planes XY and XT the bin of the mirrored code of each bin (docs/methods.md, section 5.3 and 5.5)."""
    points, half = settings.points, settings.points // 2
    if settings.method == "cbp-top":
        codes = np.arange(2 ** (half + 1))
        return sum((codes >> p & 1) << (half - p) % half for p in range(half)) + (codes >> half << half)
    codes = np.arange(2**points)
    turned = sum((codes >> p & 1) << (half - p) % points for p in range(points))
    if settings.mapping == "full":
        return turned
    labels = labels_by_definition(points)
    bins = np.empty(labels.max() + 1, int)
    bins[labels] = labels[turned]
    return bins


@pytest.mark.parametrize(
    "settings",
    [
        settings_of("lbp-top", points=4, mapping="full"),
        settings_of("lbp-top", points=4, mapping="u2", radii="3,1,2"),
        settings_of("lbp-top", points=8, mapping="u2", sampling="nearest"),
        settings_of("lbp-top", points=8, mapping="full", sampling="nearest", radii="2,2,2"),
        settings_of("cbp-top", points=8),
        settings_of("cbp-top", points=16, radii="3,2,1", threshold=20),
    ],
)
def test_mirrored_clips_have_the_same_features_elsewhere(settings):
    """Bins of XY and XT by the rule of docs/methods.md, section 5.3; blocks and regions from the other side, YT as is.

    Circles without interpolation: there no tie falls by the last bit.
    """
    settings = changed(settings, grid="4,2,1")
    volumes = noise(2, 5, 9, 14, 16)
    mirrored = np.ascontiguousarray(volumes[:, ::-1, :, :, ::-1])
    shape = (2, 5, 2, 4, 3, -1)  # clips, places, y, x, planes, bins
    found, other = (compute_histograms(clips, settings).reshape(shape) for clips in (volumes, mirrored))
    other = other[:, ::-1, :, ::-1]
    bins = mirrored_bins(settings)
    assert sorted(bins) == list(range(found.shape[-1]))
    assert (bins != np.arange(len(bins))).any()
    np.testing.assert_array_equal(other[..., :2, bins], found[..., :2, :])
    np.testing.assert_array_equal(other[..., 2, :], found[..., 2, :])


def test_a_still_clip_has_one_bin_a_plane_and_a_moving_one_more():
    """All samples equal the centre: code 2^P - 1 of LBP, and code 0 of CBP with C above 0."""
    still = np.full((1, 1, 7, 9, 9), 88, np.uint8)
    full = compute_histograms(still, settings_of("lbp-top", mapping="full")).reshape(3, 256)
    assert (full[:, 255] == 1).all()
    uniform = compute_histograms(still, settings_of("lbp-top")).reshape(3, 59)
    assert (uniform[:, 57] == 1).all()
    assert (compute_histograms(still, settings_of("cbp-top")).reshape(3, 32)[:, 0] == 1).all()
    moving = still.copy()
    moving[0, 0, 3] += 9
    counts = (compute_histograms(moving, settings_of("lbp-top", mapping="full")).reshape(3, 256) > 0).sum(1)
    assert counts[0] == 1  # flat frames
    assert (counts[1:] > 1).all()


# Layout.


@pytest.mark.parametrize(
    ("settings", "blocks", "bins", "size"),
    [
        (Settings(method="lbp-top"), (2, 5, 5), 59, 1 * 50 * 3 * 59),
        (Settings(method="lbp-top", region="roi"), (2, 1, 1), 59, 15 * 2 * 3 * 59),
        (Settings(method="lbp-top", mapping="full"), (2, 5, 5), 256, 50 * 3 * 256),
        (Settings(method="lbp-top", points=4, grid="3,2,1"), (1, 2, 3), 15, 6 * 3 * 15),
        (Settings(method="lbp-top", points=16, grid="1,1,1"), (1, 1, 1), 243, 3 * 243),
        (Settings(method="cbp-top", region="roi"), (2, 1, 1), 32, 15 * 2 * 3 * 32),
        (Settings(method="cbp-top", points=4, mapping="full", grid="8,8,2"), (2, 8, 8), 8, 128 * 3 * 8),
        (Settings(method="cbp-top", points=16, region="roi", grid="2,3,4"), (4, 3, 2), 512, 15 * 24 * 3 * 512),
    ],
)
def test_a_layout_says_what_the_columns_are(settings, blocks, bins, size):
    layout = layout_of(settings)
    names = tuple(region.name for region in REGIONS) if settings.region == "roi" else ("face",)
    assert layout == (names, blocks, bins)
    assert layout.size == size == np.prod(layout.shape)
    volumes = noise(1, len(names), 10, 20, 20)
    assert compute_histograms(volumes, settings).shape == (1, size)


def test_columns_are_counted_where_they_belong():
    """A change in one region, seen in its columns and no others, gives the columns of that region."""
    settings = Settings(method="lbp-top", region="roi", points=4)
    layout = layout_of(settings)
    every = layout.count_by_region(np.arange(layout.size))
    assert list(every) == [region.name for region in REGIONS]  # row by row of the mosaic
    assert all(counts == {"XY": 30, "XT": 30, "YT": 30} for counts in every.values())
    chosen = np.random.default_rng(0).permutation(layout.size)[:200]
    counts = layout.count_by_region(chosen)
    assert sum(sum(planes.values()) for planes in counts.values()) == 200
    assert sum(sum(planes.values()) for planes in layout.count_by_region(chosen[:0]).values()) == 0
    before = noise(1, 15, 10, 12, 12)
    for place in (0, 7, 14):
        after = before.copy()
        after[0, place] = noise(10, 12, 12, seed=9)
        moved = np.flatnonzero(compute_histograms(before, settings)[0] != compute_histograms(after, settings)[0])
        assert len(moved) > 10
        counts = layout.count_by_region(moved)
        assert sum(counts[REGIONS[place].name].values()) == len(moved)
        in_plane = np.unravel_index(moved, layout.shape)[2]
        assert list(counts[REGIONS[place].name].values()) == np.bincount(in_plane, minlength=3).tolist()


def test_columns_of_the_face_are_counted_block_by_block():
    """Row and column from the top left, both from 1; what changes well inside of a block shows there alone."""
    settings = settings_of("lbp-top", grid="3,2,2")
    layout = layout_of(settings)
    names = [f"block {row},{column}" for row in (1, 2) for column in (1, 2, 3)]
    every = layout.count_by_region(np.arange(layout.size))
    assert every == {name: {"XY": 118, "XT": 118, "YT": 118} for name in names}
    assert layout.map_shape == (2, 3)
    assert layout_of(changed(settings, region="roi")).map_shape == (3, 5)
    before = noise(1, 1, 10, 20, 30)
    for number, name in enumerate(names):
        row, column = divmod(number, 3)
        after = before.copy()
        after[..., 10 * row + 2 : 10 * row + 8, 10 * column + 2 : 10 * column + 8] //= 2
        moved = np.flatnonzero(compute_histograms(before, settings)[0] != compute_histograms(after, settings)[0])
        assert len(moved) > 10
        assert sum(layout.count_by_region(moved)[name].values()) == len(moved)


def test_what_happens_between_two_frames_shows_in_time_planes_only():
    """Frames in another order: the same XY histogram, so the plane named XY is XY; and XT differs."""
    clip = noise(1, 1, 9, 12, 12)
    settings = settings_of("lbp-top")
    layout = layout_of(settings)
    other = clip[:, :, [0, 5, 2, 3, 4, 1, 6, 7, 8]]
    moved = np.flatnonzero(compute_histograms(clip, settings)[0] != compute_histograms(other, settings)[0])
    counts = layout.count_by_region(moved)["block 1,1"]
    assert sum(counts.values()) == len(moved)
    assert counts["XY"] == 0
    assert counts["XT"] > 5
    assert counts["YT"] > 5


# What is rendered.


def face_points(rng, size):
    points = size * (0.3 + 0.4 * rng.random((68, 2)))
    for first, x in ((36, 0.35), (42, 0.65)):
        points[first : first + 6] = size * (np.array([x, 0.4]) + 0.05 * rng.standard_normal((6, 2)))
    return points.astype(np.float32)


def make_pack(path, n=3, length=7, size=40, seed=0, landmarks=True, sequence=True, dataset="noise"):
    rng = np.random.default_rng(seed)
    arrays = {
        "frames": rng.integers(0, 256, (n, 3, size, size), np.uint8),
        "landmarks": np.full((n, 3, 68, 2), np.nan, np.float32),
        "subject": np.array([f"p{k // 2}" for k in range(n)]),
        "clip": np.array([f"c{k}" for k in range(n)]),
        "emotion": np.array(["fear", "joy"] * n)[:n],
        "dataset": np.array([dataset] * n),
    }
    if landmarks:
        arrays["landmarks"] = np.stack([[face_points(rng, size)] * 3 for _ in range(n)])
    if sequence:
        arrays["sequence"] = rng.integers(0, 256, (n, length, size, size), np.uint8)
    arrays |= {name: np.full(n, k, np.int64) for k, name in enumerate(("onset", "middle", "apex", "offset"))}
    save_pack(path, arrays, {"settings": {}})
    return load_pack(path)


def samples_of(*packs):
    place = np.array([(number, row) for number, pack in enumerate(packs) for row in range(len(pack.ids))])
    ids = tuple(name for pack in packs for name in pack.ids)
    return Samples(packs, place, ids, np.arange(len(ids)) % 2, ("fear", "joy"))


@pytest.fixture
def pack(tmp_path):
    return make_pack(tmp_path / "a é.npz")


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


# Kept features.


# Of each setting another value.
OTHERS = {
    **{"classes": "samm5", "region": "roi", "frames": 1, "tile": 13, "face_size": 36, "width": 8, "blocks": 2},
    **{"stem_kernel": 5, "stem_stride": 1, "abn": True, "map_kernel": 1, "arcface": True, "arc_scale": 12.0},
    **{"arc_margin": 0.3, "arc_ramp": 0.1, "pool": "global", "dropout": 0.1, "temporal_init": "diff"},
    **{"recipe": "paper", "epochs": 3, "batch_size": 8, "optimizer": "sgd", "lr": 0.1, "momentum": 0.5},
    **{"weight_decay": 0.1, "warmup": 0.1, "schedule": "constant", "max_grad_norm": 0.5, "copies": 3},
    **{"fresh_copies": False, "balance": True, "mirror": False, "rotation_deg": 1.0, "gain": 0.1, "bias": 1.0},
    **{"method": "cbp-top", "length": 9, "interpolation": "linear", "points": 4, "radii": "1,2,1"},
    **{"sampling": "nearest", "mapping": "full", "normalise": False, "threshold": 9, "signed": True},
    **{"grid": "1,2,2", "n_features": "all", "cost": "10", "fuse_weights": "fitted", "protocol": "loso"},
    **{"folds": 3, "select": "inner", "seed": 1, "split_seed": 1, "repeats": 2, "new_splits": True, "threads": 2},
    **{"device": "cuda", "precision": "bf16"},
}
BASES = {
    "lbp face": Settings(method="lbp-top", face_size=32, tile=12, length=6, grid="1,1,2", radii="1,1,1"),
    "lbp regions": Settings(method="lbp-top", region="roi", tile=12, length=6, grid="1,1,2", radii="1,1,1"),
    "cbp face": Settings(method="cbp-top", face_size=32, tile=12, length=6, grid="1,1,2", radii="1,1,1"),
    "cbp regions": Settings(method="cbp-top", region="roi", tile=12, length=6, grid="1,1,2", radii="1,1,1"),
}
MATTER = {"method", "region", "length", "interpolation", "points", "radii", "normalise", "grid"}
MATTER_OF = {
    "lbp face": {*MATTER, "face_size", "sampling", "mapping"},
    "lbp regions": {*MATTER, "tile", "sampling", "mapping"},
    "cbp face": {*MATTER, "face_size", "threshold", "signed"},
    "cbp regions": {*MATTER, "tile", "threshold", "signed"},
}


def kept_files(pack):
    folder = pack.path.with_suffix(".features")
    return sorted(folder.iterdir()) if folder.is_dir() else []


def computed(samples, settings):
    return features_of(samples, settings, use_cache=False).tobytes()


def only_reading(monkeypatch):
    def fail(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(cache, "_compute", fail)


@pytest.fixture(scope="module")
def shared_pack(tmp_path_factory):
    return make_pack(tmp_path_factory.mktemp("shared") / "a.npz", n=2)


def test_another_value_is_known_of_every_setting():
    assert list(OTHERS) == [field.name for field in dataclasses.fields(Settings)]
    for name, value in OTHERS.items():
        assert value != getattr(Settings(), name)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", OTHERS)
def test_settings_that_change_features_and_no_others_change_the_kept_file(shared_pack, base, name):
    """What a setting does to the features is seen from the features themselves, computed anew."""
    settings = BASES[base]
    value = {"region": "face"}.get(name, OTHERS[name]) if settings.region == "roi" else OTHERS[name]
    value = "lbp-top" if name == "method" and settings.method == "cbp-top" else value
    other = changed(settings, **{name: value})
    samples = samples_of(shared_pack)
    same = computed(samples, settings) == computed(samples, other)
    assert same == (name not in MATTER_OF[base])
    before, after = (cache._cache_path(shared_pack, chosen) for chosen in (settings, other))
    assert (before == after) == same
    assert (before[0] == after[0]) == same


def test_features_are_made_once_and_then_read(pack, monkeypatch):
    samples = samples_of(pack)
    told = []
    first = features_of(samples, SMALL, lambda *progress: told.append(progress))
    assert first.dtype == np.float32
    assert first.shape == (3, layout_of(SMALL).size)
    assert told[-1] == (3, 3)
    assert len(kept_files(pack)) == 1
    only_reading(monkeypatch)
    told.clear()
    again = features_of(samples, changed(SMALL, seed=5, cost="1", threads=2), lambda *progress: told.append(progress))
    assert again.tobytes() == first.tobytes()
    assert told == [(3, 3)]
    with pytest.raises(AssertionError, match="computed again"):
        features_of(samples, SMALL, use_cache=False)
    with pytest.raises(AssertionError, match="computed again"):
        features_of(samples, changed(SMALL, points=8))


def test_features_that_are_not_to_be_kept_are_not(pack):
    features_of(samples_of(pack), SMALL, use_cache=False)
    assert not pack.path.with_suffix(".features").exists()


def test_equal_packs_and_settings_give_equal_files(pack, tmp_path):
    features_of(samples_of(pack), SMALL)
    (first,) = kept_files(pack)
    (tmp_path / "other").mkdir()
    copy = load_pack(Path(shutil.copy(pack.path, tmp_path / "other")))
    features_of(samples_of(copy), SMALL)
    (second,) = kept_files(copy)
    assert (first.name, first.read_bytes()) == (second.name, second.read_bytes())


def test_a_pack_made_anew_gets_features_of_its_own(pack, monkeypatch):
    """Same name, same ids, one other frame: the kept features of the old one are not taken."""
    old = features_of(samples_of(pack), SMALL)
    anew = make_pack(pack.path, seed=1)
    assert anew.ids == pack.ids
    new = features_of(samples_of(anew), SMALL)
    assert new.tobytes() == computed(samples_of(anew), SMALL) != old.tobytes()
    assert len(kept_files(pack)) == 2


def test_features_follow_the_order_of_the_samples_and_stay_with_their_pack(tmp_path):
    one, two = (make_pack(tmp_path / f"{name}.npz", seed=seed, dataset=name) for seed, name in enumerate(("a", "b")))
    alone = [features_of(samples_of(pack), SMALL) for pack in (one, two)]
    both = samples_of(one, two)
    np.testing.assert_array_equal(features_of(both, SMALL), np.concatenate(alone))
    chosen = np.array([4, 0, 5])  # classes leave clips out; order is that of the samples
    some = Samples(
        both.packs, both.pack_row[chosen], tuple(both.ids[k] for k in chosen), both.labels[chosen], both.classes
    )
    np.testing.assert_array_equal(features_of(some, SMALL), np.concatenate(alone)[chosen])
    assert len(kept_files(one)) == len(kept_files(two)) == 1


def test_the_size_of_a_batch_does_not_show(tmp_path, monkeypatch):
    samples = samples_of(make_pack(tmp_path / "a.npz", n=9))
    expected = computed(samples, SMALL)
    for batch in (1, 4, 9):
        monkeypatch.setattr(cache, "_BATCH", batch)
        dones = []
        found = features_of(samples, SMALL, lambda *progress, dones=dones: dones.append(progress), use_cache=False)
        assert found.tobytes() == expected
        assert [done for done, _ in dones] == [*range(batch, 9, batch), 9, 9]
        assert {total for _, total in dones} == {9}


def archive_of(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(array))
    return stream.getvalue()


def kept_as(table, key, digest=None):
    """A kept file with this table; its own hash unless another is given."""
    table = np.asarray(table)
    digest = digest or hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()
    return archive_of(key=key, sha256=digest, features=table)


class Payload:
    """What an unpickled file could do."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def spoilt(kind, right, key, place):
    """A kept file with a fault, made from the right features and their key."""
    digest = hashlib.sha256(right.tobytes()).hexdigest()
    off = right.copy()
    off[1, 3] += 0.25
    payload = np.array([Payload(place)], object)
    whole = kept_as(right, key)
    return {
        "empty": b"",
        "text": b"features\n",
        "an array, no archive": whole[whole.index(b"\x93NUMPY") :][:200],
        "another key": kept_as(off, key.replace('"points": 4', '"points": 8')),
        "no key": archive_of(sha256=digest, features=right),
        "no features": archive_of(key=key, sha256=digest),
        "no hash": archive_of(key=key, features=off),
        "another table under the old hash": kept_as(off, key, digest),
        "a clip too few": kept_as(off[:2], key),
        "a clip too many": kept_as(np.concatenate([off, off]), key),
        "a feature too few": kept_as(off[:, 1:], key),
        "one axis": kept_as(off.ravel(), key),
        "a number": kept_as(np.float32(1), key),
        "float64": kept_as(off.astype(np.float64), key),
        "whole numbers": kept_as(off.astype(np.int32), key),
        "big-endian": kept_as(off.astype(">f4"), key),
        "pickled features": archive_of(key=key, sha256=digest, features=payload),
        "pickled key": archive_of(key=payload, sha256=digest, features=right),
        "all pickled": archive_of(key=payload, sha256=payload, features=payload),
    }[kind]


FAULTS = (
    *("empty", "text", "an array, no archive", "another key", "no key", "no features", "no hash"),
    *("another table under the old hash", "a clip too few", "a clip too many", "a feature too few", "one axis"),
    *("a number", "float64", "whole numbers", "big-endian", "pickled features", "pickled key", "all pickled"),
)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_kept_file_with_a_fault_is_made_again(pack, tmp_path, kind):
    samples = samples_of(pack)
    expected = features_of(samples, SMALL)
    (path,) = kept_files(pack)
    good = path.read_bytes()
    place, key = cache._cache_path(pack, SMALL)
    assert place == path
    marker = tmp_path / "unpickled"
    path.write_bytes(spoilt(kind, expected, key, marker))
    assert features_of(samples, SMALL).tobytes() == expected.tobytes()
    assert not marker.exists()
    assert path.read_bytes() == good
    assert kept_files(pack) == [path]


def test_the_payload_of_these_tests_would_have_shown(tmp_path):
    """And the file that these tests write by hand is one that is read."""
    payload = archive_of(features=np.array([Payload(tmp_path / "made")], object))
    with np.load(io.BytesIO(payload), allow_pickle=True) as archive:
        assert archive["features"].shape == (1,)
    assert (tmp_path / "made").exists()
    pack = make_pack(tmp_path / "a.npz")
    path, key = cache._cache_path(pack, SMALL)
    path.parent.mkdir()
    planted = np.full((3, layout_of(SMALL).size), 0.5, np.float32)
    path.write_bytes(kept_as(planted, key))
    np.testing.assert_array_equal(features_of(samples_of(pack), SMALL), planted)


def test_a_kept_file_cut_short_or_with_a_flipped_bit_never_shows(pack):
    samples = samples_of(pack)
    expected = features_of(samples, SMALL).tobytes()
    (path,) = kept_files(pack)
    good = path.read_bytes()
    for end in np.linspace(0, len(good) - 1, 25).astype(int):
        path.write_bytes(good[:end])
        assert features_of(samples, SMALL).tobytes() == expected, end
        assert path.read_bytes() == good
    places = {*range(0, 300, 7), *np.linspace(300, len(good) - 1, 60).astype(int).tolist()}
    for place in places:
        damaged = bytearray(good)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert features_of(samples, SMALL).tobytes() == expected, place


def test_where_nothing_can_be_kept_features_are_still_made(pack):
    """A file stands where the folder would be: for root too a place that cannot be written."""
    blocked = pack.path.with_suffix(".features")
    blocked.write_text("mine")
    samples = samples_of(pack)
    for _ in range(2):
        assert features_of(samples, SMALL).tobytes() == computed(samples, SMALL)
    assert blocked.read_text() == "mine"


def test_a_folder_in_the_place_of_the_kept_file_does_not_matter(pack):
    path, _ = cache._cache_path(pack, SMALL)
    path.mkdir(parents=True)
    samples = samples_of(pack)
    assert features_of(samples, SMALL).tobytes() == computed(samples, SMALL)
    assert kept_files(pack) == [path]


def test_a_full_disk_leaves_no_half_file_behind(pack, monkeypatch):
    samples = samples_of(pack)
    expected = computed(samples, SMALL)
    write = np.lib.format.write_array

    def full(stream, array, **options):
        write(stream, array, **options)
        if array.ndim == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, "write_array", full)
        assert features_of(samples, SMALL).tobytes() == expected
        assert kept_files(pack) == []
    features_of(samples, SMALL)
    assert [path.suffix for path in kept_files(pack)] == [".npz"]


def test_two_processes_at_once_make_the_same_file(tmp_path):
    pack = make_pack(tmp_path / "a.npz", n=20)
    code = """
        import sys
        import hashlib
        from pathlib import Path
        from mertool.pack import load_pack
        from mertool.texture.cache import features_of
        from tests.texture.test_features import SMALL, samples_of
        samples = samples_of(load_pack(Path(sys.argv[1])))
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(5):
            print(hashlib.sha256(features_of(samples, SMALL).tobytes()).hexdigest(), flush=True)
            for path in Path(sys.argv[1]).with_suffix(".features").glob("*.npz"):
                path.unlink(missing_ok=True)
        features_of(samples, SMALL)
    """
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", textwrap.dedent(code), str(pack.path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": root}
    processes = [subprocess.Popen(words, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    samples = samples_of(pack)
    expected = hashlib.sha256(computed(samples, SMALL)).hexdigest()
    assert said == [[expected] * 5] * 2
    assert features_of(samples, SMALL).tobytes() == computed(samples, SMALL)
    assert [path.suffix for path in kept_files(pack)] == [".npz"]


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


RADII = "--radii: expected three numbers of 1 to 64 for x,y,t, got "
GRID_NUMBERS = "--grid: expected three numbers of 1 to 64 for x,y,t, got "
COUNT = "--n-features: expected a number from 1, all or auto, got "
COST = "--cost: expected a number above 0 and up to 1e9, or auto, got "


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"interpolation": "cubic"}, "--interpolation: expected one of tim, linear, got 'cubic'"),
        ({"points": 6}, "--points: expected one of 4, 8, 16, got 6"),
        ({"sampling": "cubic"}, "--sampling: expected one of bilinear, nearest, got 'cubic'"),
        ({"mapping": "ri"}, "--mapping: expected one of u2, full, got 'ri'"),
        ({"fuse_weights": "best"}, "--fuse-weights: expected one of equal, fitted, got 'best'"),
        ({"length": -1}, "--length: expected 0 to 1000, got -1"),
        ({"length": 1001}, "--length: expected 0 to 1000, got 1001"),
        ({"length": 10.0}, "--length: expected int, got 10.0"),
        ({"threshold": 256}, "--threshold: expected 0 to 255, got 256"),
        ({"threshold": -1}, "--threshold: expected 0 to 255, got -1"),
        ({"normalise": 1}, "--normalise: expected bool, got 1"),
        ({"cost": 10}, "--cost: expected str, got 10"),
        *[
            ({"radii": text}, f"{RADII}{text!r}")
            for text in ("", "1", "1,1", "1,1,1,1", "0,1,1", "1,1,65", "1,-1,1", "1,1,1.5", "a,b,c", "1;1;1", "1,1,٣")
        ],
        *[({"grid": text}, f"{GRID_NUMBERS}{text!r}") for text in ("", "5", "5,5", "0,5,2", "65,1,1", "5x5x2", "Auto")],
        *[
            ({"n_features": text}, f"{COUNT}{text!r}")
            for text in ("", "0", "000", "-5", "1.5", "1e3", "many", "1000000000", " 5", "٣")
        ],
        *[({"cost": text}, f"{COST}{text!r}") for text in ("", "0", "-1", "nan", "inf", "1.1e9", "1e-400", "C")],
        *[({"cost": text}, f"{COST}{text!r}") for text in ("1_0", "٣")],
        (
            {"length": 4},
            "--length: 4 frames hold no circle of radius 2; expected at least 5, or a smaller third number of --radii",
        ),
        (
            {"length": 10, "radii": "1,1,5"},
            "--length: 10 frames hold no circle of radius 5; expected at least 11, or a smaller third number of "
            "--radii",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, message):
    with pytest.raises(UsageError) as caught:
        Settings(**{"method": "lbp-top", **values})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "values",
    [
        {"radii": "64,1,4", "length": 9},
        {"radii": "1, 1, 2"},
        {"radii": "1,1,64", "length": 0},
        {"grid": "64,64,64"},
        {"n_features": "1"},
        {"n_features": "999999999"},
        {"cost": "1e9"},
        {"cost": "1e-9"},
        {"cost": "0.5"},
        {"length": 5},
    ],
)
def test_settings_at_the_edge_are_let_pass(values):
    settings = Settings(**{"method": "lbp-top", **values})
    assert Settings.from_dict(settings.as_dict()) == settings


SHARED = {"classes", "region", "tile", "face_size", "balance", "method", "protocol", "folds", "split_seed"}
SHARED |= {"repeats", "new_splits", "threads"}
TEXTURE = {"length", "interpolation", "points", "radii", "normalise", "grid", "n_features", "cost"}
NETWORK_ONLY = {
    *("frames", "width", "blocks", "stem_kernel", "stem_stride", "abn", "map_kernel", "arcface", "arc_scale"),
    *("arc_margin", "arc_ramp", "pool", "dropout", "temporal_init", "recipe", "epochs", "batch_size", "optimizer"),
    *("lr", "momentum", "weight_decay", "warmup", "schedule", "max_grad_norm", "copies", "fresh_copies", "mirror"),
    *("rotation_deg", "gain", "bias", "select", "seed", "device", "precision"),
}
FIT = {
    "network": SHARED | NETWORK_ONLY,
    "lbp-top": SHARED | TEXTURE | {"sampling", "mapping"},
    "cbp-top": SHARED | TEXTURE | {"threshold", "signed"},
    "fusion": {"fuse_weights"},
}
WHY = {
    "network": "goes with --method lbp-top or cbp-top",
    "lbp-top": "means nothing for --method lbp-top; leave it out",
    "cbp-top": "means nothing for --method cbp-top; leave it out",
    "fusion": "--fuse takes all else from its runs; leave it out",
}


@pytest.mark.parametrize("features", FIT)
def test_options_of_other_features_are_refused_one_by_one(features):
    for field in dataclasses.fields(Settings):
        if field.name in FIT[features]:
            reject_irrelevant(method_named(features), [field.name])
            continue
        option = {"rotation_deg": "--rotation"}.get(field.name, "--" + field.name.replace("_", "-"))
        why = "goes with --fuse" if field.name == "fuse_weights" else WHY[features]
        if features == "network" and field.name not in {*TEXTURE, "fuse_weights"}:
            why = f"goes with --method {'lbp-top' if field.name in FIT['lbp-top'] else 'cbp-top'}"
        with pytest.raises(UsageError) as caught:
            reject_irrelevant(method_named(features), [*sorted(FIT[features])[:3], field.name])
        assert str(caught.value) == f"{option}: {why}"
    reject_irrelevant(method_named(features), FIT[features])
    reject_irrelevant(method_named(features), [])


@pytest.mark.parametrize(
    ("features", "given", "message"),
    [
        ("lbp-top", ["epochs", "threshold", "abn", "points"], f"--abn, --epochs, --threshold: {WHY['lbp-top']}"),
        ("network", ["epochs", "threshold", "cost"], f"--cost, --threshold: {WHY['network']}"),
        ("fusion", ["points", "fuse_weights", "folds"], f"--folds, --points: {WHY['fusion']}"),
        ("cbp-top", ["fuse_weights", "abn"], "--fuse-weights: goes with --fuse"),
    ],
)
def test_options_of_other_features_are_named_together(features, given, message):
    with pytest.raises(UsageError) as caught:
        reject_irrelevant(method_named(features), given)
    assert str(caught.value) == message
