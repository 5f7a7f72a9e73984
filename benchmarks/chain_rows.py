"""The three timings of a 100,000-operation chain: record, reverse, record and reverse.

The problem files of the chains choose the chain and the bars; how a chain is timed is
the same for all of them and is written here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from chains import OPERATIONS, POINT
from harness import Answer, Case
from scalars import Chain, Functions, float_answer, scalar_peer, tape_answer

TAPES = ("autodiff", "torch", "xad")


def record_cases(chain: Chain) -> dict[str, Callable[[], Case]]:
    """Cases that run the loop forward, on floats and on every tape.

    The result outlives the clock: releasing the graph is not part of the time.
    """
    return _per_tape(_record, chain) | {"floats": partial(_floats, chain)}


def reverse_cases(chain: Chain) -> dict[str, Callable[[], Case]]:
    """Cases that sweep a chain recorded outside the clock."""
    return _per_tape(_reverse, chain)


def full_cases(chain: Chain) -> dict[str, Callable[[], Case]]:
    """Cases that make leaves, record, sweep and release."""
    return _per_tape(_full, chain)


def _per_tape(
    build: Callable[[Chain, str], Case], chain: Chain
) -> dict[str, Callable[[], Case]]:
    return {peer: partial(build, chain, peer) for peer in TAPES}


def _floats(chain: Chain) -> Case:
    functions = Functions.of(math)

    def run(n: int) -> Any:
        result = None
        for _ in range(n):
            result = chain(functions, POINT)
        return result

    return Case(run, partial(float_answer, chain, POINT), units=OPERATIONS)


def _record(chain: Chain, name: str) -> Case:
    peer = scalar_peer(name)

    def run(_: int) -> Any:
        return chain(peer.functions, peer.leaves(POINT))

    return Case(
        run,
        partial(tape_answer, peer, chain, POINT),
        units=OPERATIONS,
        repeatable=False,
    )


def _reverse(chain: Chain, name: str) -> Case:
    peer = scalar_peer(name)
    recorded: list[Any] = []

    def setup() -> None:
        recorded.clear()
        recorded.append(chain(peer.functions, peer.leaves(POINT)))

    def run(_: int) -> None:
        peer.sweep(recorded[0])

    return Case(
        run,
        partial(tape_answer, peer, chain, POINT),
        setup=setup,
        units=OPERATIONS,
        repeatable=False,
    )


def _full(chain: Chain, name: str) -> Case:
    peer = scalar_peer(name)

    def run(_: int) -> None:
        result = chain(peer.functions, peer.leaves(POINT))
        peer.sweep(result)

    def answer() -> Answer:
        return tape_answer(peer, chain, POINT)

    return Case(run, answer, units=OPERATIONS, repeatable=False)
