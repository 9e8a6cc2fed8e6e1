"""What the compilers' sanitizers, valgrind and a count of allocations say about the kernels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.command import ROOT
from tests.support.native import available_paths, build_core, build_driver, load_core, run_tool, runtime_of, simd_paths

LONG = ("test_fuzz.py", "test_sanitizers.py")
KERNEL_TESTS = [path for path in sorted((ROOT / "tests" / "core").glob("test_*.py")) if path.name not in LONG]


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    runtime_of("asan", "ubsan")
    folder = tmp_path_factory.mktemp("sanitized")
    # Not stripped, so that a report says where.
    options = ["-DCMAKE_CXX_COMPILER=g++", "-DMERTOOL_SANITIZE=address,undefined", "-DCMAKE_STRIP="]
    return build_core(folder, *options)


def run_sanitized(core, simd, log, *arguments):
    """Run Python on the sanitized extension; gives the finished process and the sanitizers' reports."""
    log.mkdir()
    environment = {
        **os.environ,
        "MERTOOL_SIMD": simd,
        "MERTOOL_TEST_CORE": str(core),
        "LD_PRELOAD": runtime_of("asan", "ubsan"),
        "PYTHONMALLOC": "malloc",
        # Python itself leaves much to the end of its process.
        "ASAN_OPTIONS": f"detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=1:log_path={log}/a",
        "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={log}/u",
    }
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    return done, [path.read_text(errors="replace") for path in log.iterdir()]


@pytest.mark.parametrize("simd", simd_paths())
def test_kernel_tests_are_clean_under_address_and_undefined_behaviour_sanitizer(simd, sanitized, tmp_path):
    load_core(simd, tmp_path)
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *KERNEL_TESTS]
    done, reports = run_sanitized(sanitized, simd, tmp_path / "log", *arguments)
    assert reports == [], reports[0][:4000]
    assert done.returncode == 0, done.stdout + done.stderr


LYING = """
import numpy as np
from numpy.lib.stride_tricks import as_strided
from tests.core.calls import TONE, TRANSFORMS  # first: `tests` chooses the build of the extension
from mertool import _core

frames = as_strided(np.zeros(40000, np.uint8)[:10000], (1, 1, 1000, 1000), (0, 0, 100, 1))
_core.render(frames, TRANSFORMS[:1], TONE[:1], (2, 3), (900, 900))
"""


def test_the_sanitizers_notice(sanitized, tmp_path):
    """An array that says it is larger than its memory."""
    done, (report,) = run_sanitized(sanitized, "plain", tmp_path / "log", "-c", LYING)
    assert done.returncode != 0
    assert "heap-buffer-overflow" in report
    assert "render_plain.cpp" in report


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    return build_driver(tmp_path_factory.mktemp("driver"))


def test_no_kernel_allocates_in_a_loop(driver, tmp_path):
    """A call takes a fixed number of blocks of memory, whatever the number of clips, rows and pixels."""
    for simd in available_paths(tmp_path):
        lines = run_tool(driver, "allocations", env={**os.environ, "MERTOOL_SIMD": simd}).splitlines()
        assert len(lines) >= 20
        for line in lines:
            name, small, large, shared = line.split("\t")
            assert small == large, line
            assert int(small) <= (60 if "texture" in name else 8), line
            assert int(shared) - int(small) in (0, 2), line  # one for each thread more


# Without the shuffling of addresses, which ThreadSanitizer of older compilers cannot bear.
STEADY = ["setarch", "-R"] if shutil.which("setarch") else []


@pytest.mark.full
def test_threads_are_clean_under_thread_sanitizer(tmp_path):
    runtime_of("tsan")
    driver = build_driver(tmp_path, "g++", "-fsanitize=thread")
    for simd in available_paths(tmp_path):
        environment = {**os.environ, "MERTOOL_SIMD": simd, "TSAN_OPTIONS": "halt_on_error=1"}
        done = subprocess.run([*STEADY, driver, "threads"], env=environment, capture_output=True, text=True)
        assert (done.stdout, done.stderr, done.returncode) == ("0 wrong results\n", "", 0)


@pytest.mark.full
def test_python_threads_are_clean_under_thread_sanitizer(tmp_path):
    runtime = runtime_of("tsan")
    options = ["-DCMAKE_CXX_COMPILER=g++", "-DMERTOOL_SANITIZE=thread", "-DCMAKE_STRIP="]
    core = build_core(tmp_path / "build", *options)
    environment = {
        **os.environ,
        "MERTOOL_TEST_CORE": str(core),
        "LD_PRELOAD": runtime,
        "TSAN_OPTIONS": f"report_signal_unsafe=0:log_path={tmp_path}/report",
    }
    # Not the one that changes pixels during calls: that is a race, and meant.
    tests = ["-k", "eight_python_threads", "tests/core/test_simd.py"]
    command = [*STEADY, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    reports = [path.read_text(errors="replace") for path in tmp_path.glob("report*")]
    assert reports == [], reports[0][:4000]
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
def test_valgrind_finds_nothing(driver, tmp_path):
    if shutil.which("valgrind") is None:
        pytest.skip("no valgrind here")
    for simd in available_paths(tmp_path):
        if simd == "avx512":
            continue  # which valgrind does not know
        command = [
            "valgrind",
            "-q",
            "--leak-check=full",
            "--show-mismatched-frees=no",
            "--error-exitcode=9",
            driver,
            "threads",
        ]
        environment = {**os.environ, "MERTOOL_SIMD": simd}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert (done.stdout, done.stderr, done.returncode) == ("0 wrong results\n", "", 0)
