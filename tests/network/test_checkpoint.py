"""Checkpoints: what is written is read back, code is never run, and --init says what it did."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from mertool.errors import DataError, FileError
from mertool.network import checkpoint as module
from mertool.network.checkpoint import Checkpoint, LoadReport, load_weights, restore, save_checkpoint, transfer
from mertool.network.model import Network, build_model
from mertool.settings import Settings
from tests.support.damage import Payload

SIX = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


def tiny(**fields: Any) -> Settings:
    return Settings(**{"width": 4, "blocks": 1, **fields})


def trained(path: Path, settings: Settings, classes: tuple[str, ...] = SIX, seed: int = 3) -> Checkpoint:
    """A checkpoint whose weights and running statistics all differ from fresh ones."""
    model = build_model(settings, len(classes), seed)
    model(torch.randn(4, settings.frames, 64, 64, generator=torch.Generator().manual_seed(seed)))
    save_checkpoint(path, settings, classes, model.state_dict())
    return load_weights(path)


def message(path: Path, kind: type[Exception] = DataError) -> str:
    with pytest.raises(kind) as caught:
        load_weights(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


def test_round_trip(tmp_path: Path) -> None:
    settings = tiny(abn=True, arcface=True, lr=0.5)
    model = build_model(settings, 6, 1)
    state = {"log": [{"epoch": 1, "loss": 0.25}], "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}}}
    save_checkpoint(tmp_path / "last.pt", settings, SIX, model.state_dict(), state)
    again = load_weights(tmp_path / "last.pt")
    assert (again.settings, again.classes, again.state) == (settings, SIX, state)
    weights = restore(again).state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert os.listdir(tmp_path) == ["last.pt"]


def test_missing_and_unwritable(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "none.pt", FileError)
    with pytest.raises(FileError, match="cannot be written"):
        save_checkpoint(tmp_path / "no" / "x.pt", tiny(), SIX, {})


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    trained(path, tiny())
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileError, match=r"cannot be written: no space left on the device"):
        save_checkpoint(path, tiny(lr=0.1), SIX, {})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["last.pt"]


@pytest.mark.parametrize("form", ["torch", "plain pickle", "old torch"])
def test_code_in_a_checkpoint_is_refused_not_run(tmp_path: Path, form: str) -> None:
    proof, path = tmp_path / "proof", tmp_path / "evil.pt"
    content = {"format": module.FORMAT, "version": 1, "weights": Payload(proof)}
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "torch")
    if form == "torch":
        assert "refused because they could run code" in message(path)
    else:
        assert "expected a mertool checkpoint" in message(path)
    assert not proof.exists()
    torch.load(io.BytesIO(path.read_bytes()), weights_only=False) if form == "torch" else pickle.loads(
        path.read_bytes()
    )
    assert proof.exists() or form == "old torch"  # the file was armed (old torch files hold several pickles)


def test_cut_at_any_length_is_one_line(tmp_path: Path) -> None:
    trained(tmp_path / "whole.pt", tiny())
    data = (tmp_path / "whole.pt").read_bytes()
    for share in (0.0, 0.01, 0.5, 0.9, 0.999):
        path = tmp_path / f"cut{share}.pt"
        path.write_bytes(data[: int(len(data) * share)])
        assert "or a truncated one; give another checkpoint" in message(path)


def test_damage_inside_is_noticed(tmp_path: Path) -> None:
    trained(tmp_path / "whole.pt", tiny())
    data = (tmp_path / "whole.pt").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
        index = next(entry for entry in archive.infolist() if entry.filename.endswith("data.pkl"))
    for entry in (largest, index):
        changed = bytearray(data)
        changed[entry.header_offset + 200 + entry.file_size // 2] ^= 0x10
        path = tmp_path / "flipped.pt"
        path.write_bytes(changed)
        assert "damaged" in message(path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([1, 2], "expected a mertool checkpoint, got another torch file"),
        ({"state_dict": {}}, "expected a mertool checkpoint, got another torch file"),
        ({"format": module.FORMAT, "version": 99}, "checkpoint format 99, this mertool reads up to 1; update mertool"),
        ({"format": module.FORMAT, "version": None}, "checkpoint format None"),
        ({"format": module.FORMAT, "version": 1}, "unusable content (no 'settings')"),
        ({"format": module.FORMAT, "version": 1, "settings": {"widht": 4}}, "did you mean 'width'?"),
        ({"format": module.FORMAT, "version": 1, "settings": 3, "classes": []}, "unusable content"),
    ],
)
def test_other_content(tmp_path: Path, content: object, text: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    assert text in message(tmp_path / "x.pt")


def test_zip_that_is_no_torch_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("hello.txt", "hello")
    assert "damaged, or not a mertool checkpoint" in message(tmp_path / "x.pt")


def test_weights_of_another_network(tmp_path: Path) -> None:
    source = trained(tmp_path / "x.pt", tiny())
    source.weights["head.weight"] = torch.zeros(6, 7)
    with pytest.raises(DataError, match="weights do not fit the network that its settings describe"):
        restore(source)


def init(source: Checkpoint, settings: Settings, classes: tuple[str, ...] = SIX) -> tuple[Network, Network, LoadReport]:
    """The network before and after transfer."""
    before, after = (build_model(settings, len(classes), 0) for _ in range(2))
    return before, after, transfer(after, settings, classes, source)


def parts_equal(one: Network, other: Network, prefix: str) -> bool:
    theirs = other.state_dict()
    mine = {name: value for name, value in one.state_dict().items() if name.startswith(prefix)}
    assert mine
    return all(torch.equal(value, theirs[name]) for name, value in mine.items())


def test_same_network_loads_whole(tmp_path: Path) -> None:
    source = trained(tmp_path / "x.pt", tiny(abn=True))
    _, model, report = init(source, tiny(abn=True))
    assert parts_equal(model, restore(source), "")
    assert (report.adapted, report.not_loaded) == ([], [])
    assert report.lines() == [
        "loaded: stem; stage1; stage2; stage3; attention.stage; attention.norm; attention.classes; "
        "attention.class_head; attention.map_head; stage4; head"
    ]


def test_other_classes_keep_their_fresh_parts(tmp_path: Path) -> None:
    source = trained(tmp_path / "x.pt", tiny(abn=True))
    same_number = (*SIX[:5], "contempt")
    for classes in (same_number, SIX[:4], SIX[::-1]):
        fresh, model, report = init(source, tiny(abn=True), classes)
        for part in ("head", "attention.classes", "attention.class_head", "attention.map_head"):
            assert parts_equal(model, fresh, part)
            assert f"{part} (other classes: {', '.join(SIX)} there)" in report.not_loaded
        assert len(report.not_loaded) == 4
        for part in ("stem", "stage1", "stage4", "attention.stage", "attention.norm"):
            assert parts_equal(model, restore(source), part)


@pytest.mark.parametrize("how", ["mean", "centre", "diff"])
def test_one_frame_stem_for_three(tmp_path: Path, how: str) -> None:
    source = trained(tmp_path / "x.pt", tiny(frames=1))
    _, model, report = init(source, tiny(frames=3, temporal_init=how))
    assert report.adapted == [f"stem (from 1 to 3 frames, by {how})"]
    one, three = restore(source).stem[0], model.stem[0]
    picture = torch.rand(2, 1, 40, 48)
    with torch.no_grad():
        still = three(picture.expand(-1, 3, -1, -1))
        expected = torch.zeros_like(still) if how == "diff" else one(picture)
        torch.testing.assert_close(still, expected, atol=1e-5, rtol=1e-5)
        clip = torch.rand(2, 3, 40, 48)
        frames = {"mean": clip.mean(1, True), "centre": clip[:, 1:2], "diff": clip[:, 2:] - clip[:, :1]}
        torch.testing.assert_close(three(clip), one(frames[how]), atol=1e-5, rtol=1e-5)


def test_three_frame_stem_for_one(tmp_path: Path) -> None:
    source = trained(tmp_path / "x.pt", tiny(frames=3, abn=True))
    _, model, report = init(source, tiny(frames=1, abn=True))
    assert report.adapted == ["stem (from 3 to 1 frames, by their sum)"]
    assert report.not_loaded == []
    picture = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        ours, theirs = model.eval()(picture), restore(source)(picture.expand(-1, 3, -1, -1))
    torch.testing.assert_close(ours.scores, theirs.scores, atol=1e-4, rtol=1e-4)


def test_branch_joins_a_plain_network_quietly(tmp_path: Path) -> None:
    source = trained(tmp_path / "x.pt", tiny())
    _, model, report = init(source, tiny(abn=True))
    assert any("attention map (starts near 0.12 everywhere" in entry for entry in report.adapted)
    assert "attention.stage (not in the checkpoint)" in report.not_loaded
    x = torch.rand(8, 3, 64, 64)
    with torch.no_grad():
        output = model.train()(x)
    assert 0.05 < output.map.mean() < 0.3


def test_branch_is_left_behind(tmp_path: Path) -> None:
    _, _, report = init(trained(tmp_path / "x.pt", tiny(abn=True)), tiny())
    assert report.not_loaded == ["attention (this network has no such branch)"]


@pytest.mark.parametrize(
    ("there", "here", "entry"),
    [
        ({"pool": "global"}, {"pool": "region"}, "head (other shape: (6, 512) here, (6, 32) there)"),
        ({"arcface": True}, {}, "head (an ArcFace head there)"),
        ({}, {"arcface": True}, "head (a linear head there)"),
        (
            {"abn": True, "map_kernel": 1},
            {"abn": True},
            "attention.map_head (other shape: (1, 6, 3, 3) here, (1, 6, 1, 1) there)",
        ),
    ],
)
def test_other_shapes_are_named(tmp_path: Path, there: dict[str, Any], here: dict[str, Any], entry: str) -> None:
    fresh, model, report = init(trained(tmp_path / "x.pt", tiny(**there)), tiny(**here))
    assert report.not_loaded == [entry]
    assert parts_equal(model, fresh, entry.split(" ")[0])


@pytest.mark.parametrize(("field", "value"), [("width", 8), ("blocks", 2), ("stem_kernel", 5)])
def test_other_backbone_is_an_error(tmp_path: Path, field: str, value: int) -> None:
    source = trained(tmp_path / "x.pt", tiny(**{field: value}))
    option = "--" + field.replace("_", "-")
    with pytest.raises(DataError, match=rf"has {option} {value}, this one \d; give {option} {value} or another --init"):
        init(source, tiny())
