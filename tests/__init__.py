"""Tests. MERTOOL_TEST_CORE names another build of the extension for them to test, such as one with sanitizers."""

import importlib.util
import os
import sys

if path := os.environ.get("MERTOOL_TEST_CORE"):
    import mertool

    spec = importlib.util.spec_from_file_location("mertool._core", path)
    assert spec
    assert spec.loader
    sys.modules[spec.name] = mertool._core = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mertool._core)
