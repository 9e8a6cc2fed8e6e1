"""The SAMM reader on made-up folders: empty files as frames, made-up rows. `make_samm` serves other tests too."""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path
from typing import Any

import pytest

from mertool.clips import BAD_ANNOTATION, MISSING_FRAME, OK, Clip
from mertool.datasets import Annotations, read_clips
from mertool.datasets.labels import canonical_emotion
from mertool.errors import DataError, FileError, MertoolError
from tests.support.samm import HEADER, PREAMBLE, TABLE, Rows, made_up_rows, make_samm, row, write_frames, write_table


def by_name(annotations: Annotations) -> dict[str, Clip]:
    return {clip.name: clip for clip in annotations.clips}


def test_reads_every_row_in_order_with_its_frames(tmp_path: Path) -> None:
    found = read_clips(make_samm(tmp_path / "data"))
    assert [clip.name for clip in found.clips] == [line[1] for line in made_up_rows()]
    assert (found.dataset, found.tables) == ("samm", (tmp_path / "data" / TABLE,))
    clip = found.clips[0]
    folder = tmp_path / "data" / "SAMM" / "006" / "006_1_2"
    assert (clip.id, clip.subject, clip.emotion, clip.status, clip.detail) == (
        "samm/006/006_1_2",
        "006",
        "anger",
        OK,
        "",
    )
    assert (clip.onset, clip.middle, clip.apex, clip.offset) == (562, 564, 566, 570)
    assert clip.key_frames == tuple(folder / f"006_{n:05d}.jpg" for n in (562, 564, 566))
    assert tuple(clip.sequence) == tuple((n, folder / f"006_{n:05d}.jpg") for n in range(562, 571))
    assert not clip.channels
    assert found.clips[1].middle == 1006  # (1003 + 1008 + 1) // 2: halves go up
    crossing = found.clips[2]  # 98..105 in four digits: numeric, not by name
    assert [number for number, _ in crossing.sequence] == list(range(98, 106))
    assert [clip.emotion for clip in found.clips[2:]] == [
        "other",
        "surprise",
        "contempt",
        "disgust",
        "sadness",
        "fear",
    ]
    assert found.notes == (f"table data/{TABLE}, sheet MICRO_ONLY, header in row 14, 8 rows", "image root data/SAMM")
    assert found.unannotated == ()
    assert found.absent == frozenset()


def test_impossible_apexes_become_the_middle_and_say_so(tmp_path: Path) -> None:
    found = read_clips(make_samm(tmp_path))
    clips = by_name(found)
    assert (clips["028_4_1"].status, clips["028_4_1"].apex, clips["028_4_1"].middle) == (OK, 1076, 1074)
    assert clips["028_4_1"].detail == (
        "Apex Frame '1143' is a known fault (behind the offset; other copies name 4 others): it is not used; "
        "no apex is given for onset..offset 1071..1080; their middle 1076 is used"
    )
    assert clips["032_3_1"].detail == (
        "Apex Frame '1930' is a known fault (before the onset; perhaps 4930 was meant): it is not used; "
        "no apex is given for onset..offset 4896..4905; their middle 4901 is used"
    )
    assert clips["032_3_2"].detail == ""  # onset + 1 is valid
    assert found.corrections == (
        f"samm/028/028_4_1: {clips['028_4_1'].detail}",
        f"samm/032/032_3_1: {clips['032_3_1'].detail}",
    )


@pytest.mark.parametrize("apex", [None, -1, 0, "/", "soon", 562])
def test_an_apex_not_given_becomes_the_middle(tmp_path: Path, apex: object) -> None:
    rows = made_up_rows()
    rows[0][4] = apex
    clip = read_clips(make_samm_with(tmp_path, rows)).clips[0]
    assert (clip.status, clip.onset, clip.middle, clip.apex) == (OK, 562, 564, 566)
    assert "their middle 566 is used" in clip.detail


def make_samm_with(folder: Path, rows: Rows, name: str = TABLE, **options: Any) -> Path:
    """The frames of the made-up rows, with a table that says `rows`."""
    write_frames(folder / "SAMM", made_up_rows())
    write_table(folder / name, rows, **options)
    return folder


