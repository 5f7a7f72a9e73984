/*
 * call.c - see call.h.
 */
#include "call.h"

#include <stdlib.h>

ad_call *ad_call_new(const ad_call *like)
{
    ad_call *call = malloc(sizeof *call);
    if (call == NULL)
        return NULL;
    *call = *like;
    call->refs = 1;
    if (call->adjoint != NULL) {
        ad_program_keep(call->adjoint);
        ad_program_keep(call->tangent);
    }
    return call;
}

void ad_call_drop(ad_call *call)
{
    if (call == NULL || --call->refs > 0)
        return;
    ad_program_drop(call->adjoint);
    ad_program_drop(call->tangent);
    free(call);
}
