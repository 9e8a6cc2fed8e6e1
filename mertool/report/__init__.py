"""From run folders to a report: `load_run` reads and scores, the `render_` functions write."""

from __future__ import annotations

from .formats import render_csv, render_json, render_latex, render_markdown, render_megc, render_text
from .run import Run, find_newest_run, load_run

__all__ = [
    "Run",
    "find_newest_run",
    "load_run",
    "render_csv",
    "render_json",
    "render_latex",
    "render_markdown",
    "render_megc",
    "render_text",
]
