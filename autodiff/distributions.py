"""Distributions with densities that are differentiated, in PyTorch's words.

>>> import autodiff as ad
>>> from autodiff.distributions import Normal
>>> mu = ad.tensor(0.5, requires_grad=True)
>>> Normal(mu, 1.0).log_prob(2.0).backward()
>>> mu.grad
tensor(1.5000)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import FUNCTIONS, Tensor, no_grad
from autodiff.creation import as_tensor, multinomial, rand, randn
from autodiff.errors import ArgumentError
from autodiff.functions import softplus
from autodiff.indexing import take_along_dim
from autodiff.reduce import log_softmax
from autodiff.shape import broadcast_to, squeeze, unsqueeze

__all__ = ["Bernoulli", "Categorical", "Distribution", "Normal", "kl_divergence"]

_exp, _log, _xlogy = (FUNCTIONS[name] for name in ("exp", "log", "xlogy"))


def _both(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Return two tensors brought to one shape."""
    x, y = as_tensor(a), as_tensor(b)
    shape = np.broadcast_shapes(tuple(x.shape), tuple(y.shape))
    return broadcast_to(x, shape), broadcast_to(y, shape)


def _require(holds: bool, what: str, value: Any) -> None:
    if not holds:
        raise ArgumentError(f"{what}, got {value}")


class Distribution:
    """Base: `sample` without a gradient; of some, `rsample` with one."""

    has_rsample = False
    batch_shape: tuple[int, ...] = ()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return numbers that depend on the parameters, for gradients to pass."""
        raise NotImplementedError(
            f"{type(self).__name__} has no rsample: use sample and log_prob"
        )

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return random numbers, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape).detach()

    def _shape(self, sample_shape: Any) -> tuple[int, ...]:
        return (*sample_shape, *self.batch_shape)


class Normal(Distribution):
    """The normal distribution.

    Parameters
    ----------
    loc, scale
        Mean, and standard deviation, positive.
    """

    has_rsample = True

    def __init__(self, loc: Any, scale: Any) -> None:
        self.loc, self.scale = _both(loc, scale)
        self.batch_shape = tuple(self.loc.shape)
        _require(
            bool(np.all(np.asarray(_core.peek(self.scale)) > 0)),
            "Normal: scale must be positive",
            self.scale,
        )

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.scale * self.scale

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return loc + scale times standard normal numbers."""
        return self.loc + self.scale * randn(self._shape(sample_shape))

    def log_prob(self, value: Any) -> Tensor:
        """Return the logarithm of the density at a value."""
        z = (as_tensor(value) - self.loc) / self.scale
        log_density: Tensor = -0.5 * z * z - _log(self.scale) - _HALF_LOG_2_PI
        return log_density

    def entropy(self) -> Tensor:
        """Return the entropy, in nats."""
        h: Tensor = 0.5 + _HALF_LOG_2_PI + _log(self.scale)
        return h

    def cdf(self, value: Any) -> Tensor:
        """Return the probability of less than a value."""
        return FUNCTIONS["ndtr"]((as_tensor(value) - self.loc) / self.scale)


_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


class Categorical(Distribution):
    """One of n classes.

    Parameters
    ----------
    probs
        Weights, not negative, along the last axis; made to add up to 1. Or
    logits
        their logarithms, up to a constant.
    """

    def __init__(self, probs: Any = None, logits: Any = None) -> None:
        if (probs is None) == (logits is None):
            raise ArgumentError("Categorical takes probs or logits, one of the two")
        if probs is not None:
            p = as_tensor(probs)
            _require(p.ndim > 0, "Categorical: probs must have an axis", "a number")
            _require(
                bool(np.all(np.asarray(_core.peek(p)) >= 0)),
                "Categorical: probs must not be negative",
                p,
            )
            self.probs = p / p.sum(-1, keepdim=True)
            # As far from 0 and 1 as float64 tells, so that a logarithm is finite.
            eps = float(np.finfo(np.float64).eps)
            self.logits: Tensor = _log(self.probs.clip(eps, 1.0 - eps))
        else:
            self.logits = log_softmax(logits, -1)
            self.probs = _exp(self.logits)
        self.batch_shape = tuple(self.logits.shape[:-1])

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return random classes, whole numbers."""
        n = math.prod(sample_shape)
        weights = self.probs.detach().reshape(-1, self.probs.shape[-1])
        drawn = multinomial(weights, n, replacement=True)
        return drawn.t().clone().reshape(self._shape(sample_shape))

    def log_prob(self, value: Any) -> Tensor:
        """Return the logarithm of the probability of classes."""
        at = unsqueeze(as_tensor(value), -1)
        shape = np.broadcast_shapes(tuple(at.shape[:-1]), self.batch_shape)
        logits = broadcast_to(self.logits, (*shape, self.logits.shape[-1]))
        return squeeze(take_along_dim(logits, broadcast_to(at, (*shape, 1)), -1), -1)

    def entropy(self) -> Tensor:
        """Return the entropy, in nats."""
        return -(self.probs * self.logits).sum(-1)


class Bernoulli(Distribution):
    """1 with a probability, else 0.

    Parameters
    ----------
    probs
        Probabilities of 1. Or
    logits
        their log-odds.
    """

    def __init__(self, probs: Any = None, logits: Any = None) -> None:
        if (probs is None) == (logits is None):
            raise ArgumentError("Bernoulli takes probs or logits, one of the two")
        if probs is not None:
            self.probs = as_tensor(probs)
            values = np.asarray(_core.peek(self.probs))
            _require(
                bool(np.all((values >= 0) & (values <= 1))),
                "Bernoulli: probs must be in [0, 1]",
                self.probs,
            )
            eps = float(np.finfo(np.float64).eps)
            self.logits: Tensor = FUNCTIONS["logit"](self.probs.clip(eps, 1.0 - eps))
        else:
            self.logits = as_tensor(logits)
            self.probs = FUNCTIONS["sigmoid"](self.logits)
        self.batch_shape = tuple(self.probs.shape)

    @property
    def mean(self) -> Tensor:
        """The probability of 1."""
        return self.probs

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return random zeros and ones."""
        chosen = rand(self._shape(sample_shape)).lt(self.probs.detach())
        return as_tensor(np.asarray(chosen) * 1.0)

    def log_prob(self, value: Any) -> Tensor:
        """Return the logarithm of the probability of zeros and ones."""
        log_p: Tensor = as_tensor(value) * self.logits - softplus(self.logits)
        return log_p

    def entropy(self) -> Tensor:
        """Return the entropy, in nats."""
        h: Tensor = softplus(self.logits) - self.probs * self.logits
        return h


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """Return the Kullback-Leibler divergence of p from q, both of one kind."""
    if isinstance(p, Normal) and isinstance(q, Normal):
        ratio = (p.scale / q.scale) ** 2
        shift = ((p.loc - q.loc) / q.scale) ** 2
        d: Tensor = 0.5 * (ratio + shift - 1.0 - _log(ratio))
    elif isinstance(p, Categorical) and isinstance(q, Categorical):
        d = (p.probs * (p.logits - q.logits)).sum(-1)
    elif isinstance(p, Bernoulli) and isinstance(q, Bernoulli):
        gap = p.logits - q.logits
        d = p.probs * gap - softplus(p.logits) + softplus(q.logits)
    else:
        raise NotImplementedError(
            f"kl_divergence of {type(p).__name__} and {type(q).__name__} is not known"
        )
    return d
