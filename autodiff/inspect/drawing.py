"""Graphs as pictures: text for Graphviz, and an SVG with a layout of our own.

The layout puts a node one row below the lowest of its results; that is enough for
graphs of a size that can be looked at, and needs no other program.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from autodiff._core import Tensor
from autodiff.inspect.graph import MAX_NODES, Graph, Node

__all__ = ["to_dot", "to_svg"]

CHARACTER, LINE, GAP, ROW = 7.2, 16, 24, 44  # of the picture, in its own units


def to_dot(
    tensor: Tensor, names: Any = None, gradient: Any = None, max_nodes: int = MAX_NODES
) -> str:
    r"""Return the graph of a tensor in the language of Graphviz.

    Parameters
    ----------
    tensor, names, gradient, max_nodes
        As for `tree`.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = ad.tensor(3.0, requires_grad=True)
    >>> print(ad.inspect.to_dot(ad.sin(x)))
    digraph graph_of_a_tensor {
      node [shape=box, fontname=monospace];
      n0 [label="sin ()\n0.14112\ngrad 1"];
      n1 -> n0;
      n1 [label="leaf ()\n3\ngrad -0.98999", style=filled, fillcolor=lightgrey];
    }
    """
    graph = Graph(tensor, names, gradient, max_nodes)
    lines = ["digraph graph_of_a_tensor {", "  node [shape=box, fontname=monospace];"]
    for k, node in enumerate(graph.nodes):
        label = "\\n".join(_escaped(line) for line in _label(node))
        style = ", style=filled, fillcolor=lightgrey" * node.is_leaf
        lines.append(f'  n{k} [label="{label}"{style}];')
        lines += [f"  n{j} -> n{k};" for j in node.operands if j is not None]
    return "\n".join([*lines, "}"])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _label(node: Node) -> list[str]:
    head, _, line = str(node).partition("  [")
    name, _, rest = head.partition(" = ")
    value, _, gradient = rest.partition(", grad ")
    label = [name, value]
    label += [f"grad {gradient}"] if gradient else []
    return label + ([line.rstrip("]")] if line else [])


def to_svg(
    tensor: Tensor, names: Any = None, gradient: Any = None, max_nodes: int = MAX_NODES
) -> str:
    """Return the graph of a tensor as a picture, the tensor on top.

    Parameters
    ----------
    tensor, names, gradient, max_nodes
        As for `tree`.

    Returns
    -------
    str
        An SVG document.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = ad.tensor(3.0, requires_grad=True)
    >>> ad.inspect.to_svg(ad.sin(x))[:4]
    '<svg'
    """
    nodes = Graph(tensor, names, gradient, max_nodes).nodes
    labels = [_label(node) for node in nodes]
    places, width, height = _places(nodes, labels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} '
        f'{height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        'font-family="monospace" font-size="12" text-anchor="middle">'
    ]
    for k, node in enumerate(nodes):
        for j in node.operands:
            if j is not None:
                x1, y1 = places[j][0], places[j][1] - _height(labels[j]) / 2
                x2, y2 = places[k][0], places[k][1] + _height(labels[k]) / 2
                parts.append(
                    f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                    'stroke="grey"/>'
                )
    parts += [
        _box(node, label, *place)
        for node, label, place in zip(nodes, labels, places, strict=True)
    ]
    return "\n".join([*parts, "</svg>"])


def _width(label: list[str]) -> float:
    return CHARACTER * max(map(len, label)) + LINE


def _height(label: list[str]) -> float:
    return LINE * (len(label) + 0.5)


def _places(
    nodes: list[Node], labels: list[list[str]]
) -> tuple[list[tuple[float, float]], float, float]:
    """Return the centre of each node, and the extent of the picture."""
    depth = [0] * len(nodes)
    for k, node in enumerate(nodes):  # operands come later
        for j in node.operands:
            if j is not None:
                depth[j] = max(depth[j], depth[k] + 1)
    rows = [[k for k in range(len(nodes)) if depth[k] == d] for d in sorted(set(depth))]
    widths = [sum(_width(labels[k]) + GAP for k in row) for row in rows]
    total, y = max(widths) + GAP, float(GAP)
    places = [(0.0, 0.0)] * len(nodes)
    for row, width in zip(rows, widths, strict=True):
        x, tall = (total - width + GAP) / 2, max(_height(labels[k]) for k in row)
        for k in row:
            places[k] = (x + _width(labels[k]) / 2, y + tall / 2)
            x += _width(labels[k]) + GAP
        y += tall + ROW
    return places, total, y - ROW + GAP


def _box(node: Node, label: list[str], x: float, y: float) -> str:
    width, height = _width(label), _height(label)
    fill = "lightgrey" if node.is_leaf else "white"
    first = y - height / 2 + LINE
    lines = "".join(
        f'<text x="{x:.1f}" y="{first + LINE * i:.1f}">{escape(line)}</text>'
        for i, line in enumerate(label)
    )
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="4" fill="{fill}" stroke="black"/>{lines}'
    )
