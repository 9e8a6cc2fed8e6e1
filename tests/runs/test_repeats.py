"""`--repeats`: complete runs of other seeds below the first, divisible and resumable, and the spread between them."""

from __future__ import annotations

import csv
import itertools
import json
import shlex
import shutil
import subprocess

import numpy as np
import pytest

from mertool.errors import DataError, FileError
from mertool.evaluation.folds import Folds
from mertool.evaluation.protocols import group_folds
from mertool.evaluation.statistics import spread
from mertool.files import write_json
from mertool.network import training as engine
from mertool.network.checkpoint import save_checkpoint
from mertool.report.formats import render_csv, render_json
from mertool.report.latex import render_latex
from mertool.report.plain import render_text
from mertool.runs import config as runs
from mertool.runs import create as new_run
from mertool.runs import start as begin
from mertool.runs.audit import PASS
from mertool.runs.finished import find_newest_run, load_run
from mertool.settings import Settings
from tests.support.audits import faults, verdicts
from tests.support.command import COMMAND
from tests.support.in_process import call, in_this_process, refusal
from tests.support.noise import SMALL, make_pack
from tests.support.processes import KilledError, killed
from tests.support.reports import render_markdown
from tests.support.run_folders import whole_run

PEOPLE = {f"p{n}": ["fear", "joy", "fear", "joy", "joy"][: 4 + n % 2] for n in range(6)}
NETWORK = (*SMALL, "--epochs", "2", "--folds", "2")
NAMES = ("", "repeat_1", "repeat_2")
NEW = ("epoch_selection", "split_seed", "repeats", "new_splits")


