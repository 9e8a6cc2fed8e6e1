"""Cross-validation by the installed command: resumable, divisible, and the same bytes however it is run."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from mertool.evaluation.folds import Folds
from mertool.evaluation.predictions import Predictions
from mertool.network.checkpoint import load_weights
from mertool.runs.finished import load_run
from tests.support.command import COMMAND, TINY, run
from tests.support.processes import descendants, killed, zombie
from tests.support.run_folders import resume_if_begun

FOLDS = range(2)


def fingerprint(folder):
    """What must be equal after any kills: folds, predictions, and every final weight."""
    files = {"folds.json": (folder / "folds.json").read_bytes(), "results.json": (folder / "results.json").read_bytes()}
    for fold in FOLDS:
        part = folder / f"fold_{fold}"
        files[f"predictions {fold}"] = (part / "predictions.csv").read_bytes()
        files[f"attention {fold}"] = (part / "attention.npy").read_bytes()
        weights = load_weights(part / "final.pt").weights
        files[f"weights {fold}"] = {name: tensor.numpy().tobytes() for name, tensor in weights.items()}
    return files


def test_the_run_folder_holds_what_the_design_names(finished_run):
    names = {path.name for path in finished_run.iterdir()}
    assert {"config.json", "env.json", "folds.json", "fold_0", "fold_1", "results.json"} <= names
    fold = {path.name for path in (finished_run / "fold_0").iterdir()}
    assert fold == {".lock", "log.csv", "final.pt", "predictions.csv", "attention.npy", "done.json"}
    text = "".join((finished_run / name).read_text() for name in ("config.json", "env.json", "results.json"))
    assert str(finished_run.parent.parent) not in text  # no absolute paths
    env = json.loads((finished_run / "env.json").read_text())
    assert env["torch"] == torch.__version__


def test_every_clip_is_predicted_once_by_a_network_that_did_not_see_it(finished_run):
    folds = Folds.load(finished_run / "folds.json")
    config = json.loads((finished_run / "config.json").read_text())
    folds.check(config["clips"])
    for fold in FOLDS:
        predictions = Predictions.read(finished_run / f"fold_{fold}" / "predictions.csv")
        assert set(predictions.clip) == set(folds.tests[fold])
        assert not set(predictions.clip) & set(folds.training(fold))
    load_run(finished_run)


@pytest.mark.parametrize("how", ["jobs 1", "jobs 2", "folds alone"])
def test_the_way_of_running_changes_nothing(pack_path, finished_run, tmp_path, how):
    out = tmp_path / "run"
    base = ("cv", pack_path, "--abn", *TINY, "-o", out)
    if how == "folds alone":
        for fold in reversed(FOLDS):
            done = run(*base, "--fold", fold, cwd=tmp_path)
        assert "hits/N" in done.stdout  # the last fold completes the run, whichever it is
    else:
        run(*base, "--jobs", how[-1], cwd=tmp_path)
    assert fingerprint(out) == fingerprint(finished_run)


def test_two_array_jobs_that_start_together_share_a_run(pack_path, finished_run, tmp_path):
    base = [*COMMAND, "cv", str(pack_path), "--abn", *TINY, "-o", str(tmp_path / "run")]
    jobs = [
        subprocess.Popen([*base, "--fold", str(fold)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for fold in FOLDS
    ]
    reports = 0
    for fold, job in enumerate(jobs):
        report, message = job.communicate(timeout=300)
        assert job.returncode == 0, message
        assert re.search(rf"^mertool: fold {fold} of 2: \d+/\d+, \d+ s$", message, re.MULTILINE)
        reports += "hits/N" in report
    assert reports == 1  # of the process that completed the run
    # Each saw the other's fold unfinished or finished; resuming closes the run without training anything again.
    run("cv", "--resume", "-o", tmp_path / "run", cwd=tmp_path)
    assert fingerprint(tmp_path / "run") == fingerprint(finished_run)


def kill_and_resume(pack_path, finished_run, tmp_path, moments):
    base = [*COMMAND, "cv", str(pack_path), "--abn", *TINY, "-o", str(tmp_path / "run")]
    for moment in moments:
        assert killed([*base, *resume_if_begun(tmp_path / "run")], tmp_path, moment) == []
    subprocess.run([*base, *resume_if_begun(tmp_path / "run")], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert fingerprint(tmp_path / "run") == fingerprint(finished_run)


def ten_moments(longest_s):
    generator = random.Random(5)
    return [generator.uniform(0.2, longest_s) for _ in range(10)]


def test_killed_runs_resume_to_the_same_result(pack_path, finished_run, tmp_path):
    kill_and_resume(pack_path, finished_run, tmp_path, (0.5, 3.0, 5.0))


@pytest.mark.full
def test_ten_kills_at_random_moments(pack_path, finished_run, tmp_path):
    kill_and_resume(pack_path, finished_run, tmp_path, ten_moments(9.0))


@pytest.mark.parametrize(
    "moments", [(0.3, 2.0, 4.0), pytest.param(ten_moments(8.0), marks=pytest.mark.full)], ids=["three", "ten"]
)
def test_killed_extraction_keeps_the_old_pack_and_repeats_to_the_same(recordings, tmp_path, moments):
    base = ["extract", str(recordings), "-o", "a.npz", "--size", "96"]
    run(*base, cwd=tmp_path)
    whole = (tmp_path / "a.npz").read_bytes()
    for moment in moments:
        assert killed([*COMMAND, *base, "--overwrite"], tmp_path, moment) == []
        assert (tmp_path / "a.npz").read_bytes() == whole
    run(*base, "--overwrite", cwd=tmp_path)
    assert (tmp_path / "a.npz").read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.clips.csv", "a.npz"]


def test_resume_takes_the_settings_of_the_run(finished_run, tmp_path):
    done = run("cv", "--resume", "-o", finished_run, "--epochs", "9", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "--resume takes the run's own settings, but epochs: 9 here, 2 there; leave these options out" in done.stderr
    done = run("cv", "--resume", "-o", finished_run, "--epochs", "2", cwd=tmp_path)
    assert "hits/N" in done.stdout


def test_a_fold_of_another_setting_does_not_join(pack_path, finished_run, tmp_path):
    arguments = ("cv", pack_path, "--abn", *TINY, "--seed", "7", "-o", finished_run, "--fold", "0")
    done = run(*arguments, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "its settings differ (seed: 7 here, 0 there)" in done.stderr


def test_a_second_process_on_the_same_fold_says_so_and_stops(finished_run, tmp_path):
    from mertool.files import file_lock

    home = tmp_path / "home"
    shutil.copytree(finished_run.parent, home, ignore=shutil.ignore_patterns("SAMM*"))
    fold = home / "finished" / "fold_1"
    (fold / "done.json").unlink()
    with file_lock(fold / ".lock"):
        done = run("cv", "--resume", "-o", home / "finished", "--fold", "1", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "fold_1: another process is working on this fold" in done.stderr


def test_a_run_behind_a_link_finds_its_pack_and_a_moved_pack_is_named_again(pack_path, finished_run, tmp_path):
    (tmp_path / "scratch" / "deep").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "runs").symlink_to(tmp_path / "scratch" / "deep")
    (tmp_path / "work" / "a.npz").write_bytes(pack_path.read_bytes())
    base = ("--abn", *TINY, "-o", "runs/x", "--fold", "0", "--fold", "0")
    run("cv", "a.npz", *base, cwd=tmp_path / "work")
    (tmp_path / "work" / "a.npz").rename(tmp_path / "moved.npz")
    lost = run("cv", "--resume", "-o", "runs/x", cwd=tmp_path / "work", check=False)
    assert lost.returncode == 1
    assert "a.npz: cannot be read: no such file" in lost.stderr
    run("cv", "../moved.npz", "--resume", "-o", "runs/x", cwd=tmp_path / "work")
    assert fingerprint(tmp_path / "scratch" / "deep" / "x") == fingerprint(finished_run)


def test_a_changed_pack_is_noticed(pack_path, tmp_path):
    (tmp_path / "a.npz").write_bytes(pack_path.read_bytes())
    run("cv", "a.npz", *TINY, "-o", "run", "--fold", "0", cwd=tmp_path)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[len(data) // 3] ^= 1  # one pixel
    (tmp_path / "a.npz").write_bytes(data)
    done = run("cv", "-o", "run", "--resume", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "changed since run was started" in done.stderr


def test_an_edited_fold_makes_no_results(finished_run, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(finished_run.parent, home, ignore=shutil.ignore_patterns("SAMM*"))
    before = (home / "finished" / "results.json").read_bytes()
    path = home / "finished" / "fold_1" / "predictions.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    done = run("cv", "-o", home / "finished", "--resume", cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: {path}: its clips are not those that folds.json tests in fold 1; was it edited? Delete {path.parent} "
        "to train that fold again\n"
    )
    assert (home / "finished" / "results.json").read_bytes() == before


def test_the_only_pack_and_the_default_name_are_found(pack_path, tmp_path):
    (tmp_path / "my pack é.npz").write_bytes(pack_path.read_bytes())
    done = run("cv", "--roi", "--frames", "1", *TINY, "--tile", "16", "--arcface", "--pool", "region", cwd=tmp_path)
    assert "mertool: pack my pack é.npz" in done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("my pack é-roi-1f-arcface-")
    report = run("report", cwd=tmp_path)
    assert f"mertool: report of {Path('runs') / folder.name}" in report.stderr
    assert report.stdout == done.stdout
    assert not report.stdout.endswith("\n\n")


def test_train_predict_and_fine_tune(pack_path, finished_run, tmp_path):
    """Two people teach, two are tested on: across the number of frames and the class list."""
    import numpy as np

    from mertool.pack import load_pack, save_pack

    pack = load_pack(pack_path)
    people = sorted(set(pack.subject))
    for name, chosen in (("a", people[:2]), ("b", people[2:])):
        rows = [k for k, subject in enumerate(pack.subject) if subject in chosen]
        arrays: dict[str, np.ndarray] = {"frames": pack.frames[rows], "landmarks": pack.landmarks[rows]}
        labels = {"clip": pack.clip_name, "dataset": pack.dataset, "subject": pack.subject, "emotion": pack.emotion}
        for field, values in labels.items():
            arrays[field] = np.array([values[k] for k in rows])
        for field in ("onset", "middle", "apex", "offset"):
            arrays[field] = np.zeros(len(rows), np.int64)
        save_pack(tmp_path / f"{name}.npz", arrays, {})
    small = ("--width", "4", "--blocks", "1", "--epochs", "2", "--face-size", "48")
    run("train", "a.npz", "--frames", "1", "--classes", "all", *small, "-o", "taught", cwd=tmp_path)
    assert (tmp_path / "taught" / "final.pt").exists()
    run("train", "-o", "taught", "--resume", cwd=tmp_path)
    done = run(
        *("cv", "b.npz", "--abn", "--classes", "happiness,fear", "--folds", "2", *small),
        *("--init", "taught", "-o", "tuned"),
        cwd=tmp_path,
    )
    assert "--init taught: loaded: " in done.stderr
    assert "not loaded: " in done.stderr
    assert "other classes" in done.stderr
    config = json.loads((tmp_path / "tuned" / "config.json").read_text())
    assert config["init"]["path"] == str(Path("..", "taught", "final.pt"))
    assert any("stem" in text for text in config["init"]["loaded"])

    table = run("predict", "taught", "b.npz", cwd=tmp_path)
    assert table.stdout.startswith("clip,dataset,subject,fold,truth,prediction,p_")
    assert len(table.stdout.splitlines()) == 1 + len(load_pack(tmp_path / "b.npz").ids)
    taught = ", ".join(sorted(set(load_pack(tmp_path / "a.npz").emotion)))
    assert table.stderr.splitlines() == [
        f"mertool: trained on a: {len(load_pack(tmp_path / 'a.npz').ids)} clips of 2 subjects",
        "mertool: its accuracy on new people is not known: it was never tested; "
        '"mertool cv" with the same options says it',
        f"mertool: every clip gets one of {taught}, even one without any movement: there is no class 'none'",
    ]
    assert run("predict", "taught", "b.npz", "-q", cwd=tmp_path).stderr == ""
    again = run("predict", "taught", "a.npz", "-o", "a.csv", cwd=tmp_path)
    assert "were used to train taught; their predictions say nothing about new recordings" in again.stderr
    assert len(Predictions.read(tmp_path / "a.csv").clip) == len(load_pack(tmp_path / "a.npz").ids)
    averaged = run("predict", finished_run, "b.npz", cwd=tmp_path)
    assert len(averaged.stdout.splitlines()) == len(table.stdout.splitlines())
    assert re.search(
        r"its accuracy on new people is not known: its cross-validation trained and tested on the same people "
        r"\(\d+\.\d %, always predicting 'anger' 16\.7 %\); expect less",
        averaged.stderr,
    )

    leak = run("cv", "a.npz", "--folds", "2", *small, "--init", "taught", "--frames", "1", cwd=tmp_path, check=False)
    assert leak.returncode == 1
    assert re.search(r"was trained on \d+ clips of this run \(first: samm/", leak.stderr)
    wrong = run("cv", "b.npz", "--folds", "2", *small, "--init", finished_run, cwd=tmp_path, check=False)
    assert 'no weights for --init; expected a finished folder of "mertool train"' in wrong.stderr
    # Weights remember what the weights that they began with have seen.
    run("train", "b.npz", "--frames", "1", *small, "--init", "taught", "-o", "further", cwd=tmp_path)
    leak = run("cv", "a.npz", "--folds", "2", *small, "--init", "further/final.pt", cwd=tmp_path, check=False)
    assert re.search(r"was trained on \d+ clips of this run", leak.stderr)


def test_pictures_of_input_and_attention(pack_path, finished_run, tmp_path):
    import cv2

    run("cv", pack_path, "--show-input", "input.png", cwd=tmp_path)
    assert cv2.imread(str(tmp_path / "input.png")).shape[1] > 1000
    assert not (tmp_path / "runs").exists()
    run("report", finished_run, "--maps", "maps.png", cwd=tmp_path)
    picture = cv2.imread(str(tmp_path / "maps.png"))
    assert picture.std() > 10


def test_a_log_gets_a_line_for_each_finished_fold_and_none_with_quiet(pack_path, tmp_path):
    base = ("cv", pack_path, *TINY, "--folds", "3", "--jobs", "1", "--epochs", "1")
    lines = [line for line in run(*base, "-o", "a", cwd=tmp_path).stderr.splitlines() if "mertool: fold " in line]
    assert len(lines) == 3
    for fold, line in enumerate(lines):
        left = "" if fold == 2 else r", about \d+ (s|min) left"
        assert re.fullmatch(rf"mertool: fold {fold} of 3: \d+/\d+, \d+ s{left}", line)
    assert run(*base, "-o", "b", "--quiet", cwd=tmp_path).stderr == ""
    assert not list(tmp_path.rglob("last.pt"))
    (tmp_path / "a" / "fold_2" / "last.pt").touch()  # as a process leaves it that is killed while it finishes the fold
    shutil.rmtree(tmp_path / "a" / "fold_1")
    done = run("cv", "-o", "a", "--resume", cwd=tmp_path)  # the others continue to be finished without last.pt
    assert len(re.findall("mertool: fold ", done.stderr)) == 1
    assert not list(tmp_path.rglob("last.pt"))
    assert (tmp_path / "a/results.json").read_bytes() == (tmp_path / "b/results.json").read_bytes()


def test_a_log_gets_a_line_for_each_tenth_of_a_training(pack_path, tmp_path):
    small = ("--width", "4", "--blocks", "1", "--augmentations", "1", "--face-size", "32", "--epochs", "40")
    lines = run("train", pack_path, *small, "-o", "a", cwd=tmp_path).stderr.splitlines()
    told = [line for line in lines if line.startswith("mertool: epoch ")]
    assert 1 <= len(told) <= 10
    assert re.fullmatch(r"mertool: epoch 40 of 40, loss \d\.\d+, \d+ s", told[-1])
    for line in told[:-1]:
        assert re.fullmatch(r"mertool: epoch \d+ of 40, loss \d(\.\d+)?, \d+ s, about \d+ s left", line)


def on_a_terminal(*words, cwd, **environment):
    """All that a command writes to a terminal."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", **environment}
    process = subprocess.Popen([*COMMAND, *map(str, words)], cwd=cwd, env=env, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):  # the terminal ends with its last process
        while part := os.read(ours, 4096):
            text += part
    os.close(ours)
    assert process.wait() == 0, text
    return text.decode()


