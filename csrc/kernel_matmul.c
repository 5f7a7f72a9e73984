/*
 * kernel_matmul.c - small dense products and sums.
 *
 * A product is made in tiles of ROWS x COLS sums that stay in registers while they
 * run down a panel of b, COLS columns wide. The panel is read in place where b's
 * rows hold COLS elements side by side; else (a transposed b, its last columns) it
 * is packed first, padded with zeros. Made for the sizes of small networks, where a
 * call into a BLAS costs more than the product; large products go to the upper
 * layer's (see structural.c).
 */
#include "kernel.h"

#include "kernel_math.h"

enum { ROWS = 4, COLS = 8, DEPTH = 256 };

#define TILE_NAME(name) name##_any
#if defined(__GNUC__)
#define TILE_LANES 2
#else
#define TILE_LANES 1
#endif
#include "kernel_tile.def"

#ifdef AD_HAVE_TARGET_CLONES
#pragma GCC push_options
#pragma GCC target("avx2")
#define TILE_NAME(name) name##_avx2
#define TILE_LANES 4
#include "kernel_tile.def"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f")
#define TILE_NAME(name) name##_avx512
#define TILE_LANES 8
#include "kernel_tile.def"
#pragma GCC pop_options
#endif

static void rows(int64_t m, int64_t cols, int64_t k, const double *a, int64_t row,
                 int64_t col, const double *panel, int64_t ldp, double *restrict c,
                 int64_t ldc)
{
#ifdef AD_HAVE_TARGET_CLONES
    if (__builtin_cpu_supports("avx512f"))
        rows_avx512(m, cols, k, a, row, col, panel, ldp, c, ldc);
    else if (__builtin_cpu_supports("avx2"))
        rows_avx2(m, cols, k, a, row, col, panel, ldp, c, ldc);
    else
#endif
        rows_any(m, cols, k, a, row, col, panel, ldp, c, ldc);
}

/* b[0..k) [0..cols), whose element (p, j) is at b[p * row + j * col], as rows of COLS. */
static void pack(int64_t k, int64_t cols, const double *b, int64_t row, int64_t col,
                 double *panel)
{
    for (int64_t p = 0; p < k; p++)
        for (int64_t j = 0; j < COLS; j++)
            panel[p * COLS + j] = j < cols ? b[p * row + j * col] : 0.0;
}

void ad_kernel_matmul(int64_t m, int64_t n, int64_t k, const double *a, bool trans_a,
                      const double *b, bool trans_b, double *restrict c)
{
    if (n == 1 && trans_a) { /* c' = b' a, along the rows of a as it lies */
        ad_kernel_matmul(1, m, k, b, false, a, false, c);
        return;
    }
    double packed[DEPTH * COLS];
    const int64_t a_row = trans_a ? 1 : k, a_col = trans_a ? m : 1;
    const int64_t b_row = trans_b ? 1 : n, b_col = trans_b ? k : 1;
    for (int64_t p = 0; p < k; p += DEPTH)
        for (int64_t j = 0; j < n; j += COLS) {
            const int64_t depth = k - p < DEPTH ? k - p : DEPTH;
            const int64_t cols = n - j < COLS ? n - j : COLS;
            const double *panel = b + p * b_row + j * b_col;
            const bool is_packed = trans_b || cols < COLS;
            if (is_packed)
                pack(depth, cols, panel, b_row, b_col, packed);
            rows(m, cols, depth, a + p * a_col, a_row, a_col,
                 is_packed ? packed : panel, is_packed ? COLS : b_row, c + j, n);
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
