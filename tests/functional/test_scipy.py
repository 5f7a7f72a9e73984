"""SciPy takes values and derivatives as they stand."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import autodiff as ad

optimize = pytest.importorskip("scipy.optimize")
FILE = Path(__file__).resolve().parents[2] / "examples" / "scipy_solvers.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("scipy_solvers", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_minimize_takes_value_and_gradient_together(example):
    found = example.by_gradient()
    assert found.success
    np.testing.assert_allclose(found.x, 1.0, rtol=1e-6)


def test_minimize_takes_a_hessian(example):
    found = example.by_hessian()
    assert found.success
    np.testing.assert_allclose(found.x, 1.0, rtol=1e-6)


def test_minimize_takes_hessian_vector_products(example):
    found = example.by_hessian_vector_products()
    assert found.success
    np.testing.assert_allclose(found.x, 1.0, rtol=1e-4)


def test_least_squares_takes_a_jacobian(example):
    np.testing.assert_allclose(example.by_residuals().x, [2.5, 1.3, 0.5], rtol=1e-8)


def test_a_stiff_equation_is_solved_with_the_jacobian_of_its_rates(example):
    found = example.by_rates()
    assert found.success
    # Hairer and Wanner, Solving Ordinary Differential Equations II, section IV.1
    expected = [0.7158270688, 0.9185534765e-5, 0.2841637457]
    np.testing.assert_allclose(found.y[:, -1], expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["Newton-CG", "trust-ncg", "trust-krylov"])
def test_further_arguments_reach_function_and_derivatives(method):
    f = lambda x, a, b: ((x - a) ** 2 * b).sum()  # noqa: E731
    a, b = np.array([1.0, -2.0]), np.array([1.0, 3.0])
    found = optimize.minimize(
        f, np.zeros(2), (a, b), method=method, jac=ad.grad(f), hessp=ad.hvp(f)
    )
    np.testing.assert_allclose(found.x, a, rtol=1e-6)


def test_residuals_may_be_a_list():
    f = lambda x: [10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]]  # noqa: E731
    found = optimize.least_squares(f, np.zeros(2), jac=ad.jacobian(f))
    np.testing.assert_allclose(found.x, 1.0, rtol=1e-8)


def test_root_and_scalar_solvers_take_derivatives():
    f = lambda x: x**3 - 2.0  # noqa: E731
    found = optimize.root_scalar(f, x0=1.0, fprime=ad.grad(f), method="newton")
    assert found.root == pytest.approx(2 ** (1 / 3))
    g = lambda x: ad.stack([x[0] + x[1] - 3.0, x[0] * x[1] - 2.0])  # noqa: E731
    found = optimize.root(
        lambda x: g(x).numpy(), np.array([3.0, 0.5]), jac=ad.jacobian(g)
    )
    np.testing.assert_allclose(found.x, [2.0, 1.0], rtol=1e-8)
