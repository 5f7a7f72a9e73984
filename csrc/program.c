/*
 * program.c - see program.h. Verification is in program_verify.c.
 */
#include "program.h"

#include "call.h"
#include "scan.h"

#include <stdlib.h>

static void drop_extra(ad_extra *extra)
{
    free((void *)extra->attr.strides);
    ad_index_drop(extra->attr.index);
    ad_array_drop(extra->attr.aux);
    ad_scan_drop(extra->attr.scan);
    ad_call_drop(extra->attr.call);
    ad_array_drop(extra->value);
}

void ad_program_drop(ad_program *p)
{
    if (p == NULL || --p->refs > 0)
        return;
    for (uint32_t i = 0; i < p->n_shapes; i++)
        ad_array_drop(p->shapes[i]);
    for (uint32_t i = 0; i < p->n_extras; i++)
        drop_extra(&p->extras[i]);
    free(p->instr);
    free(p->operands);
    free(p->shapes);
    free(p->extras);
    free(p->outputs);
    free(p->guards);
    free(p);
}

ad_attr ad_program_attr(const ad_program *p, uint32_t i)
{
    ad_attr attr = {0};
    if (p->instr[i].extra != AD_NONE)
        attr = p->extras[p->instr[i].extra].attr;
    attr.shape = ad_program_shape(p, i);
    return attr;
}
