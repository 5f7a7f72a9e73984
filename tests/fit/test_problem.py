"""Binding a formula to data: names, levels, ties, bounds, scales and rows."""

import math

import numpy as np
import pytest

from autodiff.fit import DataError, FormulaError, UsageError
from autodiff.fit.data.arrays import as_columns
from autodiff.fit.data.text import parse_table
from autodiff.fit.formula.evaluate import evaluate
from autodiff.fit.problem import pose, rows_of

LINE = {"x": [0.0, 1.0, 2.0, 3.0], "y": [3.0, 8.0, 13.0, 18.0]}
GROUPS = {
    "x": [1.0, 2.0, 3.0, 4.0],
    "y": [1.0, 4.0, 6.0, 12.0],
    "state": ["treated", "control", "treated", "control"],
}


def bound(formula, data=None, start=None, **more):
    return pose(formula, as_columns(LINE if data is None else data), start, **more)


def predicted(problem, point):
    """Return the right side at a point, all slots gathered."""
    names = dict(problem.columns)
    for slot in problem.slots:
        if slot.kind == "free":
            names[slot.name] = point[slot.position]
        elif slot.kind == "indexed":
            names[slot.name] = np.array(point)[slot.positions]
        elif slot.kind in ("fixed", "apart"):
            names[slot.name] = slot.value
        else:
            names[slot.name] = evaluate(slot.nodes, names)
    return np.asarray(evaluate(problem.formula.rhs, names)).tolist()


def test_names_that_are_no_column_are_parameters_in_order_of_use():
    problem = bound("y ~ w*x + b", start={"b": 1})
    assert problem.names == ("w", "b")
    assert problem.given == {"b": 1.0}
    assert list(problem.columns) == ["x"]
    assert problem.response.tolist() == LINE["y"]
    assert problem.rows.tolist() == [1, 2, 3, 4]
    assert problem.is_linear


def test_columns_are_not_copied_where_all_rows_are_used():
    x = np.array(LINE["x"])
    assert bound("y ~ w*x", {"x": x, "y": LINE["y"]}).columns["x"] is x


def test_the_left_side_may_be_transformed():
    problem = bound("log(y) ~ a + b*x")
    assert problem.response == pytest.approx(np.log(LINE["y"]), rel=1e-15)


def test_the_response_is_the_one_column_that_nothing_uses():
    data = {**GROUPS, "s": [1.0] * 4}
    problem = bound("Vm[state]*x", data, sigma="s")
    assert problem.response.tolist() == GROUPS["y"]


def test_each_level_is_a_parameter():
    problem = bound("y ~ Vm[state]*x + c", GROUPS)
    assert problem.names == ("Vm[control]", "Vm[treated]", "c")
    assert [slot.kind for slot in problem.slots] == ["indexed", "free"]
    assert problem.slots[0].positions.tolist() == [1, 0, 1, 0]
    assert problem.slots[0].level_column == "state"
    assert predicted(problem, [10.0, 1.0, 0.5]) == [1.5, 20.5, 3.5, 40.5]
    assert problem.is_linear


def test_levels_of_numbers_are_sorted_by_size():
    data = {**LINE, "g": [10, 9, 10, 2]}
    assert bound("y ~ a[g]", data).names == ("a[2]", "a[9]", "a[10]")


def test_levels_that_no_row_has_are_no_parameters():
    problem = bound("y ~ a[state]*x", GROUPS, where="state == 'treated'")
    assert problem.names == ("a[treated]",)
    assert problem.rows.tolist() == [1, 3]


def test_starts_and_bounds_go_to_all_levels_or_to_one():
    problem = bound(
        "y ~ a[state]*x",
        GROUPS,
        {"a": 1.0, "a[treated]": 2.0},
        bounds={"a": (0.0, None), "a[control]": (0.5, 9.0)},
    )
    control, treated = problem.parameters
    assert (control.start, control.lower, control.upper) == (1.0, 0.5, 9.0)
    assert (treated.start, treated.lower, treated.upper) == (2.0, 0.0, math.inf)


def test_a_level_can_be_fixed_by_itself():
    problem = bound("y ~ a[state]*x", GROUPS, fix={"a[treated]": 3.0})
    assert problem.names == ("a[control]",)
    assert predicted(problem, [10.0]) == [3.0, 20.0, 9.0, 40.0]
    assert problem.is_linear


