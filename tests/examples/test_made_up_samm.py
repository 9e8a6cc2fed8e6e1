"""The made-up recordings of SAMM: shaped like it on disk, real faces that move as they should, always the same."""

from __future__ import annotations

import re
from collections import Counter

import cv2
import numpy as np
import openpyxl
import pytest
import skimage.data
from recordings.movement import ACTION_UNITS, PROTOTYPES, Expression, draw_expression, gaussian_field, time_course
from recordings.plan import BASIC, deal

from mertool.extraction.image_files import read_picture
from mertool.extraction.stabilise import Stabiliser
from mertool.regions import FLIP68, compose, crop_transform, invert
from tests.support.command import make_recordings
from tests.support.samm import TABLE

SMALL = ("--subjects", "2", "--clips-per-subject", "6", "--length", "8", "12", "--seed", "5")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("recordings") / "SAMM"
    done = make_recordings(*SMALL, "--jobs", 2, out)
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
    assert make_recordings(*SMALL, "--jobs", 1, tmp_path / "again").returncode == 0
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
