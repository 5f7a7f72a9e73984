"""Errors, intervals, criteria, bands and comparisons, found in independent ways."""

import math

import numpy as np
import pytest
from scipy import optimize, special, stats

from autodiff.fit import compare, fit
from autodiff.fit.errors import DataError
from autodiff.fit.output.saved import load_model
from autodiff.fit.solve.model import Linearization, Model
from autodiff.fit.stats.checks import check_residuals
from autodiff.fit.stats.chi_square import chi_square_probability
from autodiff.fit.stats.derive import image, parse_derived
from autodiff.fit.stats.student_t import normal_quantile, t_quantile

RANDOM = np.random.default_rng(11)
X = np.linspace(0.0, 4.0, 25)
Y = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.05 * RANDOM.standard_normal(25)
DATA = {"x": X, "y": Y, "s": 0.03 + 0.01 * X, "w": 1.0 + X}
CURVE = "y ~ a*exp(-b*x) + c"
# Rates of Puromycin with treated cells (Treloar, 1974; Bates and Watts, A1.3).
DOSE = np.array([0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.1, 1.1])
RATE = np.array([76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200.0])


def jacobian(p):
    a, b, _ = p
    decay = np.exp(-b * X)
    return np.stack([decay, -a * X * decay, np.ones_like(X)], axis=1)


def hessian_rest(p, first):
    """Sum of `first` times the second derivatives of the curve."""
    a, b, _ = p
    decay = np.exp(-b * X)
    rest = np.zeros((3, 3))
    rest[0, 1] = rest[1, 0] = first @ (-X * decay)
    rest[1, 1] = first @ (a * X * X * decay)
    return rest


@pytest.mark.parametrize("df", [1, 2, 3, 10, 57, 1000, 1001, 10**6])
@pytest.mark.parametrize("level", [0.5, 0.683, 0.95, 0.999])
def test_quantiles_of_t_agree_with_scipy(df, level):
    expected = stats.t.ppf(0.5 + 0.5 * level, df)
    assert t_quantile(level, df) == pytest.approx(expected, rel=1e-10)


def test_infinitely_many_degrees_of_freedom_are_the_normal_distribution():
    assert t_quantile(0.95, math.inf) == normal_quantile(0.95)
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054, rel=1e-14)


@pytest.mark.parametrize("df", [1, 2, 3, 10, 101, 5000])
@pytest.mark.parametrize("ratio", [0.3, 1.0, 1.7])
def test_probabilities_of_chi_square_agree_with_scipy(df, ratio):
    expected = stats.chi2.sf(ratio * df, df)
    found = chi_square_probability(ratio * df, df)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_errors_of_each_kind_follow_their_formula():
    result = fit(CURVE, DATA)
    p = result.point
    j, r = jacobian(p), result.residuals
    s2 = r @ r / (25 - 3)
    bread = np.linalg.inv(j.T @ j + hessian_rest(p, r))
    kinds = {
        "jtj": s2 * np.linalg.inv(j.T @ j),
        "hessian": s2 * bread,
        "sandwich": bread @ (j.T @ (j * (r * r)[:, None])) @ bread * 25 / 22,
    }
    for kind, expected in kinds.items():
        found = fit(CURVE, DATA, se=kind).cov
        np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_absolute_errors_are_not_scaled():
    result = fit(CURVE, DATA, sigma="s")
    j = jacobian(result.point) / DATA["s"][:, None]
    np.testing.assert_allclose(result.cov, np.linalg.inv(j.T @ j), rtol=1e-8)
    assert result.errors == "absolute"
    chi2 = np.sum((result.residuals / DATA["s"]) ** 2)
    assert result.chi2_probability == pytest.approx(stats.chi2.sf(chi2, 22), rel=1e-8)


def test_twice_the_weight_changes_no_error():
    one = fit(CURVE, DATA, weight="w")
    two = fit(CURVE, DATA, weight="2*w")
    np.testing.assert_allclose(one.cov, two.cov, rtol=1e-9)


