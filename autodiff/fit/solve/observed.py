"""What a response is as a whole: sizes that others are measured against."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from autodiff.fit.binding.rows import largest_size
from autodiff.fit.solve.passes import chunks, over_chunks

__all__ = ["Observed", "observe"]

Array = npt.NDArray[np.float64]


class Observed(NamedTuple):
    """Sums over the rows of a response y with weights w.

    Attributes
    ----------
    largest : float
        Largest absolute value, in the unit of the response.
    square, largest_standard : float
        ``sum(w y^2)``, and the largest ``sqrt(w) |y|``: in standard units.
    about_mean : float
        ``sum(w (y - m)^2)`` with m the weighted mean; 0 for a constant response.
    """

    largest: float
    square: float
    largest_standard: float
    about_mean: float


def observe(response: Array, root: Array | float) -> Observed:
    """Go over a response once.

    Parameters
    ----------
    response : array of shape (n,)
        Observations, of which squares are finite.
    root : array of shape (n,) or float
        Root of the weight of each.

    Notes
    -----
    Means and squares about them are merged chunk by chunk (T. F. Chan, G. H. Golub and
    R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", 1979), so nothing is lost where the mean is large.
    """
    origin = float(response[0]) if len(response) else 0.0

    def of(rows: slice) -> tuple[float, ...]:
        y = response[rows]
        standard = y * (root if isinstance(root, float) else root[rows])
        sizes = largest_size(y), float(standard @ standard), largest_size(standard)
        y = y - origin  # its mean and its spread are of one size then, or nearly
        if isinstance(root, float):
            total, mean = root * root * len(y), float(y.mean())
            away = root * (y - mean)
        else:
            w = np.square(root[rows])
            total = float(w.sum())
            mean = float(w @ y) / total if total > 0.0 else 0.0
            away = root[rows] * (y - mean)
        if (y == y[0]).all():
            return *sizes, total, float(y[0]), 0.0
        return *sizes, total, mean, float(away @ away)

    largest = square = largest_standard = weight = mean = about = 0.0
    for a, s, b, w, m, c in over_chunks(of, chunks(len(response))):
        largest, largest_standard = max(largest, a), max(largest_standard, b)
        square += s
        if weight + w > 0.0:
            about += c + (m - mean) ** 2 * (weight * w / (weight + w))
            mean += (m - mean) * (w / (weight + w))
        weight += w
    return Observed(largest, square, largest_standard, about)
