"""The MEGC2019 composite: three complete made-up data sets through the commands, joined under one protocol."""

from __future__ import annotations

import json
import os
from collections import Counter

import cv2
import numpy as np
import pytest

from mertool.clips import subject_key_of_id
from mertool.evaluation.folds import Folds, subject_overlap
from tests.support.command import TINY, run
from tests.support.reports import flat
from tests.support.samm import HEADER, PREAMBLE, full_table, write_table

CASME2_HEADER = ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "AU", "Estimated Emotion"]
RELABELLED = ("EP07_01", "EP07_04f", "EP10_03")


def casme2_rows(release):
    """255 made-up rows of 26 subjects with the counts of a release and the clips that the composite's rules name."""
    special = [(24, name, "sadness" if release == "20140508" else "surprise") for name in RELABELLED]
    special += [(4, "EP12_01f", "disgust"), (5, "EP09_05f", "disgust")]
    counts = {"disgust": 61, "fear": 2, "happiness": 32, "others": 99, "repression": 27, "sadness": 4, "surprise": 25}
    plain = [emotion for emotion, count in counts.items() for _ in range(count)]
    outside = ("others", "fear", "sadness")
    inside = iter([n for n in range(1, 27) if n not in (10, 18)] * 20)
    alone = iter((10, 18) * 200)
    rows = []
    for number, emotion in enumerate(plain):
        subject = next(alone) if emotion in outside and number % 2 else next(inside)
        rows.append([f"{subject:02d}", f"EP{20 + number}_01", None, 1, 2, 3, None, "4", emotion])
    for subject, name, emotion in special:
        apex = {"EP12_01f": "/", "EP09_05f": 1}.get(name, 2)
        rows.append([f"{subject:02d}", name, None, 1, apex, 3, None, "?", emotion])
    return rows


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    path = tmp_path_factory.mktemp("frame") / "frame.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    cv2.imwrite(str(path), noise)
    return path


def place(frame, folder, names):
    folder.mkdir(parents=True)
    for name in names:
        os.link(frame, folder / name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, frame):
    """Complete SAMM, CASME II (both releases) and SMIC, with one picture as every frame, and their packs."""
    home = tmp_path_factory.mktemp("composite é")
    rows = full_table()
    write_table(home / "SAMM" / "SAMM_Micro_FACS_Codes_v2.xlsx", rows, HEADER, PREAMBLE)
    # The composite has 28 subjects of SAMM: 025 shows nothing but Other.
    own = [line for line in rows if line[0] == "025"]
    others = [line for line in rows if line[9] == "Other" and line[0] != "025"][: len(own)]
    for line, other in zip(own, others, strict=True):
        line[9], other[9] = other[9], line[9]
    write_table(home / "SAMM" / "SAMM_Micro_FACS_Codes_v2.xlsx", rows, HEADER, PREAMBLE)
    for line in rows:
        place(frame, home / "SAMM" / line[0] / line[1], [f"{line[0]}_{n:04d}.png" for n in range(line[3], line[5] + 1)])
    for release in ("20140508", "20190701"):
        root = home / f"CASME2 {release}"
        rows = casme2_rows(release)
        write_table(root / f"CASME2-coding-{release}.xlsx", rows, CASME2_HEADER, [])
        for line in rows:
            place(frame, root / "CASME2-RAW" / f"sub{line[0]}" / line[1], [f"img{n}.png" for n in (1, 2, 3)])
    subjects = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 18, 19, 20)
    label = {"ne": ("negative", 70), "po": ("positive", 51), "sur": ("surprise", 43)}
    for code, (emotion, count) in label.items():
        for n in range(count):
            s = subjects[n % 16]
            place(
                frame,
                home / "SMIC" / "HS" / f"s{s}" / "micro" / emotion / f"s{s}_{code}_{n // 16 + 1:02d}",
                [f"image{n:06d}.png" for n in range(123450, 123455)],
            )
    for name in ("SAMM", "CASME2 20140508", "CASME2 20190701", "SMIC"):
        assert run("extract", name, "--verify", cwd=home).returncode == 0
        run("extract", name, "--aligned", "--size", 64, cwd=home)
    return home


PACKS = ("SAMM.npz", "CASME2 20140508.npz", "SMIC.npz")
COMPOSITE = ("--classes", "megc3", "--protocol", "loso", *TINY[:-4], "--face-size", "32")


