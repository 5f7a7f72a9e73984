"""Sparse Jacobians and Hessians of compiled functions, as scipy.sparse.csr_array.

The pattern is that of the recorded programs, of all paths known so far; its colouring
says which columns (or rows) one sweep can compute together; the sweeps are rows, and so
lanes. Where the sweeps themselves discover a new path, the pattern is found again.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff.errors import ArgumentError, ShapeError
from autodiff.programs.derivatives import Call, check_number, in_directions
from autodiff.programs.derived import Derived
from autodiff.programs.paths import Path, plain
from autodiff.sparse import Coloring, Pattern


def jacobian(
    compiled: Any,
    args: Any,
    kwargs: Any,
    argnums: Any,
    pattern: Pattern | None = None,
    coloring: Coloring | None = None,
) -> Any:
    """Return the sparse Jacobian of one array in one array, as a matrix."""
    call = Call(compiled, args, kwargs, argnums)
    n_columns = _size_of_input(call, "jacobian")
    path = _path(call)
    shapes = path.program.output_shapes
    if len(shapes) != 1:
        raise ShapeError(
            f"a sparse Jacobian is of one result, {call.name} returns {len(shapes)}"
        )
    return _matrix(
        call,
        call.signature.value,
        (math.prod(shapes[0]), n_columns),
        None,
        pattern,
        coloring,
    )


def hessian(
    compiled: Any,
    args: Any,
    kwargs: Any,
    argnums: Any,
    pattern: Pattern | None = None,
    coloring: Coloring | None = None,
) -> Any:
    """Return the sparse Hessian in one array, as a matrix."""
    call = Call(compiled, args, kwargs, argnums)
    n = _size_of_input(call, "hessian")
    path = _path(call)
    check_number(call.name, path)
    gradient = call.signature.value.then("reverse", call.wanted, False, True)
    return _matrix(call, gradient, (n, n), "symmetric", pattern, coloring)


def _path(call: Call) -> Path:
    """Return the path that the arguments take, whose results have its shapes."""
    leaves = [plain(v) for v in call.leaves]
    path: Path = call.signature.paths.first(leaves)
    if path.guards:
        path, _ = call.signature.value.run(leaves)
    return path


def _size_of_input(call: Call, name: str) -> int:
    shapes = call.shapes()
    if len(shapes) != 1 or not call.is_single:
        raise ArgumentError(
            f"{name}(sparse=True) is in one array; argnums names {len(shapes)} of "
            f"{call.name}"
        )
    return math.prod(shapes[0])


def _matrix(
    call: Call,
    derived: Derived,
    shape: tuple[int, int],
    kind: Any,
    pattern: Pattern | None,
    coloring: Coloring | None,
) -> Any:
    for what, given in (("pattern", pattern), ("coloring", coloring)):
        found = given.pattern if isinstance(given, Coloring) else given
        if found is not None and found.shape != shape:
            raise ShapeError(
                f"{what}: expected one for a matrix of shape {shape}, got {found.shape}"
            )
    if coloring is None and pattern is not None:
        coloring = pattern.color(kind)
    while True:
        n_paths = len(call.signature.paths.all)
        colors = coloring or _coloring(call, derived, kind, shape)
        values = colors.values(_products(call, derived, colors))
        if coloring is not None or len(call.signature.paths.all) == n_paths:
            return colors.pattern.with_values(values)


def _coloring(
    call: Call, derived: Derived, kind: Any, shape: tuple[int, int]
) -> Coloring:
    """Return the colouring of the union over all paths, kept until there is another."""
    paths = call.signature.paths.all
    key = (derived.steps, call.wanted, shape, len(paths))
    found: Coloring | None = call.signature.colorings.get(key)
    if found is None:
        pattern = None
        for path in paths:
            program = path.derived(derived.steps)
            rest = len(program.input_shapes) - len(call.wanted)
            one = Pattern.of_program(program, [*call.wanted, *[False] * rest])
            if one.shape == shape:  # results of other paths may have other shapes
                pattern = one if pattern is None else pattern | one
        assert pattern is not None
        if kind == "symmetric":
            pattern = pattern.symmetrized()
        found = call.signature.colorings[key] = pattern.color(kind)
    return found


def _products(call: Call, derived: Derived, colors: Coloring) -> Any:
    """Run one sweep for each colour."""
    seeds = colors.seeds()
    n = len(seeds)
    if n == 0:
        return np.empty((0, colors.n_products))
    if colors.kind == "row":
        step = derived.then("reverse", call.wanted, False)
        shape = derived.run([plain(v) for v in call.leaves])[1]
        given = seeds.reshape(n, *np.shape(shape[0]))
    else:
        step = derived.then("forward", call.wanted, False)
        given = seeds.reshape(n, *call.shapes()[0])
    _, found = in_directions(step, [plain(v) for v in call.leaves], [given])
    return np.reshape(found[0], (n, colors.n_products))
