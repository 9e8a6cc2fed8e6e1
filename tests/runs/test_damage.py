"""Damaged run folders, odd names and odd terminals: one clear line each, and the way out of it works."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import warnings

import numpy as np
import pytest

from mertool.errors import DataError
from mertool.evaluation.predictions import Predictions
from mertool.runs.attention import read_run_maps
from mertool.runs.audit import FAIL, PASS, audit_run
from tests.support.command import COMMAND, run, script
from tests.support.in_process import call, in_this_process, refusal
from tests.support.noise import SMALL, make_pack
from tests.support.reports import page_source
from tests.support.run_folders import whole_run

PEOPLE = {f"p{n}": ["fear", "joy", "fear", "joy"][: 3 + n % 2] for n in range(5)}
NETWORK = (*SMALL, "--epochs", "1", "--classes", "all")


pytestmark = pytest.mark.usefixtures("one_process")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A pack, a finished run with attention branch, one with two repeats, and a training."""
    home = tmp_path_factory.mktemp("made")
    make_pack(home / "a.npz", PEOPLE)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        call("cv", "a.npz", "--abn", "--folds", 3, *NETWORK, "-o", "run é", cwd=home)
        call("cv", "a.npz", "--repeats", 2, "--folds", 2, *NETWORK, "-o", "twice", cwd=home)
        call("train", "a.npz", *NETWORK, "-o", "taught", cwd=home)
    return home


@pytest.fixture
def home(made, tmp_path):
    """A copy to damage."""
    return shutil.copytree(made, tmp_path / "home")


def array(values):
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def archive(values):
    stream = io.BytesIO()
    np.savez(stream, values)
    return stream.getvalue()


def pickled():
    stream = io.BytesIO()
    np.save(stream, np.array([{}, None], object), allow_pickle=True)
    return stream.getvalue()


def header(text):
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def spoiled(values, value):
    values = values.copy()
    values[0, 0, 0] = value
    return array(values)


DAMAGE = {
    "gone": lambda _: None,
    "empty": lambda _: b"",
    "text": lambda _: b"dear reader",
    "npz": archive,
    "pickle": lambda _: pickled(),
    "zip": lambda _: b"PK\x03\x04 and no more",
    "cut": lambda maps: array(maps)[:-5],
    "header only": lambda maps: array(maps)[:40],
    "bad header": lambda _: header(b"{'descr': '<f4', 'shape': ((((\n"),
    "deep header": lambda _: header(b"(" * 9000 + b"\n"),
    "python 2": lambda maps: header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L, 4L)}\n") + bytes(96),
    "huge": lambda _: header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (5, 9999999, 9999999)}\n"),
    "negative": lambda _: header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (5, -4, -4)}\n") + bytes(320),
    "int": lambda maps: array((maps * 9).astype(np.int32)),
    "complex": lambda maps: array(maps.astype(np.complex64)),
    "words": lambda maps: array(np.full(maps.shape, "x")),
    "flat": lambda maps: array(maps.reshape(len(maps), -1)),
    "fewer": lambda maps: array(maps[1:]),
    "smaller": lambda maps: array(maps[:, 1:]),
    "no pixels": lambda maps: array(maps[:, :0]),
    "NaN": lambda maps: spoiled(maps, np.nan),
    "infinite": lambda maps: spoiled(maps, np.inf),
    "above one": lambda maps: spoiled(maps, 1.5),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_attention_maps_are_one_line_and_the_way_out_works(made, home, kind):
    path = home / "run é/fold_1/attention.npy"
    data = DAMAGE[kind](np.load(path))
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        line = refusal("report", "run é", "--maps", "maps.png", cwd=home, code=1)
    assert line.startswith("Error: run é/fold_1/attention.npy: "), line
    assert line.endswith("""; delete 'run é/fold_1' and run "mertool cv -o 'run é' --resume\""""), line
    assert not (home / "maps.png").exists()
    if kind == "empty":
        shutil.rmtree(home / "run é/fold_1")
        call(*shlex.split("cv -o 'run é' --resume"), cwd=home)
        call("report", "run é", "--maps", "maps.png", cwd=home)
        assert whole_run(home / "run é") == whole_run(made / "run é")


def test_the_folds_of_the_maps_are_those_of_folds_json(home):
    path = home / "run é/config.json"
    config = json.loads(path.read_text())
    config["settings"]["folds"] = 2
    path.write_text(json.dumps(config))
    ids, maps = read_run_maps(home / "run é")
    assert sorted(ids) == sorted(config["clips"])
    assert (len(maps), maps.dtype) == (len(ids), np.float32)
    (home / "run é/fold_2/done.json").unlink()
    with pytest.raises(DataError, match=r"fold 2 is not done; run \"mertool cv -o '.*run é' --resume\""):
        read_run_maps(home / "run é")