@pytest.mark.parametrize(
    "name", [TABLE, "SAMM.xlsx", "SAMM_20181215_Micro_FACS_Codes_v2.xlsx", "labels.csv", "old.xls"]
)
@pytest.mark.parametrize("lines", [0, 1, 13, 40])
def test_every_kind_of_table_with_the_header_anywhere(tmp_path: Path, name: str, lines: int) -> None:
    preamble = [*PREAMBLE, *[["more"]] * 30][:lines]
    folder = make_samm_with(tmp_path / "x", made_up_rows(), name, preamble=preamble)
    found = read_clips(folder, dataset="samm")
    assert found.clips == read_clips(make_samm(tmp_path / "x")).clips
    sheet = "" if name.endswith(".csv") else ", sheet MICRO_ONLY"
    assert found.notes[0] == f"table x/{name}{sheet}, header in row {lines + 1}, 8 rows"


@pytest.mark.parametrize(
    "header",
    [
        [text.upper() for text in HEADER],
        [f"  {text} " for text in HEADER],
        [text.replace(" ", "") for text in HEADER],
        [text.replace(" ", "\n") for text in HEADER],
        [text.replace("Estimated ", "") for text in HEADER],
    ],
)
def test_column_names_in_their_variants(tmp_path: Path, header: list[str]) -> None:
    found = read_clips(make_samm_with(tmp_path, made_up_rows(), header=header))
    assert found.clips == read_clips(make_samm(tmp_path)).clips


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_as_excel_exports_it(tmp_path: Path, encoding: str, delimiter: str) -> None:
    rows = made_up_rows()
    for line in rows:
        line[0] = int(line[0])  # the lost zeros: 6,006_1_2
        line[3:6] = [float(number) for number in line[3:6]]
        line[11] = 'später, vielleicht; "wohl"\nnicht'
    write_frames(tmp_path / "SAMM", made_up_rows())
    with (tmp_path / "SAMM_Micro_FACS_Codes_v2.csv").open("w", encoding=encoding, newline="") as stream:
        lines = [*PREAMBLE, [*HEADER, "", ""], *[[*line, "", ""] for line in rows]]
        csv.writer(stream, delimiter=delimiter).writerows(lines)
    assert read_clips(tmp_path).clips == read_clips(make_samm(tmp_path)).clips


def test_reordered_and_unnamed_columns(tmp_path: Path) -> None:
    order = random.Random(3).sample(range(12), 12)
    rows = [[*(line[at] for at in order), None, "stray"] for line in made_up_rows()]
    folder = make_samm_with(tmp_path, rows, header=[*(HEADER[at] for at in order), None, None])
    assert read_clips(folder).clips == read_clips(make_samm(tmp_path)).clips


@pytest.mark.parametrize("root", [".", "SAMM", "SAMM/SAMM", "SAMM_CROP", "mit Leerzeichen/ünï 模"])
@pytest.mark.parametrize("place", ["folder", "root", "above", "two above"])
def test_wherever_images_and_table_lie(tmp_path: Path, root: str, place: str) -> None:
    folder = tmp_path / "a" / "b" / "data"
    write_frames(folder / root, made_up_rows())
    at = {"folder": folder, "root": folder / root, "above": folder.parent, "two above": folder.parent.parent}[place]
    table = write_table(at / TABLE, made_up_rows())
    found = read_clips(folder)
    assert found.tables[0].resolve() == table.resolve()
    assert all(clip.status == OK for clip in found.clips)
    assert found.clips[0].key_frames[0].resolve() == (folder / root / "006/006_1_2/006_00562.jpg").resolve()
    assert not any(str(tmp_path) in note for note in found.notes)
    expected = "data" if root == "." else f"data/{root}"
    assert found.notes[1] == f"image root {expected}"


