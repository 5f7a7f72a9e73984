"""Why a tensor has no gradient, in words."""

from __future__ import annotations

from typing import Any

from autodiff import _core
from autodiff._core import Tensor
from autodiff.errors import ArgumentError

__all__ = ["why_no_grad"]


def why_no_grad(x: Tensor) -> str:
    """Say why ``x.grad`` is None, and what to do.

    Parameters
    ----------
    x
        Any tensor.

    Returns
    -------
    str
        A sentence or two. Where a tensor lost its graph to ``detach``, ``.data`` or
        ``no_grad``, the line of that is named if it ran under `detect_anomaly`.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = ad.tensor(1.0, requires_grad=True)
    >>> print(ad.inspect.why_no_grad(2.0 * x))
    It is not a leaf but the result of mul: gradients are kept for leaves only. Call \
retain_grad() on it before backward(), or use autograd.grad(loss, x).
    """
    if not isinstance(x, Tensor):
        raise ArgumentError(
            f"why_no_grad takes a tensor, got a '{type(x).__name__}'"
            + (": a plain number has no graph" if isinstance(x, float) else "")
        )
    if _core.is_traced(x):
        return (
            "It belongs to a function that is being recorded, which has no .grad: use "
            "ad.grad of the function."
        )
    if x.requires_grad:
        return _of_leaf(x) if x.is_leaf else _of_result(x)
    return _of_passive(x)


def _of_leaf(x: Tensor) -> str:
    if x.grad is not None:
        return "It has a gradient: x.grad is not None."
    return (
        "It is a leaf that requires grad, and no backward() has reached it since its "
        "gradient was last cleared: either backward() was not called yet, or the loss "
        "does not depend on it, or only through something that was cut off (detach, "
        ".data, no_grad, .item(), a plain number) or computed before its requires_grad "
        "was set. inspect.tree(loss) shows what the loss depends on."
    )


def _of_result(x: Tensor) -> str:
    made: Any = x.grad_fn
    name = made.name().removesuffix("Backward0").lower() if made is not None else "?"
    if not x.retains_grad:
        return (
            f"It is not a leaf but the result of {name}: gradients are kept for leaves "
            "only. Call retain_grad() on it before backward(), or use "
            "autograd.grad(loss, x)."
        )
    if _retained(x) is not None:
        return "It has a gradient: x.grad is not None."
    return (
        f"It is the result of {name} and retain_grad() was called, but no backward() "
        "has reached it since: either backward() was not called yet, or before "
        "retain_grad(), or the loss does not depend on it."
    )


def _retained(x: Tensor) -> Any:
    return x.grad


def _of_passive(x: Tensor) -> str:
    if x.grad is not None:
        return "It has a gradient: x.grad is not None."
    what, line = getattr(x, "_origin", (None, None))
    if what is not None:
        how = "computed under" if what == "no_grad()" else "cut off by"
        return (
            f"It was {how} {what}" + (f" at {line}" if line else "") + ", so it has no "
            "graph and requires no grad. Compute it where gradients are recorded, "
            "without that."
        )
    other = _core.sharer(x)
    if other is not None:
        kind = "a leaf" if other.is_leaf else f"the result of {_op(other)}"
        return (
            "It is detached: it shares its elements with a tensor that requires grad "
            f"({kind}), but .detach() or .data has cut it off. Use that tensor."
        )
    return (
        "It does not require grad: it is a leaf made without requires_grad=True (or "
        "after requires_grad_(False)), or was computed under no_grad() or from such "
        "tensors alone. For a leaf call x.requires_grad_() before it is used; to have "
        "the line where a graph was lost named here, run under ad.detect_anomaly()."
    )


def _op(x: Tensor) -> str:
    made: Any = x.grad_fn
    return str(made.name().removesuffix("Backward0").lower())
