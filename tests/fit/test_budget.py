"""`max_evaluations` bounds the passes over the rows, wherever a search is."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.fit import fit, least_squares
from autodiff.fit.command.cli import main
from autodiff.fit.solve.model import Model

X = np.linspace(0.0, 10.0, 60)
DATA = {"x": X, "y": 3.0 * np.exp(-0.7 * X) + 1.0 + 0.05 * np.sin(9.0 * X)}
COUNTS = {"x": X, "y": np.round(DATA["y"])}
CURVE = "y ~ a*exp(-b*x) + c"
SEARCHES = {
    "no start": (CURVE, DATA, {}),
    "a start": (CURVE, DATA, {"start": {"a": 1, "b": 5, "c": 9}}),
    "many starts": (CURVE, DATA, {"starts": 20}),
    "a bound": (CURVE, DATA, {"bounds": {"b": (1, 9)}}),
    "a robust loss": (CURVE, DATA, {"loss": "tukey"}),
    "a likelihood": ("y ~ exp(a + b*x)", COUNTS, {"loss": "poisson"}),
    "two decays": ("y ~ a*exp(-b*x) + c*exp(-d*x) + f", DATA, {}),
}


@pytest.fixture
def passes(monkeypatch):
    """Count the passes over the rows that a model is asked for and gives."""
    done = []

    def counting(method):
        def counted(self, point):
            found = method(self, point)
            done.append(method.__name__)
            return found

        return counted

    for name in ("objective", "linearize", "curvature"):
        monkeypatch.setattr(Model, name, counting(getattr(Model, name)))
    return done


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("most", [1, 2, 4, 7, 12, 20, 33, 60])
def test_no_more_passes_are_made_than_are_allowed(passes, name, most):
    formula, data, options = SEARCHES[name]
    result = fit(formula, data, max_evaluations=most, ci="wald", se="jtj", **options)
    assert result.n_evaluations <= most
    assert len(passes) <= most + (options.get("loss") == "tukey")  # one for its errors
    assert result.converged or result.code == "C107"


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_may_not_look_twice_is_not_converged(name):
    formula, data, options = SEARCHES[name]
    result = fit(formula, data, max_evaluations=2, **options)
    assert (result.code, result.exit_code, result.n_evaluations) == ("C107", 4, 2)
    assert np.isfinite(result.point).all()
    assert all(np.isnan(one.se) for one in result.parameters.values())


def test_the_lowest_point_met_is_kept():
    start = {"a": 1, "b": 5, "c": 9}
    found = [fit(CURVE, DATA, start, max_evaluations=most).rss for most in (1, 9, 20)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 3


def test_enough_evaluations_change_nothing():
    whole = fit(CURVE, DATA)
    same = fit(CURVE, DATA, max_evaluations=whole.n_evaluations)
    assert same.params == whole.params


def test_the_bound_holds_for_functions():
    def curve(x, a, b, c):
        return a * ad.exp(-b * x) + c

    assert fit(curve, DATA, max_evaluations=4).code == "C107"
    found = least_squares(
        lambda p: p[0] * ad.exp(-p[1] * X) + p[2] - DATA["y"],
        [1.0, 5.0, 9.0],
        max_evaluations=4,
    )
    assert (found.code, found.n_evaluations) == ("C107", 4)


def test_many_rows_begin_with_a_few_and_obey_too():
    x = np.linspace(0.0, 10.0, 3_000)
    data = {"x": x, "y": 3.0 * np.exp(-0.7 * x) + 1.0 + 0.05 * np.sin(9.0 * x)}
    few = fit(CURVE, data, max_evaluations=3)
    assert (few.code, few.exit_code) == ("C107", 4)
    assert np.isfinite(few.point).all()
    assert fit(CURVE, data, max_evaluations=60).converged


def test_the_command_tells_the_bound_and_the_best_point(capsys, tmp_path):
    path = tmp_path / "decay.csv"
    rows = "\n".join(f"{x},{y}" for x, y in zip(X, DATA["y"], strict=True))
    path.write_text(f"x,y\n{rows}\n")
    code = main(["fit", CURVE, str(path), "--max-evaluations", "3"])
    out, err = capsys.readouterr()
    assert (code, out) == (4, "")
    told, best = err.splitlines()
    assert told == (
        "autodiff: not converged: the search had not ended after 3 evaluations, which "
        "is as many as --max-evaluations allows; allow more, or give start values "
        "nearer to the answer with -p [C107]"
    )
    assert best.startswith("  best point so far: a = ")


def test_groups_obey_one_by_one(capsys, tmp_path):
    path = tmp_path / "two.csv"
    rows = "\n".join(
        f"{x},{y},{g}" for g in "uv" for x, y in zip(X, DATA["y"], strict=True)
    )
    path.write_text(f"x,y,g\n{rows}\n")
    argv = ["fit", CURVE, str(path), "--by", "g", "--max-evaluations"]
    assert main([*argv, "3"]) == 4
    assert capsys.readouterr().err.count("[C107]") == 2
    assert main([*argv, "300"]) == 0
