"""The names a formula may call, taken from the engine's own table."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import autodiff as ad

__all__ = ["CONSTANTS", "KEYWORDS", "OPERATOR_FUNCTIONS", "Function", "functions"]

CONSTANTS = {"pi": math.pi, "e": math.e}
KEYWORDS = frozenset(("if", "else", "and", "or", "not"))

# Names that people bring along, beside those of the engine.
_EXTRA_NAMES = {
    "ln": "log",
    "max": "maximum",
    "min": "minimum",
    "logistic": "sigmoid",
    "ifelse": "where",
    "if_else": "where",
}

# Functions that are operators: a formula holds the operator.
OPERATOR_FUNCTIONS = {
    "neg": "neg",
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "pow": "^",
    "where": "if",
}


class Function(NamedTuple):
    """An elementary function of the engine.

    `name` is canonical. `partials` are the texts of its derivatives, one for each of
    its operands, as the engine's table has them.
    """

    name: str
    n_args: int
    call: Callable[..., Any]
    partials: tuple[str, ...]

    @property
    def takes_more(self) -> bool:
        """Whether it is applied again and again where more operands are given."""
        return self.name in ("maximum", "minimum")


@functools.cache
def functions() -> dict[str, Function]:
    """Return every elementary function of the engine under all its names."""
    table: dict[str, Function] = {}
    for op in ad.ops():
        canonical = op.names[0]
        call = getattr(ad, canonical, None)
        if canonical.startswith("_") or call is None:
            continue
        function = Function(canonical, int(op.n_args), call, tuple(op.partials))
        for name in op.names:
            if not name.startswith("_"):
                table.setdefault(name, function)
    for name, canonical in _EXTRA_NAMES.items():
        if canonical in table:
            table.setdefault(name, table[canonical])
    return table
