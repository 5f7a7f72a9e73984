"""No success is told where the data do not determine an answer."""

import numpy as np
import pytest

import autodiff.fit

pytestmark = pytest.mark.slow  # many fits

X = np.arange(1.0, 9.0)
NOISE = np.array([0.3, -0.1, 0.2, -0.4, 0.1, 0.3, -0.2, -0.1])
LINE = {"x": X, "y": 3.0 + 2.0 * X + NOISE}


def fit(formula, data=None, **start):
    return autodiff.fit.fit(formula, LINE if data is None else data, start)


@pytest.mark.parametrize(
    ("formula", "named"),
    [
        ("y ~ a*x + b + c", "b and c"),
        ("y ~ a*x + b*(2*x) + c", "a and b"),
        ("y ~ a*x + b*x + c*x", "a and b and c"),
        ("y ~ a*exp(b*x + c)", "a and c"),
        ("y ~ a*b*x", "a and b"),
        ("y ~ a*exp(-b*x) + c*exp(-b*x)", "a and c"),
    ],
)
def test_parameters_that_cannot_be_told_apart_are_named(formula, named):
    result = fit(formula)
    assert result.verdict == "not determinable"
    assert f"{named} cannot be told apart" in result.reason
    assert result.exit_code == 5


def test_a_constant_column_does_not_determine_a_line():
    data = {"x": np.ones(8), "y": LINE["y"]}
    assert fit("y ~ a*x + b", data).verdict == "not determinable"


def test_fewer_rows_than_parameters_determine_nothing():
    data = {"x": [1.0, 2.0], "y": [1.0, 3.0]}
    result = fit("y ~ a*x^2 + b*x + c", data)
    assert result.verdict == "not determinable"
    assert "2 rows cannot determine 3 parameters" in result.reason


def test_a_parameter_only_steps_depend_on_is_not_determined():
    assert fit("y ~ floor(a*x) + b").verdict == "not determinable"


def test_the_rate_of_a_vanished_exponential_is_not_determined():
    data = {"x": X, "y": np.zeros(8)}
    assert fit("y ~ a*exp(-b*x)", data).verdict != "converged"


@pytest.mark.parametrize("rate", [1.0, 30.0, 800.0, -800.0])
def test_a_plateau_is_no_minimum(rate):
    data = {"x": X, "y": 5.0 * np.exp(-0.3 * X) + 0.01 * NOISE}
    result = fit("y ~ a*exp(-b*x)", data, a=1.0, b=rate)
    if result.converged:
        assert result.parameters["b"].estimate == pytest.approx(0.3, abs=0.02)


def test_a_saturation_that_lines_do_not_show_is_no_success():
    data = {"x": X, "y": 2.0 * X}
    assert fit("y ~ v*x/(k + x)", data).verdict != "converged"


def test_a_minimum_at_infinity_is_no_success():
    data = {"x": X, "y": np.full(8, 3.0)}
    assert fit("y ~ a/(b + x)", data, a=1.0, b=1.0).verdict != "converged"


def test_a_start_outside_the_domain_is_told():
    result = fit("y ~ a*log(b - x)", a=1.0, b=2.0)
    assert result.verdict == "not converged"
    assert "start" in result.reason


def test_steps_out_of_the_domain_only_shorten_the_step():
    data = {"x": X, "y": np.log(X + 0.5)}
    result = fit("y ~ log(x + b)", data, b=200.0)
    assert result.parameters["b"].estimate == pytest.approx(0.5, rel=1e-10)


def test_a_formula_without_value_in_a_row_is_told():
    result = fit("y ~ a*log(x - 3) + b")
    assert result.verdict == "not converged"
    assert "row 1" in result.reason


def test_undetermined_fits_have_no_standard_errors():
    result = fit("y ~ a*x + b + c")
    assert all(np.isnan(p.se) for p in result.parameters.values())


@pytest.mark.parametrize("seed", range(20))
def test_random_starts_end_in_a_minimum_or_are_told(seed):
    rng = np.random.default_rng(seed)
    truth = {"a": 4.0, "b": 0.5, "c": 1.0}
    y = truth["a"] * np.exp(-truth["b"] * X) + truth["c"] + 0.01 * NOISE
    start = {k: v * 10 ** rng.uniform(-3, 3) for k, v in truth.items()}
    result = fit("y ~ a*exp(-b*x) + c", {"x": X, "y": y}, **start)
    if result.converged:
        for name, value in truth.items():
            p = result.parameters[name]
            assert abs(p.estimate - value) < 6 * p.se < abs(value)


