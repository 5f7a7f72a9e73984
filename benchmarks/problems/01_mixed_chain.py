"""100,000 mixed scalar operations in a Python loop: + * / ** sin exp log sqrt tanh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import chain_rows
import chains
from harness import Bar, TimeRow
from scalars import Functions


def chain(functions: Functions, leaves: Sequence[Any]) -> Any:
    """Run the mixed chain from two leaves."""
    return chains.mixed(functions, leaves[0], leaves[1])


ROWS = (
    TimeRow(
        "record",
        "mixed chain of 100,000 scalar operations, record",
        "operation",
        chain_rows.record_cases(chain),
        (Bar("times", 1.5, "floats", reach=1.0),),
    ),
    TimeRow(
        "reverse",
        "mixed chain of 100,000 scalar operations, reverse sweep alone",
        "operation",
        chain_rows.reverse_cases(chain),
        (Bar("value", 6e-9, reach=3e-9),),
    ),
    TimeRow(
        "record_reverse",
        "mixed chain of 100,000 scalar operations, record and reverse",
        "operation",
        chain_rows.full_cases(chain),
        (Bar("faster", 150.0, "torch"), Bar("faster", 10.0, "xad")),
    ),
)
