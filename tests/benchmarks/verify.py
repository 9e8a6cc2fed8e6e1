"""Time and memory of `mertool extract --verify` over very many clip folders, empty frames shared by hard links.

python -m tests.benchmarks.verify            20,000 clips of 30 frames in the layout of SAMM
python -m tests.benchmarks.verify 5000 60
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from recordings.tables import write_book

LINKS = 60000  # to one file: ext4 allows 65000
EMOTIONS = ("Anger", "Happiness", "Surprise", "Disgust", "Fear", "Sadness", "Other", "Contempt")
HEADER = ["Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Estimated Emotion"]


def make(root: Path, clips: int, frames: int) -> None:
    """Clip folders 001/001_1_1 and so on, each with `frames` empty frames, and their table."""
    rows: list[list[object]] = [list(HEADER)]
    base, links = None, LINKS
    for number in range(clips):
        subject, inducement, serial = number // 700 + 1, number % 7 + 1, number % 700 // 7 + 1
        name, first = f"{subject:03d}_{inducement}_{serial}", 100 + number % 9000
        folder = root / f"{subject:03d}" / name
        folder.mkdir(parents=True)
        for frame in range(first, first + frames):
            path = folder / f"{subject:03d}_{frame:05d}.jpg"
            if base is None or links == LINKS:
                path.touch()
                base, links = path, 0
            else:
                os.link(base, path)
                links += 1
        last = first + frames - 1
        rows.append([f"{subject:03d}", name, first, (first + last) // 2, last, EMOTIONS[number % 8]])
    write_book(root / "SAMM_Micro_FACS_Codes_v2.xlsx", {"MICRO_ONLY": rows})


def main(clips: int = 20000, frames: int = 30) -> None:
    """Make the folder, verify it three times, print seconds and peak memory of each."""
    command = [str(Path(sys.executable).with_name("mertool")), "extract", "SAMM", "--verify"]
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        make(Path(home) / "SAMM", clips, frames)
        print(f"{clips} folders, {clips * frames} frames made in {time.perf_counter() - began:.1f} s")
        for _ in range(3):
            began = time.perf_counter()
            done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
            seconds = time.perf_counter() - began
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # the largest child so far
            print(f"{seconds:.1f} s, {peak:.0f} MB; {done.stdout.splitlines()[0]}")
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
