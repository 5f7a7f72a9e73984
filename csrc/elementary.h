/*
 * elementary.h - the scalar functions that the formulas of ops.def name.
 *
 * Every function a formula applies is either in the C library under the same
 * name or here. What is here is either absent from the C library, or less
 * accurate there than a derivative needs, or (round, remainder) means something
 * else there. All are pure: no state, no errno, no signgam; NaN in gives NaN out.
 *
 * May be included by whatever expands ops.def; the bodies that are not inline
 * are in elementary_dd.c, elementary_gamma.c, elementary_normal.c and
 * elementary_sinc.c. Files that include it need -ffp-contract=off, for the
 * error-free transformations below.
 *
 * Names that start with an underscore are rows of the table that users do not
 * see; they are spelt here as the formulas spell them.
 */
#ifndef AD_ELEMENTARY_H
#define AD_ELEMENTARY_H

#include <math.h>
#include <stdbool.h>

/* sin(pi x), cos(pi x): exact at multiples of a half, within 1 ULP elsewhere. */
void ad_sincospi(double x, double *sine, double *cosine);

/* sin(pi x)/(pi x), and its derivative of order n (0 <= n <= 40). */
double ad_sinc(double x);
double ad_sinc_d(double n, double x);

/* log |Gamma(x)|; psi(x); derivative of order n of psi (n a whole number >= 0). */
double ad_lgamma(double x);
double ad_digamma(double x);
double ad_polygamma(double n, double x);

/* 1 - erf(x); the normal distribution function, its logarithm, and derivative
 * of order n (0 <= n <= 24) of that logarithm. */
double ad_erfc(double x);
double ad_ndtr(double x);
double ad_log_ndtr(double x);
double ad_log_ndtr_d(double n, double x);

/* log(e^x + e^y) where the sum is near 1, so that its logarithm is near 0. */
double ad_logaddexp_near_zero(double x, double y);

static inline double sinc(double x)
{
    return ad_sinc(x);
}
static inline double _sinc_d(double n, double x)
{
    return ad_sinc_d(n, x);
}
static inline double gammaln(double x)
{
    return ad_lgamma(x);
}
static inline double digamma(double x)
{
    return ad_digamma(x);
}
static inline double polygamma(double n, double x)
{
    return ad_polygamma(n, x);
}
static inline double _erfc(double x)
{
    return ad_erfc(x);
}
static inline double ndtr(double x)
{
    return ad_ndtr(x);
}
static inline double log_ndtr(double x)
{
    return ad_log_ndtr(x);
}
static inline double _log_ndtr_d(double n, double x)
{
    return ad_log_ndtr_d(n, x);
}

static inline double square(double x)
{
    return x * x;
}

static inline double sign(double x)
{
    return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x == 0.0 ? 0.0 : x;
}

static inline double maximum(double x, double y)
{
    return x >= y || x != x ? x : y;
}
static inline double minimum(double x, double y)
{
    return x <= y || x != x ? x : y;
}

/* Remainder with the sign of y, x - floor(x/y) y: Python's and NumPy's %. */
static inline double floor_mod(double x, double y)
{
    double r = fmod(x, y);
    return r == 0.0 ? copysign(0.0, y) : (r < 0.0) != (y < 0.0) ? r + y : r;
}

/* The C library's cube root and one Newton step with an exact residual. */
static inline double _cbrt(double x)
{
    /* 2^100 or 2^-100: keeps the residual normal */
    double scale = fabs(x) < 1e-280  ? 1.2676506002282294e30
                   : fabs(x) > 1e280 ? 7.888609052210118e-31
                                     : 1.0;
    double a = x * (scale * scale * scale);
    double t = cbrt(a);
    double c = 134217729.0 * t; /* Veltkamp: t = h + l, halves of 26 bits */
    double h = c - (c - t), l = t - h;
    double t2 = t * t, e2 = ((h * h - t2) + 2.0 * h * l) + l * l;
    double c2 = 134217729.0 * t2;
    double h2 = c2 - (c2 - t2), l2 = t2 - h2;
    double t3 = t2 * t, e3 = ((h2 * h - t3) + h2 * l + l2 * h) + l2 * l;
    double step = ((t3 - a) + (e3 + e2 * t)) / (3.0 * t2);
    return fabs(a) > 0.0 && fabs(a) <= 1.7976931348623157e308 ? (t - step) / scale : t;
}

/* e^(-c x^2) for c a power of two: the square is formed exactly, its tail
 * applied to first order, since an error in it counts in units of the result. */
static inline double ad_gauss(double c, double x)
{
    double p = 134217729.0 * x; /* Veltkamp: x = h + l */
    double h = p - (p - x), l = x - h;
    double q = x * x, tail = ((h * h - q) + 2.0 * h * l) + l * l;
    double e = exp(-c * q);
    return q > 2000.0 ? 0.0 : e - e * (c * tail);
}

static inline double _exp_neg_square(double x)
{
    return ad_gauss(1.0, x);
}
static inline double _normal_pdf(double x)
{
    return 0.3989422804014327 * ad_gauss(0.5, x);
}

