"""The NIST linear problems, without starting values."""

import pytest
from fit.nist_problems import digits, errors, estimates, fit, problems

pytestmark = pytest.mark.slow  # many fits

each_problem = pytest.mark.parametrize(
    "problem", [pytest.param(p, id=p["name"]) for p in problems("nist-linear")]
)


@each_problem
def test_parameters_agree_with_the_reference_to_thirteen_digits(problem):
    result = fit("nist-linear", problem)
    assert result.verdict == "converged"
    assert digits(estimates(result, problem), problem["ref"]) >= 13


@each_problem
def test_standard_errors_agree_with_the_reference_to_thirteen_digits(problem):
    result = fit("nist-linear", problem)
    assert digits(errors(result, problem), problem["certified_sd"]) >= 13


@pytest.mark.parametrize("name", ["Wampler1", "Wampler2"])
def test_an_exact_polynomial_is_told_to_be_exact(name):
    problem = next(p for p in problems("nist-linear") if p["name"] == name)
    assert fit("nist-linear", problem).exact


def test_a_linear_model_needs_no_search():
    problem = problems("nist-linear")[0]
    assert fit("nist-linear", problem).n_evaluations == 0
