"""Every layout as planned, with empty frames: what the data set is known for is planted in it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from recordings import LAYOUTS, TITLES, write_empty, writing
from recordings.movement import action_units
from recordings.tables import write_book

from mertool.datasets.frames import frame_number, is_junk
from mertool.datasets.labels import canonical_emotion
from tests.support.made_up import contents, planned
from tests.support.reports import flat
from tests.support.samm import TABLE

# Where the frames of a clip lie, as the data sets have it; {s} subject, {c} clip, {n} the subject's number.
FOLDERS = {
    "samm": "{s}/{c}",
    "samm-lv": "SAMM_longvideos/SAMM_longvideos/{v}",
    "casme2": "CASME2_RAW_selected/CASME2_RAW_selected/{s}/{c}",
    "smic-hs": "SMIC_all_raw/SMIC_all_raw/HS/{s}/micro/{e}/{c}",
    "smic-vis": "SMIC_all_raw/SMIC_all_raw/VIS/{s}/micro/{e}/{c}",
    "smic-nir": "SMIC_all_raw/SMIC_all_raw/NIR/{s}/micro/{e}/{c}",
    "smic-e-hs": "SMIC-E_raw image/HS_long/SMIC-HS-E/s{n:02d}/{c}",
    "smic-e-vis": "SMIC-E_raw image/VIS_long/SMIC_VIS_E/SMIC_VIS_E/VIS/s{n:02d}/{c}",
    "smic-e-nir": "SMIC-E_raw image/NIR_long/SMIC-NIR-E/NIR/s{n:02d}/{c}",
    "ckplus": "CK+/extended-cohn-kanade-images/cohn-kanade-images/{s}/{c}",
    "mmew": "MMEW_Final/Micro_Expression/*/{c}",
    "mmew-macro": "MMEW_Final/Macro_Expression/{s}/{e}",
    "casme": "CASME_raw_selected/{s}/{c}",
    "casme-squared": "CAS(ME)^2/rawpic/{s}/{n}_{code:04d}*",
    "casme-squared-macro": "CAS(ME)^2/rawpic/{s}/{n}_{code:04d}*",
    "casme3": "part_A/data/part_A_split/part_A/{s}/{v}/color",
    "4dme": "gray_micro/{s}/{c}",
}
INSIDE = {"s3_ne_03": "s3_ne_02", "s9_sur_02": "s9_sur_01", "s4_ne_05": "s4_ne_04", "s4_ne_06": "s4_ne_04"}
CODES = {"disgust1": 101, "disgust2": 102, "anger1": 401, "anger2": 402, "happy2": 502, "happy3": 503}
TABLES = {
    "samm": [TABLE],
    "samm-lv": ["SAMM_LongVideos_V2_Release.xlsx", TABLE],
    "casme2": ["CASME2-coding-20190701.xlsx", "CASME2-ObjectiveClasses.xlsx"],
    "smic": [],
    "smic-e": [
        "SMIC-E_raw image/HS_long/SMIC-HS-E_annotation_2019.xlsx",
        "SMIC-E_raw image/VIS_long/SMIC_VIS_E_annotation.xlsx",
        "SMIC-E_raw image/NIR_long/SMIC-NIR-E_annotation.xlsx",
    ],
    "ckplus": [],
    "mmew": ["MMEW_Final/MMEW_Micro_Exp.xlsx"],
    "casme": ["CASME-coded-20190721.xls"],
    "casme-squared": ["CAS(ME)^2/CAS(ME)^2code_final.xlsx"],
    "casme3": ["part_A/annotation/cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"],
    "4dme": ["4DME_Labelling_Micro_release v1.xlsx"],
}
DATASETS = {
    "samm-lv": {"samm"},
    "smic": {"smic-hs", "smic-vis", "smic-nir"},
    "smic-e": {"smic-hs", "smic-vis", "smic-nir"},
    "mmew": {"mmew", "mmew-macro"},
    "casme-squared": {"casme-squared", "casme-squared-macro"},
}


@pytest.fixture(scope="module", params=list(LAYOUTS))
def written(request, tmp_path_factory):
    """A plan and its folder with empty frames."""
    plan, out = planned(request.param), tmp_path_factory.mktemp(request.param) / "out"
    write_empty(plan, out)
    return plan, out


def folders_of(plan, truth, out):
    kind = truth.dataset
    if plan.layout in ("samm-lv", "smic-e"):
        kind = plan.layout + ("" if plan.layout == "samm-lv" else truth.dataset.removeprefix("smic"))
    pattern = FOLDERS[kind].format(
        s=truth.subject,
        c=INSIDE.get(truth.clip, truth.clip) if plan.layout == "smic-e" else truth.clip,
        e=truth.emotion,
        v=truth.clip.rpartition("_")[0],
        n=int(re.search(r"\d+$", truth.subject)[0]),
        code=CODES.get(truth.clip.partition("_")[0], 0),
    )
    return [path for path in out.glob(pattern) if path.is_dir()]


def numbers_in(folder):
    return {frame_number(path.name) for path in folder.iterdir() if frame_number(path.name) is not None}


def every_cell(plan):
    return [cell for rows in plan.cells.values() for row in rows for cell in row]


def test_every_usable_truth_has_its_frames_and_no_other_truth_has_a_folder(written):
    plan, out = written
    assert {truth.dataset for truth in plan.truths} == DATASETS.get(plan.layout, {plan.layout})
    assert len({(truth.dataset, truth.subject, truth.clip) for truth in plan.truths}) == len(plan.truths)
    for truth in plan.truths:
        folders = folders_of(plan, truth, out)
        assert len(folders) == truth.usable, truth
        assert truth.usable or truth.odd
        if truth.onset == -1:
            assert (folders[0] / f"{truth.clip}.jpg").is_file()
        elif truth.usable:
            wanted = {truth.onset, truth.apex, truth.offset} - {None}
            assert wanted <= numbers_in(folders[0]), truth
            assert truth.onset <= (truth.apex or truth.onset) <= (truth.offset or 10**9)
        assert truth.emotion == canonical_emotion(truth.emotion)
    if plan.layout not in ("samm", "smic"):
        assert any(not truth.usable for truth in plan.truths)


def test_frames_on_disk_are_those_of_the_plan(written):
    plan, out = written
    wanted = {out / name for recording in plan.recordings for name in recording.paths}
    assert len(wanted) == sum(len(recording.paths) for recording in plan.recordings)
    depth = {out / name for name in plan.junk if "/depth/" in name}
    assert {path for path in out.rglob("*") if frame_number(path.name) is not None} == wanted | depth
    gaps = [recording for recording in plan.recordings if recording.written is not None]
    assert bool(gaps) == (plan.layout in ("smic", "casme3"))
    assert len({path.suffix for path in wanted}) == 1


def test_moves_are_the_truths(written):
    """Each usable truth is a move of its recording: same emotion, same frames; and no two moves overlap."""
    plan, out = written
    moves = {}
    for recording in plan.recordings:
        end = -1
        for move in recording.moves:
            assert end < move.onset <= move.apex <= move.offset < len(recording.files)
            end = move.offset
            paths = [Path(recording.files[k]) for k in (move.onset, move.apex, move.offset)]
            moves[(out / paths[0]).parent, frame_number(paths[0].name)] = move, [frame_number(p.name) for p in paths]
    for truth in (truth for truth in plan.truths if truth.usable and truth.onset != -1):
        move, (_, apex, offset) = moves[folders_of(plan, truth, out)[0], truth.onset]
        assert move.emotion.lower() in truth.emotion
        assert truth.apex in (None, apex) or truth.odd == "apex = offset"
        assert truth.offset in (None, offset) or truth.odd == "offset before the apex"
        assert move.macro == (truth.dataset.endswith("-macro") or truth.dataset == "ckplus")


def test_unannotated_folders_are_there_and_junk_is_junk(written):
    plan, out = written
    assert bool(plan.unannotated) == (plan.layout not in ("samm", "smic"))
    known = {folder for truth in plan.truths for folder in folders_of(plan, truth, out)}
    for stray in plan.unannotated:
        folder = out / stray / "color" if plan.layout == "casme3" else out / stray
        assert numbers_in(folder)
        assert folder not in known
    for name, content in plan.junk.items():
        assert (out / name).read_bytes() == content
        assert is_junk(Path(name).name) or "/depth/" in name
    kinds = {Path(name).name for name in plan.junk}
    assert ".DS_Store" in kinds
    assert "Thumbs.db" in kinds
    assert any(name.startswith("~$") for name in kinds) == bool(TABLES[plan.layout])


def test_readme_lists_the_oddities(written):
    plan, out = written
    text = (out / "README.txt").read_text(encoding="utf-8")
    assert f"in the layout of {TITLES[plan.layout]}, made by" in flat(text)
    assert len(set(plan.oddities)) == len(plan.oddities) >= 5
    assert all(f"\n- {line}\n" in text for line in plan.oddities)
    assert all(
        any(truth.clip in line and truth.odd in line for line in plan.oddities) for truth in plan.truths if truth.odd
    )
    assert [line.split()[0] for line in text.splitlines()[-len(plan.subjects) :]] == list(plan.subjects)


def test_tables_say_what_the_cells_say(written):
    plan, out = written
    assert sorted(plan.cells) == sorted(TABLES[plan.layout])
    assert {path for path in out.rglob("*.xls*") if not is_junk(path.name)} == {out / name for name in plan.cells}
    for name, rows in plan.cells.items():
        sheet = CalamineWorkbook.from_path(str(out / name)).get_sheet_by_index(0).to_python(skip_empty_area=False)
        units = 0
        for row, found in zip(rows, [*sheet, *[[]] * len(rows)], strict=False):
            for k, cell in enumerate(row):
                text = found[k] if k < len(found) else ""
                if cell == "":
                    assert re.fullmatch(r"[LR]?\d+(\+[LR]?\d+)*(\(k\))?", str(text).removesuffix(".0"))
                    units += 1
                elif str(cell).startswith("="):
                    assert text == ""  # no cached value
                else:
                    assert text == ("" if cell is None else cell)
                    assert isinstance(text, str) == (cell is None or isinstance(cell, str))
        assert units or "Classes" in name or "SMIC" in name


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(written, tmp_path):
    plan, out = written
    write_empty(planned(plan.layout), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(out)
    assert planned(plan.layout, seed=4).truths != plan.truths


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("subjects", "clips", "length"),
    [(1, 1, (8, 8)), (2, 3, (8, 9)), (6, 7, (24, 40)), (40, 3, (8, 8)), (1, 100, (8, 8))],
)
def test_any_number_of_subjects_and_clips_can_be_planned(layout, subjects, clips, length):
    plan = planned(layout, subjects, clips, length)
    files = [name for recording in plan.recordings for name in recording.files]
    assert len({name.lower() for name in files}) == len(files)
    assert len({(truth.dataset, truth.subject, truth.clip) for truth in plan.truths}) == len(plan.truths)
    assert len(plan.subjects) == len(set(plan.subjects)) == subjects
    assert {recording.subject for recording in plan.recordings} == set(range(subjects))
    assert sum(truth.usable for truth in plan.truths) >= subjects * clips
    assert all(len(texts) == len(r.moves) for r in plan.recordings for texts in [action_units(r)])


def test_empty_frames_are_links_to_few_files(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "LINKS", 50)
    plan = planned("casme2")
    write_empty(plan, tmp_path)
    stats = [(tmp_path / name).stat() for recording in plan.recordings for name in recording.paths]
    assert {stat.st_size for stat in stats} == {0}
    assert max(stat.st_nlink for stat in stats) == 51
    assert len({stat.st_ino for stat in stats}) == -(-len(stats) // 51)


# What is odd in each of them: values that must stand in the tables, and names that must lie on disk

HEADERS = {
    "samm-lv": (9, ["Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type"]),
    "casme2": (0, ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units"]),
    "smic-e": (0, ["Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F"]),
    "mmew": (0, ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units"]),
    "casme": (0, ["Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "Onset", "Total"]),
    "casme3": (0, ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]),
    "4dme": (0, ["sub_ID'", "video emo'", "fold_name'", "Onset", "Apex", "Offset", "AUs", "Emotion", "eye blink"]),
}
ODD_CELLS: dict[str, list[Any]] = {
    "samm": ["006", "Other", "Contempt"],
    "samm-lv": [-1, 0, "Macro", "Micro - 1/2", "006"],
    "casme2": ["04", "EP12_01f", "/", "EP01_2", "EP06_02_01", "EP09f", "others"],
    "smic-e": [18, "s18_sur_03", "s3_ne_02", "negative"],
    "mmew": ["others", "S13-07-001", 13],
    "casme": ["comtempt", "contempt", "\\", 1],
    "casme-squared": [0, "NULL", "null", "10or11", "4,24", "happyiness", "micro-expression", "macro-expression"],
    "casme3": ["J", "j", 0, "Others", "others", "happy", "sad"],
    "4dme": ["Surprise+Positive", 0, 1],
}
ODD_NAMES = {
    "samm-lv": [r"006_1_00001\.jpg", r"007_1_0001\.jpg"],
    "casme2": [r"img95\.jpg", r"img100\.jpg"],
    "smic": [r"image099995\.bmp", r"image100000\.bmp", r"image034208\.bmp", r"1\d{4}\.bmp"],
    "smic-e": [r"image034\d{3}\.jpg", r"s03", r"s3_ne_02", r"image0\d{5}\.jpg"],
    "ckplus": [r"S501_001_00000001\.png", r"S005_001_000000\d\d_emotion\.txt", r"S005_001_000000\d\d_facs\.txt"],
    "mmew": [r"1\.jpg", r"repression", r"S13-07-001\.jpg"],
    "casme": [r"EP01_5-96\.jpg", r"EP01_5-096\.jpg", r"EP01_5-100\.jpg"],
    "casme-squared": [r"img001\.jpg", r"img100\.jpg", r"15_0503unnyfarting", r"15_0101disgustingteeth"],
    "casme3": [r"3\d\d\.jpg", r"spNO\.1", r"depth"],
    "4dme": [r"Frame_0{5,6}\d{3,4}\.jpg"],
}


def test_what_a_data_set_is_known_for_is_planted(written):
    plan, out = written
    cells = every_cell(plan)
    assert [cell for cell in ODD_CELLS.get(plan.layout, []) if cell not in cells] == []
    names = {path.name for path in out.rglob("*")}
    assert [odd for odd in ODD_NAMES.get(plan.layout, []) if not any(re.fullmatch(odd, n) for n in names)] == []
    if plan.layout in HEADERS:
        at, header = HEADERS[plan.layout]
        assert next(iter(plan.cells.values()))[at][: len(header)] == header
    if plan.layout in ("casme2", "mmew", "casme", "casme-squared", "casme3", "4dme"):
        assert any(isinstance(cell, str) and cell.isdigit() and len(cell) > 1 and cell[0] != "0" for cell in cells)
    if plan.layout in ("smic-e", "mmew", "casme", "4dme"):
        assert any(set(row) == {None} for row in next(iter(plan.cells.values())))


def test_samm_lv_has_the_same_clips_in_both_tables_with_other_numbers(tmp_path):
    plan = planned("samm-lv")
    long, micro = (plan.cells[name] for name in TABLES["samm-lv"])
    onsets = {row[1]: row[3] for row in micro[14:]}
    shifts = {}
    for row in long[10:]:
        if row[7] != "Macro":
            shifts.setdefault(row[1].rpartition("_")[0], set()).add(onsets.pop(row[1]) - row[3])
    assert not onsets
    assert all(len(values) == 1 for values in shifts.values())
    assert {0} < set.union(*shifts.values())
    names = Counter(row[1] for row in long[10:])
    assert [count for count in names.values() if count > 1] == [2]
    assert any(isinstance(row[3], float) for row in long[10:])
    last = {Path(r.files[-1]).parent.name: len(r.files) for r in plan.recordings}
    assert any(row[5] > last.get(row[1].rpartition("_")[0], row[5]) for row in long[10:] if row[7] == "Macro")


def test_smic_e_traps():
    plan = planned("smic-e", 5)
    header, *rows = plan.cells[TABLES["smic-e"][0]]
    by_name = {row[1]: dict(zip(header, row, strict=False)) for row in rows}
    assert rows[0][0] == 20
    junk = by_name["s18_sur_03"]
    assert junk["Emotion"] == "negative"
    assert junk["FirstF"] <= junk["Onset2F"] < junk["Offset2F"] < junk["OnsetF"]
    assert junk["Onset3F"] < junk["Offset3F"] < junk["FirstF"]
    row = by_name["s9_sur_01"]
    assert (row["Onset3F"], row["Offset3F"]) == (row["Onset2F"], row["Offset2F"])
    truths = {truth.clip: truth for truth in plan.truths if truth.dataset == "smic-hs"}
    assert truths["s18_sur_03"].emotion == "surprise"
    for name, column in (("s3_ne_03", "2"), ("s9_sur_02", "2"), ("s4_ne_05", "2"), ("s4_ne_06", "3")):
        row = by_name[INSIDE[name]]
        assert (truths[name].onset, truths[name].offset) == (row[f"Onset{column}F"], row[f"Offset{column}F"])
        assert name not in by_name
    vis = {row[1]: row[3] for row in plan.cells[TABLES["smic-e"][1]][1:]}
    assert vis
    assert all(onset != by_name[name]["OnsetF"] for name, onset in vis.items())
    assert {name.partition("_")[0] for name in vis} == {"s18", "s20"}


def test_smic_has_the_same_clips_in_three_cameras_for_subjects_from_11_on():
    clips = {}
    for truth in planned("smic", 5).truths:
        clips.setdefault(truth.dataset, set()).add(truth.clip)
    assert clips["smic-vis"] == clips["smic-nir"] < clips["smic-hs"]
    assert {name.partition("_")[0] for name in clips["smic-vis"]} == {"s18", "s20"}
    assert {name.partition("_")[0] for name in clips["smic-hs"]} == {"s3", "s4", "s9", "s18", "s20"}


def test_ckplus_labels(tmp_path):
    plan = planned("ckplus")
    write_empty(plan, tmp_path)
    emotions = tmp_path / "CK+" / "Emotion_labels" / "Emotion"
    for truth in plan.truths:
        folder = emotions / truth.subject / truth.clip
        (path,) = folder.glob("*_emotion.txt")
        assert path.name == f"{truth.subject}_{truth.clip}_{truth.offset:08d}_emotion.txt"
        text = path.read_text(encoding="ascii")
        assert re.fullmatch(r"   [1-7]\.0000000e\+00\n", text)
        words = ["anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"]
        assert words[int(float(text)) - 1] == truth.emotion
    unlabelled = [emotions / Path(stray).relative_to(Path(stray).parents[1]) for stray in plan.unannotated]
    assert {tuple(path.name for path in f.iterdir()) if f.is_dir() else None for f in unlabelled} == {
        *((".DS_Store",), (), None)
    }
    facs = list((tmp_path / "CK+" / "FACS_labels" / "FACS").glob("*/*/*_facs.txt"))
    assert len(facs) == len(plan.recordings)
    assert all(
        re.fullmatch(r"(   \d\.\d{7}e\+0[01]){2}", line)
        for p in facs
        for line in p.read_text(encoding="ascii").splitlines()
    )
    assert {recording.colour for recording in plan.recordings} == {True, False}


def test_mmew_absolute_numbers_stand_for_the_files_from_1_on():
    plan = planned("mmew")
    (rows,) = plan.cells.values()
    truth = next(truth for truth in plan.truths if "of a recording" in truth.odd)
    row = next(row for row in rows if row[1] == truth.clip)
    assert [n - row[2] + 1 for n in row[2:5]] == [truth.onset, truth.apex, truth.offset]
    (recording,) = (r for r in plan.recordings if f"/{truth.clip}/" in r.files[0])
    assert row[3] > len(recording.files) == truth.offset


def test_cells_can_be_written_again_as_csv(tmp_path):
    (rows,) = planned("mmew").cells.values()
    write_book(tmp_path / "a.csv", {"x": rows})
    lines = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,Action Units,Estimated Emotion,remarks"
    assert len(lines) == len(rows)
