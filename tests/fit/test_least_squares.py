"""Least squares of functions of residuals."""

import numpy as np
import pytest
from scipy.optimize import least_squares as reference

import autodiff as ad
from autodiff.fit import UsageError

X = np.arange(20.0)
Y = 2.0 * np.exp(-0.5 * X) + 1.0 + 0.05 * np.random.default_rng(0).standard_normal(20)


def misfit(p):
    return p[0] * ad.exp(-p[1] * X) + p[2] - Y


def test_a_function_and_the_same_formula_agree_to_the_last_digits():
    found = ad.least_squares(misfit, [1.0, 1.0, 0.0])
    fitted = ad.fit("y ~ a*exp(-b*x) + c", {"x": X, "y": Y})
    for p, q in zip(found.parameters.values(), fitted.parameters.values(), strict=True):
        assert p.estimate == pytest.approx(q.estimate, rel=1e-12)
        assert p.se == pytest.approx(q.se, rel=1e-10)
    assert found.rss == pytest.approx(fitted.rss, rel=1e-13)


def test_parameters_may_have_names_and_residuals_may_be_a_list():
    found = ad.least_squares(
        lambda p: [10.0 * (p["b"] - p["a"] ** 2), 1.0 - p["a"]], {"a": -1.2, "b": 1.0}
    )
    assert found.converged
    assert found.params == pytest.approx({"a": 1.0, "b": 1.0}, rel=1e-12)


def test_a_bound_holds_and_the_others_are_at_their_best():
    found = ad.least_squares(misfit, [1.0, 0.2, 0.0], bounds=([0, 0, 0], [9, 0.3, 9]))
    expected = reference(
        lambda p: p[0] * np.exp(-p[1] * X) + p[2] - Y,
        [1.0, 0.2, 0.1],
        bounds=([0, 0, 0], [9, 0.3, 9]),
        xtol=1e-15, ftol=1e-15, gtol=1e-15,
    )  # fmt: skip
    assert found.parameters["x[1]"].status == "at upper bound"
    assert list(found.params.values()) == pytest.approx(list(expected.x), rel=1e-6)


def test_an_outlier_hardly_moves_a_robust_fit():
    y = Y.copy()
    y[4] += 10.0
    found = ad.least_squares(
        lambda p: p[0] * ad.exp(-p[1] * X) + p[2] - y, [2.0, 0.5, 1.0], loss="tukey"
    )
    clean = ad.least_squares(misfit, [1.0, 1.0, 0.0])
    for p, q in zip(found.params.values(), clean.params.values(), strict=True):
        assert p == pytest.approx(q, rel=0.1)


def test_branches_of_the_function_are_followed():
    def broken(p):
        return [
            (p[0] * x if x < 5.0 else p[0] * 5.0 + p[1] * (x - 5.0)) - 3.0 * min(x, 5.0)
            for x in X
        ]

    found = ad.least_squares(broken, [1.0, 1.0])
    assert list(found.params.values()) == pytest.approx([3.0, 0.0], abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "options", "part"),
    [
        (("y ~ a", [1.0]), {}, "takes a function"),
        ((misfit, [1.0, np.nan, 0.0]), {}, "finite"),
        ((misfit, []), {}, "finite"),
        ((misfit, "abc"), {}, "not numbers"),
        ((lambda p: "text", [1.0]), {}, "must return residuals"),
        ((misfit, [1.0, 1.0, 0.0]), {"loss": "poisson"}, "fitted values"),
        (
            (misfit, [1.0, 1.0, 0.0]),
            {"bounds": ([1, 1, 1], [0, 2, 2])},
            "lower < upper",
        ),
        ((misfit, [1.0, 1.0, 0.0]), {"bounds": {"q": (0, 1)}}, "no such parameter"),
    ],
)
def test_nonsense_is_refused(arguments, options, part):
    with pytest.raises(UsageError, match=part):
        ad.least_squares(*arguments, **options)


def test_a_function_in_place_of_a_formula_gives_the_same_fit():
    def curve(x, a, b, c=0.5):
        return a * ad.exp(-b * x) + c

    data = {"x": X, "y": Y, "s": 0.05 + 0.0 * X}
    found = ad.fit(curve, data, sigma="s")
    fitted = ad.fit("y ~ a*exp(-b*x) + c", data, sigma="s")
    for name in "abc":
        p, q = found.parameters[name], fitted.parameters[name]
        assert (p.estimate, p.se) == pytest.approx((q.estimate, q.se), rel=1e-9)
    with pytest.raises(UsageError, match="no formula"):
        found.predict({"x": [1.0]})


def test_a_function_may_be_a_likelihood_of_counts():
    data = {"x": X, "y": np.round(20 * np.exp(-0.2 * X))}
    found = ad.fit(lambda x, a, b: ad.exp(a + b * x), data, {"b": 0.0}, loss="poisson")
    fitted = ad.fit("y ~ exp(a + b*x)", data, loss="poisson")
    assert list(found.params.values()) == pytest.approx(list(fitted.point), rel=1e-10)


def test_a_function_that_leaves_several_columns_is_refused():
    with pytest.raises(UsageError, match="leaves y, z"):
        ad.fit(lambda x, a: a * x, {"x": X, "y": Y, "z": Y})


@pytest.mark.parametrize("bounds", [{"x[0]": (2, 3)}, ([2, 0], [3, 1])])
def test_a_start_outside_its_bounds_is_refused(bounds):
    with pytest.raises(ValueError, match="outside its bounds") as caught:
        ad.least_squares(lambda p: p - 1.0, [1.0, 0.5], bounds=bounds)
    assert caught.value.code == "U116"
    assert "start of 'x[0]': 1 is outside its bounds 2..3" in str(caught.value)


@pytest.mark.parametrize("bounds", [[(0, 1)], 3, {"x[0]": 3}])
def test_bounds_that_are_none_are_refused(bounds):
    with pytest.raises(ValueError, match="expected") as caught:
        ad.least_squares(lambda p: p - 1.0, [1.0, 0.5], bounds=bounds)
    assert caught.value.code == "U194"


def test_the_start_of_a_function_is_given_inside_its_bounds_or_found_there():
    def line(x, a, b):
        return a * x + b

    data = {"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.4, 5.9, 8.5]}
    assert ad.fit(line, data, bounds={"a": (2, 3)}).params["a"] == pytest.approx(2.5)
    with pytest.raises(ValueError, match="outside its bounds") as caught:
        ad.fit(line, data, {"a": 1.0}, bounds={"a": (2, 3)})
    assert caught.value.code == "U116"
