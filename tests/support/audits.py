"""What the audit of a run finds, and hashes made again as a forger would."""

from __future__ import annotations

import json

from mertool.files import file_sha256, write_json
from mertool.runs.audit import FAIL, audit_run
from mertool.runs.config import fingerprint


def findings(folder):
    """Verdict and detail of each check, by its name."""
    return {check.name: (check.verdict, check.detail) for check in audit_run(folder)}


def verdicts(folder):
    """The verdict of each check, by its name."""
    return {check.name: check.verdict for check in audit_run(folder)}


def faults(folder):
    """The names of the checks that fail."""
    return [check.name for check in audit_run(folder) if check.verdict == FAIL]


def sign_again(folder, fold=None, **facts):
    """What somebody would do who knows how the hashes are made.

    `facts` are values of done.json to change, in one fold or in all.
    """
    for part in sorted(folder.glob("fold_*")):
        done = json.loads((part / "done.json").read_text())
        done["sha256"] = {name: file_sha256(part / name) for name in done["sha256"]}
        done["run"] = fingerprint(folder)
        if fold is None or part.name == f"fold_{fold}":
            done |= facts
        write_json(part / "done.json", done)
