/*
 * apply.c - see apply.h. Computes by elementwise.c and structural.c, then
 * records: a 24-byte entry for one or two scalar operands, else a node.
 */
#include "apply.h"

#include <stdlib.h>
#include <string.h>

#include "elementwise.h"
#include "kernel.h"
#include "linalg.h"
#include "structural.h"

/* ---- Computing --------------------------------------------------------------------- */

static bool is_elementwise(int op)
{
    return ad_op_get(op)->n_args > 0;
}

static ad_status compute_structural(ad_tape *tape, int op, int n_args,
                                    const ad_value *args, const ad_attr *attr,
                                    ad_value *out)
{
    ad_array *few[4], **arrays = few, *z = NULL;
    if (n_args > 4 && (arrays = calloc((size_t)n_args, sizeof *arrays)) == NULL)
        return AD_NO_MEMORY;
    ad_status status = AD_OK;
    int n_made = 0;
    for (; n_made < n_args && status == AD_OK; n_made++) {
        ad_array *a = args[n_made].array;
        a = a != NULL ? ad_array_keep(a) : ad_array_new(0, NULL);
        if (a == NULL) {
            status = AD_NO_MEMORY;
            break;
        }
        if (args[n_made].array == NULL)
            a->data[0] = args[n_made].scalar;
        arrays[n_made] = a;
    }
    const ad_array *const *operands = (const ad_array *const *)arrays;
    ad_tape_lock(tape); /* hooks run Python, which may collect its garbage */
    if (status == AD_OK && ad_linalg_has(op))
        status = ad_linalg_value(&tape->message, op, operands, attr, tape->linalg, &z);
    else if (status == AD_OK)
        status = ad_structural_value(&tape->message, op, n_args, operands, attr,
                                     tape->matmul, &z);
    ad_tape_unlock(tape);
    for (int k = 0; k < n_made; k++)
        ad_array_drop(arrays[k]);
    if (arrays != few)
        free(arrays);
    if (status != AD_OK)
        return status;
    *out = (ad_value){0.0, z, AD_NONE};
    if (z->ndim == 0) {
        out->scalar = z->data[0];
        out->array = NULL;
        ad_array_drop(z);
    }
    return AD_OK;
}

ad_status ad_apply_value(ad_tape *tape, int op, int n_args, const ad_value *args,
                         const ad_attr *attr, ad_value *out)
{
    if (op == AD_OP_SCAN)
        return tape->scan(tape, n_args, args, attr, out);
    if (!is_elementwise(op))
        return compute_structural(tape, op, n_args, args, attr, out);
    bool is_scalar = true;
    double v[AD_MAX_ARITY] = {0};
    for (int k = 0; k < n_args; k++) {
        is_scalar &= args[k].array == NULL;
        v[k] = args[k].scalar;
    }
    if (!is_scalar)
        return ad_elementwise_value(&tape->message, op, n_args, args, out);
    *out = (ad_value){ad_op_value(op, v[0], v[1], v[2]), NULL, AD_NONE};
    return AD_OK;
}

/* ---- Recording ---------------------------------------------------------------------- */

/* Does any active operand's rule read operand k (or, for k = 3, the result)? */
static bool is_read(int op, int n_args, const ad_value *args, int k)
{
    const ad_op_info *info = ad_op_get(op);
    if (op == AD_OP_MATMUL)
        return k < 2 && args[1 - k].entry != AD_NONE;
    const bool is_linalg = ad_linalg_has(op);
    for (int j = 0; j < n_args && (is_linalg || j < info->n_args); j++) {
        uint8_t uses = is_linalg ? ad_linalg_uses(op, j) : info->uses[j];
        if (args[j].entry != AD_NONE && (uses >> k & 1))
            return true;
    }
    return false;
}

/* Keep an array whole if it is read, else its shape, for which `like`, saved
 * before, may serve. */
static ad_array *saved(ad_node *node, ad_array *a, bool is_read_later, ad_array *like)
{
    if (is_read_later) {
        node->bytes += a->size * (int64_t)sizeof *a->data;
        return ad_array_keep(a);
    }
    if (like != NULL && ad_array_same_shape(a, like))
        return ad_array_keep(like);
    return ad_array_ghost(a->ndim, a->shape);
}

