"""Products of vectors, matrices and tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ShapeError
from autodiff.reduce import sum as _sum
from autodiff.shape import axes_of, diagonal, permute, ravel, unsqueeze


def matmul(input: Any, other: Any) -> Tensor:
    """Return input @ other: vectors, matrices, or batches of them, by NumPy's rules.

    Raises
    ------
    ShapeError
        When the inner extents differ, the batches do not broadcast, or one is 0-d.
    """
    x, y = as_tensor(input), as_tensor(other)
    if x.ndim == 0 or y.ndim == 0:
        raise ShapeError(
            "both arguments to matmul need to be at least 1D, but they are "
            f"{x.ndim}D and {y.ndim}D; use * with a scalar"
        )
    a = unsqueeze(x, 0) if x.ndim == 1 else x
    b = unsqueeze(y, 1) if y.ndim == 1 else y
    z = _core.matmul(a, b)
    rows = z.shape[-2:-1] if x.ndim > 1 else ()
    columns = z.shape[-1:] if y.ndim > 1 else ()
    return z if rows and columns else _core.reshape(z, (*z.shape[:-2], *rows, *columns))


_core.set_matmul(matmul)


def _check_axes(name: str, x: Tensor, n: int, y: Tensor, m: int) -> None:
    if x.ndim != n or y.ndim != m:
        raise ShapeError(
            f"{name}: expected operands with {n} and {m} axes, got shapes {x.shape} "
            f"and {y.shape}; matmul takes others"
        )


def mm(input: Any, mat2: Any) -> Tensor:
    """Return the product of two matrices."""
    x, y = as_tensor(input), as_tensor(mat2)
    _check_axes("mm", x, 2, y, 2)
    return matmul(x, y)


def mv(input: Any, vec: Any) -> Tensor:
    """Return the product of a matrix and a vector."""
    x, y = as_tensor(input), as_tensor(vec)
    _check_axes("mv", x, 2, y, 1)
    return matmul(x, y)


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """Return beta * input + alpha * mat1 @ mat2."""
    product = mm(mat1, mat2)
    z: Tensor = (input if beta == 1 else beta * as_tensor(input)) + (
        product if alpha == 1 else alpha * product
    )
    return z


def bmm(input: Any, mat2: Any) -> Tensor:
    """Return the products of two batches of matrices."""
    x, y = as_tensor(input), as_tensor(mat2)
    _check_axes("bmm", x, 3, y, 3)
    if x.shape[0] != y.shape[0]:
        raise ShapeError(f"bmm: batches of {x.shape[0]} and {y.shape[0]} matrices")
    return matmul(x, y)


def dot(input: Any, tensor: Any) -> Tensor:
    """Return the sum of products of two vectors; others as NumPy's dot."""
    x, y = as_tensor(input), as_tensor(tensor)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    if x.ndim == 1 and y.ndim == 1 and x.shape != y.shape:
        raise ShapeError(
            "inconsistent tensor size, expected tensor and src to have the same number "
            f"of elements, but got {x.shape[0]} and {y.shape[0]} elements respectively"
        )
    if y.ndim > 2:
        return tensordot(x, y, ([-1], [-2]))
    return matmul(x, y)


def vdot(input: Any, other: Any) -> Tensor:
    """Return the sum of products of the elements of two tensors."""
    return dot(ravel(input), ravel(other))


def inner(input: Any, other: Any) -> Tensor:
    """Return sums of products over the last axes of both."""
    x, y = as_tensor(input), as_tensor(other)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    return tensordot(x, y, ([-1], [-1]))


def outer(input: Any, vec2: Any) -> Tensor:
    """Return x[i] * y[j] of two vectors."""
    x, y = as_tensor(input), as_tensor(vec2)
    _check_axes("outer", x, 1, y, 1)
    return unsqueeze(x, 1) * unsqueeze(y, 0)


def trace(input: Any) -> Tensor:
    """Return the sum of a matrix's diagonal."""
    x = as_tensor(input)
    if x.ndim != 2:
        raise ShapeError(f"trace: expected a matrix, but got tensor with dim {x.ndim}")
    return _sum(diagonal(x))


def tensordot(a: Any, b: Any, dims: Any = 2) -> Tensor:
    """Return sums of products over axes of a and of b.

    `dims` is a number, for that many last axes of a and first of b, or a pair of lists.
    """
    x, y = as_tensor(a), as_tensor(b)
    if hasattr(dims, "__index__"):
        dims = range(x.ndim - dims, x.ndim), range(dims)
    first, second = (d if isinstance(d, Sequence) else (d,) for d in dims)
    over_x, over_y = axes_of(first, x.ndim), axes_of(second, y.ndim)
    if [x.shape[i] for i in over_x] != [y.shape[i] for i in over_y]:
        raise ShapeError(
            f"tensordot: axes {over_x} of shape {x.shape} and {over_y} of shape "
            f"{y.shape} differ in extent"
        )
    left = [i for i in range(x.ndim) if i not in over_x]
    right = [i for i in range(y.ndim) if i not in over_y]
    n = math.prod(x.shape[i] for i in over_x)
    shape = [x.shape[i] for i in left] + [y.shape[i] for i in right]
    rows = math.prod(x.shape[i] for i in left)
    columns = math.prod(y.shape[i] for i in right)
    matrix = _core.reshape(permute(x, [*left, *over_x]), (rows, n))
    other = _core.reshape(permute(y, [*over_y, *right]), (n, columns))
    return _core.reshape(_core.matmul(matrix, other), tuple(shape))


# ---- Einstein's notation -------------------------------------------------------------


