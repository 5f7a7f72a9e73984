"""What the problems of programs share: answers of large results, and threads."""

from __future__ import annotations

from typing import Any

from harness import Answer


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
