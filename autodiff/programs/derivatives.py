"""Derivatives of compiled functions: what f.grad, f.jacobian and their like do.

A gradient is one run of the reverse program. A Jacobian is many runs of the reverse
program, one for each element of the result, or of the forward program, one for each
element of the arguments; the runs are rows, and so lanes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodiff import _core, tree
from autodiff._core import Tensor
from autodiff.errors import ArgumentError, GraphError, ShapeError
from autodiff.programs.derived import Derived
from autodiff.programs.paths import Path, plain
from autodiff.programs.rows import RowsDerived
from autodiff.shape import movedim, stack

FEW = 3  # directions; one after another they cost less than a block of lanes does
LEAST_LANES = 8  # of a block, however much it takes
LONG = 32  # numbers for each instruction: from here on arrays are what SIMD runs over
Shape = tuple[int, ...]
Array = np.ndarray[Any, Any]


class Call:
    """The arguments of one call of a derivative, sorted by argnums."""

    def __init__(
        self, compiled: Any, args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Any
    ):
        self.name = compiled.name
        self.is_single = not isinstance(argnums, (tuple, list))
        numbers = [argnums] if self.is_single else list(argnums)
        self.chosen = [self._position(k, len(args)) for k in numbers]
        self.signature, self.leaves = compiled.signature(args, kwargs)
        self.structures = self.signature.arguments
        starts = np.cumsum([0, *(s.n_leaves for s in self.structures)])
        self._ranges = [range(starts[k], starts[k + 1]) for k in range(len(args))]
        chosen = {i for k in self.chosen for i in self._ranges[k]}
        self.wanted = tuple(i in chosen for i in range(len(self.leaves)))
        self.at = [i for i, want in enumerate(self.wanted) if want]

    def _position(self, number: Any, n: int) -> int:
        if isinstance(number, bool) or not hasattr(number, "__index__"):
            raise TypeError(
                f"argnums must be an int or a tuple of ints, got {number!r}"
            )
        if not -n <= number < n:
            raise TypeError(
                f"argnums names argument {number} of {self.name}, which was called "
                f"with {n} positional argument{'s' * (n != 1)}"
            )
        return int(number) % n

    def first(self) -> Path:
        """Return a path of the function: the one used last, or one recorded here."""
        found: Path = self.signature.paths.first([plain(v) for v in self.leaves])
        return found

    def shapes(self) -> list[Shape]:
        """Return the shapes of the leaves that argnums names."""
        return [np.shape(plain(self.leaves[i])) for i in self.at]

    def by_argument(self, derivatives: Sequence[Any]) -> Any:
        """Return derivatives of the wanted leaves in the structure of the arguments."""
        found = dict(zip(self.at, derivatives, strict=True))
        trees = [
            tree.unflatten(self.structures[k], [found[i] for i in self._ranges[k]])
            for k in self.chosen
        ]
        return trees[0] if self.is_single else tuple(trees)

    def tangents(self, given: Sequence[Any], where: str) -> list[Any]:
        """Return a tangent for each wanted leaf; given: a tree for each argument."""
        found: dict[int, Any] = {}
        for k, value in zip(self.chosen, given, strict=True):
            leaves = tree.match(self.structures[k], value, where)
            found.update(zip(self._ranges[k], leaves, strict=True))
        return [like(found[i], np.shape(plain(self.leaves[i])), where) for i in self.at]


def like(value: Any, shape: Shape, where: str) -> Any:
    """Return a seed or tangent as a float, array or tensor of a shape; None: zeros."""
    if value is None:
        return np.zeros(shape) if shape else 0.0
    if isinstance(value, Tensor) and value.requires_grad:
        found: Any = value
    else:
        found = np.asarray(plain(value), dtype=np.float64)
        found = np.asarray(found, order="C") if found.ndim else float(found)
    if np.shape(plain(found)) != shape:
        raise ShapeError(
            f"{where}: expected shape {shape}, got {np.shape(plain(found))}"
        )
    return found


def check_number(name: str, path: Path) -> None:
    """Raise unless the result is one number."""
    shapes = path.program.output_shapes
    if len(shapes) != 1 or shapes[0] != ():
        raise ShapeError(
            f"grad needs a function whose result is one number; {name} returns "
            f"{path.structure!r} with shapes {shapes}. Use jacobian, or sum the result"
        )


def gradient(
    compiled: Any, args: Any, kwargs: Any, argnums: Any, with_value: bool
) -> Any:
    """Return f.grad, or f.value_and_grad."""
    call = Call(compiled, args, kwargs, argnums)
    derived = call.signature.value.then("reverse", call.wanted, with_value, True)
    path, outputs = derived(call.leaves)
    check_number(call.name, path)
    kind = "value_and_grad" if with_value else "grad"
    if all(s is tree.LEAF for s in call.structures):
        compiled.remember(kind, argnums, call.signature, path, path.code(derived.steps))
    found = call.by_argument(outputs[1:] if with_value else outputs)
    return (outputs[0], found) if with_value else found


def jvp(compiled: Any, primals: Any, tangents: Any) -> Any:
    """Return f.jvp."""
    if not isinstance(primals, (tuple, list)) or not isinstance(
        tangents, (tuple, list)
    ):
        raise TypeError("jvp takes a tuple of arguments and a tuple of tangents")
    if len(primals) != len(tangents):
        raise TypeError(f"jvp: {len(primals)} arguments and {len(tangents)} tangents")
    call = Call(compiled, tuple(primals), {}, tuple(range(len(primals))))
    given = call.tangents(tangents, "the tangents")
    derived = call.signature.value.then("forward", call.wanted, True)
    path, outputs = derived([*call.leaves, *given])
    n = len(outputs) // 2
    return (
        tree.unflatten(path.structure, outputs[:n]),
        tree.unflatten(path.structure, outputs[n:]),
    )


def vjp(compiled: Any, primals: tuple[Any, ...]) -> Any:
    """Return f.vjp: the value, and a function from seeds to a tuple of adjoints."""
    call = Call(compiled, primals, {}, tuple(range(len(primals))))
    # Arrays as they are now, for pull_back may be called when they are others.
    leaves = [x.copy() if isinstance(x, np.ndarray) else x for x in call.leaves]
    tracked = [x for x in leaves if isinstance(x, Tensor)]
    versions = [_core.version(x) for x in tracked]
    path, outputs = call.signature.value(leaves)
    shapes = [np.shape(plain(z)) for z in outputs]

    def pull_back(seeds: Any) -> Any:
        if [_core.version(x) for x in tracked] != versions:
            raise GraphError(
                f"a tensor that {call.name} was called with has been modified by an "
                "inplace operation since; pull back before changing it"
            )
        parts = tree.match(path.structure, seeds, "the seed")
        given = [like(s, n, "the seed") for s, n in zip(parts, shapes, strict=True)]
        adjoint = call.signature.value.then("reverse", call.wanted, False)
        return call.by_argument(adjoint([*leaves, *given])[1])

    return tree.unflatten(path.structure, outputs), pull_back


def hvp(compiled: Any, args: Any, kwargs: Any, argnums: Any) -> Any:
    """Return f.hvp: args are (x, v, *rest), as SciPy's hessp passes them."""
    if len(args) < 2:
        raise TypeError("f.hvp takes the vector in the second place: (x, v, *rest)")
    call = Call(compiled, (args[0], *args[2:]), kwargs, argnums)
    vector = (args[1],) if call.is_single else args[1]
    given = call.tangents(vector, "the vector")
    step = call.signature.value.then("reverse", call.wanted, False, True)
    path, products = step.then("forward", call.wanted, False)([*call.leaves, *given])
    check_number(call.name, path)
    return call.by_argument(products)


