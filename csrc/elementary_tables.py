"""Generate the tables behind the elementary functions, csrc/elementary_*_tables.h.

Every coefficient is computed here from mpmath alone, so that each table can be remade
and checked: ``python csrc/elementary_tables.py`` writes the files beside itself, or
into the folder given. Polynomials are Chebyshev interpolants at 70 digits, rewritten
in powers of the distance from a centre and then rounded to double; their relative
error, coefficients rounded, is printed beside them.
"""

import sys
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

from mpmath import mp, mpf

mp.dps = 70
SMALL = mpf("1e-25")  # below it a quotient's limit stands for the quotient


# Numbers as C -----------------------------------------------------------------


def split(v: mpf) -> tuple[float, float]:
    """Return v as a double and the double nearest to what is left."""
    return float(v), float(v - mpf(float(v)))


def lines(values: Iterable[float], indent: str = "    ") -> str:
    """Return an initialiser's numbers, three to a line."""
    items = [repr(float(v)) for v in values]
    rows = [items[i : i + 3] for i in range(0, len(items), 3)]
    return ",\n".join(indent + ", ".join(row) for row in rows)


def pair(v: mpf) -> str:
    """Return v as an ad_dd initialiser."""
    return "{{{!r}, {!r}}}".format(*split(v))


def constant(name: str, v: mpf) -> str:
    """Return the definition of one double-double constant."""
    return f"static const ad_dd {name} = {pair(v)};\n"


def pairs(name: str, values: list[mpf], what: str) -> str:
    """Return a table of double-doubles."""
    body = ",\n".join("    " + pair(v) for v in values)
    return (
        f"/* {what} */\nstatic const ad_dd {name}[{len(values)}] = {{\n{body}\n}};\n\n"
    )


# Polynomials --------------------------------------------------------------------


def interpolate(
    f: Callable, low: mpf, high: mpf, degree: int, centre: mpf
) -> list[mpf]:
    """Return the coefficients, ascending in x - centre, of the interpolant of f."""
    mid, half, n = (low + high) / 2, (high - low) / 2, degree + 1
    angles = [mp.pi * (2 * j + 1) / (2 * n) for j in range(n)]
    values = [f(mid + half * mp.cos(a)) for a in angles]
    before, here, out = [mpf(1)], [mpf(0), mpf(1)], [mpf(0)] * n
    for k in range(n):
        c = mp.fsum(v * mp.cos(k * a) for v, a in zip(values, angles, strict=True))
        for i, t in enumerate(before):
            out[i] += (1 if k == 0 else 2) * c / n * t
        after = [mpf(0)] + [2 * t for t in here]
        for i, t in enumerate(before):
            after[i] -= t
        before, here = here, after
    out = [c / half**i for i, c in enumerate(out)]
    shift = centre - mid
    return [
        mp.fsum(out[j] * mp.binomial(j, i) * shift ** (j - i) for j in range(i, n))
        for i in range(n)
    ]


def relative_error(f: Callable, low: mpf, high: mpf, c: list[mpf], centre: mpf) -> mpf:
    """Return the largest relative error at 101 points, but for the constant rounded."""
    rounded = [c[0], *(mpf(float(v)) for v in c[1:])]
    inset = (high - low) * mpf("1e-12")
    low, high = low + inset, high - inset
    points = [low + (high - low) * mpf(j) / 100 for j in range(101)]
    return max(abs(mp.polyval(rounded[::-1], x - centre) / f(x) - 1) for x in points)


def fit(
    name: str,
    what: str,
    f: Callable,
    ends: tuple,
    centre: float | None = None,
    bits: int = 56,
) -> str:
    """Return the least polynomial table with relative error below 2^-bits."""
    low, high = map(mpf, ends)
    middle = (low + high) / 2 if centre is None else mpf(centre)
    for degree in range(3, 32):
        c = interpolate(f, low, high, degree, middle)
        error = relative_error(f, low, high, c, middle)
        if error < mpf(2) ** -bits:
            break
    else:
        raise ArithmeticError(f"{name}: {mp.nstr(error, 3)} at degree {degree}")
    head = f"/* {what};\n * degree {degree}, relative error {mp.nstr(error, 2)} */\n"
    values = [*split(c[0]), *c[1:]]
    return (
        f"{head}static const double {name}[{degree + 2}] = {{\n{lines(values)}\n}};\n\n"
    )


# The functions ---------------------------------------------------------------------


def dd_tables() -> str:
    """Return the constants of the double-double functions."""
    ln2 = mp.ln(2)
    third = float(ln2 - sum(map(mpf, split(ln2))))
    return (
        constant("PI_DD", +mp.pi)
        + constant("LN2_DD", ln2)
        + f"static const double LN2_THIRD = {third!r};\n\n"
        + pairs(
            "INV_FACTORIAL", [1 / mp.factorial(k) for k in range(30)], "1/k!, from 0"
        )
    )


