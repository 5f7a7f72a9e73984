/*
 * call.h - calls with derivatives of their own, in programs.
 *
 * The value of a CALL is its first operand, which the program has computed: running a
 * program never looks further. What differentiates does, and takes from here:
 *
 *      operands         value   active ...   context ...
 *
 *      adjoint          (z, z_bar, context ...)      -> x_bar of each active operand
 *      tangent          (z, x_dot ..., context ...)  -> z_dot
 *
 * z is the result of the CALL itself, so that a derivative of the derivative comes back
 * to it. Both programs are linear in what is barred or dotted, and have no guards. Where
 * there are none, the call stands so deep in derivatives of itself that none were made.
 */
#ifndef AD_CALL_H
#define AD_CALL_H

#include "program.h"

typedef struct ad_call {
    int64_t refs;
    ad_program *adjoint, *tangent; /* owned; both, or neither */
    uint32_t n_active;
} ad_call;

/* A copy of a description, with references to its programs. NULL: no memory. */
ad_call *ad_call_new(const ad_call *like);
void ad_call_drop(ad_call *call); /* NULL will do */

static inline ad_call *ad_call_keep(ad_call *call)
{
    call->refs++;
    return call;
}

/* Does a derivative pass through operand k? */
static inline bool ad_call_passes(const ad_call *call, int k)
{
    return k >= 1 && (uint32_t)k <= call->n_active;
}

#endif
