"""The NIST nonlinear and linear problems: digits, evaluations, time, verdict.

``python benchmarks/nist.py`` prints a table for autodiff and for the peers that are
installed; ``--write-readme`` puts its summary between the markers of README.md. Digits
are -log10 of the worst relative error beside 17-digit reference values. A peer is
called as its documentation says, with the formula in NumPy and its default tolerances;
`trf, exact` has the exact Jacobian and tolerances of 1e-15. Where no start is given
terms may come in any order and sense: magnitudes are compared, sorted.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data"
BEGIN, END = "<!-- nist: begin -->", "<!-- nist: end -->"
STARTS = ("start1", "start2", None)


class Answer(NamedTuple):
    """What a tool said of one fit."""

    parameters: Any
    errors: Any
    rss: float
    n_evaluations: int
    verdict: str


class Row(NamedTuple):
    """One fit by one tool, measured."""

    tool: str
    problem: str
    start: str
    digits: tuple[float, float, float]
    n_evaluations: int
    milliseconds: float
    verdict: str


Tool = Callable[[dict[str, Any], dict[str, Any], "list[float] | None"], Answer]


def problems(folder: str) -> list[dict[str, Any]]:
    """Return the problems of a folder with their columns."""
    with (DATA / folder / "models.toml").open("rb") as file:
        found: list[dict[str, Any]] = tomllib.load(file)["problem"]
    for problem in found:
        lines = (DATA / folder / problem["file"]).read_text().splitlines()
        first, last = problem["data_lines"]
        rows = np.array([line.split() for line in lines[first - 1 : last]], dtype=float)
        problem["data"] = dict(zip(problem["columns"], rows.T, strict=True))
    return found


def digits(found: Any, reference: Any) -> float:
    """Return how many digits agree, of the worst value; 0 if none do."""
    a, b = np.asarray(found, dtype=float), np.asarray(reference, dtype=float)
    size = np.where(b == 0.0, 1.0, np.abs(b))
    with np.errstate(all="ignore"):
        error = np.max(np.abs(a - b) / size)
    if not error < 1.0:
        return 0.0
    return float(min(16.0, -np.log10(max(error, 1e-17))))


def by_size(parameters: Any, errors: Any) -> tuple[Any, Any]:
    """Return magnitudes of parameters in increasing order, and their errors so."""
    order = np.argsort(np.abs(parameters))
    return np.abs(parameters)[order], np.asarray(errors)[order]


def numpy_model(problem: dict[str, Any]) -> tuple[Callable[..., Any], Any, Any]:
    """Return the model as a NumPy function, its predictors and the response."""
    names = {k: getattr(np, k) for k in ("exp", "log", "sin", "cos", "arctan", "sqrt")}
    arguments = ", ".join([*problem["predictors"], *problem["parameters"]])
    code = f"lambda {arguments}: {problem['formula']}"
    function = eval(code, {**names, "pi": math.pi})  # our own file
    data = problem["data"]
    y = data[problem["response"]]
    response = problem.get("response_transform", problem["response"])
    y = np.log(y) if response.startswith("log") else y
    return function, [data[name] for name in problem["predictors"]], y


def ours(problem: dict[str, Any], data: Any, start: list[float] | None) -> Answer:
    import autodiff.fit

    response = problem.get("response_transform", problem["response"])
    given = (
        None if start is None else dict(zip(problem["parameters"], start, strict=True))
    )
    found = autodiff.fit.fit(f"{response} ~ {problem['formula']}", data, given)
    each = [found.parameters[name] for name in problem["parameters"]]
    return Answer(
        [p.estimate for p in each],
        [p.se for p in each],
        found.rss,
        found.n_evaluations,
        found.verdict,
    )


def _answer(p: Any, jacobian: Any, residual: Any, n: int, verdict: str) -> Answer:
    rss = float(residual @ residual)
    with np.errstate(all="ignore"):
        try:
            inverse = np.linalg.inv(jacobian.T @ jacobian)
        except np.linalg.LinAlgError:
            inverse = np.full((len(p), len(p)), np.nan)
        errors = np.sqrt(np.diag(inverse) * rss / (len(residual) - len(p)))
    return Answer(p, errors, rss, n, verdict)


def trf(problem: dict[str, Any], data: Any, start: list[float] | None) -> Answer:
    from scipy.optimize import least_squares

    f, x, y = numpy_model(problem)
    found = least_squares(lambda p: f(*x, *p) - y, start, x_scale="jac")
    verdict = "success" if found.success else "failed"
    return _answer(found.x, found.jac, found.fun, found.nfev, verdict)


def trf_exact(problem: dict[str, Any], data: Any, start: list[float] | None) -> Answer:
    from scipy.optimize import least_squares

    import autodiff as ad

    f, x, y = numpy_model(problem)

    def jacobian(p: Any) -> Any:
        leaves = [ad.full(y.shape, float(v), requires_grad=True) for v in p]
        value = f(*x, *leaves)
        value.backward(gradient=ad.ones(len(y)))
        grads = [leaf.grad for leaf in leaves]
        return np.stack(
            [np.zeros(len(y)) if g is None else g.numpy() for g in grads], 1
        )

    found = least_squares(
        lambda p: f(*x, *p) - y,
        start,
        jac=jacobian,
        x_scale="jac",
        ftol=1e-15,
        xtol=1e-15,
        gtol=1e-15,
        max_nfev=20000,
    )
    verdict = "success" if found.success else "failed"
    return _answer(found.x, found.jac, found.fun, found.nfev, verdict)


def curve_fit(problem: dict[str, Any], data: Any, start: list[float] | None) -> Answer:
    from scipy.optimize import curve_fit as fit

    f, x, y = numpy_model(problem)
    p, covariance, details, _, _ = fit(
        lambda x, *p: f(*x, *p), x, y, p0=start, full_output=True
    )
    residual = f(*x, *p) - y
    errors = np.sqrt(np.diag(covariance))
    rss = float(residual @ residual)
    return Answer(p, errors, rss, details["nfev"], "success")


def lmfit(problem: dict[str, Any], data: Any, start: list[float] | None) -> Answer:
    import lmfit as package

    f, x, y = numpy_model(problem)
    parameters = package.Parameters()
    for name, value in zip(problem["parameters"], start or [], strict=True):
        parameters.add(name, value=value)
    found = package.minimize(lambda p: f(*x, *p.valuesdict().values()) - y, parameters)
    errors = [found.params[name].stderr for name in problem["parameters"]]
    errors = [np.nan if e is None else e for e in errors]
    values = list(found.params.valuesdict().values())
    verdict = "success" if found.success else "failed"
    return Answer(values, errors, float(found.chisqr), found.nfev, verdict)


TOOLS: dict[str, Tool] = {
    "autodiff": ours,
    "scipy trf, exact": trf_exact,
    "scipy trf": trf,
    "scipy curve_fit": curve_fit,
    "lmfit": lmfit,
}


def measure(tool: str, problem: dict[str, Any], start: str | None, times: int) -> Row:
    """Return one row; a tool that raises has failed."""
    given = None if start is None else problem[start]
    best, answer = math.inf, None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for _ in range(times):
            began = time.perf_counter()
            try:
                answer = TOOLS[tool](problem, problem["data"], given)
            except (RuntimeError, ValueError, ZeroDivisionError) as error:
                answer = Answer(np.nan, np.nan, math.nan, 0, type(error).__name__)
            best = min(best, time.perf_counter() - began)
    assert answer is not None
    is_linear = "start1" not in problem
    deviations = problem.get("ref_f64_sd", problem["ref_sd"])
    deviations = problem["certified_sd"] if is_linear else deviations
    ours, theirs = (answer.parameters, answer.errors), (problem["ref"], deviations)
    if start is None and not is_linear:
        ours, theirs = by_size(*ours), by_size(*theirs)
    found = (
        digits(ours[0], theirs[0]),
        digits(ours[1], theirs[1]),
        digits(answer.rss, problem.get("ref_f64_rss", problem["ref_rss"])),
    )
    where = "linear" if is_linear else start or "none"
    return Row(
        tool, problem["name"], where, found, answer.n_evaluations, 1e3 * best,
        answer.verdict,
    )  # fmt: skip


def table(rows: list[Row]) -> str:
    """Return all fits as Markdown."""
    lines = [
        "| tool | problem | start | parameters | errors | rss | evaluations | ms "
        "| verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = " | ".join(f"{d:.1f}" for d in row.digits)
        lines.append(
            f"| {row.tool} | {row.problem} | {row.start} | {cells} | "
            f"{row.n_evaluations} | {row.milliseconds:.1f} | {row.verdict} |"
        )
    return "\n".join(lines)


def summary(rows: list[Row]) -> str:
    """Return a line for each tool and kind of start, as Markdown."""
    lines = [
        "| tool | start | fits | parameters >= 9 digits | worst | said to be good, "
        "< 3 digits | errors >= 8 digits | worst | evaluations | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    kinds = {"start1": "NIST's far", "start2": "NIST's near", "none": "none given"}
    for tool in dict.fromkeys(row.tool for row in rows):
        for kind in dict.fromkeys(row.start for row in rows if row.tool == tool):
            some = [row for row in rows if (row.tool, row.start) == (tool, kind)]
            good = sum(row.digits[0] >= 9 for row in some)
            false = sum(
                row.digits[0] < 3 and row.verdict in ("success", "converged")
                for row in some
            )
            errors = sum(row.digits[1] >= 8 for row in some)
            worst = [min(row.digits[k] for row in some) for k in (0, 1)]
            count = sum(row.n_evaluations for row in some)
            seconds = sum(row.milliseconds for row in some) / 1e3
            start = kinds.get(kind, "none needed (linear)")
            lines.append(
                f"| {tool} | {start} | {len(some)} | {good} | {worst[0]:.1f} | {false} "
                f"| {errors} | {worst[1]:.1f} | {count} | {seconds:.2f} |"
            )
    return "\n".join(lines)


def write_readme(text: str) -> None:
    """Put a text between the markers of README.md."""
    path = ROOT / "README.md"
    content = path.read_text(encoding="utf-8")
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"README.md lacks the markers {BEGIN} and {END}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def main() -> None:
    """Run the problems and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write-readme", action="store_true")
    parser.add_argument("--times", type=int, default=3, help="runs; the best counts")
    parser.add_argument("--only", help="a tool")
    options = parser.parse_args()
    rows = []
    for tool in TOOLS:
        if options.only not in (None, tool):
            continue
        try:
            fits = [
                (problem, start)
                for problem in problems("nist")
                for start in (STARTS if tool == "autodiff" else STARTS[:2])
            ]
            if tool == "autodiff":
                fits += [(problem, None) for problem in problems("nist-linear")]
            rows += [measure(tool, *each, options.times) for each in fits]
        except ImportError as error:
            print(f"{tool}: {error}", file=sys.stderr)
    print(table(rows))
    print()
    print(summary(rows))
    if options.write_readme:
        write_readme(summary(rows))


if __name__ == "__main__":
    main()
