"""What is built: an sdist that builds, a wheel with everything in it, kernels without a warning."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

import mertool
from tests.support.command import ROOT
from tests.support.native import build_core


def test_an_sdist_builds_and_its_wheel_holds_everything(tmp_path):
    code = f"from scikit_build_core.build import build_sdist; print(build_sdist({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sdist = tmp_path / f"mertool-{mertool.__version__}.tar.gz"
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert {"pyproject.toml", "CMakeLists.txt", "LICENSE", "README.md", "csrc/kernels/render.cpp"} <= names
    assert not [name for name in names if name.endswith((".so", ".npz", ".pt"))]
    (folder,) = (tmp_path / "unpacked").iterdir()
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, folder]
    done = subprocess.run(pip, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    # Every file of the package: a pattern that excludes too much shows only where it is installed.
    tracked = subprocess.run(["git", "ls-files", "mertool"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(tracked.stdout.split()) <= names
    assert any(name.startswith("mertool/_core.") and name.endswith(".so") for name in names)
    assert not [name for name in names if name.startswith(("tests", "csrc", "examples"))]


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_kernels_compile_without_a_warning(compiler, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    build_core(tmp_path, f"-DCMAKE_CXX_COMPILER={compiler}", "-DMERTOOL_WERROR=ON")