static bool save_attr(ad_node *node, int op, const ad_value *args, const ad_attr *attr,
                      const ad_value *out)
{
    node->attr = *attr;
    node->attr.shape = NULL;
    node->attr.strides = NULL;
    if (node->attr.index != NULL)
        node->attr.index->refs++;
    if (node->attr.aux != NULL)
        ad_array_keep(node->attr.aux);
    const ad_array *walked = op == AD_OP_STRIDED ? out->array : args[0].array;
    if (attr->strides != NULL && walked != NULL && walked->ndim > 0) {
        size_t bytes = (size_t)walked->ndim * sizeof *attr->strides;
        int64_t *strides = malloc(bytes);
        if (strides == NULL)
            return false;
        memcpy(strides, attr->strides, bytes);
        node->attr.strides = strides;
    }
    return true;
}

static ad_status save_shares(const ad_value *args, const ad_attr *attr,
                             const ad_value *out, ad_array **shares)
{
    ad_array *z =
        out->array != NULL ? ad_array_keep(out->array) : ad_array_new(0, NULL);
    if (z == NULL)
        return AD_NO_MEMORY;
    if (out->array == NULL)
        z->data[0] = out->scalar;
    ad_status status = ad_structural_shares(args[0].array, z, attr, shares);
    ad_array_drop(z);
    return status;
}

static ad_status make_node(ad_tape *tape, int op, int n_args, const ad_value *args,
                           const ad_attr *attr, const ad_value *out, ad_node **made)
{
    ad_node *node = calloc(1, sizeof *node + (size_t)n_args * sizeof node->args[0]);
    if (node == NULL)
        return AD_NO_MEMORY;
    node->n_args = n_args;
    node->refs = 1;
    bool is_whole = attr == NULL || save_attr(node, op, args, attr, out);
    if (out->array != NULL) {
        node->result = saved(node, out->array, is_read(op, n_args, args, 3), NULL);
        is_whole &= node->result != NULL;
        if (out->array->buffer != NULL)
            node->result_version = out->array->buffer->version;
    }
    for (int k = 0; k < n_args; k++) {
        ad_arg *arg = &node->args[k];
        arg->entry = args[k].entry;
        arg->scalar = args[k].scalar;
        if (args[k].array == NULL)
            continue;
        arg->array = saved(node, args[k].array, is_read(op, n_args, args, k),
                           k > 0 ? node->args[k - 1].array : node->result);
        is_whole &= arg->array != NULL;
        if (arg->array != NULL && arg->array->buffer != NULL)
            arg->version = arg->array->buffer->version;
    }
    ad_status status = AD_OK;
    if (op == AD_OP_REDUCE_MAX && is_whole)
        status = save_shares(args, attr, out, &node->attr.aux);
    if (is_whole && status == AD_OK) {
        *made = node;
        return AD_OK;
    }
    node->attr.object = NULL; /* stays the caller's */
    ad_node_drop(tape, node);
    return status != AD_OK ? status : AD_NO_MEMORY;
}

/* Fill a small entry if the operation fits one. */
static bool fits_entry(int n_args, const ad_value *args, const ad_value *out,
                       ad_entry *e)
{
    if (n_args > 2 || out->array != NULL)
        return false;
    for (int k = 0; k < n_args; k++)
        if (args[k].array != NULL)
            return false;
    if (n_args == 1) {
        e->kind = AD_KIND_UNARY;
        e->x = args[0].entry;
    } else if (args[1].entry == AD_NONE) {
        e->kind = AD_KIND_X_CONST;
        e->x = args[0].entry;
        e->u.constant = args[1].scalar;
    } else if (args[0].entry == AD_NONE) {
        e->kind = AD_KIND_CONST_Y;
        e->x = args[1].entry;
        e->u.constant = args[0].scalar;
    } else {
        e->kind = AD_KIND_BINARY;
        e->x = args[0].entry;
        e->u.y = args[1].entry;
    }
    return true;
}

/* A value whose own graph was swept enters the tape as a FREED entry, so that a
 * sweep which comes to it says so. */
