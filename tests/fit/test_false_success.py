"""No fit succeeds with a wrong or undetermined answer.

The judge here shares nothing with the solver: formulas are evaluated in 40 digits,
derivatives are differences, the rank is that of a singular value decomposition, and a
minimum is a point from which no step in any of many directions leads down.
"""

import mpmath
import numpy as np
import pytest
from fit.nist_problems import columns, problems

from autodiff.fit.data.arrays import ArrayColumns
from autodiff.fit.options import Options
from autodiff.fit.problem import pose
from autodiff.fit.solve.driver import solve

pytestmark = pytest.mark.slow  # many fits

N = 24
X = np.linspace(0.0, 4.0, N)
NOISE = np.random.default_rng(11).standard_normal(N)
FUNCTIONS = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "arctan": mpmath.atan,
    "sqrt": mpmath.sqrt,
    "pi": mpmath.pi,
}


def _solve(text, data, start=None, **options):
    problem = pose(text, ArrayColumns(data), start or {})
    return solve(problem, Options(**options))


class _Judge:
    """A formula and its data, in 40 digits."""

    def __init__(self, text, data, names):
        left, right = (side.strip().replace("^", "**") for side in text.split("~"))
        self.names = names
        self.code = compile(right, "formula", "eval")
        rows = np.unique(np.linspace(0, len(data["x"]) - 1, 60).astype(int))
        keep = rows if len(data["x"]) > 250 else np.arange(len(data["x"]))
        self.rows = [
            {name: mpmath.mpf(float(values[i])) for name, values in data.items()}
            for i in keep
        ]
        self.y = [eval(left, {**FUNCTIONS, **row}) for row in self.rows]

    def residual(self, point):
        named = dict(zip(self.names, point, strict=True))
        return [
            mpmath.re(eval(self.code, {**FUNCTIONS, **row, **named})) - y
            for row, y in zip(self.rows, self.y, strict=True)
        ]

    def objective(self, point):
        return mpmath.fsum(r * r for r in self.residual(point))

    def jacobian(self, point):
        result = mpmath.zeros(len(self.rows), len(point))
        for j in range(len(point)):
            width = mpmath.mpf(10) ** -16 * max(abs(point[j]), mpmath.mpf(10) ** -12)
            ahead, behind = list(point), list(point)
            ahead[j] += width
            behind[j] -= width
            pairs = zip(self.residual(ahead), self.residual(behind), strict=True)
            for i, (high, low) in enumerate(pairs):
                result[i, j] = (high - low) / (2 * width)
        return result

    def faults(self, point):
        """Return what is wrong with a point as a determined local minimum."""
        with mpmath.workdps(40):
            point = [mpmath.mpf(float(value)) for value in point]
            jacobian, residual = self.jacobian(point), self.residual(point)
            norms = [mpmath.norm(jacobian[:, j]) for j in range(len(point))]
            if min(norms) == 0:
                return "a parameter does not count"
            for j, norm in enumerate(norms):
                jacobian[:, j] /= norm
            singular = mpmath.svd_r(jacobian, compute_uv=False)
            if singular[len(point) - 1] < 1e-14 * singular[0]:
                return "not of full rank"
            pull = mpmath.norm(jacobian.T * mpmath.matrix(residual))
            size, data = mpmath.norm(residual), mpmath.norm(self.y)
            if pull > 1e-6 * size + 1e-12 * data:
                return f"gradient of {mpmath.nstr(pull / size, 3)}"
            return self._falls(point, norms, data)

    def _falls(self, point, norms, data):
        here = self.objective(point)
        rng = np.random.default_rng(0)
        steps = [*np.eye(len(point)), *-np.eye(len(point))]
        steps += list(rng.standard_normal((3, len(point))))
        for step in steps:
            trial = [
                p + float(s) * 1e-5 * max(abs(p), 1e-3 * data / norm)
                for p, s, norm in zip(point, step, norms, strict=True)
            ]
            if self.objective(trial) < here * (1 - mpmath.mpf(10) ** -12):
                return "a step leads down"
        return ""


