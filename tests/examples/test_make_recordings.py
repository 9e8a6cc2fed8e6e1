"""The script that makes recordings: portraits that it takes, refusals and help."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from recordings import DEFAULT_LENGTHS, LAYOUTS, TITLES
from recordings.subjects import load_portraits, make_subjects, portrait_files

from mertool.extraction.image_files import write_png
from tests.support.command import make_recordings
from tests.support.reports import flat


def test_portraits_from_a_folder_unusable_ones_named_and_left_out(tmp_path):
    portraits = tmp_path / "Porträts"
    portraits.mkdir()
    image = skimage.data.astronaut()[..., ::-1]
    write_png(portraits / "b.png", image)
    write_png(portraits / "a.png", image[:, ::-1])
    write_png(portraits / "empty.png", np.full((300, 300), 90, np.uint8))
    (portraits / "text.jpg").write_text("no picture")
    (portraits / "notes.txt").write_text("ignored")
    done = make_recordings("--portraits", portraits, "--clips-per-subject", 1, "--length", 8, 8, tmp_path / "out")
    assert done.returncode == 0
    assert "left out: empty.png: no face found" in done.stderr
    assert re.search(r"left out: .*text\.jpg: expected a picture", done.stderr)
    readme = (tmp_path / "out" / "README.txt").read_text(encoding="utf-8")
    assert readme.endswith("006      a.png\n007      b.png\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["006", "007"]


def test_person_folders_give_their_neutral_picture(tmp_path):
    for name in ("p2/neutral.JPG", "p1/neutral.png", "p1/smiling.png", "other.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert portrait_files(tmp_path) == [tmp_path / "p1" / "neutral.png", tmp_path / "p2" / "neutral.JPG"]


def test_variants_of_one_portrait_differ_in_shape_and_skin(finder):
    subjects = make_subjects(load_portraits(None, finder), 4, 0)
    assert len(subjects) == 4
    assert len({tuple(subject.shape) for subject in subjects}) == 4
    assert all(np.abs(subject.shape).max() > 0.5 for subject in subjects)
    single = make_subjects(load_portraits(None, finder), 1, 0)
    assert not single[0].shape.any()  # a portrait that is used once keeps its own face


@pytest.mark.parametrize(
    ("existing", "arguments", "code", "message"),
    [
        ("out/x", ("out",), 1, "out: already there and not an empty folder; remove it or choose another"),
        ("out", ("out",), 1, "out: already there and not an empty folder; remove it or choose another"),
        ("none/x.txt", ("--portraits", "none", "out"), 1, "none: no usable portrait; expected pictures with a frontal"),
        ("", ("--portraits", "missing", "out"), 2, "'missing' does not exist"),
        ("", ("--length", 12, 8, "out"), 2, "expected MIN <= MAX, got 12 8"),
        ("", ("--layout", "casme4", "out"), 2, "'casme4' is not one of 'samm'"),
        ("file", ("--clips-per-subject", 1, "file/out"), 1, "file/out: cannot be written: not a directory"),
    ],
)
def test_refusals_are_one_line(tmp_path, monkeypatch, existing, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    if existing:
        Path(existing).parent.mkdir(exist_ok=True)
        Path(existing).touch()
    done = make_recordings(*arguments, check=False)
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_help_names_every_layout_and_has_an_example():
    done = make_recordings("--help")
    assert done.returncode == 0
    assert "python examples/make_recordings.py --portraits portraits recordings" in done.stdout
    assert all(layout in done.stdout for layout in LAYOUTS)
    assert "24 40, for smic 8 12" in flat(done.stdout)
    assert "    python examples/make_recordings.py --layout casme2 --subjects 4 CASME2\n" in done.stdout
    assert {layout: length for layout, length in DEFAULT_LENGTHS.items() if length != (24, 40)} == {"smic": (8, 12)}
    assert TITLES.keys() == LAYOUTS.keys()
