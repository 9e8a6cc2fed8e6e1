"""When a run was made and how long it took: what is stored, reported, and left out of every comparison of runs."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime

import pytest

from mertool.errors import RunError
from mertool.files import write_json
from mertool.report.formats import render_json
from mertool.report.latex import render_latex
from mertool.report.plain import render_text
from mertool.runs.config import fingerprint
from mertool.runs.environment import as_date, date_now
from mertool.runs.finished import load_run
from mertool.runs.layout import FoldFolder
from tests.support.audits import faults
from tests.support.in_process import call, in_this_process
from tests.support.noise import SMALL, make_pack
from tests.support.reports import flat, page_of, render_markdown
from tests.support.run_folders import make_run
from tests.support.texture_runs import LBP, ONE_DESIGN

PEOPLE = {f"p{n}": ["fear", "joy", "rage"] for n in range(4)}
GROUP = ("--protocol", "group", "--folds", "2")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("times é")
    make_pack(folder / "a.npz", PEOPLE, sequence=8, size=64, faces=True)
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        call("cv", "a.npz", *SMALL, *GROUP, "-o", "net", "-q", cwd=folder)
        call("cv", "a.npz", *LBP, *ONE_DESIGN, *GROUP, "-o", "lbp", "-q", cwd=folder)
    return folder


@pytest.fixture
def copy(home, tmp_path):
    shutil.copytree(home, tmp_path / "copy")
    return tmp_path / "copy"


def edit(path, **values):
    write_json(path, {**json.loads(path.read_text()), **values})


@pytest.mark.parametrize("name", ["net", "lbp"])
def test_a_run_says_when_it_was_made_and_how_long_it_took(home, name, monkeypatch):
    monkeypatch.chdir(home)
    run = load_run(home / name)
    assert run.started <= run.finished <= date_now()
    assert run.finished[:10] in {date_now()[:10], run.started[:10]}
    assert 0 < run.seconds < 600
    text = flat(render_text([run]))
    started, finished = as_date(run.started), as_date(run.finished)
    assert f"date (UTC) started {started}, finished {finished} duration " in text
    assert re.search(r" duration \d+ s, the sum over 2 folds command mertool cv a.npz ", text)
    values = json.loads(render_json([run]))["runs"][0]
    assert [values[key] for key in ("started", "finished", "seconds")] == [run.started, run.finished, run.seconds]
    assert values["command"] == run.command_line
    assert values["command"] in call("report", name, "--command", cwd=home).stdout
    for text in (render_markdown([run]), render_latex([run]), page_of(home, name)):
        assert started in text
        assert "-again" in text
    assert faults(home / name) == []


def test_the_time_of_a_network_is_that_of_its_epochs(copy):
    """A killed training continues, and what was computed before counts."""
    for fold in range(2):
        path = copy / "net" / f"fold_{fold}" / "log.csv"
        header, *rows = path.read_text().splitlines()
        at = header.split(",").index("seconds")
        cells = [row.split(",") for row in rows]
        for k, row in enumerate(cells):
            row[at] = str(10 * fold + k)
        path.write_text("\n".join([header, *map(",".join, cells)]) + "\n")
    assert load_run(copy / "net").seconds == 0 + 1 + 2 + 10 + 11 + 12


def test_dates_of_a_copy_are_those_of_the_run(home, copy):
    """`copytree` of other times, as a download or a checkout makes them."""
    for path in (copy / "lbp").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes())
    for one in ("started", "finished", "seconds"):
        assert getattr(load_run(copy / "lbp"), one) == getattr(load_run(home / "lbp"), one)


def test_the_start_changes_no_fingerprint_and_all_else_does(copy):
    before = fingerprint(copy / "lbp")
    env = copy / "lbp" / "env.json"
    edit(env, started="2020-02-29T00:00:00Z")
    assert fingerprint(copy / "lbp") == before
    edit(env, started="never")
    assert fingerprint(copy / "lbp") != before
    edit(env, started="2020-02-29T00:00:00Z", torch="9.9")
    assert fingerprint(copy / "lbp") != before


def test_an_old_run_without_dates_is_reported_and_audited(copy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = load_run(make_run(tmp_path / "old"))
    assert (run.started, run.finished, run.seconds) == (None, None, None)
    text = flat(render_text([run]))
    assert "date (UTC)" not in text
    assert " duration " not in text
    assert "command mertool cv old/SAMM.npz" in text or "command mertool cv SAMM.npz" in text
    assert json.loads(render_json([run]))["runs"][0]["started"] is None
    env = copy / "lbp" / "env.json"
    write_json(env, {key: value for key, value in json.loads(env.read_text()).items() if key != "started"})
    mark = fingerprint(copy / "lbp")
    for fold in range(2):
        path = copy / "lbp" / f"fold_{fold}" / "done.json"
        values = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("finished", "seconds")}
        write_json(path, {**values, "run": mark})
    assert faults(copy / "lbp") == []
    assert "date (UTC)" not in call("report", "lbp", cwd=copy).stdout


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *(("finished", value, "the date of its end") for value in (5, "", "yesterday", [], "2026-13-01T00:00:00Z")),
        *(("seconds", value, "how many seconds it took") for value in (-1, "5", [], True, 10**400)),
    ],
)
def test_a_damaged_date_or_duration_is_never_a_traceback(copy, name, value, expected):
    path = copy / "lbp" / "fold_1" / "done.json"
    edit(path, **{name: value})
    with pytest.raises(RunError, match=f"done.json: damaged; expected {expected}, got "):
        FoldFolder(path.parent).read_record()
    for words in ((), ("--format", "json"), ("--format", "html")):
        call("report", "lbp", *words, "-q", cwd=copy)


@pytest.mark.parametrize("started", [None, 5, "", "x" * 9999, "2026-99-99T00:00:00Z", ["2026-01-01T00:00:00Z"]])
def test_a_damaged_start_is_left_out(copy, started):
    edit(copy / "lbp" / "env.json", started=started)
    assert load_run(copy / "lbp").started is None
    assert "started" not in call("report", "lbp", "-q", cwd=copy).stdout


def test_dates_are_in_utc():
    before, now, after = datetime.now(UTC), date_now(), datetime.now(UTC)
    assert f"{before:%Y-%m-%dT%H:%M:%SZ}" <= now <= f"{after:%Y-%m-%dT%H:%M:%SZ}"
    assert as_date("2026-11-28T11:42:27Z") == "2026-11-28 11:42"
    assert as_date("2026-11-28") is None