def test_a_count_of_two_is_two_rows_in_a_poisson_fit():
    data = {"x": X, "y": np.round(20 * np.exp(-X)), "n": np.full(25, 2.0)}
    twice = {k: np.repeat(v, 2) for k, v in data.items()}
    one = fit("y ~ exp(a + b*x)", data, weight="n", loss="poisson")
    two = fit("y ~ exp(a + b*x)", twice, loss="poisson")
    np.testing.assert_allclose(one.point, two.point, rtol=1e-10)
    np.testing.assert_allclose(one.cov, two.cov, rtol=1e-8)


def test_profile_intervals_are_those_r_publishes_for_puromycin():
    data = {"conc": DOSE, "rate": RATE}
    result = fit("rate ~ Vm*conc/(K + conc)", data, ci="profile")
    vm, k = result.parameters["Vm"], result.parameters["K"]
    # confint(nls(...)) of R, from the splines of its profile.
    assert (vm.lo, vm.hi) == pytest.approx((197.30213, 229.29006), rel=1e-5)
    assert (k.lo, k.hi) == pytest.approx((0.04692517, 0.08615995), rel=1e-3)


def brute_force_end(j, direction):
    """The end of an interval by minimising over the others with SciPy."""
    result = fit(CURVE, DATA)
    best, df = result.rss, result.df
    target = best * (1.0 + stats.t.ppf(0.975, df) ** 2 / df)

    def excess(value):
        def misfit(rest):
            a, b, c = np.insert(rest, j, value)
            return a * np.exp(-b * X) + c - Y

        start = np.delete(result.point, j)
        found = optimize.least_squares(
            misfit, start, xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale="jac"
        )
        return 2.0 * found.cost - target

    error = math.sqrt(result.cov[j, j])
    there = result.point[j] + direction * 6.0 * error
    return optimize.brentq(excess, result.point[j], there, xtol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("j", [0, 1, 2])
def test_profile_intervals_agree_with_brute_force(j):
    result = fit(CURVE, DATA, ci="profile")
    found = result.parameters["abc"[j]]
    assert found.lo == pytest.approx(brute_force_end(j, -1), rel=1e-7)
    assert found.hi == pytest.approx(brute_force_end(j, 1), rel=1e-7)


def test_the_profile_is_taken_where_wald_would_be_far_off():
    few = {"x": X[::6], "y": Y[::6]}
    result = fit(CURVE, few)
    assert result.parameters["b"].interval == "profile"
    assert "off by more than" in result.ci


def test_an_interval_without_an_end_is_open_and_says_so():
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    y = np.array([0.02, 0.55, 1.1, 1.4, 2.1, 2.4])
    result = fit("y ~ Vm*x/(K + x)", {"x": x, "y": y}, ci="profile", level=0.999)
    assert result.converged
    assert math.isinf(result.parameters["Vm"].hi)
    assert any(note.code == "W144" for note in result.warnings)


def test_a_profile_is_a_straight_line_for_a_linear_model():
    curve = fit("y ~ a + b*x", DATA).profile("b")
    result = fit("y ~ a + b*x", DATA)
    expected = (curve.values - result.params["b"]) / result.parameters["b"].se
    np.testing.assert_allclose(curve.roots, expected, atol=1e-6)


def test_a_refit_whose_derivatives_overflow_fails_and_stops_nothing(monkeypatch):
    profiler = fit(CURVE, DATA).profiler
    blank = Linearization(np.inf, None, 0)
    monkeypatch.setattr(Model, "linearize", lambda *_: blank)
    assert profiler.refit(0, profiler.point[0], profiler.point) is None


def test_a_derived_quantity_without_a_value_is_told():
    result = fit(CURVE, DATA, derive={"half": "log(-b)/b", "top": "a + c"})
    assert [(n.code, n.text[:4]) for n in result.warnings if n.code == "W146"] == [
        ("W146", "half")
    ]


def test_derived_quantities_have_propagated_errors():
    result = fit(CURVE, DATA, derive={"half": "log(2)/b", "top": "a + c"})
    half, top = result.derived["half"], result.derived["top"]
    b = result.parameters["b"]
    assert half.estimate == pytest.approx(math.log(2) / b.estimate, rel=1e-14)
    assert half.se == pytest.approx(math.log(2) / b.estimate**2 * b.se, rel=1e-12)
    g = np.array([1.0, 0.0, 1.0])
    assert top.se == pytest.approx(math.sqrt(g @ result.cov @ g), rel=1e-12)


@pytest.mark.parametrize(
    "option",
    [
        {"fix": {"V[a]": 3.0, "V[b]": 6.0}},
        {"tie": {"V[a]": "q", "V[b]": "2*q"}, "start": {"q": 1.0, "k": 1.0}},
    ],
)
def test_a_parameter_whose_levels_are_all_fixed_or_tied_leaves_the_others(
    option, tmp_path
):
    x = np.tile(np.linspace(0.1, 4.0, 15), 2)
    s = np.repeat(["a", "b"], 15)
    y = np.where(s == "a", 3.0, 6.0) * np.exp(-0.7 * x) + 0.02 * np.sin(40 * x)
    data = {"x": x, "y": y, "s": s}
    found = fit("y ~ V[s]*exp(-k*x)", data, **option)
    height = "3" if "fix" in option else "q"
    plain = fit(f"y ~ {height}*(1 if s == 'a' else 2)*exp(-k*x)", data)
    assert found.converged
    assert set(found.parameters) == {"V[a]", "V[b]", *plain.free}
    for name in plain.free:
        one, two = found.parameters[name], plain.parameters[name]
        for key in ("estimate", "se", "lo", "hi"):
            assert getattr(one, key) == pytest.approx(getattr(two, key), rel=1e-8)
    found.save(str(tmp_path / "m.json"))
    model = load_model(str(tmp_path / "m.json"))
    new = {"x": [1.0, 1.0], "s": ["b", "a"]}
    assert model.predict(new).fitted == pytest.approx(plain.predict(new).fitted)
    with pytest.raises(DataError, match="level 'c' was not fitted"):
        model.predict({"x": [1.0], "s": ["c"]})


def test_criteria_are_those_of_the_normal_likelihood():
    result = fit(CURVE, DATA)
    s2 = result.rss / 25
    loglik = stats.norm.logpdf(result.residuals, scale=math.sqrt(s2)).sum()
    assert result.loglik == pytest.approx(loglik, rel=1e-12)
    assert result.aic == pytest.approx(8 - 2 * loglik, rel=1e-12)
    assert result.aicc == pytest.approx(result.aic + 2 * 4 * 5 / 20, rel=1e-12)
    assert result.bic == pytest.approx(4 * math.log(25) - 2 * loglik, rel=1e-12)


def test_r_squared_is_about_the_mean():
    result = fit(CURVE, DATA)
    expected = 1 - result.rss / ((Y - Y.mean()) ** 2).sum()
    assert result.r_squared == pytest.approx(expected, rel=1e-13)


def test_bands_of_a_line_follow_the_textbook():
    result = fit("y ~ a + b*x", DATA)
    at = np.array([-1.0, 2.0, 9.0])
    bands = result.predict({"x": at})
    s = result.sigma
    variance = 1 / 25 + (at - X.mean()) ** 2 / ((X - X.mean()) ** 2).sum()
    t = stats.t.ppf(0.975, 23)
    np.testing.assert_allclose(bands.hi - bands.fitted, t * s * np.sqrt(variance))
    wide = t * s * np.sqrt(1 + variance)
    np.testing.assert_allclose(bands.observation_hi - bands.fitted, wide)


def test_the_curve_at_the_data_is_what_was_fitted():
    result = fit(CURVE, DATA)
    np.testing.assert_array_equal(result.predict().fitted, result.fitted)


def test_nested_models_have_an_f_test():
    small, large = fit("y ~ a*exp(-b*x)", DATA), fit(CURVE, DATA)
    found = compare(small, large)
    [test] = found.tests
    f = (small.rss - large.rss) / (large.rss / 22)
    assert (test.kind, test.df1, test.df2) == ("F", 1, 22)
    assert test.statistic == pytest.approx(f, rel=1e-9)
    assert test.probability == pytest.approx(stats.f.sf(f, 1, 22), rel=1e-8)
    assert found.ranks[0].label == CURVE
    assert sum(rank.weight for rank in found.ranks) == pytest.approx(1.0)


def test_nested_models_with_absolute_errors_have_a_chi_square_test():
    both = [fit(f, DATA, sigma=0.02) for f in ("y ~ a*exp(-b*x)", CURVE)]
    [test] = compare(*both).tests
    assert (test.kind, test.df1, test.df2) == ("chi-square", 1, None)
    assert test.statistic == pytest.approx(both[0].rss - both[1].rss, rel=1e-9)
    chance = stats.chi2.sf(test.statistic, 1)
    assert test.probability == pytest.approx(chance, rel=1e-8)


@pytest.mark.parametrize(
    ("loss", "small", "large", "y", "more"),
    [
        (
            "poisson",
            "y ~ exp(a)",
            "y ~ exp(a + b*x)",
            [3, 2, 4, 3, 6, 4, 7, 5, 9, 6],
            {},
        ),
        (
            "bernoulli",
            "y ~ logistic(a)",
            "y ~ logistic(a + b*x)",
            [0, 0, 1, 0, 0, 1, 1, 0, 1, 1],
            {},
        ),
        (
            "binomial",
            "y ~ logistic(a)",
            "y ~ logistic(a + b*x)",
            [1, 2, 1, 3, 4, 3, 5, 4, 6, 5],
            {"trials": "8"},
        ),
    ],
)
def test_nested_likelihoods_have_a_likelihood_ratio_test(loss, small, large, y, more):
    data = {"x": np.arange(10.0), "y": y}
    both = [fit(f, data, loss=loss, **more) for f in (small, large)]
    [test] = compare(*both).tests
    ratio = 2.0 * (both[1].loglik - both[0].loglik)
    assert (test.smaller, test.kind, test.df1, test.df2) == (
        small,
        "chi-square",
        1,
        None,
    )
    assert test.statistic == pytest.approx(ratio, rel=1e-9)
    assert test.probability == pytest.approx(stats.chi2.sf(ratio, 1), rel=1e-8)


@pytest.mark.parametrize(
    ("loss", "formula", "y", "more"),
    [
        ("poisson", "y ~ exp(a + b*x)", [3, 2, 4, 3, 6, 4, 7, 5, 9, 6], {}),
        ("bernoulli", "y ~ logistic(a + b*x)", [0, 0, 1, 0, 0, 1, 1, 0, 1, 1], {}),
        (
            "binomial",
            "y ~ logistic(a + b*x)",
            [1, 2, 1, 3, 4, 3, 5, 4, 6, 5],
            {"trials": "8"},
        ),
    ],
)
def test_a_likelihood_with_weights_is_that_of_repeated_rows(loss, formula, y, more):
    x, y, w = np.arange(10.0), np.array(y), np.array([1, 2, 1, 3, 1, 1, 5, 2, 1, 1])
    repeated = {"x": np.repeat(x, w), "y": np.repeat(y, w)}
    long = fit(formula, repeated, loss=loss, **more)
    short = fit(formula, {"x": x, "y": y, "w": w}, loss=loss, weight="w", **more)
    for name in ("loglik", "aic", "aicc", "bic", "deviance"):
        expected = getattr(long, name)
        assert getattr(short, name) == pytest.approx(expected, rel=1e-12)


def test_models_that_are_no_special_case_of_each_other_have_no_test():
    found = compare(fit("y ~ a + b*x + c*x^2", DATA), fit("y ~ a/(1 + b*x)", DATA))
    assert found.tests == ()


def test_different_responses_cannot_be_compared():
    from autodiff.fit import UsageError

    with pytest.raises(UsageError, match="different responses"):
        compare(fit("y ~ a + b*x", DATA), fit("exp(y) ~ a + b*x", DATA))


def test_runs_of_residuals_are_noticed():
    checks = check_residuals(np.sin(np.linspace(0, 9, 60)), {"x": np.arange(60.0)})
    assert "trend" in checks.trouble
    noise = np.random.default_rng(0).standard_normal(60)
    assert check_residuals(noise, {}).trouble == ""


def test_the_durbin_watson_statistic_is_that_of_its_definition():
    r = RANDOM.standard_normal(30)
    expected = (np.diff(r) ** 2).sum() / (r * r).sum()
    assert check_residuals(r, {}).durbin_watson == pytest.approx(expected, rel=1e-14)


def test_a_fit_with_a_missing_trend_is_reported_with_a_warning():
    x = np.linspace(0, 4, 60)
    result = fit("y ~ a + b*x", {"x": x, "y": np.exp(x)})
    assert any(note.code == "W141" for note in result.warnings)


def test_a_sandwich_gives_honest_errors_where_the_spread_grows():
    # Simulated: the true standard deviation of the slope over many data sets.
    x = np.linspace(0.0, 1.0, 60)
    random = np.random.default_rng(3)
    slopes, errors = [], []
    for _ in range(300):
        y = 1.0 + x + 0.5 * x**2 * random.standard_normal(60)
        result = fit("y ~ a + b*x", {"x": x, "y": y}, se="sandwich")
        slopes.append(result.params["b"])
        errors.append(result.parameters["b"].se)
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.1)


