"""Fixtures: a pack of noise and finished runs of texture features on it."""

from __future__ import annotations

import shutil

import pytest
import torch

from tests.support.in_process import call, in_this_process
from tests.support.noise import make_pack
from tests.support.texture_runs import CBP, GROUP, LBP, ONE_DESIGN, PEOPLE


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """The pack a.npz, two finished runs `lbp` and `cbp`, and `fixed`, whose design is given."""
    folder = tmp_path_factory.mktemp("features é")
    make_pack(folder / "a.npz", PEOPLE, sequence=8)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        torch.set_num_threads(1)
        call("cv", "a.npz", *LBP, *GROUP, "-o", "lbp", cwd=folder)
        call("cv", "a.npz", *CBP, *GROUP, "-o", "cbp", cwd=folder)
        call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "fixed", cwd=folder)
    return folder


@pytest.fixture
def place(home, tmp_path):
    """An empty folder with the same pack, and no kept features."""
    shutil.copy(home / "a.npz", tmp_path)
    return tmp_path


@pytest.fixture
def copies(home, tmp_path):
    """The folder, to damage."""
    return shutil.copytree(home, tmp_path / "home")