# ---- Many directions at once ---------------------------------------------------------


def units(shapes: Sequence[Shape]) -> list[Array]:
    """Return all unit vectors of a product of shapes, as rows of an array for each."""
    sizes = [math.prod(shape) for shape in shapes]
    n, at, found = sum(sizes), 0, []
    for shape, size in zip(shapes, sizes, strict=True):
        block = np.zeros((n, size))
        block[np.arange(at, at + size), np.arange(size)] = 1.0
        found.append(block.reshape(n, *shape))
        at += size
    return found


def in_directions(derived: Derived, leaves: list[Any], given: list[Array]) -> Any:
    """Run a derived program for rows of seeds or tangents behind shared leaves."""
    n_rows = len(given[0])
    if n_rows <= FEW or _has_long_arrays(derived, leaves):
        found = [derived([*leaves, *_row(given, k)]) for k in range(n_rows)]
        each = zip(*[outputs for _, outputs in found], strict=True)
        return found[0][0], [_stacked(parts) for parts in each]
    rows = RowsDerived(
        derived.paths,
        derived.steps,
        (*(False,) * len(leaves), *(True,) * len(given)),
        None,
        n_rows,
        None,
    )
    return rows([*leaves, *given])


def _has_long_arrays(derived: Derived, leaves: list[Any]) -> bool:
    """Whether a block of lanes leaves the cache, where one point is SIMD already."""
    path = derived.paths.first([plain(v) for v in leaves])
    program, code = path.derived(derived.steps), path.code(derived.steps)
    is_long = code.n_doubles > LONG * program.n_instructions
    is_large = _core.best_lanes(code) == LEAST_LANES
    return is_long and is_large and not program.has_loops


