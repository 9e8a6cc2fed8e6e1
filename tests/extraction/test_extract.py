"""Extraction on real portraits: one alignment a clip, every clip accounted for, nothing done twice."""

from __future__ import annotations

import csv
import json
import shutil

import cv2
import numpy as np
import pytest
import skimage.data

from mertool import _core, regions
from mertool.datasets import read_clips
from mertool.errors import DataError
from mertool.extraction.extract import extract
from mertool.extraction.faces import find_landmark_model
from mertool.extraction.options import ExtractOptions
from mertool.pack import load_pack
from tests.support.command import run


@pytest.fixture(scope="module")
def colour_portrait():
    return cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)


def moved(picture, dx, dy, angle_deg=0.0, scale=1.0):
    centre = (picture.shape[1] / 2, picture.shape[0] / 2)
    matrix = cv2.getRotationMatrix2D(centre, angle_deg, scale)
    matrix[:, 2] += dx, dy
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


@pytest.fixture
def manifest(tmp_path, colour_portrait):
    """Three clips: still, with a face that moves 3 px to the right, and tilted by 20 degrees."""
    folder = tmp_path / "clips with é"
    folder.mkdir()
    frames = {
        "still": [colour_portrait] * 3,
        "right": [colour_portrait, moved(colour_portrait, 1.5, 0), moved(colour_portrait, 3, 0)],
        "tilted": [moved(colour_portrait, 0, 0, 20)] * 3,
    }
    lines = ["clip,subject,emotion,onset_image,middle_image,apex_image"]
    for name, pictures in frames.items():
        for k, picture in enumerate(pictures):
            cv2.imwrite(str(folder / f"{name}{k}.png"), picture)
        lines.append(f"{name},s1,anger,{name}0.png,{name}1.png,{name}2.png")
    path = folder / "mine.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def extracted(manifest, output, jobs=1, overwrite=False, **options):
    chosen = ExtractOptions(**options)
    return extract(
        read_clips(manifest), output, chosen, landmarks=find_landmark_model(), jobs=jobs, overwrite=overwrite
    )


def shift_in_crop(frames):
    window = cv2.createHanningWindow((frames.shape[2], frames.shape[1]), cv2.CV_64F)
    return cv2.phaseCorrelate(frames[0].astype(float), frames[2].astype(float), window)[0]


@pytest.mark.parametrize(("align", "kept"), [("clip", 1), ("stabilised", 0)])
def test_the_head_moves_in_the_crop_or_not(manifest, tmp_path, colour_portrait, align, kept, finder):
    pack = extracted(manifest, tmp_path / "a.npz", size=256, align=align).pack
    assert pack.alignment == align
    outer = regions.face_frame(pack.landmarks[:, 0]).outer
    still, right, tilted = pack.frames
    assert (still[0] == still[2]).all()
    # The 3 px of the picture are found again in the crop, scaled as the face is, or taken out.
    face = finder.find(cv2.cvtColor(colour_portrait, cv2.COLOR_BGR2GRAY))
    scale = outer[1] / regions.face_frame(face.landmarks).outer
    shift = shift_in_crop(right)
    assert abs(shift[0] - 3 * scale * kept) < (0.35 * scale if kept else 0.05)
    assert abs(shift[1]) < 0.2
    # Eyes are level in every crop, whatever the tilt of the head.
    across = regions.face_frame(pack.landmarks[:, 0]).across
    np.testing.assert_allclose(across[:, 1], 0, atol=2e-3)
    assert np.corrcoef(still[0].astype(float).ravel(), tilted[0].astype(float).ravel())[0, 1] > 0.8


def test_align_frame_takes_the_motion_out(manifest, tmp_path):
    clip = extracted(manifest, tmp_path / "a.npz", size=128, align="clip").pack.frames[1].astype(float)
    frame = extracted(manifest, tmp_path / "b.npz", size=128, align="frame").pack.frames[1].astype(float)
    assert np.abs(frame[0] - frame[2]).mean() < np.abs(clip[0] - clip[2]).mean()