def test_from_inside_the_folder_and_by_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_samm(tmp_path / "data")
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "SAMM").symlink_to(folder / "SAMM", target_is_directory=True)
    (folder / "SAMM" / "loop").symlink_to(folder / "SAMM", target_is_directory=True)
    write_table(tmp_path / "other" / TABLE, made_up_rows())
    for path in (tmp_path / "link", tmp_path / "other"):
        assert all(clip.status == OK for clip in read_clips(path).clips)
    monkeypatch.chdir(folder / "SAMM")
    for name in (".", "..", "../SAMM", "006/.."):
        found = read_clips(Path(name))
        assert all(clip.status == OK for clip in found.clips)
        assert found.tables[0].samefile(folder / TABLE)


def test_junk_is_ignored_everywhere(tmp_path: Path) -> None:
    folder = make_samm(tmp_path / "x")
    before = read_clips(folder)
    for name in ("._SAMM.xlsx", f"~${TABLE}", ".DS_Store", "Thumbs.db", "desktop.ini", "Desktop - Shortcut.lnk"):
        for place in (folder, folder / "SAMM", folder / "SAMM/006", folder / "SAMM/006/006_1_2"):
            (place / name).write_bytes(b"\0\1junk")
    clip = folder / "SAMM/006/006_1_2"
    for name in ("._006_00562.jpg", "notes 562.txt", "566.jpg.lnk", "0562", "cover.jpg"):
        (clip / name).touch()
    (clip / "00565.jpg").mkdir()
    (folder / "__MACOSX/SAMM/006/006_1_2").mkdir(parents=True)
    (folder / "SAMM.clips.csv").write_text("clip,dataset,subject,emotion,onset,middle,apex,offset,status,detail\n")
    assert read_clips(folder) == before


@pytest.mark.parametrize("suffix", ["JPG", "jpeg", "png", "BMP", "tif", "tiff"])
def test_other_kinds_of_pictures(tmp_path: Path, suffix: str) -> None:
    folder = make_samm(tmp_path)
    for path in sorted(folder.glob("SAMM/006/006_1_2/*.jpg")):
        path.rename(path.with_name(f"{path.stem.removeprefix('006_').lstrip('0')}.{suffix}"))
    clip = read_clips(folder).clips[0]
    assert [path.name for path in clip.key_frames] == [f"{n}.{suffix}" for n in (562, 564, 566)]


def test_missing_key_frames(tmp_path: Path) -> None:
    folder = make_samm(tmp_path)
    clip = folder / "SAMM/011/011_2_1"  # 9, 11, 12, 15
    (clip / "011_0009.jpg").unlink()
    (clip / "011_0012.jpg").unlink()
    found = by_name(read_clips(folder))["011_2_1"]
    assert (found.status, found.onset, found.middle, found.apex, found.offset) == (OK, 10, 11, 11, 15)
    assert found.detail == "onset frame 9 is not on disk, 10 is used; apex frame 12 is not on disk, 11 is used"
    assert [number for number, _ in found.sequence] == [10, 11, 13, 14, 15]
    for number in (10, 11):
        (clip / f"011_{number:04d}.jpg").unlink()
    found = by_name(read_clips(folder))["011_2_1"]
    assert (found.status, found.key_frames, len(found.sequence)) == (MISSING_FRAME, (), 0)
    assert found.detail == (
        f"no onset frame 9, nor one within 2 of it, in {tmp_path.name}/SAMM/011/011_2_1, which holds 13..15"
    )
    for path in clip.iterdir():
        path.unlink()
    found = by_name(read_clips(folder))["011_2_1"]
    assert (found.status, found.detail) == (MISSING_FRAME, f"no numbered pictures in {tmp_path.name}/SAMM/011/011_2_1")


@pytest.mark.parametrize("name", ["006_0564.jpg", "006_00564.png", "006_00564.JPG"])
def test_two_pictures_of_one_frame_are_never_chosen_from(tmp_path: Path, name: str) -> None:
    folder = make_samm(tmp_path)
    (folder / "SAMM/006/006_1_2" / name).touch()
    clip = read_clips(folder).clips[0]
    assert (clip.status, clip.key_frames) == (MISSING_FRAME, ())
    names = " and ".join(sorted(["006_00564.jpg", name]))
    assert clip.detail == f"frame 564 is there more than once: {names} in {tmp_path.name}/SAMM/006/006_1_2; keep one"


