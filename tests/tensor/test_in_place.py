"""Changing tensors in place by methods written in Python."""

import numpy as np
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


# ---- Parts ---------------------------------------------------------------------------

PARTS = {
    "an index": lambda x: x[0],
    "a slice": lambda x: x[:, 1:],
    "t": lambda x: x.t(),
    "T": lambda x: x.T,
    "transpose": lambda x: x.transpose(0, 1),
    "permute": lambda x: x.permute(1, 0),
    "narrow": lambda x: x.narrow(0, 0, 1),
    "select": lambda x: x.select(1, 0),
    "split": lambda x: x.split(1)[0],
    "unbind": lambda x: x.unbind()[0],
    "diagonal": lambda x: x.diagonal(),
    "expand": lambda x: x.expand(3, 2, 2),
    "detach": lambda x: x[0].detach(),
    "data": lambda x: x[0].data,
    "view": lambda x: x[0].view(2, 1),
    "a row in a loop": lambda x: next(iter(x)),
}
CHANGES = {
    "fill_": lambda x: x.fill_(0.0),
    "add_": lambda x: x.add_(1.0),
    "exp_": lambda x: x.exp_(),
    "clamp_": lambda x: x.clamp_(0.0, 1.0),
    "assignment": lambda x: x.__setitem__(0, 5.0),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_change_of_a_part_which_is_a_copy_warns_once(part):
    x = ad.tensor([[1.0, 2.0], [3.0, 4.0]])
    found = part(x)
    with pytest.warns(ad.CopyWarning, match="stays as it is") as caught:
        found.add_(1.0)
    found.add_(1.0)
    assert caught[0].filename == __file__
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_of_a_part_warns(change):
    x = ad.tensor([[1.0, 2.0], [3.0, 4.0]])
    with pytest.warns(ad.CopyWarning):
        change(x[0])


def test_a_single_number_that_is_a_part_warns_too():
    x = ad.tensor([1.0, 2.0])
    with pytest.warns(ad.CopyWarning):
        x[0].fill_(3.0)


def test_operators_are_silent_for_an_index_is_assigned_after_them():
    x = ad.tensor([[1.0, 2.0], [3.0, 4.0]])
    x[0] += 1.0
    total = x[0]
    total += x[1]
    assert total.tolist() == [5.0, 7.0]
    assert x.tolist() == [[2.0, 3.0], [3.0, 4.0]]


def test_what_is_no_part_or_said_to_be_a_copy_changes_silently():
    x = ad.tensor([[1.0, 2.0], [3.0, 4.0]])
    leaf = x[0].requires_grad_()
    with ad.no_grad():
        leaf -= 1.0
    for copied in (x[0].clone(), x.t().contiguous(), x[x > 1], x.flip(0), x[[0, 1]]):
        copied.add_(1.0)
    x.view(-1)[0] = 7.0
    x[0] = 5.0
    x[1] += 1.0
    assert x.tolist() == [[5.0, 5.0], [4.0, 5.0]]


def test_masked_fill_in_place_keeps_the_gradient_of_what_is_left():
    x = ad.tensor([1.0, 2.0, 3.0], requires_grad=True)
    v = ad.tensor(5.0, requires_grad=True)
    y = x * 2.0
    assert y.masked_fill_(np.array([False, True, True]), v) is y
    assert y.tolist() == [2.0, 5.0, 5.0]
    (y * ad.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 0.0]
    assert v.grad.item() == 110.0


def test_masked_fill_in_place_takes_no_mask_of_a_larger_shape():
    x = ad.ones(2)
    with pytest.raises(RuntimeError, match="cannot change the shape"):
        x.masked_fill_(np.ones((3, 2), dtype=bool), 1.0)
    assert x.tolist() == [1.0, 1.0]