static ad_status revive_swept(ad_tape *tape, int n_args, const ad_value *args,
                              ad_value *revived)
{
    for (int k = 0; k < n_args; k++) {
        revived[k] = args[k];
        if (args[k].entry != AD_SWEPT)
            continue;
        ad_entry e = {.value = args[k].scalar, .kind = AD_KIND_FREED};
        e.flags = args[k].array != NULL ? AD_FLAG_ARRAY : 0;
        ad_status status = ad_tape_push(tape, &e, &revived[k].entry);
        if (status != AD_OK)
            return status;
    }
    return AD_OK;
}

ad_status ad_record(ad_tape *tape, int op, int n_args, const ad_value *args,
                    const ad_attr *attr, ad_value *out)
{
    ad_value few[4], *revived = NULL;
    ad_status status = AD_OK;
    for (int k = 0; k < n_args && revived == NULL; k++)
        if (args[k].entry == AD_SWEPT)
            revived = n_args <= 4 ? few : malloc((size_t)n_args * sizeof *revived);
    if (revived != NULL) {
        status = revive_swept(tape, n_args, args, revived);
        args = revived;
    }
    ad_entry e = {.value = out->scalar, .op = (uint16_t)op};
    if (status == AD_OK &&
        (!is_elementwise(op) || !fits_entry(n_args, args, out, &e))) {
        e.kind = AD_KIND_NODE;
        e.flags = out->array != NULL ? AD_FLAG_ARRAY : 0;
        status = make_node(tape, op, n_args, args, attr, out, &e.u.node);
        if (status == AD_OK &&
            (status = ad_tape_push(tape, &e, &out->entry)) != AD_OK) {
            e.u.node->attr.object = NULL;
            ad_node_drop(tape, e.u.node);
        }
    } else if (status == AD_OK)
        status = ad_tape_push(tape, &e, &out->entry);
    if (revived != few)
        free(revived);
    return status;
}

ad_status ad_apply(ad_tape *tape, int op, int n_args, const ad_value *args,
                   const ad_attr *attr, ad_value *out)
{
    if (tape->redirect != NULL)
        return tape->redirect(tape, op, n_args, args, attr, out);
    ad_status status = ad_apply_value(tape, op, n_args, args, attr, out);
    if (status != AD_OK || !tape->is_recording || op == AD_OP_STOP)
        return status;
    for (int k = 0; k < n_args; k++)
        if (args[k].entry != AD_NONE) {
            if (op == AD_OP_CALL) { /* its programs are no node's */
                ad_value_drop(out);
                return AD_NO_TANGENT;
            }
            status = ad_record(tape, op, n_args, args, attr, out);
            if (status != AD_OK)
                ad_value_drop(out);
            return status;
        }
    return AD_OK;
}

/* ---- Shapes -------------------------------------------------------------------------- */

static bool has_shape(const ad_value *v, const ad_array *shape)
{
    if (v->array == NULL || shape == NULL)
        return v->array == NULL && shape == NULL;
    return ad_array_same_shape(v->array, shape);
}

static void pass_on(const ad_value *v, ad_value *out)
{
    *out = *v;
    if (out->array != NULL)
        ad_array_keep(out->array);
}

ad_status ad_apply_sum_to(ad_tape *tape, const ad_value *g, const ad_array *shape,
                          ad_value *out)
{
    if (has_shape(g, shape)) {
        pass_on(g, out);
        return AD_OK;
    }
    int64_t strides[AD_MAX_NDIM];
    ad_shape_strides(shape != NULL ? shape->ndim : 0,
                     shape != NULL ? shape->shape : NULL, g->array->ndim,
                     g->array->shape, strides);
    ad_attr attr = {.shape = shape, .strides = strides};
    return ad_apply(tape, AD_OP_STRIDED_ADD, 1, g, &attr, out);
}

ad_status ad_apply_broadcast_to(ad_tape *tape, const ad_value *g, const ad_array *shape,
                                ad_value *out)
{
    if (has_shape(g, shape)) {
        pass_on(g, out);
        return AD_OK;
    }
    int64_t strides[AD_MAX_NDIM];
    ad_shape_strides(g->array != NULL ? g->array->ndim : 0,
                     g->array != NULL ? g->array->shape : NULL, shape->ndim,
                     shape->shape, strides);
    ad_attr attr = {.shape = shape, .strides = strides};
    return ad_apply(tape, AD_OP_STRIDED, 1, g, &attr, out);
}

