"""root and fixed_point in functions that are recorded."""

import numpy as np
import pytest

import autodiff as ad


def square_root(a):
    return ad.root(lambda x: x * x - a, 1.0)


def curves(a):
    def g(x, a):
        return ad.stack([x[0] ** 2 + x[1] - a[0], x[0] - x[1] ** 2 * a[1]])

    return ad.root(g, np.array([1.0, 1.0]), a)


AT = np.array([3.0, 0.7])


def test_the_recorded_solution_is_found_anew_at_each_call():
    f = ad.compile(square_root)
    assert [f(a) for a in (2.0, 9.0, 1e-4)] == pytest.approx([2**0.5, 3.0, 0.01])
    assert len(f.programs) == 1


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_any_order_follow_the_implicit_rule(order):
    g, wanted = square_root, 2.0
    for k in range(order):
        g, wanted = ad.grad(g), wanted * (0.5 - k) / 4.0
    assert ad.compile(lambda a: g(a))(4.0) == pytest.approx(wanted, rel=1e-13)


def test_a_system_has_the_jacobian_and_hessian_of_the_plain_function():
    f = ad.compile(curves)
    np.testing.assert_allclose(f(AT), curves(AT), rtol=1e-14)
    for mode in ("forward", "reverse"):
        found = f.jacobian(AT, mode=mode)
        np.testing.assert_allclose(found, ad.jacobian(curves)(AT), rtol=1e-12)

    def loss(a):
        return (curves(a) ** 2).sum()

    wanted = ad.hessian(loss)(AT)
    np.testing.assert_allclose(ad.compile(loss).hessian(AT), wanted, rtol=1e-11)


def test_rows_have_their_own_solutions_and_failures():
    a = np.array([1.0, 2.0, 4.0, -1.0])
    with np.errstate(invalid="ignore"):
        wanted = np.sqrt(a)
        slopes = 0.5 / wanted
    np.testing.assert_allclose(ad.vmap(square_root)(a), wanted, rtol=1e-15)
    np.testing.assert_allclose(ad.vmap(ad.grad(square_root))(a), slopes, rtol=1e-14)
    stacked = np.stack([AT, 2 * AT])
    both = ad.vmap(curves)(stacked)
    np.testing.assert_allclose(both, [curves(row) for row in stacked], rtol=1e-14)


def test_no_solution_is_nan():
    assert np.isnan(ad.compile(square_root)(-1.0))


def test_too_few_steps_are_nan():
    f = ad.compile(lambda a: ad.root(lambda x: x * x - a, 1e6, max_steps=3))
    assert np.isnan(f(2.0))


def test_steps_are_halved_until_they_help():
    def g(x, a):
        return ad.atan(x - a)

    f = ad.compile(lambda a: ad.root(g, 20.0, a))
    assert f(1.0) == pytest.approx(1.0, abs=1e-14)


def test_a_fixed_point():
    def f(a):
        return ad.fixed_point(lambda x: ad.cos(a * x), 1.0)

    compiled = ad.compile(f)
    assert compiled(1.0) == pytest.approx(f(1.0), rel=1e-15)
    assert compiled.grad(1.0) == pytest.approx(ad.grad(f)(1.0), rel=1e-14)
    assert compiled.hessian(1.0) == pytest.approx(ad.hessian(f)(1.0), rel=1e-12)


def test_a_root_in_the_body_of_a_loop():
    def step(c):
        return ad.root(lambda x: x**3 + x - c, 1.0) + c

    def loop(c):
        return ad.scan(lambda c, _: (step(c), None), c, length=3)[0]

    def unrolled(c):
        for _ in range(3):
            c = step(c)
        return c

    assert loop(2.0) == pytest.approx(unrolled(2.0), rel=1e-14)
    assert ad.grad(loop)(2.0) == pytest.approx(ad.grad(unrolled)(2.0), rel=1e-13)
    assert ad.hessian(loop)(2.0) == pytest.approx(ad.hessian(unrolled)(2.0), rel=1e-11)


def test_containers_of_unknowns():
    def f(a):
        x = ad.root(lambda x: {"u": x["u"] ** 2 - a, "v": x["v"] - x["u"]},
                    {"u": 1.0, "v": np.zeros(1)})  # fmt: skip
        return x["u"] + x["v"][0]

    assert ad.compile(f)(4.0) == pytest.approx(4.0, rel=1e-14)
    assert ad.compile(f).grad(4.0) == pytest.approx(0.5, rel=1e-14)


def test_a_solver_of_ones_own_is_recorded():
    def halving(f, x0):
        def body(pair):
            low, high = pair
            middle = (low + high) / 2.0
            below = ad.where(f(middle) < 0.0, 1.0, 0.0)
            return (
                ad.where(below > 0.0, middle, low),
                ad.where(below > 0.0, high, middle),
            )

        return ad.fori_loop(0, 60, lambda _, pair: body(pair), (0.0, x0))[0]

    f = ad.compile(lambda a: ad.root(lambda x: x * x - a, 10.0, solver=halving))
    assert f(9.0) == pytest.approx(3.0, rel=1e-14)
    assert f.grad(9.0) == pytest.approx(1.0 / 6.0, rel=1e-13)
