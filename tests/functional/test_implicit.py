"""root and fixed_point: solutions, their derivatives of any order, and failures."""

import math

import numpy as np
import pytest

import autodiff as ad

A = np.array([6.0, 1.0])


def sqrt(a):
    return ad.root(lambda x, a: x * x - a, 1.0, (a,))


def system(a):
    """x y = a0, x - y = a1."""
    return ad.root(
        lambda x: ad.stack([x[0] * x[1] - a[0], x[0] - x[1] - a[1]]), np.ones(2)
    )


def closed(a):
    """Return the solution of `system` in closed form."""
    x = (a[1] + ad.sqrt(a[1] ** 2 + 4 * a[0])) / 2
    return ad.stack([x, x - a[1]])


def test_plain_numbers_give_plain_numbers():
    found = sqrt(2.0)
    assert type(found) is float
    assert found == pytest.approx(math.sqrt(2.0), rel=1e-15)
    np.testing.assert_allclose(system(A), [3.0, 2.0], rtol=1e-14)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_a_scalar_root_to_third_order(order):
    f, expected = sqrt, [0.25, -1 / 32, 3 / 256][order - 1]
    for _ in range(order):
        f = ad.grad(f)
    assert f(4.0) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobians_of_a_system_to_second_order(mode):
    first = ad.jacobian(system, mode=mode)(A)
    np.testing.assert_allclose(first, ad.jacobian(closed)(A), rtol=1e-13)
    second = ad.jacobian(ad.jacobian(system, mode=mode), mode=mode)(A)
    expected = ad.jacobian(ad.jacobian(closed))(A)
    np.testing.assert_allclose(second, expected, rtol=1e-12, atol=1e-15)


def test_closures_and_arguments_count_once_also_where_one_depends_on_the_other():
    def f(a):
        b = a * a  # x = a b = a^3
        return ad.root(lambda x, c: x - c * b, 0.0, (a,))

    assert ad.grad(f)(2.0) == pytest.approx(12.0)
    assert ad.grad(ad.grad(f))(2.0) == pytest.approx(12.0)


def test_the_start_has_no_gradient():
    f = lambda x0: ad.root(lambda x: x**3 - 8.0, x0)  # noqa: E731
    value, g = ad.value_and_grad(f)(1.0)
    assert value == pytest.approx(2.0)
    assert g == 0.0


def test_trees_of_unknowns():
    def f(a):
        x = ad.root(
            lambda x: (x["v"] - a, x["u"] - x["v"] ** 2),
            {"u": np.zeros(2), "v": np.ones(2)},
        )
        return x["u"].sum()

    assert ad.grad(f)(3.0) == pytest.approx(12.0)


def test_eager_tensors_are_tracked_through_a_root():
    before = ad.tape_info().entries
    a = ad.tensor(4.0, requires_grad=True)
    x = ad.root(lambda x: x * x - a, 1.0)
    x.backward()
    assert a.grad.item() == pytest.approx(0.25)
    assert ad.tape_info().entries - before <= 10


def test_a_fixed_point_also_where_repetition_would_not_converge():
    assert ad.fixed_point(lambda x: ad.cos(x), 1.0) == pytest.approx(0.7390851332151607)
    f = lambda a: ad.fixed_point(lambda x, a: a - 3.0 * x, 0.0, a)  # noqa: E731
    assert f(8.0) == pytest.approx(2.0)
    assert ad.grad(f)(8.0) == pytest.approx(0.25)


def test_the_derivative_of_a_fixed_point():
    # x = a cos x: x' = cos x / (1 + a sin x)
    f = lambda a: ad.fixed_point(lambda x, a: a * ad.cos(x), 1.0, (a,))  # noqa: E731
    x = f(1.2)
    expected = math.cos(x) / (1 + 1.2 * math.sin(x))
    assert ad.grad(f)(1.2) == pytest.approx(expected, rel=1e-13)


def test_a_solver_of_ones_own():
    optimize = pytest.importorskip("scipy.optimize")
    seen = []

    def solver(f, x0):
        seen.append((type(f(x0)), type(x0)))
        return optimize.brentq(f, 0.0, 10.0, xtol=1e-15, rtol=1e-15)

    f = lambda a: ad.root(lambda x, a: x**3 - a, 1.0, a, solver=solver)  # noqa: E731
    assert ad.grad(f)(8.0) == pytest.approx(1 / 12)
    assert seen == [(float, float)]


def test_damping_saves_a_start_from_which_newton_alone_diverges():
    assert ad.root(ad.atan, 10.0) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("g", "x0"),
    [
        (lambda x: x * x + 1.0, 1.0),
        (lambda x: ad.exp(x), 0.0),
        (lambda x: ad.log(x), -1.0),
        (lambda x: x * 0.0 + 1.0, 0.0),
        (lambda x: x * x * x, math.nan),
    ],
)
def test_no_solution_is_a_clear_error(g, x0):
    with pytest.raises(ad.ConvergenceError, match=r"root\(.*did not converge.*solver="):
        ad.root(g, x0)


def test_too_few_steps_are_a_clear_error():
    with pytest.raises(ad.ConvergenceError, match="2 steps"):
        ad.root(lambda x: x**3 - 8.0, 100.0, max_steps=2)


def test_a_singular_solution_has_no_derivative():
    f = lambda a: ad.root(lambda x: a * x * x, 0.0)  # noqa: E731
    assert f(1.0) == 0.0
    with pytest.raises(ad.NotDifferentiableError, match="singular"):
        ad.grad(f)(1.0)


def test_as_many_equations_as_unknowns():
    with pytest.raises(ad.ShapeError, match=r"1 numbers for the 2 of x"):
        ad.root(lambda x: x.sum(), np.ones(2))
    with pytest.raises(ad.ShapeError, match="fixed_point"):
        ad.fixed_point(lambda x: ad.stack([x, x]), 1.0)


def test_an_empty_system():
    assert ad.root(lambda x: x, np.zeros(0)).shape == (0,)


def test_a_solution_that_is_refined_inside_another():
    def f(a):
        return ad.root(lambda x: x - sqrt(a * a + 0 * x), 1.0)

    assert ad.grad(f)(3.0) == pytest.approx(1.0)
