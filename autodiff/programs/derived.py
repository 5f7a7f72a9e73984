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
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.programs.paths import Path, Paths, Steps, plain
from autodiff.programs.recording import Leaves
from autodiff.rule import Rule


class Derived:
    """A function's paths with the steps to what is run.

    Parameters
    ----------
    paths
        Of the function.
    n_base
        How many leaves the function itself takes.
    steps
        See `paths.Steps`.
    """

    def __init__(self, paths: Paths, n_base: int, steps: Steps = ()):
        self.paths, self.n_base, self.steps = paths, n_base, steps

    def then(self, *step: Any) -> Derived:
        """Return what one more step makes of it."""
        return Derived(self.paths, self.n_base, (*self.steps, step))

    def run(self, leaves: Leaves) -> tuple[Path, list[Any]]:
        """Return the path taken and the outputs, of plain values."""
        return self.paths.run(self.steps, leaves, self.n_base)

    def __call__(self, leaves: Sequence[Any]) -> tuple[Path, list[Any]]:
        """Return the path and the outputs; as tensors where leaves carry gradient."""
        path, outputs = self.run([plain(leaf) for leaf in leaves])
        inputs = self._inputs(path, leaves)
        if not any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
            return path, outputs
        if _core.is_tracing():
            return path, path.derived(self.steps).apply(inputs)
        if not _core.is_recording():
            return path, outputs
        return path, record_entry(self, path, inputs, outputs)

    def _inputs(self, path: Path, leaves: Leaves) -> list[Any]:
        return [*leaves[: self.n_base], *path.captured, *leaves[self.n_base :]]

    def pull_back(
        self,
        path: Path,
        inputs: Sequence[Tensor],
        seeds: Sequence[Any],
        needs: list[bool],
    ) -> list[Any]:
        """Return the adjoint of each input that is needed, for seeds of the outputs."""
        adjoint = self.then("reverse", tuple(needs), False)
        n_captured = len(path.captured)
        leaves = [*inputs[: self.n_base], *inputs[self.n_base + n_captured :], *seeds]
        _, found = adjoint(leaves)
        rest = iter(found)
        return [next(rest) if need else None for need in needs]


class Entry(Rule):
    """What the graph keeps of a call: how to get from seeds to adjoints."""

    def __init__(
        self,
        derived: Any,
        path: Any,
        inputs: list[Tensor],
        shapes: list[tuple[int, ...]],
    ):
        self._derived, self._path = derived, path
        self._inputs, self._shapes = inputs, shapes

    def name(self) -> str:
        """Return the name of the graph's node."""
        return f"{self._derived.paths.name}Backward"

    def gradients(self, z_bar: Tensor, needs: Sequence[bool]) -> list[Any]:
        """Return a tensor, or None, for each input."""
        seeds = unpack(z_bar, self._shapes)
        found = self._derived.pull_back(
            self._path, self._inputs, seeds, [bool(need) for need in needs]
        )
        return [None if g is None else as_tensor(g) for g in found]


def unpack(flat: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Return the parts of a vector, in their shapes."""
    parts, at = [], 0
    for shape in shapes:
        parts.append(part(flat, at, shape))
        at += math.prod(shape)
    return parts


def part(vector: Tensor, offset: int, shape: tuple[int, ...]) -> Tensor:
    """Return a part of a vector in its shape."""
    if shape == ():
        return vector[offset]
    return _core.reshape(vector[offset : offset + math.prod(shape)], shape)


def record_entry(
    derived: Any, path: Any, inputs: Sequence[Any], outputs: Sequence[Any]
) -> list[Tensor]:
    """Put a call into the graph as one entry; its outputs are views of that."""
    tensors = [as_tensor(x) for x in inputs]
    shapes = [np.shape(z) for z in outputs]
    flat = np.concatenate([np.ravel(z) for z in outputs]) if outputs else np.empty(0)
    entry = Entry(derived, path, tensors, shapes)
    return unpack(
        _core.record_custom(entry, tensors, _core.from_array(flat, copy=False)), shapes
    )
