"""predictions.csv: exact round trip, equal bytes, and every refusal by its text with file and line."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from mertool.errors import DataError, FileError
from mertool.evaluation.predictions import NO_FOLD, Predictions

CLASSES = ("anger", "fear", "joy")
HEADER = "clip,dataset,subject,fold,truth,prediction,p_anger,p_fear,p_joy"


def make_predictions(n: int, seed: int = 0, classes: tuple[str, ...] = CLASSES, start: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    return Predictions(
        clip=tuple(f"samm/{number % 7:03d}/{number:04d}" for number in range(start, start + n)),
        fold=tuple(number % 5 for number in range(n)),
        truth=tuple(classes[k] for k in rng.integers(0, len(classes), n)),
        probabilities=rng.dirichlet(np.full(len(classes), 0.3), n),
        classes=classes,
    )


def assert_equal(a: Predictions, b: Predictions) -> None:
    assert (a.clip, a.fold, a.truth, a.classes) == (b.clip, b.fold, b.truth, b.classes)
    np.testing.assert_array_equal(a.probabilities, b.probabilities)


def test_what_is_written_is_read_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    predictions = Predictions.join([make_predictions(5000)])
    predictions.write(path)
    read = Predictions.read(path)
    assert_equal(read, predictions)
    assert read.probabilities.dtype == np.float64
    read.write(tmp_path / "again.csv")
    assert path.read_bytes() == (tmp_path / "again.csv").read_bytes()


def test_the_file_is_the_documented_one(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    probabilities = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0], [1.0, 0.0, 1e-9]])
    Predictions(("b/1/x", "a/2/y,z", "a/1/é"), (3, 0, NO_FOLD), ("joy", "fear", ""), probabilities, CLASSES).write(path)
    assert path.read_bytes().decode() == (
        f"{HEADER}\n"
        "a/1/é,a,1,,,anger,1.0,0.0,1e-09\n"
        '"a/2/y,z",a,2,0,fear,anger,0.5,0.5,0.0\n'
        "b/1/x,b,1,3,joy,joy,0.1,0.2,0.7\n"
    )
    read = Predictions.read(path)
    assert read.fold == (NO_FOLD, 0, 3)
    assert read.truth == ("", "fear", "joy")
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


def test_the_order_of_the_rows_does_not_matter_to_the_bytes(tmp_path: Path) -> None:
    predictions = make_predictions(50)
    order = list(range(50))
    random.Random(0).shuffle(order)
    shuffled = Predictions(
        tuple(predictions.clip[k] for k in order),
        tuple(predictions.fold[k] for k in order),
        tuple(predictions.truth[k] for k in order),
        predictions.probabilities[order],
        CLASSES,
    )
    predictions.write(tmp_path / "a.csv")
    shuffled.write(tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_the_prediction_is_the_first_maximum_after_rounding_to_float32() -> None:
    nearly = np.array([[0.25, 0.375 - 1e-12, 0.375], [0.4, 0.2, 0.4]])
    predictions = Predictions(("d/1/a", "d/1/b"), (0, 0), ("joy", "joy"), nearly, CLASSES)
    assert predictions.prediction == ("fear", "anger")


def test_excel_line_ends_and_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    predictions = make_predictions(9)
    predictions.write(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert_equal(Predictions.read(path), Predictions.join([predictions]))


ROW = "samm/006/a,samm,006,2,fear,joy,0.2,0.3,0.5"
OTHER = "samm/006/b,samm,006,2,fear,joy,0.2,0.3,0.5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"line 1: no column clip, dataset, subject, fold, truth, prediction; expected {HEADER[:43]}p_<class>..."),
        (HEADER.replace(",truth", ""), f"line 1: no column truth; expected {HEADER[:43]}p_<class>..."),
        (f"{HEADER},note\n", f"line 1: expected {HEADER[:43]}p_<class>..., got {HEADER},note"),
        (
            HEADER.replace("p_fear,p_joy", "p_anger"),
            "predictions: expected at least two different classes, got 'anger, anger'",
        ),
        (f"{HEADER}\n{OTHER}\n{ROW},1\n", "line 3: expected 9 columns, got 10"),
        (f"{HEADER}\n{OTHER}\n\n", "line 3: expected 9 columns, got 0"),
        (f"{HEADER}\n{ROW.replace(',2,', ',two,')}\n", "line 2: fold: expected a whole number, got 'two'"),
        (f"{HEADER}\n{ROW.replace(',2,', ',-1,')}\n", "line 2: fold: expected a whole number, got '-1'"),
        (f"{HEADER}\n{ROW.replace('0.3', '0,3')}\n", "line 2: expected 9 columns, got 10"),
        (f"{HEADER}\n{ROW.replace('0.3', 'x')}\n", "line 2: p_fear: expected a number, got 'x'"),
        (f"{HEADER}\n{ROW.replace('0.3', 'nan')}\n", "line 2: expected probabilities from 0 to 1, got [0.2, nan, 0.5]"),
        (
            f"{HEADER}\n{ROW.replace('0.3', '1e300')}\n",
            "line 2: expected probabilities from 0 to 1, got [0.2, 1e+300, 0.5]",
        ),
        (
            f"{HEADER}\n{ROW.replace('0.2', '-0.2')}\n",
            "line 2: expected probabilities from 0 to 1, got [-0.2, 0.3, 0.5]",
        ),
        (f"{HEADER}\n{ROW.replace('0.3', '0.31')}\n", "line 2: expected probabilities that sum to 1, got 1.01"),
        (
            f"{HEADER}\n{ROW.replace('fear', 'envy')}\n",
            "line 2: truth: unknown class 'envy'; expected one of anger, fear, joy",
        ),
        (
            f"{HEADER}\n{OTHER}\n{ROW}\n{OTHER}\n",
            "line 4: clip samm/006/b is there a second time; expected each clip once",
        ),
        (
            f"{HEADER}\n{ROW.replace('samm/006/a', '006_a')}\n",
            "line 2: clip id: expected dataset/subject/clip, got '006_a'",
        ),
        (
            f"{HEADER}\n{ROW.replace(',joy', ',fear')}\n",
            "line 2: prediction is 'fear', but the highest probability says 'joy'; was it edited?",
        ),
        (
            f"{HEADER}\n{ROW.replace(',006', ',007')}\n",
            "line 2: subject is '007', but the clip id says '006'; was it edited?",
        ),
        (
            f"{HEADER}\n{ROW.replace(',samm', ',casme2')}\n",
            "line 2: dataset is 'casme2', but the clip id says 'samm'; was it edited?",
        ),
    ],
)
def test_refusals_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        Predictions.read(path)
    assert str(caught.value) == f"{path}: {message}"


def test_files_that_are_no_csv(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    with pytest.raises(FileError, match=r"predictions\.csv: cannot be read: no such file or directory$"):
        Predictions.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(
        DataError, match=r"predictions\.csv: not a CSV file \(.*\); it was damaged or is not mertool's$"
    ):
        Predictions.read(path)
    path.write_text("x" * 200_000)  # longer than csv's largest cell
    with pytest.raises(
        DataError, match=r"predictions\.csv: not a CSV file \(.*\); it was damaged or is not mertool's$"
    ):
        Predictions.read(path)


def test_join_sorts_and_keeps_every_row() -> None:
    whole = make_predictions(30)
    parts = [
        Predictions(
            tuple(whole.clip[k] for k in rows),
            tuple(whole.fold[k] for k in rows),
            tuple(whole.truth[k] for k in rows),
            whole.probabilities[rows],
            CLASSES,
        )
        for rows in (list(range(20, 30)), list(range(20)))
    ]
    joined = Predictions.join(parts)
    assert list(joined.clip) == sorted(whole.clip)
    truth, prediction = (dict(zip(whole.clip, column, strict=True)) for column in (whole.truth, whole.prediction))
    assert joined.truth == tuple(truth[clip] for clip in joined.clip)
    assert joined.prediction == tuple(prediction[clip] for clip in joined.clip)


def test_join_refuses_doubles_and_other_classes() -> None:
    part = make_predictions(3)
    with pytest.raises(DataError, match=r"^predictions: clip samm/001/0001 is predicted more than once; expected each"):
        Predictions.join([part, make_predictions(1, start=1)])
    with pytest.raises(DataError, match=r"^predictions: classes differ: anger, fear, joy and fear, anger, joy$"):
        Predictions.join([part, make_predictions(3, classes=("fear", "anger", "joy"), start=5)])
    with pytest.raises(DataError, match=r"^predictions: nothing to join; expected at least one file$"):
        Predictions.join([])


def test_the_constructor_refuses_what_does_not_fit() -> None:
    with pytest.raises(
        DataError, match=r"^predictions: expected 1 folds and truths and \(1, 2\) probabilities, got 1, 1 and"
    ):
        Predictions(("d/1/a",), (0,), ("x",), np.array([[0.2, 0.3, 0.5]]), ("x", "y"))
    with pytest.raises(
        DataError, match=r"^predictions: row 1: clip d/1/a is there a second time; expected each clip once$"
    ):
        Predictions(("d/1/a", "d/1/a"), (0, 0), ("x", "x"), np.array([[0.5, 0.5], [0.5, 0.5]]), ("x", "y"))
