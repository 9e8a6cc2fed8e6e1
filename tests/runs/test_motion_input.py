"""Runs whose networks see motion: the same in every way of running, audited, predicting, and told in reports."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from mertool.evaluation.predictions import Predictions
from mertool.runs.finished import load_run
from tests.support.audits import faults
from tests.support.command import TINY, run
from tests.support.in_process import call, in_this_process, refusal
from tests.support.run_folders import whole_run

pytestmark = pytest.mark.usefixtures("one_process")
MOTION = ("--input", "flow+strain", "--abn", *TINY)


@pytest.fixture(scope="module")
def home(tmp_path_factory, pack_path):
    """A folder with a pack and the finished run `moved`."""
    folder = tmp_path_factory.mktemp("motion é")
    shutil.copy(pack_path, folder / "a.npz")
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        call("cv", "a.npz", *MOTION, "-o", "moved", cwd=folder)
    return folder


def test_the_flow_is_made_once_beside_the_pack(home):
    (kept,) = (home / "a.features").iterdir()
    assert kept.name.startswith("flow-")
    before = kept.stat().st_mtime_ns
    call("cv", "a.npz", "--input", "flow", *TINY, "-o", "again", cwd=home)
    assert [path.stat().st_mtime_ns for path in (home / "a.features").iterdir()] == [before]


def test_the_way_of_running_changes_nothing(home, tmp_path):
    """Two processes, one fold at a time, and a folder beside which nothing can be kept."""
    shutil.copy(home / "a.npz", tmp_path)
    (tmp_path / "a.features").write_text("in the way")
    run("cv", "a.npz", *MOTION, "-o", "moved", "--fold", 1, cwd=tmp_path)
    run("cv", "-o", "moved", "--resume", "--jobs", 2, cwd=tmp_path)
    assert whole_run(tmp_path / "moved") == whole_run(home / "moved")


def test_the_audit_makes_the_predictions_again(home):
    assert faults(home / "moved") == []


def test_it_predicts_and_draws_its_attention(home):
    done = call("predict", "moved", "a.npz", cwd=home)
    (home / "p.csv").write_text(done.stdout)
    found = Predictions.read(home / "p.csv")
    assert np.isfinite(found.probabilities).all()
    call("report", "moved", "--maps", "maps.png", cwd=home)
    call("report", "moved", "--format", "html", "--faces", cwd=home)
    assert (home / "maps.png").stat().st_size > 1000


def test_reports_say_what_the_network_saw(home):
    text = call("report", "moved", cwd=home).stdout
    assert "face, 3 frames, flow+strain, abn, modern" in text
    assert "input                    optical flow since the onset and its strain" in text
    values = json.loads(call("report", "moved", "--format", "json", cwd=home).stdout)["runs"][0]
    assert values["settings"]["input"] == "flow+strain"
    line = refusal("report", "moved", "--tables", "paper", cwd=home, code=1)
    assert "the paper's networks see grey frames, not flow+strain" in line
    assert "--input flow+strain" in load_run(home / "moved").command_line


def test_the_folder_is_named_after_the_input(home):
    call("cv", "a.npz", "--input", "diff", "--roi", *TINY, "--fold", 0, cwd=home)
    (folder,) = (home / "runs").iterdir()
    assert folder.name.startswith("a-roi-3f-diff-")


def test_weights_go_to_networks_that_see_the_same(home):
    small = ("--width", 4, "--blocks", 1, "--epochs", 1, "--face-size", 48, "--augmentations", 1)
    other = ("--width", 4, "--blocks", 1, "--epochs", 1, "--face-size", 48, "--folds", 2)
    call("train", "a.npz", "--input", "flow", *small, "-o", "taught", cwd=home)
    # The clips are the same, so it is refused, but only after the weights have been looked at.
    from mertool.network.checkpoint import load_weights, transfer
    from mertool.network.model import build_model
    from mertool.settings import Settings

    source = load_weights(home / "taught/final.pt")
    for kind, frames, loaded, why in (
        ("flow", 3, True, ""),
        ("gray", 3, False, "stem (other input: flow there)"),
        ("flow", 1, False, "stem (3 frames of flow there)"),
    ):
        settings = Settings.from_dict({"input": kind, "frames": frames, "width": 4, "face_size": 48})
        report = transfer(build_model(settings, len(source.classes), 0), settings, source.classes, source)
        assert ("stem" in report.loaded) == loaded
        assert [text for text in report.not_loaded if text.startswith("stem")] == ([why] if why else [])
    assert "was trained on" in refusal("cv", "a.npz", *other, "--init", "taught", cwd=home, code=1)


def test_the_input_is_drawn(home):
    import cv2

    for kind in ("gray", "diff", "flow", "flow+strain", "gray+flow"):
        call("cv", "a.npz", "--input", kind, "--show-input", f"{kind}.png", cwd=home)
    heights = {kind: cv2.imread(str(home / f"{kind}.png")).shape[0] for kind in ("gray", "diff", "flow")}
    assert heights["diff"] == heights["flow"] > 1.7 * heights["gray"]
    colours = cv2.imread(str(home / "flow.png")).astype(int)
    assert (np.ptp(colours, axis=2) > 60).mean() > 0.01  # where something moved


def test_it_is_the_networks_setting(home):
    line = refusal("cv", "a.npz", "--method", "lbp-top", "--input", "flow", cwd=home, code=2)
    assert line == "Error: --input: means nothing for --method lbp-top; leave it out"
    assert "--input" in refusal("cv", "a.npz", "--input", "flows", cwd=home, code=2)
