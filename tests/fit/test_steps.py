"""Steps from a factorized Jacobian."""

import numpy as np
import pytest

from autodiff.fit.solve.factor import column_norms, factorize, trust_region_step


@pytest.fixture
def problem(rng):
    """A Jacobian with columns of very different size, and residuals."""
    return rng.normal(size=(12, 3)) * [1.0, 1e-6, 1e5], rng.normal(size=12)


def test_the_undamped_step_solves_the_linear_problem(problem):
    jacobian, residual = problem
    step = factorize(jacobian, residual).newton_step()
    scaled = jacobian / column_norms(jacobian)
    assert scaled.T @ (residual + jacobian @ step) == pytest.approx(
        [0, 0, 0], abs=1e-14
    )


@pytest.mark.parametrize("radius", [1e-6, 1e-3, 0.1, 1.0])
def test_a_damped_step_has_the_length_of_the_radius(problem, radius):
    jacobian, residual = problem
    metric = column_norms(jacobian)
    step, damping = trust_region_step(factorize(jacobian, residual), metric, radius)
    length = np.linalg.norm(metric * step)
    assert length <= 1.1 * radius
    assert damping == 0.0 or length >= 0.9 * radius


def test_a_damped_step_goes_downhill(problem):
    jacobian, residual = problem
    metric = column_norms(jacobian)
    step, _ = trust_region_step(factorize(jacobian, residual), metric, 0.1)
    assert (jacobian.T @ residual) @ step < 0.0


def test_column_norms_neither_overflow_nor_underflow():
    matrix = np.array([[3e200, 3e-200, 0.0], [4e200, 4e-200, 0.0]])
    assert column_norms(matrix) == pytest.approx([5e200, 5e-200, 0.0])


def test_a_repeated_column_lowers_the_rank(problem):
    jacobian, residual = problem
    twin = np.column_stack([jacobian, 7.0 * jacobian[:, 0]])
    factor = factorize(twin, residual)
    assert factor.rank == 3
    assert np.abs(factor.null_space()[0]) == pytest.approx([0.5**0.5, 0, 0, 0.5**0.5])


def test_an_ill_conditioned_design_has_full_rank():
    x = np.linspace(-9.0, -3.0, 82)
    assert factorize(x[:, None] ** np.arange(11), x).rank == 11
