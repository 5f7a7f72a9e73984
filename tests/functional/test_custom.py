"""stop_gradient, custom_vjp, custom_jvp: the user's rules, of any order."""

import math

import numpy as np
import pytest

import autodiff as ad


def make_vjp():
    @ad.custom_vjp
    def f(x, y):
        """Return sin(x) y."""
        return ad.sin(x) * y

    def forward(x, y):
        return ad.sin(x) * y, (x, y)

    def backward(saved, g):
        x, y = saved
        return ad.cos(x) * y * g, ad.sin(x) * g

    f.defvjp(forward, backward)
    return f


def make_jvp():
    @ad.custom_jvp
    def f(x, y):
        """Return sin(x) y."""
        return ad.sin(x) * y

    @f.defjvp
    def rule(primals, tangents):
        (x, y), (x_dot, y_dot) = primals, tangents
        return f(x, y), ad.cos(x) * y * x_dot + ad.sin(x) * y_dot

    return f


each_kind = pytest.mark.parametrize("make", [make_vjp, make_jvp])
X, Y = 0.7, 1.3


@each_kind
def test_the_value_is_plain_where_nothing_is_differentiated(make):
    assert make()(X, Y) == math.sin(X) * Y
    assert make().__doc__ == "Return sin(x) y."


@each_kind
def test_first_and_second_derivatives_follow_the_rule(make):
    f = make()
    assert ad.grad(f, (0, 1))(X, Y) == pytest.approx((math.cos(X) * Y, math.sin(X)))
    found = np.array(ad.hessian(f, (0, 1))(X, Y))
    expected = [[-math.sin(X) * Y, math.cos(X)], [math.cos(X), 0.0]]
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)


@each_kind
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_the_third_derivative_follows_from_the_rule_in_both_modes(make, mode):
    f = make()
    third = ad.jacobian(ad.jacobian(ad.jacobian(f, mode=mode), mode=mode), mode=mode)
    assert third(X, Y) == pytest.approx(-math.cos(X) * Y, rel=1e-14)


@each_kind
def test_tangents_follow_from_the_rule(make):
    f = make()
    value, dot = ad.jvp(f, (X, Y), (1.0, 2.0))
    assert value == math.sin(X) * Y
    assert dot == pytest.approx(math.cos(X) * Y + 2 * math.sin(X))
    assert ad.grad(lambda x: ad.jvp(f, (x, Y), (1.0, 0.0))[1])(X) == pytest.approx(
        -math.sin(X) * Y
    )


@each_kind
def test_eager_tensors_go_through_the_rule(make):
    x = ad.tensor(X, requires_grad=True)
    y = make()(x, Y)
    y.backward()
    assert x.grad.item() == pytest.approx(math.cos(X) * Y)


@each_kind
def test_arguments_by_keyword_find_their_place(make):
    f = make()
    assert ad.grad(lambda x: f(y=Y, x=x))(X) == pytest.approx(math.cos(X) * Y)


@each_kind
def test_a_function_without_a_rule_says_so(make):
    bare = type(make())(lambda x: x)
    with pytest.raises(ad.NotDifferentiableError, match=r"def[vj][vj]p\("):
        bare(1.0)


def test_the_rule_is_used_and_not_what_the_function_did():
    @ad.custom_vjp
    def clipped(x):
        return x

    clipped.defvjp(lambda x: (x, None), lambda _, g: (ad.clip(g, -1.0, 1.0),))
    np.testing.assert_array_equal(
        ad.grad(lambda x: (clipped(x) * np.array([0.5, 7.0])).sum())(np.ones(2)),
        [0.5, 1.0],
    )


