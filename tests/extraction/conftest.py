"""Fixtures: a real portrait."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data


@pytest.fixture(scope="session")
def portrait(finder):
    """The green channel of scikit-image's astronaut, and her landmarks."""
    grey = np.ascontiguousarray(skimage.data.astronaut()[..., 1])
    return grey, finder.find(grey).landmarks
