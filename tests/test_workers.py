"""Worker processes: their failures, their number, and that none outlives its parent."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mertool import workers
from mertool.errors import DataError, FileError
from mertool.workers import available_cores, run_each


def touch(path):
    path.write_text(str(os.getpid()))


def fail(path):
    if path.name == "b":
        raise FileError("b: cannot be done")
    time.sleep(30)


def die(_path):
    os.kill(os.getpid(), signal.SIGKILL)


def test_each_argument_has_a_process_of_its_own(tmp_path):
    ticks = []
    run_each(touch, [(tmp_path / name,) for name in "abc"], 2, lambda: ticks.append(1), 0.05)
    assert len({(tmp_path / name).read_text() for name in "abc"} | {str(os.getpid())}) == 4
    assert ticks


def test_the_first_failure_ends_the_others(tmp_path):
    started = time.monotonic()
    with pytest.raises(FileError, match=r"^b: cannot be done$"):
        run_each(fail, [(tmp_path / name,) for name in "ab"], 2, lambda: None, 0.05)
    assert time.monotonic() - started < 25  # the other sleeps for 30 s


def test_a_killed_worker_is_named():
    with pytest.raises(DataError, match=r"was ended by SIGKILL; .* try fewer --jobs"):
        run_each(die, [(None,)], 1, lambda: None, 0.05)


def read_beyond_the_end(_path):
    os.kill(os.getpid(), signal.SIGBUS)


def test_a_worker_whose_pack_was_cut_short_is_named():
    with pytest.raises(DataError, match=r"SIGBUS: a pack was cut short while it was read; copy it again"):
        run_each(read_beyond_the_end, [(None,)], 1, lambda: None, 0.05)


def test_shared_memory_that_cannot_be_written_is_named(monkeypatch):
    def refuse(*_arguments, **_named):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(workers, "ProcessPoolExecutor", refuse)
    with pytest.raises(FileError, match=r"^/dev/shm: .*: read-only file system; let it be mounted writable$"):
        workers.worker_pool(1)


@pytest.mark.parametrize("kind", ["run_each", "pool"])
def test_workers_die_with_a_parent_that_is_killed(tmp_path, kind):
    module = tmp_path / "forever.py"
    module.write_text(
        textwrap.dedent("""
            import os, pathlib, sys, time
            from mertool.workers import run_each, worker_pool
            def work(path):
                pathlib.Path(path).write_text(str(os.getpid()))
                time.sleep(600)
            if __name__ == "__main__":
                if sys.argv[1] == "run_each":
                    run_each(work, [(sys.argv[2],)], 1, lambda: None)
                else:
                    worker_pool(1).submit(work, sys.argv[2]).result()
        """)
    )
    note = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, module, kind, note])
    wait_for(lambda: note.exists() and note.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    child = int(note.read_text())
    wait_for(lambda: not alive(child))


def wait_for(condition, limit_s=60):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_cores_respect_slurm_and_affinity(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    assert available_cores() <= 3
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert available_cores() == 1
