"""What the rows of the op table should give, from mpmath, to far more than 53 bits.

``value``, ``partial`` and ``second`` take a row's name and doubles and return mpf.
Rows with a mathematical name have a reference of their own here, independent of the
table's formulas. Any other row falls back on its VALUE text, read as mathematics, and
on differences at a thousand bits: a new row is tested without an edit to this file.

Every reference is evaluated at growing precision until two agree, so that it is right
also where it cancels. ``samples`` turns a DOMAIN column into points to try and
``ulp_error`` compares a double with the truth. The derivative at a kink is the one that
the documentation chooses; next to poles, outside the domain, references are NaN.

size: one table of references, and the little that reads it.
"""

from __future__ import annotations

import ast
import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

from mpmath import libmp, mp, mpf

OPS_DEF = Path(__file__).resolve().parent.parent / "csrc" / "ops.def"
AGREE_BITS = 90
PRECISIONS = (160, 400, 1000, 2500, 6000, 15000)
TINY, LEAST_NORMAL, LARGEST = 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308


# The table ----------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One row of ops.def, its formulas still text."""

    ident: str
    names: tuple[str, ...]
    value: str
    partials: tuple[str, ...]
    domain: str
    smoothness: str
    ulp: float
    ulp_d: float
    synopsis: str

    @property
    def arity(self) -> int:
        return len(self.partials)


def _split_columns(text: str) -> list[str]:
    """Split at the commas outside of brackets and strings; join adjacent strings."""
    columns, depth, quoted, start = [], 0, False, 0
    for i, c in enumerate(text):
        if c == '"':
            quoted = not quoted
        elif not quoted and c in "()":
            depth += 1 if c == "(" else -1
        elif not quoted and depth == 0 and c == ",":
            columns.append(text[start:i])
            start = i + 1
    return [" ".join(c.split()) for c in [*columns, text[start:]]]


