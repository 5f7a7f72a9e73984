"""Solvers of equations: the linear one of the implicit rule, and Newton's method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from autodiff import linalg
from autodiff._core import Tensor
from autodiff.errors import ConvergenceError, LinAlgError, NotDifferentiableError

_Array = np.ndarray[Any, Any]


def linear_solve(a: Tensor, b: Tensor) -> Tensor:
    """Return x with a @ x = b, of shapes (n, n) and (n,), differentiable in both."""
    try:
        return linalg.solve(a, b)
    except LinAlgError as error:
        raise NotDifferentiableError(
            "the Jacobian is singular at the solution, so the solution is no "
            "differentiable function of the arguments (a double root, or more unknowns "
            "than equations that count)"
        ) from error


# ---- Newton --------------------------------------------------------------------------

SUFFICIENT = 1e-4  # of the decrease that the slope promises (Armijo)
MAX_HALVINGS = 40


def newton(
    evaluate: Callable[[_Array], tuple[_Array, _Array]],
    residual: Callable[[_Array], _Array],
    start: _Array,
    *,
    tol: float,
    max_steps: int,
    name: str,
) -> _Array:
    """Return x with residual(x) = 0 by Newton's method, steps halved until they help.

    Parameters
    ----------
    evaluate
        Returns residual and Jacobian, (n,) and (n, n).
    start
        (n,), where to begin.
    tol
        Done when a full step is at most this, relative to x (absolute below 1).

    Raises
    ------
    ConvergenceError
        When max_steps do not do, no step helps, or values are not finite.

    Notes
    -----
    Nocedal and Wright, Numerical Optimization (2006), section 11.2.
    """
    x = np.array(start, dtype=np.float64)
    for _ in range(max_steps):
        r, jacobian = evaluate(x)
        if not (np.isfinite(r).all() and np.isfinite(jacobian).all()):
            _give_up(name, "its value or its Jacobian is not finite", x, r)
        if not r.any():
            return x
        step = _step(jacobian, r)
        size = np.abs(step) / np.maximum(1.0, np.abs(x))
        # A least-squares step that is small because nothing can be done ends nothing.
        helps = np.linalg.norm(jacobian @ step + r) <= 0.5 * np.linalg.norm(r)
        moved = _line_search(residual, x, r, step)
        if moved is None:
            # At the bottom of what rounding lets one see, no step comes closer.
            if helps and np.all(size <= np.sqrt(tol)):
                return x
            _give_up(name, "no step along Newton's direction comes closer", x, r)
        if helps and np.all(size <= tol):
            return moved
        x = moved
    return _give_up(
        name, f"{max_steps} steps of Newton's method did not do", x, residual(x)
    )


def _step(jacobian: _Array, r: _Array) -> _Array:
    """Newton's step; where the Jacobian is singular, the least that does best."""
    try:
        step = np.linalg.solve(jacobian, -r)
        if np.isfinite(step).all():
            return np.asarray(step)
    except np.linalg.LinAlgError:
        pass
    return np.asarray(np.linalg.lstsq(jacobian, -r, rcond=None)[0])


def _line_search(
    residual: Callable[[_Array], _Array], x: _Array, r: _Array, step: _Array
) -> _Array | None:
    """Return the first of x + step, x + step/2, ... that is closer; None if none is."""
    size, share = float(np.linalg.norm(r)), 1.0
    for _ in range(MAX_HALVINGS):
        there = x + share * step
        found = float(np.linalg.norm(residual(there)))
        if found <= (1.0 - SUFFICIENT * share) * size:  # never with NaN
            return there
        share /= 2.0
    return None


def _give_up(name: str, why: str, x: _Array, r: _Array) -> NoReturn:
    with np.printoptions(precision=6, threshold=6):
        raise ConvergenceError(
            f"{name} did not converge: {why}; at {x} the residual is {r}. Start "
            "closer, or pass solver="
        )
