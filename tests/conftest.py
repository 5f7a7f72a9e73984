"""What every test file shares: where Python looks, and reproducible inputs."""

import os

import numpy as np
import pytest
from hypothesis import settings

# A child Python imports what this one does: not the tree it happens to be started in.
os.environ["PYTHONSAFEPATH"] = "1"

settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("fixed")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed, new for each test."""
    return np.random.default_rng(20240229)
