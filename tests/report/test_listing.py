"""`report --list`: every run with its state and size."""

from __future__ import annotations

import csv
import io

import pytest

from tests.support.in_process import call
from tests.support.run_folders import make_run


def finished(run):
    for fold in (0, 1):
        (run / f"fold_{fold}" / "done.json").touch()
    return run


@pytest.fixture
def home(tmp_path):
    finished(make_run(tmp_path / "runs/done", folds=2, config={"name": "first"}))
    half = make_run(tmp_path / "runs/deep/é half", folds=2)
    (half / "fold_0" / "done.json").touch()
    (half / "fold_1" / "predictions.csv").unlink()
    repeated = finished(make_run(tmp_path / "runs/repeated", folds=2, repeats=2))
    make_run(repeated / "repeat_1", folds=2, seed=1)
    training = make_run(tmp_path / "runs/training", epochs=9, config={"command": "train"})
    (training / "log.csv").write_text("epoch,loss_perception\n1,2.0\n2,1.0\n")
    make_run(tmp_path / "runs/damaged", config={"classes": 3})
    make_run(tmp_path / "elsewhere/x", folds=2)
    return tmp_path


def rows(home, *arguments):
    return list(csv.reader(io.StringIO(call("report", "--list", *arguments, "--format", "csv", cwd=home).stdout)))


def test_every_run_is_listed_with_its_state(home):
    header, *found = rows(home)
    assert header == ["run", "command", "state", "hits/N", "accuracy", "MB"]
    assert [row[:5] for row in found] == [
        ["runs/damaged", "-", "cannot be read", "-", "-"],
        ["runs/deep/é half", "cv", "1 of 2 folds", "-", "-"],
        ["runs/done (first)", "cv", "finished", "5/7", "71.4 %"],
        ["runs/repeated", "cv", "2 of 4 folds", "-", "-"],
        ["runs/training", "train", "2 of 9 epochs", "-", "-"],
    ]


def test_size_is_that_of_the_files(home):
    (home / "runs/done/fold_0/final.pt").write_bytes(bytes(2_340_000))
    (row,) = rows(home, "runs/done")[1:]
    assert row[-1] == "2.3"


def test_folders_of_runs_and_runs_can_be_named(home):
    assert [row[0] for row in rows(home, "elsewhere", "runs/done", "runs/done")[1:]] == [
        "elsewhere/x",
        "runs/done (first)",
    ]


def test_what_cannot_be_read_is_named_on_stderr(home):
    done = call("report", "--list", cwd=home)
    assert done.stderr.startswith("mertool: runs/damaged/config.json: damaged configuration (classes: ")
    assert "runs/deep/é half" in done.stdout
    assert call("report", "--list", "-q", cwd=home).stderr == ""
    assert call("report", "--list", "--format", "md", "-q", cwd=home).stdout.count("\n|") == 7


def test_refusals(tmp_path):
    done = call("report", "--list", cwd=tmp_path, code=1)
    assert done.stderr == 'Error: report: no run below runs; make one with "mertool cv" or name its folder\n'
    done = call("report", "--list", "--format", "latex", cwd=tmp_path, code=2)
    assert done.stderr == "Error: --list: lists runs as text, md or csv and nothing else; leave out --format latex\n"
