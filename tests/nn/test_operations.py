"""Functions of neural networks: gradients, and equality with PyTorch where it is."""

import importlib.util

import numpy as np
import pytest
from nn.operations import CASES

import autodiff as ad
import autodiff.nn.functional as F

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def constant(array):
    return ad.tensor(array)


@each_case
def test_gradients_agree_with_differences(case):
    if case.name == "embedding with padding":  # by contract not the derivative
        return
    inputs = [ad.tensor(x, requires_grad=True) for x in case.inputs()]
    assert ad.autograd.gradcheck(lambda *xs: case.call(F, constant, *xs), inputs)


@each_case
def test_a_compiled_call_agrees(case):
    inputs = case.inputs()
    compiled = ad.compile(lambda *xs: case.call(F, constant, *xs).sum())
    arguments = tuple(range(len(inputs)))
    for _ in range(2):
        found = compiled.grad(*inputs, argnums=arguments)
    leaves = [ad.tensor(x, requires_grad=True) for x in inputs]
    case.call(F, constant, *leaves).sum().backward()
    for got, leaf in zip(found, leaves, strict=True):
        expected = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="compares with PyTorch"
)
@pytest.mark.filterwarnings("ignore::UserWarning")
@each_case
def test_values_and_gradients_agree_with_pytorch(case):
    import torch

    ours = [ad.tensor(x, requires_grad=True) for x in case.inputs()]
    theirs = [torch.tensor(x, requires_grad=True) for x in case.inputs()]
    z = case.call(F, constant, *ours)
    expected = case.call(torch.nn.functional, torch.tensor, *theirs)
    close(z.detach().numpy(), expected.detach().numpy())
    seed = np.cos(np.arange(z.numel(), dtype=float)).reshape(tuple(z.shape))
    z.backward(gradient=ad.tensor(seed))
    expected.backward(gradient=torch.tensor(seed))
    for x, y in zip(ours, theirs, strict=True):
        zero = np.zeros(tuple(x.shape))
        close(
            zero if x.grad is None else x.grad.numpy(),
            zero if y.grad is None else y.grad.numpy(),
        )


def close(found, expected):
    size = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * max(size, 1.0))
