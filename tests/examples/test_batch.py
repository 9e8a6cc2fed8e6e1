"""Batch jobs: the example scripts, with xargs everywhere, and on a real Slurm where one can be started."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import time

import cv2
import numpy as np
import pytest

from tests.support.command import PATH, ROOT, TINY, run, script

NETWORK = (*TINY[:-4], "--face-size", "32", "--epochs", "1", "--protocol", "loso")


def make_pack(home, people):
    """Two clips of noise a person."""
    rng = np.random.default_rng(0)
    rows = ["clip,subject,emotion,stacked_image"]
    for person in range(people):
        for emotion in ("fear", "joy"):
            picture = f"{person}_{emotion}.png"
            cv2.imwrite(str(home / picture), rng.integers(0, 256, (64, 64, 3), np.uint8))
            rows.append(f"{emotion},p{person},{emotion},{picture}")
    (home / "noise.csv").write_text("\n".join(rows) + "\n")
    run("extract", "noise.csv", "--aligned", "--size", 64, cwd=home)


def predictions(folder):
    """Of all folds, those of repeats included."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("predictions.csv")}


def test_folds_side_by_side_without_a_scheduler(tmp_path):
    home = tmp_path / "a é"
    home.mkdir()
    make_pack(home, 4)
    done = script("parallel.sh", 2, "runs/side by side", "noise.npz", *NETWORK, cwd=home)
    assert done.returncode == 0, done.stderr
    assert "loso, 4 folds" in done.stdout
    run("cv", "noise.npz", *NETWORK, "-o", "at once", cwd=home)
    assert predictions(home / "runs/side by side") == predictions(home / "at once")
    again = script("parallel.sh", 2, "runs/side by side", "noise.npz", *NETWORK, cwd=home)
    assert (again.returncode, again.stdout) == (0, done.stdout)


@pytest.mark.parametrize("name", ["parallel.sh", "slurm/submit.sh"])
def test_the_scripts_say_how_they_are_used(tmp_path, name):
    done = script(name, cwd=tmp_path)
    assert done.returncode == 2
    assert f"examples/{name} " in done.stderr
    assert not done.stderr.startswith("#")


def test_a_wrong_option_ends_the_submission_before_anything_is_queued(tmp_path):
    make_pack(tmp_path, 3)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sbatch").write_text("#!/bin/sh\ntouch queued\n")
    (tmp_path / "bin/sbatch").chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{PATH}"
    done = script("slurm/submit.sh", "x", "noise.npz", "--protocol", "best", cwd=tmp_path, PATH=path)
    assert done.returncode != 0
    assert "'best' is not one of" in done.stderr
    assert not (tmp_path / "queued").exists()


