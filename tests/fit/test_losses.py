"""Likelihoods and robust losses.

References: Newton's method in 40 digits on data of statsmodels.datasets, started from
statsmodels' estimates; statsmodels' RLM, iterated to convergence.
"""

from dataclasses import replace

import numpy as np
import pytest
from fit.solving import bounded, posed, solved, table

from autodiff.fit.errors import DataError, UsageError
from autodiff.fit.solve.losses import LOSSES, mad_scale

pytestmark = pytest.mark.slow  # many fits

X = np.arange(1.0, 9.0)
LOGISTIC = "y ~ 1/(1 + exp(-(a + b*x)))"


def errors(solution):
    return solution.linearization.factor.unscaled_errors()


def test_bernoulli_agrees_with_a_logit_on_spector():
    solution = solved(
        posed(
            "grade ~ 1/(1 + exp(-(c + g*gpa + t*tuce + p*psi_group)))", table("spector")
        ),
        loss="bernoulli",
    )
    assert solution.converged
    assert solution.point == pytest.approx(
        [-13.02134685811569, 2.8261125948893215, 0.0951576613179093, 2.378687655093354],
        rel=1e-12,
    )
    assert errors(solution) == pytest.approx(
        [4.931324213602759, 1.2629410756290924, 0.14155420567369476, 1.064564254497133],
        rel=1e-12,
    )
    saturated = solution.model.loss.saturated(solution.model.problem.response, None)
    assert saturated - solution.objective == pytest.approx(-12.889634222131, rel=1e-12)


def test_binomial_agrees_with_a_logit_on_star98():
    data = table("star98_part")
    problem = posed("above ~ 1/(1 + exp(-(c + l*lowinc + b*perblack)))", data)
    solution = solved(replace(problem, trials=data["trials"]), loss="binomial")
    assert solution.converged
    assert solution.point == pytest.approx(
        [1.6738365634624832, -0.0405092225739279, -0.028858489938001296], rel=1e-11
    )
    assert errors(solution) == pytest.approx(
        [0.02870742697389711, 0.0007411017530406401, 0.0021493968299760116], rel=1e-11
    )


def test_poisson_agrees_with_a_log_linear_model_on_cpunish():
    formula = "executions ~ exp(c + i*income/10000 + s*south + d*degree)"
    solution = solved(posed(formula, table("cpunish")), loss="poisson")
    assert solution.converged
    assert solution.point == pytest.approx(
        [
            -3.4396793609938463,
            2.888328766762487,
            1.661126103799052,
            -30.495537067401678,
        ],
        rel=1e-11,
    )
    assert errors(solution) == pytest.approx(
        [
            1.3366664677887132,
            0.4908696259956462,
            0.2999562745533059,
            4.4037664354340205,
        ],
        rel=1e-11,
    )


@pytest.mark.parametrize(
    ("loss", "point", "deviation"),
    [
        (
            "huber",
            [-41.026498352400246, 0.8293843346001, 0.9260659661967, -0.1278467249458],
            2.440536091721,
        ),
        (
            "tukey",
            [-42.285350779329605, 0.9275573227555, 0.6507176872143, -0.1123331537909],
            2.281881334951,
        ),
    ],
)
def test_robust_losses_agree_with_their_scale_on_stackloss(loss, point, deviation):
    formula = "loss ~ c + a*airflow + w*watertemp + k*acidconc"
    solution = solved(posed(formula, table("stackloss")), loss=loss)
    assert solution.converged
    assert solution.point == pytest.approx(point, rel=1e-9)
    tuning = LOSSES[loss].tuning
    assert solution.model.scale / tuning == pytest.approx(deviation, rel=1e-9)


@pytest.mark.parametrize("loss", ["huber", "soft-l1", "cauchy", "tukey"])
def test_a_wild_row_hardly_moves_a_robust_fit(loss):
    noise = np.array([0.1, -0.2, 0.15, -0.05, 0.2, -0.1, 0.05, 30.0])
    solution = solved(posed("y ~ a*x + b", {"x": X, "y": 2 * X + 1 + noise}), loss=loss)
    assert solution.converged
    assert solution.point == pytest.approx([2.0, 1.0], abs=0.25)


def test_a_wide_scale_makes_a_robust_fit_least_squares():
    problem = posed("y ~ a*exp(-b*x)", {"x": X, "y": 5 * np.exp(-0.3 * X) + 0.01 * X})
    wide = solved(problem, loss="huber", loss_scale=100.0)
    assert wide.point == pytest.approx(solved(problem).point, rel=1e-12)


