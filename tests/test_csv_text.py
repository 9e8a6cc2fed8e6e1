"""CSV text: cells that a spreadsheet would compute, and that they are read back as they were."""

from __future__ import annotations

import csv
import io

import pytest

from mertool.csv_text import csv_text, unescape_cell


@pytest.mark.parametrize("text", ["=1+1", "+3", "@x", "\tx", "'=1", "''+x", "=cmd|' /C calc'!A0"])
def test_a_formula_becomes_text_and_is_read_back(text):
    ((cell, _),) = csv.reader(io.StringIO(csv_text([[text, 1]]), newline=""))
    assert cell == f"'{text}"
    assert unescape_cell(cell) == text


@pytest.mark.parametrize("text", ["", "a", "-1", "'", "'a", "''", "a=b", "006_1_2", "é"])
def test_other_cells_stay_as_they_are(text):
    assert csv_text([["x", text]]) == f"x,{text}\n"
    assert unescape_cell(text) == text


def test_numbers_stay_numbers():
    assert csv_text([(1, -2.5, None)]) == "1,-2.5,\n"
