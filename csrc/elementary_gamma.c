/*
 * elementary_gamma.c - log |Gamma|, psi and its derivatives.
 *
 * Positive arguments: polynomials that carry the zeros at 1, 2 and 1.46... as
 * exact factors, recurrences without cancellation, asymptotic series. Negative
 * arguments: reflection; where its two terms cancel, near the zeros between the
 * poles, both are taken in double-double. Pure functions, no signgam; prototypes
 * and contracts are in elementary.h.
 *
 * Source: DLMF 5.5 (recurrence, reflection), 5.11 (asymptotic series), 5.15
 * (polygamma), 2.10.1 and 25.11.43 (Hurwitz zeta by Euler-Maclaurin); the tables
 * are our own.
 */
#include "elementary.h"
#include "elementary_dd.h"

#include "elementary_gamma_tables.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof(table)[0]))
#define POLYNOMIAL(table, t) dd_polynomial(table, LENGTH(table) - 2, t)

enum { MAX_ORDER = 170 }; /* n! overflows beyond */

static int is_pole(double x)
{
    return x <= 0.0 && x == rint(x);
}

/* ---- Double-double, for x >= 0.5 ----------------------------------------- */

/* Sum over k of B(2k) c_k / a^(2k) with c_k = 1/(2k (2k - 1)) (log Gamma, times
 * a) or 1/(2k) (psi); a >= 24 makes sixteen terms enough for 2^-104. */
static ad_dd bernoulli_sum(ad_dd a, int is_psi)
{
    ad_dd s = dd_div(dd_from(1.0), dd_mul(a, a)), sum = dd_from(0.0);
    for (int k = LENGTH(BERNOULLI); k >= 1; k--) {
        double divisor = is_psi ? 2.0 * k : 2.0 * k * (2.0 * k - 1.0);
        sum = dd_mul(s, dd_add(sum, dd_div(BERNOULLI[k - 1], dd_from(divisor))));
    }
    return sum;
}

/* log Gamma(x) = tail - log p: the product p shifts x to where the series holds. */
static ad_dd lgamma_shifted(ad_dd x, ad_dd *p)
{
    *p = dd_from(1.0);
    for (; x.hi < 24.0; x = dd_add(x, dd_from(1.0)))
        *p = dd_mul(*p, x);
    ad_dd z = dd_mul(dd_sub(x, dd_from(0.5)), ad_dd_log(x));
    z = dd_add(dd_sub(z, x), HALF_LN_2PI_DD);
    return dd_add(z, dd_mul(x, bernoulli_sum(x, 0)));
}

static ad_dd digamma_dd(ad_dd x)
{
    ad_dd shift = dd_from(0.0);
    for (; x.hi < 24.0; x = dd_add(x, dd_from(1.0)))
        shift = dd_add(shift, dd_div(dd_from(1.0), x));
    ad_dd z = dd_sub(ad_dd_log(x), dd_div(dd_from(0.5), x));
    return dd_sub(dd_sub(z, bernoulli_sum(x, 1)), shift);
}

/* ---- log |Gamma(x)| ------------------------------------------------------ */

static double lgamma_positive(double x)
{
    if (x < 0.5)
        return x < 1e-20
                   ? -log(x)
                   : (x * (x - 1.0)) * POLYNOMIAL(LGAMMA_ONE_TWO, x - 0.5) - log(x);
    if (x < 1.0)
        return (x - 1.0) * POLYNOMIAL(LGAMMA_HALF_ONE, x - 0.75);
    if (x < 2.0)
        return ((x - 1.0) * (x - 2.0)) * POLYNOMIAL(LGAMMA_ONE_TWO, x - 1.5);
    if (x < 10.0) {
        double p = 1.0;
        while (x >= 3.0) {
            x -= 1.0;
            p *= x;
        }
        return (x - 2.0) * POLYNOMIAL(LGAMMA_TWO_THREE, x - 2.5) + log(p);
    }
    double r = 1.0 / x;
    return (x - 0.5) * (log(x) - 1.0) +
           (0.41893853320467274 + r * POLYNOMIAL(STIRLING, r * r));
}

static double lgamma_near_zero(double x)
{
    /* log |Gamma(x)| = log(pi p / |x sin(pi x)|) - tail(-x) */
    ad_dd sine, cosine, p;
    ad_dd tail = lgamma_shifted(dd_from(-x), &p);
    ad_dd_sincospi(x, &sine, &cosine);
    ad_dd q = dd_div(dd_mul(PI_DD, p), dd_scale(sine, x));
    q = q.hi < 0.0 ? dd_neg(q) : q;
    return dd_value(dd_sub(ad_dd_log(q), tail));
}