def files_check(folder):
    return next(check for check in audit_run(folder) if check.name == "files")


@pytest.mark.parametrize("name", ["log.csv", "attention.npy"])
def test_the_audit_finds_changed_logs_and_maps(home, name):
    folder = home / "run é"
    assert files_check(folder).verdict == PASS
    path = folder / "fold_1" / name
    whole = path.read_bytes()
    path.write_bytes(whole + b"\n")
    assert files_check(folder) == ("files", FAIL, f"changed since they were written: fold_1/{name}")
    path.unlink()
    assert files_check(folder) == ("files", FAIL, f"changed since they were written: fold_1/{name} (gone)")
    done = folder / "fold_1/done.json"
    values = json.loads(done.read_text())
    del values["sha256"][name]
    done.write_text(json.dumps(values))
    path.write_bytes(whole)
    assert files_check(folder) == ("files", FAIL, f"changed since they were written: fold_1/{name} (no hash)")


def test_changed_settings_are_said_once_and_read_once(home, monkeypatch):
    from mertool.runs import audit_files

    folder = home / "run é"
    config = json.loads((folder / "config.json").read_text())
    config["settings"]["lr"] = 0.5
    (folder / "config.json").write_text(json.dumps(config))
    calls = []

    def another(run):
        calls.append(run)
        return "another"

    monkeypatch.setattr(audit_files, "fingerprint", another)
    said = "changed since they were written: config.json, env.json or folds.json, since folds 0, 1, 2 were done"
    assert files_check(folder).detail == said
    assert len(calls) == 1
    folds = json.loads((folder / "folds.json").read_text())
    folds["tests"] = [[clip] for ids in folds["tests"] for clip in ids]
    (folder / "folds.json").write_text(json.dumps(folds))
    for fold in range(1, len(folds["tests"])):
        shutil.copytree(folder / "fold_0", folder / f"fold_{fold}", dirs_exist_ok=True)
    more = len(folds["tests"]) - 3
    assert f"since folds 0, 1, 2 and {more} more were done" in files_check(folder).detail


DEEP = {"very deep": 100_000, "deep": 950, "less deep": 600, "not very deep": 200}


def set_at(values, place, value):
    for key in place[:-1]:
        values = values[key]
    values[place[-1]] = value


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("packs", 0, "path"), None),
        (("packs", 0, "path"), 5),
        (("packs", 0, "path"), ""),
        (("packs", 0, "path"), "a\0b"),
        (("packs", 0, "path"), "\ud800"),
        (("packs", 0, "sha256"), 5),
        (("packs", 0, "apex"), 5),
        (("packs", 0, "jitter"), "x"),
        (("packs", 0), "a.npz"),
        (("packs",), {"path": "a.npz"}),
        (("packs",), None),
        (("packs",), []),
        (("clips",), "all"),
        (("clips",), [1, 2]),
        (("clips",), None),
        (("classes",), "fear"),
        (("classes",), [["fear"], ["joy"]]),
        (("command",), 5),
        (("command",), "fly"),
        (("format",), "1"),
        (("format",), True),
        (("format",), 1e999),
        (("format",), 99),
        (("settings",), 5),
        (("settings", "lr"), 10**400),
        (("settings", "threads"), None),
        (("init",), 5),
        (("init",), "weights.pt"),
        (("init",), [1]),
        (("init",), {}),
        (("init",), {"path": "w.pt", "sha256": "0", "loaded": [], "not_loaded": [], "subjects": 5}),
        (("init",), {"path": "w.pt", "sha256": "0", "loaded": [], "not_loaded": [], "subjects": [5]}),
        (("init",), {"path": "w.pt", "sha256": "0", "loaded": "stem", "not_loaded": [], "subjects": []}),
        (("init",), {"path": None, "sha256": "0", "loaded": [], "not_loaded": [], "subjects": []}),
    ],
)
def test_damaged_configurations_are_one_line(home, place, value):
    path = home / "run é/config.json"
    values = json.loads(path.read_text())
    set_at(values, place, value)
    path.write_text(json.dumps(values))
    for words in (
        ("cv", "-o", "run é", "--resume"),
        ("cv", "a.npz", "-o", "run é", "--resume"),
        ("report", "--audit", "run é"),
        ("report", "--command", "run é"),
        ("predict", "run é", "a.npz"),
    ):
        line = refusal(*words, cwd=home, code=1)
        assert line.startswith("Error: run é/config.json: "), line