def test_the_report_of_evaluations_leaves_out_the_refits_of_intervals():
    assert fit(CURVE, DATA).n_evaluations == fit(CURVE, DATA, ci="wald").n_evaluations


def test_poisson_intervals_of_the_profile_are_where_the_deviance_has_grown():
    data = {"x": X, "y": np.round(6 * np.exp(-X))}
    result = fit("y ~ exp(a + b*x)", data, loss="poisson", ci="profile")
    end = result.parameters["a"].hi
    held = fit("y ~ exp(a + b*x)", data, loss="poisson", fix={"a": end})
    grown = held.deviance - result.deviance
    assert grown == pytest.approx(stats.chi2.ppf(0.95, 1), rel=1e-6)


def test_an_end_is_found_though_a_first_refit_falls_into_another_valley():
    """Growth data of J. A. Ratkowsky, 1983: at the Wald end of b2, b4 changes sign."""
    y = [16.08, 33.83, 65.80, 97.20, 191.55, 326.20, 386.87, 520.53, 590.03, 651.92]
    y += [724.93, 699.56, 689.96, 637.56, 717.41]
    data = {"x": np.arange(1.0, 16.0), "y": y}
    formula = "y ~ b1/(1 + exp(b2 - b3*x))^(1/b4)"
    result = fit(formula, data)
    assert not [note for note in result.warnings if note.code == "W145"]
    assert result.parameters["b2"].interval == "profile"
    start = result.params
    for end in (result.parameters["b2"].lo, result.parameters["b2"].hi):
        there = start.pop("b2", 0.0)
        walk = np.linspace(result.params["b2"], end, 9)
        for value in walk[1:]:
            held = fit(formula, data, start, fix={"b2": float(value)})
            start = {name: held.params[name] for name in ("b1", "b3", "b4")}
        root = np.sqrt((held.rss - result.rss) / (result.rss / result.df))
        assert root == pytest.approx(stats.t.ppf(0.975, result.df), rel=1e-6)
        start = {**result.params, "b2": there}


