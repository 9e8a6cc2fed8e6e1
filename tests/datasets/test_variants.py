"""Variants of folders and tables that people have: each read as it should be, or refused by a message that helps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from recordings.tables import write_book

from mertool.clips import BAD_ANNOTATION, MISSING_FRAME, OK
from mertool.datasets import read_clips
from mertool.errors import DataError, FileError

CASME = ["Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "Onset", "Total", "AU", "Emotion"]
CASME2 = ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units", "Emotion"]
CASME3 = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]
MMEW = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion", "remarks"]
SMIC_E = [
    "Subject",
    "Filename",
    None,
    "OnsetF",
    "OffsetF",
    "Onset2F",
    "Offset2F",
    None,
    "FirstF",
    "TotalMF1",
    "Emotion",
]
SPOTTING = ["subject", "video", "video_name", "NumME", "StartFrame", "Endframe", *["ME_Type", "onset", "offset"] * 2]
FOURDME = ["sub_ID'", "fold_name'", "Onset", "Apex", "Offset", "AUs", "Emotion"]


def place(folder: Path, pattern: str, numbers) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / pattern.format(number)).touch()


def book(path: Path, *rows, sheet="Sheet1", **further) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_book(path, {sheet: [list(row) for row in rows], **further})


def row2(subject, clip, emotion="happiness", onset=46, apex=50, offset=60):
    return [subject, clip, None, onset, apex, offset, None, "12", emotion]


def clips_of(path: Path, **options):
    found = read_clips(path, **options)
    return found, {f"{clip.subject}/{clip.name}": clip for clip in found.clips}


# CASME and CASME II


@pytest.fixture
def both_casme(tmp_path):
    place(tmp_path / "CASME/CASME_raw_selected/sub01/EP01_12", "EP01_12-{}.jpg", range(46, 61))
    book(
        tmp_path / "CASME/CASME-coded-20190721.xlsx",
        CASME,
        [1, "EP01_12", None, 46, 50, "\\", 60, None, 9, 9, 1, "tense"],
    )
    place(tmp_path / "CASME2/CASME2-RAW/sub01/EP01_12", "img{}.jpg", range(46, 61))
    book(tmp_path / "CASME2/CASME2-coding-20190701.xlsx", CASME2, row2("01", "EP01_12"))
    return tmp_path


def test_of_both_casmes_in_one_folder_each_reads_its_own(both_casme):
    with pytest.raises(
        DataError, match=r"could be casme2 or casme \(.*img46\.jpg; .*EP01_12-46\.jpg\); say which with"
    ):
        read_clips(both_casme)
    for name, frame in (("casme", "EP01_12-46.jpg"), ("casme2", "img46.jpg")):
        found, clips = clips_of(both_casme, dataset=name)
        assert [clip.id for clip in found.clips] == [f"{name}/sub01/EP01_12"]
        assert clips["sub01/EP01_12"].key_frames[0].name == frame


def test_one_casme_is_not_read_as_the_other(both_casme):
    with pytest.raises(FileError, match="no clip folder of CASME in it"):
        read_clips(both_casme / "CASME2", dataset="casme")
    with pytest.raises(FileError, match="no clip folder of CASME II in it"):
        read_clips(both_casme / "CASME", dataset="casme2")


def test_casme_in_two_sections_beside_or_above_the_images(tmp_path):
    for section, clip, word in (("A", "EP01_1", "amusement"), ("B", "EP01_2", "comtempt")):
        place(tmp_path / f"CASME_{section}/Section {section}/sub01/{clip}", clip + "-{:03d}.jpg", range(10, 30))
        row = [1, clip, None, 10, 15, "\\", 20, None, 1, 1, "4", word]
        book(tmp_path / f"CASME_Section{section}.xls", CASME, row)
    found, clips = clips_of(tmp_path)
    assert {name: (clip.status, clip.emotion) for name, clip in clips.items()} == {
        "sub01/EP01_1": (OK, "happiness"),
        "sub01/EP01_2": (OK, "contempt"),
    }
    assert "amusement is the earlier word for happiness" in clips["sub01/EP01_1"].detail
    assert len(found.tables) == 2
    above, clips = clips_of(tmp_path / "CASME_A")
    assert len(above.tables) == 2
    assert (clips["sub01/EP01_1"].status, clips["sub01/EP01_2"].status) == (OK, MISSING_FRAME)


def test_apexes_that_are_no_numbers_are_not_annotated(tmp_path):
    words = ["/", "?", "N/A", "apex", "", "-1", "46"]
    rows = [row2("01", f"EP01_{n:02d}", apex=word) for n, word in enumerate(words)]
    book(tmp_path / "CASME2-coding-updated.xlsx", CASME2, *rows)
    for row in rows:
        place(tmp_path / "CASME2-RAW/sub01" / row[1], "img{}.jpg", range(1, 100))
    found, clips = clips_of(tmp_path)
    assert {(clip.status, clip.apex) for clip in found.clips} == {(OK, 53)}
    assert clips["sub01/EP01_02"].detail.startswith("ApexFrame 'N/A' is no frame number; no apex is given for onset")


def test_known_faults_are_corrected_whatever_the_case_and_named(tmp_path):
    book(
        tmp_path / "CASME2-coding.xlsx",
        CASME2,
        row2("04", "ep12_01F", apex="/"),
        row2("05", "EP09_05f", onset=69, apex=69, offset=123),
    )
    for subject, clip in (("sub04", "EP12_01f"), ("sub05", "EP09_05f")):
        place(tmp_path / "CASME2-RAW" / subject / clip, "img{}.jpg", range(1, 130))
    found, clips = clips_of(tmp_path)
    assert (
        "ApexFrame '/' is a known fault (not annotated in any release): it is not used"
        in clips["sub04/EP12_01f"].detail
    )
    assert (clips["sub05/EP09_05f"].apex, clips["sub04/EP12_01f"].apex) == (96, 53)
    assert len(found.corrections) == 2


def test_an_apex_never_falls_on_the_onset(tmp_path):
    book(
        tmp_path / "CASME2-coding.xlsx",
        CASME2,
        row2("01", "EP01_01", onset=47, apex=48),
        row2("01", "EP01_02", onset=60),
    )
    place(tmp_path / "CASME2-RAW/sub01/EP01_01", "img{}.jpg", [46, 47, 51, 52, 60])
    place(tmp_path / "CASME2-RAW/sub01/EP01_02", "img{}.jpg", [60])
    _, clips = clips_of(tmp_path)
    lost, single = clips["sub01/EP01_01"], clips["sub01/EP01_02"]
    assert (lost.status, lost.key_frames) == (MISSING_FRAME, ())
    assert lost.detail.startswith("of onset frame 47 to apex frame 48 one is left in")
    assert single.detail == "row 3: OffsetFrame 60 equals OnsetFrame 60"


def test_raw_frames_come_first_and_what_only_the_crops_have_is_said(tmp_path):
    book(tmp_path / "CASME2-coding.xlsx", CASME2, row2("01", "EP01_01"), row2("02", "EP01_01"))
    place(tmp_path / "CASME2-RAW/sub01/EP01_01", "img{}.jpg", range(46, 61))
    for root in ("Cropped", "Cropped-updated/Cropped"):
        for subject in ("sub01", "sub02"):
            place(tmp_path / root / subject / "EP01_01", "reg_img{}.jpg", range(46, 61))
    found, clips = clips_of(tmp_path)
    assert clips["sub01/EP01_01"].key_frames[0].name == "img46.jpg"
    assert clips["sub02/EP01_01"].status == MISSING_FRAME
    name = tmp_path.name
    assert (
        f"not used: {name}/Cropped-updated/Cropped, another copy of clips in {name}/CASME2-RAW; "
        "1 clips are only there; give its folder to read it"
    ) in found.notes
    (tmp_path / "CASME2-RAW").rename(tmp_path.parent / f"{name} elsewhere")
    found, clips = clips_of(tmp_path)
    assert "Cropped-updated" in str(clips["sub02/EP01_01"].key_frames[0])


def test_copies_of_a_table_that_differ_in_padding_say_the_same(tmp_path):
    place(tmp_path / "CASME2-RAW/sub01/EP01_01", "img{}.jpg", range(46, 61))
    book(tmp_path / "a casme2.xlsx", CASME2, row2("01", "EP01_01"))
    (tmp_path / "b casme2.csv").write_text(
        ",".join(str(cell or "") for cell in CASME2) + "\n1,EP01_01,,46.0,50,60,,12,Happiness\n"
    )
    found = read_clips(tmp_path)
    assert f"not used: {tmp_path.name}/b casme2.csv, which says the same" in found.notes


def test_a_second_sheet_of_rows_is_named(tmp_path):
    place(tmp_path / "CASME2-RAW/sub01/EP01_01", "img{}.jpg", range(46, 61))
    more = [CASME2, row2("02", "EP01_01")]
    book(tmp_path / "CASME2-coding.xlsx", CASME2, row2("01", "EP01_01"), sheet="one", two=more)
    assert "not read, sheets with the same columns: two; sheet one is used" in read_clips(tmp_path).notes


@pytest.mark.parametrize("subject", ["9" * 5000, "sub" + "9" * 5000, "٣", "²", "1_0", "0x1", "-1", "1.5"])
def test_strange_subjects_are_refused_in_a_line(tmp_path, subject):
    place(tmp_path / "CASME2-RAW/sub01/EP01_01", "img{}.jpg", range(46, 61))
    (tmp_path / "CASME2-coding.csv").write_text(
        ",".join(str(cell or "") for cell in CASME2) + f"\n{subject},EP01_01,,46,50,60,,12,happiness\n",
        encoding="utf-8",
    )
    found = read_clips(tmp_path)
    assert found.clips[0].status == BAD_ANNOTATION
    assert "expected a number such as 01" in found.clips[0].detail
    assert found.unannotated == (f"{tmp_path.name}/CASME2-RAW/sub01/EP01_01",)


# CAS(ME)^2 and CAS(ME)^3


def squared(
    folder: Path, rules=((None, "s15", 1),), codes=((401, "anger1"),), table="CAS(ME)^2code_final.xlsx"
) -> Path:
    rows = [[1, "anger1_1", 3, 5, 9, "4", "negative", "micro-expression", "anger"]]
    rules, codes = ([list(row) for row in part] for part in (rules, codes))
    book(folder / table, *rows, sheet="CASFEcode_final", **{"naming rule1": rules, "naming rule2": codes})
    place(folder / "rawpic/s15/15_0401girlcrashing", "img{:03d}.jpg", range(1, 20))
    return folder


def test_casme_squared_by_its_rules(tmp_path):
    _, clips = clips_of(squared(tmp_path))
    assert clips["s15/anger1_1"].key_frames[0] == tmp_path / "rawpic/s15/15_0401girlcrashing/img003.jpg"


@pytest.mark.parametrize(
    ("rules", "codes", "message"),
    [
        (
            ((None, "s15", 1), (None, "s16", 1)),
            ((401, "anger1"),),
            "naming rule1 says s15 and s16 of participant 1; keep",
        ),
        (
            ((None, "s15", 1),),
            ((401, "anger1"), (402, "anger1")),
            "naming rule2 says 0401 and 0402 of anger1; keep one",
        ),
        ((), ((401, "anger1"),), "has no sheet 'naming rule1', which says whose folder is whose"),
        (((None, "s15", 1),), (), "has no sheet 'naming rule2', which says whose video is which"),
    ],
)
def test_naming_rules_that_cannot_be_followed(tmp_path, rules, codes, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read_clips(squared(tmp_path, rules, codes))


def test_naming_rules_as_csv_beside_the_table(tmp_path):
    squared(tmp_path)
    (tmp_path / "CAS(ME)^2code_final.xlsx").unlink()
    (tmp_path / "CAS(ME)^2code_final.csv").write_text("1,anger1_1,3,5,9,4,negative,micro-expression,anger\n")
    (tmp_path / "naming rule1.csv").write_text(",s15,1\n")
    (tmp_path / "naming rule2.csv").write_text("401,anger1\n")
    for folder in (tmp_path, tmp_path / "rawpic"):
        assert [clip.status for clip in read_clips(folder).clips] == [OK]


def test_casme3_leaves_the_macro_expressions_alone(tmp_path):
    place(tmp_path / "Part_A_ME_clip/Part_A_ME_clip/frame/spNo.1_a_355", "{}.jpg", range(355, 375))
    place(tmp_path / "Part_A_MaE_clip/frame/spNo.1_a_355", "{}.jpg", range(355, 375))
    home = tmp_path / "annotation"
    book(
        home / "cas(me)3_part_A_ME_label_JpgIndex_v2_20250903.xlsx",
        CASME3,
        ["spNO.1", "a", "355", "360", "370", 4, "I", "happy"],
    )
    macro = ["sub", "seq", "onset", "apex", "offset", "emotion"]
    book(home / "cas(me)3_part_A_MaE_label_JpgIndex_v2_emotion.xlsx", macro, ["spNO.1", "a", 355, 360, 370, "sad"])
    book(home / "casme3_partA_error_list_1.xlsx", CASME3, ["spNO.1", "a", 355, 360, 370, 4, "I", "fear"])
    found, clips = clips_of(tmp_path)
    assert [(clip.id, clip.emotion, clip.status) for clip in found.clips] == [("casme3/spNO.1/a_355", "happiness", OK)]
    assert "Part_A_ME_clip" in str(clips["spNO.1/a_355"].key_frames[0])
    (home / "cas(me)3_part_A_ME_label_JpgIndex_v2_20250903.xlsx").unlink()
    with pytest.raises(FileError, match="no annotation table"):
        read_clips(tmp_path)


def test_casme3_s_old_table_says_the_type(tmp_path):
    place(tmp_path / "part_A/spNO.1/a/color", "{}.jpg", range(1, 100))
    rows = [
        ["spNO.1", "a", n, n + 3, n + 9, 4, 1, "sad", kind] for n, kind in ((1, "Micro"), (20, "Macro"), (40, None))
    ]
    book(tmp_path / "CAS(ME)3_part_A_v2.xls", [*CASME3, "Expression type"], *rows)
    found, clips = clips_of(tmp_path)
    assert {name: clip.status for name, clip in clips.items()} == {"spNO.1/a_1": OK, "spNO.1/a_40": BAD_ANNOTATION}
    assert "1 macro-expressions of the table are not read" in found.notes


@pytest.mark.parametrize(
    "levels", ["", "part_A/data/part_A_split/part_A", "x/CASME3/part_A/part_A/data/part_A_split/part_A"]
)
def test_casme3_however_deep(tmp_path, levels):
    place(tmp_path / "home" / levels / "spNO.1/a/color", "{}.jpg", range(1, 100))
    book(tmp_path / "home/cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", CASME3, ["spNO.1", "A", 1, 5, 9, 4, 1, "Others"])
    assert [clip.status for clip in read_clips(tmp_path / "home").clips] == [OK]


@pytest.mark.parametrize("inner", ["data", "data/part_A_split", "data/part_A_split/part_A"])
def test_casme3_given_an_inner_folder_finds_its_table(tmp_path, inner):
    place(tmp_path / "part_A/data/part_A_split/part_A/spNO.1/a/color", "{}.jpg", range(1, 100))
    table = tmp_path / "part_A/annotation/cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
    book(table, CASME3, ["spNO.1", "A", 1, 5, 9, 4, 1, "Others"])
    assert [clip.status for clip in read_clips(tmp_path / "part_A" / inner).clips] == [OK]


# SMIC


def test_smic_e_raw_comes_before_crops_whatever_they_are_called(tmp_path):
    place(tmp_path / "SMIC-E_raw image/HS_long/SMIC-HS-E/s01/s1_ne_01", "image{:06d}.jpg", range(100, 140))
    place(tmp_path / "SMIC_crop/cropped/s01/s1_ne_01", "image{:06d}.jpg", range(1, 41))
    book(
        tmp_path / "SMIC-HS-E_annotation.xlsx", SMIC_E, [1, "s1_ne_01", None, 110, 120, 0, 0, None, 100, 11, "negative"]
    )
    found, clips = clips_of(tmp_path)
    assert clips["s1/s1_ne_01"].key_frames[0].name == "image000110.jpg"
    assert any(note.startswith(f"not used: {tmp_path.name}/SMIC_crop/cropped, another copy") for note in found.notes)


def vis(folder: Path) -> Path:
    place(folder / "VIS_long/SMIC_VIS_E/VIS/s11/s11_ne_01", "image{:06d}.jpg", range(100, 140))
    return folder


def test_the_table_of_another_camera_is_not_used(tmp_path):
    header = ",".join(str(cell or "") for cell in SMIC_E)
    (tmp_path / "SMIC-HS-E_annotation.csv").write_text(header + "\n11,s11_ne_01,,110,120,0,0,,100,11,negative\n")
    with pytest.raises(FileError, match="no annotation table"):
        read_clips(vis(tmp_path))


def test_the_workbook_of_hs_has_a_sheet_of_vis(tmp_path):
    row = [11, "s11_ne_01", None, 110, 120, 0, 0, None, 100, 11, "negative"]
    book(
        tmp_path / "SMIC-HS-E_annotation.xlsx",
        SMIC_E,
        [11, "s11_ne_01", None, 1, 2, 0, 0, None, 1, 2, "negative"],
        sheet="HS",
        VIS=[SMIC_E, row],
    )
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    found, clips = clips_of(vis(tmp_path))
    assert clips["s11/s11_ne_01"].onset == 110
    assert found.clips[0].dataset == "smic-vis"
    assert ", sheet VIS, header in row 1" in found.notes[0]
    assert "camera VIS" in found.notes


def test_a_home_made_table_of_smic_e(tmp_path):
    place(tmp_path / "s01/s1_ne_01", "image{:06d}.jpg", range(100, 140))
    book(
        tmp_path / "smic.xlsx",
        ["", "subject", "material", "emotion", "onset", "offset"],
        [0, 1, "s1_ne_01", "negative", 110, 120],
    )
    found, clips = clips_of(tmp_path)
    assert (clips["s1/s1_ne_01"].status, clips["s1/s1_ne_01"].apex) == (OK, 115)
    assert "camera HS: no folder names another" in found.notes


def test_dropped_intervals_are_named_and_the_third_keeps_its_own_name(tmp_path):
    place(tmp_path / "s04/s4_ne_04", "image{:06d}.jpg", range(100, 200))
    header = [
        "Subject",
        "Filename",
        "OnsetF",
        "OffsetF",
        "Onset2F",
        "Offset2F",
        "Onset3F",
        "Offset3F",
        "FirstF",
        "LastF",
        "Emotion",
    ]
    book(
        tmp_path / "SMIC-HS-E_annotation.xlsx",
        header,
        [4, "s4_ne_04", 110, 120, 50, 60, 150, 160, 100, 199, "negative"],
    )
    found, clips = clips_of(tmp_path)
    assert {name: (clip.status, clip.onset, clip.offset) for name, clip in clips.items()} == {
        "s4/s4_ne_04": (OK, 110, 120),
        "s4/s4_ne_05": (BAD_ANNOTATION, -1, -1),
        "s4/s4_ne_06": (OK, 150, 160),
    }
    assert clips["s4/s4_ne_05"].detail == "row 2: no interval of it in Onset2F and Offset2F"
    assert "further intervals (2, 3) outside FirstF..LastF or not after the one before: row 2" in found.notes


def test_a_row_without_a_name_costs_no_other_row_its_further_expressions(tmp_path):
    place(tmp_path / "s01/s1_ne_01", "image{:06d}.jpg", range(100, 200))
    header = ["Subject", "Filename", "OnsetF", "OffsetF", "Onset2F", "Offset2F", "FirstF", "LastF", "Emotion"]
    book(
        tmp_path / "SMIC-HS-E_annotation.xlsx",
        header,
        [1, "s1_ne_01", 110, 120, 150, 160, 100, 199, "negative"],
        [1, "unknown", 110, 120, None, None, 100, 199, "negative"],
    )
    _, clips = clips_of(tmp_path)
    assert clips["s1/unknown"].status == BAD_ANNOTATION
    assert (clips["s1/s1_ne_01+1"].status, clips["s1/s1_ne_01+1"].onset) == (OK, 150)


@pytest.mark.parametrize(
    ("start", "first", "onset"), [(1001, 1, 2500), (1, 1, 1500), (559520, 1, 561019), (1001, 1001, 2500)]
)
def test_smic_e_long_counts_from_startframe(tmp_path, start, first, onset):
    place(tmp_path / "SMIC_crop/cropped/s01/s1_ne_01", "image{:06d}.jpg", range(first, first + 3000))
    rows = [[1, 1, "s1_ne_01", 1, start, start + 2999, "negative", onset, onset + 20, None, None, None]]
    book(tmp_path / "SMIC_HS_E_spotting.xlsx", SPOTTING, *rows)
    for folder in (tmp_path, tmp_path / "SMIC_crop"):
        _, clips = clips_of(folder)
        clip = clips["s1/s1_ne_01"]
        assert (clip.status, clip.onset, clip.apex) == (OK, onset - start + first, onset - start + first + 10)
        assert ("those of the recording" in clip.detail) == (start != first)


def test_smic_e_long_with_two_expressions_and_a_wrong_count(tmp_path):
    for name in ("s3_ne_02", "s3_po_01"):
        place(tmp_path / "cropped/s03" / name, "image{:06d}.jpg", range(1, 100))
    two = [3, 1, "s3_ne_02", 2, 1, 99, "ne", 10, 20, "ne", 50, 60]
    book(
        tmp_path / "SMIC_HS_E_spotting.xlsx",
        SPOTTING,
        two,
        [3, 2, "s3_po_01", 2, 1, 99, "po", 10, 20, None, None, None],
    )
    _, clips = clips_of(tmp_path)
    assert {name: clip.status for name, clip in clips.items()} == {
        "s3/s3_ne_02": OK,
        "s3/s3_ne_03": OK,
        "s3/s3_po_01": BAD_ANNOTATION,
    }
    assert clips["s3/s3_po_01"].detail == "row 3: NumME is '2', but 1 expressions are given"


def test_smic_e_long_with_names_of_its_own(tmp_path):
    place(tmp_path / "SMIC_crop/s01/video 7", "image{:06d}.jpg", range(1, 100))
    book(tmp_path / "SMIC_HS_E_spotting.xlsx", SPOTTING, [1, 7, "video 7", 2, 1, 99, "ne", 10, 20, "sur", 50, 60])
    _, clips = clips_of(tmp_path)
    assert {name: (clip.status, clip.emotion) for name, clip in clips.items()} == {
        "s1/video 7": (OK, "negative"),
        "s1/video 7+1": (OK, "surprise"),
    }


def test_the_camera_is_named_and_may_stand_above(tmp_path):
    place(tmp_path / "vis/clips/negative/s11_ne_01", "{:05d}.bmp", range(100, 110))
    found = read_clips(tmp_path / "vis/clips")
    assert found.clips[0].id == "smic-vis/s11/s11_ne_01"
    assert "camera VIS" in found.notes
    place(tmp_path / "a/b/c/SMIC_HS_classes/negative/s11_ne_01", "reg_image{:06d}.bmp", range(100, 110))
    assert read_clips(tmp_path / "a").clips[0].dataset == "smic-hs"
    place(tmp_path / "nir/a/b/c/negative/s11_ne_01", "{:05d}.bmp", range(100, 110))
    found = read_clips(tmp_path / "nir/a/b/c")  # three levels up: no business of these recordings
    assert found.clips[0].dataset == "smic-hs"
    assert "camera HS: no folder names another" in found.notes


# CK+, MMEW, 4DME, SAMM Long Videos


@pytest.mark.parametrize(("images", "labels"), [("CKPlus_Images", "CKPlus_Labels"), ("cohn-kanade-images", "Emotion")])
def test_ckplus_finds_its_labels_beside_the_pictures(tmp_path, images, labels):
    place(tmp_path / images / "S005/001", "S005_001_{:08d}.png", range(1, 12))
    label = tmp_path / labels / "S005/001/S005_001_00000011_emotion.txt"
    label.parent.mkdir(parents=True)
    label.write_text("   3.0000000e+00\n", encoding="utf-8-sig")
    for folder in (tmp_path, tmp_path / images):
        clip = read_clips(folder).clips[0]
        assert (clip.id, clip.emotion, clip.onset, clip.apex) == ("ckplus/S005/001", "disgust", 1, 11)


@pytest.mark.parametrize("word", ["", "x", "0", "8", "2.5", "nan", "1e9", "3 4", "\0"])
def test_ckplus_labels_that_are_none(tmp_path, word):
    place(tmp_path / "images/S005/001", "S005_001_{:08d}.png", range(1, 12))
    label = tmp_path / "Emotion/S005/001/S005_001_00000011_emotion.txt"
    label.parent.mkdir(parents=True)
    label.write_text(word)
    clip = read_clips(tmp_path).clips[0]
    assert clip.status == BAD_ANNOTATION
    assert "expected a number from 1 (anger) to 7 (surprise)" in clip.detail


def test_mmew_takes_the_person_from_the_clip_s_name(tmp_path):
    place(tmp_path / "Micro_Expression/anger/S13-07-001", "{}.jpg", range(1, 30))
    book(tmp_path / "MMEW_Micro_Exp.xlsx", MMEW, [30, "S13-07-001", 1, 12, 27, "4", "anger", None])
    _, clips = clips_of(tmp_path)
    assert (clips["S13/S13-07-001"].status, clips["S13/S13-07-001"].detail) == (
        OK,
        "Subject is '30'; person 13 of the clip's name is used",
    )


@pytest.mark.parametrize(("word", "folder"), [("others", "repression"), ("repression", "others"), ("Others", "others")])
def test_mmew_s_seventh_emotion_has_two_names(tmp_path, word, folder):
    place(tmp_path / "MMEW" / "Micro-Expression" / "S13" / folder / "S13-07-001", "{}.jpg", range(1, 30))
    book(tmp_path / "MMEW/MMEW_Micro_Exp_new.xlsx", MMEW, [13, "S13-07-001", 1, 12, 27, 4, word, None])
    assert [(clip.status, clip.emotion) for clip in read_clips(tmp_path / "MMEW").clips] == [(OK, "other")]


def test_mmew_labels_and_folders_must_agree(tmp_path):
    place(tmp_path / "Micro_Expression/fear/S13-07-001", "{}.jpg", range(1, 30))
    book(tmp_path / "MMEW_Micro_Exp.xlsx", MMEW, [13, "S13-07-001", 1, 12, 27, "4", "anger", None])
    clip = read_clips(tmp_path).clips[0]
    assert (clip.status, "but the clip lies in" in clip.detail) == (BAD_ANNOTATION, True)


@pytest.mark.parametrize("root", ["gray_micro", "gray_micro/gray_micro", "micro_short_gray_video_cropped"])
def test_4dme_s_people_have_one_name(tmp_path, root):
    for clip in ("c1", "c2"):
        place(tmp_path / root / "03" / clip, "Frame_{:09d}.jpg", range(100, 130))
    rows = [["03", "c1", 105, 110, 120, "(k)4", "Surprise+Positive"], [3, "c2", 105, 110, 120, 4, "Others"]]
    book(tmp_path / "4DME_Labelling_Micro_release v1.xlsx", FOURDME, *rows)
    found, clips = clips_of(tmp_path, dataset="4dme")
    assert {name: clip.emotion for name, clip in clips.items()} == {"03/c1": "positive+surprise", "03/c2": "other"}
    assert (found.unannotated, [clip.status for clip in found.clips]) == ((), [OK, OK])


def test_samm_long_videos_need_samm_s_table(tmp_path):
    place(tmp_path / "videos/009_4", "009_4_{:04d}.jpg", range(1, 100))
    header = ["Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type", "Action Units"]
    book(
        tmp_path / "SAMM_LongVideos_V3_Release.xlsx", header, ["009", "009_4_2", 4, 10, 20, 30, 21, "Micro - 1/2", "4"]
    )
    for folder in (tmp_path, tmp_path / "videos"):
        with pytest.raises(FileError, match=r"has no emotions; put SAMM_Micro_FACS_Codes_v2\.xlsx beside it"):
            read_clips(folder)
    book(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", ["Subject", "Clip", "Word"], ["009", "009_4_2", "Anger"])
    with pytest.raises(FileError, match=r"beside it \(.*SAMM_Micro_FACS_Codes_v2\.xlsx is no such table\)"):
        read_clips(tmp_path)


# All of them


def test_links_in_a_circle_end(tmp_path):
    place(tmp_path / "CASME2-RAW/sub01/EP01_01", "img{}.jpg", range(46, 61))
    book(tmp_path / "CASME2-coding.xlsx", CASME2, row2("01", "EP01_01"))
    for name in ("up", "CASME2-RAW/up", "CASME2-RAW/sub01/up"):
        (tmp_path / name).symlink_to(tmp_path, target_is_directory=True)
    found = read_clips(tmp_path)
    assert ([clip.status for clip in found.clips], found.unannotated) == ([OK], ())


def test_from_within_a_subject_s_folder(tmp_path, monkeypatch):
    place(tmp_path / "CASME2-RAW/sub01/EP01_01", "img{}.jpg", range(46, 61))
    book(tmp_path / "CASME2-coding.xlsx", CASME2, row2("01", "EP01_01"), row2("02", "EP01_01"))
    monkeypatch.chdir(tmp_path / "CASME2-RAW/sub01")
    found = read_clips(Path())
    assert [clip.status for clip in found.clips] == [OK, MISSING_FRAME]


def test_a_table_made_by_a_formula_reader_says_so(tmp_path):
    place(tmp_path / "CASME2-RAW/sub01/EP01_01", "img{}.jpg", range(46, 61))
    line = "01,EP01_01,,46,50,=D2+M2-1,,12,happiness"
    (tmp_path / "CASME2.csv").write_text(",".join(str(cell or "") for cell in CASME2) + f"\n{line}\n")
    clip = read_clips(tmp_path).clips[0]
    assert "save the table with values instead of formulas" in clip.detail
