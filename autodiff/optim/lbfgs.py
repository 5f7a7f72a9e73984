"""L-BFGS: Newton's method with a Hessian remembered from the last steps.

The direction is the two-loop recursion over the differences of points and gradients (J.
Nocedal and S. J. Wright, "Numerical Optimization", 2006, algorithms 7.4 and 7.5). The
line search brackets a point of the strong Wolfe conditions and narrows the bracket by
cubic interpolation (their algorithms 3.5 and 3.6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autodiff import _core
from autodiff.errors import ArgumentError
from autodiff.optim.optimizer import Optimizer, check_number

__all__ = ["LBFGS"]

Array = npt.NDArray[np.float64]

DECREASE, CURVATURE = 1e-4, 0.9  # of the Wolfe conditions
MAX_SEARCH = 25  # trials of a line search


class LBFGS(Optimizer):
    """L-BFGS over all parameters as one vector.

    Parameters
    ----------
    params
        Tensors: one group.
    lr
        First step length tried.
    max_iter
        Iterations of one `step`.
    max_eval
        Evaluations of the closure in one `step`; 5/4 of `max_iter` by default.
    tolerance_grad
        A gradient whose largest element is below this ends the step.
    tolerance_change
        So does a change of the parameters or the loss below this.
    history_size
        How many steps are remembered.
    line_search_fn
        ``'strong_wolfe'``, or None: every step has length `lr`.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = ad.tensor([-1.0, 1.0], requires_grad=True)
    >>> optimizer = ad.optim.LBFGS([x], max_iter=50, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1.0 - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(2):
    ...     loss = optimizer.step(closure)
    >>> x
    tensor([1.0000, 1.0000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ArgumentError("LBFGS takes one group of parameters")
        self._memory = _Memory()

    def _check(self, group: Mapping[str, Any]) -> None:
        for name in ("lr", "tolerance_grad", "tolerance_change"):
            check_number(name, group[name])
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ArgumentError(
                "line_search_fn must be None or 'strong_wolfe', got "
                f"{group['line_search_fn']!r}"
            )

    def _new_states(self, group: Mapping[str, Any], size: int) -> list[Array]:
        return []

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take up to `max_iter` iterations.

        Parameters
        ----------
        closure
            Clears the gradients, computes the loss, calls its `backward` and returns
            it. It is called several times.

        Returns
        -------
        Tensor
            The loss before the first iteration.
        """
        if closure is None:
            raise ArgumentError(
                "LBFGS.step needs a closure that computes the loss and its gradient"
            )
        group = self.param_groups[0]
        self._ready(group)
        first_loss = self._evaluate(closure)
        here = _Point(0.0, float(first_loss.detach().item()), self._gradient())
        if self._is_flat(here.gradient):
            return first_loss
        memory, evaluations = self._memory, 1
        for iteration in range(1, group["max_iter"] + 1):
            direction = memory.direction(here.gradient, group["history_size"])
            length = group["lr"]
            if memory.n_steps == 1:
                length *= min(1.0, 1.0 / float(np.abs(here.gradient).sum()))
            slope = float(here.gradient @ direction)
            if slope > -group["tolerance_change"]:
                break
            before, origin = here.loss, self._position()

            def trial(
                t: float, origin: Array = origin, direction: Array = direction
            ) -> _Point:
                self._move(origin + t * direction)
                loss = float(self._evaluate(closure).detach().item())
                return _Point(t, loss, self._gradient())

            if group["line_search_fn"] is None:
                self._move(origin + length * direction)
                if iteration < group["max_iter"]:
                    here = trial(length)
                    evaluations += 1
            else:
                start = here._replace(step=0.0)
                search = _Search(trial, direction, start)
                here = search.run(length, group["tolerance_change"])
                self._move(origin + here.step * direction)
                length = here.step
                evaluations += search.n_trials
            memory.length = length
            moved = float(np.abs(direction).max()) * abs(length)
            if (
                iteration == group["max_iter"]
                or evaluations >= group["max_eval"]
                or self._is_flat(here.gradient)
                or moved <= group["tolerance_change"]
                or abs(here.loss - before) < group["tolerance_change"]
            ):
                break
        return first_loss

    def _evaluate(self, closure: Callable[[], Any]) -> Any:
        was = _core.set_recording(1)
        try:
            return closure()
        finally:
            _core.set_recording(was)

    def _is_flat(self, gradient: Array) -> bool:
        largest = float(np.abs(gradient).max(initial=0.0))
        return bool(largest <= self.param_groups[0]["tolerance_grad"])

    def _gradient(self) -> Array:
        parts = []
        for p in self.param_groups[0]["params"]:
            if p.grad is None:
                parts.append(np.zeros(p.numel()))
            else:
                parts.append(np.ravel(_core.values_of(p.grad)))
        return np.concatenate(parts).astype(np.float64)

    def _position(self) -> Array:
        parts = [np.ravel(_core.values_of(p)) for p in self.param_groups[0]["params"]]
        return np.concatenate(parts).astype(np.float64)

    def _move(self, position: Array) -> None:
        was = _core.set_recording(0)
        try:
            first = 0
            for p in self.param_groups[0]["params"]:
                size = p.numel()
                part = position[first : first + size]
                p.copy_(part.reshape(tuple(p.shape)) if p.ndim else float(part[0]))
                first += size
        finally:
            _core.set_recording(was)

    def state_dict(self) -> dict[str, Any]:
        """Return settings and memory, copied."""
        return {**super().state_dict(), "memory": self._memory.copy()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over settings and memory."""
        super().load_state_dict(state_dict)
        self._memory = state_dict["memory"].copy()


class _Point(NamedTuple):
    """A trial: how far along the direction, the loss and the gradient there."""

    step: float
    loss: float
    gradient: Array


class _Memory:
    """The last changes of position and gradient, and the direction they speak for."""

    def __init__(self) -> None:
        self.changes: list[tuple[Array, Array]] = []  # of the gradient, of position
        self.scale = 1.0
        self.last: tuple[Array, Array] | None = None  # gradient and direction
        self.length = 0.0
        self.n_steps = 0

    def copy(self) -> _Memory:
        other = _Memory()
        other.__dict__.update(self.__dict__)
        other.changes = list(self.changes)
        return other

    def direction(self, gradient: Array, size: int) -> Array:
        """Return minus the remembered inverse Hessian times the gradient."""
        self.n_steps += 1
        if self.last is None:
            direction = -gradient
        else:
            self._remember(gradient, size)
            direction = self._recursion(gradient)
        self.last = (gradient, direction)
        return direction

    def _remember(self, gradient: Array, size: int) -> None:
        assert self.last is not None
        y, s = gradient - self.last[0], self.last[1] * self.length
        product = float(y @ s)
        if product > 1e-10:
            self.changes = [*self.changes, (y, s)][-size:]
            self.scale = product / float(y @ y)

    def _recursion(self, gradient: Array) -> Array:
        q = -gradient
        weights = []
        for y, s in reversed(self.changes):
            weights.append(float(s @ q) / float(y @ s))
            q = q - weights[-1] * y
        q = self.scale * q
        for (y, s), weight in zip(self.changes, reversed(weights), strict=True):
            q = q + s * (weight - float(y @ q) / float(y @ s))
        return q


class _Search:
    """A line search: a bracket of a point of the strong Wolfe conditions, narrowed."""

    def __init__(
        self, trial: Callable[[float], _Point], direction: Array, start: _Point
    ) -> None:
        self._trial, self.direction, self.start = trial, direction, start
        self.slope = self.slope_at(start)
        self.n_trials = 0

    def at(self, step: float) -> _Point:
        """Evaluate so far along the direction."""
        self.n_trials += 1
        return self._trial(step)

    def slope_at(self, p: _Point) -> float:
        """Return the derivative of the loss along the direction."""
        return float(p.gradient @ self.direction)

    def fell(self, p: _Point) -> bool:
        """Return whether the loss fell enough for the step."""
        return p.loss <= self.start.loss + DECREASE * p.step * self.slope

    def is_level(self, p: _Point) -> bool:
        """Return whether the slope is small enough."""
        return abs(self.slope_at(p)) <= -CURVATURE * self.slope

    def run(self, length: float, tolerance: float) -> _Point:
        """Return a point of the conditions, or the best that was tried."""
        previous, here = self.start, self.at(length)
        while self.n_trials <= MAX_SEARCH:
            no_better = self.n_trials > 2 and here.loss >= previous.loss
            if not self.fell(here) or no_better:
                return self._narrow(previous, here, tolerance)
            if self.is_level(here):
                return here
            if self.slope_at(here) >= 0.0:
                return self._narrow(previous, here, tolerance)
            bounds = here.step + 0.01 * (here.step - previous.step), here.step * 10.0
            slopes = self.slope_at(previous), self.slope_at(here)
            previous, here = here, self.at(_cubic(previous, here, *slopes, bounds))
        return min(self.start, here, key=lambda p: p.loss)

    def _narrow(self, one: _Point, other: _Point, tolerance: float) -> _Point:
        low, high = (one, other) if one.loss <= other.loss else (other, one)
        size, is_slow = float(np.abs(self.direction).max()), False
        while self.n_trials <= MAX_SEARCH:
            if abs(high.step - low.step) * size < tolerance:
                break
            step, is_slow = self._between(low, high, is_slow)
            here = self.at(step)
            if not self.fell(here) or here.loss >= low.loss:
                low, high = (low, here) if low.loss <= here.loss else (here, low)
                continue
            if self.is_level(here):
                return here
            if self.slope_at(here) * (high.step - low.step) >= 0.0:
                high = low
            low = here
        return low

    def _between(self, a: _Point, b: _Point, was_slow: bool) -> tuple[float, bool]:
        """Return a step within a bracket, and whether it is near an end of it."""
        left, right = sorted((a.step, b.step))
        step = _cubic(a, b, self.slope_at(a), self.slope_at(b))
        margin = 0.1 * (right - left)
        if min(right - step, step - left) >= margin:
            return step, False
        if not was_slow and left < step < right:
            return step, True
        near_right = abs(step - right) < abs(step - left)
        return (right - margin if near_right else left + margin), False


def _cubic(
    a: _Point,
    b: _Point,
    slope_a: float,
    slope_b: float,
    bounds: tuple[float, float] | None = None,
) -> float:
    """Return where the cubic through two points and slopes is least, in bounds."""
    if bounds is None:
        bounds = min(a.step, b.step), max(a.step, b.step)
    if a.step == b.step:
        return 0.5 * (bounds[0] + bounds[1])
    if a.step > b.step:
        a, b, slope_a, slope_b = b, a, slope_b, slope_a
    mixed = slope_a + slope_b - 3.0 * (a.loss - b.loss) / (a.step - b.step)
    square = mixed * mixed - slope_a * slope_b
    if not square >= 0.0:
        return 0.5 * (bounds[0] + bounds[1])
    root = math.sqrt(square)
    below = slope_b - slope_a + 2.0 * root
    if below == 0.0:
        return 0.5 * (bounds[0] + bounds[1])
    step = b.step - (b.step - a.step) * ((slope_b + root - mixed) / below)
    return min(max(step, bounds[0]), bounds[1])
