"""The paper's tables with our figures: placement, marks, notes, formats; and the script that trains all conditions."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mertool.errors import DataError, UsageError
from mertool.report.paper import render_paper
from mertool.report.paper_tables import ARCFACE, CELLS, CKPLUS, RESNET, fill_tables
from mertool.runs.finished import load_run
from tests.support.command import PATH, ROOT, TINY, make_recordings, run, script
from tests.support.paper_runs import settings_of
from tests.support.reports import flat
from tests.support.run_folders import CLASSES, make_run

N = 40


def answers(right, n=N, start=0):
    """Five folds of n clips, of which those in `right` are answered right; nine people, each in several folds."""
    clips = []
    for k in range(start, start + n):
        truth, wrong = CLASSES[k % 3], CLASSES[(k + 1) % 3]
        clips.append((f"samm/{k % 9:03d}/{k:02d}", truth, truth if k in right else wrong))
    return [clips[fold::5] for fold in range(5)]


def fill(folder, right=range(26), config=None, parts=None, init=None, **settings):
    """A run of the paper's recipe."""
    if init is not None:
        layers = {"loaded": ["stem"], "not_loaded": ["head (other classes)"], "subjects": []}
        config = {**(config or {}), "init": {"path": init, "sha256": "", **layers}}
    settings = {"recipe": "paper", **settings}
    return make_run(folder, answers(set(right)) if parts is None else parts, config=config, **settings)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paper(*folders, style="text", width=120):
    return render_paper([load_run(Path(folder)) for folder in folders], style, width)


# The paper


def test_the_papers_figures_are_those_of_its_tables():
    """Tables 5 and 6, typed a second time from the paper: table, branch, network, 2D (apex), 3D (three frames)."""
    found = {}
    with (ROOT / "tests" / "data" / "paper-tables.csv").open(encoding="utf-8", newline="") as stream:
        for table, branch, network, *figures in list(csv.reader(stream))[1:]:
            for frames, figure in zip((1, 3), figures, strict=True):
                found[int(table), branch == "w/ ABN", network, frames] = float(figure)
    assert found == {(cell.table, cell.abn, cell.network, cell.frames): cell.paper for cell in CELLS}
    assert len(CELLS) == 16


def test_each_of_the_sixteen_runs_stands_in_its_cell_whatever_its_folder_is_called(home):
    names = [f"x{number}" for number in range(16)]
    for number, (name, cell) in enumerate(zip(names, CELLS, strict=True)):
        fill(home / name, range(number), **settings_of(cell))
    values = json.loads(paper(*reversed(names), style="json"))["cells"]
    assert [value["hits"] for value in values] == list(range(16))
    assert [value["run"] for value in values] == names
    for value, cell in zip(values, CELLS, strict=True):
        assert (value["table"], value["abn"]) == (cell.table, cell.abn)
        assert (value["network"], value["frames"]) == (cell.network, cell.frames)
        assert value["paper"] == pytest.approx(cell.paper / 100)
        assert value["fold_accuracy_mean"] == pytest.approx(value["hits"] / N)
        assert value["interval"][0] <= value["hits"] / N <= value["interval"][1]
        assert value["n"] == N
    lines = paper(*names).splitlines()
    assert max(map(len, lines)) <= 110
    tables = [line for line in lines if re.search(r"\d/40", line)]
    assert tables[0].split() == (
        ["w/o", "ABN", "ResNet", "0.00", "0/40", "[0.0,", "8.8]", "62.83", "2.50", "1/40", "[0.4,", "12.9]", "62.83"]
    )
    rows = [["w/o ABN", RESNET], ["", CKPLUS], ["", ARCFACE], ["w/ ABN", RESNET], ["", CKPLUS], ["", ARCFACE]]
    assert [[line[:10].strip(), line[12:27].strip()] for line in tables[:6]] == rows
    counts = [line for line in tables if line.startswith("baseline")]  # the share of the most frequent class
    assert counts == [tables[6], tables[9]]
    assert [line[:18].split() for line in tables[7:9]] == [["w/o", "ABN", "ResNet"], ["w/", "ABN", "ResNet"]]


