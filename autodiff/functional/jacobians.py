"""Jacobians and Hessians; dense ones take a sweep for each row or for each column.

A block of the Jacobian belongs to one leaf of the result and one of the arguments; it
is made as a matrix of the elements of both and reshaped at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from autodiff import _core, tree
from autodiff._core import Tensor
from autodiff.errors import ArgumentError
from autodiff.functional.arguments import (
    Argnums,
    Call,
    check_argnums,
    check_callable,
    wraps,
)
from autodiff.functional.gradients import grad
from autodiff.programs.compiled import compile
from autodiff.rule import Shape, zeros
from autodiff.shape import stack

if TYPE_CHECKING:
    from autodiff.sparse import Coloring, Pattern

_MODES = ("forward", "reverse", None)


def jacobian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    mode: str | None = None,
    sparse: bool = False,
    pattern: Pattern | npt.ArrayLike | None = None,
    coloring: Coloring | None = None,
) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of fun.

    Parameters
    ----------
    fun
        Returns real numbers of any structure and shape; with has_aux, a pair of them
        and anything else.
    argnums
        The positional argument to differentiate in, or a tuple of them.
    mode
        "forward": a sweep for each number that is differentiated in; "reverse": a sweep
        for each that is returned; None takes the fewer. A sparse Jacobian has columns
        (rows) that share a sweep.
    sparse
        Of one array in one array: return a `scipy.sparse.csr_array`. The function is
        recorded as a program, whose structure says where the Jacobian is zero, and one
        sweep computes all columns, or rows, that do not meet.
    pattern, coloring
        A `sparse.Pattern` (or a matrix, dense or of scipy.sparse, that is other than
        zero where the Jacobian may be) or a `sparse.Coloring` to use instead of what
        is found; either means sparse. A Pattern or Coloring that is given again costs
        nothing. What lies outside of it is not told apart: it makes entries wrong.

    Returns
    -------
    A function with fun's arguments that returns the Jacobian, or (Jacobian, aux): the
    structure of the result, with the structure of the argument in the place of each
    leaf, each of whose leaves has the shape ``result.shape + argument.shape``.

    Raises
    ------
    TypeError
        By a call, when an argument or the result is not made of real numbers, or
        argnums do not name arguments.
    ValueError
        When the mode is none.
    ArgumentError, ShapeError
        When a sparse Jacobian is not of one array in one array, the pattern is for
        another shape, or what is given is no pattern or colouring.

    Notes
    -----
    Costs fun, and two to three times fun for each sweep. fun is recorded anew at each
    call; ``compile(fun).jacobian`` records it once and runs the sweeps as lanes.

    Examples
    --------
    >>> import autodiff as ad
    >>> import numpy as np
    >>> ad.jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    check_callable(fun, "jacobian")
    checked = check_argnums(argnums)
    if mode not in _MODES:
        raise ValueError(
            f"jacobian: mode must be 'forward', 'reverse' or None, got {mode!r}"
        )
    if sparse or pattern is not None or coloring is not None:
        options = {"sparse": True, "pattern": pattern, "coloring": coloring}
        return _sparse(jacobian, fun, argnums, has_aux, {"mode": mode, **options})

    @wraps(jacobian, fun, argnums, has_aux, mode=mode)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        call = Call(fun, checked, has_aux, args, kwargs)
        n_in = sum(math.prod(shape) for shape in call.shapes)
        n_out = sum(_core.size_of(output) for output in call.outputs)
        forward = mode == "forward" or (mode is None and n_in < n_out)
        blocks = _columns(call) if forward else _rows(call)
        trees = (
            call.like_arguments(
                [
                    _shaped(b, y.shape + s)
                    for b, s in zip(row, call.shapes, strict=True)
                ],
                argnums,
            )
            for row, y in zip(blocks, call.outputs, strict=True)
        )
        found = tree.unflatten(call.output, trees)
        return (found, call.aux) if has_aux else found

    return derivative  # type: ignore[no-any-return]


def _sparse(
    transform: Callable[..., Any],
    fun: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    options: dict[str, Any],
) -> Callable[..., Any]:
    """Return the derivative as a function that gives sparse matrices."""
    name = transform.__name__
    if has_aux:
        raise ArgumentError(f"{name}(sparse=True) takes no has_aux")
    compiled = compile(fun)

    @wraps(transform, fun, argnums, **options)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        find = getattr(compiled, name)
        return find(*args, argnums=argnums, **options, **kwargs)

    return derivative  # type: ignore[no-any-return]


def hessian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    mode: str | None = "forward",
    sparse: bool = False,
    pattern: Pattern | npt.ArrayLike | None = None,
    coloring: Coloring | None = None,
) -> Callable[..., Any]:
    """Return a function that gives the Hessian of fun, which returns one real number.

    The Jacobian of the gradient: the structure of the argument twice over, each leaf of
    shape ``argument.shape + argument.shape``. Arguments and errors as for `jacobian`,
    whose "forward" is the default: tangents of the gradient. sparse=True takes a
    symmetric colouring.

    Notes
    -----
    Costs about five times fun, and as much again for each number differentiated in.

    Examples
    --------
    >>> import autodiff as ad
    >>> import numpy as np
    >>> ad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    check_callable(fun, "hessian")
    if sparse or pattern is not None or coloring is not None:
        options = {"sparse": True, "pattern": pattern, "coloring": coloring}
        return _sparse(hessian, fun, argnums, has_aux, options)
    return wraps(hessian, fun, argnums, has_aux, mode=mode)(  # type: ignore[no-any-return]
        jacobian(grad(fun, argnums, has_aux), argnums, has_aux, mode=mode)
    )


