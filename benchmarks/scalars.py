"""Scalar tapes behind one interface: leaves, functions, sweep, gradients.

The chains of the scalar problems are written once and run on every peer. What differs
is how a peer makes its leaves and asks for the sweep; that is all there is here.
"""

from __future__ import annotations

import cmath
import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import peers

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Functions:
    """The elementary functions of a peer, fetched once so that loops use locals."""

    sin: Function
    exp: Function
    log: Function
    sqrt: Function
    tanh: Function

    @classmethod
    def of(cls, namespace: Any) -> Functions:
        """Take the functions from a module."""
        return cls(
            namespace.sin,
            namespace.exp,
            namespace.log,
            namespace.sqrt,
            namespace.tanh,
        )


# A recorded computation: functions and leaves in, result out.
Chain = Callable[[Functions, Sequence[Any]], Any]


class ScalarPeer(Protocol):
    """A peer that records scalar operations."""

    functions: Functions

    def leaves(self, values: Sequence[float]) -> list[Any]:
        """Make fresh leaves, ready to record."""

    def sweep(self, result: Any) -> None:
        """Run the reverse sweep from `result` with seed 1."""

    def value(self, result: Any) -> float:
        """Return the value of `result` as a float."""

    def gradient(self, leaves: Sequence[Any]) -> list[float]:
        """Return the adjoints of `leaves` after the sweep."""


class WordsPeer:
    """Autodiff and PyTorch: the same words."""

    def __init__(self, peer: str) -> None:
        self.lib = peers.load(peer)
        self.functions = Functions.of(self.lib)

    def leaves(self, values: Sequence[float]) -> list[Any]:
        """Make leaf tensors that require gradients."""
        return [self.lib.tensor(v, requires_grad=True) for v in values]

    def sweep(self, result: Any) -> None:
        """Call ``backward``."""
        result.backward()

    def value(self, result: Any) -> float:
        """Return ``item``."""
        return float(result.item())

    def gradient(self, leaves: Sequence[Any]) -> list[float]:
        """Return ``grad`` of every leaf."""
        return [float(leaf.grad.item()) for leaf in leaves]


class XadPeer:
    """XAD's adjoint tape, one tape that every recording reuses, as its manual advises.

    A fresh recording starts with its leaves: register them, then ``newRecording``.
    """

    def __init__(self) -> None:
        peers.load("xad")
        adjoint = importlib.import_module("xad.adj_1st")
        self.functions = Functions.of(importlib.import_module("xad.math"))
        self.real = adjoint.Real
        self.tape = adjoint.Tape()
        self.tape.activate()

    def leaves(self, values: Sequence[float]) -> list[Any]:
        """Register fresh inputs and start a new recording."""
        leaves = [self.real(v) for v in values]
        for leaf in leaves:
            self.tape.registerInput(leaf)
        self.tape.newRecording()
        return leaves

    def sweep(self, result: Any) -> None:
        """Register the output, seed it, and roll the tape back."""
        self.tape.registerOutput(result)
        result.derivative = 1.0
        self.tape.computeAdjoints()

    def value(self, result: Any) -> float:
        """Return the value of an active real."""
        return float(result.value)

    def gradient(self, leaves: Sequence[Any]) -> list[float]:
        """Return the derivative of every input."""
        return [float(leaf.derivative) for leaf in leaves]


def scalar_peer(peer: str) -> ScalarPeer:
    """Return the scalar tape of `peer`."""
    return XadPeer() if peer == "xad" else WordsPeer(peer)


def tape_answer(
    peer: ScalarPeer, chain: Chain, values: Sequence[float]
) -> dict[str, list[float]]:
    """Record `chain`, sweep it, and return its value and gradient."""
    leaves = peer.leaves(values)
    result = chain(peer.functions, leaves)
    peer.sweep(result)
    return {"value": [peer.value(result)], "gradient": peer.gradient(leaves)}


def float_answer(chain: Chain, values: Sequence[float]) -> dict[str, list[float]]:
    """Evaluate `chain` on floats; its gradient comes from the complex step.

    Notes
    -----
    f'(x) = Im f(x + ih) / h, exact to rounding for a tiny h because nothing cancels
    (Squire and Trapp 1998, doi:10.1137/S003614459631241X).
    """
    step = 1e-100
    gradient = []
    for i in range(len(values)):
        point = [complex(v, step if j == i else 0.0) for j, v in enumerate(values)]
        gradient.append(chain(Functions.of(cmath), point).imag / step)
    value = float(chain(Functions.of(math), values))
    return {"value": [value], "gradient": gradient}
