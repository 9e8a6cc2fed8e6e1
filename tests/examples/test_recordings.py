"""The made-up recordings: shaped like the data sets on disk, real faces that move as they should, always the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest
import skimage.data
from python_calamine import CalamineWorkbook

from mertool.datasets.frames import frame_number, is_junk
from mertool.datasets.labels import canonical_emotion
from mertool.extraction.image_files import read_picture, write_png
from mertool.extraction.stabilise import Stabiliser
from mertool.regions import FLIP68, compose, crop_transform, invert

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))  # as when the script runs
from typing import Any

from recordings import DEFAULT_LENGTHS, LAYOUTS, TITLES, Conditions, Move, Recording, plan_layout, write_empty, writing
from recordings.movement import (
    ACTION_UNITS,
    PROTOTYPES,
    Expression,
    Scene,
    action_units,
    draw_expression,
    gaussian_field,
    render,
    time_course,
)
from recordings.people import load_portraits, make_subjects, portrait_files
from recordings.plan import BASIC, deal
from recordings.tables import write_book

from tests.support.reports import flat

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "make_recordings.py"
SMALL = ("--subjects", "2", "--clips-per-subject", "6", "--length", "8", "12", "--seed", "5")
TABLE = "SAMM_Micro_FACS_Codes_v2.xlsx"


def run(*arguments):
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("recordings") / "SAMM"
    done = run(*SMALL, "--jobs", 2, out)
    assert (done.returncode, done.stdout) == (0, f"{out}\n")
    assert done.stderr.strip() == "14 of 14 recordings"
    return out


@pytest.fixture(scope="module")
def rows(made):
    sheet = openpyxl.load_workbook(made / TABLE)["MICRO_ONLY"]
    header, *data = sheet.iter_rows(min_row=14, values_only=True)
    return [dict(zip(header, row, strict=True)) for row in data]


def frames_of(made, row):
    """Frame number -> path of a clip."""
    folder = made / row["Subject"] / row["Filename"]
    return {int(path.stem.split("_")[1]): path for path in folder.glob("*.jpg")}


def key_numbers(row):
    onset, apex, offset = (row[f"{name} Frame"] for name in ("Onset", "Apex", "Offset"))
    if not onset <= apex <= offset:
        apex = (onset + offset) // 2
    return onset, (onset + apex) // 2, apex


def inter_ocular(points):
    return np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0))


# Files


def test_table_is_shaped_like_samm_s(made, rows):
    book = openpyxl.load_workbook(made / TABLE)
    assert book.sheetnames == ["MICRO_ONLY"]
    sheet = book["MICRO_ONLY"]
    assert sheet["A1"].value.startswith("Made-up recordings")
    assert all(sheet[cell].value for cell in ("E1", "E4", "I3"))
    assert all(sheet.cell(row, 1).value != "Subject" for row in range(1, 14))
    assert [cell.value for cell in sheet[14]] == [
        *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro"),
        *("Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
    ]
    assert len(rows) == 14
    for number, row in enumerate(rows, 15):
        assert row["Subject"] in ("006", "007")
        assert re.fullmatch(rf"{row['Subject']}_{row['Inducement Code']}_\d+", row["Filename"])
        assert row["Duration"] == f"=F{number}-D{number}+1"
        assert row["Micro"] == "Micro - 1/2"
        assert re.fullmatch(r"[LR]?\d+(\+[LR]?\d+)*", str(row["Action Units"]))
        assert 8 <= row["Offset Frame"] - row["Onset Frame"] + 1 <= 12
    assert len({row["Filename"] for row in rows}) == 14
    emotions = Counter(row["Estimated Emotion"] for row in rows)
    assert emotions.pop("Other") == emotions.pop("Contempt") == 1
    assert sum(emotions.values()) == 12
    assert set(emotions) == {"Anger", "Happiness", "Surprise", "Disgust", "Fear", "Sadness"}


def test_folders_hold_every_frame_from_onset_to_offset_and_nothing_else(made, rows):
    for row in rows:
        assert sorted(frames_of(made, row)) == list(range(row["Onset Frame"], row["Offset Frame"] + 1))
    assert {path.name for path in made.rglob("*") if path.suffix != ".jpg" and path.is_file()} == {
        *(TABLE, f"~${TABLE}", "README.txt", ".DS_Store", "Thumbs.db"),
    }
    assert sum(path.suffix == ".jpg" for path in made.rglob("*")) == sum(len(frames_of(made, row)) for row in rows)
    assert "MADE-UP RECORDINGS" in (made / "README.txt").read_text(encoding="utf-8")


def test_padding_is_that_of_a_source_video_and_mixed(made, rows):
    padding = {}
    for row in rows:
        lengths = {len(path.stem.split("_")[1]) for path in frames_of(made, row).values()}
        assert len(lengths) == 1
        padding.setdefault(row["Filename"].rpartition("_")[0], set()).update(lengths)
    assert all(len(lengths) == 1 for lengths in padding.values())
    assert set.union(*padding.values()) == {4, 5}


def test_frames_are_grey_and_of_samm_s_size(made):
    paths = sorted(made.rglob("*.jpg"))
    images = [read_picture(path) for path in (paths[0], paths[len(paths) // 2], paths[-1])]
    assert [image.shape for image in images] == [(650, 960)] * 3
    assert all(40 < image.mean() < 215 and image.std() > 20 for image in images)


def test_two_apexes_are_impossible_and_the_others_in_the_middle_third(rows):
    behind = before = 0
    for row in rows:
        onset, apex, offset = (row[f"{name} Frame"] for name in ("Onset", "Apex", "Offset"))
        if onset <= apex <= offset:
            assert 0.25 <= (apex - onset) / (offset - onset) <= 0.75  # a third, and rounding of 8 to 12 frames
            continue
        assert row["Estimated Emotion"] in ("Other", "Contempt")
        behind += apex > offset
        before += 0 < apex < onset
    assert (behind, before) == (1, 1)


def test_same_seed_same_bytes_whatever_the_jobs(made, tmp_path):
    assert run(*SMALL, "--jobs", 1, tmp_path / "again").returncode == 0
    paths = sorted(path.relative_to(made) for path in made.rglob("*"))
    assert paths == sorted(path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*"))
    for path in paths:
        if (made / path).is_file():
            assert (made / path).read_bytes() == (tmp_path / "again" / path).read_bytes(), path


# What is to be seen


def test_faces_are_found_and_move_as_little_as_they_should(made, rows, finder):
    """Dense flow from onset to apex, as pixels at an inter-ocular distance of 100."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow.setFinestScale(0)
    peaks, sizes = [], {}
    for row in rows:
        paths = frames_of(made, row)
        images = [read_picture(paths[number]) for number in key_numbers(row)]
        faces = [finder.find(image) for image in images]
        assert all(face is not None for face in faces)
        points = faces[0].landmarks
        sizes.setdefault(row["Subject"], []).append(inter_ocular(points))
        transform = crop_transform(points, 512)
        head = Stabiliser(images[0], points).motion(images[2])
        onset, apex = (
            cv2.GaussianBlur(
                cv2.warpAffine(image, place, (512, 512), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP),
                (0, 0),
                1.5,
            )
            for image, place in ((images[0], transform), (images[2], compose(head.transform, transform)))
        )
        inside = points @ invert(transform)[:, :2].T + invert(transform)[:, 2]
        motion = cv2.GaussianBlur(flow.calc(onset, apex, None), (0, 0), 4) * 100 / inter_ocular(inside)
        face = cv2.fillConvexPoly(np.zeros((512, 512), np.uint8), cv2.convexHull(np.rint(inside).astype(np.int32)), 1)
        for eye in (inside[36:42], inside[42:48]):  # a blink moves lids by up to 10 px
            cv2.circle(face, np.rint(eye.mean(0)).astype(int).tolist(), round(inter_ocular(inside) / 3), 0, -1)
        length = np.linalg.norm(motion - np.median(motion[face > 0], 0), axis=-1)
        peaks.append(np.percentile(length[face > 0], 99.5))
    assert min(peaks) > 0.25  # what moves only the lids is not counted
    assert max(peaks) < 3.3
    assert 0.8 < np.median(peaks) < 2.0
    for values in sizes.values():
        assert 90 < min(values) <= max(values) < 140