def test_a_level_can_be_tied_by_itself():
    problem = bound("y ~ a[state]*x", GROUPS, tie={"a[treated]": "2*k"})
    assert problem.names == ("a[control]", "k")
    assert predicted(problem, [10.0, 1.5]) == [3.0, 20.0, 9.0, 40.0]


def test_a_level_can_be_tied_to_another():
    problem = bound("y ~ a[state]*x", GROUPS, tie={"a[treated]": "2*a[control] + k"})
    assert problem.names == ("a[control]", "k")
    assert predicted(problem, [10.0, 1.5]) == [21.5, 20.0, 64.5, 40.0]
    assert problem.is_linear


def test_a_level_that_is_tied_to_has_the_start_and_bounds_of_all():
    said = {
        "tie": {"k": "a[control]"},
        "bounds": {"a": (0.0, 9.0)},
        "start": {"a": 2.0},
    }
    control, treated = sorted(
        bound("y ~ a[state]*x + k", GROUPS, **said).parameters, key=lambda one: one.name
    )
    for one, name in ((control, "a[control]"), (treated, "a[treated]")):
        assert one == type(one)(name, 2.0, 0.0, 9.0)


def test_a_fixed_parameter_is_not_fitted():
    problem = bound("y ~ w*x^n + b", fix={"n": 2})
    assert problem.names == ("w", "b")
    assert problem.is_linear
    assert predicted(problem, [1.0, 0.5]) == [0.5, 1.5, 4.5, 9.5]


def test_ties_are_evaluated_in_an_order_that_works():
    problem = bound("y ~ a*x + b", tie={"a": "2*b", "b": "c + d", "d": "3"})
    assert problem.names == ("c",)
    order = [slot.name for slot in problem.slots]
    assert order.index("b") < order.index("a")
    assert predicted(problem, [1.0]) == [4.0, 12.0, 20.0, 28.0]


@pytest.mark.parametrize(
    ("formula", "more", "linear"),
    [
        ("y ~ a*x + b", {}, True),
        ("y ~ a*x + b", {"tie": {"b": "1 - a"}}, True),
        ("y ~ a*x + b", {"tie": {"b": "a^2"}}, False),
        ("y ~ a*x + b", {"tie": {"b": "exp(c)"}, "fix": {"c": 1}}, True),
        ("y ~ a*exp(-k*x)", {"fix": {"k": 1}}, True),
        ("y ~ a*exp(-k*x)", {}, False),
        ("y ~ a*x if x < 2 else b", {}, True),
        ("y ~ a*x if x < x0 else b", {}, False),
    ],
)
def test_linearity_sees_through_ties_and_fixed_values(formula, more, linear):
    assert bound(formula, **more).is_linear is linear


def test_the_degree_in_some_slots_counts_what_is_tied_to_them():
    problem = bound("y ~ a*exp(-x/tau)", tie={"tau": "1/k"})
    assert problem.degree_in(["a"]) == 1
    assert problem.degree_in(["k"]) == 2


def test_a_comparison_with_a_word_is_a_column_of_ones():
    problem = bound("y ~ a*x + d*(state == 'treated') + c*(state != 'none')", GROUPS)
    assert problem.names == ("a", "d", "c")
    assert predicted(problem, [0.0, 1.0, 5.0]) == [6.0, 5.0, 6.0, 5.0]


def test_where_keeps_the_rows_that_meet_it():
    problem = bound("y ~ w*x", where="0 < x < 3 and not y == 8")
    assert problem.rows.tolist() == [3]
    assert problem.n_dropped == 0


def test_a_condition_may_be_an_array():
    problem = bound("y ~ w*x", where=np.array([True, False, True, False]))
    assert problem.rows.tolist() == [1, 3]


def test_a_row_without_a_value_in_the_condition_does_not_meet_it():
    data = {**LINE, "g": [1.0, math.nan, 3.0, 4.0]}
    assert bound("y ~ w*x", data, where="not g > 3").rows.tolist() == [1, 3]


def test_an_infinite_value_in_a_row_left_out_does_no_harm():
    data = {"x": [0.0, math.inf, 2.0], "y": [1.0, 2.0, 3.0]}
    assert bound("y ~ w*x", data, where="x < 9").rows.tolist() == [1, 3]


