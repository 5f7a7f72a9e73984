"""The objective and what is summed over rows, and very many rows."""

from dataclasses import replace

import numpy as np
import pytest
from fit.solving import by_level, posed, solved

from autodiff.fit.solve.fused import CHUNK
from autodiff.fit.solve.model import Model

FORMULAS = ["y ~ a*exp(-b*x) + c", "y ~ a*x if x < 1 else b*x^2 + c*sin(a*x)"]


def data(n):
    random = np.random.default_rng(3)
    x = 2.0 * random.random(n)
    y = 2.5 * np.exp(-1.3 * x) + 0.5 + 0.01 * random.standard_normal(n)
    return {"x": x, "y": y}


@pytest.fixture(params=FORMULAS)
def problem(request):
    return posed(request.param, data(3000))


POINT = np.array([2.0, 1.1, 0.4])


def _hessian(model, point):
    width, columns = 1e-5, []
    for unit in np.eye(len(point)):
        ahead = model.linearize(point + width * unit).gradient
        behind = model.linearize(point - width * unit).gradient
        columns.append((ahead - behind) / (2 * width))
    return np.array(columns)


@pytest.mark.parametrize("loss", ["normal", "cauchy", "tukey"])
def test_the_curvature_completes_the_hessian(problem, loss):
    model = Model(problem, loss, 0.9)
    root = model.linearize(POINT).root
    found = root.T @ root + model.curvature(POINT)
    assert found == pytest.approx(_hessian(model, POINT), rel=1e-6, abs=1e-4)


def test_the_curvature_of_indexed_parameters_completes_the_hessian():
    codes = np.arange(3000) % 3
    model = Model(by_level(posed(FORMULAS[0], data(3000)), "a", codes))
    point = np.array([1.1, 0.4, 2.0, 2.1, 1.9])
    root = model.linearize(point).root
    found = root.T @ root + model.curvature(point)
    assert found == pytest.approx(_hessian(model, point), rel=1e-6, abs=1e-4)


def test_the_gradient_is_that_of_the_objective(problem):
    model, width = Model(problem), 1e-6
    slopes = [
        (model.objective(POINT + width * u) - model.objective(POINT - width * u))
        / (2 * width)
        for u in np.eye(3)
    ]
    assert model.linearize(POINT).gradient == pytest.approx(slopes, rel=1e-6)


def test_blocks_do_not_change_the_factor(problem):
    whole, pieces = Model(problem), Model(problem)
    whole.block_rows, pieces.block_rows = 3000, 170
    a, b = whole.linearize(POINT), pieces.linearize(POINT)
    assert np.abs(a.root) == pytest.approx(np.abs(b.root), rel=1e-12)
    assert a.gradient == pytest.approx(b.gradient, rel=1e-11)
    assert a.objective == pytest.approx(b.objective, rel=1e-13)


def test_weights_count_like_repeated_rows():
    twice = {name: np.repeat(column, 2) for name, column in data(50).items()}
    problem = posed(FORMULAS[0], data(50))
    weighted = solved(replace(problem, weight=np.full(50, 2.0)))
    repeated = solved(posed(FORMULAS[0], twice))
    assert weighted.point == pytest.approx(repeated.point, rel=1e-12)
    assert weighted.objective == pytest.approx(repeated.objective, rel=1e-12)


def test_sigma_is_the_unit_of_residuals():
    problem = posed("y ~ a*x + b", data(50))
    plain = solved(problem)
    measured = solved(replace(problem, sigma=np.full(50, 0.1)))
    assert measured.point == pytest.approx(plain.point, rel=1e-13)
    assert measured.objective == pytest.approx(100.0 * plain.objective, rel=1e-12)


def test_a_row_outside_the_domain_is_counted():
    model = Model(posed("y ~ a*log(x - b)", data(100)))
    found = model.linearize(np.array([1.0, 0.5]))
    assert found.factor is None
    assert found.objective == np.inf
    assert found.n_outside == np.count_nonzero(data(100)["x"] <= 0.5)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_fused_pass_agrees_with_the_factor_of_blocks(formula):
    n = 2 * CHUNK + 1234
    problem = replace(posed(formula, data(n)), weight=1.0 + data(n)["x"])
    plain, fused = Model(problem), Model(problem)
    fused.near = plain.linearize(1.01 * POINT).root
    a, b = plain.linearize(POINT), fused.linearize(POINT)
    assert b.gradient == pytest.approx(a.gradient, rel=1e-11)
    assert b.objective == pytest.approx(a.objective, rel=1e-12)
    assert b.factor.unscaled_errors() == pytest.approx(
        a.factor.unscaled_errors(), rel=1e-11
    )


def test_a_fused_pass_is_not_trusted_far_from_its_triangle():
    model = Model(posed(FORMULAS[0], data(2 * CHUNK)))
    exact = model.linearize(POINT)
    model.near = np.array([[1.0, 1e6, 0.0], [0.0, 1.0, 1e6], [0.0, 0.0, 1.0]])
    assert model.linearize(POINT).gradient == pytest.approx(exact.gradient, rel=1e-12)


def test_many_rows_take_few_passes_over_all_of_them():
    solution = solved(posed(FORMULAS[0], data(200_000)))
    assert solution.converged
    assert solution.n_evaluations <= 10
    step = solution.linearization.factor.newton_step()
    assert np.abs(step / solution.point).max() < 1e-12


def test_many_rows_that_do_not_determine_are_told():
    solution = solved(posed("y ~ a*exp(-b*x) + c + d", data(20_000)))
    assert solution.code == "N102"
    assert "only c + d is determined" in solution.reason
