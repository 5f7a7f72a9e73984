"""Profiles of many fits at once: which Wald intervals hold, and what replaces others.

What `profile.py` and `intervals.py` do for one fit, for the members of a batch. A
member *walks* along the profile of one of its parameters by Newton steps in all the
others; where an end is wanted, the held parameter moves with them, by Newton's step on
the root of the profile (D. J. Venzon, S. H. Moolgavkar, "A method for computing
profile-likelihood-based confidence intervals", 1988).

Invariant: only what is plainly found counts. A member that leaves its bounds or its
domain, climbs, or does not arrive soon, is not *plain*, and is left to a single fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autodiff.fit.solve.batch import Batch, Outcome
from autodiff.fit.solve.stacked import solve_positive
from autodiff.fit.stats.intervals import TOLERATED

__all__ = ["GroupIntervals", "group_intervals"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

MOST_PASSES = 30
NEAR = 1e-5  # of half the squared quantile: what a refit may still gain
CLOSE = 1e-10  # of the root at an end, relative to its target
NOISE = 1e-12  # of the objective: gain that is rounding


class GroupIntervals(NamedTuple):
    """Intervals of g members.

    Attributes
    ----------
    low, high : array of shape (p, g)
        Ends.
    profiled : array of bool, shape (p, g)
        Whether they are the profile's, not Wald's.
    worst : array of shape (g,)
        How far Wald's are off, relative.
    plain : array of bool, shape (g,)
        Whether all this was found.
    """

    low: Array
    high: Array
    profiled: Mask
    worst: Array
    plain: Mask


def group_intervals(
    batch: Batch,
    found: Outcome,
    reach: Array,
    target: Array,
    unit: Array,
    *,
    asked: bool,
) -> GroupIntervals:
    """Return profile intervals where Wald's do not hold, or everywhere.

    Parameters
    ----------
    batch : Batch
        The rows of g members.
    found : Outcome
        Their minima.
    reach : array of shape (p, g)
        Half the widths of Wald's intervals.
    target : array of shape (g,)
        Quantiles.
    unit : array of shape (g,)
        Variance of a residual in standard units, positive.
    asked : bool
        Whether all are profiled unseen.

    Notes
    -----
    One or two passes over the rows for each end of each interval, and about ten for
    each end that is moved.
    """
    points = found.points
    p, g = points.shape
    bent = np.full((p, g), np.inf)
    with np.errstate(all="ignore"):
        walk = _Walk(batch, points, found, np.zeros(g, np.intp), unit, target)
        if not asked:
            bent = _bent(walk, reach)
        plain = ~np.isnan(bent).any(axis=0)
        profiled = bent > TOLERATED
        ends = np.stack([points - reach, points + reach])
        held, member = np.nonzero(profiled & plain)
        if len(held):
            held, member, side = np.tile(held, 2), np.tile(member, 2), np.arange(2)
            side = np.repeat(side, len(held) // 2)
            distance = (2.0 * side - 1.0) * reach[held, member]
            ends[side, held, member] = walk.take(member).holding(held).end(distance)
    plain &= np.isfinite(ends).all(axis=(0, 1))
    return GroupIntervals(ends[0], ends[1], profiled, bent.max(axis=0), plain)


def _bent(walk: _Walk, reach: Array) -> Array:
    """Return how far roots are off at Wald's ends, (p, g); NaN where not known.

    A first look at each end; it tells where to look at the other. Those that are not
    at their best then go on together.
    """
    p, g = reach.shape
    roots, left = np.full((2, p, g), np.nan), []
    for j in range(p):
        own, turn = walk.holding(np.full(g, j)), np.zeros_like(reach)
        for side in (1, 0):
            points = own.near((2 * side - 1) * reach[j]) + turn
            look = own.look(points)
            there = own.arrived(look)
            roots[side, j, there] = look.root[there]
            turn = np.where(np.isfinite(look.step), turn + look.step, 0.0)
            on = np.flatnonzero(~there & np.isfinite(look.root))
            place = np.full(len(on), side), np.full(len(on), j), on
            left.append((np.stack(place), (points + look.step)[:, on]))
    side, held, member = np.concatenate([place for place, _ in left], axis=1)
    if len(member):
        part = walk.take(member).holding(held)
        points = np.concatenate([points for _, points in left], axis=1)
        roots[side, held, member] = part.root(points)
    below = walk.centre - reach < walk.batch.lower
    outside = below | (walk.centre + reach > walk.batch.upper)
    off: Array = np.abs(roots / walk.target - 1.0).max(axis=0)
    return np.where(outside, np.inf, off)


class _Look(NamedTuple):
    """A member at a point of its profile, and what a Newton step would do.

    Attributes
    ----------
    root : array of shape (g,)
        Of the profile, as it will be after the step; NaN where there is none.
    gain : array of shape (g,)
        Of the objective, by the step.
    slope : array of shape (g,)
        Of the profile.
    step, along : array of shape (p, g)
        Of the others to their best; and by a unit of the held parameter.
    """

    root: Array
    gain: Array
    slope: Array
    step: Array
    along: Array


@dataclass(frozen=True)
class _Walk:
    """Members, each with the parameter that it holds.

    Attributes
    ----------
    batch : Batch
        Their rows.
    centre : array of shape (p, g)
        Their minima.
    found : Outcome
        What is known there.
    held : array of int, shape (g,)
        Which parameter.
    unit, target : array of shape (g,)
        As of `group_intervals`.
    """

    batch: Batch
    centre: Array
    found: Outcome
    held: Index
    unit: Array
    target: Array

    def take(self, which: Index | Mask) -> _Walk:
        """Return some of the members."""
        return _Walk(
            self.batch.take(which),
            self.centre[:, which],
            self.found.take(which),
            self.held[which],
            self.unit[which],
            self.target[which],
        )

    def holding(self, held: Index) -> _Walk:
        """Return the same members with other parameters held."""
        own = (self.batch, self.centre, self.found, held, self.unit, self.target)
        return _Walk(*own)

    def _of_held(self, values: Array) -> Array:
        """Return the entry of the held parameter, shape (..., g) of (..., p, g)."""
        return values[..., self.held, np.arange(len(self.held))]

    def near(self, distance: Array) -> Array:
        """Return where the others would go, were they linear."""
        column = self._of_held(self.found.cov)
        return self.centre + column * (distance / self._of_held(column))

    def look(self, points: Array) -> _Look:
        """Go over the rows once."""
        p, g = points.shape
        residual, jacobian = self.batch.residual_and_jacobian(points)
        inside = (points >= self.batch.lower) & (points <= self.batch.upper)
        rss = np.einsum("mg,mg->g", residual, residual)
        gradient, hessian = np.empty((p, g)), self.found.curvature.copy()
        for i in range(p):
            gradient[i] = np.einsum("mg,mg->g", jacobian[i], residual)
            for k in range(i, p):
                product = np.einsum("mg,mg->g", jacobian[i], jacobian[k])
                hessian[i, k] += product
                if i != k:
                    hessian[k, i] += product
        is_held = np.arange(p)[:, None] == self.held
        across = self._of_held(hessian)
        hessian[is_held[:, None] | is_held[None]] = 0.0
        hessian[np.arange(p), np.arange(p)] += is_held
        step, positive = solve_positive(hessian, np.where(is_held, 0.0, -gradient))
        along, _ = solve_positive(hessian, np.where(is_held, 1.0, -across))
        gain = -0.5 * np.einsum("pg,pg->g", gradient, step)
        slope = self._of_held(gradient) + np.einsum("pg,pg->g", across, step)
        above = rss - 2.0 * gain - self.found.rss
        root = np.sqrt(np.maximum(above, 0.0) / self.unit)
        root[~(positive & inside.all(axis=0) & np.isfinite(above))] = np.nan
        return _Look(root, gain, slope, step, along)

    def arrived(self, look: _Look) -> Mask:
        """Say whose other parameters are at their best, but for a last step."""
        worth = 0.5 * NEAR * self.unit * self.target**2
        return look.gain <= np.maximum(worth, NOISE * self.found.rss)

    def root(self, points: Array) -> Array:
        """Return the roots where the others are at their best; NaN if not found.

        Parameters
        ----------
        points : array of shape (p, g)
            Where to begin.
        """
        roots = np.full(len(self.held), np.nan)
        walk, members = self, np.arange(len(self.held))
        last = np.full(len(self.held), np.inf)
        for _ in range(MOST_PASSES):
            look = walk.look(points)
            there = walk.arrived(look)
            roots[members[there]] = look.root[there]
            on = ~there & np.isfinite(look.root) & (look.gain < last)
            if not on.any():
                break
            points, last = (points + look.step)[:, on], look.gain[on]
            walk, members = walk.take(on), members[on]
        return roots

    def end(self, distance: Array) -> Array:
        """Return the held parameter where the root meets its target; NaN if nowhere.

        Parameters
        ----------
        distance : array of shape (g,)
            Of Wald's end from the minimum; its sign says which end is meant.
        """
        ends = np.full(len(distance), np.nan)
        walk, members, points = self, np.arange(len(distance)), self.near(distance)
        side = np.sign(distance)
        for _ in range(MOST_PASSES):
            look = walk.look(points)
            value = walk._of_held(points)
            gone = side * (value - walk._of_held(walk.centre))
            short = walk.target - look.root
            there = np.abs(short) <= CLOSE * walk.target
            there &= look.gain <= NOISE * walk.found.rss + 1e-14 * walk.unit
            ends[members[there]] = value[there]
            more = short * walk.unit * look.root / look.slope
            more = side * np.clip(side * more, -0.5 * gone, gone)
            on = ~there & np.isfinite(more) & (side * look.slope > 0.0) & (gone > 0.0)
            if not on.any():
                break
            points = (points + look.step + more * look.along)[:, on]
            walk, members, side = walk.take(on), members[on], side[on]
        return ends
