/*
 * minors.c - see minors.h. Counting, no arithmetic on elements.
 */
#include "minors.h"

/* Two different numbers below n as a pair's place among all pairs. */
static int64_t pair_of(int64_t n, int64_t a, int64_t b)
{
    const int64_t low = a < b ? a : b, high = a < b ? b : a;
    return low * n - low * (low + 1) / 2 + high - low - 1;
}

/* The r-th number that is neither of two, the lower first. */
static int64_t skipping(int64_t r, int64_t low, int64_t high)
{
    r += r >= low;
    return r + (r >= high);
}

void ad_minors_elements(int64_t n, int64_t *at)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = i + 1; k < n; k++)
            for (int64_t j = 0; j < n; j++)
                for (int64_t l = j + 1; l < n; l++)
                    for (int64_t e = 0; e < (n - 2) * (n - 2); e++)
                        *at++ = skipping(e / (n - 2), i, k) * n +
                                skipping(e % (n - 2), j, l);
}

void ad_minors_terms(int64_t n, int64_t *minor, double *sign, int64_t *element)
{
    const int64_t n_pairs = n * (n - 1) / 2, m = n - 1;
    for (int64_t t = 0; t < n * n * m * m; t++) {
        const int64_t i = t / (n * m * m), j = t / (m * m) % n;
        const int64_t in_row = t / m % m,
                      in_column = t % m; /* within the cofactor's minor */
        const int64_t k = in_row + (in_row >= i), l = in_column + (in_column >= j);
        minor[t] = pair_of(n, i, k) * n_pairs + pair_of(n, j, l);
        sign[t] = (i + j + in_row + in_column) % 2 == 0 ? 1.0 : -1.0;
        element[t] = k * n + l;
    }
}
