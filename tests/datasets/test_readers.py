"""Every layout through the installed command, on made-up copies with every oddity; which oddity is tested by what.

`ODDITIES` is the table layout -> oddity -> check. A test fails where the planner plants an oddity that no line of it
covers, and where a line covers nothing.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from recordings import LAYOUTS, Plan, plan_layout, write_empty

from mertool.clips import OK
from mertool.datasets import READERS, Annotations, read_clips
from mertool.datasets.frames import is_junk
from mertool.errors import MertoolError
from mertool.pack import load_pack
from tests.support.command import ROOT, run

# Layout -> name for --dataset -> `dataset` of the planned clips that it must read.
PARTS = {name: {name: name} for name in LAYOUTS} | {
    "samm-lv": {"samm-lv": "samm"},
    "smic": {"smic": "smic-hs", "smic-vis": "smic-vis", "smic-nir": "smic-nir"},
    "smic-e": {"smic-e": "smic-hs", "smic-e-vis": "smic-vis", "smic-e-nir": "smic-nir"},
    "mmew": {"mmew": "mmew", "mmew-macro": "mmew-macro"},
    "casme-squared": {"casme-squared": "casme-squared", "casme-squared-macro": "casme-squared-macro"},
}
EVERY_PART = [(layout, part) for layout, parts in PARTS.items() for part in parts]
APEXLESS = ("smic", "smic-e")


@dataclass(frozen=True)
class Made:
    """A made-up copy with empty frames: what was planned, where it lies, and what `read_clips` makes of each part."""

    plan: Plan
    out: Path
    found: dict[str, Annotations]

    def clips(self):
        """Every clip of every part by id."""
        return {clip.id: clip for found in self.found.values() for clip in found.clips}

    def notes(self):
        return [note for found in self.found.values() for note in found.notes]

    def names(self):
        """Paths of the key frames of all usable clips, below the folder."""
        paths = [path for clip in self.clips().values() if clip.status == OK for path in clip.key_frames]
        return [path.relative_to(self.out).as_posix() for path in paths]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Makes a layout once, in a folder whose path has blanks and an é."""
    there = {}

    def make(layout):
        if layout not in there:
            plan = plan_layout(layout, 5, 4, (8, 12), 3)
            out = tmp_path_factory.mktemp("made up") / f"Aufnahmen é {layout}"
            write_empty(plan, out)
            there[layout] = Made(plan, out, {part: read_clips(out, dataset=part) for part in PARTS[layout]})
        return there[layout]

    return make


def truth_id(truth):
    return f"{truth.dataset}/{truth.subject}/{truth.clip}"


def middle_of(onset, offset):
    return (onset + offset + 1) // 2


def assert_as_planned(truth, clip):
    """A clip is what its recording shows: of the frame numbers those that the table has, repaired where it must be."""
    assert (clip.status == OK) == truth.usable, (truth, clip.status, clip.detail)
    assert clip.emotion == truth.emotion
    if not truth.usable:
        assert clip.detail
        assert not clip.key_frames
        return
    assert clip.onset == truth.onset, (truth, clip)
    if clip.onset < 0:  # a still
        return
    if truth.apex is not None:
        assert clip.apex == truth.apex, (truth, clip)
    elif truth.offset is not None and truth.offset >= truth.onset:
        assert abs(clip.apex - middle_of(truth.onset, truth.offset)) <= 2, (truth, clip)
    assert truth.offset is None or clip.offset == truth.offset, (truth, clip)
    assert [frame(path.name) for path in clip.key_frames] == [clip.onset, clip.middle, clip.apex]


def frame(name):
    return int(re.findall("[0-9]+", Path(name).stem)[-1])


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


# Oddities


def as_planned(copy: Made, line: str) -> None:
    """The clip that an oddity is about is read as planned; for others, all of them are."""
    clips = copy.clips()
    for truth in copy.plan.truths:
        if line.startswith(f"{truth_id(truth)}: ") or "/" not in line.partition(":")[0]:
            assert_as_planned(truth, clips[truth_id(truth)])


def detail_says(*words: str) -> Callable[[Made, str], None]:
    """The clip is as planned, and its detail says what was repaired or why it is left out."""

    def check(copy: Made, line: str) -> None:
        as_planned(copy, line)
        detail = copy.clips()[line.partition(":")[0]].detail
        assert all(word in detail for word in words), (line, detail)

    return check


def note_says(*words: str) -> Callable[[Made, str], None]:
    """A note of some part holds these words."""

    def check(copy: Made, line: str) -> None:
        assert any(all(word in note for word in words) for note in copy.notes()), (words, copy.notes())

    return check


