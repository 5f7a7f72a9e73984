"""Going over very many rows: in chunks, on all cores, and nothing of a row is kept.

What is summed of chunks is added up in their order, so the number of cores changes no
bit of a result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

__all__ = ["CHUNK", "PIECE", "chunks", "over_chunks"]

Part = TypeVar("Part")

# Rows whose columns stay in the second-level cache; of arrays that are made on the way,
# fewer: the allocator gives larger ones back to the system each time.
CHUNK, PIECE = 65_536, 8_192


def chunks(n: int, size: int = PIECE, first: int = 0) -> list[slice]:
    """Return the rows from `first` to n in stretches of `size`.

    Examples
    --------
    >>> chunks(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + size, n)) for start in range(first, n, size)]


def over_chunks(
    function: Callable[[slice], Part], slices: Sequence[slice]
) -> list[Part]:
    """Return what a function makes of each stretch, in order.

    Parameters
    ----------
    function : callable
        Called from several threads at once, where there are several stretches; numbers
        that overflow in it raise no warning. Programs and NumPy run with the
        interpreter's lock released.
    slices : sequence of slice
        The stretches.
    """

    def quietly(rows: slice) -> Part:  # NumPy's error state is each thread's own
        with np.errstate(all="ignore"):
            return function(rows)

    first = [quietly(rows) for rows in slices[:1]]  # what is recorded, is recorded here
    rest = slices[1:]
    threads = os.cpu_count() or 1
    if len(rest) < 2 or threads == 1:
        return first + [quietly(rows) for rows in rest]
    from concurrent.futures import ThreadPoolExecutor  # slow to import

    with ThreadPoolExecutor(threads) as pool:
        return first + list(pool.map(quietly, rest))
