"""Faces: real portraits and videos against what dlib found in them before; models and pictures that cannot be used."""

from __future__ import annotations

import csv
import dataclasses
import shutil

import cv2
import numpy as np
import pytest
import skimage.data

import mertool.extraction.faces
from mertool.errors import DataError, FileError
from mertool.extraction.faces import FaceFinder, find_landmark_model
from mertool.extraction.image_files import read_picture
from tests.support.command import REAL_FACES

MEASURED = REAL_FACES / "MEASURED.csv"
PHOTOS = [
    (row["file"], float(row["iod_px"]))
    for row in (csv.DictReader(MEASURED.read_text(encoding="utf-8").splitlines()) if MEASURED.exists() else ())
    if row["kind"] == "photo"
]


def needs_faces(test):
    """Skipped where there are none."""
    skip = pytest.mark.skipif(not PHOTOS, reason="MERTOOL_TEST_FACES names no folder of real faces")
    return pytest.mark.real_faces(skip(test))


@pytest.fixture(scope="module")
def astronaut():
    return skimage.data.astronaut().mean(2).astype(np.uint8)  # this grey gives a false hit larger than her face


def iod(face):
    p = face.landmarks
    return float(np.linalg.norm(p[36:42].mean(0) - p[42:48].mean(0)))


def frames(path, step=1):
    video = cv2.VideoCapture(str(path))
    number = 0
    while (read := video.read())[0]:
        if number % step == 0:
            yield cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY)
        number += 1


def same(a, b):
    return a.box == b.box and a.score == b.score and np.array_equal(a.landmarks, b.landmarks)


def test_astronaut_has_her_face_and_not_the_larger_false_one(finder, astronaut):
    rectangles, scores, _ = finder._detector.run(astronaut, 0, 0.0)
    largest = max(range(len(rectangles)), key=lambda k: rectangles[k].width())
    assert scores[largest] < max(scores)  # the trap is there

    face = finder.find(astronaut)
    assert face.detected
    assert face.score == pytest.approx(1.5, abs=0.1)
    assert face.landmarks.shape == (68, 2)
    assert face.landmarks.dtype == np.float32
    assert iod(face) == pytest.approx(43.4, rel=0.02)
    assert np.abs(face.landmarks[36:48].mean(0) - (224, 105)).max() < 12  # her eyes
    left, top, right, bottom = face.box
    assert left < face.landmarks[30, 0] < right
    assert top < face.landmarks[30, 1] < bottom
    with pytest.raises(dataclasses.FrozenInstanceError):
        face.score = 0.0


def test_landmarks_are_numbered_and_placed_as_in_300w(finder, astronaut):
    p = finder.find(astronaut).landmarks
    assert p[36, 0] < p[39, 0] < p[27, 0] < p[42, 0] < p[45, 0]  # subject's right eye in the left half
    assert p[19, 1] < p[37, 1] < p[33, 1] < p[51, 1] < p[57, 1] < p[8, 1]  # brow, eye, nose, lips, chin


@pytest.mark.parametrize("scale", [0.5, 1.5, 6.0])
def test_small_and_large_faces_are_found_in_the_picture_s_own_pixels(finder, astronaut, scale):
    """0.5: 44 px, only found upsampled. 6: 3072 px wide, searched on a reduced copy first."""
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    face = finder.find(cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=interpolation))
    expected = (finder.find(astronaut).landmarks + 0.5) * scale - 0.5
    assert np.linalg.norm(face.landmarks - expected, axis=1).mean() < 0.06 * 43.4 * scale


def test_strided_read_only_and_repeated_input_give_the_same_face(finder, astronaut):
    face = finder.find(astronaut)
    wide = np.zeros((512, 512, 2), np.uint8)
    wide[..., 0] = astronaut
    frozen = astronaut.copy()
    frozen.flags.writeable = False
    upside = np.ascontiguousarray(astronaut[::-1])[::-1]
    for variant in (astronaut, wide[..., 0], frozen, upside):
        before = variant.copy()
        assert same(finder.find(variant), face)
        assert np.array_equal(variant, before)
    assert same(FaceFinder(find_landmark_model()).find(astronaut), face)


def test_no_face_is_none_but_near_a_box_landmarks_are_fitted_and_flagged(finder):
    blank = np.full((200, 300), 128, np.uint8)
    assert finder.find(blank) is None
    assert finder.find(np.zeros((1, 1), np.uint8)) is None
    face = finder.find(blank, (50, 60, 149, 159))
    assert not face.detected
    assert np.isnan(face.score)
    assert face.box == (50, 60, 149, 159)
    assert np.abs(face.landmarks.mean(0) - (100, 115)).max() < 15


def test_near_chooses_the_overlapping_face_and_not_the_best(finder, astronaut):
    """Two copies of one face, one of them blurred: the sharp one wins unless the other's box is asked for."""
    portrait = cv2.copyMakeBorder(astronaut[20:220, 120:320], 20, 20, 20, 20, cv2.BORDER_REPLICATE)
    both = np.hstack([portrait, cv2.GaussianBlur(portrait, (0, 0), 2)])
    best = finder.find(both)
    assert best.landmarks[30, 0] < 240
    left, top, right, bottom = best.box
    other = finder.find(both, (left + 245, top + 5, right + 235, bottom + 5))
    assert other.detected
    assert other.score < best.score
    assert other.landmarks[30, 0] > 240
    assert same(finder.find(both, best.box), best)
    elsewhere = (left + 120, top, right + 120, bottom)
    assert not finder.find(both, elsewhere).detected


