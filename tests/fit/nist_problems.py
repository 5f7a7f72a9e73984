"""The NIST StRD problems of tests/data, ready to be fitted."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np

import autodiff.fit
from autodiff.fit.stats.result import FitResult

DATA = Path(__file__).resolve().parents[1] / "data"


def problems(folder: str) -> list[dict[str, Any]]:
    """Return the problems of `nist` or `nist-linear`."""
    with (DATA / folder / "models.toml").open("rb") as file:
        return tomllib.load(file)["problem"]


def columns(folder: str, problem: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the columns of a problem."""
    lines = (DATA / folder / problem["file"]).read_text().splitlines()
    first, last = problem["data_lines"]
    rows = np.array([line.split() for line in lines[first - 1 : last]], dtype=float)
    return dict(zip(problem["columns"], rows.T, strict=True))


def fit(
    folder: str, problem: dict[str, Any], start: dict[str, float] | None = None
) -> FitResult:
    """Fit a problem from a start."""
    response = problem.get("response_transform", problem["response"])
    formula = f"{response} ~ {problem['formula']}"
    return autodiff.fit.fit(formula, columns(folder, problem), start)


def digits(found: list[float], certified: list[float]) -> float:
    """Return how many digits agree, of the worst; absolute where zero is certified."""
    a, b = np.array(found), np.array(certified)
    error = np.max(np.abs(a - b) / np.where(b == 0.0, 1.0, np.abs(b)))
    return float(-np.log10(max(error, 1e-17)))


def estimates(result: FitResult, problem: dict[str, Any]) -> list[float]:
    """Return the estimates in the order of the certified values."""
    return [result.parameters[name].estimate for name in problem["parameters"]]


def errors(result: FitResult, problem: dict[str, Any]) -> list[float]:
    """Return the standard errors in the order of the certified values."""
    return [result.parameters[name].se for name in problem["parameters"]]
