"""Fits without start values: the lowest minimum, from formula and data alone."""

from dataclasses import replace

import numpy as np
import pytest
from fit.nist_problems import columns, problems

from autodiff.fit.data.arrays import ArrayColumns
from autodiff.fit.options import Options
from autodiff.fit.problem import pose
from autodiff.fit.solve.driver import solve
from autodiff.fit.solve.model import Model
from autodiff.fit.solve.starts import linear_parameters, starting_points

pytestmark = pytest.mark.slow  # many fits

NIST = problems("nist")


def _problem(text, data, start=None):
    return pose(text, ArrayColumns(data), start or {})


def _nist(problem):
    text = f"{problem['response_transform']} ~ {problem['formula']}"
    return _problem(text, columns("nist", problem))


@pytest.mark.parametrize("problem", NIST, ids=[p["name"] for p in NIST])
def test_nist_without_start_values_ends_at_the_certified_minimum(problem):
    found = solve(_nist(problem))
    assert found.converged
    # Lanczos1's residuals are rounding errors of its data.
    tolerance = 1e-2 if problem["name"] == "Lanczos1" else 1e-9
    reference = problem.get("ref_f64_rss", problem["ref_rss"])
    assert 2.0 * found.objective == pytest.approx(reference, rel=tolerance)


# Formulas that need a peak, a pole, a rate or a frequency to be found; parameters are
# near those of NIST's problems of that kind, data are made here.
MADE = {
    "a decay over a line": (
        "y ~ exp(-b1*x)/(b2 + b3*x)",
        (0.19, 0.0061, 0.0105),
        np.linspace(0.5, 6, 60),
    ),
    "two peaks on a decay": (
        "y ~ b1*exp(-b2*x) + b3*exp(-(x-b4)**2/b5**2) + b6*exp(-(x-b7)**2/b8**2)",
        (99.0, 0.011, 101.9, 107.0, 23.6, 72.0, 153.3, 19.5),
        np.arange(1, 251.0),
    ),
    "a ratio of cubics": (
        "y ~ (b1+b2*x+b3*x**2+b4*x**3)/(1+b5*x+b6*x**2+b7*x**3)",
        (1.08, -0.123, 0.00409, -1.43e-6, -0.00576, 2.41e-4, -1.23e-7),
        np.linspace(14, 850, 236),
    ),
    "a sigmoid with a power": (
        "y ~ b1/((1+exp(b2-b3*x))**(1/b4))",
        (700.0, 5.28, 0.76, 1.28),
        np.arange(1, 16.0),
    ),
    "a narrow peak": (
        "y ~ (b1/b2)*exp(-0.5*((x-b3)/b2)**2)",
        (1.55, 4.09, 451.5),
        np.linspace(400, 500, 35),
    ),
    "a rate over a temperature": (
        "y ~ b1*exp(b2/(x+b3))",
        (0.0056, 6181.0, 345.0),
        np.arange(50, 126, 5.0),
    ),
    "two slow decays": (
        "y ~ b1+b2*exp(-x*b3)+b4*exp(-x*b5)",
        (0.375, 1.94, 0.0129, -1.46, 0.0221),
        np.arange(0, 321, 10.0),
    ),
    "an arctangent beside a pole": (
        "y ~ b1-b2*x-arctan(b3/(x-b4))/pi",
        (0.202, -6.2e-6, 1204.0, -181.0),
        np.linspace(-4800, -460, 25),
    ),
    "a frequency": (
        "y ~ b1 + b2*sin(b3*x + b4)",
        (1.0, 2.0, 7.3, 0.4),
        np.linspace(0, 9, 80),
    ),
    "a date": (
        "y ~ b1*exp(-b2*(x - b3)^2)",
        (3.0, 0.08, 2003.0),
        np.linspace(1990, 2015, 40),
    ),
}
NAMES = {"exp": np.exp, "sin": np.sin, "arctan": np.arctan, "pi": np.pi}


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_fit_without_starts_is_no_worse_than_one_from_the_truth(kind, seed):
    text, truth, x = MADE[kind]
    named = {f"b{i}": value for i, value in enumerate(truth, 1)}
    right = text.split("~")[1].strip().replace("^", "**")
    y = eval(right, {**NAMES, **named, "x": x})
    y = y + 0.003 * np.ptp(y) * np.random.default_rng(seed).standard_normal(len(x))
    near = solve(_problem(text, {"x": x, "y": y}, named))
    found = solve(_problem(text, {"x": x, "y": y}))
    assert found.converged
    assert found.objective <= near.objective * (1 + 1e-9)


