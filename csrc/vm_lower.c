/*
 * vm_lower.c - ad_vm_lower of vm_code.h: what only derivatives would read is left out.
 */
#include <stdlib.h>

#include "builder.h"
#include "vm_code.h"

static bool has_calls(const ad_program *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (p->instr[i].op == AD_OP_CALL)
            return true;
    return false;
}

static ad_status lower(ad_builder *b, const ad_program *p, ad_value *inputs,
                       ad_value *values, ad_value *outputs, ad_program **made)
{
    ad_status status = AD_OK;
    b->drops_calls = true;
    for (uint32_t k = 0; k < p->n_inputs && status == AD_OK; k++) {
        uint32_t value;
        status = ad_builder_input(b, ad_program_shape(p, k), &value);
        if (status == AD_OK)
            inputs[k] = ad_builder_value(b, value);
    }
    if (status == AD_OK)
        status = ad_builder_inline(b, p, inputs, values);
    for (uint32_t k = 0; k < p->n_outputs; k++)
        outputs[k] = values[p->outputs[k]];
    return status == AD_OK ? ad_builder_finish(b, p->n_outputs, outputs, true, made)
                           : status;
}

ad_program *ad_vm_lower(ad_program *p)
{
    if (!has_calls(p))
        return ad_program_keep(p);
    ad_program *made = NULL;
    ad_builder *b = ad_builder_new(false);
    ad_value *inputs = calloc((size_t)p->n_inputs + 1, sizeof *inputs);
    ad_value *values = calloc((size_t)p->n + 1, sizeof *values);
    ad_value *outputs = calloc((size_t)p->n_outputs + 1, sizeof *outputs);
    if (b != NULL && inputs != NULL && values != NULL && outputs != NULL &&
        lower(b, p, inputs, values, outputs, &made) != AD_OK)
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
