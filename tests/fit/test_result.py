"""The mirror of the command in Python, and what a result says."""

import json
import math

import numpy as np
import pytest

import autodiff.fit
from autodiff.fit import DataError, FormulaError, UsageError
from autodiff.fit.stats.student_t import t_quantile

fit = autodiff.fit.fit
FOUR = {"x": [0, 1, 2, 3], "y": [3, 8, 13, 18]}
LINE = {"x": [0.5, 1, 1.5, 2, 2.5], "y": [5.4, 8.1, 10.4, 13.2, 15.3]}


def test_the_module_can_be_called():
    assert autodiff.fit("y ~ w*x + b", FOUR).exact


def test_four_points_on_a_line_are_fitted_exactly():
    result = fit("y ~ w*x + b", FOUR)
    assert result.parameters["w"].estimate == 5.0
    assert result.parameters["b"].estimate == 3.0
    assert result.rss == 0.0
    assert result.parameters["w"].se == 0.0


def test_a_line_is_fitted_as_by_numpy():
    result = fit("y ~ w*x + b", LINE)
    x, y = np.array(LINE["x"]), np.array(LINE["y"])
    (w, b), covariance = np.polyfit(x, y, 1, cov=True)
    assert result.parameters["w"].estimate == pytest.approx(w, rel=1e-12)
    assert result.parameters["b"].estimate == pytest.approx(b, rel=1e-12)
    errors = np.sqrt(np.diag(covariance))
    found = [result.parameters[name].se for name in "wb"]
    assert found == pytest.approx(errors.tolist(), rel=1e-10)


def test_an_interval_is_the_estimate_and_student_t_times_its_error():
    p = fit("y ~ w*x + b", LINE, level=0.9).parameters["w"]
    assert p.hi - p.estimate == pytest.approx(t_quantile(0.9, 3) * p.se, rel=1e-12)
    assert p.estimate - p.lo == pytest.approx(p.hi - p.estimate, rel=1e-12)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 9, 30, 999, 200_000])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_student_t_agrees_with_scipy(df, level):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.t.ppf(0.5 + level / 2, df)
    assert t_quantile(level, df) == pytest.approx(expected, rel=1e-9)


def test_decimal_data_on_a_line_are_exact_up_to_rounding():
    data = {"x": [0.1, 0.2, 0.3, 0.7], "y": [0.31, 0.32, 0.33, 0.37]}
    assert fit("y ~ w*x + b", data).exact


def test_the_mean_is_a_fit_without_columns():
    result = fit("y ~ m", LINE)
    assert result.parameters["m"].estimate == pytest.approx(np.mean(LINE["y"]))


def test_the_response_may_be_left_out():
    assert fit("w*x + b", FOUR).parameters["w"].estimate == 5.0


def test_the_left_side_may_be_transformed():
    data = {"x": [0.0, 1.0, 2.0, 3.0], "y": np.exp([1.0, 3.0, 5.0, 7.0])}
    assert fit("log(y) ~ a + b*x", data).parameters["b"].estimate == pytest.approx(2)


def test_a_parameter_in_backquotes_may_have_any_name():
    assert fit("y ~ `slope 1`*x + b", FOUR).parameters["slope 1"].estimate == 5.0


def test_a_structured_array_is_data():
    data = np.array([(0, 3), (1, 8), (2, 13)], dtype=[("x", float), ("y", float)])
    assert fit("y ~ w*x + b", data).parameters["w"].estimate == 5.0


def test_a_path_is_data(tmp_path):
    path = tmp_path / "four.csv"
    path.write_text("0,3\n1,8\n2,13\n")
    result = fit("y ~ w*x + b", path, columns=["x", "y"])
    assert result.parameters["w"].estimate == 5.0


def test_missing_rows_are_dropped_with_a_warning():
    data = {"x": [0, 1, 2, 3, 4], "y": [3, 8, math.nan, 18, 23]}
    result = fit("y ~ w*x + b", data)
    assert result.n == 4
    assert [note.text for note in result.warnings] == [
        "1 of 5 rows left out (row 3): a value is missing in y"
    ]


def test_as_many_rows_as_parameters_leave_no_standard_error():
    result = fit("y ~ a*x^2 + b*x", {"x": [1, 2], "y": [1.5, 3.25]})
    assert result.df == 0
    assert result.converged


def test_a_nonlinear_model_is_fitted_without_starting_values():
    x = np.linspace(0.0, 4.0, 30)
    y = 2.5 * np.exp(-1.3 * x) + 0.5 + 0.01 * np.cos(40.0 * x)
    result = fit("y ~ a*exp(-b*x) + c", {"x": x, "y": y})
    assert result.converged
    assert result.parameters["b"].estimate == pytest.approx(1.3, rel=0.02)


def test_many_rows_are_fitted_without_starting_values():
    x = np.linspace(0.0, 4.0, 20_001)
    y = 2.5 * np.exp(-1.3 * x) + 0.01 * np.cos(1000.0 * x)
    result = fit("y ~ a*exp(-b*x)", {"x": x, "y": y})
    assert result.converged
    assert result.n == 20_001
    assert result.parameters["b"].estimate == pytest.approx(1.3, rel=1e-3)


