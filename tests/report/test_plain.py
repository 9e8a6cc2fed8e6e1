"""Text tables that fit a terminal: any table at any width, nothing lost, columns aligned."""

from __future__ import annotations

import os
import random

import pytest

from mertool.report.blocks import Block, Heading, KeyValues, Notes, Table
from mertool.report.plain import blocks_text, terminal_width
from mertool.text import display_width

WORDS = (
    "roi",
    "3 frames,",
    "runs/SAMM-roi-3f-abn",
    "a_rather_long_class_name_12",
    "怒り",
    "喜",
    "tre\u0301s",
    "x" * 70,
)
NUMBERS = ("1", "71.43", "71.43 [35.9, 91.8]", "-", "12/24", "+10.00", "62.50 (5.00), 3 seeds", "")


def made_up(chance, spans=False):
    """A table of words and numbers; which of its columns belong together if `spans`."""
    n_left, n_numbers, n_rows = chance.randint(1, 3), chance.randint(0, 14), chance.randint(0, 6)
    n_keys = chance.randint(1, n_left)

    def text():
        return " ".join(chance.choices(WORDS, k=chance.randint(0, 5)))

    header = [text() for _ in range(n_left)] + [chance.choice(WORDS[:6]) for _ in range(n_numbers)]
    rows = [[text() for _ in range(n_left)] + chance.choices(NUMBERS, k=n_numbers) for _ in range(n_rows)]
    titles = []
    if spans:
        titles = [("", n_left)]
        rest = n_numbers
        while rest:
            n_columns = chance.randint(1, min(4, rest))
            titles.append((chance.choice(("", "2D (Apex)", "accuracy (%)")), n_columns))
            rest -= n_columns
    return Table(text(), tuple(header), tuple(map(tuple, rows)), n_left=n_left, n_keys=n_keys, spans=tuple(titles))


def letters(text):
    """All that is printed, in order, without what the shape of a table adds."""
    return "".join(text.replace("-", "").split())


@pytest.mark.parametrize("spans", [False, True])
def test_no_line_of_any_table_is_wider_than_the_terminal(spans):
    chance = random.Random(7)
    for _ in range(100):
        table = made_up(chance, spans)
        for width in (40, 41, 57, 80, 96, 200):
            for line in blocks_text([table], width).splitlines():
                assert display_width(line) <= width, (width, line)


def test_no_text_of_any_table_is_lost():
    chance = random.Random(11)
    for _ in range(100):
        table = made_up(chance)
        width = chance.randint(40, 200)
        found = blocks_text([table], width)
        wanted = sorted(letters("".join([table.title, *table.header, *(c for row in table.rows for c in row)])))
        remaining = sorted(letters(found))
        for mark in wanted:  # repeated columns and titles only add
            assert mark in remaining
            remaining.remove(mark)


def test_columns_are_aligned_and_rows_whole():
    """Numbers of unique digits: each is whole, on one line, and ends where all others of its column end."""
    chance = random.Random(13)
    for _ in range(100):
        n_columns, n_rows, width = chance.randint(1, 15), chance.randint(1, 6), chance.randint(40, 200)
        rows = tuple(
            (
                " ".join(chance.choices(("roi", "runs/a-b", "怒り"), k=chance.randint(1, 9))),
                *(f"{row}{column:02d}.{chance.randint(0, 10 ** chance.randint(1, 6))}" for column in range(n_columns)),
            )
            for row in range(n_rows)
        )
        table = Table("A title", ("run", *(f"c{column}" for column in range(n_columns))), rows)
        lines = blocks_text([table], width).splitlines()
        for column in range(n_columns):
            ends = set()
            for row in rows:
                (line,) = [line for line in lines if row[column + 1] in line.split()]
                before = line[: line.index(row[column + 1])]
                ends.add(display_width(before) + len(row[column + 1]))
            assert len(ends) == 1


def test_a_table_that_fits_is_one_line_per_row():
    table = Table("A title", ("run", "hits/N"), (("a b", "1/2"), ("c", "10/20")))
    assert blocks_text([table]) == "A title\nrun  hits/N\n-----------\na b     1/2\nc     10/20\n"


def test_text_is_broken_before_numbers_are_divided():
    table = Table(
        "", ("run", "settings", "hits/N"), (("runs/SAMM-roi-3f-abn", "roi, 3 frames, abn, modern", "1/2"),), 2
    )
    assert blocks_text([table], 40).splitlines()[1:] == [
        "run             settings          hits/N",
        "----------------------------------------",
        "runs/SAMM-roi-  roi, 3 frames,       1/2",
        "  3f-abn        abn, modern",
    ]


def test_a_table_of_numbers_is_divided_and_says_so():
    header = ("truth", *(f"number{k}" for k in range(8)))
    table = Table("Counts: of all", header, (("fear", *map(str, range(8))),))
    assert blocks_text([table], 40).splitlines() == [
        "Counts: of all",
        "truth  number0  number1  number2",
        "--------------------------------",
        "fear         0        1        2",
        "",
        "Counts, continued",
        "truth  number3  number4  number5",
        "--------------------------------",
        "fear         3        4        5",
        "",
        "Counts, continued",
        "truth  number6  number7",
        "-----------------------",
        "fear         6        7",
    ]


def test_columns_that_belong_together_stay_together():
    spans = (("", 1), ("first group", 3), ("second group", 2))
    table = Table("T", ("run", "a", "b", "c", "d", "e"), (("x", *["12345678"] * 5),), spans=spans)
    assert blocks_text([table], 44).splitlines() == [
        "T",
        "     ------- first group --------",
        "run         a         b         c",
        "---------------------------------",
        "x    12345678  12345678  12345678",
        "",
        "T, continued",
        "     -- second group --",
        "run         d         e",
        "-----------------------",
        "x    12345678  12345678",
    ]


def test_sentences_keys_and_headings_fit_too():
    blocks: list[Block] = [
        Heading("runs/" + "a-long-name-" * 9),
        KeyValues((("packs", "a/" * 60), ("classes", "anger 3, fear 2, joy 2"))),
        Notes(("These runs differ: " + "x" * 150 + ".",)),
    ]
    for width in (40, 80, 200):
        text = blocks_text(blocks, width)
        assert max(map(len, text.splitlines())) <= min(width, 120)
        assert letters("a/" * 60) in letters(text)


def test_a_number_stays_with_its_percent_sign():
    text = blocks_text([Notes(("Better than always predicting that it is anger (35.00 %): an interval.",))], 55)
    assert text == "Better than always predicting that it is anger\n(35.00 %): an interval.\n"


def test_the_width_is_the_terminals(monkeypatch):
    monkeypatch.setenv("COLUMNS", "123")
    assert terminal_width() == 123
    monkeypatch.setenv("COLUMNS", "7")
    assert terminal_width() == 40
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((101, 30)))
    assert terminal_width() == 101

    def no_terminal(_):
        raise OSError

    monkeypatch.setattr(os, "get_terminal_size", no_terminal)
    assert terminal_width() == 80
