"""Formulas written out: as formulas, Python, C and LaTeX; and their derivatives."""

import ctypes
import math
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special

import autodiff as ad
from autodiff.fit import FormulaError
from autodiff.fit.formula.c_code import c_definitions, to_c
from autodiff.fit.formula.derivative import differentiate, simplify
from autodiff.fit.formula.evaluate import evaluate
from autodiff.fit.formula.functions import functions
from autodiff.fit.formula.latex import latex_name, to_latex
from autodiff.fit.formula.parse import parse
from autodiff.fit.formula.printing import identifier, to_python, to_text

NAMES = {"x": 0.7, "y": -1.3, "b1": 2.5, "Vm": 0.25}
CANONICAL = sorted({f.name for f in functions().values()} - {"polygamma"})


def rhs(text):
    return parse(text).rhs


def call(name):
    return f"{name}({', '.join('abc'[: functions()[name].n_args])})"


def number(nodes, names=NAMES):
    result = evaluate(nodes, names)
    return float(result.item() if isinstance(result, ad.Tensor) else result)


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


leaves = st.one_of(
    st.sampled_from([*NAMES, "pi", "e"]),
    st.floats(0, 1e6).map(repr),
    st.integers(0, 20).map(str),
)


def deeper(inner):
    operator = st.sampled_from(["+", "-", "*", "/", "^", "<", ">=", "==", "and", "or"])
    return st.one_of(
        st.tuples(inner, operator, inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        inner.map(lambda t: f"-({t})"),
        inner.map(lambda t: f"not ({t})"),
        st.tuples(st.sampled_from(["exp", "sin", "atan", "sqrt"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(inner, inner, inner).map(
            lambda t: f"({t[0]}) if ({t[1]}) else ({t[2]})"
        ),
    )


formulas = st.recursive(leaves, deeper, max_leaves=12)


@given(formulas)
def test_what_is_written_reads_back_as_the_same_value(text):
    nodes = rhs(text)
    assert same(number(rhs(to_text(nodes))), number(nodes))


@given(formulas)
def test_what_is_written_reads_back_as_the_same_text(text):
    written = to_text(rhs(text))
    assert to_text(rhs(written)) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("((a))+((b)*(c))", "a + b*c"),
        ("(a+b)*c", "(a + b)*c"),
        ("a-(b-c)", "a - (b - c)"),
        ("a/(b*c)", "a/(b*c)"),
        ("(a^b)^c", "(a^b)^c"),
        ("a^(b^c)", "a^b^c"),
        ("(-a)^2", "(-a)^2"),
        ("a**-2", "a^-2"),
        ("a - -b", "a - (-b)"),
        ("ln(x) + arctan(x)", "log(x) + atan(x)"),
        ("1e300*1.50", "1e+300*1.5"),
        ("`dose (mg)`*`e`", "`dose (mg)`*`e`"),
        ("Vm[state]*x", "Vm[state]*x"),
        ("(a if x > 1 else b) + 1", "(a if x > 1 else b) + 1"),
        ("0 < x < 1", "0 < x and x < 1"),
        ("state == 'a'", "state == 'a'"),
        ("max(a, b, c)", "maximum(maximum(a, b), c)"),
    ],
)
def test_parentheses_stand_only_where_they_are_needed(text, written):
    assert to_text(rhs(text)) == written


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("b1*(1 - exp(-b2*x))", "b2", "b1*exp(-b2*x)*x"),
        ("Vm*x/(K + x)", "K", "-Vm*x/(K + x)^2"),
        ("x^3", "x", "3*x^2"),
        ("a*x^b", "b", "a*x^b*log(x)"),
        ("sqrt(x^2 + 1)", "x", "x/sqrt(x^2 + 1)"),
        ("log(x)", "x", "1/x"),
        ("a*x + b", "b", "1"),
        ("a*x + b", "c", "0"),
        ("a*x if x < x0 else b", "a", "x if x < x0 else 0"),
        ("x < a", "a", "0"),
        ("exp(-(x - m)^2/(2*s^2))", "m", "exp(-(x - m)^2/(2*s^2))*(x - m)/s^2"),
    ],
)
def test_a_derivative_is_written_as_a_person_would(text, name, expected):
    assert to_text(differentiate(rhs(text), name)) == expected


def engine_derivative(nodes, name, names):
    """Return the engine's own derivative."""

    def f(value):
        return evaluate(nodes, {**names, name: value}) + 0.0 * value

    return float(ad.grad(f)(names[name]))


@pytest.mark.parametrize("name", CANONICAL)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_the_derivative_of_every_function_is_the_engine_s(name, which):
    function = functions()[name]
    if which >= function.n_args:
        return
    letters = "abc"[: function.n_args]
    nodes = rhs(f"{name}({', '.join(letters)})")
    found = differentiate(nodes, letters[which])
    for point in ((0.37, 0.61, 0.83), (1.3, 2.4, 3.5), (-0.45, -0.7, 0.2)):
        names = dict(zip("abc", point, strict=True))
        expected = engine_derivative(nodes, letters[which], names)
        if math.isfinite(expected):
            assert number(found, names) == pytest.approx(expected, rel=1e-13, abs=1e-15)


