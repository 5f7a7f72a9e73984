/*
 * pool.h - which element of each window is the largest.
 *
 * Plain loops over elements; they know no tape and no tensor. Max pooling is a gather at
 * what is found here, so its derivative is that of a gather.
 */
#ifndef AD_POOL_H
#define AD_POOL_H

#include <stdint.h>

/* Windows over the last two axes of (n, height, width): one for each of rows x columns
 * places, `stride` apart, of kernel[0] x kernel[1] elements, `dilation` apart. All of
 * them lie inside. */
typedef struct ad_pool {
    int64_t n, height, width;
    int64_t rows, columns;
    int64_t kernel[2], stride[2], dilation[2];
} ad_pool;

/* positions[i] = flat position in x of the first largest element of window i, in reading
 * order; of the first NaN if there is one. */
void ad_pool_winners(const ad_pool *pool, const double *x, int64_t *positions);

#endif
