"""One check of an audit, its verdicts, and the note that ends every audit."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ..text import one_line

__all__ = ["BEYOND", "FAIL", "NOTE", "PASS", "Check", "check_line"]

Verdict = Literal["pass", "note", "fail"]
PASS: Verdict = "pass"
NOTE: Verdict = "note"
FAIL: Verdict = "fail"


class Check(NamedTuple):
    """One check: its name, `PASS`, `NOTE` or `FAIL`, and what was found."""

    name: str
    verdict: Verdict
    detail: str


def check_line(check: Check) -> str:
    """A check as a line of a list: verdict, name, what was found."""
    return f"  {check.verdict}  {check.name:15}  {one_line(check.detail)}"


BEYOND = Check(
    "beyond this audit",
    NOTE,
    "only training again can show weights that were trained on test clips and their list edited, the best of many "
    "seeds, or a pack with other labels and every hash redone",
)
