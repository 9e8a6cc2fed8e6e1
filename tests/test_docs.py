"""Documentation: what the code cites is there, links lead somewhere, and nothing points outside the repository."""

from __future__ import annotations

import re

import pytest

from tests.support.command import ROOT

PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
SOURCES = sorted(
    path
    for folder in ("mertool", "csrc", "tests", "examples")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".hpp", ".cpp", ".sh", ".pyi") and path.name != "test_docs.py"
)
CITATION = re.compile(r"(docs/\w+\.md), sections? ([\d.]+(?: \([a-z]\))?(?:(?:, | and )[\d.]+)*)")


def headings(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    return set(re.findall(r"^#+ ([\d.]+?)\.? ", text, re.M))


def citations():
    for path in SOURCES:
        text = re.sub(r"\s*\n\s*#?\s*", " ", path.read_text(encoding="utf-8"))
        for page, numbers in CITATION.findall(text):
            for number in re.findall(r"\d+(?:\.\d+)*", numbers):
                yield path.relative_to(ROOT).as_posix(), page, number


def test_every_section_that_the_code_cites_is_there():
    found = list(citations())
    assert len(found) > 30
    missing = [(path, page, number) for path, page, number in found if number not in headings(page)]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_are_named_are_there(page):
    """Files of the package, its tests and examples, as `mertool/pack.py`."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(
        r"`((?:mertool|csrc|tests|examples|docs)/[\w./-]+\.(?:py|hpp|cpp|md|sh|json|css|pyi|jpg))`", text
    ):
        assert (ROOT / name).exists(), name


def test_nothing_points_outside_the_repository():
    for path in [*PAGES, *SOURCES]:
        text = path.read_text(encoding="utf-8")
        assert "../shared" not in text, path
        assert not re.search(r"(?<!docs/)\breference/\w+\.md", text), path


def test_the_front_door_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 160