ad_status ad_apply_accumulate(ad_tape *tape, ad_value *to, bool is_set, ad_value *g)
{
    if (!is_set) {
        *to = *g;
        return AD_OK;
    }
    bool is_graph = tape->is_recording && (to->entry & g->entry) != AD_NONE;
    if (to->array == NULL && !is_graph) {
        to->scalar += g->scalar;
        return AD_OK;
    }
    if (!is_graph && ad_array_is_private(to->array)) {
        ad_kernel_add(to->array->size, g->array->data, to->array->data);
        ad_value_drop(g);
        return AD_OK;
    }
    ad_value args[2] = {*to, *g}, sum;
    ad_status status = ad_apply(tape, AD_OP_ADD, 2, args, NULL, &sum);
    ad_value_drop(g);
    if (status == AD_OK) {
        ad_value_drop(to);
        *to = sum;
    }
    return status;
}

/* ---- Partials ------------------------------------------------------------------------- */

/* Record a formula over operands x, y, w, z. */
static ad_status record_formula(ad_tape *tape, const ad_formula *f,
                                const ad_value *operands, ad_value *out);

static ad_status record_select(ad_tape *tape, const ad_formula *f,
                               const ad_value *operands, ad_value *out)
{
    ad_value part[3] = {{0.0, NULL, AD_NONE}};
    ad_status status = record_formula(tape, f->child[0], operands, &part[0]);
    if (status != AD_OK)
        return status;
    if (tape->redirect == NULL)
        part[0].entry = AD_NONE; /* a choice has no derivative */
    if (part[0].array == NULL && part[0].entry == AD_NONE)
        return record_formula(tape, f->child[part[0].scalar != 0.0 ? 1 : 2], operands,
                              out);
    part[1] = part[2] = (ad_value){0.0, NULL, AD_NONE};
    status = record_formula(tape, f->child[1], operands, &part[1]);
    if (status == AD_OK)
        status = record_formula(tape, f->child[2], operands, &part[2]);
    if (status == AD_OK)
        status = ad_apply(tape, AD_OP_WHERE, 3, part, NULL, out);
    for (int k = 0; k < 3; k++)
        ad_value_drop(&part[k]);
    return status;
}

static ad_status record_formula(ad_tape *tape, const ad_formula *f,
                                const ad_value *operands, ad_value *out)
{
    if (f->kind == AD_FORMULA_NUMBER) {
        *out = (ad_value){f->number, NULL, AD_NONE};
        return AD_OK;
    }
    if (f->kind == AD_FORMULA_OPERAND) {
        pass_on(&operands[f->index], out);
        return AD_OK;
    }
    if (f->kind == AD_FORMULA_SELECT)
        return record_select(tape, f, operands, out);
    int n_args = f->kind == AD_FORMULA_CALL  ? ad_op_get(f->op)->n_args
                 : f->kind == AD_FORMULA_NOT ? 1
                                             : 2;
    int op = f->kind == AD_FORMULA_CALL  ? f->op
             : f->kind == AD_FORMULA_AND ? AD_OP_MUL
             : f->kind == AD_FORMULA_OR  ? AD_OP_MAXIMUM
                                         : AD_OP_EQ;
    ad_value args[AD_MAX_ARITY] = {{0.0, NULL, AD_NONE}};
    ad_status status = AD_OK;
    int k = 0;
    for (; k < n_args && status == AD_OK; k++)
        status = record_formula(tape, f->child[k], operands, &args[k]);
    if (f->kind == AD_FORMULA_NOT)
        args[n_args++] = (ad_value){0.0, NULL, AD_NONE};
    if (status == AD_OK)
        status = ad_apply(tape, op, n_args, args, NULL, out);
    else
        k--;
    while (k-- > 0)
        ad_value_drop(&args[k]);
    return status;
}

