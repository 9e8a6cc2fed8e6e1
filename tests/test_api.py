"""The Python interface: its examples run, and importing it costs nothing until it is used."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

import mertool
from mertool import api
from mertool.errors import MertoolError
from tests.support.command import ROOT

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.S)


def executed(code, cwd):
    """What a script prints; below the guard that processes started fresh need."""
    (cwd / "script.py").write_text(
        'if __name__ == "__main__":\n' + "".join(f"    {line}\n" for line in code.splitlines()), encoding="utf-8"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=cwd, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_a_folder_to_a_table(recordings, tmp_path):
    shutil.copytree(recordings, tmp_path / "SAMM")
    printed = executed(EXAMPLES[0], tmp_path)
    assert "26 clips; 0 left out" in printed
    assert re.search(r"^\d+ of 24 UF1 0\.\d+$", printed, re.M)
    assert re.search(r"^\(24, \d+, \d+\) float32$", printed, re.M)
    assert "24 of 26 clips were used to train run" in printed


def test_your_own_predictions(tmp_path):
    assert executed(EXAMPLES[1], tmp_path) == "3 4 0.6 0.6667\n"


def test_errors_of_a_run_are_told_apart(tmp_path):
    assert executed(EXAMPLES[2], tmp_path) == "no such run\n"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{")
    assert executed(EXAMPLES[2], tmp_path).startswith("not finished or damaged: run/config.json: not a JSON file")


def test_every_name_is_there_and_documented():
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    for name in mertool.__all__:
        assert getattr(mertool, name) is not None
        if name in api.__all__ and name[0].islower():
            assert f"`{name}(" in text
    assert set(api.__all__) == {*mertool.__all__} - {"__version__"}
    with pytest.raises(AttributeError, match="module 'mertool' has no attribute 'nothing'"):
        mertool.nothing  # noqa: B018


def test_importing_costs_nothing():
    code = "import sys, mertool; print({'torch', 'cv2', 'dlib', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_a_misspelt_setting_is_an_error_with_the_nearest_name(pack_path, tmp_path):
    with pytest.raises(MertoolError, match=r"unknown name 'epoch'; did you mean 'epochs'\?"):
        api.cross_validate([pack_path], tmp_path / "r", epoch=1)
    assert not (tmp_path / "r").exists()


def test_one_pack_may_be_given_alone_and_by_its_path(pack_path, finished_run, tmp_path):
    with pytest.raises(MertoolError, match=r"^nope\.npz: cannot be read"):
        api.train("nope.npz", tmp_path / "r")
    by_path = api.predict(finished_run, str(pack_path))
    opened = api.predict(finished_run, api.open_pack(pack_path))
    assert by_path.to_csv() == opened.to_csv()
