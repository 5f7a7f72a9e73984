/*
 * elementary_normal.c - erfc, and the normal distribution function's logarithm
 * and its derivatives, with full relative accuracy in the tails.
 *
 * Everything rests on erfcx(t) = exp(t^2) erfc(t), which is smooth and of the
 * size of 1/t: polynomials on 32 intervals of [0, 8), then one in 1/t^2. Higher
 * derivatives of log Phi cancel; they use the Mills ratio in double-double. Pure
 * functions; prototypes and contracts are in elementary.h.
 *
 * Source: DLMF 7.12 (asymptotic series), 7.10 and 7.18 (derivatives, repeated
 * integrals); the tables are our own.
 */
#include "elementary.h"
#include "elementary_dd.h"

#include "elementary_normal_tables.h"

enum {
    ERFCX_TAIL_DEGREE = (int)(sizeof ERFCX_TAIL / sizeof ERFCX_TAIL[0]) - 2,
    N_LOG_MILLS = (int)(sizeof LOG_MILLS / sizeof LOG_MILLS[0]),
    MAX_ORDER = 24
};

/* erfcx(t + tail) for t >= 0 and a tail below half a unit of t. */
static double erfcx(double t, double tail)
{
    if (t >= 8.0) {
        double s = 1.0 / t;
        double z = dd_polynomial(ERFCX_TAIL, ERFCX_TAIL_DEGREE, s * s) / t;
        return z - z * (tail * s);
    }
    int k, per_unit; /* intervals of width 1/per_unit, k of them from 0 */
    double first;
    if (t < 2.0) {
        first = 0.0;
        k = 0;
        per_unit = 8;
    } else if (t < 4.0) {
        first = 2.0;
        k = 16;
        per_unit = 4;
    } else {
        first = 4.0;
        k = 24;
        per_unit = 2;
    }
    int j = (int)((t - first) * per_unit);
    double middle = first + (j + 0.5) / per_unit;
    return dd_polynomial(ERFCX[k + j], ERFCX_DEGREE, (t - middle) + tail);
}

/* erfcx(a/sqrt 2) for a >= 0, the rounding of the quotient taken into account. */
static double erfcx_half(double a)
{
    ad_dd t = a < 1e100 ? dd_scale(SQRT_HALF_DD, a) : dd_from(SQRT_HALF_DD.hi * a);
    return erfcx(t.hi, t.lo);
}

double ad_erfc(double x)
{
    if (!(x >= 0.5))
        return 1.0 - erf(x); /* NaN goes here too */
    return x > 28.0 ? 0.0 : ad_gauss(1.0, x) * erfcx(x, 0.0);
}

double ad_ndtr(double x)
{
    double a = fabs(x);
    if (!(a <= 40.0))
        return x != x ? x : x > 0.0 ? 1.0 : 0.0;
    double tail = 0.5 * erfcx_half(a) * ad_gauss(0.5, a);
    return x > 0.0 ? 1.0 - tail : tail;
}

double ad_log_ndtr(double x)
{
    if (x < -1.0)
        return x < -1e10 ? -0.5 * x * x : log(0.5 * erfcx_half(-x)) - 0.5 * x * x;
    return x > 0.0 ? log1p(-ad_ndtr(-x)) : log(ad_ndtr(x));
}

/* Mills ratio R(a) = (1 - Phi(a))/phi(a), 0 <= a <= 12: Taylor series about the
 * nearest multiple of a half, its coefficients from R' = a R - 1. */
static ad_dd mills_dd(double a)
{
    int k = (int)rint(2.0 * a);
    double c = 0.5 * k, u = a - c;
    ad_dd before = MILLS[k];
    ad_dd here = dd_sub(dd_scale(before, c), dd_from(1.0));
    ad_dd sum = dd_add(before, dd_scale(here, u));
    ad_dd power = dd_from(u);
    for (int n = 1; n < 36; n++) {
        ad_dd next = dd_div(dd_add(dd_scale(here, c), before), dd_from(n + 1.0));
        before = here;
        here = next;
        power = dd_scale(power, u);
        sum = dd_add(sum, dd_mul(next, power));
    }
    return sum;
}

