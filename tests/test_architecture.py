"""The house's own rules: imports run one way, kernels know no Python, nothing is left undone."""

from __future__ import annotations

import ast
import re

from mertool.evaluation.protocols import PROTOCOLS
from mertool.settings import choices_of
from tests.support.command import ROOT

PACKAGE = ROOT / "mertool"


def imported(path):
    """Modules of ours that a file imports at its top level or inside functions, as dotted names below mertool."""
    inside = path.relative_to(PACKAGE).with_suffix("").parts
    folder = inside[:-1]
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    only_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node not in only_types:
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


FOLDERS = ("datasets", "extraction", "evaluation", "inputs", "network", "texture", "runs", "report", "cli")


def test_imports_run_one_way_between_folders():
    """A folder imports from the files at the top and from folders before it in the flow, never from one after it."""
    for name, path in modules().items():
        own = name.split(".")[0]
        above = FOLDERS[: FOLDERS.index(own)] if own in FOLDERS else ()
        if name in ("__main__", "api", "doctor"):
            above = FOLDERS
        for other in imported(path):
            folder = other.split(".")[0]
            if folder in FOLDERS and folder != own:
                assert folder in above, f"{name} imports {other}"
    assert {path.parent.name for path in PACKAGE.rglob("*.py")} == {*FOLDERS, "mertool", "readers", "methods"}


def test_what_holds_for_single_files():
    rules = {
        "errors": set(),
        "clips": {"errors"},
        "declarations": set(),
        "recipes": set(),
        "regions": set(),
        "settings": {"declarations", "errors", "recipes"},
        "extraction.apex": {"_core"},
        "extraction.faces": {"errors", "files", "text"},
        "extraction.stabilise": {"_core", "regions"},
        "evaluation.statistics": set(),
        "evaluation.metrics": {"clips", "errors", "evaluation.predictions", "evaluation.statistics"},
        "network.model": {"settings"},
        "network.losses": {"settings", "network.model"},
    }
    for name, allowed in rules.items():
        assert imported(modules()[name]) <= allowed, name
    for name, path in modules().items():
        if name.startswith("datasets"):
            outside = {other for other in imported(path) if not other.startswith("datasets")}
            assert outside <= {"clips", "errors", "files", "text"}, name


def test_nothing_imports_the_commands():
    for name, path in modules().items():
        if name.split(".")[0] not in ("cli", "__main__"):
            assert not any(other.split(".")[0] == "cli" for other in imported(path)), name


def test_only_methods_compare_with_their_names():
    pattern = r"""(==|!=|in) \(?(NETWORK|FUSION|"(lbp-top|cbp-top|fusion|network)")"""
    for name, path in modules().items():
        if not name.startswith(("runs.methods", "texture.")):  # both codes are texture's own
            assert not re.search(pattern, path.read_text(encoding="utf-8")), name


def test_only_the_layout_spells_the_names_of_a_run_folder():
    names = {f"{stem}.json" for stem in ("config", "done", "folds", "results", "env")}
    names |= {f"{stem}.csv" for stem in ("predictions", "log", "inner", "selection")}
    names |= {"last.pt", "final.pt", "classifier.npz", "attention.npy", "fold_", "repeat_"}
    for name, path in modules().items():
        if name == "runs.layout":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in names, f"{name}: line {node.lineno}"


def test_every_file_of_a_run_has_one_reader():
    readers = {
        r"\bread_json\(": {"files", "evaluation.folds", "runs.config", "runs.layout", "runs.record"},
        r"\bFolds\.load\(": {"evaluation.folds", "runs.layout"},
        r"\bPredictions\.read\(": {"runs.layout", "texture.model_selection"},
        r"\bFoldRecord\.read\(": {"runs.layout"},
        r"\bcsv\.DictReader\(": {"network.training_files", "texture.model_selection"},
    }
    for pattern, allowed in readers.items():
        found = {name for name, path in modules().items() if re.search(pattern, path.read_text(encoding="utf-8"))}
        assert found <= allowed, pattern


def test_every_csv_has_one_writer():
    for name, path in modules().items():
        if name != "csv_text":
            assert not re.search(r"csv\.(writer|DictWriter)\(", path.read_text(encoding="utf-8")), name


def test_files_are_opened_in_one_place():
    """What a user names may be a device or a pipe: it is read through `mertool.files`, which reads only files."""
    allowed = {
        "files",
        "report.html",  # its own style sheet
        "runs.environment",  # /proc/cpuinfo
        "workers",  # /sys/fs/cgroup, /proc/meminfo
    }
    pattern = r"\bopen\(|\.(read_bytes|read_text|fromfile|open_memmap)\(|np\.load\(|ZipFile\(path|imread\("
    for name, path in modules().items():
        code = path.read_text(encoding="utf-8")
        if name == "pack":  # members of an archive that `open_regular` opened
            code = code.replace("self._archive.open(", "")
        if name not in allowed:
            assert not re.search(pattern, code), name


def test_protocols_are_those_that_the_setting_offers():
    assert tuple(PROTOCOLS) == choices_of("protocol")


def test_kernels_include_no_python():
    for path in (ROOT / "csrc" / "kernels").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"#include.*(Python|pybind11|numpy)", text), path.name


def test_nothing_is_unpickled_or_executed():
    pattern = r"\b(pickle\.loads?|allow_pickle=True|weights_only=False|eval\(|exec\(|yaml\.load)"
    for path in PACKAGE.rglob("*.py"):
        code = re.sub(r"\.eval\(", "", path.read_text(encoding="utf-8"))
        assert not re.search(pattern, code), path.name


def test_no_test_borrows_from_another():
    """What several test modules share is in a module without tests of its own, in tests/support/ or beside them."""
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}: {ast.unparse(node)}; write tests.… in full"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            borrowed = [name for name in names if re.search(r"^tests\.(.*\.)?(test_|conftest)", name)]
            assert not borrowed, f"{path.relative_to(ROOT)} imports {borrowed}"


def test_hooks_before_a_commit_are_the_checks_of_the_script():
    """Tools and their arguments, in one order, in .pre-commit-config.yaml and in tests/run.sh."""
    script = (ROOT / "tests" / "run.sh").read_text(encoding="utf-8")
    checks = re.findall(r'"\$bin/([\w-]+)"([^{\n]*)', script)
    hooks = re.findall(r"entry: \.venv/bin/(.*)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [f"{tool}{arguments}".rstrip() for tool, arguments in checks] == hooks
    assert len(hooks) == 4
