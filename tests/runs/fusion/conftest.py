"""Fixtures: runs of textures and networks on a pack of noise, and fusions of them."""

from __future__ import annotations

import shutil

import pytest
import torch

from tests.support.fusions import FOLDS, NET
from tests.support.in_process import call, in_this_process
from tests.support.noise import make_pack
from tests.support.texture_runs import CBP, LBP, ONE_DESIGN, PEOPLE


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The pack a.npz, runs of both textures and of networks with and without inner part, and fusions of them."""
    home = tmp_path_factory.mktemp("fuse é")
    make_pack(home / "a.npz", PEOPLE, sequence=8)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        torch.set_num_threads(1)
        call("cv", "a.npz", *LBP, "--cost", 10, *FOLDS, "-o", "lbp", cwd=home)
        call("cv", "a.npz", *CBP, *ONE_DESIGN, *FOLDS, "-o", "cbp", cwd=home)
        call("cv", "a.npz", *NET, "--epoch-selection", "inner", *FOLDS, "-o", "net", cwd=home)
        call("cv", "a.npz", *NET, *FOLDS, "-o", "plain", cwd=home)
        call("cv", "--fuse", "lbp", "cbp", "-o", "equal", cwd=home)
        call("cv", "--fuse", "lbp", "net", "cbp", "--fuse-weights", "fitted", "-o", "fitted", cwd=home)
    return home


@pytest.fixture
def home(made, tmp_path):
    """A copy to damage."""
    return shutil.copytree(made, tmp_path / "home", symlinks=True)