@pytest.mark.parametrize("depth", DEEP.values(), ids=list(DEEP))
@pytest.mark.parametrize("name", ["config.json", "folds.json", "fold_1/done.json"])
def test_json_that_is_nested_too_deeply_is_one_line(home, name, depth):
    (home / "run é" / name).write_text("[" * depth + "]" * depth)
    line = refusal("report", "--audit", "run é", cwd=home, code=1)
    assert line.startswith(f"Error: run é/{name}: "), line
    assert len(line) < 400
    (home / "run é" / name).write_text('{"format": ' + '{"a":[' * (depth // 2) + "1" + "]}" * (depth // 2) + "}")
    line = refusal("report", "--audit", "run é", cwd=home, code=1)
    assert line.startswith(f"Error: run é/{name}: "), line


def test_an_epoch_that_is_no_number_is_one_line(home):
    path = home / "run é/fold_1/done.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "epoch": "1" * 5000}))
    line = refusal("report", "--audit", "run é", cwd=home, code=1)
    assert line.startswith("Error: run é/fold_1/done.json: damaged; expected the number of an epoch, got '111")
    assert len(line) < 200


def test_a_damaged_env_json_does_not_end_the_page(home):
    (home / "run é/env.json").write_text("[" * 100_000)
    assert "<html" in page_source(home, "run é")


@pytest.mark.parametrize("number", ["9" * 5000, "1000000", "-1", "x", "²"])
def test_odd_fold_numbers_in_predictions_are_one_line(home, number):
    path = home / "run é/fold_0/predictions.csv"
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[3] = number
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    with pytest.raises(DataError, match="line 2: fold: expected a whole number") as caught:
        Predictions.read(path)
    assert len(str(caught.value)) < 300


# Terminals


def shell_run(*words, cwd, env):
    """The installed command with bytes for its output."""
    return subprocess.run(
        [*COMMAND, *words],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
    )


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "utf-8:strict", "ascii:surrogateescape"])
def test_names_that_the_terminal_cannot_print_are_escaped(home, encoding):
    name = b"runs\xff \xc3\xa9 \xe2\x82\xac"
    (home / "run é").rename(home / os.fsdecode(name))
    env = {"PYTHONIOENCODING": encoding}
    for words in (("report", name), ("report", "--audit", name), ("report", "--command", name)):
        done = shell_run(*words, cwd=home, env=env)
        assert done.returncode == 0, done.stderr
        assert done.stderr == b""
        assert b"runs" in done.stdout
    done = shell_run("report", name, "--tables", "paper", "-o", name + b".d", cwd=home, env=env)
    assert done.returncode == 0, done.stderr
    assert b"mertool: report: runs" in done.stderr
    done = shell_run("cv", "-o", name + b"x", "--resume", "nothing.npz", cwd=home, env=env)
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)


# Several runs


def test_an_audit_of_several_passes_over_what_is_no_run_and_goes_on_after_errors(home):
    (home / "notes.txt").write_text("dear")
    shutil.copytree(home / "run é", home / "broken")
    (home / "broken/config.json").write_text("{")
    words = ("broken", "notes.txt", "run é", "taught", "twice", "nothing")
    done = call("report", "--audit", *words, cwd=home, code=1)
    heads = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert heads == ["run é", "twice", "twice/repeat_1"]
    lines = done.stderr.splitlines()
    assert "mertool: notes.txt: left out, a file is not a run" in lines
    assert "mertool: taught: left out, made by 'mertool train', which tests nothing" in lines
    errors = [line for line in lines if line.startswith("Error: ")]
    assert [line.split(":")[1] for line in errors] == [" broken/config.json", " nothing"]
    done = call("report", "--audit", *words, "--format", "json", cwd=home, code=1)
    assert list(json.loads(done.stdout)) == heads
    done = call("report", "--audit", "run é", "taught", "notes.txt", cwd=home)
    assert [line for line in done.stdout.splitlines() if not line.startswith(" ")] == ["run é"]
    line = refusal("report", "--audit", "taught", "notes.txt", cwd=home, code=1)
    assert line.startswith("Error: report: none of these is a run of 'mertool cv'")


