"""Recording a function at one point and running the record at others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import autodiff as ad
from autodiff import _core


class Traced(NamedTuple):
    """A record, and whether its result is to be compared."""

    program: Any
    captured: list[Any]


def trace(function: Callable[..., Any], *at: Any) -> Traced:
    """Record function(*at); its result is a number, a tensor or a tuple of them."""
    recording = _core.Recording()
    recording.begin()
    try:
        result = function(*[recording.input(x) for x in at])
        program = recording.finish([ad.as_tensor(z) for z in parts(result)])
    finally:
        recording.end()
    return Traced(program, recording.captured)


def parts(result: Any) -> list[Any]:
    """Return a result as the flat list of its parts."""
    if not isinstance(result, (tuple, list)):
        return [result]
    return [part for one in result for part in parts(one)]


def plain(result: Any) -> list[np.ndarray[Any, Any]]:
    """Return the parts of a result as arrays."""
    return [np.asarray(_core.values_of(z), dtype=float) for z in parts(result)]


def replayed(traced: Traced, *at: Any) -> tuple[list[Any], bool]:
    """Return the outputs elsewhere, and whether all guards hold there."""
    outputs, found = traced.program.evaluate([*at, *traced.captured])
    wanted = [outcome for outcome, _ in traced.program.guards]
    return plain(outputs), found == wanted


def eager(function: Callable[..., Any], *at: Any) -> list[Any]:
    """Return the results of the function itself."""
    return plain(function(*[ad.tensor(x) for x in at]))


def same(found: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Whether results agree, shapes and all."""
    return len(found) == len(wanted) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-12, atol=1e-13, equal_nan=True)
        for a, b in zip(found, wanted, strict=True)
    )


def check(function: Callable[..., Any], at: Any, others: Sequence[Any]) -> None:
    """Record at one point; elsewhere the record must agree, or a guard must say no."""
    traced = trace(function, at)
    found, holds = replayed(traced, at)
    assert holds, "the guards do not hold where they were recorded"
    assert same(found, eager(function, at))
    for other in others:
        found, holds = replayed(traced, other)
        wanted = eager(function, other)
        assert not holds or same(found, wanted), (other, found, wanted)