# ---- Sweeps --------------------------------------------------------------------------


def _units(shape: Shape) -> Iterator[Tensor]:
    """Seeds with 1 at one element and 0 at all others."""
    if shape == ():
        yield _core.scalar_tensor(1.0)
        return
    for i in range(math.prod(shape)):
        unit = np.zeros(shape)
        unit.flat[i] = 1.0
        yield _core.from_array(unit, copy=False)


def _rows(call: Call) -> list[list[Any]]:
    """Blocks by reverse sweeps: [output][input], as matrices."""
    blocks = []
    for k, output in enumerate(call.outputs):
        rows = []
        for unit in _units(output.shape):
            seeds: list[Tensor | None] = [None] * len(call.outputs)
            seeds[k] = unit
            rows.append(call.linear.pull_back(seeds))
        blocks.append(
            [
                _matrix([row[j] for row in rows], math.prod(shape), call.is_tracked)
                for j, shape in enumerate(call.shapes)
            ]
        )
    return blocks


def _columns(call: Call) -> list[list[Any]]:
    """Blocks by tangent sweeps: [output][input], as matrices."""
    blocks: list[list[Any]] = [[] for _ in call.outputs]
    for j, shape in enumerate(call.shapes):
        columns = []
        for unit in _units(shape):
            seeds: list[Tensor | None] = [None] * len(call.shapes)
            seeds[j] = unit
            columns.append(call.linear.push_forward(seeds))
        for k, output in enumerate(call.outputs):
            size = _core.size_of(output)
            across = _matrix([c[k] for c in columns], size, call.is_tracked)
            blocks[k].append(across.T)
    return blocks


def _matrix(rows: list[Tensor | None], width: int, keeps_tensors: bool) -> Any:
    """Rows of a block under each other: a tensor, or an array."""
    if keeps_tensors and rows:
        flat = [zeros((width,)) if r is None else _flat(r) for r in rows]
        return stack(flat)
    matrix = np.zeros((len(rows), width))
    for i, row in enumerate(rows):
        if row is not None:
            matrix[i] = np.ravel(_core.values_of(row))
    return _core.from_array(matrix) if keeps_tensors else matrix


def _flat(x: Tensor) -> Tensor:
    return _core.reshape(x, (_core.size_of(x),))


def _shaped(block: Any, shape: Shape) -> Any:
    """Return a block in its own shape; one number as a float."""
    if isinstance(block, Tensor):
        return _core.reshape(block, shape)
    return (
        float(block[0, 0])
        if shape == ()
        else np.ascontiguousarray(block.reshape(shape))
    )
