"""Draw a fit into a PNG, SVG or PDF: data, curve, band, and residuals beneath.

Matplotlib is imported here alone, through its objects: no window, no global state. Made
for one column of a journal: 3.4 inches wide at 9 points, three times that in dots.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from autodiff.fit.errors import UsageError
from autodiff.fit.output.places import check_picture, write_whole
from autodiff.fit.output.views import Series, View, view_of
from autodiff.fit.stats.result import FitResult

__all__ = ["draw"]

WIDTH, HEIGHT = 5.0, 4.6  # inches
DPI = 200
MANY = 2000  # points; beyond, they are smaller and lighter

# Of Okabe and Ito: told apart by everybody; as many as views.MOST_CURVES.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DATA, GREY = "#333333", "#888888"

STYLE: Any = {
    "font.size": 9,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "autodiff",
    "text.usetex": False,
    "axes.formatter.useoffset": False,
}


def draw(result: FitResult, path: str) -> None:
    """Draw a fit into a file.

    Parameters
    ----------
    result : FitResult
        A fit with its data.
    path : str
        Ends in ``.png``, ``.svg`` or ``.pdf``; overwritten.

    Raises
    ------
    UsageError
        If matplotlib is not installed, or the file cannot be written.
    """
    check_picture(path)
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(
            "U181",
            "pictures are drawn by matplotlib, which is not installed: "
            "pip install 'autodiff-tape[fit]', or --plot at the end for the terminal",
        ) from None
    view = view_of(result)
    with matplotlib.rc_context(rc=STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        FigureCanvasAgg(figure)
        upper, lower = figure.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1], "hspace": 0.04}
        )
        _draw_fit(upper, view, result)
        _draw_residuals(lower, view)
        figure.align_ylabels([upper, lower])
        stream = io.BytesIO()
        kind = Path(path).suffix.lower()[1:]
        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(stream, format=kind, dpi=DPI, metadata=dates.get(kind))
    write_whole(path, stream.getvalue(), "--plot")


def _draw_fit(axes: Any, view: View, result: FitResult) -> None:
    band = f"{100 * result.level:.6g} % confidence"
    for number, (one, colour) in enumerate(zip(view.series, COLOURS, strict=False)):
        several = len(view.series) > 1
        _points(axes, one, one.y, one.name or "data", colour if several else DATA)
        if one.band_lo is not None and one.band_hi is not None:
            axes.fill_between(
                one.curve_x, one.band_lo, one.band_hi, color=colour, alpha=0.2,
                linewidth=0, label=None if number else band, zorder=1,
            )  # fmt: skip
        label = "fit" if view.has_curve else "observed = fitted"
        axes.plot(
            one.curve_x, one.curve_y, color=colour, lw=1.3,
            label=None if several else label, zorder=4,
        )  # fmt: skip
    axes.set_ylabel(_plain(view.y_label))
    axes.set_title(_shortened(result.formula), fontsize=9, loc="left", color="#444444")
    axes.tick_params(labelbottom=False)
    axes.legend(loc="best", fontsize=8)
    _keep_to_data(axes, view)


def _points(axes: Any, one: Series, y: Any, label: str | None, colour: str) -> None:
    """Draw the points of a series, with their errors where these are known."""
    size, alpha = _marks(len(one.x))
    if one.error is not None:
        axes.errorbar(
            one.x, y, yerr=one.error, fmt="none", ecolor=GREY, elinewidth=0.7,
            capsize=1.5, zorder=2,
        )  # fmt: skip
    axes.plot(
        one.x, y, "o", color=colour, markersize=size, alpha=alpha, markeredgewidth=0,
        label=None if label is None else _plain(label), zorder=3,
        rasterized=len(one.x) > MANY,
    )  # fmt: skip


def _keep_to_data(axes: Any, view: View) -> None:
    """Limit the axis where curve or band leave the data far behind."""
    errors = [0.0 if s.error is None else s.error for s in view.series]
    pairs = list(zip(view.series, errors, strict=True))
    low = min(float(np.min(s.y - error)) for s, error in pairs)
    high = max(float(np.max(s.y + error)) for s, error in pairs)
    reach = (high - low) or abs(low) or 1.0
    seen_low, seen_high = axes.get_ylim()
    axes.set_ylim(max(seen_low, low - 0.6 * reach), min(seen_high, high + 0.6 * reach))


def _draw_residuals(axes: Any, view: View) -> None:
    several = len(view.series) > 1
    axes.axhline(0.0, color=DATA if several else COLOURS[0], lw=0.8, zorder=1)
    spread = 0.0
    for one, colour in zip(view.series, COLOURS, strict=False):
        _points(axes, one, one.residuals, None, colour if several else DATA)
        error = 0.0 if one.error is None else one.error
        spread = max(spread, float(np.max(np.abs(one.residuals) + error)))
    axes.set_ylim(-1.15 * (spread or 1.0), 1.15 * (spread or 1.0))
    axes.set_ylabel("residual")
    axes.set_xlabel(_plain(view.x_label))


def _marks(n: int) -> tuple[float, float]:
    return (1.5, 0.3) if n > MANY else (3.6, 0.85)


def _plain(text: str) -> str:
    """Keep matplotlib from reading mathematics into a name."""
    return text.replace("$", r"\$")


def _shortened(text: str, limit: int = 70) -> str:
    text = " ".join(text.split())
    return _plain(text if len(text) <= limit else f"{text[: limit - 3]}...")