def test_commands_of_several_pass_over_what_is_no_run_and_go_on_after_errors(home):
    (home / "notes.txt").write_text("dear")
    done = call("report", "--command", "nothing", "notes.txt", "run é", "taught", "twice", cwd=home, code=1)
    assert [shlex.split(line)[-1] for line in done.stdout.splitlines()] == ["run é-again", "twice-again"]
    assert done.stderr.splitlines() == [
        "mertool: notes.txt: left out, a file is not a run",
        "mertool: taught: left out, made by 'mertool train', which tests nothing",
        'Error: nothing: not a run folder (no config.json); make one with "mertool cv" or "mertool train"',
    ]
    (line,) = call("report", "--command", "taught", cwd=home).stdout.splitlines()  # alone it is wanted
    assert line.startswith("mertool train a.npz ")


def test_runs_that_are_given_twice_count_once(home):
    (home / "link").symlink_to("run é")
    for options in ((), ("--audit",), ("--command",)):
        once = call("report", "run é", *options, cwd=home)
        done = call("report", "run é", "run é/", "link", "../home/run é", *options, cwd=home)
        assert done.stdout == once.stdout
        assert done.stderr.splitlines() == [
            f"mertool: {name}: left out, given twice" for name in ("run é", "link", "../home/run é")
        ]


def test_repeats_beside_their_run_are_left_out(home):
    done = call("report", "twice/repeat_1", "twice", cwd=home)
    assert done.stdout == call("report", "twice", cwd=home).stdout
    assert done.stderr == "mertool: twice/repeat_1: left out, a repeat of twice, which is given too\n"
    assert call("report", "twice/repeat_1", "run é", "--format", "csv", cwd=home).stdout.count("\n") == 3


