"""Gradients by sweeping the tape: backward, grad, tangents, grad mode, Function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from autodiff import _core, call
from autodiff._core import Tensor, no_grad
from autodiff._core import enable_grad as enable_grad
from autodiff.creation import as_tensor
from autodiff.rule import Rule, pack, unpack
from autodiff.testing import gradcheck as gradcheck
from autodiff.testing import gradgradcheck as gradgradcheck

# ---- Grad mode -------------------------------------------------------------------


class _Mode:
    """A switch of this thread, as a context or a decorator."""

    _wanted: int
    _switch: staticmethod[[int], int]

    def __init__(self) -> None:
        self._before: list[int] = []

    def __enter__(self) -> None:
        self._before.append(self._switch(self._wanted))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._switch(self._before.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self._fresh():
                return function(*args, **kwargs)

        return wrapper

    def _fresh(self) -> _Mode:
        return type(self)()


inference_mode = no_grad  # there is nothing more to switch off


class _Setting(_Mode):
    """A mode that holds at once and, used as a context, until its end."""

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self._wanted = wanted
        self._before_call = self._switch(wanted)

    def __enter__(self) -> None:
        self._switch(self._wanted)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._switch(self._before_call)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, run in this mode; the mode here is as before."""
        self._switch(self._before_call)
        return super().__call__(function)


class set_grad_enabled(_Setting):
    """Turn recording on or off: at once, and as a context for its duration."""

    _switch = staticmethod(_core.set_recording)

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))

    def _fresh(self) -> _Mode:
        return set_grad_enabled(bool(self._wanted))


def is_grad_enabled() -> bool:
    """Return whether operations are recorded in this thread."""
    return bool(_core.is_recording())


class detect_anomaly(_Mode):
    """Context in which each operation's line is noted and NaN gradients are errors.

    Recording costs several times more inside. An error of the backward sweep names
    the operation and the line that recorded it; if it is about a value that was
    changed in place, the line of that change as well. With check_nan=False, lines are
    noted and NaN gradients are none of its business.
    """

    _switch = staticmethod(_core.set_lines)

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__()
        self._wanted = 1 + bool(check_nan)

    def _fresh(self) -> _Mode:
        return detect_anomaly(check_nan=self._wanted == 2)


class set_detect_anomaly(_Setting):
    """Turn `detect_anomaly` on or off: at once, and as a context."""

    _switch = staticmethod(_core.set_lines)

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(bool(mode) * (1 + bool(check_nan)))

    def _fresh(self) -> _Mode:
        return set_detect_anomaly(self._wanted > 0, self._wanted == 2)


# ---- Backward --------------------------------------------------------------------


def _sequence(x: Any) -> list[Any]:
    return list(x) if isinstance(x, (list, tuple)) else [x]


def _seeds(given: Any, n: int) -> list[Any]:
    """One seed, a tensor or None, for each root."""
    seeds = [None] * n if given is None else _sequence(given)
    if len(seeds) != n:
        raise RuntimeError(
            f"got {n} tensors and {len(seeds)} gradients; give one gradient (or None) "
            "for each tensor"
        )
    return [
        as_tensor(s) if isinstance(s, (int, float, np.ndarray)) else s for s in seeds
    ]


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
    *,
    strict_nan: bool = False,
) -> None:
    """Accumulate gradients of tensors in the leaves they were computed from.

    Parameters
    ----------
    tensors
        A tensor or a sequence of them.
    grad_tensors
        Seeds: for each tensor one of its shape, or None for a tensor of one element.
    retain_graph
        Keep the graph for another sweep; by default only with `create_graph`.
    create_graph
        Record the sweep itself, so that gradients can be differentiated again.
    inputs
        Accumulate in these leaves only.
    strict_nan
        Multiply as IEEE does; by default a zero adjoint or partial contributes nothing
        even beside infinity or NaN.

    Raises
    ------
    RuntimeError
        When a tensor has no graph, or a vector has no seed.
    GraphError
        When the graph was swept before, or a saved value was changed in place.
    ShapeError
        When a seed does not have the shape of its tensor.

    Notes
    -----
    Costs two to four times the operations that are reached; memory, 8 bytes an
    operation while it runs. Griewank and Walther, Evaluating Derivatives, chapter 3.
    """
    roots = _sequence(tensors)
    seeds = _seeds(grad_tensors, len(roots))
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        _core.sweep_reverse(roots, seeds, retain, create_graph, strict_nan=strict_nan)
        return
    leaves = _sequence(inputs)
    if not leaves:
        raise RuntimeError("'inputs' argument to backward() cannot be empty")
    unique = list({id(leaf): leaf for leaf in leaves}.values())
    gradients = _core.sweep_reverse(
        roots, seeds, retain, create_graph, inputs=unique, strict_nan=strict_nan
    )
    for leaf, gradient in zip(unique, gradients, strict=True):
        if gradient is not None:
            _core.accumulate_grad(leaf, gradient, create_graph)


