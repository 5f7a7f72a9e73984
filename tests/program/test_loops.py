"""scan, fori_loop, while_loop and map against Python loops, in every mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff import tree
from autodiff.errors import ArgumentError, ConvergenceError, ShapeError

X = np.array([0.2, 0.4, 0.6, 0.8])


def close(found: Any, wanted: Any, rtol: float = 1e-12) -> None:
    a, structure = tree.flatten(found)
    b, other = tree.flatten(wanted)
    assert structure == other
    for x, y in zip(a, b, strict=True):
        assert np.shape(x) == np.shape(y)
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-14)


def unrolled(step: Any, carry: Any, xs: Any) -> tuple[Any, Any]:
    """Do what scan does, by a Python loop."""
    ys = []
    for x in xs:
        carry, y = step(carry, x)
        ys.append(y)
    return carry, ad.stack(ys)


def step(c: Any, x: Any) -> tuple[Any, Any]:
    return ad.sin(c) + x * c, c * x


FUNCTIONS = {
    "number": lambda loop: lambda c, xs: loop(step, c, xs)[0],
    "rows": lambda loop: lambda c, xs: (loop(step, c, xs)[1] ** 2).sum(),
    "vector": lambda loop: (
        lambda c, xs: loop(
            lambda v, x: (ad.tanh(v * x + v[::-1]), v.sum()),
            ad.stack([c, 2 * c, c * c]),
            xs,
        )[0].sum()
    ),
    "closed over": lambda loop: (
        lambda c, xs: loop(lambda d, x: (d * ad.cos(c) + x * xs.sum(), d), c, xs)[0]
    ),
}
TRANSFORMS = {
    "value": lambda f: f,
    "gradient": lambda f: ad.grad(f, argnums=(0, 1)),
    "forward": lambda f: ad.jacobian(f, argnums=(0, 1), mode="forward"),
    "reverse": lambda f: ad.jacobian(f, argnums=(0, 1), mode="reverse"),
    "hessian": lambda f: ad.hessian(f, argnums=(0, 1)),
    "third": lambda f: ad.jacobian(ad.hessian(f, argnums=1), argnums=(0, 1)),
    "hvp": lambda f: lambda c, xs: ad.hvp(lambda z: f(c, z))(xs, X[::-1].copy()),
}
each_function = pytest.mark.parametrize("function", FUNCTIONS)
each_transform = pytest.mark.parametrize("transform", TRANSFORMS)


def eager(function: str, transform: str) -> Any:
    f = TRANSFORMS[transform](FUNCTIONS[function](unrolled))
    found = f(ad.tensor(0.5), ad.tensor(X)) if transform == "value" else f(0.5, X)
    return tree.tree_map(lambda z: np.asarray(ad.as_tensor(z).detach()), found)


@each_transform
@each_function
def test_a_scan_is_its_python_loop(function, transform):
    f = TRANSFORMS[transform](FUNCTIONS[function](ad.scan))
    close(f(0.5, X), eager(function, transform))


@each_transform
@each_function
def test_a_scan_in_a_compiled_function_is_its_python_loop(function, transform):
    f = ad.compile(TRANSFORMS[transform](FUNCTIONS[function](ad.scan)))
    for _ in range(2):
        close(f(0.5, X), eager(function, transform))


@each_transform
@each_function
def test_a_scan_in_a_compiled_function_that_is_transformed(function, transform):
    f = TRANSFORMS[transform](ad.compile(FUNCTIONS[function](ad.scan)))
    close(f(0.5, X), eager(function, transform))


@each_transform
@each_function
def test_a_scan_in_lanes_is_its_python_loop(function, transform):
    f = TRANSFORMS[transform](FUNCTIONS[function](ad.scan))
    rows = ad.vmap(f, in_axes=(0, None))(np.full(9, 0.5), X)
    wanted = tree.tree_map(lambda z: np.stack([z] * 9), eager(function, transform))
    close(rows, wanted)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 9])
@each_transform
def test_checkpoints_change_nothing(transform, k):
    def loop(step, c, xs):
        return ad.scan(step, c, xs, checkpoint=k)

    for function in ("number", "rows"):
        f = TRANSFORMS[transform](FUNCTIONS[function](loop))
        close(f(0.5, X), eager(function, transform))


def test_the_derivatives_of_a_compiled_scan():
    f = ad.compile(FUNCTIONS["number"](ad.scan))
    gradient = eager("number", "gradient")
    close(f.grad(0.5, X, argnums=(0, 1)), gradient)
    close(f.hessian(0.5, X, argnums=(0, 1)), eager("number", "hessian"))
    close(f.jvp((0.5, X), (1.0, X))[1], float(gradient[0] + gradient[1] @ X))
    close(f.vjp(0.5, X)[1](1.0), gradient)


# ---- Structures ----------------------------------------------------------------------


def test_carry_rows_and_results_may_be_nested():
    carry, ys = ad.scan(
        lambda c, x: (
            {"a": c["a"] + x[0], "b": (c["b"][0] * x[1].sum(),)},
            {"y": c["a"], "none": None},
        ),
        {"a": 0.0, "b": (1.0,)},
        (np.arange(4.0), np.ones((4, 3))),
    )
    assert carry == {"a": 6.0, "b": (81.0,)}
    assert ys["y"].tolist() == [0.0, 0.0, 1.0, 3.0]
    assert ys["none"] is None


def test_a_length_alone_will_do():
    carry, ys = ad.scan(lambda c, _: (c * 2, c), 1.0, length=5)
    assert (carry, ys.tolist()) == (32.0, [1.0, 2.0, 4.0, 8.0, 16.0])


def test_nothing_carried_and_nothing_kept_are_none():
    assert ad.scan(lambda c, x: (c + x, None), 0.0, np.ones(3)) == (3.0, None)
    carry, ys = ad.scan(lambda c, x: (None, x * 2), None, np.ones(3))
    assert carry is None
    assert ys.tolist() == [2.0] * 3


def test_no_steps_give_the_carry_and_no_rows():
    carry, ys = ad.scan(lambda c, x: (c + x.sum(), (c * x, c)), 7.0, np.zeros((0, 3)))
    assert carry == 7.0
    assert ys[0].shape == (0, 3)
    assert ys[1].shape == (0,)
    assert ad.scan(lambda c, _: (c, None), 1.0, length=0) == (1.0, None)
    f = ad.compile(lambda c: ad.scan(lambda c, x: (c + x, c), c * c, np.zeros(0))[0])
    assert (f(3.0), f.grad(3.0)) == (9.0, 6.0)
    assert ad.fori_loop(3, 3, lambda i, c: c * 2, 7.0) == 7.0


def test_integers_and_bools_are_taken():
    assert ad.scan(lambda c, x: (c + x, None), 0, np.arange(4))[0] == 6.0
    found = ad.scan(lambda c, m: (ad.where(m, c + 1, c), None), 0.0, X > 0.5)
    assert found[0] == 2.0


def test_a_body_may_change_its_carry_in_place():
    def body(c, x):
        c += x
        c[0] = 0.0
        return c, None

    start = np.ones(2)
    carry, _ = ad.scan(body, start, np.ones((3, 2)))
    assert carry.tolist() == [0.0, 4.0]
    assert start.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda: ad.scan(lambda c, x: (c, x), 0.0, X, length=3),
            ShapeError,
            r"\[3, 4\]",
        ),
        (lambda: ad.scan(lambda c, x: (c, x), 0.0), ShapeError, "length="),
        (lambda: ad.scan(lambda c, x: (c, x), 0.0, 1.0), ShapeError, "first axis"),
        (lambda: ad.scan(lambda c, x: (c, x), 0.0, length=-1), ArgumentError, "-1"),
        (
            lambda: ad.scan(lambda c, x: (ad.stack([c, x]), None), 0.0, X),
            ShapeError,
            "keeps its shapes",
        ),
        (lambda: ad.scan(lambda c, x: ((c, x), None), 0.0, X), TypeError, "structure"),
        (lambda: ad.scan(lambda c, x: c, 0.0, X), TypeError, "pair"),
        (
            lambda: ad.scan(lambda c, x: (c, x), 0.0, X, checkpoint=0),
            ArgumentError,
            "checkpoint",
        ),
        (
            lambda: ad.while_loop(lambda c: c < 3, lambda c: c + 1, X),
            ShapeError,
            "cond",
        ),
        (
            lambda: ad.while_loop(lambda c: c < 3, lambda c: (c, c), 1.0),
            TypeError,
            "structure",
        ),
        (
            lambda: ad.while_loop(lambda c: c < 3, lambda c: c, 1.0, max_steps=0),
            ArgumentError,
            "max_steps",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, says):
    with pytest.raises(error, match=f"(?s){says}"):
        call()


# ---- Nesting -------------------------------------------------------------------------


def nested(w: Any) -> Any:
    def outer(c, x):
        return ad.scan(lambda d, z: (d * w + z * c, None), c, X[:2])[0] + x, None

    return ad.scan(outer, 1.0, X)[0]


def nested_by_hand(w: Any) -> Any:
    c = 1.0
    for x in X:
        d = c
        for z in X[:2]:
            d = d * w + z * c
        c = d + x
    return c


def test_scans_nest_to_third_order():
    f, wanted = nested, nested_by_hand
    for _ in range(3):
        f, wanted = ad.grad(f), ad.grad(wanted)
        close(f(0.5), wanted(0.5))
        close(ad.compile(f)(0.5), wanted(0.5))
        close(ad.vmap(f)(np.full(3, 0.5)), np.full(3, wanted(0.5)))


def test_a_scan_of_a_vmap_and_a_vmap_of_a_scan():
    def f(c):
        return ad.scan(lambda c, x: (ad.vmap(lambda z: z * z * x)(c), None), c, X)[0]

    g = ad.vmap(lambda c: ad.scan(lambda c, x: (c * c * x, None), c, X)[0])
    close(f(X), g(X))
    close(ad.jacobian(f)(X), ad.jacobian(g)(X))


def test_a_leaf_of_outside_receives_gradient():
    w = ad.tensor(2.0, requires_grad=True)
    ad.scan(lambda c, x: (c * w + x, None), 1.0, np.ones(3))[0].backward()
    assert float(w.grad) == 12.0 + 4.0 + 1.0


# ---- fori_loop, while_loop, map ------------------------------------------------------


def test_fori_loop_is_its_python_loop():
    def f(a):
        return ad.fori_loop(2, 6, lambda i, c: c * a + i, 1.0)

    def by_hand(a):
        c = 1.0
        for i in range(2, 6):
            c = c * a + i
        return c

    for transform in (lambda f: f, ad.grad, ad.hessian, lambda f: ad.grad(ad.grad(f))):
        close(transform(f)(1.5), transform(by_hand)(1.5))


def root(a: Any) -> Any:
    return ad.while_loop(
        lambda x: abs(x * x - a) > 1e-13, lambda x: x - (x * x - a) / (2 * x), a
    )


@pytest.mark.parametrize("make", [lambda f: f, ad.compile], ids=["plain", "compiled"])
def test_a_while_loop_has_a_value_and_derivatives(make):
    f = make(root)
    close(f(2.0), 2**0.5)
    close(ad.grad(f)(2.0), 0.5 * 2**-0.5, 1e-9)
    close(ad.hessian(f)(2.0), -0.25 * 2**-1.5, 1e-6)
    close(ad.jvp(f, (2.0,), (1.0,))[1], 0.5 * 2**-0.5, 1e-9)


def test_lanes_of_a_while_loop_wait_for_each_other():
    a = np.linspace(0.1, 50.0, 37)
    close(ad.vmap(root)(a), np.sqrt(a))
    close(ad.vmap(ad.grad(root))(a), 0.5 / np.sqrt(a), 1e-6)


def test_a_while_loop_may_do_no_step_and_all_that_it_may():
    assert ad.while_loop(lambda x: x > 10, lambda x: x + 1, 1.0) == 1.0
    assert ad.while_loop(lambda x: x < 6, lambda x: x + 1, 1.0, max_steps=5) == 6.0

    def f(a):
        return ad.while_loop(lambda x: x > 10, lambda x: x + 1, a * a)

    assert ad.grad(f)(1.0) == 2.0


def test_a_while_loop_that_does_not_end_is_an_error_and_in_programs_nan():
    def f(a):
        return ad.while_loop(lambda x: x < 10, lambda x: x + 1, a, max_steps=5)

    with pytest.raises(ConvergenceError, match="max_steps=5"):
        f(1.0)
    assert np.isnan(ad.compile(f)(1.0))
    np.testing.assert_array_equal(
        ad.vmap(f)(np.array([1.0, 7.0, 4.0])), [np.nan, 10, np.nan]
    )


def test_map_is_vmap():
    close(ad.map(lambda x: x * x, X), X * X)
    close(ad.grad(lambda v: ad.map(lambda x: x * x, v).sum())(X), 2 * X)
    close(ad.compile(lambda v: ad.map(lambda x: x * x, v))(X), X * X)
