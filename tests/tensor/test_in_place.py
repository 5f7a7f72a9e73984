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


WRITES = {
    "a method": lambda v: v.mul_(2.0),
    "an operator": lambda v: v.__imul__(2.0),
    "an assignment": lambda v: v.__setitem__(0, 5.0),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("which", [0, 1], ids=["the source", "the view"])
def test_a_recorded_change_is_refused_where_a_view_shares_the_memory(write, which):
    w = ad.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = w * 1.0
    pair = (y, y.view(2, 2))
    with pytest.raises(RuntimeError, match="clone"):
        write(pair[which])
    y.sum().backward()
    assert w.grad.tolist() == [1.0] * 4


def test_a_tracked_value_cannot_be_put_where_only_a_view_would_know():
    w = ad.tensor(3.0, requires_grad=True)
    b = ad.zeros(4)
    with pytest.raises(RuntimeError, match="clone"):
        b.view(2, 2)[0, 0] = w * 2.0
    assert b.tolist() == [0.0] * 4


def test_a_view_whose_source_is_gone_changes_as_any_tensor():
    w = ad.tensor(3.0, requires_grad=True)
    b = ad.zeros(4).view(2, 2)
    b[0, 0] = w * 2.0
    b.sum().backward()
    assert w.grad.item() == 2.0


def test_operands_of_methods_in_place_go_by_pytorchs_names():
    x = ad.tensor([1.0, 2.0])
    x.add_(other=1.0, alpha=2.0).mul_(other=2.0).pow_(exponent=2.0)
    assert x.tolist() == [36.0, 64.0]


@pytest.mark.parametrize("keyword", ["alpha", "value"])
def test_a_keyword_that_a_method_in_place_has_no_use_for_is_refused(keyword):
    x = ad.tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=keyword):
        x.mul_(2.0, **{keyword: 3.0})
    assert x.tolist() == [1.0, 2.0]
