"""Reports as text to look for words in."""

from __future__ import annotations

import html
import re
import tempfile
from pathlib import Path

from mertool.report.formats import blocks_markdown
from mertool.report.sections import blocks_of
from tests.support.in_process import call


def render_markdown(runs):
    return blocks_markdown(blocks_of(runs))


def flat(text):
    return " ".join(text.split())


def page_source(folder, *words):
    """The page of some runs as it is written."""
    with tempfile.TemporaryDirectory() as out:
        call("report", *words, "--format", "html", "-o", out, cwd=folder)
        return (Path(out) / "report.html").read_text(encoding="utf-8")


def page_of(folder, *words):
    """The words of a page, without pictures and markup."""
    source = page_source(folder, *words)
    source = re.sub(r"<style>.*?</style>", "", source, flags=re.DOTALL)
    return flat(html.unescape(re.sub("<[^>]+>", " ", source)))