def test_structures_in_and_out_with_parts_that_are_no_numbers():
    @ad.custom_vjp
    def f(p, how):
        assert how == "double"
        return {"out": p["a"] * 2, "same": (p["b"],)}

    def backward(saved, g):
        return {"a": g["out"] * 20, "b": None}, None

    f.defvjp(lambda p, how: (f.fun(p, how), None), backward)

    def total(p):
        out = f(p, "double")
        return out["out"].sum() + out["same"][0]

    g = ad.grad(total)({"a": np.ones(2), "b": 3.0})
    np.testing.assert_array_equal(g["a"], [20.0, 20.0])
    assert g["b"] == 0.0


def test_a_jvp_rule_with_structures():
    @ad.custom_jvp
    def f(p, n):
        return p["a"] * n, p["b"]

    @f.defjvp
    def rule(primals, tangents):
        (p, n), (dot, n_dot) = primals, tangents
        assert n_dot == 0
        return f(p, n), (dot["a"] * n * 10, dot["b"])

    g = ad.grad(lambda p: f(p, 3)[0] + f(p, 3)[1].sum())({"a": 1.0, "b": np.ones(2)})
    assert g["a"] == 30.0
    np.testing.assert_array_equal(g["b"], [1.0, 1.0])


def test_plain_code_in_a_forward_rule_with_stop_gradient():
    @ad.custom_vjp
    def bessel_like(x):
        return math.cos(ad.stop_gradient(x))

    def forward(x):
        return math.cos(ad.stop_gradient(x)), x

    bessel_like.defvjp(forward, lambda x, g: (-ad.sin(x) * g,))
    assert ad.grad(bessel_like)(X) == -math.sin(X)
    assert ad.grad(ad.grad(bessel_like))(X) == -math.cos(X)


def test_a_rule_that_calls_the_function_itself():
    @ad.custom_jvp
    def g(x):
        return ad.exp(x)

    g.defjvp(lambda primals, tangents: (g(*primals), g(*primals) * tangents[0]))
    assert ad.grad(ad.grad(ad.grad(g)))(1.0) == math.e


def test_a_method_can_have_a_rule():
    class Model:
        scale = 3.0

        @ad.custom_vjp
        def f(self, x):
            return self.scale * x

    Model.f.defvjp(
        lambda self, x: (self.scale * x, self), lambda s, g: (None, s.scale * g)
    )
    assert ad.grad(Model().f)(2.0) == 3.0


@each_kind
def test_a_closure_over_a_tracked_value_is_refused(make):
    kind = type(make())

    def outer(w):
        @kind
        def f(x):
            return x * w

        if kind is ad.custom_vjp:
            f.defvjp(lambda x: (x * w, None), lambda s, g: (g,))
        else:
            f.defjvp(lambda p, t: (f(*p), t[0]))
        return ad.grad(f)(2.0)

    with pytest.raises(ad.GradientLossError, match=r"pass it as an argument"):
        ad.grad(outer)(1.0)


@pytest.mark.parametrize(
    ("forward", "backward", "text"),
    [
        (lambda x: x, lambda s, g: (g,), r"\(value, saved\)"),
        (lambda x: (x, None), lambda s, g: (g, g), "1 arguments, got 2"),
        (lambda x: (x, None), lambda s, g: (np.ones(3),), r"shape \(3,\)"),
        (lambda x: (x, None), lambda s, g: ("g",), "backward rule of f, entry 0"),
    ],
)
def test_rules_that_do_not_fit_are_refused(forward, backward, text):
    @ad.custom_vjp
    def f(x):
        return x

    f.defvjp(forward, backward)
    with pytest.raises((TypeError, ad.ShapeError), match=text):
        ad.grad(f)(1.0)


def test_a_function_of_the_eager_kind_has_tangents_too():
    class Cube(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    assert ad.jvp(Cube.apply, (2.0,), (1.0,)) == (8.0, 12.0)
    assert ad.grad(lambda x: ad.jvp(Cube.apply, (x,), (1.0,))[1])(2.0) == 12.0
    np.testing.assert_array_equal(
        ad.jacobian(Cube.apply, mode="forward")(np.array([1.0, 2.0])),
        [[3.0, 0.0], [0.0, 12.0]],
    )
