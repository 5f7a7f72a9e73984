"""custom_vjp, custom_jvp and autograd.Function in functions that are recorded."""

import pickle

import numpy as np
import pytest

import autodiff as ad
from autodiff.errors import TraceError

X = 0.5


def by_vjp():
    @ad.custom_vjp
    def f(x):
        return ad.sin(x)

    f.defvjp(lambda x: (ad.sin(x), x), lambda x, g: (g * ad.cos(x),))
    return f


def by_jvp():
    @ad.custom_jvp
    def f(x):
        return ad.sin(x)

    @f.defjvp
    def rule(primals, tangents):
        (x,), (x_dot,) = primals, tangents
        return f(x), ad.cos(x) * x_dot

    return f


class Sine(ad.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return ad.sin(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * ad.cos(x)


KINDS = [by_vjp(), by_jvp(), Sine.apply]
by_kind = pytest.mark.parametrize("f", KINDS, ids=["vjp", "jvp", "Function"])


@by_kind
def test_a_compiled_function_has_the_value_and_the_derivatives_of_the_rule(f):
    compiled = ad.compile(lambda x: f(x) * x)
    s, c = np.sin(X), np.cos(X)
    assert compiled(X) == pytest.approx(s * X, rel=1e-15)
    assert compiled.grad(X) == pytest.approx(c * X + s, rel=1e-15)
    assert compiled.hessian(X) == pytest.approx(2 * c - s * X, rel=1e-14)
    assert compiled.jvp((X,), (2.0,))[1] == pytest.approx(2 * (c * X + s), rel=1e-15)


@by_kind
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_transforms_nest_inside_a_recorded_function(f, order):
    g = f
    for _ in range(order):
        g = ad.grad(g)
    wanted = [np.cos(X), -np.sin(X), -np.cos(X), np.sin(X)][order - 1]
    assert ad.compile(lambda x: g(x))(X) == pytest.approx(wanted, rel=1e-14)


@by_kind
def test_rows_of_vmap_follow_the_rule(f):
    x = np.linspace(-1.0, 1.0, 7)
    rows = ad.vmap(lambda x: f(x) * x)
    np.testing.assert_allclose(rows(x), np.sin(x) * x, rtol=1e-15)
    wanted = np.cos(x) * x + np.sin(x)
    np.testing.assert_allclose(ad.grad(lambda x: rows(x).sum())(x), wanted, atol=1e-15)
    each = ad.vmap(ad.grad(lambda x: f(x) * x))
    np.testing.assert_allclose(each(x), wanted, atol=1e-15)


@by_kind
def test_the_body_of_a_loop_follows_the_rule(f):
    def loop(x):
        return ad.scan(lambda c, _: (1.1 * f(c), None), x, length=5)[0]

    def unrolled(x):
        for _ in range(5):
            x = 1.1 * ad.sin(x)
        return x

    for derivative in (ad.grad, ad.hessian, lambda g: ad.grad(ad.hessian(g))):
        wanted = derivative(unrolled)(X)
        assert derivative(loop)(X) == pytest.approx(wanted, rel=1e-13)
        compiled = ad.compile(lambda x, d=derivative: d(loop)(x))
        assert compiled(X) == pytest.approx(wanted, rel=1e-13)


@by_kind
def test_a_program_with_a_rule_survives_pickling(f):
    compiled = ad.compile(lambda x: f(x) * x)
    compiled(X)
    program = pickle.loads(pickle.dumps(compiled.programs[0]))
    [z], _ = program.evaluate([X])
    [_, x_bar], _ = program.reverse([True]).evaluate([X, 1.0])
    assert float(z) == compiled(X)
    assert float(x_bar) == pytest.approx(compiled.grad(X), rel=1e-15)


def test_a_rule_that_is_not_the_derivative_is_followed():
    @ad.custom_vjp
    def clipped(x):
        return x

    clipped.defvjp(lambda x: (x, None), lambda _, g: (ad.clip(g, -1.0, 1.0),))
    assert ad.compile(lambda x: clipped(x) * 5.0).grad(2.0) == 1.0


def test_several_arguments_and_results_in_containers():
    @ad.custom_vjp
    def f(x, ys):
        return {"a": x * ys[0], "b": ys[1].sum()}

    def forward(x, ys):
        return f.fun(x, ys), (x, ys)

    def backward(saved, g):
        x, ys = saved
        return (g["a"] * ys[0]).sum(), [g["a"] * x, 3.0 * g["b"] * np.ones(2)]

    f.defvjp(forward, backward)

    def loss(x, y, v):
        result = f(x, [y, v])
        return result["a"].sum() ** 2 + result["b"]

    args = (2.0, np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0]))
    found = ad.compile(loss).grad(*args, argnums=(0, 1, 2))
    for got, wanted in zip(found, ad.grad(loss, (0, 1, 2))(*args), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-15)


