"""The audit finds each planted leak and each later change, and nothing where there is nothing."""

from __future__ import annotations

import csv
import json
import shutil

import cv2
import numpy as np
import pytest

from mertool.runs.audit import FAIL, NOTE, PASS, audit_run
from tests.support.audits import findings, sign_again, verdicts
from tests.support.command import TINY, run


@pytest.fixture
def copy(finished_run, tmp_path):
    """A finished run that a test may tamper with, beside its pack."""
    folder = tmp_path / "run é"
    shutil.copytree(finished_run, folder)
    config = json.loads((folder / "config.json").read_text())
    shutil.copy(finished_run.parent / config["packs"][0]["path"].split("/")[-1], tmp_path)
    return folder


def test_an_honest_run_passes_with_three_notes(copy):
    done = run("report", "--audit", copy, cwd=copy.parent)
    assert verdicts(copy) == {
        "files": PASS,
        "predictions": PASS,
        "results": PASS,
        "subjects": NOTE,  # the paper's protocol
        "initial weights": PASS,
        "pack": PASS,
        "clips": PASS,
        "labels": PASS,
        "folds": PASS,
        "networks": PASS,
        "epoch": PASS,
        "attention": PASS,
        "pictures": PASS,
        "statistics": PASS,
        "key frames": NOTE,
        "beyond this audit": NOTE,
    }
    lines = done.stdout.splitlines()
    assert len(lines) == 17
    assert lines[1].split()[:2] == ["pass", "files"]
    assert "note  subjects" in done.stdout
    assert "4 of 4 subjects have clips in both training and test parts" in done.stdout
    plain = json.loads(run("report", "--audit", copy, "--format", "json", cwd=copy.parent).stdout)
    assert [check["verdict"] for checks in plain.values() for check in checks].count("pass") == 13


def edit_predictions(folder):
    """Turn one wrong answer into a right one, consistently."""
    path = folder / "fold_0" / "predictions.csv"
    rows = list(csv.reader(path.read_text().splitlines()))
    header, row = rows[0], next(row for row in rows[1:] if row[4] != row[5])
    truth, wrong = header.index(f"p_{row[4]}"), header.index(f"p_{row[5]}")
    row[truth], row[wrong], row[5] = row[wrong], row[truth], row[4]
    path.write_text("\n".join(",".join(cells) for cells in rows) + "\n")
    return row[0]


