"""What `_core` exports. What it refuses is in test_arguments.py."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import mertool
from mertool import _core


def test_stub_lists_what_is_exported():
    stub = Path(mertool.__file__).with_name("_core.pyi").read_text(encoding="utf-8")
    listed = set()
    for node in ast.parse(stub).body:
        if isinstance(node, ast.FunctionDef):
            listed.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            listed.add(node.target.id)
    assert listed == {name for name in dir(_core) if not name.startswith("_")}


def test_arguments_of_the_stub_are_those_of_the_functions():
    stub = Path(mertool.__file__).with_name("_core.pyi").read_text(encoding="utf-8")
    for node in ast.parse(stub).body:
        if isinstance(node, ast.FunctionDef):
            signature = getattr(_core, node.name).__doc__.splitlines()[0]
            names = re.findall(r"(\w+):", signature)
            assert [a.arg for a in node.args.args + node.args.kwonlyargs] == names


def test_build():
    assert _core.simd() in ("avx512", "avx2", "plain")
    assert re.fullmatch(r"(gcc|clang|msvc) [\d.]+", _core.compiler)
