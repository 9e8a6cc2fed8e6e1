"""Fixtures: made-up copies of every layout."""

from __future__ import annotations

import pytest
from recordings import plan_layout, write_empty

from mertool.datasets import read_clips
from tests.datasets.copies import PARTS, Made


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
