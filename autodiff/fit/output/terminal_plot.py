"""Draw data and curve with characters, for a look without leaving the terminal.

A canvas of dots: two by four in a braille character, or one in an ASCII one. Points and
curve are layers, so that they can have colours, and a character shows the layer on top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autodiff.fit.output.style import PLAIN, Style
from autodiff.fit.output.views import View, ticks

__all__ = ["terminal_plot"]

Array = npt.NDArray[np.float64]

BLANK = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # [row][column]
HEIGHT = 20
MIN_WIDTH, MAX_WIDTH = 30, 110


class Canvas:
    """Characters of `width` x `height`, with dots in two layers: curve and points."""

    def __init__(self, width: int, height: int, unicode: bool) -> None:
        self.width, self.height, self.unicode = width, height, unicode
        self.per_x, self.per_y = (2, 4) if unicode else (1, 1)
        shape = (height * self.per_y, width * self.per_x)
        self.curve = np.zeros(shape, dtype=bool)
        self.points = np.zeros(shape, dtype=bool)

    def line(self, layer: npt.NDArray[np.bool_], x: Array, y: Array) -> None:
        """Set dots along a polyline in units of the canvas, 0 to 1; NaN interrupts."""
        rows, columns = layer.shape
        steps = 4 * max(rows, columns)
        for i in range(len(x) - 1):
            ends = np.array([x[i], y[i], x[i + 1], y[i + 1]])
            if np.isfinite(ends).all():
                far = max(abs(ends[2] - ends[0]), abs(ends[3] - ends[1]))
                t = np.linspace(0.0, 1.0, 2 + math.ceil(min(far, 2.0) * steps))
                self.dots(
                    layer,
                    ends[0] + t * (ends[2] - ends[0]),
                    ends[1] + t * (ends[3] - ends[1]),
                )

    def dots(self, layer: npt.NDArray[np.bool_], x: Array, y: Array) -> None:
        """Set dots in units of the canvas; what lies outside is left out."""
        rows, columns = layer.shape
        inside = (x >= 0.0) & (x <= 1.0) & (y >= 0.0) & (y <= 1.0)
        j = np.rint(x[inside] * (columns - 1)).astype(int)
        i = np.rint((1.0 - y[inside]) * (rows - 1)).astype(int)
        layer[i, j] = True

    def lines(self, style: Style) -> list[str]:
        """Return the canvas, a string a row."""
        return [
            "".join(self._character(i, j, style) for j in range(self.width)).rstrip()
            for i in range(self.height)
        ]

    def _character(self, i: int, j: int, style: Style) -> str:
        rows = slice(i * self.per_y, (i + 1) * self.per_y)
        columns = slice(j * self.per_x, (j + 1) * self.per_x)
        points, curve = self.points[rows, columns], self.curve[rows, columns]
        if not self.unicode:
            return "o" if points.any() else "." if curve.any() else " "
        if points.any():
            # Only the point's own dots, thickened: it must stand out from the curve.
            return style.careful("●")
        mask = sum(DOTS[r][c] for r, c in np.argwhere(curve).tolist())
        return chr(BLANK + mask) if mask else " "


def terminal_plot(view: View, style: Style = PLAIN, height: int = HEIGHT) -> str:
    """Return a plot of data and curve, as wide as the terminal.

    Parameters
    ----------
    view : View
        What is to be seen.
    style : Style
        Width, colours, and whether braille can be shown.
    height : int
        Rows of the canvas.

    Returns
    -------
    str
        Lines with axes, ticks and labels; ``o`` or a dot for data.
    """
    y_low, y_high = _range([a for s in view.series for a in (s.y, s.curve_y)])
    x_low, x_high = _range([a for s in view.series for a in (s.x, s.curve_x)])
    y_ticks = [t for t in ticks(y_low, y_high, 5) if y_low <= t <= y_high]
    x_ticks = [t for t in ticks(x_low, x_high, 5) if x_low <= t <= x_high]
    labels = [f"{t:.6g}" for t in y_ticks]
    margin = max(map(len, labels), default=0)
    width = min(max(style.width - margin - 3, MIN_WIDTH), MAX_WIDTH)
    canvas = Canvas(width, height, style.unicode)
    for one in view.series:
        canvas.line(
            canvas.curve,
            (one.curve_x - x_low) / (x_high - x_low),
            (one.curve_y - y_low) / (y_high - y_low),
        )
        canvas.dots(
            canvas.points,
            (one.x - x_low) / (x_high - x_low),
            (one.y - y_low) / (y_high - y_low),
        )
    side, tick, corner, flat, down = (
        "│┤└─┬" if style.unicode else ("|", "+", "+", "-", "+")
    )
    marks = {}
    for label, value in zip(labels, y_ticks, strict=True):
        row = round((1.0 - (value - y_low) / (y_high - y_low)) * (height - 1))
        marks[row] = label
    lines = [f"{'':{margin}} {view.y_label}"]
    for row, content in enumerate(canvas.lines(style)):
        mark = tick if row in marks else side
        lines.append(f"{marks.get(row, ''):>{margin}} {mark}{content}")
    lines += _bottom(view, x_ticks, x_low, x_high, width, margin, (corner, flat, down))
    return "\n".join(line.rstrip() for line in lines)


def _bottom(
    view: View,
    x_ticks: Sequence[float],
    low: float,
    high: float,
    width: int,
    margin: int,
    signs: tuple[str, str, str],
) -> list[str]:
    corner, flat, down = signs
    axis, labels = [flat] * width, [" "] * (width + 12)
    free = 0
    for value in x_ticks:
        column = round((value - low) / (high - low) * (width - 1))
        text = f"{value:.6g}"
        begin = max(column - len(text) // 2, 0)
        axis[column] = down
        if begin >= free and begin + len(text) <= len(labels):
            labels[begin : begin + len(text)] = text
            free = begin + len(text) + 1
    blank = " " * margin
    name = view.x_label[:width]
    return [
        f"{blank} {corner}{''.join(axis)}",
        f"{blank}  {''.join(labels)}",
        f"{blank}  {name:^{width}}",
    ]


def _range(layers: Sequence[Array]) -> tuple[float, float]:
    values = np.concatenate([layer[np.isfinite(layer)] for layer in layers])
    low, high = float(values.min(initial=0.0)), float(values.max(initial=1.0))
    if len(values):
        low, high = float(values.min()), float(values.max())
    if not high > low:
        reach = abs(low) * 0.1 or 1.0
        low, high = low - reach, high + reach
    edge = 0.03 * (high - low)
    return low - edge, high + edge