@pytest.mark.parametrize(
    "array", [np.zeros((0, 5), np.uint8), np.zeros((5, 5, 3), np.uint8), np.zeros((5, 5), np.float32)]
)
def test_wrong_arrays_are_refused(finder, array):
    with pytest.raises(DataError, match=r"find: grey must be a non-empty \(H, W\) uint8 array, got \("):
        finder.find(array)


@pytest.mark.real_faces
@pytest.mark.parametrize(("name", "expected"), PHOTOS)
def test_real_photograph(finder, name, expected):
    image = read_picture(REAL_FACES / name)
    face = finder.find(image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    assert face is not None
    assert iod(face) == pytest.approx(expected, rel=0.1)


@needs_faces
def test_film_without_faces_gives_none(finder):
    assert [finder.find(frame) for frame in frames(REAL_FACES / "pyfeat_video" / "no_face.mp4", 16)] == [None] * 6


@needs_faces
@pytest.mark.parametrize("name", ["grid_talkers/bbaf2n.mpg", "pyfeat_video/single_face.mp4"])
def test_talking_face_is_followed(finder, name):
    box = None
    for frame in frames(REAL_FACES / name, 10):
        face = finder.find(frame, box)
        assert face.detected
        box = box or face.box


# The model's file


def test_search_order(tmp_path, monkeypatch):
    argument, variable, extra, debian = (tmp_path / name for name in ("argument", "variable", "extra", "debian"))
    package = tmp_path / "face_recognition_models"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('must not be imported')")
    extra = package / "models" / "shape_predictor_68_face_landmarks.dat"
    for path in (argument, variable, extra, debian):
        path.write_bytes(b"model")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MERTOOL_LANDMARKS", str(variable))
    monkeypatch.setattr(mertool.extraction.faces, "_DEBIAN", debian)
    assert find_landmark_model(argument) == argument
    assert find_landmark_model() == variable
    monkeypatch.setenv("MERTOOL_LANDMARKS", "")
    assert find_landmark_model() == extra
    extra.unlink()
    assert find_landmark_model() == debian
    debian.unlink()
    with pytest.raises(FileError) as caught:
        find_landmark_model()
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "pip install face-recognition-models",
        "apt install libdlib-data",
        "http://dlib.net/files/",
        "--landmarks",
        "MERTOOL_LANDMARKS",
        "300-W",
        "excludes commercial use",
    ):
        assert part in message


def test_a_named_model_that_is_missing_is_an_error_not_a_reason_to_look_further(tmp_path, monkeypatch):
    with pytest.raises(FileError, match=r"--landmarks: no landmark model at .*nowhere"):
        find_landmark_model(tmp_path / "nowhere")
    monkeypatch.setenv("MERTOOL_LANDMARKS", str(tmp_path / "gone"))
    with pytest.raises(FileError, match=r"MERTOOL_LANDMARKS: no landmark model at .*gone"):
        find_landmark_model()


def damaged(case):
    whole = find_landmark_model().read_bytes()
    return {
        "empty": b"",
        "text": b"not a model\n" * 100,
        "header only": whole[:6],
        "short": whole[:1000],
        "cut": whole[: len(whole) // 2],
        "last byte": whole[:-1],
        "noise": np.random.default_rng(0).bytes(10_000),
        "noise behind the header": whole[:6] + np.random.default_rng(0).bytes(10_000),
        "huge length": whole[:2000].replace(whole[600:610], b"\x08" + b"\xff" * 8 + b"\x7f") + b"\x08" + b"\xff" * 500,
        "five points": b"\x01\x01\x81\x0a\x81\x01" + whole[6:2000],
    }[case]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("empty", r"expected shape_predictor_68_face_landmarks\.dat, got an empty file"),
        ("text", r"got a file that is not a dlib shape predictor \(starts with b'not a '\)"),
        ("header only", "this landmark model is cut short or damaged; get it again"),
        ("short", "cut short or damaged"),
        ("cut", "cut short or damaged"),
        ("last byte", "cut short or damaged"),
        ("noise", "not a dlib shape predictor"),
        ("noise behind the header", "cut short or damaged"),
        ("huge length", "cut short or damaged"),
        ("five points", "got a model of 5 points"),
    ],
)
def test_wrong_model_is_one_line(tmp_path, case, message):
    path = tmp_path / "model.dat"
    path.write_bytes(damaged(case))
    with pytest.raises(DataError, match=r"model\.dat: .*" + message) as caught:
        FaceFinder(path)
    assert "\n" not in str(caught.value)


def test_missing_model_and_folder(tmp_path):
    with pytest.raises(FileError, match="cannot read this landmark model: no such file"):
        FaceFinder(tmp_path / "none.dat")
    with pytest.raises(FileError, match="cannot read this landmark model: is a directory"):
        FaceFinder(tmp_path)


def test_model_under_a_non_ascii_path_loads(tmp_path, astronaut, finder):
    folder = tmp_path / "Modelle ü 顔"
    folder.mkdir()
    try:
        (folder / "m.dat").symlink_to(find_landmark_model())
    except OSError:
        shutil.copy(find_landmark_model(), folder / "m.dat")
    assert same(FaceFinder(folder / "m.dat").find(astronaut), finder.find(astronaut))
