"""The seam between transforms and what differentiates: a flat function at a point.

`linearize` is the only way by which a transform comes to a derivative. It takes a
function of a list of tensors that returns a list of tensors, and a list of values; it
returns the outputs and the derivative as a linear map, which `Linear.pull_back` applies
from outputs to inputs and `Linear.push_forward` the other way. Trees, argnums, aux and
shapes stand above it.

There are two engines. Usually the function is recorded on this thread's tape between
inputs of its own, and swept. Where this thread records a program (`compile`, `vmap`),
the function becomes a program of its own, which is derived and applied there:
`RecordedLinear`.

Invariants. Inputs are new entries, so an inner transform never takes an outer input for
its own, and its sweeps end at them: nested transforms do not mix, nobody's ``.grad`` is
touched and nobody's graph is freed. `Linear.is_tracked` says that outputs depend on
values that somebody outside differentiates; only then are sweeps recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Program, Tensor
from autodiff.creation import as_tensor
from autodiff.rule import pull_back

FlatFunction = Callable[[list[Tensor]], tuple[list[Tensor], list[Tensor]]]


class Linear:
    """Outputs of a flat function, and its derivative there."""

    others: list[Tensor] | None = None  # in place of those that were handed out

    def __init__(self, outputs: list[Tensor], ends: list[Tensor], is_tracked: bool):
        self.outputs = outputs
        self.is_tracked = is_tracked
        self._ends = ends

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each input."""
        return [end.shape for end in self._ends]

    def pull_back(
        self, seeds: Sequence[Tensor | None], *, is_last: bool = False
    ) -> list[Tensor | None]:
        """Return the adjoint of each input for those of the outputs; None: zero.

        Costs two to four times the function. After is_last=True the graph is gone,
        unless somebody outside needs it.
        """
        pairs = [
            (output, seed)
            for output, seed in zip(self.outputs, seeds, strict=True)
            if seed is not None and output.requires_grad
        ]
        if not pairs:
            return [None] * len(self._ends)
        return pull_back(
            [output for output, _ in pairs],
            [seed for _, seed in pairs],
            self._ends,
            keep=not is_last,
            record=self._is_recorded([seed for _, seed in pairs]),
        )

    def push_forward(self, tangents: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return the tangent of each output for those of the inputs; None: zero.

        Costs one to two times the function.
        """
        live = [k for k, tangent in enumerate(tangents) if tangent is not None]
        reached = [k for k, output in enumerate(self.outputs) if output.requires_grad]
        found: list[Tensor | None] = [None] * len(self.outputs)
        if live and reached:
            given = [tangents[k] for k in live]
            swept = _core.sweep_tangent(
                [self.outputs[k] for k in reached],
                [self._ends[k] for k in live],
                given,
                create_graph=self._is_recorded(given),
            )
            for k, tangent in zip(reached, swept, strict=True):
                found[k] = tangent
        return found

    def _is_recorded(self, seeds: Sequence[Tensor | None]) -> bool:
        if not _core.is_recording():
            return False
        return self.is_tracked or any(s is not None and s.requires_grad for s in seeds)


def linearize(function: FlatFunction, values: Sequence[Any]) -> Linear:
    """Run a flat function and return its outputs with its derivative.

    Parameters
    ----------
    function
        Of a list of tensors, which it may change in place; returns the outputs and any
        other tensors it hands out, for which only `is_tracked` is asked.
    values
        Tensors, floats or arrays, at which to differentiate.

    Notes
    -----
    Costs one call of the function, which records it. Sweeps are `Linear`'s methods.
    """
    if _core.is_tracing():
        return linearize_recorded(function, values)
    records = _core.is_recording()
    n_leaves = _core.leaf_count()
    ends, arguments = _core.open_inputs(list(values) or [0.0])
    del arguments[len(values) :]
    outputs, others = _core.call_recorded(function, [arguments], is_transform=True)
    is_tracked = records and (
        any(isinstance(v, Tensor) and v.requires_grad for v in values)
        or closes_over([*outputs, *others], ends, n_leaves)
    )
    return Linear(outputs, ends[: len(values)], is_tracked)


class RecordedLinear(Linear):
    """The same in a function that is being recorded as a program.

    The inner function is a program of its own; its outputs and its derivatives join the
    recording by being applied there, choices (guards) included.
    """

    def __init__(self, program: Program, inputs: list[Tensor], n: int, n_outputs: int):
        found = program.apply(inputs)
        is_tracked = any(x.requires_grad for x in inputs)
        super().__init__(found[:n_outputs], inputs[:n], is_tracked)
        self.others = found[n_outputs:]
        self._program = program.with_outputs(list(range(n_outputs)))
        self._inputs, self._n = inputs, n

    def pull_back(
        self, seeds: Sequence[Tensor | None], *, is_last: bool = False
    ) -> list[Tensor | None]:
        """Return the adjoint of each input for those of the outputs."""
        wanted = [k < self._n for k in range(len(self._inputs))]
        adjoint = self._program.reverse(wanted, False)
        return list(adjoint.apply([*self._inputs, *self._filled(seeds, self.outputs)]))

    def push_forward(self, tangents: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return the tangent of each output for those of the inputs."""
        active = [tangent is not None for tangent in tangents]
        rest = [False] * (len(self._inputs) - self._n)
        given = [tangent for tangent in tangents if tangent is not None]
        tangent_program = self._program.forward([*active, *rest], False)
        return list(tangent_program.apply([*self._inputs, *given]))

    def _filled(
        self, seeds: Sequence[Tensor | None], like: Sequence[Tensor]
    ) -> list[Tensor]:
        pairs = zip(seeds, like, strict=True)
        return [as_tensor(np.zeros(z.shape)) if s is None else s for s, z in pairs]


def linearize_recorded(function: FlatFunction, values: Sequence[Any]) -> Linear:
    """Do what `linearize` does, where this thread records a program.

    The inner program's outputs and derivatives become instructions of the outer one;
    tensors that the function closes over are inputs behind its own.
    """
    inputs = [as_tensor(value) for value in values]
    recording = _core.Recording()
    tensors = [recording.input(_core.peek(x)) for x in inputs]
    recording.begin()
    try:
        outputs, others = function(tensors)
        program = recording.finish([as_tensor(z) for z in [*outputs, *others]])
    finally:
        recording.end()
    return RecordedLinear(
        program, [*inputs, *recording.captured], len(inputs), len(outputs)
    )


def closes_over(tensors: list[Tensor], ends: list[Tensor], n_leaves: int) -> bool:
    """Whether tensors depend on tracked values other than through ends."""
    if _core.entry_of(ends[0]) == 0 and _core.leaf_count() == n_leaves:
        return False  # nothing else is on the tape
    return _core.reads_outside(tensors, ends)
