"""out=: results of compiled functions in arrays of the caller's."""

from __future__ import annotations

import numpy as np
import pytest

import autodiff as ad
from autodiff.errors import ShapeError

X = np.array([1.0, 2.0, 3.0, 4.0])


def test_results_go_into_the_arrays_of_out():
    f = ad.compile(lambda x: (x * x, x.sum()))
    out = np.empty(4)
    found = f(X, out=(out, None))
    assert found[0] is out
    assert out.tolist() == [1.0, 4.0, 9.0, 16.0]
    assert found[1] == 10.0


def test_gradients_go_into_the_arrays_of_out():
    f = ad.compile(lambda x: (x * x).sum())
    out = np.empty(4)
    for _ in range(2):
        assert f.grad(X, out=out) is out
    value, gradient = f.value_and_grad(X, out=(None, out))
    assert gradient is out
    assert (value, out.tolist()) == (30.0, [2.0, 4.0, 6.0, 8.0])
    square = np.empty((4, 4))
    assert f.hessian(X, out=square) is square
    assert square.tolist() == np.diag([2.0] * 4).tolist()


def test_out_of_the_short_way_is_that_of_the_long_way():
    f = ad.compile(lambda x, y: (x * y).sum())
    for _ in range(3):
        a, b, value = np.empty(4), np.empty(8)[::2], np.empty(())
        found = f.grad(X, 2 * X, argnums=(0, 1), out=(a, b))
        assert found[0] is a
        assert found[1] is b
        assert (a.tolist(), b.tolist()) == ((2 * X).tolist(), X.tolist())
        assert f.value_and_grad(X, X, out=(value, None))[0] == value == 30.0
        for bad in (np.empty(3), np.empty(4, dtype=int), np.zeros((4, 1)), 1.0, (a,)):
            with pytest.raises((TypeError, ShapeError), match="out"):
                f.grad(X, X, out=bad)
        frozen = np.zeros(4)
        frozen.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            f.grad(X, X, out=frozen)
        assert frozen.tolist() == [0.0] * 4


def test_out_may_be_strided_and_may_be_the_argument():
    f = ad.compile(lambda x: x * 2)
    out = np.zeros(8)
    f(X, out=out[::2])
    assert out.tolist() == [2.0, 0.0, 4.0, 0.0, 6.0, 0.0, 8.0, 0.0]
    x = X.copy()
    assert f(x, out=x).tolist() == [2.0, 4.0, 6.0, 8.0]


@pytest.mark.parametrize(
    ("out", "error"),
    [
        (np.empty(3), ShapeError),
        (np.empty((4, 1)), ShapeError),
        (np.empty(4, dtype=np.float32), TypeError),
        ([0.0] * 4, TypeError),
        ((np.empty(4),), TypeError),
    ],
    ids=["short", "2-d", "float32", "list", "tuple"],
)
def test_out_of_another_kind_is_refused(out, error):
    f = ad.compile(lambda x: x * 2)
    with pytest.raises(error, match="out"):
        f(X, out=out)


def test_a_parameter_of_the_function_called_out_is_the_functions():
    f = ad.compile(lambda x, out=1.0: x * out)
    assert f(2.0, out=3.0) == 6.0
