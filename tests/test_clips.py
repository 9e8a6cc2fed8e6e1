"""Clips: the texts of what --apex and --jitter did, and back."""

from __future__ import annotations

from typing import Any

import pytest

from mertool.clips import BAD_ANNOTATION, OK, ChosenApex, Clip, Jitter, Move, Unmoved
from mertool.extraction.clip_rows import clip_row, news

RECORDS: list[tuple[Any, str]] = [
    (ChosenApex(59, "middle"), "apex 59 by --apex middle"),
    (ChosenApex(0, "difference"), "apex 0 by --apex difference"),
    (Jitter((Move(46, 44, -2), Move(59, 62, 3))), "onset 46 to 44, apex 59 to 62 by --jitter"),
    (Jitter((Move(1, 1, -2), Move(9, 9, 1))), "onset 1 to 1 (drawn -2), apex 9 to 9 (drawn +1) by --jitter"),
    (Jitter((Move(1, 1, 0), Move(9, 8, -3))), "onset 1 to 1, apex 9 to 8 (drawn -3) by --jitter"),
    (Jitter(Unmoved.NO_NUMBERS), "not moved by --jitter: it has no frame numbers"),
    (Jitter(Unmoved.NO_MOVEMENT), "not moved by --jitter: its apex is its onset"),
]


@pytest.mark.parametrize(("record", "text"), RECORDS)
def test_a_record_becomes_its_text_and_back(record, text):
    assert str(record) == text
    assert type(record).parse(text) == record


@pytest.mark.parametrize(
    "text", ["", "apex 59", "apex frame 59 is not on disk, 58 is used", "onset a, apex b by --jitter"]
)
def test_other_texts_are_no_records(text):
    assert ChosenApex.parse(text) is None
    assert Jitter.parse(text) is None


def test_the_detail_has_remarks_before_apex_and_jitter():
    clip = Clip("c", "d", "s", "x", remarks=("one", "two; three"))
    assert clip.detail == "one; two; three"
    chosen, moved = RECORDS[0][0], RECORDS[2][0]
    clip = Clip("c", "d", "s", "x", remarks=("one",), chosen_apex=chosen, jitter=moved)
    assert clip.detail == f"one; {RECORDS[0][1]}; {RECORDS[2][1]}"
    # What was done to all clips is no news of one that can be used.
    assert news(clip_row(clip, OK, "the head moved 40 px")) == "one; the head moved 40 px"
    assert news(clip_row(clip, BAD_ANNOTATION)) == clip.detail
