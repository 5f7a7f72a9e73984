"""Making tensors: from data of every kind, filled, spaced and random."""

import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from tensor.checks import assert_values

import autodiff as ad

# ---- From data -----------------------------------------------------------------------

DATA = {
    "a float": (2.5, 2.5),
    "an int": (3, 3.0),
    "a large int": (10**30, 1e30),
    "a bool": (True, 1.0),
    "a NumPy scalar": (np.float32(0.1), float(np.float32(0.1))),
    "a fraction": (Fraction(1, 4), 0.25),
    "a decimal": (Decimal("0.5"), 0.5),
    "a list": ([1, 2.5], [1.0, 2.5]),
    "a tuple": ((1, 2), [1.0, 2.0]),
    "a range": (range(3), [0.0, 1.0, 2.0]),
    "nested lists": ([[1, 2], [3, 4]], [[1.0, 2.0], [3.0, 4.0]]),
    "a list of arrays": ([np.arange(2), np.ones(2)], [[0.0, 1.0], [1.0, 1.0]]),
    "an empty list": ([], np.zeros(0)),
    "empty lists": ([[], []], np.zeros((2, 0))),
    "bools": ([True, False], [1.0, 0.0]),
    "NaN and infinities": ([np.nan, np.inf, -np.inf], [np.nan, np.inf, -np.inf]),
    "an integer array": (np.arange(3), [0.0, 1.0, 2.0]),
    "a half-precision array": (np.array([0.5], np.float16), [0.5]),
    "an extended array": (np.array([0.5], np.longdouble), [0.5]),
    "a byte-swapped array": (np.array([1.5, -2.0], ">f8"), [1.5, -2.0]),
    "a byte-swapped integer array": (np.array([1, -2], ">i4"), [1.0, -2.0]),
    "every second element": (np.arange(6.0)[::2], [0.0, 2.0, 4.0]),
    "a reversed array": (np.arange(3.0)[::-1], [2.0, 1.0, 0.0]),
    "a transposed array": (np.arange(6.0).reshape(2, 3).T, [[0, 3], [1, 4], [2, 5]]),
    "a broadcast array": (np.broadcast_to(2.0, (2, 2)), np.full((2, 2), 2.0)),
    "an array in Fortran's order": (
        np.asfortranarray(np.arange(4.0).reshape(2, 2)),
        [[0.0, 1.0], [2.0, 3.0]],
    ),
    "a 0-d array": (np.array(1.5), 1.5),
    "an object array of numbers": (np.array([Fraction(1, 2), 2], object), [0.5, 2.0]),
    "an array of no elements": (np.zeros((0, 3)), np.zeros((0, 3))),
    "a memory view": (memoryview(np.arange(2.0)), [0.0, 1.0]),
}


@pytest.mark.parametrize("name", DATA)
def test_real_numbers_in_any_form_become_float64(name):
    data, expected = DATA[name]
    x = ad.tensor(data)
    assert_values(x, expected)
    assert x.dtype == np.float64
    assert x.is_leaf
    assert not x.requires_grad


def test_a_read_only_array_is_copied():
    a = np.arange(3.0)
    a.flags.writeable = False
    for x in (ad.tensor(a), ad.from_numpy(a)):
        x += 1
        assert a.tolist() == [0.0, 1.0, 2.0]


def test_values_are_copied_from_an_array():
    a = np.arange(3.0)
    x = ad.tensor(a)
    a[0] = 9.0
    assert x.tolist() == [0.0, 1.0, 2.0]


def test_from_numpy_shares_memory_both_ways():
    a = np.arange(3.0)
    x = ad.from_numpy(a)
    a[0] = 9.0
    x += 1
    assert a.tolist() == x.tolist() == [10.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "a", [np.arange(3), np.arange(6.0)[::2]], ids=["ints", "strided"]
)
def test_from_numpy_copies_what_it_cannot_share(a):
    x = ad.from_numpy(a)
    x += 1
    assert a[0] == 0


def test_from_numpy_takes_arrays_only():
    with pytest.raises(TypeError, match="list"):
        ad.from_numpy([1.0])