def test_an_exact_fit_is_not_spoilt_by_a_robust_loss():
    solution = solved(posed("y ~ a*x + b", {"x": X, "y": 2 * X + 1}), loss="tukey")
    assert solution.converged
    assert solution.point.tolist() == [2.0, 1.0]


def test_residuals_that_are_mostly_zero_leave_no_scale():
    y = np.where(X == 8, 50.0, 2 * X)
    solution = solved(posed("y ~ a*x", {"x": X, "y": y}), loss="huber")
    assert solution.code == "C106"


@pytest.mark.parametrize("y", [X > 4.5, X > 0, X > 7.5])
def test_separable_classes_are_told(y):
    solution = solved(posed(LOGISTIC, {"x": X, "y": y.astype(float)}), loss="bernoulli")
    assert (solution.verdict, solution.code) == ("not determinable", "N105")


def test_a_likelihood_starts_where_no_probability_is_as_good_as_0_or_1():
    # am, wt, hp of R's mtcars; glm(binomial), and so statsmodels' Logit
    am = "11100000000000000111000001111111"
    wt = """2.62 2.875 2.32 3.215 3.44 3.46 3.57 3.19 3.15 3.44 3.44 4.07 3.73 3.78 5.25
        5.424 5.345 2.2 1.615 1.835 2.465 3.52 3.435 3.84 3.845 1.935 2.14 1.513 3.17
        2.77 3.57 2.78"""
    hp = """110 110 93 110 175 105 245 62 95 123 123 180 180 180 205 215 230 66 52 65 97
        150 150 245 175 66 91 113 264 175 335 109"""
    cars = {"am": list(am), "wt": wt.split(), "hp": hp.split()}
    data = {name: np.array(column, dtype=float) for name, column in cars.items()}
    formula = "am ~ 1/(1 + exp(-(a + b*wt + c*hp)))"
    solution = solved(posed(formula, data), loss="bernoulli")
    assert solution.converged
    assert solution.point == pytest.approx([18.8662987, -8.0834752, 0.0362556], 1e-6)


def test_classes_that_overlap_in_one_value_only_are_separable():
    x, y = np.r_[X, 4.5, 4.5], np.r_[X > 4.5, 0, 1].astype(float)
    solution = solved(posed(LOGISTIC, {"x": x, "y": y}), loss="bernoulli")
    assert solution.code == "N105"


def test_bounds_make_separable_classes_determinable():
    problem = posed(LOGISTIC, {"x": X, "y": (X > 4.5).astype(float)})
    problem = bounded(problem, b=(-2.0, 2.0))
    solution = solved(problem, loss="bernoulli")
    assert solution.converged
    assert solution.point == pytest.approx([-9.0, 2.0], rel=1e-9)


def test_counts_that_are_all_zero_have_no_finite_rate():
    solution = solved(posed("y ~ exp(a + b*x)", {"x": X, "y": 0 * X}), loss="poisson")
    assert solution.verdict == "not determinable"


@pytest.mark.parametrize(
    ("loss", "value"),
    [("poisson", -1.0), ("poisson", 0.5), ("bernoulli", 2.0), ("bernoulli", 0.5)],
)
def test_a_response_that_the_loss_does_not_take_is_refused(loss, value):
    y = np.where(X == 3, value, 1.0)
    with pytest.raises(DataError, match=r"row 3 .*D150"):
        solved(posed("y ~ exp(a + b*x)", {"x": X, "y": y}), loss=loss)


def test_binomial_without_trials_is_refused():
    with pytest.raises(UsageError, match="U172"):
        solved(posed(LOGISTIC, {"x": X, "y": X}), loss="binomial")


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_of_a_loss_are_those_of_its_value(name):
    loss = LOSSES[name]
    fitted = np.array([0.15, 0.4, 0.8, 0.93])
    y, width = np.array([0.0, 1.0, 1.0, 0.0]), 1e-5
    trials = 3.0 if name == "binomial" else 1.0

    def costs(f):
        return loss.costs(f, y, trials, 0.7)

    here, up, down = costs(fitted), costs(fitted + width), costs(fitted - width)
    slope = (up.loss - down.loss) / (2 * width)
    assert here.first == pytest.approx(slope, rel=1e-7, abs=1e-8)
    bend = (up.first - down.first) / (2 * width)
    assert here.second == pytest.approx(bend, rel=1e-6, abs=1e-6)
    assert (here.weight >= 0).all()


def test_the_median_residual_of_normal_data_gives_their_deviation(rng):
    assert mad_scale(3.0 * rng.normal(size=200_000)) == pytest.approx(3.0, rel=0.02)