_core.set_backward(backward)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
    *,
    strict_nan: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return gradients of the outputs' sum, weighted by seeds, in each input.

    Leaves' ``.grad`` is left alone. Arguments as in `backward`; inputs may be any
    tensors of the graph.

    Returns
    -------
    A tuple with a tensor of the shape of each input; None for an input that is not
    reached with allow_unused=True, zeros with materialize_grads=True.

    Raises
    ------
    RuntimeError
        When an input is not reached and neither option is given.
    ArgumentError
        When only_inputs is False or is_grads_batched True; they stand here to keep
        PyTorch's order.
    """
    if not only_inputs or is_grads_batched:
        raise _core.errors.ArgumentError(
            "autograd.grad supports only_inputs=True and is_grads_batched=False alone; "
            "call backward() to accumulate, and grad() once for each seed"
        )
    roots, wanted = _sequence(outputs), _sequence(inputs)
    retain = create_graph if retain_graph is None else retain_graph
    gradients = _core.sweep_reverse(
        roots,
        _seeds(grad_outputs, len(roots)),
        retain,
        create_graph,
        inputs=wanted,
        accumulate=False,
        strict_nan=strict_nan,
    )
    for i, gradient in enumerate(gradients):
        if gradient is not None:
            continue
        if materialize_grads:
            gradients[i] = as_tensor(np.zeros(tuple(wanted[i].shape)))
        elif not allow_unused:
            raise RuntimeError(
                f"One of the differentiated Tensors (input {i}) appears to not have "
                "been used in the graph. Set allow_unused=True if this is the desired "
                "behavior."
            )
    return tuple(gradients)


def tangent(
    outputs: Any, inputs: Any, tangents: Any = None, *, strict_nan: bool = False
) -> tuple[Tensor | None, ...]:
    """Return derivatives of outputs along a direction, in one sweep from below.

    Parameters
    ----------
    outputs, inputs
        Tensors of one graph; inputs may be any of it.
    tangents
        The direction: for each input a tensor of its shape; 1 for scalars by default.

    Returns
    -------
    A tuple with a tensor of the shape of each output, None where no input leads to it.

    Notes
    -----
    Costs one to two times the operations between inputs and outputs, however many
    outputs there are; recorded unless under `no_grad`, so it can be differentiated.
    The graph is kept. Griewank and Walther, Evaluating Derivatives, section 3.1.
    """
    starts, ends = _sequence(inputs), _sequence(outputs)
    seeds = _seeds(tangents, len(starts))
    return tuple(_core.sweep_tangent(ends, starts, seeds, strict_nan))


# ---- Functions with a gradient of their own -----------------------------------------


class FunctionCtx:
    """What `forward` leaves for `backward`: attributes, and saved tensors."""

    _saved: tuple[Any, ...] = ()
    _freed = False
    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs for backward; changing them in place is an error."""
        self._saved = tuple(
            (x, _core.version(x)) if isinstance(x, Tensor) else (x, 0) for x in tensors
        )

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to `save_for_backward`."""
        for x, version in self._saved:
            if isinstance(x, Tensor) and _core.version(x) != version:
                raise _core.errors.GraphError(
                    "one of the variables needed for gradient computation has been "
                    f"modified by an inplace operation: saved by {type(self).__name__}"
                )
        return tuple(x for x, _ in self._saved)

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Name outputs that carry no gradient."""
        self._passive = {id(x) for x in tensors}

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Do nothing: inputs changed in place are noticed by themselves."""

    def set_materialize_grads(self, value: bool) -> None:
        """With False, gradients that are zero throughout arrive in backward as None."""
        self.materialize_grads = value


class _Joint(Rule):
    """What the graph holds of one call of a Function."""

    def __init__(
        self,
        function: type[Function],
        ctx: FunctionCtx,
        which: list[int],
        n: int,
        shapes: list[tuple[int, ...]],
    ):
        self.function, self.ctx, self.which, self.n_inputs = function, ctx, which, n
        self.shapes = shapes
        self._args: list[Any] | None = None
        self._versions: list[int] = []
        self._outputs: dict[int, int] = {}  # of saved results: which output

    def keep_for_outputs(self, args: list[Any], outputs: list[Tensor]) -> None:
        """Keep the arguments if results were saved, to have these with their graph.

        A rule may not hold its own entry. So where a sweep is recorded, and backward
        reads a result, the function is applied once more, which gives that result as
        a value that can be differentiated again.
        """
        numbers = {id(out): k for k, out in enumerate(outputs)}
        saved = [id(x) for x, _ in self.ctx._saved]
        self._outputs = {one: numbers[one] for one in saved if one in numbers}
        if self._outputs:
            self._args = args
            self._versions = [_core.version(args[i]) for i in self.which]

    def _saved_with_graph(self) -> tuple[Any, ...]:
        """Return what was saved, results with a graph of their own."""
        assert self._args is not None
        if self._versions != [_core.version(self._args[i]) for i in self.which]:
            raise _core.errors.GraphError(
                f"an input of {self.function.__name__} has been modified by an inplace "
                "operation; its result was saved, and cannot be computed again"
            )
        made = self.function.apply(*self._args)
        outputs = made if isinstance(made, tuple) else (made,)
        fresh = [
            outputs[self._outputs[id(x)]] if id(x) in self._outputs else None
            for x, _ in self.ctx._saved
        ]
        return tuple(
            pair if y is None else (y, _core.version(y))
            for pair, y in zip(self.ctx._saved, fresh, strict=True)
        )

    def name(self) -> str:
        """Return the name of the graph's node."""
        return f"{self.function.__name__}Backward"

    def gradients(self, z_bar: Tensor, needs: list[bool]) -> list[Tensor | None]:
        """Return the gradient of each tensor input."""
        z_bars: list[Any] = self._split(z_bar)
        if not self.ctx.materialize_grads:
            z_bars = [None if _is_nothing(g) else g for g in z_bars]
        saved = self.ctx._saved
        if self._args is not None and _core.is_recording():
            self.ctx._saved = self._saved_with_graph()
        try:
            found = self.function.backward(self.ctx, *z_bars)
        finally:
            self.ctx._saved = saved
        found = found if isinstance(found, tuple) else (found,)
        if len(found) != self.n_inputs and any(
            g is not None for g in found[self.n_inputs :]
        ):
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients "
                f"(expected {self.n_inputs}, got {len(found)})"
            )
        if len(found) < self.n_inputs:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients "
                f"(expected {self.n_inputs}, got {len(found)})"
            )
        return [self._checked(found[i], i) for i in self.which]

    def _split(self, z_bar: Tensor) -> list[Tensor]:
        return unpack(z_bar, self.shapes)

    def _checked(self, gradient: Any, i: int) -> Tensor | None:
        if gradient is None or isinstance(gradient, Tensor):
            return gradient
        if isinstance(gradient, (int, float, np.ndarray)):
            return as_tensor(gradient)
        raise TypeError(
            f"function {self.name()}: gradient {i + 1} is a "
            f"'{type(gradient).__name__}'; expected a Tensor or None"
        )


