"""Predictions and reports of texture runs."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil

import numpy as np
import pytest

from mertool.inputs.samples import Samples
from mertool.pack import load_pack
from mertool.runs.config import RunConfig
from mertool.runs.finished import load_run
from mertool.texture.cache import features_of
from mertool.texture.classifier import Classifier
from tests.support.in_process import call, refusal
from tests.support.noise import SMALL, make_pack
from tests.support.reports import flat, page_of, page_source
from tests.support.run_folders import done_of
from tests.support.texture_runs import GROUP, LBP

pytestmark = pytest.mark.usefixtures("one_process")


def test_predict_is_the_mean_of_the_classifiers(home, place):
    make_pack(place / "new ü.npz", {"q0": ["joy", "rage"], "q1": ["disgust", "fear"]}, "other", seed=5, sequence=6)
    for name in ("lbp", "cbp"):
        done = call("predict", home / name, "new ü.npz", cwd=place)
        assert "its accuracy on new people, cross-validated: " in done.stderr
        rows = list(csv.DictReader(done.stdout.splitlines()))
        assert [row["clip"] for row in rows] == list(load_pack(place / "new ü.npz").ids)
        assert [row["truth"] for row in rows] == ["joy", "rage", "", "fear"]
        assert {row["fold"] for row in rows} == {""}
        pack = load_pack(place / "new ü.npz")
        samples = Samples((pack,), np.array([(0, k) for k in range(4)]), pack.ids, np.zeros(4, int), ())
        features = features_of(samples, RunConfig.read(home / name).settings, use_cache=False)
        parts = [Classifier.load(home / name / f"fold_{k}/classifier.npz").predict(features) for k in range(2)]
        found = np.array([[float(row[f"p_{kind}"]) for kind in ("fear", "joy", "rage")] for row in rows])
        np.testing.assert_allclose(found, np.mean(parts, 0), atol=1e-6)
    done = call("predict", home / "lbp", "a.npz", "-o", "out.csv", cwd=place)
    assert f"21 of 21 clips were used to train {home / 'lbp'}" in done.stderr
    make_pack(place / "none.npz", {"q0": ["joy"]})
    assert "none.npz: has no sequence of frames" in refusal("predict", home / "lbp", "none.npz", cwd=place, code=1)
    (place / "lbp").mkdir()
    for file in ("config.json", "folds.json"):
        shutil.copy(home / "lbp" / file, place / "lbp")
    line = refusal("predict", "lbp", "a.npz", cwd=place, code=1)
    assert line == 'Error: lbp: not finished, no fold_0/classifier.npz; run "mertool cv -o lbp --resume"'


@pytest.mark.parametrize("name", ["lbp", "cbp", "fixed"])
def test_the_page_of_a_texture_run_shows_the_selection_and_nothing_of_networks(home, name):
    page = page_of(home, name)
    selected = bool(load_run(home / name).selected_shares())  # a fold may have chosen all features
    assert selected or name == "cbp"
    assert ("Selected features of each block, mean of folds, %" in page) == selected
    assert ("Where the selected features are" in page) == selected
    assert ("block 2,2" in page) == selected
    assert f"face, {'CBP' if name == 'cbp' else 'LBP'}-TOP, P 4, R 1,1,2, 6 frames (tim)" in page
    assert "pass classifiers no classifier was trained on a clip of its test part" in page
    for word in ("Learning curves", "None", "nan", "epoch", "recipe", "log.csv", "modern"):
        assert not re.search(rf"\b{word}\b", page), word


@pytest.mark.parametrize("name", ["lbp", "cbp"])
def test_the_page_of_a_texture_run_explains_no_networks(home, name):
    assert not re.search("network|attention", page_of(home, name))


def test_all_features_need_no_table_of_the_selected_ones(place):
    done = call("cv", "a.npz", *LBP, "--n-features", "all", "--cost", 10, *GROUP, "-o", "all", cwd=place)
    assert "Selected" not in done.stdout
    assert "all features" in flat(done.stdout)
    assert "Where the selected features are" not in page_of(place, "all")


def test_networks_and_textures_compare_clip_by_clip(copies, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    call("cv", "a.npz", *SMALL, "--epochs", 1, *GROUP, "-o", "net", cwd=copies)
    text = call("report", "net", "lbp", "cbp", cwd=copies).stdout
    assert "Compared with net clip by clip: exact McNemar test" in text
    rows = [line for line in text.splitlines() if re.match(r"(net|lbp|cbp) ", line)]
    assert [row.split()[0] for row in rows] == ["net", "lbp", "cbp", "lbp", "cbp"]
    assert "3 frames, modern" in rows[0]
    assert "LBP-TOP, P 4, R 1,1,2, 6 frames (tim), selection" in rows[1]
    hits = {name: load_run(copies / name).metrics["hits"] for name in ("net", "lbp")}
    only, other = map(int, rows[3].split()[1:3])
    assert only - other == hits["lbp"] - hits["net"]
    assert "different folds" not in text
    page = page_of(copies, "net", "lbp", "cbp")
    for word in ("Learning curves", "Settings that differ", "Selected features of each block"):
        assert word in page
    assert page.count("Learning curves") == 1
    assert "None of these runs differs significantly" in page or "Significantly different from" in page


def test_settings_that_differ_are_those_that_a_run_has(copies):
    """A texture run has no epochs and no width, whatever config.json says."""
    call("cv", "a.npz", *SMALL, "--epochs", 2, *GROUP, "-o", "net", cwd=copies)
    source = page_source(copies, "net", "lbp")
    section = source[source.index('<section id="settings">') :]
    section = section[: section.index("</section>")]
    head = [html.unescape(cell) for cell in re.findall(r"<th scope=.col.[^>]*>([^<]*)</th>", section)]
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", section)[1:]]
    found = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert found["net"]["method"] == "network"
    assert found["lbp"]["method"] == "lbp-top"
    assert {found["lbp"].get(name, "-") for name in ("epochs", "width", "lr", "augmentations")} == {"-"}


def test_json_and_csv_have_what_was_chosen(home):
    values = json.loads(call("report", "lbp", "--format", "json", cwd=home).stdout)["runs"][0]
    assert values["designs"] == [done_of(home / "lbp", fold)["design"] for fold in range(2)]
    assert (values["members"], values["weights"], values["epochs"]) == ([], [], [])
    assert values["settings"]["method"] == "lbp-top"
    (row,) = csv.DictReader(call("report", "lbp", "--format", "csv", cwd=home).stdout.splitlines())
    assert (row["method"], row["n_features"], row["cost"], row["points"]) == ("lbp-top", "auto", "auto", "4")
    assert "None" not in row.values()


def test_a_line_of_csv_says_which_designs_were_chosen(home):
    (row,) = csv.DictReader(call("report", "lbp", "--format", "csv", cwd=home).stdout.splitlines())
    assert str(done_of(home / "lbp")["design"]["features"]) in row["designs"]


@pytest.mark.parametrize("style", ["text", "md", "latex", "csv", "json", "html"])
@pytest.mark.parametrize("name", ["lbp", "cbp", "fixed"])
def test_every_format_of_the_report(home, tmp_path, name, style):
    call("report", name, "--format", style, "-o", tmp_path, cwd=home)
    (path,) = tmp_path.iterdir()
    text = path.read_text(encoding="utf-8")
    kind = "cbp" if name == "cbp" else "lbp"
    assert f"{kind}-top" in text.lower()
    assert not re.search(r"\bNone\b|\bnan\b", text)
    if style in ("text", "md", "latex", "html"):
        said = (
            "come from the training part alone"
            if name == "fixed"
            else "are chosen by cross-validation over whole subjects"
        )
        assert said.replace("is of", "are of") in flat(text)


def test_the_papers_tables_leave_texture_runs_out_by_name(copies):
    call("cv", "a.npz", *SMALL, "--epochs", 1, *GROUP, "-o", "net", cwd=copies)
    done = call("report", "net", "lbp", "--tables", "paper", cwd=copies)
    assert "lbp (the tables are about networks, not lbp-top)" in flat(done.stdout)
    for style in ("csv", "json"):
        done = call("report", "net", "lbp", "--tables", "paper", "--format", style, cwd=copies)
        assert done.stderr == "mertool: lbp: left out, the tables are about networks, not lbp-top\n"


def test_what_only_networks_have_is_one_line(home, place):
    line = refusal("report", "lbp", "--maps", place / "x.png", cwd=home, code=1)
    assert line.startswith("Error: lbp: ")
    assert not (place / "x.png").exists()
    line = refusal("cv", "a.npz", *SMALL, "--init", home / "lbp", "-o", "x", cwd=place, code=1)
    assert line.startswith(f"Error: {home / 'lbp'}: no weights for --init")
