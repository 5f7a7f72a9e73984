"""The formula language: what is read, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autodiff as ad
from autodiff.fit import FormulaError
from autodiff.fit.formula.evaluate import degree_in, evaluate, levels_in, names_in
from autodiff.fit.formula.parse import MAX_DEPTH, parse, parse_expression
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 < 2", 1),
        ("2 <= 1", 0),
        ("1 == 1 and 2 != 3", 1),
        ("not 1 > 2", 1),
        ("0 < 3 < 2", 0),
        ("0 < 1 < 2", 1),
        ("1 > 2 or 2 > 1", 1),
        ("1 or 0 and 0", 1),
        ("3 if 1 < 2 else 4", 3),
        ("3 if 1 > 2 else 4 if 1 > 2 else 5", 5),
        ("(1 if 0 else 2) + 1", 3),
        ("1 + 1 if 0 else 2*2", 4),
        ("max(1, 3, 2) + min(4, 2) + abs(-1)", 6),
        ("where(1 > 2, 3, 4)", 4),
        ("pow(2, 3) + add(1, 2)", 11),
        ("1 == 1 + 0", 1),
        ("-1 if not 0 else 1", -1),
    ],
)
def test_choices_and_comparisons_bind_as_in_python(text, expected):
    assert value(text) == expected


def test_the_side_that_is_not_chosen_is_not_evaluated():
    called = []

    def call(function, operands):
        called.append(function.name)
        return function.call(*operands)

    nodes = parse("log(x) if x > 0 and sqrt(x) < 9 else exp(x)").rhs
    evaluate(nodes, {"x": -1.0}, call=call)
    assert called == ["exp"]


def test_a_choice_over_an_array_is_made_for_each_element():
    x = np.array([-1.0, 0.5, 2.0, 3.0])
    found = evaluate(
        parse("-x if x < 0 or x == 3 else x^2 if x < 1 else 9").rhs, {"x": x}
    )
    assert np.asarray(found).tolist() == [1.0, 0.25, 9.0, -3.0]


def test_a_choice_in_a_recorded_row_is_a_guard():
    nodes = parse("a*x if 0 < x < x0 else (log(a) if not x > 3 else x)").rhs

    def row(a, x0, x):
        return evaluate(nodes, {"a": a, "x0": x0, "x": x})

    x = np.array([-1.0, 1.0, 2.0, 4.0, 1.5])
    found = ad.vmap(row, (None, None, 0))(2.0, 1.6, x)
    expected = [math.log(2), 2.0, math.log(2), 4.0, 3.0]
    assert found == pytest.approx(expected, rel=1e-15)


def test_brackets_hold_the_column_of_levels():
    node = parse("Vm[state]*x").rhs[0]
    assert (node.kind, node.text, node.level) == ("name", "Vm", "state")
    assert parse("Vm[ `the state` ]").rhs[0].level == "the state"
    assert list(levels_in(parse("Vm[s]*x + K").rhs)) == ["Vm"]


def test_an_expression_has_no_tilde_and_its_own_name():
    with pytest.raises(FormulaError, match=r"--where, character 3: .*'=='"):
        parse_expression("x = 1", "--where")
    with pytest.raises(FormulaError, match="an expression has no '~'"):
        parse_expression("x ~ 1", "--where")


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
        ("x[1", 2, "bracket is not closed"),
        ("x]", 2, "closes nothing"),
        ("x[a][b]", 5, "as in Vm[state]"),
        ("exp(x)[a]", 7, "as in Vm[state]"),
        ("x[]", 2, "empty name"),
        ("a if x < 1", 3, "'if' without 'else'"),
        ("a else b", 3, "'else' out of place"),
        ("if + 1", 1, "'if' where"),
        ("'treated'", 1, "compared with a column"),
        ("x + 'treated'", 5, "compared with a column"),
        ("'a' == 'b'", 1, "compared with a column"),
        ("exp('a')", 5, "compared with a column"),
        ("x % 2", 3, "mod(x, y)"),
        ("x && y", 3, "write 'and'"),
        ("x ? 1 : 2", 3, "a if x < x0 else b"),
        ("!x", 1, "'not' negates"),
        ("log(x, 10)", 1, "log(x)/log(b)"),
        ("gamma(x)", 1, "exp(lgamma(x))"),
        ("np.exp(x)", 3, "bare name"),
        ("a \u2212 b", 3, "minus sign"),
        ("a \u00d7 b", 3, "product with '*'"),
        ("x\u00b2", 2, "x^2"),
        ("2\u00b2", 2, "x^2"),
        ("\u0435xp(x)", 1, "cyrillic"),
        ("a*x + \u0430", 7, "cyrillic"),
        ("a\u00a0+ b", 2, "no-break space"),
        ("\u202ex", 1, "right-to-left"),
        ("a\x1b[31m", 2, "unexpected character"),
        ("x; y", 2, "unexpected character ';'"),
        ("a\0", 2, "unexpected character"),
        ("__import__('os')", 1, "elementary functions only"),
        ("x.__class__", 2, "unexpected character"),
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


@given(st.text("abxy12.eE+-*/^()~, `expsinlog_<>=!if else[]'", max_size=60))
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
        ("a if x > 1 else b*x", 1),
        ("x if a > 1 else b", 2),
        ("a*(x > 1)", 1),
        ("a > 1", 2),
    ],
)
def test_linearity_is_read_off_the_formula(text, degree):
    assert degree_in(parse(text).rhs, frozenset("ab")) == degree


def test_linearity_is_known_of_names_with_a_degree_of_their_own():
    nodes = parse("a*x + t").rhs
    assert degree_in(nodes, {"a": 1, "t": 1}) == 1
    assert degree_in(nodes, {"a": 1, "t": 2}) == 2
