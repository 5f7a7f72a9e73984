"""Gradients of operations replaced by rules of the user's, in a context.

Inside, an operation that has a rule is computed as ever and recorded as one operation
with a derivative written in Python (rule.py; recorded as a program: call.py). Outside,
and in a thread of another, nothing is any different and nothing is any slower.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from autodiff import _core, call
from autodiff._core import Tensor
from autodiff.autograd import Function
from autodiff.creation import as_tensor
from autodiff.errors import ArgumentError, GraphError, ShapeError
from autodiff.rule import Rule, Shape

UserRule = Callable[..., Any]

# Structural operations that are what they are called: one, of what the user gave.
STRUCTURAL = (
    "amax", "cat", "cholesky", "cumsum", "det", "index", "index_put", "matmul", "solve",
    "sum",
)  # fmt: skip


class gradient_override:
    """A context in which the gradients of operations are rules of yours.

    Parameters
    ----------
    rules
        By name of an operation, any that a row of `ops` has (``"mul"``, ``"exp"``,
        ...) or one of ``amax cat cholesky cumsum det index index_put matmul solve
        sum``: a function ``rule(grad_output, *inputs)`` that returns one gradient, or
        None for zero, for each input; a single one needs no tuple. Inputs are tensors,
        also those that were given as numbers. ``"index"`` is ``x[...]`` of every kind,
        ``"amax"`` also ``amin`` and, without an axis, ``max`` and ``min``, which pick
        by index along one. None instead of a function gives the
        operation its own gradient back.

    Raises
    ------
    ArgumentError
        On entering or before: if `rules` is no dict, a name is unknown or a rule not
        callable; when a sweep
        asks a rule: if it returns another number of gradients than there are inputs.
    ShapeError
        When a sweep asks a rule: if a gradient has neither the shape of its input nor,
        where that was broadcast, that of the result, which is then added up to it. In
        both cases no ``.grad`` has changed.

    Notes
    -----
    What counts is where an operation is recorded, not where it is swept. Operators are
    the rows they stand for (``x * y`` is ``mul``, ``x ** 2`` is ``pow``); a function
    that is composed of others (``softmax``, ``linear``, ``mean``) consists of their
    operations, which `grad_fn` shows; it has no rule of its own.
    Inside a rule, and in sweeps, gradients are the usual ones. Contexts nest, the inner
    one first; they hold for one thread.

    Higher derivatives are those of what the rule computes. Tangents are the transpose
    of the rule, so that both directions agree. A function that is recorded inside
    (``compile``, ``grad``, ``vmap``) has the rule in its program, wherever it runs
    later; one that was recorded before keeps what it had. Such a rule must not choose
    by the gradient it is given.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = ad.tensor(3.0, requires_grad=True)
    >>> with ad.gradient_override({"mul": lambda g, x, y: (10 * g * y, 10 * g * x)}):
    ...     z = x * 2.0
    >>> z.backward()
    >>> x.grad
    tensor(20.)
    """

    def __init__(self, rules: Mapping[str, UserRule | None]) -> None:
        if not isinstance(rules, Mapping):
            raise ArgumentError(
                "gradient_override takes a dict of rules by name of an operation, "
                f"{{\"mul\": rule}}, got a '{type(rules).__name__}'"
            )
        known = _known()
        self._rules: dict[int, Callable[..., Tensor] | None] = {}
        for name, rule in rules.items():
            if name not in known:
                raise _unknown(name, known)
            if rule is not None and not callable(rule):
                raise ArgumentError(
                    f"gradient_override: the rule of {name!r} is a "
                    f"'{type(rule).__name__}'; expected a function of (grad_output, "
                    "*inputs)"
                )
            self._rules[known[name]] = None if rule is None else _Override(name, rule)
        self._before: list[Any] = []

    def __enter__(self) -> gradient_override:
        before = _core.set_overrides(None)
        self._before.append(before)
        _core.set_overrides({**(before or {}), **self._rules})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _core.set_overrides(self._before.pop())


def _known() -> dict[str, int]:
    codes = _core.opcodes()
    rows = [name for row in _core.ops() for name in row.names]
    return {name: codes[name] for name in [*rows, *STRUCTURAL]}


def _unknown(name: Any, known: Mapping[str, int]) -> ArgumentError:
    word = str(name).removesuffix("Backward0").lower()
    import difflib

    close = difflib.get_close_matches(word, known, 3, cutoff=0.75)
    hint = (
        f"did you mean {' or '.join(map(repr, close))}? "
        if close
        else "a function that is made of others (softmax, conv2d, linear, mean, "
        "max_pool2d) has no rule of its own: give rules for its operations, which "
        "autodiff.inspect.tree(z) or z.grad_fn shows; "
    )
    return ArgumentError(
        f"gradient_override: no operation is called {name!r}; {hint}names are those of "
        f"autodiff.ops() and {', '.join(STRUCTURAL)}"
    )


class _Override:
    """What stands in the place of an operation: see override.pxi, which calls it."""

    def __init__(self, name: str, rule: UserRule) -> None:
        self.name, self.rule = name, rule

    def __call__(self, operands: list[Any], value: Any) -> Tensor:
        """Return a value on an entry of its own, or a call in a program."""
        inputs = [as_tensor(x) for x in operands]
        z = as_tensor(value)
        used = _Use(self, inputs, tuple(z.shape))
        tracked = [inputs[k] for k in used.at]
        if not _core.is_tracing():
            _core.defer_leaves()
            return _core.record_custom(used, tracked, z)
        needs = [True] * len(tracked)
        return call.apply(
            f"gradient_override of {self.name}",
            z,
            tracked,
            adjoint=lambda z, z_bar: used.gradients(z_bar, needs),
        )


class _Use(Rule):
    """One application of an operation whose gradient is a rule of the user's."""

    def __init__(self, override: _Override, inputs: list[Tensor], shape: Shape) -> None:
        self.override, self.inputs, self.shape = override, inputs, shape
        self.at = [k for k, x in enumerate(inputs) if x.requires_grad]
        self._versions = [_core.version(x) for x in inputs]

    def name(self) -> str:
        """Return the name of the graph's node."""
        words = self.override.name.split("_")
        return "".join(word.capitalize() for word in words) + "Override"

    def gradients(self, z_bar: Tensor, needs: list[bool]) -> list[Tensor | None]:
        """Return what the rule says, for the inputs that are tracked."""
        if self._versions != [_core.version(x) for x in self.inputs]:
            raise GraphError(
                "one of the variables needed for gradient computation has been "
                f"modified by an inplace operation: an input of {self.override.name!r},"
                " whose gradient is a rule of gradient_override"
            )
        found = self.override.rule(z_bar, *self.inputs)
        parts = list(found) if isinstance(found, (tuple, list)) else [found]
        n = len(self.inputs)
        if len(parts) != n:
            raise ArgumentError(
                f"gradient_override: the rule of {self.override.name!r} returned "
                f"{len(parts)} gradients; expected {n}, one (or None) for each input"
            )
        fitted = [self._fit(k, part) for k, part in enumerate(parts)]
        return [fitted[k] for k in self.at]

    def _fit(self, k: int, part: Any) -> Tensor | None:
        if part is None:
            return None
        gradient, shape = as_tensor(part), tuple(self.inputs[k].shape)
        if tuple(gradient.shape) == shape:
            return gradient
        if tuple(gradient.shape) == self.shape and _broadcasts(shape, self.shape):
            return _summed(gradient, shape)
        raise ShapeError(
            f"gradient_override: the rule of {self.override.name!r} returned a "
            f"gradient of shape {tuple(gradient.shape)} for input {k + 1}, which has "
            f"shape {shape}"
        )