@pytest.mark.parametrize(
    ("formula", "combination"),
    [
        ("y ~ a*x + b + c", "only b + c is determined: 3.14643 +- 0.2;"),
        ("y ~ a*x + b*(2*x) + c", "only a + 2*b is determined: "),
        ("y ~ a*x + b - c", "only b - c is determined: 3.14643 +- 0.2;"),
        ("y ~ a*x + b*x + c*x", "only a + b + c is determined: "),
        ("y ~ a*b*x", "only a*b is determined: "),
        ("y ~ a/b*x + c", "only a/b is determined: "),
        ("y ~ a*exp(b*x + c)", "only log(a) + c is determined: "),
        ("y ~ a*b*x + c/d", "only these are determined: a*b: 1.97024 +- 0.04"),
    ],
)
def test_what_is_determined_is_named_with_its_value(formula, combination):
    assert combination in fit(formula).reason


def test_a_determined_combination_has_the_error_of_the_parameter_it_is():
    reason = fit("y ~ a*x + b + c").reason
    simple = fit("y ~ a*x + b").parameters["b"]
    assert f"b + c is determined: {simple.estimate:.6g} +- {simple.se:.2g};" in reason


@pytest.mark.parametrize(
    ("formula", "y"),
    [
        ("y ~ a*exp(-b*x) + c", np.full(8, 3.0)),
        ("y ~ a*exp(-b*x) + c*x", 2.0 * X),
        ("y ~ a*x + b*sin(w*x)", 2.0 * X),
        ("y ~ -a^2*x + b", 2.0 * X),
    ],
)
def test_a_parameter_without_effect_at_the_answer_is_not_determined(formula, y):
    assert fit(formula, {"x": X, "y": y}).verdict == "not determinable"


def test_a_parameter_that_is_zero_is_determined():
    result = fit("y ~ a*x^b + c", {"x": X, "y": 2.0 * X}, a=1.0, b=1.5, c=1.0)
    assert result.verdict == "converged"
    assert result.parameters["c"].estimate == pytest.approx(0.0, abs=1e-13)


@pytest.mark.parametrize(
    "formula", ["y ~ a + b*x + c*max(0, x - k)", "y ~ a + b*x + c*(x-k if x>k else 0)"]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_corner_of_the_sum_is_told_from_a_smooth_minimum(formula, seed):
    x = np.linspace(0.0, 10.0, 60)
    y = 1.0 + 0.5 * x + 2.0 * np.maximum(0.0, x - 4.0)
    noise = np.random.default_rng(seed).standard_normal(60)
    y = y + 0.02 * np.ptp(y) * noise
    result = fit(formula, {"x": x, "y": y})
    grid = np.append(np.linspace(3.0, 5.0, 2001), result.params["k"])
    sums = [
        np.linalg.lstsq(np.stack([x**0, x, np.maximum(0.0, x - k)], 1), y)[1][0]
        for k in grid
    ]
    assert result.rss <= min(sums) * (1 + 1e-9)
    if seed == 0:  # between two rows
        assert result.converged
        return
    assert result.code == "C108"
    assert np.abs(result.params["k"] - x).min() < 1e-9
    assert "fix={'k': 4.06779661017}" in result.reason
    held = autodiff.fit.fit(
        formula, {"x": x, "y": y}, fix={"k": float(result.params["k"])}
    )
    assert held.converged


def test_a_column_far_from_zero_is_told_to_be_counted_from_its_beginning():
    t = 1.7e9 + 3600.0 * np.arange(100.0)
    noise = 0.03 * np.random.default_rng(0).standard_normal(100)
    data = {"t": t, "y": 5.0 * np.exp(-np.arange(100.0) / 20.0) + 20.0 + noise}
    lost = fit("y ~ A*exp(-t/tau) + c", data)
    assert not lost.converged
    assert "t - 1700000000" in lost.reason
    found = fit("y ~ A*exp(-(t - 1700000000)/tau) + c", data)
    assert found.params["tau"] == pytest.approx(72000.0, rel=0.01)