def test_folders_of_reports_are_passed_over(home):
    for name in ("out/report.html", "out/paper.tex", "more/notes.txt"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text("x")
    done = call("report", "run é", "out", cwd=home)
    assert done.stderr == "mertool: out: left out, holds a written report\n"
    line = refusal("report", "run é", "more", cwd=home, code=1)
    assert line.startswith("Error: more: not a run folder")
    line = refusal("report", "out", cwd=home, code=1)
    assert line.startswith("Error: out: not a run folder")


# Where reports go


@pytest.mark.parametrize(
    ("style", "layout", "name"),
    [
        ("text", True, "paper.txt"),
        ("latex", True, "paper.tex"),
        ("html", True, "report.html"),
        ("latex", False, "report.tex"),
        ("csv", True, "paper.csv"),
    ],
)
def test_the_name_of_a_report_says_what_it_is(home, style, layout, name):
    words = ("--tables", "paper") if layout else ()
    done = call("report", "run é", "--format", style, *words, "-o", "a/b", cwd=home)
    assert done.stderr == f"mertool: report: a/b/{name}\n"
    assert [path.name for path in (home / "a/b").iterdir()] == [name]


def test_places_that_cannot_be_written_are_found_before_the_work(home, monkeypatch):
    from mertool.report import build as reporting

    monkeypatch.setattr(reporting, "load_run", lambda _: pytest.fail("worked"))
    (home / "out/report.txt").mkdir(parents=True)
    (home / "file").write_text("")
    for options, text in (
        (("-o", "out"), "out/report.txt: cannot be written: is a directory"),
        (("-o", "file"), "file: cannot make this folder: file exists"),
        (("--maps", "none/maps.png"), "none/maps.png: cannot be written: no such file or directory"),
    ):
        assert refusal("report", "run é", *options, cwd=home, code=1) == f"Error: {text}"


@pytest.mark.parametrize("style", ["csv", "json"])
def test_runs_that_fit_no_cell_are_said_where_the_format_has_no_notes(home, style):
    call("cv", "a.npz", "--arcface", "--face", "--folds", 2, *NETWORK, "-o", "arc", cwd=home)
    done = call("report", "run é", "arc", "--tables", "paper", "--format", style, cwd=home)
    assert done.stderr == "mertool: arc: left out, Table 6, full face, has no row w/ ArcFace\n"
    assert call("report", "run é", "arc", "--tables", "paper", cwd=home).stderr == ""
    assert call("report", "run é", "arc", "--tables", "paper", "--format", style, "-q", cwd=home).stderr == ""


# Seeds and epochs


@pytest.mark.parametrize(
    ("options", "name"),
    [(("--seed", 2**62 - 1), "--seed"), (("--split-seed", 2**62 - 1, "--new-splits"), "--split-seed")],
)
def test_seeds_without_room_for_the_repeats_are_refused_before_anything_is_written(home, options, name):
    words = ("cv", "a.npz", *NETWORK, "--folds", 2, *options, "-o", "new")
    line = refusal(*words, "--repeats", 3, cwd=home, code=2)
    assert not (home / "new").exists()
    found = f"expected 0 to {2**62:g}, got {2**62 + 1}"
    assert line == f"Error: {name}: {found}, which the last of 3 repeats would have"
    call(*words, "--repeats", 2, "--plan", cwd=home)


def test_train_says_how_its_epoch_was_chosen(home):
    done = call("train", "a.npz", *NETWORK, "--epochs", 3, "--epoch-selection", "inner", "-o", "net", cwd=home)
    n = sum(map(len, PEOPLE.values()))
    n_inner = len(Predictions.read(home / "net/inner.csv").clip)
    epoch = json.loads((home / "net/done.json").read_text())["epoch"]
    said = f"mertool: net: trained on {n - n_inner} clips; {n_inner} more of other subjects chose epoch {epoch} of 3\n"
    assert done.stderr.endswith(said)
    assert call("train", "-o", "net", "--resume", cwd=home).stderr == said
    assert call("train", "-o", "taught", "--resume", cwd=home).stderr == f"mertool: taught: trained on {n} clips\n"


def test_one_person_is_not_advised_to_use_one_fold(tmp_path):
    make_pack(tmp_path / "one.npz", {"p0": ["fear", "joy"] * 3})
    line = refusal("cv", "one.npz", "--protocol", "group", *NETWORK, "-o", "x", cwd=tmp_path, code=1)
    assert line == "Error: folds: all 6 clips are of noise/p0; --protocol group needs two subjects"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_needs_no_place_to_write(home):
    (home / "run é/folds.json").chmod(0)
    line = refusal("report", "run é", cwd=home, code=1)
    assert line == "Error: run é/folds.json: cannot be read: permission denied"


def test_suggested_commands_can_be_pasted(home):
    shutil.copytree(home / "run é", home / "it's $HOME")
    (home / "it's $HOME/fold_1/done.json").unlink()
    line = refusal("report", "--audit", "it's $HOME", cwd=home, code=1)
    words = shlex.split(line[line.index('"') + 1 : -1])
    assert words == ["mertool", "cv", "-o", "it's $HOME", "--resume"]
    assert run(*words[1:], cwd=home).returncode == 0


# The script of the paper's tables


def paper_tables(*words, cwd):
    return script("paper_tables.sh", *words, cwd=cwd)


def filled(tables):
    """The number of cells with a figure."""
    return len(re.findall(r"\d/17 +\[", tables))


def test_a_condition_without_its_repeats_blocks_no_other(home):
    network = (*NETWORK, "--tile", 8, "--", "--folds", 2)
    done = paper_tables("a.npz", "none", "-out é", "face-1f", "--", *network, cwd=home)
    assert done.returncode == 0, done.stderr
    assert filled(done.stdout) == 1
    done = paper_tables(
        "a.npz", "none", "-out é", "face-3f", "--", *network, "--repeats", 2, "--repeat", 0, "--fold", 0, cwd=home
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[-1] == "paper_tables.sh: not in these tables, for it is not finished: face-3f"
    done = paper_tables("a.npz", "none", "-out é", "face-3f", "--", *network, "--repeats", 2, "--repeat", 0, cwd=home)
    assert done.returncode == 1
    assert (home / "-out é/face-3f/results.json").exists()
    lines = done.stderr.splitlines()
    assert "face-3f/repeat_1: 0 of 2 folds are done; " in lines[-2]
    assert lines[-1] == "paper_tables.sh: not in these tables, for it is not finished: face-3f"
    assert filled(done.stdout) == 1
    assert (home / "-out é/paper.txt").read_text() == done.stdout
    # Whoever did not ask for it now gets the others, and may know.
    done = paper_tables("a.npz", "none", "-out é", "face-1f", "--", *network, cwd=home)
    assert (done.returncode, done.stdout) == (0, (home / "-out é/paper.txt").read_text())
    assert "face-3f/repeat_1: 0 of 2 folds are done; " in done.stderr
    done = paper_tables("a.npz", "none", "-out é", "face-3f", "--", *network, "--repeats", 2, cwd=home)
    assert done.returncode == 0, done.stderr
    assert filled(done.stdout) == 2


def test_without_a_finished_condition_there_are_no_tables(home):
    done = paper_tables("a.npz", "none", "out", "face-3f", "--", *NETWORK, "--", "--folds", 2, "--fold", 0, cwd=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "paper_tables.sh: no condition is finished yet"
    assert [path.name for path in (home / "out").iterdir()] == ["face-3f"]
