"""From run folders to a report: `load_run` reads and scores, the `render_` functions write."""

from __future__ import annotations

from ..runs.finished import Run, find_newest_run, load_run
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
    "Run",
    "fill_tables",
    "find_newest_run",
    "load_run",
    "paper_blocks",
    "render_csv",
    "render_html",
    "render_json",
    "render_megc",
    "render_paper",
    "render_text",
    "report_blocks",
]
