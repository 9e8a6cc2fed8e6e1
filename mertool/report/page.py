"""A report as one HTML file: tables, charts and pictures in it, no network, no script.

Charts are SVG drawn here; pictures come ready as bytes (`mertool.gallery`). The page is light or dark as its reader
prefers, light on paper, and no wider than a phone except inside its tables.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import Any

from ..metrics import hits_by_person
from .blocks import Block, Facts, Heading, Notes, Table
from .contents import CONFUSION, details_of, summary_of
from .run import Run

__all__ = ["Findings", "Gallery", "Picture", "render_html"]

_DASHES = ("━", "╍", "┅")  # a line's pattern, for those who do not tell its colour
_EVEN = 0.55  # shade from which on white letters read better than dark ones


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG or PNG file's bytes and the words below it."""

    data: bytes
    caption: str


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures of one run.

    Attributes:
        maps: Mean attention of each class, over the network's input and over a face.
        clips: Title -> clips with their frames.
        note: What the reader should know about them, or why there are none.
    """

    maps: tuple[Picture, ...]
    clips: tuple[tuple[str, tuple[Picture, ...]], ...]
    note: str


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
    sections.append(("environment", "Environment", _environments(runs, findings)))
    links = "".join(f'<li><a href="#{key}">{_text(name)}</a></li>' for key, name, _ in sections)
    body = "".join(f'<section id="{key}"><h2>{_text(name)}</h2>{content}</section>' for key, name, content in sections)
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{_text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header><h1>{_text(title)}</h1></header>\n<nav><ul>{links}</ul></nav>\n<main>{body}</main>\n"
        f"<footer>mertool {_text(runs[0].version)}</footer>\n</body>\n</html>\n"
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
    low, high = run.interval
    figures = [
        ("hits / N", f"{scores['hits']} / {scores['n']}", f"{scores['n_subjects']} people"),
        ("accuracy", f"{100 * scores['accuracy']:.1f} %", f"{100 * low:.1f} to {100 * high:.1f} %"),
        ("majority baseline", f"{100 * scores['majority']:.1f} %", f"always “{scores['majority_class']}”"),
        ("UF1", f"{scores['uf1']:.3f}", "{:.3f} to {:.3f}".format(*run.by_people["uf1"])),
        ("UAR", f"{scores['uar']:.3f}", "{:.3f} to {:.3f}".format(*run.by_people["uar"])),
    ]
    cells = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}<small>{_text(under)}</small></dd></div>"
        for name, value, under in figures
    )
    return f'<dl class="figures">{cells}</dl>'


def _confusion(run: Run) -> str:
    classes, counts = run.metrics["classes"], run.metrics["confusion"]
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in classes)
    rows = []
    for name, row in zip(classes, counts, strict=True):
        total = sum(row)
        cells = "".join(_shaded(str(count), count / total if total else 0.0) for count in row)
        rows.append(f'<tr><th scope="row">{_text(name)}</th>{cells}<td>{total}</td></tr>')
    return _wide(
        f"<table class='heat'><caption>{_text(CONFUSION)}; shaded by the share of the row</caption>"
        f"<thead><tr><th></th>{head}<th scope='col'>all</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _shaded(text: str, share: float) -> str:
    ink = " class='dark'" if share > _EVEN else ""
    return f"<td{ink} style='background:rgb(28 100 170 / {share:.3f})'>{_text(text)}</td>"


def _people(run: Run) -> str:
    """Accuracy of each person, lowest first, as bars."""
    people = sorted(hits_by_person(run.predictions).items(), key=lambda item: (item[1][0] / item[1][1], item[0]))
    rows = "".join(
        f"<li><span>{_text(name)}</span><i style='--share:{hits / n:.4f}'></i><b>{hits}/{n}</b></li>"
        for name, (hits, n) in people
    )
    none = sum(hits == 0 for _, (hits, _) in people)
    said = f"{none} of {len(people)} people without a single clip right." if none else ""
    return f"<h3>Per person</h3><p>Clips right of each person’s, fewest first. {said}</p><ol class='people'>{rows}</ol>"


def _curves(run: Run) -> str:
    logs = run.read_logs()
    if not logs:
        return "<h3>Learning curves</h3><p>No complete log.csv in every fold.</p>"
    branches = [("perception branch", ""), ("attention branch", "_attention")]
    losses = [(name, f"loss{key or '_perception'}") for name, key in branches]
    hits = [(name, f"accuracy{key}") for name, key in branches]
    inner = [("inner validation", "loss_validation")], [("inner validation (UF1)", "uf1_validation")]
    charts = [
        _chart("Loss", [*losses, *inner[0]], logs, None),
        _chart("Accuracy on training copies", [*hits, *inner[1]], logs, 1.0),
    ]
    copies = "All but inner validation is" if run.settings.select == "inner" else "All is"
    return (
        f"<h3>Learning curves</h3><p>Mean of {len(logs)} folds, and the range from the lowest to the highest fold. "
        f"{copies} of augmented training copies; test clips are not looked at.</p>"
        f"<div class='charts'>{''.join(charts)}</div>"
    )


def _chart(
    title: str, columns: Sequence[tuple[str, str]], logs: Sequence[Mapping[str, Sequence[float]]], top: float | None
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
    legend = []
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
        legend.append(f"<span class='s{number}'>{_DASHES[number]} {_text(name)} {means[-1]:.3g}</span>")
    label = _text(f"{title} over {epochs} epochs")
    return (
        f"<figure><figcaption>{_text(title)} <small>at the last epoch: {' '.join(legend)}</small></figcaption>"
        f"<svg viewBox='0 0 {width} {height}' role='img' aria-label='{label}'>{''.join(marks)}</svg></figure>"
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 x 10^k."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-6)))
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * 0.999)


def _forest(runs: Sequence[Run]) -> str:
    """Each run's pooled accuracy with its interval, and the majority baseline."""
    width, step, left, right = 640, 20, 8, 8
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
        low, high = run.interval
        accuracy, majority = run.metrics["accuracy"], run.metrics["majority"]
        marks.append(f"<text class='name' x='{left}' y='{y - 14}'>{_text(run.name)}</text>")
        marks.append(
            f"<line class='base' x1='{across(majority):.1f}' x2='{across(majority):.1f}' y1='{y - 9}' y2='{y + 9}'/>"
        )
        marks.append(f"<line class='line s0' x1='{across(low):.1f}' x2='{across(high):.1f}' y1='{y}' y2='{y}'/>")
        for value in run.over_seeds("accuracy")[1:]:
            marks.append(f"<circle class='seed' cx='{across(value):.1f}' cy='{y}' r='4'/>")
        marks.append(f"<circle class='dot s0' cx='{across(accuracy):.1f}' cy='{y}' r='5'/>")
    seeds = " Rings: other seeds." if any(run.repeats for run in runs) else ""
    return (
        "<figure class='forest'><figcaption>Pooled accuracy with its 95 % Wilson interval; upright bar: always "
        f"answering the most frequent class.{seeds} Overlapping intervals are no test; see the paired one below."
        f"</figcaption><svg viewBox='0 0 {width} {height}' role='img' aria-label='Accuracies with intervals'>"
        f"{''.join(marks)}</svg></figure>"
    )


