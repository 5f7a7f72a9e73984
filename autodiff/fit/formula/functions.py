"""The names a formula may call, taken from the engine's own table."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import autodiff as ad

__all__ = ["CONSTANTS", "Function", "functions"]

CONSTANTS = {"pi": math.pi, "e": math.e}

_EXTRA_NAMES = {"ln": "log"}


class Function(NamedTuple):
    """An elementary function: canonical name, number of arguments, callable."""

    name: str
    n_args: int
    call: Callable[..., Any]


@functools.cache
def functions() -> dict[str, Function]:
    """Return every elementary function of the engine under all its names."""
    table: dict[str, Function] = {}
    for op in ad.ops():
        canonical = op.names[0]
        call = getattr(ad, canonical, None)
        if canonical.startswith("_") or call is None:
            continue
        function = Function(canonical, int(op.n_args), call)
        for name in op.names:
            if not name.startswith("_"):
                table.setdefault(name, function)
    for name, canonical in _EXTRA_NAMES.items():
        if canonical in table:
            table.setdefault(name, table[canonical])
    return table
