"""Functions that neither C nor Python's `math` has, written out for exported formulas.

The same algorithm in both languages. Source: DLMF 5.5.2 (recurrence of psi), 5.11.2
(its asymptotic series), 5.5.4 and 5.15.6 (reflection), 25.11.5 (Hurwitz zeta by Euler
and Maclaurin), 7.9.1 (continued fraction of Mills' ratio). Relative errors stay below
1e-13; between the poles at negative arguments psi and its even derivatives have zeros,
and beside these the error is relative to the terms that cancel.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["SPECIAL", "Special", "specials"]


class Special(NamedTuple):
    """One function: those it calls, its text in C and in Python."""

    needs: tuple[str, ...]
    c: str
    python: str


# Taylor coefficients of psi about its zero, and B(2k)/(2k).
_TAYLOR = (
    "0.9676722454476212, -0.4427631689835921, 0.258499760955651, "
    "-0.16394270544240652, 0.10782405069126237, -0.07219956125645471, "
    "0.04880428816414311, -0.03316112647484736, 0.022597648232218104, "
    "-0.01542476590494896, 0.010538791616612175, -0.007204534386356869, "
    "0.004926781395729853, -0.003369801655439328, 0.002305126326734928"
)
_STIRLING = (
    "0.08333333333333333, -0.008333333333333333, 0.003968253968253968, "
    "-0.004166666666666667, 0.007575757575757576, -0.021092796092796094, "
    "0.08333333333333333, -0.4432598039215686"
)
_BERNOULLI = (
    "0.16666666666666666, -0.03333333333333333, 0.023809523809523808, "
    "-0.03333333333333333, 0.07575757575757576, -0.2531135531135531, "
    "1.1666666666666667, -7.092156862745098"
)

_LOG_NDTR_C = """\
static double fit_log_ndtr(double x)
{
    if (!(fabs(x) > 5.0))
        return x > 0.0 ? log1p(-0.5 * erfc(0.7071067811865476 * x))
                       : log(0.5 * erfc(-0.7071067811865476 * x));
    if (x < -1e10)
        return -0.5 * x * x;
    if (x > 40.0)
        return -0.0;
    double a = fabs(x), b = a, high = floor(16.0 * a) / 16.0;
    for (int k = 60; k > 0; k--) /* one over Mills' ratio */
        b = a + k / b;
    if (x < 0.0)
        return -0.5 * x * x - 0.9189385332046728 - log(b);
    b = exp(-0.5 * high * high) * exp(-0.5 * (a - high) * (a + high)) / b;
    return log1p(-0.3989422804014327 * b);
}
"""
_LOG_NDTR_PYTHON = """\
def fit_log_ndtr(x):
    if not abs(x) > 5.0:
        if x > 0.0:
            return math.log1p(-0.5 * math.erfc(0.7071067811865476 * x))
        return math.log(0.5 * math.erfc(-0.7071067811865476 * x))
    if x < -1e10:
        return -0.5 * x * x
    if x > 40.0:
        return -0.0
    a = b = abs(x)
    for k in range(60, 0, -1):  # one over Mills' ratio
        b = a + k / b
    if x < 0.0:
        return -0.5 * x * x - 0.9189385332046728 - math.log(b)
    high = math.floor(16.0 * a) / 16.0
    b = math.exp(-0.5 * high * high) * math.exp(-0.5 * (a - high) * (a + high)) / b
    return math.log1p(-0.3989422804014327 * b)
"""

_COTANGENT_C = """\
static double fit_cotangent(double x) /* cot(pi x) */
{
    double r = x - rint(x), a = fabs(r), pi = 3.141592653589793;
    double z = sin(pi * (0.5 - a)) / sin(pi * a);
    return r < 0.0 ? -z : z;
}
"""
_COTANGENT_PYTHON = """\
def fit_cotangent(x):  # cot(pi x)
    r = x - round(x)
    z = math.sin(math.pi * (0.5 - abs(r))) / math.sin(math.pi * abs(r))
    return -z if r < 0.0 else z
"""

_DIGAMMA_C = f"""\
static double fit_digamma(double x)
{{
    static const double taylor[] = {{{_TAYLOR}}};
    static const double series[] = {{{_STIRLING}}};
    double z = 0.0, sum = 0.0, t = (x - 1.4616321449683622) - 9.549995429965697e-17;
    if (x <= 0.0)
        return x == 0.0 ? -1.0 / x : x == rint(x) ? NAN
            : fit_digamma(1.0 - x) - 3.141592653589793 * fit_cotangent(x);
    if (fabs(t) < 0.15) {{
        for (int k = 14; k >= 0; k--)
            sum = sum * t + taylor[k];
        return t * sum;
    }}
    for (; x < 10.0; x += 1.0)
        z -= 1.0 / x;
    for (int k = 7; k >= 0; k--)
        sum = (sum + series[k]) / x / x;
    return z + (log(x) - 0.5 / x - sum);
}}
"""
_DIGAMMA_PYTHON = f"""\
def fit_digamma(x):
    if x <= 0.0:
        if x == math.floor(x):
            return math.copysign(math.inf, -x) if x == 0.0 else math.nan
        return fit_digamma(1.0 - x) - math.pi * fit_cotangent(x)
    taylor = [{_TAYLOR}]
    series = [{_STIRLING}]
    t, total, z = (x - 1.4616321449683622) - 9.549995429965697e-17, 0.0, 0.0
    if abs(t) < 0.15:
        for c in reversed(taylor):
            total = total * t + c
        return t * total
    while x < 10.0:
        z -= 1.0 / x
        x += 1.0
    for c in reversed(series):
        total = (total + c) / x / x
    return z + (math.log(x) - 0.5 / x - total)