def test_rows_left_out_are_counted_and_named():
    raw = b"x,y\n1,2\n,3\n# note\n4,NA\n5,6\n"
    problem = pose("y ~ w*x", parse_table(raw, "data.csv"))
    assert problem.n_dropped == 2
    assert problem.rows.tolist() == [1, 4]
    (note,) = problem.notes
    assert note.code == "W180"
    assert "2 of 4 rows left out (lines 3, 5)" in note.text
    assert "missing in y, x" in note.text


def test_a_missing_level_leaves_its_row_out():
    data = {**GROUPS, "state": ["a", None, "b", ""]}
    problem = bound("y ~ Vm[state]*x", data)
    assert problem.names == ("Vm[a]", "Vm[b]")
    assert problem.n_dropped == 2


@pytest.mark.parametrize("word", ["sigma", "weight", "trials"])
def test_scales_are_expressions_numbers_or_arrays(word):
    for given in ("20 + 0*x", 20, np.full(4, 20.0), [20, 20, 20, 20]):
        problem = bound("y ~ w*x", **{word: given})
        assert getattr(problem, word).tolist() == [20.0] * 4


def test_scales_are_those_of_the_rows_used():
    problem = bound("y ~ w*x", sigma=[1.0, 2.0, 3.0, 4.0], where="x > 1")
    assert problem.sigma.tolist() == [3.0, 4.0]


def test_a_fitted_problem_is_bound_to_other_rows():
    problem = bound("y ~ a[state]*x + c", GROUPS, fix={"a[treated]": 3.0})
    other = rows_of(
        problem,
        as_columns({"state": ["treated", "control"], "x": [2.0, 5.0], "q": ["", "?"]}),
    )
    assert other.names == problem.names
    assert predicted(other, [10.0, 1.0]) == [7.0, 51.0]
    assert np.isnan(other.response).all()


def test_other_rows_may_be_chosen_and_have_gaps():
    problem = bound("y ~ w*x")
    other = rows_of(problem, as_columns({"x": [1.0, math.nan, 3.0]}), where="x < 3")
    assert other.rows.tolist() == [1]


