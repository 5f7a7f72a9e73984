/*
 * infer.h - the shape of a result from shapes of operands, for programs that are
 * built and verified without computing anything.
 */
#ifndef AD_INFER_H
#define AD_INFER_H

#include "tape.h"

/* *shape: new reference to a ghost (or any array of the shape), NULL for a scalar.
 * Of the operands only shapes are read. */
ad_status ad_infer_shape(ad_message *message, int op, int n_args, const ad_value *args,
                         const ad_attr *attr, ad_array **shape);

#endif
