/*
 * coloring.h - which columns of a sparse matrix can share one sweep.
 *
 * Patterns are given by rows: row i has columns[starts[i] .. starts[i + 1]), sorted.
 * Colours are numbers from 0. All are greedy: first fit in the order of the columns,
 * and again from the column with most neighbours down; the better is kept.
 */
#ifndef AD_COLORING_H
#define AD_COLORING_H

#include "status.h"

#include <stdbool.h>
#include <stdint.h>

/* The transposed pattern. t_starts: room for n_columns + 1; t_columns: for all. */
void ad_pattern_transpose(int32_t n_rows, int32_t n_columns, const int64_t *starts,
                          const int32_t *columns, int64_t *t_starts,
                          int32_t *t_columns);

/*
 * No two columns of a colour have an entry in one row, so that a product with the sum
 * of the colour's unit vectors holds each of its entries alone. Where a row has more
 * than half of all columns, and many, each column gets a colour of its own, which is at most
 * twice the least.
 */
ad_status ad_color_columns(int32_t n_rows, int32_t n_columns, const int64_t *starts,
                           const int32_t *columns, int32_t *color, int32_t *n_colors);

/*
 * Star colouring of a symmetric pattern: neighbours differ, and no path of four has two
 * colours alone. So of each pair of entries (i, j) and (j, i) one stands alone in a
 * product with the sum of a colour's unit vectors.
 */
ad_status ad_color_star(int32_t n, const int64_t *starts, const int32_t *columns,
                        int32_t *color, int32_t *n_colors);

/*
 * Where in the products (n_colors, n) of a symmetric matrix each of its entries is to
 * be read. False: an entry stands alone nowhere, the colouring is not for this pattern.
 */
ad_status ad_color_read(int32_t n, int32_t n_colors, const int64_t *starts,
                        const int32_t *columns, const int32_t *color, int64_t *at,
                        bool *is_complete);

#endif
