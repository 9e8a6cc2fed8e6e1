"""Reports of fusions."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter

import pytest

from mertool.runs.finished import load_run
from tests.support.fusions import FOLDS, weights_in
from tests.support.in_process import call
from tests.support.noise import make_pack
from tests.support.reports import flat, page_of
from tests.support.texture_runs import CBP, LBP, ONE_DESIGN, PEOPLE

pytestmark = pytest.mark.usefixtures("one_process")


def test_the_report_tells_runs_and_weights(made):
    text = flat(call("report", "equal", cwd=made).stdout)
    assert "settings fusion of lbp + cbp, equal weights" in text
    assert "Fusion: probabilities are averaged clip by clip; the runs' weights are equal." in text
    text = flat(call("report", "fitted", cwd=made).stdout)
    assert "settings fusion of lbp + net + cbp, fitted weights" in text
    folds = "; ".join("/".join(f"{weight:.2f}" for weight in weights) for weights in weights_in(made / "fitted"))
    assert f"fitted in each fold on clips of its training part (lbp / net / cbp: {folds})" in text
    assert "group, 3 folds" in text
    for word in ("epoch", "network", "None", "modern", "Selected"):
        assert not re.search(rf"\b{word}\b", text), word


@pytest.mark.parametrize("style", ["text", "md", "latex", "csv", "json", "html"])
def test_every_format_of_the_report(made, tmp_path, style):
    call("report", "fitted", "--format", style, "-o", tmp_path, cwd=made)
    (path,) = tmp_path.iterdir()
    text = path.read_text(encoding="utf-8")
    assert "fusion" in text
    assert not re.search(r"\bNone\b|\bnan\b", text)


def test_json_has_runs_and_weights(made):
    for name, members in (("equal", ["lbp", "cbp"]), ("fitted", ["lbp", "net", "cbp"])):
        values = json.loads(call("report", name, "--format", "json", cwd=made).stdout)["runs"][0]
        assert values["members"] == members
        assert values["weights"] == weights_in(made / name)
        assert (values["designs"], values["epochs"]) == ([], [])


def test_a_line_of_csv_says_which_runs_were_fused(made):
    (row,) = csv.DictReader(call("report", "fitted", "--format", "csv", cwd=made).stdout.splitlines())
    assert (row["method"], row["fuse_weights"]) == ("fusion", "fitted")
    assert "lbp" in row["members"]
    assert f"{weights_in(made / 'fitted')[0][0]:.4f}" in row["weights"]


def test_the_page_of_a_fusion_has_nothing_of_networks(made):
    page = page_of(made, "fitted")
    assert "fusion of lbp + net + cbp, fitted weights" in page
    assert "pass fusion what 3 runs predict, joined again, is the same" in page
    assert "Most and least confident predictions" in page
    for word in ("Learning curves", "None", "nan", "recipe", "epoch", "log.csv", "Selected", "No attention maps"):
        assert not re.search(rf"\b{word}\b", page), word


def test_a_fusion_compares_with_its_runs(made, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    text = call("report", "net", "lbp", "fitted", cwd=made).stdout
    assert "Compared with net clip by clip: exact McNemar test" in text
    rows = [line.split() for line in text.splitlines() if re.match(r"(lbp|fitted) +\d", line)]
    hits = {name: load_run(made / name).metrics["hits"] for name in ("net", "lbp", "fitted")}
    assert [(row[0], int(row[1]) - int(row[2])) for row in rows] == [
        (name, hits[name] - hits["net"]) for name in ("lbp", "fitted")
    ]
    assert "different folds" not in text
    assert "fusion of lbp + net + cbp, fitted weights" in text
    page = page_of(made, "net", "lbp", "fitted")
    section = page[page.index("Settings that differ run") :]
    section = section[: section.index("hits / N")]
    assert "lbp + net + cbp" in section
    assert Counter(re.findall(r"\bfusion\b", section))["fusion"] == 1


def test_a_fusion_has_no_region_of_its_own(home):
    """Its runs look at regions; it looks at nothing."""
    make_pack(home / "b.npz", PEOPLE, sequence=8, size=64, faces=True)
    for name, words in (("l", LBP[:2]), ("c", CBP[:2])):
        call("cv", "b.npz", *words, "--roi", "--tile", 12, *ONE_DESIGN, *FOLDS, "-o", name, cwd=home)
    call("cv", "--fuse", "l", "c", "-o", "lc", cwd=home)
    (row,) = csv.DictReader(call("report", "lc", "--format", "csv", cwd=home).stdout.splitlines())
    assert row["region"] != "face"


def test_the_papers_tables_leave_fusions_out_by_name(made):
    done = call("report", "plain", "equal", "--tables", "paper", "--format", "csv", cwd=made)
    assert done.stderr == "mertool: equal: left out, the tables are about networks, not fusion\n"
    assert "equal (the tables are about networks, not fusion" in flat(
        call("report", "plain", "equal", "--tables", "paper", cwd=made).stdout
    )