def test_points_are_the_same_each_time():
    model = Model(_nist(NIST[0]))
    first, second = starting_points(model), starting_points(model)
    assert np.array_equal(np.array(first), np.array(second))


def test_given_values_are_kept():
    x = np.linspace(0, 4, 30)
    y = 3 * np.exp(-0.7 * x) + 1 + 0.01 * np.sin(40 * x)
    model = Model(_problem("y ~ a*exp(-b*x) + c", {"x": x, "y": y}, {"b": 0.6}))
    assert {point[model.names.index("b")] for point in starting_points(model)} == {0.6}


def test_all_values_given_are_the_one_start():
    x = np.linspace(0, 4, 30)
    start = {"a": 1.0, "b": 2.0, "c": 3.0}
    model = Model(_problem("y ~ a*exp(-b*x) + c", {"x": x, "y": x}, start))
    assert np.array_equal(np.array(starting_points(model)), [[1.0, 2.0, 3.0]])


def test_parameters_that_are_linear_together_are_found():
    data = {"x": np.arange(9.0), "y": np.arange(9.0)}
    problem = _problem("y ~ a*b*exp(-c*x) + d*x", data)
    assert linear_parameters(problem).tolist() in (
        [True, False, False, True],
        [False, True, False, True],
    )


def test_a_start_that_leads_nowhere_is_replaced_with_a_note():
    x = np.linspace(0, 4, 30)
    y = 3 * np.exp(-0.7 * x) + 0.01 * np.sin(40 * x)
    found = solve(_problem("y ~ a*exp(-b*x)", {"x": x, "y": y}, {"a": 1.0, "b": 900.0}))
    assert found.converged
    assert found.point == pytest.approx([3.0, 0.7], rel=0.02)


def test_a_lower_minimum_than_that_of_the_start_is_the_answer():
    x = np.linspace(0, 6, 60)
    data = {"x": x, "y": 2 * np.sin(5 * x) + np.sin(2 * x) + 0.01 * np.cos(50 * x)}
    problem = _problem("y ~ a*sin(w*x)", data, {"a": 1.0, "w": 2.0})
    found = solve(problem)
    assert abs(found.point[1]) == pytest.approx(5.0, rel=0.01)
    assert [note.code for note in found.notes] == ["W131"]
    alone = solve(problem, Options(starts=1))
    assert alone.converged
    assert alone.point[1] == pytest.approx(2.0, rel=0.05)
    assert alone.objective > found.objective
    bounded = replace(
        problem,
        parameters=(
            problem.parameters[0],
            replace(problem.parameters[1], lower=1.0, upper=3.0),
        ),
    )
    assert solve(bounded).point[1] == pytest.approx(2.0, rel=0.05)


def test_a_lower_minimum_of_a_likelihood_is_found_too():
    rng = np.random.default_rng(1)
    x = np.linspace(0.0, 40.0, 120)
    mean = 60.0 * np.exp(-((x - 30.0) ** 2) / 8.0) + 3.0
    counts = {"x": x, "y": rng.poisson(mean).astype(float)}
    far = {"A": 1.0, "m": 5.0, "s": 1.0, "b": 3.0}
    formula = "y ~ A*exp(-(x - m)^2/(2*s^2)) + b"
    found = solve(_problem(formula, counts, far), Options(loss="poisson"))
    best = solve(_problem(formula, counts), Options(loss="poisson"))
    assert found.converged
    assert found.objective <= best.objective * (1 + 1e-9)


def test_starts_of_a_number_search_beside_the_start_given():
    x = np.linspace(0, 6, 60)
    data = {"x": x, "y": 2 * np.sin(5 * x) + np.sin(2 * x) + 0.01 * np.cos(50 * x)}
    problem = _problem("y ~ a*sin(w*x)", data, {"a": 1.0, "w": 2.0})
    found = solve(problem, Options(starts=8))
    assert abs(found.point[1]) == pytest.approx(5.0, rel=0.01)


def test_a_line_through_counts_needs_no_start():
    """The straight line of least squares is negative where counts are few."""
    x = np.linspace(0.5, 10.0, 40)
    n = np.array([1, 0, 0, 1, 0, 0, 0, 1, 1, 2, 2, 4, 2, 5, 3, 6, 4, 7, 8, 6])
    n = np.repeat(n, 2).astype(float)
    line = np.polynomial.Polynomial.fit(x, n, 1)
    assert line(x).min() < 0.0
    found = solve(_problem("n ~ a + b*x", {"x": x, "n": n}), Options(loss="poisson"))
    assert found.code != "C102"
    assert np.isfinite(found.objective)