@cache
def rows(path: Path = OPS_DEF) -> dict[str, Row]:
    """Return every row of the table under its canonical name."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = {}
    for head in re.finditer(r"^OP([123])\(", text, flags=re.MULTILINE):
        n, depth, end = int(head[1]), 1, head.end()
        quoted = False
        while depth:
            c = text[end]
            quoted ^= c == '"'
            if not quoted:
                depth += (c == "(") - (c == ")")
            end += 1
        c = _split_columns(text[head.end() : end - 1])
        unquoted = [re.sub(r'"\s*"|"', "", s) for s in c]
        names = tuple(unquoted[1].split())
        domain, smoothness, ulp, ulp_d, synopsis = unquoted[3 + n :]
        found[names[0]] = Row(
            c[0], names, c[2], tuple(c[3 : 3 + n]), domain, smoothness,
            float(ulp), float(ulp_d), synopsis,
        )  # fmt: skip
    return found


@cache
def find(name: str) -> Row:
    """Return the row with this canonical name or alias."""
    for row in rows().values():
        if name in row.names:
            return row
    raise KeyError(f"no row of ops.def is named {name!r}")


# Functions mpmath does not have -------------------------------------------


def _remainder(x, y, rounded):
    if y == 0 or not mp.isfinite(x) or mp.isnan(y):
        return mp.nan
    if mp.isinf(y):
        return x if rounded(-1.0 if (x < 0) != (y < 0) and x else 0.0) == 0 else y
    fx, fy = (Fraction(*libmp.to_rational(v._mpf_)) for v in (mpf(x), mpf(y)))
    r = fx - rounded(fx / fy) * fy
    return mpf(r.numerator) / mpf(r.denominator)


def _quotient(x, y, rounded):
    if y == 0 or not mp.isfinite(x) or mp.isnan(y):
        return mp.nan
    fx, fy = (Fraction(*libmp.to_rational(v._mpf_)) for v in (mpf(x), mpf(y)))
    return mpf(-rounded(fx / fy))


def _power(x, y):
    if x < 0 and y != mp.floor(y):
        return mp.nan
    if x == 0:
        return mpf(1) if y == 0 else mpf(0) if y > 0 else mp.inf
    z = mp.exp(y * mp.log(abs(x)))
    return -z if x < 0 and mp.floor(y) % 2 == 1 else z


def _atan2(x, y):
    if x:
        return mp.atan2(x, y)
    half_turns = math.atan2(x, math.copysign(1, y)) / math.pi  # by the signs of zeros
    return mp.pi * round(half_turns)


def _is_pole(x):
    return x <= 0 and x == mp.floor(x)


def _lgamma(x):
    if _is_pole(x):
        return mp.inf
    if x > 0:
        return mp.loggamma(x)
    return mp.log(mp.pi / abs(x * mp.sinpi(x))) - mp.loggamma(-x)


def _polygamma(n, x):
    if n < 0 or n != mp.floor(n) or _is_pole(x):
        return mp.nan
    if x > 0 or n == 0:
        return mp.psi(int(n), x)
    # reflection: derivative n of pi cot(pi x), a polynomial in c = cot(pi x)
    c, p = mp.cospi(x) / mp.sinpi(x), [0, 1]
    for _ in range(int(n)):
        q = [0] * (len(p) + 1)
        for j in range(1, len(p)):
            q[j - 1] -= j * p[j]
            q[j + 1] -= j * p[j]
        p = q
    cotangent = mp.pi ** (int(n) + 1) * mp.fsum(a * c**k for k, a in enumerate(p))
    return (-1) ** int(n) * mp.psi(int(n), 1 - x) - cotangent


def _sinc_d(n, x):
    """Derivative n of sin(pi x)/(pi x): series near 0, recurrence further out."""
    n, u = int(n), mp.pi * x
    if abs(x) < 1:
        terms, k = [], (n + 1) // 2
        while len(terms) < 4 or abs(terms[-1]) > mp.eps**2 * abs(terms[0]):
            p = 2 * k - n
            terms.append((-1) ** k * u**p / ((2 * k + 1) * mp.factorial(p)))
            k += 1
            if u == 0 and len(terms) > 3:
                break
        return mp.pi**n * mp.fsum(terms)
    f = mp.sinpi(x) / u
    for k in range(1, n + 1):
        turned = (mp.sinpi(x), mp.cospi(x), -mp.sinpi(x), -mp.cospi(x))[k % 4]
        f = (turned - k * f) / u
    return mp.pi**n * f


def _erfcx(t):
    if t > 1e6:  # the asymptotic series stops well below any precision used
        terms = [mpf(1)]
        for k in range(1, 300):
            terms.append(-terms[-1] * (2 * k - 1) / (2 * t * t))
            if abs(terms[-1]) < mp.eps:
                break
        return mp.fsum(terms) / (t * mp.sqrt(mp.pi))
    return mp.exp(t * t) * mp.erfc(t)


def _ndtr(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _pdf(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def _log_ndtr(x):
    if x < -1:
        return mp.log(_erfcx(-x / mp.sqrt(2)) / 2) - x * x / 2
    return mp.log1p(-_ndtr(-x)) if x > 0 else mp.log(_ndtr(x))


def _hazard(x):
    if x < -1:
        return mp.sqrt(2 / mp.pi) / _erfcx(-x / mp.sqrt(2))
    return _pdf(x) / _ndtr(x)


def _log_ndtr_d(n, x):
    """Derivative n of log Phi, from m' = -m (x + m) by Leibniz' rule."""
    if n == 0:
        return _log_ndtr(x)
    if (
        x < -1e8 and n > 1
    ):  # -x^2/2 - log(-x) + log(1 - 1/x^2 + 3/x^4 - ...), term by term
        n, s = int(n), 1 / (x * x)
        terms = [mp.factorial(n - 1)]
        for k, c in enumerate(
            (-1, 2.5, -37 / mpf(3), 88.25, -816.2, 55205 / mpf(6)), 1
        ):
            terms.append(c * mp.rf(2 * k, n) * s**k)
        return mp.fsum(terms) / (-x) ** n - (n == 2)
    m = [_hazard(x)]
    h = [x + m[0]]
    for k in range(int(n) - 1):
        m.append(-mp.fsum(mp.binomial(k, j) * m[j] * h[k - j] for j in range(k + 1)))
        h.append(m[-1] + (1 if k == 0 else 0))
    return m[-1]


def _logaddexp(x, y):
    m, d = max(x, y), -abs(x - y)
    return m + mp.log1p(mp.exp(d) if d > -(10**6) else mpf(0))


def _weight(x, y):
    return 1 / (1 + mp.exp(y - x)) if y - x < 10**6 else mp.exp(x - y)


def _sigmoid_d(x):
    e = mp.exp(-abs(x)) if abs(x) < 10**6 else mpf(0)
    return e / (1 + e) ** 2


def _gauss(x, c):
    return mp.exp(-c * x * x) if abs(x) < 10**6 else mpf(0)


def _inside(condition, z):
    return z() if condition else mp.nan


def _sign(x):
    return mpf((x > 0) - (x < 0))


# value, then one function for each partial; missing partials are differences.
REFERENCES: dict[str, tuple[Callable, ...]] = {
    "neg": (lambda x: -x, lambda x: mpf(-1)),
    "add": (lambda x, y: x + y, lambda x, y: mpf(1), lambda x, y: mpf(1)),
    "sub": (lambda x, y: x - y, lambda x, y: mpf(1), lambda x, y: mpf(-1)),
    "mul": (lambda x, y: x * y, lambda x, y: y, lambda x, y: x),
    "div": (lambda x, y: x / y, lambda x, y: 1 / y, lambda x, y: -x / y**2),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2),
    "square": (lambda x: x**2, lambda x: 2 * x),
    "fma": (
        lambda x, y, w: x * y + w,
        lambda x, y, w: y, lambda x, y, w: x, lambda x, y, w: mpf(1),
    ),
    "fmod": (
        lambda x, y: _remainder(x, y, math.trunc),
        lambda x, y: mpf(1), lambda x, y: _quotient(x, y, math.trunc),
    ),
    "remainder": (
        lambda x, y: _remainder(x, y, math.floor),
        lambda x, y: mpf(1), lambda x, y: _quotient(x, y, math.floor),
    ),
    "pow": (
        _power,
        lambda x, y: mpf(0) if x == 0 and y == 0 else y * _power(x, y - 1),
        lambda x, y: mpf(0) if x == 0 and y >= 0 else _power(x, y) * mp.log(x),
    ),
    "_pow_d": (
        lambda x, y: mpf(0) if x == 0 and y == 0 else y * _power(x, y - 1),
        lambda x, y: y * (y - 1) * _power(x, y - 2),
        lambda x, y: _power(x, y - 1) * (1 + y * mp.log(x)),
    ),
    "sqrt": (mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x))),
    "rsqrt": (lambda x: 1 / mp.sqrt(x), lambda x: -1 / (2 * x * mp.sqrt(x))),
    "cbrt": (lambda x: _sign(x) * mp.cbrt(abs(x)), lambda x: 1 / (3 * mp.cbrt(x * x))),
    "hypot": (
        mp.hypot,
        lambda x, y: x / mp.hypot(x, y) if x or y else mpf(0),
        lambda x, y: y / mp.hypot(x, y) if x or y else mpf(0),
    ),
    "_hypot_d": (
        lambda x, y: x / mp.hypot(x, y) if x or y else mpf(0),
        lambda x, y: y**2 / mp.hypot(x, y) ** 3 if x or y else mpf(0),
        lambda x, y: -x * y / mp.hypot(x, y) ** 3 if x or y else mpf(0),
    ),
    "exp": (mp.exp, mp.exp),
    "exp2": (lambda x: mp.exp(x * mp.ln2), lambda x: mp.ln2 * mp.exp(x * mp.ln2)),
    "expm1": (mp.expm1, mp.exp),
    "log": (mp.log, lambda x: 1 / x),
    "log2": (lambda x: mp.log(x) / mp.ln2, lambda x: 1 / (x * mp.ln2)),
    "log10": (lambda x: mp.log(x) / mp.ln10, lambda x: 1 / (x * mp.ln10)),
    "log1p": (mp.log1p, lambda x: 1 / (1 + x)),
    "logaddexp": (_logaddexp, _weight, lambda x, y: _weight(y, x)),
    "_logaddexp_d": (
        _weight,
        lambda x, y: _sigmoid_d(x - y), lambda x, y: -_sigmoid_d(x - y),
    ),
    "xlogy": (
        lambda x, y: mpf(0) if x == 0 else x * mp.log(y),
        lambda x, y: mpf(0) if x == 0 and y == 0 else mp.log(y),
        lambda x, y: mpf(0) if x == 0 and y == 0 else x / y,
    ),
    "xlog1py": (
        lambda x, y: mpf(0) if x == 0 else x * mp.log1p(y),
        lambda x, y: mpf(0) if x == 0 and y == -1 else mp.log1p(y),
        lambda x, y: mpf(0) if x == 0 and y == -1 else x / (1 + y),
    ),
    "sin": (mp.sin, mp.cos),
    "cos": (mp.cos, lambda x: -mp.sin(x)),
    "tan": (mp.tan, lambda x: 1 / mp.cos(x) ** 2),
    "asin": (mp.asin, lambda x: 1 / mp.sqrt(1 - x * x)),
    "acos": (mp.acos, lambda x: -1 / mp.sqrt(1 - x * x)),
    "atan": (mp.atan, lambda x: 1 / (1 + x * x)),
    "atan2": (
        _atan2,
        lambda x, y: y / (x * x + y * y) if x or y else mpf(0),
        lambda x, y: -x / (x * x + y * y) if x or y else mpf(0),
    ),
    "_atan2_d": (
        lambda x, y: y / (x * x + y * y) if x or y else mpf(0),
        lambda x, y: -2 * x * y / (x * x + y * y) ** 2 if x or y else mpf(0),
        lambda x, y: (x * x - y * y) / (x * x + y * y) ** 2 if x or y else mpf(0),
    ),
    "sinc": (lambda x: _sinc_d(0, x), lambda x: _sinc_d(1, x)),
    "_sinc_d": (_sinc_d, lambda n, x: mp.nan, lambda n, x: _sinc_d(n + 1, x)),
    "deg2rad": (lambda x: x * mp.pi / 180, lambda x: mp.pi / 180),
    "rad2deg": (lambda x: x * 180 / mp.pi, lambda x: 180 / mp.pi),
    "sinh": (mp.sinh, mp.cosh),
    "cosh": (mp.cosh, mp.sinh),
    "tanh": (mp.tanh, lambda x: 4 * _sigmoid_d(2 * x)),
    "asinh": (mp.asinh, lambda x: 1 / mp.hypot(1, x)),
    "acosh": (mp.acosh, lambda x: 1 / mp.sqrt(x * x - 1)),
    "atanh": (mp.atanh, lambda x: 1 / (1 - x * x)),
    "sigmoid": (lambda x: _weight(x, mpf(0)), _sigmoid_d),
    "_sigmoid_d": (_sigmoid_d, lambda x: -_sigmoid_d(x) * mp.tanh(x / 2)),
    "softplus": (lambda x: _logaddexp(x, mpf(0)), lambda x: _weight(x, mpf(0))),
    "relu": (lambda x: max(x, mpf(0)), lambda x: mpf(x > 0)),
    "logit": (lambda x: mp.log(x / (1 - x)), lambda x: 1 / (x * (1 - x))),
    "erf": (mp.erf, lambda x: 2 / mp.sqrt(mp.pi) * _gauss(x, 1)),
    "erfc": (
        lambda x: mp.erfc(x) if x < 10**6 else mpf(0),
        lambda x: -2 / mp.sqrt(mp.pi) * _gauss(x, 1),
    ),
    "_exp_neg_square": (lambda x: _gauss(x, 1), lambda x: -2 * x * _gauss(x, 1)),
    "ndtr": (lambda x: _ndtr(x) if abs(x) < 10**6 else mpf(x > 0),
             lambda x: _gauss(x, mpf(0.5)) / mp.sqrt(2 * mp.pi)),
    "_normal_pdf": (
        lambda x: _gauss(x, mpf(0.5)) / mp.sqrt(2 * mp.pi),
        lambda x: -x * _gauss(x, mpf(0.5)) / mp.sqrt(2 * mp.pi),
    ),
    "log_ndtr": (
        lambda x: _log_ndtr(x) if x < 10**6 else mpf(0),
        lambda x: _log_ndtr_d(1, x) if x < 10**6 else mpf(0),
    ),
    "_log_ndtr_d": (
        lambda n, x: _log_ndtr_d(n, x) if x < 10**6 else mpf(0),
        lambda n, x: mp.nan,
        lambda n, x: _log_ndtr_d(n + 1, x) if x < 10**6 else mpf(0),
    ),
    "lgamma": (_lgamma, lambda x: _polygamma(0, x)),
    "digamma": (lambda x: _polygamma(0, x), lambda x: _polygamma(1, x)),
    "polygamma": (_polygamma, lambda n, x: mp.nan, lambda n, x: _polygamma(n + 1, x)),
    "abs": (abs, _sign),
    "sign": (_sign, lambda x: mpf(0)),
    "floor": (mp.floor, lambda x: mpf(0)),
    "ceil": (mp.ceil, lambda x: mpf(0)),
    "round": (lambda x: mpf(round(float(x))), lambda x: mpf(0)),
    "trunc": (lambda x: _sign(x) * mp.floor(abs(x)), lambda x: mpf(0)),
    "copysign": (
        lambda x, y: abs(x) * (-1 if math.copysign(1, y) < 0 else 1),
        lambda x, y: _sign(x) * (-1 if math.copysign(1, y) < 0 else 1),
        lambda x, y: mpf(0),
    ),
    "maximum": (
        max,
        lambda x, y: (1 + _sign(x - y)) / 2, lambda x, y: (1 + _sign(y - x)) / 2,
    ),
    "minimum": (
        min,
        lambda x, y: (1 + _sign(y - x)) / 2, lambda x, y: (1 + _sign(x - y)) / 2,
    ),
    "where": (
        lambda x, y, w: y if x else w,
        lambda x, y, w: mpf(0),
        lambda x, y, w: mpf(x != 0), lambda x, y, w: mpf(x == 0),
    ),
    "clip": (
        lambda x, y, w: min(max(x, y), w),
        lambda x, y, w: mpf(y <= x <= w),
        lambda x, y, w: mpf(x < y <= w), lambda x, y, w: mpf(x > w or y > w),
    ),
    "fmax": (max, lambda x, y: mpf(x >= y), lambda x, y: mpf(x < y)),
    "fmin": (min, lambda x, y: mpf(x <= y), lambda x, y: mpf(x > y)),
}  # fmt: skip


# Formula text as mathematics ------------------------------------------------


def _to_python(text: str) -> str:
    """Rewrite C's && || ! ?: as Python; everything else is common to both."""
    text = text.replace("&&", " and ").replace("||", " or ")
    text = re.sub(r"!(?!=)", " not ", text)

    def select(s: str) -> str:
        depth = 0
        i = 0
        while i < len(s) and not (s[i] == "?" and depth == 0):
            depth += (s[i] == "(") - (s[i] == ")")
            i += 1
        if i == len(s):
            return s
        depth, nested = 0, 0
        for j in range(i + 1, len(s)):
            depth += (s[j] == "(") - (s[j] == ")")
            if depth == 0 and s[j] == "?":
                nested += 1
            elif depth == 0 and s[j] == ":":
                if nested == 0:
                    break
                nested -= 1
        return f"(({select(s[i + 1 : j])}) if ({s[:i]}) else ({select(s[j + 1 :])}))"

    # innermost brackets first, so that a ?: inside one is rewritten there
    def inside(s: str) -> str:
        out, i = "", 0
        while i < len(s):
            if s[i] == "(":
                depth, j = 1, i + 1
                while depth:
                    depth += (s[j] == "(") - (s[j] == ")")
                    j += 1
                parts = _split_columns(s[i + 1 : j - 1])
                out += "(" + ", ".join(select(inside(p)) for p in parts) + ")"
                i = j
            else:
                out += s[i]
                i += 1
        return out

    return select(inside(text)).strip()


