"""Resident memory of this process, as the system sees it.

Linux gives the present and the peak in ``/proc`` and lets the peak be reset, which is
what these rows are measured with. The peak of ``getrusage`` would not do: a child
starts with that of the process which started it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MIB = 1 << 20
_STATM = Path("/proc/self/statm")
_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


def current() -> int:
    """Return the resident set size in bytes."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak() -> int:
    """Return the largest resident set size since the last reset, in bytes."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("this system does not tell the peak resident set size")


def reset_peak() -> None:
    """Make the present resident set size the peak."""
    _CLEAR_REFS.write_text("5")


class Meter:
    """What ``metered`` fills in: peak and what is left, bytes above the start."""

    peak = 0
    left = 0


@contextmanager
def metered() -> Iterator[Meter]:
    """Measure peak and remaining memory of a block, above what was there before it."""
    gc.collect()
    meter = Meter()
    base = current()
    reset_peak()
    yield meter
    meter.peak = max(0, peak() - base)
    gc.collect()
    meter.left = current() - base


class Growth:
    """Watches that a loop runs in flat memory.

    Parameters
    ----------
    steps
        Steps the loop will take in all.
    kept
        Returns the bytes of the Python objects that the loop itself keeps so far;
        they are not growth.

    Notes
    -----
    Feed it with ``sample(step)`` as the loop goes along. The first tenth of the loop is
    warm-up: pools fill and the tape finds its size. The peak of the system is part of
    the picture, so growth between two samples does not go unseen.
    """

    def __init__(self, steps: int, kept: Callable[[], int] = lambda: 0) -> None:
        self.steps = steps
        self.kept = kept
        self.base: int | None = None
        self.growth = 0
        self.samples: list[int] = []

    def sample(self, step: int) -> None:
        """Take a sample after `step` steps."""
        beyond = current() - self.kept()
        self.samples.append(beyond)
        if self.base is not None:
            self.growth = max(self.growth, peak() - self.kept() - self.base)
        elif step * 10 >= self.steps:
            self.base = beyond
        reset_peak()

    def measures(self) -> dict[str, float]:
        """Return growth after the warm-up, and what is left of it per step."""
        assert self.base is not None
        left = self.samples[-1] - self.base
        return {
            "growth": float(self.growth),
            "per_step": left / (0.9 * self.steps),
            "steps": float(self.steps),
        }


def object_bytes(value: Any) -> int:
    """Return what one small Python object takes: its size, rounded up as allocated.

    CPython hands out small objects in multiples of 16 bytes from 16 KiB pools with a
    48-byte head, in arenas; 1 % covers the heads.
    """
    size = sys.getsizeof(value)
    return int(((size + 15) & ~15) * 1.01)


def tape_info(lib: Any) -> dict[str, int]:
    """Return the figures of ``autodiff.tape_info()``, whatever shape they come in."""
    info = lib.tape_info()
    names = ("entries", "bytes", "capacity_bytes")
    if hasattr(info, "keys"):
        return {name: int(info[name]) for name in names}
    return {name: int(getattr(info, name)) for name in names}
