"""Changes in place: history, errors about saved values, and what later code sees."""

import numpy as np
import pytest

import autodiff as ad

SHAPES = {"0-d": 2.0, "n-d": [2.0, 2.0]}
each_shape = pytest.mark.parametrize("value", SHAPES.values(), ids=SHAPES)


def leaf(value):
    return ad.tensor(value, requires_grad=True)


def gradient_of(x):
    return np.ravel(x.grad.tolist())[0]


@each_shape
def test_a_change_in_place_becomes_history(value):
    x = leaf(value)
    y = x * 3.0
    y.mul_(x)
    y += 1.0
    y.sum().backward()
    assert gradient_of(x) == 12.0


@each_shape
def test_every_operator_has_its_in_place_form(value):
    x = leaf(value)
    y = x * 3.0
    y += x
    y -= 1.0
    y /= x
    y **= 2
    y.sum().backward()  # (4 - 1/x)^2
    assert gradient_of(x) == pytest.approx(2 * 3.5 / 4)


@each_shape
def test_a_change_in_place_has_second_derivatives(value):
    x = leaf(value)
    y = x * 3.0
    y.mul_(x)
    y *= x  # 3 x^3
    (g,) = ad.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = ad.autograd.grad(g.sum(), x, create_graph=True)
    h.sum().backward()
    assert np.ravel(h.tolist())[0] == 36.0
    assert gradient_of(x) == 18.0


@each_shape
def test_an_operation_on_a_passive_tensor_in_place_gives_it_a_graph(value):
    x = leaf(value)
    y = ad.tensor(value)
    y.mul_(x)
    assert y.requires_grad
    y.sum().backward()
    assert gradient_of(x) == 2.0


@each_shape
def test_a_saved_operand_that_changes_is_an_error_that_names_the_operation(value):
    x = leaf(value)
    y = x * 3.0
    z = y * y
    y.add_(1.0)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*'mul'"):
        z.sum().backward()


@each_shape
def test_a_saved_result_that_changes_is_an_error_that_names_the_operation(value):
    x = leaf(value)
    y = ad.exp(x)
    y.mul_(2.0)
    with pytest.raises(ad.GraphError, match=r"inplace operation.*'exp'"):
        y.sum().backward()


@each_shape
def test_an_operand_that_was_not_saved_may_change(value):
    x = leaf(value)
    y = x * 3.0
    z = y * 5.0 + y
    y.add_(1.0)
    (z + y).sum().backward()
    assert gradient_of(x) == 21.0


@each_shape
def test_a_saved_leaf_that_changes_is_an_error(value):
    x = leaf(value)
    y = x * x
    with ad.no_grad():
        x.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@each_shape
def test_a_leaf_that_was_not_saved_may_change(value):
    x = leaf(value)
    y = x * 5.0
    with ad.no_grad():
        x.add_(1.0)
    (y + x * x).sum().backward()
    assert gradient_of(x) == 11.0


@each_shape
def test_a_change_through_a_detached_tensor_counts(value):
    x = leaf(value)
    y = x * 3.0
    z = y * y
    y.detach().add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


@each_shape
def test_the_value_after_a_change_under_no_grad_is_what_operations_see(value):
    x = leaf(value)
    y = x * 3.0
    with ad.no_grad():
        y.add_(1.0)
    z = y * y
    assert np.ravel(z.tolist())[0] == 49.0
    z.sum().backward()
    assert gradient_of(x) == 42.0


@each_shape
def test_an_operator_under_no_grad_changes_what_operations_see(value):
    x = leaf(value)
    y = x * 3.0
    with ad.no_grad():
        y += 1.0
    z = y * y
    z.sum().backward()
    assert gradient_of(x) == 42.0


@each_shape
def test_a_leaf_may_not_change_while_recording(value):
    x = leaf(value)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.add_(1.0)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x += 1.0
    assert np.ravel(x.tolist())[0] == 2.0


@each_shape
def test_a_leaf_may_change_under_no_grad(value):
    x = leaf(value)
    with ad.no_grad():
        x -= 1.0
    (x * x).sum().backward()
    assert gradient_of(x) == 2.0
    assert x.is_leaf


@each_shape
def test_every_alias_sees_a_change(value):
    x = leaf(value)
    y = x * 1.0
    a, b = y.detach(), y.detach()
    c = a.detach()
    c.add_(1.0)
    y.mul_(2.0)
    assert {np.ravel(t.tolist())[0] for t in (y, a, b, c)} == {6.0}
    y.sum().backward()
    assert gradient_of(x) == 2.0


@each_shape
def test_zero_cuts_the_gradient_and_keeps_the_graph(value):
    x = leaf(value)
    y = x * 3.0
    y.zero_()
    assert y.requires_grad
    (y * 2.0 + x).sum().backward()
    assert gradient_of(x) == 1.0


@each_shape
def test_fill_cuts_the_gradient_of_what_was_there(value):
    x = leaf(value)
    y = x * 3.0
    y.fill_(7.0)
    y.add_(x)
    (y * y).sum().backward()
    assert gradient_of(x) == 18.0


@each_shape
def test_copy_takes_the_history_of_its_source(value):
    x = leaf(value)
    u = ad.exp(x)
    y = x * 3.0
    y.copy_(u)
    y.mul_(2.0)  # u itself is unchanged
    y.sum().backward()
    assert gradient_of(x) == pytest.approx(2 * np.exp(2.0))


@each_shape
def test_an_elementary_function_in_place_is_recorded(value):
    x = leaf(value)
    y = x * 0.5
    y.exp_()
    y.sum().backward()
    assert gradient_of(x) == pytest.approx(0.5 * np.exp(1.0))


def test_the_version_counts_changes():
    for x in (ad.tensor(1.0), ad.tensor([1.0])):
        before = x._version
        x.add_(1.0)
        x.mul_(2.0)
        assert x._version == before + 2


def test_a_shape_cannot_change_in_place():
    with pytest.raises(RuntimeError):
        ad.ones(2).add_(ad.ones(2, 2))


def test_elements_can_be_assigned():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 2.0
    y[1] = 10.0
    y[0] = x[2] * 5.0
    (y * y).sum().backward()  # (5 x2)^2 + 100 + (2 x2)^2
    assert x.grad.tolist() == [0.0, 0.0, 2 * 25 * 3.0 + 2 * 4 * 3.0]


def test_a_sum_in_place_over_a_loop_is_linear_in_memory():
    x = ad.tensor(0.5, requires_grad=True)
    total = ad.tensor(0.0)
    for _ in range(1000):
        total += x * x
    assert ad.tape_info().entries <= 2 * 1000 + 10
    total.backward()
    assert x.grad.item() == 1000.0