def _gallery(gallery: Gallery) -> str:
    note = f"<p>{_text(gallery.note)}</p>" if gallery.note else ""
    parts = [note]
    if gallery.maps:
        parts = [f"<h3>Where the attention branch looks</h3>{note}<div class='maps'>{_pictures(gallery.maps)}</div>"]
    if gallery.clips:
        parts.append("<h3>The network’s surest and least sure answers</h3>")
    parts += [f"<h4>{_text(title)}</h4><div class='clips'>{_pictures(shown)}</div>" for title, shown in gallery.clips]
    return "".join(parts)


def _pictures(pictures: Sequence[Picture]) -> str:
    return "".join(
        f"<figure><img src='data:image/{_kind(p.data)};base64,{base64.b64encode(p.data).decode()}' "
        f"alt='{_text(p.caption)}'><figcaption>{_text(p.caption)}</figcaption></figure>"
        for p in pictures
    )


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
    settings = [run.settings.as_dict() | {"init": run.init or "-", "packs": ", ".join(run.packs)} for run in runs]
    _, apart = _compare(settings)
    if not apart:
        return "<p>None: all runs have the same settings.</p>"
    rows = [(run.name, *(_word(values[name]) for name in apart)) for run, values in zip(runs, settings, strict=True)]
    return _block(Table("", ("run", *apart), tuple(rows), n_left=1 + len(apart)))


def _environments(runs: Sequence[Run], findings: Sequence[Findings]) -> str:
    environments = [_flat(found.environment) for found in findings]
    common, apart = _compare(environments)
    parts = [_block(Facts(tuple((name, _word(value)) for name, value in common.items())))] if common else []
    if apart:
        rows = [(run.name, *(_word(e.get(name)) for name in apart)) for run, e in zip(runs, environments, strict=True)]
        parts.append(_block(Table("Differing between runs", ("run", *apart), tuple(rows), n_left=1 + len(apart))))
    commands = [f"mertool report --command {run.name}" for run in runs]
    parts.append(f"<p>What makes a run again: <code>{_text(commands[0])}</code></p>")
    return "".join(parts) or "<p>No env.json.</p>"


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
    rows = "".join(
        f"<tr>{''.join(f'<td class={side!r}>{_text(cell)}</td>' for cell, side in zip(row, sides, strict=True))}</tr>"
        for row in block.rows
    )
    caption = f"<caption>{_text(block.title)}</caption>" if block.title else ""
    return _wide(f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")


def _wide(table: str) -> str:
    """A table that scrolls by itself where the page is narrower."""
    return f"<div class='wide' tabindex='0'>{table}</div>"


def _text(text: str) -> str:
    return html.escape(text.encode("utf-8", "replace").decode(), quote=True)
