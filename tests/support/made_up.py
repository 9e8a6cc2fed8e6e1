"""Layouts of made-up recordings, as planned and as written."""

from __future__ import annotations

from recordings import plan_layout


def planned(layout, subjects=3, clips=4, length=(8, 12), seed=3):
    return plan_layout(layout, subjects, clips, length, seed)


def contents(folder):
    """The bytes of every file below a folder, by path."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
