"""Starting points for parameters the user gave none for.

Parameters in which the formula is linear, together, are solved for given the others.
Those others are sampled where formula and data say they may lie (`scales.py`), from a
fixed sequence, on an even thinning of the rows; all samples are one batch. The best,
and the best of each part of the sequence, descend together; then one parameter after
another is scanned from the lowest points, which finds what a descent does not: the
next peak, another frequency. The same input gives the same points.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from autodiff.fit.formula.evaluate import degree_in, names_in
from autodiff.fit.formula.parse import Node
from autodiff.fit.problem import Problem
from autodiff.fit.solve.batch import Batch, descend, project
from autodiff.fit.solve.bounds import Box
from autodiff.fit.solve.model import Model
from autodiff.fit.solve.rows import RowFunction
from autodiff.fit.solve.scales import Reach, reaches

__all__ = ["glance", "linear_parameters", "starting_points", "wide_search"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SAMPLES = (1, 64, 256, 512, 768)  # by number of parameters to sample; the last for more
REFINED, REFINED_NUMBERS = 24, 480  # samples that descend; parameters in all of them
KEPT = 4  # points that are handed on
SCANNED, SCAN_VALUES, SCAN_ROUNDS = 3, 40, 2
MOST_ROWS = 120
FIRST_PASSES, LAST_PASSES = 20, 100
QUOTIENT_PASSES = 6
CROSSED = " response"  # no name of a user's
GLANCED, GLANCE_PASSES = 8, 12
MOST_HALVINGS = 12
SAME = 1e-5  # relative difference of sums of squares below which points are one


def starting_points(model: Model, count: int | str = "auto") -> list[Array]:
    """Return points to start from, the most promising first, shape (p,) each.

    Parameters
    ----------
    model : Model
        Its problem holds the start values that were given; those are kept. Where all
        are given, that is the first point, and with 'auto' the only one.
    count : int or 'auto'
        How many points are descended from.

    Notes
    -----
    Some hundred to some thousand evaluations of at most `MOST_ROWS` rows, in batches.
    """
    problem = model.problem
    start = np.array([problem.given.get(name, np.nan) for name in problem.names])
    if not np.isnan(start).any():
        start = Box(problem.parameters).clip(start)
        if count == "auto" or int(count) == 1:
            return [start]
        anywhere = np.full(len(start), np.nan)
        return [start, *wide_search(model, anywhere, int(count) - 1)]
    return wide_search(model, start, count)


def wide_search(model: Model, start: Array, count: int | str = "auto") -> list[Array]:
    """Search for the parameters that are NaN in `start`; the others begin there."""
    search = _Search(model, start)
    auto = max(KEPT, min(REFINED, REFINED_NUMBERS // max(1, model.n_params)))
    refined = auto if count == "auto" else max(1, int(count))
    if not search.sampled:
        return [search.solve_linear()]
    sampled = [search.sample(refined), *search.quotient()]
    points = search.refine(np.concatenate(sampled, axis=1), FIRST_PASSES)
    for _ in range(SCAN_ROUNDS if len(search.sampled) > 1 else 1):
        points = search.merge(points, search.scan(points[:, :SCANNED]))
    ends = list(search.refine(points[:, :KEPT], LAST_PASSES).T)
    if model.loss.upper == 1.0:
        ends = [_inside(model, end, search.missing) for end in ends]
    return ends


def _inside(model: Model, point: Array, missing: Mask) -> Array:
    """Return where a likelihood is best on the way from a point to zero.

    The search is by least squares, which may end where a probability is as good as 0
    or 1 in a row that says otherwise. Smaller parameters are less sure.
    """
    box = Box(model.problem.parameters)
    nearer = [
        box.clip(np.where(missing, point * share, point))
        for share in 0.5 ** np.arange(MOST_HALVINGS)
    ]
    return min(nearer, key=model.objective)


def glance(model: Model) -> Array:
    """Return where a short look around ends, as if no start had been given.

    A hundredth of a second or so: for a check whether a minimum is the lowest.
    """
    search = _Search(model, np.full(model.n_params, np.nan))
    if not search.sampled:
        return search.solve_linear()
    sampled = [search.sample(GLANCED), *search.quotient()]
    ends = search.refine(np.concatenate(sampled, axis=1), GLANCE_PASSES)
    lowest: Array = ends[:, 0]
    return lowest


def _linear_slots(problem: Problem) -> set[str]:
    """Return slots in which, together, the formula is linear: as many as can be."""
    tied = {
        name for slot in problem.slots for name in names_in(slot.nodes) if slot.nodes
    }
    tied |= {slot.name for slot in problem.slots if slot.kind == "tied"}
    free = [s.name for s in problem.slots if s.kind in ("free", "indexed")]
    rhs = problem.formula.rhs
    best: set[str] = set()
    for first in free:
        chosen: set[str] = set()
        for name in (first, *free):
            together = frozenset((*chosen, name))
            if name not in tied and degree_in(rhs, together) <= 1:
                chosen.add(name)
        if len(chosen) > len(best):
            best = chosen
    return best


def linear_parameters(problem: Problem) -> Mask:
    """Return in which parameters, together, the formula is linear, shape (p,)."""
    chosen = _linear_slots(problem)
    mask = np.zeros(len(problem.names), dtype=np.bool_)
    for slot in problem.slots:
        if slot.name in chosen:
            mask[_places(slot.position, slot.positions)] = True
    return mask


class _Search:
    """A problem on a thinning of its rows, and which parameters are looked for.

    Points are (p, s), one column each; `linear` is a mask over p; `sampled` maps the
    name of a slot to its parameters and its reach.
    """

    def __init__(self, model: Model, start: Array) -> None:
        problem = model.problem
        n = len(problem.response)
        rows = np.unique(np.linspace(0, n - 1, min(n, MOST_ROWS)).round().astype(int))
        self.start, self.problem = start, problem
        self.missing = np.isnan(start)
        self.batch = _shared_rows(model, rows)
        self.linear = np.zeros(len(start), dtype=np.bool_)
        self.sampled: dict[str, tuple[npt.NDArray[np.intp], Reach]] = {}
        slots = _linear_slots(problem)
        names: list[str] = []
        for slot in self.batch.rows.moving:
            places = _places(slot.position, slot.positions)
            places = places[self.missing[places]]
            if slot.name in slots:
                self.linear[places] = True
            elif places.size:
                names.append(slot.name)
        known = self._known(problem, rows)
        target = self.batch.response
        found = reaches(
            problem.formula.rhs,
            known,
            frozenset(s.name for s in problem.slots if s.name not in known),
            target[:, 0],
        )
        for slot in self.batch.rows.moving:
            if slot.name in names:
                places = _places(slot.position, slot.positions)
                places = places[self.missing[places]]
                self.sampled[slot.name] = places, found[slot.name]

    def _known(self, problem: Problem, rows: npt.NDArray[np.intp]) -> dict[str, Array]:
        """Return what is data here: columns, and slots with a value."""
        known = {name: column[rows] for name, column in problem.columns.items()}
        for slot in problem.slots:
            if slot.kind in ("fixed", "apart"):
                known[slot.name] = np.array([slot.value])
            elif slot.kind == "free" and not self.missing[slot.position]:
                known[slot.name] = np.array([self.start[slot.position]])
        return known

    def _fill(self, count: int) -> Array:
        """Return points with what is given, and zeros."""
        filled = np.where(self.missing, 0.0, self.start)
        return np.repeat(filled[:, None], count, axis=1)

    def _solved(self, points: Array) -> tuple[Array, Array]:
        """Return clipped points with the linear parameters solved for; and sums."""
        points = self.batch.clip(points)
        if self.linear.any() and np.count_nonzero(self.linear) <= len(
            self.batch.response
        ):
            return project(self.batch, points, self.linear)
        return points, self.batch.at(points).rss

    def solve_linear(self) -> Array:
        """Return the one point where nothing is left to sample."""
        solved: Array = self._solved(self._fill(1))[0][:, 0]
        return solved

    def sample(self, refined: int) -> Array:
        """Return the best of many samples, `refined` at most."""
        dims = len(self.sampled)
        count = max(SAMPLES[min(dims, len(SAMPLES) - 1)], 4 * refined)
        points = self._fill(count)
        for (places, reach), u in zip(
            self.sampled.values(), _sequence(dims, count), strict=True
        ):
            points[places] = reach.sample(u)
        points, rss = self._solved(points)
        best = list(np.argsort(rss, kind="stable")[: (refined + 1) // 2])
        parts = np.array_split(np.arange(count), max(1, refined // 2))
        best += [part[np.argmin(rss[part])] for part in parts if part.size]
        chosen = np.unique([i for i in best if np.isfinite(rss[i])]).astype(np.intp)
        return points[:, chosen if chosen.size else np.arange(1)]

    def quotient(self) -> list[Array]:
        """Return a point for a formula that is a quotient, each part linear; or none.

        Numerator less response times denominator is linear in all parameters. Its rows
        are weighted by the denominator of the pass before (C. K. Sanathanan, J.
        Koerner, "Transfer function synthesis as a ratio of two complex polynomials",
        1963).
        """
        nodes, slots = self.problem.formula.rhs, self.problem.slots
        top, moving = nodes[-1], frozenset(slot.name for slot in slots)
        if top.kind != "/" or any(slot.kind in ("indexed", "tied") for slot in slots):
            return []
        above, below = (nodes[: operand + 1] for operand in top.operands)
        if max(degree_in(above, moving), degree_in(below, moving)) > 1:
            return []
        at = len(nodes) - 1
        crossed = (
            *nodes[:-1],
            top._replace(kind="name", text=CROSSED, operands=()),
            top._replace(kind="*", operands=(top.operands[1], at)),
            top._replace(kind="-", operands=(top.operands[0], at + 1)),
        )
        rows = RowFunction(_with(self.problem, crossed, CROSSED))
        bottom = RowFunction(_with(self.problem, below))
        batch = self.batch._replace(
            rows=rows,
            columns=(*self.batch.columns, self.batch.response),
            response=np.zeros_like(self.batch.response),
        )
        point = self._fill(1)
        for _ in range(QUOTIENT_PASSES):
            point, _ = project(batch, self._fill(1), self.missing)
            size = np.abs(bottom.value(*self.batch.slots(point)))
            if not (np.isfinite(size).all() and size.all()):
                return []
            batch = batch._replace(root=self.batch.root / size[:, None])
        return [point]

    def refine(self, points: Array, passes: int) -> Array:
        """Descend from points; return distinct ends, the lowest first."""
        linear = self.linear if self.linear.any() else None
        ends, rss, _ = descend(self.batch, points, most=passes, linear=linear)
        return _distinct(ends, rss)

    def merge(self, points: Array, more: Array) -> Array:
        """Return both, distinct, the lowest first."""
        ends = np.concatenate([points, self.refine(more, FIRST_PASSES)], axis=1)
        return _distinct(ends, self.batch.at(ends).rss)

    def scan(self, points: Array) -> Array:
        """Vary one parameter at a time; return the best of each scan."""
        trials = []
        for places, reach in self.sampled.values():
            each = np.repeat(points, SCAN_VALUES, axis=1)
            each[places] = np.tile(reach.scan(SCAN_VALUES), points.shape[1])
            trials.append(each)
        solved, rss = self._solved(np.concatenate(trials, axis=1))
        by_scan = rss.reshape(-1, SCAN_VALUES)
        best = by_scan.argmin(axis=1) + SCAN_VALUES * np.arange(len(by_scan))
        return solved[:, best[np.isfinite(rss[best])]]


def _distinct(points: Array, rss: Array) -> Array:
    """Return points with different sums of squares, the lowest first."""
    order = np.argsort(rss, kind="stable")
    kept: list[int] = []
    for i in order:
        if not kept or rss[i] > rss[kept[-1]] * (1.0 + SAME):
            kept.append(int(i))
    return points[:, kept]


def _sequence(dims: int, count: int) -> Array:
    """Return `count` points spread evenly over the unit cube, shape (dims, count).

    Weyl's sequence of the powers of the root of ``x^(d+1) = x + 1`` (M. Roberts, "The
    unreasonable effectiveness of quasirandom sequences", 2018).
    """
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (dims + 1))
    steps = root ** -np.arange(1.0, dims + 1.0)
    points: Array = np.mod(0.5 + steps[:, None] * np.arange(1, count + 1), 1.0)
    return points


def _with(problem: Problem, rhs: tuple[Node, ...], extra: str = "") -> Problem:
    """Return a problem with another right-hand side, over one more column."""
    columns = {**problem.columns, extra: problem.response} if extra else problem.columns
    return replace(problem, formula=problem.formula._replace(rhs=rhs), columns=columns)


def _places(
    position: int, positions: npt.NDArray[np.intp] | None
) -> npt.NDArray[np.intp]:
    """Return the parameters a slot takes its value from."""
    return np.array([position]) if positions is None else np.unique(positions)


def _shared_rows(model: Model, rows: npt.NDArray[np.intp]) -> Batch:
    """Return a batch whose members all have these rows."""
    problem = model.problem
    response, root = problem.response[rows], np.ones(len(rows))
    if problem.trials is not None:
        response = response / problem.trials[rows]
    if model.loss.name == "poisson":
        root = 1.0 / np.sqrt(np.maximum(response, 0.0) + 1.0)
    elif problem.sigma is not None:
        root = 1.0 / problem.sigma[rows]
    elif problem.weight is not None:
        root = np.sqrt(problem.weight[rows])
    function = RowFunction(problem)
    return Batch(
        rows=function,
        columns=tuple(column[rows, None] for column in problem.columns.values()),
        response=response[:, None],
        root=root[:, None],
        positions=tuple(
            np.array(slot.position)
            if slot.positions is None
            else slot.positions[rows, None]
            for slot in function.moving
        ),
        n_params=len(problem.names),
        lower=np.array([[p.lower] for p in problem.parameters]),
        upper=np.array([[p.upper] for p in problem.parameters]),
    )
