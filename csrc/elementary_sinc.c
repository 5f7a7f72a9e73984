/*
 * elementary_sinc.c - sin(pi x), cos(pi x), sinc(x) and its derivatives.
 *
 * sinc(x) = sin(pi x)/(pi x), sinc(0) = 1. The argument is reduced by whole
 * half turns, which is exact, before pi enters: zeros at the integers stay exact
 * and their neighbourhoods keep full relative accuracy. Pure functions; the
 * prototypes and their contracts are in elementary.h.
 *
 * Source: DLMF 4.16, 10.49.3 (sinc is the spherical Bessel function j0).
 */
#include "elementary.h"
#include "elementary_dd.h"

#include "elementary_sinc_tables.h"

#define DEGREE(table) ((int)(sizeof(table) / sizeof(table)[0]) - 2)

void ad_sincospi(double x, double *sine, double *cosine)
{
    double a = fmod(fabs(x), 2.0);
    int quadrant = (int)rint(2.0 * a);
    double r = a - 0.5 * quadrant;
    double s = r * dd_polynomial(SINPI, DEGREE(SINPI), r * r);
    double c = 1.0 + r * r * dd_polynomial(COSPI, DEGREE(COSPI), r * r);
    double sign = quadrant == 2 || quadrant == 3 ? -1.0 : 1.0;
    *sine = copysign(1.0, x) * sign * (quadrant % 2 == 1 ? c : s);
    *cosine = sign * (quadrant % 2 == 1 ? -s : c);
}

double ad_sinc(double x)
{
    if (fabs(x) <= 0.5)
        return 1.0 + x * x * dd_polynomial(SINC_SMALL, DEGREE(SINC_SMALL), x * x);
    if (!(fabs(x) <= 1.7976931348623157e308))
        return x - x; /* NaN, as sin(pi x) has no limit */
    double s, c;
    ad_sincospi(x, &s, &c);
    return s / PI_DD.hi / x;
}

/* Derivative n of sinc in double-double: the Taylor series near 0, the
 * recurrence u f_n + n f_(n-1) = sin(u + n pi/2), u = pi x, further out. */
static ad_dd derivative_dd(int n, double x)
{
    ad_dd u = dd_scale(PI_DD, x), sum;
    if (fabs(x) <= 2.0) {
        ad_dd minus_u2 = dd_neg(dd_mul(u, u));
        int k = (n + 1) / 2,
            p = 2 * k - n; /* first term: u^p/((2k + 1) p!), p = 0 or 1 */
        ad_dd power = p == 1 ? u : dd_from(1.0);
        power = k % 2 == 1 ? dd_neg(power) : power;
        sum = dd_from(0.0);
        for (; p < 60; k++, p += 2) {
            sum = dd_add(sum, dd_div(power, dd_from(2.0 * k + 1.0)));
            power = dd_div(dd_mul(power, minus_u2), dd_from((p + 1.0) * (p + 2.0)));
        }
    } else {
        ad_dd s, c;
        ad_dd_sincospi(x, &s, &c);
        sum = dd_div(s, u);
        for (int k = 1; k <= n; k++) {
            ad_dd next = dd_neg(s); /* sin(u + k pi/2): rotate a quarter turn */
            s = c;
            c = next;
            sum = dd_div(dd_sub(s, dd_scale(sum, (double)k)), u);
        }
    }
    for (int k = 0; k < n; k++)
        sum = dd_mul(sum, PI_DD);
    return sum;
}

double ad_sinc_d(double n, double x)
{
    if (!(n >= 0.0 && n <= 40.0 && n == rint(n)) ||
        !(fabs(x) <= 1.7976931348623157e308))
        return NAN;
    if (n == 0.0)
        return ad_sinc(x);
    if (n == 1.0) {
        if (fabs(x) <= 0.5)
            return x * dd_polynomial(SINC_D_SMALL, DEGREE(SINC_D_SMALL), x * x);
        double s, c;
        ad_sincospi(x, &s, &c);
        double t = s / PI_DD.hi / x;
        /* c - t loses digits only where both have one sign and nearly one size. */
        if (c * t <= 0.0 || fabs(t) < 0.25 * fabs(c) || fabs(c) < 0.25 * fabs(t))
            return (c - t) / x;
    }
    if (fabs(x) < 1e-100) /* two terms of the Taylor series, one of them 0 */
        return fmod(n, 2.0) == 0.0 ? dd_value(derivative_dd((int)n, 0.0))
                                   : x * dd_value(derivative_dd((int)n + 1, 0.0));
    if (fabs(x) > 1e100) { /* an even whole number: the term of order 1/x or 1/x^2 */
        double turn = fmod(n, 4.0) == 0.0 || fmod(n, 4.0) == 1.0 ? 1.0 : -1.0;
        double odd = fmod(n, 2.0);
        double z = turn * pow(PI_DD.hi, n - 2.0 + odd) / x;
        return odd == 1.0 ? z : n * z / x;
    }
    return dd_value(derivative_dd((int)n, x));
}
