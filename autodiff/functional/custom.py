"""Functions whose derivatives are written by hand: custom_vjp, custom_jvp.

A call computes the value as it stands and records one operation with the tracked
arguments as inputs; its `Rule` calls what the user wrote. The user's rules are recorded
when a sweep is, so derivatives of any order follow from them.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autodiff import _core, call, tree
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import GradientLossError, NotDifferentiableError, ShapeError
from autodiff.functional.arguments import check_callable, name_of
from autodiff.functional.engine import closes_over
from autodiff.rule import Rule, Shape, pack, pull_back, unpack, zeros


def stop_gradient(x: Any) -> Any:
    """Return x as a constant: no gradient passes.

    Parameters
    ----------
    x
        A tensor, or a tree with tensors; what is no tensor is returned as it is.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.grad(lambda x: x * ad.stop_gradient(x))(3.0)
    3.0
    """
    return tree.tree_map(_stopped, x, opaque=True)


def _stopped(x: Any) -> Any:
    return _core.alias(x, False) if isinstance(x, Tensor) and x.requires_grad else x


# ---- One call ------------------------------------------------------------------------


class _Arguments:
    """Positional arguments of a call: trees with tracked tensors among the rest."""

    def __init__(self, args: tuple[Any, ...]):
        self.leaves: list[Any] = []
        self.structures: list[tree.Structure] = []
        for arg in args:
            leaves, structure = tree.flatten(arg, opaque=True)
            self.leaves += leaves
            self.structures.append(structure)
        self.at = [k for k, leaf in enumerate(self.leaves) if _is_tracked(leaf)]
        self.inputs: list[Tensor] = [self.leaves[k] for k in self.at]

    def filled(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """Return arguments with other leaves."""
        rest = iter(leaves)
        return tuple(tree.unflatten(s, rest) for s in self.structures)

    def matched(self, given: Any, what: str) -> list[Any]:
        """Return what a user's rule gave for the inputs, of one tree per argument."""
        many = given if isinstance(given, (tuple, list)) else (given,)
        if len(many) != len(self.structures):
            raise TypeError(
                f"{what} must return a tuple with one entry for each of the "
                f"{len(self.structures)} arguments, got {len(many)}"
            )
        leaves: list[Any] = []
        for k, (structure, part) in enumerate(zip(self.structures, many, strict=True)):
            leaves += tree.match(structure, part, f"{what}, entry {k}")
        return [leaves[k] for k in self.at]


def _is_tracked(x: Any) -> bool:
    return isinstance(x, Tensor) and bool(x.requires_grad)


