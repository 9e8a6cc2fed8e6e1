"""Runs that cannot be fused, and options that a fusion does not take."""

from __future__ import annotations

import shlex
import shutil

import pytest

from mertool import settings as config
from mertool.cli.main import main
from mertool.declarations import option_name
from tests.support.audits import faults
from tests.support.fusions import FOLDS, NET
from tests.support.in_process import call, refusal, words_of
from tests.support.noise import make_pack
from tests.support.run_folders import edit_predictions, files_of
from tests.support.texture_runs import CBP, LBP, ONE_DESIGN, PEOPLE

pytestmark = pytest.mark.usefixtures("one_process")


def other(home, what):
    """A run `other` that cannot be joined with lbp; gives the words of the refusal."""
    words = ("cv", "a.npz", *LBP, *ONE_DESIGN, "-o", "other")
    if what == "folds":
        call(*words, *FOLDS, "--split-seed", 1, cwd=home)
        return "other: has other folds than lbp (clip noise/"
    if what == "number of folds":
        call(*words, *FOLDS[:2], "--folds", 2, cwd=home)
        return "other: has other folds than lbp (clip noise/"
    if what == "classes":
        call(*words, *FOLDS, "--classes", "fear,joy", cwd=home)
        return "other: has the classes fear, joy, lbp fear, joy, rage; a fusion needs the same"
    if what == "order of classes":
        call(*words, *FOLDS, "--classes", "joy,fear,rage", cwd=home)
        return "other: has the classes joy, fear, rage, lbp fear, joy, rage; a fusion needs the same"
    if what == "clips":
        make_pack(home / "b.npz", {**PEOPLE, "p0": ["fear", "joy"]}, sequence=8)
        call(words[0], "b.npz", *words[2:], *FOLDS, cwd=home)
        return "other: has other folds than lbp (clip noise/"
    if what == "training":
        call("train", "a.npz", *NET, "-o", "other", cwd=home)
        return 'other: made by "mertool train", which tests nothing; fuse runs of "mertool cv"'
    if what == "unfinished":
        call(*words, *FOLDS, "--fold", 0, cwd=home)
        return 'other: fold 1 is not done; run "mertool cv -o other --resume"'
    if what == "planned":
        call(*words, *FOLDS, "--plan", cwd=home)
        return 'other: fold 0 is not done; run "mertool cv -o other --resume"'
    if what == "empty folder":
        (home / "other").mkdir()
    if what == "file":
        (home / "other").write_text("dear")
    if what == "edited":
        shutil.copytree(home / "cbp", home / "other")
        edit_predictions(home / "other/fold_1/predictions.csv")
        return "other/fold_1/predictions.csv: changed since it was made; fuse only what a run left"
    return 'other: not a run folder (no config.json); make one with "mertool cv"'


KINDS = ["folds", "number of folds", "classes", "order of classes", "clips", "training", "unfinished", "planned"]
KINDS += ["empty folder", "file", "nothing", "edited"]


@pytest.mark.parametrize("what", KINDS)
def test_what_cannot_be_joined_is_one_line_and_leaves_nothing_behind(home, what):
    text = other(home, what)
    line = refusal("cv", "--fuse", "lbp", "other", "-o", "new", cwd=home, code=1)
    assert line.startswith(f"Error: {text}"), line
    if "folds than" in line:
        assert line.endswith("; make it with --folds-file lbp/folds.json")
    assert not (home / "new").exists()
    assert refusal("cv", "--fuse", "other", "lbp", "-o", "new", cwd=home, code=1)
    assert not (home / "new").exists()


def test_the_folds_of_another_run_make_it_fit(home):
    assert "make it with --folds-file lbp/folds.json" in other_folds(home)
    call("cv", "a.npz", *CBP, *ONE_DESIGN, "--folds-file", "lbp/folds.json", "-o", "fits", cwd=home)
    call("cv", "--fuse", "lbp", "fits", "-o", "one", cwd=home)
    call("cv", "--fuse", "fits", "lbp", "-o", "two", cwd=home)
    for name in ("one", "two"):
        assert faults(home / name) == []
        words = shlex.split(call("report", "--command", name, cwd=home).stdout)
        call(*words[1:], cwd=home)
        assert files_of(home / f"{name}-again") == files_of(home / name)


def other_folds(home):
    other(home, "folds")
    return refusal("cv", "--fuse", "lbp", "other", "-o", "new", cwd=home, code=1)


