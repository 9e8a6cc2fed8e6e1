"""The audit of a fusion: its own numbers, and those of the runs that it joins."""

from __future__ import annotations

import json
import shutil

import pytest

from mertool.files import write_json
from mertool.runs.audit import FAIL, NOTE, PASS, audit_run
from tests.support.audits import faults, findings, sign_again
from tests.support.fusions import FOLDS, forge
from tests.support.in_process import call, refusal
from tests.support.reports import page_of
from tests.support.run_folders import done_of, edit_predictions
from tests.support.texture_runs import CBP, LBP, ONE_DESIGN

pytestmark = pytest.mark.usefixtures("one_process")

SOUND = {
    "files": PASS,
    "predictions": PASS,
    "results": PASS,
    "subjects": PASS,
    "initial weights": PASS,
    "fusion": PASS,
    "fused run": PASS,
    "pack": PASS,
    "clips": PASS,
    "labels": PASS,
    "folds": PASS,
    "pictures": PASS,
    "statistics": PASS,
    "key frames": NOTE,
    "beyond this audit": NOTE,
}


def test_the_audit_of_a_sound_fusion_passes_and_has_a_line_a_run(made):
    for name, members in (("equal", ["lbp", "cbp"]), ("fitted", ["lbp", "net", "cbp"])):
        checks = audit_run(made / name)
        assert {check.name: check.verdict for check in checks} == SOUND
        said = [check.detail for check in checks if check.name == "fused run"]
        assert said == [f"{member} passes its own audit" for member in members]
    done = call("report", "--audit", "equal", cwd=made)
    assert "pass  fusion           what 2 runs predict, joined again, is the same" in done.stdout


@pytest.mark.parametrize("name", ["equal", "fitted"])
def test_edited_predictions_are_found(home, name):
    edit_predictions(home / name / "fold_1/predictions.csv")
    assert faults(home / name) == ["files", "results", "fusion"]
    sign_again(home / name)
    assert faults(home / name) == ["results", "fusion"]
    assert findings(home / name)["fusion"][1] == "its runs give other predictions or weights than those of fold 1"
    assert call("report", "--audit", name, cwd=home, code=1).stderr == ""


@pytest.mark.parametrize("name", ["equal", "fitted"])
def test_edited_weights_are_found(home, name):
    """`predict` uses them and the report shows them."""
    done = done_of(home / name, 1)
    write_json(home / name / "fold_1/done.json", {**done, "weights": [0.9, 0.1, *[0.0] * (len(done["weights"]) - 2)]})
    assert faults(home / name) != []


def test_a_fusion_whose_rule_was_changed_is_found(home):
    values = json.loads((home / "fitted/config.json").read_text())
    values["settings"]["fuse_weights"] = "equal"
    write_json(home / "fitted/config.json", values)
    sign_again(home / "fitted")
    assert "fusion" in faults(home / "fitted")


def test_a_run_of_equal_settings_and_other_predictions_in_the_place_of_a_fused_one_is_found(home):
    forge(home / "cbp", "predictions.csv")
    assert faults(home / "equal") == ["fusion", "fused run"]
    assert (
        findings(home / "equal")["fusion"][1] == "its runs give other predictions or weights than those of fold 0, 1, 2"
    )


def test_another_run_in_the_place_of_a_fused_one_is_found(home):
    shutil.rmtree(home / "cbp")
    call("cv", "a.npz", *CBP, "--n-features", 25, "--cost", 10, *FOLDS, "-o", "cbp", cwd=home)
    found = findings(home / "equal")
    assert found["fusion"][0] == FAIL
    assert f"{home}/cbp: has changed since {home}/equal was started; run --fuse again" in found["fusion"][1]
    assert "has changed since" in refusal("predict", "equal", "a.npz", cwd=home, code=1)
    (home / "equal/fold_0/done.json").unlink()
    assert "has changed since" in refusal("cv", "-o", "equal", "--resume", cwd=home, code=1)
    assert "other runs (--fuse)" in refusal("cv", "--fuse", "lbp", "cbp", "-o", "equal", "--resume", cwd=home, code=2)


@pytest.mark.parametrize("member", ["lbp", "net"])
def test_a_fused_run_that_fails_its_own_audit_fails_the_fusion(home, member):
    """A leak that only the run's own checks find: another fold's classifier or network, with repaired hashes."""
    file = "classifier.npz" if member == "lbp" else "final.pt"
    shutil.copy(home / member / "fold_1" / file, home / member / "fold_0" / file)
    sign_again(home / member)
    checks = audit_run(home / "fitted")
    assert [check.name for check in checks if check.verdict == FAIL] == ["fused run"]
    (detail,) = [check.detail for check in checks if check.verdict == FAIL]
    failed = "classifiers" if member == "lbp" else "networks, epoch"
    assert detail == f"{member} fails its own audit: {failed}"
    done = call("report", "--audit", "fitted", cwd=home, code=1)
    assert f"fail  fused run        {member} fails its own audit: {failed}" in done.stdout
    assert f"{member} fails its own audit" in page_of(home, "fitted")


def test_notes_on_a_fused_run_are_notes_on_the_fusion(home):
    for name in ("lbp", "cbp"):
        words = LBP if name == "lbp" else CBP
        call("cv", "a.npz", *words, *ONE_DESIGN, "--folds", 3, "-o", f"mixed {name}", cwd=home)
    call("cv", "--fuse", "mixed lbp", "mixed cbp", "-o", "mixed", cwd=home)
    checks = audit_run(home / "mixed")
    said = [(check.verdict, check.detail) for check in checks if check.name == "fused run"]
    assert said == [
        (NOTE, "mixed lbp passes its own audit, notes on subjects"),
        (NOTE, "mixed cbp passes its own audit, notes on subjects"),
    ]
    assert "Subject-dependent" in call("report", "mixed", cwd=home).stdout


def test_a_fused_run_without_a_file_is_one_line_and_not_the_end_of_the_audit(home):
    (home / "cbp/fold_1/done.json").unlink()
    found = findings(home / "equal")
    assert found["fusion"] == (
        FAIL,
        f'could not be made again: {home}/cbp: fold 1 is not done; run "mertool cv -o {home}/cbp --resume"',
    )
    assert "statistics" in found
    shutil.copy(home / "cbp/fold_0/done.json", home / "cbp/fold_1/done.json")
    assert findings(home / "equal")["fusion"][0] == FAIL


def test_a_pack_that_changed_or_is_gone_is_said(home):
    pack = (home / "a.npz").read_bytes()
    (home / "a.npz").unlink()
    found = findings(home / "equal")
    assert (found["pack"][0], found["fusion"][0], found["fused run"][0]) == (NOTE, PASS, NOTE)
    assert "notes on pack" in found["fused run"][1]
    (home / "a.npz").write_bytes(pack + b"\0")
    found = findings(home / "equal")
    assert (found["pack"][0], found["fused run"][0]) == (FAIL, FAIL)
