"""Reductions, running sums, softmax and order: values, gradients, awkward points."""

import math

import numpy as np
import pytest
from tensor.checks import assert_values, check_gradients

import autodiff as ad

X = np.linspace(-1.3, 2.1, 24).reshape(2, 3, 4) ** 3 + 0.1
M = np.array([[0.2, 1.5, -0.7], [2.1, -0.4, 0.9]])
S = np.array(0.7)
ONE = np.array([1.5])
EMPTY = np.zeros((0, 3))
NONE = np.zeros(0)


def lse(a, axis=None, keepdims=False):
    largest = a.max(axis=axis, keepdims=True)
    total = np.log(np.exp(a - largest).sum(axis=axis, keepdims=True)) + largest
    return total if keepdims else total.squeeze(axis)


def soft(a, axis):
    e = np.exp(a - a.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


OVER_AXES = {
    "sum": (ad.sum, np.sum),
    "mean": (ad.mean, np.mean),
    "prod": (ad.prod, np.prod),
    "amax": (ad.amax, np.max),
    "amin": (ad.amin, np.min),
    "logsumexp": (ad.logsumexp, lse),
    "var": (lambda x, d, keepdim: ad.var(x, d, keepdim=keepdim), None),
    "std": (lambda x, d, keepdim: ad.std(x, d, keepdim=keepdim), None),
    "norm": (lambda x, d, keepdim: ad.norm(x, 2, d, keepdim), None),
    "norm of order 3": (lambda x, d, keepdim: ad.norm(x, 3, d, keepdim), None),
    "norm of order 1": (lambda x, d, keepdim: ad.norm(x, 1, d, keepdim), None),
}
NUMPYS = {
    "var": lambda a, axis, keepdims: a.var(axis=axis, keepdims=keepdims, ddof=1),
    "std": lambda a, axis, keepdims: a.std(axis=axis, keepdims=keepdims, ddof=1),
    "norm": lambda a, axis, keepdims: np.sqrt((a**2).sum(axis, keepdims=keepdims)),
    "norm of order 3": lambda a, axis, keepdims: np.cbrt(
        (np.abs(a) ** 3).sum(axis, keepdims=keepdims)
    ),
    "norm of order 1": lambda a, axis, keepdims: np.abs(a).sum(axis, keepdims=keepdims),
}
AXES = [None, 0, -1, (0, 1), (0, -1), (0, 1, 2)]


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", AXES, ids=str)
@pytest.mark.parametrize("name", OVER_AXES)
def test_values_are_those_of_numpy(name, dim, keepdim):
    ours, numpys = OVER_AXES[name]
    numpys = numpys or NUMPYS[name]
    expected = numpys(X, axis=dim, keepdims=keepdim)
    # Sums in another order: an ULP for each doubling of 24 elements, and cancellation.
    found = ours(ad.tensor(X), dim, keepdim=keepdim)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("dim", [None, 0, -1, (0, 2)], ids=str)
@pytest.mark.parametrize("name", OVER_AXES)
def test_first_and_second_derivatives_agree_with_differences(name, dim):
    ours, _ = OVER_AXES[name]
    # Third derivatives near 0 (norms) leave a part in 1e6 to the second difference.
    check_gradients(
        lambda x: ours(x, dim, keepdim=False) ** 2, X + 0.05, tolerance=1e-6
    )


@pytest.mark.parametrize("name", set(OVER_AXES) - {"var", "std"})
@pytest.mark.parametrize("a", [S, ONE], ids=["0-d", "one element"])
def test_one_element_is_its_own_sum_product_and_maximum(name, a):
    ours, _ = OVER_AXES[name]
    assert_values(ours(ad.tensor(a), None, keepdim=False), np.abs(a).item(), ulp=2)
    check_gradients(lambda x: ours(x, 0, keepdim=False) ** 2, a)


ALONG = {
    "cumsum": (ad.cumsum, np.cumsum),
    "cumprod": (ad.cumprod, np.cumprod),
    "softmax": (ad.softmax, soft),
    "log_softmax": (ad.log_softmax, lambda a, axis: np.log(soft(a, axis))),
    "sort": (lambda x, d: ad.sort(x, d).values, np.sort),
    "sort down": (
        lambda x, d: ad.sort(x, d, descending=True).values,
        lambda a, axis: np.flip(np.sort(a, axis), axis),
    ),
    "max": (lambda x, d: ad.max(x, d).values, np.max),
    "min": (lambda x, d: ad.min(x, d).values, np.min),
    "median": (
        lambda x, d: ad.median(x, d).values,
        lambda a, axis: np.quantile(a, 0.5, axis=axis, method="inverted_cdf"),
    ),
    "topk": (
        lambda x, d: ad.topk(x, 2, d).values,
        lambda a, axis: np.flip(np.sort(a, axis), axis).take([0, 1], axis),
    ),
}


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name", ALONG)
def test_along_an_axis_values_are_those_of_numpy(name, dim):
    ours, numpys = ALONG[name]
    found = ours(ad.tensor(X), dim).numpy()
    np.testing.assert_allclose(found, numpys(X, axis=dim), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dim", [0, -1])
@pytest.mark.parametrize("name", ALONG)
def test_along_an_axis_derivatives_agree_with_differences(name, dim):
    ours, _ = ALONG[name]
    check_gradients(lambda x: ours(x, dim) ** 2, X)


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_running_over_no_axis_is_over_the_flat_elements(name):
    ours, numpys = ALONG[name]
    np.testing.assert_allclose(ours(ad.tensor(M)).numpy(), numpys(M), rtol=1e-15)


@pytest.mark.parametrize("name", set(ALONG) - {"topk"})
def test_a_scalar_has_an_axis_0(name):
    ours, _ = ALONG[name]
    check_gradients(lambda x: ours(x, 0) ** 2 * x, S)


def test_sum_of_nothing_is_0_and_product_1():
    assert ad.tensor(NONE).sum().item() == 0.0
    assert ad.tensor(NONE).prod().item() == 1.0
    assert_values(ad.tensor(EMPTY).sum(0), np.zeros(3))
    assert_values(ad.tensor(EMPTY).prod(0), np.ones(3))
    assert ad.tensor(EMPTY).sum(1).shape == (0,)


def test_mean_and_variance_of_nothing_are_nan():
    assert math.isnan(ad.tensor(NONE).mean().item())
    assert math.isnan(ad.tensor(NONE).var().item())
    assert math.isnan(ad.tensor(NONE).median().item())


def test_logsumexp_of_nothing_is_minus_infinity():
    assert_values(ad.tensor(EMPTY).logsumexp(0), np.full(3, -np.inf))


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "softmax", "log_softmax"])
@pytest.mark.parametrize("dim", [0, 1])
def test_along_an_axis_nothing_stays_nothing(name, dim):
    assert ALONG[name][0](ad.tensor(EMPTY), dim).shape == (0, 3)


