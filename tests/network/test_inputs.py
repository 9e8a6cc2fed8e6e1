"""Batches: which clips, which copies, and that a copy looks the same however it is made."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mertool.datasets.labels import resolve_classes
from mertool.errors import DataError
from mertool.network.inputs import (
    Copies,
    batch_plan,
    input_shape,
    load_samples,
    render,
    sample_augmentation,
    steps_per_epoch,
)
from mertool.pack import load_pack
from mertool.settings import Settings


@pytest.fixture(scope="module")
def pack(pack_path):
    return load_pack(pack_path)


def samples_of(packs, **settings):
    chosen = Settings(**{"classes": "basic6", **settings})
    return load_samples(packs, resolve_classes(chosen.classes, packs[0].emotion), chosen), chosen


@pytest.mark.parametrize(("region", "shape"), [("face", (128, 128)), ("roi", (96, 160))])
@pytest.mark.parametrize("frames", [1, 3])
def test_shapes_and_normalisation(pack, region, shape, frames):
    samples, settings = samples_of([pack], region=region, frames=frames)
    assert input_shape(settings) == shape
    x = render(samples, np.arange(4), Copies.plain(4), settings)
    assert (x.shape, x.dtype) == ((4, frames, *shape), np.float32)
    np.testing.assert_allclose(x.mean((1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(x.std((1, 2, 3)), 1, atol=1e-4)


def test_one_frame_is_the_apex_of_three(pack):
    samples, settings = samples_of([pack], region="roi")
    apex = dataclasses.replace(settings, frames=1)
    rows = np.arange(3)
    three = render(samples, rows, Copies.plain(3), settings, "uint8")
    one = render(samples, rows, Copies.plain(3), apex, "uint8")
    np.testing.assert_array_equal(three[:, 2:], one)


def test_classes_choose_the_clips(pack):
    samples, _ = samples_of([pack])
    assert set(samples.classes) == {"anger", "disgust", "fear", "happiness", "sadness", "surprise"}
    by_id = dict(zip(pack.ids, pack.emotion, strict=True))
    assert [samples.classes[label] for label in samples.labels] == [by_id[name] for name in samples.ids]
    assert len(samples.ids) == sum(emotion in samples.classes for emotion in pack.emotion) < len(pack.ids)


def test_copies_do_not_depend_on_batch_or_order(pack):
    samples, settings = samples_of([pack], region="roi")
    rows = np.arange(6)
    ids = [samples.ids[k] for k in rows]
    copy = np.array([0, 1, 2, 0, 1, 2])
    together = render(samples, rows, sample_augmentation(ids, copy, 4, settings), settings, "uint8")
    for k in (5, 0, 3):
        alone = render(samples, rows[[k]], sample_augmentation([ids[k]], copy[[k]], 4, settings), settings, "uint8")
        np.testing.assert_array_equal(alone[0], together[k])
    threads = dataclasses.replace(settings, threads=3)
    np.testing.assert_array_equal(
        render(samples, rows, sample_augmentation(ids, copy, 4, threads), threads, "uint8"), together
    )


def test_copies_differ_by_seed_epoch_clip_and_number(pack):
    samples, settings = samples_of([pack])
    ids = [samples.ids[0]] * 3

    def drawn(settings, epoch=1, ids=ids):
        copies = sample_augmentation(ids, np.arange(3), epoch, settings)
        return np.column_stack([copies.angle_deg, copies.tone])

    base = drawn(settings)
    assert len(np.unique(base, axis=0)) == 3
    for other in (
        drawn(dataclasses.replace(settings, seed=1)),
        drawn(settings, epoch=2),
        drawn(settings, ids=[samples.ids[1]] * 3),
    ):
        assert (other != base).all()
    fixed = dataclasses.replace(settings, fresh_augmentations=False)
    np.testing.assert_array_equal(drawn(fixed, epoch=1), drawn(fixed, epoch=2))


def test_copies_fill_their_ranges_and_nothing_beyond(pack):
    samples, settings = samples_of([pack])
    copies = sample_augmentation([samples.ids[0]] * 4000, np.arange(4000), 1, settings)
    for values, low, high in (
        (copies.angle_deg, -10, 10),
        (copies.tone[:, 0], 0.8, 1.2),
        (copies.tone[:, 1], -10, 10),
    ):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
    assert 0.47 < copies.mirror.mean() < 0.53
    still = dataclasses.replace(settings, hflip=False, rotation_deg=0.0, contrast=0.0, brightness=0.0)
    plain = sample_augmentation([samples.ids[0]], np.array([0]), 1, still)
    assert (plain.angle_deg[0], plain.mirror[0], *plain.tone[0]) == (0, False, 1, 0)


@pytest.mark.parametrize("copies", [1, 4])
@pytest.mark.parametrize("count", [2, 15, 16, 17, 97, 121])
def test_an_epoch_has_every_copy_once_in_batches_of_even_size(count, copies):
    settings = Settings(augmentations=copies)
    ids = [f"d/s/{k}" for k in range(count)]
    plan = list(batch_plan(ids, np.zeros(count, np.int64), 1, settings))
    assert len(plan) == steps_per_epoch(count, settings)
    pairs = sorted((int(p), int(c)) for place, copy in plan for p, c in zip(place, copy, strict=True))
    assert pairs == [(p, c) for p in range(count) for c in range(copies)]
    sizes = {len(place) for place, _ in plan}
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 2
    again = list(batch_plan(ids, np.zeros(count, np.int64), 1, settings))
    assert all((a[0] == b[0]).all() for a, b in zip(plan, again, strict=True))
    later = list(batch_plan(ids, np.zeros(count, np.int64), 2, settings))
    assert count == 2 or any(len(a[0]) != len(b[0]) or (a[0] != b[0]).any() for a, b in zip(plan, later, strict=True))


def test_balance_draws_every_class_equally_often():
    settings = Settings(balanced_sampling=True, augmentations=20)
    labels = np.array([0] * 90 + [1] * 9 + [3])
    plan = list(batch_plan([f"d/s/{k}" for k in range(100)], labels, 1, settings))
    place = np.concatenate([p for p, _ in plan])
    assert len(place) == 2000
    shares = np.bincount(labels[place], minlength=4) / 2000
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.04)


def test_too_few_clips_are_refused():
    with pytest.raises(DataError, match="at least two clips"):
        steps_per_epoch(1, Settings(augmentations=1))


def test_clips_in_two_packs_and_missing_classes_are_refused(pack):
    with pytest.raises(DataError, match=r"clip samm/\S+ stands in more than one pack"):
        samples_of([pack, pack])
    with pytest.raises(DataError, match=r"none of the clips belongs to --classes smic3; the packs hold anger$"):
        samples_of([dataclasses.replace(pack, emotion=("anger",) * len(pack.ids))], classes="smic3")
    with pytest.raises(DataError, match=r"clip x/y/z and 0 more are not in the pack"):
        samples_of([pack])[0].rows_of(["x/y/z"])


def test_regions_need_landmarks_and_faces_do_not(pack):
    blind = dataclasses.replace(pack, landmarks=np.full_like(pack.landmarks, np.nan))
    with pytest.raises(DataError, match=r"has no landmarks \(made with --aligned\), but --roi"):
        samples_of([blind], region="roi")
    samples, settings = samples_of([blind], face_size=128)
    x = render(samples, np.arange(2), Copies.plain(2), settings, "uint8")
    row = samples.place[0, 1]
    np.testing.assert_array_equal(x[0], blind.frames[row])  # 128 px shown as they are
    mirrored = Copies(np.zeros(1), np.array([True]), np.array([[1, 0]], np.float32))
    flipped = render(samples, np.arange(1), mirrored, settings, "uint8")
    np.testing.assert_array_equal(flipped[0], blind.frames[row][..., ::-1])


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_rendering_into_given_memory(pack, dtype):
    samples, settings = samples_of([pack], region="roi")
    rows = np.arange(3)
    expected = render(samples, rows, Copies.plain(3), settings, dtype)
    out = np.zeros_like(expected)
    assert render(samples, rows, Copies.plain(3), settings, dtype, out) is out
    np.testing.assert_array_equal(out, expected)
    with pytest.raises(ValueError, match="out must be"):
        render(samples, rows, Copies.plain(3), settings, dtype, out[:2])


def test_two_packs_render_as_each_alone(pack):
    other = dataclasses.replace(pack, dataset=tuple("other" for _ in pack.dataset), frames=pack.frames[:, ::-1])
    both, settings = samples_of([pack, other], region="roi")
    n = len(both.ids) // 2
    rows = np.array([0, n, 1, n + 1])
    mixed = np.zeros((4, 3, *input_shape(settings)), np.uint8)
    assert render(both, rows, Copies.plain(4), settings, "uint8", mixed) is mixed
    single, _ = samples_of([pack], region="roi")
    np.testing.assert_array_equal(
        mixed[::2], render(single, rows[:2:1] * 0 + [0, 1], Copies.plain(2), settings, "uint8")
    )
    np.testing.assert_array_equal(mixed[0], mixed[1][::-1])
