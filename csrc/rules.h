/*
 * rules.h - adjoint and tangent of the operations of structural.def.
 *
 * Each rule is written once, in terms of ad_apply: with the tape at rest it
 * computes numbers, with the tape recording it records a graph that can be
 * differentiated again.
 */
#ifndef AD_RULES_H
#define AD_RULES_H

#include "tape.h"

/* out = contribution of z_bar to operand k of the node, whose result is z (a ghost
 * where no rule reads it). Not for CUSTOM. */
ad_status ad_rule_adjoint(ad_tape *tape, int op, const ad_node *node, int k,
                          const ad_value *z, const ad_value *z_bar, ad_value *out);

/*
 * out = tangent of the node's result for tangents x_dot of its operands, given in
 * the operands' shapes; those that are passive have is_active[k] false.
 */
ad_status ad_rule_tangent(ad_tape *tape, int op, const ad_node *node, const ad_value *z,
                          const ad_value *x_dot, const bool *is_active, ad_value *out);

/* The same for the rows of linalg.h. */
ad_status ad_rule_linalg_adjoint(ad_tape *tape, int op, const ad_node *node, int k,
                                 const ad_value *z, const ad_value *z_bar,
                                 ad_value *out);
ad_status ad_rule_linalg_tangent(ad_tape *tape, int op, const ad_node *node,
                                 const ad_value *z, const ad_value *x_dot,
                                 const bool *is_active, ad_value *out);

/* The same for CALL. */
ad_status ad_rule_call_adjoint(ad_tape *tape, const ad_node *node, int k,
                               const ad_value *z, const ad_value *z_bar, ad_value *out);
ad_status ad_rule_call_tangent(ad_tape *tape, const ad_node *node, const ad_value *z,
                               const ad_value *x_dot, const bool *is_active,
                               ad_value *out);

#endif
