"""The command line itself: help, versions, pipes, and what is imported when."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

import mertool
from tests.support.command import COMMAND, ROOT, TINY, run

COMMANDS = ("extract", "train", "cv", "predict", "report")


def test_versions_name_what_matters(tmp_path):
    text = run("--version", cwd=tmp_path).stdout
    pattern = r"mertool \d+\.\d+\.\d+\S*, Python 3\.\d+\.\d+, torch \d\S+, OpenCV \d\S+, dlib \d\S+\n"
    assert re.fullmatch(pattern, text)
    assert text.startswith(f"mertool {mertool.__version__},")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_and_stands_in_the_readme(name, tmp_path):
    text = run(name, "--help", cwd=tmp_path).stdout
    assert re.search(rf"Example:\n\s+mertool {name} ", text)
    assert f"mertool {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_main_help_lists_the_commands_in_the_order_of_the_work(tmp_path):
    text = run("--help", cwd=tmp_path).stdout
    places = [text.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("arguments", [("--help",), ("extract", "--help"), ("cv", "--help")])
def test_help_loads_nothing_heavy(arguments, tmp_path):
    code = (
        "import sys\nfrom mertool.cli.main import main\n"
        f"try:\n    main({list(arguments)!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'cv2', 'dlib', 'numpy', 'python_calamine'} & set(sys.modules)\n"
        "sys.exit(' '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_stops_early_is_no_error(finished_run, tmp_path):
    shell = '"$0" "$@" | head -n 1'
    done = subprocess.run(
        ["sh", "-c", shell, *COMMAND, "report", str(finished_run)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == f"{finished_run}\n"
    assert "Traceback" not in done.stderr


def test_reports_in_every_format_go_to_stdout(finished_run, tmp_path):
    import json

    text = run("report", finished_run, cwd=tmp_path).stdout
    assert "majority baseline" in text
    markdown = run("report", finished_run, "--format", "md", cwd=tmp_path).stdout
    assert "| " in markdown
    assert json.loads(run("report", finished_run, "--format", "json", cwd=tmp_path).stdout)


@pytest.mark.skipif(not str(ROOT).isascii(), reason="Python itself then fails: the path stands in its .pth file")
def test_ascii_terminals_do_not_break_it(pack_path, tmp_path):
    name = "résumé é.npz"
    (tmp_path / name).write_bytes(pack_path.read_bytes())
    done = run("cv", "--show-input", "é.png", cwd=tmp_path, env={"LC_ALL": "C", "PYTHONUTF8": "0"})
    assert (tmp_path / "é.png").exists()
    assert "Traceback" not in done.stderr


def test_a_report_over_all_runs_passes_over_trainings_and_names_the_unfinished(finished_run, pack_path, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(finished_run, runs / "a")
    shutil.copytree(finished_run, runs / "b")
    (runs / "b" / "fold_1" / "done.json").unlink()
    (runs / "b" / "fold_1" / "predictions.csv").unlink()
    run("train", pack_path, *TINY[:-4], "--face-size", 32, "--epochs", 1, "-o", runs / "train-x", cwd=tmp_path)
    done = run("report", "runs/a", "runs/train-x", cwd=tmp_path)
    assert "runs/train-x: left out, made by 'mertool train', which tests nothing" in done.stderr
    assert "majority baseline" in done.stdout
    done = run("report", "runs/a", "runs/b", "runs/train-x", "--format", "csv", cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout.splitlines()[1].split(",")[0]) == (0, "runs/a")
    assert (
        'mertool: left out, not finished: runs/b: 1 of 2 folds are done; "mertool cv -o runs/b --resume" continues it\n'
    ) in done.stderr
    done = run("report", "runs/b", "runs/train-x", cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("Error: report: none of these runs is finished\n")
    (runs / "b" / "fold_1" / "done.json").touch()  # it was finished: that is damage
    done = run("report", "runs/a", "runs/b", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "Error: runs/b: fold 1 was finished and has lost its predictions.csv; delete runs/b/fold_1" in done.stderr
    assert run("report", "runs/train-x", cwd=tmp_path, check=False).returncode == 1
