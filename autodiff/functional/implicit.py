"""root and fixed_point: solutions, differentiated by the implicit function theorem.

No derivative goes through the steps of the solver.

With g(x, theta) = 0, x_bar pulls back to theta_bar = -w^T dg/dtheta, w = (dg/dx)^-T
x_bar. theta is whatever tracked values one evaluation of g depends on: arguments and
closures alike (the frontier of its piece of tape). For derivatives of higher order the
rule needs x as a function of theta again; it records itself a second time, for an entry
whose rule held its own result would never die.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import _core, tree
from autodiff._core import Tensor
from autodiff.creation import as_tensor
from autodiff.errors import ConvergenceError, ShapeError
from autodiff.functional import implicit_recorded as recorded
from autodiff.functional.arguments import check_callable, name_of
from autodiff.functional.custom import stop_gradient
from autodiff.functional.engine import linearize
from autodiff.functional.solve import linear_solve, newton
from autodiff.rule import Rule, Shape, pack, pull_back, unpack, zeros
from autodiff.shape import stack

_Array = np.ndarray[Any, Any]
_TOL, _MAX_STEPS = 1e-12, 100


def root(
    g: Callable[..., Any],
    x0: Any,
    args: Any = (),
    *,
    solver: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    tol: float = _TOL,
    max_steps: int = _MAX_STEPS,
) -> Any:
    """Return x with g(x, *args) = 0, differentiable in args and in what g closes over.

    Parameters
    ----------
    g
        Returns as many numbers as x has.
    x0
        Where to start: a number, an array, or nested containers of them. Its gradient
        is zero.
    args
        A tuple of further arguments; anything else is one argument.
    solver
        Called as solver(f, x0), where f takes and returns plain values of x0's and g's
        structure (tensors in a function that is being recorded); returns x. By default
        Newton's method with the exact Jacobian, steps halved until they help.
    tol, max_steps
        When Newton's method is done (its step, relative to x) and when it gives up.

    Returns
    -------
    x in the structure of x0, floats and arrays; tensors where something that g depends
    on is being differentiated.

    Raises
    ------
    ConvergenceError
        When no solution was found.
    ShapeError
        When g returns more or fewer numbers than x has, or the solver another shape.
    NotDifferentiableError
        By a derivative, when dg/dx is singular at the solution.

    Notes
    -----
    A derivative costs one Jacobian of g in x and one linear solve, whatever the solver
    took. Griewank and Walther, Evaluating Derivatives, section 15.4.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.root(lambda x, a: x * x - a, 1.0, 2.0) == 2.0**0.5
    True
    >>> round(ad.grad(lambda a: ad.root(lambda x, a: x * x - a, 1.0, a))(4.0), 12)
    0.25
    """
    check_callable(g, "root")
    args = args if isinstance(args, tuple) else (args,)
    equation = _Equation(g, x0, args)
    if _core.is_tracing():
        return equation.record(x0, solver, tol, max_steps)
    with _core.no_grad():  # the solver's own derivatives are nobody's
        start, leaves = stop_gradient(x0), stop_gradient(args)
        values = equation.solve(start, leaves, solver, tol, max_steps)
    return equation.result(values)


def fixed_point(
    f: Callable[..., Any],
    x0: Any,
    args: Any = (),
    *,
    solver: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    tol: float = _TOL,
    max_steps: int = _MAX_STEPS,
) -> Any:
    """Return x with x = f(x, *args), differentiable as `root`.

    Parameters
    ----------
    f
        Returns what x0 is: the same structure and shapes.
    x0, args
        Where to start, and further arguments; as for `root`.
    solver
        Called as solver(r, x0), where r(x) is f(x, *args) - x of plain values; returns
        x. By default Newton's method, which also finds what repeating f would not.
    tol, max_steps
        As for `root`.

    Returns
    -------
    x in the structure of x0, as `root` returns it.

    Raises
    ------
    ShapeError
        When f returns a shape that x has not.
    ConvergenceError, NotDifferentiableError
        As by `root`; here I - df/dx is what must not be singular.

    Notes
    -----
    Costs what `root` of f(x, *args) - x does.

    Examples
    --------
    >>> import autodiff as ad
    >>> x = ad.fixed_point(ad.cos, 1.0)
    >>> abs(ad.cos(x) - x) < 1e-15
    True
    """
    check_callable(f, "fixed_point")

    def difference(x: Any, *args: Any) -> Any:
        leaves, structure = tree.flatten(x)
        there = tree.match(structure, f(x, *args), f"the result of {name_of(f)}")
        for leaf, new in zip(leaves, there, strict=True):
            if np.shape(leaf) != np.shape(new):
                raise ShapeError(
                    f"fixed_point: {name_of(f)} returned shape {np.shape(new)} for an "
                    f"x of shape {np.shape(leaf)}"
                )
        return tree.unflatten(
            structure, [new - leaf for leaf, new in zip(leaves, there, strict=True)]
        )

    difference.__name__ = name_of(f)
    return root(difference, x0, args, solver=solver, tol=tol, max_steps=max_steps)


class _Equation:
    """g(x, *args) = 0, for x of a certain structure."""

    def __init__(self, g: Callable[..., Any], x0: Any, args: tuple[Any, ...]):
        self.name, self._g, self._args = name_of(g), g, args
        leaves, self.structure = tree.flatten(x0, "x0")
        self.shapes: list[Shape] = [np.shape(leaf) for leaf in leaves]

    def flat(self, xs: list[Tensor], args: tuple[Any, ...]) -> Tensor:
        """Return the residual as a vector."""
        result = self._g(tree.unflatten(self.structure, xs), *args)
        leaves, _ = tree.flatten(result, f"the result of {self.name}")
        parts = [as_tensor(leaf) for leaf in leaves]
        vector = pack([_vector(part) for part in parts])
        n, m = sum(map(_size, self.shapes)), _core.size_of(vector)
        if n != m:
            raise ShapeError(
                f"root: {self.name} returned {m} numbers for the {n} of x; there must "
                "be as many equations as unknowns"
            )
        return vector

    def evaluate(self, x: _Array, args: tuple[Any, ...]) -> tuple[_Array, _Array]:
        """Return residual and Jacobian in x."""
        linear = linearize(lambda xs: ([self.flat(xs, args)], []), self.split(x))
        [r] = linear.outputs
        jacobian = np.zeros((x.size, x.size))
        for i, unit in enumerate(np.eye(x.size)):
            found = linear.pull_back([_core.from_array(unit)])
            if x.size:
                jacobian[i] = np.concatenate(
                    [
                        np.zeros(_size(s))
                        if b is None
                        else np.ravel(_core.values_of(b))
                        for b, s in zip(found, self.shapes, strict=True)
                    ]
                )
        return np.array(_core.values_of(r)), jacobian

    def split(self, x: _Array) -> list[Any]:
        """Return a vector as the values of x's leaves."""
        ends = np.cumsum([_size(shape) for shape in self.shapes])[:-1]
        return [
            float(part[0]) if shape == () else part.reshape(shape)
            for part, shape in zip(np.split(x, ends), self.shapes, strict=True)
        ]

    def record(self, x0: Any, solver: Any, tol: float, max_steps: int) -> Any:
        """Return the solution where this thread records a program."""

        def residual(xs: list[Tensor]) -> Tensor:
            return self.flat(xs, self._args)

        start = tree.match(self.structure, stop_gradient(x0), "x0")
        with _core.no_grad():
            if solver is None:
                x = recorded.newton(residual, start, self.shapes, tol, max_steps)
            else:
                begin = tree.unflatten(self.structure, start)
                found = solver(lambda x: self._g(x, *self._args), begin)
                leaves = tree.match(self.structure, found, "what solver returned")
                x = pack([_vector(as_tensor(leaf)) for leaf in leaves])
        leaves = recorded.record_root(f"root({self.name})", residual, x, self.shapes)
        return tree.unflatten(self.structure, leaves)

    # ---- Value ---------------------------------------------------------------------

    def solve(
        self, x0: Any, args: tuple[Any, ...], solver: Any, tol: float, max_steps: int
    ) -> _Array:
        """Return the solution as a vector."""

        def residual(x: _Array) -> _Array:
            xs = [as_tensor(part) for part in self.split(x)]
            return np.array(_core.values_of(self.flat(xs, args)))

        start = self._joined(x0, "x0")
        if solver is None:
            return newton(
                lambda x: self.evaluate(x, args),
                residual,
                start,
                tol=tol,
                max_steps=max_steps,
                name=f"root({self.name})",
            )

        def plain(x: Any) -> Any:
            return tree.tree_map(_plain, self._g(x, *args))

        begin = tree.unflatten(self.structure, self.split(start))
        x = self._joined(solver(plain, begin), "what solver returned")
        if not np.isfinite(residual(x)).all():
            raise ConvergenceError(
                f"root({self.name}): at what solver returned, {x}, the residual is not "
                "finite"
            )
        return x

    def _joined(self, x: Any, what: str) -> _Array:
        parts = [
            np.asarray(_core.values_of(leaf), dtype=np.float64)
            for leaf in tree.match(self.structure, x, what)
        ]
        for part, shape in zip(parts, self.shapes, strict=True):
            if part.shape != shape:
                raise ShapeError(f"{what} has shape {part.shape}, expected {shape}")
        return np.concatenate([part.ravel() for part in parts] or [np.zeros(0)])

    # ---- Derivative ----------------------------------------------------------------

    def result(self, values: _Array) -> Any:
        """Return the solution in x0's structure, recorded if g depends on anything."""
        theta: list[Tensor] = []
        if _core.is_recording():
            ends, xs = _core.open_inputs(self.split(values) or [0.0])
            del xs[len(self.shapes) :]
            theta = _core.frontier([self.flat(xs, self._args)], ends)
        if not theta:
            return tree.unflatten(self.structure, self.split(values))
        return tree.unflatten(self.structure, self.recorded(values, theta))

    def recorded(self, values: _Array, theta: list[Tensor]) -> list[Tensor]:
        """Return the leaves of x on an entry with theta as operands."""
        made = _core.record_custom(
            _Root(self, values, theta), theta, _core.from_array(values)
        )
        if len(self.shapes) == 1:
            return [_core.reshape(made, self.shapes[0])]
        return unpack(made, self.shapes)

    def pulled(
        self, xs: list[Any], z_bar: Tensor, theta: list[Tensor]
    ) -> list[Tensor | None]:
        """Return theta_bar = -(dg/dtheta)^T (dg/dx)^-T z_bar, at x."""
        n = _core.size_of(z_bar)
        ends, inputs = _core.call_recorded(_core.open_inputs, [xs])
        r = _core.call_recorded(self.flat, [inputs, self._args])
        rows = []
        for unit in np.eye(n):
            found = pull_back([r], [_core.from_array(unit)], ends, keep=True)
            parts = [
                zeros((_size(s),)) if b is None else _vector(b)
                for b, s in zip(found, self.shapes, strict=True)
            ]
            rows.append(pack(parts))
        w = linear_solve(stack(rows).T, z_bar)
        return pull_back([r], [-w], [*theta, *ends])[: len(theta)]


class _Root(Rule):
    """The implicit function theorem for one solution."""

    def __init__(self, equation: _Equation, values: _Array, theta: list[Tensor]):
        self._equation, self._values, self._theta = equation, values, theta

    def name(self) -> str:
        """Return the name of the graph's node."""
        return f"Root{self._equation.name}Backward"

    def gradients(self, z_bar: Tensor, needs: list[bool]) -> list[Tensor | None]:
        """Solve one linear system; see the head of the file."""
        xs: list[Any] = self._equation.split(self._values)
        if _core.is_recording():
            xs = list(self._equation.recorded(self._values, self._theta))
        return self._equation.pulled(xs, z_bar, self._theta)


def _size(shape: Shape) -> int:
    return int(np.prod(shape))


def _vector(x: Tensor) -> Tensor:
    return _core.reshape(x, (_core.size_of(x),))


def _plain(x: Any) -> Any:
    if not isinstance(x, Tensor):
        return x
    return _core.item(x) if x.ndim == 0 else _core.to_array(x, copy=True)
