"""Ten million steps of scalar loops in flat memory, and the bytes an operation takes.

Each loop runs in a fresh process; the resident set is sampled along the way. Growth is
what comes on top of the warm-up, beyond the Python objects the loop itself keeps.
PyTorch takes far fewer steps, for its bytes per step: its steps cost a hundred times
as much.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import chains
import memory
import peers
from harness import Bar, MeasureRow, Measures
from scalars import Functions

STEPS = {"autodiff": 10_000_000, "torch": 40_000}
SAMPLES = 200
X, T, RATE = 2.0, 3.0, 1e-9
# A byte a step would be ten million: this sees a leak of half a byte.
FLAT = 4.0 * memory.MIB
# Trips of the large graph at the bottom: 100,000 operations.
LARGE_TRIPS = 10_000

Loop = Callable[[Any, int], memory.Growth]


def _chunks(steps: int) -> tuple[int, int]:
    """Split a loop into sampled chunks; return their number and their length."""
    return SAMPLES, max(1, steps // SAMPLES)


def _leaves(lib: Any) -> tuple[Any, Any]:
    return lib.tensor(0.5, requires_grad=True), lib.tensor(-0.25, requires_grad=True)


def _train(lib: Any, w: Any, b: Any, n: int) -> None:
    """Take n steps forward, backward, and in place."""
    x, t, rate, no_grad = X, T, RATE, lib.no_grad
    for _ in range(n):
        loss = (w * x + b - t) ** 2
        loss.backward()
        with no_grad():
            w -= rate * w.grad
            b -= rate * b.grad
        w.grad = None
        b.grad = None


def forward_only(lib: Any, steps: int) -> memory.Growth:
    """Build losses and drop them without ever sweeping."""
    w, b = _leaves(lib)
    growth = memory.Growth(steps)
    chunks, length = _chunks(steps)
    for chunk in range(chunks):
        for _ in range(length):
            loss = (w * X + b - T) ** 2
        growth.sample((chunk + 1) * length)
    del loss
    return growth


def in_place(lib: Any, steps: int) -> memory.Growth:
    """Sweep and update in place under no_grad."""
    w, b = _leaves(lib)
    growth = memory.Growth(steps)
    chunks, length = _chunks(steps)
    for chunk in range(chunks):
        _train(lib, w, b, length)
        growth.sample((chunk + 1) * length)
    return growth


def rebuilt_leaves(lib: Any, steps: int) -> memory.Growth:
    """Sweep and make new leaves every step."""
    w, b = _leaves(lib)
    growth = memory.Growth(steps)
    chunks, length = _chunks(steps)
    tensor = lib.tensor
    for chunk in range(chunks):
        for _ in range(length):
            loss = (w * X + b - T) ** 2
            loss.backward()
            w = tensor(w.item() - RATE * w.grad.item(), requires_grad=True)
            b = tensor(b.item() - RATE * b.grad.item(), requires_grad=True)
        growth.sample((chunk + 1) * length)
    return growth


def kept_losses(lib: Any, steps: int) -> memory.Growth:
    """Keep every loss, already swept, in a growing list."""
    w, b = _leaves(lib)
    losses: list[Any] = []
    each = memory.object_bytes((w * X + b - T) ** 2) + 8
    growth = memory.Growth(steps, lambda: len(losses) * each)
    chunks, length = _chunks(steps)
    for chunk in range(chunks):
        for _ in range(length):
            loss = (w * X + b - T) ** 2
            loss.backward()
            losses.append(loss)
            with lib.no_grad():
                w -= RATE * w.grad
                b -= RATE * b.grad
            w.grad = None
            b.grad = None
        growth.sample((chunk + 1) * length)
    return growth


def interleaved(lib: Any, steps: int) -> memory.Growth:
    """Two independent graphs out of phase: one is always alive when one is swept."""
    first, second = _leaves(lib)
    growth = memory.Growth(steps)
    chunks, length = _chunks(steps)
    ours = (first * X - T) ** 2
    for chunk in range(chunks):
        for _ in range(length // 2):
            theirs = (second * X - T) ** 2
            ours.backward()
            first.grad = None
            ours = (first * X - T) ** 2
            theirs.backward()
            second.grad = None
        growth.sample((chunk + 1) * length)
    return growth


def measure_loop(loop: Loop, peer: str, quick: bool) -> Measures:
    """Run a loop for one peer and return its growth and time."""
    lib = peers.load(peer)
    steps = STEPS[peer] // (20 if quick else 1)
    start = time.process_time()
    growth = loop(lib, steps)
    elapsed = time.process_time() - start
    return growth.measures() | {"time": elapsed / steps}


def measure_large_below(peer: str, quick: bool) -> Measures:
    """Run the in-place loop above a large live graph, and without it.

    ``step_ratio`` is the time of a step with the large graph over the time without it,
    from the best of several blocks of each.
    """
    lib = peers.load(peer)
    steps = STEPS[peer] // (20 if quick else 1)
    blocks = 3
    alone = _blocks(lib, steps // (4 * blocks), blocks)
    x, y = (lib.tensor(v, requires_grad=True) for v in chains.POINT)
    large = chains.mixed(Functions.of(lib), x, y, LARGE_TRIPS)
    above = _blocks(lib, steps // (4 * blocks), blocks)
    start = time.process_time()
    growth = in_place(lib, steps)
    elapsed = time.process_time() - start
    large.backward()
    _check_large(lib, x.grad.item())
    ratio = {"step_ratio": min(above) / min(alone), "time": elapsed / steps}
    return growth.measures() | ratio


def _blocks(lib: Any, steps: int, blocks: int) -> list[float]:
    """Time the training step over several blocks; seconds per step."""
    times = []
    for _ in range(blocks):
        w, b = _leaves(lib)
        start = time.process_time()
        _train(lib, w, b, steps)
        times.append((time.process_time() - start) / steps)
    return times


def _check_large(lib: Any, gradient: float) -> None:
    """Raise if the large graph's gradient is not that of the same graph on its own."""
    x, y = (lib.tensor(v, requires_grad=True) for v in chains.POINT)
    chains.mixed(Functions.of(lib), x, y, LARGE_TRIPS).backward()
    expected = x.grad.item()
    if abs(gradient - expected) > 1e-12 * abs(expected):
        raise AssertionError(
            f"the large graph's gradient is {gradient!r}, on its own {expected!r}"
        )


