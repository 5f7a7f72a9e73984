"""Tangents go through calls of programs: compiled functions, rows, loops."""

import numpy as np
import pytest

import autodiff as ad

X = np.array([1.0, 2.0, 3.0])


def newton_root(a):
    return ad.while_loop(
        lambda x: abs(x * x - a) > 1e-12, lambda x: 0.5 * (x + a / x), 1.0
    )


def test_jvp_of_a_compiled_function():
    cubes = ad.compile(lambda x: (x**3).sum())
    assert ad.jvp(cubes, (X,), (np.ones(3),)) == (36.0, 42.0)


def test_hessian_of_a_compiled_function():
    cubes = ad.compile(lambda x: (x**3).sum())
    np.testing.assert_allclose(ad.hessian(cubes)(X), np.diag(6.0 * X), rtol=1e-15)


def test_forward_jacobian_of_rows_that_choose():
    rows = ad.vmap(lambda x: x**3 if x > 2 else x)
    found = ad.jacobian(rows, mode="forward")(X)
    np.testing.assert_array_equal(found, np.diag([1.0, 1.0, 27.0]))


def test_jvp_of_a_scan():
    def product(a):
        return ad.scan(lambda c, x: (c * x, None), a, X)[0]

    assert ad.jvp(product, (2.0,), (1.0,)) == (12.0, 6.0)


def test_second_derivative_through_a_loop_that_ends_by_itself():
    found = ad.hessian(newton_root)(2.0)
    assert found == pytest.approx(-0.25 * 2.0**-1.5, rel=1e-9)
