"""What the problems of programs share: answers of large results, branches, threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from harness import Answer, Bar, Case, TimeRow


def sampled(**results: Any) -> Answer:
    """Return an answer that says enough of large arrays: some elements, and the sum."""
    import numpy

    found: Answer = {}
    for name, result in results.items():
        flat = numpy.asarray(result, dtype=float).ravel()
        step = max(1, flat.size // 100)
        found[name] = flat[::step].tolist()
        found[f"sum of {name}"] = [float(numpy.abs(flat).sum()), float(flat.sum())]
    return found


def branch_and_thread_rows(
    title: str, timed: Callable[[Any, int], Case], plain: Any, piecewise: Any
) -> tuple[TimeRow, TimeRow]:
    """Return two rows of a batch: with three branches, and on two threads.

    ``timed(form, threads)`` is the case of a form, of which `plain` has no branch.
    """
    return (
        TimeRow(
            "piecewise",
            f"{title}, three branches at random",
            "run",
            {
                "autodiff": partial(timed, piecewise, 1),
                "autodiff_base": partial(timed, plain, 1),
            },
            (Bar("times", 1.5, "autodiff_base"),),
            tolerance=float("inf"),  # another function; the tests compare with eager
            has_first=True,
        ),
        TimeRow(
            "threads",
            f"{title}, two threads",
            "run",
            {
                "autodiff": partial(timed, plain, 2),
                "autodiff_base": partial(timed, plain, 1),
            },
            (Bar("faster", 1.7, "autodiff_base"),),
            is_wall=True,
        ),
    )
