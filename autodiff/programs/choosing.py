"""Several ways of a function as one program: all are computed, and one is taken.

A way is a program whose guards say how choices came out. Ways that begin with the same
outcomes asked the same questions, so they make a tree, in which a comparison chooses
between two sides. For loops whose bodies choose, and for rows.

Invariant: where no way is right, `known` says so; what is chosen then means nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from autodiff import _core
from autodiff._core import FUNCTIONS, Program, Tensor
from autodiff._core import apply_row as _row
from autodiff.errors import TraceError

_where, _maximum = FUNCTIONS["where"], FUNCTIONS["maximum"]

# Outcomes of the guard of a loop that chooses (see families): each step took a way that
# the recording knows, or one did not. No other guard has these. What is recorded then
# knows more ways and asks the same of the wider loop.
KNOWN, UNKNOWN = 2.0**-999, 2.0**-998


class Way(NamedTuple):
    """How choices came out, the values they were made by, and the results."""

    outcomes: tuple[float, ...]
    values: list[Tensor]
    outputs: list[Any]


def way_of(program: Program, inputs: Sequence[Any]) -> Way:
    """Return a program applied to inputs, its guards as values."""
    outputs, values = program.apply_openly(inputs)
    return Way(tuple([z for z, _ in program.guards]), values, outputs)


def choose(ways: Sequence[Way]) -> tuple[list[Any], Any]:
    """Return outputs of the way that is taken, and the mask of whether one is.

    The mask is None where one always is: the ways are all that there are.
    """
    if _make_tree(ways):
        return _choose_at(list(ways), 0)
    masks = masks_of(ways)
    chosen, known = list(ways[-1].outputs), masks[-1]
    for way, mask in zip(ways[-2::-1], masks[-2::-1], strict=True):
        pairs = zip(way.outputs, chosen, strict=True)
        chosen = [_where(mask, own, other) for own, other in pairs]
        known = _maximum(known, mask)
    return chosen, known


def masks_of(ways: Sequence[Way]) -> list[Any]:
    """Return for each way a mask of whether it is taken: 0 or 1."""
    masks = []
    for way in ways:
        mask: Any = 1.0
        for value, outcome in zip(way.values, way.outcomes, strict=True):
            mask = _is(value, outcome) * mask
        masks.append(mask)
    return masks


def _make_tree(ways: Sequence[Way]) -> bool:
    """Whether ways that begin alike ask alike, each going on or ending by itself."""
    outcomes = sorted(way.outcomes for way in ways)
    if any(z == KNOWN or z != z for each in outcomes for z in each):
        return False
    return all(b[: len(a)] != a for a, b in itertools.pairwise(outcomes))


def _choose_at(ways: list[Way], depth: int) -> tuple[list[Any], Any]:
    """Choose among ways whose first `depth` choices came out alike; as `choose`."""
    conditions = []  # of what all ways have in common
    while True:
        sides: dict[float, list[Way]] = {}
        for way in ways:
            if depth < len(way.outcomes):
                sides.setdefault(way.outcomes[depth], []).append(way)
        if len(sides) != 1:
            break
        [outcome] = sides
        conditions.append(_is(ways[0].values[depth], outcome))
        depth += 1
    if not sides:
        outputs, known = list(ways[0].outputs), None
    else:
        outputs, known = _choose_side(ways[0].values[depth], sides, depth + 1)
    for condition in reversed(conditions):
        known = condition if known is None else condition * known
    return outputs, known


def _choose_side(
    value: Tensor, sides: dict[float, list[Way]], depth: int
) -> tuple[list[Any], Any]:
    """Choose by a value between what its outcomes lead to."""
    found = {z: _choose_at(ways, depth) for z, ways in sides.items()}
    if found.keys() == {0.0, 1.0} and _is_mask(value):
        (no, no_known), (yes, yes_known) = found[0.0], found[1.0]
        known = None
        if no_known is not None or yes_known is not None:
            either = [1.0 if k is None else k for k in (yes_known, no_known)]
            known = _where(value, *either)
        pairs = zip(yes, no, strict=True)
        return [_where(value, a, b) for a, b in pairs], known
    chosen: list[Any] | None = None
    known = 0.0
    for outcome, (outputs, side_known) in found.items():
        is_it = _is(value, outcome)
        pairs = zip(outputs, chosen or outputs, strict=True)
        if chosen is not None:
            outputs = [_where(is_it, a, b) for a, b in pairs]
        chosen = outputs
        known = _where(is_it, 1.0 if side_known is None else side_known, known)
    assert chosen is not None
    return chosen, known


def _is(value: Tensor, outcome: float) -> Any:
    """Return the mask of whether a guard came out so."""
    return value if outcome == 1.0 and _is_mask(value) else _row("_eq", value, outcome)


def _is_mask(value: Tensor) -> bool:
    try:
        return bool(_core.is_mask(value))
    except TraceError:  # it cannot be told
        return False
