"""Fixtures: a pack of noise with faces and sequences."""

from __future__ import annotations

import pytest

from tests.support.texture_packs import make_pack


@pytest.fixture
def pack(tmp_path):
    return make_pack(tmp_path / "a é.npz")