double ad_lgamma(double x)
{
    if (x > 0.0)
        return x <= 1.7976931348623157e308 ? lgamma_positive(x) : x;
    if (x != x)
        return x;
    if (is_pole(x))
        return HUGE_VAL;
    if (x > -1e-20)
        return -log(-x);
    double sine, cosine;
    ad_sincospi(x, &sine, &cosine);
    double a = log(PI_DD.hi / fabs(x * sine)), b = lgamma_positive(-x);
    double z = a - b;
    /* terms of one size cancel; below 1 the logarithm's rounded argument shows */
    if (x < -0.5 && (fabs(z) < 1.0 || fabs(z) < 0.6 * fabs(b)))
        return lgamma_near_zero(x);
    return z;
}

/* ---- psi ----------------------------------------------------------------- */

static double digamma_positive(double x)
{
    if (x < 1.0) /* psi(1 + x) by offsets from 1 + x, which may not be representable */
        return ((x - (DIGAMMA_ROOT_DD.hi - 1.0)) - DIGAMMA_ROOT_DD.lo) *
                   POLYNOMIAL(DIGAMMA_ONE_TWO, x - 0.5) -
               1.0 / x;
    if (x < 2.0)
        return ((x - DIGAMMA_ROOT_DD.hi) - DIGAMMA_ROOT_DD.lo) *
               POLYNOMIAL(DIGAMMA_ONE_TWO, x - 1.5);
    double w = x - 0.5, r = 1.0 / w, s = r * r;
    if (x < 4.0)
        return log(w) + s * POLYNOMIAL(DIGAMMA_TWO_FOUR, s - 0.25);
    return log(w) + s * POLYNOMIAL(DIGAMMA_FOUR_UP, s);
}

double ad_digamma(double x)
{
    if (x > 0.0)
        return digamma_positive(x);
    if (x == 0.0)
        return -1.0 / x;
    if (is_pole(x) || x != x)
        return NAN;
    /* psi(x) = psi(1 - x) - pi cot(pi r), the cotangent as 1/r - r q */
    double r = x - rint(x), pole = 1.0 / r;
    double a = digamma_positive(1.0 - x);
    double z = (a + r * POLYNOMIAL(COTANGENT, r * r)) - pole;
    if (fabs(z) < 0.75 * fabs(a) || fabs(z) < 0.75 * fabs(pole)) {
        ad_dd s, c;
        ad_dd_sincospi(x, &s, &c);
        ad_dd psi = digamma_dd(dd_two_sum(1.0, -x));
        return dd_value(dd_sub(psi, dd_div(dd_mul(PI_DD, c), s)));
    }
    return z;
}

/* ---- Derivatives of psi -------------------------------------------------- */

/* zeta(s, x) = sum over k of (x + k)^-s, times (s - 1)!, for x > 0: the terms
 * up to a = x + n directly, the rest by Euler-Maclaurin; every part is positive
 * but the last corrections, so nothing cancels. */
static double zeta_positive(int s, double x)
{
    double factorial = 1.0;
    for (int k = 2; k < s; k++)
        factorial *= k;
    int n = x < 12.0 + s ? (int)(12.0 + s - x) + 1 : 0;
    ad_dd a = dd_two_sum(x, n);
    double r = 1.0 / a.hi;
    /* B(2k) s (s + 1) ... (s + 2k - 2)/(2k)! r^(2k - 1) */
    double term = 0.5 * s * r, sum = 0.0;
    double parts[8];
    for (int k = 0; k < 8; k++) {
        parts[k] = BERNOULLI[k].hi * term;
        term *= (s + 2.0 * k + 1.0) * (s + 2.0 * k + 2.0) /
                ((2.0 * k + 3.0) * (2.0 * k + 4.0)) * r * r;
    }
    for (int k = 7; k >= 0; k--)
        sum += parts[k];
    sum = 1.0 / (s - 1.0) + r * (0.5 + sum);
    /* the rounding error of a sum x + k counts as often as its power */
    double half = pow(a.hi, 0.5 * (1.0 - s));
    if (n == 0)
        return (factorial * sum * half) * half;
    double z = sum * (half * half) * (1.0 - (s - 1.0) * a.lo * r);
    for (int k = n - 1; k >= 0; k--) {
        ad_dd t = dd_two_sum(x, k);
        double p = pow(t.hi, -(double)s);
        z += t.lo == 0.0 ? p : p - p * (s * (t.lo / t.hi));
    }
    return factorial * z;
}

