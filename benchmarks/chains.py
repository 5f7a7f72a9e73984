"""The scalar chains: one source text for floats and for every tape.

Both keep every value tame over any number of trips: the state ``z`` goes through a
contraction, so rounding differences die out, and the sum ``s`` gives every trip an
adjoint of order one, so that the sweep neither underflows nor skips anything.
"""

from __future__ import annotations

from typing import Any

from scalars import Functions

# Where the chains start: the two leaves.
POINT = (0.8, 1.2)

# Operations per trip, and trips, of the 100,000-operation chains.
OPERATIONS_PER_TRIP = 10
TRIPS = 10_000
OPERATIONS = OPERATIONS_PER_TRIP * TRIPS


def mixed(functions: Functions, x: Any, y: Any, trips: int = TRIPS) -> Any:
    """Run the mixed chain: + * / ** sin exp log sqrt tanh, ten operations a trip."""
    sin = functions.sin
    exp = functions.exp
    log = functions.log
    sqrt = functions.sqrt
    tanh = functions.tanh
    s = y
    z = x
    for _ in range(trips):
        u = sin(z * x)
        v = exp(u) / y
        w = sqrt(v) ** 1.5
        z = tanh(log(w + y))
        s = s + z
    return s


def arithmetic(x: Any, y: Any, trips: int = TRIPS) -> Any:
    """Run the arithmetic chain: + - * / alone, ten operations a trip."""
    s = y
    z = x
    for _ in range(trips):
        u = z * x + y
        v = u / y - x
        w = v * u - z
        z = w / u
        s = s + z * w - y
    return s
