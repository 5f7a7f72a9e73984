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
from autodiff.fit.output.views import View, view_of
from autodiff.fit.stats.result import FitResult

__all__ = ["draw"]

WIDTH, HEIGHT = 5.0, 4.6  # inches
DPI = 200
MANY = 2000  # points; beyond, they are smaller and lighter

# Blue and vermilion of Okabe and Ito: told apart by everybody, and in grey.
DATA, CURVE, GREY = "#333333", "#0072B2", "#888888"

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
    size, alpha = _marks(len(view.x))
    if view.error is not None:
        axes.errorbar(
            view.x, view.y, yerr=view.error, fmt="none", ecolor=GREY, elinewidth=0.7,
            capsize=1.5, zorder=2,
        )  # fmt: skip
    axes.plot(
        view.x, view.y, "o", color=DATA, markersize=size, alpha=alpha,
        markeredgewidth=0, label="data", zorder=3, rasterized=len(view.x) > MANY,
    )  # fmt: skip
    if view.band_lo is not None and view.band_hi is not None:
        axes.fill_between(
            view.curve_x, view.band_lo, view.band_hi, color=CURVE, alpha=0.2,
            linewidth=0, label=f"{100 * result.level:.6g} % confidence", zorder=1,
        )  # fmt: skip
    label = "fit" if view.has_curve else "observed = fitted"
    axes.plot(view.curve_x, view.curve_y, color=CURVE, lw=1.3, label=label, zorder=4)
    axes.set_ylabel(_plain(view.y_label))
    axes.set_title(_shortened(result.formula), fontsize=9, loc="left", color="#444444")
    axes.tick_params(labelbottom=False)
    axes.legend(loc="best", fontsize=8)
    _keep_to_data(axes, view)


def _keep_to_data(axes: Any, view: View) -> None:
    """Limit the axis where curve or band leave the data far behind."""
    error = 0.0 if view.error is None else view.error
    low, high = float(np.min(view.y - error)), float(np.max(view.y + error))
    reach = (high - low) or abs(low) or 1.0
    seen_low, seen_high = axes.get_ylim()
    axes.set_ylim(max(seen_low, low - 0.6 * reach), min(seen_high, high + 0.6 * reach))


def _draw_residuals(axes: Any, view: View) -> None:
    size, alpha = _marks(len(view.x))
    axes.axhline(0.0, color=CURVE, lw=1.0, zorder=1)
    if view.error is not None:
        axes.errorbar(
            view.residual_x, view.residuals, yerr=view.error, fmt="none", ecolor=GREY,
            elinewidth=0.7, capsize=1.5, zorder=2,
        )  # fmt: skip
    axes.plot(
        view.residual_x, view.residuals, "o", color=DATA, markersize=size, alpha=alpha,
        markeredgewidth=0, zorder=3, rasterized=len(view.x) > MANY,
    )  # fmt: skip
    spread = float(np.max(np.abs(view.residuals), initial=0.0)) or 1.0
    if view.error is not None:
        spread = max(spread, float(np.max(np.abs(view.residuals) + view.error)))
    axes.set_ylim(-1.15 * spread, 1.15 * spread)
    axes.set_ylabel("residual")
    axes.set_xlabel(_plain(view.residual_label))


def _marks(n: int) -> tuple[float, float]:
    return (1.5, 0.3) if n > MANY else (3.6, 0.85)


def _plain(text: str) -> str:
    """Keep matplotlib from reading mathematics into a name."""
    return text.replace("$", r"\$")


def _shortened(text: str, limit: int = 70) -> str:
    text = " ".join(text.split())
    return _plain(text if len(text) <= limit else f"{text[: limit - 3]}...")