def test_a_subset_of_the_subjects_and_folders_without_a_row(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    write_table(folder / TABLE, made_up_rows())
    write_frames(folder / "SAMM", [line for line in made_up_rows() if line[0] in ("006", "011")][1:])
    write_frames(folder / "SAMM", [row("035_1_1", 1, 2, 3, "Anger")])
    found = read_clips(folder)
    clips = by_name(found)
    assert (clips["006_1_2"].status, clips["006_1_2"].detail) == (MISSING_FRAME, "no folder 006/006_1_2 on disk")
    assert [clip.status for clip in found.clips] == [MISSING_FRAME, *[OK] * 4, *[MISSING_FRAME] * 3]
    assert found.absent == {"samm/006/006_1_2", "samm/028/028_4_1", "samm/032/032_3_1", "samm/032/032_3_2"}
    assert found.outside_subset == {"samm/028/028_4_1", "samm/032/032_3_1", "samm/032/032_3_2"}
    assert found.unannotated == ("x/SAMM/035/035_1_1",)
    assert found.notes[2:] == (
        "a subset: 2 of 4 subjects are on disk, not 028, 032",
        "clip folders on disk that nothing annotates, 1: x/SAMM/035/035_1_1",
    )


def test_clip_folders_match_by_value_whatever_the_padding(tmp_path: Path) -> None:
    folder = make_samm(tmp_path)
    (folder / "SAMM/006/006_1_2").rename(folder / "SAMM/006/06_01_02")
    assert all(clip.status == OK for clip in read_clips(folder).clips)


@pytest.mark.parametrize(
    ("column", "value", "detail"),
    [
        (0, None, "row 15: Subject is empty, expected 006"),
        (0, "seven", "row 15: Subject is 'seven', expected 006"),
        (0, 7, "row 15: Subject is '7', expected 006"),
        (1, None, "row 15: Filename is empty, expected e.g. 006_1_2"),
        (1, "EP02_01f", "row 15: Filename is 'EP02_01f', expected e.g. 006_1_2"),
        (1, 612, "row 15: Filename is '612', expected e.g. 006_1_2"),
        (3, "x", "row 15: Onset Frame is 'x', expected a whole number from 0"),
        (3, 562.5, "row 15: Onset Frame is '562.5', expected a whole number from 0"),
        (3, -3, "row 15: Onset Frame is '-3', expected a whole number from 0"),
        (3, "5_62", "row 15: Onset Frame is '5_62', expected a whole number from 0"),
        (3, "9" * 5000, f"row 15: Onset Frame is '{'9' * 5000}', expected a whole number from 0"),
        (5, None, "row 15: Offset Frame is empty, expected a whole number from 0"),
        (5, 561, "row 15: Offset Frame 561 lies before Onset Frame 562"),
        (9, None, "row 15: Estimated Emotion is empty, expected one of anger, contempt, "),
        (9, "Angst", "row 15: Estimated Emotion is 'angst', expected one of anger, contempt, "),
    ],
)
def test_a_row_that_cannot_be_used_says_why(tmp_path: Path, column: int, value: object, detail: str) -> None:
    rows = made_up_rows()
    rows[0][column] = value
    found = read_clips(make_samm_with(tmp_path, rows))
    assert (found.clips[0].status, found.clips[0].key_frames) == (BAD_ANNOTATION, ())
    assert found.clips[0].detail.startswith(detail)
    assert "\n" not in found.clips[0].detail
    assert found.clips[1:] == read_clips(make_samm(tmp_path)).clips[1:]


def test_a_row_names_all_that_is_wrong_with_it(tmp_path: Path) -> None:
    rows = made_up_rows()
    rows[0][0], rows[0][3], rows[0][9] = 7, "x", "?"
    clip = read_clips(make_samm_with(tmp_path, rows)).clips[0]
    assert [text in clip.detail for text in ("Subject", "Onset Frame", "Estimated Emotion")] == [True] * 3


def test_double_rows_are_never_used_twice(tmp_path: Path) -> None:
    rows = made_up_rows()
    other = [*rows[1][:9], "Fear", *rows[1][10:]]
    found = read_clips(make_samm_with(tmp_path, [*rows, rows[0], other]))
    whole = read_clips(make_samm(tmp_path)).clips
    assert (found.clips[0], *found.clips[2:8]) == (whole[0], *whole[2:])
    assert [clip.status for clip in found.clips[8:]] == [BAD_ANNOTATION] * 2
    contradicted = found.clips[1]  # nobody can say which row is right
    assert (contradicted.status, contradicted.key_frames) == (BAD_ANNOTATION, ())
    assert contradicted.detail == ("contradicted: row 24: double of row 16, which says otherwise in Estimated Emotion")
    assert found.clips[8].detail == "row 23: double of row 15, which says the same"
    assert found.clips[9].detail == "row 24: double of row 16, which says otherwise in Estimated Emotion"


def test_a_duration_that_disagrees_is_said(tmp_path: Path) -> None:
    rows = made_up_rows()
    rows[0][6] = 12
    clip = read_clips(make_samm_with(tmp_path, rows)).clips[0]
    assert (clip.status, clip.detail) == (OK, "Duration is 12, but onset..offset 562..570 is 9 frames")


def test_a_row_of_text_elsewhere_is_named(tmp_path: Path) -> None:
    found = read_clips(make_samm_with(tmp_path, [*made_up_rows(), [None] * 11 + ["checked twice"]]))
    assert len(found.clips) == 8
    assert found.notes[-1] == "not read, text that names no clip: row 23"


# Which table


def test_two_equal_tables_and_one_of_another_data_set(tmp_path: Path) -> None:
    folder = make_samm(tmp_path / "x")
    write_table(folder / "SAMM_Micro_FACS_Codes_v2.csv", made_up_rows())
    casme = [[f"{n:02d}", f"EP0{n}_01f", None, 1, 2, 3, None, "4", "happiness"] for n in range(1, 5)]
    columns = ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "AU", "Estimated Emotion"]
    write_table(folder / "CASME2-coding.xlsx", casme, columns, [])
    (folder / "results.csv").write_text("run,accuracy\n1,0.5\n")
    (folder / "broken.xlsx").write_text("no spreadsheet")
    found = read_clips(folder)
    assert found.tables[0].name == TABLE
    assert found.notes[2:] == (
        "not used: x/SAMM_Micro_FACS_Codes_v2.csv, which says the same",
        "not used: x/broken.xlsx, which cannot be used: "
        "not a spreadsheet that can be read (Cannot detect file format); save it again as .xlsx or .csv",
    )


