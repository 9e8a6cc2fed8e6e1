"""The paper's third comparison on made-up recordings: CK+ -> SAMM, and of Wang et al. MMEW macro -> MMEW micro."""

from __future__ import annotations

import json

import pytest

from tests.support.command import TINY, make_recordings, run
from tests.support.reports import flat

NETWORK = TINY[:-4]  # train makes no folds
SMALL = ("--face-size", "48")


def make(layout, out, *options):
    make_recordings("--layout", layout, "--length", 8, 9, *options, out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Packs of CK+ and both parts of MMEW, and networks trained on CK+ and on the macro part."""
    home = tmp_path_factory.mktemp("fine tuning é")
    make("ckplus", home / "CKplus", "--subjects", 3, "--clips-per-subject", 5)
    make("mmew", home / "MMEW", "--subjects", 3, "--clips-per-subject", 5)
    run("extract", "CKplus", "--size", 96, cwd=home)
    run("extract", "MMEW", "--size", 96, cwd=home)
    run("extract", "MMEW", "--dataset", "mmew-macro", "--size", 96, "-o", "macro.npz", cwd=home)
    run("train", "CKplus.npz", "--classes", "ckplus6", *NETWORK, *SMALL, "-o", "ckplus", cwd=home)
    run("train", "CKplus.npz", *NETWORK, *SMALL, "-o", "seven", cwd=home)
    run("train", "macro.npz", *NETWORK, *SMALL, "-o", "macro", cwd=home)
    return home


def test_ckplus_to_samm_says_what_was_loaded_and_both_runs_stand_in_one_report(folder, pack_path):
    done = run("cv", pack_path, "--init", "ckplus", *TINY, "-o", "tuned", cwd=folder)
    assert "--init ckplus: loaded: stem; stage1; stage2; stage3; stage4; head" in done.stderr
    assert "subject-dependent" not in done.stderr  # nobody of CK+ is in SAMM
    run("cv", pack_path, *TINY, "-o", "plain", cwd=folder)
    text = run("report", "plain", "tuned", cwd=folder).stdout
    assert "modern, init ckplus" in text
    assert "initial weights" in text
    report = json.loads(run("report", "plain", "tuned", "--format", "json", cwd=folder).stdout)
    plain, tuned = report["runs"]
    assert (plain["init"], plain["init_loaded"]) == ("", [])
    assert tuned["init_loaded"] == ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
    assert (tuned["n_subjects_seen_by_init"], tuned["n"]) == (0, plain["n"])


def test_of_seven_classes_the_head_is_not_loaded(folder, pack_path):
    done = run("cv", pack_path, "--init", "seven", *TINY, "-o", "from seven", cwd=folder)
    assert "--init seven: not loaded: head (other classes: anger, contempt, disgust, " in done.stderr
    text = flat(run("report", "from seven", cwd=folder).stdout)
    assert "loaded stem; stage1; stage2; stage3; stage4; not loaded: head (other classes: anger, contempt" in text


def test_macro_to_micro_of_the_same_people_is_said_to_be_subject_dependent(folder):
    done = run("cv", "MMEW.npz", "--init", "macro", "--protocol", "loso", *NETWORK, *SMALL, "-o", "mmew", cwd=folder)
    assert (
        "its weights were trained on 3 of the 3 subjects of this run, in other clips: results are subject-dependent"
        in (done.stderr)
    )
    text = flat(run("report", "mmew", cwd=folder).stdout)
    assert "the initial weights were trained on other clips of 3 of 3 subjects; accuracy on new" in text
    assert "Subject-independent" not in text
    values = json.loads(run("report", "mmew", "--format", "json", cwd=folder).stdout)["runs"][0]
    assert (values["subject_independent"], values["n_subjects_seen_by_init"]) == (False, 3)
