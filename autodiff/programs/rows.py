"""A function of leaves over many rows: lanes of its programs.

Rows are run in blocks of lanes, with the interpreter's lock released, by one thread or
several; results do not depend on how many. Rows whose choices come out otherwise are
gathered by how they did, and each group runs its own program; a way that is new costs
one recording, whatever the number of rows that take it.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import RowsJob, Tensor
from autodiff.errors import ShapeError, TraceError
from autodiff.programs.derived import part, record_entry
from autodiff.programs.paths import Path, Paths, Steps, plain

Array = np.ndarray[Any, Any]
FEW_ROWS = 16_384  # below, threads cost more than they gain
CHUNK = 64  # blocks between two looks at the keyboard


class RowsRun:
    """One run of a derived program over rows.

    Parameters
    ----------
    paths, steps
        The function, and how to derive what is run.
    leaves
        Arrays: with a first axis of rows where batched, else shared by all rows.
    n_base
        How many leaves are the function's own.
    is_batched
        Of each leaf.
    is_summed
        Of each output: add it up over the rows.
    n_rows
        At least 1.
    threads
        How many, or None: by the number of rows.
    """

    def __init__(
        self,
        paths: Paths,
        steps: Steps,
        leaves: Sequence[Any],
        n_base: int,
        is_batched: Sequence[bool],
        is_summed: Sequence[bool] | None,
        n_rows: int,
        threads: int | None,
    ):
        self.paths, self.steps, self.n_base = paths, steps, n_base
        self.leaves, self.is_batched = list(leaves), list(is_batched)
        self.is_summed, self.n_rows = is_summed, n_rows
        many = os.cpu_count() or 1
        self.threads = threads or (many if n_rows >= FEW_ROWS else 1)
        self.outputs: list[Array] = []

    def row(self, k: int) -> list[Any]:
        """Return the function's own leaves at row k."""
        pairs = zip(self.leaves[: self.n_base], self.is_batched, strict=False)
        return [_point(leaf[k]) if batched else _point(leaf) for leaf, batched in pairs]

    def run(self) -> tuple[Path, list[Any]]:
        """Return a path that was taken, and the outputs."""
        path = self.paths.last or self.paths.new(self.row(0))
        waiting: deque[tuple[Path, Array | None, bool]] = deque([(path, None, False)])
        while waiting:
            path, rows, is_new = waiting.popleft()
            for guard, outcome, group in self._run_group(path, rows):
                found = self.paths.branch(path, guard, outcome)
                first = 0 if rows is None else rows[0]
                if is_new and group[0] == first:  # the row that it was recorded at
                    raise TraceError(self.paths.inconstant(path, guard))
                known = found or self.paths.new(self.row(int(group[0])))
                waiting.append((known, group, found is None))
        return path, [out if out.ndim else out.item() for out in self.outputs]

    def _run_group(
        self, path: Path, rows: Array | None
    ) -> list[tuple[int, float, Array]]:
        """Run rows on a path; return those that are not its own, by what differs."""
        code = path.code(self.steps)
        shapes = code.program.output_shapes
        summed = [False] * len(shapes) if self.is_summed is None else self.is_summed
        self._make_outputs(shapes, summed)
        n = self.n_rows if rows is None else len(rows)
        n_lanes = min(_core.best_lanes(code), _power_of_two(n))
        n_blocks = -(-n // n_lanes)
        places = [
            np.empty((n_blocks, *shape)) if is_sum else out
            for shape, is_sum, out in zip(shapes, summed, self.outputs, strict=True)
        ]
        captured = [np.asarray(v, dtype=np.float64) for v in path.captured_values()]
        inputs = [*self.leaves[: self.n_base], *captured, *self.leaves[self.n_base :]]
        batched = [
            *self.is_batched[: self.n_base],
            *[False] * len(captured),
            *self.is_batched[self.n_base :],
        ]
        job = RowsJob(
            code, inputs, [not b for b in batched], places, summed, n, rows, n_lanes
        )
        run_blocks(job, self.threads)
        for k, is_sum in enumerate(summed):
            if is_sum:
                total = np.empty(shapes[k])
                _core.sum_parts(places[k], total)
                self.outputs[k] += total
        path.n_used += n
        return _groups(job.differs, job.outcome, rows, path)

    def _make_outputs(self, shapes: Sequence[Any], summed: Sequence[bool]) -> None:
        wanted = [
            tuple(shape) if is_sum else (self.n_rows, *shape)
            for shape, is_sum in zip(shapes, summed, strict=True)
        ]
        if not self.outputs:
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


def _point(value: Any) -> Any:
    """Return a row's value as a program takes it: a float or a float64 array."""
    array = np.asarray(value, dtype=np.float64, order="C")
    return array if np.ndim(value) else float(array.item())


def _power_of_two(n: int) -> int:
    """Return the next power of two, at least 8."""
    return max(8, 1 << (n - 1).bit_length())


def _groups(
    differs: Array | None, outcome: Array | None, rows: Array | None, path: Path
) -> list[tuple[int, float, Array]]:
    """Return (guard, outcome, numbers of the rows) for each way that rows differed."""
    if differs is None or outcome is None:
        return []
    at = np.flatnonzero(differs >= 0)
    if at.size == 0:
        return []
    path.n_used -= at.size
    pairs = np.stack([differs[at].astype(np.float64), outcome[at]])
    kinds, which = np.unique(pairs, axis=1, return_inverse=True, equal_nan=True)
    numbers = at if rows is None else rows[at]
    return [
        (int(kinds[0, k]), float(kinds[1, k]), numbers[which.ravel() == k])
        for k in range(kinds.shape[1])
    ]


def run_blocks(job: RowsJob, threads: int) -> None:
    """Run all blocks of a job on so many threads; an interrupt stops them soon."""
    n = job.n_blocks
    try:
        if threads == 1 or n < 2 * threads:
            for first in range(0, n, CHUNK):
                job.run(first, min(first + CHUNK, n))
            return
        from concurrent.futures import ThreadPoolExecutor  # slow to import

        edges = np.linspace(0, n, threads + 1).astype(int)
        with ThreadPoolExecutor(threads) as pool:
            parts = [
                pool.submit(job.run, int(a), int(b))
                for a, b in itertools.pairwise(edges)
            ]
            try:
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
    is_batched
        Of each leaf: has a first axis of rows.
    is_summed
        Of each output: added up over the rows; None: none is.
    """

    def __init__(
        self,
        paths: Paths,
        n_base: int,
        steps: Steps,
        is_batched: tuple[bool, ...],
        is_summed: tuple[bool, ...] | None,
        n_rows: int,
        threads: int | None,
    ):
        self.paths, self.n_base, self.steps = paths, n_base, steps
        self.is_batched, self.is_summed = is_batched, is_summed
        self.n_rows, self.threads = n_rows, threads

    def run(self, leaves: Sequence[Any]) -> tuple[Path, list[Any]]:
        """Return a path that was taken and the outputs, of plain values."""
        run = RowsRun(
            self.paths,
            self.steps,
            [np.asarray(leaf, dtype=np.float64, order="C") for leaf in leaves],
            self.n_base,
            self.is_batched,
            self.is_summed,
            self.n_rows,
            self.threads,
        )
        return run.run()

    def __call__(self, leaves: Sequence[Any]) -> tuple[Path, list[Any]]:
        """Return a path and the outputs; as tensors where leaves carry gradient."""
        path, outputs = self.run([plain(leaf) for leaf in leaves])
        captured = self.paths.captured()
        inputs = [*leaves[: self.n_base], *captured, *leaves[self.n_base :]]
        if not any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
            return path, outputs
        if _core.is_tracing():
            return path, self._record(path, inputs)
        if not _core.is_recording():
            return path, outputs
        return path, record_entry(self, path, inputs, outputs)

    def _record(self, path: Path, inputs: Sequence[Any]) -> list[Tensor]:
        """Put the rows into the program that is being recorded, as a loop."""
        program = path.derived(self.steps)
        if program.guards:
            raise TraceError(
                f"{self.paths.name} chooses by its arguments, at "
                f"{program.guards[0][1]}; mapped over rows inside a function that is "
                "being recorded it cannot. Choose with autodiff.where, or map "
                "outside of compile"
            )
        n_captured = len(path.captured)
        batched = [
            *self.is_batched[: self.n_base],
            *[False] * n_captured,
            *self.is_batched[self.n_base :],
        ]
        summed = self.is_summed or (False,) * len(program.output_shapes)
        order = sorted(range(len(inputs)), key=lambda k: batched[k])
        outputs = sorted(range(len(summed)), key=lambda k: summed[k])
        vector, _, rows, sums, _ = _core.apply_scan(
            program.with_inputs(order).with_outputs(outputs),
            [inputs[k] for k in order],
            self.n_rows,
            batched.count(False),
            0,
            sum(summed),
            False,
        )
        found: list[Any] = [None] * len(summed)
        for k, at in zip(outputs, [*rows, *sums], strict=True):
            shape = program.output_shapes[k]
            found[k] = part(vector, at, shape if summed[k] else (self.n_rows, *shape))
        return found

    def pull_back(
        self,
        path: Path,
        inputs: Sequence[Tensor],
        seeds: Sequence[Any],
        needs: list[bool],
    ) -> list[Any]:
        """Return the adjoint of each input that is needed, for seeds of the outputs.

        Those of shared inputs are added up in the blocks; no row's own is kept.
        """
        n_captured = len(path.captured)
        if n_captured and len(self.paths.all) > 1:
            raise TraceError(
                f"{self.paths.name} closes over tensors that carry gradient and "
                "chooses by its arguments; pass these tensors as arguments"
            )
        rest = self.n_base + n_captured
        batched = (
            *self.is_batched[: self.n_base],
            *(False,) * n_captured,
            *self.is_batched[self.n_base :],
        )
        n_outputs = len(path.derived(self.steps).output_shapes)
        seed_batched = tuple(not s for s in self.is_summed or (False,) * n_outputs)
        adjoint = RowsDerived(
            self.paths,
            self.n_base,
            (*self.steps, ("reverse", tuple(needs), False)),
            (*self.is_batched, *seed_batched),
            tuple(not b for b, need in zip(batched, needs, strict=True) if need),
            self.n_rows,
            self.threads,
        )
        _, found = adjoint([*inputs[: self.n_base], *inputs[rest:], *seeds])
        each = iter(found)
        return [next(each) if need else None for need in needs]
