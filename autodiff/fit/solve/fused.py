"""One pass over very many rows as one program: sums, and no row is kept.

Where a triangle R0 near the answer is known, ``B = J R0^-1`` is nearly orthonormal, so
its small Gram matrix loses nothing: ``R = chol(B'B) R0``. The program of a row returns
the products that are summed, and the engine sums them where it makes them, on all
cores. A Gram matrix that is not near well conditioned is not used: the caller takes
the QR of blocks then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.solve.passes import CHUNK, chunks, over_chunks

__all__ = ["FusedPass"]

Array = npt.NDArray[np.float64]

LEAST_EIGENVALUE = 1e-3  # of a Gram matrix that is trusted, relative to the largest


class FusedPass:
    """Sums over chunks of rows.

    Parameters
    ----------
    row : callable
        The formula in one row: ``row(q, columns, response)``.
    columns : tuple of array of shape (n,)
        The data.
    response : array of shape (n,)
        The observations.
    root : array of shape (n,) or float
        What brings residuals to standard units.
    """

    def __init__(
        self,
        row: Callable[..., Any],
        columns: tuple[Array, ...],
        response: Array,
        root: Array | float,
    ) -> None:
        self.columns, self.response, self.root = columns, response, root
        self.slices = chunks(len(response) // CHUNK * CHUNK, CHUNK)
        slope = ad.value_and_grad(row)

        def products(q: Any, turn: Any, data: Any, y: Any, weight: Any) -> list[Any]:
            value, gradient = slope(q, data, y)
            p = len(gradient)
            rest = weight * (value - y)
            turned = [
                weight * sum(gradient[i] * turn[i, j] for i in range(j + 1))
                for j in range(p)
            ]
            columns = [*turned, rest]
            return [columns[i] * columns[j] for i in range(p + 1) for j in range(i + 1)]

        axes = (None, None, 0, 0, None if isinstance(root, float) else 0)
        rows = ad.vmap(products, in_axes=axes, threads=1)
        self.sums = ad.compile(lambda *args: [ad.sum(part) for part in rows(*args)])

    def _rows(self, rows: slice) -> tuple[Any, ...]:
        data = tuple(column[rows] for column in self.columns)
        root = self.root if isinstance(self.root, float) else self.root[rows]
        return data, self.response[rows], root

    def pass_over(self, point: Array, near: Array) -> tuple[float, Array | None, int]:
        """Return half the sum of squares, the triangle of ``[J z]``, and over how many.

        The triangle is p by p + 1; where it cannot be trusted it is of no rows.
        """
        p = len(point)
        turn = np.linalg.inv(near)

        def sums_of(rows: slice) -> Array:
            return np.array(self.sums(point, turn, *self._rows(rows)))

        products = np.zeros((p + 1, p + 1))
        products[np.tril_indices(p + 1)] = sum(over_chunks(sums_of, self.slices))
        if not np.isfinite(products).all():
            return 0.0, None, 0
        gram = products[:p, :p] + np.tril(products[:p, :p], -1).T
        eigenvalues = np.linalg.eigvalsh(gram)
        if not eigenvalues[0] > LEAST_EIGENVALUE * eigenvalues[-1]:
            return 0.0, None, 0
        lower = np.linalg.cholesky(gram)
        qtr = np.linalg.solve(lower, products[p, :p])
        triangle = np.column_stack([lower.T @ near, qtr])
        return 0.5 * float(products[p, p]), triangle, self.slices[-1].stop
