"""Exported formulas: C that compiles strictly, Python with `math` alone, LaTeX."""

import itertools
import math
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

import autodiff as ad
from autodiff.fit.errors import UsageError
from autodiff.fit.formula.c_code import c_definitions, to_c
from autodiff.fit.formula.functions import functions
from autodiff.fit.formula.parse import parse
from autodiff.fit.output.export import export
from autodiff.fit.output.math_code import math_helpers, to_math

needs_compiler = pytest.mark.skipif(
    os.name == "nt" or shutil.which(os.environ.get("CC", "cc")) is None,
    reason="needs a C compiler as on Unix",
)
X = np.linspace(0.3, 4.0, 23)
STRICT = "-std=c99 -Wall -Wextra -Werror -pedantic -Wconversion -O2".split()


def fitted(formula, y, **more):
    result = ad.fit(formula, {"x": X, "y": y, **more.pop("data", {})}, **more)
    assert result.converged
    return result


SMALL = 0.01 * np.sin(7 * X)
FORMULAS = {
    "exponential": ("y ~ a*exp(-b*x) + c", 3 * np.exp(-0.7 * X) + 0.5),
    "powers": ("y ~ a*x^b - -x^2/(1 + x)/3", 2 * X**1.3 + X**2 / (1 + X) / 3),
    "choice": (
        "y ~ a*x if x < 2 else a*2 + b*(x - 2)",
        np.where(X < 2, X, 2 + 3 * (X - 2)),
    ),
    "logic": (
        "y ~ a + b*(x > 1 and not x > 3 or x == 0.3)",
        1 + 2.0 * ((X > 1) & (X <= 3)),
    ),
    "functions": (
        "y ~ a*sigmoid(x) + b*relu(x - 1) + c*logaddexp(x, 1) + abs(x)*sign(x - 9)",
        2 / (1 + np.exp(-X)) + np.maximum(X - 1, 0) + np.logaddexp(X, 1) - X,
    ),
    "constants": (
        "y ~ a*cos(2*pi*x) + b*e^-x",
        2 * np.cos(2 * np.pi * X) + np.exp(-X),
    ),
}


@pytest.fixture(params=FORMULAS, scope="module")
def result(request):
    formula, y = FORMULAS[request.param]
    return fitted(formula, y + SMALL)


def run_python(text, *arguments):
    names = {}
    exec(text, names)
    assert list(re.findall(r"import (\w+)", text)) == ["math"]
    return [names["model"](*row) for row in zip(*arguments, strict=True)]


