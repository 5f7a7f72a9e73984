"""Least squares for many problems at once that share a formula.

Groups of `--by`, and many starting points of one problem: each is a *member* with a
point of its own and rows of its own (or shared ones). Members lie along the last axis,
one replay of the row function serves all of them, and each finishes by itself.

Invariant: an answer counted as converged has passed the same tests as that of a single
fit (`judge.py`); a member that has not is handed back, and its fate decided singly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from autodiff.fit.solve.rows import RowFunction
from autodiff.fit.solve.stacked import Triangle, damped_step, triangle

__all__ = ["Batch", "Outcome", "descend", "polish"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
Kind = TypeVar("Kind", bound=np.generic)

RANK_TOLERANCE = 2e-14
FIRST_DAMPING, LARGEST_DAMPING = 1e-3, 1e14
NEAR = 1e-5  # a step this small, relative to the point: polish can take over
MAX_POLISH = 12

ROUNDINGS = 32.0  # errors of the data below which a parameter is zero


class State(NamedTuple):
    """Members at their points: sums of squares, (g,), and factors.

    Outside the domain the sum is infinite and the factor that of zeros.
    """

    rss: Array
    factor: Triangle


class Batch(NamedTuple):
    """The rows of the members.

    Attributes
    ----------
    rows : RowFunction
        Their formula.
    columns : tuple of arrays of shape (m, g) or (m, 1)
        Data; (m, 1) where all members share them.
    response, root : array of shape (m, g) or (m, 1)
        What is fitted, and the root of its weight; a row of padding weighs 0.
    positions : tuple of arrays of shape (), (m, 1) or (m, g)
        For each moving slot, which parameter it is.
    n_params : int
        Entries of a point.
    lower, upper : array of shape (p, 1)
        Bounds.
    """

    rows: RowFunction
    columns: tuple[Array, ...]
    response: Array
    root: Array
    positions: tuple[Index, ...]
    n_params: int
    lower: Array
    upper: Array

    @property
    def real(self) -> Mask:
        """Which rows are no padding; no row of data weighs 0."""
        return self.root > 0.0

    def take(self, members: Index | Mask) -> Batch:
        """Return some of the members."""
        return self._replace(
            columns=tuple(_members(column, members) for column in self.columns),
            response=_members(self.response, members),
            root=_members(self.root, members),
            positions=tuple(_members(each, members) for each in self.positions),
        )

    def slots(self, points: Array) -> tuple[list[Array], list[Array]]:
        """Return slots and columns, (m * g,) each, for points of shape (p, g)."""
        shape = (len(self.response), points.shape[1])
        members = np.arange(points.shape[1])
        slots = [points[position, members] for position in self.positions]
        return (
            [np.broadcast_to(slot, shape).ravel() for slot in slots],
            [np.broadcast_to(column, shape).ravel() for column in self.columns],
        )

    def residual(self, points: Array) -> Array:
        """Return weighted residuals, (m, g), for points of shape (p, g)."""
        value = self.rows.value(*self.slots(points))
        with np.errstate(all="ignore"):
            left: Array = value.reshape(len(self.response), -1) - self.response
            return left * self.root

    def residual_and_jacobian(self, points: Array) -> tuple[Array, Array]:
        """Return weighted residuals, (m, g), and Jacobians, (p, m, g)."""
        shape = (len(self.response), points.shape[1])
        value, gradient = self.rows.value_and_gradient(*self.slots(points))
        residual = value.reshape(shape) - self.response
        jacobian = np.empty((self.n_params, *shape))
        with np.errstate(all="ignore"):
            residual *= self.root
            self._by_parameter([each.reshape(shape) for each in gradient], jacobian)
        return residual, jacobian

    def _by_parameter(self, slopes: list[Array], jacobian: Array) -> None:
        """Put weighted derivatives by slot where their parameters are."""
        if all(position.ndim == 0 for position in self.positions):
            for slope, position in zip(slopes, self.positions, strict=True):
                np.multiply(slope, self.root, out=jacobian[int(position)])
            return
        jacobian[...] = 0.0
        for slope, position in zip(slopes, self.positions, strict=True):
            for level in np.unique(position):
                own = np.where(position == level, slope, 0.0)
                jacobian[level] += own * self.root

    def at(self, points: Array) -> State:
        """Go over the rows once at points of shape (p, g)."""
        residual, jacobian = self.residual_and_jacobian(points)
        with np.errstate(all="ignore"):
            rss = np.einsum("mg,mg->g", residual, residual)
            size = np.einsum("pmg,pmg->g", jacobian, jacobian)
        outside = ~np.isfinite(rss + size)
        if outside.any():
            rss[outside] = np.inf
            residual[:, outside], jacobian[:, :, outside] = 0.0, 0.0
        return State(rss, triangle(jacobian, residual))

    def curvature(self, points: Array) -> Array:
        """Return the sums of residual times second derivative, shape (p, p, g)."""
        g = points.shape[1]
        shape = (len(self.response), g)
        slots, columns = self.slots(points)
        with np.errstate(all="ignore"):
            value = self.rows.value(slots, columns).reshape(shape)
            pull = (value - self.response) * self.root**2
        result = np.zeros((self.n_params, self.n_params, g))
        bends = self.rows.hessian(slots, columns)
        for i, row in enumerate(bends):
            for j in range(i, len(row)):
                bend = row[j].reshape(shape)
                self._add_bend(result, i, j, pull, bend)
        return result

    def _add_bend(
        self, result: Array, i: int, j: int, pull: Array, bend: Array
    ) -> None:
        one, two = self.positions[i], self.positions[j]
        for a, b in _pairs(one, two):
            chosen = pull
            if one.ndim or two.ndim:
                chosen = np.where((one == a) & (two == b), pull, 0.0)
            total = np.einsum("mg,mg->g", chosen, bend)
            result[a, b] += total
            if i != j:
                result[b, a] += total

    def clip(self, points: Array) -> Array:
        """Return the nearest points inside the bounds."""
        return np.clip(points, self.lower, self.upper)


def _members(array: npt.NDArray[Kind], which: Index | Mask) -> npt.NDArray[Kind]:
    """Return some of the last axis, or what all share."""
    shared = array.ndim == 0 or array.shape[1] == 1
    return array if shared else array[:, which]


def _pairs(one: Index, two: Index) -> set[tuple[int, int]]:
    """Return the pairs of parameters that two slots are in any row."""
    if one.ndim == two.ndim == 0:
        return {(int(one), int(two))}
    both = np.broadcast_arrays(one, two)
    pairs = np.unique(np.stack([each.ravel() for each in both], axis=1), axis=0)
    return {(int(a), int(b)) for a, b in pairs}


def _put(into: State, new: State, where: Mask) -> None:
    into.rss[where] = new.rss[where]
    for old, fresh in zip(into.factor, new.factor, strict=True):
        old[..., where] = fresh[..., where]


def descend(
    batch: Batch,
    starts: Array,
    *,
    most: int,
    damping: float = FIRST_DAMPING,
    near: float = NEAR,
    linear: Mask | None = None,
) -> tuple[Array, Array, Array]:
    """Lower each member's sum of squares: Levenberg-Marquardt, Nielsen's damping.

    Parameters
    ----------
    batch : Batch
        The rows of g members.
    starts : array of shape (p, g)
        Where each begins.
    most : int
        Passes.
    damping : float
        To begin with, in units of the squared column norms; 0 for a linear model.
    near : float
        Length of a step, relative to the point, after which a member is done.
    linear : array of bool, shape (p,), optional
        Parameters that are solved for anew after each step, given the others; the
        formula is linear in them together (variable projection, Kaufman's form).

    Returns
    -------
    points : array of shape (p, g)
    rss : array of shape (g,)
    metric : array of shape (p, g)
        The longest Jacobian columns seen.

    Notes
    -----
    K. Madsen, H. B. Nielsen, O. Tingleff, "Methods for non-linear least squares
    problems", 2004, algorithm 3.16.
    """
    points = batch.clip(starts)
    metric = np.zeros_like(points)
    rss = np.full(points.shape[1], np.inf)
    with np.errstate(all="ignore"):
        for part, members in _Descent(batch, points, damping, near, linear).run(most):
            points[:, members] = part.points
            rss[members] = part.here.rss
            metric[:, members] = part.metric
    return points, rss, metric


class _Descent:
    """The members still under way; `members` says which they are."""

    def __init__(
        self,
        batch: Batch,
        points: Array,
        damping: float,
        near: float,
        linear: Mask | None,
    ) -> None:
        g = points.shape[1]
        self.batch, self.points, self.near, self.linear = batch, points, near, linear
        self.members = np.arange(g)
        self.here = batch.at(points)
        self.metric = self.here.factor.scale.copy()
        self.damping, self.growth = np.full(g, damping), np.full(g, 2.0)

    def run(self, most: int) -> Iterator[tuple[_Descent, Index]]:
        """Step until all are done; yield the descent with the members that are."""
        done = ~np.isfinite(self.here.rss)
        for _ in range(most):
            if done.any():
                yield self._chosen(done), self.members[done]
                self._keep(~done)
            if not len(self.members):
                return
            done = self._step()
        yield self, self.members

    def _chosen(self, which: Mask) -> _Descent:
        part = object.__new__(_Descent)
        part.points, part.metric = self.points[:, which], self.metric[:, which]
        factor = self.here.factor
        part.here = State(
            self.here.rss[which], Triangle(*(each[..., which] for each in factor))
        )
        return part

    def _keep(self, which: Mask) -> None:
        part = self._chosen(which)
        self.points, self.metric, self.here = part.points, part.metric, part.here
        self.members, self.damping = self.members[which], self.damping[which]
        self.growth, self.batch = self.growth[which], self.batch.take(which)

    def _step(self) -> Mask:
        """Try a step of each member; return which have arrived."""
        factor, rss = self.here.factor, self.here.rss
        step = damped_step(factor, self.metric, self.damping)
        step[~np.isfinite(step)] = 0.0
        trial = self.batch.clip(self.points + step)
        step = trial - self.points
        ahead = np.einsum("ijg,jg->ig", factor.r, factor.scale * step)
        promised = -((2.0 * factor.qtr + ahead) * ahead).sum(axis=0)
        if self.linear is not None:
            trial, _ = project(self.batch, trial, self.linear)
        there = self.batch.at(trial)
        gain = np.where(np.isfinite(there.rss), (rss - there.rss) / promised, -1.0)
        better = there.rss < rss
        size = np.linalg.norm(self.metric * step, axis=0)
        length = np.linalg.norm(self.metric * self.points, axis=0)
        arrived: Mask = (size <= self.near * length) & (self.damping <= FIRST_DAMPING)
        arrived |= (size <= 1e-14 * length) | (self.damping > LARGEST_DAMPING)
        arrived |= (rss == 0.0) | ~(promised > 1e-15 * rss)
        self.points[:, better] = trial[:, better]
        _put(self.here, there, better)
        np.maximum(self.metric, self.here.factor.scale, out=self.metric)
        eased = np.maximum(1.0 / 3.0, 1.0 - (2.0 * np.clip(gain, 0.0, 1.0) - 1.0) ** 3)
        self.damping *= np.where(better, eased, self.growth)
        self.growth = np.where(better, 2.0, 2.0 * self.growth)
        return arrived


def project(batch: Batch, points: Array, linear: Mask) -> tuple[Array, Array]:
    """Return points with the linear parameters at their best for the others, and rss.

    The sums of squares, (g,), are those before points are clipped; infinite outside
    the domain.

    Parameters
    ----------
    batch : Batch
        The rows of the members.
    points : array of shape (p, g)
        The others are kept; linear parameters may hold anything finite.
    linear : array of bool, shape (p,)
        Parameters in which, together, the formula is linear.
    """
    origin = points.copy()
    with np.errstate(all="ignore"):
        residual, jacobian = batch.residual_and_jacobian(origin)
        jacobian = jacobian[linear]
        size = np.einsum("mg,mg->g", residual, residual)
        size = size + np.einsum("pmg,pmg->g", jacobian, jacobian)
        outside = ~np.isfinite(size)
        residual[:, outside], jacobian[:, :, outside] = 0.0, 0.0
        factor = triangle(jacobian, residual)
        tiny = np.full(points.shape[1], 1e-26)  # keeps what is singular finite
        step = damped_step(factor, factor.scale, tiny)
        step[~np.isfinite(step)] = 0.0
        origin[linear] += step
        rss = np.einsum("mg,mg->g", residual, residual)  # what the columns left over
    return batch.clip(origin), np.where(outside, np.inf, rss)


class Outcome(NamedTuple):
    """What polishing made of the members.

    Attributes
    ----------
    points : array of shape (p, g)
    rss : array of shape (g,)
    cov : array of shape (p, p, g)
        ``(J'J)^-1``.
    curvature : array of shape (p, p, g)
        What half the Hessian has beyond ``J'J``.
    converged : array of bool, shape (g,)
        Passed the tests of a single fit: full rank, no direction that bends down, and
        an undamped step that is noise.
    rank_ratio : array of shape (g,)
        Smallest over largest singular value of the column-scaled Jacobian.
    """

    points: Array
    rss: Array
    cov: Array
    curvature: Array
    converged: Mask
    rank_ratio: Array

    def take(self, members: Index | Mask) -> Outcome:
        """Return some of the members."""
        return Outcome(
            self.points[:, members],
            self.rss[members],
            self.cov[..., members],
            self.curvature[..., members],
            self.converged[members],
            self.rank_ratio[members],
        )


def polish(batch: Batch, points: Array, n_rows: Index, *, curved: bool) -> Outcome:
    """Take undamped steps until they are noise; judge the end.

    Parameters
    ----------
    batch : Batch
        The rows of g members.
    points : array of shape (p, g)
        Near their minima.
    n_rows : array of int, shape (g,)
        Rows of each member that are not padding.
    curved : bool
        Whether the formula has second derivatives in its parameters at all.
    """
    with np.errstate(all="ignore"):
        return _polish(batch, points, n_rows, curved)


def _polish(batch: Batch, points: Array, n_rows: Index, curved: bool) -> Outcome:
    here = batch.at(points)
    best, lowest = points.copy(), here.rss.copy()
    best_state = State(here.rss.copy(), Triangle(*(a.copy() for a in here.factor)))
    shortest = np.full(points.shape[1], np.inf)
    since = np.zeros(points.shape[1], dtype=np.intp)
    active = np.isfinite(here.rss)
    rounding = 1e-28 * ((batch.root * batch.response) ** 2).sum(axis=0)
    curvature: Array | None = None
    for _ in range(MAX_POLISH):
        if curved and (curvature is None or bool((shortest[active] > 1e-6).any())):
            curvature = batch.curvature(points)
        step, _ = here.factor.step(curvature)
        size = _relative(here.factor.scale, step, points)
        active &= np.isfinite(size)
        shorter = active & (size < shortest)
        best[:, shorter] = points[:, shorter]
        _put(best_state, here, shorter)
        since = np.where(shorter, 0, since + 1)
        shortest = np.where(shorter, size, shortest)
        active &= (size > 0.0) & (since < 2)
        if not active.any():
            break
        points = np.where(active, points + step, points)
        here = batch.at(points)
        active &= here.rss <= lowest * (1 + 1e-9) + rounding
        lowest = np.minimum(lowest, here.rss)
    return _judge(batch, best, best_state, n_rows, curved)


def _relative(scale: Array, step: Array, points: Array) -> Array:
    length = np.linalg.norm(scale * points, axis=0)
    size: Array = np.linalg.norm(scale * step, axis=0)
    return size / np.where(length > 0.0, length, 1.0)


def _judge(
    batch: Batch, points: Array, state: State, n_rows: Index, curved: bool
) -> Outcome:
    """Ask of each member what `judge.py` asks of a single fit."""
    factor, rss = state.factor, state.rss
    ratio = factor.rank_ratio()
    curvature = batch.curvature(points) if curved else None
    step, bends = factor.step(curvature)
    step, size = np.abs(step), np.abs(points)
    errors = factor.errors()
    deviation = np.sqrt(rss / np.maximum(1, n_rows - len(points)))
    data = np.sqrt(((batch.root * batch.response) ** 2).sum(axis=0))
    zero = (factor.scale * size <= 1e-6 * data) & (ratio > 1e-6)
    noise = (
        (step <= 1e-8 * size)
        | ((step <= 1e-9 * deviation * errors) & (deviation * errors <= 1e3 * size))
        | (zero & (factor.scale * step <= 1e-13 * data))
    )
    rounding = ROUNDINGS * np.finfo(np.float64).eps * data / np.sqrt(n_rows)
    beside_zero = (size <= rounding * errors).any(axis=0)
    inside = (points > batch.lower) & (points < batch.upper)
    converged = (noise & inside).all(axis=0) & np.isfinite(rss) & ~bends
    converged &= ~beside_zero  # which is for a single fit to judge
    converged &= (ratio > RANK_TOLERANCE) & (n_rows >= len(points))
    inverse = factor.inverse() / factor.scale[:, None]
    cov = np.einsum("ikg,jkg->ijg", inverse, inverse)
    if curvature is None:
        curvature = np.zeros_like(cov)
    return Outcome(points, rss, cov, curvature, converged, ratio)
