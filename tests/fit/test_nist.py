"""The NIST nonlinear problems, from both starting points."""

import tomllib

import pytest
from fit.nist_problems import DATA, digits, errors, estimates, fit, problems

import autodiff.fit

pytestmark = pytest.mark.slow  # many fits

PROBLEMS = problems("nist")
STARTS = ("start1", "start2")

each_fit = pytest.mark.parametrize(
    ("problem", "start"),
    [pytest.param(p, s, id=f"{p['name']}-{s}") for p in PROBLEMS for s in STARTS],
)


def _fit(problem, start):
    given = dict(zip(problem["parameters"], problem[start], strict=True))
    return fit("nist", problem, given)


@each_fit
def test_parameters_agree_with_the_reference_to_eleven_digits(problem, start):
    result = _fit(problem, start)
    assert result.verdict == "converged"
    assert digits(estimates(result, problem), problem["ref"]) >= 11


@each_fit
def test_standard_errors_agree_with_the_reference_to_ten_digits(problem, start):
    # Lanczos1 has residuals of 1e-13 on data of order 1: a double keeps 3 digits.
    # Lanczos1's residuals, 1e-13, are differences of numbers near 1: the last unit of
    # exp, which differs between libraries, is their third digit.
    floor = 2 if problem["name"] == "Lanczos1" else 10
    reference = problem.get("ref_f64_sd", problem["ref_sd"])
    assert digits(errors(_fit(problem, start), problem), reference) >= floor


@each_fit
def test_residual_sum_of_squares_agrees_with_the_reference(problem, start):
    # Lanczos1's residuals, 1e-13, are differences of numbers near 1: the last unit of
    # exp, which differs between libraries, is their third digit.
    floor = 2 if problem["name"] == "Lanczos1" else 10
    reference = problem.get("ref_f64_rss", problem["ref_rss"])
    assert digits([_fit(problem, start).rss], [reference]) >= floor


@each_fit
def test_certified_digits_are_met_to_the_last_but_one(problem, start):
    result = _fit(problem, start)
    assert digits(estimates(result, problem), problem["certified"]) >= 9


MORE = tomllib.loads((DATA / "nist_more.toml").read_text())["problem"]


@pytest.mark.parametrize("start", [*STARTS, None])
@pytest.mark.parametrize("problem", [pytest.param(p, id=p["name"]) for p in MORE])
def test_more_problems_agree_with_their_certified_digits(problem, start):
    given = (
        dict(zip(problem["parameters"], problem[start], strict=True)) if start else {}
    )
    data = {"x": problem["x"], "y": problem["y"]}
    result = autodiff.fit.fit(f"y ~ {problem['formula']}", data, given)
    assert result.verdict == "converged"
    assert digits(estimates(result, problem), problem["certified"]) >= 9.5
    assert digits([result.rss], [problem["certified_rss"]]) >= 9.5


def test_the_digit_count_sees_an_error_of_half_a_permille():
    assert 3 < digits([1.0, 2.001], [1.0, 2.0]) < 4
