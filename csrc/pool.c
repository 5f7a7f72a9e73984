/*
 * pool.c - see pool.h.
 */
#include "pool.h"

static int64_t winner(const ad_pool *pool, const double *x, int64_t first)
{
    int64_t best = first;
    for (int64_t i = 0; i < pool->kernel[0]; i++) {
        int64_t at = first + i * pool->dilation[0] * pool->width;
        for (int64_t j = 0; j < pool->kernel[1]; j++, at += pool->dilation[1])
            /* Not "x[at] > x[best]": a NaN wins, and keeps what it won. */
            if (!(x[at] <= x[best]) && x[best] == x[best])
                best = at;
    }
    return best;
}

void ad_pool_winners(const ad_pool *pool, const double *x, int64_t *positions)
{
    for (int64_t k = 0; k < pool->n; k++)
        for (int64_t i = 0; i < pool->rows; i++) {
            int64_t first = (k * pool->height + i * pool->stride[0]) * pool->width;
            for (int64_t j = 0; j < pool->columns; j++, first += pool->stride[1])
                *positions++ = winner(pool, x, first);
        }
}
