"""Batches: which clips, which augmentations, and what these depend on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mertool.errors import DataError
from mertool.network.batches import batch_plan, sample_augmentation, steps_per_epoch
from mertool.settings import Settings


def test_copies_differ_by_seed_epoch_clip_and_number():
    ids, settings = ["samm/006/006_1_2"] * 3, Settings()

    def drawn(settings, epoch=1, ids=ids):
        copies = sample_augmentation(ids, np.arange(3), epoch, settings)
        return np.column_stack([copies.angle_deg, copies.tone])

    base = drawn(settings)
    assert len(np.unique(base, axis=0)) == 3
    for other in (
        drawn(dataclasses.replace(settings, seed=1)),
        drawn(settings, epoch=2),
        drawn(settings, ids=["samm/007/007_3_1"] * 3),
    ):
        assert (other != base).all()
    fixed = dataclasses.replace(settings, fresh_augmentations=False)
    np.testing.assert_array_equal(drawn(fixed, epoch=1), drawn(fixed, epoch=2))


def test_copies_fill_their_ranges_and_nothing_beyond():
    settings = Settings()
    copies = sample_augmentation(["samm/006/006_1_2"] * 4000, np.arange(4000), 1, settings)
    for values, low, high in (
        (copies.angle_deg, -10, 10),
        (copies.tone[:, 0], 0.8, 1.2),
        (copies.tone[:, 1], -10, 10),
    ):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
    assert 0.47 < copies.mirror.mean() < 0.53
    still = dataclasses.replace(settings, hflip=False, rotation_deg=0.0, contrast=0.0, brightness=0.0)
    plain = sample_augmentation(["samm/006/006_1_2"], np.array([0]), 1, still)
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
