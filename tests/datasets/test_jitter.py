"""The jitter test: by how much, where it stops, that only seed and id decide, and that all of it is said."""

from __future__ import annotations

import csv
import json
import random
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from mertool.clips import OK, Clip, FrameSequence
from mertool.datasets import read_clips
from mertool.datasets.frames import Frames
from mertool.datasets.jitter import draw_moves, jitter_summary, with_jitter
from mertool.errors import DataError
from mertool.extraction.extract import extract
from mertool.extraction.options import ExtractOptions
from mertool.pack import load_pack, save_pack
from mertool.report.plain import render_text
from mertool.runs.finished import load_run
from tests.support.command import TINY, run
from tests.support.reports import flat
from tests.support.run_folders import PACK, make_run

IDS = [f"samm/{k % 30:03d}/{k:04d}" for k in range(7000)]


def frames_of(numbers):
    return Frames(Path("c"), {number: f"{number:04d}.png" for number in numbers}, {})


def clip_of(frames, onset, apex, offset=-1, name="a"):
    inside = [number for number in frames.names if onset <= number <= max(offset, apex)]
    sequence = FrameSequence(frames.folder, tuple(inside), tuple(frames.names[number] for number in inside))
    key = (onset, (onset + apex + 1) // 2, apex)
    paths = tuple(frames.folder / frames.names.get(number, "?") for number in key)
    return Clip(name, "d", "p", "x", *key, offset, paths, sequence=sequence)


# The draw


def test_draws_fill_their_range_evenly_and_are_independent():
    draws = [draw_moves(name, 3, 0) for name in IDS]
    for place in (0, 1):
        counts = Counter(draw[place] for draw in draws)
        assert sorted(counts) == [-3, -2, -1, 0, 1, 2, 3]
        assert max(abs(count - 1000) for count in counts.values()) < 130  # four standard deviations
    pairs = Counter(draws)
    assert len(pairs) == 49
    assert sum((count - 7000 / 49) ** 2 / (7000 / 49) for count in pairs.values()) < 90  # chi-square, 48 degrees
    onset, apex = np.array(draws, float).T
    assert abs(np.corrcoef(onset, apex)[0, 1]) < 0.05


def test_draws_hang_on_seed_and_id_alone():
    # Fixed for good: other draws would silently change every published figure of a seed.
    assert [draw_moves(name, 5, 0) for name in IDS[:4]] == [(-2, 5), (5, 0), (-2, 2), (4, 4)]
    assert draw_moves("samm/006/006_1_2", 0, 3) == (0, 0)
    other = [draw_moves(name, 5, 1) for name in IDS]
    assert sum(a != b for a, b in zip([draw_moves(name, 5, 0) for name in IDS], other, strict=True)) > 6500


def test_a_larger_jitter_moves_the_same_way_only_further():
    for name in IDS[:300]:
        moves = np.array([draw_moves(name, most, 0) for most in (1, 2, 4, 8, 50, 1000)])
        assert (np.abs(moves).max(1) <= [1, 2, 4, 8, 50, 1000]).all()
        assert (np.sign(moves[-1]) * moves >= 0).all()
        assert (np.diff(np.abs(moves), axis=0) >= 0).all()


# The clip


@pytest.mark.parametrize("seed", range(40))
def test_a_clip_stays_one_whatever_is_drawn(seed):
    rng = random.Random(seed)
    frames = frames_of(sorted(rng.sample(range(1, 120), rng.randint(4, 110))))
    numbers = sorted(frames.names)
    for k in range(50):
        onset, apex = sorted(rng.sample(numbers, 2))
        offset = rng.choice([-1, rng.randint(apex, 125)])
        most = rng.choice([1, 2, 5, 30])
        before = clip_of(frames, onset, apex, offset, f"{k}")
        clip = with_jitter(before, frames, most, seed)
        assert clip.onset < clip.apex
        assert offset < 0 or clip.apex <= offset
        assert clip.offset == offset
        assert clip.onset <= clip.middle <= clip.apex
        for old, new, drawn in zip(
            (onset, apex), (clip.onset, clip.apex), draw_moves(before.id, most, seed), strict=True
        ):
            assert min(0, drawn) <= new - old <= max(0, drawn)  # its own way, and never further than drawn
        between = [number for number in numbers if clip.onset <= number <= clip.apex]
        wanted = (clip.onset + clip.apex + 1) // 2
        assert abs(clip.middle - wanted) == min(abs(number - wanted) for number in between)
        assert [path.name for path in clip.key_frames] == [f"{n:04d}.png" for n in (clip.onset, clip.middle, clip.apex)]
        inside = tuple(number for number in numbers if clip.onset <= number <= max(offset, clip.apex))
        assert clip.sequence.numbers == inside
        assert clip.sequence.names == tuple(frames.names[number] for number in inside)


def test_where_nothing_is_in_the_way_the_draw_is_the_move():
    frames = frames_of(range(1, 200))
    seen = set()
    for k in range(400):
        clip = with_jitter(clip_of(frames, 80, 100, 120, f"{k}"), frames, 6, 0)
        moved = (clip.onset - 80, clip.apex - 100)
        assert moved == draw_moves(clip.id, 6, 0)
        assert clip.middle == (clip.onset + clip.apex + 1) // 2
        assert clip.detail == f"onset 80 to {clip.onset}, apex 100 to {clip.apex} by --jitter"
        seen.add(moved)
    assert len(seen) > 100


@pytest.mark.parametrize(
    ("numbers", "onset", "apex", "offset", "onsets", "apexes"),
    [
        (range(10, 31), 10, 20, 30, (10, 14), (15, 30)),  # no frame before the onset; half-way in between
        (range(10, 31), 10, 20, 22, (10, 14), (15, 22)),  # the offset
        (range(1, 31), 10, 20, -1, (1, 14), (15, 30)),  # no offset: to the last frame
        (range(1, 51), 10, 11, 50, (1, 10), (11, 41)),  # next to each other
        ([1, 5, 10, 20, 28, 51], 10, 20, 51, (1, 10), (20, 28)),  # holes are never jumped over
        (range(10, 31), 10, 30, 12, (10, 19), (20, 30)),  # an apex found behind the offset
    ],
)
def test_moves_stop_at_every_end(numbers, onset, apex, offset, onsets, apexes):
    frames = frames_of(numbers)
    clips = [with_jitter(clip_of(frames, onset, apex, offset, f"{k}"), frames, 30, 0) for k in range(300)]
    assert (min(clip.onset for clip in clips), max(clip.onset for clip in clips)) == onsets
    assert (min(clip.apex for clip in clips), max(clip.apex for clip in clips)) == apexes
    stopped = [clip for clip in clips if draw_moves(clip.id, 30, 0)[0] != clip.onset - onset]
    assert stopped
    for clip in stopped:
        drawn = draw_moves(clip.id, 30, 0)[0]
        assert clip.detail.startswith(f"onset {onset} to {clip.onset} (drawn {drawn:+d}), apex {apex} to {clip.apex}")


def test_what_cannot_be_moved_stays_and_says_so():
    still = Clip("a", "d", "p", "x", key_frames=(Path("a.png"),) * 3, remarks=("first",))
    found = with_jitter(still, frames_of([]), 3, 0)
    assert (found.key_frames, found.detail) == (
        still.key_frames,
        "first; not moved by --jitter: it has no frame numbers",
    )
    frames = frames_of(range(9))
    found = with_jitter(clip_of(frames, 4, 4), frames, 3, 0)
    assert (found.onset, found.apex, found.detail) == (4, 4, "not moved by --jitter: its apex is its onset")


def test_the_remark_counts():
    rows = [
        {"status": OK, "detail": "onset 1 to 1 (drawn -2), apex 9 to 9 (drawn +1) by --jitter"},
        {"status": OK, "detail": "apex 8 by --apex middle; onset 3 to 2, apex 8 to 8 by --jitter"},
        {"status": OK, "detail": "not moved by --jitter: it has no frame numbers"},
        {"status": "no_face", "detail": "onset 3 to 2, apex 8 to 8 by --jitter; no face found"},
    ]
    assert jitter_summary(rows, 2, 5) == (
        "--jitter 2, seed 5: onset and apex of 2 of 3 clips moved at random; 2 of these 4 moves stopped short (no "
        "frame there, the offset, or halfway between the two)"
    )
    assert jitter_summary(rows[1:2], 2, 0) == "--jitter 2, seed 0: onset and apex of 1 of 1 clips moved at random"


# The pack


@pytest.fixture
def manifest(tmp_path):
    """Six clips of frames whose grey is five times their number."""
    lines = ["clip,subject,emotion,frames,onset,apex,offset"]
    for k in range(6):
        folder = tmp_path / f"frames é {k}"
        folder.mkdir()
        for number in range(1, 41):
            cv2.imwrite(str(folder / f"img{number}.png"), np.full((70, 70), 5 * number, np.uint8))
        lines.append(f"c{k},p{k % 3},{('joy', 'fear')[k % 2]},{folder.name},{10 + k},{20 + k},{30 + k}")
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def jittered(manifest, out, jitter, apex="table", jobs=1, **options):
    chosen = ExtractOptions(size=64, aligned=True, jitter=jitter, apex=apex, **options)
    return extract(read_clips(manifest, apex=apex), out, chosen, jobs=jobs)


def key_numbers(done):
    return {row["clip"]: tuple(int(row[name]) for name in ("onset", "middle", "apex")) for row in done.rows}


def test_the_pictures_are_those_of_the_new_places(manifest, tmp_path):
    done = jittered(manifest, tmp_path / "a.npz", 4, sequence=3)
    assert done.pack.meta["settings"]["jitter"] == 4
    rows = {row["clip"]: row for row in csv.DictReader((tmp_path / "a.clips.csv").read_text().splitlines())}
    for place, name in enumerate(done.pack.clip_name):
        k = int(name[1])
        by_onset, by_apex = draw_moves(f"mine/p{k % 3}/{name}", 4, 0)
        onset, apex = 10 + k + by_onset, 20 + k + by_apex  # four frames are in nobody's way
        assert key_numbers(done)[name] == (onset, (onset + apex + 1) // 2, apex)
        assert (done.pack.frames[place, :, 0, 0] // 5).tolist() == list(key_numbers(done)[name])
        assert (done.pack.sequence[place, ::2, 0, 0] // 5).tolist() == [onset, 30 + k]
        assert rows[name]["detail"] == f"onset {10 + k} to {onset}, apex {20 + k} to {apex} by --jitter"
        assert rows[name]["status"] == OK
    assert len({draw_moves(f"mine/p{k % 3}/c{k}", 4, 0) for k in range(6)}) > 3


def test_neither_order_nor_number_of_clips_nor_processes_matter(manifest, tmp_path):
    whole = key_numbers(jittered(manifest, tmp_path / "a.npz", 4))
    header, *rows = manifest.read_text(encoding="utf-8").splitlines()
    manifest.write_text("\n".join([header, *rows[:2:-1]]) + "\n", encoding="utf-8")
    part = key_numbers(jittered(manifest, tmp_path / "b.npz", 4, jobs=2))
    assert list(part) == ["c5", "c4", "c3"]
    assert part == {name: whole[name] for name in part}
    assert key_numbers(jittered(manifest, tmp_path / "b.npz", 4, jitter_seed=1)) != part


def test_a_pack_is_made_again_when_its_jitter_changes(manifest, tmp_path):
    out = tmp_path / "a.npz"
    for jitter, seed, fresh in ((0, 0, True), (0, 7, False), (3, 0, True), (3, 0, False), (3, 1, True), (4, 1, True)):
        assert jittered(manifest, out, jitter, jitter_seed=seed).fresh == fresh, (jitter, seed)
    frames = tmp_path / "frames é 0"
    (onset, *_), before = key_numbers(jittered(manifest, out, 4, jitter_seed=1))["c0"], out.read_bytes()
    (frames / f"img{onset}.png").unlink()  # the frame it moved to: another is taken
    again = jittered(manifest, out, 4, jitter_seed=1)
    assert (again.fresh, key_numbers(again)["c0"][0] != onset) == (True, True)
    assert out.read_bytes() != before


def test_a_pack_without_jitter_is_the_same_as_before_there_was_any(manifest, tmp_path):
    plain = jittered(manifest, tmp_path / "a.npz", 0).pack
    arrays = {"frames": plain.frames, "landmarks": plain.landmarks}
    arrays["clip"] = np.array(plain.clip_name)
    for name in ("dataset", "subject", "emotion"):
        arrays[name] = np.array(getattr(plain, name))
    for name in ("onset", "middle", "apex", "offset"):
        arrays[name] = np.zeros(len(plain.ids), np.int64)
    meta = {name: value for name, value in plain.meta.items() if name != "format"}
    meta["settings"] = {name: value for name, value in meta["settings"].items() if "jitter" not in name}
    save_pack(tmp_path / "old.npz", arrays, meta)
    before = (tmp_path / "old.npz").read_bytes()
    assert not jittered(manifest, tmp_path / "old.npz", 0).fresh
    assert (tmp_path / "old.npz").read_bytes() == before
    assert jittered(manifest, tmp_path / "old.npz", 1).fresh


def test_first_the_apex_then_the_jitter(manifest, tmp_path):
    middle = jittered(manifest, tmp_path / "a.npz", 4, apex="middle")
    found = jittered(manifest, tmp_path / "b.npz", 4, apex="difference")
    plain = jittered(manifest, tmp_path / "c.npz", 0, apex="difference")
    for row, other, chosen in zip(middle.rows, found.rows, plain.rows, strict=True):
        k = int(row["clip"][1])
        by_onset, by_apex = draw_moves(f"mine/p{k % 3}/c{k}", 4, 0)
        moved = f"onset {10 + k} to {10 + k + by_onset}, apex {20 + k} to {20 + k + by_apex} by --jitter"
        assert row["detail"] == f"apex {20 + k} by --apex middle; {moved}"
        apex = int(chosen["apex"])
        onset, _, moved_apex = key_numbers(found)[row["clip"]]
        assert chosen["detail"] == f"apex {apex} by --apex difference"
        assert other["detail"].startswith(f"{chosen['detail']}; onset {10 + k} to {onset}")
        assert other["detail"].endswith("by --jitter")
        assert (abs(onset - 10 - k), abs(moved_apex - apex)) <= (abs(by_onset), abs(by_apex))
        place = found.pack.clip_name.index(row["clip"])
        assert (found.pack.frames[place, ::2, 0, 0] // 5).tolist() == [onset, moved_apex]
    assert not jittered(manifest, tmp_path / "b.npz", 4, apex="difference").fresh
    cv2.imwrite(str(tmp_path / "frames é 0" / "img7.png"), np.zeros((70, 70), np.uint8))  # before the onset, in reach
    assert jittered(manifest, tmp_path / "b.npz", 4, apex="difference").fresh


def test_ready_pictures_are_refused_and_among_others_named(manifest, tmp_path):
    cv2.imwrite(str(tmp_path / "x.png"), np.full((70, 70, 3), 9, np.uint8))
    ready = tmp_path / "ready.csv"
    ready.write_text("clip,subject,emotion,stacked_image\na,1,x,x.png\nb,1,y,x.png\n")
    with pytest.raises(DataError) as caught:
        jittered(ready, tmp_path / "a.npz", 2)
    message = (
        "extract: --jitter moves onset and apex to other frames, but none of 2 clips has numbered frames; leave it "
        "out (a manifest may give frames, onset and apex)"
    )
    assert str(caught.value) == message
    assert not (tmp_path / "a.npz").exists()
    lines = manifest.read_text(encoding="utf-8").splitlines()
    mixed = [f"{lines[0]},stacked_image", *(f"{line}," for line in lines[1:]), "still,p0,joy,,,,,x.png"]
    manifest.write_text("\n".join(mixed) + "\n", encoding="utf-8")
    rows = jittered(manifest, tmp_path / "a.npz", 2).rows
    assert rows[-1]["detail"] == "not moved by --jitter: it has no frame numbers"
    assert "onset and apex of 6 of 7 clips moved" in jitter_summary(rows, 2, 0)
    done = run("extract", "ready.csv", "--aligned", "--jitter", 2, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"Error: {message}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--jitter-seed", 1), "--jitter-seed: goes with --jitter FRAMES"),
        (("--jitter", 2, "--verify"), "leave out -o, --sheet, --sequence, --jitter and --overwrite"),
        (("--jitter", -1), "-1 is not in the range 0<=x<=1000"),
        (("--jitter", 1.5), "'1.5' is not a valid integer range"),
    ],
)
def test_what_does_not_go_together(manifest, options, message):
    done = run("extract", manifest.name, "--aligned", *options, cwd=manifest.parent, check=False)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert not list(manifest.parent.glob("*.npz"))


# The command, and the report


def test_packs_of_other_jitters_have_other_names(manifest):
    for options, name in (
        (("--jitter", 0), "mine"),
        (("--jitter", 3), "mine-jitter3"),
        (("--jitter", 3, "--jitter-seed", 0), "mine-jitter3"),
        (("--jitter", 3, "--jitter-seed", 4), "mine-jitter3-seed4"),
    ):
        done = run("extract", "mine.csv", "--aligned", "--size", 64, *options, cwd=manifest.parent)
        assert f"mertool: {name}.npz: 6 of 6 clips" in done.stderr
        assert ("--jitter" in done.stderr) == (name != "mine")


def test_the_command_makes_a_pack_beside_the_plain_one_and_the_report_compares(
    recordings, pack_path, finished_run, tmp_path
):
    base = ("extract", recordings, "--size", 96, "--jitter", 2)
    done = run(*base, cwd=tmp_path)
    name = f"{recordings.name}-jitter2"
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.npz", f"{name}.clips.csv"}
    said = [line for line in done.stderr.splitlines() if "--jitter" in line]
    assert len(said) == 1
    assert said[0].startswith("mertool: --jitter 2, seed 0: onset and apex of 26 of 26 clips moved at random; ")
    assert said[0].endswith(f"; each clip's moves are in {name}.clips.csv")
    assert "their middle" in done.stderr  # what was repaired is still said of its clip
    rows = list(csv.DictReader((tmp_path / f"{name}.clips.csv").read_text(encoding="utf-8").splitlines()))
    assert all(row["detail"].endswith("by --jitter") for row in rows)
    plain, moved = load_pack(pack_path), load_pack(tmp_path / f"{name}.npz")
    assert moved.ids == plain.ids
    again = run(*base, cwd=tmp_path)
    assert "unchanged, nothing to do" in again.stderr
    assert said[0] in again.stderr.splitlines()
    shutil.copytree(finished_run, tmp_path / "plain")
    run("cv", f"{name}.npz", "--abn", *TINY, "-o", "moved", cwd=tmp_path)
    config = json.loads((tmp_path / "moved" / "config.json").read_text())
    assert [pack["jitter"] for pack in config["packs"]] == [2]
    text = run("report", "plain", "moved", cwd=tmp_path).stdout
    assert "Compared with plain clip by clip: exact McNemar test" in text
    assert flat(text).count("; onset and apex moved at random by up to 2 frames.") == 1


@pytest.mark.parametrize(
    ("jitters", "ending"),
    [
        ([0], "annotated (the middle where it is not)."),
        ([1], "; onset and apex moved at random by up to 1 frame."),
        ([3, 3], "; onset and apex moved at random by up to 3 frames."),
        ([3, 0], "; onset and apex moved at random by up to 3 frames in p0, by up to 0 frames in p1."),
    ],
)
def test_the_report_says_it(tmp_path, jitters, ending):
    packs = [{**PACK, "name": f"p{n}", "path": f"p{n}.npz", "jitter": jitter} for n, jitter in enumerate(jitters)]
    found = load_run(make_run(tmp_path / "a", config={"packs": packs}))
    assert found.key_frames.endswith(ending)
    assert ending in flat(render_text([found]))


def test_a_jitter_that_is_no_number_is_refused(tmp_path):
    folder = make_run(tmp_path / "a", config={"packs": [{**PACK, "name": "p", "path": "p.npz", "jitter": "much"}]})
    with pytest.raises(DataError, match="jitter: expected a whole number, got 'much'"):
        load_run(folder)