def paths_like(*patterns: str) -> Callable[[Made, str], None]:
    """For each pattern there is a key frame with such a path, and every clip is as planned."""

    def check(copy: Made, line: str) -> None:
        for pattern in patterns:
            assert any(re.search(pattern, name) for name in copy.names()), pattern

    return check


def no_junk(copy: Made, line: str) -> None:
    """Nothing of what file managers and Excel leave is a clip, a frame, a table or a stray."""
    assert any(is_junk(Path(name).name) for name in copy.plan.junk), line
    for found in copy.found.values():
        used = [path.name for clip in found.clips for path in clip.key_frames] + [path.name for path in found.tables]
        assert not any(map(is_junk, used))
        assert not any(word in note for note in found.notes for word in ("~$", "Thumbs", ".DS_Store", ".lnk"))
        assert not any(is_junk(Path(stray).name) for stray in found.unannotated)


def strays_named(copy: Made, line: str) -> None:
    """Each clip folder that no row names is a stray or named by a note."""
    said = " ".join([*copy.notes(), *(stray for found in copy.found.values() for stray in found.unannotated)])
    assert copy.plan.unannotated
    for stray in copy.plan.unannotated:
        assert stray in line
        assert stray in said, f"{stray} is named nowhere"


def unlabelled_counted(copy: Made, line: str) -> None:
    """CK+: sequences without a label are no fault; a note says how many there are."""
    found = copy.found["ckplus"]
    n = len({truth_id(truth) for truth in copy.plan.truths})
    assert any(f"{n} of {n + len(copy.plan.unannotated)} sequences" in note for note in found.notes), (
        line,
        found.notes,
    )
    assert not any(clip.name in ("005", "006") for clip in found.clips)


def gone(*words: str) -> Callable[[Made, str], None]:
    """No usable clip has a key frame with such a word in its path."""

    def check(copy: Made, line: str) -> None:
        assert not any(word in name for name in copy.names() for word in words)

    return check


def frames_missing(copy: Made, line: str) -> None:
    """Of a clip with gaps, the frames on disk are the sequence, and the clip is used."""
    as_planned(copy, line)
    clip = copy.clips()[line.partition(":")[0]]
    n = int(re.search("([0-9]+) frames missing", line)[1])
    assert len(clip.sequence) == clip.offset - clip.onset + 1 - n


def several_share_a_folder(copy: Made, line: str) -> None:
    as_planned(copy, line)
    clip = copy.clips()[line.partition(":")[0]]
    assert clip.key_frames[0].parent.name == line.rpartition(" ")[2]


def same_name_for_every_subject(copy: Made, line: str) -> None:
    name = line.partition(" ")[0]
    subjects = {clip.subject for clip in copy.clips().values() if clip.name == name and clip.status == OK}
    assert subjects == set(copy.plan.subjects)


def folder_is_repression(copy: Made, line: str) -> None:
    clip = copy.clips()[line.partition(":")[0]]
    assert (clip.emotion, clip.key_frames[0].parent.parent.name) == ("other", "repression")


def rebased(copy: Made, line: str) -> None:
    detail_says("whole recording")(copy, line)
    assert copy.clips()[line.partition(":")[0]].onset == 1


def double_label(copy: Made, line: str) -> None:
    as_planned(copy, line)
    assert copy.clips()[line.partition(":")[0]].emotion == "positive+surprise"


def macro_are_stills(copy: Made, line: str) -> None:
    stills = [clip for clip in copy.found["mmew-macro"].clips if clip.status == OK]
    assert stills
    assert all(len(set(clip.key_frames)) == 1 for clip in stills)
    assert {clip.name for clip in stills} & {clip.name for clip in copy.found["mmew"].clips}


def both_kinds(copy: Made, line: str) -> None:
    micro, macro = copy.found["casme-squared"], copy.found["casme-squared-macro"]
    assert not {clip.name + clip.subject for clip in micro.clips} & {clip.name + clip.subject for clip in macro.clips}
    assert any(f"{len(macro.clips)} rows are macro" in note for note in micro.notes)
    assert any(f"{len(micro.clips)} rows are micro" in note for note in macro.notes)


def beyond_four_digits(copy: Made, line: str) -> None:
    lengths = {len(re.findall("[0-9]+", Path(name).stem)[-1]) for name in copy.names()}
    assert {4, 5} <= lengths


def cameras_apart(copy: Made, line: str) -> None:
    subjects = {part: {clip.subject for clip in found.clips} for part, found in copy.found.items()}
    assert subjects["smic"] == set(copy.plan.subjects)
    assert subjects["smic-vis"] == subjects["smic-nir"] == {"s18", "s20"}
    for part, found in copy.found.items():
        camera = "HS" if part == "smic" else part[-3:].upper()
        assert all(f"/{camera}/" in path.as_posix() for clip in found.clips for path in clip.key_frames)
        assert any("no apex is annotated" in note for note in found.notes)