def test_inner_predictions_that_are_missing_or_edited_are_refused_where_they_are_wanted(home):
    for name in ("plain", "equal"):
        line = refusal("cv", "--fuse", "lbp", name, "--fuse-weights", "fitted", "-o", "new", cwd=home, code=1)
        assert line.startswith(f"Error: {name}: has no inner predictions to fit weights on; ")
        assert not (home / "new").exists()
    edit_predictions(home / "net/fold_2/inner.csv")
    line = refusal("cv", "--fuse", "lbp", "net", "--fuse-weights", "fitted", "-o", "new", cwd=home, code=1)
    assert line == "Error: net/fold_2/inner.csv: changed since it was made; fuse only what a run left"
    (home / "net/fold_2/inner.csv").unlink()
    line = refusal("cv", "--fuse", "lbp", "net", "--fuse-weights", "fitted", "-o", "new", cwd=home, code=1)
    assert line == "Error: net/fold_2/inner.csv: cannot be read: no such file or directory"
    assert not (home / "new").exists()
    call("cv", "--fuse", "lbp", "net", "-o", "new", cwd=home)  # equal weights need none


def test_the_advice_on_missing_inner_predictions_is_of_use(home):
    """Only a network is made with --epoch-selection inner."""
    line = refusal("cv", "--fuse", "lbp", "equal", "--fuse-weights", "fitted", "-o", "new", cwd=home, code=1)
    assert "--epoch-selection inner" not in line
    line = refusal("cv", "--fuse", "lbp", "plain", "--fuse-weights", "fitted", "-o", "new", cwd=home, code=1)
    assert "--epoch-selection inner" in line


REFUSED = [
    ((), 2, "--fuse: expected two or more runs, got 0; name them: mertool cv --fuse RUN RUN"),
    (("lbp",), 2, "--fuse: expected two or more runs, got 1; name them: mertool cv --fuse RUN RUN"),
    (("lbp", "lbp"), 2, "--fuse: a run is named twice"),
    (("lbp", "cbp", "./lbp/"), 2, "--fuse: a run is named twice"),
    (("lbp", "link"), 2, "--fuse: a run is named twice"),
    (("lbp", "a.npz"), 1, "a.npz: not a run folder (no config.json)"),
    (("lbp", "cbp", "--fold", "0"), 2, "--fold: "),
    (("lbp", "cbp", "--repeat", "0"), 2, "--repeat: "),
    (("lbp", "cbp", "--folds-file", "lbp/folds.json"), 2, "--folds-file: "),
    (("lbp", "cbp", "--init", "net"), 2, "--init: "),
    (("lbp", "cbp", "--plan"), 2, "--plan: "),
    (("lbp", "cbp", "--jobs", "2"), 2, "--jobs: "),
    (("lbp", "cbp", "--fold", "1", "--jobs", "1", "--plan"), 2, "--fold, --plan, --jobs: "),
    (("lbp", "cbp", "--show-input", "x.png"), 2, "--show-input: "),
    (("lbp", "cbp", "--fuse-weights", "best"), 2, "'best' is not one of 'equal', 'fitted'"),
    (("lbp", "cbp", "-o", "lbp"), 2, "-o: lbp is one of the runs to fuse; name another folder"),
    (("lbp", "cbp", "-o", "./cbp/"), 2, "-o: cbp is one of the runs to fuse; name another folder"),
    (("lbp", "cbp", "-o", "lbp", "--resume"), 2, "-o: lbp is one of the runs to fuse; name another folder"),
    (("lbp", "cbp", "-o", "net"), 1, "net: already holds a run; --resume continues it, -o names another folder"),
    (("lbp", "cbp", "-o", "net", "--resume"), 2, "net: its settings differ ("),
    (("lbp", "cbp", "-o", "lbp/fold_0"), 1, "lbp/fold_0: not empty and not a run"),
    (("lbp", "cbp", "-o", "a.npz"), 1, "a.npz: cannot make this folder: file exists"),
]


@pytest.mark.parametrize(("words", "code", "text"), REFUSED, ids=[" ".join(words) for words, _, _ in REFUSED])
def test_wrong_words_are_one_line_and_change_nothing(made, tmp_path, words, code, text):
    """In the runs themselves: nothing of them is touched."""
    home = shutil.copytree(made, tmp_path / "home")
    (home / "link").symlink_to("lbp")
    before = files_of(home)
    line = refusal("cv", "--fuse", *words, *(() if "-o" in words else ("-o", "new")), cwd=home, code=code)
    assert text in line
    assert files_of(home) == before
    assert not (home / "new").exists()


@pytest.mark.parametrize("field", sorted(set(config.Settings().as_dict()) - {"fuse_weights"}))
def test_a_fusion_takes_every_setting_from_its_runs(made, field):
    for words in words_of(field):
        line = refusal("cv", "--fuse", "lbp", "cbp", *words, "-o", "new", cwd=made, code=2)
        assert line == f"Error: {option_name(field)}: --fuse takes all else from its runs; leave it out"
    assert not (made / "new").exists()


def test_every_option_of_cv_is_said_to_be_of_fusions_or_not():
    """A new one has to be thought of here."""
    own = {"packs", "output", "name", "resume", "quiet", "fusing", "fuse_weights", "list_classes"}
    refused = {"only_folds", "only_repeats", "folds_file", "init", "plan", "jobs", "show_input"}
    assert {parameter.name for parameter in main.commands["cv"].params} == (
        own | refused | set(config.Settings().as_dict())
    )
