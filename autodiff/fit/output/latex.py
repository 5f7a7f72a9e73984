r"""A fitted formula as LaTeX: the equation, and values with their errors.

Only commands of amsmath are used, in one ``\begin{align*} ... \end{align*}``.
"""

from __future__ import annotations

from autodiff.fit.formula.latex import latex_name, to_latex
from autodiff.fit.formula.parse import parse
from autodiff.fit.output.rounding import together
from autodiff.fit.stats.result import Estimate, FitResult

__all__ = ["latex_report"]


def latex_report(result: FitResult) -> str:
    r"""Return the formula and its parameters as an ``align*`` of amsmath.

    Parameters
    ----------
    result : FitResult
        A fit that converged.

    Examples
    --------
    >>> import autodiff as ad
    >>> line = ad.fit("y ~ w*x + b", {"x": [0, 1, 2, 3], "y": [3, 8, 13, 18]})
    >>> print(latex_report(line))
    \begin{align*}
      y &= w \, x + b \\
      w &= 5 \\
      b &= 3
    \end{align*}
    """
    formula = parse(result.formula)
    left = to_latex(formula.lhs) if formula.lhs else "y"
    lines = [rf"{left} &= {to_latex(formula.rhs)}"]
    for name, p in {**result.parameters, **result.derived}.items():
        lines.append(rf"{latex_name(name)} &= {_value(p)}")
    return "\\begin{align*}\n  " + " \\\\\n  ".join(lines) + "\n\\end{align*}"


def _value(p: Estimate) -> str:
    if p.status == "fixed" or not p.se > 0.0:
        return _number(f"{p.estimate:.12g}")
    error, value = together(p.se, p.estimate)
    return rf"{_number(value)} \pm {_number(error)}"


def _number(text: str) -> str:
    digits, e, power = text.partition("e")
    return rf"{digits} \times 10^{{{int(power)}}}" if e else digits