def _row(given: list[Array], k: int) -> list[Any]:
    return [block[k] if block.ndim > 1 else float(block[k]) for block in given]


def _stacked(parts: Sequence[Any]) -> Any:
    is_tracked = any(isinstance(part, Tensor) for part in parts)
    return stack(parts) if is_tracked else np.stack(parts)


def by_columns(found: Any, shape: Shape, others: Sequence[Shape]) -> list[Any]:
    """Split rows of tangents, one for each element of others, into (shape + other)."""
    parts, at = [], 0
    for other in others:
        size = math.prod(other)
        block = found[at : at + size].reshape((*other, *shape))
        n = len(other)
        moved = (list(range(n)), list(range(len(shape), len(shape) + n)))
        parts.append(
            movedim(block, *moved)
            if isinstance(block, Tensor)
            else np.array(np.moveaxis(block, *moved), order="C")
        )
        at += size
    return [part if np.ndim(plain(part)) else _number(part) for part in parts]


def by_rows(found: Any, shapes: Sequence[Shape], shape: Shape) -> list[Any]:
    """Split rows of adjoints, one for each element of others, into (other + shape)."""
    parts, at = [], 0
    for other in shapes:
        size = math.prod(other)
        part = found[at : at + size].reshape((*other, *shape))
        parts.append(part if np.ndim(plain(part)) else _number(part))
        at += size
    return parts


def _number(x: Any) -> Any:
    return x if isinstance(x, Tensor) else float(x)


def jacobian(
    compiled: Any, args: Any, kwargs: Any, argnums: Any, mode: str | None
) -> Any:
    """Return f.jacobian: for each leaf of the result the structure of the arguments."""
    if mode not in ("forward", "reverse", None):
        raise ArgumentError(f"mode must be 'forward', 'reverse' or None, got {mode!r}")
    call = Call(compiled, args, kwargs, argnums)
    path, outputs = call.signature.value(call.leaves)
    out_shapes = [np.shape(plain(z)) for z in outputs]
    in_shapes = call.shapes()
    n_out = sum(math.prod(s) for s in out_shapes)
    n_in = sum(math.prod(s) for s in in_shapes)
    is_forward = mode == "forward" or (mode is None and n_in <= n_out)
    value = call.signature.value
    if min(n_in, n_out) == 0:
        table = [[np.zeros((*o, *i)) for i in in_shapes] for o in out_shapes]
    elif is_forward:
        step = value.then("forward", call.wanted, False)
        _, found = in_directions(step, call.leaves, units(in_shapes))
        table = [
            by_columns(z, shape, in_shapes)
            for z, shape in zip(found, out_shapes, strict=True)
        ]
    else:
        step = value.then("reverse", call.wanted, False)
        _, found = in_directions(step, call.leaves, units(out_shapes))
        columns = [
            by_rows(x, out_shapes, shape)
            for x, shape in zip(found, in_shapes, strict=True)
        ]
        table = [list(row) for row in zip(*columns, strict=True)]
    return tree.unflatten(path.structure, [call.by_argument(row) for row in table])


def hessian(compiled: Any, args: Any, kwargs: Any, argnums: Any) -> Any:
    """Return f.hessian: tangents of the gradient, all at once; few if it is sparse."""
    call = Call(compiled, args, kwargs, argnums)
    shapes = call.shapes()
    if sum(math.prod(s) for s in shapes) == 0:
        check_number(call.name, call.first())
        table = [[np.zeros((*a, *b)) for b in shapes] for a in shapes]
    else:
        step = call.signature.value.then("reverse", call.wanted, False, True)
        whole = _by_structure(compiled, call, argnums, step)
        if whole is not None:
            return call.by_argument([call.by_argument([whole])])
        tangent = step.then("forward", call.wanted, False)
        path, found = in_directions(tangent, call.leaves, units(shapes))
        check_number(call.name, path)
        table = [
            by_columns(z, shape, shapes) for z, shape in zip(found, shapes, strict=True)
        ]
    return call.by_argument([call.by_argument(row) for row in table])


def _by_structure(compiled: Any, call: Call, argnums: Any, step: Derived) -> Any:
    """Return the Hessian in one leaf by a program of its own, or None."""
    if any(isinstance(leaf, Tensor) for leaf in call.leaves):
        return None
    path, _ = call.signature.value.run(call.leaves)
    steps = path.hessian(step.steps, call.wanted)
    if steps is None:
        return None
    code = path.code(steps)
    outputs, guard, _ = code.run(call.leaves)
    if guard >= 0:
        return None
    if call.is_single and all(s is tree.LEAF for s in call.structures):
        compiled.remember("hessian", argnums, call.signature, path, code)
    return outputs[0]
