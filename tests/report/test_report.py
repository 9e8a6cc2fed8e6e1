"""Reports from hand-made run folders: numbers, sentences, tampering, and every refusal by its text."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest

from mertool.errors import DataError, FileError, MertoolError, RunError, UnfinishedRunError
from mertool.evaluation.metrics import evaluate
from mertool.report.fold_table import fold_table
from mertool.report.formats import render_csv, render_json, render_megc
from mertool.report.plain import render_text
from mertool.runs.finished import find_newest_run, load_run
from mertool.settings import Settings
from tests.support.reports import flat, render_markdown
from tests.support.run_folders import CLASSES, FOLD_0, FOLD_1, PACK, Clip, make_run


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def message_of(folder: Path) -> str:
    with pytest.raises(MertoolError) as caught:
        load_run(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_run(Path("runs/a"), region="roi", abn=True)


# Numbers and sentences


def test_text(run_folder: Path) -> None:
    text = render_text([load_run(run_folder)], 96)
    assert text.startswith("runs/a\n======\n\nsettings                 roi, 3 frames, abn, modern\n")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    for line in (
        "changes to the recipe    none",
        "protocol                 stratified, 2 folds, split seed 0",
        "packs                    SAMM",
        "clips                    7 of 3 subjects",
        "classes                  anger 3, fear 2, joy 2",
        "hits/N                   5/7 (71.43 %)",
        "accuracy, mean of folds  70.83 %, sd 5.89 (as in the paper's tables)",
        "accuracy, pooled         71.43 %, 95 % interval 35.89 to 91.78 (Wilson, assumes independent",
        "... over subjects        95 % interval 50.00 to 100.00 (bootstrap over 3 subjects; too narrow",
        "UF1                      0.7222, 95 % interval 0.5000 to 1.0000 (over subjects; too narrow with",
        "UAR                      0.7222, 95 % interval 0.5000 to 1.0000 (over subjects; too narrow with",
        "majority baseline        42.86 %, always predicting 'anger'",
        "random baseline          34.69 %, predicting at random with the frequencies of the classes",
        "This accuracy is not distinguishable from always predicting 'anger' (42.86 %): an interval",
        "Subject-dependent: 1 of 3 subjects has clips in both training and test parts; accuracy on new",
        "Epoch rule: last epoch; the test fold is never looked at during training.",
        "Oracle key frames: where an expression begins and ends is annotated or cut by hand, not found by",
    ):
        assert any(found == line or found.startswith(f"{line} ") for found in text.splitlines()), line
    assert (
        "Confusion matrix: rows = truth, columns = prediction; in brackets % of the row\n"
        "truth   anger    fear      joy  all\n"
        "-----------------------------------\n"
        "anger  2 (67)  1 (33)    0 (0)    3\n"
        "fear   1 (50)  1 (50)    0 (0)    2\n"
        "joy     0 (0)   0 (0)  2 (100)    2\n"
    ) in text
    assert (
        "class  precision  recall      F1  support\n"
        "-----------------------------------------\n"
        "anger     0.6667  0.6667  0.6667        3\n"
        "fear      0.5000  0.5000  0.5000        2\n"
        "joy       1.0000  1.0000  1.0000        2\n"
    ) in text
    assert (
        "fold  hits/n  accuracy, %  subjects also in training\n"
        "----------------------------------------------------\n"
        "0        3/4        75.00                          1\n"
        "1        2/3        66.67                          1\n"
    ) in text
    assert max(map(len, text.splitlines())) <= 96
    assert "Per data set" not in text


def one_subject_per_fold(n: int) -> list[list[tuple[str, str, str]]]:
    """Folds of three clips of one subject each, of which fold k gets k % 4 right."""
    return [
        [(f"samm/{fold + 6:03d}/{k}", CLASSES[k], CLASSES[k if k < fold % 4 else k - 1]) for k in range(3)]
        for fold in range(n)
    ]


def test_folds_of_one_subject_are_named_after_it(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path / "a", one_subject_per_fold(10)))
    table = fold_table(run)
    assert [row[:3] for row in table.rows[:2]] == [("samm/006", "0/3", "0.00"), ("samm/007", "1/3", "33.33")]
    text = render_text([run])
    assert "Per fold\nfold      hits/n  accuracy, %" in text
    assert text.count("samm/0") >= 10
    values = json.loads(render_json([run]))["runs"][0]
    assert values["fold_names"] == [f"samm/{k:03d}" for k in range(6, 16)]


def test_of_many_folds_the_lowest_are_shown(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path / "a", one_subject_per_fold(11)))
    text = render_text([run])
    part = text[text.index("Per fold: the 5 lowest of 11 (--format json and html have all)\n") :]
    names = [line.split()[0] for line in part.splitlines()[3:8]]
    assert names == ["samm/006", "samm/010", "samm/014", "samm/007", "samm/011"]  # 0/3 three times, then 1/3
    assert len(part.splitlines()) == 8
    assert len(json.loads(render_json([run]))["runs"][0]["fold_names"]) == 11
    assert "5 lowest of 11" in render_markdown([run])


def test_percentages_of_a_wide_confusion_matrix_are_left_out(tmp_path: Path) -> None:
    names = tuple(f"emotion_{k}" for k in range(7))
    parts = [[(f"d/{f}/{k}", names[k], names[k]) for k in range(7)] for f in range(2)]
    text = render_text([load_run(make_run(tmp_path / "a", parts, names))])
    assert "in brackets" not in text
    assert "Confusion matrix: rows = truth, columns = prediction\n" in text


def test_the_papers_size_fits_the_screen(tmp_path: Path) -> None:
    names = ("anger", "contempt", "disgust", "fear", "happiness", "other", "sadness", "surprise")
    parts = [
        [(f"samm/{k % 9:03d}/{k:03d}", names[k % 8], names[(k // 3) % 8]) for k in range(f, 120, 5)] for f in range(5)
    ]
    run = load_run(make_run(tmp_path / "a", parts, names))
    text = render_text([run], 96)
    lines = text[text.index("Confusion") :].splitlines()
    assert max(map(len, lines)) <= 96
    assert lines[1].split() == ["truth", *names, "all"]
    text = render_text([run])  # 80 columns
    lines = text[text.index("Confusion") :].splitlines()
    assert max(len(line) for line in text.splitlines() if not line.startswith("command ")) <= 80
    assert lines[1].split() == ["truth", *"12345678", "all"]
    assert lines[3].startswith("1 anger ")


def test_a_confusion_matrix_too_wide_is_numbered(tmp_path: Path) -> None:
    names = tuple(f"a_rather_long_class_name_{k}" for k in range(6))
    parts = [[(f"d/{fold}/{k}", names[k], names[k]) for k in range(6)] for fold in range(2)]
    text = render_text([load_run(make_run(tmp_path / "a", parts, names))])
    lines = text[text.index("Confusion") :].splitlines()
    assert lines[1].split() == ["truth", "1", "2", "3", "4", "5", "6", "all"]
    assert lines[3].split() == ["1", names[0], "2", "0", "0", "0", "0", "0", "2"]


def test_names_that_are_not_ascii_align(tmp_path: Path) -> None:
    names = ("怒り", "joie", "Überraschung", "tre\u0301s")
    parts = [[(f"d/{fold}/{k}", names[k], names[k]) for k in range(4)] for fold in range(2)]
    text = render_text([load_run(make_run(tmp_path / "a", parts, names))])
    lines = text[text.index("Confusion") :].splitlines()
    assert lines[1] == "truth            怒り     joie  Überraschung     tre\u0301s  all"
    assert lines[3] == "怒り          2 (100)    0 (0)         0 (0)    0 (0)    2"
    assert lines[6] == "tre\u0301s            0 (0)    0 (0)         0 (0)  2 (100)    2"


def test_json(run_folder: Path) -> None:
    run = load_run(run_folder)
    text = render_json([run])
    assert "NaN" not in text
    values = json.loads(text)["runs"][0]
    metrics = json.loads(json.dumps(evaluate(run.predictions)))
    assert {key: values[key] for key in metrics} == metrics
    assert values["run"] == "runs/a"
    assert values["settings"] == Settings.from_recipe(region="roi", abn=True).as_dict()
    assert values["accuracy_interval"] == pytest.approx([0.3589, 0.9178], abs=1e-4)
    assert (values["protocol"], values["subject_independent"], values["n_subjects_shared"]) == ("stratified", False, 1)
    assert values["overlap"][1] == {"fold": 1, "n_shared": 1, "subjects": ["samm/001"]}
    assert render_json([load_run(run_folder)]) == text


def test_one_test_fold_a_subject_is_said_to_be_subject_independent(tmp_path: Path) -> None:
    parts = [[("d/1/a", "anger", "anger"), ("d/1/b", "fear", "joy")], [("d/2/a", "joy", "joy")]]
    run = load_run(make_run(tmp_path / "a", parts))
    assert "Subject-independent: none of 2 subjects has clips in both training and test parts." in flat(
        render_text([run])
    )
    assert json.loads(render_json([run]))["runs"][0]["subject_independent"] is True


@pytest.mark.parametrize(
    ("n_right", "sentence"),
    [
        (40, "Better than always predicting 'anger' (50.00 %): both intervals lie above it."),
        (22, "This accuracy is not distinguishable from always predicting 'anger' (50.00 %): an interval includes it."),
        (4, "Worse than always predicting 'anger' (50.00 %): both intervals lie below it."),
    ],
)
def test_the_baseline_is_compared_honestly(tmp_path: Path, n_right: int, sentence: str) -> None:
    wrong = {"anger": "joy", "joy": "anger"}
    truths = ["anger", "joy"] * 20
    clips = [(f"d/{k}/x", truth, truth if k < n_right else wrong[truth]) for k, truth in enumerate(truths)]
    run = load_run(make_run(tmp_path / "a", [clips[:20], clips[20:]]))
    assert sentence in flat(render_text([run]))


def test_what_differs_from_the_recipe_is_told(tmp_path: Path) -> None:
    init = {"path": "runs/ck/final.pt", "sha256": "", "loaded": [], "not_loaded": [], "subjects": []}
    settings: dict[str, Any] = {"recipe": "paper", "epochs": 3, "width": 8, "arcface": True, "frames": 1}
    folder = make_run(tmp_path / "a", config={"init": init}, **settings)
    text = render_text([load_run(folder)])
    assert re.search(r"^settings +face, 1 frame, arcface, paper, init ck$", text, re.MULTILINE)
    assert re.search(r"^changes to the recipe +width 8, epochs 3$", text, re.MULTILINE)


def test_absent_classes_and_data_sets_are_told(tmp_path: Path) -> None:
    parts = [[("a/1/x", "anger", "anger"), ("b/1/x", "joy", "anger")], [("a/2/x", "joy", "joy")]]
    text = render_text([load_run(make_run(tmp_path / "a", parts))])
    assert "Classes without a clip, left out of UF1 and UAR: fear." in text
    assert "fear           -       -       -        0" in text
    assert "a           1.0000  1.0000  1.0000      2                    fear" in text
    assert "b           0.0000  0.0000  0.0000      1             anger, fear" in text


def test_several_runs_begin_with_a_summary(run_folder: Path) -> None:
    make_run(Path("runs/much_longer_name"), arcface=True, epochs=2)
    runs = [load_run(run_folder), load_run(Path("runs/much_longer_name"))]
    text = render_text(runs, 140)
    lines = text.splitlines()
    assert lines[0] == "Summary"
    assert lines[4].split("  ")[0] == "run"
    assert lines[6] == (
        "runs/a                 roi, abn, epochs 30         5/7        70.83 (5.89)  71.43 [35.9, 91.8]  0.7222  0.7222"
        "     42.86"
    )
    assert lines[7].startswith("runs/much_longer_name  face, arcface, epochs 2     5/7")
    assert "\nAll runs: stratified, 3 frames, modern.\n" in text
    assert len({len(line) for line in lines[4:8]}) == 1
    assert [line for line in lines if line.startswith("runs/") and " " not in line] == [
        "runs/a",
        "runs/much_longer_name",
    ]
    assert "do not compare" not in text
    assert "different folds" not in text
    assert [run["run"] for run in json.loads(render_json(runs))["runs"]] == ["runs/a", "runs/much_longer_name"]


def test_a_summary_says_what_all_runs_share_beyond_their_recipe(tmp_path: Path) -> None:
    runs = [load_run(make_run(tmp_path / name, epochs=7, abn=abn)) for name, abn in (("a", True), ("b", False))]
    text = flat(render_text(runs, 140))
    assert "All runs: stratified, face, 3 frames, modern, epochs 7." in text
    other = load_run(make_run(tmp_path / "c", recipe="paper"))
    assert "epochs" not in flat(render_text([load_run(make_run(tmp_path / "d")), other], 140)).partition("Per class")[0]


def answering(right: int, n: int = 40) -> list[list[Clip]]:
    """Two folds of n clips of ten people, of which the first `right` are answered right."""
    clips = [(f"samm/{k % 10:03d}/{k:02d}", CLASSES[k % 3], CLASSES[(k % 3 + (k >= right)) % 3]) for k in range(n)]
    return [clips[: n // 2], clips[n // 2 :]]


def test_runs_are_compared_clip_by_clip_with_the_first(run_folder: Path) -> None:
    del run_folder
    for name, right in (("first", 20), ("better", 32), ("alike", 21), ("same", 20)):
        make_run(Path(f"runs/{name}"), answering(right))
    runs = [load_run(Path(f"runs/{name}")) for name in ("first", "better", "alike", "same")]
    text = render_text(runs, 96)
    assert "Compared with runs/first clip by clip: exact McNemar test; differences in percentage points" in text
    rows = {
        line.split()[0]: line.split()[1:]
        for line in text.partition("Compared with")[2].splitlines()[1:7]
        if line.startswith("runs/")
    }
    # 12 and 0 differ: p = 2 / 2^12, times three for three comparisons.
    assert rows["runs/better"][:5] == ["12", "0", "+30.00", "0.0005", "0.0015"]
    assert rows["runs/alike"] == ["1", "0", "+2.50", "1.0000", "1.0000", "-"]
    assert rows["runs/same"] == ["0", "0", "+0.00", "1.0000", "1.0000", "-"]
    assert "Significantly different from runs/first at the 5 % level: runs/better." in text
    assert "It can never detect a difference of fewer than 7 clips (here 17.5 points)." in flat(text)
    found = json.loads(render_json(runs))["comparisons"]
    assert [(c["run"], c["with_run"], c["paired"]["discordant_second"]) for c in found] == [
        ("runs/better", "runs/first", 12),
        ("runs/alike", "runs/first", 1),
        ("runs/same", "runs/first", 0),
    ]
    assert found[0]["p_holm"] == pytest.approx(3 * 2 / 2**12)
    assert "None of these runs differs significantly from runs/first at the 5 % level." in render_text(
        [runs[0], *runs[2:]]
    )


def test_only_runs_over_the_same_clips_are_compared(run_folder: Path) -> None:
    make_run(Path("runs/b"), [FOLD_0, FOLD_1[1:]])
    assert "McNemar" not in render_text([load_run(run_folder), load_run(Path("runs/b"))])
    assert json.loads(render_json([load_run(run_folder)]))["comparisons"] == []


def test_intervals_over_people_are_the_same_every_time(run_folder: Path) -> None:
    one, two = (json.loads(render_json([load_run(run_folder)]))["runs"][0] for _ in range(2))
    assert one == two
    low, high = one["intervals_over_subjects"]["accuracy"]
    assert low <= one["accuracy"] <= high


def test_runs_that_do_not_compare_are_told(run_folder: Path) -> None:
    first = load_run(run_folder)
    make_run(Path("runs/b"), [FOLD_0, FOLD_1[1:]])
    make_run(Path("runs/c"), [FOLD_0[1:], [*FOLD_1, FOLD_0[0]]])
    other_clips, other_folds = load_run(Path("runs/b")), load_run(Path("runs/c"))
    assert "These runs test different clips or classes, so their scores are not comparable." in render_text(
        [first, other_clips]
    )
    assert "These runs split the clips into different folds." in render_text([first, other_folds])


def test_markdown_tables_are_whole(run_folder: Path) -> None:
    make_run(
        Path("runs/b|c"),
        [
            [(clip, truth.replace("joy", "j|y"), answer.replace("joy", "j|y")) for clip, truth, answer in part]
            for part in (FOLD_0, FOLD_1)
        ],
        ("anger", "fear", "j|y"),
    )
    text = render_markdown([load_run(run_folder), load_run(Path("runs/b|c"))])
    assert text.startswith("## Summary\n\n**Accuracies in %**\n\n| run | differs in | hits/N |")
    assert "\n## runs/a\n\n|  |  |\n| :-- | :-- |\n| settings | roi, 3 frames, abn, modern |\n" in text
    assert (
        "| truth | anger | fear | joy | all |\n| :-- | --: | --: | --: | --: |\n"
        "| anger | 2 (67) | 1 (33) | 0 (0) | 3 |\n"
    ) in text
    assert "| truth | anger | fear | j\\|y | all |" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 1 + 2 * 4
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_the_order_of_the_rows_on_disk_changes_nothing(run_folder: Path) -> None:
    before = render_text([load_run(run_folder)]), render_json([load_run(run_folder)])
    for seed in range(3):
        for path in run_folder.glob("fold_*/predictions.csv"):
            header, *rows = path.read_text().splitlines(keepends=True)
            random.Random(seed).shuffle(rows)
            path.write_text("".join([header, *rows]))
        assert (render_text([load_run(run_folder)]), render_json([load_run(run_folder)])) == before


def test_results_json_is_never_trusted(run_folder: Path) -> None:
    (run_folder / "results.json").write_text('{"accuracy": 1.0}')
    assert load_run(run_folder).metrics["accuracy"] == 5 / 7


def test_a_run_folder_may_be_the_working_folder(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run_folder)
    assert load_run(Path()).name == "a"


# Refusals


def test_no_run(run_folder: Path) -> None:
    assert (
        message_of(Path("runs/b"))
        == 'runs/b: not a run folder (no config.json); make one with "mertool cv" or "mertool train"'
    )
    assert (
        message_of(run_folder.parent)
        == 'runs: not a run folder (no config.json); make one with "mertool cv" or "mertool train"'
    )


def test_an_unfinished_run(run_folder: Path) -> None:
    (run_folder / "fold_1" / "predictions.csv").unlink()
    assert message_of(run_folder) == 'runs/a: 1 of 2 folds are done; "mertool cv -o runs/a --resume" continues it'
    with pytest.raises(UnfinishedRunError):
        load_run(run_folder)
    (run_folder / "fold_1" / "done.json").touch()
    assert message_of(run_folder) == (
        "runs/a: fold 1 was finished and has lost its predictions.csv; delete runs/a/fold_1 and run "
        '"mertool cv -o runs/a --resume"'
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "expected format 1, got 2; was it written by a newer mertool?"),
        ({"command": "train"}, 'made by "mertool train", which tests nothing; give a run of "mertool cv"'),
        ({"settings": []}, "damaged configuration ("),
        ({"classes": "anger"}, "classes: expected a list of str, got 'anger'"),
        ({"packs": None}, "packs: expected a list of dict, got None"),
        ({"settings": {"epoch": 3}}, "settings: unknown name 'epoch'; did you mean 'epochs'?"),
        ({"settings": {"epochs": 0}}, "--epochs: expected 1 to 100000, got 0"),
    ],
)
def test_a_config_that_cannot_be(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    folder = make_run(tmp_path / "a", config=change)
    found = message_of(folder)
    assert found.startswith(str(folder))
    assert message in found
    with pytest.raises(RunError):
        load_run(folder)


def test_a_config_that_is_no_object(run_folder: Path) -> None:
    (run_folder / "config.json").write_text("[]")
    assert message_of(run_folder) == (
        "runs/a/config.json: damaged configuration (expected an object); start the run again with another -o"
    )


def test_missing_or_damaged_folds(run_folder: Path) -> None:
    (run_folder / "folds.json").write_text("{")
    assert message_of(run_folder).startswith("runs/a/folds.json: not a JSON file (")
    (run_folder / "folds.json").unlink()
    assert message_of(run_folder) == "runs/a/folds.json: cannot be read: no such file or directory"


def test_a_clip_from_elsewhere(run_folder: Path) -> None:
    edit(run_folder / "fold_0" / "predictions.csv", "samm/002/a,samm,002", "samm/009/a,samm,009")
    assert message_of(run_folder) == (
        "runs/a/fold_0/predictions.csv: clip samm/009/a is not in folds.json; the run was mixed with another or edited"
    )


def test_a_clip_predicted_in_two_folds(run_folder: Path) -> None:
    path = run_folder / "fold_1" / "predictions.csv"
    path.write_text(path.read_text() + "samm/002/a,samm,002,1,fear,fear,0.1,0.8,0.1\n")
    assert message_of(run_folder) == (f"{path}: clip samm/002/a is predicted in fold 1, but folds.json tests it in 0")


def test_a_clip_predicted_twice_in_one_fold(run_folder: Path) -> None:
    path = run_folder / "fold_1" / "predictions.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[1]]))
    assert message_of(run_folder) == f"{path}: line 5: clip samm/001/c is there a second time; expected each clip once"


def test_a_row_that_names_another_fold(run_folder: Path) -> None:
    path = run_folder / "fold_0" / "predictions.csv"
    edit(path, "samm/002/a,samm,002,0", "samm/002/a,samm,002,1")
    assert message_of(run_folder) == f"{path}: clip samm/002/a: expected fold 0, got 1; was it edited?"


def test_a_clip_left_out(run_folder: Path) -> None:
    path = run_folder / "fold_0" / "predictions.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert message_of(run_folder) == f"{path}: 1 clip of fold 0 has no prediction, first samm/002/b; was it edited?"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert message_of(run_folder) == f"{path}: 2 clips of fold 0 have no prediction, first samm/002/a; was it edited?"


def test_an_edited_prediction(run_folder: Path) -> None:
    path = run_folder / "fold_0" / "predictions.csv"
    edit(path, "anger,fear,0.1,0.8,0.1", "anger,anger,0.1,0.8,0.1")
    assert message_of(run_folder) == (
        f"{path}: line 3: prediction is 'anger', but the highest probability says 'fear'; was it edited?"
    )


def test_a_truth_taken_away(run_folder: Path) -> None:
    edit(run_folder / "fold_0" / "predictions.csv", "0,anger,fear", "0,,fear")
    assert message_of(run_folder) == "runs/a: metrics: 1 of 7 rows have no truth, first samm/001/b"


def test_other_classes_than_the_run(run_folder: Path) -> None:
    edit(run_folder / "config.json", '"anger", "fear", "joy"', '"fear", "anger", "joy"')
    path = run_folder / "fold_0" / "predictions.csv"
    assert message_of(run_folder) == f"{path}: expected the classes fear, anger, joy, got anger, fear, joy"


def test_a_fold_too_many(run_folder: Path) -> None:
    (run_folder / "fold_2").mkdir()
    (run_folder / "fold_2" / "predictions.csv").write_bytes((run_folder / "fold_1" / "predictions.csv").read_bytes())
    assert message_of(run_folder) == "runs/a: fold_2 is not a fold of folds.json, which has 2; move it away"


# The newest run


def finished(run: Path) -> Path:
    """The run with its two folds done."""
    for fold in (0, 1):
        (run / f"fold_{fold}" / "done.json").touch()
    return run


def test_the_newest_finished_run_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError) as caught:
        find_newest_run(Path())
    assert str(caught.value) == 'report: no run below runs; make one with "mertool cv" or name its folder'
    make_run(Path("runs/unfinished"), folds=2)
    (Path("runs/unfinished") / "fold_1" / "done.json").touch()
    with pytest.raises(FileError) as caught:
        find_newest_run(Path())
    assert str(caught.value) == (
        "report: no finished run below runs; runs/unfinished has 1 of 2 folds, "
        '"mertool cv -o runs/unfinished --resume" continues it'
    )
    for age, name in enumerate(("new", "old", "paper/older")):
        finished(make_run(Path("runs") / name, folds=2))
        os.utime(Path("runs") / name / "config.json", (10_000 - age, 10_000 - age))
    make_run(Path("runs/trained"), config={"command": "train"})
    (Path("runs/trained") / "done.json").touch()
    finished(make_run(Path("runs/damaged"), config={"classes": 3}))
    assert find_newest_run(Path()) == Path("runs/new")
    os.utime(Path("runs/paper/older/config.json"), (20_000, 20_000))
    assert find_newest_run(Path()) == Path("runs/paper/older")


# CSV, the log of MEGC2019


def test_csv_has_a_line_a_run_with_scores_intervals_and_settings(run_folder: Path) -> None:
    make_run(Path("runs/b, c"), arcface=True)
    rows = list(csv.DictReader(render_csv([load_run(run_folder), load_run(Path("runs/b, c"))]).splitlines()))
    assert [row["run"] for row in rows] == ["runs/a", "runs/b, c"]
    first = rows[0]
    assert (first["hits"], first["n"], first["accuracy"]) == ("5", "7", str(5 / 7))
    assert float(first["accuracy_low"]) < 5 / 7 < float(first["accuracy_high"])
    assert float(first["uf1_subjects_low"]) <= float(first["uf1"]) <= float(first["uf1_subjects_high"])
    assert (first["region"], first["arcface"], rows[1]["arcface"]) == ("roi", "False", "True")
    assert set(Settings().as_dict()) <= set(first)
    assert "" not in {name for row in rows for name in row}


def test_the_log_of_megc2019_is_as_its_organisers_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    classes = ("negative", "positive", "surprise")
    parts = [
        [("samm/006/006_1_10", "negative", "surprise"), ("samm/006/006_1_2", "positive", "positive")],
        [("casme2/sub01/EP02_01f", "positive", "positive"), ("smic-hs/s1/s1_ne_01", "negative", "negative")],
        [("smic-hs/s11/s11_sur_02", "surprise", "negative")],
    ]
    text = render_megc(load_run(make_run(Path("megc"), parts, classes)))
    assert text == (
        "casme2 sub01\nEP02_01f 1 1\n\n"
        "samm 6\n006_1_2 1 1\n006_1_10 0 2\n\n"
        "smic s01\ns01_ne_01 0 0\n\n"
        "smic s11\ns11_sur_02 2 0\n"
    )


def test_the_log_of_megc2019_needs_its_classes(run_folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"needs the classes negative, positive, surprise, but this run has anger, fear, joy"
    ):
        render_megc(load_run(run_folder))


# Where key frames come from


@pytest.mark.parametrize(
    ("dataset", "apexes", "ending"),
    [
        ("samm", ["table"], "its apex is annotated (the middle where it is not)."),
        ("smic-hs", ["table"], "its apex is the middle of the two in smic-hs."),
        ("samm", ["difference"], "its apex is the frame of largest movement."),
        ("samm", ["middle", "difference"], "its apex is the frame of largest movement or the middle of the two."),
    ],
)
def test_key_frames_are_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, apexes: list[str], ending: str
) -> None:
    monkeypatch.chdir(tmp_path)
    parts = [[(clip.replace("samm", dataset), *rest) for clip, *rest in part] for part in (FOLD_0, FOLD_1)]
    packs = [{**PACK, "name": f"{n}", "path": f"{n}.npz", "apex": apex} for n, apex in enumerate(apexes)]
    found = load_run(make_run(Path("runs/a"), parts, config={"packs": packs}))  # type: ignore[arg-type]
    assert found.key_frames.endswith(ending)
    assert flat(render_text([found])).count(ending) == 1


# What would mislead a reader


def write_done(folder: Path) -> None:
    for part in folder.glob("fold_*"):
        digest = hashlib.sha256((part / "predictions.csv").read_bytes()).hexdigest()
        (part / "done.json").write_text(json.dumps({"sha256": {"predictions.csv": digest}, "run": "", "epoch": 30}))


def test_a_verdict_needs_both_intervals(tmp_path: Path) -> None:
    """Eight of twelve people have all the hits: over clips the interval lies above the baseline, over people not."""
    wrong = {"anger": "joy", "joy": "anger"}
    truths = {f"d/{k // 10:02d}/{k % 10}": "anger" if k % 2 else "joy" for k in range(120)}
    clips = [(name, truth, truth if int(name[2:4]) < 8 else wrong[truth]) for name, truth in truths.items()]
    run = load_run(make_run(tmp_path / "a", [clips[:60], clips[60:]]))
    assert run.wilson_ci[0] > 0.5 > run.bootstrap_ci["accuracy"][0]
    assert "not distinguishable from always predicting" in render_text([run])


def test_one_person_has_no_interval_over_people(tmp_path: Path) -> None:
    parts = [[("d/1/a", "anger", "anger"), ("d/1/b", "joy", "joy")], [("d/1/c", "fear", "joy")]]
    text = flat(render_text([load_run(make_run(tmp_path / "a", parts))]))
    assert "over subjects no interval from one subject" in text
    assert "UF1 0.5556, no interval from one subject" in text


def test_a_summary_says_protocols_and_names_what_does_not_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = [FOLD_0[:2] + FOLD_1[:1], FOLD_0[2:] + FOLD_1[1:]]
    make_run(Path("a"))
    make_run(Path("grouped"), whole, epoch_selection="inner", protocol="group")
    make_run(Path("fewer"), [FOLD_0, FOLD_1[:2]])
    folds = json.loads(Path("grouped/folds.json").read_text())
    Path("grouped/folds.json").write_text(json.dumps({**folds, "protocol": "group"}))
    text = render_text([load_run(Path(name)) for name in ("a", "grouped", "fewer")], 140)
    words = flat(text)
    assert "a stratified, epoch_selection last 5/7" in words
    assert "grouped group, epoch_selection inner 5/7" in words
    assert "All runs: face, 3 frames, modern." in words
    assert "so their scores are not comparable. Different from a: fewer." in words
    assert "different folds. Different from a: grouped." in words
    assert "Subject-dependent and therefore easier than the others: a, fewer." in words


@pytest.mark.parametrize(
    ("alignment", "said"),
    [
        ("stabilised", "stabilised, by the onset's landmarks, with the head's motion taken out of each further"),
        ("clip", "one similarity per clip, from the onset's landmarks; the head's motion is left in"),
        ("frame", "each frame by its own landmarks"),
        ("none", "pictures taken as they are"),
    ],
)
def test_reports_say_how_frames_were_aligned(run_folder: Path, alignment: str, said: str) -> None:
    config = json.loads((run_folder / "config.json").read_text())
    config["packs"][0]["alignment"] = alignment
    (run_folder / "config.json").write_text(json.dumps(config))
    run = load_run(run_folder)
    words = flat(render_text([run]))
    assert said in words
    make_run(Path("runs/other"))
    summary = flat(render_text([run, load_run(Path("runs/other"))], 160))
    assert f"roi, abn{'' if alignment == PACK['alignment'] else f', alignment {alignment}'} 5/7" in summary
    assert json.loads(render_json([run]))["runs"][0]["alignments"] == [alignment]


def test_edited_predictions_are_said_in_every_report(run_folder: Path) -> None:
    write_done(run_folder)
    assert "changed since" not in render_text([load_run(run_folder)])
    path = run_folder / "fold_1" / "predictions.csv"
    path.write_text(path.read_text().replace("samm/003/a,samm,003,1,fear", "samm/003/a,samm,003,1,anger"))
    run = load_run(run_folder)
    assert run.changed == ("fold_1/predictions.csv",)
    make_run(Path("runs/b"))
    for text in (render_text([run]), render_text([load_run(Path("runs/b")), run]), render_markdown([run])):
        assert "changed since it was made: fold" in flat(text.replace("\\", ""))


def test_what_can_be_detected_takes_the_correction_into_account(run_folder: Path) -> None:
    del run_folder
    for name, right in (("first", 20), ("second", 26), ("third", 26)):
        make_run(Path(f"runs/{name}"), answering(right))
    runs = [load_run(Path(f"runs/{name}")) for name in ("first", "second", "third")]
    assert "It can never detect a difference of fewer than 6 clips (here 15.0 points)." in flat(render_text(runs[:2]))
    words = flat(render_text(runs))
    assert "level of Holm's correction (0.05/2). It can never detect a difference of fewer than 7 clips" in words


def test_control_characters_links_and_brackets_in_names_stay_text(tmp_path: Path) -> None:
    names = ("a\x1b[31mred", "b\nc", "[x](http://y)", "*z")
    parts = [[(f"d/{fold}/{k}", names[k], names[k]) for k in range(4)] for fold in range(2)]
    run = load_run(make_run(tmp_path / "a", parts, names))
    text = render_text([run])
    assert "\x1b" not in text
    assert "a\\x1b[31mred" in text
    assert "b\\nc" in text
    assert r"[x]\(http://y)" in render_markdown([run])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"init": null', '"init": {"path": "x", "subjects": 5}', "damaged configuration (no 'loaded')"),
        ('"init": null', '"init": {"path": "x", "loaded": [1]}', "loaded: expected a list of str, got [1]"),
        ('"jitter": 0', '"jitter": "much"', "jitter: expected a whole number, got 'much'"),
        ('"lr": 0.002', f'"lr": 1{"0" * 400}', "--lr: expected a number"),
    ],
)
def test_a_damaged_configuration_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    folder = make_run(tmp_path / "a")
    edit(folder / "config.json", old, new)
    assert message in message_of(folder)
