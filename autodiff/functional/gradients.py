"""Gradients and directional derivatives of functions: grad, jvp, vjp, hvp.

Each makes a `Call` and asks its linear map; nothing here knows a tape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autodiff import tree
from autodiff._core import Tensor, scalar_tensor
from autodiff.errors import ShapeError
from autodiff.functional.arguments import (
    Argnums,
    Call,
    check_argnums,
    check_callable,
    is_tracked,
    results,
    seeds_like,
    wraps,
)


def _check_scalar(call: Call, transform: str) -> None:
    """Raise unless the result is one number."""
    if call.output is not tree.LEAF:
        raise TypeError(
            f"{transform} needs a function that returns one number; {call.name} "
            f"returned {call.output!r}: use jacobian or vjp, or has_aux=True if only "
            "the first is to be differentiated"
        )
    shape = call.outputs[0].shape
    if shape != ():
        raise ShapeError(
            f"{transform} needs a function that returns one number; {call.name} "
            f"returned an array of shape {shape}: use jacobian, or reduce it "
            "with .sum() or [0]"
        )


def value_and_grad(
    fun: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that gives the value of fun and its gradient.

    Parameters
    ----------
    fun
        Returns one real number; with has_aux, a pair of it and anything else.
    argnums
        The positional argument to differentiate in, or a tuple of them.
    has_aux
        Whether fun returns (value, aux).

    Returns
    -------
    A function with fun's arguments that returns (value, gradient), or ((value, aux),
    gradient). The gradient has the structure and shapes of the argument (a tuple of
    them for a tuple of argnums), in floats and arrays of float64; in tensors if the
    call is part of something that is differentiated itself.

    Raises
    ------
    TypeError
        When an argument or the result is not made of real numbers, the result is a
        container, or argnums do not name arguments.
    ShapeError
        When the result is an array.
    GradientLossError
        When fun turns what it was given into a plain number: ``math.sin(x)``.

    Notes
    -----
    Costs three to five times fun, however many numbers are differentiated in. fun is
    recorded anew at each call; ``compile(fun).value_and_grad`` records it once.
    Griewank and Walther, Evaluating Derivatives, chapter 3.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.value_and_grad(lambda p: p["a"] ** 2 * p["b"])({"a": 3.0, "b": 2.0})
    (18.0, {'a': 12.0, 'b': 9.0})
    """
    check_callable(fun, "value_and_grad")
    checked = check_argnums(argnums)

    @wraps(value_and_grad, fun, argnums, has_aux)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        call = Call(fun, checked, has_aux, args, kwargs)
        _check_scalar(call, "grad")
        value = call.value()
        found = call.linear.pull_back([scalar_tensor(1.0)], is_last=True)
        gradient = call.like_arguments(
            results(found, call.shapes, call.is_tracked), argnums
        )
        return ((value, call.aux) if has_aux else value), gradient

    return value_and_gradient  # type: ignore[no-any-return]


