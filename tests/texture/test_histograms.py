"""Histograms of texture codes against their definition, uniform patterns, and what each column is."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from skimage import data
from skimage.feature import local_binary_pattern

from mertool.regions import REGIONS
from mertool.settings import Settings
from mertool.texture.features import compute_histograms, layout_of, uniform_labels
from tests.support import golden, reference
from tests.support.texture_packs import changed, noise

# Uniform patterns.


@pytest.mark.parametrize(("points", "count"), [(4, 15), (8, 59), (16, 243)])
def test_uniform_labels_are_their_definition(points, count):
    labels = uniform_labels(points)
    assert labels.shape == (2**points,)
    np.testing.assert_array_equal(labels, reference.uniform_labels(points))
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
    radii: Any = tuple(map(int, settings.radii.split(",")))
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
                    labels = reference.uniform_labels(settings.points)
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


def test_the_golden_histograms():
    assert sum("hist_u2" in case for case in golden.CASES) == 20
    for case in golden.CASES:
        radii = ",".join([str(case["R"])] * 3)
        if "hist_u2" in case:
            settings = settings_of("lbp-top", points=case["P"], radii=radii, sampling=case["mode"], normalise=False)
        else:
            settings = settings_of("cbp-top", points=case["P"], radii=radii, threshold=case["C"], normalise=False)
        expected = np.array(case.get("hist_u2") or case["hist32"])
        volumes = golden.golden_volume(case["vol"])[None, None]
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
    labels = reference.uniform_labels(points)
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
    assert layout.size == size == np.prod(layout.shape)
    assert layout == (names, blocks, bins)
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
