"""What a careless or cheating author may do to a finished run: the audit names each, even if all hashes are redone.

`resign` is an author who knows how done.json is made. What only training again can show is said in the audit's own text
(`docs/evaluation.md`) and not tried here.
"""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from mertool.errors import RunError
from mertool.files import file_sha256, write_json
from mertool.runs.audit import FAIL, NOTE, PASS, audit_run
from mertool.runs.config import fingerprint
from tests.support.in_process import call, in_this_process
from tests.support.noise import SMALL, make_pack

PEOPLE = {f"p{n}": ["fear", "joy", "fear", "joy"] for n in range(4)}
NETWORK = ("--classes", "all", "--folds", 2, *SMALL, "--abn")
TEXTURE = ("--classes", "all", "--folds", 2, "--method", "lbp-top", "--length", 0, "--radii", "1,1,1")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("made")
    make_pack(home / "a.npz", PEOPLE, sequence=4)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        call("cv", "a.npz", *NETWORK, "-o", "net", cwd=home)
        call("cv", "a.npz", *NETWORK, "--epoch-selection", "inner", "--protocol", "group", "-o", "inner", cwd=home)
        call("cv", "a.npz", *TEXTURE, "-o", "texture", cwd=home)
        call("cv", "a.npz", *NETWORK, "--seed", 1, "-o", "seed", cwd=home)
        call("cv", "a.npz", *NETWORK, "--epochs", 4, "-o", "longer", cwd=home)
        call("cv", "a.npz", *NETWORK, "--lr", 0.03, "-o", "rate", cwd=home)
    return home


@pytest.fixture
def home(made, tmp_path):
    return shutil.copytree(made, tmp_path / "home")


def resign(run):
    """Redo every hash of every fold."""
    for done in run.glob("fold_*/done.json"):
        values = json.loads(done.read_text())
        values["sha256"] = {name: file_sha256(done.parent / name) for name in values["sha256"]}
        values["run"] = fingerprint(run)
        write_json(done, values)


def edit(path, change):
    values = json.loads(path.read_text())
    change(values)
    write_json(path, values)


def rewrite(path, change):
    rows = list(csv.reader(path.read_text().splitlines()))
    rows = [rows[0], *change(rows[0], rows[1:])]
    path.write_text("".join(",".join(row) + "\n" for row in rows))


def failed(run):
    return {check.name: check.detail for check in audit_run(run) if check.verdict == FAIL}


@pytest.mark.parametrize("name", ["net", "inner", "texture"])
def test_an_honest_run_fails_nothing(home, name):
    assert failed(home / name) == {}


@pytest.mark.parametrize("name", ["net", "texture"])
def test_truths_that_follow_the_predictions(home, name):
    def agree(header, rows):
        truth, predicted = header.index("truth"), header.index("prediction")
        return [[*row[:truth], row[predicted], *row[truth + 1 :]] for row in rows]

    for fold in (0, 1):
        rewrite(home / name / f"fold_{fold}" / "predictions.csv", agree)
    assert "files" in failed(home / name)
    resign(home / name)
    (detail,) = (detail for check, detail in failed(home / name).items() if check == "labels")
    assert "not as the pack labels them" in detail


def test_done_without_hashes(home):
    edit(home / "net" / "fold_0" / "done.json", lambda values: values.update(sha256={}))
    assert "fold_0/predictions.csv (no hash)" in failed(home / "net")["files"]


def test_done_without_the_mark_of_its_run(home):
    edit(home / "net" / "fold_0" / "done.json", lambda values: values.pop("run"))
    assert "files" in failed(home / "net")


def test_wrong_clips_left_out_everywhere(home):
    run, gone = home / "net", set()

    def keep_right(header, rows):
        truth, predicted, clip = (header.index(name) for name in ("truth", "prediction", "clip"))
        gone.update(row[clip] for row in rows if row[truth] != row[predicted])
        return [row for row in rows if row[truth] == row[predicted]]

    for fold in (0, 1):
        rewrite(run / f"fold_{fold}" / "predictions.csv", keep_right)
    assert gone
    edit(run / "config.json", lambda values: values.update(clips=[c for c in values["clips"] if c not in gone]))
    edit(run / "folds.json", lambda v: v.update(tests=[[c for c in part if c not in gone] for part in v["tests"]]))
    for fold in (0, 1):
        maps = np.load(run / f"fold_{fold}" / "attention.npy")
        n = len((run / f"fold_{fold}" / "predictions.csv").read_text().splitlines()) - 1
        np.save(run / f"fold_{fold}" / "attention.npy", maps[:n])
    resign(run)
    assert "of the pack are in no test part" in failed(run)["clips"]