def _assert_true(text, data, start=None, **options):
    """Fail if a success is none; return the solution."""
    found = _solve(text, data, start, **options)
    if found.converged:
        assert found.model.n_rows >= len(found.point)
        judge = _Judge(text, data, found.model.names)
        assert judge.faults(found.point) == "", (text, start, found.point)
    return found


DECAY = 3.0 * np.exp(-0.7 * X) + 0.05 * NOISE
UNDETERMINED = {
    "a sum of two constants": ("y ~ a*x + b + c", X, 2 * X + 1 + 0.1 * NOISE),
    "a product of two": ("y ~ a*b*exp(-k*x)", X, DECAY),
    "a factor in the exponent": ("y ~ a*exp(b*x + c)", X, DECAY),
    "a quotient": ("y ~ a*x/(b + c*x)", X + 1, X / (1 + X) + 0.01 * NOISE),
    "the same rate twice": ("y ~ a*exp(-b*x) + c*exp(-b*x)", X, DECAY),
    "a decay of constant data": ("y ~ a*exp(-b*x) + c", X, np.full(N, 3.7)),
    "a decay of one": ("y ~ a*exp(-b*x) + c", X, np.ones(N)),
    "a decay of zeros": ("y ~ a*exp(-b*x) + c", X, np.zeros(N)),
    "a sine of constant data": ("y ~ a*sin(w*x) + c", X, np.full(N, 2.0)),
    "a second decay of exact data": (
        "y ~ a*exp(-b*x) + c*exp(-d*x)",
        X,
        3.0 * np.exp(-0.7 * X),
    ),
    "one distinct point": ("y ~ w*x + b", np.ones(N), 1 + 0.1 * NOISE),
    "two distinct points": ("y ~ a*exp(-b*x) + c", np.arange(N) % 2.0, 1 + NOISE),
    "one row": ("y ~ w*x + b", X[:1], X[:1] + 1),
    "fewer rows than parameters": ("y ~ a*exp(-b*x) + c", X[:2], X[:2] + 1),
    "an amplitude of nothing": ("y ~ 2 + a*exp(-b*(x - c)^2)", X, np.full(N, 2.0)),
    "a column of zeros": ("y ~ a*x + b*exp(c*x)", np.zeros(N), 1 + 0.1 * NOISE),
}
STARTS = (None, 1.0, -1.0, 0.01, 30.0)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("case", UNDETERMINED)
def test_what_is_undetermined_never_succeeds(case, start):
    text, x, y = UNDETERMINED[case]
    names = pose(text, ArrayColumns({"x": x, "y": y}), {}).names
    given = dict.fromkeys(names, start) if start is not None else {}
    found = _solve(text, {"x": x, "y": y}, given)
    assert not found.converged, found.point
    assert found.code
    assert found.reason


@pytest.mark.parametrize("start", STARTS)
def test_collinear_columns_never_succeed(start):
    data = {"x": X, "z": 3.0 * X, "y": DECAY}
    given = dict.fromkeys("abc", start) if start is not None else {}
    assert not _solve("y ~ a*x + b*z + c", data, given).converged
    assert not _solve("y ~ exp(-a*x - b*z) + c", data, given).converged


@pytest.mark.parametrize("loss", ["bernoulli", "poisson"])
def test_separable_classes_never_succeed(loss):
    y = (X > 2.0).astype(float)
    text = "y ~ 1/(1 + exp(-a - b*x))" if loss == "bernoulli" else "y ~ exp(a + b*x^9)"
    y = y if loss == "bernoulli" else np.zeros(N)
    for start in ({}, {"a": 0.0, "b": 0.1}, {"a": -20.0, "b": 10.0}):
        assert not _solve(text, {"x": X, "y": y}, start, loss=loss).converged


@pytest.mark.parametrize("start", [None, 0.0, -50.0])
def test_a_group_without_a_count_never_succeeds(start):
    data = {"g": ["A"] * 4 + ["B"] * 4, "y": np.array([3.0, 4, 5, 2, 0, 0, 0, 0])}
    given = {} if start is None else {"b[A]": 1.0, "b[B]": start}
    found = _solve("y ~ exp(b[g])", data, given, loss="poisson")
    assert (found.verdict, found.code) == ("not determinable", "N104")
    assert "b[B]" in found.reason