def test_gradients_of_reductions_of_nothing_are_empty():
    for f in (ad.sum, ad.mean, ad.prod, ad.norm):
        x = ad.zeros(0, 3, requires_grad=True)
        (f(x) + x.sum()).backward()
        assert x.grad.shape == (0, 3)


BAD = {
    "an axis beyond": (lambda x: x.sum(2), IndexError),
    "an axis far below": (lambda x: x.mean(-3), IndexError),
    "an axis twice": (lambda x: x.sum((0, 0)), ad.ShapeError),
    "an axis twice by both ends": (lambda x: x.prod((0, -2)), RuntimeError),
    "a float axis": (lambda x: x.sum(0.5), TypeError),
    "dim and axis": (lambda x: x.sum(0, axis=1), TypeError),
    "largest of nothing": (lambda x: x[:0].max(), RuntimeError),
    "largest of nothing along": (lambda x: x[:0].max(0), IndexError),
    "amax of nothing along": (lambda x: x[:0].amax(0), IndexError),
    "position in nothing": (lambda x: x[:0].argmax(), IndexError),
    "position in nothing along": (lambda x: x[:0].argmin(0), IndexError),
    "median of nothing along": (lambda x: x[:0].median(0), IndexError),
    "softmax beyond": (lambda x: x.softmax(2), IndexError),
    "cumsum beyond": (lambda x: x.cumsum(-3), IndexError),
    "sort beyond": (lambda x: x.sort(2), IndexError),
    "nuclear norm": (lambda x: x.norm("nuc"), ad.ArgumentError),
    "more than there is": (lambda x: x.topk(4), RuntimeError),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_an_error_and_the_tape_stays_usable(name):
    function, error = BAD[name]
    x = ad.tensor(M, requires_grad=True)
    y = x * 2
    with pytest.raises(error):
        function(y)
    y.sum().backward()
    assert_values(x.grad, np.full(M.shape, 2.0))


# ---- Awkward points ------------------------------------------------------------------


def grad_of(function, values):
    x = ad.tensor(values, requires_grad=True)
    function(x).backward()
    return x.grad.tolist()


@pytest.mark.parametrize(
    "function", [ad.max, ad.amax, ad.median], ids=lambda f: f.__name__
)
def test_ties_of_an_extreme_share_the_gradient(function):
    assert grad_of(function, [1.0, 2.0, 2.0, 2.0, 2.0]) == [0, 0.25, 0.25, 0.25, 0.25]


def test_along_dim_the_first_of_the_ties_takes_the_gradient():
    assert grad_of(lambda x: x.max(0).values, [1.0, 2.0, 2.0]) == [0, 1, 0]


def test_a_product_has_exact_gradients_beside_zeros():
    assert grad_of(ad.prod, [0.0, 2.0, 3.0]) == [6.0, 0.0, 0.0]
    assert grad_of(ad.prod, [0.0, 0.0, 3.0]) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("zeros", [(0, 0), (0, 1), (1, 2)])
def test_a_product_has_exact_second_derivatives_beside_zeros(zeros):
    a = np.array([2.0, 3.0, 0.5, -1.5, 4.0])
    a[list(zeros)] = 0.0
    check_gradients(ad.prod, a)
    check_gradients(lambda x: ad.cumprod(x, 0), a)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, math.inf])
