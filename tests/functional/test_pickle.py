"""Transforms of functions in pickles: made again by what they were made of."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

import autodiff as ad


def square(x):
    return (x * x).sum() if np.ndim(x) else x * x


@ad.grad
def slope(x):
    return x**3


@ad.vmap
def rows(x):
    return x if x > 0 else -x


@pytest.mark.parametrize(
    "made",
    [
        ad.grad(square),
        ad.value_and_grad(square, argnums=(0,)),
        ad.jacobian(square, mode="reverse"),
        ad.hessian(square),
        ad.checkpoint(square),
        ad.grad(ad.grad(square)),
        ad.vmap(ad.grad(square)),
        slope,
        rows,
    ],
    ids=str,
)
def test_what_a_transform_made_comes_back(made):
    again = pickle.loads(pickle.dumps(made))
    x = np.array([1.0, 2.0]) if isinstance(made, type(rows)) else 1.5
    assert str(again(x)) == str(made(x))


def test_a_mapped_function_that_has_run_is_pickled_too():
    f = ad.vmap(square)
    f(np.ones(3))
    assert pickle.loads(pickle.dumps(f))(np.array([2.0])).tolist() == [4.0]


def test_a_decorated_function_comes_back_as_itself():
    assert pickle.loads(pickle.dumps(slope)) is sys.modules[__name__].slope


def test_a_method_may_be_a_transform():
    class Model:
        a = 3.0

        loss = ad.grad(lambda self, x: self.a * x * x, argnums=1)

    assert Model().loss(2.0) == 12.0


def test_a_compiled_lambda_that_was_never_called_is_refused():
    with pytest.raises(pickle.PicklingError, match="call it first"):
        pickle.dumps(ad.compile(lambda x: x))
