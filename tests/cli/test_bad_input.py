"""Bad input, as users bring it: one clear line, a non-zero exit, nothing lost, never a traceback."""

from __future__ import annotations

import json
import pickle
import subprocess
import zipfile

import cv2
import numpy as np
import pytest
import skimage.data

from tests.support.command import COMMAND, TINY, run
from tests.support.damage import Payload


def refused(*arguments, cwd, code=1, env=None):
    """The one line that a command fails with."""
    before = {path: path.read_bytes() for path in cwd.rglob("*") if path.is_file()}
    done = run(*arguments, cwd=cwd, check=False, env=env)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    others = [
        line for line in done.stderr.splitlines() if not line.startswith(("Error: ", "mertool: ", "Usage", "Try"))
    ]
    assert not any(others), done.stderr
    assert all(path.read_bytes() == data for path, data in before.items() if path.name != ".lock")
    return errors[0]


@pytest.fixture
def portrait(tmp_path):
    picture = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(tmp_path / "good.png"), picture)
    return picture


def manifest_of(folder, name):
    (folder / "m.csv").write_text(
        f"clip,subject,emotion,onset_image,middle_image,apex_image\na,1,x,{name},{name},{name}\n"
    )
    return "m.csv"


def test_no_such_folder(tmp_path):
    assert "SAMM: no such file or folder" in refused("extract", "SAMM", cwd=tmp_path)


def test_empty_folder(tmp_path):
    (tmp_path / "SAMM").mkdir()
    assert "holds no data set that mertool knows (samm, " in refused("extract", "SAMM", cwd=tmp_path)


def test_frames_without_table(tmp_path):
    (tmp_path / "SAMM" / "006" / "006_1_2").mkdir(parents=True)
    (tmp_path / "SAMM" / "006" / "006_1_2" / "006_05562.jpg").write_text("")
    line = refused("extract", "SAMM", "--dataset", "samm", cwd=tmp_path)
    assert "table" in line
    assert "SAMM_Micro_FACS_Codes" in line


def png(depth=8, channels=3):
    shape = (40, 40, channels) if channels > 1 else (40, 40)
    return cv2.imencode(".png", np.full(shape, 7, np.uint16 if depth == 16 else np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("text.jpg", b"this is no picture", "expected a picture, got something else"),
        ("empty.jpg", b"", "expected a picture, got an empty file"),
        ("cut.jpg", cv2.imencode(".jpg", skimage.data.astronaut())[1].tobytes()[:9000], "this JPEG is cut short"),
        ("cut.png", cv2.imencode(".png", skimage.data.astronaut())[1].tobytes()[:9000], "this PNG is cut short"),
        ("deep.png", png(depth=16, channels=1), "expected 8 bits a channel, got 16-bit"),
        ("clear.png", png(channels=4), "got a transparent one"),
        ("blank.png", png(), "no face found in the onset frame"),
    ],
)
def test_bad_pictures(tmp_path, name, data, text):
    (tmp_path / name).write_bytes(data)
    line = refused("extract", manifest_of(tmp_path, name), cwd=tmp_path)
    assert text in line
    assert text in (tmp_path / "m.clips.csv").read_text()


