/*
 * rules_call.c - adjoint and tangent of a CALL: the programs that it brings, applied to
 * the tape; for rules.c.
 */
#include <stdlib.h>

#include "apply.h"
#include "call.h"
#include "kernel.h"
#include "rules.h"

static ad_status has_rules(ad_tape *tape, const ad_call *call)
{
    return call->adjoint != NULL
               ? AD_OK
               : ad_fail(&tape->message, AD_NO_TANGENT,
                         "a function with a custom derivative that calls itself is "
                         "recorded for derivatives up to order 4; differentiate fewer "
                         "times, or let its rule call another function");
}

/* Output `k` of a program applied to inputs. New reference. */
static ad_status apply_program(ad_tape *tape, const ad_program *p,
                               const ad_value *inputs, uint32_t k, ad_value *out)
{
    ad_value *values = calloc((size_t)p->n + 1, sizeof *values);
    if (values == NULL)
        return AD_NO_MEMORY;
    ad_status status = ad_program_replay(tape, p, inputs, values);
    if (status == AD_OK) {
        *out = values[p->outputs[k]];
        if (out->array != NULL)
            ad_array_keep(out->array);
    }
    for (uint32_t i = 0; i < p->n; i++)
        ad_value_drop(&values[i]);
    free(values);
    return status;
}

/* Context operands, behind the n inputs that are there. */
static void fill_context(const ad_node *node, const ad_call *call, ad_value *inputs)
{
    for (int k = 1 + (int)call->n_active; k < node->n_args; k++)
        *inputs++ =
            (ad_value){node->args[k].scalar, node->args[k].array, node->args[k].entry};
}

ad_status ad_rule_call_adjoint(ad_tape *tape, const ad_node *node, int k,
                               const ad_value *z, const ad_value *z_bar, ad_value *out)
{
    const ad_call *call = node->attr.call;
    ad_status status = has_rules(tape, call);
    if (status != AD_OK)
        return status;
    ad_value *inputs = calloc((size_t)node->n_args + 2, sizeof *inputs);
    if (inputs == NULL)
        return AD_NO_MEMORY;
    inputs[0] = *z;
    inputs[1] = *z_bar;
    fill_context(node, call, inputs + 2);
    status = apply_program(tape, call->adjoint, inputs, (uint32_t)k - 1, out);
    free(inputs);
    return status;
}

/* Zeros in the shape of operand k. */
static ad_status zeros_like(const ad_node *node, int k, ad_value *out)
{
    const ad_array *shape = node->args[k].array;
    *out = (ad_value){0.0, NULL, AD_NONE};
    if (shape == NULL)
        return AD_OK;
    if ((out->array = ad_array_new(shape->ndim, shape->shape)) == NULL)
        return AD_NO_MEMORY;
    ad_kernel_fill(out->array->size, 0.0, out->array->data);
    return AD_OK;
}

ad_status ad_rule_call_tangent(ad_tape *tape, const ad_node *node, const ad_value *z,
                               const ad_value *x_dot, const bool *is_active,
                               ad_value *out)
{
    const ad_call *call = node->attr.call;
    ad_status status = has_rules(tape, call);
    if (status != AD_OK)
        return status;
    ad_value *inputs = calloc((size_t)node->n_args + 2, sizeof *inputs);
    if (inputs == NULL)
        return AD_NO_MEMORY;
    const int n = (int)call->n_active;
    inputs[0] = *z;
    for (int k = 1; k <= n && status == AD_OK; k++) {
        if (is_active[k])
            inputs[k] = x_dot[k];
        else
            status = zeros_like(node, k, &inputs[k]);
    }
    fill_context(node, call, inputs + 1 + n);
    if (status == AD_OK)
        status = apply_program(tape, call->tangent, inputs, 0, out);
    for (int k = 1; k <= n; k++)
        if (!is_active[k])
            ad_value_drop(&inputs[k]);
    free(inputs);
    return status;
}
