"""Every reader through the installed command, on made-up copies: recognised, read, verified and extracted."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter

import numpy as np
import pytest
from recordings import LAYOUTS, plan_layout

from mertool.clips import OK
from mertool.datasets import READERS, read_clips
from mertool.errors import MertoolError
from mertool.pack import load_pack
from tests.datasets.copies import APEXLESS, EVERY_PART, PARTS, assert_as_planned, frame, middle_of, truth_id
from tests.support.command import make_recordings, run

# --verify


@pytest.mark.parametrize(("layout", "part"), EVERY_PART)
def test_verify_accounts_for_every_clip_and_names_every_odd_one(made, layout, part, tmp_path):
    copy = made(layout)
    wanted = [truth for truth in copy.plan.truths if truth.dataset == PARTS[layout][part]]
    lost = [truth for truth in wanted if not truth.usable]
    chosen = ("--dataset", part) if part != layout else ()
    done = run("extract", copy.out, *chosen, "--verify", "--json", cwd=tmp_path, check=False)
    assert done.returncode == (1 if lost else 0), done.stderr
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert said["complete"] is not bool(lost)
    counts = {count["what"]: (count["table"], count["usable"]) for count in said["counts"]}
    usable = [truth for truth in wanted if truth.usable]
    assert counts.pop("clips") == (len(wanted), len(usable))
    assert counts.pop("subjects") == tuple(len({truth.subject for truth in some}) for some in (wanted, usable))
    by_emotion = [Counter(truth.emotion for truth in some) for some in (wanted, usable)]
    assert {name: n for name, n in counts.items() if n != (0, 0)} == {
        name: (by_emotion[0][name], by_emotion[1][name]) for name in by_emotion[0]
    }
    by_subject = {count["what"]: (count["table"], count["usable"]) for count in said["subjects"]}
    assert by_subject == {
        name: tuple(sum(truth.subject == name for truth in some) for some in (wanted, usable))
        for name in {truth.subject for truth in wanted}
    }

    lines = said["deviations"]
    for truth in wanted:
        own = [line for line in lines if line.startswith(f"{truth_id(truth)}: ")]
        guessed = truth.apex is None and layout not in APEXLESS and truth.onset >= 0  # a still has no apex to guess
        repaired = guessed or (truth.offset is None and truth.onset >= 0)
        needed = not truth.usable or repaired or any(word in truth.odd for word in ("missing", "recording"))
        if needed:
            assert own, f"{truth_id(truth)} ({truth.odd}) has no line"
        if not truth.usable:
            assert any("folder" in line or "table" in line for line in own)
    named = " ".join([*lines, *said["notes"]])
    for stray in copy.plan.unannotated:
        if PARTS[layout][part] == wanted[0].dataset and part == layout and layout != "ckplus":
            assert stray.removesuffix("/color") in named, f"{stray} is named nowhere"

    text = run("extract", copy.out, *chosen, "--verify", cwd=tmp_path, check=False)
    assert text.returncode == done.returncode
    flat = text.stdout
    assert all(f"  {line}\n" in flat for line in [*lines, *said["notes"]])
    assert not any(tmp_path.iterdir()), "--verify writes nothing"


@pytest.mark.parametrize(("layout", "part"), EVERY_PART)
def test_every_planned_clip_is_read_as_planned(made, layout, part):
    copy = made(layout)
    wanted = {truth_id(truth): truth for truth in copy.plan.truths if truth.dataset == PARTS[layout][part]}
    found = {clip.id: clip for clip in copy.found[part].clips}
    assert found.keys() == wanted.keys()
    assert len(copy.found[part].clips) == len(found)
    for name, truth in wanted.items():
        assert_as_planned(truth, found[name])


# Rendered copies


def rows_of(pack):
    with pack.with_name(f"{pack.stem}.clips.csv").open(encoding="utf-8", newline="") as stream:
        return {f"{row['dataset']}/{row['subject']}/{row['clip']}": row for row in csv.DictReader(stream)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_rendered_copy_becomes_the_pack_that_was_planned(tmp_path, layout):
    out = tmp_path / f"gefilmt é {layout}"
    make_recordings("--layout", layout, "--subjects", 2, "--clips-per-subject", 2, "--length", 8, 10, out)
    plan = plan_layout(layout, 2, 2, (8, 10), 0)
    dataset = PARTS[layout][layout]
    wanted = {truth_id(truth): truth for truth in plan.truths if truth.dataset == dataset}
    done = run("extract", out, "-o", "x.npz", "--size", 64, cwd=tmp_path)
    rows, pack = rows_of(tmp_path / "x.npz"), load_pack(tmp_path / "x.npz")
    assert rows.keys() == wanted.keys()
    lost = [name for name, truth in wanted.items() if not truth.usable]
    assert [name for name, row in rows.items() if row["status"] != "ok"] == lost
    if lost:
        assert f"{len(lost)} of {len(wanted)} clips left out" in done.stderr
    assert set(pack.ids) == {name for name, truth in wanted.items() if truth.usable}
    assert pack.meta["dataset"] == layout
    with np.load(tmp_path / "x.npz") as stored:
        numbers = {name: stored[name] for name in ("onset", "middle", "apex", "offset")}
    assert pack.frames.shape == (len(pack.ids), 3, 64, 64)
    assert pack.has_landmarks
    for at, name in enumerate(pack.ids):
        truth = wanted[name]
        assert pack.emotion[at] == truth.emotion
        assert numbers["onset"][at] == truth.onset
        assert truth.offset is None or numbers["offset"][at] == truth.offset
        if truth.apex is not None:
            assert numbers["apex"][at] == truth.apex
        assert {key: rows[name][key] for key in numbers} == {key: str(values[at]) for key, values in numbers.items()}
        assert numbers["onset"][at] <= numbers["middle"][at] <= numbers["apex"][at]
        onset, apex = pack.frames[at, 0].astype(int), pack.frames[at, 2].astype(int)
        assert onset.std() > 10  # a face, not an empty crop
        assert (onset != apex).any()  # the apex is another frame, and something moved
        assert abs(onset - apex).mean() < 20  # of the same person in the same place


# --dataset and what is recognised


def fails(done, code, *words):
    assert done.returncode == code, (done.returncode, done.stderr)
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr
    message = [line for line in lines if line.startswith("Error: ")]
    assert len(message) == 1, done.stderr
    assert message[0] == lines[-1]
    for word in words:
        assert word in message[0], (word, message[0])


@pytest.mark.parametrize(("name", "hint"), [("SAMM", "samm"), ("casme", ""), ("smic-hd", "smic-hs"), ("fer2013", "")])
def test_a_wrong_data_set_is_one_line(made, tmp_path, name, hint):
    done = run("extract", made("samm").out, "--dataset", name, "--verify", cwd=tmp_path, check=False)
    if name == "casme":  # known, but nothing of it lies there
        fails(done, 1, "CASME", "EP01_12")
    else:
        fails(done, 2, repr(name), *([f"did you mean {hint!r}"] if hint else []), *READERS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_data_set_is_recognised_by_its_folder_alone(made, layout, tmp_path):
    """Without --dataset, and by none of the other readers."""
    copy = made(layout)
    assert read_clips(copy.out) == copy.found[layout]
    done = run("extract", copy.out, "--verify", "--json", cwd=tmp_path, check=False)
    assert json.loads(done.stdout)["dataset"] == layout


@pytest.mark.parametrize(
    ("one", "other"), [("samm", "casme2"), ("casme2", "casme"), ("smic", "smic-e"), ("samm", "samm-lv")]
)
def test_two_data_sets_in_one_folder_are_not_chosen_from(made, tmp_path, one, other):
    both = tmp_path / "beide é"
    both.mkdir()
    for layout in (one, other):
        out = made(layout).out
        shutil.copytree(out / "SMIC_all_raw" if layout == "smic" else out, both / layout)
    done = run("extract", both, "--verify", cwd=tmp_path, check=False)
    fails(done, 1, f"could be {one} or {other}", f"{one}: ", f"{other}: ", "--dataset")
    for layout in (one, other):
        clue = re.search(rf"{re.escape(layout)}: [^;]*beide é/{re.escape(layout)}/[^;)]+", done.stderr)
        assert clue, done.stderr
    for layout in (one, other):
        chosen = run("extract", both, "--dataset", layout, "--verify", "--json", cwd=tmp_path, check=False)
        if (one, other) == ("samm", "samm-lv"):  # each has a SAMM_Micro_FACS_Codes_v2.xlsx, and these differ
            fails(chosen, 1, "two annotation tables differ", "beide é/samm/", "beide é/samm-lv/")
            continue
        assert json.loads(chosen.stdout)["dataset"] == layout
        found = read_clips(both, dataset=layout)
        assert [(c.id, c.status, c.apex) for c in found.clips] == [
            (c.id, c.status, c.apex) for c in made(layout).found[layout].clips
        ]
        assert all(layout in path.parts for clip in found.clips for path in clip.key_frames)


def test_a_clip_that_casme_lacks_is_not_taken_from_casme2(made, tmp_path):
    """Both name their folders sub01/EP17_2; which data set one belongs to shows in the names of its frames."""
    both = tmp_path / "both"
    shutil.copytree(made("casme").out, both / "casme")
    shutil.copytree(made("casme2").out, both / "casme2")
    lost = next(truth for truth in made("casme").plan.truths if not truth.usable)
    folder = both / "casme2" / "CASME2_RAW_selected" / "CASME2_RAW_selected" / lost.subject / lost.clip
    folder.mkdir(parents=True)
    for number in range(lost.onset, lost.offset + 1):
        (folder / f"img{number}.jpg").touch()
    clip = next(clip for clip in read_clips(both, dataset="casme").clips if clip.id == truth_id(lost))
    assert clip.status != OK, clip.key_frames


@pytest.mark.parametrize(("layout", "part"), EVERY_PART)
def test_given_the_folder_above_a_data_set_is_still_whole(made, layout, part, tmp_path):
    """As unzipped into a folder of one's own: `--describe` promises any depth."""
    shutil.copytree(made(layout).out, tmp_path / "unzipped" / made(layout).out.name)
    found = read_clips(tmp_path / "unzipped", dataset=part)
    assert [(c.id, c.status) for c in found.clips] == [(c.id, c.status) for c in made(layout).found[part].clips]