def test_each_stabilised_frame_is_interpolated_once(manifest, tmp_path, finder):
    """Frames equal one `align` of the picture by the transform that the pack tells."""
    pack = extracted(manifest, tmp_path / "a.npz", size=128).pack
    for row, name in enumerate(("still", "right", "tilted")):
        pictures = [cv2.imread(str(manifest.parent / f"{name}{k}.png")) for k in range(3)]
        onset = regions.crop_transform(finder.find(cv2.cvtColor(pictures[0], cv2.COLOR_BGR2GRAY)).landmarks, 128)
        for k, picture in enumerate(pictures):
            transform = regions.compose(onset, pack.head[row, k].astype(np.float64))
            expected = _core.align(picture, transform, (128, 128)).astype(int)
            assert np.abs(pack.frames[row, k] - expected).max() <= 1  # head is kept in float32
    np.testing.assert_allclose(pack.head[0], np.broadcast_to(np.eye(2, 3), (3, 2, 3)), atol=1e-6)
    assert 2 < pack.head[1, 2, 0, 2] < 4  # 3 px of the picture, about one of its pixels per pixel of this crop


def test_the_row_tells_the_head_s_motion_and_the_remark_what_is_much(tmp_path, colour_portrait):
    moves = {"still": (0, 0, 0), "near": (6, -3, 1), "turned": (0, 0, 8), "far": (30, 10, 0)}
    lines = ["clip,subject,emotion,onset_image,middle_image,apex_image"]
    for name, (dx, dy, angle) in moves.items():
        for k, share in enumerate((0, 0.5, 1)):
            picture = moved(colour_portrait, share * dx, share * dy, share * angle)
            cv2.imwrite(str(tmp_path / f"{name}{k}.png"), picture)
        lines.append(f"{name},s,anger,{name}0.png,{name}1.png,{name}2.png")
    covered = colour_portrait.copy()
    covered[90:] = covered[90:] // 8 * 0 + np.random.default_rng(0).integers(0, 256, covered[90:].shape, np.uint8)
    cv2.imwrite(str(tmp_path / "covered.png"), covered)
    lines.append("covered,s,anger,still0.png,near1.png,covered.png")
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n")
    done = extracted(tmp_path / "m.csv", tmp_path / "a.npz", size=96)
    rows = {row["clip"]: row for row in done.rows}
    assert not done.failed
    assert [rows["still"][name] for name in ("head_shift_px", "head_turn_deg", "head_stable")] == [
        "0.00",
        "0.00",
        "1.00",
    ]
    assert abs(float(rows["near"]["head_shift_px"]) - np.hypot(6, 3)) < 2.5  # the turn is about the picture's centre
    assert float(rows["near"]["head_turn_deg"]) == pytest.approx(1, abs=0.03)
    assert (rows["still"]["detail"], rows["near"]["detail"]) == ("", "")
    assert "the head moved 32 px" in rows["far"]["detail"]
    assert "turned 8 degrees" in rows["turned"]["detail"]
    assert (
        "the head's motion could not be measured in the apex frame: aligned as the onset is"
        in rows["covered"]["detail"]
    )
    np.testing.assert_allclose(done.pack.head[done.pack.clip_name.index("covered"), 2], np.eye(2, 3), atol=1e-6)
    plain = extracted(tmp_path / "m.csv", tmp_path / "b.npz", size=96, align="clip")
    assert plain.pack.head is None
    assert {row["head_shift_px"] for row in plain.rows} == {""}


