/*
 * apply.h - run an operation on values and record it.
 *
 * This is the one door to the tape: the upper layer, the structural rules and the
 * symbolic derivatives of rows all go through ad_apply, so whether something is
 * recorded is decided in one place, by tape->is_recording and the operands.
 */
#ifndef AD_APPLY_H
#define AD_APPLY_H

#include "formula.h"
#include "tape.h"

/*
 * out = op(args). Args and what attr points to are borrowed; out->array is a new
 * reference. attr may be NULL for elementwise rows. Nothing on the tape moves.
 */
ad_status ad_apply(ad_tape *tape, int op, int n_args, const ad_value *args,
                   const ad_attr *attr, ad_value *out);

/* The same, computed only: nothing is recorded, out->entry is AD_NONE. */
ad_status ad_apply_value(ad_tape *tape, int op, int n_args, const ad_value *args,
                         const ad_attr *attr, ad_value *out);

/* Record `out` as the result of op without computing it (CUSTOM). */
ad_status ad_record(ad_tape *tape, int op, int n_args, const ad_value *args,
                    const ad_attr *attr, ad_value *out);

/*
 * out = partial_k * g by the sweep rule, for an elementwise row with operands
 * args and result z; recorded, from the row's formula, when the tape records.
 * g has the shape of z. out->array is a new reference; where nobody else sees g,
 * is_last allows it to be g's array, overwritten.
 */
ad_status ad_apply_partial(ad_tape *tape, int op, int k, int n_args,
                           const ad_value *args, const ad_value *z, const ad_value *g,
                           bool is_strict, bool is_last, ad_value *out);

/* sum += partial_k * g in one pass, for an array g of sum's shape; not recorded. */
void ad_apply_partial_add(int op, int k, int n_args, const ad_value *args,
                          const ad_value *z, const ad_value *g, bool is_strict,
                          ad_array *sum);

/* g added up to `shape` (NULL: a scalar), or repeated to it. */
ad_status ad_apply_sum_to(ad_tape *tape, const ad_value *g, const ad_array *shape,
                          ad_value *out);
ad_status ad_apply_broadcast_to(ad_tape *tape, const ad_value *g, const ad_array *shape,
                                ad_value *out);

/* to += g, with `to` empty at first (is_set false). Takes g's reference. */
ad_status ad_apply_accumulate(ad_tape *tape, ad_value *to, bool is_set, ad_value *g);

static inline void ad_value_drop(ad_value *v)
{
    ad_array_drop(v->array);
    v->array = NULL;
}

#endif