def test_frames_return_towards_the_onset_after_the_apex(made, rows):
    row = next(row for row in rows if row["Estimated Emotion"] == "Anger")
    paths = frames_of(made, row)
    images = {number: read_picture(path).astype(np.float32) for number, path in paths.items()}
    onset, middle, apex = key_numbers(row)
    change = {number: np.abs(cv2.blur(image - images[onset], (5, 5))).mean() for number, image in images.items()}
    assert 0 < change[middle] < change[apex]
    noise = images[onset] - cv2.medianBlur(images[onset], 3)
    assert not np.array_equal(noise, images[apex] - cv2.medianBlur(images[apex], 3))


@pytest.mark.parametrize(
    ("unit", "landmark", "outwards", "upwards"),
    [
        (1, 21, 0, 1),
        (2, 18, 0, 1),
        (4, 20, -1, -1),
        (5, 37, 0, 1),
        (7, 41, 0, 1),
        (9, 31, 0, 1),
        (10, 50, 0, 1),
        (12, 48, 1, 1),
        (14, 48, -1, 0),
        (15, 48, 0, -1),
        (17, 58, 0, 1),
        (20, 48, 1, 0),
        (24, 50, 0, -1),
        (25, 58, 0, -1),
        (26, 7, 0, -1),
    ],
)
def test_action_units_pull_the_right_way_on_both_sides(finder, unit, landmark, outwards, upwards):
    landmarks = finder.find(skimage.data.astronaut()[..., 0]).landmarks
    landmarks = (landmarks - landmarks.mean(0)) * 2.5 + [480, 300]
    landmarks = (landmarks + (landmarks[FLIP68] * [-1, 1] + [960, 0])) / 2  # upright and symmetrical
    field = gaussian_field([(p, 1.0, 1.0) for p in ACTION_UNITS[unit]], landmarks, 108.0, (960, 650))
    one_sided = gaussian_field([(p, 1.0, 0.0) for p in ACTION_UNITS[unit]], landmarks, 108.0, (960, 650))
    for side, index in ((1, landmark), (-1, FLIP68[landmark])):
        x, y = np.rint(landmarks[index]).astype(int)
        along, down = field[y, x]
        for wanted, got in ((outwards, -side * along), (upwards, -down)):
            assert got * wanted > 0.25 if wanted else abs(got) < 0.5 * np.hypot(along, down)
    assert np.allclose(field[:, 1:], field[:, :0:-1] * np.array([-1, 1], np.float32), atol=2e-3)  # mirror about x = 480
    both = one_sided[:, 1:] + one_sided[:, :0:-1] * np.array([-1, 1], np.float32)
    assert np.allclose(both, field[:, 1:], atol=2e-3)
    assert np.isfinite(field).all()


