"""One check of an audit, and its verdicts."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FAIL", "NOTE", "PASS", "SAME", "Check"]

PASS, NOTE, FAIL = "pass", "note", "fail"
SAME = 1e-3  # probabilities that differ by more are not the same network's, on whatever machine


class Check(NamedTuple):
    """One check: its name, `PASS`, `NOTE` or `FAIL`, and what was found."""

    name: str
    verdict: str
    detail: str