def test_an_edited_prediction_is_found_by_its_hash_and_by_the_weights(copy):
    clip = edit_predictions(copy)
    found = verdicts(copy)
    assert (found["files"], found["epoch"]) == (FAIL, FAIL)
    assert "fold_0/predictions.csv" in findings(copy)["files"][1]
    done = run("report", "--audit", copy, cwd=copy.parent, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    sign_again(copy)
    found = verdicts(copy)
    assert (found["files"], found["epoch"]) == (PASS, FAIL)
    assert findings(copy)["epoch"][1] == f"not what the final weights predict: 1 clips, {clip}"


def test_other_weights_are_found_even_with_their_hashes(copy):
    shutil.copy(copy / "fold_1" / "final.pt", copy / "fold_0" / "final.pt")
    sign_again(copy)
    found = verdicts(copy)
    assert (found["files"], found["networks"], found["epoch"]) == (PASS, FAIL, FAIL)  # it knows fold 0's clips


def test_an_earlier_epoch_is_found_by_the_log(copy):
    log = copy / "fold_1" / "log.csv"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    assert verdicts(copy)["epoch"] == FAIL
    assert findings(copy)["epoch"][1] == "logs of 1, 2 epochs, expected 2"


def test_changed_folds_are_found(copy):
    path = copy / "folds.json"
    folds = json.loads(path.read_text())
    folds["tests"][1].append(folds["tests"][0].pop())
    path.write_text(json.dumps(folds))
    found = verdicts(copy)
    assert (found["files"], found["predictions"]) == (FAIL, FAIL)
    assert "config.json, env.json or folds.json, since folds 0, 1 were done" in findings(copy)["files"][1]


def test_shared_subjects_fail_where_the_protocol_forbids_them(copy):
    for name, place in (("config.json", ("settings", "protocol")), ("folds.json", ("protocol",))):
        values = json.loads((copy / name).read_text())
        inner = values
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = "group"
        (copy / name).write_text(json.dumps(values))
    assert verdicts(copy)["files"] == FAIL
    sign_again(copy)
    found = verdicts(copy)
    assert (found["files"], found["subjects"], found["clips"]) == (PASS, FAIL, PASS)
    assert (found["folds"], found["networks"]) == (FAIL, FAIL)
    assert findings(copy)["subjects"][1].endswith("; the protocol says group")


def test_without_its_pack_the_rest_is_still_checked(copy):
    edit_predictions(copy)
    next(copy.parent.glob("*.npz")).unlink()
    found = verdicts(copy)
    assert (found["files"], found["pack"]) == (FAIL, NOTE)
    assert "pictures" not in found


def test_another_pack_is_no_note(copy):
    pack = next(copy.parent.glob("*.npz"))
    pack.write_bytes(pack.read_bytes() + b"\0")
    assert verdicts(copy)["pack"] == FAIL


def test_a_file_that_is_gone_is_found(copy):
    (copy / "fold_0" / "final.pt").unlink()
    assert "fold_0/final.pt (gone)" in findings(copy)["files"][1]


@pytest.mark.parametrize(("quality", "expected"), [(None, FAIL), (90, NOTE)])
def test_a_clip_that_is_there_twice_is_found(tmp_path, quality, expected):
    """The same recording under two names, of two people even; as it is, or encoded once more."""
    rng = np.random.default_rng(0)
    rows = ["clip,subject,emotion,stacked_image"]
    for n in range(8):
        noise = cv2.resize(rng.integers(0, 256, (8, 8, 3), np.uint8), (128, 128), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / f"{n}.png"), noise)
        rows.append(f"c{n},p{n % 4},{('fear', 'joy')[n // 4]},{n}.png")
    twin = cv2.imread(str(tmp_path / "0.png"))
    if quality is None:
        cv2.imwrite(str(tmp_path / "twin.png"), twin)
    else:
        cv2.imwrite(
            str(tmp_path / "twin.jpg"),
            twin,
            [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111],
        )
    rows.append(f"twin,p9,fear,twin.{'png' if quality is None else 'jpg'}")
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n")
    run("extract", "m.csv", "--aligned", "--size", 64, cwd=tmp_path)
    ids = ["m/p9/twin", *(f"m/p{n % 4}/c{n}" for n in range(8))]
    folds = ["clip,fold", *(f"{name},{int(name in ('m/p0/c0', 'm/p0/c4'))}" for name in ids)]
    (tmp_path / "folds.csv").write_text("\n".join(folds) + "\n")
    run("cv", "m.npz", *TINY[:-4], "--face-size", 32, "--folds-file", "folds.csv", "-o", "twins", cwd=tmp_path)
    check = next(check for check in audit_run(tmp_path / "twins") if check.name == "pictures")
    assert check.verdict == expected, check
    assert ("m/p0/c0" in check.detail, "m/p9/twin" in check.detail) == (True, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--maps", "a.png"), "--audit: prints text or json and nothing else; leave out --maps"),
        (("--format", "md"), "--audit: prints text or json and nothing else; leave out --format md"),
    ],
)
def test_options_that_do_not_go_with_an_audit(copy, options, message):
    done = run("report", "--audit", copy, *options, cwd=copy.parent, check=False)
    assert done.returncode == 2
    assert message in done.stderr


def test_what_cannot_be_audited(copy, tmp_path):
    done = run("report", "--audit", tmp_path, cwd=tmp_path, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    (copy / "fold_1" / "done.json").unlink()
    done = run("report", "--audit", copy, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "fold 1 is not done" in done.stderr