def test_some_bad_pictures_are_rows_and_only_strict_fails(tmp_path, portrait):
    (tmp_path / "bad.jpg").write_text("")
    (tmp_path / "m.csv").write_text(
        "clip,subject,emotion,onset_image,middle_image,apex_image\n"
        "a,1,x,good.png,good.png,good.png\nb,1,x,bad.jpg,bad.jpg,bad.jpg\n"
    )
    done = run("extract", "m.csv", cwd=tmp_path)
    assert "1 of 2 clips left out; see m.clips.csv" in done.stderr
    done = run("extract", "m.csv", "--strict", "-q", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr == "mertool: 1 of 2 clips left out; see m.clips.csv\n"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "an empty file"),
        (b"hello, this is a text file", "not a dlib shape predictor"),
        (None, "no landmark model at"),
    ],
)
def test_wrong_landmark_models(tmp_path, portrait, content, text):
    if content is not None:
        (tmp_path / "model.dat").write_bytes(content)
    manifest = manifest_of(tmp_path, "good.png")
    assert text in refused("extract", manifest, "--landmarks", "model.dat", cwd=tmp_path)
    assert text in refused("extract", manifest, cwd=tmp_path, env={"MERTOOL_LANDMARKS": "model.dat"})
    assert not (tmp_path / "m.npz").exists()


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("5,9,7", "apex"),
        ("9,5,12", "apex"),
        ("12,9,5", "offset"),
        ("one,2,3", "onset"),
        ("500,501,502", "no onset frame 500"),
    ],
)
def test_frame_numbers_that_cannot_be(tmp_path, portrait, row, text):
    (tmp_path / "frames").mkdir()
    for number in range(4, 14):
        cv2.imwrite(str(tmp_path / "frames" / f"img{number}.png"), portrait)
    (tmp_path / "m.csv").write_text(f"clip,subject,emotion,frames,onset,apex,offset\na,1,x,frames,{row}\n")
    done = run("extract", "m.csv", cwd=tmp_path, check=False)
    assert "Traceback" not in done.stderr
    assert text in (tmp_path / "m.clips.csv").read_text()  # repaired or refused, the row says why
    assert done.returncode == (0 if ",ok," in (tmp_path / "m.clips.csv").read_text() else 1)


def test_outputs_that_cannot_be_written(tmp_path, portrait):
    manifest = manifest_of(tmp_path, "good.png")
    (tmp_path / "file").write_text("")
    line = refused("extract", manifest, "-o", "file/a.npz", cwd=tmp_path)
    assert "file: cannot make this folder: file exists" in line
    assert "name ends in .npz" in refused("extract", manifest, "-o", "a.zip", cwd=tmp_path, code=2)
    assert "name ends in .png" in refused("extract", manifest, "--sheet", "a.pdf", cwd=tmp_path, code=2)


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small disk"
    place.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", place], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_keeps_the_old_pack_and_run(tmp_path, portrait, pack_path, small_disk):
    manifest = manifest_of(tmp_path, "good.png")
    run("extract", manifest, "--size", "128", "-o", small_disk / "a.npz", cwd=tmp_path)
    old = (small_disk / "a.npz").read_bytes()
    line = refused("extract", manifest, "--size", "512", "-o", small_disk / "a.npz", cwd=tmp_path)
    assert "cannot be written: no space left on the device" in line
    assert (small_disk / "a.npz").read_bytes() == old
    assert sorted(path.name for path in small_disk.iterdir()) == ["a.clips.csv", "a.npz"]
    line = refused("cv", pack_path, *TINY, "--width", "16", "-o", small_disk / "run", cwd=tmp_path)
    assert "no space left on the device" in line
    assert not list(small_disk.rglob("*.pt"))