# --describe


def example_paths(text):
    """Pictures of the tree that `--describe` shows, by indentation, as paths below its top folder."""
    paths, above = [], []
    for line in text.split("\n\n")[1].splitlines():
        name = re.split("  +", line.strip())[0]
        if name.startswith("or "):
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        del above[depth:]
        if name.endswith("/"):
            above.append(name.rstrip("/"))
        elif name.endswith((".jpg", ".png", ".bmp")):
            paths.append("/".join([*above[1:], name]))
    return paths


def shape(path):
    """A pattern of paths such as this one: other numbers, other emotions, other people."""
    free = ("negative", "anger", "disgustingteeth")
    pattern = re.escape(path)
    for word in free:
        pattern = pattern.replace(word, "[a-z]+")
    pattern = pattern.replace("_ne_", "_(ne|po|sur)_").replace("SUBJECT/CLIP", "[^/]+/[^/]+")
    pattern = re.sub("/a/color", "/[a-z]/color", pattern)
    return re.compile("(.*/)?" + re.sub("(?<!\\[)[0-9]+f?(?!-)", "[0-9]+f?", pattern))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_shown_is_the_one_that_the_made_up_copies_have(made, layout, tmp_path):
    text = run("extract", "--describe", layout, cwd=tmp_path).stdout
    assert text.splitlines()[0].endswith(f"(--dataset {layout})")
    examples = example_paths(text)
    assert examples, text
    files = [name for recording in made(layout).plan.recordings for name in recording.paths]
    for example in examples:
        pattern = shape(example)
        assert any(pattern.fullmatch(name) for name in files), (example, pattern.pattern, files[0])
    heads = {
        re.sub("[^a-z0-9]", "", str(cell).lower())
        for rows in made(layout).plan.cells.values()
        for row in rows
        for cell in row
    }
    if layout != "casme-squared" and READERS[layout].tables:  # its sheet has no header
        table = READERS[layout].tables[0]
        for column, example in table.columns:
            assert f"  {column}" in text
            assert example in text
            assert re.sub("[^a-z0-9]", "", column.lower()) in heads, column


