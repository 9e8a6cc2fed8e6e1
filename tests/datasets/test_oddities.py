"""Every oddity that is planted in a made-up copy is read right, refused by name or noted.

`ODDITIES` is the table layout -> oddity -> check. A test fails where the planner plants an oddity that no line of it
covers, and where a line covers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from recordings import LAYOUTS

from mertool.clips import OK
from mertool.datasets.frames import is_junk
from tests.datasets.copies import Made, assert_as_planned, truth_id


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
