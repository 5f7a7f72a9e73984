"""The formula language: what is read, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff.fit import FormulaError
from autodiff.fit.formula.evaluate import degree_in, evaluate, names_in
from autodiff.fit.formula.parse import MAX_DEPTH, parse
from autodiff.fit.formula.tokens import MAX_CHARACTERS


def value(text, **names):
    result = evaluate(parse(text).rhs, names)
    return result.item() if isinstance(result, ad.Tensor) else result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-2^2", -4),
        ("-2**2", -4),
        ("2^3^2", 512),
        ("2**-1", 0.5),
        ("-2^-2", -0.25),
        ("1-2-3", -4),
        ("8/4/2", 1),
        ("2*3+4", 10),
        ("2+3*4", 14),
        ("2*(3+4)", 14),
        ("+-+-2", 2),
        ("2*-3", -6),
        ("7/2", 3.5),
        (".5e1 + 1.", 6),
        ("1E-2", 0.01),
        ("pi", math.pi),
        ("e", math.e),
        ("ln(e^2)", 2),
        ("log(e)", 1),
        ("arctan(1)", math.atan(1)),
        ("atan(1)", math.atan(1)),
        ("exp(0) + sqrt(4)", 3),
        ("atan2(1, 1)", math.atan(1)),
    ],
)
def test_arithmetic_binds_as_in_mathematics(text, expected):
    assert value(text) == pytest.approx(expected, rel=1e-15)


def test_division_by_zero_is_infinite_and_no_exception():
    assert value("1/0") == math.inf


def test_a_name_in_backquotes_may_hold_any_character():
    assert value("2*`dose (mg)`", **{"dose (mg)": 4.0}) == 8.0


def test_a_name_in_backquotes_is_never_a_constant():
    assert value("`e` + 1", e=1.0) == 2.0


def test_names_come_in_order_of_first_use():
    assert list(names_in(parse("y ~ b*x + a*x + pi").rhs)) == ["b", "x", "a"]


def test_the_left_side_may_be_left_out():
    assert parse("w*x + b").lhs == ()


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", 1, "ends where a value"),
        ("y ~", 4, "ends where a value"),
        ("~ x", 1, "'~' where"),
        ("y ~ a ~ b", 7, "second '~'"),
        ("y = a*x", 3, "'~'"),
        ("(a + b", 1, "never closed"),
        ("a + b)", 6, "closes nothing"),
        ("a, b", 2, "outside a function call"),
        ("2x", 1, "write a product with '*'"),
        ("2 x", 3, "write a product with '*'"),
        ("expp(x)", 1, "did you mean 'exp'?"),
        ("b(x)", 1, "b*(...)"),
        ("sin + 1", 1, "call it as sin(...)"),
        ("sin()", 1, "takes 1 argument, got 0"),
        ("sin(x, y)", 1, "takes 1 argument, got 2"),
        ("atan2(x)", 1, "takes 2 arguments, got 1"),
        ("x.y", 2, "`dose.mg`"),
        ("1..2", 1, "neither a number nor a name"),
        ("x^^2", 3, "'^' where"),
        ("1e999", 1, "too large"),
        ("`a", 1, "not closed"),
        ("``", 1, "empty name"),
        ("x[1]", 2, "indexing"),
        ("x; y", 2, "unexpected character ';'"),
        ("a\0", 2, "unexpected character"),
        ("__import__('os')", 12, "no strings"),
        ("__import__(os)", 1, "no function"),
        ("_guarded_mul(x, y)", 1, "no function"),
        ("(lambda: x)()", 8, "unexpected character ':'"),
    ],
)
def test_a_fault_is_told_with_its_place_and_cure(text, place, words):
    with pytest.raises(FormulaError) as caught:
        parse(text)
    message = str(caught.value)
    assert words in message
    assert f"character {place}:" in message
    assert "\n" not in message


def test_a_caret_points_at_the_fault():
    with pytest.raises(FormulaError) as caught:
        parse("y ~ a*expp(x)")
    assert caught.value.caret() == "  y ~ a*expp(x)\n        ^^^^"


def test_a_caret_in_a_long_formula_shows_its_surroundings_only():
    with pytest.raises(FormulaError) as caught:
        parse("a + " * 1000 + "?" + " + a" * 1000)
    shown, caret = caught.value.caret().splitlines()
    assert len(shown) < 100
    assert shown[caret.index("^")] == "?"


@pytest.mark.parametrize(
    "text",
    ["(" * 10_000, "(" * 9_000 + "x" + ")" * 9_000, "^".join("x" * 9_000)],
    ids=["opened", "nested", "powers"],
)
def test_a_formula_nested_too_deep_is_refused(text):
    with pytest.raises(FormulaError, match=f"deeper than {MAX_DEPTH} levels"):
        parse(text)


def test_nesting_up_to_the_limit_is_read():
    assert value("(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH) == 1.0


def test_ten_thousand_signs_are_one_sign():
    assert value("-" * 9_999 + "1") == -1.0


def test_a_long_sum_is_no_deep_formula():
    assert value("+".join(["1"] * 9_000)) == 9_000.0


def test_a_huge_formula_is_refused():
    with pytest.raises(FormulaError, match=f"at most {MAX_CHARACTERS}"):
        parse("1" * (MAX_CHARACTERS + 1))


def fault_of(text):
    try:
        parse(text)
    except FormulaError as error:
        return error
    return None


@given(st.binary(max_size=60))
def test_random_bytes_raise_nothing_but_the_formula_error(raw):
    error = fault_of(raw.decode("latin-1"))
    if error is not None:
        assert "\n" not in str(error)
        assert len(error.caret().splitlines()) == 2


@given(st.text("abxy12.eE+-*/^()~, `expsinlog_", max_size=60))
def test_random_formula_characters_raise_nothing_but_the_formula_error(text):
    error = fault_of(text)
    assert error is None or "character " in str(error)


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("a*x + b", 1),
        ("(a + b*x)/x^2 - 3", 1),
        ("-a*exp(-x)", 1),
        ("x^2 + 1", 0),
        ("a*b", 2),
        ("a*exp(-b*x)", 2),
        ("x/a", 2),
        ("a^2", 2),
        ("exp(a)", 2),
    ],
)
def test_linearity_is_read_off_the_formula(text, degree):
    assert degree_in(parse(text).rhs, frozenset("ab")) == degree