pytestmark = pytest.mark.usefixtures("one_process")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the pack a.npz and the finished run `three` of three repeats."""
    folder = tmp_path_factory.mktemp("repeats é")
    make_pack(folder / "a.npz", PEOPLE)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        call("cv", "a.npz", *NETWORK, "--repeats", 3, "-o", "three", cwd=folder)
    return folder


@pytest.fixture
def place(home, tmp_path):
    """An empty folder with the same pack."""
    shutil.copy(home / "a.npz", tmp_path)
    return tmp_path


def results(folder):
    """What a run and a run inside another must have in common: all but their places and their own settings."""
    found = whole_run(folder)
    return {name: value for name, value in found.items() if not name.endswith(("config.json", "results.json"))}


def alone(home, *options, name):
    call("cv", "a.npz", *NETWORK, *options, "-o", name, cwd=home)
    return home / name


def settings_of(folder):
    return json.loads((folder / "config.json").read_text())["settings"]


# What they are


def test_three_complete_runs(home):
    run = home / "three"
    for number, name in enumerate(NAMES):
        files = {path.name for path in (run / name).iterdir()}
        assert {"config.json", "env.json", "folds.json", "results.json", "fold_0", "fold_1"} <= files
        settings = settings_of(run / name)
        assert (settings["seed"], settings["split_seed"]) == (number, 0)
        assert settings["repeats"] == (3 if number == 0 else 1)
        assert (run / name / "folds.json").read_bytes() == (run / "folds.json").read_bytes()
    assert {path.name for path in run.glob("repeat_*")} == set(NAMES[1:])
    answers = {(run / name / "fold_0/predictions.csv").read_bytes() for name in NAMES}
    assert len(answers) == 3


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_repeat_is_the_run_of_its_seed_over_the_same_folds(home, number):
    other = results(alone(home, "--seed", number, name=f"seed {number}"))
    ours = results(home / "three" / NAMES[number])
    assert {name: value for name, value in ours.items() if not name.startswith("repeat_")} == other
    assert len(other) == 7  # folds.json, and log, weights and predictions of two folds
    mine, theirs = (settings_of(folder) for folder in (home / "three" / NAMES[number], home / f"seed {number}"))
    assert {name for name in mine if mine[name] != theirs[name]} == ({"repeats"} if number == 0 else set())


@pytest.mark.parametrize("protocol", ["stratified", "group"])
def test_new_splits_are_those_of_the_split_seeds(home, protocol):
    options = ("--protocol", protocol, "--seed", 5, "--split-seed", 9)
    run = alone(home, *options, "--repeats", 2, "--new-splits", name=f"new {protocol}")
    other = alone(home, *options[:2], "--seed", 6, "--split-seed", 10, name=f"split {protocol}")
    assert results(run / "repeat_1") == results(other)
    first, second = (Folds.load(folder / "folds.json") for folder in (run, run / "repeat_1"))
    assert (first.seed, second.seed) == (9, 10)
    assert first.tests != second.tests
    assert settings_of(run / "repeat_1")["new_splits"] is False
    assert "Over 2 seeds, each with its own folds" in call("report", run, cwd=home).stdout


def test_remarks_on_folds_are_made_of_the_repeats_that_have_others(place):
    people = {f"p{n}": ["fear", "joy"] for n in range(8)} | {"p9": ["rage", "joy"]}
    make_pack(place / "b.npz", people)
    ids = [f"noise/{who}/c{k}" for who, emotions in people.items() for k in range(len(emotions))]
    labels = [what for emotions in people.values() for what in emotions]
    lonely = [group_folds(ids, labels, 2, seed).fold_of()["noise/p9/c0"] for seed in range(9)]
    split = next(seed for seed in range(8) if lonely[seed] != lonely[seed + 1])
    words = ("cv", "b.npz", *NETWORK, "--protocol", "group", "--split-seed", split, "--repeats", 2, "--plan")
    said = "class rage cannot be learned in fold {}, which tests all its clips"
    done = call(*words, "-o", "same", cwd=place)
    assert done.stderr.splitlines() == [f"mertool: {said.format(lonely[split])}"]
    done = call(*words, "--new-splits", "-o", "other", cwd=place)
    assert done.stderr.splitlines() == [
        f"mertool: {said.format(lonely[split])}",
        f"mertool: repeat 1: {said.format(lonely[split + 1])}",
    ]


def test_the_seed_leaves_the_folds_alone_and_the_split_seed_the_weights(place):
    for name, options in (("a", ()), ("b", ("--seed", 1)), ("c", ("--split-seed", 1))):
        call("cv", "a.npz", *NETWORK, *options, "--fold", 0, "-o", name, cwd=place)
    a, b, c = ((place / name / "folds.json").read_bytes() for name in "abc")
    assert a == b != c
    assert [json.loads(text)["seed"] for text in (a, b, c)] == [0, 0, 1]


def test_one_repeat_is_a_run_as_before(place):
    done = call("cv", "a.npz", *NETWORK, "--repeats", 1, "-o", "one", cwd=place)
    assert not list((place / "one").glob("*repeat*"))
    assert "seeds" not in done.stdout
    run = load_run(place / "one")
    assert (run.repeats, run.over_seeds("accuracy")) == ((), [run.metrics["accuracy"]])


@pytest.mark.parametrize("how", ["own folds", "loso", "initial weights", "select inner", "select inner, new splits"])
def test_everything_else_is_as_in_the_run(home, place, how):
    options = {
        "own folds": ("--folds-file", "own.csv"),
        "loso": ("--protocol", "loso"),
        "initial weights": ("--init", "net"),
        "select inner": ("--epoch-selection", "inner"),
        "select inner, new splits": ("--epoch-selection", "inner", "--new-splits"),
    }[how]
    network = NETWORK[:-2] if how in ("own folds", "loso") else NETWORK
    if how == "own folds":
        ids = json.loads((home / "three/config.json").read_text())["clips"]
        (place / "own.csv").write_text("clip,fold\n" + "".join(f"{name},{k % 2}\n" for k, name in enumerate(ids)))
    if how == "initial weights":
        make_pack(place / "net.npz", PEOPLE, "others")
        call("train", "net.npz", *SMALL, "--epochs", 1, "-o", "net", cwd=place)
    call("cv", "a.npz", *network, *options, "--repeats", 2, "-o", "two", cwd=place)
    new = how.endswith("new splits")
    single = (*(word for word in options if word != "--new-splits"), "--seed", 1, *(("--split-seed", 1) if new else ()))
    call("cv", "a.npz", *network, *single, "-o", "single", cwd=place)
    assert results(place / "two" / "repeat_1") == results(place / "single")
    ours, other = (json.loads((place / name / "config.json").read_text()) for name in ("two/repeat_1", "single"))
    assert ours["settings"] == other["settings"]
    if how == "initial weights":
        assert (place / "two/repeat_1" / ours["init"]["path"]).resolve() == (place / "net/final.pt").resolve()
        assert {**ours["init"], "path": ""} == {**other["init"], "path": ""}
    if how.startswith("select inner"):
        clips = [
            [row["clip"] for row in csv.DictReader((place / name / "fold_0/inner.csv").read_text().splitlines())]
            for name in ("two", "two/repeat_1")
        ]
        assert (clips[0] == clips[1]) is not new
    assert faults(place / "two" / "repeat_1") == []


# Divided, killed, continued


def test_killed_at_any_checkpoint_and_resumed_without_a_word_of_repeats(home, place):
    saves = 3 * 2 * 3  # seeds, folds, two epochs and the end
    for number in (0, 5, 6, 10, 12, saves - 1):
        with pytest.MonkeyPatch.context() as patch:
            count = iter(range(100))

            def save(*arguments, count=count, number=number):
                save_checkpoint(*arguments)
                if next(count) == number:
                    raise KilledError

            patch.setattr(engine, "save_checkpoint", save)
            with pytest.raises(KilledError):
                call("cv", "a.npz", *NETWORK, "--repeats", 3, "-o", "three", cwd=place)
        call("cv", "-o", "three", "--resume", cwd=place)
        assert whole_run(place / "three") == whole_run(home / "three")
        shutil.rmtree(place / "three")


@pytest.mark.parametrize("name", ["folds.json", "env.json", "config.json"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_killed_while_a_run_or_repeat_is_begun(home, place, monkeypatch, number, name):
    """Before each of the three files that make a run folder."""
    with monkeypatch.context() as patch:
        folder = place / "three" / NAMES[number]

        def write(path, value):
            if path == folder / name or path.resolve() == folder / name:
                raise KilledError
            write_json(path, value)

        patch.setattr("mertool.runs.config.write_json", write)
        patch.setattr("mertool.runs.layout.write_json", write)
        patch.setattr("mertool.evaluation.folds.write_json", write)
        with pytest.raises(KilledError):
            call("cv", "a.npz", *NETWORK, "--repeats", 3, "-o", "three", cwd=place)
    assert not (folder / "config.json").exists()
    assert not list((place / "three").rglob("fold_*"))
    # Without config.json it is no run yet, and --resume begins none.
    words = ("a.npz", *NETWORK, "--repeats", 3) if number == 0 else ("--resume",)
    call("cv", *words, "-o", "three", cwd=place)
    assert whole_run(place / "three") == whole_run(home / "three")


def test_killed_between_repeats_and_continued_one_fold_at_a_time(home, place, monkeypatch):
    with monkeypatch.context() as patch:

        def create_run(folder, *rest, **options):
            if folder.name == "repeat_2":
                raise KilledError
            return new_run.create_run(folder, *rest, **options)

        patch.setattr(begin, "create_run", create_run)
        with pytest.raises(KilledError):
            call("cv", "a.npz", *NETWORK, "--repeats", 3, "-o", "three", cwd=place)
    assert (place / "three/repeat_1/config.json").exists()
    assert not (place / "three/repeat_2").exists()
    for fold in (1, 0):
        call("cv", "-o", "three", "--resume", "--fold", fold, cwd=place)
    assert whole_run(place / "three") == whole_run(home / "three")


def finished(folder):
    return {
        (number, fold)
        for number, name in enumerate(NAMES)
        for fold in range(2)
        if (folder / name / f"fold_{fold}" / "done.json").exists()
    }


@pytest.mark.parametrize(
    "steps",
    [
        [(("--fold", 1), {(0, 1), (1, 1), (2, 1)}), (("--fold", 0), None)],
        [(("--repeat", 2), {(2, 0), (2, 1)}), (("--repeat", 0, "--repeat", 1), None)],
        [
            (("--repeat", 1, "--fold", 0), {(1, 0)}),
            (("--repeat", 1, "--fold", 1, "--repeat", 1), {(1, 0), (1, 1)}),
            (("--repeat", 2, "--repeat", 0, "--fold", 1), {(1, 0), (1, 1), (0, 1), (2, 1)}),
            (("--fold", 0, "--fold", 1), None),
        ],
        [(("--repeat", 1), {(1, 0), (1, 1)}), (("--resume",), None)],
    ],
    ids=["folds", "repeats", "both", "resume"],
)
def test_divided_in_any_way_the_result_is_the_same(home, place, steps):
    """Without --resume too: parts join a run of equal settings."""
    for options, done in steps:
        found = call("cv", "a.npz", *NETWORK, "--repeats", 3, "-o", "three", *options, cwd=place)
        if done is not None:
            assert finished(place / "three") == done
            assert found.stdout == ""
            what = {
                name: [str(b) for a, b in itertools.pairwise(options) if a == f"--{name}"]
                for name in ("repeat", "fold")
            }
            text = ", ".join(f"{name} {', '.join(numbers)}" for name, numbers in what.items() if numbers)
            assert found.stderr.splitlines()[-1] == f"mertool: three: {text} done; others are still to do"
            for number, name in enumerate(NAMES):  # a repeat that is complete has its results, whoever is not
                complete = {(number, 0), (number, 1)} <= done
                assert (place / "three" / name / "results.json").exists() is complete
    assert "Over 3 seeds, with the same folds" in found.stdout
    assert whole_run(place / "three") == whole_run(home / "three")


def test_processes_that_start_together_and_are_killed_share_a_run(home, place):
    base = [*COMMAND, "cv", "a.npz", *NETWORK, "--repeats", "3", "-o", "three"]
    parts = [("--repeat", "0", "--fold", "0"), ("--repeat", "1", "--repeat", "2", "--fold", "1")]
    jobs = [
        subprocess.Popen([*base, *part], cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for part in parts
    ]
    for job in jobs:
        _, message = job.communicate(timeout=300)
        assert job.returncode == 0, message
    assert finished(place / "three") == {(0, 0), (1, 1), (2, 1)}
    resume = [*COMMAND, "cv", "-o", "three", "--resume", "--jobs", "2"]
    assert killed(resume, place, 3.0) == []
    subprocess.run(resume, cwd=place, check=True, capture_output=True)
    assert whole_run(place / "three") == whole_run(home / "three")


def test_of_processes_that_end_together_one_completes_the_run(home, place):
    """Both repeats are done, but neither process has put its results together: whoever comes last tells the report."""
    call("cv", "a.npz", *NETWORK, "--repeats", 2, "-o", "r", cwd=place)
    (place / "r/results.json").unlink()
    (place / "r/repeat_1/results.json").unlink()
    first = call("cv", "-o", "r", "--resume", "--repeat", 0, cwd=place)
    assert first.stdout == ""
    assert "another process completed the run and prints its report" in first.stderr
    last = call("cv", "-o", "r", "--resume", "--repeat", 1, cwd=place)
    assert last.stdout.startswith("r\n=\n")
    assert (place / "r/results.json").exists()
    assert (place / "r/repeat_1/results.json").exists()


def test_the_plan_is_a_command_a_repeat_and_fold_that_together_are_the_run(home, place):
    done = call("cv", "a.npz", *NETWORK, "--repeats", 3, "-o", "b é/it's three", "--plan", cwd=place)
    commands = done.stdout.splitlines()
    assert [shlex.split(command) for command in commands] == [
        ["mertool", "cv", "a.npz", "-o", "b é/it's three", "--resume", "--repeat", str(number), "--fold", str(fold)]
        for number in range(3)
        for fold in range(2)
    ]
    run = place / "b é/it's three"
    assert finished(run) == set()
    assert all((run / name / "folds.json").exists() for name in NAMES)
    again = call("cv", "-o", run, "--resume", "--plan", "--quiet", cwd=place)
    assert len(again.stdout.splitlines()) == 6
    outputs = [call(*shlex.split(command)[1:], cwd=place).stdout for command in reversed(commands)]
    assert [bool(text) for text in outputs] == [False] * 5 + [True]
    ours, theirs = whole_run(run), whole_run(home / "three")
    for name in NAMES:  # the packs lie elsewhere as seen from here
        key = f"{name}/config.json".lstrip("/")
        one, two = (json.loads(found.pop(key)) for found in (ours, theirs))
        for config in (one, two):
            config["packs"][0].pop("path")
        assert one == two
    assert ours == theirs


def test_a_pack_that_has_moved_is_named_once_for_all_repeats(home, place):
    call("cv", "a.npz", *NETWORK, "--repeats", 3, "-o", "three", "--fold", 0, cwd=place)
    (place / "deep").mkdir()
    (place / "a.npz").rename(place / "deep" / "b.npz")
    assert "a.npz: cannot be read: no such file" in refusal("cv", "-o", "three", "--resume", cwd=place, code=1)
    call("cv", "deep/b.npz", "--resume", "-o", "three", cwd=place)
    assert results(place / "three") == results(home / "three")
    for name in NAMES:
        (pack,) = json.loads((place / "three" / name / "config.json").read_text())["packs"]
        assert (pack["name"], (place / "three" / name / pack["path"]).resolve()) == ("a", place / "deep" / "b.npz")
        assert verdicts(place / "three" / name)["files"] == PASS
    (place / "whole").mkdir()
    for name in ("three", "deep"):  # and all together
        shutil.move(place / name, place / "whole" / name)
    (place / "whole/three/repeat_2/fold_1/done.json").unlink()
    call("cv", "-o", "whole/three", "--resume", cwd=place)


def test_what_changed_before_a_repeat_was_begun_is_refused_and_leaves_nothing_behind(place):
    make_pack(place / "net.npz", PEOPLE, "others")
    call("train", "net.npz", *SMALL, "--epochs", 1, "-o", "net", cwd=place)
    words = ("cv", "a.npz", *NETWORK, "--repeats", 3, "--init", "net", "-o", "three", "--plan")
    call(*words, cwd=place)
    for name in ("a.npz", "net/final.pt"):
        shutil.rmtree(place / "three" / "repeat_2")
        before = (place / name).read_bytes()
        (place / name).write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        line = refusal("cv", "-o", "three", "--resume", "--fold", 0, cwd=place, code=1)
        assert "changed since three was started" in line
        assert not (place / "three" / "repeat_2").exists()
        (place / name).write_bytes(before)
        call("cv", "-o", "three", "--resume", "--plan", cwd=place)
    assert (place / "three" / "repeat_2" / "config.json").exists()


# Refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--new-splits",), "--new-splits: has an effect on repeats only; add --repeats 5"),
        (("--new-splits", "--repeats", 1), "--new-splits: has an effect on repeats only; add --repeats 5"),
        (
            ("--new-splits", "--repeats", 2, "--protocol", "loso"),
            "--new-splits: --protocol loso leaves nothing to split again; leave it out",
        ),
        (
            ("--new-splits", "--repeats", 2, "--protocol", "leave-dataset-out"),
            "--new-splits: --protocol leave-dataset-out leaves nothing to split again; leave it out",
        ),
        (
            ("--new-splits", "--repeats", 2, "--folds-file", "own.csv"),
            "--new-splits: --folds-file leaves nothing to split again; leave it out",
        ),
        (("--repeats", 0), "--repeats: expected 1 to 1000, got 0"),
        (("--repeats", 3, "--repeat", 3), "--repeat: expected 0 to 2, got 3"),
        (("--repeat", 1), "--repeat: expected 0 to 0, got 1"),
        (("--repeats", 2, "--fold", 5), "--fold: expected 0 to 1, got 5"),
        (
            ("--repeats", 2, "--repeat", 1, "--plan"),
            "--plan: trains nothing; leave out --fold, --repeat and --jobs",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(place, options, message):
    network = SMALL if "--protocol" in options or "--folds-file" in options else NETWORK
    assert message in refusal("cv", "a.npz", *network, *options, "-o", "never", cwd=place, code=2)
    assert [path.name for path in place.iterdir()] == ["a.npz"]


def test_resuming_with_other_repeats_is_refused(home):
    for options, said in (
        (("--repeats", 2), "repeats: 2 here, 3 there"),
        (("--new-splits",), "new_splits: True here, False there"),
        (("--seed", 1), "seed: 1 here, 0 there"),
        (("--split-seed", 1), "split_seed: 1 here, 0 there"),
    ):
        line = refusal("cv", "-o", "three", "--resume", *options, cwd=home, code=2)
        assert line == f"Error: three: --resume takes the run's own settings, but {said}; leave these options out"
    call("cv", "-o", "three", "--resume", "--repeats", 3, "--no-new-splits", cwd=home)
    line = refusal("cv", "-o", "three", "--resume", "--repeat", 3, cwd=home, code=2)
    assert line == "Error: --repeat: expected 0 to 2, got 3"
    line = refusal("cv", "a.npz", *NETWORK, "--repeats", 2, "-o", "three", "--repeat", 1, cwd=home, code=2)
    assert "its settings differ (repeats: 2 here, 3 there)" in line
    line = refusal("cv", "a.npz", *NETWORK, "--repeats", 3, "-o", "three", cwd=home, code=1)
    assert "already holds a run; --resume continues it" in line


def something_else(home, folder, what):
    if what == "a file":
        folder.write_text("notes")
    elif what == "a stranger":
        folder.mkdir()
        (folder / "notes.txt").write_text("notes")
    elif what == "another seed":
        shutil.copytree(home / "three" / "repeat_2", folder)
    elif what == "other folds":
        shutil.copytree(home / "three" / "repeat_1", folder)
        config = json.loads((folder / "config.json").read_text())
        config["settings"]["split_seed"] = 4
        write_json(folder / "config.json", config)
    elif what == "a training":
        call("train", "a.npz", *SMALL, "--epochs", 1, "--seed", 1, "-o", folder, cwd=home)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("a file", "three/repeat_1: cannot make this folder: file exists"),
        ("a stranger", "three/repeat_1: not empty and not a run (it holds notes.txt)"),
        ("another seed", "three/repeat_1: is not a repeat of three (seed: 1 here, 2 there); move it away"),
        ("other folds", "three/repeat_1: is not a repeat of three (split_seed: 0 here, 4 there); move it away"),
        ("a training", "three/repeat_1: is not a repeat of three ("),
    ],
)
def test_something_else_in_the_place_of_a_repeat_is_refused_in_one_line(home, place, what, message):
    call("cv", "a.npz", *NETWORK, "--repeats", 3, "-o", "three", "--plan", cwd=place)
    shutil.rmtree(place / "three" / "repeat_1")
    something_else(home, place / "three" / "repeat_1", what)
    for options in ((), ("--plan",), ("--repeat", 0, "--fold", 0)):
        assert message in refusal("cv", "-o", "three", "--resume", *options, cwd=place, code=1)
    assert finished(place / "three") <= {(1, 0), (1, 1)}
    if (place / "three" / "repeat_1").is_dir():
        shutil.move(place / "three" / "repeat_1", place / "away")
    else:
        (place / "three" / "repeat_1").unlink()
    call("cv", "-o", "three", "--resume", cwd=place)
    assert whole_run(place / "three") == whole_run(home / "three")


# The report


@pytest.fixture
def copy(home, tmp_path):
    shutil.copytree(home / "three", tmp_path / "runs" / "three")
    shutil.copy(home / "a.npz", tmp_path / "runs" / "a.npz")  # as config.json says
    return tmp_path / "runs" / "three"


def test_mean_deviation_and_ends_are_those_of_the_runs(home):
    singles = [load_run(home / "three" / name) for name in NAMES]
    run = load_run(home / "three")
    assert [one.settings.seed for one in run.repeats] == [1, 2]
    text = render_text([run])
    lines = text[text.index("Over 3 seeds, with the same folds") :].splitlines()
    rule = next(number for number, line in enumerate(lines) if set(line) == {"-"})
    assert lines[rule - 1].split() == ["score", "mean", "sd", "lowest", "highest"]
    rows = [line.rsplit(None, 4) for line in lines[rule + 1 : rule + 5]]
    table = {label.strip(): [float(cell) for cell in cells] for label, *cells in rows}
    plain = json.loads(render_json([run]))["runs"][0]
    (row,) = csv.DictReader(render_csv([run]).splitlines())
    assert (plain["n_seeds"], row["n_seeds"]) == (3, "3")
    for name, label, factor in (
        ("accuracy", "accuracy, pooled, %", 100),
        ("fold_accuracy_mean", "accuracy, mean of folds, %", 100),
        ("uf1", "UF1", 1),
        ("uar", "UAR", 1),
    ):
        values = np.array([dict(one.metrics)[name] for one in singles])
        mean = values.sum() / 3
        expected = [mean, (((values - mean) ** 2).sum() / 2) ** 0.5, values.min(), values.max()]
        assert expected[1] == pytest.approx(np.std(values, ddof=1))
        assert table[label] == pytest.approx(
            [factor * value for value in expected], abs=0.0051 if factor == 100 else 6e-5
        )
        found = plain["over_seeds"][name]
        assert [found[key] for key in ("mean", "sd", "low", "high")] == pytest.approx(expected)
        if name != "fold_accuracy_mean":
            assert [float(row[f"{name}_seeds_{key}"]) for key in ("mean", "sd")] == pytest.approx(expected[:2])
    assert [one["seed"] for one in plain["repeats"]] == [1, 2]
    assert [one["hits"] for one in plain["repeats"]] == [one.metrics["hits"] for one in singles[1:]]
    assert plain["hits"] == singles[0].metrics["hits"]
    assert "Everything else here is for the first of them, seed 0." in text
    (changes,) = (line for line in text.splitlines() if line.startswith("changes to the recipe"))
    assert "repeats" not in changes
    for render in (render_markdown, render_latex):
        assert "Over 3 seeds, with the same folds" in render([run])


def test_a_run_without_repeats_beside_one_with_them(home, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    alone(home, "--seed", 1, "--abn", name="one seed")
    text = call("report", "three", "one seed", cwd=home).stdout
    accuracies = np.array([load_run(home / "three" / name).metrics["accuracy"] for name in NAMES]) * 100
    said = f"{accuracies.mean():.2f} ({accuracies.std(ddof=1):.2f}), 3 seeds"
    lines = text.splitlines()
    assert "pooled, mean of seeds (sd)" in text
    assert next(line for line in lines if line.startswith("three ")).endswith(said)
    assert next(line for line in lines if line.startswith("one seed ")).rstrip().endswith("-")
    assert text.count("Over 3 seeds") == 1


def test_spread_by_hand():
    found = spread([0.5, 0.7, 0.9, 0.7])
    assert found == pytest.approx((0.7, (0.08 / 3) ** 0.5, 0.5, 0.9))
    assert spread([0.25, 0.25]) == (0.25, 0.0, 0.25, 0.25)
    for values in ([], [0.5]):
        with pytest.raises(ValueError, match="expected two values or more"):
            spread(values)


def test_the_newest_run_is_the_run_and_not_its_last_repeat(copy):
    (copy / "repeat_2" / "config.json").touch()
    assert find_newest_run(copy.parents[1]) == copy
    done = call("report", cwd=copy.parents[1])
    assert done.stderr == "mertool: report of runs/three\n"
    assert done.stdout.startswith("runs/three\n==========\n")
    repeat = call("report", "runs/three/repeat_1", cwd=copy.parents[1])
    assert "Over " not in repeat.stdout
    assert "changes to the recipe" in repeat.stdout


def test_a_repeat_that_is_missing_unfinished_or_foreign_is_named_with_the_way_on(copy):
    home = copy.parents[1]
    predictions = copy / "repeat_2" / "fold_1" / "predictions.csv"
    kept = predictions.read_bytes()
    predictions.unlink()
    (copy / "repeat_2" / "fold_1" / "done.json").unlink()
    line = refusal("report", "runs/three", cwd=home, code=1)
    assert line == (
        'Error: runs/three/repeat_2: 1 of 2 folds are done; "mertool cv -o runs/three/repeat_2 --resume" continues it'
    )
    call(*shlex.split(line.split('"')[1])[1:], cwd=home)
    assert predictions.read_bytes() == kept
    shutil.rmtree(copy / "repeat_2")
    line = refusal("report", "runs/three", cwd=home, code=1)
    assert line == 'Error: runs/three: no repeat_2 yet; "mertool cv -o runs/three --resume" continues it'
    assert "Error: " in refusal("report", "--audit", "runs/three", cwd=home, code=1)
    call(*shlex.split(line.split('"')[1])[1:], cwd=home)
    assert predictions.read_bytes() == kept
    shutil.rmtree(copy / "repeat_2")
    shutil.copytree(copy / "repeat_1", copy / "repeat_2")
    with pytest.raises(DataError) as caught:
        load_run(copy)
    assert str(caught.value).endswith(
        "runs/three: repeat_2 is not a repeat of it (seed: 2 here, 1 there); move it away"
    )


def test_a_repeat_over_other_clips_is_refused(copy):
    make_pack(copy.parent / "b.npz", {"p9" if who == "p0" else who: emotions for who, emotions in PEOPLE.items()})
    shutil.rmtree(copy / "repeat_1")
    call("cv", "b.npz", *NETWORK, "--seed", 1, "-o", copy / "repeat_1", cwd=copy.parent)
    with pytest.raises(DataError, match=r"repeat_1 is not a repeat of it \(other clips\); move it away"):
        load_run(copy)
    line = refusal("cv", "-o", copy, "--resume", cwd=copy.parent, code=1)
    assert line.endswith("repeat_1: is not a repeat of " + f"{copy} (other packs); move it away")


def test_the_audit_checks_every_repeat(copy):
    done = call("report", "--audit", "runs/three", cwd=copy.parents[1])
    assert [line for line in done.stdout.splitlines() if not line.startswith(" ")] == [
        "runs/three",
        "runs/three/repeat_1",
        "runs/three/repeat_2",
    ]
    shutil.copy(copy / "fold_0" / "final.pt", copy / "repeat_2" / "fold_0" / "final.pt")
    done = call("report", "--audit", "runs/three", cwd=copy.parents[1], code=1)
    failed = [line for line in done.stdout.split("runs/three/repeat_2")[1].splitlines() if line.startswith("  fail")]
    assert any("fold_0/final.pt" in line for line in failed)
    assert "  fail" not in done.stdout.split("runs/three/repeat_2")[0]


@pytest.mark.parametrize(
    "options", [("--repeats", 2, "--seed", 4), ("--repeats", 2, "--new-splits", "--split-seed", 4)]
)
def test_the_command_of_a_run_and_of_a_repeat_makes_it_again(place, options):
    call("cv", "a.npz", *NETWORK, *options, "-o", "runs/two", cwd=place)
    for name in ("runs/two", "runs/two/repeat_1"):
        words = shlex.split(call("report", "--command", name, cwd=place).stdout)
        assert words[:3] == ["mertool", "cv", "a.npz"]
        assert words[-2:] == ["-o", f"{name}-again"]
        call(*words[1:], cwd=place)
        assert results(place / f"{name}-again") == results(place / name)
        assert settings_of(place / f"{name}-again") == settings_of(place / name)
        shutil.move(place / f"{name}-again", place / f"away from {name.replace('/', ' ')}")


# Runs of before


@pytest.mark.parametrize("what", ["gone", "a list"])
def test_a_damaged_configuration_has_no_fingerprint(home, tmp_path, what):
    folder = tmp_path / "run"
    folder.mkdir()
    config = json.loads((home / "three" / "config.json").read_text())
    for name in ("folds.json", "env.json"):
        shutil.copy(home / "three" / name, folder)
    assert len(runs.fingerprint(home / "three")) == 64
    if what != "gone":
        write_json(folder / "config.json", [] if what == "a list" else config)
    with pytest.raises((DataError, FileError), match=r"config.json: (damaged configuration|cannot be read)"):
        runs.fingerprint(folder)


def test_settings_of_files_and_of_repeats():
    values = Settings(seed=7).as_dict()
    del values["split_seed"]
    assert Settings.from_dict(values).split_seed == 0
    settings = Settings(seed=3, split_seed=5, repeats=4, new_splits=True)
    assert settings.for_repeat(2) == Settings(seed=5, split_seed=7)
    assert Settings(seed=3, split_seed=5, repeats=4).for_repeat(2) == Settings(seed=5, split_seed=5)