def test_cells_without_a_run_are_dashes(home):
    fill(home / "a", region="face", frames=3)
    text = paper("a")
    assert re.search(r"^w/o ABN +ResNet +- +- +- +62\.83 +65\.00 +26/40 +\[49\.5, 77\.9\] +60\.37$", text, re.MULTILINE)
    assert len(re.findall(r" - +- +- +\d\d\.\d\d", text)) == 15
    values = json.loads(paper("a", style="json"))["cells"]
    assert [value["run"] for value in values if value["table"] == 5] == [None] * 12
    assert values[0]["hits"] is values[0]["n"] is values[0]["fold_accuracy_mean"] is values[0]["interval"] is None


def test_two_runs_for_one_cell_are_refused(home):
    for name in ("one", "two"):
        fill(home / name, region="roi", frames=1, abn=True, arcface=True)
    with pytest.raises(UsageError) as caught:
        paper("one", "two")
    assert str(caught.value) == (
        "--tables paper: one and two both belong to Table 5, w/ ABN, w/ ArcFace, 2D (Apex); give one of them"
    )


def test_what_fits_no_cell_is_named_and_left_out(home):
    fill(home / "both", region="roi", arcface=True, init="../ck/final.pt")
    fill(home / "face", region="face", arcface=True)
    with pytest.raises(DataError) as caught:
        paper("both", "face")
    assert str(caught.value) == (
        "report: no run fits a cell of the paper's tables (both: ArcFace together with initial weights; "
        "face: Table 6, full face, has no row w/ ArcFace); expected e.g. --roi --frames 3"
    )
    fill(home / "fits", region="roi")
    left = "both (ArcFace together with initial weights); face (Table 6, full face, has no row w/ ArcFace)."
    assert f"Left out because they fit no cell: {left}" in flat(paper("both", "fits", "face"))


# The mark


def test_the_best_is_marked_only_where_it_is_told_apart(home):
    fill(home / "a", range(20), region="face", frames=1)
    fill(home / "b", range(30), region="face", frames=1, abn=True)  # ten clips one way: p = 0.002
    fill(home / "c", range(20), region="face", frames=3)
    fill(home / "d", range(25), region="face", frames=3, abn=True)  # five: p = 0.0625
    text = paper("a", "b", "c", "d")
    assert re.search(r"w/o ABN +ResNet +50\.00  +20/40", text)
    assert re.search(r"w/ ABN +ResNet +75\.00\* +30/40 .* 62\.50 +25/40", text)
    assert text.count("*") == 2  # its note begins with the other
    assert (
        "* marks the run with the most hits in its column, only if it differs significantly from every other"
        in flat(text)
    )
    assert (
        "No mark: fewer than two runs (2D (Apex) of Table 5, 3D3F of Table 5); "
        "no run differs significantly from all others (3D (3F) of Table 6)."
    ) in flat(text)
    marked = [value["run"] for value in json.loads(paper("a", "b", "c", "d", style="json"))["cells"] if value["marked"]]
    assert marked == ["b"]
    digits = [line.index(".") for line in text.splitlines() if re.match(r"w/o? ABN +ResNet +\d", line)]
    assert len(set(digits)) == 1


def marked_runs(*folders):
    tables = fill_tables([load_run(Path(folder)) for folder in folders])
    return [one.run.name for one in tables.cells if one.marked]


def test_holms_correction_counts(home):
    """Six clips all one way are p = 0.031: enough for one comparison, not for two."""
    fill(home / "best", range(6, 40), region="roi", abn=True)
    fill(home / "other", range(12, 40), region="roi")
    assert marked_runs("best", "other") == ["best"]
    fill(home / "third", range(6, 34), region="roi", arcface=True)
    assert marked_runs("best", "other", "third") == []
    fill(home / "far", range(26, 40), region="roi", abn=True, arcface=True)
    assert marked_runs("best", "other", "far") == ["best"]  # Holm, not Bonferroni: p = 0.031 is tested last, as it is


def test_one_equal_rival_takes_the_mark_away(home):
    fill(home / "best", range(40), region="roi", abn=True)
    fill(home / "weak", range(10), region="roi")
    assert marked_runs("best", "weak") == ["best"]
    fill(home / "alike", range(40), region="roi", arcface=True)
    assert marked_runs("best", "weak", "alike") == []


