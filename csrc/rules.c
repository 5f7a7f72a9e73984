/*
 * rules.c - see rules.h.
 */
#include "rules.h"

#include <stdlib.h>

#include "apply.h"
#include "kernel.h"
#include "linalg.h"

/* What the node saved of operand k. */
static ad_value saved_arg(const ad_node *node, int k)
{
    return (ad_value){node->args[k].scalar, node->args[k].array, node->args[k].entry};
}

static ad_status adjoint_cat(ad_tape *tape, const ad_node *node, int k,
                             const ad_value *z_bar, ad_value *out)
{
    const ad_array *z = z_bar->array;
    int64_t strides[AD_MAX_NDIM];
    ad_attr attr = {.shape = node->args[k].array, .strides = strides};
    ad_shape_strides(z->ndim, z->shape, z->ndim, z->shape, strides);
    int64_t step = 1; /* along the axis, also where its extent is 1 */
    for (int i = node->attr.axis + 1; i < z->ndim; i++)
        step *= z->shape[i];
    for (int j = 0; j < k; j++)
        attr.offset += node->args[j].array->shape[node->attr.axis] * step;
    return ad_apply(tape, AD_OP_STRIDED, 1, z_bar, &attr, out);
}

/* z = X Y with X = x or x', Y = y or y': x_bar = z_bar Y' or its transpose. */
static ad_status adjoint_matmul(ad_tape *tape, const ad_node *node, int k,
                                const ad_value *z_bar, ad_value *out)
{
    const bool tx = node->attr.trans_x, ty = node->attr.trans_y;
    ad_value other = saved_arg(node, 1 - k), args[2], full;
    ad_attr attr = {0};
    if (k == 0) {
        args[0] = tx ? other : *z_bar;
        args[1] = tx ? *z_bar : other;
        attr.trans_x = tx && ty;
        attr.trans_y = tx || !ty;
    } else {
        args[0] = ty ? *z_bar : other;
        args[1] = ty ? other : *z_bar;
        attr.trans_x = ty || !tx;
        attr.trans_y = ty && tx;
    }
    ad_status status = ad_apply(tape, AD_OP_MATMUL, 2, args, &attr, &full);
    if (status != AD_OK)
        return status;
    status = ad_apply_sum_to(tape, &full, node->args[k].array, out);
    ad_value_drop(&full);
    return status;
}

/* Which x are the extreme that they fell on, 0 or 1; a NaN extreme is that of NaNs. */
static ad_status extremes(ad_tape *tape, const ad_value *x, const ad_value *z,
                          ad_value *out)
{
    ad_value same[2], differs[2], both[2];
    const int ops[] = {AD_OP_EQ, AD_OP_NE, AD_OP_NE};
    const ad_value *const pairs[][2] = {{x, z}, {x, x}, {z, z}};
    ad_value *const to[] = {&same[0], &differs[0], &differs[1]};
    ad_status status = AD_OK;
    int n = 0;
    for (; n < 3 && status == AD_OK; n++) {
        ad_value args[2] = {*pairs[n][0], *pairs[n][1]};
        *to[n] = (ad_value){0.0, NULL, AD_NONE};
        status = ad_apply(tape, ops[n], 2, args, NULL, to[n]);
    }
    if (status == AD_OK &&
        (status = ad_apply(tape, AD_OP_MUL, 2, differs, NULL, &same[1])) == AD_OK) {
        both[0] = same[0], both[1] = same[1];
        status = ad_apply(tape, AD_OP_MAXIMUM, 2, both, NULL, out);
        ad_value_drop(&same[1]);
    }
    while (n-- > 0)
        ad_value_drop(to[n]);
    return status;
}

/* Each x's share of the extreme that it fell on, as an operation on the values: in a
 * program they are not known yet. */
