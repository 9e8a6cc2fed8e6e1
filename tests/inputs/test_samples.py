"""Samples: which clips of which packs, and what is refused."""

from __future__ import annotations

import dataclasses

import pytest

from mertool.errors import DataError
from mertool.pack import load_pack
from tests.support.samples import samples_of


@pytest.fixture(scope="module")
def pack(pack_path):
    return load_pack(pack_path)


def test_classes_choose_the_clips(pack):
    samples, _ = samples_of([pack])
    assert set(samples.classes) == {"anger", "disgust", "fear", "happiness", "sadness", "surprise"}
    by_id = dict(zip(pack.ids, pack.emotion, strict=True))
    assert [samples.classes[label] for label in samples.labels] == [by_id[name] for name in samples.ids]
    assert len(samples.ids) == sum(emotion in samples.classes for emotion in pack.emotion) < len(pack.ids)


def test_clips_in_two_packs_and_missing_classes_are_refused(pack):
    with pytest.raises(DataError, match=r"clip samm/\S+ is in more than one pack"):
        samples_of([pack, pack])
    with pytest.raises(DataError, match=r"no clip belongs to --classes smic3; the emotions in the packs are anger$"):
        samples_of([dataclasses.replace(pack, emotion=("anger",) * len(pack.ids))], classes="smic3")
    with pytest.raises(DataError, match=r"clip x/y/z and 0 more are not in the pack"):
        samples_of([pack])[0].rows_of(["x/y/z"])
