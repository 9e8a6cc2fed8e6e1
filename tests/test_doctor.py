"""`mertool doctor`: what it finds on a machine that works, and how it says what does not."""

from __future__ import annotations

import os
import resource

import numpy as np
import pytest

from mertool import doctor
from mertool.errors import DataError
from mertool.runs.checks import FAIL, NOTE, PASS
from tests.support import reference
from tests.support.command import run
from tests.support.in_process import call

NAMES = [
    "versions",
    "kernels",
    "network",
    "graphics card",
    "processes",
    "memory",
    "landmark model",
    "working folder",
    "temporary files",
]


def test_a_machine_that_works(tmp_path):
    done = run("doctor", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert [line[8:23].rstrip() for line in lines] == NAMES
    assert {line[2:6] for line in lines} <= {PASS, NOTE}
    assert f"{tmp_path} can be written" in lines[-2]
    assert done.stderr == ""


def test_the_kernels_are_tried_on_what_their_definitions_say():
    rendered, aligned, counts = doctor.kernel_results()
    frames = (np.arange(2 * 3 * 40 * 48) * 7919 // 8 % 256).astype(np.uint8).reshape(2, 3, 40, 48)
    turned = np.array([[0.75, 0.25, 3.5], [-0.25, 0.75, 9.25]])
    transforms = np.tile(turned.astype(np.float32), (2, 6, 1, 1))
    tone = np.array([[1, 0], [1.25, -8]], np.float32)
    np.testing.assert_array_equal(rendered, reference.render(frames, transforms, tone, (2, 3), (16, 16)))
    assert np.abs(aligned - reference.align_exact(frames[0, 0], turned, (32, 32))).max() <= 0.51
    for volume, found in zip(np.tile(frames, (1, 2, 1, 1)), counts, strict=True):
        codes = reference.lbp_codes(volume, 8, (1, 1, 2), "bilinear")
        wanted = reference.texture_counts(codes, (1, 1, 2), volume.shape, (1, 1, 1), 256)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("simd", ["plain", "avx3"])
def test_every_instruction_set_passes_or_is_named(tmp_path, simd):
    done = run("doctor", cwd=tmp_path, check=False, env={**os.environ, "MERTOOL_SIMD": simd})
    line = done.stdout.splitlines()[1]
    if done.returncode:
        assert line.startswith("  fail  kernels")
        assert line.endswith("unset MERTOOL_SIMD")
    else:
        assert line.startswith(f"  pass  kernels          {simd} instructions, built with ")


@pytest.fixture
def quick(monkeypatch):
    """The network and the worker process are taken for granted."""
    monkeypatch.setattr(doctor, "_train", lambda _device: (np.zeros(1), 1.0))
    monkeypatch.setattr(doctor, "run_each", lambda *_arguments: None)


def found(name):
    return next(check for check in doctor.examine() if check.name == name)


@pytest.mark.parametrize("kernel", [0, 1, 2])
def test_a_wrong_kernel_is_found(quick, monkeypatch, kernel):
    results = doctor.kernel_results()
    results[kernel].flat[-1] += 1
    monkeypatch.setattr(doctor, "kernel_results", lambda: results)
    assert found("kernels").verdict == FAIL


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.array([1.0, 2.0]), "two trainings with the same seed differ: results will not repeat"),
        (np.array([np.nan]), "its training gives no numbers"),
    ],
)
def test_a_network_that_does_not_repeat_or_compute_is_found(monkeypatch, weights, message):
    monkeypatch.setattr(doctor, "_train", lambda _device: (weights + np.random.default_rng().random(), 1.0))
    assert found("network")[1:] == (FAIL, message)


def test_a_failing_library_is_one_line(monkeypatch):
    def fail(_device):
        raise RuntimeError("no kernel image\nand much more")

    monkeypatch.setattr(doctor, "_train", fail)
    assert found("network")[1:] == (FAIL, "cannot be trained: no kernel image")


def test_a_worker_that_fails_is_found(quick, monkeypatch):
    def fail(*_arguments):
        raise DataError("a worker process was killed")

    monkeypatch.setattr(doctor, "run_each", fail)
    assert found("processes").verdict == FAIL
    assert found("processes").detail.endswith("a worker process failed: a worker process was killed")


def test_no_landmark_model(quick, tmp_path, monkeypatch):
    (tmp_path / "empty.dat").write_bytes(b"")
    for name, message in (("none.dat", "no landmark model at none.dat"), ("empty.dat", "expected shape_predictor")):
        done = call("doctor", "--landmarks", name, cwd=tmp_path, code=1)
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("  fail"))
        assert message in line
        assert line.endswith("(extract needs it, except with --aligned)")
    monkeypatch.setenv("MERTOOL_LANDMARKS", "/not/there")
    assert found("landmark model").verdict == FAIL


def test_folders_that_cannot_be_written(quick, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "gone"))
    check = found("temporary files")
    assert check[1:] == (FAIL, f"{tmp_path / 'gone'}: cannot be written: no such file or directory")


def test_little_memory_is_noted(quick, monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda _what: (2**29, resource.RLIM_INFINITY))
    check = found("memory")
    assert check.verdict == NOTE
    assert check.detail.endswith("limited to 0.5 GiB for each process (ulimit -v); free or allow some, or use --jobs 1")
