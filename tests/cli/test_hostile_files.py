"""Files that were made to harm: special files, links out of a run, names that drive a terminal. Each is one line."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import unicodedata

import pytest

from tests.support.command import COMMAND
from tests.support.in_process import answer, call, in_this_process, refusal
from tests.support.noise import SMALL, make_pack

PEOPLE = {f"p{n}": ["fear", "joy", "fear", "joy"] for n in range(4)}
NETWORK = ("--classes", "all", "--folds", 2, *SMALL, "--epochs", 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    in_this_process(monkeypatch)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("made")
    make_pack(home / "a.npz", PEOPLE)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        call("cv", "a.npz", "--abn", *NETWORK, "-o", "run", cwd=home)
    return home


@pytest.fixture
def home(made, tmp_path):
    return shutil.copytree(made, tmp_path / "home")


def limited(*words, cwd, megabytes=4096, seconds=60):
    """The installed command with a limit on memory and time; a hang fails the test."""
    script = f'ulimit -v {megabytes * 1024}; exec "$@"'
    return subprocess.run(
        ["bash", "-c", script, "bash", *COMMAND, *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
    )


def failure(done):
    """The one line of a failed command."""
    code = done.exit_code if hasattr(done, "exit_code") else done.returncode
    assert code in (1, 2), done.stderr
    lines = [line for line in done.stderr.split("\n") if not line.startswith(("mertool: ", "Usage: ", "Try "))]
    (line,) = filter(None, lines)
    assert len(line) <= 520
    assert all(unicodedata.category(mark) not in ("Cc", "Cs") for mark in line)
    return line


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "folds.json",
        "fold_0/predictions.csv",
        "fold_0/done.json",
        "fold_0/log.csv",
        "fold_0/final.pt",
        "fold_0/attention.npy",
    ],
)
@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_a_file_of_a_run_that_never_ends(home, name, kind):
    path = home / "run" / name
    path.unlink()
    if kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    for words in (("report", "run", "--format", "html", "-o", "page"), ("report", "--audit", "run")):
        done = limited(*words, cwd=home)
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1)
        assert len(done.stderr.splitlines()) <= 3
    done = limited("cv", "-o", "run", "--resume", cwd=home)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["device", "pipe"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("b.npz", ("cv", "b.npz", *NETWORK)),
        ("b.csv", ("extract", "b.csv", "--verify")),
        ("folds.csv", ("cv", "a.npz", "--classes", "all", *SMALL, "--folds-file", "folds.csv")),
        ("init.pt", ("cv", "a.npz", *NETWORK, "--init", "init.pt")),
        ("model.dat", ("extract", "a.csv", "--landmarks", "model.dat")),
    ],
)
def test_an_input_that_never_ends(home, name, words, kind):
    (home / "a.csv").write_text("clip,subject,emotion,stacked_image\na,a,fear,a.png\n")
    if kind == "device":
        (home / name).symlink_to("/dev/zero")
    else:
        os.mkfifo(home / name)
    line = failure(limited(*words, cwd=home))
    assert name in line
    assert any(words in line for words in ("expected a file, got a ", "no landmark model at", "no weights for --init"))


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".xls"])
def test_a_table_that_never_ends(home, suffix):
    folder = home / "SAMM" / "006" / "006_1_2"
    folder.mkdir(parents=True)
    (folder / "006_00001.jpg").write_bytes(b"x")
    os.mkfifo(home / "SAMM" / f"SAMM_Micro_FACS_Codes_v2{suffix}")
    failure(limited("extract", "SAMM", "--verify", cwd=home))


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "final.pt/../../../secret", "", ".", "a\nb"])
def test_done_names_only_what_a_fold_may_have(home, name):
    (home / "secret").write_text("x")
    path = home / "run" / "fold_0" / "done.json"
    values = json.loads(path.read_text())
    values["sha256"][name] = "0" * 64
    path.write_text(json.dumps(values))
    done = call("report", "--audit", "run", cwd=home, code=1)
    assert "changed since" not in done.output or "secret" not in done.output
    assert "fold_0/done.json" in done.output


def test_a_fold_that_is_a_link_out_of_the_run_is_refused(home):
    outside = home / "outside"
    (home / "run" / "fold_0").rename(outside)
    (home / "run" / "fold_0").symlink_to(outside)
    (outside / "done.json").unlink()
    line = refusal("cv", "-o", "run", "--resume", cwd=home, code=1)
    assert "run/fold_0: is a link" in line
    assert "expected a folder of the run" in line


def test_a_lock_that_is_a_link_is_refused(home):
    lock = home / "run" / "fold_0" / ".lock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(home / "precious")
    (home / "run" / "fold_0" / "done.json").unlink()
    line = refusal("cv", "-o", "run", "--resume", cwd=home, code=1)
    assert ".lock: cannot be written: too many levels of symbolic links" in line or ".lock: is a link" in line
    assert not (home / "precious").exists()


def test_a_run_that_does_not_exist_is_not_begun_by_resume(home):
    line = refusal("cv", "a.npz", *NETWORK, "-o", "typo", "--resume", cwd=home, code=1)
    assert "typo: nothing to resume" in line
    assert not (home / "typo").exists()


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a\nb", "a\rb", "a\x9bb", "a\u2028b", "x" * 3000])
def test_no_message_drives_a_terminal(home, text):
    for words in (
        ("report", text),
        ("cv", text),
        ("predict", text, "a.npz"),
        ("predict", "run", text),
        ("extract", text),
        ("cv", "a.npz", "--classes", text),
        ("cv", "a.npz", "--recipe", text),
        (text,),
        ("cv", f"--{text}"),
        ("cv", "a.npz", "--epochs", text),
        ("cv", "a.npz", "-o", text, *NETWORK) if "x" in text else ("report", "run", "--format", text),
    ):
        failure(answer(*words, cwd=home))


def test_a_run_is_not_named_with_control_characters(home):
    line = refusal("cv", "a.npz", *NETWORK, "-o", "a\x1b[31mb", cwd=home, code=2)
    assert line.endswith(r"a\x1b[31mb: the name of a run is UTF-8 without control characters; choose another -o")


def test_names_that_are_not_utf8_are_refused_at_once(home):
    (home / "a.png").write_bytes(b"")
    (home / os.fsdecode(b"m\xff.csv")).write_text("clip,subject,emotion,stacked_image\na,a,fear,a.png\n")
    done = subprocess.run([*COMMAND, "extract", b"m\xff.csv"], cwd=home, capture_output=True, text=True, timeout=60)
    line = failure(done)
    assert (
        line
        == r"Error: m\udcff.csv: names a data set, but is not valid UTF-8 or has control characters; rename this file"
    )


def test_cells_that_a_spreadsheet_would_execute_are_text(home, tmp_path):
    make_pack(tmp_path / "b.npz", {"=1+1": ["fear", "joy"], "@x": ["fear", "joy"], "+3": ["joy"]}, dataset="=cmd")
    done = call("predict", home / "run", tmp_path / "b.npz", cwd=tmp_path)
    rows = list(csv.reader(done.stdout.splitlines()))
    assert len(rows) == 6
    assert all(cell[:1] not in ("=", "+", "@", "\t") for row in rows for cell in row)
    assert rows[1][0] == "'=cmd/+3/c0"


def test_a_folder_that_was_deleted_is_named(home):
    script = 'mkdir gone; cd gone; rmdir ../gone; exec "$@"'
    words = [*COMMAND, "cv", str(home / "a.npz"), "--plan", "-o", str(home / "new")]
    done = subprocess.run(["sh", "-c", script, "sh", *words], cwd=home, capture_output=True, text=True, timeout=60)
    assert failure(done) == "Error: the current folder is gone; change to one that exists"


def test_little_memory_is_one_line(home):
    done = limited("cv", "a.npz", *NETWORK, "-o", "little", cwd=home, megabytes=600)
    assert "not enough memory" in failure(done)