@pytest.mark.parametrize("release", ["20140508", "20190701"])
def test_complete_data_are_442_clips_of_68_subjects(folder, release):
    packs = ("SAMM.npz", f"CASME2 {release}.npz", "SMIC.npz")
    done = run("cv", *packs, *COMPOSITE, "--fold", 0, "-o", release, cwd=folder)
    assert "megc3: smic-hs complete, 164 clips of 16 subjects" in done.stderr
    assert "megc3: casme2 complete, 145 clips of 24 subjects" in done.stderr
    assert "megc3: samm complete, 133 clips of 28 subjects" in done.stderr
    assert "megc3: 442 clips of 68 subjects; MEGC2019 has 442 of 68" in done.stderr
    config = json.loads((folder / release / "config.json").read_text())
    assert (len(config["clips"]), config["settings"]["folds"], config["settings"]["protocol"]) == (442, 68, "loso")
    folds = Folds.load(folder / release / "folds.json")
    assert [len({subject_key_of_id(name) for name in ids}) for ids in folds.tests] == [1] * 68
    assert not any(part.n_shared for part in subject_overlap(folds))
    assert not {"casme2/sub04/EP12_01f", "casme2/sub05/EP09_05f"} & set(config["clips"])
    assert not any(f"casme2/sub24/{name}" in config["clips"] for name in RELABELLED)


def test_classes_are_those_of_the_composite(folder):
    from mertool.datasets.labels import CLASS_SETS
    from mertool.pack import load_pack

    counts = Counter()
    for name in PACKS:
        pack = load_pack(folder / name)
        counts.update(map(CLASS_SETS["megc3"].class_of, pack.dataset, pack.emotion, pack.subject, pack.clip_name))
    assert (counts["negative"], counts["positive"], counts["surprise"]) == (250, 109, 83)


def test_what_is_missing_is_said(folder):
    done = run("cv", *PACKS[:2], *COMPOSITE, "--fold", 0, "-o", "two", cwd=folder)
    assert "megc3: smic-hs missing, 164 clips" in done.stderr
    assert "megc3: 278 clips of 52 subjects; MEGC2019 has 442 of 68" in done.stderr
    broken = folder / "SMIC part"
    for path in sorted((folder / "SMIC").rglob("*.png")):
        if "/s20/" not in path.as_posix():
            target = broken / path.relative_to(folder / "SMIC")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
    run("extract", broken.name, "--aligned", "--size", 64, cwd=folder)
    done = run("cv", "SMIC part.npz", *COMPOSITE, "--fold", 0, "-o", "part", cwd=folder)
    assert "megc3: smic-hs negative 66 of 70, positive 48 of 51, surprise 41 of 43; 15 of 16 subjects" in done.stderr
    assert "megc3: casme2 missing, 145 clips" in done.stderr


def test_loso_refuses_folds_and_an_unknown_fold(folder):
    done = run("cv", *PACKS, *COMPOSITE, "--folds", 5, "-o", "refused", cwd=folder, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "Error: --folds: with --protocol loso every subject is one fold; leave it out",
    )
    done = run("cv", *PACKS, *COMPOSITE, "--fold", 68, "-o", "refused", cwd=folder, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "Error: --fold: expected 0 to 67, got 68")
    assert not (folder / "refused").exists()


def test_a_whole_loso_run_is_reported_as_subject_independent(folder):
    """SMIC alone: sixteen folds, then the report."""
    run("cv", "SMIC.npz", "--protocol", "loso", *COMPOSITE[4:], "--epochs", 1, "-o", "loso", "--quiet", cwd=folder)
    text = flat(run("report", "loso", cwd=folder).stdout)
    assert "loso, 16 folds" in text
    assert "Subject-independent: none of 16 subjects has clips in both training and test parts." in text
    results = json.loads((folder / "loso" / "results.json").read_text())
    assert (results["n"], results["n_subjects"], len(results["fold_hits"])) == (164, 16, 16)


def test_cameras_that_filmed_the_same_moments_do_not_meet_unseen(folder, frame):
    """What HS shows of a person in one fold, VIS would show in another: joined only where people are kept apart."""
    for n in range(4):
        for code, emotion in (("ne", "negative"), ("po", "positive"), ("sur", "surprise")):
            home = folder / "two cameras" / "VIS" / f"s1{n + 1}" / "micro" / emotion / f"s1{n + 1}_{code}_01"
            place(frame, home, [f"{k:05d}.png" for k in range(100, 105)])
    run("extract", "two cameras", "--aligned", "--size", 64, "-o", "VIS.npz", cwd=folder)
    network = (*TINY[:-4], "--face-size", "32")
    both = ("cv", "SMIC.npz", "VIS.npz", *network, "--folds", 2)
    done = run(*both, "-o", "both", cwd=folder, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "Error: smic-hs and smic-vis filmed the same moments, which would be trained on and tested; "
        "give one of them, or --protocol loso or group",
    )
    done = run(*both[:-2], "--protocol", "loso", "--fold", 0, "-o", "apart", cwd=folder)
    folds = Folds.load(folder / "apart" / "folds.json")
    assert len(folds.tests) == 16  # not 20: the people before VIS are four of those before HS
    run("train", "VIS.npz", *network, "-o", "taught", cwd=folder)
    done = run("cv", "SMIC.npz", *network, "--init", "taught", "-o", "leak", cwd=folder, check=False)
    assert done.returncode == 1
    assert "taught: was trained on smic-vis/s11/s11_ne_01, and smic-hs filmed the same moments" in done.stderr
    assert not (folder / "leak").exists()