def test_packs_that_are_none(tmp_path, pack_path):
    data = pack_path.read_bytes()
    (tmp_path / "half.npz").write_bytes(data[: len(data) // 2])
    assert "half.npz: damaged or not a pack" in refused("cv", "half.npz", cwd=tmp_path)
    (tmp_path / "text.npz").write_text("text")
    assert "text.npz: damaged or not a pack" in refused("cv", "text.npz", cwd=tmp_path)
    assert "none.npz: cannot be read" in refused("cv", "none.npz", cwd=tmp_path)
    with zipfile.ZipFile(pack_path) as old, zipfile.ZipFile(tmp_path / "future.npz", "w") as new:
        for name in old.namelist():
            with old.open(name) as member, new.open(name, "w") as copy:
                if name == "meta.npy":
                    meta = json.loads(str(np.lib.format.read_array(member)))
                    np.lib.format.write_array(copy, np.array(json.dumps({**meta, "format": 99})))
                else:
                    copy.write(member.read())
    assert "pack format 99, this mertool reads up to 1; update mertool" in refused("cv", "future.npz", cwd=tmp_path)


def test_a_folder_a_run_or_a_video_where_a_pack_is_wanted(tmp_path, pack_path, finished_run):
    (tmp_path / "my SAMM").mkdir()
    line = refused("cv", "my SAMM", cwd=tmp_path)
    assert line == "Error: my SAMM: a folder, expected a pack (.npz); make one with \"mertool extract 'my SAMM'\""
    assert "make one with \"mertool extract 'my SAMM'\"" in refused("predict", finished_run, "my SAMM", cwd=tmp_path)
    line = refused("cv", finished_run, cwd=tmp_path, code=2)
    assert f'{finished_run}: a run, expected packs (.npz); "mertool cv -o ' in line
    line = refused("predict", pack_path, finished_run, cwd=tmp_path, code=2)
    assert 'the run comes first, then the pack: "mertool predict ' in line
    (tmp_path / "a.mp4").write_text("")
    for words in (("predict", finished_run, "a.mp4"), ("cv", "a.mp4")):
        assert "a.mp4: expected a pack (.npz), got a video, which" in refused(*words, cwd=tmp_path)
    assert "a pack already; extract makes one from" in refused("extract", pack_path, cwd=tmp_path, code=2)


def test_folders_of_outputs_are_made(tmp_path, portrait, pack_path, finished_run):
    run("extract", manifest_of(tmp_path, "good.png"), "--size", "96", "-o", "new/er/a.npz", cwd=tmp_path)
    assert (tmp_path / "new" / "er" / "a.clips.csv").exists()
    run("predict", finished_run, pack_path, "-o", "labels/a.csv", cwd=tmp_path)
    assert (tmp_path / "labels" / "a.csv").exists()


def test_recordings_to_be_labelled_can_be_predicted_but_not_trained_on(tmp_path, portrait, finished_run):
    rows = "a,p,good.png,good.png,good.png\nb,q,good.png,good.png,good.png\n"
    (tmp_path / "new.csv").write_text("clip,subject,onset_image,middle_image,apex_image\n" + rows)
    run("extract", "new.csv", cwd=tmp_path)
    lines = run("predict", finished_run, "new.npz", cwd=tmp_path).stdout.splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["new/p/a", "new/q/b"]
    for command in ("cv", "train"):
        line = refused(command, "new.npz", cwd=tmp_path)
        assert "new.npz: its clips have no emotions to train on; add the column emotion to their manifest" in line


def test_no_pack_and_several_packs(tmp_path, pack_path):
    assert "expected one .npz in this folder, found none" in refused("cv", cwd=tmp_path, code=2)
    for name in "ab":
        (tmp_path / f"{name}.npz").write_bytes(pack_path.read_bytes())
    assert "found a.npz, b.npz; name it" in refused("cv", cwd=tmp_path, code=2)
    assert "is in more than one pack" in refused("cv", "a.npz", "b.npz", cwd=tmp_path)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("--classes", "basic7"), 2, "did you mean 'basic6'?"),
        (("--classes", "anger,joy"), 2, "unknown emotion 'joy'"),
        (("--classes", "anger,suprise"), 2, "unknown emotion 'suprise', did you mean 'surprise'?"),
        (("--face", "--roi"), 2, "--face: contradicts --roi; leave one of them out"),
        (("--classes", "anger"), 2, "expected at least two classes"),
        (("--folds", "20"), 1, "every class needs one clip per fold, 20 here"),
        (("--folds", "1"), 2, "--folds: expected 2 to 100000, got 1"),
        (("--fold", "5"), 2, "--fold: expected 0 to 1, got 5"),
        (("--lr", "1e9"), 2, "--lr: expected 1e-09 to 100"),
        (("--rotation", "45"), 2, "expected 0 to 10, got 45.0"),
        (("--init", "nowhere"), 1, "no weights for --init"),
        (("--show-input", "a.jpg"), 2, "name ends in .png"),
        (("--device", "mps"), 2, "torch finds no such device here"),
    ],
)
def test_options_that_cannot_be(tmp_path, pack_path, options, code, text):
    line = refused("cv", pack_path, *TINY, *options, "-o", "run", cwd=tmp_path, code=code)
    assert text in line
    if "--fold" not in options:
        assert not (tmp_path / "run" / "fold_0").exists()


