"""Quantities computed from the parameters, with propagated errors.

``--derive 't_half=log(2)/b'`` is evaluated at the estimate; its standard error is
``sqrt(g' C g)``, g its exact gradient and C the covariance of the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

import autodiff as ad
from autodiff.fit.errors import FormulaError, name_list, suggestion
from autodiff.fit.formula.evaluate import evaluate, names_in
from autodiff.fit.formula.parse import Node, parse
from autodiff.fit.formula.printing import plain_name

__all__ = ["derived_quantity", "parse_derived"]

Array = npt.NDArray[np.float64]


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


def derived_quantity(
    nodes: Sequence[Node], values: Mapping[str, float], cov: Array, free: Sequence[str]
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
    """
    leaves = {name: ad.tensor(values[name], requires_grad=True) for name in free}
    names = {**values, **leaves}
    with np.errstate(all="ignore"):
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
