"""Damaged fusions and damaged runs in them: one clear line each, never a traceback."""

from __future__ import annotations

import csv
import json

import pytest

from mertool.errors import DataError
from mertool.files import write_json
from mertool.runs.audit import audit_run
from tests.support.audits import sign_again
from tests.support.damage import DAMAGED
from tests.support.in_process import answer, refusal

pytestmark = pytest.mark.usefixtures("one_process")

READERS = (
    ("report", "{}"),
    ("report", "--format", "json", "{}"),
    ("report", "--format", "csv", "{}"),
    ("report", "--audit", "{}"),
    ("predict", "{}", "a.npz"),
)


@pytest.mark.parametrize("name", ["equal", "fitted"])
def test_damaged_weights_are_never_a_traceback(home, name):
    path = home / name / "fold_1/done.json"
    good = json.loads(path.read_text())
    n = len(good["weights"])
    odd = (1.0, "0.5", None, [1], {}, True, float("nan"), float("inf"), 10**400, -1.0, 0.0)
    for weights in (*DAMAGED, [], [1.0], [0.5] * (n + 1), *([value] * n for value in odd)):
        path.write_text(json.dumps({**good, "weights": weights}))
        for words in READERS:
            answer(*(word.format(name) for word in words), cwd=home)
    del good["weights"]
    path.write_text(json.dumps(good))
    for words in (*READERS, ("report", "--format", "html", "{}")):
        answer(*(word.format(name) for word in words), cwd=home)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [5.0, 5.0], [-1.0, 2.0], [float("nan")] * 2, [0.5, 0.6]])
def test_weights_that_are_no_shares_are_not_predicted_with(home, weights):
    for fold in range(3):
        path = home / f"equal/fold_{fold}/done.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "weights": weights}))
    assert refusal("predict", "equal", "a.npz", cwd=home, code=1).startswith("Error: ")


@pytest.mark.parametrize("name", ["done.json", "config.json", "folds.json", "predictions.csv"])
def test_a_damaged_file_of_a_fused_run_is_one_line(home, name):
    path = home / "lbp" / ("" if name in ("config.json", "folds.json") else "fold_1") / name
    for content in (b"", b"[]", b"{}", b"null", b"\xff\xfe", b'{"sha256": 5}', b'{"sha256": {"predictions.csv": 5}}'):
        path.write_bytes(content)
        line = refusal("cv", "--fuse", "lbp", "cbp", "-o", "new", cwd=home, code=1)
        assert line.startswith(("Error: lbp", "Error: folds: "))
        assert not (home / "new").exists()
        for words in READERS:
            answer(*(word.format("equal") for word in words), cwd=home)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ((), None),
        ((), 5),
        ((), "lbp"),
        ((), {}),
        ((), ["lbp", "cbp"]),
        ((), [None]),
        ((0,), []),
        ((0,), {}),
        ((0, "path"), None),
        ((0, "path"), 5),
        ((0, "path"), ""),
        ((0, "path"), "a\0b"),
        ((0, "path"), "\ud800"),
        ((0, "fingerprint"), None),
        ((0, "fingerprint"), 5),
        ((0, "subjects"), None),
        ((0, "subjects"), "p0"),
        ((0, "subjects"), [5]),
    ],
)
def test_damaged_members_are_one_line_wherever_they_are_read(home, where, value):
    path = home / "equal/config.json"
    values = json.loads(path.read_text())
    inner = values
    place = ("members", *where)
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(values))
    for words in (
        ("report", "--audit", "equal"),
        ("report", "--command", "equal"),
        ("predict", "equal", "a.npz"),
        ("cv", "-o", "equal", "--resume"),
        ("cv", "--fuse", "lbp", "cbp", "-o", "equal", "--resume"),
        ("cv", "--fuse", "equal", "net", "-o", "new"),
    ):
        line = refusal(*words, cwd=home, code=1)
        assert line.startswith("Error: equal/config.json: damaged configuration"), line
    answer("report", "equal", cwd=home)
    answer("report", "equal", "--format", "html", cwd=home)


@pytest.mark.parametrize("how", ["no list", "an empty list", "one run"])
def test_a_fusion_of_nothing_is_never_a_traceback(home, how):
    values = json.loads((home / "equal/config.json").read_text())
    values["members"] = values["members"][:1] if how == "one run" else []
    if how == "no list":
        del values["members"]
    write_json(home / "equal/config.json", values)
    sign_again(home / "equal")
    for words in READERS:
        answer(*(word.format("equal") for word in words), cwd=home)
    with pytest.raises(DataError, match="expected two or more runs of a fusion"):
        audit_run(home / "equal")
    (home / "equal/fold_1/done.json").unlink()
    answer("cv", "-o", "equal", "--resume", cwd=home)


@pytest.mark.parametrize("how", ["fewer classes", "classes in another order", "other clips", "no clips"])
def test_predictions_that_are_not_of_the_runs_clips_and_classes_do_not_join(home, how):
    """With repaired hashes."""
    for path in (home / "cbp").glob("fold_*/predictions.csv"):
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        names = list(rows[0])
        if how == "fewer classes":
            for row in rows:
                row["p_fear"] = "0.7"
                row["p_joy"], row["prediction"] = "0.3", "fear"
                row["truth"] = "fear"
            names.remove("p_rage")
        elif how == "classes in another order":
            names = [*names[:6], *reversed(names[6:])]
        elif how == "other clips":
            rows[0]["clip"] = "noise/p0/c99"
            rows[0]["subject"] = "p0"
        else:
            rows = []
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, names, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    sign_again(home / "cbp")
    line = refusal("cv", "--fuse", "lbp", "cbp", "-o", "new", cwd=home, code=1)
    assert line.startswith("Error: ")
    assert not (home / "new").exists()
