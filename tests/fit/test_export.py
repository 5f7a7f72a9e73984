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
from autodiff.fit.output.export import export

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


def test_a_function_that_a_language_lacks_is_named():
    result = fitted("y ~ a*digamma(x) + b", 2 * X)
    for language, word in (("c", "digamma"), ("python", "digamma")):
        with pytest.raises(UsageError, match=word) as caught:
            export(result, language)
        assert caught.value.code == "U177"


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
