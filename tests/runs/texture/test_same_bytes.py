"""Texture runs have the same bytes however they are run, killed and continued."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from mertool.pack import load_pack
from tests.support.audits import faults
from tests.support.command import COMMAND, run
from tests.support.in_process import call, refusal
from tests.support.noise import make_pack
from tests.support.processes import KilledError, descendants, zombie
from tests.support.run_folders import files_of, resume_if_begun
from tests.support.texture_runs import CBP, GROUP, LBP, ONE_DESIGN, PEOPLE

pytestmark = pytest.mark.usefixtures("one_process")

# The same bytes


def test_the_jobs_of_an_array_that_start_together_share_a_run_and_its_features(home, place):
    """Two of the installed command at once, none of which finds features that are kept."""
    words = [*COMMAND, "cv", "a.npz", *LBP, *GROUP, "-o", "lbp", "--quiet", "--fold"]
    pipe = subprocess.PIPE
    jobs = [subprocess.Popen([*words, fold], cwd=place, stdout=pipe, stderr=pipe, text=True) for fold in "01"]
    for job in jobs:
        _, said = job.communicate(timeout=300)
        assert (job.returncode, said) == (0, "")
    assert files_of(place / "lbp") == files_of(home / "lbp")
    (kept,) = (place / "a.features").iterdir()
    assert kept.read_bytes() == (home / "a.features" / kept.name).read_bytes()


@contextlib.contextmanager
def unprivileged():
    """Nobody, who may write nowhere, in place of root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_pack_in_a_folder_that_cannot_be_written_gives_the_same_bytes(home):
    with tempfile.TemporaryDirectory(prefix="mertool é") as name:  # pytest's own folders are closed to nobody
        folder = Path(name)
        (folder / "data").mkdir()
        (folder / "runs").mkdir()
        shutil.copy(home / "a.npz", folder / "data")
        for path, mode in ((folder, 0o755), (folder / "runs", 0o777), (folder / "data", 0o555)):
            path.chmod(mode)
        with unprivileged():
            call("cv", "../data/a.npz", *LBP, *GROUP, "-o", "lbp", cwd=folder / "runs")
            call("predict", "lbp", "../data/a.npz", cwd=folder / "runs")
        assert [path.name for path in (folder / "data").iterdir()] == ["a.npz"]
        ours, others = files_of(folder / "runs/lbp"), files_of(home / "lbp")
        assert [name for name in others if ours[name] != others[name]] == ["config.json"]  # the pack's place
        (folder / "data").chmod(0o755)


def test_a_file_where_the_features_would_be_kept_is_no_reason_to_fail(home, place):
    (place / "a.features").write_text("a file is no folder\n")
    call("cv", "a.npz", *LBP, *GROUP, "-o", "lbp", cwd=place)
    assert files_of(place / "lbp") == files_of(home / "lbp")
    assert (place / "a.features").read_text() == "a file is no folder\n"


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_threads_give_the_same_bytes_and_all_the_same_features(home, place, threads):
    call("cv", "a.npz", *LBP, *GROUP, "--threads", threads, "-o", "lbp", cwd=place)
    first = files_of(place / "lbp")
    (kept,) = (place / "a.features").iterdir()
    assert kept.read_bytes() == (home / "a.features" / kept.name).read_bytes()
    shutil.rmtree(place / "lbp")
    call("cv", "a.npz", *LBP, *GROUP, "--threads", threads, "-o", "lbp", cwd=place)
    assert files_of(place / "lbp") == first
    assert (first == files_of(home / "lbp")) is (threads == 1)  # config.json says two


def test_a_fold_alone_is_that_fold_and_the_last_one_ends_the_run(home, place):
    words = ("cv", "a.npz", *LBP, *GROUP, "-o", "lbp")
    done = call(*words, "--fold", 1, cwd=place)
    assert (done.stdout, done.stderr.splitlines()[-1]) == ("", "mertool: lbp: fold 1 done; others are still to do")
    assert not (place / "lbp/fold_0").exists()
    assert not (place / "lbp/results.json").exists()
    line = refusal("report", "lbp", cwd=place, code=1)
    assert line == 'Error: lbp: 1 of 2 folds are done; "mertool cv -o lbp --resume" continues it'
    assert "its settings differ (cost: '3' here, 'auto' there)" in refusal(
        *words, "--cost", 3, "--fold", 0, cwd=place, code=2
    )
    done = call(*words, "--fold", 0, cwd=place)
    assert "hits/N" in done.stdout
    assert files_of(place / "lbp") == files_of(home / "lbp")


