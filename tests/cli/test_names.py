"""Names of runs in reports: given to `cv`, given to `report`, or of their folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mertool.runs.config import RunConfig
from tests.support.command import TINY
from tests.support.in_process import call
from tests.support.run_folders import make_run


def names_in(folder, *arguments):
    """The runs of a JSON report, by the names that it gives them."""
    return [one["run"] for one in json.loads(call("report", *arguments, "--format", "json", cwd=folder).stdout)["runs"]]


@pytest.fixture
def two(tmp_path):
    make_run(tmp_path / "runs/a")
    make_run(tmp_path / "runs/b", abn=True, config={"name": "with ABN é"})
    return tmp_path


def test_a_run_is_called_by_its_own_name_or_its_folder(two):
    assert names_in(two, "runs/a") == ["runs/a"]
    assert names_in(two, "runs/b") == ["with ABN é"]
    assert names_in(two, "runs/a", "runs/b") == ["a", "with ABN é"]
    text = call("report", "runs/b", cwd=two).stdout
    assert text.startswith("with ABN é\n==========\n\nrun folder               runs/b\n")


def test_the_report_names_runs(two):
    assert names_in(two, "no ABN=runs/a", "x=runs/b") == ["no ABN", "x"]
    assert names_in(two, "=(%)&_=runs/a"[1:], "runs/b") == ["(%)&_", "with ABN é"]
    assert names_in(two, "one=runs/a") == ["one"]


def test_a_folder_with_an_equals_sign_is_a_folder(two):
    make_run(two / "runs/epochs=5")
    make_run(two / "lr=1")
    assert names_in(two, "runs/epochs=5", "lr=1", "x=lr=1") == ["epochs=5", "x"]
    assert names_in(two, "x=runs/epochs=5") == ["x"]
    done = call("report", "runs/epochs=6", cwd=two, code=1)
    assert done.stderr.startswith("Error: runs/epochs=6: not a run folder")


def test_runs_of_the_same_name_keep_their_folders(two):
    shutil.copytree(two / "runs/b", two / "c/a")
    make_run(two / "d/a")
    assert names_in(two, "runs/a", "d/a") == ["runs/a", "d/a"]
    assert names_in(two, "runs/b", "c/a") == ["runs/b", "c/a"]


def test_arguments_of_report_complete_as_files():
    from click.shell_completion import ShellComplete

    from mertool.cli.main import main

    (found,) = ShellComplete(main, {}, "mertool", "_MERTOOL_COMPLETE").get_completions(["report"], "ru")
    assert found.type == "file"


def test_the_command_that_lacks_a_pack_is_named(tmp_path):
    for command in ("cv", "train"):
        done = call(command, cwd=tmp_path, code=2)
        assert done.stderr.endswith(f"name it: mertool {command} SAMM.npz\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x=runs/a", "x=runs/b"), "report: two runs are called 'x'; give each a name of its own"),
        (("=runs/a",), "=runs/a: expected NAME=RUN, such as ABN=runs/SAMM-roi-3f-abn"),
        (("x=",), "x=: expected NAME=RUN, such as ABN=runs/SAMM-roi-3f-abn"),
    ],
)
def test_names_that_cannot_be(two, arguments, message):
    done = call("report", *arguments, cwd=two, code=2)
    assert (done.stdout, done.stderr) == ("", f"Error: {message}\n")


def test_a_run_is_named_when_it_is_made(pack_path, tmp_path, one_process):
    named = ("--name", "my run é", *TINY)
    done = call("cv", pack_path, *named, "--fold", 0, "-q", cwd=tmp_path)
    assert "my run é: fold 0 done; others are still to do" in done.stderr  # a run was begun: not in silence
    assert (RunConfig.read(tmp_path / "runs/my run é").name, done.stdout) == ("my run é", "")
    again = call("cv", pack_path, *named, "--fold", 0, "-q", cwd=tmp_path)
    assert again.stderr == ""
    done = call("cv", "--name", "my run é", "--resume", "-q", cwd=tmp_path)
    assert done.stdout.startswith("my run é\n========\n")
    assert names_in(tmp_path, "runs/my run é") == ["my run é"]
    call("cv", pack_path, *TINY, "--abn", "--name", "other", "-o", "elsewhere", "-q", cwd=tmp_path)
    assert not (tmp_path / "runs" / "other").exists()
    done = call("cv", "--name", "third", "-o", "elsewhere", "--resume", cwd=tmp_path, code=2)
    assert done.stderr == "Error: elsewhere: the run is 'other'; leave out --name 'third'\n"
    call("cv", "--fuse", "runs/my run é", "elsewhere", "--name", "both", "-q", cwd=tmp_path)
    assert names_in(tmp_path, "runs/both") == ["both"]


@pytest.mark.parametrize("name", ["a/b", ".x", "-x", "a\nb", "x" * 61, ".."])
def test_names_that_are_no_folders_are_refused(pack_path, tmp_path, name):
    done = call("cv", pack_path, f"--name={name}", cwd=tmp_path, code=2)
    assert done.stdout == ""
    assert done.stderr.startswith("Error: --name: expected up to 60 characters without / that do not begin with a dot")
    assert list(tmp_path.iterdir()) == []


def test_a_fusion_that_is_not_there_is_not_begun(two):
    done = call("cv", "--fuse", "runs/a", "runs/b", "-o", "runs/typo", "--resume", cwd=two, code=1)
    assert (
        done.stderr == "Error: runs/typo: nothing to resume, this is no run; name one with -o, or leave out --resume\n"
    )
    assert not Path(two / "runs/typo").exists()
