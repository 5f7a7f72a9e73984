/*
 * transform.h - derivatives of programs, as programs.
 *
 * Both transforms append to a builder, into which the primal was put with
 * ad_builder_inline; the rules are those of the tape (ops.def, rules.c), reached
 * through ad_apply. So a derivative can be differentiated again.
 */
#ifndef AD_TRANSFORM_H
#define AD_TRANSFORM_H

#include "builder.h"

/*
 * Reverse: adjoints of the inputs that are wanted, for seeds of the outputs.
 *
 *   values     of p in the builder
 *   is_wanted  for each input of p
 *   seeds      for each output, in its shape
 *   x_bar      for each input: its adjoint, new reference; not set where has_x_bar
 *              says false: not wanted, or no output depends on it
 */
ad_status ad_transform_reverse(ad_builder *b, const ad_program *p,
                               const ad_value *values, const bool *is_wanted,
                               const ad_value *seeds, ad_value *x_bar, bool *has_x_bar);

/* Forward: tangents of the outputs for tangents of inputs; has_x_dot says which
 * inputs have one. */
ad_status ad_transform_forward(ad_builder *b, const ad_program *p,
                               const ad_value *values, const ad_value *x_dot,
                               const bool *has_x_dot, ad_value *z_dot, bool *has_z_dot);

#endif
