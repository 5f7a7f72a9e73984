/*
 * structural.h - values of the operations of structural.def.
 */
#ifndef AD_STRUCTURAL_H
#define AD_STRUCTURAL_H

#include "tape.h"

/*
 * z = op(args), of the shape that op and attr imply. New reference; 0-d results
 * are arrays of no axes here. Shapes are checked where arguments alone decide
 * (CAT, MATMUL); strides and indices come from the upper layer, in range.
 */
ad_status ad_structural_value(ad_message *message, int op, int n_args,
                              const ad_array *const *args, const ad_attr *attr,
                              ad_matmul_hook matmul, ad_array **z);

/* Each element's share of the maximum it falls on: 1/ties, 0 elsewhere; NaN
 * maxima belong to the NaN elements. New reference. */
ad_status ad_structural_shares(const ad_array *x, const ad_array *z,
                               const ad_attr *attr, ad_array **shares);

#endif
