"""The commands called in this process: in tenths of a second per fold where the installed command takes seconds."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click
from click.testing import CliRunner

from mertool.cli.main import main
from mertool.runs import execute
from mertool.settings import Settings

CV_OPTIONS = {parameter.name: parameter for parameter in main.commands["cv"].params}


def in_this_process(monkeypatch):
    """Let `cv` and `train` work on their folds in this process, one after the other."""

    def run_each(function, arguments, jobs, tick):
        for words in arguments:
            function(*words)
            tick()

    monkeypatch.setattr(execute, "run_each", run_each)


def _invoke(words, cwd):
    """Call a command in this process in a folder; a failure that is no exit is raised."""
    before = Path.cwd()
    os.chdir(cwd)
    try:
        done = CliRunner().invoke(main, [str(word) for word in words])
    finally:
        os.chdir(before)
    failure = done.exception
    if failure is not None and not isinstance(failure, SystemExit):
        raise failure
    return done


def call(*words, cwd, code=0):
    """Call a command in this process; gives its result."""
    done = _invoke(words, cwd)
    assert done.exit_code == code, f"{shlex.join(map(str, words))}: {done.exit_code}: {done.output}"
    return done


def refusal(*words, cwd, code):
    """The one line with which a command refuses."""
    done = call(*words, cwd=cwd, code=code)
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("mertool: ", "Usage: ", "Try ", "\n"))]
    (line,) = filter(None, lines)
    return line


def words_of(field):
    """Every way to ask for a setting, also for its usual value."""
    ways: list[tuple[str, ...]] = []
    for option in main.commands["cv"].params:
        if option.name != field:
            continue
        assert isinstance(option, click.Option)
        if option.is_flag:
            ways += [(name,) for name in (*option.opts, *option.secondary_opts)]
        elif hasattr(option.type, "choices"):
            ways += [(option.opts[0], choice) for choice in option.type.choices if choice != "auto"]
        else:
            usual = getattr(Settings(), field)
            ways.append((option.opts[0], "1" if usual == "auto" else str(usual)))
    assert ways, field
    return ways


def answer(*words, cwd):
    """What a command says of something damaged; a failure is one line, never a traceback."""
    done = _invoke(words, cwd)
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert done.exit_code in (0, 1, 2), done.output
    assert len(lines) == bool(done.exit_code) or "--audit" in words
    assert all(len(line) <= 507 for line in lines)
    return done


def other_words_for(field):
    """Words that ask for another value of a setting than the usual one."""
    option, usual = CV_OPTIONS[field], getattr(Settings(), field)
    if field in ("radii", "grid", "n_features", "cost"):
        return (option.opts[0], {"radii": "2,1,1", "grid": "1,2,1", "n_features": "12", "cost": "5"}[field])
    if isinstance(usual, bool):
        return (option.secondary_opts[0] if usual else option.opts[0],)
    if hasattr(option.type, "choices"):
        return (option.opts[0], next(c for c in option.type.choices if c not in (str(usual), "auto")))
    return (option.opts[0], str(usual + 1 if isinstance(usual, int) else usual / 2))
