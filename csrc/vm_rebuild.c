/*
 * vm_rebuild.c - ad_vm_rebuild of vm_code.h: how a program becomes another one, which is run
 * in its place. For vm_lower.c, vm_widen.c and vm_merge.c.
 */
#include <stdlib.h>

#include "builder.h"
#include "vm_code.h"

static ad_status rebuild(ad_builder *b, const ad_program *p, ad_vm_fill fill,
                         void *context, ad_value *inputs, ad_value *values,
                         ad_value *outputs, ad_program **made)
{
    ad_status status = AD_OK;
    for (uint32_t k = 0; k < p->n_inputs && status == AD_OK; k++) {
        uint32_t value;
        status = ad_builder_input(b, ad_program_shape(p, k), &value);
        if (status == AD_OK)
            inputs[k] = ad_builder_value(b, value);
    }
    if (status == AD_OK)
        status = fill(b, p, inputs, values, context);
    b->line = 0;
    if (status == AD_OK)
        status = ad_builder_guards(b, p, values);
    for (uint32_t k = 0; k < p->n_outputs; k++)
        outputs[k] = values[p->outputs[k]];
    return status == AD_OK ? ad_builder_finish(b, p->n_outputs, outputs, true, made)
                           : status;
}

ad_program *ad_vm_rebuild(const ad_program *p, ad_vm_fill fill, void *context)
{
    ad_program *made = NULL;
    ad_builder *b = ad_builder_new(false);
    ad_value *inputs = calloc((size_t)p->n_inputs + 1, sizeof *inputs);
    ad_value *values = calloc((size_t)p->n + 1, sizeof *values);
    ad_value *outputs = calloc((size_t)p->n_outputs + 1, sizeof *outputs);
    if (b != NULL && inputs != NULL && values != NULL && outputs != NULL &&
        rebuild(b, p, fill, context, inputs, values, outputs, &made) != AD_OK)
        made = NULL;
    if (values != NULL)
        ad_values_drop(p->n, values);
    if (inputs != NULL)
        ad_values_drop(p->n_inputs, inputs);
    free(inputs);
    free(values);
    free(outputs);
    ad_builder_free(b);
    return made;
}
