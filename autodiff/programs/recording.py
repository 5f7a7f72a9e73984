"""A Python function recorded at a point, as a program with what it needs to be called.

The arguments' leaves become inputs; tensors of outside that carry gradient become
inputs behind them (`Recorded.captured`), read anew at each call. Everything else that
the function reads is a constant of the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from autodiff import _core, tree
from autodiff._core import Program, Tensor
from autodiff.creation import as_tensor

Leaves = Sequence[Any]


class Recorded(NamedTuple):
    """A program, the structure of the function's result, and tensors of outside."""

    program: Program
    structure: tree.Structure
    captured: list[Tensor]


def record(
    function: Callable[[list[Tensor]], Any],
    leaves: Leaves,
    name: str,
    families: dict[Any, Any] | None = None,
    *,
    is_open: bool = False,
) -> Recorded:
    """Run a function of a list of tensors once and return what it did.

    Parameters
    ----------
    function
        Takes the list of tensors, returns a tree of numbers, arrays and tensors.
    leaves
        Floats and arrays, at which to run it.
    name
        What to call the function in an error.
    families
        What earlier recordings of the function found out about its loops, to be added
        to; by default what the recording around this one has.
    is_open
        Leave guards out of the program.

    Returns
    -------
    The program, with guards for the choices that the function made; the structure of
    its result; and the tensors of outside that it read, whose inputs stand last.

    Raises
    ------
    TypeError
        When the result is not made of numbers.
    TraceError
        When the function asks for a value that depends on the leaves as a plain number.
    """
    recording = _core.Recording()
    recording.families = families
    inputs = [recording.input(leaf) for leaf in leaves]
    recording.begin()
    try:
        result = function(inputs)
        where = f"the result of {name}"
        if result is None:
            raise TypeError(f"{where} is None; expected numbers. Is a return missing?")
        outputs, structure = tree.flatten(result, where)
        tensors = [as_tensor(output) for output in outputs]
        program = recording.finish(tensors, not is_open)
    finally:
        recording.end()
    return Recorded(program, structure, recording.captured)