BAD = {
    "a complex number": (1j, TypeError, "complex"),
    "complex numbers": ([1.0, 2j], TypeError, "complex"),
    "a complex array": (np.array([1j]), TypeError, "imaginary"),
    "text": ("1.5", TypeError, "text"),
    "texts": (["a"], TypeError, "text"),
    "bytes": (b"ab", TypeError, "bytes"),
    "None": (None, TypeError, "NoneType"),
    "None in a list": ([1.0, None], TypeError, "NoneType"),
    "a dict": ({}, TypeError, "dict"),
    "an object": (object(), TypeError, "object"),
    "objects in an array": (np.array([{}], object), TypeError, "dict"),
    "a date": (np.datetime64("2020"), TypeError, "dates"),
    "records": (np.array([(1, 2)], "i4,i4"), TypeError, "records"),
    "a masked array": (np.ma.array([1.0, 2.0], mask=[0, 1]), TypeError, "masked"),
    "lists of two lengths": ([[1.0], [1.0, 2.0]], ad.ShapeError, "rectangular"),
    "lists of two depths": ([1.0, [2.0]], ad.ShapeError, "rectangular"),
    "an int beyond float64": (10**400, OverflowError, "too large"),
    "33 axes": (np.zeros((1,) * 33), ValueError, "axes"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_real_numbers_is_an_error_that_says_so(name):
    data, error, match = BAD[name]
    with pytest.raises(error, match=match):
        ad.tensor(data)


def test_a_tensor_of_a_tracked_tensor_warns_that_the_gradient_is_gone():
    x = ad.tensor(2.0, requires_grad=True)
    with pytest.warns(UserWarning, match="clone") as caught:
        y = ad.tensor(x)
    assert caught[0].filename == __file__
    assert not y.requires_grad


def test_as_tensor_gives_a_tensor_back_as_it_is():
    x = ad.tensor(2.0, requires_grad=True)
    assert ad.as_tensor(x) is x
    assert_values(ad.as_tensor([1, 2]), [1.0, 2.0])


# ---- Tracked tensors in lists --------------------------------------------------------


def test_tracked_scalars_in_a_list_keep_their_gradient():
    x = ad.tensor(3.0, requires_grad=True)
    y = ad.tensor([x, 2 * x, 7.0])
    assert_values(y, [3.0, 6.0, 7.0])
    (y * y).sum().backward()
    assert x.grad.item() == 2 * 3 + 2 * 6 * 2


def test_tracked_tensors_at_any_depth_keep_their_gradient():
    x = ad.tensor(3.0, requires_grad=True)
    v = ad.tensor([1.0, 2.0], requires_grad=True)
    y = ad.tensor([[[x, 1], (2, x)], [v, v * x]])
    assert y.shape == (2, 2, 2)
    y.sum().backward()
    assert x.grad.item() == 2 + 3
    assert v.grad.tolist() == [4.0, 4.0]


def test_an_object_array_of_tracked_scalars_keeps_their_gradient():
    x = ad.tensor(3.0, requires_grad=True)
    a = np.empty(2, dtype=object)
    a[:] = [x, x * x]
    ad.tensor(a).sum().backward()
    assert x.grad.item() == 7.0


@pytest.mark.parametrize("bad", ["a", None, 1j], ids=str)
def test_what_is_not_a_number_beside_a_tracked_tensor_is_an_error(bad):
    with pytest.raises(TypeError):
        ad.tensor([ad.tensor(1.0, requires_grad=True), bad])


def test_ragged_lists_of_tracked_tensors_are_an_error():
    x = ad.tensor(1.0, requires_grad=True)
    with pytest.raises(ad.ShapeError, match="rectangular"):
        ad.tensor([[x, 1.0], [x]])


# ---- Options -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", [None, float, ad.float64, ad.double, "float64", np.float64]
)
def test_float64_goes_under_every_name(dtype):
    assert ad.tensor([1.5], dtype=dtype).dtype == ad.float64


def test_lower_precision_is_computed_in_float64_and_says_so_once(monkeypatch):
    monkeypatch.setattr("autodiff.creation._warned", set())
    with pytest.warns(ad.PrecisionWarning, match="float32") as caught:
        x = ad.tensor(0.1, dtype=ad.float32)
    assert caught[0].filename == __file__
    assert x.item() == 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ad.zeros(2, dtype=np.float32)


def test_the_warning_of_precision_shows_the_users_line_through_other_functions(
    monkeypatch,
):
    monkeypatch.setattr("autodiff.creation._warned", set())
    with pytest.warns(ad.PrecisionWarning) as caught:
        ad.zeros_like(ad.ones(2), dtype="float16")
    assert caught[0].filename == __file__


def test_whole_numbers_may_be_asked_for_where_they_are():
    assert_values(ad.tensor([1, 2], dtype=int), [1.0, 2.0])
    with pytest.raises(TypeError, match="trunc"):
        ad.tensor([1.5], dtype=int)


@pytest.mark.parametrize("dtype", [complex, "complex128", str, "foo"])
def test_any_other_dtype_is_an_error(dtype):
    with pytest.raises(TypeError, match="float64"):
        ad.tensor([1.0], dtype=dtype)


def test_the_device_is_the_cpu():
    assert ad.tensor([1.0], device="cpu").device == "cpu"
    with pytest.raises(ValueError, match="cuda"):
        ad.tensor([1.0], device="cuda")


MAKERS = {
    "tensor": lambda **o: ad.tensor([1.0, 2.0], **o),
    "zeros": lambda **o: ad.zeros(2, **o),
    "ones": lambda **o: ad.ones(2, **o),
    "empty": lambda **o: ad.empty(2, **o),
    "full": lambda **o: ad.full((2,), 3.0, **o),
    "arange": lambda **o: ad.arange(2, **o),
    "linspace": lambda **o: ad.linspace(0, 1, 2, **o),
    "eye": lambda **o: ad.eye(2, **o),
    "rand": lambda **o: ad.rand(2, **o),
    "randn": lambda **o: ad.randn(2, **o),
    "zeros_like": lambda **o: ad.zeros_like(ad.ones(2), **o),
    "ones_like": lambda **o: ad.ones_like(ad.ones(2), **o),
    "empty_like": lambda **o: ad.empty_like(ad.ones(2), **o),
    "full_like": lambda **o: ad.full_like(ad.ones(2), 3.0, **o),
    "rand_like": lambda **o: ad.rand_like(ad.ones(2), **o),
    "randn_like": lambda **o: ad.randn_like(ad.ones(2), **o),
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_maker_takes_the_same_options(name):
    x = MAKERS[name](dtype=ad.float64, device="cpu", requires_grad=True)
    assert x.requires_grad
    assert x.is_leaf
    with pytest.raises(TypeError):
        MAKERS[name](dtype=complex)
    with pytest.raises(ValueError, match="cuda"):
        MAKERS[name](device="cuda")
    with pytest.raises(TypeError):
        MAKERS[name](nosuch=1)


# ---- Filled and spaced ---------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4)], ids=str)
def test_a_shape_is_given_as_integers_a_tuple_or_by_name(shape):
    for maker in (ad.zeros, ad.ones, ad.empty, ad.rand, ad.randn):
        assert maker(shape).shape == shape
        assert maker(list(shape)).shape == shape
        assert maker(size=shape).shape == shape
        assert maker(*shape).shape == shape
    assert_values(ad.full(shape, 2.5), np.full(shape, 2.5))


def test_likes_have_the_shape_of_their_model():
    x = ad.ones(2, 3)
    assert_values(ad.zeros_like(x), np.zeros((2, 3)))
    assert_values(ad.full_like(x, 4), np.full((2, 3), 4.0))
    assert ad.zeros_like(ad.tensor(2.0)).shape == ()


@pytest.mark.parametrize(
    "arguments",
    [(5,), (2, 5), (0, 1, 0.1), (5, 0, -2), (0, 0.3, 0.1), (3, 3), (0,)],
    ids=str,
)
def test_arange_is_numpys(arguments):
    assert_values(ad.arange(*arguments), np.arange(*arguments, dtype=float))


def test_arange_takes_its_bounds_by_name():
    assert ad.arange(start=1, end=3).tolist() == [1.0, 2.0]
    assert ad.arange(end=3).tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("steps", [0, 1, 2, 7, 100])
def test_linspace_is_numpys(steps):
    assert_values(ad.linspace(0.1, 0.7, steps), np.linspace(0.1, 0.7, steps))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (3, 2), (0,)], ids=str)
