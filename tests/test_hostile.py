"""A slice of `tests.benchmarks.hostile`: damaged inputs of every kind, each a result or one line."""

from __future__ import annotations

import subprocess
import sys

from tests.support.command import ROOT


def test_damaged_inputs_are_a_result_or_one_line():
    words = [sys.executable, "-m", "tests.benchmarks.hostile", "--cases", "105", "--seed", "14", "--jobs", "1"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 9
