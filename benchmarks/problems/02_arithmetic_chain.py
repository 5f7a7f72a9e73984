"""100,000 scalar operations in a Python loop: + - * / alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import chain_rows
import chains
from harness import Bar, TimeRow
from scalars import Functions


def chain(_: Functions, leaves: Sequence[Any]) -> Any:
    """Run the arithmetic chain from two leaves."""
    return chains.arithmetic(leaves[0], leaves[1])


ROWS = (
    TimeRow(
        "record",
        "arithmetic chain of 100,000 scalar operations, record",
        "operation",
        chain_rows.record_cases(chain),
        (Bar("times", 2.0, "floats", reach=1.5),),
    ),
    TimeRow(
        "reverse",
        "arithmetic chain of 100,000 scalar operations, reverse sweep alone",
        "operation",
        chain_rows.reverse_cases(chain),
        (Bar("value", 6e-9, reach=3e-9),),
    ),
)