@pytest.mark.parametrize("shape", [(256, 256), (300, 220)])
def test_aligned_pictures_are_stabilised_where_asked_for(tmp_path, colour_portrait, shape):
    crop = cv2.resize(colour_portrait[0:256, 96:352], shape[::-1], interpolation=cv2.INTER_AREA)
    for k in range(3):
        cv2.imwrite(str(tmp_path / f"{k}.png"), moved(crop, 1.2 * k, -0.7 * k, 0.4 * k))
    (tmp_path / "m.csv").write_text(
        "clip,subject,emotion,onset_image,middle_image,apex_image\na,s,anger,0.png,1.png,2.png\n"
    )
    plain, stabilised = (
        extract(
            read_clips(tmp_path / "m.csv"),
            tmp_path / f"{align}.npz",
            ExtractOptions(size=128, aligned=True, align=align),
        ).pack
        for align in (None, "stabilised")
    )
    assert (plain.alignment, stabilised.alignment) == ("none", "stabilised")
    inside = np.s_[24:104, 24:104]
    before, after = (
        np.abs(pack.frames[0, 2][inside].astype(float) - pack.frames[0, 0][inside]).mean()
        for pack in (plain, stabilised)
    )
    assert after < 0.3 * before
    assert not stabilised.has_landmarks


def test_apex_difference_and_sequences_follow_the_head(tmp_path, colour_portrait, finder):
    """The head drifts by 12 px while a mouth corner moves by two: the apex is the corner's, not the drift's."""
    grey = cv2.cvtColor(colour_portrait, cv2.COLOR_BGR2GRAY)
    points = finder.find(grey).landmarks
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
    bell = np.exp(-0.5 * ((x - points[48, 0]) ** 2 + (y - points[48, 1]) ** 2) / 12**2)
    rng = np.random.default_rng(0)
    for k in range(25):
        lift = np.float32(2 * (k / 10 if k <= 10 else (24 - k) / 14)) * bell
        shown = cv2.remap(grey, x + np.float32(k / 2), y + lift, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        shown = moved(shown, 0, 0, k / 12) + rng.normal(0, 1, grey.shape)
        cv2.imwrite(str(tmp_path / f"img{k}.png"), np.clip(shown, 0, 255).astype(np.uint8))
    (tmp_path / "m.csv").write_text("clip,subject,emotion,frames,onset,apex,offset\na,1,anger,.,0,20,24\n")
    annotations = read_clips(tmp_path / "m.csv", apex="difference")
    options = ExtractOptions(size=128, apex="difference", sequence=5)
    done = extract(annotations, tmp_path / "a.npz", options, landmarks=find_landmark_model())
    assert abs(int(done.rows[0]["apex"]) - 10) <= 2
    frames = done.pack.sequence[0].astype(float)
    assert (
        max(np.abs(shift_in_crop(np.stack([frames[0], frames[0], frame]))).max() for frame in frames) < 0.4
    )  # 3 px and more with the head left in


def test_jobs_do_not_change_a_byte(manifest, tmp_path):
    for jobs in (1, 3):
        extracted(manifest, tmp_path / f"{jobs}.npz", size=128, jobs=jobs)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "3.npz").read_bytes()


def test_a_second_run_does_nothing_until_something_changes(manifest, tmp_path):
    out = tmp_path / "a.npz"
    assert extracted(manifest, out, size=128).fresh
    before = out.stat().st_ino
    assert not extracted(manifest, out, size=128).fresh
    assert out.stat().st_ino == before
    (tmp_path / "a.clips.csv").unlink()
    assert not extracted(manifest, out, size=128).fresh
    assert (tmp_path / "a.clips.csv").exists()  # the table comes back without extracting
    assert extracted(manifest, out, size=96).fresh
    assert extracted(manifest, out, size=96, overwrite=True).fresh
    picture = cv2.imread(str(manifest.parent / "still2.png"))
    picture[0, 0] ^= 1
    cv2.imwrite(str(manifest.parent / "still2.png"), picture)
    assert extracted(manifest, out, size=96).fresh
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("tilted,s1,anger", "tilted,s1,fear"), "utf-8")
    assert extracted(manifest, out, size=96).pack.emotion[2] == "fear"


