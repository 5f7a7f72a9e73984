"""One fit for each group: the same answers as single fits, whatever the others do."""

from dataclasses import replace

import numpy as np
import pytest

from autodiff.fit.data.arrays import ArrayColumns
from autodiff.fit.grouped import solve_groups
from autodiff.fit.options import Options
from autodiff.fit.problem import pose
from autodiff.fit.solve.driver import solve
from autodiff.fit.solve.subset import subset
from autodiff.fit.stats.summarize import summarize

pytestmark = pytest.mark.slow  # many fits

DECAY = "y ~ a*exp(-b*x) + c"
START = {"a": 1.0, "b": 1.0, "c": 0.0}


def _decays(sizes, noise=0.02, seed=3):
    """Return rows of groups of these sizes, shuffled, and the group of each."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(sizes)), sizes)
    truth = rng.uniform([2, 0.5, 0], [5, 2, 1], (len(sizes), 3))[label].T
    x = rng.uniform(0, 4, len(label))
    y = truth[0] * np.exp(-truth[1] * x) + truth[2]
    y += noise * rng.standard_normal(len(y))
    mixed = rng.permutation(len(label))
    return {"x": x[mixed], "y": y[mixed]}, label[mixed]


def _problem(formula, data, start=None, **bound):
    problem = pose(formula, ArrayColumns(data), start or {})
    return replace(problem, **bound)


def _single(problem, label, value):
    part, _ = subset(problem, np.flatnonzero(label == value))
    return summarize(solve(part), Options())


def _agree(problem, label):
    """Compare every group with its single fit, to eleven digits."""
    found = solve_groups(problem, {"g": label})
    for i, (value,) in enumerate(found.keys):
        one = _single(problem, label, value)
        assert (found.verdicts[i], found.codes[i]) == (one.verdict, one.code)
        assert (found.n[i], found.df[i]) == (one.n, one.df)
        for j, name in enumerate(problem.names):
            estimate = one.parameters[name]
            assert found.estimate[i, j] == pytest.approx(estimate.estimate, rel=1e-11)
            assert found.se[i, j] == pytest.approx(estimate.se, rel=1e-11, nan_ok=True)
        assert found.rss[i] == pytest.approx(one.rss, rel=1e-11)
    return found


def test_groups_agree_with_single_fits_to_eleven_digits():
    data, label = _decays([20] * 12)
    assert _agree(_problem(DECAY, data, START), label).exit_code == 0


def test_groups_of_unequal_sizes_agree_with_single_fits():
    data, label = _decays([5, 40, 4, 11, 90, 7, 7, 23])
    assert _agree(_problem(DECAY, data, START), label).exit_code == 0


def test_groups_without_start_values_agree_with_single_fits():
    data, label = _decays([20] * 8)
    _agree(_problem(DECAY, data), label)


def test_linear_groups_agree_with_single_fits():
    data, label = _decays([6, 20, 3, 2, 12])
    _agree(_problem("y ~ w*x + v", data), label)


def test_ill_conditioned_linear_groups_agree_with_single_fits():
    data, label = _decays([15, 15, 15])
    data["x"] = data["x"] + 1e5
    _agree(_problem("y ~ u + v*x + w*x^2", data), label)


def test_absolute_errors_and_weights_are_those_of_single_fits():
    data, label = _decays([20, 30, 12])
    sizes = 0.01 + 0.02 * np.random.default_rng(1).random(len(label))
    _agree(_problem(DECAY, data, START, sigma=sizes), label)
    _agree(_problem(DECAY, data, START, weight=1.0 / sizes), label)


def test_groups_at_a_bound_agree_with_single_fits():
    data, label = _decays([20] * 4)
    problem = _problem(DECAY, data, START)
    a, b, c = problem.parameters
    bounded = replace(problem, parameters=(a, replace(b, upper=1.0), c))
    _agree(bounded, label)


def test_a_group_that_fails_stops_no_other():
    data, label = _decays([20] * 5)
    data["y"][label == 3] = 1.0  # b and c have nothing to be found from
    label = np.append(label, [9, 9])
    data = {name: np.append(values, [1.0, 2.0]) for name, values in data.items()}
    found = solve_groups(_problem(DECAY, data, START), {"g": label})
    verdict = dict(zip((k for (k,) in found.keys), found.verdicts, strict=True))
    assert [verdict[i] for i in (0, 1, 2, 4)] == ["converged"] * 4
    assert verdict[3] != "converged"
    assert verdict[9] == "not determinable"
    assert found.exit_code == 5
    assert np.isnan(found.se[[k for (k,) in found.keys].index(9)]).all()


def test_keys_are_values_in_order_of_appearance():
    data, label = _decays([8, 9, 10])
    site = np.array(["north", "south", "east"])[label]
    found = solve_groups(_problem(DECAY, data, START), {"site": site, "n": label})
    firsts = list(dict.fromkeys(zip(site.tolist(), label.tolist(), strict=True)))
    assert list(found.keys) == firsts
    assert found.by == ("site", "n")


def test_conditionals_take_the_branch_of_their_own_group():
    rng = np.random.default_rng(8)
    label = np.repeat([0, 1, 2], 20)
    x = np.tile(np.linspace(0, 10, 20), 3)
    y = np.maximum(x - 3 - label, 0) * 2 + 1 + 0.01 * rng.standard_normal(60)
    _agree(_problem("y ~ a + b*maximum(x - c, 0)", {"x": x, "y": y}, None), label)


def test_other_losses_are_fitted_one_after_another():
    data, label = _decays([20] * 3)
    problem = _problem(DECAY, data, START)
    options = Options(loss="huber")
    found = solve_groups(problem, {"g": label}, options)
    for i, (value,) in enumerate(found.keys):
        part, _ = subset(problem, np.flatnonzero(label == value))
        one = summarize(solve(part, options), options)
        assert found.se[i, 1] == one.parameters["b"].se


def test_one_group_is_a_single_fit():
    data, label = _decays([25])
    _agree(_problem(DECAY, data, START), label)


def test_a_worse_minimum_is_not_settled_in_company():
    # From b = -50 the exponentials overflow for most x; the constant is no answer.
    data, label = _decays([20] * 4)
    found = solve_groups(
        _problem(DECAY, data, {"a": 1.0, "b": -50.0, "c": 0.0}), {"g": label}
    )
    good = solve_groups(_problem(DECAY, data, START), {"g": label})
    assert found.rss == pytest.approx(good.rss, rel=1e-9)