def test_a_rule_that_chooses_by_saved_values_is_recorded_again_where_it_flips():
    @ad.custom_vjp
    def f(x):
        return ad.abs(x)

    f.defvjp(lambda x: (ad.abs(x), x), lambda x, g: (g if x > 0 else -3.0 * g,))
    compiled = ad.compile(lambda x: f(x))
    assert [compiled.grad(x) for x in (2.0, -2.0, 1.0)] == [1.0, -3.0, 1.0]


def test_a_rule_that_chooses_by_an_adjoint_is_an_error():
    @ad.custom_vjp
    def f(x):
        return x

    f.defvjp(lambda x: (x, None), lambda _, g: (g if g > 0 else -g,))
    with pytest.raises(TraceError, match="the rule of f chooses by an adjoint"):
        ad.compile(lambda x: f(x))(1.0)


def test_a_value_that_is_closed_over_is_an_error():
    def outer(x):
        @ad.custom_vjp
        def f(y):
            return x * y

        f.defvjp(lambda y: (x * y, None), lambda _, g: (g,))
        return f(2.0 * x)

    with pytest.raises(ad.GradientLossError, match="not among its arguments"):
        ad.compile(outer)(1.0)


def test_nan_of_a_rule_in_a_branch_not_taken_does_not_count():
    @ad.custom_vjp
    def log(x):
        return ad.log(x)

    log.defvjp(lambda x: (ad.log(x), x), lambda x, g: (g * ad.sqrt(x) / x**1.5,))
    f = ad.compile(lambda x: ad.where(x > 0, log(x), 0.0))
    assert f.grad(-1.0) == 0.0
    assert f.hessian(-1.0) == 0.0
    assert f.grad(2.0) == pytest.approx(0.5)
    assert f.hessian(2.0) == pytest.approx(-0.25)


def test_a_zero_adjoint_keeps_its_second_derivative():
    f = KINDS[0]
    square = ad.compile(lambda x: f(x) ** 2)
    assert square.grad(0.0) == 0.0
    assert square.hessian(0.0) == 2.0


def test_a_rule_may_use_its_own_function_up_to_the_fourth_order():
    @ad.custom_jvp
    def e(x):
        return ad.exp(x)

    @e.defjvp
    def rule(primals, tangents):
        z = e(*primals)
        return z, z * tangents[0]

    g = e
    for _ in range(4):
        g = ad.grad(g)
        assert ad.compile(lambda x, g=g: g(x))(X) == pytest.approx(np.exp(X))
    fifth = ad.grad(g)
    with pytest.raises(ad.NotDifferentiableError, match="up to order 4"):
        ad.compile(lambda x: fifth(x))(X)


def test_a_function_that_saves_its_result_has_second_derivatives():
    class Exp(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            z = ad.exp(x)
            ctx.save_for_backward(z)
            return z

        @staticmethod
        def backward(ctx, g):
            (z,) = ctx.saved_tensors
            return g * z

    f = ad.compile(lambda x: Exp.apply(x))
    assert f.grad(X) == f.hessian(X) == f(X)


def test_a_function_with_several_results():
    class Both(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, k):
            ctx.save_for_backward(x, y)
            ctx.k = k
            return x * y, x + k * y

        @staticmethod
        def backward(ctx, g, h):
            x, y = ctx.saved_tensors
            return g * y + h, g * x + ctx.k * h, None

    def loss(x, y):
        a, b = Both.apply(x, y, 3.0)
        return (a * b).sum()

    def plain(x, y):
        return (x * y * (x + 3.0 * y)).sum()

    x, y = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.1, 2.0])
    for k in (0, 1):
        np.testing.assert_allclose(
            ad.compile(loss).hessian(x, y, argnums=k),
            ad.compile(plain).hessian(x, y, argnums=k),
            rtol=1e-14,
        )


def test_a_function_that_leaves_tensors_is_an_error():
    class Bad(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return ad.tensor(np.sin(x.numpy()))

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(TraceError):
        ad.compile(lambda x: Bad.apply(x))(1.0)


def test_the_pattern_of_an_elementwise_rule_is_a_diagonal():
    f = KINDS[0]
    x = np.arange(1.0, 5.0)
    found = ad.jacobian(ad.compile(lambda x: f(x) * x), sparse=True)(x)
    assert found.nnz == 4
    np.testing.assert_allclose(found.diagonal(), np.cos(x) * x + np.sin(x))