def test_a_norm_has_gradient_0_at_0(p):
    assert grad_of(lambda x: x.norm(p), [0.0, 0.0]) == [0.0, 0.0]


@pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-324])
def test_a_norm_neither_overflows_nor_underflows(scale):
    x = ad.tensor([3 * scale, 4 * scale], requires_grad=True)
    x.norm().backward()
    assert x.norm().item() == pytest.approx(5 * scale, rel=1e-15, abs=0)
    np.testing.assert_allclose(x.grad.numpy(), [0.6, 0.8], rtol=1e-15)


def test_the_spread_of_equal_values_is_0_with_gradient_0():
    assert grad_of(ad.std, [1.0, 1.0]) == [0.0, 0.0]


def test_the_variance_of_one_value_is_nan_and_so_is_its_gradient():
    x = ad.tensor([2.0], requires_grad=True)
    y = x.var()
    y.backward()
    assert math.isnan(y.item())
    assert math.isnan(x.grad.item())
    assert ad.tensor([2.0]).var(unbiased=False).item() == 0.0


def test_variance_does_not_cancel_far_from_zero():
    assert ad.tensor([1e8 + 1, 1e8 + 2, 1e8 + 3]).var().item() == 1.0


@pytest.mark.parametrize(
    ("named", "ddof"),
    [({}, 1), ({"unbiased": False}, 0), ({"correction": 0}, 0), ({"ddof": 2}, 2)],
    ids=str,
)
def test_the_correction_of_a_variance_has_three_names(named, ddof):
    a = np.array([0.5, -1.25, 2.0, 0.75])
    assert ad.var(ad.tensor(a), **named).item() == pytest.approx(a.var(ddof=ddof))


@pytest.mark.parametrize("shift", [1000.0, -1000.0])
def test_exponentials_do_not_overflow(shift):
    a = np.array([0.5, -1.25, 2.0])
    np.testing.assert_allclose(
        ad.softmax(ad.tensor(a + shift)).numpy(), soft(a, 0), rtol=1e-13
    )
    assert ad.logsumexp(ad.tensor(a + shift)).item() == pytest.approx(lse(a) + shift)
    assert grad_of(ad.logsumexp, a + shift) == pytest.approx(soft(a, 0))


def test_log_softmax_keeps_its_digits_in_the_tail():
    assert ad.log_softmax(ad.tensor([0.0, -800.0])).tolist() == [0.0, -800.0]


def test_an_infinite_logsumexp_has_the_limit_as_gradient():
    assert grad_of(ad.logsumexp, [-np.inf, -np.inf]) == [0.5, 0.5]
    assert grad_of(ad.logsumexp, [1.0, np.inf]) == [0.0, 1.0]
    assert ad.logsumexp(ad.tensor([-np.inf, -np.inf])).item() == -np.inf


def test_nan_is_the_largest_for_sorting_both_ways():
    x = ad.tensor([1.0, np.nan, 3.0])
    assert x.argsort().tolist() == [0, 2, 1]
    assert x.argsort(descending=True).tolist() == [1, 2, 0]


def test_sorting_keeps_the_order_of_equal_elements_both_ways():
    x = ad.tensor([2.0, 1.0, 2.0, 1.0])
    assert x.argsort().tolist() == [1, 3, 0, 2]
    assert x.argsort(descending=True).tolist() == [0, 2, 1, 3]


def test_a_nan_makes_extremes_and_medians_nan():
    x = ad.tensor([[1.0, np.nan], [2.0, 3.0]])
    assert math.isnan(x.max().item())
    assert math.isnan(x.median().item())
    assert x.median(1).indices.tolist() == [1, 0]
    assert x.argmax() == 1


@pytest.mark.parametrize("name", ["argmax", "argmin", "any", "all"])
@pytest.mark.parametrize("dim", [None, 0, -1])
@pytest.mark.parametrize("keepdim", [False, True])
def test_what_has_no_gradient_is_of_numpys_types(name, dim, keepdim):
    a = np.array([[0.0, 2.0, 3.0], [1.5, 0.0, 0.0]])
    found = getattr(ad.tensor(a, requires_grad=True), name)(dim, keepdim)
    expected = getattr(np, name)(a, axis=dim, keepdims=keepdim)
    assert not isinstance(found, ad.Tensor)
    np.testing.assert_array_equal(found, expected, strict=True)


def test_max_means_what_pytorch_and_numpy_mean_by_their_words():
    x = ad.tensor(M)
    assert_values(x.max(axis=0), M.max(axis=0))
    assert_values(x.max(0).values, M.max(axis=0))
    assert x.max(0).indices.tolist() == [1, 0, 1]
    assert_values(ad.max(x, ad.tensor(-M)), np.maximum(M, -M))
    assert_values(ad.max(x, other=ad.tensor(-M)), np.maximum(M, -M))
