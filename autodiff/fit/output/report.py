"""Write a result for people.

Values are rounded by their errors and aligned; what they rest on follows. Says whether
errors are absolute or scaled, which intervals these are, and how R squared is defined.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from autodiff.fit.output.rounding import short, together
from autodiff.fit.output.style import PLAIN, Style
from autodiff.fit.stats.result import Estimate, FitResult

__all__ = ["best_point", "errors_in_words", "json_report", "text_report"]

_ERRORS = {
    "scaled": "scaled by s, for no sigma was given",
    "absolute": "absolute, from sigma",
    "model": "from the likelihood",
}
_KINDS = {
    "jtj": "from J'J",
    "hessian": "from the Hessian",
    "sandwich": "sandwich, which holds also where the variance is not constant",
}
MOST_CORRELATED = 0.95  # in absolute value; beyond it people are told


def text_report(
    result: FitResult, style: Style = PLAIN, *, with_notes: bool = True
) -> str:
    """Return the report for people.

    Parameters
    ----------
    result : FitResult
        Of one fit.
    style : Style
        Of the terminal; by default plain text.
    with_notes : bool
        Whether warnings stand at the end.

    Returns
    -------
    str
        A parameter a line, as ``name = estimate +- error  [lo, hi]``, then what they
        rest on. An exact fit has no errors to show.

    Examples
    --------
    >>> import autodiff as ad
    >>> print(ad.fit("y ~ w*x + b", {"x": [0, 1, 2], "y": [3, 8, 13]}).report())
    w = 5
    b = 3
    exact fit: all 3 residuals are 0; standard errors are 0
    """
    lines = _table({**result.parameters, **result.derived}, result)
    if result.exact and result.converged:
        lines.append(style.good("exact fit") + _exactness(result))
    else:
        lines += ["", *_footing(result, style)]
    if not result.converged:
        lines.append(f"{style.bad(result.verdict)}: {result.reason} [{result.code}]")
    if with_notes:
        lines += [
            f"{style.careful('note')}: {note.text} [{note.code}]"
            for note in result.warnings
        ]
    return "\n".join(lines)


def best_point(result: FitResult) -> str:
    """Return where a fit that did not converge stands, one line; empty if nowhere."""
    known = {n: p for n, p in result.parameters.items() if math.isfinite(p.estimate)}
    if not known:
        return ""
    point = ", ".join(f"{name} = {p.estimate:.9g}" for name, p in known.items())
    rss = f"; rss {short(result.rss, 9)}" if math.isfinite(result.rss) else ""
    return f"best point so far: {point}{rss}"


def json_report(result: FitResult) -> str:
    """Return the result as JSON, all 17 digits, undefined numbers as null."""
    import json

    from autodiff.fit.output.document import document

    return json.dumps(document(result), indent=2, ensure_ascii=False)


def _table(parameters: Mapping[str, Estimate], result: FitResult) -> list[str]:
    rows = [_row(name, p, result) for name, p in parameters.items()]
    widths = [max(len(row[j]) for row in rows) for j in range(4)]
    lines = []
    for row in rows:
        head = " ".join(row[j].ljust(widths[j]) for j in range(3))
        lines.append(f"{head}  {row[3].ljust(widths[3])}  {row[4]}".rstrip())
    return lines


def _row(name: str, p: Estimate, result: FitResult) -> list[str]:
    """Return name, estimate, error, interval and status of a parameter."""
    status = "" if p.status in ("free", "derived") else f"({p.status})"
    if p.status in ("tied", "derived") and p.interval == "wald" and p.se > 0.0:
        # What the footer says of intervals is of the fitted parameters'.
        status = status if result.ci == "Wald" else f"({p.status}, Wald)"
    known = p.status == "fixed" or (p.status == "derived" and p.se == 0.0)
    if result.exact or not result.converged or known:
        value = "0" if name in result.zeros else f"{p.estimate:.13g}"
        return [name, f"= {value}", "", "", status]
    error, value, lo, hi = together(p.se, p.estimate, p.lo, p.hi)
    shown = f"+- {error}" if math.isfinite(p.se) else ""
    interval = "" if math.isnan(p.lo) and math.isnan(p.hi) else f"[{lo}, {hi}]"
    return [name, f"= {value}", shown, interval, status]


def _exactness(result: FitResult) -> str:
    if result.df <= 0:
        return (
            f": there are as many parameters as rows ({result.n}), so the curve meets "
            "each of them and nothing is known of errors"
        )
    if result.largest_residual == 0.0:
        return f": all {result.n} residuals are 0; standard errors are 0"
    return (
        f": all {result.n} residuals are 0 up to rounding (largest "
        f"{result.largest_residual:.2g}); standard errors are 0 up to rounding"
    )


def _footing(result: FitResult, style: Style) -> list[str]:
    free = len(result.free)
    counts = (
        f"{result.n} row{'s' * (result.n != 1)}, {free} parameter{'s' * (free != 1)}, "
        f"{result.df} degree{'s' * (result.df != 1)} of freedom"
    )
    lines = [f"{style.good('converged')}: {counts}" if result.converged else counts]
    if math.isfinite(result.rss):
        lines.append(_spread(result))
    if math.isfinite(result.deviance):
        lines.append(f"{result.loss} likelihood, deviance {short(result.deviance)}")
    elif result.loss != "normal":
        lines.append(f"loss: {result.loss}")
    if result.converged:
        lines += _about_errors(result)
    return lines + _criteria(result)


def _spread(result: FitResult) -> str:
    if result.errors == "absolute":
        chance = short(result.chi2_probability, 3)
        more = f" on {result.df}: probability {chance}" if result.df > 0 else ""
        return f"chi-square {short(result.rss)}{more}"
    text = f"rss {short(result.rss)}"
    if math.isfinite(result.sigma):
        text = f"residual standard deviation s = {short(result.sigma)}, {text}"
    return text


def _about_errors(result: FitResult) -> list[str]:
    if result.df <= 0 and result.errors == "scaled":
        return ["no standard errors: there are as many parameters as rows"]
    lines = [errors_in_words(result.errors, result.se)]
    if any(math.isfinite(p.lo + p.hi) for p in result.parameters.values()):
        why = f": {result.ci}" if result.ci else ""
        lines.append(f"{100 * result.level:.6g} % intervals in brackets{why}")
    return lines + _correlated(result)


def errors_in_words(errors: str, kind: str) -> str:
    """Say what standard errors rest on; the words are those of `FitResult`."""
    return f"standard errors: {_ERRORS.get(errors, errors)}; {_KINDS.get(kind, kind)}"


def _correlated(result: FitResult) -> list[str]:
    """Name pairs of parameters that the data hardly tell apart."""
    table = result.correlations
    pairs = [
        f"{result.free[j]} and {a} {table[i, j]:.4f}"
        for i, a in enumerate(result.free)
        for j in range(i)
        if abs(table[i, j]) > MOST_CORRELATED
    ]
    more = f", and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    return [f"correlations: {', '.join(pairs[:3])}{more}"] if pairs else []


def _criteria(result: FitResult) -> list[str]:
    lines = []
    if math.isfinite(result.r_squared):
        lines.append(
            f"R squared {short(result.r_squared)} "
            "= 1 - rss / sum of squares about the mean"
        )
    if math.isfinite(result.loglik):
        lines.append(
            f"log-likelihood {short(result.loglik)}, AIC {short(result.aic)}, "
            f"AICc {short(result.aicc)}, BIC {short(result.bic)}"
        )
    return lines
