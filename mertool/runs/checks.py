"""One check of an audit, and its verdicts."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["FAIL", "NOTE", "PASS", "Check"]

Verdict = Literal["pass", "note", "fail"]
PASS: Verdict = "pass"
NOTE: Verdict = "note"
FAIL: Verdict = "fail"


class Check(NamedTuple):
    """One check: its name, `PASS`, `NOTE` or `FAIL`, and what was found."""

    name: str
    verdict: Verdict
    detail: str
