"""What a result looks like: for people, as JSON, CSV, Markdown and plain text."""

import csv
import io
import json
import math
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import autodiff as ad
from autodiff.fit.data.arrays import ArrayColumns
from autodiff.fit.grouped import solve_groups
from autodiff.fit.options import Options
from autodiff.fit.output.groups import (
    group_csv,
    group_json,
    group_markdown,
    group_plain,
    group_report,
)
from autodiff.fit.output.report import text_report
from autodiff.fit.output.rounding import short, together
from autodiff.fit.output.style import Style
from autodiff.fit.output.tables import csv_report, markdown_report, plain_report
from autodiff.fit.problem import pose

MISRA1A = str(Path(__file__).resolve().parents[2] / "examples/misra1a.csv")
LINE = {"x": [0.0, 1, 2, 3, 4], "y": [3.1, 7.9, 13.2, 17.8, 23.1]}


@pytest.fixture(scope="module")
def misra1a():
    return ad.fit("y ~ b1*(1 - exp(-b2*x))", MISRA1A)


@pytest.fixture(scope="module")
def line():
    return ad.fit("y ~ w*x + b", LINE)


@pytest.fixture(scope="module")
def undetermined():
    return ad.fit("y ~ w*x + b + c", LINE)


@pytest.fixture(scope="module")
def groups():
    """Two groups: the line above, and one with a single x."""
    data = {"x": LINE["x"] + [1.0, 1.0, 1.0], "y": LINE["y"] + [1.0, 2.0, 3.0]}
    problem = pose("y ~ w*x + b", ArrayColumns(data), {})
    return solve_groups(problem, {"sample": ["a"] * 5 + ["b"] * 3})


@pytest.fixture(scope="module")
def schema():
    text = resources.files("autodiff.fit.output").joinpath("schema.json").read_text()
    return jsonschema.Draft202012Validator(json.loads(text))


# ---- rounding --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "value", "expected"),
    [
        (2.70700752414, 238.942129179, ("2.7", "238.9")),
        (0.0996, 1.5, ("0.10", "1.50")),
        (0.00995, 1.5, ("0.010", "1.500")),
        (7.26686884362e-06, 0.000550156431806, ("0.0000073", "0.0005502")),
        (2700.0, 238942.0, ("2700", "238900")),
        (3e9, 1.5e12, ("3.0e+09", "1.5000e+12")),
        (2.3e-13, 4.567e-11, ("2.3e-13", "4.567e-11")),
        (0.0, 5.0, ("0", "5")),
        (math.nan, 5.0, ("-", "5")),
        (0.5, 0.0, ("0.50", "0.00")),
        (0.05, -1.234, ("0.050", "-1.234")),
    ],
)
def test_two_digits_of_the_error_decide_the_digits_of_the_value(error, value, expected):
    assert together(error, value) == expected


def test_rounding_never_moves_a_value_by_more_than_half_of_its_last_digit(rng):
    for _ in range(2000):
        value = rng.normal() * 10.0 ** rng.uniform(-20, 20)
        error = abs(value) * 10.0 ** rng.uniform(-10, 2)
        shown_error, shown = together(error, value)
        assert abs(float(shown) - value) <= 0.051 * error
        assert abs(float(shown_error) / error - 1) <= 0.051


def test_what_is_not_defined_is_a_dash():
    assert short(None) == short(math.nan) == "-"


# ---- for people ----------------------------------------------------------------------


def test_the_report_rounds_by_the_error_and_aligns(misra1a):
    first, second, blank, *rest = text_report(misra1a).splitlines()
    assert first == "b1 = 238.9     +- 2.7        [233.0, 244.8]"
    assert second == "b2 = 0.0005502 +- 0.0000073  [0.0005343, 0.0005660]"
    assert blank == ""
    assert rest[0] == "converged: 14 rows, 2 parameters, 12 degrees of freedom"


def test_the_report_says_what_errors_intervals_and_r_squared_are(misra1a):
    text = text_report(misra1a)
    assert "standard errors: scaled by s, for no sigma was given" in text
    assert "95 % intervals in brackets: Wald" in text
    assert "R squared 0.999982 = 1 - rss / sum of squares about the mean" in text


def test_what_follows_from_fixed_parameters_alone_has_no_error():
    result = ad.fit("y ~ w*x + b", LINE, fix={"b": 3.0}, derive={"t": "2*b"})
    assert "t = 6" in [line.rstrip() for line in text_report(result).splitlines()]


def test_strong_correlations_are_named(misra1a):
    assert "correlations: b1 and b2 -0.9988" in text_report(misra1a)


def test_a_plain_report_has_no_escape_sequences(misra1a):
    assert "\033" not in text_report(misra1a)
    assert "\033[32mconverged\033[0m" in text_report(misra1a, Style(colour=True))


def test_a_fit_without_an_answer_shows_its_verdict(undetermined):
    last = text_report(undetermined).splitlines()[-1]
    assert last.startswith("not determinable: ")
    assert last.endswith(f"[{undetermined.code}]")


def test_as_many_parameters_as_rows_leave_no_errors():
    result = ad.fit("y ~ a*exp(x) + b*x + 0.1", {"x": [0.5, 1.0], "y": [1.0, 7.3]})
    text = text_report(result)
    assert "+-" not in text or result.exact
    assert "nan" not in text


