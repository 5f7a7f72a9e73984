"""Which of several models the data prefer.

Models of the same response are ranked by AICc; where one is a special case of another,
a test asks whether the larger earns its parameters: an F test where the size of the
errors is estimated, else the likelihood-ratio test, against chi-square.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from autodiff.fit.errors import UsageError
from autodiff.fit.options import LIKELIHOODS
from autodiff.fit.stats.chi_square import chi_square_probability

__all__ = ["Candidate", "Comparison", "NestedTest", "Rank", "compare", "f_probability"]

Array = npt.NDArray[np.float64]


class Candidate(Protocol):
    """What is asked of a fitted model."""

    @property
    def formula(self) -> str:
        """As it was written."""

    @property
    def rss(self) -> float:
        """Weighted sum of squared residuals."""

    @property
    def deviance(self) -> float:
        """Twice the log-likelihood ratio to a perfect fit, of a likelihood."""

    @property
    def errors(self) -> str:
        """Where the size of errors is from: ``scaled`` ones are estimated."""

    @property
    def n(self) -> int:
        """Rows."""

    @property
    def df(self) -> int:
        """Rows less free parameters."""

    @property
    def aicc(self) -> float:
        """Corrected criterion of Akaike."""

    @property
    def bic(self) -> float:
        """Criterion of Schwarz."""

    @property
    def loss(self) -> str:
        """What was minimised."""


@dataclass(frozen=True)
class Rank:
    """One model of a comparison.

    Attributes
    ----------
    label : str
        What the model is called.
    n_parameters : int
        Free parameters.
    delta, weight : float
        AICc above the smallest, and the share of the evidence (Akaike weight).
    """

    label: str
    n_parameters: int
    rss: float
    aicc: float
    bic: float
    delta: float
    weight: float


@dataclass(frozen=True)
class NestedTest:
    """Whether a larger model fits better than chance would have it.

    Attributes
    ----------
    smaller, larger : str
        Labels; the smaller is a special case of the larger.
    kind : {'F', 'chi-square'}
        The distribution of the statistic. Chi-square where the errors are known: of
        the difference of deviances, or of chi-squares where sigma is absolute.
    statistic, probability : float
        Its value, and the probability of one as large if the smaller model is true.
    df1 : int
        Parameters that the larger model has more.
    df2 : int or None
        Of F, the degrees of freedom of the larger model.
    """

    smaller: str
    larger: str
    kind: str
    statistic: float
    df1: int
    df2: int | None
    probability: float


@dataclass(frozen=True)
class Comparison:
    """Models from best to worst by AICc, and tests between nested ones."""

    ranks: tuple[Rank, ...]
    tests: tuple[NestedTest, ...]


def compare(
    models: Sequence[Candidate],
    labels: Sequence[str],
    nested: Callable[[int, int], bool],
) -> Comparison:
    """Rank models and test those that are nested.

    Parameters
    ----------
    models : sequence of Candidate
        Fits of the same response, at least two.
    labels : sequence of str
        What to call them.
    nested : callable
        ``nested(i, j)``: whether model i is a special case of model j.

    Raises
    ------
    UsageError
        If the models cannot be compared.
    """
    _check(models, labels)
    best = min(model.aicc for model in models)
    deltas = [
        0.0 if model.aicc == best else model.aicc - best for model in models
    ]  # an infinite best would give NaN
    shares = [math.exp(-0.5 * delta) for delta in deltas]
    ranks = [
        Rank(label, m.n - m.df, m.rss, m.aicc, m.bic, delta, share / math.fsum(shares))
        for label, m, delta, share in zip(labels, models, deltas, shares, strict=True)
    ]
    ranks.sort(key=lambda rank: (rank.delta, rank.n_parameters))
    tests = [
        _test(models[i], models[j], labels[i], labels[j])
        for i in range(len(models))
        for j in range(len(models))
        if models[i].df > models[j].df > 0
        and (models[i].loss == "normal" or models[i].loss in LIKELIHOODS)
        and nested(i, j)
    ]
    return Comparison(tuple(ranks), tuple(tests))


def _check(models: Sequence[Candidate], labels: Sequence[str]) -> None:
    if len(models) < 2:
        raise UsageError("U152", "compare needs at least two models")
    first = models[0]
    for model, label in zip(models[1:], labels[1:], strict=True):
        if model.n != first.n:
            raise UsageError(
                "U153",
                f"{labels[0]} rests on {first.n} rows and {label} on {model.n}: only "
                "fits of the same rows can be compared; leave out rows with --where "
                "in both",
            )
        if model.loss != first.loss:
            raise UsageError(
                "U154",
                f"{labels[0]} was fitted with the loss {first.loss} and {label} with "
                f"{model.loss}; compare fits with one loss",
            )


def _test(a: Candidate, b: Candidate, smaller: str, larger: str) -> NestedTest:
    df1, df2 = a.df - b.df, b.df
    if a.loss in LIKELIHOODS or a.errors == b.errors == "absolute":
        gained = a.deviance - b.deviance if a.loss in LIKELIHOODS else a.rss - b.rss
        gained = max(0.0, gained)
        chance = chi_square_probability(gained, df1)
        return NestedTest(smaller, larger, "chi-square", gained, df1, None, chance)
    gained = max(0.0, a.rss - b.rss)
    f = math.inf if b.rss == 0.0 else gained / df1 / (b.rss / df2)
    return NestedTest(smaller, larger, "F", f, df1, df2, f_probability(f, df1, df2))


def f_probability(f: float, df1: int, df2: int) -> float:
    """Return ``P(F > f)``.

    Examples
    --------
    >>> round(f_probability(4.0, 2, 10), 6)
    0.052922
    """
    from scipy.special import fdtrc  # type: ignore[import-untyped]

    return float(fdtrc(df1, df2, f)) if math.isfinite(f) else 0.0
