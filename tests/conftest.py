"""Fixtures: small made-up recordings, their pack and a finished run of it."""

from __future__ import annotations

import os
import subprocess
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: many small tests on few cores

import pytest

from tests.support.command import ROOT, TINY, run


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """Four made-up people with six clips each of the six basic emotions, as SAMM lies on disk."""
    out = tmp_path_factory.mktemp("recordings") / "SAMM é"
    size = ("--subjects", "4", "--clips-per-subject", "6", "--length", "8", "10")
    subprocess.run([sys.executable, ROOT / "examples" / "make_recordings.py", *size, out], check=True, timeout=600)
    return out


@pytest.fixture(scope="session")
def pack_path(recordings):
    """The pack of `recordings`, beside it."""
    run("extract", recordings, "-o", "made up.npz", "--sequence", "5", "--size", "128", cwd=recordings.parent)
    return recordings.parent / "made up.npz"


@pytest.fixture(scope="session")
def finished_run(pack_path):
    """A finished cross-validation of `pack_path` with attention branch."""
    run("cv", pack_path, "--abn", *TINY, "-o", "finished", cwd=pack_path.parent)
    return pack_path.parent / "finished"


@pytest.fixture
def one_process(monkeypatch):
    """`cv` and `train` work on their folds in this process, on one thread."""
    import torch

    from tests.support.noise import in_this_process

    in_this_process(monkeypatch)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