static ad_status recorded_shares(ad_tape *tape, const ad_node *node, ad_value *out)
{
    ad_value x = saved_arg(node, 0), z, spread, is_extreme, count, spread_count;
    ad_attr across = {.shape = x.array, .strides = node->attr.strides};
    ad_attr down = node->attr;
    down.shape = node->result;
    down.object = NULL;
    ad_status status = ad_apply(tape, AD_OP_REDUCE_MAX, 1, &x, &down, &z);
    if (status != AD_OK)
        return status;
    status = ad_apply(tape, AD_OP_STRIDED, 1, &z, &across, &spread);
    ad_value_drop(&z);
    if (status != AD_OK)
        return status;
    status = extremes(tape, &x, &spread, &is_extreme);
    ad_value_drop(&spread);
    if (status != AD_OK)
        return status;
    ad_attr sum = {.shape = node->result, .strides = node->attr.strides};
    status = ad_apply(tape, AD_OP_STRIDED_ADD, 1, &is_extreme, &sum, &count);
    if (status == AD_OK) {
        status = ad_apply(tape, AD_OP_STRIDED, 1, &count, &across, &spread_count);
        ad_value_drop(&count);
    }
    if (status == AD_OK) {
        ad_value args[2] = {is_extreme, spread_count};
        status = ad_apply(tape, AD_OP_DIV, 2, args, NULL, out);
        ad_value_drop(&spread_count);
    }
    ad_value_drop(&is_extreme);
    return status;
}

/* The shares, as a constant where the values are known. New reference. */
static ad_status shares_of(ad_tape *tape, const ad_node *node, ad_value *out)
{
    if (node->attr.aux == NULL)
        return recorded_shares(tape, node, out);
    *out = (ad_value){0.0, ad_array_keep(node->attr.aux), AD_NONE};
    return AD_OK;
}

/* Spread z_bar over the elements that fell on it, then take each one's share. */
static ad_status adjoint_reduce_max(ad_tape *tape, const ad_node *node,
                                    const ad_value *z_bar, ad_value *out)
{
    ad_attr attr = {.shape = node->args[0].array, .strides = node->attr.strides};
    ad_value pair[2];
    ad_status status = ad_apply(tape, AD_OP_STRIDED, 1, z_bar, &attr, &pair[0]);
    if (status != AD_OK)
        return status;
    status = shares_of(tape, node, &pair[1]);
    if (status == AD_OK) {
        status = ad_apply(tape, AD_OP_GUARDED_MUL, 2, pair, NULL, out);
        ad_value_drop(&pair[1]);
    }
    ad_value_drop(&pair[0]);
    return status;
}

ad_status ad_rule_adjoint(ad_tape *tape, int op, const ad_node *node, int k,
                          const ad_value *z, const ad_value *z_bar, ad_value *out)
{
    if (ad_linalg_has(op))
        return ad_rule_linalg_adjoint(tape, op, node, k, z, z_bar, out);
    if (op == AD_OP_CALL)
        return ad_rule_call_adjoint(tape, node, k, z, z_bar, out);
    ad_attr attr = node->attr;
    attr.object = NULL;
    attr.shape = node->args[k].array;
    if (op == AD_OP_CAT)
        return adjoint_cat(tape, node, k, z_bar, out);
    if (op == AD_OP_MATMUL)
        return adjoint_matmul(tape, node, k, z_bar, out);
    if (op == AD_OP_REDUCE_MAX)
        return adjoint_reduce_max(tape, node, z_bar, out);
    if (op == AD_OP_PACK) {
        attr.offset = k;
        return ad_apply(tape, AD_OP_STRIDED, 1, z_bar, &attr, out);
    }
    if (op == AD_OP_PUT && k == 0) {
        ad_value args[2] = {*z_bar, {0.0, NULL, AD_NONE}};
        return ad_apply(tape, AD_OP_PUT, 2, args, &attr, out);
    }
    if (op == AD_OP_CUMSUM)
        attr.reverse = !attr.reverse;
    int adjoint_op = op == AD_OP_STRIDED       ? AD_OP_STRIDED_ADD
                     : op == AD_OP_STRIDED_ADD ? AD_OP_STRIDED
                     : op == AD_OP_GATHER      ? AD_OP_GATHER_ADD
                     : op == AD_OP_GATHER_ADD  ? AD_OP_GATHER
                     : op == AD_OP_PUT         ? AD_OP_GATHER
                                               : op; /* RESHAPE, CUMSUM */
    return ad_apply(tape, adjoint_op, 1, z_bar, &attr, out);
}