def test_without_slurm_no_run_is_made(tmp_path):
    make_pack(tmp_path, 3)
    for name in ("sh", "sed", "dirname"):
        (tmp_path / name).symlink_to(shutil.which(name))
    done = script("slurm/submit.sh", "x", "noise.npz", cwd=tmp_path, PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "sbatch: not found; run this where Slurm is, or examples/parallel.sh without it\n"
    assert not (tmp_path / "x").exists()


SBATCH = """#!/bin/sh
# Stands for sbatch: does at once, and one after the other, what is submitted; all words of it go into `submitted`.
set -eu
printf '%s\\n' "$*" >>submitted
last=0
while :; do
    case $1 in
        --array=0-*) last=${1#--array=0-} ;;
        --output=*) output=${1#--output=} ;;
        --*) ;;
        *) break ;;
    esac
    shift
done
for task in $(seq 0 "$last"); do
    case " ${LOST:-} " in *" $task "*) continue ;; esac
    SLURM_ARRAY_TASK_ID=$task sh "$@" >"$(printf '%s' "$output" | sed "s/%a/$task/")" 2>&1 || true
done
echo "17;cluster"
"""


def test_the_array_runs_the_lines_of_the_plan(tmp_path):
    """Repeats, in a folder whose name a shell has to be told with care; a task is lost and its fold made later."""
    home = tmp_path / "a é"
    home.mkdir()
    make_pack(home, 3)
    (home / "bin").mkdir()
    (home / "bin/sbatch").write_text(SBATCH)
    (home / "bin/sbatch").chmod(0o755)
    path = f"{home / 'bin'}{os.pathsep}{PATH}"
    run_folder = "runs/it's $HOME; `x` 'ö"
    network = (*NETWORK[:-2], "--folds", "2", "--repeats", "2")
    submit = ("slurm/submit.sh", run_folder, "noise.npz", *network)
    done = script(*submit, cwd=home, PATH=path, LOST="2", SBATCH_OPTIONS="--partition=short --time=1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"4 folds; the report will stand in {run_folder}/slurm/report.txt\n"
    slurm_folder = home / run_folder / "slurm"
    plan = (slurm_folder / "plan.txt").read_text().splitlines()
    assert [shlex.split(line)[-5:] for line in plan] == [
        ["--resume", "--repeat", repeat, "--fold", fold] for repeat in "01" for fold in "01"
    ]
    assert not list(slurm_folder.glob("plan.txt.*"))
    array, report = (home / "submitted").read_text().splitlines()
    assert "--array=0-3 " in array
    assert "--partition=short --time=1 " in array
    assert "--dependency=afterany:17 " in report
    found = {str(name) for name in predictions(home / run_folder)}
    assert found == {"fold_0/predictions.csv", "fold_1/predictions.csv", "repeat_1/fold_1/predictions.csv"}
    report_text = (slurm_folder / "report.txt").read_text()
    assert "repeat_1: 1 of 2 folds are done" in " ".join(report_text.split())
    again = script(*submit, cwd=home, PATH=path, LOST="")
    assert (again.returncode, again.stderr) == (0, done.stderr)
    assert "Over 2 seeds, with the same folds" in (slurm_folder / "report.txt").read_text()
    assert (slurm_folder / "report.txt").read_text().count("pass  epoch") == 2
    run("cv", "noise.npz", *network, "-o", "at once", cwd=home)
    assert len(predictions(home / "at once")) == 4
    assert predictions(home / run_folder) == predictions(home / "at once")
    alone = subprocess.run(
        ["sh", str(ROOT / "examples/slurm/fold.sbatch"), run_folder],
        cwd=home,
        env={**os.environ, "PATH": PATH, "SLURM_ARRAY_TASK_ID": "4"},
        capture_output=True,
        text=True,
    )
    assert (alone.returncode, alone.stdout) == (1, "")
    assert alone.stderr == f"{run_folder}/slurm/plan.txt has no line 5; submit again\n"


# A real Slurm


@pytest.fixture
def cluster(tmp_path):
    """Environment variables of a one-node Slurm that this test starts and stops."""
    programs = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel")
    missing = [name for name in programs if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and Debian's slurm-wlm ({', '.join(missing) or 'not root'})")
    node = socket.gethostname().split(".")[0]
    places = {name: tmp_path / "slurm" / name for name in ("state", "spool")}
    for place in places.values():
        place.mkdir(parents=True)
    lines = {
        "ClusterName": "test",
        "SlurmctldHost": node,
        "SlurmUser": "root",
        "AuthType": "auth/none",
        "CredType": "cred/none",
        "ProctrackType": "proctrack/pgid",
        "TaskPlugin": "task/none",
        "MpiDefault": "none",
        "ReturnToService": "2",
        "SelectType": "select/cons_tres",
        "StateSaveLocation": places["state"],
        "SlurmdSpoolDir": places["spool"],
        "SlurmctldPidFile": tmp_path / "slurm/ctld.pid",
        "SlurmdPidFile": tmp_path / "slurm/d.pid",
        "SlurmctldLogFile": tmp_path / "slurm/ctld.log",
        "SlurmdLogFile": tmp_path / "slurm/d.log",
        "SchedulerParameters": "sched_interval=1",
    }
    text = "".join(f"{name}={value}\n" for name, value in lines.items())
    text += f"NodeName={node} CPUs={os.cpu_count()} State=UNKNOWN\nPartitionName=all Nodes=ALL Default=YES State=UP\n"
    (tmp_path / "slurm/slurm.conf").write_text(text)
    environment = {"SLURM_CONF": str(tmp_path / "slurm/slurm.conf")}
    daemons = [
        subprocess.Popen([program, "-D"], env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
        for program in ("slurmctld", "slurmd")
    ]
    yield environment
    for daemon in reversed(daemons):
        daemon.terminate()
        daemon.wait(60)


def slurm(environment, *words):
    return subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60).stdout


def wait_until_empty(environment):
    for _ in range(900):
        if not slurm(environment, "squeue", "-h").strip():
            return
        time.sleep(1)
    raise AssertionError(slurm(environment, "squeue"))


@pytest.mark.full
@pytest.mark.parametrize(("people", "repeats", "n_kills"), [(62, 1, 3), (4, 2, 1)])
def test_an_array_with_killed_tasks_is_the_run_in_one_process(cluster, tmp_path, people, repeats, n_kills):
    home = tmp_path / "a é"
    home.mkdir()
    make_pack(home, people)
    network = (*NETWORK, "--repeats", repeats)
    n_folds = people * repeats
    submit = ("slurm/submit.sh", "runs/array", "noise.npz", *network)
    done = script(*submit, cwd=home, **cluster)
    assert done.returncode == 0, done.stderr
    assert f"{n_folds} folds; the report will stand in runs/array/slurm/report.txt" in done.stderr
    killed: set[str] = set()
    while len(killed) < n_kills:
        running = set(slurm(cluster, "squeue", "-h", "-r", "-t", "R", "-n", "mertool", "-o", "%i").split()) - killed
        for task in sorted(running)[:1]:
            slurm(cluster, "scancel", "--signal=KILL", "--full", task)
            killed.add(task)
        time.sleep(1)
    wait_until_empty(cluster)
    report = home / "runs/array/slurm/report.txt"
    left = n_folds - len(list((home / "runs/array").rglob("done.json")))
    assert 1 <= left <= n_kills
    assert "folds are done" in report.read_text()
    assert script(*submit, cwd=home, **cluster).returncode == 0
    wait_until_empty(cluster)
    assert f"loso, {people} folds" in report.read_text()
    assert report.read_text().count("pass  epoch") == repeats
    run("cv", "noise.npz", *network, "-o", "at once", cwd=home)
    assert len(predictions(home / "at once")) == n_folds
    assert predictions(home / "runs/array") == predictions(home / "at once")
    assert (home / "runs/array/results.json").read_bytes() == (home / "at once/results.json").read_bytes()