def test_the_plan_is_a_command_a_fold(home, place):
    done = call("cv", "a.npz", *LBP, *GROUP, "-o", "it's\u00e9 ", "--plan", cwd=place)
    commands = [shlex.split(line) for line in done.stdout.splitlines()]
    assert [words[-2:] for words in commands] == [["--fold", "0"], ["--fold", "1"]]
    assert not (place / "a.features").exists()
    for words in reversed(commands):
        call(*words[1:], cwd=place)
    assert files_of(place / "it's\u00e9 ") == files_of(home / "lbp")


@pytest.mark.parametrize(
    "options",
    [
        (*LBP, *GROUP),
        (*CBP, "--threshold", 7, "--signed", "--no-normalise", "--protocol", "loso", *ONE_DESIGN),
        (
            *LBP,
            *ONE_DESIGN,
            "--radii",
            "2,1,1",
            "--sampling",
            "nearest",
            "--mapping",
            "full",
            "--balanced-sampling",
            "--threads",
            2,
        ),
        (*LBP, "--interpolation", "linear", "--classes", "joy,fear", "--cost", "0.30000000000000004", "--folds", 2),
        (*LBP, *ONE_DESIGN, "--folds-file", "own.csv"),
        (*LBP, *ONE_DESIGN, *GROUP, "--repeats", 2, "--new-splits", "--split-seed", 5),
        ("--method", "lbp-top", "--roi", "--tile", 9, "--length", 0, "--n-features", "all", "--folds", 2),
    ],
    ids=["plain", "cbp", "lbp", "classes", "own folds", "repeats", "roi"],
)
def test_the_command_that_the_report_prints_makes_the_same_bytes(place, options):
    make_pack(place / "b ö.npz", PEOPLE, "other", seed=1, sequence=7, faces=True)
    make_pack(place / "c.npz", PEOPLE, seed=2, sequence=8, faces=True)
    ids = [name for pack in ("b ö", "c") for name in load_pack(place / f"{pack}.npz").ids]
    rows = [f"{name},{row % 3}\n" for row, name in enumerate(ids)]
    (place / "own.csv").write_text("clip,fold\n" + "".join(rows))
    call("cv", "b ö.npz", "c.npz", *options, "-o", "runs/a run", cwd=place)
    printed = call("report", "--command", "runs/a run", cwd=place).stdout
    words = shlex.split(printed)
    assert words[:2] == ["mertool", "cv"]
    assert words[-2:] == ["-o", "runs/a run-again"]
    shutil.rmtree(place / "b ö.features")
    call(*words[1:], cwd=place)
    assert files_of(place / "runs/a run-again") == files_of(place / "runs/a run")
    assert faults(place / "runs/a run") == []


# Killed and continued


def test_killed_before_any_file_is_named_it_resumes_to_the_same_bytes(home, place, monkeypatch):
    """Every file gets its name from os.replace: before each of them the run is killed, and the kept features taken."""
    replace = os.replace
    names = []

    def counting(source, target):
        names.append(str(target))
        if len(names) == deadly:
            raise KilledError
        replace(source, target)

    monkeypatch.setattr(os, "replace", counting)
    deadly, finished = 0, False
    while not finished:
        deadly += 1
        names.clear()
        try:
            call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "fixed", cwd=place)
            finished = True
        except KilledError:
            if deadly % 2 and (place / "a.features").exists():
                shutil.rmtree(place / "a.features")
            more = resume_if_begun(place / "fixed")
            call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "fixed", *more, "--quiet", cwd=place)
        assert files_of(place / "fixed") == files_of(home / "fixed")
        shutil.rmtree(place / "fixed")
    assert deadly == 3 + 1 + 2 * 5 + 1 + 1 - (1 if (place / "a.features").exists() else 0)


