/*
 * sparsity.h - which elements of the outputs depend on which elements of the inputs.
 *
 * The pattern is that of the derivative: what passes through a row whose partial is
 * always zero (comparisons, floor, the sign) does not count, nor does a product with a
 * constant that is exactly zero. Of a gradient's program it is the Hessian's pattern.
 */
#ifndef AD_SPARSITY_H
#define AD_SPARSITY_H

#include "program.h"

/* Rows and columns of a matrix, without values: row i has columns[starts[i] ..
 * starts[i + 1]), sorted. Both arrays are malloc's. */
typedef struct ad_pattern {
    int64_t n_rows, n_columns;
    int64_t *starts;
    int32_t *columns;
} ad_pattern;

void ad_pattern_free(ad_pattern *pattern);

/*
 * Pattern of the Jacobian of a verified program: rows are the elements of the wanted
 * outputs one after another, columns those of the wanted inputs.
 *
 * Cost: about one union of small sets for each element that is computed; sets that are
 * equal are one, and large ones are not looked into until the end.
 */
ad_status ad_sparsity_jacobian(const ad_program *p, const bool *is_wanted_input,
                               const bool *is_wanted_output, ad_pattern *pattern,
                               ad_message *message);

#endif
