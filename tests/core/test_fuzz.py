"""Calls made by chance: a few everywhere, and as many as a minute holds with libFuzzer (`tests/run.sh --full`)."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest

from tests.core import fuzz
from tests.support.native import available_paths, load_core

SECONDS = int(os.environ.get("MERTOOL_FUZZ_SECONDS", "60"))


@pytest.mark.parametrize("name", fuzz.FUNCTIONS)
def test_random_calls_give_a_result_or_one_line(name, tmp_path):
    cores = [load_core(simd, tmp_path) for simd in available_paths(tmp_path)]
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of casts to other dtypes
        for _ in range(300):
            data = rng.integers(0, 256, rng.integers(1, 300), dtype=np.uint8).tobytes()
            fuzz.check([*cores, cores[0]], name, data)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if reason := fuzz.missing():
        pytest.skip(reason)
    return fuzz.build(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.full
@pytest.mark.parametrize("name", fuzz.FUNCTIONS)
def test_the_fuzzer_finds_nothing(name, built, tmp_path):
    runtime, core = built
    status, text = fuzz.run_fuzzer(runtime, core, name, tmp_path, SECONDS)
    assert status == 0, text[-6000:]
    assert fuzz.executions(text) > 10 * SECONDS, text[-2000:]
