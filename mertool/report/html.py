"""A report as one HTML file: tables, charts and pictures in it, no network, no script.

The page is light or dark as its reader prefers, light on paper, and no wider than a phone except inside its tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import groupby
from typing import Any

from .. import __version__
from ..evaluation.metrics import hits_by_subject
from ..evaluation.statistics import spread
from ..runs.finished import Run
from ..runs.methods import method_of
from ..runs.methods.options import relevant_settings
from ..text import plural
from .blocks import Block, Gallery, Heading, KeyValues, Table
from .charts import accuracy_chart, learning_curves
from .fold_table import FOLDS, LONG, fold_table
from .html_elements import block_html, blocks_html, confusion_html, details_html, escape, pictures_html, scale_html
from .sections import CONFUSION, details_of, summary_of

__all__ = ["RunExtras", "render_html"]

_MANY_SUBJECTS = 20  # bars of which fill more than a screen of a phone; more are folded away
_TERMS = (
    ("UF1", "unweighted mean of the F1 scores of the classes, from the predictions of all folds together (MEGC2019)"),
    ("UAR", "unweighted mean of the recalls of the classes, from the same predictions"),
    ("Wilson", "confidence interval of a proportion; it assumes independent clips, but those of one subject are not"),
    ("over subjects", "confidence interval from resampling subjects with all their clips (bootstrap, 2000 resamples)"),
    ("McNemar, Holm", "exact paired test of two runs, clip by clip; p adjusted for the number of comparisons"),
)
_ATTENTION_TERM = (
    "attention",
    "the map of a clip comes from the network that was not trained on it; the mean of a class mixes networks",
)


@dataclass(frozen=True, slots=True)
class RunExtras:
    """What a page shows of a run beside its numbers.

    Attributes:
        audit: (folder, checks) of the run itself and of its repeats; each check is (name, "pass", "note" or "fail",
            detail).
        environment: env.json of the run; empty if it is missing.
        gallery: Its pictures.
    """

    audit: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]
    environment: Mapping[str, Any]
    gallery: Gallery


def render_html(runs: Sequence[Run], extras: Sequence[RunExtras], first: Sequence[Block] = ()) -> str:
    """The whole page.

    Args:
        runs: One or more.
        extras: Of each run.
        first: Blocks to begin with, such as the paper's tables; the first of them is a heading.
    """
    title = f"mertool report: {len(runs)} runs"
    if len(runs) == 1:
        title = f"mertool report: {runs[0].name}"
    sections = _sections(runs, extras, first)
    links = "".join(f'<li><a href="#{key}">{escape(name)}</a></li>' for key, name, _ in sections)
    body = "".join(f'<section id="{key}"><h2>{escape(name)}</h2>{content}</section>' for key, name, content in sections)
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1>{_alarms(extras)}</header>\n<nav><ul>{links}</ul></nav>\n"
        f"<main>{body}</main>\n<footer>mertool {__version__}</footer>\n</body>\n</html>\n"
    )


def _alarms(extras: Sequence[RunExtras]) -> str:
    """Each failed check, for the top of the page."""
    failed = [
        f"{folder}: {name}: {detail}"
        for one in extras
        for folder, checks in one.audit
        for name, verdict, detail in checks
        if verdict == "fail"
    ]
    return "".join(f"<p class='alarm'><b class='fail'>Audit failed</b> {escape(line)}</p>" for line in failed)


def _sections(runs: Sequence[Run], extras: Sequence[RunExtras], first: Sequence[Block]) -> list[tuple[str, str, str]]:
    """(id, title, HTML) of each section."""
    sections = []
    if first and isinstance(first[0], Heading):
        sections.append(("tables", first[0].text, blocks_html(first[1:])))
    if len(runs) > 1:
        sections.append(("summary", "Summary", accuracy_chart(runs) + blocks_html(summary_of(runs)[1:])))
        sections.append(("settings", "Settings that differ", _settings_diff(runs)))
    for number, (run, extra) in enumerate(zip(runs, extras, strict=True)):
        sections.append((f"run-{number}", run.name, _run(run, extra)))
    terms = list(_TERMS)
    if any(method_of(run.settings).has_network for run in runs):
        terms.append(_ATTENTION_TERM)
    sections.append(("environment", "Environment", _environments(runs, extras)))
    sections.append(("terms", "Terms", block_html(KeyValues(tuple(terms)))))
    return sections


# One run


def _run(run: Run, extras: RunExtras) -> str:
    parts = [_key_figures(run)]
    for are_tables, blocks in groupby(details_of(run)[1:], lambda block: isinstance(block, Table)):
        content = "".join(_run_block(run, block) for block in blocks)
        parts.append(f"<div class='side'>{content}</div>" if are_tables else content)
    parts += [_subjects(run), _learning_curves(run), _gallery(extras.gallery), _audits(extras)]
    return "".join(parts)


def _run_block(run: Run, block: Block) -> str:
    if isinstance(block, Table) and block.title.startswith(CONFUSION):
        return confusion_html(run.metrics["classes"], run.metrics["confusion"])
    if isinstance(block, Table) and block.title.startswith(FOLDS):
        return _folds(run)
    return block_html(block)


def _folds(run: Run) -> str:
    """The table of all folds; many are folded away."""
    table = fold_table(run)
    if len(table.rows) <= LONG:
        return block_html(table)
    shares = [hits / n for _, hits, n in run.metrics["fold_hits"]]
    lowest, highest = f"{100 * min(shares):.1f}", f"{100 * max(shares):.1f}"
    summary = f"{FOLDS}: {len(shares)} folds, from {lowest} to {highest} %"
    return details_html(summary, block_html(replace(table, title="")))


def _key_figures(run: Run) -> str:
    scores = run.metrics
    low, high = run.wilson_ci
    subjects = plural(scores["n_subjects"], "subject")
    figures = [
        ("hits / N", f"{scores['hits']} / {scores['n']}", f"{100 * scores['accuracy']:.1f} %, {subjects}"),
        ("accuracy", f"{100 * scores['accuracy']:.1f} %", f"{100 * low:.1f} to {100 * high:.1f} % (Wilson)"),
        ("majority baseline", f"{100 * scores['majority']:.1f} %", f"always “{scores['majority_class']}”"),
        ("UF1", f"{scores['uf1']:.3f}", _over_subjects(run, "uf1")),
        ("UAR", f"{scores['uar']:.3f}", _over_subjects(run, "uar")),
    ]
    if run.repeats:
        mean, sd, _, _ = spread(run.over_seeds("accuracy"))
        seeds = f"sd {100 * sd:.1f}; all else is for the first"
        figures.insert(2, (f"mean of {len(run.repeats) + 1} seeds", f"{100 * mean:.1f} %", seeds))
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(under)}</small></dd></div>"
        for name, value, under in figures
    )
    return f'<dl class="figures">{cells}</dl>'


def _over_subjects(run: Run, score: str) -> str:
    if run.metrics["n_subjects"] < 2:
        return "no interval from one subject"
    low, high = run.bootstrap_ci[score]
    return f"{low:.3f} to {high:.3f} (over subjects)"


def _subjects(run: Run) -> str:
    """Accuracy of each subject, lowest first, as bars."""
    subjects = sorted(hits_by_subject(run.predictions).items(), key=lambda item: (item[1][0] / item[1][1], item[0]))
    rows = "".join(
        f"<li><span>{escape(name)}</span><i style='--share:{hits / n:.4f}'></i><b>{hits}/{n}</b>"
        f"<em>{100 * hits / n:.0f} %</em></li>"
        for name, (hits, n) in subjects
    )
    without = sum(hits == 0 for _, (hits, _) in subjects)
    text = "Correct clips and accuracy of each subject, lowest accuracy first."
    if without:
        text += f" Subjects without a correct clip: {without} of {len(subjects)}."
    bars = f"<ol class='subjects'>{rows}</ol>"
    if len(subjects) > _MANY_SUBJECTS:
        bars = details_html(f"All {len(subjects)} subjects", bars)
    return f"<h3>Per subject</h3><p>{text}</p>{bars}"


def _learning_curves(run: Run) -> str:
    if not method_of(run.settings).has_network:
        return ""
    logs = run.read_logs()
    if not logs:
        return "<h3>Learning curves</h3><p>Not every fold has a complete log.csv.</p>"
    source = "Computed on augmented training clips; test clips are not used."
    chosen: tuple[int, ...] = ()
    if run.settings.epoch_selection == "inner":
        source = "All but inner validation is computed on augmented training clips; test clips are not used."
        chosen = run.epochs
    if chosen:
        source += " Triangles mark the epoch that each fold chose."
    return (
        f"<h3>Learning curves</h3><p>Mean of {len(logs)} folds, and the range from the lowest to the highest fold. "
        f"{source}</p><div class='charts'>{learning_curves(logs, chosen)}</div>"
    )


def _gallery(gallery: Gallery) -> str:
    note = f"<p>{escape(gallery.note)}</p>" if gallery.note else ""
    parts = [note]
    for title, pictures in (
        ("Where the attention branch looks", gallery.maps),
        ("Where the selected features are", gallery.selected),
    ):
        if pictures:
            scale = scale_html(gallery.scale) if gallery.scale else ""
            parts = [f"<h3>{title}</h3>{note}{scale}<div class='maps'>{pictures_html(pictures)}</div>"]
    if gallery.clips:
        parts.append("<h3>Most and least confident predictions</h3>")
    for title, pictures in gallery.clips:
        parts.append(f"<h4>{escape(title)}</h4><div class='clips'>{pictures_html(pictures)}</div>")
    return "".join(parts)


def _audits(extras: RunExtras) -> str:
    parts = ["<h3>Audit</h3>"]
    for folder, checks in extras.audit:
        rows = "".join(
            f"<tr><td><span class='{verdict}'>{verdict}</span></td>"
            f"<td>{escape(name)}</td><td>{escape(detail)}</td></tr>"
            for name, verdict, detail in checks
        )
        caption = f"<caption>{escape(folder)}</caption>" if len(extras.audit) > 1 else ""
        parts.append(f"<table class='audit'>{caption}<tbody>{rows}</tbody></table>")
    return "".join(parts)


# All runs


def _settings_diff(runs: Sequence[Run]) -> str:
    settings = [relevant_settings(run.settings) | _sources(run) for run in runs]
    _, different = _compare(settings)
    if not different:
        return "<p>None: all runs have the same settings, packs and folds.</p>"
    return block_html(_values_table("", runs, settings, different))


def _sources(run: Run) -> dict[str, str]:
    """What a run was made from beside its settings; files are given with the beginning of their hash."""
    folds = hashlib.sha256(repr([sorted(ids) for ids in run.folds.tests]).encode()).hexdigest()
    packs = zip(run.packs, run.pack_sha256, strict=True)
    return {
        "fused": " + ".join(run.members) or "-",
        "init": f"{run.init_name} {run.init_sha256[:8]}" if run.init else "-",
        "packs": ", ".join(f"{name} {digest[:8]}" for name, digest in packs),
        "apex": ", ".join(run.apexes),
        "jitter": ", ".join(map(str, run.jitters)),
        "alignment": ", ".join(run.alignments),
        "clips tested": folds[:8],
    }


def _environments(runs: Sequence[Run], extras: Sequence[RunExtras]) -> str:
    environments = [_flatten(one.environment) for one in extras]
    for one in environments:
        one.pop("started", None)  # of every run another; its own section says it
    common, different = _compare(environments)
    parts = []
    if common:
        parts.append(block_html(KeyValues(tuple((name, _value_text(value)) for name, value in common.items()))))
    if different:
        parts.append(block_html(_values_table("Different between runs", runs, environments, different)))
    without = [run.name for run, one in zip(runs, extras, strict=True) if not one.environment]
    if without:
        parts.append(f"<p>No env.json: {escape(', '.join(without))}.</p>")
    parts.append("<p>To print the command that reproduces a run: <code>mertool report --command RUN</code></p>")
    return "".join(parts)


def _flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name} {key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat


def _compare(values: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """What is equal in all, and the names of what is not."""
    names = list(dict.fromkeys(name for one in values for name in one))
    different = [name for name in names if any(one.get(name) != values[0].get(name) for one in values)]
    return {name: values[0][name] for name in names if name not in different}, different


def _values_table(title: str, runs: Sequence[Run], values: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    """One row per run, with those of its values that are named."""
    rows = [(run.name, *(_value_text(one.get(name)) for name in names)) for run, one in zip(runs, values, strict=True)]
    return Table(title, ("run", *names), tuple(rows), n_left=1 + len(names))


def _value_text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
