/*
 * elementary_dd.c - exp, log, sin(pi x), cos(pi x) in double-double.
 *
 * Taylor series on a reduced argument; accurate to about 100 bits. Called by
 * the other elementary_*.c files where doubles would cancel. Pure functions.
 */
#include "elementary_dd.h"

#include "elementary_dd_tables.h"

enum { N_TERMS = (int)(sizeof INV_FACTORIAL / sizeof INV_FACTORIAL[0]) };

ad_dd ad_dd_exp(ad_dd a)
{
    /* r = a - k ln 2 in three pieces: k ln 2 has to be right to 2^-106 absolutely. */
    double k = rint(a.hi / LN2_DD.hi);
    ad_dd r = dd_sub(a, dd_two_prod(k, LN2_DD.hi));
    r = dd_sub(r, dd_two_prod(k, LN2_DD.lo));
    r = dd_sub(r, dd_from(k * LN2_THIRD));
    ad_dd sum = INV_FACTORIAL[N_TERMS - 1];
    for (int n = N_TERMS - 2; n >= 0; n--)
        sum = dd_add(dd_mul(sum, r), INV_FACTORIAL[n]);
    return (ad_dd){ldexp(sum.hi, (int)k), ldexp(sum.lo, (int)k)};
}

ad_dd ad_dd_log(ad_dd a)
{
    /* With t = a exp(-y) - 1 and y a double near log a, log a = y + log(1 + t),
     * |t| < 2^-42: two terms of its series leave an error below 2^-126. */
    double y = log(a.hi);
    ad_dd t = dd_sub(dd_mul(a, ad_dd_exp(dd_from(-y))), dd_from(1.0));
    return dd_add(dd_from(y), dd_sub(t, dd_from(0.5 * t.hi * t.hi)));
}

/* Sum of (-1)^k t^(2k + first)/(2k + first)!, |t| <= pi/4. */
static ad_dd alternating_series(ad_dd t, int first)
{
    ad_dd s = dd_neg(dd_mul(t, t));
    int n = 26 + first;
    ad_dd sum = INV_FACTORIAL[n];
    while (n > first) {
        n -= 2;
        sum = dd_add(dd_mul(sum, s), INV_FACTORIAL[n]);
    }
    return first == 1 ? dd_mul(sum, t) : sum;
}

void ad_dd_sincospi(double x, ad_dd *sine, ad_dd *cosine)
{
    double a = fmod(fabs(x), 2.0);
    int quadrant = (int)rint(2.0 * a);
    ad_dd t = dd_scale(PI_DD, a - 0.5 * quadrant);
    ad_dd s = alternating_series(t, 1), c = alternating_series(t, 0);
    if (quadrant % 2 == 1) {
        ad_dd swap = s;
        s = c;
        c = dd_neg(swap);
    }
    if (quadrant == 2 || quadrant == 3) {
        s = dd_neg(s);
        c = dd_neg(c);
    }
    *sine = x < 0.0 ? dd_neg(s) : s;
    *cosine = c;
}