def test_unknown_options_and_commands(tmp_path):
    assert "No such option" in refused("cv", "--rio", cwd=tmp_path, code=2)
    assert "No such command" in refused("crossval", cwd=tmp_path, code=2)
    assert "'5' is not one of" in refused("cv", "--frames", "5", cwd=tmp_path, code=2)


def still_clips(folder, emotions):
    """m.csv: six people, one clip each, of these emotions in turn."""
    rows = [f"{k},{k},{emotions[k % len(emotions)]},{','.join(['good.png'] * 3)}\n" for k in range(6)]
    (folder / "m.csv").write_text("clip,subject,emotion,onset_image,middle_image,apex_image\n" + "".join(rows))


def test_one_class_only(tmp_path, portrait):
    still_clips(tmp_path, "x")
    run("extract", "m.csv", "--aligned", "--size", "64", cwd=tmp_path)
    assert "expected at least two emotions" in refused("cv", cwd=tmp_path, code=2)


def test_regions_of_an_aligned_pack(tmp_path, portrait):
    still_clips(tmp_path, "xy")
    run("extract", "m.csv", "--aligned", "--size", "64", cwd=tmp_path)
    assert "has no landmarks (made with --aligned), but --roi" in refused("cv", "--roi", cwd=tmp_path)
    assert "--aligned takes pictures as they are" in refused(
        "extract", "m.csv", "--aligned", "--landmarks", "x", cwd=tmp_path, code=2
    )
    assert "hits/N" in run("cv", *TINY, cwd=tmp_path).stdout  # the face of such a pack is the whole picture


def test_run_folders_in_use(tmp_path, pack_path, finished_run):
    assert "already holds a run; --resume continues it" in refused(
        "cv", pack_path, "--abn", *TINY, "-o", finished_run, cwd=tmp_path
    )
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    assert "not empty and not a run (it holds a.txt)" in refused("cv", pack_path, *TINY, "-o", "letters", cwd=tmp_path)
    (tmp_path / "file").write_text("")
    assert "cannot make this folder" in refused("cv", pack_path, *TINY, "-o", "file", cwd=tmp_path)


def copy_of(run_folder, tmp_path):
    import shutil

    return shutil.copytree(run_folder, tmp_path / "copy")


def test_reports_of_what_is_no_finished_run(tmp_path, finished_run):
    assert "run" in refused("report", cwd=tmp_path)
    assert "x.npz: cannot be read: no such file" in refused("predict", tmp_path, "x.npz", cwd=tmp_path)
    copy = copy_of(finished_run, tmp_path)
    (copy / "fold_1" / "predictions.csv").unlink()
    assert "fold 1 was finished and has lost its predictions.csv" in refused("report", copy, cwd=tmp_path)
    (copy / "config.json").write_text('{"format": 1')
    assert "not a JSON file" in refused("report", copy, cwd=tmp_path)


def test_edited_predictions_are_noticed(tmp_path, finished_run):
    copy = copy_of(finished_run, tmp_path)
    path = copy / "fold_0" / "predictions.csv"
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[5] = next(line.split(",")[4] for line in lines[1:] if line.split(",")[4] != cells[5])
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    assert "was it edited?" in refused("report", copy, cwd=tmp_path)


def test_damaged_and_hostile_weights(tmp_path, pack_path, finished_run):
    copy = copy_of(finished_run, tmp_path)
    weights = copy / "fold_0" / "final.pt"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "got another file or a truncated one" in refused("predict", copy, pack_path, cwd=tmp_path)

    weights.write_bytes(pickle.dumps(Payload(tmp_path / "sprung")))
    refused("predict", copy, pack_path, cwd=tmp_path)
    assert not (tmp_path / "sprung").exists()
    weights.unlink()
    assert 'not finished, no fold_0/final.pt; run "mertool cv -o' in refused("predict", copy, pack_path, cwd=tmp_path)


def test_a_folder_deleted_while_a_shell_is_in_it(tmp_path):
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        ["sh", "-c", 'cd gone && rmdir ../gone && exec "$0" "$@"', *COMMAND, "cv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