def test_other_clips_or_classes_are_not_compared(home):
    fill(home / "best", range(40), region="face")
    fill(home / "weak", parts=answers(range(10), start=1), region="face", abn=True)
    fill(home / "four", parts=answers(range(10)), region="face", frames=1)
    make_run(home / "more", answers(range(10)), (*CLASSES, "other"), recipe="paper", region="face", frames=1, abn=True)
    assert marked_runs("best", "weak", "four", "more") == []
    text = flat(paper("best", "weak", "four", "more"))
    assert (
        "different clips or classes, so no paired test is possible (2D (Apex) of Table 6, 3D (3F) of Table 6)" in text
    )
    assert "These runs test different clips or classes, so their figures are not comparable." in text
    assert "(best, four)" not in text.partition("different clips or classes, so their figures")[0]
    assert "points, and always predicting 'anger' gives 35.00 % (four, best);" in text
    assert "anger 14, fear 13, joy 13, other 0; one clip" in text


# What the notes say


def test_notes_of_runs_as_in_the_paper(home):
    fill(home / "tables/a", region="roi", frames=1)
    fill(home / "tables/b", region="roi", frames=1, init="../ckplus-1f/final.pt")
    text = flat(paper("tables/a", "tables/b"))
    assert "All runs test the same 40 clips of 9 subjects of samm: anger 14, fear 13, joy 13;" in text
    assert "one clip is 2.50 percentage points, and always predicting 'anger' gives 35.00 %." in text
    assert "The paper states neither its N nor its classes: its figures fit 121 to 124 clips of SAMM." in text
    assert re.search(r"Protocol: stratified, 5 folds, [a-z ]*0, as in the paper\.", text)
    assert "Training: the paper's recipe (SGD 1e-3, batch size 16, 100 epochs, ten augmentations;" in text
    assert "CK+ Fine-tuning: runs with initial weights, whatever these were trained on: ckplus-1f (b)." in text
    assert "Subjects: subject-dependent, 9 of 9 have clips in both training and test parts;" in text
    assert "Oracle key frames: " in text
    assert "Alignment: " in text
    assert ". The paper aligned each frame by its own landmarks." in text


def test_notes_of_runs_unlike_the_papers(home):
    loso = [[clip for part in answers(range(26)) for clip in part if clip[0][5:8] == f"{k:03d}"] for k in range(9)]
    fill(home / "a", epochs=10, width=8, region="roi", seed=3)
    fill(home / "b", parts=loso, recipe="modern", region="roi", frames=1, protocol="loso", folds=9)
    folds = json.loads((home / "b/folds.json").read_text())
    (home / "b/folds.json").write_text(json.dumps({**folds, "protocol": "loso"}))
    text = flat(paper("a", "b"))
    assert "loso, 9 folds, not the paper's stratified five folds (b); stratified, 5 folds" in text
    assert "the paper's recipe except width 8 instead of 16, epochs 10 instead of 100 (a)" in text
    assert "not the paper's recipe, but modern (b)" in text
    assert "subject-independent, none of 9 has clips in both training and test parts (b)" in text
    assert "These runs split the clips into different folds." in text
    assert "CK+ Fine-tuning: runs" not in text


def test_names_are_whole_where_their_last_parts_are_alike(home):
    for region in ("roi", "face"):
        fill(home / region / "run", region=region, recipe="paper" if region == "roi" else "modern")
    assert "not the paper's recipe, but modern (face/run)" in flat(paper("roi/run", "face/run"))


# Formats and the command


@pytest.fixture
def three(home):
    """Two runs of a column, one of which is marked, and one of another table."""
    fill(home / "t é/a b", range(10), region="roi", abn=True)
    fill(home / "t é/b", range(40), region="roi")
    fill(home / "t é/c", region="face", frames=1)
    return ["t é/a b", "t é/b", "t é/c"]