def einsum(equation: str, *operands: Any) -> Tensor:
    """Return a sum of products in Einstein's notation, e.g. "ij,jk->ik".

    Operands are contracted two at a time, as matrix products, in the order that NumPy's
    `einsum_path` finds.

    Parameters
    ----------
    equation
        A letter for each axis of each operand, "..." for axes that broadcast; after
        "->" the axes of the result, by default the letters that occur once.
    operands
        Tensors, as arguments or in one list.

    Raises
    ------
    ShapeError
        When the letters do not fit the operands.
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    tensors = [as_tensor(x) for x in operands]
    inputs, output = _parse(equation, tensors)
    terms = [_diagonals(s, x) for s, x in zip(inputs, tensors, strict=True)]
    for pair in _path(inputs, output, tensors):
        chosen = [terms.pop(i) for i in sorted(pair, reverse=True)][::-1]
        while len(chosen) > 1:
            a, b = chosen.pop(0), chosen.pop(0)
            others = output + "".join(s for s, _ in terms + chosen)
            chosen.insert(0, _contract(*a, *b, others))
        terms += chosen
    letters, x = _summed(*terms[0], output)
    return permute(x, [letters.index(c) for c in output])


def _path(
    inputs: list[str], output: str, tensors: list[Tensor]
) -> list[tuple[int, ...]]:
    """In which order to contract; also NumPy's verdict on the letters and shapes."""
    spec = ",".join(inputs) + "->" + output
    try:
        found = np.einsum_path(spec, *[_core.peek(x) for x in tensors])
    except ValueError as error:
        raise ShapeError(f"einsum: {error}") from None
    return [tuple(step) for step in found[0][1:]]


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _parse(equation: str, tensors: list[Tensor]) -> tuple[list[str], str]:
    """Return the letters of each operand and of the result, "..." spelled out."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    if not set(equation) <= {*_LETTERS, *" ,.->"}:
        raise ShapeError(
            f"einsum(): invalid subscript in {equation!r}: subscripts are letters"
        )
    if len(inputs) != len(tensors):
        raise ShapeError(
            f"einsum: {equation!r} names {len(inputs)} operands, got {len(tensors)}"
        )
    spare = [c for c in _LETTERS if c not in equation]
    counts = [
        x.ndim - len(s.replace("...", "")) if "..." in s else 0
        for s, x in zip(inputs, tensors, strict=True)
    ]
    dots = "".join(spare[: max(counts)])
    for i, (s, n, x) in enumerate(zip(inputs, counts, tensors, strict=True)):
        inputs[i] = s.replace("...", dots[len(dots) - n :] if n > 0 else "")
        if len(inputs[i]) != x.ndim:
            raise ShapeError(
                f"einsum: {s!r} does not fit an operand of shape {x.shape}"
            )
    joined = "".join(inputs)
    if not arrow:
        once = sorted(c for c in set(joined) - set(dots) if joined.count(c) == 1)
        return inputs, dots + "".join(once)
    output = output.replace("...", dots)
    if len(set(output)) < len(output) or not set(output) <= set(joined):
        raise ShapeError(
            f"einsum: letters of the result must occur once there, and in an operand, "
            f"got {equation!r}"
        )
    return inputs, output


def _diagonals(letters: str, x: Tensor) -> tuple[str, Tensor]:
    """Take the diagonal for each letter that comes twice."""
    for c in dict.fromkeys(letters):
        while letters.count(c) > 1:
            i, j = letters.index(c), letters.rindex(c)
            if x.shape[i] != x.shape[j]:
                raise ShapeError(
                    f"einsum: {c!r} stands for extents {x.shape[i]} and {x.shape[j]}"
                )
            x = diagonal(x, 0, i, j)
            letters = letters[:i] + letters[i + 1 : j] + letters[j + 1 :] + c
    return letters, x


def _summed(letters: str, x: Tensor, kept: str) -> tuple[str, Tensor]:
    """Sum over the letters that nothing else has."""
    gone = tuple(i for i, c in enumerate(letters) if c not in kept)
    if not gone:
        return letters, x
    return "".join(c for c in letters if c in kept), _sum(x, gone)


def _contract(s: str, x: Tensor, t: str, y: Tensor, others: str) -> tuple[str, Tensor]:
    """Contract two operands to the letters that others have, as a matrix product."""
    s, x = _summed(s, x, others + t)
    t, y = _summed(t, y, others + s)
    extent = dict(zip(t, y.shape, strict=True))
    for c, n in zip(s, x.shape, strict=True):
        extent[c] = extent.get(c, n) if n == 1 else n
    inner = [c for c in s if c in t and c not in others]
    batch = [c for c in s if c in t and c in others]
    rows = [c for c in s if c not in t]
    columns = [c for c in t if c not in s]
    a = _as_matrices(s, x, batch, rows, inner, extent)
    b = _as_matrices(t, y, batch, inner, columns, extent)
    letters = batch + rows + columns
    z = _core.matmul(a, b)
    return "".join(letters), _core.reshape(z, tuple(extent[c] for c in letters))


def _as_matrices(
    letters: str,
    x: Tensor,
    batch: list[str],
    rows: list[str],
    columns: list[str],
    extent: dict[str, int],
) -> Tensor:
    """Bring an operand to (batch, rows, columns), each group one axis."""
    groups = (batch, rows, columns)
    order = [letters.index(c) for group in groups for c in group]
    full = tuple(extent[c] for group in groups for c in group)
    x = _core.follow_view(x, lambda v: np.broadcast_to(v.transpose(order), full))
    shape = tuple(math.prod(extent[c] for c in group) for group in groups)
    return _core.reshape(x, shape)
