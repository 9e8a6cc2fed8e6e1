"""Protocols through the installed command: folds of whole subjects, of data sets, of one's own; and what is refused."""

from __future__ import annotations

import json
import os
import shlex
import subprocess

import cv2
import numpy as np
import pytest

from mertool.evaluation.folds import Folds, subject_overlap
from tests.support.command import PATH, TINY, run
from tests.support.reports import flat

NETWORK = (*TINY[:-4], "--face-size", "32", "--epochs", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two packs of made-up noise: 'one' with six people of three emotions, 'two' with three of the same."""
    home = tmp_path_factory.mktemp("protocols é")
    rng = np.random.default_rng(0)
    for name, people in (("one", 6), ("two", 3)):
        rows = ["clip,subject,emotion,stacked_image"]
        for person in range(people):
            for n, emotion in enumerate(("fear", "joy", "fear", "rage")[: 3 + person % 2]):
                picture = f"{name}_{person}_{n}.png"
                cv2.imwrite(str(home / picture), rng.integers(0, 256, (64, 64, 3), np.uint8))
                rows.append(f"c{n},p{person},{emotion},{picture}")
        (home / f"{name}.csv").write_text("\n".join(rows) + "\n")
        run("extract", f"{name}.csv", "--aligned", "--size", 64, cwd=home)
    return home


def cv(folder, *arguments, check=True):
    return run("cv", *arguments, *NETWORK, cwd=folder, check=check)


def test_group_keeps_people_whole(folder):
    done = cv(folder, "one.npz", "--protocol", "group", "--folds", 3, "-o", "group")
    folds = Folds.load(folder / "group" / "folds.json")
    assert (folds.protocol, len(folds.tests)) == ("group", 3)
    assert not any(part.n_shared for part in subject_overlap(folds))
    assert "Subject-independent: none of 6 subjects has clips in both training and test parts." in flat(done.stdout)
    assert "group, 3 folds, split seed 0" in done.stdout
    assert json.loads((folder / "group" / "config.json").read_text())["settings"]["folds"] == 3


def test_leave_dataset_out_trains_on_the_others(folder):
    done = cv(folder, "one.npz", "two.npz", "--classes", "fear,joy", "--protocol", "leave-dataset-out", "-o", "out")
    folds = Folds.load(folder / "out" / "folds.json")
    assert [{name.split("/")[0] for name in ids} for ids in folds.tests] == [{"one"}, {"two"}]
    assert "leave-dataset-out, 2 folds" in done.stdout
    refused = cv(folder, "one.npz", "--protocol", "leave-dataset-out", "-o", "x", check=False)
    assert refused.returncode == 1
    assert "all clips are of one; --protocol leave-dataset-out needs packs of two" in refused.stderr
    assert not (folder / "x").exists()


def test_own_folds_are_used_as_they_are_and_an_array_joins_only_the_same(folder):
    group = Folds.load(folder / "group" / "folds.json") if (folder / "group").exists() else None
    if group is None:
        test_group_keeps_people_whole(folder)
        group = Folds.load(folder / "group" / "folds.json")
    rows = [f"{clip},{fold}" for fold, ids in enumerate(group.tests) for clip in ids]
    (folder / "mine.csv").write_text("\n".join(["clip,fold", *rows]) + "\n")
    cv(folder, "one.npz", "--folds-file", "mine.csv", "-o", "own", "--fold", 1)
    folds = Folds.load(folder / "own" / "folds.json")
    assert (folds.protocol, folds.tests) == ("file", group.tests)
    cv(folder, "one.npz", "--folds-file", "group/folds.json", "-o", "own", "--fold", 0)  # the same, said otherwise
    turned = [f"{clip},{(fold + 1) % 3}" for fold, ids in enumerate(group.tests) for clip in ids]
    (folder / "turned.csv").write_text("\n".join(["clip,fold", *turned]) + "\n")
    done = cv(folder, "one.npz", "--folds-file", "turned.csv", "-o", "own", "--fold", 2, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "Error: own: its settings differ (other folds); name another folder with -o",
    )
    done = run("cv", "one.npz", "-o", "own", "--resume", cwd=folder)
    assert "file, 3 folds" in done.stdout


def test_a_plan_is_a_command_a_fold_that_together_are_the_run(folder):
    done = cv(folder, "one.npz", "--protocol", "loso", "-o", "planned runs/a b", "--plan")
    commands = done.stdout.splitlines()
    assert len(commands) == 6
    assert commands[2] == "mertool cv one.npz -o 'planned runs/a b' --resume --fold 2"
    assert Folds.load(folder / "planned runs/a b/folds.json").protocol == "loso"
    script = "set -e\n" + "".join(f"{command} &\n" for command in commands) + "wait\n"
    subprocess.run(["sh", "-c", script], cwd=folder, check=True, env={**os.environ, "PATH": PATH}, timeout=600)
    cv(folder, "one.npz", "--protocol", "loso", "-o", "at once")
    for fold in range(6):
        name = f"fold_{fold}/predictions.csv"
        assert (folder / "planned runs/a b" / name).read_bytes() == (folder / "at once" / name).read_bytes()
    assert (folder / "planned runs/a b/results.json").exists()
    refused = cv(folder, "one.npz", "--plan", "--fold", 0, "-o", "x", check=False)
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (
        2,
        "Error: --plan: trains nothing; leave out --fold, --repeat and --jobs",
    )


@pytest.mark.parametrize(
    "options",
    [
        ("--protocol", "group", "--folds", 2, "--seed", 3, "--split-seed", 4, "--no-hflip", "--arcface"),
        ("--recipe", "paper", "--epochs", 1, "--folds", 2, "--classes", "joy,fear", "--frames", 1),
    ],
)
def test_the_command_of_a_run_makes_it_again(folder, options):
    name = f"first {options[1]}"
    cv(folder, "one.npz", *options, "-o", name)
    command = run("report", "--command", name, cwd=folder).stdout.strip()
    words = shlex.split(command)
    assert words[:3] == ["mertool", "cv", "one.npz"]
    run(*words[1:], cwd=folder)
    for fold in (0, 1):
        first, again = (folder / each / f"fold_{fold}/predictions.csv" for each in (name, f"{name}-again"))
        assert first.read_bytes() == again.read_bytes()
    assert (folder / name / "folds.json").read_bytes() == (folder / f"{name}-again" / "folds.json").read_bytes()


def test_the_command_of_a_run_with_own_folds_takes_them_from_it(folder):
    cv(folder, "one.npz", "--protocol", "group", "--folds", 2, "-o", "its folds")
    cv(folder, "one.npz", "--folds-file", "its folds/folds.json", "-o", "theirs")
    (command,) = run("report", "theirs", "--command", cwd=folder).stdout.splitlines()
    assert "--folds-file theirs/folds.json" in command
    assert "--protocol" not in command
    run(*shlex.split(command)[1:], cwd=folder)
    assert (folder / "theirs-again" / "folds.json").read_bytes() == (folder / "theirs" / "folds.json").read_bytes()


def test_the_environment_says_versions_and_threads(folder, tmp_path):
    run("train", folder / "one.npz", *NETWORK, "--threads", 1, "-o", "net", cwd=tmp_path)
    values = json.loads((tmp_path / "net" / "env.json").read_text())
    assert {"mertool", "python", "numpy", "torch", "opencv", "platform", "cpu", "threads", "device"} <= set(values)
    assert values["threads"] == 1


def test_nothing_that_the_working_folder_says_is_executed(folder, tmp_path):
    """A folder with a git configuration that starts a program, as anybody can send one."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    sprung = tmp_path / "sprung"
    (tmp_path / "trap").write_text(f"#!/bin/sh\ntouch '{sprung}'\n")
    (tmp_path / "trap").chmod(0o755)
    subprocess.run(["git", "config", "core.fsmonitor", str(tmp_path / "trap")], cwd=tmp_path, check=True)
    subprocess.run(["git", "status"], cwd=tmp_path, check=True, capture_output=True)
    assert sprung.exists()  # git does
    sprung.unlink()
    run("cv", folder / "one.npz", *NETWORK, "--folds", 2, "-o", "cv", cwd=tmp_path)
    run("train", folder / "one.npz", *NETWORK, "-o", "net", cwd=tmp_path)
    assert not sprung.exists()


def test_a_class_that_one_fold_keeps_to_itself_is_named(folder):
    done = cv(folder, "one.npz", "--protocol", "loso", "--fold", 0, "-o", "alone", check=False)
    assert "cannot be learned" not in done.stderr  # rage has three people
    lines = ["clip,fold"]
    for clip in json.loads((folder / "alone" / "config.json").read_text())["clips"]:
        lines.append(f"{clip},{int(clip.split('/')[1] in ('p1', 'p3', 'p5'))}")
    (folder / "rage.csv").write_text("\n".join(lines) + "\n")
    done = cv(folder, "one.npz", "--folds-file", "rage.csv", "--fold", 0, "-o", "rage")
    assert "class rage cannot be learned in fold 1, which tests all its clips" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--protocol", "leave-dataset-out", "--folds", 3),
            "with --protocol leave-dataset-out every data set is one fold",
        ),
        (("--folds-file", "mine.csv", "--folds", 3), "--folds: with --folds-file the file decides; leave it out"),
        (("--folds-file", "mine.csv", "--protocol", "group"), "--folds-file: is a protocol of its own; leave out"),
        (("--protocol", "group", "--folds", 7), "6 subjects cannot fill 7 disjoint folds; try --folds 6"),
        (("--protocol", "best"), "'best' is not one of 'stratified', 'group', 'loso', 'leave-dataset-out'"),
        (("--folds-file", "none.csv"), "none.csv: cannot be read: no such file or directory"),
    ],
)
def test_refusals_are_one_line(folder, options, message):
    done = cv(folder, "one.npz", *options, "-o", "never", check=False)
    assert done.returncode in (1, 2)
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (folder / "never").exists()
