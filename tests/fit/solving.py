"""Problems for tests of the solver, below the command and the statistics."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from autodiff.fit.data.arrays import ArrayColumns
from autodiff.fit.options import Options
from autodiff.fit.problem import Parameter, Problem, Slot, pose
from autodiff.fit.solve.driver import solve
from autodiff.fit.solve.solution import Solution

DATA = Path(__file__).resolve().parents[1] / "data"


def table(name: str) -> dict[str, np.ndarray]:
    """Return the columns of a CSV file with a comment line above its header."""
    lines = (DATA / f"{name}.csv").read_text().splitlines()
    rows = np.array([line.split(",") for line in lines[2:]], dtype=float)
    return dict(zip(lines[1].split(","), rows.T, strict=True))


def posed(formula: str, data: Mapping[str, Any], **start: float) -> Problem:
    """Bind a formula to arrays."""
    return pose(formula, ArrayColumns(dict(data)), start)


def bounded(problem: Problem, **bounds: tuple[float, float]) -> Problem:
    """Return a problem with bounds of some parameters."""
    changed = tuple(
        replace(p, lower=bounds[p.name][0], upper=bounds[p.name][1])
        if p.name in bounds
        else p
        for p in problem.parameters
    )
    return replace(problem, parameters=changed)


def by_level(problem: Problem, name: str, codes: np.ndarray) -> Problem:
    """Return a problem in which a parameter has a value for each level."""
    count = int(codes.max()) + 1
    others = [p for p in problem.parameters if p.name != name]
    levels = [Parameter(f"{name}[{k}]") for k in range(count)]
    places = {p.name: k for k, p in enumerate(others)}
    slots = tuple(
        Slot(name, "indexed", positions=codes + len(others))
        if slot.name == name
        else replace(slot, position=places[slot.name])
        for slot in problem.slots
    )
    return replace(problem, parameters=(*others, *levels), slots=slots)


def solved(problem: Problem, **options: Any) -> Solution:
    """Solve a problem."""
    return solve(problem, Options(**options))
