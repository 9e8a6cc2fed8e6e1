"""The installed command, as tests run it, and where things are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A folder of real photographs and films with MEASURED.csv, which says what is in each; not part of the repository.
REAL_FACES = Path(os.environ.get("MERTOOL_TEST_FACES", os.devnull))
# A network and a training that take a second: for everything that is not about accuracy.
TINY = ("--width", "4", "--blocks", "1", "--epochs", "2", "--augmentations", "1", "--folds", "2", "--face-size", "48")

_SCRIPT = Path(sys.executable).with_name("mertool")
COMMAND = [str(_SCRIPT)] if _SCRIPT.exists() else [sys.executable, "-m", "mertool"]
# With the installed command before all others, for scripts that call `mertool`.
PATH = f"{Path(COMMAND[0]).parent}{os.pathsep}{os.environ['PATH']}"


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


def script(name, *arguments, cwd, **environment):
    """Run a script of examples/; gives the finished process with its text."""
    return subprocess.run(
        [str(ROOT / "examples" / name), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PATH": PATH, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def make_recordings(*arguments, check=True):
    """Run examples/make_recordings.py; gives the finished process with its text."""
    script = str(ROOT / "examples" / "make_recordings.py")
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if check:
        assert done.returncode == 0, done.stderr
    return done