@cache
def _compiled(text: str):
    tree = ast.parse(_to_python(text), mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value = float(node.value)
    return compile(tree, text, "eval")


class _Functions(dict):
    """Names in a formula: other rows, by their references."""

    def __missing__(self, name):
        row = find(name)
        return lambda *args: _raw(row.names[0], None)(*map(mpf, args))


def _formula(text: str, arity: int, value: str | None = None) -> Callable:
    """Return a function of the operands from formula text; z is the row's value."""

    def function(*args):
        names = dict(zip("xyw", args, strict=False))
        if value is not None:
            names["z"] = _formula(value, arity)(*args)
        return mpf(eval(_compiled(text), {}, _Functions(names)))

    return function


def _raw(name: str, k: int | None) -> Callable | None:
    """The reference of the value (k is None) or of partial k, or None."""
    known = REFERENCES.get(name)
    if known is None:
        row = find(name)
        return _formula(row.value, row.arity) if k is None else None
    index = 0 if k is None else k + 1
    return known[index] if index < len(known) else None


# Precision ------------------------------------------------------------------


def _settle(function: Callable, args: tuple[float, ...]) -> mpf:
    """Evaluate at growing precision until two evaluations agree."""
    before = None
    for bits in PRECISIONS:
        with mp.workprec(bits):
            try:
                # a zero stays a float, as mpf has no sign for it
                z = function(*[mpf(a) if a else a for a in args])
            except ZeroDivisionError:
                z = mp.nan
            if isinstance(z, mp.mpc):
                z = mp.nan
            z = mpf(z)
            if before is not None:
                if mp.isnan(z) and mp.isnan(before):
                    return z
                if z == before or abs(z - before) <= abs(z) * mpf(2) ** -AGREE_BITS:
                    return z
            before = z
    raise ArithmeticError(f"no agreement at {PRECISIONS[-1]} bits for {args}")


def _difference(function: Callable, k: int, args: tuple[float, ...]) -> mpf:
    """Central difference of `function` in operand k, exact to some 300 bits."""
    x = args[k]
    scale = min(abs(x), 1.0) or 1.0
    bits = 1300 + max(0, *(math.frexp(a)[1] for a in args if math.isfinite(a)), 0)
    with mp.workprec(bits):
        step = mpf(2) ** -300 * mpf(scale)
        exact = [mpf(a) for a in args]
        up, down = list(exact), list(exact)
        up[k] += step
        down[k] -= step
        return mpf(function(*up) - function(*down)) / (2 * step)


def value(name: str, *args: float) -> mpf:
    """Return the exact value of row `name` at these doubles."""
    return _value(name, tuple(math.copysign(1.0, a) for a in args), args)


# The signs are part of the key: 0.0 and -0.0 are equal, and would share an answer.
@cache
def _value(name: str, signs: tuple[float, ...], args: tuple[float, ...]) -> mpf:
    if any(math.isnan(a) for a in args):
        return mpf("nan")
    return _settle(_raw(find(name).names[0], None), args)


def partial(name: str, k: int, *args: float) -> mpf:
    """Return the exact derivative of row `name` in operand `k` (0, 1, 2)."""
    return _partial(name, k, tuple(math.copysign(1.0, a) for a in args), args)


@cache
def _partial(
    name: str, k: int, signs: tuple[float, ...], args: tuple[float, ...]
) -> mpf:
    known = _raw(find(name).names[0], k)
    if mp.isnan(value(name, *args)):
        return mpf("nan")
    if known is not None:
        return _settle(known, args)
    text = find(name).partials[k]
    if re.fullmatch(r"-?[0-9.]+", text):  # a constant, such as the 0.0 of a step
        return mpf(text)
    return _difference(_raw(find(name).names[0], None), k, args)


@cache
def second(name: str, j: int, k: int, *args: float) -> mpf:
    """Return the derivative in operand `j` of the derivative in operand `k`."""
    name = find(name).names[0]
    first = _raw(name, k)
    if first is None:
        base = _raw(name, None)

        def first(*at):
            step = mpf(2) ** -150 * (min(abs(at[k]), 1) or 1)
            up, down = list(at), list(at)
            up[k] += step
            down[k] -= step
            return (base(*up) - base(*down)) / (2 * step)

    return _difference(first, j, args)


# Errors and points ------------------------------------------------------------


def ulp_error(computed: float, exact: mpf) -> float:
    """Return |computed - exact| in units of the last place of `exact`.

    Units are those of double, subnormals included. An overflow is right when the
    exact number rounds to infinity; NaN is right when the exact number is NaN.
    """
    if math.isnan(computed) or mp.isnan(exact):
        return 0.0 if math.isnan(computed) and mp.isnan(exact) else math.inf
    with mp.workprec(2400):
        top = mpf(2) ** 1024
        if abs(exact) >= top - mpf(2) ** 970:
            if math.isinf(computed):
                return 0.0 if (computed > 0) == (exact > 0) else math.inf
            if mp.isinf(exact):
                return math.inf
            return float(
                min((abs(exact - mpf(computed))) / mpf(2) ** 971, mpf(10) ** 300)
            )
        got = (
            mpf(computed)
            if math.isfinite(computed)
            else math.copysign(1, computed) * top
        )
        if exact == 0:
            return float(abs(got) / mpf(TINY)) if abs(got) < 1e-300 else math.inf
        exponent = max(mp.frexp(exact)[1] - 53, -1074)
        error = abs(got - exact) / mpf(2) ** exponent
        return float(min(error, mpf(10) ** 300))


def _bounds(text: str) -> tuple[float, float, bool, bool]:
    match = re.fullmatch(r"([\[(])\s*([^,]+),\s*([^\])]+)([\])])", text.strip())
    if match is None:
        raise ValueError(f"not an interval: {text!r}")
    return float(match[2]), float(match[3]), match[1] == "[", match[4] == "]"


def _pool(text: str, rng: random.Random, count: int) -> list[float]:
    """Points of one operand's interval: ends, specials, log-spaced and random."""
    whole = re.fullmatch(r"\{(-?\d+)\.\.(\d+)\}", text.strip())
    if whole:
        return [float(n) for n in range(int(whole[1]), int(whole[2]) + 1)]
    low, high, has_low, has_high = _bounds(text)
    points = [0.0, -0.0, TINY, LEAST_NORMAL, 1e-310, LARGEST, 1e300, 1.0, 0.5, 2.0]
    points += [math.pi * k / 4 for k in range(1, 9)] + [float(k) for k in range(2, 12)]
    for _ in range(count):
        points.append(math.ldexp(rng.random() + 0.5, rng.randint(-1074, 1023)))
        points.append(math.ldexp(rng.random() + 0.5, rng.randint(-60, 60)))
        points.append(10.0 ** rng.uniform(-4, 3))
        points.append(rng.uniform(0, 3))
        points.append(rng.uniform(0, 40))
        points.append(rng.uniform(0, 800))
        near = (
            rng.randint(0, 24)
            / 2
            * (1 + rng.choice((-1, 1)) * 2 ** -rng.uniform(2, 53))
        )
        points.append(near)
    points += [-p for p in points]
    for end, inward in ((low, high), (high, low)):
        if math.isfinite(end):
            q = end
            for _ in range(3):
                q = math.nextafter(q, inward)
                points.append(q)
            for _ in range(count):
                width = min(abs(high - low), 1.0)
                offset = width * 2 ** -rng.uniform(0, 54)
                points.append(end + offset if inward > end else end - offset)
    if math.isfinite(low) and math.isfinite(high):
        points += [rng.uniform(low, high) for _ in range(3 * count)]
    points += [
        end
        for end, has in ((low, has_low), (high, has_high))
        if has and math.isfinite(end)
    ]
    return [
        p
        for p in points
        if (low < p < high) or (p == low and has_low) or (p == high and has_high)
    ]


def samples(domain: str, seed: int = 0, count: int = 12) -> list[tuple[float, ...]]:
    """Return points of a DOMAIN column, one tuple of operands each.

    About 14 `count` points for every operand: both ends and their neighbours,
    zeros, subnormals, the largest numbers, logarithmic and uniform random ones.
    Pairs and triples are drawn from all those, some with operands of nearly one
    size, where differences cancel.
    """
    rng = random.Random(f"{domain} {seed}")
    pools = [_pool(part, rng, count) for part in domain.split(" x ")]
    if len(pools) == 1:
        return [(p,) for p in dict.fromkeys(pools[0])]
    limits = [
        {*pool} if "{" in part else None
        for part, pool in zip(domain.split(" x "), pools, strict=True)
    ]
    points = []
    for _ in range(16 * count):
        point = [rng.choice(pool) for pool in pools]
        if rng.random() < 0.4:  # of comparable size
            small = [p for p in pools[0] if 1e-3 < abs(p) < 1e3] or pools[0]
            point[0] = rng.choice(small)
            factor = rng.choice((1.0, -1.0)) * (
                1 + rng.choice((0, 1, -1)) * 2 ** -rng.uniform(0, 53)
            )
            for k in range(1, len(pools)):
                near = point[0] * factor
                if limits[k] is None and near in _Interval(domain.split(" x ")[k]):
                    point[k] = rng.choice((near, rng.choice(pools[k])))
        points.append(tuple(point))
    return points


class _Interval:
    """Membership in an interval of a DOMAIN column."""

    def __init__(self, text: str) -> None:
        self.low, self.high, self.has_low, self.has_high = _bounds(text)

    def __contains__(self, p: float) -> bool:
        return (
            self.low < p < self.high
            or (p == self.low and self.has_low)
            or (p == self.high and self.has_high)
        )
