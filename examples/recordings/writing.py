"""A plan becomes a folder: rendered by worker processes, or with empty frames for tests of readers."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import click
import cv2

from mertool.workers import worker_pool

from .conditions import DEFAULT, Conditions
from .layouts import TITLES
from .movement import action_units, render
from .plan import Plan, Recording
from .subjects import Subject

LINKS = 30000  # to one file; ext4 allows 65000, others fewer


def write_empty(plan: Plan, out: Path) -> None:
    """Write a plan with empty files as frames: tables, junk and README.txt are those of the rendered folder.

    Args:
        plan: From `plan_layout`.
        out: A folder; made where missing.
    """
    base, links, folders = None, 0, set()
    for recording in plan.recordings:
        for name in recording.paths:
            path = out / name
            if path.parent not in folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                folders.add(path.parent)
            if base is None or links == LINKS:
                path.touch()
                base, links = path, 0
            else:
                os.link(base, path)
                links += 1
    write_rest(plan, out, [action_units(recording) for recording in plan.recordings])


def write_rendered(
    plan: Plan, out: Path, subjects: Sequence[Subject], jobs: int, conditions: Conditions = DEFAULT
) -> None:
    """Write a plan with rendered frames, `jobs` recordings at once.

    Args:
        plan: From `plan_layout`.
        out: A folder; made where missing.
        subjects: One for each of the plan's.
        jobs: Worker processes.
        conditions: How hard the recordings are.
    """
    units = []
    total = len(plan.recordings)
    with worker_pool(min(jobs, total), _start, (subjects, out, conditions)) as pool:
        for done, text in enumerate(pool.map(_make, plan.recordings), 1):
            units.append(text)
            if sys.stderr.isatty() or done == total:
                click.echo(f"\r{done} of {total} recordings", err=True, nl=done == total)
    write_rest(plan, out, units, [subject.portrait for subject in subjects], conditions)


def write_rest(
    plan: Plan,
    out: Path,
    units: Sequence[Sequence[str]],
    portraits: Sequence[str] | None = None,
    conditions: Conditions = DEFAULT,
) -> None:
    """Write all but the frames; the tables last: a folder without them is cut off."""
    for name, content in plan.junk.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (out / "README.txt").write_text(
        readme(plan, portraits or ["none"] * len(plan.subjects), conditions), encoding="utf-8"
    )
    plan.tables(out, units)


def readme(plan: Plan, portraits: Sequence[str], conditions: Conditions) -> str:
    """What these recordings are, what is odd about them, and from which portrait each subject comes."""
    width = max(7, *(len(name) for name in plan.subjects))
    count = f"{len(plan.recordings)} recordings of {len(plan.subjects)} subjects in the layout of {TITLES[plan.layout]}"
    about = (
        f"{count}, made by mertool's examples/make_recordings.py (seed {plan.recordings[0].seed[0]}) from still "
        f"portraits: smooth displacement fields move the skin as action units do, usually by {conditions.strength:g} "
        "pixels at an inter-ocular distance of 100, macro-expressions four times as far. Meanwhile the head drifts by "
        f"up to {conditions.sway:g} such pixels, turns by up to {conditions.roll:g} degrees in the picture plane and "
        f"{conditions.yaw:g} in depth; brightness changes by up to {conditions.light:g} %, a blink falls into "
        f"{conditions.blinks:.0%} of the recordings, and noise has a standard deviation of about {conditions.noise:g} "
        "grey levels. Nobody shown felt or showed these expressions, and no "
        "row of the tables is a real one. Good for trying commands and methods; results on them say nothing about real "
        "recordings. The portraits keep their own licences."
    )
    lines = [
        "MADE-UP RECORDINGS",
        "",
        *textwrap.wrap(about, 110, break_on_hyphens=False),
        "",
        "Oddities, planted because real folders have them:",
        *(f"- {line}" for line in plan.oddities),
        "",
        f"{'subject':<{width}}  portrait",
        *(f"{name:<{width}}  {portrait}" for name, portrait in zip(plan.subjects, portraits, strict=True)),
    ]
    return "\n".join(lines) + "\n"


# Worker processes: the subjects travel once

_subjects: Sequence[Subject]
_out: Path
_conditions: Conditions


def _start(subjects: Sequence[Subject], out: Path, conditions: Conditions) -> None:
    global _subjects, _out, _conditions
    cv2.setNumThreads(1)
    _subjects, _out, _conditions = subjects, out, conditions


def _make(recording: Recording) -> list[str]:
    return render(_subjects[recording.subject], recording, _out, _conditions)
