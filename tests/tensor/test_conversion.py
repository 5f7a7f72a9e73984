"""Between tensors and Python: numbers, containers, copies, pickles, identity."""

import copy
import math
import operator
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from tensor.checks import assert_values, check_gradients

import autodiff as ad

V = np.array([0.5, -1.25, 2.0])


def tracked(value):
    return ad.tensor(value, requires_grad=True)


# ---- Numbers -------------------------------------------------------------------------


@pytest.mark.parametrize("value", [2.5, [2.5], [[2.5]]], ids=str)
def test_one_element_converts_to_pythons_numbers(value):
    x = ad.tensor(value)
    assert (float(x), int(x), bool(x), x.item()) == (2.5, 2, True, 2.5)


@pytest.mark.parametrize(
    "convert", [float, int, bool, complex], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("shape", [(2,), (0,), (1, 3)], ids=str)
def test_any_other_number_of_elements_does_not(convert, shape):
    with pytest.raises((TypeError, RuntimeError, ValueError)):
        convert(ad.ones(shape))


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-300, math.nan, -1.0])
def test_truth_is_that_of_the_number(value):
    assert bool(ad.tensor(value)) == bool(value)


def test_item_of_several_elements_says_what_to_do():
    with pytest.raises(RuntimeError, match="tolist"):
        ad.tensor(V).item()


def test_a_whole_value_is_an_index_and_no_other_is():
    assert [10, 20, 30][ad.tensor(2)] == 30
    assert list(range(ad.tensor(2))) == [0, 1]
    with pytest.raises(TypeError, match="whole"):
        operator.index(ad.tensor(1.5))


@pytest.mark.parametrize("digits", [None, 0, 1, -1])
def test_round_gives_a_tensor_with_gradient_0(digits):
    x = tracked(12.37)
    y = round(x) if digits is None else round(x, digits)
    y.backward()
    assert y.item() == round(12.37, digits or 0)
    assert x.grad.item() == 0.0


OTHERS = [2, 2.0, True, Fraction(3, 2), Decimal("1.5"), np.float32(1.5), np.int8(2)]


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_real_numbers_of_every_type_are_operands_on_both_sides(other):
    for x in (tracked(0.75), tracked(V)):
        plain = x.detach().numpy()
        assert_values(x + other, plain + float(other))
        assert_values(other - x, float(other) - plain)
        assert_values(other * x, float(other) * plain)
        assert_values(x / other, plain / float(other))


@pytest.mark.parametrize(
    "other", ["a", None, 1j, [1.0], (1.0,), {}, object()], ids=repr
)
@pytest.mark.parametrize("x", [ad.tensor(2.0), ad.tensor(V)], ids=["0-d", "1-d"])
def test_anything_else_is_no_operand(x, other):
    for apply in (operator.add, operator.mul, operator.truediv, operator.lt):
        with pytest.raises(TypeError):
            apply(x, other)
    assert (x == other) is False
    assert (x != other) is True


@pytest.mark.parametrize(
    "array", [np.array([1j] * 3), np.array(["a"] * 3), np.array([None] * 3)], ids=repr
)
def test_an_array_of_anything_else_is_a_type_error(array):
    for apply in (operator.add, operator.mul):
        with pytest.raises(TypeError):
            apply(tracked(V), array)
        with pytest.raises(TypeError):
            apply(array, tracked(V))


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ad.ShapeError, match=r"\(3,\).*\(2,\)"):
        tracked(V) + np.ones(2)


def test_an_int_beyond_float64_is_an_overflow_error():
    with pytest.raises(OverflowError):
        tracked(1.0) + 10**400


def test_comparisons_give_plain_bools_or_arrays():
    x = tracked(2.0)
    for found in (x < 3, x <= 2, x > 1, x >= 2, x == 2.0, x != 3):
        assert found is True
    found = tracked(V) > 0
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [True, False, True]


def test_builtin_max_and_min_choose_an_operand_that_takes_the_gradient():
    x, y = tracked(2.0), tracked(3.0)
    assert max(x, y) is y
    assert min([y, x]) is x
    assert sorted([y, x]) == [x, y]
    sum([x, y, x]).backward()
    assert (x.grad.item(), y.grad.item()) == (2.0, 1.0)


# ---- Containers ----------------------------------------------------------------------