def test_a_derived_quantity_of_a_tied_parameter_has_its_error():
    x = np.linspace(0.0, 4.0, 20)
    y = 3.0 * np.exp(-x / 0.8) + 0.02 * np.sin(9 * x)
    derive = {"twice": "2*tau", "same": "2/b"}
    found = fit(
        "y ~ a*exp(-x/tau)", {"x": x, "y": y}, tie={"tau": "1/b"}, derive=derive
    ).derived
    assert found["twice"].se > 0.0
    assert found["twice"].se == pytest.approx(found["same"].se, rel=1e-12)


NOISY = {
    "t": np.array([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5]),
    "y": np.array([3.1, 2.3, 3.2, 2.1, 2.9, 1.6, 2.5, 2.2, 2.1, 1.4]),
}


@pytest.mark.parametrize("how", ["derived", "tied"])
def test_a_quantity_of_one_parameter_has_the_interval_it_would_have_as_that(how):
    written = fit("y ~ a*exp(-log(2)/th*t)", NOISY, {"th": 5.0}, ci="profile")
    wanted = written.parameters["th"]
    if how == "derived":
        plain = fit("y ~ a*exp(-k*t)", NOISY, ci="profile", derive={"th": "log(2)/k"})
        found = plain.derived["th"]
    else:
        formula, tie = "y ~ a*exp(-log(2)/th*t)", {"th": "log(2)/k"}
        found = fit(formula, NOISY, tie=tie, ci="profile").parameters["th"]
    assert (found.interval, found.status) == ("profile", how)
    for key in ("estimate", "se", "lo", "hi"):
        assert getattr(found, key) == pytest.approx(getattr(wanted, key), rel=1e-6)


