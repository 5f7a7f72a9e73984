"""Fit a formula to data with exact derivatives.

From the shell, ``autodiff fit 'y ~ w*x + b' data.csv``; from Python,
``autodiff.fit("y ~ w*x + b", data)``: this module can be called.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from autodiff.fit.errors import DataError, FitError, FormulaError, UsageError

if TYPE_CHECKING:
    from autodiff.fit.api import compare as compare
    from autodiff.fit.api import fit as fit
    from autodiff.fit.api import least_squares as least_squares
    from autodiff.fit.stats.result import Estimate as Estimate
    from autodiff.fit.stats.result import FitResult as FitResult

__all__ = [
    "DataError",
    "Estimate",
    "FitError",
    "FitResult",
    "FormulaError",
    "UsageError",
    "compare",
    "fit",
    "least_squares",
]

_LATER = {
    "compare": "autodiff.fit.api",
    "fit": "autodiff.fit.api",
    "least_squares": "autodiff.fit.api",
    "Estimate": "autodiff.fit.stats.result",
    "FitResult": "autodiff.fit.stats.result",
}


def __getattr__(name: str) -> Any:
    """Import the solver only when it is asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LATER[name]), name)


class _CallableModule(ModuleType):
    """Makes ``autodiff.fit(...)`` mean ``autodiff.fit.fit(...)``."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fit(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
