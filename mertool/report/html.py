"""A report as one HTML file: tables, charts and pictures in it, no network, no script.

Charts are SVG drawn here; pictures come ready as bytes (`mertool.report.figures`). The page is light or dark as its
reader prefers, light on paper, and no wider than a phone except inside its tables.
"""

from __future__ import annotations

import base64
import hashlib
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import Any

from .. import __version__
from ..evaluation.metrics import hits_by_subject
from ..evaluation.statistics import spread
from ..runs.finished import Run
from ..runs.methods import method_of
from ..runs.methods.options import relevant_settings
from .blocks import Block, Facts, Heading, Notes, Table
from .sections import CONFUSION, details_of, summary_of

__all__ = ["Findings", "Gallery", "Picture", "render_html"]

_DASHES = ("━", "╍", "┅")  # a line's pattern, for those who do not tell its colour
_LONGEST = 60  # letters of a run's name that fit into the chart, also on a phone
_EVEN = 0.8  # shade from which on white letters read better than dark ones on the light page
_TERMS = (
    ("UF1", "unweighted mean of the classes' F1, over the predictions of all folds together (MEGC2019)"),
    ("UAR", "unweighted mean of the classes' recall, over the same"),
    ("Wilson", "interval of a share that takes clips as independent; clips of one person are not quite"),
    ("over people", "interval from resampling people with all their clips (bootstrap, 2000 times)"),
    ("McNemar, Holm", "exact test of two runs clip by clip; its p corrected for the number of comparisons"),
    ("attention", "each clip's map is by the network that did not see it; a class's mean mixes the folds' networks"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG or PNG file's bytes, or none, and the words below it."""

    data: bytes
    caption: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures of one run.

    Attributes:
        maps: Mean attention of each class, over the network's input and over a face.
        clips: Title -> clips with their frames.
        note: What the reader should know about them, or why there are none.
        selected: Of texture features where the selected ones lie, a picture a plane.
    """

    maps: tuple[Picture, ...]
    clips: tuple[tuple[str, tuple[Picture, ...]], ...]
    note: str
    selected: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """What a page shows of a run beside its numbers.

    Attributes:
        audit: (place, checks): the run itself and its repeats, with (name, "pass", "note" or "fail", detail) a check.
        environment: env.json of the run; empty where it is gone.
        gallery: Its pictures.
    """

    audit: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]
    environment: Mapping[str, Any]
    gallery: Gallery


def render_html(runs: Sequence[Run], findings: Sequence[Findings], first: Sequence[Block] = ()) -> str:
    """The whole page.

    Args:
        runs: One or more.
        findings: Of each run.
        first: Blocks to begin with, such as the paper's tables; a heading is the first of them.
    """
    names = [run.name for run in runs]
    failed = [
        f"{place}: {name}: {detail}"
        for found in findings
        for place, checks in found.audit
        for name, verdict, detail in checks
        if verdict == "fail"
    ]
    alarm = "".join(f"<p class='alarm'><b class='fail'>Audit failed</b> {_text(line)}</p>" for line in failed)
    title = f"mertool report: {names[0]}" if len(runs) == 1 else f"mertool report: {len(runs)} runs"
    sections = [("tables", first[0].text, _blocks(first[1:]))] if first and isinstance(first[0], Heading) else []
    if len(runs) > 1:
        sections += [
            ("summary", "Summary", _forest(runs) + _blocks(summary_of(runs)[1:])),
            ("settings", "Settings that differ", _settings_diff(runs)),
        ]
    sections += [
        (f"run-{k}", run.name, _run(run, found)) for k, (run, found) in enumerate(zip(runs, findings, strict=True))
    ]
    networks = any(method_of(run.settings).has_network for run in runs)
    terms = _TERMS if networks else _TERMS[:-1]  # without the one of attention
    sections += [
        ("environment", "Environment", _environments(runs, findings)),
        ("terms", "Terms", _block(Facts(terms))),
    ]
    links = "".join(f'<li><a href="#{key}">{_text(name)}</a></li>' for key, name, _ in sections)
    body = "".join(f'<section id="{key}"><h2>{_text(name)}</h2>{content}</section>' for key, name, content in sections)
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{_text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header><h1>{_text(title)}</h1>{alarm}</header>\n<nav><ul>{links}</ul></nav>\n<main>{body}</main>\n"
        f"<footer>mertool {__version__}</footer>\n</body>\n</html>\n"
    )


def _run(run: Run, found: Findings) -> str:
    parts = [_key_figures(run)]
    for tables, blocks in groupby(details_of(run)[1:], lambda block: isinstance(block, Table)):
        shown = "".join(
            _confusion(run) if isinstance(block, Table) and block.title == CONFUSION else _block(block)
            for block in blocks
        )
        parts.append(f"<div class='side'>{shown}</div>" if tables else shown)
    parts += [_people(run), _curves(run), _gallery(found.gallery), _audits(found)]
    return "".join(parts)


def _key_figures(run: Run) -> str:
    scores = run.metrics
    low, high = run.wilson_ci
    figures = [
        ("hits / N", f"{scores['hits']} / {scores['n']}", f"{scores['n_subjects']} people"),
        ("accuracy", f"{100 * scores['accuracy']:.1f} %", f"{100 * low:.1f} to {100 * high:.1f} % (Wilson)"),
        ("majority baseline", f"{100 * scores['majority']:.1f} %", f"always “{scores['majority_class']}”"),
        ("UF1", f"{scores['uf1']:.3f}", _over_people(run, "uf1")),
        ("UAR", f"{scores['uar']:.3f}", _over_people(run, "uar")),
    ]
    if run.repeats:
        mean, sd, _, _ = spread(run.over_seeds("accuracy"))
        seeds = f"sd {100 * sd:.1f}, the rest is of the first"
        figures.insert(2, (f"mean of {len(run.repeats) + 1} seeds", f"{100 * mean:.1f} %", seeds))
    cells = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}<small>{_text(under)}</small></dd></div>"
        for name, value, under in figures
    )
    return f'<dl class="figures">{cells}</dl>'


def _over_people(run: Run, score: str) -> str:
    if run.metrics["n_subjects"] < 2:
        return "no interval from one subject"
    low, high = run.bootstrap_ci[score]
    return f"{low:.3f} to {high:.3f} (over people)"


def _confusion(run: Run) -> str:
    classes, counts = run.metrics["classes"], run.metrics["confusion"]
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in classes)
    rows = []
    for name, row in zip(classes, counts, strict=True):
        total = sum(row)
        cells = "".join(_shaded(str(count), count / total if total else 0.0) for count in row)
        rows.append(f'<tr><th scope="row">{_text(name)}</th>{cells}<td>{total}</td></tr>')
    return _wide(
        CONFUSION,
        f"<table class='heat'><caption>{_text(CONFUSION)}; shaded by the share of the row</caption>"
        f"<thead><tr><th scope='col'>truth</th>{head}<th scope='col'>all</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>",
    )


def _shaded(text: str, share: float) -> str:
    ink = " class='dark'" if share > _EVEN else ""
    return f"<td{ink} style='background:rgb(28 100 170 / {share:.3f})'>{_text(text)}</td>"


def _people(run: Run) -> str:
    """Accuracy of each person, lowest first, as bars."""
    people = sorted(hits_by_subject(run.predictions).items(), key=lambda item: (item[1][0] / item[1][1], item[0]))
    rows = "".join(
        f"<li><span>{_text(name)}</span><i style='--share:{hits / n:.4f}'></i><b>{hits}/{n}</b></li>"
        for name, (hits, n) in people
    )
    none = sum(hits == 0 for _, (hits, _) in people)
    said = f"{none} of {len(people)} people without a single clip right." if none else ""
    said = f"Clips right of each person’s, lowest share first. {said}"
    return f"<h3>Per person</h3><p>{said}</p><ol class='people'>{rows}</ol>"


def _curves(run: Run) -> str:
    if not method_of(run.settings).has_network:
        return ""
    logs = run.read_logs()
    if not logs:
        return "<h3>Learning curves</h3><p>No complete log.csv in every fold.</p>"
    chosen = run.epochs if run.settings.epoch_selection == "inner" else ()
    branches = [("perception branch", ""), ("attention branch", "_attention")]
    losses = [(name, f"loss{key or '_perception'}") for name, key in branches]
    hits = [(name, f"accuracy{key}") for name, key in branches]
    inner = [("inner validation", "loss_validation")], [("inner validation (UF1)", "uf1_validation")]
    of_inner = " and UF1 on the inner part" if chosen else ""
    charts = [
        _chart("Loss", [*losses, *inner[0]], logs, None, chosen),
        _chart(
            f"Accuracy on training copies{of_inner}",
            [*hits, *inner[1]],
            logs,
            1.0,
            chosen,
        ),
    ]
    marked = " Triangles mark the epoch that each fold chose." if chosen else ""
    copies = "All but inner validation is" if run.settings.epoch_selection == "inner" else "All is"
    return (
        f"<h3>Learning curves</h3><p>Mean of {len(logs)} folds, and the range from the lowest to the highest fold. "
        f"{copies} of augmented training copies; test clips are not looked at.{marked}</p>"
        f"<div class='charts'>{''.join(charts)}</div>"
    )


def _chart(
    title: str,
    columns: Sequence[tuple[str, str]],
    logs: Sequence[Mapping[str, Sequence[float]]],
    top: float | None,
    chosen: Sequence[int],
) -> str:
    """Lines over epochs with a band over folds, of the columns that all folds have."""
    width, height, left, bottom, right, above = 520, 260, 46, 34, 12, 10
    series = [(name, [log[column] for log in logs]) for name, column in columns if all(log.get(column) for log in logs)]
    epochs = min(len(values) for _, folds in series for values in folds)
    highest = top or _round_up(max(max(values) for _, folds in series for values in folds))

    def place(epoch: int, value: float) -> str:
        across = left + (width - left - right) * (epoch / (epochs - 1) if epochs > 1 else 0.5)
        return f"{across:.1f},{height - bottom - (height - bottom - above) * min(value, highest) / highest:.1f}"

    marks = []
    for k in range(5):
        value = highest * k / 4
        _, _, y = place(0, value).partition(",")
        marks.append(f"<line class='grid' x1='{left}' x2='{width - right}' y1='{y}' y2='{y}'/>")
        marks.append(f"<text x='{left - 6}' y='{y}' text-anchor='end' dominant-baseline='middle'>{value:.3g}</text>")
    for epoch in sorted({0, epochs // 2, epochs - 1}):
        x, _, _ = place(epoch, 0).partition(",")
        marks.append(f"<text x='{x}' y='{height - bottom + 16}' text-anchor='middle'>{epoch + 1}</text>")
    marks.append(f"<text x='{(left + width) / 2}' y='{height - 2}' text-anchor='middle'>epoch</text>")
    legend, said = [], []
    for number, (name, folds) in enumerate(series):
        lows = [min(values[e] for values in folds) for e in range(epochs)]
        highs = [max(values[e] for values in folds) for e in range(epochs)]
        means = [math.fsum(values[e] for values in folds) / len(folds) for e in range(epochs)]
        band = " ".join(
            [place(e, v) for e, v in enumerate(highs)] + [place(e, lows[e]) for e in reversed(range(epochs))]
        )
        line = " ".join(place(e, v) for e, v in enumerate(means))
        marks.append(f"<polygon class='band s{number}' points='{band}'/>")
        marks.append(f"<polyline class='line s{number}' points='{line}'/>")
        if epochs == 1:
            x, _, y = place(0, means[0]).partition(",")
            marks.append(f"<circle class='dot s{number}' cx='{x}' cy='{y}' r='4'/>")
        said.append(f"{name} {means[-1]:.3g}")
        legend.append(f"<span class='s{number}'>{_DASHES[number]} {_text(name)} {means[-1]:.3g}</span>")
    for epoch in chosen:
        tip, foot = float(place(min(epoch, epochs) - 1, 0).partition(",")[0]), height - bottom
        corners = f"{tip:.1f},{foot - 9} {tip - 4:.1f},{foot} {tip + 4:.1f},{foot}"
        marks.append(f"<polygon class='chosen' points='{corners}'/>")
    label = _text(f"{title} over {epochs} epochs; at the last {', '.join(said)}")
    return (
        f"<figure><figcaption>{_text(title)} <small>at the last epoch: {' '.join(legend)}</small></figcaption>"
        f"<svg viewBox='0 0 {width} {height}' role='img' aria-label='{label}'>{''.join(marks)}</svg></figure>"
    )


def _round_up(value: float) -> float:
    """The next round number: 1, 2, 3, 4, 5, 6, 8 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-6)))
    return next((step * power for step in (1, 2, 3, 4, 5, 6, 8) if step * power >= value), 10 * power)


