"""Generate csrc/elementary_tables.h: the constants behind the elementary functions.

Every coefficient is computed here from mpmath alone, so that each table can be
remade and checked: run ``python csrc/elementary_tables.py > csrc/elementary_tables.h``.
Polynomials are Chebyshev interpolants at 60 digits, rewritten in powers of the
distance from the middle of the interval and then rounded to double; their
relative error, printed beside them, is below a quarter of a unit in the last place.
"""
from mpmath import mp, mpf

mp.dps = 70


def poly(f, lo, hi, deg, centre=None):
    """Coefficients (ascending, in x - centre) of the interpolant and its relative error."""
    lo, hi = mpf(lo), mpf(hi)
    mid, half = (lo + hi) / 2, (hi - lo) / 2
    n = deg + 1
    nodes = [mp.cos(mp.pi * (2 * j + 1) / (2 * n)) for j in range(n)]
    vals = [f(mid + half * t) for t in nodes]
    cheb = [2 * mp.fsum(v * mp.cos(k * mp.pi * (2 * j + 1) / (2 * n)) for j, v in enumerate(vals)) / n
            for k in range(n)]
    cheb[0] /= 2
    t0, t1 = [mpf(1)], [mpf(0), mpf(1)]
    out = [mpf(0)] * n
    for k in range(n):
        for i, c in enumerate(t0):
            out[i] += cheb[k] * c
        t2 = [mpf(0)] + [2 * c for c in t1]
        for i, c in enumerate(t0):
            t2[i] -= c
        t0, t1 = t1, t2
    out = [c / half**i for i, c in enumerate(out)]
    centre = mid if centre is None else mpf(centre)
    if centre != mid:
        d = centre - mid
        out = [mp.fsum(out[j] * mp.binomial(j, i) * d ** (j - i) for j in range(i, n)) for i in range(n)]
    err = mpf(0)
    for j in range(101):
        x = lo + (hi - lo) * mpf(j) / 100
        if j in (0, 100):
            x += (hi - lo) * mpf("1e-12") * (1 if j == 0 else -1)
        want = f(x)
        got = mp.polyval([mpf(float(c)) if i else c for i, c in enumerate(out)][::-1], x - centre)
        err = max(err, abs(got / want - 1))
    return out, err


def dd(v):
    hi = float(v)
    return hi, float(v - mpf(hi))


def lines(values, indent="    ", per=3):
    items = [f"{v!r}" for v in values]
    return ",\n".join(indent + ", ".join(items[i:i + per]) for i in range(0, len(items), per))


def table(name, coeffs, err, what, head=True):
    """Print one polynomial: constant term split in two, then the rest."""
    hi, lo = dd(coeffs[0])
    vals = [hi, lo] + [float(c) for c in coeffs[1:]]
    print(f"/* {what}; relative error {mp.nstr(err, 2)}. */")
    print(f"static const double {name}[{len(vals)}] = {{\n{lines(vals)}\n}};\n")


def pairs(name, values, what):
    print(f"/* {what} */")
    print(f"static const ad_dd {name}[{len(values)}] = {{")
    print(",\n".join("    {%r, %r}" % dd(v) for v in values))
    print("};\n")


def fit(name, f, lo, hi, what, centre=None, tol=mpf(2) ** -56):
    for deg in range(3, 32):
        c, err = poly(f, lo, hi, deg, centre)
        if err < tol:
            break
    table(name, c, err, what + f"; degree {deg}")


def constant(name, v):
    hi, lo = dd(v)
    print(f"static const ad_dd {name} = {{{hi!r}, {lo!r}}};")


def erfcx(t):
    return mp.exp(t * t) * mp.erfc(t)


def mills(a):
    return mp.sqrt(mp.pi / 2) * erfcx(a / mp.sqrt(2))


def log_ndtr_series(n):
    """Coefficients of log(1 - s + 3 s^2 - 15 s^3 + ...) in powers of s, from s^1."""
    a = [mpf(1)]
    for k in range(1, n + 1):
        a.append(-a[-1] * (2 * k - 1))
    c = [mpf(0)]
    for k in range(1, n + 1):
        c.append(a[k] - mp.fsum(j * c[j] * a[k - j] for j in range(1, k)) / k)
    return c[1:]