def run_c(folder, text, calls):
    (folder / "model.c").write_text(text + "\n")
    driver = "#include <stdio.h>\n" + next(
        line + "\n" for line in text.splitlines() if line.startswith("double model")
    )
    driver += "int main(void)\n{\n"
    driver += "".join(f'    printf("%.17g\\n", model({call}));\n' for call in calls)
    (folder / "main.c").write_text(driver + "    return 0;\n}\n")
    compiler = os.environ.get("CC", "cc")
    files = [str(folder / "model.c"), str(folder / "main.c")]
    program = str(folder / "run")
    subprocess.run([compiler, *STRICT, *files, "-o", program, "-lm"], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def test_python_computes_the_fitted_values(result):
    found = run_python(export(result, "python"), X.tolist())
    np.testing.assert_allclose(found, result.fitted, rtol=1e-13)


@needs_compiler
def test_c_compiles_strictly_and_computes_the_fitted_values(result, tmp_path):
    found = run_c(tmp_path, export(result, "c"), [repr(x) for x in X.tolist()])
    np.testing.assert_allclose(found, result.fitted, rtol=1e-13)


def test_latex_is_balanced(result):
    text = export(result, "latex")
    assert text.startswith("\\begin{align*}\n")
    assert text.endswith("\n\\end{align*}")
    assert text.count("\\left") == text.count("\\right")
    assert text.count("\\begin") == text.count("\\end")
    bare = re.sub(r"\\[{}]", "", text)
    depth = list(itertools.accumulate((c == "{") - (c == "}") for c in bare))
    assert min(depth) == 0 == depth[-1]
    names = set(re.findall(r"^  (\S+) &=", text, flags=re.MULTILINE))
    assert len(names) == 1 + len(result.parameters)


def test_names_that_a_language_reserves_are_changed():
    data = {"data": {"double": X, "lambda": X**2}}
    result = fitted("y ~ `double`*int + `lambda`*main", 2 * X + 3 * X**2, **data)
    found = run_python(export(result, "python"), X.tolist(), (X**2).tolist())
    np.testing.assert_allclose(found, result.fitted, rtol=1e-12)


@needs_compiler
def test_a_comment_cannot_be_left(tmp_path):
    result = fitted("y ~ a*`x*/ int z; /*`", 2 * X, data={"x*/ int z; /*": X})
    found = run_c(tmp_path, export(result, "c"), ["2.0"])
    assert found == pytest.approx([4.0])


@pytest.mark.parametrize("name", sorted({f.name for f in functions().values()}))
def test_every_function_has_a_form_in_both_languages(name):
    count = functions()[name].n_args
    nodes = parse(f"{name}({', '.join('abc'[:count])})").rhs
    assert to_c(nodes)
    assert to_math(nodes, {})


def _special_points():
    """Return orders and points where the functions that are written out change form."""
    rng = np.random.default_rng(6)
    root = 1.4616321449683622
    wide = np.concatenate([rng.uniform(-30, 36, 150), 10.0 ** rng.uniform(-9, 8, 50)])
    psi = np.concatenate(
        [
            [root, root + 1e-6, root - 0.14, root + 0.16, 9.99, 10.0, 1e200, 1e-200],
            10.0 ** rng.uniform(-9, 9, 80),
            [-0.25, -1e-12, -7.75, -1e6 - 0.25, 0.0, -2.0],
        ]
    )
    cases = [(f"log_ndtr({x!r})", "log_ndtr", (x,)) for x in wide.tolist() if x < 36]
    cases += [(f"digamma({x!r})", "digamma", (x,)) for x in psi.tolist()]
    for n in (0, 1, 2, 5, 8):
        points = [*(10.0 ** rng.uniform(-9, 9, 20)).tolist(), -0.2, -3.6, -40.3]
        cases += [(f"polygamma({n}, {x!r})", "polygamma", (n, x)) for x in points]
    return cases


def _engine(name, arguments):
    return float(getattr(ad, name)(*arguments[:-1], ad.tensor(arguments[-1])).item())


@pytest.mark.parametrize(
    "language", ["python", pytest.param("c", marks=needs_compiler)]
)
def test_functions_that_are_written_out_agree_with_the_engine(language, tmp_path):
    cases = _special_points()
    nodes = parse("log_ndtr(x) + polygamma(n, x)").rhs
    if language == "c":
        lines = ["#include <math.h>\n", c_definitions(nodes)]
        head = "double model_of(int which, double n, double x)"
        lines.append(f"{head};\n{head}\n{{\n    if (which == 0)\n")
        lines.append("        return fit_log_ndtr(x);\n")
        lines.append("    return which == 1 ? fit_digamma(x) : fit_polygamma(n, x);\n}")
        which = {"log_ndtr": 0, "digamma": 1, "polygamma": 2}
        calls = [
            f"{which[name]}, {float(arguments[0])}, {arguments[-1]!r}"
            for _, name, arguments in cases
        ]
        text = "".join(lines).replace("double model_of", "double model")
        found = run_c(tmp_path, text, calls)
    else:
        names = {"math": math}
        exec("\n".join(math_helpers(nodes)), names)
        found = [names[f"fit_{name}"](*arguments) for _, name, arguments in cases]
    for value, (what, name, arguments) in zip(found, cases, strict=True):
        wanted = _engine(name, arguments)
        assert value == pytest.approx(wanted, rel=1e-13, nan_ok=True), what


def test_a_formula_of_written_out_functions_is_exported(tmp_path):
    y = 2.0 * np.array([_engine("digamma", (x,)) for x in X.tolist()]) + 1.0
    result = fitted("y ~ a*digamma(x) + b + c*polygamma(1, x)*log_ndtr(-x)", y + SMALL)
    found = run_python(export(result, "python"), X.tolist())
    np.testing.assert_allclose(found, result.fitted, rtol=1e-11)
    if os.name != "nt" and shutil.which(os.environ.get("CC", "cc")):
        found = run_c(tmp_path, export(result, "c"), [repr(x) for x in X.tolist()])
        np.testing.assert_allclose(found, result.fitted, rtol=1e-11)


def _by_level():
    words = np.where(np.arange(len(X)) % 3 == 0, 'say "a"', "b?c")
    y = np.where(words == "b?c", 2.0, 3.0) * np.exp(-0.3 * X) + SMALL
    return fitted("y ~ a[s]*exp(-b*x)", y, data={"s": words}), words.tolist()


def test_python_takes_levels_by_name_and_refuses_others():
    result, words = _by_level()
    text = export(result, "python")
    found = run_python(text, words, X.tolist())
    np.testing.assert_allclose(found, result.fitted, rtol=1e-13)
    assert "# A level that was not in the data raises KeyError." in text.splitlines()
    with pytest.raises(KeyError):
        run_python(text, ["c"], [1.0])


@needs_compiler
def test_c_takes_levels_by_name_and_gives_nan_for_others(tmp_path):
    result, words = _by_level()
    text = export(result, "c")
    quoted = [word.replace('"', '\\"').replace("?", "\\?") for word in words]
    calls = [f'"{word}", {x!r}' for word, x in zip(quoted, X.tolist(), strict=True)]
    *found, unknown = run_c(tmp_path, text, [*calls, '"c", 1.0'])
    np.testing.assert_allclose(found, result.fitted, rtol=1e-13)
    assert math.isnan(unknown)
    assert "/* A level that was not in the data gives NaN. */" in text.splitlines()


def test_what_is_no_fit_is_not_exported():
    result = ad.fit("y ~ a*x + b + c", {"x": X, "y": X})
    with pytest.raises(UsageError, match="not determinable"):
        export(result, "c")


def test_a_language_that_is_misspelt_has_a_suggestion():
    result = fitted("y ~ a*x", 2 * X)
    with pytest.raises(UsageError, match="did you mean 'python'"):
        export(result, "pyton")


def test_constants_have_all_their_digits():
    result = fitted("y ~ a*x", 2 * X + np.sin(X))
    assert repr(result.params["a"]) in export(result, "c")
    assert math.isfinite(result.params["a"])
