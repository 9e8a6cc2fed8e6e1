"""Fixtures: small made-up recordings, their pack and a finished run of it."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: many small tests on few cores
os.environ["COLUMNS"] = "80"  # however wide the terminal is that tests run in

import pytest

from tests.support.command import TINY, make_recordings, run


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """Four made-up people with six clips each of the six basic emotions, as SAMM lies on disk."""
    out = tmp_path_factory.mktemp("recordings") / "SAMM é"
    make_recordings("--subjects", 4, "--clips-per-subject", 6, "--length", 8, 10, out)
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
def one_thread():
    """PyTorch computes on one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def one_process(monkeypatch, one_thread):
    """`cv` and `train` work on their folds in this process, on one thread."""
    from tests.support.in_process import in_this_process

    in_this_process(monkeypatch)


@pytest.fixture
def no_waiting_for_the_disk(monkeypatch):
    """For tests that write files by the hundred; that files are synced is tested in tests/test_files.py."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="session")
def finder():
    """Finds faces and their landmarks."""
    from mertool.extraction.faces import FaceFinder, find_landmark_model

    return FaceFinder(find_landmark_model())


@pytest.fixture(scope="session")
def person(finder):
    """One subject of the made-up recordings, from a public portrait."""
    from recordings.subjects import load_portraits, make_subjects

    return make_subjects(load_portraits(None, finder), 1, 0)[0]
