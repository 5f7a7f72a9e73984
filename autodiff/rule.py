"""Operations whose derivatives are written in Python: what the graph holds of one.

A `Rule` is the object of a CUSTOM entry. The sweeps call it with tensors; while they
create a graph the tape records, and what a rule computes from tracked values can be
differentiated again. A rule must not hold the result of its own entry: it would keep
the entry alive for ever.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.shape import cat

Shape = tuple[int, ...]


class Rule:
    """The derivative of one call, with respect to the inputs it was recorded with."""

    def name(self) -> str:
        """Return the name of the graph's node."""
        return f"{type(self).__name__}Backward"

    def gradients(self, z_bar: Tensor, needs: list[bool]) -> list[Tensor | None]:
        """Return the adjoint of each input that needs one, for that of the result."""
        raise NotImplementedError

    def tangent(self, x_dots: Sequence[Tensor | None], shape: Shape) -> Tensor:
        """Return the tangent of the result, of this shape, for those of the inputs.

        By default from `gradients`, which is linear in the adjoint: what it is
        multiplied with is found by a sweep through it.
        """
        [end], [z_bar] = _core.open_inputs([np.zeros(shape)])
        needs = [x_dot is not None for x_dot in x_dots]
        x_bars = _core.call_recorded(self.gradients, [z_bar, needs])
        pairs = [
            (x_bar, x_dot)
            for x_bar, x_dot in zip(x_bars, x_dots, strict=True)
            if x_bar is not None and x_dot is not None and x_bar.requires_grad
        ]
        found = None
        if pairs:
            found = pull_back(
                [x_bar for x_bar, _ in pairs], [x_dot for _, x_dot in pairs], [end]
            )[0]
        return zeros(shape) if found is None else found


def pull_back(
    outputs: Sequence[Tensor],
    seeds: Sequence[Tensor],
    ends: Sequence[Tensor],
    *,
    keep: bool = False,
    record: bool | None = None,
) -> list[Tensor | None]:
    """Return adjoints of ends, by a sweep from outputs to them and no further.

    It is recorded with record=True; by default if the tape records. With record=False
    the outputs depend on nothing but ends.
    """
    create = _core.is_recording() if record is None else record
    live = [k for k, x in enumerate(outputs) if x.requires_grad]
    return _core.sweep_reverse(
        [outputs[k] for k in live],
        [seeds[k] for k in live],
        keep or create,
        create,
        inputs=ends,
        accumulate=False,
        is_local=True,
        is_mixed=record is not False,
    )


def zeros(shape: Shape) -> Tensor:
    """Return a passive tensor of zeros."""
    return (
        _core.scalar_tensor(0.0) if shape == () else _core.from_array(np.zeros(shape))
    )


# ---- Several tensors as one ----------------------------------------------------------


def pack(tensors: Sequence[Tensor]) -> Tensor:
    """Return one tensor that holds the elements of all: alone, the tensor itself."""
    if len(tensors) == 1:
        return tensors[0]
    flat = [_core.reshape(x, (_core.size_of(x),)) for x in tensors]
    return cat(flat) if flat else zeros((0,))


def unpack(packed: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
    """Undo `pack` for tensors of these shapes."""
    if len(shapes) == 1:
        return [packed]
    parts, at = [], 0
    for shape in shapes:
        n = math.prod(shape)
        parts.append(_core.reshape(packed[at : at + n], shape))
        at += n
    return parts
