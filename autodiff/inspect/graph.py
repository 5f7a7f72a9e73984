"""The graph below a tensor as data, and as a tree of text.

Values are those that the tape kept or can compute again, gradients those of a sweep of
its own, which keeps the graph, calls no hooks and touches no ``.grad``. Nothing here
recurses: a chain of a million operations can be looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Tensor
from autodiff.errors import ArgumentError, GraphError

__all__ = ["Graph", "Node", "tree"]

MAX_NODES = 200


@dataclass(frozen=True)
class Node:
    """One operation, or a leaf.

    Attributes
    ----------
    name
        The operation; of a leaf its given name, or "leaf".
    is_leaf
        Whether it is a leaf.
    shape
        Of its value.
    value
        A float or an array; None where it was not kept.
    gradient
        Of the tensor looked into, in this value; None where it is not reached, or
        was not asked for.
    operands
        Places of the nodes it was computed from in `Graph.nodes`, None for a constant
        or one beyond the limit.
    line
        Where it was recorded, if that was under `detect_anomaly`.
    """

    name: str
    is_leaf: bool
    shape: tuple[int, ...]
    value: Any
    gradient: Any
    operands: tuple[int | None, ...]
    line: str | None

    def __str__(self) -> str:
        parts = [f"{self.name} {self.shape} = {_text(self.value)}"]
        if self.gradient is not None:
            parts.append(f"grad {_text(self.gradient)}")
        return ", ".join(parts) + (f"  [{self.line}]" if self.line else "")


class Graph:
    """What a tensor was computed from.

    Parameters
    ----------
    tensor
        A tensor with a graph that was not swept, or swept with retain_graph=True.
    names
        Names for leaves, or a module whose parameters have some.
    gradient
        Seed of the sweep for gradients: by default 1 for a tensor of one element; for
        others there are none without it.
    max_nodes
        Operations nearest to the tensor that are looked at.

    Attributes
    ----------
    nodes : list of Node
        The first is the tensor's own; operands come after results.
    n_left_out : int
        Nodes beyond the limit.

    Raises
    ------
    GraphError
        If the graph was swept and given back.
    ArgumentError
        If the tensor has no graph.
    """

    def __init__(
        self,
        tensor: Tensor,
        names: Any = None,
        gradient: Any = None,
        max_nodes: int = MAX_NODES,
    ) -> None:
        if not isinstance(tensor, Tensor) or not tensor.requires_grad:
            raise ArgumentError(
                "inspect: expected a tensor with a graph, got "
                + (
                    "one that does not require grad; why_no_grad(x) says why"
                    if isinstance(tensor, Tensor)
                    else f"a '{type(tensor).__name__}'"
                )
            )
        try:
            trace = _core.Trace(tensor)
        except GraphError as error:
            raise GraphError(
                "inspect: the graph was swept and given back; look into it before "
                f"backward(), or sweep with retain_graph=True ({error})"
            ) from None
        entries, self.n_left_out = _nearest(trace, max_nodes)
        places = {entry: k for k, entry in enumerate(entries)}
        gradients = _gradients(tensor, trace, entries, gradient)
        known = {id(x): name for name, x in _named(names).items()}
        self.nodes = [
            _node(trace, entry, places, known, gradients[k])
            for k, entry in enumerate(entries)
        ]


def _named(names: Any) -> Mapping[str, Tensor]:
    if names is None:
        return {}
    if hasattr(names, "named_parameters"):
        return dict(names.named_parameters())
    return dict(names)


def _nearest(trace: _core.Trace, max_nodes: int) -> tuple[list[int], int]:
    """Return entries below the top, the highest first, and how many were left out."""
    found, seen, level = [], {trace.top()}, [trace.top()]
    while level:
        found += level
        below = {e for i in level for e in trace.edges(i) if e is not None}
        level = sorted(below - seen, reverse=True)
        seen |= below
        if len(found) > 100 * max_nodes:
            break  # how many are left out need not be known that well
    kept = sorted(found[:max_nodes], reverse=True)
    return kept, max(0, len(found) - max_nodes) + len(level)


def _gradients(
    tensor: Tensor, trace: _core.Trace, entries: list[int], gradient: Any
) -> list[Any]:
    if gradient is None and tensor.numel() != 1:
        return [None] * len(entries)
    inputs = [trace.tensor(entry) for entry in entries]
    found = _core.sweep_reverse(
        [tensor], [gradient], True, False, inputs, accumulate=False, is_quiet=True
    )
    return [None if g is None else _core.peek(g) for g in found]


def _node(
    trace: _core.Trace,
    entry: int,
    places: Mapping[int, int],
    known: Mapping[int, str],
    gradient: Any,
) -> Node:
    is_leaf = trace.name(entry) == "input"
    name = trace.name(entry)
    if is_leaf:
        name = known.get(id(trace.tensor(entry)), "leaf")
    operands = tuple(None if e is None else places.get(e) for e in trace.edges(entry))
    shape = trace.shape(entry)
    line = None if is_leaf else trace.line(entry)  # of a leaf: of its first use
    return Node(name, is_leaf, shape, trace.value(entry), gradient, operands, line)


def _text(value: Any) -> str:
    """Return a number, or what a whole array has to say, in a few characters."""
    if value is None:
        return "?"
    values = np.asarray(value, dtype=np.float64)
    if values.size == 0:
        return "[]"
    if values.ndim == 0:
        return f"{float(values):.5g}"
    if values.size <= 4:
        return np.array2string(values, precision=4, separator=", ").replace("\n", "")
    bad = "" if np.isfinite(values).all() else ", not all finite"
    return f"[{values.min():.4g} .. {values.max():.4g}{bad}]"


def tree(
    tensor: Tensor, names: Any = None, gradient: Any = None, max_nodes: int = MAX_NODES
) -> str:
    """Return the graph of a tensor as text, each operation above its operands.

    Parameters
    ----------
    tensor, names, gradient, max_nodes
        As for `Graph`.

    Returns
    -------
    str
        Lines with operation, shape, value (for a large array its range), gradient, and
        the user's line where that was noted: recorded under ``detect_anomaly``.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = ad.tensor(3.0, requires_grad=True)
    >>> print(ad.inspect.tree(ad.exp(x * 0.0) + 1.0, names={"x": x}))
    add () = 2, grad 1
    `-- exp () = 1, grad 1
        `-- mul () = 0, grad 1
            `-- x () = 3, grad 0
    """
    graph = Graph(tensor, names, gradient, max_nodes)
    lines: list[str] = []
    shown: dict[int, int] = {}
    waiting = [(0, "", "")]
    while waiting:
        k, indent, branch = waiting.pop()
        node = graph.nodes[k]
        if k in shown:
            at = "" if node.is_leaf and node.name != "leaf" else f" of line {shown[k]}"
            lines.append(f"{indent}{branch}{node.name}{at}, see above")
            continue
        lines.append(f"{indent}{branch}{node}")
        shown[k] = len(lines)
        below = indent + {"": "", "|-- ": "|   ", "`-- ": "    "}[branch]
        operands = [place for place in node.operands if place is not None]
        last = len(operands) - 1
        waiting += [
            (place, below, "|-- " if j < last else "`-- ")
            for j, place in reversed(list(enumerate(operands)))
        ]
    if graph.n_left_out:
        lines.append(f"... {graph.n_left_out} more; max_nodes= shows them")
    return "\n".join(lines)