def test_the_installed_command_killed_at_random_moments_resumes_to_the_same_bytes(tmp_path):
    """Whatever was running has ended with it."""
    make_pack(tmp_path / "a.npz", PEOPLE, sequence=8)
    words = ("cv", "a.npz", *LBP, "--protocol", "group", "--folds", "3", "-o", "a ñ")
    call(*words, cwd=tmp_path)
    whole = files_of(tmp_path / "a ñ")
    shutil.rmtree(tmp_path / "a ñ")
    shutil.rmtree(tmp_path / "a.features")
    for jobs, pause_s in ((2, random.uniform(0, 2)), (1, random.uniform(0, 3))):
        more = resume_if_begun(tmp_path / "a ñ")
        process = subprocess.Popen([*COMMAND, *words, "-q", *more, "--jobs", str(jobs)], cwd=tmp_path)
        while not (tmp_path / "a ñ/config.json").exists():  # the second finds it there
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(pause_s)
        children = descendants(process.pid)
        process.kill()
        process.wait()
        end = time.monotonic() + 30
        while any(Path(f"/proc/{child}").exists() and not zombie(child) for child in children):
            assert time.monotonic() < end, f"outlived by a child after {pause_s} s"
            time.sleep(0.05)
    run(*words, "--resume", "--jobs", 2, cwd=tmp_path)
    assert files_of(tmp_path / "a ñ") == whole


def test_resume_takes_the_settings_of_the_run_and_no_others(copies):
    folder = copies / "fixed"
    (folder / "fold_1/done.json").unlink()
    for words, text in (
        (("--method", "cbp-top"), "method: 'cbp-top' here, 'lbp-top' there"),
        (("--method", "network"), "method: 'network' here, 'lbp-top' there"),
        (("--cost", "11"), "cost: '11' here, '10' there"),
        (("--points", "8"), "points: 8 here, 4 there"),
        (("--balanced-sampling",), "balanced_sampling: True here, False there"),
        (("--epochs", "3"), "epochs: 3 here, 30 there"),
    ):
        line = refusal("cv", "-o", "fixed", "--resume", *words, cwd=copies, code=2)
        assert text in line
    before = files_of(copies / "lbp")
    call("cv", "-o", "fixed", "--resume", "--method", "lbp-top", "--points", "4", "--cost", "10", cwd=copies)
    assert (folder / "fold_1/done.json").exists()
    call("cv", "a.npz", *LBP, *GROUP, "-o", "lbp", "--resume", cwd=copies)
    assert files_of(copies / "lbp") == before


@pytest.mark.parametrize("option", ["--cost", "--n-features", "--grid"])
def test_resume_refuses_auto_where_the_run_has_a_value(copies, option):
    """As it refuses every other value than the run's."""
    line = refusal("cv", "-o", "fixed", "--resume", option, "auto", cwd=copies, code=2)
    assert f"{option[2:].replace('-', '_')}: 'auto' here" in line


def test_a_finished_run_is_shown_again_without_work_also_where_its_pack_is_gone(copies):
    """As one of a network is."""
    expected = call("report", "lbp", cwd=copies).stdout
    shutil.rmtree(copies / "a.features")
    assert call("cv", "-o", "lbp", "--resume", cwd=copies).stdout == expected
    assert not (copies / "a.features").exists()  # nothing was to do
    (copies / "a.npz").unlink()
    assert call("cv", "-o", "lbp", "--resume", cwd=copies).stdout == expected


def test_a_pack_that_moved_is_named_again(home, place):
    (place / "there").mkdir()
    call("cv", "a.npz", *LBP, *GROUP, "-o", "lbp", "--fold", 1, cwd=place)
    (place / "a.npz").rename(place / "there/b c.npz")
    line = refusal("cv", "-o", "lbp", "--resume", cwd=place, code=1)
    assert line == f"Error: {place / 'a.npz'}: cannot be read: no such file or directory"
    call("cv", place / "there/b c.npz", "-o", place / "lbp", "--resume", cwd="/")
    assert (place / "there/b c.features").is_dir()
    ours, others = files_of(place / "lbp"), files_of(home / "lbp")
    changed = [name for name in others if ours[name] != others[name]]
    assert changed == ["config.json"]
    assert json.loads(ours["config.json"])["packs"][0]["path"] == "../there/b c.npz"
    make_pack(place / "there/b c.npz", PEOPLE, seed=3, sequence=8)
    (place / "lbp/fold_0/done.json").unlink()
    line = refusal("cv", "-o", "lbp", "--resume", cwd=place, code=1)
    assert f"b c.npz: changed since {'lbp'} was started" in line