def test_a_damaged_pack_is_simply_made_again(manifest, tmp_path):
    out = tmp_path / "a.npz"
    extracted(manifest, out, size=128)
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    assert extracted(manifest, out, size=128).fresh
    assert out.read_bytes() == whole


def test_every_clip_has_a_row_and_failures_have_a_reason(manifest, tmp_path):
    folder = manifest.parent
    cv2.imwrite(str(folder / "noise.png"), np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8))
    (folder / "text.jpg").write_text("not a picture")
    whole = cv2.imencode(".jpg", cv2.imread(str(folder / "still0.png")))[1].tobytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    cv2.imwrite(str(folder / "small.png"), np.zeros((20, 20), np.uint8))
    bad = ["noise.png", "text.jpg", "cut.jpg", "small.png", "none.png"]
    with manifest.open("a", encoding="utf-8") as stream:
        for name in bad:
            stream.write(f"bad_{name[:-4]},s2,fear,still0.png,still0.png,{name}\n")
        stream.write("bad_all,s2,fear,noise.png,noise.png,noise.png\n")
    done = extracted(manifest, tmp_path / "a.npz", size=128)
    assert done.pack.clip_name == ("still", "right", "tilted")
    table = (tmp_path / "a.clips.csv").read_text(encoding="utf-8")
    rows = {row["clip"]: row for row in csv.DictReader(table.splitlines())}
    assert len(rows) == 9
    expected = {
        "bad_noise": ("unreadable", "frames of different sizes: 512x512, 300x300"),
        "bad_text": ("unreadable", "text.jpg: expected a picture, got something else"),
        "bad_cut": ("unreadable", "cut.jpg: this JPEG is cut short"),
        "bad_small": ("unreadable", "frames of different sizes: 20x20, 512x512"),
        "bad_none": ("missing_frame", "none.png"),
        "bad_all": ("no_face", "no face found in the onset frame"),
    }
    for clip, (status, text) in expected.items():
        assert rows[clip]["status"] == status, rows[clip]
        if clip != "bad_noise":
            assert text in rows[clip]["detail"]
    assert done.failed == 6
    assert json.dumps(done.pack.meta["rows"])


def test_no_usable_clip_keeps_the_old_pack(manifest, tmp_path):
    out = tmp_path / "a.npz"
    extracted(manifest, out, size=128)
    before = out.read_bytes()
    for picture in manifest.parent.glob("*.png"):
        picture.write_text("gone")
    with pytest.raises(DataError, match=r"none of 3 clips could be used \(still: .*each clip's reason is in"):
        extracted(manifest, out, size=128)
    assert out.read_bytes() == before


def test_a_picture_of_three_channels_is_red_green_blue(tmp_path, colour_portrait):
    grey = cv2.cvtColor(colour_portrait, cv2.COLOR_BGR2GRAY)
    onset, middle, apex = grey, np.roll(grey, 1, 1), np.roll(grey, 2, 1)
    cv2.imwrite(str(tmp_path / "stack.png"), np.dstack([apex, middle, onset]))  # OpenCV writes blue, green, red
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    manifest = tmp_path / "m.csv"
    cv2.imwrite(str(tmp_path / "colour.png"), colour_portrait)
    rows = "a,1,x,stack.png\nb,1,y,grey.png\nc,1,y,colour.png\n"
    manifest.write_text(f"clip,subject,emotion,stacked_image\n{rows}")
    done = extract(read_clips(manifest), tmp_path / "a.npz", ExtractOptions(size=512, aligned=True))
    np.testing.assert_array_equal(done.pack.frames[0], np.stack([onset, middle, apex]))
    assert not done.pack.has_landmarks
    assert done.rows[1]["status"] == "unreadable"
    assert "grey.png: grey; expected three channels" in done.rows[1]["detail"]
    assert done.rows[2]["status"] == "unreadable"
    assert "colour.png: a colour photograph, whose red, green and blue are no key frames" in done.rows[2]["detail"]


