/*
 * simplify.h - what need not be computed because it is an operand, or something
 * cheaper with the same bits.
 *
 * Nothing is folded that IEEE would not fold: not x * 0, not x - x, not x + 0.
 */
#ifndef AD_SIMPLIFY_H
#define AD_SIMPLIFY_H

#include "tape.h"

/* *out (new reference) is op(args) if that is simpler than an instruction for it;
 * false if there is nothing to simplify. Some operand is a value of a program. */
bool ad_simplify(ad_tape *tape, int op, int n_args, const ad_value *args,
                 const ad_attr *attr, ad_value *out);

#endif