def _forest(runs: Sequence[Run]) -> str:
    """Each run's pooled accuracy with its interval, and the majority baseline."""
    width, step, left, right = 640, 20, 8, 8
    said = []
    height = step * 2 * len(runs) + 24

    def across(share: float) -> float:
        return left + (width - left - right) * share

    marks = []
    for k in range(0, 101, 20):
        x = across(k / 100)
        marks.append(f"<line class='grid' x1='{x:.1f}' x2='{x:.1f}' y1='0' y2='{height - 20}'/>")
        anchor = {0: "start", 100: "end"}.get(k, "middle")
        marks.append(f"<text x='{x:.1f}' y='{height - 4}' text-anchor='{anchor}'>{k} %</text>")
    for row, run in enumerate(runs):
        y = step * (2 * row + 1) + 8
        low, high = run.wilson_ci
        accuracy, majority = run.metrics["accuracy"], run.metrics["majority"]
        name = run.name if len(run.name) <= _LONGEST else f"…{run.name[1 - _LONGEST :]}"
        marks.append(f"<text class='name' x='{left}' y='{y - 14}'>{_text(name)}</text>")
        marks.append(
            f"<line class='base' x1='{across(majority):.1f}' x2='{across(majority):.1f}' y1='{y - 9}' y2='{y + 9}'/>"
        )
        marks.append(f"<line class='line s0' x1='{across(low):.1f}' x2='{across(high):.1f}' y1='{y}' y2='{y}'/>")
        for value in run.over_seeds("accuracy")[1:]:
            marks.append(f"<circle class='seed' cx='{across(value):.1f}' cy='{y}' r='4'/>")
        marks.append(f"<circle class='dot s0' cx='{across(accuracy):.1f}' cy='{y}' r='5'/>")
        said.append(f"{run.name} {100 * accuracy:.1f} % ({100 * low:.1f} to {100 * high:.1f})")
    label = _text("; ".join(said))
    seeds = " Rings: other seeds." if any(run.repeats for run in runs) else ""
    return (
        "<figure class='forest'><figcaption>Pooled accuracy with its 95 % Wilson interval; upright bar: always "
        f"answering the most frequent class.{seeds} Overlapping intervals are no test; see the paired one below."
        f"</figcaption><svg viewBox='0 0 {width} {height}' role='img' aria-label='{label}'>"
        f"{''.join(marks)}</svg></figure>"
    )


