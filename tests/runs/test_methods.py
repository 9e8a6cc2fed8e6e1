"""Methods are objects with the same duties: a fourth one is one file and one line in a list."""

from __future__ import annotations

import click
import pytest

from mertool.cli.main import main
from mertool.errors import UsageError
from mertool.runs.finished import load_run
from mertool.runs.methods import METHODS, method_named
from mertool.runs.methods.base import Method
from tests.support.audits import faults
from tests.support.in_process import call, in_this_process, refusal
from tests.support.noise import make_pack
from tests.support.run_folders import whole_run

PEOPLE = {f"s{k}": ["anger", "fear", "joy"] for k in range(4)}


@pytest.fixture
def fourth(monkeypatch):
    """The one line, also where the command line has its list of names."""
    in_this_process(monkeypatch)
    monkeypatch.setitem(METHODS, "nearest-mean", "tests.support.nearest_mean:NearestMean")
    option = next(option for option in main.commands["cv"].params if option.name == "method")
    monkeypatch.setattr(option, "type", click.Choice([name for name in METHODS if name != "fusion"]))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_fulfils_every_duty(name):
    method = method_named(name)
    assert method.name == name
    assert isinstance(method, Method)
    assert method.statistics
    assert method is method_named(name)


def test_there_is_no_other_method():
    with pytest.raises(UsageError, match="--method: expected one of network, lbp-top, cbp-top, fusion, got 'hog'"):
        method_named("hog")


def test_a_fourth_method_works_everywhere(fourth, tmp_path):
    make_pack(tmp_path / "a.npz", PEOPLE, signal=True, sequence=4)
    make_pack(tmp_path / "new.npz", {"t1": ["anger", "fear", "joy"]}, seed=5, signal=True, sequence=4)
    options = ("--method", "nearest-mean", "--classes", "anger,fear,joy", "--face-size", 32, "--folds", 2)
    said = call("cv", "a.npz", *options, "--protocol", "group", "-o", "run", "--fold", 0, cwd=tmp_path).output
    assert "nearest mean" not in said
    said = call("cv", "-o", "run", "--resume", cwd=tmp_path).stdout
    assert "settings                 face, nearest mean" in said
    assert "Nothing is chosen." in said
    call("cv", "a.npz", *options, "--protocol", "group", "-o", "whole", cwd=tmp_path)
    assert whole_run(tmp_path / "run") == whole_run(tmp_path / "whole")
    call("cv", "a.npz", *options, "--protocol", "group", cwd=tmp_path)
    assert (tmp_path / "runs" / "a-face-nearest-mean-group-anger+fear+joy-facesize32-folds2" / "results.json").exists()

    run = load_run(tmp_path / "run")
    assert run.settings.method == "nearest-mean"
    for style in ("text", "json", "csv", "md", "latex"):
        assert "nearest" in call("report", "run", "--format", style, cwd=tmp_path).stdout
    call("report", "run", "--format", "html", "-o", "page", cwd=tmp_path)
    assert "nearest mean" in (tmp_path / "page" / "report.html").read_text(encoding="utf-8")

    assert faults(tmp_path / "run") == []
    rows = call("predict", "run", "new.npz", cwd=tmp_path).stdout.splitlines()
    assert len(rows) == 4
    fused = call("cv", "--fuse", "run", "whole", "-o", "both", cwd=tmp_path).stdout
    assert "fusion of run + whole" in fused


def test_the_audit_asks_the_fourth_method_too(fourth, tmp_path):
    make_pack(tmp_path / "a.npz", PEOPLE, signal=True, sequence=4)
    options = ("--method", "nearest-mean", "--classes", "anger,fear,joy", "--face-size", 32, "--folds", 2)
    call("cv", "a.npz", *options, "--protocol", "group", "-o", "run", cwd=tmp_path)
    path = tmp_path / "run" / "fold_0" / "predictions.csv"
    rows = path.read_text().splitlines()
    rows[1] = rows[1].replace("0.3", "0.2", 1)
    path.write_text("\n".join(rows) + "\n")
    assert faults(tmp_path / "run")


def test_settings_of_other_methods_are_refused(fourth, tmp_path):
    make_pack(tmp_path / "a.npz", PEOPLE)
    line = refusal("cv", "a.npz", "--method", "nearest-mean", "--epochs", 3, cwd=tmp_path, code=2)
    assert line == "Error: --epochs: means nothing for --method nearest-mean; leave it out"
