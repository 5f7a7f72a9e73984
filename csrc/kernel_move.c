/*
 * kernel_move.c - loops that fill and add up, without a row of their own.
 */
#include "kernel.h"

#include "kernel_math.h"

AD_CLONES void ad_kernel_fill(int64_t n, double value, double *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = value;
}

AD_CLONES void ad_kernel_add(int64_t n, const double *x, double *to)
{
    AD_SAME_INDEX
    for (int64_t i = 0; i < n; i++)
        to[i] += x[i];
}