def test_sequences_are_evenly_spaced_and_hold_onset_and_offset(recordings, tmp_path):
    annotations = read_clips(recordings)
    options = ExtractOptions(size=128, sequence=4)
    pack = extract(annotations, tmp_path / "a.npz", options, landmarks=find_landmark_model(), jobs=2).pack
    assert pack.sequence.shape == (len(pack.ids), 4, 128, 128)
    np.testing.assert_array_equal(pack.sequence[:, 0], pack.frames[:, 0])
    last = cv2.imread(str(list(annotations.clips[0].sequence)[-1][1]), cv2.IMREAD_GRAYSCALE)
    assert last.shape == (650, 960)
    assert not (pack.sequence[:, 3] == pack.sequence[:, 0]).all()


def test_a_sequence_without_offset_ends_at_the_last_frame_known(tmp_path, colour_portrait):
    for number in range(10, 21):
        cv2.imwrite(str(tmp_path / f"img{number}.png"), np.full((80, 80), number, np.uint8))
    (tmp_path / "m.csv").write_text("clip,subject,emotion,frames,onset,apex\na,1,x,.,10,20\n")
    options = ExtractOptions(size=64, aligned=True, sequence=3)
    pack = extract(read_clips(tmp_path / "m.csv"), tmp_path / "a.npz", options).pack
    assert pack.sequence[0, :, 0, 0].tolist() == [10, 15, 20]


def test_the_pack_of_a_copied_folder_is_the_same_file(recordings, tmp_path):
    """No dates and no absolute paths: a copy elsewhere, later, gives the same bytes."""
    folder = tmp_path / "elsewhere" / recordings.name
    shutil.copytree(recordings, folder)
    for place, out in ((recordings, "a.npz"), (folder, "b.npz")):
        extract(read_clips(place), tmp_path / out, ExtractOptions(size=96), landmarks=find_landmark_model(), jobs=2)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert str(tmp_path) not in json.dumps(load_pack(tmp_path / "a.npz").meta)


def test_the_command_says_what_it_did(recordings, tmp_path):
    first = run("extract", recordings, "-o", "x.npz", "--size", "96", "--sheet", "sheet.png", cwd=tmp_path)
    assert "mertool: x.npz: 26 of 26 clips, 4 subjects\n" in first.stderr
    assert first.stdout == ""
    assert "their middle" in first.stderr  # the impossible apexes are named
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] > 1000
    second = run("extract", recordings, "-o", "x.npz", "--size", "96", cwd=tmp_path)
    assert "unchanged, nothing to do" in second.stderr
    (tmp_path / "SAMM").symlink_to(recordings)
    run("extract", "SAMM/", "--size", "96", cwd=tmp_path)
    assert (tmp_path / "SAMM.npz").read_bytes() == (tmp_path / "x.npz").read_bytes()
    silent = run("extract", recordings, "-o", "x.npz", "--size", "96", "-q", cwd=tmp_path)
    assert silent.stdout + silent.stderr == ""


def test_a_subset_of_subjects_is_one_line(recordings, tmp_path):
    folder = tmp_path / "part"
    shutil.copytree(recordings, folder)
    annotations = read_clips(folder)
    gone = annotations.clips[0].subject
    for path in {clip.sequence.folder for clip in annotations.clips if clip.subject == gone}:
        shutil.rmtree(path)
    n = sum(clip.subject == gone for clip in annotations.clips)
    done = run("extract", "part", "--size", "64", cwd=tmp_path)
    assert "no folder" not in done.stderr
    assert f"mertool: {n} clips of subjects that are not on disk: see part.clips.csv\n" in done.stderr
    assert (tmp_path / "part.clips.csv").read_text().count(",missing_frame,no folder") == n