static ad_status partial_times_recorded(ad_tape *tape, const ad_op_info *info, int k,
                                        int n_args, const ad_value *args,
                                        const ad_value *z, const ad_value *g,
                                        bool is_strict, ad_value *out)
{
    ad_value operands[4] = {{0.0, NULL, AD_NONE}};
    for (int j = 0; j < n_args; j++)
        operands[j] = args[j];
    operands[3] = *z;
    ad_value pair[2];
    ad_status status = record_formula(tape, info->partial[k], operands, &pair[0]);
    if (status != AD_OK)
        return status;
    pair[1] = *g;
    status =
        ad_apply(tape, is_strict ? AD_OP_MUL : AD_OP_GUARDED_MUL, 2, pair, NULL, out);
    ad_value_drop(&pair[0]);
    return status;
}

/* Is the partial one number for all elements, because what it reads is scalar? */
static bool is_uniform(const ad_op_info *info, int k, int n_args, const ad_value *args)
{
    for (int j = 0; j < n_args; j++)
        if ((info->uses[k] >> j & 1) && args[j].array != NULL)
            return false;
    return !(info->uses[k] & AD_USES_Z);
}

static double scalar_partial(int op, int k, int n_args, const ad_value *args,
                             const ad_value *z)
{
    double v[AD_MAX_ARITY] = {0};
    for (int j = 0; j < n_args; j++)
        v[j] = args[j].scalar;
    return ad_op_partial(op, k, v[0], v[1], v[2], z->scalar);
}

/* The row and the operand with the cheapest kernel for a partial. */
typedef struct choice {
    int op, k;
    ad_value args[AD_MAX_ARITY];
} choice;

static choice choose_kernel(int op, int k, int n_args, const ad_value *args,
                            const ad_value *z)
{
    choice c = {.op = op, .k = k};
    if (is_uniform(ad_op_get(op), k, n_args, args)) {
        c.op = AD_OP_MUL; /* by a number */
        c.k = 0;
        c.args[1].scalar = scalar_partial(op, k, n_args, args, z);
        return c;
    }
    for (int j = 0; j < n_args; j++)
        c.args[j] = args[j];
    return c;
}

static bool is_passed_on(const choice *c)
{
    return c->op == AD_OP_MUL && c->k == 0 && c->args[1].array == NULL &&
           c->args[1].scalar == 1.0;
}

ad_status ad_apply_partial(ad_tape *tape, int op, int k, int n_args,
                           const ad_value *args, const ad_value *z, const ad_value *g,
                           bool is_strict, bool is_last, ad_value *out)
{
    const ad_op_info *info = ad_op_get(op);
    if (info->partial_is_const[k] && info->partial_const[k] == 1.0) {
        pass_on(g, out);
        return AD_OK;
    }
    if (tape->is_recording) {
        if (info->partial_is_const[k] && info->partial_const[k] == -1.0)
            return ad_apply(tape, AD_OP_NEG, 1, g, NULL, out);
        return partial_times_recorded(tape, info, k, n_args, args, z, g, is_strict,
                                      out);
    }
    *out = (ad_value){0.0, NULL, AD_NONE};
    if (g->array == NULL) {
        double p = scalar_partial(op, k, n_args, args, z);
        bool is_skipped = !is_strict && (p == 0.0 || g->scalar == 0.0);
        out->scalar = is_skipped ? 0.0 : p * g->scalar;
        return AD_OK;
    }
    choice c = choose_kernel(op, k, n_args, args, z);
    bool is_reused = is_passed_on(&c) || (is_last && ad_array_is_private(g->array));
    out->array = is_reused ? ad_array_keep(g->array)
                           : ad_array_new(g->array->ndim, g->array->shape);
    if (out->array == NULL)
        return AD_NO_MEMORY;
    if (!is_passed_on(&c))
        ad_elementwise_product(c.op, c.k, c.args, z->array, g->array, is_strict, false,
                               out->array);
    return AD_OK;
}

void ad_apply_partial_add(int op, int k, int n_args, const ad_value *args,
                          const ad_value *z, const ad_value *g, bool is_strict,
                          ad_array *sum)
{
    choice c = choose_kernel(op, k, n_args, args, z);
    if (is_passed_on(&c))
        ad_kernel_add(sum->size, g->array->data, sum->data);
    else
        ad_elementwise_product(c.op, c.k, c.args, z->array, g->array, is_strict, true,
                               sum);
}