def test_a_level_that_was_not_fitted_is_told():
    problem = bound("y ~ a[state]*x", GROUPS)
    table = as_columns({"state": ["treated", "new"], "x": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"row 2.*'new' was not fitted.*D125"):
        rows_of(problem, table)


def test_other_rows_lacking_a_column_are_told():
    with pytest.raises(FormulaError, match=r"uses column 'x'.*did you mean 'X'.*F116"):
        rows_of(bound("y ~ w*x"), as_columns({"X": [1.0]}))


@pytest.mark.parametrize(
    ("formula", "data", "more", "code", "words"),
    [
        ("y ~ w*x", LINE, {"start": {"w": math.inf}}, "U111", "not finite"),
        ("y ~ w*x", LINE, {"start": {"w": "one"}}, "U111", "not a number"),
        ("y ~ w*x", LINE, {"start": {"v": 1}}, "U113", "not in the formula"),
        ("y ~ w*x", LINE, {"fix": {"x": 1}}, "U113", "a column"),
        ("y ~ w*x", LINE, {"bounds": {"W": (0, 1)}}, "U113", "did you mean 'w'"),
        ("y ~ w*x", LINE, {"start": {"w[a]": 1}}, "U113", "write w[column]"),
        ("y ~ w*x", LINE, {"start": {3: 1}}, "U113", "no name"),
        ("y ~ a[state]*x", GROUPS, {"fix": {"a[traeted]": 1}}, "U113", "'treated'"),
        ("y ~ w*x", LINE, {"start": {"w": 3}, "fix": {"w": 3}}, "U115", "choose one"),
        ("y ~ w*x", LINE, {"bounds": {"w": (0, 1)}, "fix": {"w": 3}}, "U115", "bounds"),
        ("y ~ w*x", LINE, {"tie": {"w": "b"}, "start": {"w": 3}}, "U115", "tied and"),
        (
            "y ~ w*x",
            LINE,
            {"tie": {"w": "b"}, "fix": {"w": 3}},
            "U115",
            "fixed and tied",
        ),
        ("y ~ w*x", LINE, {"bounds": {"w": (2, 1)}}, "U116", "lower one comes first"),
        ("y ~ w*x", LINE, {"bounds": {"w": (1, 1)}}, "U116", "fix it"),
        ("y ~ w*x", LINE, {"bounds": {"w": (0, math.nan)}}, "U116", "nothing between"),
        ("y ~ w*x", LINE, {"bounds": {"w": 3}}, "U116", "(0, inf)"),
        (
            "y ~ w*x",
            LINE,
            {"start": {"w": 3}, "bounds": {"w": (0, 1)}},
            "U116",
            "start of 'w': 3 is outside its bounds 0..1",
        ),
        (
            "y ~ a[state]*x",
            GROUPS,
            {"start": {"a[treated]": 3}, "bounds": {"a": (0, 1)}},
            "U116",
            "outside its bounds",
        ),
        ("y ~ w*x", LINE, {"tie": {"w": "2*w"}}, "U117", "circle: w -> w"),
        ("y ~ a*x + b", LINE, {"tie": {"a": "b", "b": "a"}}, "U117", "circle: "),
        ("y ~ w*x", LINE, {"tie": {"w": "x"}}, "U117", "'x' is a column"),
        ("y ~ w*x", LINE, {"tie": {"w": 3}}, "U117", "an expression is expected"),
        ("y ~ w*x + b", LINE, {"tie": {"w": "1/B"}}, "U117", "did you mean 'b'"),
        ("y ~ w*x", LINE, {"tie": {"w": "1/"}}, "F105", "--tie w, character 3"),
        (
            "y ~ a[state]*b",
            GROUPS,
            {"tie": {"b": "a"}},
            "U117",
            "differs between levels; name one, as in a[",
        ),
        (
            "y ~ a[state]*b",
            GROUPS,
            {"tie": {"b": "a[treatet]"}},
            "U117",
            "no level 'treatet' among control, treated; did you mean 'treated'",
        ),
        ("y ~ a*x + b", LINE, {"tie": {"b": "a[k]"}}, "U117", "'a' has no levels"),
        (
            "y ~ a[state]*x",
            GROUPS,
            {"tie": {"a[treated]": "a[control]", "a[control]": "a[treated]"}},
            "U117",
            "circle: ",
        ),
        ("y ~ w*x", LINE, {"fix": {"w": 3}}, "U119", "nothing is left to fit"),
        ("y ~ w*x", LINE, {"sigma": "1", "weight": "1"}, "U118", "give one of them"),
        ("y ~ w*x", LINE, {"sigma": "s"}, "F116", "--sigma, character 1: there is no"),
        ("y ~ w*x", LINE, {"sigma": [1, 2]}, "U120", "2 values for 4 rows"),
        ("y ~ w*x", LINE, {"sigma": {}}, "U120", "an expression"),
        ("y ~ w*x", LINE, {"sigma": 0}, "D120", "sigma is 0 in row 1"),
        ("y ~ w*x", LINE, {"sigma": "x"}, "D120", "sigma is 0 in row 1"),
        ("y ~ w*x", LINE, {"weight": "x - 2"}, "D120", "weight is -2 in row 1"),
        ("y ~ w*x", LINE, {"sigma": [1, math.nan, 1, 1]}, "D120", "nan in row 2"),
        ("y ~ w*x", LINE, {"sigma": "1/(x - 3)^2"}, "D120", "inf in row 4"),
        ("y ~ w*x", LINE, {"sigma": "1e-200"}, "D120", "another unit"),
        ("y ~ w*x", LINE, {"trials": 20.5}, "D123", "whole number"),
        ("y ~ w*x", LINE, {"trials": 10}, "D123", "13 successes of 10 trials in row 3"),
        ("y ~ w*x", LINE, {"where": "x > 99"}, "D122", "none of 4 rows meets 'x > 99'"),
        ("y ~ w*x", LINE, {"where": "x = 1"}, "F102", "'=='"),
        ("y ~ w*x", LINE, {"where": "z > 1"}, "F116", "--where, character 1"),
        ("y ~ w*x", LINE, {"where": "w > 1"}, "F116", "no column 'w'"),
        ("y ~ w*x", LINE, {"where": "stat == 'a'"}, "F116", "no column 'stat'"),
        ("y ~ x[x]", LINE, {}, "F114", "'x' is a column"),
        ("y ~ a[stat]*x", GROUPS, {}, "F114", "did you mean 'state'"),
        ("y ~ a[1]*x", LINE, {}, "F114", "no column '1'"),
        ("y ~ a[state]*x + a", GROUPS, {}, "F114", "same levels"),
        ("y ~ a*(1 < state == 'x')", GROUPS, {}, "F113", "by itself"),
        ("y ~ a*(stat == 'x')", GROUPS, {}, "F116", "did you mean 'state'"),
        ("y ~ a*state", GROUPS, {}, "D108", "as levels, as in Vm[state]"),
        ("a*y ~ w*x", LINE, {}, "F116", "no column 'a'"),
        ("3 ~ w*x", LINE, {}, "F115", "the left side"),
        ("y ~ 2*x", LINE, {}, "F118", "no parameter"),
        ("y ~ a + b", LINE, {}, "F118", "cannot be told apart"),
        ("y ~ e*x", {**LINE, "e": LINE["x"]}, {}, "F109", "backquotes"),
        ("y ~ a*xx", {"xxx": [1], "y": [2]}, {}, "F117", "did you mean 'xxx'"),
        ("log(y - 3) ~ a", LINE, {}, "D116", "-inf in row 1 (y = 3)"),
    ],
)
def test_what_does_not_fit_together_is_told(formula, data, more, code, words):
    with pytest.raises((FormulaError, UsageError, DataError)) as caught:
        bound(formula, data, **more)
    assert words in str(caught.value)
    assert caught.value.code == code


def test_a_caret_stands_under_the_place_in_an_option():
    with pytest.raises(FormulaError) as caught:
        bound("y ~ w*x", where="x > 1 & y < 2")
    assert caught.value.caret() == "  x > 1 & y < 2\n        ^"


# ---- pandas: labels of rows ---------------------------------------------------------


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


@pytest.fixture
def series(pandas):
    return pandas.Series([1.0, 2.0, 1.0, 2.0])


@pytest.mark.parametrize("word", ["sigma", "weight", "trials", "where"])
@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([3, 2, 1, 0], "row 1 is labelled 3 here and 0 there"),
        ([0, 1, 2], "3 labels for 4 rows"),
        ([0, 1, 2, 9], "row 4 is labelled 9 here and 3 there"),
    ],
)
def test_a_series_of_other_rows_is_refused(pandas, word, labels, told):
    series = pandas.Series(1.0, index=labels)
    with pytest.raises(DataError) as caught:
        bound("y ~ w*x", pandas.DataFrame(LINE), **{word: series})
    assert caught.value.code == "D127"
    assert f"{word}: its index is not that of the data ({told})" in str(caught.value)
    assert ".reindex(data.index)" in str(caught.value)
    assert ".to_numpy()" in str(caught.value)


