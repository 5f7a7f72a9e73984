"""One fit for each group of rows: `--by`.

Groups share a formula, so most are solved together (`solve/batch.py`). A group that is
not plainly at a minimum there is fitted singly, with all that a single fit tries, and
gets the verdict of that; so a verdict does not depend on how a group was solved. What
only a single fit does is to tell of other minima (W105, W131).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import (
    EXIT_NOT_CONVERGED,
    EXIT_NOT_DETERMINABLE,
    EXIT_OK,
    DataError,
)
from autodiff.fit.options import Options
from autodiff.fit.problem import Problem
from autodiff.fit.solve.batch import Batch, Outcome, descend, polish, project
from autodiff.fit.solve.driver import solve
from autodiff.fit.solve.model import Model
from autodiff.fit.solve.rows import RowFunction
from autodiff.fit.solve.several import RIVAL
from autodiff.fit.solve.solution import CONVERGED, NOT_CONVERGED, NOT_DETERMINABLE
from autodiff.fit.solve.starts import linear_parameters, starting_points
from autodiff.fit.solve.subset import subset
from autodiff.fit.stats.group_table import GroupTable
from autodiff.fit.stats.summarize import summarize

__all__ = ["GroupedSolution", "solve_groups"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

CHUNK_ROWS = 32_768  # of one batch: its arrays stay in the cache
MANY_ROWS = 5_000  # a group this large gains nothing from company
MOST_PASSES = 100
MOST_TOGETHER = 2 * MOST_PASSES  # passes of a batch; who allows fewer gets no batch
# Groups whose minima all others try; beside a start that was given, fewer.
SAMPLED_GROUPS, BESIDE_GIVEN = 6, 2
WELL_CONDITIONED = 1e-4  # below, a linear group is solved in doubled precision
EXIT_CODES = {
    CONVERGED: EXIT_OK,
    NOT_CONVERGED: EXIT_NOT_CONVERGED,
    NOT_DETERMINABLE: EXIT_NOT_DETERMINABLE,
}


@dataclass(frozen=True, eq=False)
class GroupedSolution:
    """The fits of all groups.

    Attributes
    ----------
    problem : Problem
        All rows; `problem.names` are the parameters.
    by : tuple of str
        The columns that name a group.
    keys : tuple of tuples
        Their values, a tuple for each of the g groups, in order of first appearance.
    table : GroupTable
        What was found, a row for each group.
    """

    problem: Problem
    by: tuple[str, ...]
    keys: tuple[tuple[str | float, ...], ...]
    table: GroupTable

    @property
    def n_converged(self) -> int:
        """Number of groups that converged."""
        return int((self.table.verdict == CONVERGED).sum())

    @property
    def exit_code(self) -> int:
        """The worst of the groups' exit codes; 0 only if all converged."""
        verdicts = set(self.table.verdict.tolist())
        return max((EXIT_CODES[verdict] for verdict in verdicts), default=0)


def solve_groups(
    problem: Problem,
    by: Mapping[str, Sequence[str] | npt.NDArray[np.generic]],
    options: Options | None = None,
) -> GroupedSolution:
    """Fit each group of rows by itself.

    Parameters
    ----------
    problem : Problem
        All rows, n of them; parameters are those of each group.
    by : mapping of str to sequence of length n
        The columns, text or numbers, whose values together name a group.
    options : Options, optional
        As of a single fit.

    Returns
    -------
    GroupedSolution
        A group that fails has its verdict and stops no other.

    Notes
    -----
    Least squares: batches of `CHUNK_ROWS` rows, about ten passes. Other losses and
    other standard errors than ``jtj``: one fit after another.
    """
    options = options or Options()
    keys, labels = _group(by)
    work = _Work(problem, options, labels, len(keys))
    if options.loss == "normal" and options.standard_errors == "jtj":
        if (
            options.method == "lm"
            and options.starts == "auto"
            and options.max_evaluations > MOST_TOGETHER
        ):
            work.together()
    for group in np.flatnonzero(~work.settled):
        work.singly(int(group))
    return GroupedSolution(problem, tuple(by), keys, work.table)