def test_the_bar_names_its_unit_fold_and_loss_and_a_dumb_terminal_gets_lines(pack_path, tmp_path):
    base = ("cv", pack_path, *TINY, "--epochs", "40", "--jobs", "1")
    text = on_a_terminal(*base, "-o", "a", cwd=tmp_path, NO_COLOR="1")
    assert re.search(r"cv +\[.*\d+/80.* epochs, fold 1, loss \d", text)
    assert not re.search(r"\x1b\[[0-9;]*m", text)
    text = on_a_terminal(*base, "-o", "b", "--epochs", "1", cwd=tmp_path, TERM="dumb")
    assert "mertool: fold 1 of 2: " in text
    assert "\x1b" not in text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("words", [("cv", "--fold", "1", "--jobs", "1"), ("train",)])
def test_a_stopped_run_names_the_command_that_continues(pack_path, tmp_path, number, code, words):
    small = [*TINY, "--epochs", "100000"]
    if words[0] == "train":
        at = small.index("--folds")
        del small[at : at + 2]
    command = [*COMMAND, words[0], str(pack_path), *small, *words[1:], "-o", "a run"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not list((tmp_path).rglob("last.pt")) and time.monotonic() < end:
        time.sleep(0.1)
    children = descendants(process.pid)
    process.send_signal(number)
    _, text = process.communicate(timeout=60)
    assert process.returncode == code, text
    fold = " --fold 1" if words[0] == "cv" else ""
    last = text.splitlines()[-1]
    assert last == f"mertool: stopped; what is done is kept, \"mertool {words[0]} -o 'a run' --resume{fold}\" continues"
    assert "Traceback" not in text
    time.sleep(1)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists() and not zombie(pid)]