def test_a_series_of_the_same_rows_is_taken(pandas, series):
    frame = pandas.DataFrame(LINE)[::-1]
    sigma = series[::-1]
    assert bound("y ~ w*x", frame, sigma=sigma).sigma.tolist() == [2.0, 1.0, 2.0, 1.0]
    sigma = series.reindex(frame.index)
    assert bound("y ~ w*x", frame, sigma=sigma).sigma.tolist() == [2.0, 1.0, 2.0, 1.0]
    sigma = series.to_numpy()
    assert bound("y ~ w*x", frame, sigma=sigma).sigma.tolist() == [1.0, 2.0, 1.0, 2.0]
    assert bound("y ~ w*x", sigma=series[::-1]).sigma.tolist() == [2.0, 1.0, 2.0, 1.0]


def test_columns_that_are_series_have_one_index(pandas):
    frame = pandas.DataFrame(LINE)
    assert bound("y ~ w*x", {"x": frame.x, "y": frame.y}).response[0] == 3.0
    assert bound("y ~ w*x", {"x": frame.x[::-1], "y": LINE["y"]}).response[0] == 3.0
    with pytest.raises(DataError, match=r"'[xy]': its index is not that") as caught:
        bound("y ~ w*x", {"x": frame.x[::-1], "y": frame.y})
    assert caught.value.code == "D127"