def _gallery(gallery: Gallery) -> str:
    note = f"<p>{_text(gallery.note)}</p>" if gallery.note else ""
    parts = [note]
    if gallery.maps:
        parts = [f"<h3>Where the attention branch looks</h3>{note}<div class='maps'>{_pictures(gallery.maps)}</div>"]
    if gallery.selected:
        pictures = _pictures(gallery.selected)
        parts = [f"<h3>Where the selected features lie</h3>{note}<div class='maps'>{pictures}</div>"]
    if gallery.clips:
        parts.append("<h3>The surest and the least sure answers</h3>")
    parts += [f"<h4>{_text(title)}</h4><div class='clips'>{_pictures(shown)}</div>" for title, shown in gallery.clips]
    return "".join(parts)


def _pictures(pictures: Sequence[Picture]) -> str:
    shown = []
    for picture in pictures:
        words = _text(picture.caption)
        data = base64.b64encode(picture.data).decode()
        image = f"<img src='data:image/{_kind(picture.data)};base64,{data}' alt='{words}'>" if data else ""
        shown.append(f"<figure>{image}<figcaption>{words}</figcaption></figure>")
    return "".join(shown)


def _kind(data: bytes) -> str:
    return "png" if data.startswith(b"\x89PNG") else "jpeg"