def _group(
    by: Mapping[str, Sequence[str] | npt.NDArray[np.generic]],
) -> tuple[tuple[tuple[str | float, ...], ...], Index]:
    """Return the keys in order of first appearance, and each row's place in them."""
    codes: Index | None = None
    for column in by.values():
        values, own = np.unique(np.asarray(column), return_inverse=True)
        codes = own if codes is None else codes * len(values) + own
        codes = np.unique(codes, return_inverse=True)[1]
    assert codes is not None
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    rows = first[order]
    columns = [np.asarray(column)[rows].tolist() for column in by.values()]
    return tuple(zip(*columns, strict=True)), place[inverse]


class _Work:
    """The groups under way; `settled` says which have their verdict."""

    def __init__(
        self, problem: Problem, options: Options, labels: Index, count: int
    ) -> None:
        self.problem, self.options = problem, options
        self.order = np.argsort(labels, kind="stable")
        self.sizes = np.bincount(labels, minlength=count)
        self.first = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.table = GroupTable(problem, options, self.sizes)
        self.settled = np.zeros(count, dtype=np.bool_)

    def rows_of(self, group: int) -> Index:
        """Return the rows of a group."""
        first = self.first[group]
        return self.order[first : first + self.sizes[group]]

    def singly(self, group: int) -> None:
        """Fit one group as if there were no other."""
        part, kept = subset(self.problem, self.rows_of(group))
        part = replace(part, notes=())  # which are on all rows
        self.table.df[group] = self.table.n[group] - len(kept)  # until more is known
        options = replace(self.options, derive=self.table.derived_of(part))
        try:
            self.table.put(group, summarize(solve(part, options), options))
        except DataError as error:
            self.table.put_error(group, error)

    def together(self) -> None:
        """Solve in batches; settle the groups that are plainly at a minimum."""
        p = len(self.problem.names)
        able = np.flatnonzero((self.sizes >= max(p, 1)) & (self.sizes <= MANY_ROWS))
        if len(able) < 2 or p == 0:
            return
        is_linear = self.problem.is_linear
        linear = linear_parameters(self.problem)
        starts = [np.zeros(p)] if is_linear else self._starts()
        given, names = self.problem.given, self.problem.names
        own = np.array([given[n] for n in names]) if len(given) == p else None
        function = RowFunction(self.problem)
        root = _root(self.problem)
        for groups in self._chunks(able):
            batch = self._batch(function, root, groups)
            outcome = _solve(
                batch, self.sizes[groups], own, starts, None if is_linear else linear
            )
            self._settle(groups, outcome, batch)

    def _starts(self) -> list[Array]:
        """Return points for all groups to try: minima of some, and of them mixed."""
        names, points = self.problem.names, []
        has_all = all(name in self.problem.given for name in names)
        count = BESIDE_GIVEN if has_all else SAMPLED_GROUPS
        few = np.unique(np.linspace(0, len(self.sizes) - 1, count).astype(int))
        sketches = [self.order[:: max(1, len(self.order) // MANY_ROWS)]]
        sketches += [self.rows_of(int(group)) for group in few]
        problem = _unstarted(self.problem) if has_all else self.problem
        for rows in sketches:
            part, kept = subset(problem, np.sort(rows))
            if len(kept) == len(names):
                points.append(starting_points(Model(part))[0])
        return points or [np.ones(len(names))]

    def _chunks(self, able: Index) -> Iterator[Index]:
        """Yield groups of similar size, `CHUNK_ROWS` rows at most with padding."""
        able = able[np.argsort(self.sizes[able], kind="stable")[::-1]]
        first = 0
        while first < len(able):
            largest = int(self.sizes[able[first]])
            most = max(1, CHUNK_ROWS // largest)
            chunk = able[first : first + most]
            chunk = chunk[2 * self.sizes[chunk] >= largest]
            yield chunk
            first += len(chunk)

    def _batch(self, function: RowFunction, root: Array, groups: Index) -> Batch:
        """Gather the rows of groups, padded to the largest with rows of no weight."""
        sizes = self.sizes[groups]
        lanes = np.arange(int(sizes.max()))[:, None]
        rows = self.order[self.first[groups] + np.minimum(lanes, sizes - 1)]
        problem = self.problem
        return Batch(
            rows=function,
            columns=tuple(column[rows] for column in problem.columns.values()),
            response=problem.response[rows],
            root=np.where(lanes < sizes, root[rows], 0.0),
            positions=tuple(
                np.array(slot.position)
                if slot.positions is None
                else slot.positions[rows]
                for slot in function.moving
            ),
            n_params=len(problem.names),
            lower=np.array([[p.lower] for p in problem.parameters]),
            upper=np.array([[p.upper] for p in problem.parameters]),
        )

    def _settle(self, groups: Index, outcome: Outcome, batch: Batch) -> None:
        done = outcome.converged.copy()
        if self.problem.is_linear:
            done &= outcome.rank_ratio > WELL_CONDITIONED
        else:
            done &= outcome.rss <= _around_mean(batch)
        if not done.all():
            groups, batch, outcome = groups[done], batch.take(done), outcome.take(done)
        if len(groups):
            plain = self.table.put_batch(groups, batch, outcome)
            self.settled[groups[plain]] = True


def _unstarted(problem: Problem) -> Problem:
    """Return a problem none of whose parameters has a start value."""
    anywhere = tuple(replace(each, start=None) for each in problem.parameters)
    return replace(problem, parameters=anywhere)


def _root(problem: Problem) -> Array:
    """Return what brings residuals to standard units, shape (n,)."""
    if problem.sigma is not None:
        return 1.0 / problem.sigma
    if problem.weight is not None:
        return np.sqrt(problem.weight)
    return np.ones(len(problem.response))


def _around_mean(batch: Batch) -> Array:
    """Return the sums of squares that a constant leaves, and rounding, shape (g,)."""
    weight = batch.root**2
    mean = (weight * batch.response).sum(axis=0) / weight.sum(axis=0)
    left = (weight * (batch.response - mean) ** 2).sum(axis=0)
    total: Array = left + 1e-28 * (weight * batch.response**2).sum(axis=0)
    return total


def _solve(
    batch: Batch,
    sizes: Index,
    own: Array | None,
    starts: list[Array],
    linear: Mask | None,
) -> Outcome:
    """Solve a batch from the start given and the best one of each member beside it.

    Without a given start `own`, from the two best. The second counts only where it
    leads lower, so parameters that can change places stay where a start has them.
    `linear` is None where the whole formula is.
    """
    g = len(sizes)
    if linear is None:
        points = np.zeros((batch.n_params, g))
        points, _, _ = descend(batch, points, most=2, damping=0.0)
        return polish(batch, points, sizes, curved=False)
    tried = [np.repeat(start[:, None], g, axis=1) for start in starts]
    if own is None and len(tried) == 1:
        points, _, _ = descend(batch, tried[0], most=MOST_PASSES)
        return polish(batch, points, sizes, curved=True)
    first, second, height = _two_best(batch, tried, linear, own)
    points, rss, _ = descend(batch, first, most=MOST_PASSES)
    rival = np.flatnonzero(height <= RIVAL * rss)
    if len(rival):
        part = batch.take(rival)
        other, lower, _ = descend(part, second[:, rival], most=MOST_PASSES)
        better = lower < rss[rival] * (1 - 1e-6)
        points[:, rival[better]] = other[:, better]
    return polish(batch, points, sizes, curved=True)


def _two_best(
    batch: Batch, tried: list[Array], linear: Mask, own: Array | None
) -> tuple[Array, Array, Array]:
    """Return for each member the two points, projected, that begin lowest.

    And the sums of squares of the second. A start of their own is the first of all.
    """
    solved = []
    for points in tried:
        inside = batch.clip(points)
        solved.append(
            project(batch, inside, linear)
            if linear.any()
            else (inside, batch.at(inside).rss)
        )
    heights = np.stack([rss for _, rss in solved])
    order = np.argsort(heights, axis=0, kind="stable")
    points = np.stack([inside for inside, _ in solved])
    members = np.arange(points.shape[2])
    if own is not None:
        lowest = np.ascontiguousarray(points[order[0], :, members].T)
        first = batch.clip(np.repeat(own[:, None], len(members), axis=1))
        return first, lowest, heights[order[0], members]
    first, second = (
        np.ascontiguousarray(points[order[rank], :, members].T) for rank in (0, 1)
    )
    return first, second, heights[order[1], members]