def lgamma_tables() -> str:
    """Return the polynomials of log Gamma."""

    def stirling(s: mpf) -> mpf:
        if s < mpf("1e-9"):
            return 1 / mpf(12) - s / 360
        x = 1 / mp.sqrt(s)
        main = (x - 0.5) * (mp.ln(x) - 1) + mp.ln(2 * mp.pi) / 2 - 0.5
        return (mp.loggamma(x) - main) * x

    return (
        fit("LGAMMA_HALF_ONE", "lgamma(x)/(x - 1) in x - 0.75, 0.5 <= x <= 1",
            lambda x: mp.loggamma(x) / (x - 1), (0.5, 1), bits=54)
        + fit("LGAMMA_ONE_TWO", "lgamma(x)/((x - 1)(x - 2)) in x - 1.5, 1 <= x <= 2",
              lambda x: mp.loggamma(x) / ((x - 1) * (x - 2)), (1, 2))
        + fit("LGAMMA_TWO_THREE", "lgamma(x)/(x - 2) in x - 2.5, 2 <= x <= 3",
              lambda x: mp.loggamma(x) / (x - 2), (2, 3))
        + fit("STIRLING", "remainder of Stirling's formula, times x, in 1/x^2, x >= 10",
              stirling, (0, mpf(1) / 100), 0, bits=50)
    )  # fmt: skip


def digamma_tables(root: mpf) -> str:
    """Return the polynomials of psi and of its reflection."""

    def tail(s: mpf) -> mpf:
        if s < mpf("1e-10"):
            return mpf(1) / 24 - 7 * s / 960 + 31 * s * s / 8064
        w = 1 / mp.sqrt(s)
        return (mp.digamma(w + 0.5) - mp.ln(w)) * w * w

    def cotangent(s: mpf) -> mpf:
        r = mp.sqrt(s)
        return (1 / r - mp.pi * mp.cot(mp.pi * r)) / r if s > SMALL else mp.pi**2 / 3

    def cosecant(s: mpf) -> mpf:
        if s < SMALL:
            return mp.pi**2 / 3
        return (mp.pi / mp.sin(mp.pi * mp.sqrt(s))) ** 2 - 1 / s

    near, far = 1 / mpf("12.25"), 1 / mpf("2.25")
    what = "(digamma(x) - log(w)) w^2, w = x - 1/2, in 1/w^2"
    return (
        fit("DIGAMMA_ONE_TWO", "digamma(x)/(x - root) in x - 1.5, 1 <= x <= 2",
            lambda x: mp.digamma(x) / (x - root), (1, 2))
        + fit("DIGAMMA_TWO_FOUR", what + " - 0.25, 2 <= x <= 4",
              tail, (near, far), 0.25, bits=52)
        + fit("DIGAMMA_FOUR_UP", what + ", x >= 4", tail, (0, near), 0, bits=50)
        + fit("COTANGENT", "(1/r - pi cot(pi r))/r in r^2, |r| <= 1/2",
              cotangent, (0, 0.25), 0)
        + fit("COSECANT", "pi^2/sin(pi r)^2 - 1/r^2 in r^2, |r| <= 1/2",
              cosecant, (0, 0.25), 0)
    )  # fmt: skip


def gamma_tables() -> str:
    """Return the tables of the gamma functions."""
    root = mp.findroot(mp.digamma, mpf("1.4616321449683623"))
    bernoulli = [mp.bernoulli(2 * k) for k in range(1, 17)]
    return (
        constant("PI_DD", +mp.pi)
        + constant("HALF_LN_2PI_DD", mp.ln(2 * mp.pi) / 2)
        + constant("DIGAMMA_ROOT_DD", root)
        + "\n"
        + pairs(
            "BERNOULLI", bernoulli, "Bernoulli numbers B(2k), from k = 1 (DLMF 24.2)"
        )
        + lgamma_tables()
        + digamma_tables(root)
    )


def sinc_tables() -> str:
    """Return sin(pi r), cos(pi r), sinc(r) and sinc'(r) as polynomials in r^2."""

    def of_square(f: Callable, limit: mpf) -> Callable:
        return lambda s: f(mp.sqrt(s)) if s > SMALL else limit

    def sinc(r: mpf) -> mpf:
        return mp.sin(mp.pi * r) / (mp.pi * r)

    pi, square = +mp.pi, mp.pi**2
    return (
        constant("PI_DD", pi)
        + "\n"
        + fit("SINPI", "sin(pi r)/r in r^2, |r| <= 1/4",
              of_square(lambda r: mp.sin(pi * r) / r, pi), (0, 0.0625), 0)
        + fit("COSPI", "(cos(pi r) - 1)/r^2 in r^2, |r| <= 1/4",
              of_square(lambda r: (mp.cos(pi * r) - 1) / r**2, -square / 2),
              (0, 0.0625), 0)
        + fit("SINC_SMALL", "(sinc(r) - 1)/r^2 in r^2, |r| <= 1/2",
              of_square(lambda r: (sinc(r) - 1) / r**2, -square / 6), (0, 0.25), 0)
        + fit("SINC_D_SMALL", "sinc'(r)/r in r^2, |r| <= 1/2",
              of_square(lambda r: (mp.cos(pi * r) - sinc(r)) / r**2, -square / 3),
              (0, 0.25), 0)
    )  # fmt: skip


