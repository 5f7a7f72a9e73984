"""Loops that stay loops: scan, fori_loop, while_loop, map.

The body is recorded once, as a program, and iterated natively. Called with plain values
a loop is recorded and run; called in a function that is being recorded it is one
instruction there; called on tensors that carry gradient it is one entry of the graph.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff import _core, tree
from autodiff._core import FUNCTIONS, Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ArgumentError, ConvergenceError, ShapeError
from autodiff.programs.arguments import leaf_value
from autodiff.programs.derived import Derived, part
from autodiff.programs.families import Family, Merged, as_leaf, guard_known, value_at
from autodiff.programs.paths import Paths, plain
from autodiff.programs.recording import Leaves, Recorded, record

Shape = tuple[int, ...]
where = FUNCTIONS["where"]


def run_recorded(
    function: Callable[[list[Tensor]], Any], leaves: Leaves, name: str
) -> Any:
    """Run a function of leaves that holds a loop: here and now, or into a recording."""
    tracked = any(isinstance(x, Tensor) and x.requires_grad for x in leaves)
    if _core.is_tracing() and tracked:
        return function([as_tensor(leaf) for leaf in leaves])

    def record_here(values: Leaves, families: dict[Any, Any]) -> Recorded:
        return record(function, values, name, families)

    derived = Derived(Paths(record_here, name, len(leaves)))
    path, outputs = derived(leaves)
    return tree.unflatten(path.structure, outputs)


def check_carry(
    found: tree.Structure, shapes: Sequence[Shape], carry: tree.Structure,
    carry_shapes: Sequence[Shape], name: str,
) -> None:  # fmt: skip
    """Raise unless the body returns a carry like the one that it was given."""
    if found != carry:
        raise TypeError(
            f"{name}: the body must return a carry of the structure {carry!r}, got "
            f"{found!r}"
        )
    trios = zip(tree.paths(carry, "carry"), carry_shapes, shapes, strict=True)
    for where, expected, got in trios:
        if expected != got:
            raise ShapeError(
                f"{name}: {where} has shape {expected} and the body returns it with "
                f"shape {got}; a carry keeps its shapes: begin with one of shape "
                f"{got}, or let the body return the other"
            )


# ---- scan ----------------------------------------------------------------------------


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
    checkpoint: int | None = None,
) -> tuple[Any, Any]:
    """Run ``carry, y = step(carry, x)`` for each row x of xs; return (carry, ys).

    Parameters
    ----------
    step
        Takes the carry and one row of xs (None without xs), returns the next carry, of
        the same structure and shapes, and what to keep of this step (None: nothing).
    carry
        The first carry: numbers, arrays or nested containers of them.
    xs
        Arrays, or nested containers of arrays, with one row for each step: of shape
        (steps, ...).
    length
        How many steps; needed without xs.
    reverse
        Take the rows of xs from the last to the first. What the steps return is stacked
        in the order of the rows that they got.
    checkpoint
        Keep the carry of only so many steps for the reverse sweep, which runs the steps
        between again, as often as a binomial schedule says.

    Returns
    -------
    (carry, ys): the last carry, and what the steps returned beside it, stacked along a
    new first axis of steps; None where they returned None.

    Raises
    ------
    ArgumentError
        When length is negative, or checkpoint below 1.
    TypeError
        When step does not return a pair, or a carry of another structure.
    TraceError
        When the step takes more than 256 ways through its choices (``if``).
    ShapeError
        When rows differ in number, or the carry does not keep its shape.

    Notes
    -----
    The step is recorded once for each way through its choices that is met; every step
    then computes all of these ways and keeps one. The reverse sweep keeps the carry of
    each step: memory is length times the carry. With checkpoint=k it is 2 k times,
    whatever the length, and a sweep that does each step at most r times more reaches
    over C(k + r, k) steps: 10 carries are enough for 1,001 steps at r = 4 (Griewank and
    Walther, Algorithm 799, ACM TOMS 26, 2000). Results are the same to the bit. The
    reverse sweep of a reverse sweep keeps all carries.

    Examples
    --------
    >>> import autodiff as ad, numpy as np
    >>> ad.scan(lambda c, x: (c + x, c * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (6.0, array([0., 2., 9.]))
    """
    carry_leaves, carry_structure = tree.flatten(carry, "the carry")
    xs_leaves, xs_structure = tree.flatten(xs, "xs")
    values = [leaf_value(leaf) for leaf in [*carry_leaves, *xs_leaves]]
    n_carry = len(carry_leaves)
    n = _count(values[n_carry:], length)
    how = {"is_reversed": bool(reverse), "n_snapshots": check_snapshots(checkpoint)}
    if n == 0:
        return carry, _no_rows(step, values, carry_structure, xs_structure)

    def whole(leaves: list[Tensor]) -> Any:
        return _scan(step, leaves, carry_structure, xs_structure, n, how)

    result: tuple[Any, Any] = run_recorded(whole, values, "scan")
    return result


def _no_rows(
    step: Callable[[Any, Any], Any],
    values: Sequence[Any],
    carry_structure: tree.Structure,
    xs_structure: tree.Structure,
) -> Any:
    """Return what a scan of no steps keeps: as a step at zeros has it."""
    n_carry = carry_structure.n_leaves
    rows = [np.zeros(np.shape(plain(x))[1:]) for x in values[n_carry:]]
    leaves = [as_leaf(v) for v in [*map(plain, values[:n_carry]), *rows]]

    def kept(tensors: list[Tensor]) -> Any:
        carry = tree.unflatten(carry_structure, tensors[:n_carry])
        return [step(carry, tree.unflatten(xs_structure, tensors[n_carry:]))[1]]

    found = record(kept, leaves, "the step of scan")
    shapes = found.program.output_shapes
    [ys] = tree.unflatten(found.structure, [np.zeros((0, *s)) for s in shapes])
    return ys


def _count(rows: Sequence[Any], length: int | None) -> int:
    if length is not None and as_count(length, "scan: length") < 0:
        raise ArgumentError(f"scan: length must be at least 0, got {length}")
    counts = set()
    for leaf in rows:
        shape = np.shape(plain(leaf))
        if not shape:
            raise ShapeError(
                "scan: xs must have a first axis of steps, got a number; a list or "
                "tuple is a container of arrays: make one array, np.array(xs)"
            )
        counts.add(shape[0])
    if length is not None:
        counts.add(int(length))
    if len(counts) != 1:
        raise ShapeError(
            f"scan: numbers of steps differ: {sorted(counts)}"
            if counts
            else "scan: give xs, or length="
        )
    return int(counts.pop())


def _scan(
    step: Callable[[Any, Any], Any],
    leaves: list[Tensor],
    carry_structure: tree.Structure,
    xs_structure: tree.Structure,
    n: int,
    how: dict[str, Any],
) -> tuple[Any, Any]:
    """Put the loop into what is being recorded."""
    n_carry = carry_structure.n_leaves
    carry, rows = leaves[:n_carry], leaves[n_carry:]
    inner: list[tree.Structure] = []

    def body(tensors: list[Tensor]) -> Any:
        result = step(
            tree.unflatten(carry_structure, tensors[:n_carry]),
            tree.unflatten(xs_structure, tensors[n_carry:]),
        )
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                "scan: step must return a pair (carry, y), got "
                f"'{type(result).__name__}'"
            )
        inner[:] = [tree.flatten(part, "a result of step")[1] for part in result]
        return result

    family = Family(body, [step], "scan")

    def values(carries: list[Any], index: int) -> list[Any]:
        index = n - 1 - index if how["is_reversed"] else index
        return [*map(value_at, carries), *[as_leaf(_core.peek(x)[index]) for x in rows]]

    first = values(carry, 0)
    shapes = family.add(first).program.output_shapes
    check_carry(
        inner[0], shapes[:n_carry], carry_structure, [x.shape for x in carry], "scan"
    )
    while True:
        merged = family.merged(first, n_carry, has_exit=False)
        count = [as_tensor(0.0)] * merged.counts
        vector, carries, stacked, _, _ = _core.apply_scan(
            merged.program,
            [*merged.shared, *carry, *count, *rows],
            n,
            len(merged.shared),
            n_carry + merged.counts,
            0,
            False,
            **how,
        )
        index = unknown_step(merged, vector, carries)
        if index is None:
            break
        family.add(values(_parts(vector, carries, shapes[:n_carry]), index), index)
    last = _parts(vector, carries, shapes[:n_carry])
    ys = [
        part(vector, at, (n, *shape))
        for at, shape in zip(stacked, shapes[n_carry:], strict=True)
    ]
    return tree.unflatten(carry_structure, last), tree.unflatten(inner[1], ys)


def _parts(vector: Tensor, places: Sequence[int], shapes: Sequence[Shape]) -> list[Any]:
    """Return the first parts of a loop's result, in their shapes."""
    pairs = zip(places, shapes, strict=False)
    return [part(vector, at, shape) for at, shape in pairs]


def unknown_step(merged: Merged, vector: Tensor, carries: Sequence[int]) -> int | None:
    """Return the step that this run does not know; None, and a guard, if none."""
    if not merged.counts:
        return None
    count = vector[carries[-1]]
    if _core.peek(count) < 0:
        return int(-1 - _core.peek(count))
    guard_known(_core.apply_row("_lt", count, 0.0))
    return None


def as_count(n: Any, name: str) -> int:
    """Return a number of steps as an int; it is part of the recorded loop."""
    if isinstance(n, Tensor):
        raise TypeError(
            f"{name} must be an int, got a Tensor: how many steps a loop has is fixed "
            "when it is recorded; while_loop goes on as its condition says"
        )
    try:
        return operator.index(n)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {n!r}") from None


def check_snapshots(checkpoint: int | None) -> int:
    """Return how many carries to keep for the way back; 0: all."""
    if checkpoint is None:
        return 0
    n = as_count(checkpoint, "checkpoint")
    if n < 1:
        raise ArgumentError(f"checkpoint must be at least 1, got {n}")
    return n


# ---- fori_loop, while_loop -----------------------------------------------------------


def fori_loop(
    lower: int,
    upper: int,
    body: Callable[[Any, Any], Any],
    init: Any,
    *,
    checkpoint: int | None = None,
) -> Any:
    """Run ``carry = body(i, carry)`` for i from lower to upper - 1; return the carry.

    Parameters
    ----------
    lower, upper
        Ints. If upper is not above lower, init is returned.
    body
        Takes i, a number, and the carry; returns the next carry, of the same structure
        and shapes.
    init
        The first carry: numbers, arrays or nested containers of them.
    checkpoint
        Keep the carry of only so many steps for the reverse sweep, as `scan` does.

    Raises
    ------
    ArgumentError, TypeError, ShapeError, TraceError
        As `scan`, which this is.

    Notes
    -----
    Costs as `scan`: the body is recorded once, and a reverse sweep keeps each carry.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.fori_loop(0, 5, lambda i, c: c + i * i, 0.0)
    30.0
    """
    check_snapshots(checkpoint)
    lower = as_count(lower, "fori_loop: lower")
    upper = as_count(upper, "fori_loop: upper")
    if upper <= lower:
        return init
    numbers = np.arange(lower, upper, dtype=np.float64)

    def step(c: Any, i: Any) -> tuple[Any, None]:
        return body(i, c), None

    carry, _ = scan(step, init, numbers, checkpoint=checkpoint)
    return carry


def while_loop(
    cond: Callable[[Any], Any],
    body: Callable[[Any], Any],
    init: Any,
    max_steps: int = 1000,
    *,
    checkpoint: int | None = None,
) -> Any:
    """Run ``carry = body(carry)`` while cond(carry) holds; return the carry.

    Parameters
    ----------
    cond
        Takes the carry, returns one number or comparison; 0 ends the loop.
    body
        Returns the next carry, of the same structure and shapes.
    init
        The first carry.
    max_steps
        The most steps there may be.
    checkpoint
        Keep the carry of only so many steps for the reverse sweep, as `scan` does.

    Returns
    -------
    The first carry for which cond does not hold.

    Raises
    ------
    TypeError, ShapeError
        When the body does not keep structure and shapes of the carry.
    TraceError
        When cond or body takes more than 256 ways through its choices (``if``).
    ConvergenceError
        When cond still holds after max_steps steps; in a function that is being
        recorded, where nothing can be raised later, the result is NaN instead.

    Notes
    -----
    cond and body are recorded once. Under `vmap` each row goes on until its own end; a
    block of rows takes as many steps as its slowest row. The derivative is that of the
    steps that were done: `root` and `fixed_point` give that of a solution instead. The
    reverse sweep goes over the steps that were done; room for the carry of max_steps
    steps is reserved for it, or of ``checkpoint`` steps twice.

    Examples
    --------
    >>> import autodiff as ad
    >>> newton = lambda x: x - (x * x - 2.0) / (2.0 * x)
    >>> ad.while_loop(lambda x: abs(x * x - 2.0) > 1e-12, newton, 1.0)
    1.4142135623730951
    """
    max_steps = as_count(max_steps, "while_loop: max_steps")
    if max_steps < 1:
        raise ArgumentError(f"max_steps must be at least 1, got {max_steps}")
    n_snapshots = check_snapshots(checkpoint)
    leaves, structure = tree.flatten(init, "init")

    def whole(tensors: list[Tensor]) -> Any:
        return _while(cond, body, tensors, structure, max_steps, n_snapshots)

    values = [leaf_value(leaf) for leaf in leaves]
    result, n_done = run_recorded(whole, values, "while_loop")
    if not _core.is_traced(n_done) and plain(n_done) > max_steps:
        raise ConvergenceError(
            f"while_loop: cond still holds after max_steps={max_steps} steps"
        )
    return result


def _while(
    cond: Callable[[Any], Any],
    body: Callable[[Any], Any],
    leaves: list[Tensor],
    structure: tree.Structure,
    max_steps: int,
    n_snapshots: int,
) -> Any:
    inner: list[tree.Structure] = []
    exit_chooses: list[bool] = []

    def both(tensors: list[Tensor]) -> Any:
        carry = tree.unflatten(structure, tensors)
        going = as_tensor(cond(carry))
        recording = _core.innermost_recording()
        exit_chooses[:] = [recording is not None and recording.n_guards() > 0]
        if going.shape != ():
            raise ShapeError(
                f"while_loop: cond must return one number, got shape {going.shape}"
            )
        result = body(carry)
        inner[:] = [tree.flatten(result, "the result of body")[1]]
        return going, result

    n, first = len(leaves), [value_at(x) for x in leaves]
    family = Family(both, [cond, body], "while_loop")
    family.add(first)
    shapes = family.ways[0].program.output_shapes[1:]
    check_carry(inner[0], shapes, structure, [x.shape for x in leaves], "while_loop")
    while True:
        merged = family.merged(first, n, has_exit=True, exit_chooses=any(exit_chooses))
        count = [as_tensor(0.0)] * merged.counts
        vector, carries, _, _, done = _core.apply_scan(
            merged.program,
            [*merged.shared, *leaves, *count],
            max_steps + 1,
            len(merged.shared),
            n + merged.counts,
            0,
            True,
            n_snapshots=n_snapshots,
        )
        index = unknown_step(merged, vector, carries)
        if index is None:
            break
        family.add([value_at(x) for x in _parts(vector, carries, shapes)], index)
    n_done = vector[done]
    ended = n_done <= max_steps
    last = [
        where(ended, part(vector, at, s), np.nan)
        for at, s in zip(carries, shapes, strict=False)
    ]
    return tree.unflatten(structure, last), n_done