def test_every_format_of_the_command(three, home):
    text = run("report", *three, "--tables", "paper", cwd=home).stdout
    assert text == paper(*three, width=80)
    assert max(map(len, text.splitlines())) <= 80
    markdown = run("report", *three, "--tables", "paper", "--format", "md", cwd=home).stdout
    assert "| w/o ABN | ResNet | - | - | - | 62.83 | 100.00\\* | 40/40 | [91.2, 100.0] | 62.83 |" in markdown
    tables = [block for block in markdown.split("\n\n") if block.startswith("|")]
    assert [len(table.splitlines()) for table in tables] == [2 + 7, 2 + 3]
    latex = run("report", *three, "--tables", "paper", "--format", "latex", cwd=home).stdout
    assert latex.startswith("% needs \\usepackage{booktabs};")
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == 2
    assert r"ResNet & -- & -- & -- & 62.83 & 100.00\rlap{*} & 40/40 & [91.2, 100.0] & 62.83 \tabularnewline" in latex
    for table in latex.split(r"\end{table}")[:-1]:
        assert r" & \multicolumn{4}{c}{2D (Apex)} & \multicolumn{4}{c}{3D" in table
    assert r"\rlap" not in latex.split(r"\end{table}")[1]
    assert "* marks the run with the most hits in its column" in flat(latex)
    cells = json.loads(run("report", *three, "--tables", "paper", "--format", "json", cwd=home).stdout)["cells"]
    rows = list(csv.DictReader(io.StringIO(run("report", *three, "--tables=paper", "--format=csv", cwd=home).stdout)))
    assert len(cells) == len(rows) == 16
    for row, cell in zip(rows, cells, strict=True):
        low, high = cell.pop("interval") or (None, None)
        cell |= {"accuracy_low": low, "accuracy_high": high}
        assert row == {name: "" if value is None else str(value) for name, value in cell.items()}
    assert [row["run"] for row in rows if row["marked"] == "True"] == ["b"]