def grad(
    fun: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that gives the gradient of fun.

    As `value_and_grad`, without the value: it returns the gradient, or (gradient, aux).
    A function that is called often is faster as ``compile(fun).grad``.

    Examples
    --------
    >>> import autodiff as ad
    >>> import numpy as np
    >>> ad.grad(lambda x: (x**2).sum())(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> ad.grad(ad.grad(lambda x: x**3))(2.0)
    12.0
    """
    check_callable(fun, "grad")
    both = value_and_grad(fun, argnums, has_aux)

    @wraps(grad, fun, argnums, has_aux)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient  # type: ignore[no-any-return]


def jvp(
    fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False
) -> Any:
    """Return the value of fun and its derivative along a direction.

    Parameters
    ----------
    fun
        Returns real numbers of any structure and shape; with has_aux, a pair of them
        and anything else.
    primals
        A tuple of arguments for fun, all of which are made of real numbers.
    tangents
        A tuple with the direction in each, of the same structure and shapes; None for
        none in an argument or a part of it.

    Returns
    -------
    (value, tangent), or (value, tangent, aux); both as fun returns its result.

    Raises
    ------
    TypeError
        When primals or tangents are no tuple, differ in number or in structure, or the
        result is not made of real numbers.
    ShapeError
        When a tangent has another shape than its primal.

    Notes
    -----
    Costs two to three times fun, however many numbers it returns.

    Examples
    --------
    >>> import autodiff as ad
    >>> ad.jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0))
    (6.0, 3.0)
    """
    check_callable(fun, "jvp")
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise TypeError(
                f"jvp: {what} must be a tuple with one entry for each argument, got "
                f"'{type(given).__name__}'; write ({what[:-1]},) for one"
            )
    if len(primals) != len(tangents):
        raise TypeError(f"jvp: got {len(primals)} primals and {len(tangents)} tangents")
    call = Call(fun, tuple(range(len(primals))), has_aux, tuple(primals), {})
    whole = tree.Structure(tuple, tuple(range(len(primals))), tuple(call.inputs))
    seeds = seeds_like(whole, call.shapes, tuple(tangents), "tangents")
    found = call.linear.push_forward(seeds)
    leaves = results(
        found, [x.shape for x in call.outputs], call.is_tracked or is_tracked(seeds)
    )
    tangent = tree.unflatten(call.output, leaves)
    return (call.value(), tangent, *([call.aux] if has_aux else []))


def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return the value of fun and a function that pulls adjoints back.

    Parameters
    ----------
    fun
        Returns real numbers of any structure and shape; with has_aux, a pair of them
        and anything else.
    primals
        The arguments of fun, all of which are differentiated in.

    Returns
    -------
    (value, pull_back), or (value, pull_back, aux). pull_back takes one adjoint of the
    structure and shapes of the value (None for none in a part of it) and returns a
    tuple with the adjoint of each argument. It may be called any number of times, in
    the thread that made it, and keeps what was recorded as long as it lives.

    Notes
    -----
    Costs one to two times fun, and a call of pull_back two to three times.

    Examples
    --------
    >>> import autodiff as ad
    >>> value, pull_back = ad.vjp(lambda x, y: (x * y, x + y), 2.0, 3.0)
    >>> value, pull_back((1.0, 10.0))
    ((6.0, 5.0), (13.0, 12.0))
    """
    check_callable(fun, "vjp")
    call = Call(fun, tuple(range(len(primals))), has_aux, primals, {})

    def pull_back(adjoint: Any) -> Any:
        shapes = [x.shape for x in call.outputs]
        seeds = seeds_like(call.output, shapes, adjoint, "the adjoint")
        found = call.linear.pull_back(seeds)
        leaves = results(found, call.shapes, call.is_tracked or is_tracked(seeds))
        return call.like_arguments(leaves, ())

    return (call.value(), pull_back, *([call.aux] if has_aux else []))


def hvp(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    mode: str = "forward",
) -> Callable[..., Any]:
    """Return a function that multiplies the Hessian of fun with a vector.

    Parameters
    ----------
    fun
        Returns one real number.
    argnums, has_aux
        As for `grad`.
    mode
        "forward" pushes the vector through the gradient, "reverse" pulls it back; the
        products are the same.

    Returns
    -------
    A function of fun's arguments with the vector in the second place, as SciPy's hessp
    passes it: ``hvp(f)(x, v, *rest)``. The vector has the structure and shapes of what
    is differentiated in, and so has the result.

    Raises
    ------
    TypeError
        By a call, when there is no vector, or it has another structure.
    ShapeError
        By a call, when fun returns anything but one number, or the vector has another
        shape.

    Notes
    -----
    Costs six to ten times fun; the Hessian itself is never formed.
    Pearlmutter (1994), doi:10.1162/neco.1994.6.1.147.

    Examples
    --------
    >>> import autodiff as ad
    >>> import numpy as np
    >>> ad.hvp(lambda x: (x**3).sum())(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    check_callable(fun, "hvp")
    if mode not in ("forward", "reverse"):
        raise ValueError(f"hvp: mode must be 'forward' or 'reverse', got {mode!r}")
    checked = check_argnums(argnums)
    many = isinstance(argnums, (tuple, list))
    gradient = grad(fun, checked, has_aux)

    @wraps(hvp, fun, argnums, has_aux, mode=mode)
    def product(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            raise TypeError(
                "hvp(f) takes the vector in the second place: (x, v, *rest)"
            )
        vector = args[1] if many else (args[1],)
        if not isinstance(vector, (tuple, list)):
            raise TypeError(
                "hvp: for a tuple of argnums the vector is a tuple with one entry for "
                f"each, got '{type(vector).__name__}'"
            )
        call = Call(gradient, checked, has_aux, (args[0], *args[2:]), kwargs)
        whole = tree.Structure(tuple, tuple(range(len(checked))), tuple(call.inputs))
        seeds = seeds_like(whole, call.shapes, tuple(vector), "the vector")
        linear = call.linear
        found: list[Tensor | None]
        if mode == "forward":
            found = linear.push_forward(seeds)
        else:
            found = linear.pull_back(seeds, is_last=True)
        leaves = results(found, call.shapes, call.is_tracked or is_tracked(seeds))
        answer = call.like_arguments(leaves, argnums)
        return (answer, call.aux) if has_aux else answer

    return product  # type: ignore[no-any-return]