@pytest.mark.parametrize("name", [*(part for reader in READERS.values() for part in reader.parts), "manifest"])
def test_layouts_of_parts_and_of_the_manifest_are_shown_too(name, tmp_path):
    text = run("extract", "--describe", name, cwd=tmp_path).stdout
    assert f"--dataset {name}" in text


def test_an_unknown_layout_is_one_line(tmp_path):
    done = run("extract", "--describe", "casme4", cwd=tmp_path, check=False)
    fails(done, 2, "'casme4'", "did you mean 'casme", "smic-e", "manifest")


# Variants of single data sets


def test_ckplus_of_48_pixels_is_refused(tmp_path):
    for emotion in ("anger", "happy"):
        for number in (17, 18, 19):
            path = tmp_path / "CK+48" / emotion / f"S010_004_{number:08d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for chosen in ((), ("--dataset", "ckplus")):
        done = run("extract", "CK+48", *chosen, "--verify", cwd=tmp_path, check=False)
        fails(done, 1, "CK+48", "no onset")


def test_of_casme2_raw_and_cropped_the_raw_frames_are_used(made, tmp_path):
    copy = made("casme2")
    out = tmp_path / "CASME2"
    shutil.copytree(copy.out, out)
    raw = out / "CASME2_RAW_selected" / "CASME2_RAW_selected"
    for path in raw.rglob("*.jpg"):
        cropped = out / "Cropped" / path.parent.relative_to(raw) / f"reg_{path.name}"
        cropped.parent.mkdir(parents=True, exist_ok=True)
        cropped.touch()
    found = read_clips(out)
    assert [clip.id for clip in found.clips] == [clip.id for clip in copy.found["casme2"].clips]
    assert not any("Cropped" in str(path) for clip in found.clips for path in clip.key_frames)
    assert any("not used" in note and "Cropped" in note for note in found.notes)
    shutil.rmtree(out / "CASME2_RAW_selected")  # then the crops are the data set
    crops = read_clips(out)
    assert [(c.id, c.status, c.onset, c.apex) for c in crops.clips] == [
        (c.id, c.status, c.onset, c.apex) for c in found.clips
    ]
    assert all(path.name.startswith("reg_img") for clip in crops.clips for path in clip.key_frames)


