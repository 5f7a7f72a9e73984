"""f.grad, f.jacobian and their like of compiled functions, against the transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff import tree
from autodiff.errors import ArgumentError, GraphError, ShapeError
from autodiff.programs import derivatives

X = np.array([1.0, 2.0, 3.0, 4.0])
Y = np.array([0.5, -1.0, 2.0, 0.25])
P = {"a": X[:2], "b": 2.0}


def number(x: Any, y: Any) -> Any:
    return (ad.sin(x) * y).sum() + (x * x).prod() if y[1] < 0 else (x * y).sum()


def trees(p: Any, q: Any) -> Any:
    return {"u": p["a"] * p["b"] * q, "v": (p["a"].sum() * q, [p["b"] ** 2])}


def close(found: Any, wanted: Any) -> None:
    a, structure = tree.flatten(found)
    b, other = tree.flatten(wanted)
    assert structure == other
    for x, y in zip(a, b, strict=True):
        assert np.shape(x) == np.shape(y)
        assert isinstance(x, np.ndarray) == isinstance(y, np.ndarray)
        np.testing.assert_allclose(x, y, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("argnums", [0, 1, -1, (0,), (1, 0), (0, 1)], ids=str)
def test_gradients_and_hessians_are_those_of_the_transforms(argnums):
    f = ad.compile(number)
    for y in (Y, -Y, Y):
        close(f.grad(X, y, argnums=argnums), ad.grad(number, argnums)(X, y))
        close(
            f.value_and_grad(X, y, argnums=argnums),
            ad.value_and_grad(number, argnums)(X, y),
        )
        close(f.hessian(X, y, argnums=argnums), ad.hessian(number, argnums)(X, y))


@pytest.mark.parametrize("mode", [None, "forward", "reverse"])
@pytest.mark.parametrize("argnums", [0, 1, (0, 1)], ids=str)
def test_jacobians_of_nested_results_in_nested_arguments(argnums, mode):
    f = ad.compile(trees)
    wanted = ad.jacobian(trees, argnums)(P, 3.0)
    close(f.jacobian(P, 3.0, argnums=argnums, mode=mode), wanted)


def test_products_with_jacobians_and_hessians():
    f, g = ad.compile(number), ad.compile(trees)
    close(f.jvp((X, Y), (Y, X)), ad.jvp(number, (X, Y), (Y, X)))
    close(f.jvp((X, Y), (None, X)), ad.jvp(number, (X, Y), (None, X)))
    close(g.jvp((P, 3.0), (P, 1.0)), ad.jvp(trees, (P, 3.0), (P, 1.0)))
    value, pull_back = g.vjp(P, 3.0)
    wanted, other = ad.vjp(trees, P, 3.0)
    close(value, wanted)
    for seed in (value, {"u": X[:2], "v": None}, {"u": None, "v": (1.0, [2.0])}):
        close(pull_back(seed), other(seed))
    close(f.hvp(X, Y, Y), ad.hvp(number)(X, Y, Y))
    both = ad.hvp(number, (0, 1))
    close(
        f.hvp(X, (X, Y), Y, argnums=(0, 1)),
        tuple(
            sum(h @ v for h, v in zip(row, (X, Y), strict=True))
            for row in ad.hessian(number, (0, 1))(X, Y)
        ),
    )
    assert callable(both)


@pytest.mark.parametrize("transform", [ad.grad, ad.hessian, ad.jacobian], ids=str)
def test_transforms_of_compiled_functions_are_those_of_the_functions(transform):
    close(transform(ad.compile(number))(X, Y), transform(number)(X, Y))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_derivatives_of_derivatives_that_a_compiled_function_has(mode):
    f = ad.compile(number)
    close(ad.jacobian(lambda x: f.grad(x, Y), mode=mode)(X), ad.hessian(number)(X, Y))
    third = ad.jacobian(ad.hessian(number))(X, Y)
    close(ad.jacobian(lambda x: f.hessian(x, Y), mode=mode)(X), third)
    close(ad.jacobian(lambda x: ad.hessian(f)(x, Y), mode=mode)(X), third)
    close(ad.compile(ad.jacobian(f.grad))(X, Y), ad.hessian(number)(X, Y))
    close(
        ad.jacobian(lambda x: f.jvp((x, Y), (Y, None))[1], mode=mode)(X),
        ad.hvp(number)(X, Y, Y),
    )
    close(
        ad.jacobian(lambda x: f.vjp(x, Y)[1](1.0)[0], mode=mode)(X),
        ad.hessian(number)(X, Y),
    )


def test_a_call_on_a_tracked_value_is_one_entry_of_the_graph():
    x = ad.tensor(X, requires_grad=True)
    f = ad.compile(number)
    f(x, Y)
    before = ad.tape_info()
    z = f(x, Y)
    after = ad.tape_info()
    assert type(z.grad_fn).__name__ != "AddBackward0"
    assert after.entries - before.entries <= 2
    z.backward()
    np.testing.assert_allclose(x.grad.numpy(), ad.grad(number)(X, Y), rtol=1e-13)


def test_a_graph_of_the_gradient_of_a_call():
    x = ad.tensor(3.0, requires_grad=True)
    y = ad.compile(lambda x: x**4)(x)
    wanted = [108.0, 108.0, 72.0, 24.0]
    for k in range(4):
        (y,) = ad.autograd.grad(y, x, create_graph=True)
        assert float(y.detach()) == wanted[k]


def test_a_call_under_no_grad_is_a_plain_number():
    with ad.no_grad():
        assert (
            type(ad.compile(lambda x: x * 2)(ad.tensor(1.0, requires_grad=True)))
            is float
        )


def test_bools_and_integers_have_derivatives_as_numbers_or_none():
    f = ad.compile(lambda m, x: (x * m).sum())
    close(f.grad(X > 2, X, argnums=(0, 1)), (np.zeros(4), np.array([0.0, 0, 1, 1])))
    assert ad.compile(lambda x, y: x * y).grad(2, 3) == 3.0


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda f: f.grad(X, Y, argnums=2), TypeError, "argument 2"),
        (lambda f: f.grad(X, Y, argnums=True), TypeError, "argnums"),
        (lambda f: f.grad(X, Y, argnums=1.0), TypeError, "argnums"),
        (lambda f: f.grad(x=X, y=Y), TypeError, "0 positional"),
        (lambda f: f.jacobian(X, Y, mode="x"), ArgumentError, "mode"),
        (lambda f: f.jvp((X, Y), (X[:2], Y)), ShapeError, r"\(4,\).*\(2,\)"),
        (lambda f: f.jvp(X, Y), TypeError, "tuple"),
        (lambda f: f.jvp((X, Y), (X,)), TypeError, "1 tangents"),
        (lambda f: f.vjp(X, Y)[1](X), ShapeError, "seed"),
        (lambda f: f.hvp(X), TypeError, "second place"),
        (lambda f: f.hvp(X, X[:1], Y), ShapeError, "vector"),
        (lambda f: ad.compile(lambda x: x * 2).grad(X), ShapeError, "jacobian"),
        (lambda f: ad.compile(lambda x: (x, x)).grad(1.0), ShapeError, "jacobian"),
        (lambda f: ad.compile(lambda x: x * 2).hessian(X), ShapeError, "one number"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call(ad.compile(number))


def test_a_path_with_another_result_does_not_stand_in_the_way():
    f = ad.compile(lambda x: x[0] ** 2 if x[0] > 0 else x)
    one = np.array([3.0])
    for _ in range(2):
        assert f(-one).tolist() == [-3.0]
        assert f.grad(one).tolist() == [6.0]
        assert f(-one).tolist() == [-3.0]
        assert f.hessian(one).tolist() == [[2.0]]
        assert f(-one).tolist() == [-3.0]
        assert f.hvp(one, one).tolist() == [6.0]
        with pytest.raises(ShapeError, match="one number"):
            f.grad(-one)


def test_pulling_back_is_at_the_arguments_of_the_call():
    f = ad.compile(lambda x: (x * x).sum())
    x = X.copy()
    _, pull_back = f.vjp(x)
    x *= 10
    assert pull_back(1.0)[0].tolist() == (2 * X).tolist()
    t = ad.tensor(X, requires_grad=True)
    _, pull_back = f.vjp(t)
    with ad.no_grad():
        t.mul_(10.0)
    with pytest.raises(GraphError, match="inplace"):
        pull_back(1.0)


def test_a_sparse_jacobian_has_the_shape_of_the_path_that_is_taken():
    f = ad.compile(lambda x: x * x if x[0] > 0 else x[:1] * 3)
    assert f(-X).tolist() == [-3.0]
    assert f.jacobian(X, sparse=True).toarray().tolist() == np.diag(2 * X).tolist()
    assert f.jacobian(-X, sparse=True).toarray().tolist() == [[3.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize(("m", "n"), [(1, 5), (5, 1), (3, 3), (4, 9), (9, 3), (400, 4)])
def test_few_directions_and_many_give_the_same_jacobian(m, n, mode):
    w = np.sin(np.arange(float(m * n))).reshape(m, n)
    point = np.linspace(-1.0, 1.0, n)

    def f(x):
        return ad.tanh(w @ x) if x[0] < 0 else (w @ x) ** 2

    compiled = ad.compile(f)
    for x in (point, -point, point):
        found = compiled.jacobian(x, mode=mode)
        y = w @ x
        slope = 1 / np.cosh(y) ** 2 if x[0] < 0 else 2 * y
        np.testing.assert_allclose(found, slope[:, None] * w, rtol=1e-12)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_jacobian_of_long_arrays_runs_point_by_point(mode, monkeypatch):
    w = np.sin(np.arange(200.0 * 200)).reshape(200, 200)
    f, x = ad.compile(lambda x: ad.sin(w @ x)), np.linspace(0, 1, 200)
    monkeypatch.setattr(derivatives, "RowsDerived", None)
    wanted = np.cos(w @ x)[:, None] * w
    np.testing.assert_allclose(f.jacobian(x, mode=mode), wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobians_of_few_directions_carry_gradient(mode):
    f = ad.compile(lambda x: ad.stack([x[0] * x[1], x[1] ** 3]))
    found = ad.grad(lambda x: (f.jacobian(x, mode=mode) ** 2).sum())(np.array([1.0, 2]))
    np.testing.assert_allclose(found, [2.0, 4.0 + 18 * 2 * 2**3 - 4.0 + 4.0])
