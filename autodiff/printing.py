"""repr and format of tensors, as PyTorch writes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor

PRECISION, THRESHOLD, EDGE_ITEMS, LINE_WIDTH = 4, 1000, 3, 80
HEAD = "tensor("


class _Style:
    """How the elements of one tensor are written: all alike, as its numbers need."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        finite = values[np.isfinite(values) & (values != 0)]
        self.is_whole = bool(np.all(finite == np.ceil(finite)))
        size = np.abs(finite)
        largest, least = size.max(initial=0.0), size.min(initial=np.inf)
        self.is_scientific = bool(
            largest > 1e8 or largest > 1000 * least or least < 1e-4
        )
        self.width = max((len(self.bare(v)) for v in finite.tolist()), default=1)

    def bare(self, value: float) -> str:
        """Write one element."""
        if not np.isfinite(value):
            return str(value)
        if self.is_scientific:
            return f"{value:.{PRECISION}e}"
        return f"{value:.0f}." if self.is_whole else f"{value:.{PRECISION}f}"

    def padded(self, value: float) -> str:
        """Write one element as wide as the widest number."""
        return self.bare(value).rjust(self.width)


def _rows(values: np.ndarray[Any, Any], style: _Style, indent: int, cut: bool) -> str:
    """Nested brackets, one line for each row of the last axis."""
    n = values.shape[0]
    is_cut = cut and n > 2 * EDGE_ITEMS
    picked = [*range(EDGE_ITEMS), *range(n - EDGE_ITEMS, n)] if is_cut else range(n)
    if values.ndim == 1:
        items = [style.padded(float(values[i])) for i in picked]
        if is_cut:
            items.insert(EDGE_ITEMS, " ...")
        per_line = max((LINE_WIDTH - indent) // (style.width + 2), 1)
        lines = [
            ", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)
        ]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    parts = [_rows(values[i], style, indent + 1, cut) for i in picked]
    if is_cut:
        parts.insert(EDGE_ITEMS, "...")
    gap = "," + "\n" * (values.ndim - 1) + " " * (indent + 1)
    return "[" + gap.join(parts) + "]"


def _edges(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Only the elements that a shortened repr shows."""
    for axis, n in enumerate(values.shape):
        if n > 2 * EDGE_ITEMS:
            at = [*range(EDGE_ITEMS), *range(n - EDGE_ITEMS, n)]
            values = np.take(values, at, axis)
    return values


def to_text(x: Tensor) -> str:
    """Write a tensor: values to four digits, and what it is in the graph."""
    values = np.asarray(_core.peek(x))
    cut = values.size > THRESHOLD
    style = _Style(_edges(values) if cut else values)
    if values.ndim == 0:
        body = style.bare(values.item())
    elif values.size == 0:
        shape = tuple(values.shape)
        body = "[]" if shape == (0,) else f"[], size={shape}"
    else:
        body = _rows(values, style, len(HEAD), cut)
    if _core.is_traced(x):
        return _with_suffix(body, "traced=True")
    grad_fn = _core.grad_fn(x)
    if grad_fn is not None:
        return _with_suffix(body, f"grad_fn={grad_fn!r}")
    return _with_suffix(body, "requires_grad=True" if x.requires_grad else "")


def _with_suffix(body: str, suffix: str) -> str:
    """Put "tensor(...)" around a body, a long suffix on a line of its own."""
    text = f"{HEAD}{body}"
    if not suffix:
        return f"{text})"
    used = len(text) - text.rfind("\n") + 1
    is_long = used + len(suffix) + 2 > LINE_WIDTH
    return f"{text},{chr(10) + ' ' * len(HEAD) if is_long else ' '}{suffix})"


def to_format(x: Tensor, spec: str) -> str:
    """Format a one-element tensor as its number; others as their repr."""
    if x.ndim == 0:
        return format(_core.peek(x), spec)
    if spec:
        raise TypeError(
            f"a Tensor with {_core.size_of(x)} elements takes no format {spec!r}; "
            "format its elements"
        )
    return to_text(x)