def test_what_is_not_monotonic_or_of_several_parameters_keeps_its_wald_interval():
    derive = {"ak": "a*k", "bent": "(k - 0.15)^2", "pole": "1/(k - 0.15)"}
    result = fit("y ~ a*exp(-k*t)", NOISY, ci="profile", derive=derive)
    reach = stats.t.ppf(0.975, 8)
    for name, found in result.derived.items():
        assert found.interval == "wald"
        assert found.hi - found.estimate == pytest.approx(reach * found.se)
        [row] = [r for r in result.report().splitlines() if r.startswith(f"{name} ")]
        assert row.endswith("(derived, Wald)")


def test_the_report_names_no_wald_interval_where_all_are():
    derive = {"th": "log(2)/k"}
    text = fit("y ~ a*exp(-k*t)", NOISY, ci="wald", derive=derive).report()
    assert "derived" not in text


def test_the_image_of_an_open_interval_ends_at_its_limit():
    nodes = parse_derived("exp(-k)", ["k"])
    ends = np.array([0.5, -math.inf, 0.5]), np.array([math.inf, 3.0, math.inf])
    lo, hi, monotonic = image(nodes, {"k": np.array([1.0, 1.0, 2.0])}, "k", ends, {})
    assert monotonic.all()
    np.testing.assert_allclose(lo, [0.0, math.exp(-3.0), 0.0])
    np.testing.assert_allclose(hi, [math.exp(-0.5), math.inf, math.exp(-0.5)])
    crossing = image(
        parse_derived("1/k", ["k"]),
        {"k": np.ones(2)},
        "k",
        (np.array([-1.0, 0.0]), np.array([2.0, 2.0])),
        {},
    )
    assert crossing[2].tolist() == [False, True]
    assert (crossing[0][1], crossing[1][1]) == (0.5, math.inf)