def erfcx(t: mpf) -> mpf:
    """Return exp(t^2) erfc(t)."""
    return mp.exp(t * t) * mp.erfc(t)


def erfcx_tables() -> str:
    """Return erfcx on 32 intervals of [0, 8), and beyond in 1/t^2."""

    def tail(s: mpf) -> mpf:
        if s > mpf("1e-3"):
            return erfcx(1 / mp.sqrt(s)) / mp.sqrt(s)
        terms = ((-1) ** k * mp.fac2(2 * k - 1) * (s / 2) ** k for k in range(18))
        return mp.fsum(terms) / mp.sqrt(mp.pi)

    starts = [mpf(k) / 8 for k in range(16)]
    starts += [2 + mpf(k) / 4 for k in range(8)] + [4 + mpf(k) / 2 for k in range(9)]
    edges = list(pairwise(starts))
    for degree in range(6, 16):
        rows, error = [], mpf(0)
        for low, high in edges:
            c = interpolate(erfcx, low, high, degree, (low + high) / 2)
            error = max(error, relative_error(erfcx, low, high, c, (low + high) / 2))
            rows.append("    {" + lines([*split(c[0]), *c[1:]], "     ")[5:] + "}")
        if error < mpf(2) ** -57:
            break
    body = ",\n".join(rows)
    return (
        "/* erfcx(t) about the middle of 32 intervals of [0, 8): width 1/8 below 2,\n"
        " * 1/4 below 4, 1/2 below 8; each row a polynomial with its constant term in\n"
        f" * two; relative error {mp.nstr(error, 2)} */\n"
        f"#define ERFCX_DEGREE {degree}\n"
        f"static const double ERFCX[32][ERFCX_DEGREE + 2] = {{\n{body}\n}};\n\n"
        + fit("ERFCX_TAIL", "t erfcx(t) in 1/t^2, t >= 8", tail, (0, mpf(1) / 64), 0)
    )


def log_mills_series(n: int) -> list[mpf]:
    """Return log(1 - s + 3 s^2 - 15 s^3 + ...) in powers of s, from s^1."""
    a, c = [mpf(1)], [mpf(0)]
    for k in range(1, n + 1):
        a.append(-a[-1] * (2 * k - 1))
        c.append(a[k] - mp.fsum(j * c[j] * a[k - j] for j in range(1, k)) / k)
    return c[1:]


def normal_tables() -> str:
    """Return the tables of the error function family."""
    half = mp.sqrt(mpf(1) / 2)
    mills = [mp.sqrt(mp.pi / 2) * erfcx(mpf(k) / 2 * half) for k in range(25)]
    series = lines(log_mills_series(40))
    return (
        constant("SQRT_HALF_DD", half)
        + constant("INV_SQRT_2PI_DD", 1 / mp.sqrt(2 * mp.pi))
        + "\n"
        + erfcx_tables()
        + pairs(
            "MILLS", mills, "Mills ratio (1 - Phi(a))/phi(a) at a = 0, 1/2, ..., 12"
        )
        + "/* log(1 - s + 3 s^2 - 15 s^3 + ...) in powers of s (DLMF 7.12.1) */\n"
        + f"static const double LOG_MILLS[40] = {{\n{series}\n}};\n\n"
    )


FILE = """/*
 * elementary_{stem}_tables.h - {what}.
 *
 * Generated by elementary_tables.py, never edited. Private: included by
 * elementary_{stem}.c alone.
 */
#ifndef AD_ELEMENTARY_{upper}_TABLES_H
#define AD_ELEMENTARY_{upper}_TABLES_H

#include "elementary_dd.h"

/* clang-format off */

{body}#endif /* AD_ELEMENTARY_{upper}_TABLES_H */
"""
TABLES = {
    "dd": ("constants of the double-double functions", dd_tables),
    "gamma": ("coefficients of the gamma functions", gamma_tables),
    "sinc": ("coefficients of sin(pi x), cos(pi x) and sinc", sinc_tables),
    "normal": ("coefficients of the error function family", normal_tables),
}


def main() -> None:
    """Write every table file."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    for stem, (what, make) in TABLES.items():
        text = FILE.format(stem=stem, what=what, upper=stem.upper(), body=make())
        path = folder / f"elementary_{stem}_tables.h"
        path.write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
