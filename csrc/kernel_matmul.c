/*
 * kernel_matmul.c - small dense products.
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

/* Lanes side by side: a sum for each of a few lanes stays in registers. */
AD_CLONES static void dot_lanes(int64_t k, int64_t n_lanes, const double *a,
                                int64_t a_step, const double *b, int64_t b_step,
                                double *restrict c)
{
    int64_t l = 0;
    for (; l + COLS <= n_lanes; l += COLS) {
        double sum[COLS] = {0};
        for (int64_t p = 0; p < k; p++)
            for (int j = 0; j < COLS; j++)
                sum[j] += a[p * a_step + l + j] * b[p * b_step + l + j];
        for (int j = 0; j < COLS; j++)
            c[l + j] = sum[j];
    }
    for (; l < n_lanes; l++) {
        double sum = 0.0;
        for (int64_t p = 0; p < k; p++)
            sum += a[p * a_step + l] * b[p * b_step + l];
        c[l] = sum;
    }
}

void ad_kernel_matmul_lanes(int64_t m, int64_t n, int64_t k, const double *a,
                            bool trans_a, const double *b, bool trans_b,
                            int64_t n_lanes, double *restrict c)
{
    const int64_t a_row = trans_a ? 1 : k, a_col = trans_a ? m : 1;
    const int64_t b_row = trans_b ? 1 : n, b_col = trans_b ? k : 1;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            dot_lanes(k, n_lanes, a + i * a_row * n_lanes, a_col * n_lanes,
                      b + j * b_col * n_lanes, b_row * n_lanes,
                      c + (i * n + j) * n_lanes);
}