@pytest.mark.parametrize("formula", ["y ~ V[s]*exp(-k*x)", "y ~ V[s]*x + k"])
@pytest.mark.parametrize("levels", ["ab", "abc"])
def test_a_level_tied_to_another_is_fitted_as_one_parameter(formula, levels):
    rng = np.random.default_rng(7)
    x = np.tile(np.linspace(0.1, 4.0, 15), len(levels))
    s = np.repeat(list(levels), 15)
    height = np.select([s == "a", s == "b"], [3.0, 6.0], 1.0)
    y = height * np.exp(-0.7 * x) + 0.02 * rng.standard_normal(len(x))
    data = {"x": x, "y": y, "s": s}
    tied = fit(formula, data, tie={"V[b]": "2*V[a]"})
    written = formula.replace("V[s]", "(A if s == 'a' else 2*A if s == 'b' else C)")
    plain = fit(written if "c" in levels else written.replace("C", "0"), data)
    assert tied.rss == pytest.approx(plain.rss, rel=1e-11)
    pairs = [("V[a]", "A"), ("k", "k"), *[("V[c]", "C")] * ("c" in levels)]
    for name, other in pairs:
        one, two = tied.parameters[name], plain.parameters[other]
        for key in ("estimate", "se", "lo", "hi"):
            assert getattr(one, key) == pytest.approx(getattr(two, key), rel=1e-9)
    assert tied.params["V[b]"] == 2.0 * tied.params["V[a]"]


@pytest.mark.parametrize("factor", [1.0, 1e4])
def test_a_prediction_band_does_not_depend_on_the_scale_of_weights(factor, tmp_path):
    weight = f"{factor}/s^2"
    result = fit("y ~ a + b*x", DATA, weight=weight)
    result.save(str(tmp_path / "m.json"))
    model = load_model(str(tmp_path / "m.json"))
    at = {"x": [1.0, 3.0], "s": [0.04, 0.08]}
    bands = model.predict(at)
    spread = result.sigma**2 * np.square(at["s"]) / factor
    wide = stats.t.ppf(0.975, 23) * np.sqrt(bands.se**2 + spread)
    np.testing.assert_allclose(bands.observation_hi - bands.fitted, wide)
    plain = fit("y ~ a + b*x", DATA, weight="1/s^2").predict(at)
    np.testing.assert_allclose(bands.observation_lo, plain.observation_lo, rtol=1e-9)