smooth = st.recursive(
    st.sampled_from(["x", "b1", "2", "0.5"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(
            "({0[0]}){0[1]}({0[2]})".format
        ),
        st.tuples(inner, st.sampled_from(["2", "3", "b1"])).map(
            "({0[0]})^{0[1]}".format
        ),
        st.tuples(st.sampled_from(["exp", "sin", "atan", "tanh"]), inner).map(
            "{0[0]}({0[1]})".format
        ),
        inner.map("-({})".format),
        st.tuples(inner, inner).map("({0[0]}) if x < 1 else ({0[1]})".format),
    ),
    max_leaves=8,
)


@given(smooth)
def test_the_derivative_of_a_formula_is_the_engine_s(text):
    nodes = rhs(text)
    expected = engine_derivative(nodes, "x", NAMES)
    assume(math.isfinite(expected) and abs(expected) < 1e8)
    found = number(differentiate(nodes, "x"))
    assume(math.isfinite(found))
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-8)


@given(smooth)
def test_the_short_form_has_the_same_value(text):
    expected = number(rhs(text))
    assume(math.isfinite(expected) and abs(expected) < 1e8)
    found = number(simplify(rhs(text)))
    assume(math.isfinite(found))
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("text", ["*".join("x" * 9_000), "+".join(["x"] * 9_000)])
def test_a_huge_formula_is_differentiated_or_refused_but_never_crashes(text):
    try:
        written = to_text(differentiate(rhs(text), "x"))
    except FormulaError as error:
        written = error.code
    assert written in ("F121", "9000")


@pytest.mark.parametrize("name", CANONICAL)
def test_every_function_runs_as_numpy_code(name):
    nodes = rhs(call(name))
    names = {"a": 1.4 if name == "acosh" else 0.4, "b": 0.7, "c": 0.9}
    found = eval(to_python(nodes), {"np": np, "special": special, **names})
    assert float(found) == pytest.approx(number(nodes, names), rel=1e-13)


@given(smooth)
def test_python_code_has_the_value_of_the_formula(text):
    with np.errstate(all="ignore"):
        names = {name: np.float64(value) for name, value in NAMES.items()}
        found = float(eval(to_python(rhs(text)), {"np": np, **names}))
    expected = number(rhs(text))
    assert same(found, expected) or found == pytest.approx(expected, rel=1e-12)


FORMULAS_IN_C = (
    "a*b^2 - -c/3",
    "-a^2*-b",
    "(a if b < c else b)*2",
    "(a < b) + (not c)",
    "1 if a < b and not b > c or c == 1 else 0",
    "a - (b - c)",
    "a/(b/c)",
)


def test_c_code_has_the_value_of_the_formula(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "a C compiler is needed, as for building the package"
    texts = list(FORMULAS_IN_C)
    texts += [call(n) for n in CANONICAL if n != "acosh"]
    every = tuple(node for text in texts for node in rhs(text))
    lines = ["#include <math.h>\n", c_definitions(every)]
    for i, text in enumerate(texts):
        head = f"double f{i}(double a, double b, double c)"
        lines.append(
            f"{head} {{ (void)a; (void)b; (void)c; return {to_c(rhs(text))}; }}\n"
        )
    source, library = tmp_path / "f.c", tmp_path / "f.so"
    source.write_text("".join(lines))
    command = [compiler, "-std=c99", "-shared", "-fPIC", "-Wall", "-Werror"]
    subprocess.run([*command, "-o", library, source, "-lm"], check=True)
    loaded = ctypes.CDLL(str(library))
    for i, text in enumerate(texts):
        f = loaded[f"f{i}"]
        f.restype, f.argtypes = ctypes.c_double, [ctypes.c_double] * 3
        names = {"a": 0.4, "b": 0.7, "c": 0.9}
        assert f(0.4, 0.7, 0.9) == pytest.approx(number(rhs(text), names), rel=1e-14), (
            text
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/(b + c)", r"\frac{a}{b + c}"),
        ("sqrt(x)^2", r"\sqrt{x}^{2}"),
        ("2*3", r"2 \cdot 3"),
        ("1e-5", r"{1 \cdot 10^{-5}}"),
        ("abs(x) + pi", r"\left|x\right| + \pi"),
        ("(a + b)*c", r"\left(a + b\right) \, c"),
        ("Vm[state]", r"\mathrm{Vm}_{\mathrm{state}}"),
        (
            "a if x <= 1 else b",
            r"\begin{cases} a & x \le 1 \\ b & \text{otherwise} \end{cases}",
        ),
    ],
)
def test_latex_is_laid_out_for_print(text, expected):
    assert to_latex(rhs(text)) == expected


def test_latex_escapes_what_it_would_take_for_a_command():
    assert latex_name("dose_%") == r"\mathrm{dose\_\%}"


@given(st.text(max_size=20))
def test_an_identifier_is_one(name):
    assert identifier(name).isidentifier()
    assert identifier(name).isascii()
