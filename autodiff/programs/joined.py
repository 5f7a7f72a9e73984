"""All paths of a function as one program, for rows that take them at random.

Sorting rows by path moves every row to its group and back, which costs more than cheap
paths do. Where all paths together cost little more than one, for what they share is
computed once, every row runs all of them, and comparisons choose: rows stay where they
are.

Invariant: a row of which no path is known is told by the one guard of the program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from autodiff import _core
from autodiff._core import FUNCTIONS, Code, Program, Tensor
from autodiff.programs.choosing import choose, masks_of, way_of
from autodiff.programs.paths import Path, Paths, Steps
from autodiff.programs.recording import Recorded, record

MOST_PATHS = 16
MOST_DECIDED = 64
MOST_INSTRUCTIONS = 20_000

# What things cost a row, in multiples of a sum of two numbers.
SORTING = 40  # to be sent to its group
MOVING = 3  # of each number in or out
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
    made: Joined | None = _kept(paths, "joined", lambda: _join(paths, row))
    return made


def deciding_of(paths: Paths, row: Sequence[Any]) -> Code | None:
    """Return what tells a row's path by its number, -1 for none; None: not worth it.

    It asks the questions of all paths at once, those that they share only once; apart,
    each path asks the rows that come to it. Kept until there are more paths.
    """
    made: Code | None = _kept(paths, "deciding", lambda: _deciding(paths, row))
    return made


def _deciding(paths: Paths, row: Sequence[Any]) -> Code | None:
    known = list(paths.all)
    asking = [path.derived(()).with_outputs([]) for path in known]
    if len(known) > MOST_DECIDED or (
        sum(each.n_instructions for each in asking) > MOST_INSTRUCTIONS
    ):
        return None

    def run(tensors: list[Tensor]) -> list[Any]:
        ways = [way_of(each, tensors) for each in asking]
        numbered = [way._replace(outputs=[float(k)]) for k, way in enumerate(ways)]
        [number], mask = choose(numbered)
        return [number if mask is None else FUNCTIONS["where"](mask, number, -1.0)]

    at = paths.inputs(row[: paths.n_base])
    with _core.recording_at(_core.innermost_recording(), ()):
        program = record(run, at, paths.name).program
    program = program.with_inputs(list(range(len(at))))
    apart = max(cost(each) for each in asking)
    return Code(program) if cost(program) <= 2.0 * apart + SORTING else None


def _kept(paths: Paths, name: str, make: Callable[[], Any]) -> Any:
    found = paths.kept.get(name)
    if found is None or found[0] != (len(paths.all), len(paths.captured)):
        made = make()
        found = paths.kept[name] = (len(paths.all), len(paths.captured)), made
    return found[1]


def _join(paths: Paths, row: Sequence[Any]) -> Joined | None:
    known = list(paths.all)
    if len(known) > MOST_PATHS:
        return None
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