def emotions_from_samm(copy: Made, line: str) -> None:
    note_says("emotions from", "SAMM_Micro_FACS_Codes_v2.xlsx")(copy, line)
    as_planned(copy, line)


def macro_rows_counted(copy: Made, line: str) -> None:
    rows = next(iter(copy.plan.cells.values()))
    n = sum("Macro" in row for row in rows)
    note_says(f"{n} macro-expressions")(copy, line)


def wrong_label_is_corrected(copy: Made, line: str) -> None:
    detail_says("'negative'", "known fault", "'surprise' is used")(copy, line)


def mended_apex(copy: Made, line: str) -> None:
    wanted = re.search(r"apex (-?[0-9]+) outside", line)
    detail_says(wanted[1] if wanted else "apex", "middle")(copy, line)


LITTER = [
    ("lock files of Excel", no_junk),
    ("Thumbs.db", no_junk),
    (r"\.DS_Store", no_junk),
]
SHORTCUT = [("a shortcut of Windows", no_junk)]
STRAYS = [("clip folders without a row", strays_named)]

# Layout -> (what an oddity's line holds, how it is checked). `as_planned`: every planned clip comes out right.
ODDITIES: dict[str, list[tuple[str, Callable[[Made, str], None]]]] = {
    "samm": [
        *LITTER,
        ("four and of five digits", beyond_four_digits),
        ("13 lines before the header", note_says("header in row 14")),
        ("apex .* outside", mended_apex),
    ],
    "samm-lv": [
        *LITTER,
        *SHORTCUT,
        *STRAYS,
        ("top folder is doubled", paths_like("^SAMM_longvideos/SAMM_longvideos/[0-9]{3}_[0-9]/[^/]+$")),
        ("four digits in some videos", beyond_four_digits),
        ("nine lines before the header", note_says("header in row 10")),
        ("rows of macro-expressions", macro_rows_counted),
        ("a macro-expression with onset 0", macro_rows_counted),
        ("other frame numbers", emotions_from_samm),
        ("bears the same name", as_planned),
        ("apex -1 in the long table", detail_says("apex -1", "middle")),
        ("no folder of this video", detail_says("no folder")),
    ],
    "casme2": [
        *LITTER,
        *SHORTCUT,
        *STRAYS,
        ("top folder is doubled", paths_like("^CASME2_RAW_selected/CASME2_RAW_selected/sub01/")),
        ("not padded", as_planned),
        ("columns C and G", note_says("header in row 1,")),
        ("a number stored as text", note_says("not read, text that names no clip")),
        ("EP02_01f is there for every subject", same_name_for_every_subject),
        ("ObjectiveClasses", note_says("CASME2-coding-20190701.xlsx")),
        ("unusual name", as_planned),
        ("outside the five usual classes", as_planned),
        ("apex = offset", as_planned),
        ("apex /", detail_says("'/'", "no apex is given", "middle")),
        ("apex = onset", detail_says("apex", "middle")),
        ("no folder", detail_says("no folder")),
        ("called surprise here", note_says("release 20190701")),
    ],
    "smic": [
        ("Thumbs.db", no_junk),
        (r"\.DS_Store", no_junk),
        ("top folder is doubled", paths_like("^SMIC_all_raw/SMIC_all_raw/HS/s3/micro/negative/s3_ne_")),
        ("non_micro", gone("non_micro")),
        ("padded to six", paths_like("/HS/.*/image[0-9]{8}", "/HS/.*/image0[0-9]{5}", "/VIS/.*/[0-9]{5}.bmp")),
        ("same subjects and clips in HS, VIS and NIR", cameras_apart),
        ("no clip in", gone("HS/s3/micro/positive")),
        ("frames missing", frames_missing),
    ],
    "smic-e": [
        *LITTER,
        *STRAYS,
        ("subjects are padded", paths_like("/s03/s3_ne_")),
        ("no apex is annotated", note_says("no apex is annotated")),
        ("a sheet VIS", note_says("SMIC-HS-E_annotation_2019.xlsx", "sheet HS")),
        ("OnsetF NIR", as_planned),
        ("below FirstF", as_planned),
        ("without subject", note_says("not read, text that names no clip")),
        ("one of . expressions in folder", several_share_a_folder),
        ("called negative in the table", wrong_label_is_corrected),
        ("no folder", detail_says("no folder")),
    ],
    "ckplus": [
        ("Thumbs.db", no_junk),
        (r"\.DS_Store", no_junk),
        ("clip folders without a row", unlabelled_counted),
        ("e-notation", as_planned),
        ("sequences without a label", unlabelled_counted),
        ("some sequences are 24-bit", as_planned),
        (": 24-bit colour", as_planned),
        ("no folder of pictures", detail_says("no folder")),
    ],
    "mmew": [
        *LITTER,
        *STRAYS,
        ("no folders of subjects", paths_like("^MMEW_Final/Micro_Expression/[a-z]+/S01-")),
        ("lies in the folder repression", paths_like("/repression/")),
        ("single stills", macro_are_stills),
        ("in `remarks` only", as_planned),
        ("label others, folder repression", folder_is_repression),
        ("those of a recording", rebased),
        ("no folder$", detail_says("no folder")),
    ],
    "casme": [
        *LITTER,
        *SHORTCUT,
        *STRAYS,
        ("behind the last hyphen", paths_like("-[0-9]{2}.jpg$", "-0[0-9]{2}.jpg$")),
        ("an old binary .xls", note_says("CASME-coded-20190721.xls")),
        ("missing numbers are a backslash", as_planned),
        ("milliseconds", as_planned),
        ("contempt is spelt", as_planned),
        ("a number stored as text", as_planned),
        ("spelt comtempt$", as_planned),
        (r"apex \\", detail_says("no apex is given", "middle")),
        ("no folder", detail_says("no folder")),
    ],
    "casme-squared": [
        *LITTER,
        *SHORTCUT,
        *STRAYS,
        ("no header in any sheet", note_says("without a header")),
        ("codes lose their zero", paths_like("/15_0503unnyfarting/")),
        ("three digits", paths_like(r"/img0[0-9]{2}\.", r"/img1[0-9]{2}\.")),
        ("10or11", as_planned),
        ("told apart by a column", both_kinds),
        ("offset 0", detail_says("offset is given", "ends at its apex")),
        ("apex 0", detail_says("apex 0", "middle")),
        ("offset before the apex", detail_says("apex", "middle")),
        ("no folder of this video", detail_says("no folder")),
    ],
    "casme3": [
        *LITTER,
        *STRAYS,
        ("dropped frames", as_planned),
        ("a folder `depth`", gone("/depth/")),
        ("numbers stored as text", as_planned),
        ("others and Others", as_planned),
        (": offset 0", detail_says("Offset is given", "ends at its apex")),
        (": apex = onset", detail_says("equals the onset", "middle")),
        ("letter J in the table", as_planned),
        (": no folder", detail_says("no folder")),
    ],
    "4dme": [
        *LITTER,
        *STRAYS,
        ("nine digits", paths_like("/Frame_000000[0-9]{3}.jpg")),
        ("an apostrophe", note_says("header in row 1")),
        ("numbers stored as text", as_planned),
        ("one of sums", as_planned),
        ("two labels", double_label),
        ("no folder", detail_says("no folder")),
    ],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_oddity_of_a_layout_is_planted_covered_and_survived(made, layout):
    copy = made(layout)
    covered = {line: [] for line in copy.plan.oddities}
    for pattern, check in ODDITIES[layout]:
        lines = [line for line in copy.plan.oddities if re.search(pattern, line)]
        assert lines, f"{layout}: no planted oddity is like {pattern!r}"
        for line in lines:
            covered[line].append(check)
    assert not [line for line, checks in covered.items() if not checks], "oddities without a check"
    for line, checks in covered.items():
        for check in checks:
            check(copy, line)


# Rendered copies


def render(layout, out, *size):
    script = [sys.executable, ROOT / "examples" / "make_recordings.py", "--layout", layout]
    subprocess.run([*map(str, (*script, *size, out))], check=True, capture_output=True, timeout=600)


def rows_of(pack):
    with pack.with_name(f"{pack.stem}.clips.csv").open(encoding="utf-8", newline="") as stream:
        return {f"{row['dataset']}/{row['subject']}/{row['clip']}": row for row in csv.DictReader(stream)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_rendered_copy_becomes_the_pack_that_was_planned(tmp_path, layout):
    out = tmp_path / f"gefilmt é {layout}"
    render(layout, out, "--subjects", 2, "--clips-per-subject", 2, "--length", 8, 10)
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
    render(layout, out, "--subjects", 2, "--clips-per-subject", 3, "--length", 16, 24)
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


def test_apex_does_not_go_with_verify(made, tmp_path):
    for apex in ("middle", "difference"):
        done = run("extract", made("smic").out, "--verify", "--apex", apex, cwd=tmp_path, check=False)
        fails(done, 2, "--verify", "--apex")