def test_eye_is_numpys(shape):
    assert_values(ad.eye(*shape), np.eye(*shape))


BAD_CALLS = {
    "a negative extent": (lambda: ad.zeros(-1), RuntimeError),
    "an extent that is no integer": (lambda: ad.ones(2.5), TypeError),
    "a shape of text": (lambda: ad.zeros("a"), TypeError),
    "filled with text": (lambda: ad.full((2,), "x"), TypeError),
    "a step of 0": (lambda: ad.arange(0, 5, 0), RuntimeError),
    "a step the wrong way": (lambda: ad.arange(5, 0), RuntimeError),
    "a bound that is not finite": (lambda: ad.arange(np.inf), ValueError),
    "fewer than no steps": (lambda: ad.linspace(0, 1, -1), RuntimeError),
    "a negative eye": (lambda: ad.eye(-1), RuntimeError),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_call_that_makes_no_sense_is_an_error(name):
    call, error = BAD_CALLS[name]
    with pytest.raises(error):
        call()


# ---- Random --------------------------------------------------------------------------


@pytest.mark.parametrize("maker", [ad.rand, ad.randn], ids=["rand", "randn"])
def test_equal_seeds_give_equal_numbers_and_others_do_not(maker):
    ad.manual_seed(5)
    first, then = maker(4).tolist(), maker(4).tolist()
    ad.manual_seed(5)
    assert maker(4).tolist() == first
    assert then != first


def test_rand_is_in_the_unit_interval_and_randn_has_unit_spread():
    ad.manual_seed(11)
    x, z = ad.rand(10_000), ad.randn(10_000)
    assert 0 <= x.min().item() < 0.01
    assert 0.99 < x.max().item() < 1
    # Five standard errors of a mean and of a variance of ten thousand.
    assert abs(z.mean().item()) < 0.05
    assert abs(z.var().item() - 1) < 0.08


def test_a_list_that_holds_itself_is_refused():
    nested = []
    nested.append(nested)
    with pytest.raises(ValueError, match=r"dimension|deep"):
        ad.tensor(nested)


def test_a_list_that_holds_a_tensor_and_itself_is_refused():
    nested = [ad.tensor(1.0, requires_grad=True)]
    nested.append(nested)
    with pytest.raises(ad.ShapeError, match="nested"):
        ad.tensor(nested)


@pytest.mark.parametrize("use", [lambda x, m: x * m, lambda x, m: ad.maximum(x, m)])
def test_a_masked_array_is_refused_as_an_operand(use):
    masked = np.ma.masked_array([1.0, 2.0], mask=[False, True])
    with pytest.raises(TypeError, match="masked"):
        use(ad.tensor([1.0, 2.0]), masked)


@pytest.mark.parametrize("name", ["func", "jit"])
def test_what_is_not_here_is_said_to_be_so(name):
    with pytest.raises(AttributeError, match="Limits"):
        getattr(ad, name)


@pytest.mark.parametrize("data", [[-4.0], [[1.0, 2.0]], np.ones((2, 2)), []], ids=str)
def test_the_class_makes_a_tensor_of_a_sequence_as_pytorchs_does(data):
    x = ad.Tensor(data)
    assert x.tolist() == np.asarray(data).tolist()
    assert x.is_leaf
    assert not x.requires_grad


def test_the_class_takes_integers_for_sizes_as_pytorchs_does():
    assert ad.Tensor(2, 3).shape == (2, 3)
    assert ad.Tensor(4).shape == (4,)
    assert ad.Tensor().shape == (0,)


@pytest.mark.parametrize("data", [(2.0,), ([1.0], [2.0]), ("ab",), (None,)], ids=str)
def test_the_class_refuses_what_is_neither_data_nor_sizes(data):
    with pytest.raises(TypeError, match=r"autodiff\.tensor|number"):
        ad.Tensor(*data)


def test_no_tensor_can_be_had_that_nobody_filled_in():
    with pytest.raises(TypeError, match="not safe"):
        object.__new__(ad.Tensor)


def test_a_tensor_in_the_class_keeps_its_values_and_not_its_memory():
    x = ad.tensor([1.0, 2.0])
    y = ad.Tensor(x)
    y[0] = 9.0
    assert x.tolist() == [1.0, 2.0]


def test_the_default_dtype_is_float64_and_may_be_asked_for():
    ad.set_default_dtype(ad.float64)
    assert ad.get_default_dtype() == ad.float64


def test_another_default_dtype_is_refused():
    with pytest.raises(TypeError, match="int32"):
        ad.set_default_dtype("int32")
