"""Changing tensors in place by methods written in Python."""

import pytest

import autodiff as ad

METHODS = {
    "zero_": lambda x: x.zero_(),
    "fill_": lambda x: x.fill_(1.0),
    "copy_": lambda x: x.copy_([3.0, 4.0]),
    "exp_": lambda x: x.exp_(),
    "clamp_": lambda x: x.clamp_(0, 1),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_leaf_that_requires_grad_cannot_change_in_place_and_is_told_why(name):
    with pytest.raises(RuntimeError, match="leaf"):
        METHODS[name](ad.tensor([1.0, 2.0], requires_grad=True))


@pytest.mark.parametrize("name", METHODS)
def test_under_no_grad_a_leaf_changes_in_place(name):
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    with ad.no_grad():
        assert METHODS[name](x) is x
    assert x.is_leaf
    assert x.requires_grad