/* Operand k's tangent, or zeros of its shape. New reference. */
static ad_status tangent_or_zero(const ad_node *node, int k, const ad_value *x_dot,
                                 const bool *is_active, ad_value *out)
{
    *out = (ad_value){0.0, NULL, AD_NONE};
    const ad_array *shape = node->args[k].array;
    if (is_active[k]) {
        *out = x_dot[k];
        if (out->array != NULL)
            ad_array_keep(out->array);
    } else if (shape != NULL) {
        if ((out->array = ad_array_new(shape->ndim, shape->shape)) == NULL)
            return AD_NO_MEMORY;
        ad_kernel_fill(out->array->size, 0.0, out->array->data);
    }
    return AD_OK;
}

static ad_status tangent_linear(ad_tape *tape, int op, const ad_node *node,
                                const ad_value *x_dot, const bool *is_active,
                                ad_value *out)
{
    ad_value *args = calloc((size_t)node->n_args, sizeof *args);
    if (args == NULL)
        return AD_NO_MEMORY;
    ad_status status = AD_OK;
    for (int k = 0; k < node->n_args && status == AD_OK; k++)
        status = tangent_or_zero(node, k, x_dot, is_active, &args[k]);
    ad_attr attr = node->attr;
    attr.shape = node->result;
    if (status == AD_OK)
        status = ad_apply(tape, op, node->n_args, args, &attr, out);
    for (int k = 0; k < node->n_args; k++)
        ad_value_drop(&args[k]);
    free(args);
    return status;
}

static ad_status tangent_matmul(ad_tape *tape, const ad_node *node,
                                const ad_value *x_dot, const bool *is_active,
                                ad_value *out)
{
    bool is_set = false;
    ad_status status = AD_OK;
    for (int k = 0; k < 2 && status == AD_OK; k++) {
        if (!is_active[k])
            continue;
        ad_value args[2], term;
        args[k] = x_dot[k];
        args[1 - k] = saved_arg(node, 1 - k);
        status = ad_apply(tape, AD_OP_MATMUL, 2, args, &node->attr, &term);
        if (status == AD_OK)
            status = ad_apply_accumulate(tape, out, is_set, &term);
        is_set = true;
    }
    return status;
}

static ad_status tangent_reduce_max(ad_tape *tape, const ad_node *node,
                                    const ad_value *x_dot, ad_value *out)
{
    ad_value pair[2] = {*x_dot, {0.0, NULL, AD_NONE}}, term;
    ad_status status = shares_of(tape, node, &pair[1]);
    if (status != AD_OK)
        return status;
    status = ad_apply(tape, AD_OP_GUARDED_MUL, 2, pair, NULL, &term);
    ad_value_drop(&pair[1]);
    if (status != AD_OK)
        return status;
    ad_attr attr = {.shape = node->result, .strides = node->attr.strides};
    status = ad_apply(tape, AD_OP_STRIDED_ADD, 1, &term, &attr, out);
    ad_value_drop(&term);
    return status;
}

ad_status ad_rule_tangent(ad_tape *tape, int op, const ad_node *node, const ad_value *z,
                          const ad_value *x_dot, const bool *is_active, ad_value *out)
{
    if (op == AD_OP_CUSTOM)
        return tape->custom_tangent == NULL
                   ? AD_NO_TANGENT
                   : tape->custom_tangent(tape, node, x_dot, is_active, out);
    if (ad_linalg_has(op))
        return ad_rule_linalg_tangent(tape, op, node, z, x_dot, is_active, out);
    if (op == AD_OP_CALL)
        return ad_rule_call_tangent(tape, node, z, x_dot, is_active, out);
    if (op == AD_OP_MATMUL)
        return tangent_matmul(tape, node, x_dot, is_active, out);
    if (op == AD_OP_REDUCE_MAX)
        return tangent_reduce_max(tape, node, x_dot, out);
    return tangent_linear(tape, op, node, x_dot, is_active, out);
}