def _is_nothing(gradient: Tensor) -> bool:
    return not gradient.requires_grad and not gradient.any()


class Function:
    """An operation whose gradient you write yourself.

    Subclass it with two static methods and call `apply`:

    Examples
    --------
    >>> import autodiff as ad
    >>> class Cube(ad.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * g
    >>> x = ad.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; nothing inside is recorded."""
        raise TypeError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Return one gradient, or None, for each argument of forward."""
        raise TypeError("a Function needs a static method backward(ctx, *gradients)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Save what backward needs, if forward is written without ctx."""

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward and record it as one operation."""
        if kwargs:
            raise TypeError(
                f"{cls.__name__}.apply() takes arguments by position, for backward "
                f"returns their gradients in that order; got {', '.join(kwargs)}="
            )
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(
            isinstance(a, Tensor) and bool(a.requires_grad) for a in args
        )
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        is_single = not isinstance(result, tuple)
        outputs = [result] if is_single else list(result)
        for i, out in enumerate(outputs):
            if not isinstance(out, Tensor):
                outputs[i] = as_tensor(out)
        if is_grad_enabled() and any(ctx.needs_input_grad):
            record = cls._call if _core.is_tracing() else cls._record
            outputs = record(ctx, list(args), outputs)
        return outputs[0] if is_single else tuple(outputs)

    @classmethod
    def _record(
        cls, ctx: FunctionCtx, args: list[Any], outputs: list[Tensor]
    ) -> list[Tensor]:
        which = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        inputs = [args[i] for i in which]
        shapes = [tuple(out.shape) for out in outputs]
        joint = _Joint(cls, ctx, which, len(args), shapes)
        joint.keep_for_outputs(args, outputs)
        passive: set[int] = getattr(ctx, "_passive", set())
        if len(outputs) == 1:
            if id(outputs[0]) in passive:
                return outputs
            return [_core.record_custom(joint, inputs, outputs[0].detach())]
        flat = np.concatenate([np.ravel(_core.values_of(out)) for out in outputs])
        recorded = _core.record_custom(joint, inputs, as_tensor(flat))
        return [
            out if id(out) in passive else part
            for out, part in zip(outputs, joint._split(recorded), strict=True)
        ]

    @classmethod
    def _call(
        cls, ctx: FunctionCtx, args: list[Any], outputs: list[Tensor]
    ) -> list[Tensor]:
        """Do what `_record` does in a function that is being recorded as a program."""
        which = [i for i, need in enumerate(ctx.needs_input_grad) if need]
        joint = _Joint(cls, ctx, which, len(args), [tuple(x.shape) for x in outputs])
        saved, needs = ctx._saved, [True] * len(which)

        def adjoint(z: Tensor, z_bar: Tensor) -> list[Tensor | None]:
            own = {id(x): y for x, y in zip(outputs, joint._split(z), strict=True)}
            ctx._saved = tuple(
                (own[id(x)], _core.version(own[id(x)])) if id(x) in own else (x, v)
                for x, v in saved
            )
            return joint.gradients(z_bar, needs)

        inputs = [args[i] for i in which]
        made = call.apply(cls.__name__, pack(outputs), inputs, adjoint=adjoint)
        passive: set[int] = getattr(ctx, "_passive", set())
        return [
            out if id(out) in passive else part
            for out, part in zip(outputs, joint._split(made), strict=True)
        ]


def _needs(x: Any) -> bool:
    return isinstance(x, Tensor) and bool(x.requires_grad)


def functional_inputs(inputs: Any) -> Sequence[Tensor]:
    """Return the tensors among inputs that require grad."""
    return [x for x in _sequence(inputs) if _needs(x)]
