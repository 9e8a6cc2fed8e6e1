"""Tables in every format to rows of text, and folders of frames to numbers."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import openpyxl
import pytest

from mertool.datasets.frames import frame_number, index_frames, is_junk, shown, walk
from mertool.datasets.sheets import Line, is_table, read_table, whole_number
from mertool.errors import DataError, FileError


def first(rows: object) -> bool:
    del rows
    return True


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5562", 5562),
        ("05562", 5562),
        ("5562.0", 5562),
        ("5562.", 5562),
        ("-1", -1),
        ("+3", 3),
        ("", None),
        ("006_1_2", None),
        ("5562.5", None),
        ("1e3", None),
        ("0x10", None),
        ("1,000", None),
        ("١٢", None),
        ("nan", None),
        ("9" * 5000, None),
    ],
)
def test_whole_number(text: str, number: int | None) -> None:
    assert whole_number(text) == number


def test_a_workbook_s_cells_as_text(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["B2"] = " two\nlines\u00a0"
    sheet["A4"] = "006_1_2"
    sheet["B4"] = 5562
    sheet["C4"] = 5562.0
    sheet["D4"] = 0.5
    sheet["E4"] = True
    sheet["F4"] = datetime.date(2020, 1, 2)
    sheet["G4"] = "=B4+1"  # never calculated: openpyxl stores no result
    sheet["H4"] = "006"
    book.create_sheet("second")["A1"] = "wanted"
    book.save(tmp_path / "a.xlsx")
    rows = read_table(tmp_path / "a.xlsx", first)
    assert rows[0].number == 2
    assert rows[0].cells[:2] == ("", "two lines")
    assert rows[1] == Line(4, ("006_1_2", "5562", "5562", "0.5", "True", "2020-01-02", "", "006"))
    assert read_table(tmp_path / "a.xlsx", lambda rows: rows[0].cells[0] == "wanted") == [Line(1, ("wanted",))]
    (tmp_path / "renamed.xls").write_bytes((tmp_path / "a.xlsx").read_bytes())
    assert read_table(tmp_path / "renamed.xls", first) == rows


@pytest.mark.parametrize("size", [1500, 3000, 5000])
def test_a_damaged_xls_is_one_line_and_nothing_on_the_screen(
    tmp_path: Path, size: int, capfd: pytest.CaptureFixture[str]
) -> None:
    xlwt = pytest.importorskip("xlwt")
    book = xlwt.Workbook()
    sheet = book.add_sheet("x")
    for n in range(200):
        sheet.write(n, 0, f"text {n}")
    book.save(str(tmp_path / "a.xls"))
    assert len(read_table(tmp_path / "a.xls", first)) == 200
    (tmp_path / "a.xls").write_bytes((tmp_path / "a.xls").read_bytes()[:size])  # calamine panics
    with pytest.raises(DataError, match=r"a\.xls: not a spreadsheet that can be read \(.+\); save it again as \.xlsx"):
        read_table(tmp_path / "a.xls", first)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("corner", ["XFD20000", "XFD1048576"])  # a dense copy would take 10 GB, 500 GB
def test_a_stray_cell_far_out_does_not_take_the_machine(tmp_path: Path, corner: str) -> None:
    book = openpyxl.Workbook()
    book.active[corner] = "far"
    book.active["A1"] = "near"
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="not a spreadsheet that can be read"):
        read_table(tmp_path / "a.xlsx", first)


def test_csv_lines_quotes_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffclip,note\r\n\r\na,"two\r\nlines, ""quoted"""\r\n , \r\nb,  c  d \r\n'.encode())
    assert read_table(path, first) == [
        Line(1, ("clip", "note")),
        Line(3, ("a", 'two lines, "quoted"')),
        Line(6, ("b", "c  d")),
    ]


def test_csv_delimiter_is_the_one_that_fits(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a, b;"x";c\n1;2;3\n')
    rows = read_table(path, lambda rows: len(rows[0].cells) == 3)
    assert rows == [Line(1, ("a, b", "x", "c")), Line(2, ("1", "2", "3"))]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the table is empty"),
        (b" \n\t\n", "the table is empty"),
        (b"a,b\0c\n", "not a text file; save the table as csv with UTF-8 encoding, or as .xlsx"),
        (b"\x89PNG\r\n\x1a\n\x81", "not a text file"),
        (b"\xff\xfea", "not a text file"),
        (b'a,b\n1,"2\n3,4\n', "line 2: not a proper csv: unexpected end of data; look for a stray quote"),
        (b'a,b\n"1"2,3\n', "line 2: not a proper csv: ',' expected after '\"'; look for a stray quote"),
        (b'a\n"' + b"x" * 200_000 + b'"\n', "line 2: not a proper csv: field larger than field limit"),
    ],
)
def test_a_csv_that_is_none(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match=re.escape(f"{path}: {message}")):
        read_table(path, lambda rows: bool(rows) and len(rows[0].cells) == 99)


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_a_table_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError, match=r"cannot be read: no such file or directory"):
        read_table(tmp_path / name, first)