@pytest.mark.parametrize(("other", "setting"), [("seed", "seed"), ("longer", "epochs"), ("rate", "lr")])
def test_a_fold_of_another_training(home, other, setting):
    """The better of several trainings of a fold, taken over whole."""
    shutil.rmtree(home / "net" / "fold_1")
    shutil.copytree(home / other / "fold_1", home / "net" / "fold_1")
    resign(home / "net")
    found = failed(home / "net")
    assert any(f"fold 1: {setting}" in detail for detail in found.values()), found


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values["settings"].update(epochs=2),
        lambda values: values["packs"][0].update(apex="middle"),
        lambda values: values["packs"][0].update(jitter=3),
        lambda values: values["packs"][0].update(name="SAMM"),
        lambda values: values["packs"][0].update(alignment="frame"),
        lambda values: values.update(classes=values["classes"][::-1]),
    ],
    ids=["epochs", "apex", "jitter", "name", "alignment", "classes"],
)
def test_an_edited_configuration(home, change):
    edit(home / "net" / "config.json", change)
    assert "config.json" in failed(home / "net")["files"]


@pytest.mark.parametrize("change", [{"apex": "middle"}, {"jitter": 3}, {"alignment": "frame"}])
def test_a_configuration_that_says_other_than_its_pack(home, change):
    edit(home / "net" / "config.json", lambda values: values["packs"][0].update(change))
    resign(home / "net")
    assert next(iter(change)) in failed(home / "net")["pack"]


def test_another_environment(home):
    edit(home / "net" / "env.json", lambda values: values.update(torch="9.9"))
    assert "env.json" in failed(home / "net")["files"]


def test_other_results(home):
    edit(home / "net" / "results.json", lambda values: values.update(accuracy=1.0))
    assert "results.json" in failed(home / "net")["results"]
    (home / "net" / "results.json").unlink()
    assert "results.json" in failed(home / "net")["results"]


def test_a_file_that_no_fold_has(home):
    shutil.copy(home / "net" / "fold_0" / "final.pt", home / "net" / "fold_0" / "best.pt")
    assert "fold_0/best.pt (unexpected)" in failed(home / "net")["files"]


def test_a_log_that_tells_of_other_epochs(home):
    rewrite(home / "net" / "fold_0" / "log.csv", lambda _, rows: [*rows, rows[-1]])
    resign(home / "net")
    assert "epoch" in failed(home / "net")


def test_maps_that_the_network_did_not_make(home):
    path = home / "net" / "fold_0" / "attention.npy"
    np.save(path, np.load(path)[::-1])
    resign(home / "net")
    assert "not the maps that the final weights give" in failed(home / "net")["attention"]


def test_a_clip_that_is_tested_twice(home):
    run = home / "net"
    edit(run / "folds.json", lambda values: values["tests"][0].append(values["tests"][1][0]))
    resign(run)
    with pytest.raises(RunError, match=r"folds.json: .* is tested more than once"):
        audit_run(run)


def test_better_probabilities(home):
    def sure(header, rows):
        first = header.index("prediction") + 1
        return [
            [*row[:first], *(str(float(cell == max(row[first:], key=float))) for cell in row[first:])] for row in rows
        ]

    for name, check in (("net", "epoch"), ("texture", "classifiers")):
        rewrite(home / name / "fold_0" / "predictions.csv", sure)
        resign(home / name)
        assert failed(home / name), check


def test_names_in_done_that_lead_out_of_the_run(home):
    (home / "secret").write_text("x")
    edit(
        home / "net" / "fold_0" / "done.json",
        lambda values: values["sha256"].update({"../../secret": file_sha256(home / "secret")}),
    )
    with pytest.raises(RunError, match=r"done.json: damaged; expected names of files beside it, got '../../secret'"):
        audit_run(home / "net")


def test_the_audit_says_what_it_cannot_see(home):
    said = {check.name: (check.verdict, check.detail) for check in audit_run(home / "net")}
    verdict, text = said["beyond this audit"]
    assert verdict == NOTE
    for words in ("trained", "seeds", "label"):
        assert words in text
    assert PASS in {verdict for verdict, _ in said.values()}