def test_iteration_gives_slices_that_carry_gradient():
    check_gradients(
        lambda x: sum(i * row**2 for i, row in enumerate(x)), np.ones((3, 2))
    )


def test_a_matrix_unpacks_to_its_rows():
    first, second = ad.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert (first.tolist(), second.tolist()) == ([1.0, 2.0], [3.0, 4.0])


def test_len_is_the_first_extent():
    assert len(ad.ones(2, 3)) == 2
    assert len(ad.ones(0, 3)) == 0


@pytest.mark.parametrize("function", [len, iter, list], ids=lambda f: f.__name__)
def test_a_scalar_has_no_length_and_no_elements(function):
    with pytest.raises(TypeError, match="0-d"):
        function(ad.tensor(2.0))


def test_in_looks_at_the_values():
    assert 2.0 in ad.tensor(V)
    assert 3.0 not in ad.tensor(V)


def test_tolist_gives_nested_lists_of_floats():
    assert ad.ones(2, 1).tolist() == [[1.0], [1.0]]
    assert ad.ones(0, 2).tolist() == []
    assert type(tracked(2.0).tolist()) is float


# ---- Identity and copies -------------------------------------------------------------


def test_hashing_is_by_identity():
    x, y = ad.tensor(2.0), ad.tensor(2.0)
    assert hash(x) == hash(x)
    assert len({x, y, x}) == 2
    assert {x: "x", y: "y"}[y] == "y"


@pytest.mark.parametrize(
    "value", [2.5, V, np.zeros((0, 3))], ids=["0-d", "1-d", "empty"]
)
@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle"])
def test_a_copy_has_value_and_flag_and_memory_of_its_own(how, requires_grad, value):
    x = ad.tensor(value, requires_grad=requires_grad)
    copies = {
        "copy": copy.copy,
        "deepcopy": copy.deepcopy,
        "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    }
    y = copies[how](x)
    assert y is not x
    assert y.is_leaf
    assert y.requires_grad == requires_grad
    with ad.no_grad():
        y += 1
    assert_values(x, value)
    assert_values(y, value + 1)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_pickles(protocol):
    assert_values(pickle.loads(pickle.dumps(tracked(V), protocol)), V)


def test_a_deep_copy_takes_the_gradient_along_and_keeps_identities():
    x = tracked(V)
    (x * 2).sum().backward()
    a, b = copy.deepcopy([x, x])
    assert a is b
    assert a.grad is not x.grad
    assert a.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_shallow_copy_of_a_result_passes_gradients_on():
    check_gradients(lambda x: copy.copy(x * x), V)


def test_a_graph_cannot_be_pickled_or_copied_deeply():
    y = tracked(V) * 2
    with pytest.raises(ad.GraphError, match="detach"):
        pickle.dumps(y)
    with pytest.raises(RuntimeError, match="leaves"):
        copy.deepcopy(y)
    y.sum().backward()


# ---- Conversion that is none ---------------------------------------------------------


def test_words_for_types_and_devices_give_the_tensor_itself(monkeypatch):
    monkeypatch.setattr("autodiff.creation._warned", {"float32"})
    x = tracked(V)
    named = x.to(dtype=ad.float64, device="cpu")
    for same in (x.double(), x.float(), x.cpu(), x.to("cpu"), x.to(ad.float64), named):
        assert same is x
    assert x.contiguous() is x.type_as(x) is x


def test_other_devices_and_types_are_errors():
    with pytest.raises(ValueError, match="cuda"):
        ad.tensor(V).to("cuda:0")
    with pytest.raises(TypeError, match="float64"):
        ad.tensor(V).to("complex64")


def test_new_tensors_are_made_like_a_tensor():
    x = ad.tensor(V)
    assert_values(x.new_zeros(2), np.zeros(2))
    assert_values(x.new_ones((2, 1)), np.ones((2, 1)))
    assert_values(x.new_full((2,), 3.0), np.full(2, 3.0))
    assert_values(x.new_tensor([1, 2]), [1.0, 2.0])


def test_size_dim_and_numel_are_pytorchs():
    x = ad.ones(2, 3)
    assert (x.size(), x.size(-1), x.dim(), x.ndimension()) == ((2, 3), 3, 2, 2)
    assert x.numel() == x.nelement() == ad.numel(x) == 6
    with pytest.raises(IndexError):
        x.size(2)
