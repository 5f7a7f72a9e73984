"""Quantities computed from the parameters, with propagated errors.

``--derive 't_half=log(2)/b'`` is evaluated at the estimate; its standard error is
``sqrt(g' C g)``, g its exact gradient and C the covariance of the parameters. A
monotonic function of a single parameter takes a profile interval of that to its own:
likelihoods do not change with the name of a parameter. All other intervals are Wald's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.errors import FormulaError, name_list, suggestion
from autodiff.fit.formula.evaluate import evaluate, names_in
from autodiff.fit.formula.parse import Node, parse
from autodiff.fit.formula.printing import plain_name

__all__ = [
    "derived_quantities",
    "derived_quantity",
    "image",
    "parameters_of",
    "parse_derived",
]

Array = npt.NDArray[np.float64]

LOOKS = 33  # at a function on either side of an estimate, to see it monotonic
ROUNDING = 1e-13  # of neighbouring values, that is no change of direction


def parse_derived(text: str, known: Sequence[str]) -> tuple[Node, ...]:
    """Parse an expression in parameters.

    Parameters
    ----------
    text : str
        The right-hand side of ``name=expression``.
    known : sequence of str
        The parameters, fixed and tied ones too.

    Raises
    ------
    FormulaError
        If the text is no expression or names what is no parameter.
    """
    formula = parse(text)
    if formula.lhs:
        raise FormulaError(
            "U150",
            "a derived quantity has no '~': write NAME=EXPRESSION",
            text,
            0,
            1,
            "--derive",
        )
    nodes = tuple(  # Vm[treated] is the name of a parameter
        node._replace(text=plain_name(node), level="") if node.level else node
        for node in formula.rhs
    )
    for name, node in names_in(nodes).items():
        if name not in known:
            raise FormulaError(
                "U151",
                f"{name!r} is no parameter of the fit{suggestion(name, known)} "
                f"(parameters: {name_list(known)})",
                text,
                node.start,
                node.stop,
                "--derive",
            )
    return nodes


Ties = Mapping[str, Sequence[Node]]


def derived_quantity(
    nodes: Sequence[Node],
    values: Mapping[str, float],
    cov: Array,
    free: Sequence[str],
    ties: Ties | None = None,
) -> tuple[float, float]:
    """Return the value and the standard error of a derived quantity.

    Parameters
    ----------
    nodes : sequence of Node
        From `parse_derived`.
    values : mapping of str to float
        Every parameter, in its unit.
    cov : array of shape (p, p)
        Covariance of the free parameters; NaN where it is not defined.
    free : sequence of str
        Their names, in the order of `cov`.
    ties : mapping of str to nodes, optional
        The tied parameters it may name, each computed from those before.
    """
    leaves = {name: ad.tensor(values[name], requires_grad=True) for name in free}
    names: dict[str, Any] = {**values, **leaves}
    with np.errstate(all="ignore"):
        for name, tie in (ties or {}).items():
            names[name] = evaluate(tie, names)
        value = evaluate(nodes, names)
        if not isinstance(value, ad.Tensor):
            return float(value), 0.0
        if not value.requires_grad:
            return value.item(), 0.0
        value.backward()
    gradient = np.array(
        [0.0 if leaf.grad is None else leaf.grad.item() for leaf in leaves.values()]
    )
    used = gradient != 0.0
    variance = float(gradient[used] @ cov[np.ix_(used, used)] @ gradient[used])
    return value.item(), math.sqrt(variance) if variance >= 0.0 else math.nan


def derived_quantities(
    nodes: Sequence[Node],
    points: Array,
    held: Mapping[str, float],
    cov: Array,
    free: Sequence[str],
    ties: Ties,
) -> tuple[Array, Array]:
    """Return a derived quantity of many fits and its standard errors, shape (g,).

    Parameters
    ----------
    nodes, free, ties
        As of one fit.
    points : array of shape (p, g)
        The free parameters of g fits.
    held : mapping of str to float
        The fixed ones.
    cov : array of shape (p, p, g)
        Covariance of the free parameters.
    """

    def quantity(*leaves: Any) -> Any:
        names: dict[str, Any] = {**held, **dict(zip(free, leaves, strict=True))}
        for name, tie in ties.items():
            names[name] = evaluate(tie, names)
        return 0.0 * leaves[0] + evaluate(nodes, names)

    derived = ad.value_and_grad(quantity, argnums=tuple(range(len(free))))
    with np.errstate(all="ignore"):
        value, slopes = ad.vmap(derived, threads=1)(*points)
        gradient = np.stack(slopes)
        product = np.where(
            (gradient[:, None] != 0.0) & (gradient[None] != 0.0),
            gradient[:, None] * gradient[None] * cov,
            0.0,
        )
        return value, np.sqrt(product.sum(axis=(0, 1)))


def parameters_of(nodes: Sequence[Node], ties: Ties) -> list[str]:
    """Return the parameters that an expression depends on, seen through its ties."""
    found: dict[str, None] = {}
    waiting = list(names_in(nodes))
    while waiting:
        name = waiting.pop()
        if name in ties:
            waiting += names_in(ties[name])
        else:
            found[name] = None
    return list(found)


def image(
    nodes: Sequence[Node],
    values: Mapping[str, Any],
    name: str,
    ends: tuple[Array, Array],
    ties: Ties,
) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Return what a function of one parameter makes of the interval of that, in g fits.

    Parameters
    ----------
    nodes : sequence of Node
        The function.
    values : mapping of str to float or array of shape (g,)
        Every parameter but the tied ones.
    name : str
        The one parameter.
    ends : two arrays of shape (g,)
        Of its intervals, around its values; infinite where they are open.
    ties : mapping of str to nodes
        As of `derived_quantity`.

    Returns
    -------
    lo, hi : array of shape (g,)
        Ends of the image.
    monotonic : array of bool, shape (g,)
        Whether the function is, between the ends, so that the image is an interval.
    """
    below, above = (_towards(values[name], end) for end in ends)
    points = np.concatenate([below[::-1], above[1:]])
    names: dict[str, Any] = {**values, name: points}
    with np.errstate(all="ignore"), ad.no_grad():
        for tied, tie in ties.items():
            names[tied] = evaluate(tie, names)
        found = evaluate(nodes, names)
        found = found.numpy() if isinstance(found, ad.Tensor) else found
        value = np.broadcast_to(np.asarray(found, dtype=np.float64), points.shape)
        left, right = value[:-1], value[1:]
        step = np.where(left == right, 0.0, right - left)
        slack = ROUNDING * (np.abs(left) + np.abs(right))
        slack[np.isinf(slack)] = 0.0
        rises, falls = (step >= -slack).all(axis=0), (step <= slack).all(axis=0)
    first, last = value[0], value[-1]
    return np.minimum(first, last), np.maximum(first, last), np.logical_or(rises, falls)


def _towards(centre: Array, end: Array) -> Array:
    """Return points from a value to an end, which may be infinite, shape (m, g)."""
    share = np.linspace(0.0, 1.0, LOOKS)[:, None]
    with np.errstate(all="ignore"):
        near = centre + share * (end - centre)
        size = np.where(centre == 0.0, 1.0, np.abs(centre))
        far = centre + np.copysign(size, end) * (share / (1.0 - share))
    points = np.where(np.isinf(end), far, near)
    points[-1] = end
    return points
