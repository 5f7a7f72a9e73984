"""A chain of ten million scalar operations: recorded, swept, released.

The peers, whose graphs are far larger, run a tenth of it or less.
"""

from __future__ import annotations

import gc
import time
from functools import partial

import chains
import memory
from harness import Bar, MeasureRow, Measures
from scalars import float_answer, scalar_peer

TRIPS = {"autodiff": 1_000_000, "torch": 50_000, "xad": 100_000}


def measure(peer_name: str, quick: bool) -> Measures:
    """Record, sweep and release the chain; times and bytes are per operation.

    ``recorded`` and ``swept`` are the peaks of resident memory at the end of those
    phases, ``left`` what stays after the release.
    """
    peer = scalar_peer(peer_name)
    trips = TRIPS[peer_name] // (10 if quick else 1)
    operations = trips * chains.OPERATIONS_PER_TRIP
    gc.collect()
    base = memory.current()
    memory.reset_peak()
    start = time.process_time()
    leaves = peer.leaves(chains.POINT)
    result = chains.mixed(peer.functions, leaves[0], leaves[1], trips)
    recorded = time.process_time()
    recorded_peak = memory.peak()
    peer.sweep(result)
    swept = time.process_time()
    swept_peak = memory.peak()
    gradient = peer.gradient(leaves)
    dropping = time.process_time()
    del result, leaves
    dropped = time.process_time()
    gc.collect()
    left = memory.current() - base
    _check(gradient, trips)
    return {
        "record": (recorded - start) / operations,
        "sweep": (swept - recorded) / operations,
        "release": (dropped - dropping) / operations,
        "recorded": (recorded_peak - base) / operations,
        "swept": (swept_peak - base) / operations,
        "left": float(left),
        "operations": float(operations),
    }


def _check(gradient: list[float], trips: int) -> None:
    """Raise unless the gradient is that of the chain on floats."""
    expected = float_answer(
        lambda functions, leaves: chains.mixed(functions, leaves[0], leaves[1], trips),
        chains.POINT,
    )["gradient"]
    for ours, theirs in zip(gradient, expected, strict=True):
        if not abs(ours - theirs) <= 1e-9 * abs(theirs):
            raise AssertionError(f"gradient {gradient}, on floats {expected}")


ROWS = (
    MeasureRow(
        "ten_million",
        "chain of 10 million scalar operations",
        {
            "record": "s/operation",
            "sweep": "s/operation",
            "release": "s/operation",
            "recorded": "B/operation",
            "swept": "B/operation",
            "left": "B",
            "operations": "steps",
        },
        {peer: partial(measure, peer) for peer in TRIPS},
        (Bar("value", 16.0 * memory.MIB, metric="left"),),
    ),
)
