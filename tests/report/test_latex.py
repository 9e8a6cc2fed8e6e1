"""LaTeX tables of reports: one or two, with names of every kind, compiled and no wider than the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mertool.report.blocks import Table
from mertool.report.latex import escape_latex, render_latex, table_latex
from mertool.report.paper import render_paper
from mertool.report.paper_tables import CELLS
from mertool.runs.finished import load_run
from tests.support.paper_runs import settings_of
from tests.support.reports import flat
from tests.support.run_folders import CLASSES, make_run

# Names of runs, as folders may be called.
NAMES = (
    "plain",
    r"[50 % of_{x}~^\#&$ <a> `b' | 怒り é",
    "*z--averyveryverylongnamewithoutanyseparatoratallinside",
    "SAMM-roi-3f-abn-balanced-epochs100-lr0.001-seed3_and_more",
)
EMOTIONS = (r"anger & c_%~^", "[fear] \\frac{1}{2} $x$ <", "joy# 喜 Überraschung tre\u0301s ęđ μ")


def answering(right, names=CLASSES, n=40):
    """Two folds of n clips of ten people, of which the first `right` are answered right."""
    clips = [
        (f"samm/{k % 10:03d}/{k:02d}", names[k % len(names)], names[(k + (k >= right)) % len(names)]) for k in range(n)
    ]
    return [clips[: n // 2], clips[n // 2 :]]


def make_runs(names=NAMES, emotions=EMOTIONS):
    settings = ({"region": "roi", "abn": True}, {"arcface": True, "epoch_selection": "inner"}, {"frames": 1}, {})
    folders = [
        make_run(Path("runs") / name, answering(20 + 4 * number, emotions), emotions, **settings[number % 4])
        for number, name in enumerate(names)
    ]
    return [load_run(folder) for folder in folders]


def paper_runs(right=lambda number: range(2 * number + 8)):
    folders = []
    for number, cell in enumerate(CELLS):
        config = None
        settings = settings_of(cell)
        init = settings.pop("init", None)
        if init:
            config = {"init": {"path": init, "sha256": "", "loaded": [], "not_loaded": [], "subjects": []}}
        parts = answering(len(right(number)))
        folders.append(make_run(Path(f"paper/x_{number}"), parts, config=config, recipe="paper", **settings))
    return [load_run(folder) for folder in folders]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# Structure, without TeX


def tables_of(text):
    return re.findall(r"\\begin{table}.*?\\end{table}", text, re.DOTALL)


def n_cells(row):
    """Columns that a row fills."""
    cells = re.split(r"(?<!\\)&", row)
    return sum(int(found[1]) if (found := re.search(r"\\multicolumn{(\d+)}", cell)) else 1 for cell in cells)


def check_structure(text):
    """Braces balance, every row has all cells, labels are unique, and no character is left that LaTeX would obey."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    plain = re.sub(r"\\[{}]", "", body)
    depth = 0
    for mark in plain:
        depth += (mark == "{") - (mark == "}")
        assert depth >= 0
    assert depth == 0
    assert not re.search(r"(?<!\\)[%#]|~(?!\\%)|[\^<>|]", body.replace("$<0.0001$", ""))
    assert not re.search(r"(?<!\\)\$(?![-+<][0-9.]+\$)(?<![0-9]\$)", body)
    labels = re.findall(r"\\label{(tab:[a-z0-9-]+)}", text)
    tables = tables_of(text)
    assert len(set(labels)) == len(labels) == len(tables) == text.count(r"\caption{")
    for table in tables:
        columns = re.search(r"\\begin{tabular}{@{}(.*)@{}}", table)
        assert columns is not None
        kinds = re.sub(r"p{[0-9.]+em}", "p", columns[1])
        assert set(kinds) <= set("lpr")
        rows = [line.removesuffix(r"\tabularnewline") for line in table.splitlines() if r"\tabularnewline" in line]
        assert len(rows) > 1
        assert {n_cells(row) for row in rows} == {len(kinds)}
        assert not any(re.match(r"\s*[\[*]", row) for row in rows)


@pytest.mark.parametrize(
    ("n", "labels"), [(1, ["results", "confusion"]), (2, ["results", "comparison"]), (4, ["results", "comparison"])]
)
def test_a_report_is_two_tables(n, labels):
    text = render_latex(make_runs(NAMES[:n]))
    check_structure(text)
    assert re.findall(r"\\label{tab:(\w+)}", text) == labels
    for word in ("subsection", "Per class", "Per fold"):
        assert word not in text


def test_runs_that_do_not_compare_are_one_table_that_says_so():
    first, second = make_runs(NAMES[:1])[0], load_run(make_run(Path("runs/other")))
    text = render_latex([first, second])
    check_structure(text)
    assert len(tables_of(text)) == 1
    assert "These runs test different clips or classes, so their scores are not comparable." in flat(text)


def test_what_a_reader_must_know_is_below_the_table():
    (run,) = make_runs(NAMES[:1], CLASSES)
    text = flat(render_latex([run]))
    for sentence in (
        "40 clips of 10 subjects of SAMM: anger 14, fear 13, joy 13.",
        "Settings: roi, 3 frames, abn, modern.",
        "Protocol: stratified, 2 folds, split seed 0.",
        "Subject-dependent: 10 of 10 subjects have clips in both training and test parts;",
        "Wilson's interval, which assumes independent clips.",
        "always predicting `anger' (35.00 \\%)",
        "Oracle key frames: ",
    ):
        assert text.count(sentence) == 1, sentence
    assert r"plain & 20/40 & 50.00 & [35.2, 64.8] & 35.00 &" in text
    assert r"\multicolumn{3}{c}{accuracy (\%)}" in text
    assert r"\cmidrule(lr){3-5}" in text


