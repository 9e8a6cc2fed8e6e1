"""Tables for a paper: booktabs, no wider than a page, each with caption, label and notes of its own.

They need no package but booktabs, and fit a line of the article class, or `table*` in two columns.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ..evaluation.statistics import spread
from ..runs.environment import as_date
from ..runs.finished import Run
from ..runs.methods import method_of
from ..text import plural, strip_control_chars
from .blocks import Notes, Table, share_room, without_control_chars
from .distinctions import distinguish
from .grouping import grouped, short_names
from .sections import (
    CONFUSION,
    baseline_sentence,
    comparison_blocks,
    confusion_table,
    overlap_sentence,
    protocol_of,
    seeds_of,
    summary_notes,
    summary_of,
)

__all__ = ["NEEDS", "escape_latex", "render_latex", "table_latex"]

NEEDS = "% needs \\usepackage{booktabs}; in a document of two columns, write table* for table"

# Font sizes of a table, the larger first, and how many tenths of their em are in a line of the article class, whether
# its text has 10, 11 or 12 pt (345, 360 or 390 pt).
_SIZES = (("footnotesize", 388), ("scriptsize", 422), ("tiny", 485))
_GAP_PT, _GAP = 2, 5  # on either side of a column; between two of them, in tenths of an em
_LEAST = 60  # tenths of an em of a column whose words are broken
_LONG_WORD = 120  # tenths of an em of a word in running text
# Widths of Computer Modern's characters in hundredths of an em, rounded up; all others are no wider than 78.
_WIDTHS = {
    **dict.fromkeys(".,:;!'[]il", 28),
    **dict.fromkeys("- ()fjrstI_", 40),
    **dict.fromkeys("0123456789aceogz/*?J", 50),
    **dict.fromkeys("bdhnpqukvxyS", 56),
    **dict.fromkeys("m%", 84),
    **dict.fromkeys("MW@", 103),
}


def render_latex(runs: Sequence[Run]) -> str:
    """The results of all runs in one table; then the confusion matrix of one run, or comparisons of several."""
    names = short_names(runs)
    tables = [_results(runs, names)]
    if len(runs) == 1:
        tables += _confusion(runs[0])
    else:
        tables += _comparisons(runs, names)
    origins = [strip_control_chars(f"% {names[run.name]}: {_origin(run)}") for run in runs]
    return "\n\n".join(["\n".join([NEEDS, *origins]), *tables]) + "\n"


def _origin(run: Run) -> str:
    date = as_date(run.started)
    return f"started {date} (UTC), {run.command_line}" if date else run.command_line


def _results(runs: Sequence[Run], names: dict[str, str]) -> str:
    summary = next(block for block in summary_of(runs) if isinstance(block, Table))
    header = ["run", "differs in", "hits/N", "pooled", "95 % interval", "majority", "UF1", "UAR"]
    rows = []
    for run, row in zip(runs, summary.rows, strict=True):
        cells = dict(zip(summary.header, row, strict=True))
        pooled, _, interval = cells["pooled [95 %]"].partition(" ")
        scores = [cells["hits/N"], pooled, interval, cells["majority"], cells["UF1"], cells["UAR"]]
        rows.append([names[run.name], cells["differs in"], *scores])
    shown = "hits of N clips, accuracy with interval and baseline, UF1 and UAR."
    n_left, caption = 2, f"Cross-validated results of {len(runs)} runs: {shown}"
    if len(runs) == 1:  # nothing to differ from
        n_left, caption = 1, f"Cross-validated result of a run: {shown}"
        for row_of_cells in (header, *rows):
            del row_of_cells[1]
    spans = (("", n_left + 1), ("accuracy (%)", 3), ("", 2))
    table = Table("", tuple(header), tuple(map(tuple, rows)), n_left=n_left, spans=spans)
    return table_latex(table, "results", caption, list(_results_notes(runs, names)))


def _results_notes(runs: Sequence[Run], names: dict[str, str]) -> Iterator[str]:
    """What the figures are of, and what limits them."""

    def of_runs(say: Callable[[Run], str]) -> str:
        return f"{grouped([(say(run).rstrip('.'), names[run.name]) for run in runs])}."

    yield of_runs(_clips)
    if len(runs) == 1:
        yield f"Settings: {', '.join(method_of(runs[0].settings).describe(runs[0]))}."
    elif distinguish(runs)[1]:
        yield f"All runs: {', '.join(distinguish(runs)[1])}."
    yield f"Protocol: {of_runs(protocol_of)}"
    yield of_runs(overlap_sentence)
    yield (
        "Pooled: hits of all folds together, with Wilson's interval, which assumes independent clips. Majority: always "
        "predicting the most frequent class. UF1, UAR: unweighted means of the classes' F1 scores and recalls."
    )
    yield of_runs(baseline_sentence)
    for run in runs:
        if run.repeats:
            found = spread([100 * accuracy for accuracy in run.over_seeds("accuracy")])
            yield (
                f"{seeds_of(run)}, the pooled accuracy of {names[run.name]} is {found.mean:.2f} % on average "
                f"(sd {found.sd:.2f}); the table shows the first."
            )
    if len(runs) == 1:
        yield method_of(runs[0].settings).choice_rule(runs[0])
    yield of_runs(lambda run: run.key_frames)
    yield from summary_notes(runs)


def _clips(run: Run) -> str:
    scores = run.metrics
    counts = ", ".join(f"{name} {part['support']}" for name, part in scores["per_class"].items())
    clips, subjects = plural(scores["n"], "clip"), plural(scores["n_subjects"], "subject")
    return f"{clips} of {subjects} of {', '.join(run.packs)}: {counts}"


def _confusion(run: Run) -> list[str]:
    spans = (("", 1), ("prediction", len(run.metrics["classes"])), ("", 1))
    table, _, _ = _fitted(without_control_chars(confusion_table(run)))
    caption = "Confusion matrix: number of clips per true and predicted class."
    if table.title != CONFUSION:
        caption = "Confusion matrix: number of clips per true and predicted class, and % of the true class."
    return [table_latex(replace(table, spans=spans, narrow=None), "confusion", caption)]


def _comparisons(runs: Sequence[Run], names: dict[str, str]) -> list[str]:
    blocks = comparison_blocks(runs)
    tables = [block for block in blocks if isinstance(block, Table)]
    notes = [line for block in blocks if isinstance(block, Notes) for line in block.lines]
    return [_comparison(table, notes, names) for table in tables]


def _comparison(table: Table, notes: Sequence[str], names: dict[str, str]) -> str:
    rows = []
    for row in table.rows:
        cells = dict(zip(table.header, row, strict=True))
        counts = (cells["only this right"], cells["only first right"])
        rows.append(
            (names[cells["run"]], *counts, cells["difference"], cells["detectable"], cells["p"], cells["p (Holm)"])
        )
    header = ("run", "this run", "reference", "found", "detectable", "exact", "Holm's")
    spans = (("", 1), ("clips right only in", 2), ("difference (points)", 2), ("p (McNemar)", 2))
    caption = "The runs compared with a reference run, clip by clip."
    reference = next(iter(names.values()))
    return table_latex(
        Table("", header, tuple(rows), spans=spans), "comparison", caption, [f"Reference: {reference}.", *notes]
    )


# Tables


def table_latex(table: Table, label: str, caption: str, notes: Sequence[str] = ()) -> str:
    """A table that fits a page: text is broken over lines first, then the font gets smaller.

    Args:
        table: Its title is not used.
        label: What follows `tab:` in its label.
        caption: As plain text.
        notes: Sentences below it, as plain text.
    """
    table, size, columns = _fitted(without_control_chars(table))
    kinds = [f"p{{{width / 10:g}em}}" if width else "l" for width in columns]
    kinds += ["r"] * (len(table.header) - table.n_left)
    between = "    \\addlinespace\n" if any(columns) else ""  # where a row has several lines
    lines = [
        r"\begin{table}[htbp]",
        r"  \centering",
        f"  \\caption{{{escape_latex(caption)}}}",
        f"  \\label{{tab:{label}}}",
        f"  \\{size}",
        f"  \\setlength{{\\tabcolsep}}{{{_GAP_PT}pt}}",
        f"  \\begin{{tabular}}{{@{{}}{''.join(kinds)}@{{}}}}",
        r"    \toprule",
        *_span_lines(table),
        f"    {_row(table, table.header, columns, header=True)}",
        r"    \midrule",
        f"\n{between}".join(f"    {_row(table, row, columns)}" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
    ]
    if notes:
        sentences = "\n    ".join(map(escape_latex, notes))
        lines += [r"  \par\smallskip", f"  \\parbox{{\\linewidth}}{{\\raggedright\n    {sentences}}}"]
    return "\n".join([*lines, r"\end{table}"])


def _fitted(table: Table) -> tuple[Table, str, list[int]]:
    """The table, or a narrow form of it, with its font size and the widths of its left columns."""
    forms = [table]
    while forms[-1].narrow is not None:
        forms.append(forms[-1].narrow)
    for size, room in _SIZES:
        for form in forms:
            columns = _columns(form, room)
            if columns:
                return form, size, columns
    return forms[-1], _SIZES[-1][0], [_LEAST] * table.n_left  # nothing is left to narrow


def _columns(table: Table, room: int) -> list[int] | None:
    """Width of each left column in tenths of an em, 0 where its text need not be broken; None if they do not fit."""
    texts = list(zip(table.header, *table.rows, strict=True))
    natural = [max(map(_width, column)) for column in texts]
    column = 0
    for title, n_columns in table.spans:
        beside = sum(natural[column : column + n_columns]) + _GAP * (n_columns - 1)
        column += n_columns
        if title:
            natural[column - 1] += max(0, _width(title) - beside)
    left, numbers = natural[: table.n_left], natural[table.n_left :]
    room -= sum(numbers) + _GAP * (len(natural) - 1)
    least = [min(_LEAST, max(map(_longest_word, column))) for column in texts[: table.n_left]]
    if sum(least) > room:
        return None
    return [0 if width >= wanted else width for width, wanted in zip(share_room(left, least, room), left, strict=True)]


def _width(text: str) -> int:
    """Tenths of an em, or a little more."""
    return -(-sum(_WIDTHS.get(mark, 78) if _is_latin(mark) else 320 for mark in text) // 10)


def _longest_word(text: str) -> int:
    return max(map(_width, text.split(" ")))


def _span_lines(table: Table) -> list[str]:
    if not table.spans:
        return []
    cells, rules, column = [], [], 1
    for title, n_columns in table.spans:
        last = column + n_columns - 1
        if title:
            cells.append(f"\\multicolumn{{{n_columns}}}{{c}}{{{escape_latex(title)}}}")
            rules.append(f"\\cmidrule(lr){{{column}-{last}}}")
        else:
            cells += [""] * n_columns
        column = last + 1
    return [f"    {' & '.join(cells).strip()} \\tabularnewline", f"    {' '.join(rules)}"]


def _row(table: Table, row: Sequence[str], columns: Sequence[int], header: bool = False) -> str:
    cells = []
    for cell, width in zip(row, columns, strict=False):
        cells.append(f"\\raggedright {escape_latex(cell, width)}" if width else escape_latex(cell))
    cells += [escape_latex(cell) if header else _number(cell) for cell in row[table.n_left :]]
    if cells[0].startswith(("[", "*")):  # would be an argument of the end of the row before it
        cells[0] = f"{{}}{cells[0]}"
    return f"{' & '.join(cells)} \\tabularnewline"


def _number(text: str) -> str:
    """A number with a true minus sign; a mark after it does not move its digits."""
    text = text.strip()
    if text == "-":
        return "--"
    if re.fullmatch(r"[-+<][0-9.]+", text):
        return f"${text}$"
    if text.endswith("*"):
        return f"{escape_latex(text[:-1])}\\rlap{{*}}"
    return escape_latex(text)


# Text

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{mark: f"\\{mark}" for mark in "&%$#_"},
}
# Accents that the default encoding of LaTeX puts on letters.
_ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327"
_LETTERS = "ßæœøåłıÆŒØÅŁ\u2013\u2014\u2018\u2019\u201c\u201d"


def escape_latex(text: str, width: int | None = None) -> str:
    """Text that LaTeX shows unchanged.

    Characters that pdfLaTeX does not know appear as their code there, and as themselves in XeLaTeX and LuaLaTeX.

    Args:
        text: Plain text.
        width: The column's in tenths of an em; None for running text. Where a word is longer, it may be broken.
    """
    text = re.sub(r"(^|[ (])'", r"\1`", unicodedata.normalize("NFC", strip_control_chars(text)))
    return " ".join(_escape_word(word, width) for word in text.split(" ")).replace(r" \% ", r"~\% ")


def _escape_word(word: str, width: int | None) -> str:
    """A word that may be broken if it is longer than its column: after `/`, `-` and `_`, else between any two letters.

    Running text is justified on long lines, and TeX hyphenates its words.
    """
    wide = _LONG_WORD if width is None else width
    breaks_words = _width(word) > wide
    escaped = []
    for piece in re.findall(r"[^/_-]+[/_-]?|[/_-]", word):
        inside = r"\penalty500{}" if _width(piece) > wide else ""
        escaped.append(inside.join(map(_escape_mark, piece)))
    joined = (r"\allowbreak{}" if breaks_words else "").join(escaped)
    return re.sub(r"(?<=[-!?])(?=[-`])", "{}", joined)  # "--" is no dash, "!`" no Spanish mark


def _escape_mark(mark: str) -> str:
    if mark in _ESCAPED:
        return _ESCAPED[mark]
    if _is_latin(mark):
        return mark
    return f"\\ifdefined\\Umathcode {mark}\\else\\texttt{{U+{ord(mark):04X}}}\\fi{{}}"


def _is_latin(mark: str) -> bool:
    """Whether every LaTeX shows this character."""
    if mark.isascii() or mark in _LETTERS:
        return True
    parts = unicodedata.normalize("NFD", mark)
    return len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and ord(mark) < 0x180 and parts[1] in _ACCENTS
