"""The sweep rule: a zero adjoint or an exactly zero partial contributes nothing."""

import math

import numpy as np
import pytest

import autodiff as ad

SHAPES = {"0-d": lambda v: v, "n-d": lambda v: [v, v]}
each_shape = pytest.mark.parametrize("shaped", SHAPES.values(), ids=SHAPES)


def gradient(function, at, **options):
    x = ad.tensor(at, requires_grad=True)
    function(x).sum().backward(**options)
    return float(np.ravel(x.grad.tolist())[0])


@each_shape
def test_a_branch_that_is_not_taken_contributes_nothing(shaped):
    assert gradient(lambda x: ad.where(x > 0, ad.log(x), 0.0), shaped(0.0)) == 0.0


@each_shape
def test_a_branch_that_overflows_and_is_not_taken_contributes_nothing(shaped):
    assert gradient(lambda x: ad.where(x < 0, ad.exp(x), 1.0), shaped(1000.0)) == 0.0


@each_shape
def test_a_root_times_its_operand_has_a_zero_gradient_at_zero(shaped):
    assert gradient(lambda x: x * ad.sqrt(x), shaped(0.0)) == 0.0


@each_shape
def test_the_root_of_a_square_has_a_zero_gradient_at_zero(shaped):
    assert gradient(lambda x: ad.sqrt(x * x), shaped(0.0)) == 0.0


@each_shape
def test_an_infinite_gradient_stays_infinite(shaped):
    assert gradient(ad.sqrt, shaped(0.0)) == math.inf


@each_shape
def test_a_nan_that_counts_stays(shaped):
    assert math.isnan(gradient(lambda x: ad.sqrt(x) * 2.0, shaped(-1.0)))


@each_shape
def test_a_nan_seed_stays(shaped):
    x = ad.tensor(shaped(0.0), requires_grad=True)
    y = x * 0.0 + x
    y.backward(ad.full(y.shape, math.nan))
    assert np.isnan(x.grad.tolist()).all()


@each_shape
def test_strict_nan_gives_ieee_products(shaped):
    found = gradient(
        lambda x: ad.where(x > 0, ad.log(x), 0.0), shaped(0.0), strict_nan=True
    )
    assert math.isnan(found)


@each_shape
def test_strict_nan_is_an_option_of_grad(shaped):
    x = ad.tensor(shaped(0.0), requires_grad=True)
    y = (x * ad.sqrt(x)).sum()
    (plain,) = ad.autograd.grad(y, x, retain_graph=True)
    (strict,) = ad.autograd.grad(y, x, strict_nan=True)
    assert np.ravel(plain.tolist())[0] == 0.0
    assert np.isnan(strict.tolist()).all()


@each_shape
def test_tangents_obey_the_rule(shaped):
    x = ad.tensor(shaped(0.0), requires_grad=True)
    y = ad.where(x > 0, ad.log(x), 0.0)
    (plain,) = ad.tangent(y, x, ad.ones(x.shape))
    (strict,) = ad.tangent(y, x, ad.ones(x.shape), strict_nan=True)
    assert np.ravel(plain.tolist())[0] == 0.0
    assert np.isnan(strict.tolist()).all()


@each_shape
def test_a_recorded_sweep_obeys_the_rule(shaped):
    x = ad.tensor(shaped(0.0), requires_grad=True)
    y = ad.where(x > 0, ad.log(x), x * x).sum()
    (g,) = ad.autograd.grad(y, x, create_graph=True)
    (h,) = ad.autograd.grad(g.sum(), x)
    assert np.ravel(g.tolist())[0] == 0.0
    assert np.ravel(h.tolist())[0] == 2.0


def test_the_rule_holds_beside_other_contributions():
    assert gradient(lambda x: ad.where(x > 0, ad.log(x), 0.0) + 3.0 * x, 0.0) == 3.0


def test_a_zero_element_of_an_adjoint_contributes_nothing():
    x = ad.tensor([0.0, 4.0], requires_grad=True)
    ad.sqrt(x)[1].backward()
    assert x.grad.tolist() == [0.0, 0.25]