def test_differing_tables_the_nearer_then_the_official_one(tmp_path: Path) -> None:
    folder = make_samm(tmp_path / "x")
    write_table(folder.parent / TABLE, made_up_rows()[:3])
    write_table(folder / "mine.csv", made_up_rows()[:4])
    found = read_clips(folder)
    assert len(found.clips) == 8
    assert found.notes[2:] == (
        "not used: x/mine.csv, which differs; the table used takes precedence by its name",
        f"not used: {TABLE}, which differs; the table used is nearer",
    )
    (folder / TABLE).unlink()
    assert len(read_clips(folder).clips) == 4


def test_differing_tables_with_equal_claim(tmp_path: Path) -> None:
    folder = make_samm(tmp_path / "x")
    write_table(folder / "SAMM" / TABLE, made_up_rows()[:3])
    message = f"two annotation tables differ and neither comes first: x/SAMM/{TABLE} and x/{TABLE}; remove one"
    with pytest.raises(DataError, match=re.escape(message)):
        read_clips(folder)


def test_no_table(tmp_path: Path) -> None:
    folder = make_samm(tmp_path / "x")
    (folder / TABLE).unlink()
    message = (
        f"{folder}: no annotation table; looked in it, below it and in the 3 folders above it for {TABLE} "
        "(or another .xlsx, .xls or .csv; above it with 'samm' in its name)"
    )
    with pytest.raises(FileError, match=re.escape(message) + "$"):
        read_clips(folder)
    (folder / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match=re.escape(f"{message}; x/other.csv is no such table")):
        read_clips(folder)


