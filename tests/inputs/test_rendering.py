"""Rendered pictures: shapes, regions, packs, and that a clip looks the same in whatever batch it is rendered."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mertool.errors import DataError
from mertool.inputs.rendering import Augmentation, input_shape, render
from mertool.network.batches import sample_augmentation
from mertool.pack import load_pack
from tests.support.samples import samples_of


@pytest.fixture(scope="module")
def pack(pack_path):
    return load_pack(pack_path)


@pytest.mark.parametrize(("region", "shape"), [("face", (128, 128)), ("roi", (96, 160))])
@pytest.mark.parametrize("frames", [1, 3])
def test_shapes_and_normalisation(pack, region, shape, frames):
    samples, settings = samples_of([pack], region=region, frames=frames)
    assert input_shape(settings) == shape
    x = render(samples, np.arange(4), Augmentation.identity(4), settings)
    assert (x.shape, x.dtype) == ((4, frames, *shape), np.float32)
    np.testing.assert_allclose(x.mean((1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(x.std((1, 2, 3)), 1, atol=1e-4)


def test_one_frame_is_the_apex_of_three(pack):
    samples, settings = samples_of([pack], region="roi")
    apex = dataclasses.replace(settings, frames=1)
    rows = np.arange(3)
    three = render(samples, rows, Augmentation.identity(3), settings, "uint8")
    one = render(samples, rows, Augmentation.identity(3), apex, "uint8")
    np.testing.assert_array_equal(three[:, 2:], one)


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


def test_regions_need_landmarks_and_faces_do_not(pack):
    blind = dataclasses.replace(pack, landmarks=np.full_like(pack.landmarks, np.nan))
    with pytest.raises(DataError, match=r"has no landmarks \(made with --aligned\), but --roi"):
        samples_of([blind], region="roi")
    samples, settings = samples_of([blind], face_size=128)
    x = render(samples, np.arange(2), Augmentation.identity(2), settings, "uint8")
    row = samples.pack_row[0, 1]
    np.testing.assert_array_equal(x[0], blind.frames[row])  # 128 px shown as they are
    mirrored = Augmentation(np.zeros(1), np.array([True]), np.array([[1, 0]], np.float32))
    flipped = render(samples, np.arange(1), mirrored, settings, "uint8")
    np.testing.assert_array_equal(flipped[0], blind.frames[row][..., ::-1])


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_rendering_into_given_memory(pack, dtype):
    samples, settings = samples_of([pack], region="roi")
    rows = np.arange(3)
    expected = render(samples, rows, Augmentation.identity(3), settings, dtype)
    out = np.zeros_like(expected)
    assert render(samples, rows, Augmentation.identity(3), settings, dtype, out) is out
    np.testing.assert_array_equal(out, expected)
    with pytest.raises(ValueError, match="out must be"):
        render(samples, rows, Augmentation.identity(3), settings, dtype, out[:2])


def test_two_packs_render_as_each_alone(pack):
    other = dataclasses.replace(pack, dataset=tuple("other" for _ in pack.dataset), frames=pack.frames[:, ::-1])
    both, settings = samples_of([pack, other], region="roi")
    n = len(both.ids) // 2
    rows = np.array([0, n, 1, n + 1])
    mixed = np.zeros((4, 3, *input_shape(settings)), np.uint8)
    assert render(both, rows, Augmentation.identity(4), settings, "uint8", mixed) is mixed
    single, _ = samples_of([pack], region="roi")
    np.testing.assert_array_equal(
        mixed[::2], render(single, rows[:2:1] * 0 + [0, 1], Augmentation.identity(2), settings, "uint8")
    )
    np.testing.assert_array_equal(mixed[0], mixed[1][::-1])