@pytest.mark.parametrize("given", [{"weight": "w"}, {"sigma": "s"}, {"weight": X + 1}])
def test_rows_without_a_scale_have_no_prediction_band(given):
    result = fit("y ~ a + b*x", DATA, **given)
    bands = result.predict({"x": [1.0, 3.0]})
    assert np.isnan([bands.observation_lo, bands.observation_hi]).all()
    assert np.isfinite([bands.lo, bands.hi]).all()
    own = result.predict()
    assert np.isfinite([own.observation_lo, own.observation_hi]).all()


@pytest.mark.parametrize("sigma", [0.1, "0.1", "s + 0.06"])
def test_a_sigma_that_other_rows_have_bounds_observations_there(sigma):
    result = fit("y ~ a + b*x", DATA, sigma=sigma)
    bands = result.predict({"x": [1.0, 3.0], "s": [0.04, math.nan]})
    wide = stats.norm.ppf(0.975) * math.hypot(bands.se[0], 0.1)
    assert bands.observation_hi[0] - bands.fitted[0] == pytest.approx(wide)
    assert np.isnan(bands.observation_hi[1]) == (sigma == "s + 0.06")


def test_a_scale_of_levels_is_not_known_where_the_level_is_missing():
    data = {**DATA, "g": ["u", "v"] * 12 + ["u"]}
    result = fit("y ~ a + b*x", data, sigma="0.1 if g == 'u' else 0.2")
    bands = result.predict({"x": [1.0, 1.0, 1.0], "g": ["u", "v", ""]})
    near, far, nowhere = bands.observation_hi
    assert near < far
    assert math.isnan(nowhere)


def test_a_confidence_band_of_counts_is_that_of_their_logarithm():
    x = np.arange(8.0)
    data = {"x": x, "y": np.array([0.0, 1, 0, 0, 1, 2, 1, 3])}
    bands = fit("y ~ a*exp(k*x)", data, loss="poisson").predict({"x": [-6.0, 3.0]})
    log = fit("y ~ exp(c + k*x)", data, loss="poisson")
    g = np.stack([np.ones(2), [-6.0, 3.0]])
    reach = stats.norm.ppf(0.975) * np.sqrt(np.einsum("in,ij,jn->n", g, log.cov, g))
    np.testing.assert_allclose(bands.lo, bands.fitted * np.exp(-reach), rtol=1e-6)
    np.testing.assert_allclose(bands.hi, bands.fitted * np.exp(reach), rtol=1e-6)
    assert (bands.lo > 0.0).all()


@pytest.mark.parametrize("loss", ["bernoulli", "binomial"])
def test_a_confidence_band_of_a_probability_is_that_of_its_logit(loss):
    n = np.full(8, 1.0 if loss == "bernoulli" else 4.0)
    data = {"x": np.arange(8.0), "y": n * [0, 0, 1, 0, 1, 0, 1, 1], "n": n}
    trials = {"trials": "n"} if loss == "binomial" else {}
    result = fit("y ~ 1/(1 + exp(-(a + b*x)))", data, loss=loss, **trials)
    at = np.array([-200.0, -2.0, 3.0, 12.0, 2000.0])
    bands = result.predict({"x": at})
    g = np.stack([np.ones(5), at])
    reach = stats.norm.ppf(0.975) * np.sqrt(np.einsum("in,ij,jn->n", g, result.cov, g))
    centre = result.params["a"] + result.params["b"] * at
    middle = slice(1, 4)
    for found, sign in ((bands.lo, -1.0), (bands.hi, 1.0)):
        expected = special.expit(centre + sign * reach)
        np.testing.assert_allclose(found[middle], expected[middle], rtol=1e-9)
        assert ((found >= 0.0) & (found <= 1.0)).all()
