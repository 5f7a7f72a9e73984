/*
 * linalg.h - values of the linear algebra rows of structural.def.
 *
 * The core knows shapes; the decompositions themselves are the upper layer's
 * (tape->linalg), which has a LAPACK. Operands are matrices or batches of them, in
 * the last two axes. Results that belong together lie in one array:
 *
 *     EIGH     (..., 1 + n, n)       w as a row, then the columns of V
 *     SVD      (..., 1 + m + n, k)   s as a row, then U (m, k), then V (n, k)
 *     SLOGDET  (..., 2)              sign, log |det x|
 */
#ifndef AD_LINALG_H
#define AD_LINALG_H

#include "tape.h"

bool ad_linalg_has(int op);

/* What the rule of operand k reads: bits AD_USES_X, _Y and _Z. */
uint8_t ad_linalg_uses(int op, int k);

/* Shape of the result, up to AD_MAX_NDIM extents; of the operands only shapes are read. */
ad_status ad_linalg_shape(ad_message *message, int op, const ad_array *const *args,
                          const ad_attr *attr, int *ndim, int64_t *shape);

/* z = op(args), of the shape that op and args imply. New reference. */
ad_status ad_linalg_value(ad_message *message, int op, const ad_array *const *args,
                          const ad_attr *attr, ad_linalg_hook hook, ad_array **z);

#endif
