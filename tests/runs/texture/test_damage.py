"""Damaged files of texture runs: one clear line each, never a traceback."""

from __future__ import annotations

import json

import pytest

from mertool.declarations import option_name
from mertool.files import write_json
from tests.support.damage import DAMAGED
from tests.support.in_process import answer, refusal
from tests.support.texture_runs import TEXTURE_FIELDS

pytestmark = pytest.mark.usefixtures("one_process")

READERS = (
    ("report",),
    ("report", "--format", "json"),
    ("report", "--format", "csv"),
    ("report", "--format", "html"),
    ("report", "--audit"),
    ("report", "--command"),
)


@pytest.mark.parametrize("place_in", ["design", "features", "of", "cost", "places", "place", "plane"])
def test_a_damaged_done_json_is_never_a_traceback(copies, place_in):
    path = copies / "lbp/fold_1/done.json"
    good = json.loads(path.read_text())
    for value in DAMAGED:
        done = json.loads(json.dumps(good))
        design = done["design"]
        if place_in == "design":
            done["design"] = value
        elif place_in == "place":
            design["places"]["block 1,1"] = value
        elif place_in == "plane":
            design["places"]["block 1,1"]["XT"] = value
        else:
            design[place_in] = value
        for fold in range(2):
            (copies / f"lbp/fold_{fold}/done.json").write_text(json.dumps(done))
        for words in READERS[:3]:
            answer(*words, "lbp", cwd=copies)
    for more in READERS[3:]:
        answer(*more, "lbp", cwd=copies)


@pytest.mark.parametrize("field", sorted({*TEXTURE_FIELDS, "method", "fuse_weights", "threads", "region"}))
def test_a_damaged_setting_is_one_line_wherever_it_is_read(copies, field):
    path = copies / "lbp/config.json"
    good = json.loads(path.read_text())
    for value in (None, ["x"], {}, "no such thing", 10**400, -5, True if field not in ("normalise", "signed") else 1):
        values = json.loads(json.dumps(good))
        values["settings"][field] = value
        path.write_text(json.dumps(values))
        for words in (
            ("report", "lbp"),
            ("report", "--audit", "lbp"),
            ("report", "--command", "lbp"),
            ("predict", "lbp", "a.npz"),
            ("cv", "-o", "lbp", "--resume"),
        ):
            line = refusal(*words, cwd=copies, code=1)
            assert "lbp" in line
            assert option_name(field) in line


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"method": "network"}, "a network"),
        ({"method": "cbp-top"}, "the other code"),
        ({"method": "fusion"}, "a fusion of nothing"),
        ({"n_features": "9999"}, "more than there are"),
        ({"grid": "64,64,64"}, "more blocks than pixels"),
        ({"radii": "20,20,1"}, "circles without a place"),
        ({"length": 0, "radii": "1,1,30"}, "circles without a time"),
        ({"region": "roi"}, "regions without landmarks"),
        ({"folds": 7}, "more folds"),
    ],
)
def test_settings_of_another_run_are_never_a_traceback(copies, changes, what):
    path = copies / "lbp/config.json"
    values = json.loads(path.read_text())
    values["settings"] |= changes
    write_json(path, values)
    for words in READERS:
        answer(*words, "lbp", cwd=copies)
    answer("predict", "lbp", "a.npz", cwd=copies)
    (copies / "lbp/fold_0/done.json").unlink()
    answer("cv", "-o", "lbp", "--resume", cwd=copies)


def test_a_texture_run_has_no_attention_maps_to_draw(home, tmp_path):
    line = refusal("report", "lbp", "--maps", tmp_path / "m.png", cwd=home, code=1)
    assert line == "Error: lbp: made with --method lbp-top, which has no attention maps"
