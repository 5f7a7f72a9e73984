"""What is asked of a fit beyond its problem: loss, errors, intervals, search.

A name, a meaning and a default once, for the command and for Python. `Options` is
checked when it is made and never changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from autodiff.fit.errors import UsageError, suggestion

__all__ = ["INTERVALS", "LOSSES", "METHODS", "STANDARD_ERRORS", "Options"]

LIKELIHOODS = ("poisson", "bernoulli", "binomial")
ROBUST = ("huber", "soft-l1", "cauchy", "tukey")
LOSSES = ("normal", *ROBUST, *LIKELIHOODS)
STANDARD_ERRORS = ("auto", "jtj", "hessian", "sandwich")
INTERVALS = ("auto", "wald", "profile")
METHODS = ("lm", "sgd")


@dataclass(frozen=True)
class Options:
    """How a problem is fitted and reported.

    Attributes
    ----------
    loss : str
        One of `LOSSES`.
    loss_scale : float or None
        Where a robust loss begins to bend, in units of the response; estimated from
        the residuals if None.
    se : str
        One of `STANDARD_ERRORS`. ``auto`` is ``jtj`` for least squares, ``hessian``
        for the likelihoods, ``sandwich`` for the robust losses.
    ci : str
        One of `INTERVALS`. ``auto`` is ``wald`` where the curvature of the model
        leaves it true, else ``profile``.
    level : float
        Probability of intervals and bands, in (0, 1).
    starts : int or 'auto'
        How many starting points are tried.
    method : str
        One of `METHODS`.
    lr, epochs : float, int
        Step and number of passes of gradient descent.
    max_evaluations : int
        Passes over the rows in which the search has to end, all starts together.
    derive : dict of str to str
        Name and formula of quantities computed from the parameters.
    """

    loss: str = "normal"
    loss_scale: float | None = None
    se: str = "auto"
    ci: str = "auto"
    level: float = 0.95
    starts: int | str = "auto"
    method: str = "lm"
    lr: float = 0.01
    epochs: int = 100
    max_evaluations: int = 20_000
    derive: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _one_of("loss", self.loss, LOSSES)
        _one_of("se", self.se, STANDARD_ERRORS)
        _one_of("ci", self.ci, INTERVALS)
        _one_of("method", self.method, METHODS)
        if not (isinstance(self.level, float) and 0.0 < self.level < 1.0):
            cure = (
                f"; {self.level:g} % is {self.level / 100:g}"
                if isinstance(self.level, (int, float)) and 1 < self.level < 100
                else ""
            )
            raise UsageError(
                "U159",
                f"--level {self.level!r}: a probability between 0 and 1 is expected, "
                f"as 0.95{cure}",
            )
        if not _positive(self.lr):
            raise UsageError("U166", f"--lr {self.lr!r}: a positive number is expected")
        for name in ("epochs", "max_evaluations"):
            _whole(name, getattr(self, name))
        if self.starts != "auto":
            _whole("starts", self.starts)
        if self.loss_scale is not None:
            if self.loss not in ROBUST:
                raise UsageError(
                    "U167",
                    f"--loss-scale belongs to the losses {', '.join(ROBUST)}, "
                    f"not to {self.loss}",
                )
            if not _positive(self.loss_scale):
                raise UsageError(
                    "U167",
                    f"--loss-scale {self.loss_scale!r}: a positive number is expected, "
                    "in the unit of the response",
                )

    @property
    def standard_errors(self) -> str:
        """The kind of standard errors that `se` stands for."""
        if self.se != "auto":
            return self.se
        if self.loss == "normal":
            return "jtj"
        return "sandwich" if self.loss in ROBUST else "hessian"


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and value > 0


def _whole(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        option = f"--{name.replace('_', '-')}"
        raise UsageError(
            "U166", f"{option} {value!r}: a whole number from 1 is expected"
        )


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        close = suggestion(value, known) if isinstance(value, str) else ""
        raise UsageError(
            "U165", f"--{name} {value!r}: expected one of {', '.join(known)}{close}"
        )
