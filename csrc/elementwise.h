/*
 * elementwise.h - rows of ops.def applied to arrays and scalars that broadcast.
 */
#ifndef AD_ELEMENTWISE_H
#define AD_ELEMENTWISE_H

#include "tape.h"

/* The row that does the same to an array x and a scalar y for less: a square needs no
 * logarithm. */
static inline int ad_elementwise_cheapest(int op, double y)
{
    return op == AD_OP_POW && y == 2.0 ? AD_OP_SQUARE : op;
}

/* out = op(args), at least one of which is an array. out->array is new. */
ad_status ad_elementwise_value(ad_message *message, int op, int n_args,
                               const ad_value *args, ad_value *out);

/*
 * out = partial_k(args, result) * g by the sweep rule, or out += that with `adds`.
 * All have the shape of g, which is the result's; out may be g.
 * `result` and args that the partial does not read may be ghosts.
 */
void ad_elementwise_product(int op, int k, const ad_value *args, const ad_array *result,
                            const ad_array *g, bool is_strict, bool adds,
                            ad_array *out);

#endif
