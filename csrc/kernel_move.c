/*
 * kernel_move.c - loops without a row of their own: fill, add, multiply adjoints, compare.
 * The sweep rule stands here, for arrays, once.
 */
#include "kernel.h"

#include "kernel_math.h"

AD_CLONES void ad_kernel_fill(int64_t n, double value, double *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = value;
}

AD_CLONES void ad_kernel_add_zero(int64_t n, const double *x, double *to)
{
    AD_SAME_INDEX
    for (int64_t i = 0; i < n; i++)
        to[i] = 0.0 + x[i];
}

AD_CLONES void ad_kernel_add(int64_t n, const double *x, double *to)
{
    AD_SAME_INDEX
    for (int64_t i = 0; i < n; i++)
        to[i] += x[i];
}

AD_CLONES void ad_kernel_product(int64_t n, const double *p, const double *g,
                                 double *out, bool is_strict, bool adds)
{
    const int guard = !is_strict;
    if (adds)
        AD_SAME_INDEX
    for (int64_t i = 0; i < n; i++)
        out[i] += guard & ((p[i] == 0.0) | (g[i] == 0.0)) ? 0.0 : p[i] * g[i];
    else AD_SAME_INDEX for (int64_t i = 0; i < n; i++) out[i] =
        guard & ((p[i] == 0.0) | (g[i] == 0.0)) ? 0.0 : p[i] * g[i];
}

AD_CLONES void ad_kernel_gather(int64_t n, const int64_t *restrict at,
                                const double *restrict x, double *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = at[i] < 0 ? 0.0 : x[at[i]];
}

AD_CLONES bool ad_kernel_has_nan(int64_t n, const double *v)
{
    int64_t any = 0;
    for (int64_t i = 0; i < n; i++)
        any += v[i] != v[i];
    return any != 0;
}

AD_CLONES bool ad_kernel_differs(int64_t n, const double *v, double wanted,
                                 int32_t guard, int32_t *differs, double *outcome)
{
    int64_t any = 0;
    for (int64_t i = 0; i < n; i++)
        any += v[i] != wanted;
    AD_SAME_INDEX
    for (int64_t i = 0; i < n && any != 0; i++) {
        const bool is_first = (v[i] != wanted) & (differs[i] < 0);
        outcome[i] = is_first ? v[i] : outcome[i];
        differs[i] = is_first ? guard : differs[i];
    }
    return any != 0;
}
