"""Recordings in every layout, rendered: moves in their time, formats, faces and conditions."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from recordings import Conditions, Move, Recording, write_empty
from recordings.movement import Scene, render

from mertool.extraction.image_files import read_picture
from mertool.extraction.stabilise import Stabiliser
from tests.support.command import make_recordings
from tests.support.made_up import contents, planned
from tests.support.reports import flat

CALM = Conditions(sway=0.3, roll=0.08, yaw=0, blinks=0)


def shown(person, folder, moves, n_frames=24, suffix=".png", colour=False, written=None, conditions=CALM):
    files = tuple(f"a/{k}{suffix}" for k in range(n_frames))
    render(person, Recording(0, files, tuple(moves), (640, 480), colour, (1, 2), written), folder, conditions)
    return {int(path.stem): read_picture(path) for path in (folder / "a").iterdir()}


def test_a_recording_shows_each_move_in_its_time_and_rests_between(person, tmp_path):
    moves = [Move("Surprise", 3, 6, 9), Move("Happiness", 20, 24, 28, macro=True)]
    frames = shown(person, tmp_path / "moving", moves, 40)
    still = shown(person, tmp_path / "still", [], 40)
    assert sorted(frames) == list(range(40))
    low = {k: cv2.GaussianBlur(frame, (0, 0), 3).astype(float) for k, frame in frames.items()}
    change = [np.abs(low[k] - low[2]).max() for k in range(40)]
    calm = [cv2.GaussianBlur(still[k], (0, 0), 3).astype(float) for k in range(40)]
    noise = max(np.abs(calm[k] - calm[2]).max() for k in range(40))
    assert change[6] > 1.2 * change[19]
    assert change[24] > 3 * noise
    assert change[24] > change[6] > change[1]
    assert change[39] < change[24] / 2


def test_missing_frames_are_not_written_and_the_others_are_there(person, tmp_path):
    assert sorted(shown(person, tmp_path, [Move("Fear", 0, 4, 7)], 8, written=(0, 3, 7))) == [0, 3, 7]


@pytest.mark.parametrize(("suffix", "colour"), [(".png", True), (".bmp", False), (".jpg", True), (".jpg", False)])
def test_formats(person, tmp_path, capfd, suffix, colour):
    frames = shown(person, tmp_path, [Move("Anger", 0, 0, 0, macro=True)], 1, suffix, colour)
    assert frames[0].shape == ((480, 640, 3) if colour else (480, 640))
    if colour:
        blue, _, red = frames[0].reshape(-1, 3).astype(float).mean(0)
        assert red > blue + 5  # skin and hair
        assert np.abs(cv2.cvtColor(frames[0], cv2.COLOR_BGR2GRAY).astype(float).mean() - frames[0].mean()) < 4
    elif suffix == ".bmp":
        assert (tmp_path / "a" / "0.bmp").stat().st_size < 640 * 480 + 2000  # 8 bits a pixel
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("layout", ["casme2", "ckplus"])
def test_rendered_layouts_show_faces(layout, finder, tmp_path):
    out = tmp_path / layout
    size = ("--subjects", 1, "--clips-per-subject", 1, "--length", 8, 8)
    done = make_recordings("--layout", layout, *size, "--seed", 3, "--jobs", 1, out)
    assert (done.returncode, done.stdout) == (0, f"{out}\n")
    plan = planned(layout, 1, 1, (8, 8))
    assert done.stderr.strip() == f"{len(plan.recordings)} of {len(plan.recordings)} recordings"
    empty = tmp_path / "empty"
    write_empty(plan, empty)
    tables = {path for path in contents(empty) if path.suffix in (".xlsx", ".txt")} - {Path("README.txt")}
    assert len(tables) >= 2
    assert contents(out).keys() == contents(empty).keys()
    assert all((out / path).read_bytes() == (empty / path).read_bytes() for path in tables)
    assert (out / "README.txt").read_text(encoding="utf-8").endswith("scikit-image's astronaut\n")
    for recording in plan.recordings:
        first, last = (read_picture(out / recording.files[k]) for k in (0, -1))
        assert first.shape[:2] == recording.size[::-1]
        assert first.ndim == (3 if recording.colour else 2)
        assert finder.find(first if first.ndim == 2 else cv2.cvtColor(first, cv2.COLOR_BGR2GRAY)) is not None
        assert not np.array_equal(first, last)
    assert any(recording.colour for recording in plan.recordings)
    assert all(recording.colour for recording in plan.recordings) == (layout == "casme2")


def test_conditions_are_what_the_recordings_show(person, finder, tmp_path):
    """The head moves as far as asked for, and lids close, light changes, noise is there."""
    hard = Conditions(strength=0, sway=6, roll=2, yaw=0, light=10, blinks=1, noise=4)
    moves = [Move("Happiness", 0, 20, 39)]
    scene = Scene(
        person, Recording(0, tuple(f"{k}.png" for k in range(40)), tuple(moves), (640, 480), False, (1, 2)), hard
    )
    frames = [scene.frame(k) for k in range(40)]
    made = Stabiliser(frames[0], finder.find(frames[0]).landmarks)
    shifts, turns = [], []
    for frame in frames[1:]:
        motion = made.motion(frame)
        shifts.append(motion.shift_px * 100 / scene.iod_px)
        turns.append(motion.turn_deg)
    assert 3 <= max(shifts) <= 1.1 * np.hypot(6, 0.4 * 6)
    assert 0.9 <= max(np.abs(turns)) <= 2.05
    means = np.array([frame.mean() for frame in frames])
    assert 1.03 < means.max() / means.min() < 1.4
    # The expression has no strength, so what the face does is the blink; scaled to nothing, lids stay open.
    blinked = [np.abs(scene.frame(k).astype(float) - scene.frame(k, 0.0)) for k in range(40)]
    eyes = [np.rint(scene.landmarks[part].mean(0)).astype(int) for part in (slice(36, 42), slice(42, 48))]
    for x, y in eyes:
        assert max(one[y - 25 : y + 25, x - 25 : x + 25].max() for one in blinked) > 30
    grey = cv2.GaussianBlur(frames[0], (0, 0), 2).astype(float)
    corner = np.s_[:40, :40]
    assert 2 < (frames[0][corner] - grey[corner]).std() < 6


def test_the_command_s_conditions_reach_the_recordings(tmp_path):
    size = ("--subjects", 1, "--clips-per-subject", 1, "--length", 8, 8, "--jobs", 1)
    done = make_recordings(
        *size,
        "--strength",
        0.5,
        "--sway",
        7,
        "--roll",
        1.5,
        "--yaw",
        2,
        "--light",
        6,
        "--blinks",
        1,
        "--noise",
        3,
        tmp_path / "a",
    )
    assert done.returncode == 0, done.stderr
    words = flat((tmp_path / "a" / "README.txt").read_text(encoding="utf-8"))
    for said in (
        "usually by 0.5 pixels",
        "drifts by up to 7 such pixels, turns by up to 1.5 degrees in the picture plane and 2 in depth",
        "brightness changes by up to 6 %, a blink falls into 100% of the recordings",
        "standard deviation of about 3 grey levels",
    ):
        assert said in words
    assert make_recordings(*size, "--sway", -1, tmp_path / "b", check=False).returncode == 2
