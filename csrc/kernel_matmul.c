/*
 * kernel_matmul.c - small dense products and sums.
 *
 * Rows of c are formed four at a time from rows of b, the inner loop along
 * contiguous memory, in panels of b that stay in the first-level cache. Made for
 * the sizes of small networks, where a call into a BLAS costs more than the
 * product; large products are handed to the upper layer's (see structural.c).
 */
#include "kernel.h"

#include "kernel_math.h"

enum { PANEL = 256, DEPTH = 64 };

/* Four rows of c at once: each row of b is read once for four of a. */
static inline void rows4(int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc,
                         const double *a, const double *b, double *restrict c)
{
    double *restrict c0 = c, *restrict c1 = c + ldc;
    double *restrict c2 = c + 2 * ldc, *restrict c3 = c + 3 * ldc;
    for (int64_t p = 0; p < k; p++) {
        const double a0 = a[p], a1 = a[lda + p];
        const double a2 = a[2 * lda + p], a3 = a[3 * lda + p];
        const double *row = b + p * ldb;
        for (int64_t j = 0; j < n; j++) {
            c0[j] += a0 * row[j];
            c1[j] += a1 * row[j];
            c2[j] += a2 * row[j];
            c3[j] += a3 * row[j];
        }
    }
}

static inline void rows1(int64_t n, int64_t k, int64_t ldb, const double *a,
                         const double *b, double *restrict c)
{
    for (int64_t p = 0; p < k; p++) {
        const double *row = b + p * ldb;
        for (int64_t j = 0; j < n; j++)
            c[j] += a[p] * row[j];
    }
}

AD_CLONES void ad_kernel_matmul(int64_t m, int64_t n, int64_t k, const double *a,
                                const double *b, double *restrict c)
{
    for (int64_t j = 0; j < n; j += PANEL) {
        int64_t nj = n - j < PANEL ? n - j : PANEL;
        for (int64_t p = 0; p < k; p += DEPTH) {
            int64_t np = k - p < DEPTH ? k - p : DEPTH;
            int64_t i = 0;
            for (; i + 4 <= m; i += 4)
                rows4(nj, np, k, n, n, a + i * k + p, b + p * n + j, c + i * n + j);
            for (; i < m; i++)
                rows1(nj, np, n, a + i * k + p, b + p * n + j, c + i * n + j);
        }
    }
}

enum { LEAF_SIZE = 128, LANES = 8 };

AD_CLONES static double sum_block(int64_t n, const double *x)
{
    double lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] += x[i + j];
    double sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
                 ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    for (; i < n; i++)
        sum += x[i];
    return sum;
}

/* Partial sums of 2^j blocks wait in stack[j], as digits of a binary counter. */
double ad_kernel_sum(int64_t n, const double *x)
{
    double stack[64];
    int64_t n_blocks = 0;
    int depth = 0;
    for (int64_t i = 0; i < n; i += LEAF_SIZE) {
        double sum = sum_block(n - i < LEAF_SIZE ? n - i : LEAF_SIZE, x + i);
        for (int64_t b = n_blocks++; b & 1; b >>= 1)
            sum = stack[--depth] + sum;
        stack[depth++] = sum;
    }
    double sum = depth > 0 ? stack[--depth] : 0.0;
    while (depth > 0)
        sum = stack[--depth] + sum;
    return sum;
}