def test_empty_and_unknown_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no data set that mertool knows \(samm, samm-lv, casme2, "):
        read_clips(tmp_path)
    with pytest.raises(FileError, match=r"no clip folder of SAMM in it or below; expected e\.g\. 006/006_1_2"):
        read_clips(tmp_path, dataset="samm")
    write_table(tmp_path / TABLE, made_up_rows())
    with pytest.raises(FileError, match="no clip folder of SAMM"):
        read_clips(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"just text",
            "not a spreadsheet that can be read (Cannot detect file format); save it again as .xlsx or .csv",
        ),
        (b"", "not a spreadsheet that can be read"),
        (b"PK\x03\x04" + b"\0" * 200, "not a spreadsheet that can be read"),
    ],
)
def test_a_table_that_is_no_spreadsheet(tmp_path: Path, content: bytes, message: str) -> None:
    folder = make_samm(tmp_path)
    (folder / TABLE).write_bytes(content)
    with pytest.raises(DataError, match=re.escape(f"{folder / TABLE}: {message}")):
        read_clips(folder)


@pytest.mark.parametrize("at", [0, 1, 3, 4, 5, 9])
def test_a_missing_column_is_named_and_the_others_shown(tmp_path: Path, at: int) -> None:
    header = [*HEADER[:at], "renamed", *HEADER[at + 1 :]]
    folder = make_samm_with(tmp_path, made_up_rows(), header=header)
    message = f"row 14 is the header but lacks {HEADER[at]}; it has {', '.join(header)}"
    with pytest.raises(DataError, match=re.escape(message)):
        read_clips(folder)


def test_a_double_column_and_a_table_without_rows(tmp_path: Path) -> None:
    folder = make_samm_with(tmp_path, made_up_rows(), header=[*HEADER[:11], "Apex Frame"])
    with pytest.raises(DataError, match="column Apex Frame is there 2 times in row 14; keep one"):
        read_clips(folder)
    write_table(folder / TABLE, [])
    with pytest.raises(DataError, match="no row follows the header in row 14"):
        read_clips(folder)