def _audits(found: Findings) -> str:
    parts = ["<h3>Audit</h3>"]
    for place, checks in found.audit:
        rows = "".join(
            f"<tr><td><span class='{verdict}'>{verdict}</span></td><td>{_text(name)}</td><td>{_text(detail)}</td></tr>"
            for name, verdict, detail in checks
        )
        caption = f"<caption>{_text(place)}</caption>" if len(found.audit) > 1 else ""
        parts.append(f"<table class='audit'>{caption}<tbody>{rows}</tbody></table>")
    return "".join(parts)


def _settings_diff(runs: Sequence[Run]) -> str:
    settings = [relevant_settings(run.settings) | _sources(run) for run in runs]
    _, apart = _compare(settings)
    if not apart:
        return "<p>None: all runs have the same settings, packs and folds.</p>"
    rows = [
        (run.name, *(_word(values.get(name)) for name in apart)) for run, values in zip(runs, settings, strict=True)
    ]
    return _block(Table("", ("run", *apart), tuple(rows), n_left=1 + len(apart)))


def _sources(run: Run) -> dict[str, str]:
    """What a run was made from beside its settings; of files the beginning of their hash."""
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


def _environments(runs: Sequence[Run], findings: Sequence[Findings]) -> str:
    environments = [_flat(found.environment) for found in findings]
    common, apart = _compare(environments)
    parts = [_block(Facts(tuple((name, _word(value)) for name, value in common.items())))] if common else []
    if apart:
        rows = [(run.name, *(_word(e.get(name)) for name in apart)) for run, e in zip(runs, environments, strict=True)]
        parts.append(_block(Table("Differing between runs", ("run", *apart), tuple(rows), n_left=1 + len(apart))))
    without = [run.name for run, found in zip(runs, findings, strict=True) if not found.environment]
    if without:
        parts.append(f"<p>No env.json: {_text(', '.join(without))}.</p>")
    parts.append("<p>What makes a run again: <code>mertool report --command RUN</code></p>")
    return "".join(parts)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= {f"{name} {k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _compare(values: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """What is equal in all, and the names of what is not."""
    names = list(dict.fromkeys(name for one in values for name in one))
    apart = [name for name in names if any(one.get(name) != values[0].get(name) for one in values)]
    return {name: values[0][name] for name in names if name not in apart}, apart


def _word(value: object) -> str:
    if value is None:
        return "-"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _blocks(blocks: Sequence[Block]) -> str:
    return "".join(map(_block, blocks))


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h3>{_text(block.text)}</h3>"
    if isinstance(block, Notes):
        return "".join(f"<p>{_text(line)}</p>" for line in block.lines)
    if isinstance(block, Facts):
        rows = "".join(
            f"<tr><th scope='row'>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in block.rows
        )
        return f"<table class='facts'><tbody>{rows}</tbody></table>"
    sides = ["left" if k < block.n_left else "right" for k in range(len(block.header))]
    head = "".join(
        f"<th scope='col' class='{side}'>{_text(cell)}</th>" for cell, side in zip(block.header, sides, strict=True)
    )
    lines = []
    for row in block.rows:
        cells = "".join(f"<td class={side!r}>{_text(cell)}</td>" for cell, side in zip(row[1:], sides[1:], strict=True))
        lines.append(f"<tr><th scope='row'>{_text(row[0])}</th>{cells}</tr>")
    caption = f"<caption>{_text(block.title)}</caption>" if block.title else ""
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return _wide(block.title or ", ".join(block.header), table)


def _wide(name: str, table: str) -> str:
    """A table that scrolls by itself where the page is narrower."""
    return f"<div class='wide' role='region' aria-label='{_text(name)}' tabindex='0'>{table}</div>"


def _text(text: str) -> str:
    return html.escape(text.encode("utf-8", "replace").decode(), quote=True)
