/*
 * transform_scan.h - derivatives of loops, as loops; for transform.c.
 *
 * The reverse of a loop is a loop over the same steps backwards, whose body is the
 * reverse of the body, and whose carry is the adjoint of the carry; it reads the carry
 * that each step began with, which the loop has kept (ad_builder.keeps_carry). The
 * tangent of a loop is a loop whose body computes tangents beside values.
 */
#ifndef AD_TRANSFORM_SCAN_H
#define AD_TRANSFORM_SCAN_H

#include "builder.h"
#include "scan.h"

/*
 * x_bar[k] (new references, where has_x_bar[k]) = adjoint of operand k for that of the
 * result z, which a loop of the builder made. is_active: of operands.
 */
ad_status ad_scan_reverse(ad_builder *b, const ad_value *args, const bool *is_active,
                          const ad_value *z, const ad_value *z_bar, ad_value *x_bar,
                          bool *has_x_bar);

/* z_dot (new reference) = tangent of the result for tangents of operands, given where
 * has_x_dot says so. */
ad_status ad_scan_forward(ad_builder *b, const ad_value *args, const ad_value *z,
                          const ad_value *x_dot, const bool *has_x_dot,
                          ad_value *z_dot);

#endif