def test_two_copies_of_the_clips(tmp_path: Path) -> None:
    folder = make_samm(tmp_path / "x")
    write_frames(folder / "SAMM_CROP", made_up_rows())
    found = read_clips(folder)
    assert found.clips[0].key_frames[0].parent == folder / "SAMM/006/006_1_2"
    note = "not used: x/SAMM_CROP, another copy of clips in x/SAMM; give its folder to read it"
    assert note in found.notes
    assert found.unannotated == ()
    write_frames(folder / "backup", made_up_rows())
    message = (
        f"{folder}: clip 006_1_10 is there twice: x/SAMM/006/006_1_10 and x/backup/006/006_1_10; "
        "give the folder of one copy, e.g. x/SAMM"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        read_clips(folder)
    found = read_clips(folder / "SAMM_CROP")
    assert all(clip.status == OK for clip in found.clips)
    assert found.clips[0].key_frames[0].parent == folder / "SAMM_CROP/006/006_1_2"


# Mutations: whatever happens to the table, either one MertoolError, or every clip is what its row says.


def oracle(line: list[Any], clip: Clip) -> None:
    """A usable clip has the label and the frames of its row, or says what was repaired."""
    assert clip.emotion == canonical_emotion(str(line[9]))
    assert int(line[0]) == int(clip.subject)
    assert str(line[1]).strip() == clip.name
    assert clip.offset == int(float(line[5]))
    if "onset frame" not in clip.detail:
        assert clip.onset == int(float(line[3]))
    if "apex" not in clip.detail:
        assert clip.apex == int(float(line[4]))
    if "frame" not in clip.detail:
        assert clip.middle == (clip.onset + clip.apex + 1) // 2
    numbers = [int(path.stem.split("_")[1]) for path in clip.key_frames]
    assert numbers == [clip.onset, clip.middle, clip.apex]
    assert {path.parent.name for path in clip.key_frames} == {clip.name}


def mutate(rng: random.Random, header: list[Any], rows: Rows, preamble: Rows) -> set[int]:
    """Change the table in place; gives the (new) indices of rows that are not as they were."""
    touched: set[int] = set()
    kind = rng.choice(
        ["empty", "text", "number", "swap", "double", "drop", "shuffle", "columns", "rename", "relabel", "move", "cut"]
    )
    at = rng.randrange(len(rows))
    column = rng.choice([0, 1, 3, 4, 5, 6, 9, rng.randrange(12)])
    if kind in ("empty", "text", "number"):
        garbage = ["x", " ", "#REF!", "=D2+M2-1", "006_1_2", "Anger", "1e3", "12,5", "١٢", "a\nb", "-", "None", True]
        rows[at][column] = {"empty": None, "text": rng.choice(garbage), "number": rng.randint(-5, 6000)}[kind]
        touched.add(at)
    elif kind == "swap":
        other = rng.randrange(len(rows))
        rows[at][column], rows[other][column] = rows[other][column], rows[at][column]
        touched |= {at, other}
    elif kind == "double":
        rows.append(list(rows[at]))
        touched.add(len(rows) - 1)
    elif kind == "drop":
        del rows[at]
    elif kind == "shuffle":
        rng.shuffle(rows)
    elif kind == "columns":
        order = rng.sample(range(12), 12)
        header[:] = [header[n] for n in order]
        rows[:] = [[line[n] for n in order] for line in rows]
    elif kind == "rename":
        header[column] = rng.choice(["", "renamed", str(header[column]).lower(), header[(column + 1) % 12]])
        touched |= set(range(len(rows)))
    elif kind == "relabel":
        other = rng.randrange(12)
        header[column], header[other] = header[other], header[column]
        touched |= set(range(len(rows)))
    elif kind == "move":
        preamble[:] = [["x", None, rng.choice(HEADER)]] * rng.randrange(30)
    else:
        rows[at] = rows[at][: rng.randrange(12)]
        touched.add(at)
    return touched


@pytest.mark.parametrize(("suffix", "n"), [(".csv", 400), (".xlsx", 30)])
def test_mutated_tables(tmp_path: Path, suffix: str, n: int) -> None:
    write_frames(tmp_path / "SAMM", made_up_rows())
    table = tmp_path / f"SAMM{suffix}"
    write_table(table, made_up_rows())
    base = by_name(read_clips(tmp_path))
    ends = {"all ok": 0, "named": 0}
    messages: list[str] = []
    for seed in range(n):
        rng = random.Random(seed)
        header, rows, preamble = list(HEADER), made_up_rows(), list(PREAMBLE)
        touched = mutate(rng, header, rows, preamble)
        write_table(table, rows, header, preamble)
        try:
            found = read_clips(tmp_path)
        except MertoolError as error:
            messages.append(str(error))
            continue
        if set(HEADER) <= set(header):  # read the rows by whatever the header now says
            rows = [[*line, *[None] * 12] for line in rows]
            rows = [[line[header.index(name)] for name in HEADER] for line in rows]
        rows = [line for line in rows if any(cell not in (None, " ") for cell in (*line[:2], *line[3:6], *line[9:10]))]
        assert len(found.clips) == len(rows), seed
        bad = 0
        for index, (line, clip) in enumerate(zip(rows, found.clips, strict=True)):
            if clip.status != OK:
                assert clip.detail, seed
                assert not clip.key_frames, seed
                bad += 1
            elif index not in touched:
                assert clip == base[line[1]], seed
            else:
                oracle(line, clip)
            if index not in touched and clip.status != OK:
                # Only another row that took this one's name can do that.
                assert "double of row" in clip.detail, seed
        ends["named" if bad or len(found.corrections) > 2 else "all ok"] += 1
    assert not any("\n" in message for message in messages)
    assert min(len(messages), *ends.values()) > n // 50, (messages, ends)
