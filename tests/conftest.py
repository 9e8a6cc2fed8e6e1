"""Fixtures: small made-up recordings, their pack, and the installed command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: many small tests on few cores

import pytest

ROOT = Path(__file__).parents[1]
# A folder of real photographs and films with MEASURED.csv, which says what is in each; not part of the repository.
REAL_FACES = Path(os.environ.get("MERTOOL_TEST_FACES", os.devnull))
# A network and a training that take a second: for everything that is not about accuracy.
TINY = ("--width", "4", "--blocks", "1", "--epochs", "2", "--copies", "1", "--folds", "2", "--face-size", "48")


_SCRIPT = Path(sys.executable).with_name("mertool")
COMMAND = [str(_SCRIPT)] if _SCRIPT.exists() else [sys.executable, "-m", "mertool"]


def run(*arguments, cwd, check=True, env=None, stdin=subprocess.DEVNULL):
    """Run the installed `mertool`; gives the finished process with its text."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


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

    from tests.noise import in_this_process

    in_this_process(monkeypatch)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
