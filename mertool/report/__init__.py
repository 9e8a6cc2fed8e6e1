"""From finished runs to a report: the `render_` functions write what `mertool.runs.finished.load_run` reads."""

from __future__ import annotations

from .formats import (
    BLOCK_FORMATS,
    render_csv,
    render_json,
    render_megc,
    render_text,
)
from .html import Findings, Gallery, Picture, render_html
from .paper import fill_tables, paper_blocks, render_paper
from .sections import blocks_of as report_blocks

__all__ = [
    "BLOCK_FORMATS",
    "Findings",
    "Gallery",
    "Picture",
    "fill_tables",
    "paper_blocks",
    "render_csv",
    "render_html",
    "render_json",
    "render_megc",
    "render_paper",
    "render_text",
    "report_blocks",
]
