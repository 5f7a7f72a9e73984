"""All paths of a function as one program, for rows that take them at random.

Sorting rows by path moves every row to its group and back, which costs more than cheap
paths do. Where all paths together cost little more than one, for what they share is
computed once, every row runs all of them, and comparisons choose: rows stay where they
are.

Invariant: a row of which no path is known is told by the one guard of the program.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from autodiff import _core
from autodiff._core import Program, Tensor
from autodiff.programs.choosing import choose, masks_of, way_of
from autodiff.programs.paths import Path, Paths, Steps
from autodiff.programs.recording import Recorded, record

MOST_PATHS = 16
MOST_INSTRUCTIONS = 20_000

# What things cost a row, in multiples of a sum of two numbers.
SORTING = 40  # to be sent to its group
MOVING = 10  # of each number in or out
FUNCTION = 8  # of an elementary function
_FREE = {"input", "const", "as_strided", "view", "stop", "pack"}
_CHEAP = {
    *("neg", "add", "sub", "mul", "_guarded_mul", "square", "fma", "abs", "sign"),
    *("floor", "ceil", "round", "trunc", "copysign", "maximum", "minimum", "fmax"),
    *("fmin", "clip", "where", "relu", "_gt", "_lt", "_ge", "_le", "_eq", "_ne"),
}
_FAILING = {"solve", "lstsq", "cholesky", "eigh", "svd"}


def cost(program: Program) -> float:
    """Return about how many sums of two numbers a run costs; inf if it may fail."""
    total = 0.0
    for each in program.instructions():
        if each.op in _FREE:
            continue
        if each.op in ("scan", "call") or each.op in _FAILING:
            return math.inf
        total += math.prod(each.shape) * (1 if each.op in _CHEAP else FUNCTION)
    return total


class Joined:
    """One path for all paths of a function, and one that counts besides.

    Attributes
    ----------
    known
        The paths.
    path
        Its program has the outputs of any path, and a guard if some choice has an
        outcome that no path is known for.
    counting
        The same with a mask for each path as outputs behind these: 1 where it is taken.
    """

    def __init__(self, paths: Paths, known: Sequence[Path], row: Sequence[Any]):
        self.known = list(known)
        at = paths.inputs(row[: paths.n_base])
        self.path = _as_path(paths, known, at, False)
        self.counting = _as_path(paths, known, at, True)


def _as_path(
    paths: Paths, known: Sequence[Path], at: Sequence[Any], counts: bool
) -> Path:
    programs = [path.derived(()) for path in known]

    def run(tensors: list[Tensor]) -> list[Any]:
        ways = [way_of(program, tensors) for program in programs]
        outputs, mask = choose(ways)
        if mask is not None:
            _core.guard_value(mask)
        return [*outputs, *(masks_of(ways) if counts else [])]

    with _core.recording_at(_core.innermost_recording(), ()):
        recorded = record(run, at, paths.name)
    shared = recorded.program.with_inputs(list(range(len(at))))
    places = list(range(len(paths.captured)))
    captured = list(paths.captured)
    return Path(
        Recorded(shared, known[0].structure, captured), paths.n_base, captured, places
    )


def with_unknown(
    paths: Paths, path: Path, steps: Steps, at: Sequence[Any]
) -> tuple[Program, bool]:
    """Return one derived program for all paths whose results are like those of one.

    Behind its outputs it has the mask of whether no path is right, if that can be: the
    second result. at: inputs of the derived program at a point.
    """
    alike = [each.derived(steps) for each in paths.all if each.has_results_like(path)]
    can_be_unknown = False

    def run(tensors: list[Tensor]) -> list[Any]:
        nonlocal can_be_unknown
        outputs, known = choose([way_of(each, tensors) for each in alike])
        can_be_unknown = known is not None
        return [*outputs, 1.0 - known] if can_be_unknown else outputs

    with _core.recording_at(_core.innermost_recording(), ()):
        recorded = record(run, at, paths.name, is_open=True)
    return recorded.program, can_be_unknown


def joined_of(paths: Paths, row: Sequence[Any]) -> Joined | None:
    """Return all paths of a function as one, or None where that is not worth it.

    row has leaves at a point. What is found is kept until there are more paths.
    """
    kept = paths.joined
    if kept is None or kept[0] != (len(paths.all), len(paths.captured)):
        made = _join(paths, row) if len(paths.all) <= MOST_PATHS else None
        kept = paths.joined = (len(paths.all), len(paths.captured)), made
    found: Joined | None = kept[1]
    return found


def _join(paths: Paths, row: Sequence[Any]) -> Joined | None:
    known = list(paths.all)
    first = known[0]
    shapes = first.program.output_shapes
    if not all(path.has_results_like(first) for path in known):
        return None
    if sum(path.program.n_instructions for path in known) > MOST_INSTRUCTIONS:
        return None
    each = [_alone(path) for path in known]
    if math.inf in each:
        return None
    paths.find(row)  # a point whose path is known
    if len(paths.all) != len(known):
        return None
    sizes = [math.prod(shape) for shape in [*first.program.input_shapes, *shapes]]
    made = Joined(paths, known, row)
    together = cost(made.path.derived(()))
    apart = sum(each) / len(each) + SORTING + MOVING * sum(sizes)
    return made if together <= apart else None


def _alone(path: Path) -> float:
    """Return what a row on this path costs if it is sorted first."""
    program = path.derived(())
    return cost(program) + cost(program.with_outputs([]))