def measure_tape_bytes(_: bool) -> Measures:
    """Return the bytes a recorded operation takes, as ``tape_info`` tells."""
    lib = peers.load("autodiff")
    x, y = (lib.tensor(v, requires_grad=True) for v in chains.POINT)
    leaves = x + y  # leaves have their entries from the first use on
    before = memory.tape_info(lib)
    result = chains.mixed(Functions.of(lib), x, y)
    after = memory.tape_info(lib)
    difference = {name: after[name] - before[name] for name in after}
    del result, leaves
    if difference["entries"] < 0.5 * chains.OPERATIONS:
        raise AssertionError(
            f"the tape holds {difference['entries']} more entries after recording "
            f"{chains.OPERATIONS} operations: its figures are not to be trusted"
        )
    return {
        "bytes": difference["bytes"] / chains.OPERATIONS,
        "capacity": difference["capacity_bytes"] / chains.OPERATIONS,
        "entries": difference["entries"] / chains.OPERATIONS,
    }


def _row(name: str, title: str, loop: Loop) -> MeasureRow:
    return MeasureRow(
        name,
        f"{title}, 10 million steps",
        {"growth": "B", "per_step": "B/step", "steps": "steps", "time": "s/step"},
        {peer: partial(measure_loop, loop, peer) for peer in STEPS},
        (Bar("value", FLAT, metric="growth"),),
    )


ROWS = (
    _row("forward_only", "forward only", forward_only),
    _row("in_place", "forward, backward, update in place", in_place),
    _row("rebuilt_leaves", "leaves rebuilt every step", rebuilt_leaves),
    _row("kept_losses", "a growing list of swept losses kept", kept_losses),
    _row("interleaved", "two independent graphs interleaved", interleaved),
    MeasureRow(
        "large_below",
        "small graphs above a large live one, 10 million steps",
        {
            "growth": "B",
            "per_step": "B/step",
            "steps": "steps",
            "time": "s/step",
            "step_ratio": "x",
        },
        {peer: partial(measure_large_below, peer) for peer in STEPS},
        (
            Bar("value", FLAT, metric="growth"),
            Bar("value", 1.25, metric="step_ratio"),
        ),
    ),
    MeasureRow(
        "tape_bytes",
        "tape of the mixed chain, per operation",
        {"bytes": "B/operation", "capacity": "B/operation", "entries": "x"},
        {"autodiff": measure_tape_bytes},
        (Bar("value", 24.0, metric="bytes"),),
    ),
)
