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

/*
 * The same into memory at hand, z, whose shape is the right one, for each of n_lanes
 * lanes; checks nothing and allocates nothing. hook may be NULL, and is not called
 * with several lanes. Not for RESHAPE and STOP.
 */
void ad_structural_run(int op, int n_args, const ad_span *args, const ad_attr *attr,
                       int64_t n_lanes, ad_matmul_hook hook, const ad_span *z);

/* May it call the hook, with one lane? */
bool ad_structural_wants_hook(int op, const ad_span *args, const ad_attr *attr);

/* Each element's share of the maximum it falls on: 1/ties, 0 elsewhere; NaN
 * maxima belong to the NaN elements. New reference. */
ad_status ad_structural_shares(const ad_array *x, const ad_array *z,
                               const ad_attr *attr, ad_array **shares);

#endif