def test_what_differs_between_runs_is_said_with_their_names():
    runs = make_runs(("a", "b"), CLASSES)
    grouped = make_run(Path("runs/c"), [[clip] for part in answering(30) for clip in part])
    text = flat(render_latex([*runs, load_run(grouped)]))
    assert "Protocol: stratified, 2 folds, split seed 0 (a, b); stratified, 40 folds, split seed 0 (c)." in text
    assert "These runs split the clips into different folds." in text
    assert "All runs: stratified, 3 frames, modern." in text
    assert r"run & differs in & hits/N" in text.replace(r"\raggedright ", "")


def test_numbers_have_true_minus_signs_and_marks_move_no_digit():
    rows = (("a", "-2.50", "<0.0001", "62.83*"), ("b", "+10.00", "-", "61.17 "))
    text = table_latex(Table("", ("run", "x", "p", "y"), rows), "x", "A caption.")
    assert r"a & $-2.50$ & $<0.0001$ & 62.83\rlap{*} \tabularnewline" in text
    assert r"b & $+10.00$ & -- & 61.17 \tabularnewline" in text
    check_structure(text)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (r"a\b{c}", r"a\textbackslash{}b\{c\}"),
        ("~^<>|", r"\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{}"),
        ("5 % of_#&$", r"5~\% of\_\#\&\$"),
        ("---", "-{}-{}-"),
        ("é Ü ß", "é Ü ß"),
        ("tre\u0301s", "trés"),
        ("怒", r"\ifdefined\Umathcode 怒\else\texttt{U+6012}\fi{}"),
        ("a\x1b[31m\n", r"a\textbackslash{}x1b[31m\textbackslash{}n"),
        ("always 'x'", "always `x'"),
        ("roi-3f/b_c", r"roi-3f/b\_c"),
        ("!`", "!{}`"),
    ],
)
def test_every_character_is_escaped(text, escaped):
    assert escape_latex(text) == escaped


def test_a_word_longer_than_its_column_can_be_broken():
    assert escape_latex("ab-cd/ef", 20) == r"ab-\allowbreak{}cd/\allowbreak{}ef"
    assert escape_latex("ab-abcdefgh", 30) == r"ab-\allowbreak{}" + r"\penalty500{}".join("abcdefgh")
    assert escape_latex("ab-cd", 60) == "ab-cd"


def test_tables_of_the_paper():
    text = render_paper(paper_runs(), "latex")
    check_structure(text)
    assert re.findall(r"\\label{tab:([\w-]+)}", text) == ["paper-5", "paper-6"]
    for table in tables_of(text):
        assert table.count(r"\multicolumn{4}{c}") == 2
        assert r"\cmidrule(lr){3-6} \cmidrule(lr){7-10}" in table
        assert "mean & hits/N & 95 \\% & paper & mean & hits/N" in table


# Compiled


def compiler():
    for name in ("pdflatex", "xelatex"):
        found = shutil.which(name)
        if found:
            return found
    return None


DOCUMENT = r"""\documentclass[%s]{article}
\usepackage{booktabs}
\begin{document}
%s
\end{document}
"""


def compile_latex(body, options="10pt"):
    """Fails on an error, and on a line that is more than 1 pt too wide."""
    Path("report.tex").write_text(DOCUMENT % (options, body), encoding="utf-8")
    words = [compiler(), "-halt-on-error", "-interaction=nonstopmode", "report.tex"]
    done = subprocess.run(words, capture_output=True, timeout=120, check=False)
    log = Path("report.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-3000:]
    too_wide = [float(found) for found in re.findall(r"Overfull \\hbox \(([0-9.]+)pt too wide\)", log)]
    assert not [width for width in too_wide if width > 1], log[-3000:]
    assert "Output written on report.pdf" in log


needs_tex = pytest.mark.skipif(compiler() is None, reason="no pdflatex or xelatex here")


@needs_tex
@pytest.mark.parametrize("options", ["10pt", "11pt", "12pt", "twocolumn"])
@pytest.mark.parametrize("n", [1, 4])
def test_a_report_fits_its_page(n, options):
    text = render_latex(make_runs(NAMES[-n:] if n > 1 else NAMES[1:2]))
    if options == "twocolumn":
        text = text.replace("{table}", "{table*}")
    compile_latex(text, options)


@needs_tex
def test_the_papers_tables_fit_a_page():
    compile_latex(render_paper(paper_runs(), "latex"))


@needs_tex
def test_every_letter_that_is_left_as_it_is_is_known_to_latex():
    letters = "".join(chr(code) for code in range(0x20, 0x3000) if chr(code).isprintable())
    texts = [escape_latex(letters[start : start + 40]) for start in range(0, len(letters), 40)]
    assert sum(mark in text for text in texts for mark in "éüßłőčş") >= 7
    compile_latex("\\raggedright\n" + "\\par\n".join(texts))


@needs_tex
def test_many_and_large_clips_still_fit():
    """Seven thousand clips, intervals of the widest form, in every cell of the paper's tables."""
    parts = answering(7000, n=7001)
    names = [make_run(Path(f"x{k}"), parts, recipe="paper", **settings_of(CELLS[k])) for k in (0, 1, 6)]
    runs = [load_run(name) for name in names]
    compile_latex(render_paper(runs, "latex") + render_latex(runs))


@needs_tex
@pytest.mark.parametrize("n_classes", [8, 11, 20])
def test_a_confusion_matrix_of_many_long_names_fits(n_classes):
    names = tuple(f"a_rather_long_class_name_{k}" for k in range(n_classes))
    run = load_run(make_run(Path("a"), answering(100, names, 40 * n_classes), names))
    text = render_latex([run])
    check_structure(text)
    compile_latex(text)