def _broadcasts(small: Shape, large: Shape) -> bool:
    tail = large[len(large) - len(small) :]
    fits = len(small) <= len(large)
    return fits and all(m in (1, n) for m, n in zip(small, tail, strict=True))


def _summed(gradient: Tensor, shape: Shape) -> Tensor:
    """Return a gradient of a broadcast input, added up to the input's shape."""
    lead = gradient.ndim - len(shape)
    axes = [k for k in range(gradient.ndim) if k < lead or shape[k - lead] == 1]
    return _core.reshape(_core.reduce_axes(gradient, tuple(axes), False, "sum"), shape)


class GradReverse(Function):
    """The identity, with a gradient that is another's; see `grad_reverse`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        """Return x."""
        ctx.strength = strength
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient, reversed."""
        return gradient * -ctx.strength, None


def grad_reverse(x: Any, strength: float = 1.0) -> Tensor:
    """Return x; its gradient is multiplied by minus `strength`.

    Parameters
    ----------
    x
        A tensor of any shape.
    strength
        A finite number: what the sign-reversed gradient is scaled by.

    Returns
    -------
    Tensor
        Of the shape of x, with its values.

    Notes
    -----
    What lies below learns to do badly what lies above learns to do well: Y. Ganin and
    V. Lempitsky, "Unsupervised domain adaptation by backpropagation", 2015. Tangents
    are reversed likewise.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = ad.tensor(2.0, requires_grad=True)
    >>> (3.0 * ad.grad_reverse(x, 0.5)).backward()
    >>> x.grad
    tensor(-1.5000)
    """
    if not math.isfinite(strength):
        raise ArgumentError(
            f"grad_reverse: strength must be a finite number, got {strength!r}"
        )
    z: Tensor = GradReverse.apply(as_tensor(x), float(strength))
    return z