def test_truths_of_the_clips_that_chose_the_epoch(home):
    """A fusion fits its weights on these."""

    def agree(header, rows):
        truth, predicted = header.index("truth"), header.index("prediction")
        return [[*row[:truth], row[predicted], *row[truth + 1 :]] for row in rows]

    for fold in (0, 1):
        rewrite(home / "inner" / f"fold_{fold}" / "inner.csv", agree)
    resign(home / "inner")
    assert "not as the pack labels them" in failed(home / "inner")["labels"]


def test_a_log_that_counts_other_epochs(home):
    rewrite(home / "net" / "fold_0" / "log.csv", lambda _, rows: [["7", *row[1:]] for row in rows])
    resign(home / "net")
    assert "fold 0: its log does not count the epochs from 1 to 3" in failed(home / "net")["epoch"]


def test_done_without_its_epoch(home):
    edit(home / "net" / "fold_0" / "done.json", lambda values: values.pop("epoch"))
    assert "fold 0: done.json says epoch None" in failed(home / "net")["epoch"]


@pytest.mark.parametrize("name", ["better.csv", "fold_2", "repeat_1"])
def test_something_that_no_run_has(home, name):
    shutil.copytree(home / "net" / "fold_1", home / "net" / name)
    (home / "net" / name / "predictions.csv").unlink()
    assert f"{name} (unexpected)" in failed(home / "net")["files"]


def test_locks_leftovers_and_the_state_of_a_training_are_no_fault(home):
    for place in (home / "net", home / "net" / "fold_0"):
        (place / ".lock").touch()
        (place / ".log.csv.there.17.x.tmp").touch()
    (home / "net" / "slurm").mkdir()
    (home / "net" / "fold_1" / "last.pt").unlink(missing_ok=True)
    assert failed(home / "net") == {}


def test_folds_that_were_chosen_and_not_split(home):
    edit(home / "texture" / "config.json", lambda values: values["settings"].update(split_seed=5))
    resign(home / "texture")
    assert failed(home / "texture")["folds"] == "not those of --protocol stratified with split seed 5"


def test_a_pack_under_another_name_is_a_note(home):
    """Whoever renames the file may do so; the run keeps the name that it had."""
    (home / "a.npz").rename(home / "SAMM.npz")
    assert "pack" not in failed(home / "net")
    call("cv", "SAMM.npz", "-o", "net", "--resume", cwd=home)
    (found,) = (check for check in audit_run(home / "net") if check.name == "pack")
    assert (found.verdict, "a is now SAMM.npz" in found.detail) == (NOTE, True)
    assert failed(home / "net") == {}


def test_an_attention_map_of_another_shape(home):
    path = home / "net" / "fold_0" / "attention.npy"
    np.save(path, np.load(path)[:, :1])
    resign(home / "net")
    assert "attention.npy: expected" in failed(home / "net")["networks"]


def test_a_network_of_other_frames_is_one_line(home):
    """Its pictures would not even fit."""
    call("cv", "a.npz", *NETWORK, "--frames", 1, "-o", "still", cwd=home)
    shutil.rmtree(home / "net" / "fold_1")
    shutil.copytree(home / "still" / "fold_1", home / "net" / "fold_1")
    resign(home / "net")
    assert "fold 1: frames 1, the run has 3" in failed(home / "net")["networks"]


def test_initial_weights_that_knew_the_people(home):
    make_pack(home / "large.npz", PEOPLE, "mmew-macro", seed=1)
    make_pack(home / "micro.npz", PEOPLE, "mmew", seed=2)
    call("train", "large.npz", "--classes", "all", *SMALL, "-o", "large", cwd=home)
    call("cv", "micro.npz", *NETWORK, "--init", "large", "--protocol", "group", "-o", "tuned", cwd=home)
    assert set(failed(home / "tuned")) == {"initial weights"}
    edit(home / "tuned" / "config.json", lambda values: values["init"].update(subjects=[]))
    resign(home / "tuned")
    assert "trained on 4 subjects of the run, which has 0 on record" in failed(home / "tuned")["networks"]


def test_a_fused_run_that_knew_the_people(home):
    call("cv", "--fuse", "net", "rate", "-o", "both", cwd=home)
    assert failed(home / "both") == {}
    edit(home / "both" / "config.json", lambda values: values["members"][0].update(subjects=["noise/p0"]))
    resign(home / "both")
    assert "fused run" in failed(home / "both")
