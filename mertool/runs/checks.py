"""One check of an audit, its verdicts, and the note that ends every audit."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["BEYOND", "FAIL", "NOTE", "PASS", "Check"]

Verdict = Literal["pass", "note", "fail"]
PASS: Verdict = "pass"
NOTE: Verdict = "note"
FAIL: Verdict = "fail"


class Check(NamedTuple):
    """One check: its name, `PASS`, `NOTE` or `FAIL`, and what was found."""

    name: str
    verdict: Verdict
    detail: str


BEYOND = Check(
    "beyond this audit",
    NOTE,
    "only training again can show weights that were trained on test clips and their list edited, the best of many "
    "seeds, or a pack with other labels and every hash redone",
)
