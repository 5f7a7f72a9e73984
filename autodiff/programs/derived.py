"""A function of leaves that runs through programs, and carries gradient.

`Derived` is a function's tree of paths together with the steps that derive what is to
be run from each recorded program: none for the function itself, "reverse" for its
adjoint, and so on. Called on plain values it runs. Called on tensors that carry
gradient it is one entry of the graph, whose own derivative is another `Derived`, so
that every order works; called in a function that is being recorded, its instructions
join that program.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import GraphError
from autodiff.programs.paths import Path, Paths, Steps, plain
from autodiff.programs.recording import Leaves
from autodiff.rule import Rule, Shape, pack, unpack


class Derived:
    """A function's paths with the steps to what is run.

    Parameters
    ----------
    paths
        Of the function.
    steps
        See `paths.Steps`.
    """

    def __init__(self, paths: Paths, steps: Steps = ()):
        self.paths, self.steps = paths, steps

    def then(
        self, method: str, flags: Sequence[bool], *options: bool, **more: Any
    ) -> Derived:
        """Return what one more step makes of it.

        flags are of the function's own leaves; captured= and extra= of what stands
        behind them, False where left out.
        """
        behind = (tuple(more.get("captured", ())), tuple(more.get("extra", ())))
        step = (method, (tuple(flags), *behind), *options)
        return Derived(self.paths, (*self.steps, step))

    def run(self, leaves: Leaves) -> tuple[Path, list[Any]]:
        """Return the path taken and the outputs, of plain values."""
        return self.paths.run(self.steps, leaves)

    def __call__(self, leaves: Sequence[Any]) -> tuple[Path, list[Any]]:
        """Return the path and the outputs; as tensors where leaves carry gradient."""
        path, outputs = self.run([plain(leaf) for leaf in leaves])
        if not is_tracked(path, leaves):
            return path, outputs
        inputs = with_captured(self.paths, leaves)
        if _core.is_tracing():
            return path, path.derived(self.steps).apply(inputs)
        if not _core.is_recording():
            return path, outputs
        return path, record_call(self, inputs, outputs)

    def pull_back(
        self, inputs: Inputs, seeds: Sequence[Any], needs: Needs
    ) -> list[Any]:
        """Return the adjoints of inputs that are needed, for seeds of the outputs."""
        base, captured, extra = needs
        adjoint = self.then("reverse", base, False, captured=captured, extra=extra)
        return adjoint([*inputs.base, *inputs.extra, *seeds])[1]

    def push_forward(
        self, inputs: Inputs, tangents: Sequence[Any], active: Needs
    ) -> list[Any]:
        """Return tangents of the outputs, for those of inputs that are active."""
        base, captured, extra = active
        forward = self.then("forward", base, False, captured=captured, extra=extra)
        return forward([*inputs.base, *inputs.extra, *tangents])[1]


class Inputs(NamedTuple):
    """The function's own leaves, what it captured, and what steps added."""

    base: list[Any]
    captured: list[Any]
    extra: list[Any]

    def versions(self) -> list[int]:
        """Return how often each was changed in place so far."""
        each = [*self.base, *self.captured, *self.extra]
        return [_core.version(x) for x in each]

    def split(self, each: Sequence[Any]) -> Needs:
        """Return what belongs to each input, in these three parts."""
        n, m = len(self.base), len(self.base) + len(self.captured)
        return tuple(each[:n]), tuple(each[n:m]), tuple(each[m:])


Needs = tuple[tuple[bool, ...], tuple[bool, ...], tuple[bool, ...]]


def with_captured(paths: Paths, leaves: Sequence[Any]) -> list[Any]:
    """Return leaves with what paths captured behind the function's own."""
    n = paths.n_base
    return [*leaves[:n], *paths.captured, *leaves[n:]]


def is_tracked(path: Path, leaves: Sequence[Any]) -> bool:
    """Whether the result of a path carries gradient."""
    return path.is_capturing or any(
        isinstance(x, Tensor) and x.requires_grad for x in leaves
    )


class ProgramCall(Rule):
    """What the graph keeps of a call: how to get from seeds to adjoints."""

    def __init__(self, derived: Any, inputs: Inputs, shapes: list[Shape]):
        self._derived, self._inputs, self._shapes = derived, inputs, shapes
        self._versions = inputs.versions()

    def gradients(self, z_bar: Tensor, needs: list[bool]) -> list[Tensor | None]:
        """Return the adjoint of each input that needs one."""
        self._check_unchanged()
        wanted = [bool(need) for need in needs]
        found = self._derived.pull_back(
            self._inputs, unpack(z_bar, self._shapes), self._inputs.split(wanted)
        )
        rest = iter(found)
        return [as_tensor(next(rest)) if need else None for need in wanted]

    def tangent(self, x_dots: Sequence[Tensor | None], shape: Shape) -> Tensor:
        """Return the tangent of the results, as one vector."""
        self._check_unchanged()
        active = self._inputs.split([x_dot is not None for x_dot in x_dots])
        given = [x_dot for x_dot in x_dots if x_dot is not None]
        found = self._derived.push_forward(self._inputs, given, active)
        return pack([as_tensor(z_dot) for z_dot in found])

    def _check_unchanged(self) -> None:
        """Raise if an input, at which the program will run again, is another now."""
        if self._inputs.versions() != self._versions:
            raise GraphError(
                f"a tensor that {self._derived.paths.name} was called with, or closes "
                "over, has been modified by an inplace operation since; the gradient "
                "needs its value at the call: sweep before changing it, or change a "
                ".clone()"
            )


def part(vector: Tensor, offset: int, shape: Shape) -> Tensor:
    """Return a part of a vector in its shape."""
    if shape == ():
        return vector[offset]
    return _core.reshape(vector[offset : offset + math.prod(shape)], shape)


def record_call(
    derived: Any, inputs: Sequence[Any], outputs: Sequence[Any]
) -> list[Tensor]:
    """Put a call into the graph as one entry; many outputs are views of one."""
    tensors = [as_tensor(x) for x in inputs]
    n, m = derived.paths.n_base, len(derived.paths.captured)
    call = ProgramCall(
        derived,
        Inputs(tensors[:n], tensors[n : n + m], tensors[n + m :]),
        [np.shape(z) for z in outputs],
    )
    packed = pack([_core.from_array(z, copy=False) for z in map(np.asarray, outputs)])
    return unpack(_core.record_custom(call, tensors, packed), call._shapes)
