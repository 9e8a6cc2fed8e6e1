"""The house's own rules: imports run one way, kernels know no Python, nothing is left undone."""

from __future__ import annotations

import ast
import re

from tests.conftest import ROOT

PACKAGE = ROOT / "mertool"


def imported(path):
    """Modules of ours that a file imports at its top level or inside functions, as dotted names below mertool."""
    inside = path.relative_to(PACKAGE).with_suffix("").parts
    folder = inside[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = folder[: len(folder) - (node.level - 1)]
            if node.module:
                found.add(".".join((*base, *node.module.split("."))))
            else:
                found |= {".".join((*base, alias.name)) for alias in node.names if alias.name != "__version__"}
    return found


def modules():
    names = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def test_imports_form_no_circle():
    graph = {name: imported(path) & set(modules()) - {name} for name, path in modules().items()}
    done: set[str] = set()
    while len(done) < len(graph):
        ready = {name for name, needs in graph.items() if name not in done and needs <= done}
        assert ready, f"a circle among {sorted(set(graph) - done)}"
        done |= ready


def test_each_room_imports_only_what_it_may():
    rules = {
        "errors": set(),
        "clips": set(),
        "apex": {"_core"},
        "regions": set(),
        "config": {"errors"},
        "faces": {"errors"},
        "metrics": {"clips", "errors", "predictions", "stats"},
        "stats": set(),
        "model": {"config"},
        "losses": {"config", "model"},
    }
    for name, allowed in rules.items():
        assert imported(PACKAGE / f"{name}.py") <= allowed, name
    for path in (PACKAGE / "datasets").glob("*.py"):
        outside = {name for name in imported(path) if not name.startswith("datasets")}
        assert outside <= {"clips", "errors", "files"}, path.name


def test_nothing_imports_the_commands():
    for name, path in modules().items():
        if name not in ("cli", "__main__"):
            assert "cli" not in imported(path), name


def test_kernels_include_no_python():
    for path in (ROOT / "csrc" / "kernels").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"#include.*(Python|pybind11|numpy)", text), path.name


def test_nothing_is_unpickled_or_executed():
    pattern = r"\b(pickle\.loads?|allow_pickle=True|weights_only=False|eval\(|exec\(|yaml\.load)"
    for path in PACKAGE.rglob("*.py"):
        code = re.sub(r"\.eval\(", "", path.read_text(encoding="utf-8"))
        assert not re.search(pattern, code), path.name