def gamma_tables(root):
    fit("LGAMMA_HALF_ONE", lambda x: mp.loggamma(x) / (x - 1), "0.5", 1,
        "lgamma(x)/(x - 1) in x - 0.75, 0.5 <= x <= 1", tol=mpf(2) ** -54)
    fit("LGAMMA_ONE_TWO", lambda x: mp.loggamma(x) / ((x - 1) * (x - 2)), 1, 2,
        "lgamma(x)/((x - 1)(x - 2)) in x - 1.5, 1 <= x <= 2")
    fit("LGAMMA_TWO_THREE", lambda x: mp.loggamma(x) / (x - 2), 2, 3,
        "lgamma(x)/(x - 2) in x - 2.5, 2 <= x <= 3")
    fit("STIRLING", lambda s: (mp.loggamma(1 / mp.sqrt(s)) - ((1 / mp.sqrt(s) - mpf(1) / 2) * (-mp.ln(s) / 2 - 1)
                               + mp.ln(2 * mp.pi) / 2 - mpf(1) / 2)) / mp.sqrt(s) if s > 1e-9 else 1 / mpf(12) - s / 360,
        0, mpf(1) / 100, "Stirling remainder times x, in 1/x^2, x >= 10", centre=0, tol=mpf(2) ** -50)
    fit("DIGAMMA_ONE_TWO", lambda x: mp.digamma(x) / (x - root), 1, 2,
        "digamma(x)/(x - root) in x - 1.5, 1 <= x <= 2")

    def tail(s):
        if s < mpf("1e-10"):
            return mpf(1) / 24 - 7 * s / 960 + 31 * s * s / 8064
        w = 1 / mp.sqrt(s)
        return (mp.digamma(w + mpf(1) / 2) - mp.ln(w)) * w * w
    fit("DIGAMMA_TWO_FOUR", tail, 1 / mpf("12.25"), 1 / mpf("2.25"),
        "(digamma(x) - log(w)) w^2, w = x - 1/2, in 1/w^2 - 0.25, 2 <= x <= 4", centre="0.25", tol=mpf(2) ** -52)
    fit("DIGAMMA_FOUR_UP", tail, 0, 1 / mpf("12.25"),
        "the same in 1/w^2, x >= 4", centre=0, tol=mpf(2) ** -50)

    fit("COTANGENT", lambda s: (1 / mp.sqrt(s) - mp.pi * mp.cot(mp.pi * mp.sqrt(s))) / mp.sqrt(s)
        if s > mpf("1e-25") else mp.pi**2 / 3, 0, mpf(1) / 4,
        "(1/r - pi cot(pi r))/r in r^2, |r| <= 1/2", centre=0)

    fit("COSECANT", lambda s: mp.pi**2 / mp.sin(mp.pi * mp.sqrt(s))**2 - 1 / s
        if s > mpf("1e-25") else mp.pi**2 / 3, 0, mpf(1) / 4,
        "pi^2/sin(pi r)^2 - 1/r^2 in r^2, |r| <= 1/2", centre=0)


def pi_tables():
    def safe(f, limit):
        return lambda s: f(mp.sqrt(s)) if s > mpf("1e-25") else limit
    fit("SINPI", safe(lambda r: mp.sin(mp.pi * r) / r, mp.pi), 0, mpf(1) / 16,
        "sin(pi r)/r in r^2, |r| <= 1/4", centre=0)
    fit("COSPI", safe(lambda r: (mp.cos(mp.pi * r) - 1) / (r * r), -mp.pi**2 / 2), 0, mpf(1) / 16,
        "(cos(pi r) - 1)/r^2 in r^2, |r| <= 1/4", centre=0)
    fit("SINC_SMALL", safe(lambda r: (mp.sin(mp.pi * r) / (mp.pi * r) - 1) / (r * r), -mp.pi**2 / 6), 0, mpf(1) / 4,
        "(sinc(r) - 1)/r^2 in r^2, |r| <= 1/2", centre=0)
    fit("SINC_D_SMALL", safe(lambda r: (mp.cos(mp.pi * r) - mp.sin(mp.pi * r) / (mp.pi * r)) / (r * r), -mp.pi**2 / 3),
        0, mpf(1) / 4, "sinc'(r)/r in r^2, |r| <= 1/2", centre=0)