def test_groups_are_a_table_with_a_line_each(groups):
    text = group_report(groups, Options())
    head, first, second, last, errors, intervals = text.splitlines()
    assert head.split()[:3] == ["sample", "w", "+-"]
    assert first.split()[0] == "a"
    assert first.endswith("converged")
    assert second.split()[:5] == ["b", "-", "-", "-", "-"]
    assert second.endswith(f"not determinable [{groups.table.code[1]}]")
    assert last == "1 of 2 groups converged"
    assert errors.endswith("scaled by s, for no sigma was given; from J'J")
    assert intervals.endswith("Wald, exact for a model linear in its parameters")


# ---- JSON ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["misra1a", "line", "undetermined"])
def test_json_of_a_fit_follows_the_schema(name, request, schema):
    schema.validate(json.loads(request.getfixturevalue(name).to_json()))


def test_json_of_groups_follows_the_schema(groups, schema):
    content = json.loads(group_json(groups, Options()))
    schema.validate(content)
    assert content["groups"][0]["group"] == {"sample": "a"}
    assert content["groups"][1]["verdict"] == "not determinable"
    assert content["groups"][1]["parameters"]["w"]["se"] is None


def test_groups_have_the_intervals_of_single_fits(groups, line):
    one = json.loads(group_json(groups, Options()))["groups"][0]["parameters"]["w"]
    p = line.parameters["w"]
    assert (one.pop("status"), one.pop("interval")) == ("free", "wald")
    assert one == pytest.approx(
        {"estimate": p.estimate, "se": p.se, "lo": p.lo, "hi": p.hi}, rel=1e-12
    )


def test_the_schema_refuses_what_is_no_result(line, schema):
    content = json.loads(line.to_json())
    for key in ("verdict", "parameters", "rss"):
        assert not schema.is_valid({k: v for k, v in content.items() if k != key})
    assert not schema.is_valid({**content, "surprise": 1})


def test_json_keeps_all_17_digits(misra1a):
    found = json.loads(misra1a.to_json())["parameters"]["b1"]
    assert found["estimate"] == misra1a.parameters["b1"].estimate
    assert found["se"] == misra1a.parameters["b1"].se


def test_json_has_null_where_nothing_is_defined(undetermined):
    text = undetermined.to_json()
    assert json.loads(text)["parameters"]["b"]["se"] is None
    assert "NaN" not in text


# ---- tables --------------------------------------------------------------------------


def test_plain_text_reads_back_bit_for_bit(misra1a):
    name, *numbers = plain_report(misra1a).splitlines()[0].split("\t")
    p = misra1a.parameters["b1"]
    assert (name, [float(n) for n in numbers]) == ("b1", [p.estimate, p.se, p.lo, p.hi])


def test_plain_text_has_no_line_for_a_group_without_an_answer(groups):
    lines = group_plain(groups).splitlines()
    assert [text.split("\t")[:2] for text in lines] == [["a", "w"], ["a", "b"]]


def test_csv_reads_back_with_its_verdicts(line, groups):
    rows = list(csv.DictReader(io.StringIO(csv_report(line))))
    assert float(rows[0]["estimate"]) == line.parameters["w"].estimate
    rows = list(csv.DictReader(io.StringIO(group_csv(groups))))
    assert [row["sample"] for row in rows] == ["a", "a", "b", "b"]
    assert {row["verdict"] for row in rows} == {"converged", "not determinable"}
    assert [rows[-1][key] for key in ("estimate", "se", "lo", "hi")] == [""] * 4


def test_markdown_is_a_table_of_equal_rows(line, groups):
    lines = markdown_report(line).splitlines()
    assert lines[0] == "| name | estimate | std. error | 95 % interval |"
    assert {text.count("|") for text in lines} == {5}
    lines = group_markdown(groups, 0.9).splitlines()
    assert {text.count("|") for text in lines} == {6}
    assert lines[-1] == "| b | `b` | - | - | not determinable |"


def test_a_result_prints_its_report_with_its_notes():
    rng = np.random.default_rng(5)
    x = np.linspace(0.0, 4.0, 60)
    result = ad.fit("y ~ a + b*x", {"x": x, "y": x**2 + 1e-3 * rng.normal(size=60)})
    assert [note.code for note in result.warnings] == ["W141"]
    assert result.report().splitlines()[-1].startswith("note: the residuals along x")


FIVE = {"x": np.arange(5.0), "y": 5.0 * np.arange(5.0)}


@pytest.mark.parametrize(
    "formula", ["y ~ w*x + b", "y ~ w*x + b + c*x^2", "y ~ w*x^k + b + 0*x"]
)
def test_what_is_zero_up_to_rounding_is_printed_as_zero(formula):
    result = ad.fit(formula, FIVE, derive={"root": "b/w", "more": "b + 2"})
    lines = result.report().splitlines()
    assert "w    = 5" in lines
    assert "b    = 0" in lines
    assert "root = 0" in lines
    assert "more = 2" in lines
    assert "| `b` | 0 | 0 |  |" in markdown_report(result)
    stored = json.loads(result.to_json())["parameters"]["b"]["estimate"]
    assert stored == result.params["b"]  # all digits


@pytest.mark.parametrize("size", [1e-9, 1e-120])
def test_what_is_small_is_not_printed_as_zero(size):
    data = {"x": FIVE["x"], "y": size * (5.0 * FIVE["x"] + 1e-6)}
    lines = ad.fit("y ~ w*x + b", data).report().splitlines()
    name, _, value = lines[1].partition(" = ")
    assert name == "b"
    assert float(value) == pytest.approx(size * 1e-6, rel=1e-8)