@pytest.mark.parametrize(
    ("release", "label", "sadness", "surprise"), [("20140508", "sadness", 7, 25), ("20190701", "surprise", 4, 28)]
)
def test_casme2_says_which_release_its_table_is(made, tmp_path, release, label, sadness, surprise):
    out = tmp_path / "CASME2"
    shutil.copytree(made("casme2").out, out)
    name = "CASME2-coding-20190701.xlsx"
    rows = made("casme2").plan.cells[name]
    (out / name).unlink()
    with (out / f"CASME2-coding-{release}.csv").open("w", encoding="utf-8", newline="") as stream:
        changed = [[*row[:-1], label] if row[1] == "EP07_01" and row[0] == "24" else row for row in rows]
        csv.writer(stream).writerows(changed)
    said = json.loads(run("extract", out, "--verify", "--json", cwd=tmp_path, check=False).stdout)
    assert any(f"release {release}" in note for note in said["notes"])
    expected = {count["what"]: count["expected"] for count in said["counts"]}
    assert (expected["clips"], expected["sadness"], expected["surprise"]) == (255, sadness, surprise)
    assert read_clips(out).release == release


def test_of_smic_s_cameras_hs_is_read_and_the_others_are_named(made, tmp_path):
    for layout in ("smic", "smic-e"):
        found = made(layout).found[layout]
        assert {clip.dataset for clip in found.clips} == {"smic-hs"}
        assert any("camera HS" in note for note in found.notes)
        assert any("VIS and NIR" in note and f"--dataset {layout}-vis" in note for note in found.notes)
    out = tmp_path / "SMIC"
    shutil.copytree(made("smic").out, out)
    shutil.rmtree(out / "SMIC_all_raw" / "SMIC_all_raw" / "HS")
    fails(run("extract", out, "--verify", cwd=tmp_path, check=False), 1, "VIS, NIR", "--dataset smic-vis")
    fails(run("extract", out, "--dataset", "smic-hs", "--verify", cwd=tmp_path, check=False), 1, "HS", "VIS, NIR")
    done = run("extract", out, "--dataset", "smic-nir", "--verify", "--json", cwd=tmp_path, check=False)
    assert json.loads(done.stdout)["counts"][0]["usable"] == len(made("smic").found["smic-nir"].clips)


SPOTTING = ("subject", "video", "video_name", "NumME", "StartFrame", "Endframe", "ME_Type", "onset", "offset")