def test_a_minimum_worse_than_a_constant_comes_with_a_warning():
    x = np.linspace(0.0, 6.0, 40)
    data = {"x": x, "y": 5.0 + np.sin(x)}
    result = fit("y ~ 5*sin(w*x)", data, {"w": 3.0})
    assert any("a constant would fit better" in note.text for note in result.warnings)


def test_the_same_input_gives_the_same_bits():
    x = np.linspace(0.0, 4.0, 30)
    data = {"x": x, "y": np.exp(-x) + 0.01 * np.cos(40.0 * x)}
    first, second = (fit("y ~ a*exp(-b*x)", data) for _ in range(2))
    assert first.to_json() == second.to_json()


def test_json_holds_every_digit():
    result = fit("y ~ w*x + b", LINE)
    document = json.loads(result.to_json())
    assert document["parameters"]["w"]["estimate"] == result.parameters["w"].estimate
    assert document["rss"] == result.rss
    assert document["verdict"] == "converged"
    assert (document["n"], document["df"]) == (5, 3)


def test_json_has_null_where_a_number_is_not_defined():
    result = fit("y ~ w*x + b + c", LINE)
    document = json.loads(result.to_json())
    assert document["parameters"]["b"]["se"] is None


@pytest.mark.parametrize(
    ("formula", "data", "start", "error", "words"),
    [
        ("z ~ w*x + b", FOUR, {}, FormulaError, "no column 'z'"),
        ("Y ~ w*x + b", FOUR, {}, FormulaError, "did you mean 'y'?"),
        ("y ~ w*X + b", FOUR, {}, FormulaError, "did you mean 'x'?"),
        ("y ~ w*z + b", FOUR, {}, FormulaError, "uses no column"),
        ("y ~ 2*x", FOUR, {}, FormulaError, "no parameter"),
        ("3 ~ w*x", FOUR, {}, FormulaError, "left side"),
        ("y ~ e*x", {"e": [1], "x": [1], "y": [1]}, {}, FormulaError, "constant 2.718"),
        ("w*x", {"x": [1], "y": [1], "z": [1]}, {}, FormulaError, "y, z"),
        ("y ~ w*x", FOUR, {"q": 1}, UsageError, "not in the formula"),
        ("y ~ w*x", FOUR, {"x": 1}, UsageError, "a column"),
        ("y ~ w*x", FOUR, {"pi": 1}, UsageError, "reserved constant"),
        ("y ~ w*x", FOUR, {"w": "one"}, UsageError, "not a number"),
        ("y ~ w*x", {"x": [1, 2], "y": [1]}, {}, DataError, "different length"),
        ("y ~ w*x", {"x": ["a"], "y": [1]}, {}, DataError, "'a' is not a number"),
        ("y ~ w*x", {"x": [[1]], "y": [1]}, {}, DataError, "shape (1, 1)"),
        ("y ~ w*x", {"x": [math.inf], "y": [1]}, {}, DataError, "finite"),
        ("log(y) ~ w*x", {"x": [1, 2], "y": [1, -2]}, {}, DataError, "row 2 (y = -2)"),
        ("y ~ w*x", 3, {}, DataError, "data is a int"),
        (3, FOUR, {}, UsageError, "formula is a int"),
    ],
)
def test_a_fault_is_an_error_with_place_and_cure(formula, data, start, error, words):
    with pytest.raises(error) as caught:
        fit(formula, data, start)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"method": "magic"}, {"level": 1.0}, {"method": "sgd", "epochs": 0}, {"lr": -1.0}],
)
def test_a_senseless_option_is_refused(options):
    with pytest.raises(UsageError):
        fit("y ~ w*x + b", FOUR, **options)


# ---- arguments that make no sense ---------------------------------------------------


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        ({"sigmas": 1}, "U197", "fit has no argument 'sigmas'; did you mean 'sigma'?"),
        ({"wheer": "x > 0"}, "U197", "did you mean 'where'?"),
        ({"max_evals": 9}, "U197", "did you mean 'max_evaluations'?"),
        ({"by": "g"}, "U197", "fit has no argument 'by'; fit each group by itself"),
        ({"start": [1, 2]}, "U198", "a dict is expected, as start={'b': 1.0}"),
        ({"bounds": [(0, 1)]}, "U198", "a dict is expected, as bounds={'b': (0, inf)}"),
        ({"fix": "w"}, "U198", "fix is of type str; a dict is expected"),
        ({"tie": ["w"]}, "U198", "a dict is expected, as tie={'tau': '1/b'}"),
        ({"derive": ["q=w"]}, "U198", "as derive={'t_half': 'log(2)/b'}"),
        ({"derive": {"q": 3}}, "U183", "derive q: 3; an expression is expected"),
    ],
)
def test_arguments_that_make_no_sense_are_told(more, code, told):
    line = {"x": [0.0, 1.0, 2.0, 3.0], "y": [3.0, 8.1, 13.0, 18.0]}
    with pytest.raises(UsageError) as caught:
        fit("y ~ w*x + b", line, **more)
    assert caught.value.code == code
    assert told in str(caught.value)
