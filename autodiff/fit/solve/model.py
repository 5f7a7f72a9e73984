"""The model as numbers: values, exact derivatives, and what the solver sums of them.

The engine is asked here and nowhere else. The formula is a function of the values of
its names in one row, recorded by `ad.vmap`: rows are lanes, conditionals are guards.
Passes go block by block over views of the data, so memory does not grow with rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.formula.evaluate import evaluate
from autodiff.fit.problem import Problem, Slot
from autodiff.fit.solve.budget import Budget
from autodiff.fit.solve.factor import Factor, merge, stack
from autodiff.fit.solve.fused import FusedPass
from autodiff.fit.solve.losses import LOSSES, Costs
from autodiff.fit.solve.observed import Observed, observe
from autodiff.fit.solve.passes import CHUNK, chunks, over_chunks

__all__ = ["Block", "Linearization", "Model", "evaluate_at"]

Array = npt.NDArray[np.float64]

BLOCK_NUMBERS = 1 << 17  # of a block's Jacobian: a megabyte
MOST_FUSED = 8  # parameters
MOST_ROWS, FEWEST_ROWS = 16_384, 256


def evaluate_at(
    problem: Problem,
    columns: Mapping[str, Any],
    value_of: Callable[[Slot], Any],
    **options: Any,
) -> Any:
    """Return the formula for values of its free and indexed slots.

    Fixed slots are numbers and tied ones follow from the others. `columns` and values
    may be anything `evaluate` takes; further options go to it.
    """
    names: dict[str, Any] = dict(columns)
    for slot in problem.slots:
        if slot.kind in ("fixed", "apart"):
            names[slot.name] = slot.value
        elif slot.kind == "tied":
            names[slot.name] = evaluate(slot.nodes, names, **options)
        else:
            names[slot.name] = value_of(slot)
    return evaluate(problem.formula.rhs, names, **options)


class Block(NamedTuple):
    """Rows of one pass: which, their fitted values (n,) and Jacobian (n, p)."""

    rows: slice
    fitted: Array
    jacobian: Array


class Linearization(NamedTuple):
    """What one pass over the rows tells of a point.

    Attributes
    ----------
    objective : float
        Sum of the losses; infinite outside the domain.
    factor : Factor or None
        Of the Jacobian, rows weighted by the root of Gauss-Newton's weight; with
        ``factor.gradient`` the gradient of the objective. None outside the domain.
    n_outside : int
        Rows whose value, derivative or loss is not finite.
    """

    objective: float
    factor: Factor | None
    n_outside: int

    @property
    def gradient(self) -> Array:
        """Of the objective, shape (p,); empty outside the domain."""
        return np.zeros(0) if self.factor is None else self.factor.gradient

    @property
    def root(self) -> Array:
        """The R with ``R'R`` Gauss-Newton's Hessian, (p, p); empty outside."""
        factor = self.factor
        return np.zeros((0, 0)) if factor is None else factor.r * factor.scale


class Model:
    """The objective of a problem: a sum of losses over rows.

    Parameters
    ----------
    problem : Problem
        Formula and data.
    loss : str
        A name in `LOSSES`.
    scale : float
        Where a robust loss bends, in standard units.

    Attributes
    ----------
    names : tuple of str
        Of the free parameters; a point has shape (p,), in this order.
    root : array of shape (n,) or float
        What brings residuals to standard units: 1 / sigma, or the root of the weight.
        Of a likelihood, trials.
    near : array of shape (p, p) or None
        A triangle that the factors to come are near to, if one is known: passes over
        very many rows are fused then.
    budget : Budget
        Of passes over the rows; taken from by `objective`, `linearize`, `curvature`.
    n_outside : int
        Passes that met a row outside the domain.
    """

    def __init__(self, problem: Problem, loss: str = "normal", scale: float = 1.0):
        self.problem, self.loss, self.scale = problem, LOSSES[loss], scale
        self.names = problem.names
        self.n_rows, self.n_params = len(problem.response), len(problem.names)
        self.n_outside = 0
        self.budget = Budget()
        self.near: Array | None = None
        self.root, self._repeats = self._weights()
        self._columns = tuple(problem.columns.values())
        self._free = [s for s in problem.slots if s.kind in ("free", "indexed")]
        self._is_indexed = any(s.kind == "indexed" for s in self._free)
        n_numbers = (self.n_params + 1) or 1
        self.block_rows = min(MOST_ROWS, max(FEWEST_ROWS, BLOCK_NUMBERS // n_numbers))

    @property
    def n_evaluations(self) -> int:
        """Passes over the rows so far, also of models like this one."""
        return self.budget.spent

    def like(self, loss: str) -> Model:
        """Return the model of the same problem with another loss."""
        return self._sharing(Model(self.problem, loss))

    def _sharing(self, other: Model) -> Model:
        self.budget.measure_anew()
        other.budget = self.budget
        return other

    def _over_rows(self, function: Callable[..., Any]) -> Callable[..., Any]:
        axes = (0 if self._is_indexed else None, 0, 0)
        mapped: Callable[..., Any] = ad.vmap(function, in_axes=axes, threads=1)
        return mapped

    @cached_property
    def _value(self) -> Callable[..., Any]:
        return self._over_rows(self._row)

    @cached_property
    def _slope(self) -> Callable[..., Any]:
        return self._over_rows(ad.value_and_grad(self._row))

    @cached_property
    def _bend(self) -> Callable[..., Any]:
        return self._over_rows(ad.hessian(self._row))

    @cached_property
    def _fused(self) -> FusedPass | None:
        """The pass for very many rows, where the problem is of that kind."""
        is_fit = self.loss.name == "normal" and not self._is_indexed
        if self.near is None or not is_fit or self.n_params > MOST_FUSED:
            return None
        if self.n_rows < 2 * CHUNK:
            return None
        places = [slot.position for slot in self._free]

        def row(q: Any, data: Any, response: Any) -> Any:
            return self._row([q[k] for k in places], data, response)

        return FusedPass(row, self._columns, self.problem.response, self.root)

    def _weights(self) -> tuple[Array | float, Array | None]:
        """Return `root`, and how often rows of a likelihood count."""
        problem = self.problem
        if self.loss.is_likelihood:
            trials = problem.trials
            return 1.0 if trials is None else trials, problem.weight
        if problem.sigma is not None:
            return 1.0 / problem.sigma, None
        return 1.0 if problem.weight is None else np.sqrt(problem.weight), None

    @cached_property
    def observed(self) -> Observed:
        """What the response is as a whole."""
        return observe(self.problem.response, self.root)

    @property
    def data_square(self) -> float:
        """The sum of squares of the data in standard units; of a likelihood, n."""
        return float(self.n_rows) if self.loss.is_likelihood else self.observed.square

    def _row(self, q: Any, row: tuple[Any, ...], _: Any) -> Any:
        """Return the formula in one row; q has a value for each of `_free`."""
        columns = dict(zip(self.problem.columns, row, strict=True))
        places = {slot.name: k for k, slot in enumerate(self._free)}
        value = evaluate_at(self.problem, columns, lambda slot: q[places[slot.name]])
        return value + 0.0 * q[0] if isinstance(value, float) else value

    def _positions(self, rows: slice) -> npt.NDArray[np.intp]:
        """Return which parameter each free slot is, (s,), or in each row, (n, s)."""
        if not self._is_indexed:
            return np.array([slot.position for slot in self._free], dtype=np.intp)
        n = len(self.problem.response[rows])
        columns = [
            np.full(n, slot.position)
            if slot.positions is None
            else slot.positions[rows]
            for slot in self._free
        ]
        return np.stack(columns, axis=1)

    def _arguments(self, point: Array, rows: slice) -> tuple[Any, ...]:
        data = tuple(column[rows] for column in self._columns)
        return point[self._positions(rows)], data, self.problem.response[rows]

    def _slices(self, first: int = 0) -> list[slice]:
        return chunks(self.n_rows, self.block_rows, first)

    def fitted(self, point: Array, rows: slice = slice(None)) -> Array:
        """Return the values of the formula in some rows, shape (n,)."""
        result = np.empty(len(self.problem.response[rows]))
        for part in chunks(len(result), self.block_rows):
            some = range(self.n_rows)[rows][part]
            result[part] = self._value(*self._arguments(point, _slice_of(some)))
        return result

    def residual(self, point: Array, rows: slice = slice(None)) -> Array:
        """Return fitted less observed in some rows, in the unit of the response."""
        return self.fitted(point, rows) - self.problem.response[rows]

    def blocks(self, point: Array) -> Iterator[Block]:
        """Go over the rows, a block of values and derivatives at a time."""
        return (self._block(point, rows) for rows in self._slices())

    def _block(self, point: Array, rows: slice) -> Block:
        fitted, slopes = self._slope(*self._arguments(point, rows))
        return Block(rows, fitted, self._by_parameter(slopes, rows))

    def _by_parameter(self, slopes: Array, rows: slice) -> Array:
        """Turn derivatives in slots, (n, s), into derivatives in parameters, (n, p)."""
        positions = self._positions(rows)
        jacobian = np.zeros((len(slopes), self.n_params))
        if self._is_indexed:
            each = np.arange(len(slopes))
            for k in range(slopes.shape[1]):
                jacobian[each, positions[:, k]] += slopes[:, k]
        else:
            jacobian[:, positions] = slopes
        return jacobian

    def costs(self, fitted: Array, rows: slice = slice(None)) -> Costs:
        """Return what rows with these fitted values cost."""
        root = self.root if isinstance(self.root, float) else self.root[rows]
        observed = self.problem.response[rows]
        with np.errstate(all="ignore"):
            costs = self.loss.costs(fitted, observed, root, self.scale)
            if self._repeats is not None:
                costs = Costs(*(self._repeats[rows] * part for part in costs))
        return costs

    def objective(self, point: Array) -> float:
        """Return the sum of losses; infinity outside the domain."""
        self.budget.take()

        def loss_of(rows: slice) -> float:
            fitted = self._value(*self._arguments(point, rows))
            return float(self.costs(fitted, rows).loss.sum())

        total = float(sum(over_chunks(loss_of, self._slices())))
        if math.isfinite(total):
            self.budget.reached(point, total)
            return total
        self.n_outside += 1
        return math.inf

    def linearize(self, point: Array) -> Linearization:
        """Return objective and factor at a point, in one pass."""
        self.budget.take()
        objective, triangle, first = 0.0, None, 0
        if self._fused is not None and self.near is not None:
            objective, triangle, first = self._fused.pass_over(point, self.near)

        def part_of(rows: slice) -> tuple[float, Array, int]:
            block = self._block(point, rows)
            costs = self.costs(block.fitted, rows)
            weighted, residual = _weigh(costs, block.jacobian)
            finite = np.isfinite(weighted).all(axis=1) & np.isfinite(residual)
            n_outside = len(finite) - int(np.count_nonzero(finite))
            if n_outside:
                return math.inf, np.empty((0, self.n_params + 1)), n_outside
            return float(costs.loss.sum()), stack(weighted, residual), 0

        parts = over_chunks(part_of, self._slices(first))
        objective += sum(part[0] for part in parts)
        n_outside = sum(part[2] for part in parts)
        if n_outside == 0:
            triangle = merge(triangle, [part[1] for part in parts])
        if n_outside or triangle is None or not np.isfinite(triangle).all():
            self.n_outside += n_outside > 0
            return Linearization(math.inf, None, n_outside)
        self.budget.reached(point, objective)
        return Linearization(objective, Factor.of(triangle), 0)

    def curvature(self, point: Array) -> Array:
        """Return what the Hessian of the objective has beyond ``J'J``, shape (p, p).

        The sum over rows of first derivative of the loss times second derivative of
        the formula, exact; and what the loss's own second derivative has beyond
        Gauss-Newton's weight. Zero where that is not finite.
        """
        self.budget.take()
        p = self.n_params

        def part_of(rows: slice) -> Array:
            block, result = self._block(point, rows), np.zeros((p, p))
            costs = self.costs(block.fitted, rows)
            bends = self._bend(*self._arguments(point, rows))
            bends = bends * costs.first[:, None, None]
            if self.loss.name != "normal":
                rest = (costs.second - costs.weight)[:, None]
                result += block.jacobian.T @ (rest * block.jacobian)
            positions = self._positions(rows)
            if self._is_indexed:
                places = positions[:, :, None], positions[:, None, :]
                np.add.at(result, places, bends)
            else:
                result[np.ix_(positions, positions)] += bends.sum(axis=0)
            return result

        result: Array = sum(over_chunks(part_of, self._slices()), np.zeros((p, p)))
        return result if np.isfinite(result).all() else np.zeros((p, p))


def _slice_of(rows: range) -> slice:
    return slice(rows.start, rows.stop, rows.step)


def _weigh(costs: Costs, jacobian: Array) -> tuple[Array, Array]:
    """Return the weighted Jacobian, and residuals whose product is the gradient."""
    with np.errstate(all="ignore"):
        root = np.sqrt(costs.weight)
        residual = np.where(costs.first == 0.0, 0.0, costs.first / root)
        return jacobian * root[:, None], residual
