/*
 * elementary_dd.h - double-double arithmetic for the elementary functions.
 *
 * An ad_dd is an unevaluated sum hi + lo with |lo| at most half a unit in the
 * last place of hi: about 106 bits. The elementary functions fall back on it
 * where a double formula would cancel, near the zeros of a function. Relative
 * errors are a few 2^-104 as long as no product underflows.
 *
 * Private: included by elementary_*.c only. Needs round-to-nearest doubles and
 * -ffp-contract=off.
 *
 * Source: Dekker, Numer. Math. 18 (1971) 224, DOI 10.1007/BF01397083; Knuth,
 * The Art of Computer Programming 2, section 4.2.2.
 */
#ifndef AD_ELEMENTARY_DD_H
#define AD_ELEMENTARY_DD_H

#include <math.h>

typedef struct {
    double hi, lo;
} ad_dd;

/* a + b exactly, whatever their sizes. */
static inline ad_dd dd_two_sum(double a, double b)
{
    double s = a + b;
    double t = s - a;
    return (ad_dd){s, (a - (s - t)) + (b - t)};
}

/* a + b exactly, for |a| >= |b|. */
static inline ad_dd dd_fast_sum(double a, double b)
{
    double s = a + b;
    return (ad_dd){s, b - (s - a)};
}

/* a * b exactly, unless it overflows, |a| or |b| exceeds 2^996, or the tail
 * underflows. */
static inline ad_dd dd_two_prod(double a, double b)
{
    double p = a * b;
#ifdef FP_FAST_FMA
    return (ad_dd){p, fma(a, b, -p)};
#else
    double ca = 134217729.0 * a; /* 2^27 + 1 splits 53 bits in two halves */
    double cb = 134217729.0 * b;
    double ah = ca - (ca - a), al = a - ah;
    double bh = cb - (cb - b), bl = b - bh;
    return (ad_dd){p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
#endif
}

static inline ad_dd dd_from(double a)
{
    return (ad_dd){a, 0.0};
}
static inline ad_dd dd_neg(ad_dd a)
{
    return (ad_dd){-a.hi, -a.lo};
}
static inline double dd_value(ad_dd a)
{
    return a.hi + a.lo;
}

static inline ad_dd dd_add(ad_dd a, ad_dd b)
{
    ad_dd s = dd_two_sum(a.hi, b.hi);
    ad_dd t = dd_two_sum(a.lo, b.lo);
    s = dd_fast_sum(s.hi, s.lo + t.hi);
    return dd_fast_sum(s.hi, s.lo + t.lo);
}

static inline ad_dd dd_sub(ad_dd a, ad_dd b)
{
    return dd_add(a, dd_neg(b));
}

static inline ad_dd dd_mul(ad_dd a, ad_dd b)
{
    ad_dd p = dd_two_prod(a.hi, b.hi);
    return dd_fast_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static inline ad_dd dd_scale(ad_dd a, double b)
{
    ad_dd p = dd_two_prod(a.hi, b);
    return dd_fast_sum(p.hi, p.lo + a.lo * b);
}

static inline ad_dd dd_div(ad_dd a, ad_dd b)
{
    double q = a.hi / b.hi;
    ad_dd r = dd_sub(a, dd_scale(b, q));
    double q2 = r.hi / b.hi;
    r = dd_sub(r, dd_scale(b, q2));
    return dd_add(dd_fast_sum(q, q2), dd_from(r.hi / b.hi));
}

/* c[0] + c[1] is the constant term, c[2..degree+1] the coefficients of t, t^2, ... */
static inline double dd_polynomial(const double *c, int degree, double t)
{
    double p = c[degree + 1];
    for (int k = degree; k >= 2; k--)
        p = p * t + c[k];
    return c[0] + (c[1] + p * t);
}

/* e to the power a, for |a| < 700. */
ad_dd ad_dd_exp(ad_dd a);

/* Natural logarithm, for normal positive a. */
ad_dd ad_dd_log(ad_dd a);

/* sin(pi x) and cos(pi x) for a finite double x, exact range reduction. */
void ad_dd_sincospi(double x, ad_dd *sine, ad_dd *cosine);

#endif /* AD_ELEMENTARY_DD_H */
