"""Processes of a command that are killed, and an exception that stands for a kill."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path


class KilledError(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def killed(command, cwd, after_s):
    """Start a command, kill it and nothing else with SIGKILL; gives the processes that it left behind."""
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_s)
    children = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() and not zombie(pid) for pid in children) and time.monotonic() < end:
        time.sleep(0.1)
    return [pid for pid in children if Path(f"/proc/{pid}").exists() and not zombie(pid)]


def descendants(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