def test_time_course_rises_once_to_one_and_falls():
    for n_frames, apex in ((8, 3), (40, 20), (9, 7)):
        course = time_course(n_frames, apex, 0.3)
        assert course[0] == 0
        assert course[apex] == course.max() == 1
        assert course[-1] == pytest.approx(0.3)
        assert (np.diff(course[: apex + 1]) > 0).all()
        assert (np.diff(course[apex:]) < 0).all()


@pytest.mark.parametrize("total", [6, 12, 72, 156])
def test_emotions_are_unbalanced_like_samm_but_each_fills_five_folds(total):
    counts = Counter(deal(total))
    assert sum(counts.values()) == total
    assert min(counts[emotion] for emotion in BASIC) >= min(6, total // 6)
    if total >= 72:
        assert counts.most_common(1)[0][0] == "Anger"
        assert 0.35 <= counts["Anger"] / total <= 0.45


def test_every_emotion_draws_its_own_units_and_says_which_side():
    for emotion, chances in PROTOTYPES.items():
        drawn = [draw_expression(emotion, np.random.default_rng(seed)) for seed in range(60)]
        assert all(set(expression.units) & set(chances) for expression in drawn)
        assert len({tuple(sorted(expression.units)) for expression in drawn}) > 1
        sides = Counter(str(expression)[0] for expression in drawn)
        assert (sides["R"] + sides["L"] == 60) == (emotion == "Contempt")
    assert str(Expression({12: 1.0, 6: 0.5}, (1.0, 0.2))) == "R6+R12"
    assert str(Expression({4: 1.0}, (1.0, 0.8))) == "4"


# Portraits


def test_portraits_from_a_folder_unusable_ones_named_and_left_out(tmp_path):
    portraits = tmp_path / "Porträts"
    portraits.mkdir()
    image = skimage.data.astronaut()[..., ::-1]
    write_png(portraits / "b.png", image)
    write_png(portraits / "a.png", image[:, ::-1])
    write_png(portraits / "empty.png", np.full((300, 300), 90, np.uint8))
    (portraits / "text.jpg").write_text("no picture")
    (portraits / "notes.txt").write_text("ignored")
    done = run("--portraits", portraits, "--clips-per-subject", 1, "--length", 8, 8, tmp_path / "out")
    assert done.returncode == 0
    assert "left out: empty.png: no face found" in done.stderr
    assert re.search(r"left out: .*text\.jpg: expected a picture", done.stderr)
    readme = (tmp_path / "out" / "README.txt").read_text(encoding="utf-8")
    assert readme.endswith("006      a.png\n007      b.png\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["006", "007"]


def test_person_folders_give_their_neutral_picture(tmp_path):
    for name in ("p2/neutral.JPG", "p1/neutral.png", "p1/smiling.png", "other.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert portrait_files(tmp_path) == [tmp_path / "p1" / "neutral.png", tmp_path / "p2" / "neutral.JPG"]


def test_variants_of_one_portrait_differ_in_shape_and_skin(finder):
    subjects = make_subjects(load_portraits(None, finder), 4, 0)
    assert len(subjects) == 4
    assert len({tuple(subject.shape) for subject in subjects}) == 4
    assert all(np.abs(subject.shape).max() > 0.5 for subject in subjects)
    single = make_subjects(load_portraits(None, finder), 1, 0)
    assert not single[0].shape.any()  # a portrait that is used once keeps its own face


@pytest.mark.parametrize(
    ("existing", "arguments", "code", "message"),
    [
        ("out/x", ("out",), 1, "out: already there and not an empty folder; remove it or choose another"),
        ("out", ("out",), 1, "out: already there and not an empty folder; remove it or choose another"),
        ("none/x.txt", ("--portraits", "none", "out"), 1, "none: no usable portrait; expected pictures with a frontal"),
        ("", ("--portraits", "missing", "out"), 2, "'missing' does not exist"),
        ("", ("--length", 12, 8, "out"), 2, "expected MIN <= MAX, got 12 8"),
        ("", ("--layout", "casme4", "out"), 2, "'casme4' is not one of 'samm'"),
        ("file", ("--clips-per-subject", 1, "file/out"), 1, "file/out: cannot be written: not a directory"),
    ],
)
def test_refusals_are_one_line(tmp_path, monkeypatch, existing, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    if existing:
        Path(existing).parent.mkdir(exist_ok=True)
        Path(existing).touch()
    done = run(*arguments)
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_help_names_every_layout_and_has_an_example():
    done = run("--help")
    assert done.returncode == 0
    assert "python examples/make_recordings.py --portraits portraits recordings" in done.stdout
    assert all(layout in done.stdout for layout in LAYOUTS)
    assert "24 40, for smic 8 12" in flat(done.stdout)
    assert "    python examples/make_recordings.py --layout casme2 --subjects 4 CASME2\n" in done.stdout
    assert {layout: length for layout, length in DEFAULT_LENGTHS.items() if length != (24, 40)} == {"smic": (8, 12)}
    assert TITLES.keys() == LAYOUTS.keys()


# Other layouts, planned and written with empty frames

# Where the frames of a clip lie, as the data sets have it; {s} subject, {c} clip, {n} the subject's number.
FOLDERS = {
    "samm": "{s}/{c}",
    "samm-lv": "SAMM_longvideos/SAMM_longvideos/{v}",
    "casme2": "CASME2_RAW_selected/CASME2_RAW_selected/{s}/{c}",
    "smic-hs": "SMIC_all_raw/SMIC_all_raw/HS/{s}/micro/{e}/{c}",
    "smic-vis": "SMIC_all_raw/SMIC_all_raw/VIS/{s}/micro/{e}/{c}",
    "smic-nir": "SMIC_all_raw/SMIC_all_raw/NIR/{s}/micro/{e}/{c}",
    "smic-e-hs": "SMIC-E_raw image/HS_long/SMIC-HS-E/s{n:02d}/{c}",
    "smic-e-vis": "SMIC-E_raw image/VIS_long/SMIC_VIS_E/SMIC_VIS_E/VIS/s{n:02d}/{c}",
    "smic-e-nir": "SMIC-E_raw image/NIR_long/SMIC-NIR-E/NIR/s{n:02d}/{c}",
    "ckplus": "CK+/extended-cohn-kanade-images/cohn-kanade-images/{s}/{c}",
    "mmew": "MMEW_Final/Micro_Expression/*/{c}",
    "mmew-macro": "MMEW_Final/Macro_Expression/{s}/{e}",
    "casme": "CASME_raw_selected/{s}/{c}",
    "casme-squared": "CAS(ME)^2/rawpic/{s}/{n}_{code:04d}*",
    "casme-squared-macro": "CAS(ME)^2/rawpic/{s}/{n}_{code:04d}*",
    "casme3": "part_A/data/part_A_split/part_A/{s}/{v}/color",
    "4dme": "gray_micro/{s}/{c}",
}
INSIDE = {"s3_ne_03": "s3_ne_02", "s9_sur_02": "s9_sur_01", "s4_ne_05": "s4_ne_04", "s4_ne_06": "s4_ne_04"}
CODES = {"disgust1": 101, "disgust2": 102, "anger1": 401, "anger2": 402, "happy2": 502, "happy3": 503}
TABLES = {
    "samm": [TABLE],
    "samm-lv": ["SAMM_LongVideos_V2_Release.xlsx", TABLE],
    "casme2": ["CASME2-coding-20190701.xlsx", "CASME2-ObjectiveClasses.xlsx"],
    "smic": [],
    "smic-e": [
        "SMIC-E_raw image/HS_long/SMIC-HS-E_annotation_2019.xlsx",
        "SMIC-E_raw image/VIS_long/SMIC_VIS_E_annotation.xlsx",
        "SMIC-E_raw image/NIR_long/SMIC-NIR-E_annotation.xlsx",
    ],
    "ckplus": [],
    "mmew": ["MMEW_Final/MMEW_Micro_Exp.xlsx"],
    "casme": ["CASME-coded-20190721.xls"],
    "casme-squared": ["CAS(ME)^2/CAS(ME)^2code_final.xlsx"],
    "casme3": ["part_A/annotation/cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"],
    "4dme": ["4DME_Labelling_Micro_release v1.xlsx"],
}
DATASETS = {
    "samm-lv": {"samm"},
    "smic": {"smic-hs", "smic-vis", "smic-nir"},
    "smic-e": {"smic-hs", "smic-vis", "smic-nir"},
    "mmew": {"mmew", "mmew-macro"},
    "casme-squared": {"casme-squared", "casme-squared-macro"},
}


def planned(layout, subjects=3, clips=4, length=(8, 12), seed=3):
    return plan_layout(layout, subjects, clips, length, seed)


@pytest.fixture(scope="module", params=list(LAYOUTS))
def written(request, tmp_path_factory):
    """A plan and its folder with empty frames."""
    plan, out = planned(request.param), tmp_path_factory.mktemp(request.param) / "out"
    write_empty(plan, out)
    return plan, out


def folders_of(plan, truth, out):
    kind = truth.dataset
    if plan.layout in ("samm-lv", "smic-e"):
        kind = plan.layout + ("" if plan.layout == "samm-lv" else truth.dataset.removeprefix("smic"))
    pattern = FOLDERS[kind].format(
        s=truth.subject,
        c=INSIDE.get(truth.clip, truth.clip) if plan.layout == "smic-e" else truth.clip,
        e=truth.emotion,
        v=truth.clip.rpartition("_")[0],
        n=int(re.search(r"\d+$", truth.subject)[0]),
        code=CODES.get(truth.clip.partition("_")[0], 0),
    )
    return [path for path in out.glob(pattern) if path.is_dir()]


def numbers_in(folder):
    return {frame_number(path.name) for path in folder.iterdir() if frame_number(path.name) is not None}


def every_cell(plan):
    return [cell for rows in plan.cells.values() for row in rows for cell in row]


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_usable_truth_has_its_frames_and_no_other_truth_has_a_folder(written):
    plan, out = written
    assert {truth.dataset for truth in plan.truths} == DATASETS.get(plan.layout, {plan.layout})
    assert len({(truth.dataset, truth.subject, truth.clip) for truth in plan.truths}) == len(plan.truths)
    for truth in plan.truths:
        folders = folders_of(plan, truth, out)
        assert len(folders) == truth.usable, truth
        assert truth.usable or truth.odd
        if truth.onset == -1:
            assert (folders[0] / f"{truth.clip}.jpg").is_file()
        elif truth.usable:
            wanted = {truth.onset, truth.apex, truth.offset} - {None}
            assert wanted <= numbers_in(folders[0]), truth
            assert truth.onset <= (truth.apex or truth.onset) <= (truth.offset or 10**9)
        assert truth.emotion == canonical_emotion(truth.emotion)
    if plan.layout not in ("samm", "smic"):
        assert any(not truth.usable for truth in plan.truths)


def test_frames_on_disk_are_those_of_the_plan(written):
    plan, out = written
    wanted = {out / name for recording in plan.recordings for name in recording.paths}
    assert len(wanted) == sum(len(recording.paths) for recording in plan.recordings)
    depth = {out / name for name in plan.junk if "/depth/" in name}
    assert {path for path in out.rglob("*") if frame_number(path.name) is not None} == wanted | depth
    gaps = [recording for recording in plan.recordings if recording.written is not None]
    assert bool(gaps) == (plan.layout in ("smic", "casme3"))
    assert len({path.suffix for path in wanted}) == 1


def test_moves_are_the_truths(written):
    """Each usable truth is a move of its recording: same emotion, same frames; and no two moves overlap."""
    plan, out = written
    moves = {}
    for recording in plan.recordings:
        end = -1
        for move in recording.moves:
            assert end < move.onset <= move.apex <= move.offset < len(recording.files)
            end = move.offset
            paths = [Path(recording.files[k]) for k in (move.onset, move.apex, move.offset)]
            moves[(out / paths[0]).parent, frame_number(paths[0].name)] = move, [frame_number(p.name) for p in paths]
    for truth in (truth for truth in plan.truths if truth.usable and truth.onset != -1):
        move, (_, apex, offset) = moves[folders_of(plan, truth, out)[0], truth.onset]
        assert move.emotion.lower() in truth.emotion
        assert truth.apex in (None, apex) or truth.odd == "apex = offset"
        assert truth.offset in (None, offset) or truth.odd == "offset before the apex"
        assert move.macro == (truth.dataset.endswith("-macro") or truth.dataset == "ckplus")


def test_strays_are_there_and_junk_is_junk(written):
    plan, out = written
    assert bool(plan.strays) == (plan.layout not in ("samm", "smic"))
    known = {folder for truth in plan.truths for folder in folders_of(plan, truth, out)}
    for stray in plan.strays:
        folder = out / stray / "color" if plan.layout == "casme3" else out / stray
        assert numbers_in(folder)
        assert folder not in known
    for name, content in plan.junk.items():
        assert (out / name).read_bytes() == content
        assert is_junk(Path(name).name) or "/depth/" in name
    kinds = {Path(name).name for name in plan.junk}
    assert ".DS_Store" in kinds
    assert "Thumbs.db" in kinds
    assert any(name.startswith("~$") for name in kinds) == bool(TABLES[plan.layout])


def test_readme_lists_the_oddities(written):
    plan, out = written
    text = (out / "README.txt").read_text(encoding="utf-8")
    assert f"in the layout of {TITLES[plan.layout]}, made by" in flat(text)
    assert len(set(plan.oddities)) == len(plan.oddities) >= 5
    assert all(f"\n- {line}\n" in text for line in plan.oddities)
    assert all(
        any(truth.clip in line and truth.odd in line for line in plan.oddities) for truth in plan.truths if truth.odd
    )
    assert [line.split()[0] for line in text.splitlines()[-len(plan.people) :]] == list(plan.people)


def test_tables_say_what_the_cells_say(written):
    plan, out = written
    assert sorted(plan.cells) == sorted(TABLES[plan.layout])
    assert {path for path in out.rglob("*.xls*") if not is_junk(path.name)} == {out / name for name in plan.cells}
    for name, rows in plan.cells.items():
        sheet = CalamineWorkbook.from_path(str(out / name)).get_sheet_by_index(0).to_python(skip_empty_area=False)
        units = 0
        for row, found in zip(rows, [*sheet, *[[]] * len(rows)], strict=False):
            for k, cell in enumerate(row):
                text = found[k] if k < len(found) else ""
                if cell == "":
                    assert re.fullmatch(r"[LR]?\d+(\+[LR]?\d+)*(\(k\))?", str(text).removesuffix(".0"))
                    units += 1
                elif str(cell).startswith("="):
                    assert text == ""  # no cached value
                else:
                    assert text == ("" if cell is None else cell)
                    assert isinstance(text, str) == (cell is None or isinstance(cell, str))
        assert units or "Classes" in name or "SMIC" in name


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(written, tmp_path):
    plan, out = written
    write_empty(planned(plan.layout), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(out)
    assert planned(plan.layout, seed=4).truths != plan.truths


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("subjects", "clips", "length"),
    [(1, 1, (8, 8)), (2, 3, (8, 9)), (6, 7, (24, 40)), (40, 3, (8, 8)), (1, 100, (8, 8))],
)
def test_any_number_of_subjects_and_clips_can_be_planned(layout, subjects, clips, length):
    plan = planned(layout, subjects, clips, length)
    files = [name for recording in plan.recordings for name in recording.files]
    assert len({name.lower() for name in files}) == len(files)
    assert len({(truth.dataset, truth.subject, truth.clip) for truth in plan.truths}) == len(plan.truths)
    assert len(plan.people) == len(set(plan.people)) == subjects
    assert {recording.subject for recording in plan.recordings} == set(range(subjects))
    assert sum(truth.usable for truth in plan.truths) >= subjects * clips
    assert all(len(texts) == len(r.moves) for r in plan.recordings for texts in [action_units(r)])


def test_empty_frames_are_links_to_few_files(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "LINKS", 50)
    plan = planned("casme2")
    write_empty(plan, tmp_path)
    stats = [(tmp_path / name).stat() for recording in plan.recordings for name in recording.paths]
    assert {stat.st_size for stat in stats} == {0}
    assert max(stat.st_nlink for stat in stats) == 51
    assert len({stat.st_ino for stat in stats}) == -(-len(stats) // 51)


# What is odd in each of them: values that must stand in the tables, and names that must lie on disk

HEADERS = {
    "samm-lv": (9, ["Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type"]),
    "casme2": (0, ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units"]),
    "smic-e": (0, ["Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F"]),
    "mmew": (0, ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units"]),
    "casme": (0, ["Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "Onset", "Total"]),
    "casme3": (0, ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]),
    "4dme": (0, ["sub_ID'", "video emo'", "fold_name'", "Onset", "Apex", "Offset", "AUs", "Emotion", "eye blink"]),
}
ODD_CELLS: dict[str, list[Any]] = {
    "samm": ["006", "Other", "Contempt"],
    "samm-lv": [-1, 0, "Macro", "Micro - 1/2", "006"],
    "casme2": ["04", "EP12_01f", "/", "EP01_2", "EP06_02_01", "EP09f", "others"],
    "smic-e": [18, "s18_sur_03", "s3_ne_02", "negative"],
    "mmew": ["others", "S13-07-001", 13],
    "casme": ["comtempt", "contempt", "\\", 1],
    "casme-squared": [0, "NULL", "null", "10or11", "4,24", "happyiness", "micro-expression", "macro-expression"],
    "casme3": ["J", "j", 0, "Others", "others", "happy", "sad"],
    "4dme": ["Surprise+Positive", 0, 1],
}
ODD_NAMES = {
    "samm-lv": [r"006_1_00001\.jpg", r"007_1_0001\.jpg"],
    "casme2": [r"img95\.jpg", r"img100\.jpg"],
    "smic": [r"image099995\.bmp", r"image100000\.bmp", r"image034208\.bmp", r"1\d{4}\.bmp"],
    "smic-e": [r"image034\d{3}\.jpg", r"s03", r"s3_ne_02", r"image0\d{5}\.jpg"],
    "ckplus": [r"S501_001_00000001\.png", r"S005_001_000000\d\d_emotion\.txt", r"S005_001_000000\d\d_facs\.txt"],
    "mmew": [r"1\.jpg", r"repression", r"S13-07-001\.jpg"],
    "casme": [r"EP01_5-96\.jpg", r"EP01_5-096\.jpg", r"EP01_5-100\.jpg"],
    "casme-squared": [r"img001\.jpg", r"img100\.jpg", r"15_0503unnyfarting", r"15_0101disgustingteeth"],
    "casme3": [r"3\d\d\.jpg", r"spNO\.1", r"depth"],
    "4dme": [r"Frame_0{5,6}\d{3,4}\.jpg"],
}


def test_what_a_data_set_is_known_for_is_planted(written):
    plan, out = written
    cells = every_cell(plan)
    assert [cell for cell in ODD_CELLS.get(plan.layout, []) if cell not in cells] == []
    names = {path.name for path in out.rglob("*")}
    assert [odd for odd in ODD_NAMES.get(plan.layout, []) if not any(re.fullmatch(odd, n) for n in names)] == []
    if plan.layout in HEADERS:
        at, header = HEADERS[plan.layout]
        assert next(iter(plan.cells.values()))[at][: len(header)] == header
    if plan.layout in ("casme2", "mmew", "casme", "casme-squared", "casme3", "4dme"):
        assert any(isinstance(cell, str) and cell.isdigit() and len(cell) > 1 and cell[0] != "0" for cell in cells)
    if plan.layout in ("smic-e", "mmew", "casme", "4dme"):
        assert any(set(row) == {None} for row in next(iter(plan.cells.values())))


def test_samm_lv_has_the_same_clips_in_both_tables_with_other_numbers(tmp_path):
    plan = planned("samm-lv")
    long, micro = (plan.cells[name] for name in TABLES["samm-lv"])
    onsets = {row[1]: row[3] for row in micro[14:]}
    shifts = {}
    for row in long[10:]:
        if row[7] != "Macro":
            shifts.setdefault(row[1].rpartition("_")[0], set()).add(onsets.pop(row[1]) - row[3])
    assert not onsets
    assert all(len(values) == 1 for values in shifts.values())
    assert {0} < set.union(*shifts.values())
    names = Counter(row[1] for row in long[10:])
    assert [count for count in names.values() if count > 1] == [2]
    assert any(isinstance(row[3], float) for row in long[10:])
    last = {Path(r.files[-1]).parent.name: len(r.files) for r in plan.recordings}
    assert any(row[5] > last.get(row[1].rpartition("_")[0], row[5]) for row in long[10:] if row[7] == "Macro")


def test_smic_e_traps():
    plan = planned("smic-e", 5)
    header, *rows = plan.cells[TABLES["smic-e"][0]]
    by_name = {row[1]: dict(zip(header, row, strict=False)) for row in rows}
    assert rows[0][0] == 20
    junk = by_name["s18_sur_03"]
    assert junk["Emotion"] == "negative"
    assert junk["FirstF"] <= junk["Onset2F"] < junk["Offset2F"] < junk["OnsetF"]
    assert junk["Onset3F"] < junk["Offset3F"] < junk["FirstF"]
    row = by_name["s9_sur_01"]
    assert (row["Onset3F"], row["Offset3F"]) == (row["Onset2F"], row["Offset2F"])
    truths = {truth.clip: truth for truth in plan.truths if truth.dataset == "smic-hs"}
    assert truths["s18_sur_03"].emotion == "surprise"
    for name, column in (("s3_ne_03", "2"), ("s9_sur_02", "2"), ("s4_ne_05", "2"), ("s4_ne_06", "3")):
        row = by_name[INSIDE[name]]
        assert (truths[name].onset, truths[name].offset) == (row[f"Onset{column}F"], row[f"Offset{column}F"])
        assert name not in by_name
    vis = {row[1]: row[3] for row in plan.cells[TABLES["smic-e"][1]][1:]}
    assert vis
    assert all(onset != by_name[name]["OnsetF"] for name, onset in vis.items())
    assert {name.partition("_")[0] for name in vis} == {"s18", "s20"}


def test_smic_has_the_same_clips_in_three_cameras_for_subjects_from_11_on():
    clips = {}
    for truth in planned("smic", 5).truths:
        clips.setdefault(truth.dataset, set()).add(truth.clip)
    assert clips["smic-vis"] == clips["smic-nir"] < clips["smic-hs"]
    assert {name.partition("_")[0] for name in clips["smic-vis"]} == {"s18", "s20"}
    assert {name.partition("_")[0] for name in clips["smic-hs"]} == {"s3", "s4", "s9", "s18", "s20"}


def test_ckplus_labels(tmp_path):
    plan = planned("ckplus")
    write_empty(plan, tmp_path)
    emotions = tmp_path / "CK+" / "Emotion_labels" / "Emotion"
    for truth in plan.truths:
        folder = emotions / truth.subject / truth.clip
        (path,) = folder.glob("*_emotion.txt")
        assert path.name == f"{truth.subject}_{truth.clip}_{truth.offset:08d}_emotion.txt"
        text = path.read_text(encoding="ascii")
        assert re.fullmatch(r"   [1-7]\.0000000e\+00\n", text)
        words = ["anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"]
        assert words[int(float(text)) - 1] == truth.emotion
    unlabelled = [emotions / Path(stray).relative_to(Path(stray).parents[1]) for stray in plan.strays]
    assert {tuple(path.name for path in f.iterdir()) if f.is_dir() else None for f in unlabelled} == {
        *((".DS_Store",), (), None)
    }
    facs = list((tmp_path / "CK+" / "FACS_labels" / "FACS").glob("*/*/*_facs.txt"))
    assert len(facs) == len(plan.recordings)
    assert all(
        re.fullmatch(r"(   \d\.\d{7}e\+0[01]){2}", line)
        for p in facs
        for line in p.read_text(encoding="ascii").splitlines()
    )
    assert {recording.colour for recording in plan.recordings} == {True, False}


def test_mmew_absolute_numbers_stand_for_the_files_from_1_on():
    plan = planned("mmew")
    (rows,) = plan.cells.values()
    truth = next(truth for truth in plan.truths if "of a recording" in truth.odd)
    row = next(row for row in rows if row[1] == truth.clip)
    assert [n - row[2] + 1 for n in row[2:5]] == [truth.onset, truth.apex, truth.offset]
    (recording,) = (r for r in plan.recordings if f"/{truth.clip}/" in r.files[0])
    assert row[3] > len(recording.files) == truth.offset


def test_cells_can_be_written_again_as_csv(tmp_path):
    (rows,) = planned("mmew").cells.values()
    write_book(tmp_path / "a.csv", {"x": rows})
    lines = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,Action Units,Estimated Emotion,remarks"
    assert len(lines) == len(rows)


# Other layouts, rendered


CALM = Conditions(sway=0.3, roll=0.08, yaw=0, blinks=0)


def shown(person, folder, moves, n_frames=24, suffix=".png", colour=False, written=None, conditions=CALM):
    files = tuple(f"a/{k}{suffix}" for k in range(n_frames))
    render(person, Recording(0, files, tuple(moves), (640, 480), colour, (1, 2), written), folder, conditions)
    return {int(path.stem): read_picture(path) for path in (folder / "a").iterdir()}


def test_a_recording_shows_each_move_in_its_time_and_rests_between(person, tmp_path):
    moves = [Move("Surprise", 3, 6, 9), Move("Happiness", 20, 24, 28, macro=True)]
    frames = shown(person, tmp_path / "moving", moves, 40)
    still = shown(person, tmp_path / "still", [], 40)
    assert sorted(frames) == list(range(40))
    low = {k: cv2.GaussianBlur(frame, (0, 0), 3).astype(float) for k, frame in frames.items()}
    change = [np.abs(low[k] - low[2]).max() for k in range(40)]
    calm = [cv2.GaussianBlur(still[k], (0, 0), 3).astype(float) for k in range(40)]
    noise = max(np.abs(calm[k] - calm[2]).max() for k in range(40))
    assert change[6] > 1.2 * change[19]
    assert change[24] > 3 * noise
    assert change[24] > change[6] > change[1]
    assert change[39] < change[24] / 2


def test_missing_frames_are_not_written_and_the_others_are_there(person, tmp_path):
    assert sorted(shown(person, tmp_path, [Move("Fear", 0, 4, 7)], 8, written=(0, 3, 7))) == [0, 3, 7]


@pytest.mark.parametrize(("suffix", "colour"), [(".png", True), (".bmp", False), (".jpg", True), (".jpg", False)])
def test_formats(person, tmp_path, capfd, suffix, colour):
    frames = shown(person, tmp_path, [Move("Anger", 0, 0, 0, macro=True)], 1, suffix, colour)
    assert frames[0].shape == ((480, 640, 3) if colour else (480, 640))
    if colour:
        blue, _, red = frames[0].reshape(-1, 3).astype(float).mean(0)
        assert red > blue + 5  # skin and hair
        assert np.abs(cv2.cvtColor(frames[0], cv2.COLOR_BGR2GRAY).astype(float).mean() - frames[0].mean()) < 4
    elif suffix == ".bmp":
        assert (tmp_path / "a" / "0.bmp").stat().st_size < 640 * 480 + 2000  # 8 bits a pixel
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("layout", ["casme2", "ckplus"])
def test_rendered_layouts_show_faces(layout, finder, tmp_path):
    out = tmp_path / layout
    size = ("--subjects", 1, "--clips-per-subject", 1, "--length", 8, 8)
    done = run("--layout", layout, *size, "--seed", 3, "--jobs", 1, out)
    assert (done.returncode, done.stdout) == (0, f"{out}\n")
    plan = planned(layout, 1, 1, (8, 8))
    assert done.stderr.strip() == f"{len(plan.recordings)} of {len(plan.recordings)} recordings"
    empty = tmp_path / "empty"
    write_empty(plan, empty)
    tables = {path for path in contents(empty) if path.suffix in (".xlsx", ".txt")} - {Path("README.txt")}
    assert len(tables) >= 2
    assert contents(out).keys() == contents(empty).keys()
    assert all((out / path).read_bytes() == (empty / path).read_bytes() for path in tables)
    assert (out / "README.txt").read_text(encoding="utf-8").endswith("scikit-image's astronaut\n")
    for recording in plan.recordings:
        first, last = (read_picture(out / recording.files[k]) for k in (0, -1))
        assert first.shape[:2] == recording.size[::-1]
        assert first.ndim == (3 if recording.colour else 2)
        assert finder.find(first if first.ndim == 2 else cv2.cvtColor(first, cv2.COLOR_BGR2GRAY)) is not None
        assert not np.array_equal(first, last)
    assert any(recording.colour for recording in plan.recordings)
    assert all(recording.colour for recording in plan.recordings) == (layout == "casme2")


def test_conditions_are_what_the_recordings_show(person, finder, tmp_path):
    """The head moves as far as asked for, and lids close, light changes, noise is there."""
    hard = Conditions(strength=0, sway=6, roll=2, yaw=0, light=10, blinks=1, noise=4)
    moves = [Move("Happiness", 0, 20, 39)]
    scene = Scene(
        person, Recording(0, tuple(f"{k}.png" for k in range(40)), tuple(moves), (640, 480), False, (1, 2)), hard
    )
    frames = [scene.frame(k) for k in range(40)]
    made = Stabiliser(frames[0], finder.find(frames[0]).landmarks)
    shifts, turns = [], []
    for frame in frames[1:]:
        motion = made.motion(frame)
        shifts.append(motion.shift_px * 100 / scene.iod_px)
        turns.append(motion.turn_deg)
    assert 3 <= max(shifts) <= 1.1 * np.hypot(6, 0.4 * 6)
    assert 0.9 <= max(np.abs(turns)) <= 2.05
    means = np.array([frame.mean() for frame in frames])
    assert 1.03 < means.max() / means.min() < 1.4
    # The expression has no strength, so what the face does is the blink; scaled to nothing, lids stay open.
    blinked = [np.abs(scene.frame(k).astype(float) - scene.frame(k, 0.0)) for k in range(40)]
    eyes = [np.rint(scene.landmarks[part].mean(0)).astype(int) for part in (slice(36, 42), slice(42, 48))]
    for x, y in eyes:
        assert max(one[y - 25 : y + 25, x - 25 : x + 25].max() for one in blinked) > 30
    grey = cv2.GaussianBlur(frames[0], (0, 0), 2).astype(float)
    corner = np.s_[:40, :40]
    assert 2 < (frames[0][corner] - grey[corner]).std() < 6


def test_the_command_s_conditions_reach_the_recordings(tmp_path):
    size = ("--subjects", 1, "--clips-per-subject", 1, "--length", 8, 8, "--jobs", 1)
    done = run(
        *size,
        "--strength",
        0.5,
        "--sway",
        7,
        "--roll",
        1.5,
        "--yaw",
        2,
        "--light",
        6,
        "--blinks",
        1,
        "--noise",
        3,
        tmp_path / "a",
    )
    assert done.returncode == 0, done.stderr
    words = flat((tmp_path / "a" / "README.txt").read_text(encoding="utf-8"))
    for said in (
        "usually by 0.5 pixels",
        "drifts by up to 7 such pixels, turns by up to 1.5 degrees in the picture plane and 2 in depth",
        "brightness changes by up to 6 %, a blink falls into 100% of the recordings",
        "standard deviation of about 3 grey levels",
    ):
        assert said in words
    assert run(*size, "--sway", -1, tmp_path / "b").returncode == 2