@pytest.mark.parametrize("options", [("--maps", "maps.png"), ("--audit",), ("--command",), ("--format", "megc")])
def test_what_does_not_go_with_the_layout(three, home, options):
    done = run("report", *three, "--tables", "paper", *options, cwd=home, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert {"--tables", options[0]} <= set(re.findall(r"--[a-z]+", line))
    assert not (home / "maps.png").exists()


def test_trainings_and_files_are_passed_over_and_unfinished_runs_named(three, home):
    make_run(home / "t é/ckplus", config={"command": "train"})
    (home / "t é/paper.txt").write_text("an older report")
    everything = sorted(str(path.relative_to(home)) for path in (home / "t é").iterdir())
    done = run("report", *everything, "--tables", "paper", cwd=home)
    assert done.stdout == paper(*three, width=80)
    assert "t é/ckplus: left out, made by 'mertool train', which tests nothing" in done.stderr
    assert "t é/paper.txt: left out, a file is not a run" in done.stderr
    (home / "t é/c/fold_1/predictions.csv").unlink()
    done = run("report", *everything, "--tables", "paper", cwd=home, check=False)
    assert (done.returncode, done.stdout) == (0, paper(*three[:2], width=80))
    assert 'mertool: left out, not finished: t é/c: 4 of 5 folds are done; "mertool cv -o' in done.stderr


def test_refusals_of_the_command_are_one_line(three, home):
    fill(home / "again", region="roi")
    done = run("report", *three, "again", "--tables", "paper", cwd=home, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"Error: .*: b and again both belong to .*\n", done.stderr)
    fill(home / "none", region="face", arcface=True)
    done = run("report", "none", "--tables", "paper", cwd=home, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: report: no run fits a cell .*\n", done.stderr)


# The script

NAME = "paper_tables.sh"
NETWORK = (*TINY[:-4], "--face-size", "48", "--tile", "8")
FOLDS = ("--folds", "2")

STUB = """
import json, pathlib, sys
with open("calls.jsonl", "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == "report":
    print("tables", sys.argv[sys.argv.index("--format") + 1])
else:
    out = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
    out.mkdir(parents=True, exist_ok=True)
    (out / ("results.json" if sys.argv[1] == "cv" else "done.json")).touch()
"""


@pytest.fixture
def stub(tmp_path):
    """A `mertool` that only writes down how it was called; gives the folder, its PATH and what reads the calls."""
    place = tmp_path / "stub é"
    place.mkdir()
    (place / "stub.py").write_text(STUB)
    (place / "mertool").write_text(f"#!/bin/sh\nexec '{sys.executable}' '{place}/stub.py' \"$@\"\n")
    (place / "mertool").chmod(0o755)

    def calls():
        return [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]

    return tmp_path, f"{place}{os.pathsep}{PATH}", calls


def parsed(command, arguments):
    from mertool.cli import main as cli

    return getattr(cli, command).make_context(command, list(arguments)).params


def test_the_sixteen_conditions_are_the_papers_cells(stub):
    folder, path, calls = stub
    done = script(NAME, "my pack.npz", "CK+.npz", "out é", cwd=folder, PATH=path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tables text\n"
    assert (folder / "out é/paper.tex").read_text() == "tables latex\n"
    assert sorted(path.name for path in (folder / "out é").iterdir() if path.is_file()) == ["paper.tex", "paper.txt"]
    names = script(NAME, "--list", cwd=folder).stdout.split()
    made = [(words[0], parsed(words[0], words[1:])) for words in calls() if words[0] != "report"]
    runs = {options["output"]: options for command, options in made if command == "cv"}
    assert list(runs) == [Path("out é") / name for name in names]
    found = []
    for place, options in runs.items():
        # Nothing is there yet to be resumed.
        assert (options["packs"], options["recipe"], options["resume"]) == ((Path("my pack.npz"),), "paper", False)
        assert {options["protocol"], options["folds"]} <= {None, "stratified", 5}
        network = CKPLUS if options["init"] else ARCFACE if options["arcface"] else RESNET
        assert not (options["init"] and options["arcface"])
        found.append((options["region"], options["abn"], network, int(options["frames"])))
        said = [options["region"], f"{options['frames']}f", *(["abn"] if options["abn"] else [])]
        assert place.name == "-".join([*said, *{CKPLUS: ["ckplus"], ARCFACE: ["arcface"]}.get(network, [])])
    assert sorted(found) == sorted(
        ({5: "roi", 6: "face"}[cell.table], cell.abn, cell.network, cell.frames) for cell in CELLS
    )
    trained = {options["output"]: options for command, options in made if command == "train"}
    assert [place.name for place in trained] == ["ckplus-1f", "ckplus-3f", "ckplus-1f-abn", "ckplus-3f-abn"]
    for options in runs.values():
        if options["init"]:
            origin = trained[options["init"]]
            for name in ("region", "frames", "abn", "recipe", "resume"):
                assert origin[name] == options[name]
            assert (origin["packs"], origin["classes"], origin["arcface"]) == ((Path("CK+.npz"),), "ckplus7", False)


def test_options_go_where_they_belong(stub):
    folder, path, calls = stub
    shared = ("--recipe", "modern", "--classes", "a b,c'd")
    done = script(
        NAME,
        "p.npz",
        "ck.npz",
        "o",
        "roi-3f-ckplus",
        "face-1f",
        "--",
        *shared,
        "--",
        "--folds",
        3,
        cwd=folder,
        PATH=path,
    )
    assert done.returncode == 0, done.stderr
    train, first, second = [parsed(words[0], words[1:]) for words in calls() if words[0] != "report"]
    assert (train["recipe"], train["classes"]) == ("modern", "ckplus7")
    for options in (first, second):
        assert (options["recipe"], options["classes"], options["folds"]) == ("modern", "a b,c'd", 3)
    assert (first["init"], second["init"]) == (Path("o/ckplus-3f"), None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("roi-2f",), "no condition 'roi-2f'; examples/paper_tables.sh --list names them, options follow a --"),
        (("roi-1f roi-3f",), "no condition 'roi-1f roi-3f'; examples/paper_tables.sh --list names them, options "),
        (("--epochs", "1"), "no condition '--epochs'; examples/paper_tables.sh --list names them, options follow a --"),
        (("face-1f", "--", "--frames", "1"), "--frames: the condition decides this; leave it out"),
        (("face-1f", "--", "--", "--init=x"), "--init=x: the condition decides this; leave it out"),
        (("--", "--", "--"), "a third --;"),
    ],
)
def test_wrong_words_are_one_line_and_nothing_is_begun(stub, arguments, message):
    folder, path, _ = stub
    done = script(NAME, "p.npz", "ck.npz", "o", *arguments, cwd=folder, PATH=path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"paper_tables.sh: {message}")
    assert done.stderr.count("\n") == 1
    assert not (folder / "calls.jsonl").exists()


def test_without_arguments_it_says_how_it_is_used(tmp_path):
    for arguments in ((), ("p.npz", "ck.npz")):
        done = script(NAME, *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"examples/{NAME} PACK CKPACK OUT" in done.stderr
        assert "roi-3f-abn-arcface" in done.stderr
        assert done.stderr.endswith("by an active environment.\n")
        assert "#" not in done.stderr
    names = script(NAME, "--list", cwd=tmp_path).stdout.splitlines()
    assert len(set(names)) == len(names) == 16


def test_what_fails_ends_it_and_leaves_no_half_table(stub):
    folder, path, calls = stub
    script(NAME, "p.npz", "ck.npz", "o", "face-1f", cwd=folder, PATH=path)
    before = (folder / "o/paper.txt").read_text()
    (folder / "stub é/stub.py").write_text(STUB + "if sys.argv[1] == 'report': sys.exit(1)\n")
    done = script(NAME, "p.npz", "ck.npz", "o", "face-3f", cwd=folder, PATH=path)
    assert (done.returncode, done.stdout) == (1, "")
    assert (folder / "o/paper.txt").read_text() == before
    assert [path.name for path in (folder / "o").iterdir() if path.name.startswith(".")] == []
    (folder / "stub é/stub.py").write_text(STUB + "if sys.argv[1] == 'train': sys.exit(3)\n")
    number = len(calls())
    assert script(NAME, "p.npz", "ck.npz", "o", "roi-1f-ckplus", cwd=folder, PATH=path).returncode == 3
    assert [words[0] for words in calls()[number:]] == ["train"]


@pytest.fixture(scope="module")
def ckplus(tmp_path_factory):
    home = tmp_path_factory.mktemp("CK+ é")
    size = ("--length", 8, 9, "--subjects", 2, "--clips-per-subject", 4)
    make_recordings("--layout", "ckplus", *size, home / "CK")
    run("extract", "CK", "--size", 96, "-o", "CK plus.npz", cwd=home)
    return home / "CK plus.npz"


def contents(folder):
    """Every trained file with the time it was written."""
    kinds = (".pt", ".csv")
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.suffix in kinds}


def test_killed_it_goes_on_and_once_more_it_trains_nothing(pack_path, ckplus, tmp_path):
    home = tmp_path / "a é"
    home.mkdir()
    words = (pack_path, ckplus, "out ü", "roi-1f-ckplus", "face-3f-abn", "--", *NETWORK, "--epochs", 1, "--", *FOLDS)
    out = home / "out ü"

    # Killed, all of its processes, when the network on CK+ is done and no condition is.
    killed = subprocess.Popen(
        [str(ROOT / "examples" / NAME), *map(str, words)],
        cwd=home,
        env={**os.environ, "PATH": PATH},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 120
    while not (out / "ckplus-1f/done.json").exists() and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait(60)
    assert not (out / "roi-1f-ckplus/results.json").exists()
    origin = contents(out / "ckplus-1f")
    assert origin

    done = script(NAME, *words, cwd=home)
    assert done.returncode == 0, done.stderr
    assert contents(out / "ckplus-1f") == origin
    assert {path.name for path in out.iterdir()} == (
        {"roi-1f-ckplus", "face-3f-abn", "ckplus-1f", "paper.txt", "paper.tex"}
    )
    assert (out / "paper.txt").read_text() == done.stdout
    assert r"\toprule" in (out / "paper.tex").read_text()
    own = [line for line in done.stdout.splitlines() if not line.startswith("baseline")]
    assert len(re.findall(r"\d+/24 ", "\n".join(own))) == 2
    assert re.search(r"CK\+ Fine-tuning +\d", done.stdout)
    assert "whatever these were trained on: ckplus-1f (roi-1f-ckplus)" in flat(done.stdout)
    assert "the paper's recipe except" in flat(done.stdout)
    assert "stratified, 2 folds" in done.stdout

    before = contents(out)
    again = script(NAME, *words, cwd=home)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert contents(out) == before
