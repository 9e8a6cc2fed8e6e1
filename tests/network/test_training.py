"""Training and prediction: learns, continues exactly, and its arithmetic depends on nothing but its arguments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mertool.errors import DataError, UsageError
from mertool.network.checkpoint import load_weights
from mertool.network.device import choose_device
from mertool.network.model import build_model
from mertool.network.prediction import predict
from mertool.network.training import arc_margin, learning_rate, make_optimizer
from mertool.network.training_files import LOG_COLUMNS, TrainingFiles
from mertool.settings import Settings
from tests.support.command import ROOT
from tests.support.processes import KilledError
from tests.support.run_folders import timeless_log
from tests.support.trainings import CLASSES, STEPS, fit, log, made_up, same, stopping, tiny

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("fields", [{}, {"abn": True}, {"arcface": True}, {"abn": True, "arcface": True, "frames": 1}])
def test_overfits_eight_samples(tmp_path: Path, fields: dict[str, Any]) -> None:
    settings = tiny(epochs=20, lr=5e-3, weight_decay=0.0, **fields)
    batches = made_up(0, settings.frames)
    model = fit(settings, CLASSES, lambda _: batches, STEPS, tmp_path).model
    rows = log(tmp_path)
    assert float(rows[-1]["accuracy"]) == 1.0
    assert float(rows[-1]["loss_perception"]) < 0.5 * float(rows[0]["loss_perception"])
    probabilities, maps = predict(model, [x for x, _ in batches], settings)
    assert (probabilities.argmax(1) == torch.cat([y for _, y in batches]).numpy()).all()
    assert (maps is not None) is settings.abn


EVERYTHING = {"abn": True, "arcface": True, "dropout": 0.3}


@pytest.mark.parametrize(
    ("fields", "epoch", "step"),
    [
        (EVERYTHING, 1, 1),
        (EVERYTHING, 4, 0),
        (EVERYTHING, 5, 1),
        ({"optimizer": "sgd", "schedule": "constant", "max_grad_norm": 0.0, "pool": "region"}, 4, 0),
        ({"abn": True, "precision": "bf16"}, 4, 0),
    ],
)
def test_killed_and_continued_equals_undisturbed(tmp_path: Path, fields: dict[str, Any], epoch: int, step: int) -> None:
    settings = tiny(**fields)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    torch.manual_seed(1)
    undisturbed = fit(settings, CLASSES, made_up, STEPS, whole).model
    torch.manual_seed(2)
    with pytest.raises(KilledError):
        fit(settings, CLASSES, stopping(epoch, step), STEPS, broken)
    assert (broken / "last.pt").exists() is (epoch > 1)
    torch.manual_seed(3)
    continued = fit(settings, CLASSES, made_up, STEPS, broken)
    assert continued.epoch == settings.epochs
    assert same(undisturbed, continued.model)
    assert timeless_log(whole) == timeless_log(broken)
    one, two = (load_weights(folder / "last.pt").state["optimizer"]["state"] for folder in (whole, broken))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[i][key], two[i][key]) for i in one for key in one[i])


def test_kill_between_checkpoint_and_log_leaves_no_gap_and_no_double_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(files: TrainingFiles, rows: list[dict[str, float]]) -> None:
        if len(rows) == 3:
            raise KilledError
        write_log(files, rows)

    settings = tiny(epochs=3)
    with pytest.raises(KilledError):
        fit(settings, CLASSES, stopping(3, 0), STEPS, tmp_path)
    (tmp_path / "log.csv").write_text((tmp_path / "log.csv").read_text() + "3,0.5,")  # half a row of a dead process
    with monkeypatch.context() as patch:
        write_log = TrainingFiles.write_log
        patch.setattr(TrainingFiles, "write_log", killed)
        with pytest.raises(KilledError):
            fit(settings, CLASSES, made_up, STEPS, tmp_path)
    assert len(log(tmp_path)) == 2
    fit(settings, CLASSES, stopping(1, 0), STEPS, tmp_path)  # nothing left to train
    assert [row["epoch"] for row in log(tmp_path)] == ["1", "2", "3"]


@pytest.mark.parametrize("frames", [1, 3])
def test_finished_training_is_returned_at_once(tmp_path: Path, frames: int) -> None:
    settings = tiny(epochs=2, frames=frames, abn=True)
    model = fit(settings, CLASSES, lambda epoch: made_up(epoch, frames), STEPS, tmp_path).model
    again, epoch = fit(settings, CLASSES, stopping(1, 0), STEPS, tmp_path)
    assert epoch == 2
    assert same(model, again)
    assert not again.training
    assert {path.name for path in tmp_path.iterdir()} == {"final.pt", "last.pt", "log.csv"}
    inputs = [x for x, _ in made_up(0, frames)]
    of_first, of_again = predict(model, inputs, settings), predict(again, inputs, settings)
    for k in range(2):
        assert np.array_equal(
            of_first[k], of_again[k]
        )  # to the last bit: predictions.csv does not tell whether a kill came before it


def test_other_processes_and_random_states_change_nothing(tmp_path: Path) -> None:
    settings = tiny(epochs=2, abn=True, dropout=0.5)
    torch.manual_seed(99)
    ours = fit(settings, CLASSES, made_up, STEPS, tmp_path).model
    (tmp_path / "other").mkdir()
    code = (
        "import sys; from pathlib import Path; from tests.support.trainings import *;"
        "torch.set_num_threads(1); torch.rand(5);"
        "fit(tiny(epochs=2, abn=True, dropout=0.5), CLASSES, made_up, STEPS, Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "other")], cwd=ROOT, check=True)
    theirs = load_weights(tmp_path / "other" / "final.pt").weights
    assert all(torch.equal(value, theirs[name]) for name, value in ours.state_dict().items())


def test_seed_matters_and_initial_weights_are_used(tmp_path: Path) -> None:
    results = []
    for name, settings, initial in (
        ("a", tiny(epochs=1), None),
        ("b", tiny(epochs=1, seed=1), None),
        ("c", tiny(epochs=1), build_model(tiny(), 4, 1).state_dict()),
    ):
        (tmp_path / name).mkdir()
        results.append(fit(settings, CLASSES, made_up, STEPS, tmp_path / name, initial).model)
    assert not same(results[0], results[1])
    assert same(results[1], results[2])  # seed 1 differs by its first weights only: nothing else is random here


def test_log_has_its_columns(tmp_path: Path) -> None:
    for abn in (False, True):
        folder = tmp_path / str(abn)
        folder.mkdir()
        fit(tiny(epochs=2, abn=abn), CLASSES, made_up, STEPS, folder)
        rows = log(folder)
        assert tuple(rows[0]) == LOG_COLUMNS
        assert [row["epoch"] for row in rows] == ["1", "2"]
        for row in rows:
            empty = {name for name, value in row.items() if value == ""}
            without = set() if abn else {"loss_attention", "accuracy_attention"}
            assert empty == without | {"loss_validation", "uf1_validation"}
            attention = float(row["loss_attention"] or 0)
            assert float(row["loss"]) == pytest.approx(float(row["loss_perception"]) + attention, rel=1e-4)
        assert float(rows[1]["lr"]) == pytest.approx(learning_rate(tiny(epochs=2), 3, 4), rel=1e-5)


def test_damaged_checkpoints_name_the_way_out(tmp_path: Path) -> None:
    fit(tiny(epochs=1), CLASSES, made_up, STEPS, tmp_path)
    for name in ("final.pt", "last.pt"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(DataError, match=rf"{name}: .*delete {name} to train this network again"):
            fit(tiny(epochs=1), CLASSES, made_up, STEPS, tmp_path)
        path.unlink()
    assert not list(tmp_path.glob("*.pt"))


def test_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        fit(tiny(), CLASSES, stopping(2, 0), STEPS, tmp_path)
    with pytest.raises(DataError, match=r"last.pt: belongs to another training \(lr: 0.5 here, 0.001 there\)"):
        fit(tiny(lr=0.5), CLASSES, made_up, STEPS, tmp_path)
    with pytest.raises(DataError, match=r"classes: fear, anger, joy, none here, anger, fear, joy, none there"):
        fit(tiny(), ("fear", "anger", "joy", "none"), made_up, STEPS, tmp_path)
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    content["state"]["optimizer"] = {}
    torch.save(content, tmp_path / "last.pt")
    with pytest.raises(DataError, match=r"last.pt: its content does not fit this training; delete last.pt"):
        fit(tiny(), CLASSES, made_up, STEPS, tmp_path)


def test_loss_that_is_not_finite_stops(tmp_path: Path) -> None:
    def batches(epoch: int) -> list[tuple[Tensor, Tensor]]:
        pairs = made_up(epoch)
        if epoch == 2:
            pairs[1][0][0, 0, 0, 0] = float("nan")
        return pairs

    with pytest.raises(DataError, match=r"epoch 2, step 4: the loss is nan, .*lower --lr \(now 0.001\)"):
        fit(tiny(), CLASSES, batches, STEPS, tmp_path)
    assert len(load_weights(tmp_path / "last.pt").state["log"]) == 1


def test_batch_of_one_and_wrong_number_of_batches(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a batch of one clip cannot be normalised; choose another --batch-size"):
        fit(tiny(), CLASSES, lambda e: [(x[:1], y[:1]) for x, y in made_up(e)], STEPS, tmp_path)
    with pytest.raises(ValueError, match="expected 3 batches in epoch 1, got 2"):
        fit(tiny(), CLASSES, made_up, 3, tmp_path)


def test_device_that_is_not_there() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(UsageError, match="--device cuda: torch finds no such device here; use --device cpu"):
        choose_device("cuda")


def test_prediction_does_not_depend_on_the_batches() -> None:
    settings = tiny(abn=True)
    model = build_model(settings, 4, 0)
    x = torch.randn(21, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    whole, maps = predict(model, [x], settings)
    assert (whole.shape, whole.dtype, maps.shape, maps.dtype) == ((21, 4), np.float64, (21, 4, 6), np.float32)
    np.testing.assert_allclose(whole.sum(1), 1.0, atol=1e-12)
    for size in (1, 5, 16):
        parts, part_maps = predict(model, x.split(size), settings)
        np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-6)
        np.testing.assert_allclose(part_maps, maps, rtol=0, atol=1e-6)
    assert not model.training
    with pytest.raises(ValueError, match="at least one array"):
        predict(model, [], settings)


def test_learning_rate() -> None:
    settings = tiny(lr=0.1, warmup=0.1)
    rates = [learning_rate(settings, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.01 * (i + 1) for i in range(10)])
    assert rates[10] == pytest.approx(0.1)
    assert rates[55] == pytest.approx(0.05)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[99] < 1e-4
    constant = tiny(lr=0.1, warmup=0.0, schedule="constant")
    assert {learning_rate(constant, step, 100) for step in range(100)} == {0.1}
    assert learning_rate(tiny(lr=0.1, warmup=1.0), 99, 100) == pytest.approx(0.1)


def test_margin_grows_from_zero() -> None:
    settings = tiny(arc_margin=0.5, arc_ramp=0.2)
    margins = [arc_margin(settings, step, 100) for step in range(100)]
    assert margins[0] == 0.0
    assert margins[10] == pytest.approx(0.25)
    assert margins[20:] == [0.5] * 80
    assert arc_margin(tiny(arc_margin=0.5, arc_ramp=0.0), 0, 100) == 0.5


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("arcface", [False, True])
def test_weight_decay_touches_kernels_and_linear_weights_only(optimizer: str, arcface: bool) -> None:
    settings = tiny(abn=True, arcface=arcface, optimizer=optimizer, weight_decay=0.3)
    model = build_model(settings, 4, 0)
    names = {id(p): name for name, p in model.named_parameters()}
    decays = {
        names[id(p)]: g["weight_decay"] for g in make_optimizer(model, settings).param_groups for p in g["params"]
    }
    assert decays.keys() == dict(model.named_parameters()).keys()
    for name, parameter in model.named_parameters():
        expected = 0.3 if parameter.ndim > 1 and not (arcface and name == "head.weight") else 0.0
        assert decays[name] == expected, name


def test_adamw_equals_the_textbook_step(tmp_path: Path) -> None:
    """One step at rate lr moves every weight by lr (sign of its gradient) after decay: the fused update is AdamW."""
    settings = tiny(epochs=1, warmup=0.0, schedule="constant", lr=1e-3, weight_decay=0.1, max_grad_norm=0.0)
    start = build_model(settings, 4, 0).state_dict()
    model = fit(settings, CLASSES, lambda e: made_up(e)[:1], 1, tmp_path).model
    for name in ("stage2.0.conv1.weight", "head.weight"):
        moved = model.state_dict()[name] - start[name] * (1 - 1e-3 * 0.1)
        assert moved.abs().median().item() == pytest.approx(1e-3, rel=1e-2)
        assert moved.abs().max().item() <= 1.001e-3


def test_clipping_bounds_the_step(tmp_path: Path) -> None:
    settings = tiny(epochs=1, optimizer="sgd", momentum=0.0, warmup=0.0, schedule="constant", weight_decay=0.0, lr=1.0)
    for norm, text in ((0.01, "clipped"), (0.0, "free")):
        (tmp_path / text).mkdir()
        start = build_model(settings, 4, 0)
        clipped = Settings(**{**settings.as_dict(), "max_grad_norm": norm})
        model = fit(clipped, CLASSES, lambda e: made_up(e)[:1], 1, tmp_path / text).model
        pairs = zip(model.parameters(), start.parameters(), strict=True)
        moved = torch.cat([(a - b).flatten() for a, b in pairs]).norm().item()
        assert moved == pytest.approx(0.01, rel=1e-3) if norm else moved > 0.1