"""

_POLYGAMMA_C = f"""\
static double fit_polygamma(double n, double x)
{{
    static const double bernoulli[] = {{{_BERNOULLI}}};
    double s = n + 1.0, z = 0.0, sum = 0.0, factorial = 1.0;
    if (n == 0.0)
        return fit_digamma(x);
    if (!(n > 0.0 && n <= 170.0 && n == rint(n)) || x != x)
        return NAN;
    for (double k = 2.0; k <= n; k += 1.0)
        factorial *= k;
    double sign = fmod(n, 2.0) == 0.0 ? -1.0 : 1.0;
    if (x <= 0.0 && x == rint(x))
        return sign > 0.0 ? INFINITY : NAN;
    if (x < 0.0 && n > 12.0) /* the nearest pole alone */
        return sign * factorial * pow(x - rint(x), -s);
    if (x < 0.0) {{ /* derivative n of cot, a polynomial in cot */
        double p[15] = {{0.0, 1.0}}, c = fit_cotangent(x);
        for (int k = 0; k < (int)n; k++) {{
            double q[15] = {{0.0}};
            for (int j = 1; j <= k + 1; j++) {{
                q[j - 1] -= j * p[j];
                q[j + 1] -= j * p[j];
            }}
            for (int j = 0; j < 15; j++)
                p[j] = q[j];
        }}
        for (int j = 14; j >= 0; j--)
            z = z * c + p[j];
        return -sign * fit_polygamma(n, 1.0 - x) - pow(3.141592653589793, s) * z;
    }}
    for (; x < 12.0 + s; x += 1.0)
        z += pow(x, -s);
    for (int k = 7; k >= 0; k--)
        sum = bernoulli[k] + (s + 2.0 * k + 1.0) * (s + 2.0 * k + 2.0) /
            ((2.0 * k + 3.0) * (2.0 * k + 4.0)) / x / x * sum;
    sum = 1.0 / n + (0.5 + 0.5 * s / x * sum) / x;
    return sign * factorial * (z + pow(x, -n) * sum);
}}
"""
_POLYGAMMA_PYTHON = f"""\
def fit_polygamma(n, x):
    if n == 0:
        return fit_digamma(x)
    if not 0 < n <= 170 or n != int(n) or x != x:
        return math.nan
    s, z, total, n = n + 1.0, 0.0, 0.0, int(n)
    factorial, sign = float(math.factorial(n)), -1.0 if n % 2 == 0 else 1.0
    if x <= 0.0 and x == math.floor(x):
        return math.inf if sign > 0.0 else math.nan
    if x < 0.0 and n > 12:  # the nearest pole alone
        return sign * factorial * (x - round(x)) ** -s
    if x < 0.0:  # derivative n of cot, a polynomial in cot
        p, c = [0.0, 1.0], fit_cotangent(x)
        for _ in range(n):
            q = [0.0] * (len(p) + 1)
            for j in range(1, len(p)):
                q[j - 1] -= j * p[j]
                q[j + 1] -= j * p[j]
            p = q
        for a in reversed(p):
            z = z * c + a
        return -sign * fit_polygamma(n, 1.0 - x) - math.pi**s * z
    while x < 12.0 + s:
        z += x**-s
        x += 1.0
    bernoulli = [{_BERNOULLI}]
    for k in range(7, -1, -1):
        ratio = (s + 2 * k + 1) * (s + 2 * k + 2) / ((2 * k + 3) * (2 * k + 4))
        total = bernoulli[k] + ratio / x / x * total
    total = 1.0 / n + (0.5 + 0.5 * s / x * total) / x
    return sign * factorial * (z + x**-n * total)
"""

# In the order in which they are defined.
SPECIAL = {
    "log_ndtr": Special((), _LOG_NDTR_C, _LOG_NDTR_PYTHON),
    "cotangent": Special((), _COTANGENT_C, _COTANGENT_PYTHON),
    "digamma": Special(("cotangent",), _DIGAMMA_C, _DIGAMMA_PYTHON),
    "polygamma": Special(("digamma", "cotangent"), _POLYGAMMA_C, _POLYGAMMA_PYTHON),
}


def specials(used: Iterable[str]) -> list[Special]:
    """Return the functions of these names that stand here, and those they call."""
    wanted: set[str] = set()
    for name in used:
        if name in SPECIAL:
            wanted |= {name, *SPECIAL[name].needs}
    return [function for name, function in SPECIAL.items() if name in wanted]