def test_which_files_are_tables_and_which_are_junk() -> None:
    assert all(map(is_table, ["a.xlsx", "A.XLS", "b c.csv"]))
    assert not any(map(is_table, ["~$a.xlsx", "._a.csv", "a.txt", "xlsx", "a.xlsx.lnk", "SAMM.clips.csv"]))
    assert all(map(is_junk, [".DS_Store", "._x.jpg", "~$x", "Thumbs.db", "THUMBS.DB", "Desktop.ini", "x.lnk", ".git"]))
    assert not any(map(is_junk, ["006_1_2", "x.jpg", "lnk", "~x"]))


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("006_05562.jpg", 5562),
        ("006_0217.JPG", 217),
        ("1.bmp", 1),
        ("reg_img46.jpeg", 46),
        ("S005_001_00000011.png", 11),
        ("EP01_12-073.jpg", 73),
        ("frame 0012 crop.tif", 12),
        ("img٣.png", None),
        ("cover.jpg", None),
        ("0012", None),
        ("0012.txt", None),
        ("._0012.jpg", None),
        (".jpg", None),
    ],
)
def test_frame_number_is_the_last_run_of_digits(name: str, number: int | None) -> None:
    assert frame_number(name) == number


def test_index_and_nearest(tmp_path: Path) -> None:
    for name in ("img3.jpg", "img4.jpg", "img9.jpg", "img09.jpg", "img10.png", "img10.jpg", "img20.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "gone30.jpg").symlink_to(tmp_path / "nowhere.jpg")
    frames = index_frames(tmp_path)
    assert frames.names == {3: "img3.jpg", 4: "img4.jpg", 20: "img20.jpg"}
    assert frames.duplicates == {9: ("img09.jpg", "img9.jpg"), 10: ("img10.jpg", "img10.png")}
    assert [frames.nearest(n, 2) for n in (0, 1, 2, 3, 4, 5, 6, 7, 9, 18, 22, 23)] == [
        None,
        *[3, 3, 3, 4, 4, 4],
        *[None, None],
        *[20, 20, None],
    ]
    assert frames.path(4) == tmp_path / "img4.jpg"
    with pytest.raises(FileError, match="cannot be read: no such file or directory"):
        index_frames(tmp_path / "nowhere")


def test_a_file_manager_s_copy_is_no_frame(tmp_path: Path) -> None:
    for name in ("image000100.bmp", "image000100 (2).bmp", "image000101.bmp", "image000101 - Copy.bmp"):
        (tmp_path / name).touch()
    frames = index_frames(tmp_path)
    assert (frames.names, frames.duplicates) == ({100: "image000100.bmp", 101: "image000101.bmp"}, {})
    for number in (1, 2, 3):  # but a whole series may be called so
        (tmp_path / f"x ({number}).jpg").touch()
    assert {1, 2, 3} <= set(index_frames(tmp_path).names)


def test_nearest_takes_the_earlier_of_two(tmp_path: Path) -> None:
    for n in (1, 3):
        (tmp_path / f"{n}.jpg").touch()
    assert index_frames(tmp_path).nearest(2, 1) == 1
    assert index_frames(tmp_path).nearest(2, 0) is None


def test_walk_ends_where_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "a/b/c/d/e").mkdir(parents=True)
    assert [here.name for here, _, _ in walk(tmp_path, depth=3)] == [tmp_path.name, "a", "b"]
    with pytest.raises(FileError, match="nowhere: cannot be read: no such file or directory"):
        list(walk(tmp_path / "nowhere"))


def test_shown_is_never_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(Path("x/SAMM/006"), Path("x")) == "x/SAMM/006"
    assert shown(tmp_path / "t.xlsx", Path("x/y/..")) == "t.xlsx"
    assert shown(tmp_path / "x" / "t.xlsx", Path("x/y/z")) == "../t.xlsx"
    assert shown(Path(), Path()) == tmp_path.name
