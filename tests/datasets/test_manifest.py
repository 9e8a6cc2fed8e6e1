"""The manifest reader, and how `read_clips` treats its path."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from mertool.clips import BAD_ANNOTATION, MISSING_FRAME, OK
from mertool.datasets import read_clips
from mertool.errors import DataError, FileError, MertoolError, UsageError


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "my é clips"
    for name in ("a  b", "c"):
        (folder / name).mkdir(parents=True)
        for n in range(1, 13):
            (folder / name / f"img{n}.png").touch()
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        (folder / name).touch()
    return folder


def write(base: Path, text: str, encoding: str = "utf-8") -> Path:
    path = base / "Mine.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_three_forms_in_one_file(base: Path) -> None:
    path = write(
        base,
        "clip,subject,emotion,frames,onset,apex,offset,onset_image,middle_image,apex_image,stacked_image\n"
        "x1,s1,Happy,a  b,2,7,11,,,,\n"
        "x2,s1,fear,c,3,4,,,,,\n"
        "x1,s2,Others,,,,,1.jpg,2.jpg,3.jpg,\n"
        f"x4,s2,anger,,,,,,,,{base / '2.jpg'}\n",
    )
    found = read_clips(path)
    assert (found.dataset, found.tables, found.notes) == ("mine", (path,), ("manifest Mine.csv, 4 rows",))
    one, two, three, four = found.clips
    assert [clip.status for clip in found.clips] == [OK] * 4
    assert (one.id, one.emotion) == ("mine/s1/x1", "happiness")
    assert (one.onset, one.middle, one.apex, one.offset) == (2, 5, 7, 11)
    assert one.key_frames == tuple(base / "a  b" / f"img{n}.png" for n in (2, 5, 7))
    assert [n for n, _ in one.sequence] == list(range(2, 12))  # by number, not by name
    assert (two.onset, two.middle, two.apex, two.offset) == (3, 4, 4, -1)
    assert [n for n, _ in two.sequence] == [3, 4]  # no offset: up to the apex
    assert (three.emotion, three.key_frames) == ("other", (base / "1.jpg", base / "2.jpg", base / "3.jpg"))
    assert (three.onset, len(three.sequence), three.channels) == (-1, 0, False)
    assert (four.key_frames, four.channels) == ((base / "2.jpg",) * 3, True)
    assert found.corrections == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_as_spreadsheets_write_it(base: Path, encoding: str, end: str, delimiter: str) -> None:
    (base / "Ü, 1; x.jpg").touch()
    lines = ["Clip,Subject, EMOTION ,Stacked Image,,", 'é1,1,anger,"Ü, 1; x.jpg",,', ",,,,,"]
    text = end.join(lines) + end
    if delimiter == ";":
        text = text.replace(",", ";").replace("Ü; 1", "Ü, 1")
    found = read_clips(write(base, text, encoding))
    assert [(clip.name, clip.status) for clip in found.clips] == [("é1", OK)]
    assert found.clips[0].key_frames[0] == base / "Ü, 1; x.jpg"


def test_dataset_column(base: Path) -> None:
    path = write(base, "clip,subject,emotion,dataset,stacked_image\na,1,fear,CASME2,1.jpg\na,1,fear,,1.jpg\n")
    assert [clip.id for clip in read_clips(path).clips] == ["casme2/1/a", "mine/1/a"]


@pytest.mark.parametrize(
    ("row", "status", "detail"),
    [
        ("x,,fear,c,1,2,3,,", BAD_ANNOTATION, "line 2: subject is empty"),
        (",s,,c,1,2,3,,", BAD_ANNOTATION, "line 2: clip is empty; emotion is empty"),
        ("x,s,fear,c,,2,3,,", BAD_ANNOTATION, "line 2: onset is empty"),
        ("x,s,fear,,1,2,3,,", BAD_ANNOTATION, "line 2: frames is empty"),
        ("x,s,fear,c,1,2.5,3,,", BAD_ANNOTATION, "line 2: apex is '2.5', expected a whole number from 0"),
        ("x,s,fear,c,-1,2,3,,", BAD_ANNOTATION, "line 2: onset is '-1', expected a whole number from 0"),
        (
            "x,s,fear,c,1,5,3,,",
            BAD_ANNOTATION,
            "line 2: expected onset <= apex <= offset, got onset 1, apex 5, offset 3",
        ),
        ("x,s,fear,c,6,5,,,", BAD_ANNOTATION, "line 2: expected onset <= apex <= offset, got onset 6, apex 5"),
        (
            "x,s,fear,c,1,2,3,1.jpg,",
            BAD_ANNOTATION,
            "line 2: frames+onset+apex and stacked_image are given; keep one form per row",
        ),
        (
            "x,s,fear,,,,3,1.jpg,",
            BAD_ANNOTATION,
            "line 2: offset is given, but belongs to frames, not to stacked_image",
        ),
        ("x,s,fear,,,,,,", BAD_ANNOTATION, "line 2: it names no pictures: frames+onset+apex or onset_image+"),
        ("x,s,fear,c,1,2,3,,,4", BAD_ANNOTATION, "line 2: 10 values for 9 columns; quote a value that holds a comma"),
        ("x,s,fear,nowhere,1,2,3,,", MISSING_FRAME, "line 2: no folder nowhere"),
        ("x,s,fear,1.jpg,1,2,3,,", MISSING_FRAME, "line 2: no folder 1.jpg"),
        ("x,s,fear,/far/away/clip,1,2,3,,", MISSING_FRAME, "line 2: no folder .../away/clip"),
        (
            "x,s,fear,c,1,20,30,,",
            MISSING_FRAME,
            "line 2: no apex frame 20, nor one within 2 of it, in c, which holds 1..12",
        ),
        ("x,s,fear,,,,,9.jpg,", MISSING_FRAME, "line 2: no stacked_image 9.jpg"),
        (f"x,s,fear,,,,,{'9' * 400}.jpg,", MISSING_FRAME, "line 2: no stacked_image 999"),
    ],
)
def test_a_row_that_cannot_be_used_names_its_line(base: Path, row: str, status: str, detail: str) -> None:
    header = "clip,subject,emotion,frames,onset,apex,offset,stacked_image,\n"
    found = read_clips(write(base, f"{header}{row}\ngood,s,fear,c,1,2,3,,\n"))
    assert (found.clips[0].status, found.clips[0].key_frames) == (status, ())
    assert found.clips[0].detail.startswith(detail)
    assert (found.clips[1].name, found.clips[1].status, found.clips[1].detail) == ("good", OK, "")


def test_a_replaced_frame_is_said(base: Path) -> None:
    (base / "c/img7.png").unlink()
    found = read_clips(write(base, "clip,subject,emotion,frames,onset,apex\nx,s,fear,c,1,7\n"))
    assert found.corrections == ("mine/s/x: apex frame 7 is not on disk, 6 is used",)


def test_double_rows(base: Path) -> None:
    text = "clip,subject,emotion,stacked_image\nx,s,fear,1.jpg\nx,t,fear,1.jpg\nx,s,anger,2.jpg\n"
    clips = read_clips(write(base, text)).clips
    assert [clip.status for clip in clips] == [OK, OK, BAD_ANNOTATION]
    assert clips[2].detail == "line 4: duplicates line 2: clip x of subject s"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip,subject,emotion,stackd_image\n", "unknown column 'stackd_image'; did you mean 'stacked_image'?"),
        (
            "clip,subject,emotion,stacked_image,fps9\n",
            "unknown column 'fps9'; known are clip, subject, emotion, dataset, ",
        ),
        ("clip,subject,emotion,stacked_image,StackedImage\n", "column 'stacked_image' is there twice; keep one"),
        ("clip,subject,emotion,image\n", "unknown column 'image'; three pictures are onset_image, middle_image and"),
        ("clip,emotion,stacked_image\nx,y,z\n", "line 1 must name the columns; missing: subject"),
        (
            "clip,subject,emotion,frames,onset\n",
            "no columns that say where the pictures are; expected frames+onset+apex",
        ),
        ("clip;subject;emotoin;stacked_image\n", "unknown column 'emotoin'; did you mean 'emotion'?"),
        ("clip,subject,emotion,stacked_image\n", "no row follows the header"),
        ("", "the table is empty"),
        ("a,b,c\n1,2,3\n", "unknown column 'a'"),
        ('clip,subject,emotion,stacked_image\nx,"s,fear,1.jpg\n', "line 2: not a proper csv"),
    ],
)
def test_a_header_that_cannot_be_used(base: Path, text: str, message: str) -> None:
    path = write(base, text)
    with pytest.raises(DataError, match=re.escape(f"{path}: {message}")):
        read_clips(path)


def test_paths_and_names_of_data_sets(base: Path) -> None:
    path = write(base, "clip,subject,emotion,stacked_image\nx,s,fear,1.jpg\n")
    assert read_clips(path, dataset="manifest").dataset == "mine"
    assert read_clips(path.rename(path.with_suffix(".CSV"))).clips[0].status == OK
    path = path.with_suffix(".CSV")
    for call, error, message in (
        (
            (base / "none.csv", None),
            FileError,
            "none.csv: no such file or folder; expected a data set's folder or a .csv",
        ),
        ((base / ("x" * 400), None), FileError, "no such file or folder"),
        ((base / "1.jpg", None), UsageError, "1.jpg: expected a data set's folder or a .csv manifest"),
        ((path, "samm"), UsageError, "samm is read from its folder, not from a .csv file"),
        ((base, "manifest"), UsageError, "a manifest is a .csv file, not a folder"),
        ((base, "sam"), UsageError, "data set 'sam' is unknown, did you mean 'samm'?; known are samm, "),
        ((base, "x"), UsageError, "data set 'x' is unknown; known are samm, "),
    ):
        with pytest.raises(error, match=re.escape(message)):
            read_clips(call[0], dataset=call[1])


def test_random_damage_ends_in_rows_or_one_line(base: Path) -> None:
    text = "clip,subject,emotion,frames,onset,apex,offset\n" + "".join(
        f"x{n},s,fear,c,{n},{n + 2},{n + 4}\n" for n in range(1, 8)
    )
    messages = []
    for seed in range(200):
        rng = random.Random(seed)
        characters = list(text)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(characters))
            characters[at] = rng.choice(['"', ",", ";", "\n", "", "9", "é", " ", "\r"])
        try:
            found = read_clips(write(base, "".join(characters)))
        except MertoolError as error:
            messages.append(str(error))
            continue
        for clip in found.clips:
            assert (clip.status == OK) == bool(clip.key_frames), seed
            assert clip.status == OK or clip.detail.startswith("line "), seed
    assert messages
    assert not any("\n" in message for message in messages)


def test_slashes_would_change_who_the_person_is(base: Path) -> None:
    text = "clip,subject,emotion,dataset,stacked_image\nx,p/1,fear,d,1.jpg\ny,p,fear,a/b,1.jpg\nz/1,p,fear,d,1.jpg\n"
    clips = read_clips(write(base, text)).clips
    assert [clip.status for clip in clips] == [BAD_ANNOTATION, BAD_ANNOTATION, OK]
    assert clips[0].detail == "line 2: subject 'p/1' holds a slash, which separates the parts of a clip's id"
    assert "dataset 'a/b' holds a slash" in clips[1].detail


def test_without_apex_for_apex_middle_and_difference(base: Path) -> None:
    path = write(base, "clip,subject,emotion,frames,onset,offset\na,s,fear,c,2,12\nb,s,fear,c,2,\n")
    with pytest.raises(
        DataError, match=r"Mine.csv: no column apex; add it, or choose with --apex middle or --apex dif"
    ):
        read_clips(path)
    for apex in ("middle", "difference"):
        one, two = read_clips(path, apex=apex).clips
        assert (one.status, one.onset, one.middle, one.apex, one.offset) == (OK, 2, 5, 7, 12), apex
        assert [n for n, _ in one.sequence] == list(range(2, 13))
        assert (two.status, two.detail) == (BAD_ANNOTATION, "line 3: offset is empty")
    path = write(base, "clip,subject,emotion,frames,onset,apex,offset\na,s,fear,c,2,,12\n")
    assert read_clips(path).clips[0].detail == "line 2: apex is empty"
    assert read_clips(path, apex="difference").clips[0].status == OK


def test_recordings_to_be_labelled_have_no_emotions(base: Path) -> None:
    found = read_clips(write(base, "clip,subject,frames,onset,apex\na,s,c,2,7\n"))
    assert (found.clips[0].status, found.clips[0].emotion) == (OK, "")
    assert "no column emotion: these clips can be labelled by 'mertool predict', not trained on" in found.notes


def test_an_offset_beyond_the_pictures_is_remarked(base: Path) -> None:
    found = read_clips(write(base, "clip,subject,emotion,frames,onset,apex,offset\nx,s,fear,c,1,7,40\n"))
    assert found.corrections == ("mine/s/x: offset 40 is beyond the last picture, 12",)
    assert (found.clips[0].status, found.clips[0].offset) == (OK, 40)


def test_misspelt_emotions_are_remarked(base: Path) -> None:
    rows = "".join(f"{n},s,{word},1.jpg\n" for n, word in enumerate(("hapiness", "Happy", "boredom", "hapiness")))
    found = read_clips(write(base, f"clip,subject,emotion,stacked_image\n{rows}"))
    assert [note for note in found.notes if note.startswith("emotion ")] == [
        "emotion 'hapiness': did you mean 'happiness'? As it is, it is a class of its own"
    ]


def test_videos_say_what_to_do(base: Path) -> None:
    (base / "a.MP4").touch()
    with pytest.raises(UsageError, match=r"a.MP4: expected a data set's folder or .*, got a video, .*cut it into num"):
        read_clips(base / "a.MP4")
    found = read_clips(write(base, "clip,subject,emotion,frames,onset,apex\nx,s,fear,a.MP4,1,7\n"))
    assert found.clips[0].detail.startswith("line 2: a.MP4 is a video, which mertool does not read; cut it into")