static ad_dd power_dd(ad_dd a, int n)
{
    ad_dd z = dd_from(1.0);
    for (; n > 0; n >>= 1) {
        if (n & 1)
            z = dd_mul(z, a);
        a = dd_mul(a, a);
    }
    return z;
}

/* The same in double-double, for s <= 13 and x >= 1. */
static ad_dd zeta_dd(int s, ad_dd x)
{
    ad_dd z = dd_from(0.0), one = dd_from(1.0);
    double factorial = 1.0;
    for (int k = 2; k < s; k++)
        factorial *= k;
    for (; x.hi < 24.0 + s; x = dd_add(x, one))
        z = dd_add(z, power_dd(dd_div(one, x), s));
    ad_dd r = dd_div(one, x), r2 = dd_mul(r, r);
    ad_dd power = power_dd(r, s - 1);
    ad_dd term = dd_scale(r, 0.5 * s), sum = dd_from(0.5);
    for (int k = 0; k < LENGTH(BERNOULLI); k++) {
        sum = dd_add(sum, dd_mul(BERNOULLI[k], term));
        term = dd_mul(dd_scale(term, (s + 2.0 * k + 1.0) * (s + 2.0 * k + 2.0)), r2);
        term = dd_div(term, dd_from((2.0 * k + 3.0) * (2.0 * k + 4.0)));
    }
    z = dd_add(z, dd_div(power, dd_from(s - 1.0)));
    return dd_scale(dd_add(z, dd_mul(dd_mul(power, r), sum)), factorial);
}

/* Derivative n of cot(pi x), over pi^n: a polynomial P_n in c = cot(pi x),
 * P_(n+1) = -(1 + c^2) P_n', evaluated by its coefficients. */
static ad_dd cotangent_derivative(int n, ad_dd c)
{
    double p[16] = {0.0, 1.0};
    for (int k = 0; k < n; k++) {
        double q[16] = {0.0};
        for (int j = 1; j <= k + 1; j++) {
            q[j - 1] -= j * p[j];
            q[j + 1] -= j * p[j];
        }
        for (int j = 0; j < 16; j++)
            p[j] = q[j];
    }
    ad_dd z = dd_from(0.0);
    for (int j = n + 1; j >= 0; j--)
        z = dd_add(dd_mul(z, c), dd_from(p[j]));
    return z;
}

/* psi^(n)(1 - x) - (-1)^n psi^(n)(x) = (-1)^n pi^(n+1) cot^(n)(pi x), with the
 * derivative taken of cot itself: DLMF 5.15.6. */
static double polygamma_negative(int n, double x)
{
    double d = x - rint(x);
    if (n == 1) {
        double pole = 1.0 / d;
        return pole * pole + (POLYNOMIAL(COSECANT, d * d) - zeta_positive(2, 1.0 - x));
    }
    if (n > 12 || fabs(d) < 1e-20) { /* the nearest pole alone: n!/(x + k)^(n+1) */
        double factorial = 1.0;
        for (int k = 2; k <= n; k++)
            factorial *= k;
        return (n % 2 == 0 ? -factorial : factorial) * pow(d, -(n + 1.0));
    }
    ad_dd s, c, scale = PI_DD;
    ad_dd_sincospi(x, &s, &c);
    for (int k = 0; k < n; k++)
        scale = dd_mul(scale, PI_DD);
    ad_dd cotangent = dd_mul(scale, cotangent_derivative(n, dd_div(c, s)));
    ad_dd zeta = zeta_dd(n + 1, dd_two_sum(1.0, -x));
    return dd_value(dd_neg(dd_add(zeta, cotangent)));
}

double ad_polygamma(double n, double x)
{
    if (n == 0.0)
        return ad_digamma(x);
    if (!(n >= 1.0 && n <= MAX_ORDER && n == rint(n)) || x != x)
        return NAN;
    int order = (int)n;
    double sign = order % 2 == 0 ? -1.0 : 1.0;
    if (x > 0.0)
        return x > 1.7976931348623157e308 ? 0.0 * sign
                                          : sign * zeta_positive(order + 1, x);
    if (x == 0.0)
        return order % 2 == 1 ? HUGE_VAL : -1.0 / x;
    return is_pole(x) ? (order % 2 == 1 && x > -HUGE_VAL ? HUGE_VAL : NAN)
                      : polygamma_negative(order, x);
}