/* phi(x), 0 <= x <= 30. */
static ad_dd pdf_dd(double x)
{
    return dd_mul(ad_dd_exp(dd_scale(dd_two_prod(x, x), -0.5)), INV_SQRT_2PI_DD);
}

/* Derivative n of log Phi at x > 30, which is derivative n - 1 of phi there: a
 * Hermite polynomial times phi, phi in two factors that do not underflow. */
static double upper_derivative(int n, double x)
{
    if (x > 45.0)
        return n % 2 == 1 ? 0.0 : -0.0;
    double e = dd_value(ad_dd_exp(dd_scale(dd_two_prod(x, x), -0.25)));
    double before = 0.0, here = 1.0;
    for (int k = 0; k < n - 1; k++) {
        double next = x * here - k * before;
        before = here;
        here = next;
    }
    return (n % 2 == 1 ? here : -here) * (INV_SQRT_2PI_DD.hi * e) * e;
}

/* Derivative n >= 2 of log Phi at x < -12: the asymptotic series
 * -x^2/2 - log(-x) + log(1 - 1/x^2 + 3/x^4 - ...), term by term. */
static double far_derivative(int n, double x)
{
    double s = 1.0 / x / x, factorial = 1.0;
    for (int k = 2; k < n; k++)
        factorial *= k;
    double sum = 0.0;
    for (int k = N_LOG_MILLS; k >= 1; k--) {
        double rising = 1.0; /* (2k)(2k + 1)...(2k + n - 1) */
        for (int j = 0; j < n; j++)
            rising *= 2.0 * k + j;
        sum = s * (LOG_MILLS[k - 1] * rising + sum);
    }
    double z = pow(-x, -(double)n) * (factorial + sum);
    return n == 2 ? z - 1.0 : z;
}

double ad_log_ndtr_d(double n, double x)
{
    if (!(n >= 0.0 && n <= MAX_ORDER && n == rint(n)) || x != x)
        return NAN;
    int order = (int)n;
    if (order == 0)
        return ad_log_ndtr(x);
    if (order == 1) {
        if (x >= 0.0)
            return _normal_pdf(x) / ad_ndtr(x);
        return x < -1e8 ? -x : 0.7978845608028654 / erfcx_half(-x);
    }
    if (x > 30.0)
        return upper_derivative(order, x);
    if (x < -12.0)
        return far_derivative(order, x);
    /* m = phi/Phi satisfies m' = -m h with h = x + m, h' = 1 + m': Leibniz. */
    ad_dd m[MAX_ORDER], h[MAX_ORDER];
    if (x <= 0.0) {
        m[0] = dd_div(dd_from(1.0), mills_dd(-x));
    } else {
        ad_dd phi = pdf_dd(x);
        ad_dd upper = x > 12.0 ? dd_from(0.0) : dd_mul(phi, mills_dd(x));
        m[0] = dd_div(phi, dd_sub(dd_from(1.0), upper));
    }
    h[0] = dd_add(m[0], dd_from(x));
    for (int k = 0; k + 1 < order; k++) {
        ad_dd sum = dd_from(0.0);
        double binomial = 1.0;
        for (int j = 0; j <= k; j++) {
            sum = dd_add(sum, dd_scale(dd_mul(m[j], h[k - j]), binomial));
            binomial = binomial * (k - j) / (j + 1.0);
        }
        m[k + 1] = dd_neg(sum);
        h[k + 1] = k == 0 ? dd_add(m[1], dd_from(1.0)) : m[k + 1];
    }
    return dd_value(m[order - 1]);
}

/* log(e^x + e^y) for a sum near 1: the sum in double-double, so that what is
 * left after it cancels against 1 is still right. */
double ad_logaddexp_near_zero(double x, double y)
{
    if (x < y) {
        double swap = x;
        x = y;
        y = swap;
    }
    ad_dd small = y > -100.0 ? ad_dd_exp(dd_from(y)) : dd_from(exp(y));
    return dd_value(ad_dd_log(dd_add(ad_dd_exp(dd_from(x)), small)));
}
