"""The fits of many groups as arrays: what `summarize.py` makes of one fit, for all.

Groups come by the ten thousands, so there is no result for each. A row of the table is
filled from the result of a single fit, or with many others from a batch; the words,
the rules and the numbers are those of a single fit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import FitError, Note
from autodiff.fit.formula.evaluate import names_in
from autodiff.fit.formula.parse import Node
from autodiff.fit.options import Options
from autodiff.fit.problem import Problem
from autodiff.fit.solve.batch import Batch, Outcome
from autodiff.fit.solve.solution import CONVERGED, NOT_CONVERGED
from autodiff.fit.stats.checks import FEWEST_ROWS, check_residuals
from autodiff.fit.stats.chi_square import chi_square_probability
from autodiff.fit.stats.derive import (
    derived_quantities,
    image,
    parameters_of,
    parse_derived,
)
from autodiff.fit.stats.group_intervals import group_intervals
from autodiff.fit.stats.intervals import (
    LINEAR,
    NEAR_ROUNDING,
    ROUNDED,
    explain,
)
from autodiff.fit.stats.result import FitResult
from autodiff.fit.stats.student_t import t_quantile
from autodiff.fit.stats.summarize import (
    ROUNDINGS,
    fit_notes,
    without_value,
)

__all__ = ["GroupTable", "derived_nodes"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.object_]

DOUBTFUL_RUNS = -2.0  # standard deviations; fewer runs are looked at one by one


def derived_nodes(problem: Problem, options: Options) -> dict[str, tuple[Node, ...]]:
    """Return the expressions of the derived quantities, which all groups share."""
    known = _parameter_names(problem)
    return {name: parse_derived(text, known) for name, text in options.derive.items()}


def _parameter_names(problem: Problem) -> list[str]:
    """Return every name that a single fit reports, in its order."""
    names: list[str] = []
    for slot in problem.slots:
        own = [n for n in problem.names if n.startswith(f"{slot.name}[")]
        names += own if slot.level_column else [slot.name]
    return list(dict.fromkeys(names))


class GroupTable:
    """What was found for each of g groups.

    Attributes
    ----------
    names : tuple of str
        Parameters, fixed and tied ones too, then derived quantities; q of them.
    estimate, se, lo, hi : array of shape (g, q)
        As of `Estimate`; NaN where a group has no such parameter.
    status, interval : array of str, shape (g, q)
        As of `Estimate`.
    rss : array of shape (g,)
    n, df : array of int, shape (g,)
    exact : array of bool, shape (g,)
    ci, verdict, code, reason : array of str, shape (g,)
        As of `FitResult`.
    warnings : list of tuples of Note
        As of `FitResult`, but for those on the whole data.
    """

    def __init__(self, problem: Problem, options: Options, n: Index) -> None:
        self.problem, self.options = problem, options
        self.derived = derived_nodes(problem, options)
        self.names = (*_parameter_names(problem), *self.derived)
        self.place = {name: j for j, name in enumerate(self.names)}
        g, q = len(n), len(self.names)
        self.estimate, self.se = np.full((g, q), np.nan), np.full((g, q), np.nan)
        self.lo, self.hi = np.full((g, q), np.nan), np.full((g, q), np.nan)
        self.status: Words = np.full((g, q), "", dtype=object)
        self.interval: Words = np.full((g, q), "", dtype=object)
        self.rss = np.full(g, np.nan)
        self.n, self.df = n.copy(), n - len(problem.names)
        self.exact = np.zeros(g, dtype=np.bool_)
        self.ci, self.verdict, self.code, self.reason = (
            np.full(g, "", dtype=object) for _ in range(4)
        )
        self.warnings: list[tuple[Note, ...]] = [()] * g

    def derived_of(self, part: Problem) -> dict[str, str]:
        """Return the derived quantities that a group has the parameters for."""
        known = set(_parameter_names(part))
        return {
            name: text
            for name, text in self.options.derive.items()
            if known.issuperset(names_in(self.derived[name]))
        }

    def put(self, group: int, result: FitResult) -> None:
        """Fill the row of a group from a single fit of it."""
        for name, found in {**result.parameters, **result.derived}.items():
            at = group, self.place[name]
            self.estimate[at], self.se[at] = found.estimate, found.se
            self.lo[at], self.hi[at] = found.lo, found.hi
            self.status[at], self.interval[at] = found.status, found.interval
        self.rss[group], self.n[group] = result.rss, result.n
        self.df[group], self.exact[group] = result.df, result.exact
        self.ci[group], self.verdict[group] = result.ci, result.verdict
        self.code[group], self.reason[group] = result.code, result.reason
        self.warnings[group] = result.warnings

    def put_error(self, group: int, error: FitError) -> None:
        """Fill the row of a group whose data the loss cannot take."""
        at = group, [self.place[name] for name in self.problem.names]
        self.status[at], self.interval[at] = "free", "wald"
        self.verdict[group] = NOT_CONVERGED
        self.code[group], self.reason[group] = error.code, str(error)

    def put_batch(self, groups: Index, batch: Batch, found: Outcome) -> Mask:
        """Fill the rows of groups from minima of least squares, none at a bound.

        Returns
        -------
        array of bool, shape (g,)
            False where a single fit has to decide; such a row is left empty.
        """
        with np.errstate(all="ignore"):
            part = _Part(self, groups, batch, found)
            part.find_intervals()
            plain = part.plain
            if not plain.all():
                part = _Part(self, groups[plain], batch.take(plain), found.take(plain))
                part.find_intervals()
            part.fill()
        return plain


class _Part:
    """Rows of the table that are filled together, from a batch."""

    def __init__(
        self, table: GroupTable, groups: Index, batch: Batch, found: Outcome
    ) -> None:
        self.table, self.groups, self.batch, self.found = table, groups, batch, found
        problem, self.df = table.problem, table.df[groups]
        self.residual = batch.residual(found.points)
        value = self.residual / np.where(batch.root > 0.0, batch.root, 1.0)
        self.largest = np.abs(value).max(axis=0, initial=0.0)
        response = np.abs(batch.response).max(axis=0, initial=0.0)
        self.exact = self.largest <= ROUNDINGS * np.finfo(np.float64).eps * response
        self.unit = np.where(self.df > 0, found.rss / self.df, np.nan)
        if problem.sigma is not None:
            self.unit = np.ones(len(groups))
        level = table.options.level
        quantiles = {
            df: t_quantile(level, max(df, 1) if problem.sigma is None else math.inf)
            for df in np.unique(self.df).tolist()
        }
        self.target = np.array([quantiles[df] for df in self.df.tolist()])
        variance = np.einsum("iig->ig", found.cov) * self.unit
        self.se = np.sqrt(variance)

    def find_intervals(self) -> None:
        """Set `low`, `high`, `profiled`, `ci` and `plain`."""
        points, reach = self.found.points, self.target * self.se
        self.low, self.high = points - reach, points + reach
        self.profiled = np.zeros(points.shape, dtype=np.bool_)
        self.plain = np.ones(len(self.groups), dtype=np.bool_)
        self.ci: Words = np.full(len(self.groups), "Wald", dtype=object)
        options, looked = self.table.options, (self.df > 0) & ~self.exact
        looked &= self.unit > 0.0
        if options.ci == "wald":
            return
        asked = options.ci == "profile"
        if not asked and self.table.problem.is_linear:
            self.ci[looked] = LINEAR
            return
        if not asked:
            size = np.abs(self.batch.root * self.batch.response).max(axis=0)
            spread = np.sqrt(self.found.rss / self.table.n[self.groups])
            rounded = looked & (spread < NEAR_ROUNDING * size)
            self.ci[rounded] = ROUNDED
            looked &= ~rounded
        self._profile(looked, reach, asked)

    def _profile(self, looked: Mask, reach: Array, asked: bool) -> None:
        if not looked.any():
            return
        every = bool(looked.all())
        given = group_intervals(
            self.batch if every else self.batch.take(looked),
            self.found if every else self.found.take(looked),
            reach[:, looked],
            self.target[looked],
            self.unit[looked],
            asked=asked,
        )
        self.low[:, looked], self.high[:, looked] = given.low, given.high
        self.profiled[:, looked], self.plain[looked] = given.profiled, given.plain
        some = np.asarray(given.profiled.any(axis=0))
        self.ci[looked] = [
            "profile" if asked else explain(any_profile, off)
            for any_profile, off in zip(
                some.tolist(), given.worst.tolist(), strict=True
            )
        ]

    def fill(self) -> None:
        """Write what was found into the table."""
        table, groups, problem = self.table, self.groups, self.table.problem
        free = np.array([table.place[name] for name in problem.names])
        at = np.ix_(groups, free)
        table.estimate[at], table.se[at] = self.found.points.T, self.se.T
        table.lo[at], table.hi[at] = self.low.T, self.high.T
        table.status[at] = "free"
        table.interval[at] = np.where(self.profiled.T, "profile", "wald")
        held: dict[str, float] = {}
        ties: dict[str, tuple[Node, ...]] = {}
        for slot in problem.slots:
            if slot.kind == "fixed":
                held[slot.name] = slot.value
                self._put(slot.name, slot.value, 0.0, "fixed")
            elif slot.kind == "tied":
                self._put_computed(slot.name, slot.nodes, held, ties, "tied")
                ties[slot.name] = slot.nodes
        for name, nodes in table.derived.items():
            self._put_computed(name, nodes, held, ties, "derived")
        table.rss[groups], table.exact[groups] = self.found.rss, self.exact
        table.ci[groups], table.verdict[groups] = self.ci, CONVERGED
        self._warn()

    def _put_computed(
        self,
        name: str,
        nodes: tuple[Node, ...],
        held: dict[str, float],
        ties: dict[str, tuple[Node, ...]],
        status: str,
    ) -> None:
        """Write a tied or derived quantity, with the interval of its one parameter."""
        table, points, names = self.table, self.found.points, self.table.problem.names
        cov = self.found.cov * self.unit
        value, se = derived_quantities(nodes, points, held, cov, names, ties)
        self._put(name, value, se, status)
        used = [n for n in parameters_of(nodes, ties) if n in names]
        if len(used) != 1:
            return
        j = names.index(used[0])
        values = {**held, **dict(zip(names, points, strict=True))}
        ends = self.low[j], self.high[j]
        lo, hi, monotonic = image(nodes, values, used[0], ends, ties)
        good = monotonic & self.profiled[j] & (se > 0.0)
        at = self.groups[good], table.place[name]
        table.lo[at], table.hi[at], table.interval[at] = lo[good], hi[good], "profile"

    def _put(self, name: str, value: Any, se: Any, status: str) -> None:
        table, at = self.table, (self.groups, self.table.place[name])
        reach = np.where(np.equal(se, 0.0), 0.0, self.target * se)
        table.estimate[at], table.se[at] = value, se
        table.lo[at], table.hi[at] = value - reach, value + reach
        table.status[at] = status
        table.interval[at] = "" if status == "fixed" else "wald"

    def _warn(self) -> None:
        """Write warnings: of few groups, so they are found by arrays first."""
        table, problem = self.table, self.table.problem
        judged = (self.df > 0) & ~self.exact
        doubtful = judged & _few_runs(self.residual, self.batch)
        chance = np.full(len(self.groups), np.nan)
        if problem.sigma is not None:
            for i in np.flatnonzero(self.df > 0):
                chance[i] = chi_square_probability(
                    float(self.found.rss[i]), int(self.df[i])
                )
        derived = np.array([table.place[name] for name in table.derived], dtype=int)
        lacks = ~np.isfinite(table.estimate[np.ix_(self.groups, derived)]).all(axis=1)
        strange = ~np.isnan(chance)
        for i in np.flatnonzero(doubtful | strange | lacks):
            checks, group = None, int(self.groups[i])
            if doubtful[i]:
                real = self.batch.real[:, i]
                columns = {
                    name: np.broadcast_to(column, self.residual.shape)[real, i]
                    for name, column in zip(
                        self.batch.rows.columns, self.batch.columns, strict=True
                    )
                }
                checks = check_residuals(self.residual[real, i], columns)
            notes = fit_notes(
                checks, float(self.found.rss[i]), int(self.df[i]), float(chance[i])
            )
            values = {n: table.estimate[group, table.place[n]] for n in table.derived}
            table.warnings[group] = (*notes, *without_value(values))


def _few_runs(residual: Array, batch: Batch) -> Mask:
    """Say where residuals along the first column may come in too few runs, (g,).

    Never says no where `check_residuals` finds trouble: residuals that are zero, which
    it leaves out, count as runs of their own here only in groups that are doubtful.
    """
    real = batch.real
    if batch.columns and (np.diff(batch.columns[0], axis=0) < 0.0).any():
        order = np.argsort(batch.columns[0], axis=0, kind="stable")
        residual = np.take_along_axis(residual, order, axis=0)
        real = np.take_along_axis(real, order, axis=0)
    n = real.sum(axis=0)
    zero = (real & (residual == 0.0)).any(axis=0)
    above = (residual > 0.0).sum(axis=0)
    below = n - above
    product = 2.0 * above * below
    expected = product / n + 1.0
    variance = product * (product - n) / (n * n * (n - 1.0))
    runs = 1.0 + _changes(residual, real)
    few = runs + 0.5 < expected + DOUBTFUL_RUNS * np.sqrt(variance)
    found: Mask = (n >= FEWEST_ROWS) & (few | zero)
    return found


def _changes(residual: Array, real: Mask) -> Array:
    """Count changes of sign down each column, rows that are not real passed over."""
    up = residual > 0.0
    if real.all():
        return np.asarray((up[1:] != up[:-1]).sum(axis=0), dtype=np.float64)
    first = np.argsort(~real, axis=0, kind="stable")
    up, real = np.take_along_axis(up, first, 0), np.take_along_axis(real, first, 0)
    changes = (up[1:] != up[:-1]) & real[1:]
    return np.asarray(changes.sum(axis=0), dtype=np.float64)
