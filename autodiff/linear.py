"""Products of vectors and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ShapeError


def matmul(x: Any, y: Any) -> Tensor:
    """Return x @ y: vectors, matrices, or batches of them, by NumPy's rules."""
    x, y = as_tensor(x), as_tensor(y)
    if x.ndim == 0 or y.ndim == 0:
        raise ShapeError(
            "matmul: both arguments need to be at least 1D, but they are "
            f"{x.ndim}D and {y.ndim}D; use * with a scalar"
        )
    if x.ndim >= 2 and y.ndim >= 2:
        return _core.matmul(x, y)
    a = _core.reshape(x, (1, x.shape[0])) if x.ndim == 1 else x
    b = _core.reshape(y, (y.shape[0], 1)) if y.ndim == 1 else y
    z = _core.matmul(a, b)
    shape = tuple(z.shape)
    if y.ndim == 1:
        shape = shape[:-1]
    if x.ndim == 1:
        shape = shape[:-2] + shape[-1:] if y.ndim > 1 else shape[:-1]
    return _core.reshape(z, shape)


_core.set_matmul(matmul)
mm = bmm = mv = matmul


def dot(x: Any, y: Any) -> Tensor:
    """Return the sum of products of two vectors; matrices as `matmul`, like NumPy."""
    x, y = as_tensor(x), as_tensor(y)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    if x.ndim == 1 and y.ndim == 1 and x.shape != y.shape:
        raise ShapeError(
            "inconsistent tensor size, expected tensor and src to have the same number "
            f"of elements, but got {x.shape[0]} and {y.shape[0]} elements respectively"
        )
    if y.ndim > 2:
        raise ShapeError("dot with a second operand of more than 2 axes: use einsum")
    return matmul(x, y)


def outer(x: Any, y: Any) -> Tensor:
    """Return x[i] * y[j] of two vectors."""
    x, y = as_tensor(x), as_tensor(y)
    return _core.reshape(x, (_core.size_of(x), 1)) * _core.reshape(
        y, (1, _core.size_of(y))
    )


def einsum(equation: str, *operands: Any) -> Tensor:
    """Return a sum of products in Einstein's notation, e.g. "ij,jk->ik".

    Values by NumPy's contraction; each gradient is another einsum. Cost: that of the
    contraction for the value, and again for each operand in the sweep.
    """
    tensors = [as_tensor(x) for x in operands]
    inputs, output = _parse(equation, tensors)
    return _einsum(inputs, output, tensors)


def _parse(equation: str, tensors: list[Tensor]) -> tuple[list[str], str]:
    """Subscripts of each operand and of the result, with "..." spelled out."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(tensors):
        raise ValueError(
            f"einsum: {equation!r} names {len(inputs)} operands, got {len(tensors)}"
        )
    spare = [c for c in _LETTERS if c not in equation]
    widest = 0
    for text, x in zip(inputs, tensors, strict=True):
        if "..." in text:
            widest = max(widest, x.ndim - len(text) + 3)
    dots = "".join(spare[:widest])
    for i, (text, x) in enumerate(zip(inputs, tensors, strict=True)):
        if "..." in text:
            n = x.ndim - len(text) + 3
            inputs[i] = text.replace("...", dots[len(dots) - n :] if n else "")
        if len(inputs[i]) != x.ndim:
            raise ShapeError(
                f"einsum: {text!r} does not fit an operand with {x.ndim} axes"
            )
    if arrow:
        return inputs, output.replace("...", dots)
    joined = "".join(inputs)
    once = sorted(c for c in set(joined) - set(dots) if joined.count(c) == 1)
    return inputs, dots + "".join(once)


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _einsum(inputs: list[str], output: str, tensors: list[Tensor]) -> Tensor:
    from autodiff.autograd import Function

    class Einsum(Function):
        @staticmethod
        def forward(ctx: Any, *xs: Tensor) -> Any:
            ctx.save_for_backward(*xs)
            values = [_core.values_of(x) for x in xs]
            try:
                spec = ",".join(inputs) + "->" + output
                return as_tensor(np.asarray(np.einsum(spec, *values, optimize=True)))
            except ValueError as error:
                raise ShapeError(f"einsum: {error}") from None

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            (g,) = gradients
            xs = list(ctx.saved_tensors)
            return tuple(
                _einsum_adjoint(inputs, output, xs, k, g) if needed else None
                for k, needed in enumerate(ctx.needs_input_grad)
            )

    return Einsum.apply(*tensors)  # type: ignore[no-any-return]


def _einsum_adjoint(
    inputs: list[str], output: str, xs: list[Tensor], k: int, g: Tensor
) -> Tensor:
    """Contract g with the other operands to the subscripts of operand k."""
    wanted = "".join(dict.fromkeys(inputs[k]))
    others = [s for i, s in enumerate(inputs) if i != k]
    known = set(output).union(*others) if others else set(output)
    reached = "".join(c for c in wanted if c in known)
    rest = [x for i, x in enumerate(xs) if i != k]
    part = _einsum([output, *others], reached, [g, *rest])
    extent = dict(zip(inputs[k], xs[k].shape, strict=True))
    if reached != wanted:  # an index that was simply summed: repeat along it
        shape = tuple(extent[c] if c in reached else 1 for c in wanted)
        full = tuple(extent[c] for c in wanted)
        part = _core.follow_view(
            _core.reshape(part, shape), lambda v: np.broadcast_to(v, full)
        )
    if wanted == inputs[k]:
        return _sum_to(part, tuple(xs[k].shape))
    # A repeated index took a diagonal: put the gradient back on it.
    shape = tuple(xs[k].shape)
    at = np.einsum(inputs[k] + "->" + wanted, np.arange(np.prod(shape)).reshape(shape))
    zero = as_tensor(np.zeros(shape))
    return _core.put(zero, np.ravel(at), _core.reshape(part, (at.size,)))


def _sum_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """x added up over axes where `shape` has extent 1."""
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and x.shape[i] != 1)
    return _core.reduce_axes(x, axes, True, "sum") if axes else x
