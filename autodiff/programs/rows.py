"""A function of leaves over many rows: lanes of its programs.

Rows are run in blocks of lanes, with the interpreter's lock released, by one thread or
several; results do not depend on how many. Where a function has several paths, rows are
sorted by the guards of each, and each path runs its program on its own rows; a way that
is new costs one recording, whatever the number of rows that take it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Code, Program, RouteJob, RowsJob, Tensor
from autodiff.errors import LinAlgError, ShapeError
from autodiff.programs.derived import Inputs, Needs, part, record_call, with_captured
from autodiff.programs.families import guard_known
from autodiff.programs.joined import Joined, deciding_of, joined_of, with_unknown
from autodiff.programs.paths import Path, Paths, Steps, plain

Array = np.ndarray[Any, Any]
FEW_ROWS = 16_384  # below, threads cost more than they gain
CHUNK = 64  # blocks between two looks at the keyboard
CORES = os.cpu_count() or 1
LOOK_UP = 0.1  # seconds between looks for an interrupt while threads work


class RowsRun:
    """One run of a derived program over rows.

    Parameters
    ----------
    paths, steps
        The function, and how to derive what is run.
    leaves
        Arrays: with a first axis of rows where batched, else shared by all rows.
    is_batched
        Of each leaf.
    is_summed
        Of each output: add it up over the rows.
    n_rows
        At least 1.
    threads
        How many, or None: by the number of rows.
    path_of
        By number of row: which of paths.all it takes, or -1; as another run at the same
        values left it. Of what that run found out nothing is asked again.
    """

    def __init__(
        self,
        paths: Paths,
        steps: Steps,
        leaves: Sequence[Any],
        is_batched: Sequence[bool],
        is_summed: Sequence[bool] | None,
        n_rows: int,
        threads: int | None,
        path_of: Array | None = None,
    ):
        self.paths, self.steps = paths, steps
        self.path_of = path_of
        self.leaves, self.is_batched = list(leaves), list(is_batched)
        self.is_summed, self.n_rows = is_summed, n_rows
        self.threads = threads or (CORES if n_rows >= FEW_ROWS else 1)
        self.outputs: list[Array] = []
        self.is_capturing = False
        self.taken: Path | None = None

    def row(self, k: int) -> list[Any]:
        """Return the leaves at row k."""
        pairs = zip(self.leaves, self.is_batched, strict=True)
        return [_point(leaf[k]) if batched else _point(leaf) for leaf, batched in pairs]

    def run(self) -> tuple[Path, list[Any]]:
        """Return a path that was taken, and the outputs."""
        path = self.paths.last or self._first()
        left = None if self.path_of is not None else self._run_as_one(path)
        while left is None or left.size > 0:
            left = self._route(left)
        assert self.taken is not None
        return self.taken, [out if out.ndim else out.item() for out in self.outputs]

    def _first(self) -> Path:
        with naming(0, self.paths.name):
            return self.paths.first(self.row(0))

    def _run_as_one(self, path: Path) -> Array | None:
        """Run all rows by one program; return those it is not right for; None: all."""
        if len(self.paths.all) == 1:
            return self._run_straight(path)
        if not any(self.is_batched[: self.paths.n_base]):  # all choose alike
            with naming(0, self.paths.name):
                path = self.paths.find(self.row(0))
            return self._run_straight(path, path.bare_code(self.steps))
        with naming(0, self.paths.name):
            joined = joined_of(self.paths, self.row(0))
        return self._run_joined(joined) if joined else None

    def _route(self, rows: Array | None) -> Array:
        """Run rows, each on its path; record new ones; return those still to be run."""
        known = list(self.paths.all)
        shapes = known[0].derived(self.steps).output_shapes
        n = self.n_rows if rows is None else len(rows)
        if any(p.derived(self.steps).output_shapes != shapes for p in known):
            return self._one_by_one(range(n) if rows is None else rows)
        summed = self._make_outputs(shapes)
        places = self._places(_core.route_chunks(n), shapes, summed)
        inputs, is_shared = self._inputs()
        if self.path_of is None:
            self.path_of = self._decide()
        job = RouteJob(
            [path.guards_code() for path in known],
            [path.bare_code(self.steps) for path in known],
            [inputs] * len(known),
            [is_shared] * len(known),
            places,
            summed,
            n,
            rows,
            self.paths.turns(known),
            self.path_of,
        )
        try:
            run_blocks(job, self.threads)
        except LinAlgError:
            return self._one_by_one(range(n) if rows is None else rows)
        self._add_sums(places, summed)
        for path, count in zip(known, job.counts, strict=True):
            self._count(path, int(count))
        lost = np.flatnonzero(job.lost_path >= 0)
        left = lost if rows is None else rows[lost]
        ways = np.stack([job.lost_path[lost], job.guard[lost], job.outcome[lost]])
        return self._record_lost(left, ways, len(known))

    def _decide(self) -> Array:
        """Return the number of each row's path, -1 where it is not known yet."""
        code = deciding_of(self.paths, self.row(0))
        if code is None:
            return np.full(self.n_rows, -1, np.int32)
        numbers = np.empty(self.n_rows)
        n = len(code.program.input_shapes)
        inputs, is_shared = self._inputs()
        n_lanes = min(_core.best_lanes(code), _power_of_two(self.n_rows))
        job = RowsJob(
            code,
            inputs[:n],
            is_shared[:n],
            [numbers],
            [False],
            self.n_rows,
            None,
            n_lanes,
        )
        run_blocks(job, self.threads)
        return numbers.astype(np.int32)

    def _record_lost(self, rows: Array, ways: Array, n_known: int) -> Array:
        """Run one row of each way in which rows were lost alone; return the rest."""
        is_left = np.ones(rows.size, bool)
        rest = np.arange(rows.size)
        while rest.size > 0:
            k = rest[0]
            self._at_point(int(rows[k]))
            is_left[k] = False
            same = (ways[:, rest] == ways[:, k : k + 1]) | (
                np.isnan(ways[:, rest]) & np.isnan(ways[:, k : k + 1])
            )
            rest = rest[~same.all(axis=0)]
        left: Array = rows[is_left]
        if len(self.paths.all) == n_known:  # it hangs on the last digit
            return self._one_by_one(left)
        return left

    def _one_by_one(self, rows: Iterable[int]) -> Array:
        for row in rows:
            self._at_point(int(row))
        return np.empty(0, np.int64)

    def _inputs(self) -> tuple[list[Array], list[bool]]:
        """Return what programs take, and whether rows share it."""
        captured = [np.asarray(v, np.float64) for v in self.paths.captured_values()]
        n = self.paths.n_base
        is_shared = [not batched for batched in self.is_batched]
        return (
            [*self.leaves[:n], *captured, *self.leaves[n:]],
            [*is_shared[:n], *[True] * len(captured), *is_shared[n:]],
        )

    def _places(
        self, n_parts: int, shapes: Sequence[Any], summed: Sequence[bool]
    ) -> list[Array]:
        """Return where outputs are written: parts of sums, or the outputs."""
        return [
            np.zeros((n_parts, *shape)) if is_sum else out
            for shape, is_sum, out in zip(shapes, summed, self.outputs, strict=True)
        ]

    def _add_sums(self, places: list[Array], summed: Sequence[bool]) -> None:
        for k, is_sum in enumerate(summed):
            if is_sum:
                total = np.empty(places[k].shape[1:])
                _core.sum_parts(places[k], total)
                self.outputs[k] += total

    def _at_point(self, row: int) -> None:
        """Run one row by itself, recording its path if it is new.

        What is right for a row is what the function in Python chooses there. Where a
        choice hangs on the last digit, lanes, whose functions round otherwise, may not
        agree with that; a run over one point does.
        """
        with naming(row, self.paths.name):
            path, found = self.paths.run(self.steps, self.row(row))
        self._make_outputs([np.shape(z) for z in found])
        self._take(path)
        if self.path_of is not None and path in self.paths.all:
            self.path_of[row] = self.paths.all.index(path)
        for k, (z, out) in enumerate(zip(found, self.outputs, strict=True)):
            if self.is_summed is not None and self.is_summed[k]:
                out += z
            else:
                out[row] = z

    def _run_straight(self, path: Path, code: Code | None = None) -> Array:
        """Run all rows on a path; return those that are not its own."""
        try:
            lost, _ = self._run_code(code or path.code(self.steps))
        except LinAlgError:  # of one lane, perhaps of a row that is not of this path
            return self._one_by_one(range(self.n_rows))
        self._count(path, self.n_rows - lost.size)
        if lost.size > 0:
            self.path_of = np.full(self.n_rows, self.paths.all.index(path), np.int32)
            self.path_of[lost] = -1
        return lost

    def _run_joined(self, joined: Joined) -> Array:
        """Run all rows on all paths at once; return those of which none is known."""
        if self.steps:  # whose rows were counted when the function itself was run
            lost, _ = self._run_code(joined.path.code(self.steps))
            self._take(joined.known[0])
            self.is_capturing |= any(path.is_capturing for path in joined.known)
            return lost
        code = joined.counting.code(())
        lost, counts = self._run_code(code, len(joined.known))
        for path, count in zip(joined.known, counts, strict=True):
            self._count(path, count)
        return lost

    def _run_code(self, code: Code, n_counts: int = 0) -> tuple[Array, list[int]]:
        """Run all rows; return those whose guards differ, and sums of last outputs."""
        n, shapes = self.n_rows, code.program.output_shapes
        summed = self._make_outputs(shapes[: len(shapes) - n_counts])
        n_lanes = min(_core.best_lanes(code), _power_of_two(n))
        n_parts = -(-n // n_lanes)
        places = self._places(n_parts, shapes[: len(summed)], summed)
        counts = [np.zeros(n_parts) for _ in range(n_counts)]
        inputs, is_shared = self._inputs()
        job = RowsJob(
            code,
            inputs,
            is_shared,
            [*places, *counts],
            [*summed, *[True] * n_counts],
            n,
            None,
            n_lanes,
        )
        run_blocks(job, self.threads)
        self._add_sums(places, summed)
        differs = np.empty(0) if job.differs is None else job.differs
        return np.flatnonzero(differs >= 0), [int(each.sum()) for each in counts]

    def _count(self, path: Path, n_rows: int) -> None:
        """Note that so many rows took a path."""
        if n_rows > 0:
            self._take(path)
            path.n_rows += 0 if self.steps else n_rows

    def _take(self, path: Path) -> None:
        """Note that rows took a path; its results must be like those of others."""
        self.is_capturing |= path.is_capturing
        if self.taken is None:
            self.taken = path
        if path.structure != self.taken.structure:
            raise TypeError(
                f"{self.paths.name} returns {self.taken.structure!r} for some rows and "
                f"{path.structure!r} for others; the results of all rows must have one "
                "structure"
            )

    def _make_outputs(self, shapes: Sequence[Any]) -> Sequence[bool]:
        """Make room for outputs of these shapes; return which are added up."""
        summed = [False] * len(shapes) if self.is_summed is None else self.is_summed
        wanted = [
            tuple(shape) if is_sum else (self.n_rows, *shape)
            for shape, is_sum in zip(shapes, summed, strict=True)
        ]
        if self.taken is None:  # what a path left there that no row took is nothing
            self.outputs = [
                np.zeros(shape) if is_sum else np.empty(shape)
                for shape, is_sum in zip(wanted, summed, strict=True)
            ]
        elif [out.shape for out in self.outputs] != wanted:
            raise ShapeError(
                f"{self.paths.name} returns {wanted} for some rows and "
                f"{[out.shape for out in self.outputs]} for others; the results of all "
                "rows must have one shape"
            )
        return summed


@contextlib.contextmanager
def naming(row: int, name: str) -> Iterator[None]:
    """Add the number of a row to errors of the function."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in row {row} of those that {name} was mapped over")
        raise


def _point(value: Any) -> Any:
    """Return a row's value as a program takes it: a float or a float64 array."""
    array = np.asarray(value, dtype=np.float64, order="C")
    return array if np.ndim(value) else float(array.item())


def _power_of_two(n: int) -> int:
    """Return the next power of two, at least 8."""
    return max(8, 1 << (n - 1).bit_length())


def run_blocks(job: RowsJob | RouteJob, threads: int) -> None:
    """Run all blocks of a job on so many threads; an interrupt stops them soon."""
    n = job.n_blocks
    try:
        if threads == 1 or n < 2 * threads:
            for first in range(0, n, CHUNK):
                job.run(first, min(first + CHUNK, n))
            return
        from concurrent.futures import ThreadPoolExecutor, wait  # slow to import

        edges = np.linspace(0, n, threads + 1).astype(int)
        with ThreadPoolExecutor(threads) as pool:
            try:
                parts = [
                    pool.submit(job.run, int(a), int(b))
                    for a, b in itertools.pairwise(edges)
                ]
                # A signal that comes just before a wait does not end it: look up often.
                while wait(parts, timeout=LOOK_UP).not_done:
                    pass
                for part in parts:
                    part.result()
            except BaseException:
                job.cancel()
                raise
    except BaseException:
        job.cancel()
        raise


class RowsDerived:
    """A function's paths over rows, with the steps to what is run; as `Derived`.

    Parameters
    ----------
    paths, steps
        As for `Derived`; the function is of one row.
    is_batched
        Of each leaf: has a first axis of rows, n_rows long.
    is_summed
        Of each output: added up over the rows, in the shape of one row; None: none is.
    n_rows
        How many rows there are, at least 1.
    threads
        How many run them; None: all cores for many rows. Results do not depend on it.
    """

    def __init__(
        self,
        paths: Paths,
        steps: Steps,
        is_batched: tuple[bool, ...],
        is_summed: tuple[bool, ...] | None,
        n_rows: int,
        threads: int | None,
        path_of: Array | None = None,
    ):
        self.paths, self.steps = paths, steps
        self.path_of = path_of  # of the last call, for derivatives at its values
        self.is_batched, self.is_summed = is_batched, is_summed
        self.n_rows, self.threads = n_rows, threads

    def __call__(self, leaves: Sequence[Any]) -> tuple[Path, list[Any]]:
        """Return a path and the outputs; as tensors where leaves carry gradient."""
        run = RowsRun(
            self.paths,
            self.steps,
            [np.asarray(plain(leaf), np.float64, order="C") for leaf in leaves],
            self.is_batched,
            self.is_summed,
            self.n_rows,
            self.threads,
            self.path_of,
        )
        path, outputs = run.run()
        self.path_of = run.path_of
        is_tracked = run.is_capturing or any(
            isinstance(x, Tensor) and x.requires_grad for x in leaves
        )
        if not is_tracked:
            return path, outputs
        inputs = with_captured(self.paths, leaves)
        if _core.is_tracing():
            return path, self._record(path, inputs)
        if not _core.is_recording():
            return path, outputs
        return path, record_call(self, inputs, outputs)

    def _record(self, path: Path, inputs: Sequence[Any]) -> list[Tensor]:
        """Put the rows into the program that is being recorded, as a loop."""
        program, n_base = path.derived(self.steps), self.paths.n_base
        batched = [
            *self.is_batched[:n_base],
            *[False] * len(self.paths.captured),
            *self.is_batched[n_base:],
        ]
        chooses = False
        if not any(self.is_batched[:n_base]):  # all rows choose alike: once, out here
            path.derived(()).apply(inputs[: n_base + len(self.paths.captured)])
        elif any(known.guards for known in self.paths.all):
            pairs = zip(inputs, batched, strict=True)
            point = [_point(plain(x)[0] if is_row else plain(x)) for x, is_row in pairs]
            program, chooses = with_unknown(self.paths, path, self.steps, point)
        n = len(program.output_shapes) - chooses
        summed = [*(self.is_summed or [False] * n)]
        if chooses:  # in a loop of its own, for outputs may turn out not to be needed
            count = self._record_loop(program, inputs, batched, [n], [True])
            guard_known(_core.apply_row("_gt", count[0], 0.0))
        outputs = list(range(n))
        return self._record_loop(program, inputs, batched, outputs, summed)

    def _record_loop(
        self,
        program: Program,
        inputs: Sequence[Any],
        batched: Sequence[bool],
        outputs: Sequence[int],
        summed: Sequence[bool],
    ) -> list[Tensor]:
        """Run a program for each row, in a loop; return outputs, or their sums."""
        shapes = program.output_shapes
        order = sorted(range(len(inputs)), key=lambda k: batched[k])
        placed = sorted(range(len(outputs)), key=lambda k: summed[k])
        vector, _, rows, sums, _ = _core.apply_scan(
            program.with_inputs(order).with_outputs(
                [outputs[k] for k in placed], False
            ),
            [inputs[k] for k in order],
            self.n_rows,
            batched.count(False),
            0,
            sum(summed),
            False,
        )
        found: dict[int, Tensor] = {}
        for k, at in zip(placed, [*rows, *sums], strict=True):
            shape = shapes[outputs[k]]
            found[k] = part(vector, at, shape if summed[k] else (self.n_rows, *shape))
        return [found[k] for k in range(len(outputs))]

    def pull_back(
        self, inputs: Inputs, seeds: Sequence[Any], needs: Needs
    ) -> list[Any]:
        """Return the adjoints of inputs that are needed, for seeds of the outputs.

        Those of shared inputs are added up in the blocks; no row's own is kept.
        """
        base, captured, extra = needs
        n_base = self.paths.n_base
        is_shared = (
            *(not b for b in self.is_batched[:n_base]),
            *(True,) * len(captured),
            *(not b for b in self.is_batched[n_base:]),
        )
        flags = (*base, *captured, *extra)
        summed = self.is_summed or (False,) * len(seeds)
        adjoint = RowsDerived(
            self.paths,
            (*self.steps, ("reverse", (base, captured, extra), False)),
            (*self.is_batched, *(not s for s in summed)),
            tuple(s for s, need in zip(is_shared, flags, strict=True) if need),
            self.n_rows,
            self.threads,
            self.path_of,
        )
        return adjoint([*inputs.base, *inputs.extra, *seeds])[1]

    def push_forward(
        self, inputs: Inputs, tangents: Sequence[Any], active: Needs
    ) -> list[Any]:
        """Return tangents of the outputs, for those of inputs that are active."""
        base, captured, extra = active
        n_base = self.paths.n_base
        batched = (
            *self.is_batched[:n_base],
            *(False,) * len(captured),
            *self.is_batched[n_base:],
        )
        flags = (*base, *captured, *extra)
        forward = RowsDerived(
            self.paths,
            (*self.steps, ("forward", (base, captured, extra), False)),
            (*self.is_batched, *(b for b, a in zip(batched, flags, strict=True) if a)),
            self.is_summed,
            self.n_rows,
            self.threads,
            self.path_of,
        )
        return forward([*inputs.base, *inputs.extra, *tangents])[1]