def normal_tables():
    edges = [(mpf(k) / 8, mpf(k + 1) / 8) for k in range(16)]
    edges += [(2 + mpf(k) / 4, 2 + mpf(k + 1) / 4) for k in range(8)]
    edges += [(4 + mpf(k) / 2, 4 + mpf(k + 1) / 2) for k in range(8)]
    for deg in range(6, 16):
        fits = [poly(erfcx, lo, hi, deg) for lo, hi in edges]
        err = max(e for _, e in fits)
        if err < mpf(2) ** -57:
            break
    print(f"/* erfcx(t) about the middle of 32 intervals of [0, 8): width 1/8 below 2, 1/4 below 4,\n"
          f" * 1/2 below 8; constant term split in two; relative error {mp.nstr(err, 2)}. */")
    print(f"#define ERFCX_DEGREE {deg}")
    print(f"static const double ERFCX[32][ERFCX_DEGREE + 2] = {{")
    print(",\n".join("    {" + lines([*dd(c[0]), *map(float, c[1:])], "     ")[5:] + "}" for c, _ in fits))
    print("};\n")
    fit("ERFCX_TAIL", lambda s: erfcx(1 / mp.sqrt(s)) / mp.sqrt(s) if s > mpf("1e-3") else
        mp.fsum((-1) ** k * mp.fac2(2 * k - 1) * (s / 2) ** k for k in range(18)) / mp.sqrt(mp.pi),
        0, mpf(1) / 64, "t erfcx(t) in 1/t^2, t >= 8", centre=0)
    pairs("MILLS", [mills(mpf(k) / 2) for k in range(25)], "Mills ratio (1 - Phi(a))/phi(a) at a = 0, 1/2, ..., 12")
    c = log_ndtr_series(40)
    print("/* log(1 - s + 3 s^2 - 15 s^3 + ...) in powers of s, from s^1 (from DLMF 7.12.1) */")
    print(f"static const double LOG_MILLS[{len(c)}] = {{\n{lines([float(v) for v in c])}\n}};\n")


HEAD = '''/*
 * elementary_{0}_tables.h - {1}.
 *
 * Generated by elementary_tables.py, never edited. Private: included by
 * {2} alone.
 */
'''

if __name__ == "__main__":
    import contextlib, pathlib, sys
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    out = out if out.is_dir() else out.parent

    def write(stem, what, user, *makers):
        with open(out / f"elementary_{stem}_tables.h", "w") as fh, contextlib.redirect_stdout(fh):
            print(HEAD.format(stem, what, user))
            guard = f"AD_ELEMENTARY_{stem.upper()}_TABLES_H"
            print(f"#ifndef {guard}\n#define {guard}\n\n#include \"elementary_dd.h\"\n")
            for make in makers:
                make()
            print(f"#endif /* {guard} */")

    root = mp.findroot(mp.digamma, mpf("1.4616321449683623"))

    def dd_constants():
        constant("PI_DD", +mp.pi)
        constant("LN2_DD", mp.ln(2))
        third = mp.ln(2) - mpf(dd(mp.ln(2))[0]) - mpf(dd(mp.ln(2))[1])
        print(f"static const double LN2_THIRD = {float(third)!r};\n")
        pairs("INV_FACTORIAL", [1 / mp.factorial(k) for k in range(30)], "1/k!, k = 0, 1, ...")

    def gamma_constants():
        constant("PI_DD", +mp.pi)
        constant("HALF_LN_2PI_DD", mp.ln(2 * mp.pi) / 2)
        constant("DIGAMMA_ROOT_DD", root)
        print()
        pairs("BERNOULLI", [mp.bernoulli(2 * k) for k in range(1, 17)],
              "Bernoulli numbers B(2k), k = 1, 2, ... (DLMF 24.2)")

    def normal_constants():
        constant("SQRT_HALF_DD", mp.sqrt(mpf(1) / 2))
        constant("INV_SQRT_2PI_DD", 1 / mp.sqrt(2 * mp.pi))
        print()

    write("dd", "constants of the double-double functions", "elementary_dd.c", dd_constants)
    write("gamma", "coefficients of the gamma functions", "elementary_gamma.c", gamma_constants,
          lambda: gamma_tables(root))
    write("sinc", "coefficients of sin(pi x), cos(pi x) and sinc", "elementary_sinc.c",
          lambda: (constant("PI_DD", +mp.pi), print()), pi_tables)
    write("normal", "coefficients of the error function family", "elementary_normal.c", normal_constants, normal_tables)
