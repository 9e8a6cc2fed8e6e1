"""`verify`: found against expected, on made-up SAMM folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mertool.datasets import samm
from mertool.datasets.annotations import Expected
from mertool.datasets.verify import verify
from mertool.errors import AnnotationError
from tests.support.samm import TABLE, full_table, made_up_rows, make_samm, row, write_frames, write_table


def test_a_whole_samm_has_no_deviation(tmp_path: Path) -> None:
    found = verify(make_samm(tmp_path / "x", full_table()))
    assert found.complete
    assert found.deviations == ()
    assert found.lines() == [
        "samm: all 159 annotated clips can be used",
        f"  table x/{TABLE}, sheet MICRO_ONLY, header in row 14, 159 rows",
        "  image root x/SAMM",
        "           expected  annotated  usable",
        "clips           159        159     159",
        "subjects         29         29      29",
        "anger            57         57      57",
        "contempt         12         12      12",
        "disgust           9          9       9",
        "fear              8          8       8",
        "happiness        26         26      26",
        "other            26         26      26",
        "sadness           6          6       6",
        "surprise         15         15      15",
        "clips by subject (usable of those annotated): 006 6, 007 6, 009 6, 010 6, 011 6, 012 6, 013 6, 014",
        "  6, 015 6, 016 6, 017 6, 018 6, 019 6, 020 6, 021 5, 022 5, 023 5, 024 5, 025 5, 026 5, 028 5, 030",
        "  5, 031 5, 032 5, 033 5, 034 5, 035 5, 036 5, 037 5",
        "no deviations",
    ]
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["counts"][0] == {"what": "clips", "table": 159, "usable": 159, "expected": 159}
    assert plain["complete"] is True


def test_every_deviation_is_a_line(tmp_path: Path) -> None:
    rows = full_table()
    folder = make_samm(tmp_path / "x", rows)
    del rows[0]  # 006_1_1, anger
    rows[0][9] = "Fear"  # 007_1_1, anger
    rows[1][4] = 9999  # 009_1_1
    rows[2][3] = "x"  # 010_1_1
    write_table(folder / TABLE, rows)
    gap = folder / "SAMM/011/011_1_1"
    sorted(gap.iterdir())[2].unlink()  # only the offset
    for path in (folder / "SAMM/012/012_1_1").iterdir():
        path.unlink()
    (folder / "SAMM/012/012_1_1").rmdir()
    found = verify(folder)
    assert not found.complete
    assert found.deviations == (
        "clips: 158 annotated, 159 expected",
        "anger: 55 annotated, 57 expected",
        "fear: 9 annotated, 8 expected",
        "samm/009/009_1_1: apex 9999 lies outside onset..offset 20..22; their middle 21 is used",
        "samm/010/010_1_1: bad_annotation: row 17: Onset Frame is 'x', expected a whole number from 0",
        "samm/011/011_1_1: 1 of 3 frames onset..offset are not on disk",
        "samm/012/012_1_1: missing_frame: no folder 012/012_1_1 on disk",
        "x/SAMM/006/006_1_1: a clip folder that nothing annotates",
    )
    assert found.lines()[0] == "samm: 2 of 158 annotated clips cannot be used"
    assert found.lines()[-9] == "8 deviations"


def test_repairs_alone_stay_complete(tmp_path: Path) -> None:
    rows = full_table()
    rows[3][4] = -1
    found = verify(make_samm(tmp_path, rows))
    assert found.complete
    assert len(found.deviations) == 1
    assert "1 deviation" in found.lines()


def test_a_subset_of_subjects_is_said_once_a_subject(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    write_table(folder / TABLE, made_up_rows())
    write_frames(folder, made_up_rows()[:5])
    found = verify(folder)
    assert not found.complete
    assert "a subset: 2 of 4 subjects are on disk, not 028, 032" in found.notes
    assert "subject 028: no folder on disk for any of its 1 clips: 028_4_1" in found.deviations
    assert "subject 032: no folder on disk for any of its 2 clips: 032_3_1, 032_3_2" in found.deviations
    assert not any(line.startswith("samm/") for line in found.deviations)
    assert "subject 007: expected, but not annotated" in found.deviations
    counts = {count.what: (count.expected, count.table, count.usable) for count in found.counts}
    assert counts["clips"] == (159, 8, 5)
    assert counts["subjects"] == (29, 4, 2)
    assert counts["sadness"] == (6, 1, 0)


def test_a_subject_that_nobody_expects(tmp_path: Path) -> None:
    folder = make_samm(tmp_path, [row("099_1_1", 1, 2, 3, "Anger")])
    assert "subject 099: not expected" in verify(folder).deviations


def test_a_manifest_has_no_expected_counts(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()
    path = tmp_path / "samm.csv"  # the name alone makes it no SAMM
    path.write_text("clip,subject,emotion,stacked_image\na,1,fear,1.jpg\nb,1,joy,2.jpg\n")
    found = verify(path)
    assert found.deviations == ("samm/1/b: missing_frame: line 3: no stacked_image 2.jpg",)
    assert found.lines()[2:7] == [
        "          expected  annotated  usable",
        "clips            -          2       1",
        "subjects         -          1       1",
        "fear             -          1       1",
        "joy              -          1       0",
    ]
    path.write_text("clip,subject,emotion,stacked_image\na,1,fear,1.jpg\n")
    assert verify(path, "manifest").complete


def test_a_manifest_without_apex_is_verified_as_it_would_be_extracted(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    for number in range(1, 6):
        (tmp_path / "c" / f"{number}.png").touch()
    path = tmp_path / "own.csv"
    path.write_text("clip,subject,emotion,frames,onset,offset\nx,s,fear,c,1,5\n")
    with pytest.raises(AnnotationError, match="--apex middle"):
        verify(path)
    assert verify(path, apex="middle").complete
    assert verify(path, apex="difference").complete


def test_expected_is_a_record() -> None:
    assert isinstance(samm.EXPECTED, Expected)
    with pytest.raises(AttributeError):
        samm.EXPECTED.clips = 3  # type: ignore[misc]
