"""Builds of the extension for tests: with sanitizers, by other compilers, and one copy for each instruction set."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import mertool
from mertool import _core
from tests.support.command import ROOT


def run_tool(*command, **options):
    """Run a tool to its end; what it said is the message of the failure."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_core(folder, *options):
    """Build the extension in `folder` by CMake with the given -D options; gives the file."""
    import pybind11

    tools = Path(sys.executable).parent
    settings = [
        *options,
        f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    run_tool(tools / "cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *settings)
    run_tool(tools / "cmake", "--build", folder, "--parallel", "2")
    (built,) = Path(folder).glob("_core.*.so")
    return built


def runtime_of(*sanitizers):
    """LD_PRELOAD for a Python that loads code built by g++ with sanitizers; skips where there are none."""
    if sys.platform != "linux" or shutil.which("g++") is None:
        pytest.skip("no g++ on Linux here")
    # The C++ library as well: its exceptions are to be seen by the sanitizer.
    names = [*(f"lib{name}.so" for name in sanitizers), "libstdc++.so"]
    found = [run_tool("g++", f"-print-file-name={name}").strip() for name in names]
    for path in found:
        if not Path(path).is_absolute():
            pytest.skip(f"g++ has no {path} here")
    return " ".join(found)


def simd_paths():
    """Instruction sets that the extension may have, as its stub names them: plain C++ is one."""
    stub = Path(mertool.__file__).with_name("_core.pyi").read_text(encoding="utf-8")
    (simd,) = (node for node in ast.parse(stub).body if isinstance(node, ast.FunctionDef) and node.name == "simd")
    return sorted(node.value for node in ast.walk(simd.returns) if isinstance(node, ast.Constant))


def load_core(simd, folder, source=None):
    """A second extension in this process, that uses the given instructions; skips where this machine lacks them."""
    # A file and a name of its own: a file in use must not be written to, and a module of a known name is that module.
    folder = Path(tempfile.mkdtemp(dir=folder))
    copy = shutil.copy(source or _core.__file__, folder)
    spec = importlib.util.spec_from_file_location(f"{folder.name}._core", copy)
    core = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(core)
    before = os.environ.get("MERTOOL_SIMD")
    os.environ["MERTOOL_SIMD"] = simd
    try:
        assert core.simd() == simd  # read once: from now on it stays so
    except ValueError as error:
        assert "this machine or build has no" in str(error)
        pytest.skip(f"no {simd} here")
    finally:
        del os.environ["MERTOOL_SIMD"]
        if before is not None:
            os.environ["MERTOOL_SIMD"] = before
    return core


def build_driver(folder, compiler="g++", *options):
    """Build tests/core/kernels.cpp with the kernels and without Python; skips where the compiler is missing."""
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    driver = Path(folder) / "kernels"
    kernels = ROOT / "csrc" / "kernels"
    sources = [ROOT / "tests" / "core" / "kernels.cpp", *sorted(kernels.glob("*.cpp"))]
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
    plain = ["-std=c++17", "-O1", "-g1", "-ffp-contract=off"]
    run_tool(compiler, *plain, *warnings, *options, f"-I{kernels}", *sources, "-pthread", "-o", driver)
    return driver


def available_paths(folder):
    """Those of `simd_paths` that this machine has."""
    found = []
    for simd in simd_paths():
        try:
            load_core(simd, folder)
        except pytest.skip.Exception:
            continue
        found.append(simd)
    return found
