"""Loops over 100 MB arrays: the peak is PyTorch's, plus one array at most."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import memory
import peers
from harness import Bar, MeasureRow, Measures

ARRAY_BYTES = 100_000_000
SIZE = ARRAY_BYTES // 8
STEPS = 5

Step = Callable[[Any, Any], float]


def forward_only(lib: Any, x: Any) -> float:
    """Compute a loss and drop it without sweeping."""
    y = lib.exp(x * 0.5 + 1.0) * x
    return float(y.mean().item())


def forward_backward(lib: Any, x: Any) -> float:
    """Compute a loss, sweep it, clear the gradient."""
    y = lib.exp(x * 0.5 + 1.0) * x
    y.mean().backward()
    slope = float(x.grad[-1].item()) * SIZE
    x.grad = None
    return slope


def chain_of_ten(lib: Any, x: Any) -> float:
    """Ten elementwise operations, one name for all results, then the sweep."""
    y = x * 0.5
    y = lib.sin(y)
    y = y + 2.0
    y = lib.log(y)
    y = lib.exp(y)
    y = y / 3.0
    y = lib.sqrt(y)
    y = lib.tanh(y)
    y = y * x
    y = y - 0.25
    y.mean().backward()
    slope = float(x.grad[-1].item()) * SIZE
    x.grad = None
    return slope


def measure(step: Step, peer: str, quick: bool) -> Measures:
    """Run the loop for one peer; the peak counts from the input's existence on."""
    np = peers.load("numpy")
    lib = peers.load(peer)
    # One small pass first: what a library loads on first use is not the loop's.
    step(lib, lib.tensor(np.linspace(-1.0, 1.0, 1000), requires_grad=True))
    source = np.linspace(-1.0, 1.0, SIZE)
    x = lib.tensor(source, requires_grad=True)
    del source
    steps = 2 if quick else STEPS
    start = time.process_time()
    with memory.metered() as meter:
        for _ in range(steps):
            result = step(lib, x)
    elapsed = time.process_time() - start
    return {
        "peak": float(meter.peak),
        "left": float(meter.left),
        "time": elapsed / steps,
        "result": result,
    }


def _row(name: str, title: str, step: Step) -> MeasureRow:
    return MeasureRow(
        name,
        f"100 MB arrays, {title}",
        {"peak": "B", "left": "B", "time": "s/step", "result": "answer"},
        {peer: partial(measure, step, peer) for peer in ("autodiff", "torch")},
        (Bar("beyond", float(ARRAY_BYTES), "torch", metric="peak"),),
    )


ROWS = (
    _row("forward_only", "forward only", forward_only),
    _row("forward_backward", "forward and backward", forward_backward),
    _row("chain_of_ten", "chain of ten operations", chain_of_ten),
)