TRICKY = {
    "overflow at the start": ("y ~ a*exp(b*x)", X, DECAY, {"a": 1.0, "b": 400.0}),
    "a pole inside the data": ("y ~ a/(x - c)", X, 1 / (X - 2.1), {"a": 1, "c": 1.0}),
    "the logarithm of less than nothing": ("y ~ log(a + b*x)", X, DECAY, {"a": -1.0}),
    "a plateau": ("y ~ a*exp(-b*x)", X, DECAY, {"a": 1.0, "b": 300.0}),
    "a frequency far off": ("y ~ sin(w*x)", X, np.sin(2 * X), {"w": 11.0}),
    "exact data": ("y ~ a*exp(-b*x)", X, 3.0 * np.exp(-0.7 * X), {}),
    "an exact line": ("y ~ w*x + b", X, 5 * X + 3, {}),
    "a slope of nothing": ("y ~ w*x + b", X, np.full(N, 3.0), {}),
    "duplicate rows": (
        "y ~ a*exp(-b*x)",
        np.repeat(X[:4], 6),
        np.repeat(DECAY[:4], 6),
        {},
    ),
    "as many rows as parameters": ("y ~ a*exp(-b*x) + c", X[:3], DECAY[:3], {}),
    "large numbers": ("y ~ a*exp(-b*x) + c", 1e6 * X, 1e9 * DECAY, {}),
    "small numbers": ("y ~ a*exp(-b*x) + c", 1e-6 * X, 1e-9 * DECAY, {}),
    "dates": ("y ~ a*exp(-b*(x - 2000)) + c", 2000 + X, DECAY, {}),
}


@pytest.mark.parametrize("case", TRICKY)
def test_a_tricky_fit_is_right_or_no_success(case):
    text, x, y, start = TRICKY[case]
    _assert_true(text, {"x": x, "y": y}, start)


@pytest.mark.parametrize("seed", range(20))
def test_success_from_a_random_start_is_a_determined_minimum(seed):
    rng = np.random.default_rng(seed)
    text, names = [
        ("y ~ a*exp(-b*x) + c", "abc"),
        ("y ~ a*sin(b*x + c)", "abc"),
        ("y ~ a*x/(b + x)", "ab"),
        ("y ~ a*exp(-b*x) + c*exp(-d*x)", "abcd"),
        ("y ~ a*exp(-(x - b)^2/c^2)", "abc"),
    ][seed % 5]
    start = {n: rng.normal() * 10.0 ** rng.uniform(-2, 2) for n in names}
    y = [DECAY, np.sin(3 * X) + 0.1 * NOISE, np.round(rng.normal(size=N), 1)][seed % 3]
    _assert_true(text, {"x": X, "y": y}, start)


EASY = ("Misra1a", "BoxBOD", "MGH09", "DanWood", "Rat42", "Chwirut2", "Misra1d")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", EASY)
def test_a_minimum_of_nist_from_a_random_start_is_the_certified_or_warned_of(
    name, seed
):
    problem = next(p for p in problems("nist") if p["name"] == name)
    rng = np.random.default_rng(seed)
    spread = 10.0 ** rng.uniform(-2, 2, len(problem["ref"]))
    start = dict(zip(problem["parameters"], spread * problem["ref"], strict=True))
    text = f"{problem['response_transform']} ~ {problem['formula']}"
    found = _solve(text, columns("nist", problem), start)
    if found.converged and not found.notes:
        rss = 2.0 * found.objective
        assert rss == pytest.approx(problem["ref_rss"], rel=1e-6)


def test_the_judge_sees_a_point_beside_the_minimum():
    data = {"x": X, "y": DECAY}
    found = _solve("y ~ a*exp(-b*x)", data)
    judge = _Judge("y ~ a*exp(-b*x)", data, found.model.names)
    assert judge.faults(found.point) == ""
    assert judge.faults(found.point * 1.0005) != ""


def test_the_judge_sees_what_is_not_determined():
    data = {"x": X, "y": DECAY}
    assert "rank" in _Judge("y ~ a*x + b + c", data, "abc").faults([1.0, 1.0, 1.0])