static inline double sigmoid(double x)
{
    double e = exp(-fabs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

/* sigmoid'(x) = e^-x/(1 + e^-x)^2, even in x and without overflow. */
static inline double _sigmoid_d(double x)
{
    double e = exp(-fabs(x));
    return e / ((1.0 + e) * (1.0 + e));
}

static inline double softplus(double x)
{
    return (x > 0.0 ? x : 0.0) + log1p(exp(-fabs(x)));
}

/* log(x/(1 - x)), as log(1 + v) with v = |2x - 1|/min(x, 1 - x), whose numerator
 * is exact about 1/2. The scale keeps v finite for the least x. */
static inline double logit(double x)
{
    double m = x < 0.5 ? x + 0.0 : 1.0 - x; /* + 0.0 rids -0 of its sign */
    double scale = fabs(m) < 1e-300 ? 1.152921504606847e18 : 1.0; /* 2^60 */
    double v = fabs(2.0 * x - 1.0) / (m * scale);
    double z = log1p(v) + (scale > 1.0 ? 41.58883083359672 : 0.0);
    return x < 0.5 ? -z : z;
}

/* e^x/(e^x + e^y), the weight of x; x - y is used with its rounding error. */
static inline double _logaddexp_d(double x, double y)
{
    double d = x - y, t = d - x;
    double tail = (x - (d - t)) - (y + t);
    double e = exp(-fabs(d));
    /* an infinite or overflowed difference has no tail: e is 0 there */
    e = e > 0.0 ? e - e * (d < 0.0 ? -tail : tail) : e;
    return x == y ? 0.5 : (d < 0.0 ? e : 1.0) / (1.0 + e);
}

static inline double logaddexp(double x, double y)
{
    double m = x > y ? x : y;
    double d = x - y, t = d - x;
    double tail = (x - (d - t)) - (y + t);
    double e = exp(-fabs(d));
    e = e > 0.0 ? e - e * (d < 0.0 ? -tail : tail) : e;
    double z = m + log1p(x == y ? 1.0 : e);
    return m < 0.0 && m > -2.4 && z < -2.0 * m && z > 0.7 * m
               ? ad_logaddexp_near_zero(x, y)
               : z;
}

/* y x^(y-1), 0 at (0, 0). The rounding error of y - 1 is carried along, as it
 * would cost a factor log x. Where the power nears the ends of the range it is
 * taken as a product of halves, y between them, so that it does not round twice. */
static inline double _pow_d(double x, double y)
{
    double y1 = y - 1.0, t = y1 - y;
    double tail = (y - (y1 - t)) - (1.0 + t);
#ifndef AD_STRAIGHT_LINE
    /* Nearly always nothing of the below is needed; the value is the same. */
    if (tail == 0.0 && fabs(y1) < 6.0 && fabs(x) > 1e-45 && fabs(x) < 1e45)
        return y == 0.0 ? 0.0 : y * pow(x, y1);
#endif
    double size = log(fabs(x));
    int halved = fabs(y1 * size) > 660.0;
    double p = pow(halved ? fabs(x) : x, halved ? 0.5 * y1 : y1);
    double more = tail * size * (halved ? 0.5 : 1.0);
    p = tail == 0.0 || !(fabs(size) < 1000.0 && fabs(y) < 1e300) ? p : p + p * more;
    double parity = y1 == 2.0 * rint(0.5 * y1) ? 1.0
                    : y1 == rint(y1)           ? -1.0
                    : x < 0.0                  ? NAN
                                               : 1.0;
    double z = halved ? (y * p) * p * (copysign(1.0, x) < 0.0 ? parity : 1.0) : y * p;
    return y == 0.0 && x == x ? 0.0 : z;
}

/* The same where z = x^y is at hand and well inside the range: no power to take. */
static inline double _pow_d_known(double x, double y, double z)
{
    double size = fabs(z);
    bool is_inside = size > 1e-290 && size < 1e290 && fabs(y) < 1e10 && x != 0.0;
    return is_inside ? y * z / x : _pow_d(x, y);
}

/* x/sqrt(x^2 + y^2), 0 at (0, 0). Powers of two (2^512, 2^-512)
 * keep the squares in range. */
static inline double _hypot_d(double x, double y)
{
    double a = fabs(x), b = fabs(y), m = a > b ? a : b;
    double s = m > 1e150    ? 7.458340731200207e-155
               : m < 1e-140 ? 1.3407807929942597e154
                            : 1.0;
    double s2 = m < 1e-290 ? 1.3407807929942597e154 : 1.0;
    double u = x * s * s2, v = y * s * s2;
    double z = u / sqrt(u * u + v * v);
    z = a > 1.7976931348623157e308 && b <= 1.7976931348623157e308 ? copysign(1.0, x)
                                                                  : z;
    return a == 0.0 && b == 0.0 ? 0.0 : z;
}

/* y/(x^2 + y^2), 0 at (0, 0), likewise. */
static inline double _atan2_d(double x, double y)
{
    double a = fabs(x), b = fabs(y), m = a > b ? a : b;
    double s = m > 1e150    ? 7.458340731200207e-155
               : m < 1e-140 ? 1.3407807929942597e154
                            : 1.0;
    double s2 = m < 1e-290 ? 1.3407807929942597e154 : 1.0;
    double u = x * s * s2, v = y * s * s2;
    double z = v / (u * u + v * v) * s * s2;
    z = b > 1.7976931348623157e308 && x == x ? copysign(0.0, y) : z;
    return a == 0.0 && b == 0.0 ? 0.0 : z;
}

#endif /* AD_ELEMENTARY_H */
