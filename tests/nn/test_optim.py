"""Optimisers: trajectories, and what they refuse."""

import importlib.util

import numpy as np
import pytest
from nn.trajectories import SETTINGS, trajectory

import autodiff as ad


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="compares with PyTorch"
)
@pytest.mark.parametrize("name", SETTINGS)
def test_a_hundred_steps_agree_with_pytorch(name):
    import torch

    np.testing.assert_allclose(
        trajectory(ad, name), trajectory(torch, name), rtol=1e-10, atol=1e-10
    )
