"""The elements of a report's HTML page: blocks, the shaded confusion matrix, pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from .blocks import Block, ColourScale, Heading, KeyValues, Notes, Picture, Table, flat_header
from .sections import CONFUSION

__all__ = ["block_html", "blocks_html", "confusion_html", "details_html", "escape", "pictures_html", "scale_html"]

_WHITE_LETTERS_FROM = 0.8  # shade from which white letters are easier to read than dark ones on the light page


def escape(text: str) -> str:
    """Text that HTML shows unchanged, also in a quoted attribute."""
    return html.escape(text.encode("utf-8", "replace").decode(), quote=True)


def blocks_html(blocks: Sequence[Block]) -> str:
    """Blocks one after the other."""
    return "".join(map(block_html, blocks))


def block_html(block: Block) -> str:
    """One block."""
    if isinstance(block, Heading):
        return f"<h3>{escape(block.text)}</h3>"
    if isinstance(block, Notes):
        return "".join(f"<p>{escape(line)}</p>" for line in block.lines)
    if isinstance(block, KeyValues):
        rows = "".join(
            f"<tr><th scope='row'>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in block.rows
        )
        return f"<table class='facts'><tbody>{rows}</tbody></table>"
    return _table(block)


def _table(table: Table) -> str:
    sides = ["left"] * table.n_left + ["right"] * (len(table.header) - table.n_left)
    head = "".join(
        f"<th scope='col' class='{side}'>{escape(cell)}</th>"
        for cell, side in zip(flat_header(table), sides, strict=True)
    )
    rows = []
    for name, *values in table.rows:
        cells = "".join(f"<td class='{side}'>{escape(cell)}</td>" for cell, side in zip(values, sides[1:], strict=True))
        rows.append(f"<tr><th scope='row'>{escape(name)}</th>{cells}</tr>")
    caption = f"<caption>{escape(table.title)}</caption>" if table.title else ""
    return _scrolling(
        table.title or ", ".join(table.header),
        f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>",
    )


def details_html(summary: str, content: str) -> str:
    """Content that is folded away until the reader opens it."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def confusion_html(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    """The confusion matrix, each cell with its share of the row and shaded by it."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in classes)
    rows = []
    for name, counts in zip(classes, confusion, strict=True):
        total = sum(counts)
        cells = "".join(_shaded(count, total) for count in counts)
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}<td>{total}</td></tr>')
    return _scrolling(
        CONFUSION,
        f"<table class='heat'><caption>{escape(CONFUSION)}; counts and % of the row</caption>"
        f"<thead><tr><th scope='col'>truth</th>{head}<th scope='col'>all</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>",
    )


def _shaded(count: int, total: int) -> str:
    share = count / max(total, 1)
    ink = " class='dark'" if share > _WHITE_LETTERS_FROM else ""
    return f"<td{ink} style='background:rgb(28 100 170 / {share:.3f})'>{count}<small>{100 * share:.0f} %</small></td>"


def _scrolling(name: str, table: str) -> str:
    """A table that scrolls by itself where the page is narrower."""
    return f"<div class='wide' role='region' aria-label='{escape(name)}' tabindex='0'>{table}</div>"


def pictures_html(pictures: Sequence[Picture]) -> str:
    """Pictures with their captions; a caption alone where there is no picture."""
    figures = []
    for picture in pictures:
        caption, image = escape(picture.caption), ""
        if picture.data:
            image = f"<img src='{_data_url(picture.data)}' alt='{caption}'>"
        figures.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")
    return "".join(figures)


def scale_html(scale: ColourScale) -> str:
    """The bar of colours of all maps, between its values."""
    low, high = escape(scale.low), escape(scale.high)
    return (
        f"<figure class='scale'><div><b>{low}</b><img src='{_data_url(scale.data)}' alt='from {low} to {high}'>"
        f"<b>{high}</b></div><figcaption>One colour scale for all maps of this run: from their lowest to their "
        "highest value.</figcaption></figure>"
    )


def _data_url(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