def _bound(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return all arguments by position."""
    if not kwargs:
        return args
    found = inspect.signature(function).bind(*args, **kwargs)
    if found.kwargs:
        raise TypeError(
            f"{name_of(function)} has a custom derivative: its arguments are passed by "
            "position"
        )
    return found.args


def _check_closure(
    name: str, outputs: list[Tensor], inputs: list[Tensor], mark: Tensor, n_leaves: int
) -> None:
    """Raise where the value depends on what the rule cannot know of."""
    if not closes_over(outputs, [mark], n_leaves):
        return
    known = {_place(x) for x in inputs}
    if not all(_place(x) in known for x in _core.frontier(outputs, [mark])):
        raise _closure_error(name)


def _closure_error(name: str) -> GradientLossError:
    return GradientLossError(
        f"{name} has a custom derivative and uses a value that is being differentiated "
        "but is not among its arguments; pass it as an argument, or use "
        "stop_gradient on it"
    )


def _place(x: Tensor) -> int:
    return id(x) if x.is_leaf else _core.entry_of(x)


def _recorded(rule: _CustomRule, result: Any, outputs: list[Tensor]) -> Any:
    """Return the result with its tensors on an entry of the rule, or a call of it."""
    if _core.is_tracing():
        made = _called(rule, pack(outputs))
        return tree.unflatten(rule.output, unpack(made, rule.shapes))
    values = pack([_core.alias(x, False) for x in outputs])
    made = _core.record_custom(rule, rule.arguments.inputs, values.clone())
    return tree.unflatten(rule.output, unpack(made, rule.shapes))


def _called(rule: _CustomRule, value: Tensor) -> Tensor:
    """Record a value with its rule in the function that is being recorded."""
    inputs, shape = rule.arguments.inputs, value.shape
    if rule.is_too_deep:
        return call.apply(rule.called, value, inputs)
    if isinstance(rule, _Jvp):
        return call.apply(
            rule.called,
            value,
            inputs,
            tangent=lambda z, x_dots: rule.tangent(x_dots, shape),
        )
    needs = [True] * len(inputs)
    return call.apply(
        rule.called,
        value,
        inputs,
        adjoint=lambda z, z_bar: rule.gradients(z_bar, needs),
    )


class _CustomRule(Rule):
    """What both kinds share: the arguments of the call, and its result's structure."""

    is_too_deep = False

    def __init__(
        self,
        name: str,
        arguments: _Arguments,
        output: tree.Structure,
        outputs: list[Tensor],
    ):
        self.called, self.arguments, self.output = name, arguments, output
        self.shapes: list[Shape] = [x.shape for x in outputs]

    def name(self) -> str:
        """Return the name of the graph's node."""
        return f"{self.called}Backward"

    def checked(self, found: Sequence[Any], shapes: Sequence[Shape], what: str) -> Any:
        """Return what a user's rule gave as tensors; None stays."""
        tensors = [None if x is None else as_tensor(x) for x in found]
        for tensor, shape in zip(tensors, shapes, strict=True):
            if tensor is not None and tensor.shape != shape:
                raise ShapeError(
                    f"{what} returned shape {tensor.shape} where {shape} was expected"
                )
        return tensors


class _Custom:
    """A function with a derivative of its own; a method where it stands in a class."""

    _rule_name = ""

    def __init__(self, fun: Callable[..., Any]):
        check_callable(fun, type(self).__name__)
        functools.update_wrapper(self, fun, updated=())
        self.fun = fun
        self._depth: dict[int, int] = {}  # by thread: calls within its own rule

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._check_defined()
        arguments = _Arguments(_bound(self.fun, args, kwargs))
        if not arguments.at or not _core.is_recording():
            return self.fun(*args, **kwargs)
        with self._within() as depth:
            if not _core.is_tracing():
                return self._record(arguments) if not depth else self._later(arguments)
            if depth < call.MAX_ORDER:
                return self._record(arguments)
            return self._record_value(arguments)

    @contextlib.contextmanager
    def _within(self) -> Iterator[int]:
        """Be inside a rule of this function: yields how many rules are around it."""
        thread = threading.get_ident()
        depth = self._depth.get(thread, 0)
        self._depth[thread] = depth + 1
        try:
            yield depth
        finally:
            self._depth[thread] = depth
            if not depth:
                del self._depth[thread]

    def _later(self, arguments: _Arguments) -> Any:
        """Record a call within the function's own rule, which would go on for ever."""
        return self._record(arguments)

    def _record_value(self, arguments: _Arguments) -> Any:
        """Record the value alone: so deep in rules of its own there are none."""
        fun, args = self.fun, arguments.filled(arguments.leaves)
        output, outputs, _ = self._run(lambda *a: (fun(*a), None), args, arguments)
        rule = _CustomRule(name_of(fun), arguments, output, outputs)
        rule.is_too_deep = True
        return _recorded(rule, output, outputs)

    def _check_defined(self) -> None:
        raise NotImplementedError

    def _record(self, arguments: _Arguments) -> Any:
        raise NotImplementedError

    def _run(self, fun: Callable[..., Any], args: Any, arguments: _Arguments) -> Any:
        """Call, and check that nothing but the arguments is differentiated."""
        recording = _core.innermost_recording()
        if recording is not None:
            start = recording.size()
        else:
            n_leaves = _core.leaf_count()
            [mark], _ = _core.open_inputs([0.0])
        result, extra = fun(*args)
        leaves, structure = tree.flatten(result, f"the result of {name_of(self.fun)}")
        outputs = [as_tensor(leaf) for leaf in leaves]
        name, inputs = name_of(self.fun), arguments.inputs
        if recording is None:
            _check_closure(name, outputs, inputs, mark, n_leaves)
        elif recording.reads_others(outputs, inputs, start):
            raise _closure_error(name)
        return structure, outputs, extra


# ---- Reverse -------------------------------------------------------------------------


class custom_vjp(_Custom):
    """A function whose gradient you write yourself.

    Parameters
    ----------
    fun
        The function; called as it stands where nothing is differentiated.

    Notes
    -----
    ``f.defvjp(forward, backward)`` gives the rule: forward(*args) returns the value and
    whatever backward needs; backward(saved, adjoint) returns a tuple with the adjoint
    of each argument, None for zero. Derivatives of higher order come from what backward
    computes with, tangents from the same rule.

    Examples
    --------
    >>> import autodiff as ad
    >>> @ad.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda saved, g: (ad.clip(g, -1.0, 1.0),))
    >>> ad.grad(lambda x: clipped(x) * 5.0)(2.0)
    1.0
    """

    def __init__(self, fun: Callable[..., Any]):
        super().__init__(fun)
        self._forward: Callable[..., Any] | None = None
        self._backward: Callable[..., Any] | None = None

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Give the rule: forward(*args) -> (value, saved), backward(saved, adjoint)."""
        check_callable(forward, "defvjp")
        check_callable(backward, "defvjp")
        self._forward, self._backward = forward, backward

    def _check_defined(self) -> None:
        if self._forward is None:
            raise NotDifferentiableError(
                f"{name_of(self.fun)} is a custom_vjp without a rule; call "
                "defvjp(forward, backward) first"
            )

    def _later(self, arguments: _Arguments) -> Any:
        with _core.no_grad():
            result = self.fun(*arguments.filled(arguments.leaves))
        leaves, output = tree.flatten(result, f"the result of {name_of(self.fun)}")
        outputs = [as_tensor(leaf) for leaf in leaves]
        rule = _LaterVjp(name_of(self.fun), arguments, output, outputs)
        rule.backward, rule.custom = self._backward, self
        return _recorded(rule, output, outputs)

    def saved_by_forward(self, arguments: _Arguments) -> Any:
        """Run the forward rule for what it saves."""
        with self._within():
            return self._pair(*arguments.filled(arguments.leaves))[1]

    def _pair(self, *args: Any) -> tuple[Any, Any]:
        assert self._forward is not None
        found = self._forward(*args)
        if not isinstance(found, tuple) or len(found) != 2:
            raise TypeError(
                f"the forward rule of {name_of(self.fun)} must return (value, saved), "
                f"got '{type(found).__name__}'"
            )
        return found

    def _record(self, arguments: _Arguments) -> Any:
        name = name_of(self.fun)

        args = arguments.filled(arguments.leaves)
        output, outputs, saved = self._run(self._pair, args, arguments)
        rule = _Vjp(name, arguments, output, outputs)
        rule.backward, rule.saved = self._backward, saved
        return _recorded(rule, output, outputs)


class _Vjp(_CustomRule):
    backward: Any
    saved: Any

    def gradients(self, z_bar: Tensor, needs: list[bool]) -> list[Tensor | None]:
        """Call the user's backward rule."""
        adjoint = tree.unflatten(self.output, unpack(z_bar, self.shapes))
        what = f"the backward rule of {self.called}"
        found = self.arguments.matched(self.backward(self.saved, adjoint), what)
        shapes = [x.shape for x in self.arguments.inputs]
        return self.checked(found, shapes, what)  # type: ignore[no-any-return]


class _LaterVjp(_Vjp):
    custom: custom_vjp

    def gradients(self, z_bar: Tensor, needs: list[bool]) -> list[Tensor | None]:
        """Run the forward rule now, for what it saves; then the backward rule."""
        self.saved = self.custom.saved_by_forward(self.arguments)
        return super().gradients(z_bar, needs)


# ---- Forward -------------------------------------------------------------------------


class custom_jvp(_Custom):
    """A function whose tangent you write yourself.

    Parameters
    ----------
    fun
        The function; called as it stands for its value.

    Notes
    -----
    ``f.defjvp(rule)``, also as a decorator: rule(primals, tangents) takes two tuples,
    with one entry for each argument (None where an argument is no number), and returns
    (value, tangent). The tangent must be linear in tangents; the gradient is found from
    that.

    Examples
    --------
    >>> import autodiff as ad
    >>> @ad.custom_jvp
    ... def softened(x):
    ...     return ad.abs(x)
    >>> @softened.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (x_dot,) = primals, tangents
    ...     return softened(x), ad.tanh(x) * x_dot
    >>> ad.grad(softened)(0.5) == ad.tanh(0.5)
    True
    """

    def __init__(self, fun: Callable[..., Any]):
        super().__init__(fun)
        self._rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Give the rule: rule(primals, tangents) -> (value, tangent). Returns it."""
        check_callable(rule, "defjvp")
        self._rule = rule
        return rule

    def _check_defined(self) -> None:
        if self._rule is None:
            raise NotDifferentiableError(
                f"{name_of(self.fun)} is a custom_jvp without a rule; call "
                "defjvp(rule) first"
            )

    def _record(self, arguments: _Arguments) -> Any:
        fun = self.fun
        args = arguments.filled(arguments.leaves)
        output, outputs, _ = self._run(lambda *a: (fun(*a), None), args, arguments)
        rule = _Jvp(name_of(fun), arguments, output, outputs)
        rule.rule = self._rule
        return _recorded(rule, output, outputs)


class _Jvp(_CustomRule):
    rule: Any

    def tangent(self, x_dots: Sequence[Tensor | None], shape: Shape) -> Tensor:
        """Call the user's rule, with zeros for the inputs that do not move."""
        moving: dict[int, Any] = dict(zip(self.arguments.at, x_dots, strict=True))
        tangents: list[Any] = []
        for k, leaf in enumerate(self.arguments.leaves):
            x_dot = moving.get(k)
            if x_dot is None and tree.is_number(leaf):
                x_dot = zeros(np.shape(leaf))
            tangents.append(x_dot)
        what = f"the rule of {self.called}"
        primals = self.arguments.filled(self.arguments.leaves)
        found = self.rule(primals, self.arguments.filled(tangents))
        if not isinstance(found, tuple) or len(found) != 2:
            raise TypeError(f"{what} must return (value, tangent)")
        leaves = tree.match(self.output, found[1], f"{what}, the tangent")
        dots = self.checked(leaves, self.shapes, what)
        return pack(
            [
                zeros(s) if x is None else x
                for x, s in zip(dots, self.shapes, strict=True)
            ]
        )

    def gradients(self, z_bar: Tensor, needs: list[bool]) -> list[Tensor | None]:
        """Transpose the tangent: sweep back through the user's rule at tangents 0."""
        inputs = self.arguments.inputs
        starts = [np.zeros(x.shape) for x in inputs]
        ends, x_dots = _core.open_inputs(starts)
        z_dot = _core.call_recorded(self.tangent, [x_dots, z_bar.shape])
        return (
            pull_back([z_dot], [z_bar], ends)
            if z_dot.requires_grad
            else [None] * len(inputs)
        )