def write_spotting(out, rows, videos):
    """SMIC-E-Long: a table for spotting, and long clips of 59 frames."""
    for video in videos:
        folder = out / "SMIC_crop" / "cropped" / video
        folder.mkdir(parents=True)
        for number in range(1, 60):
            (folder / f"image{number:06d}.jpg").touch()
    with (out / "SMIC_HS_E_spotting.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([SPOTTING, *rows])


@pytest.mark.parametrize("video", ["s1_ne_01", "s01_01"])
def test_smic_e_long_is_read_by_its_table_for_spotting(tmp_path, video):
    """Where videos are named as clips are, as --describe smic-e shows it, and where they are not: a video may hold
    expressions of several emotions, so its name can hardly tell one."""
    write_spotting(tmp_path / "long", [[1, 1, video, 1, 1, 59, "negative", 10, 20]], [f"s01/{video}"])
    for part in (None, "smic-e"):
        (clip,) = read_clips(tmp_path / "long", dataset=part).clips
        assert (clip.id, clip.emotion, clip.onset, clip.apex, clip.offset, clip.status) == (
            *(f"smic-hs/s1/{video}", "negative", 10, 15, 20, OK),
        )


def test_smic_e_long_takes_no_other_subject_s_video(tmp_path):
    rows = [[n, 1, "01", 1, 1, 59, "negative", 10, 20] for n in (1, 2)]
    write_spotting(tmp_path / "long", rows, ["s01/01", "s02/01"])
    try:
        found = read_clips(tmp_path / "long", dataset="smic-e").clips
    except MertoolError as error:
        assert "there twice" in str(error)  # refusing is fine
    else:
        for clip in found:
            if clip.status == OK:
                assert {path.parent.parent.name for path in clip.key_frames} == {f"s0{clip.subject[1:]}"}
    write_spotting(tmp_path / "other", [[5, 1, "s01_01", 1, 1, 59, "negative", 10, 20]], ["s01/s01_01"])
    (clip,) = read_clips(tmp_path / "other", dataset="smic-e").clips
    assert clip.status != OK, "subject 5, but the video lies in s01"


# --apex


@pytest.fixture(scope="module", params=["samm", "smic"])
def moving(request, tmp_path_factory):
    """A rendered copy with clips long enough for an apex to be found, and true apex by id."""
    layout = request.param
    out = tmp_path_factory.mktemp("moving") / layout
    make_recordings("--layout", layout, "--subjects", 2, "--clips-per-subject", 3, "--length", 16, 24, out)
    plan = plan_layout(layout, 2, 3, (16, 24), 0)
    true = {}
    for truth in plan.truths:
        if truth.dataset == PARTS[layout][layout]:
            mine = [r for r in plan.recordings if f"/{truth.clip}/" in r.files[0] and r.moves]
            mine = [r for r in mine if layout == "samm" or "/HS/" in r.files[0]]
            assert len(mine) == 1
            true[truth_id(truth)] = (truth, frame(mine[0].files[mine[0].moves[0].apex]))
    run("extract", out, "-o", "table.npz", "--size", 64, cwd=out.parent)
    return out, true


def test_apex_middle_puts_every_apex_in_the_middle_and_says_so(moving):
    out, true = moving
    done = run("extract", out, "-o", "middle.npz", "--size", 64, "--apex", "middle", cwd=out.parent)
    assert "--apex middle" in done.stderr
    rows, table = rows_of(out.with_name("middle.npz")), rows_of(out.with_name("table.npz"))
    assert rows.keys() == true.keys()
    for name, (truth, _) in true.items():
        row = rows[name]
        assert row["status"] == "ok"
        assert abs(int(row["apex"]) - middle_of(truth.onset, truth.offset)) <= 1, row
        assert f"apex {row['apex']} by --apex middle" in row["detail"]
        same = ("clip", "subject", "emotion", "onset", "offset", "status")
        assert [row[key] for key in same] == [table[name][key] for key in same]
    if out.name == "samm":
        assert any(rows[name]["apex"] != table[name]["apex"] for name in rows)
    again = run("extract", out, "-o", "middle.npz", "--size", 64, "--apex", "middle", cwd=out.parent)
    assert "unchanged" in again.stderr
    other = run("extract", out, "-o", "middle.npz", "--size", 64, cwd=out.parent)
    assert "unchanged" not in other.stderr


def test_apex_difference_finds_most_true_apexes_and_says_so(moving):
    out, true = moving
    command = ("extract", out, "-o", "difference.npz", "--size", 64, "--apex", "difference")
    run(*command, cwd=out.parent)
    rows = rows_of(out.with_name("difference.npz"))
    near = 0
    for name, (truth, apex) in true.items():
        row = rows[name]
        assert row["status"] == "ok"
        assert int(row["onset"]) < int(row["apex"]) <= int(row["offset"])
        assert int(row["onset"]) <= int(row["middle"]) <= int(row["apex"])
        assert f"apex {row['apex']} by --apex difference" in row["detail"]
        near += abs(int(row["apex"]) - apex) <= 0.2 * (truth.offset - truth.onset + 1)
    assert near >= 0.75 * len(true), (near, len(true))
    pack = load_pack(out.with_name("difference.npz"))
    with np.load(pack.path) as stored:
        assert [str(n) for n in stored["apex"]] == [rows[name]["apex"] for name in pack.ids]
    again = run(*command, cwd=out.parent)
    assert "unchanged" in again.stderr


def test_verify_takes_the_apex_that_extract_would(made, tmp_path):
    as_annotated = run("extract", made("smic").out, "--verify", cwd=tmp_path).stdout
    for apex in ("middle", "difference"):
        done = run("extract", made("smic").out, "--verify", "--apex", apex, cwd=tmp_path)
        assert [line for line in done.stdout.splitlines() if "apex" in line] == []
        assert len(done.stdout.splitlines()) <= len(as_annotated.splitlines())
