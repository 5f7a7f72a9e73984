/*
 * transform.c - see transform.h. One pass down for adjoints, one pass up for tangents,
 * over instructions on which a wanted input has an influence.
 */
#include "transform.h"

#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "call.h"
#include "rules.h"
#include "transform_scan.h"

/* Adjoints of single elements of an array, of which a loop may read very many: kept
 * apart, and made an array once all are there. */
typedef struct elements {
    ad_value *sum;
    bool *is_set;
} elements;

typedef struct run {
    ad_builder *b;
    const ad_program *p;
    const ad_value *values; /* of p, in the builder */
    bool *is_active;        /* for each instruction of p */
    ad_value *derived;      /* its adjoint or tangent ... */
    bool *is_set;           /* ... if there is one yet */
    elements *elements;     /* of arrays; NULL where there are none */
} run;

static void drop_elements(elements *e, int64_t n)
{
    if (e->sum != NULL)
        ad_values_drop(n, e->sum);
    free(e->sum);
    free(e->is_set);
    *e = (elements){NULL, NULL};
}

/* Elements of value i as it stands in the builder, where a loop may keep more. */
static int64_t n_elements(const run *r, uint32_t i)
{
    return r->values[i].array != NULL ? r->values[i].array->size : 1;
}

static void run_free(run *r)
{
    if (r->derived != NULL)
        ad_values_drop(r->p->n, r->derived);
    for (uint32_t i = 0; r->elements != NULL && i < r->p->n; i++)
        drop_elements(&r->elements[i], n_elements(r, i));
    free(r->elements);
    free(r->is_active);
    free(r->derived);
    free(r->is_set);
}

static ad_status run_start(run *r, ad_builder *b, const ad_program *p,
                           const ad_value *values)
{
    const size_t n = (size_t)p->n + 1;
    *r = (run){.b = b, .p = p, .values = values};
    r->is_active = calloc(n, sizeof *r->is_active);
    r->derived = calloc(n, sizeof *r->derived);
    r->is_set = calloc(n, sizeof *r->is_set);
    r->elements = calloc(n, sizeof *r->elements);
    return r->is_active != NULL && r->derived != NULL && r->is_set != NULL &&
                   r->elements != NULL
               ? AD_OK
               : AD_NO_MEMORY;
}

/* Can a change of operand k change the result, to first order? */
static bool passes(const ad_program *p, const ad_instr *instr, int k)
{
    const ad_op_info *info = ad_op_get(instr->op);
    if (instr->op == AD_OP_STOP)
        return false;
    if (instr->op == AD_OP_CALL)
        return ad_call_passes(p->extras[instr->extra].attr.call, k);
    return info->n_args == 0 || !info->partial_is_const[k] ||
           info->partial_const[k] != 0.0;
}

static void mark_active(run *r, const bool *is_wanted)
{
    const ad_program *p = r->p;
    for (uint32_t i = 0; i < p->n; i++) {
        const ad_instr *instr = &p->instr[i];
        const uint32_t *args = ad_instr_args(p, instr);
        if (instr->op == AD_OP_INPUT)
            r->is_active[i] = is_wanted[instr->args[0]];
        for (int k = 0; k < instr->n_args; k++)
            r->is_active[i] |= r->is_active[args[k]] && passes(r->p, instr, k);
        /* A constant in disguise: folded when it was put into the builder. */
        r->is_active[i] &= r->values[i].entry != AD_NONE;
    }
}

/* Add a contribution to a derivative. Takes c's reference. */
static ad_status add(run *r, uint32_t i, ad_value *c)
{
    ad_status status = ad_apply_accumulate(r->b->tape, &r->derived[i], r->is_set[i], c);
    r->is_set[i] = true;
    return status;
}

/* What the rules of structural operations read: the operands, as the tape saves them.
 * Nothing in it is owned. */
static ad_node *as_node(const run *r, uint32_t i)
{
    const ad_instr *instr = &r->p->instr[i];
    const uint32_t *args = ad_instr_args(r->p, instr);
    ad_node *node =
        calloc(1, sizeof *node + (size_t)instr->n_args * sizeof node->args[0]);
    if (node == NULL)
        return NULL;
    node->attr = ad_program_attr(r->p, i);
    node->attr.shape = NULL;
    node->result = r->values[i].array;
    node->n_args = instr->n_args;
    for (int k = 0; k < instr->n_args; k++) {
        const ad_value *v = &r->values[args[k]];
        node->args[k] =
            (ad_arg){.entry = v->entry, .scalar = v->scalar, .array = v->array};
    }
    return node;
}

/* ---- Reverse -------------------------------------------------------------------------- */

static ad_status reverse_elementwise(run *r, uint32_t i, const ad_instr *instr)
{
    ad_tape *tape = r->b->tape;
    ad_value args[AD_MAX_ARITY] = {{0.0, NULL, AD_NONE}};
    for (int k = 0; k < instr->n_args; k++)
        args[k] = r->values[instr->args[k]];
    for (int k = 0; k < instr->n_args; k++) {
        ad_value full, c;
        if (!r->is_active[instr->args[k]] || !passes(r->p, instr, k))
            continue;
        ad_status status =
            ad_apply_partial(tape, instr->op, k, instr->n_args, args, &r->values[i],
                             &r->derived[i], false, false, &full);
        if (status == AD_OK) {
            status = ad_apply_sum_to(tape, &full, args[k].array, &c);
            ad_value_drop(&full);
        }
        if (status == AD_OK)
            status = add(r, instr->args[k], &c);
        if (status != AD_OK)
            return status;
    }
    return AD_OK;
}

/* Add to the adjoint of one element of array i. */
static ad_status add_element(run *r, uint32_t i, int64_t at, const ad_value *z_bar)
{
    elements *e = &r->elements[i];
    const size_t n = (size_t)n_elements(r, i);
    if (e->sum == NULL) {
        e->sum = calloc(n, sizeof *e->sum);
        e->is_set = calloc(n, sizeof *e->is_set);
        if (e->sum == NULL || e->is_set == NULL)
            return AD_NO_MEMORY;
        for (size_t k = 0; k < n; k++)
            e->sum[k].entry = AD_NONE;
    }
    ad_value c = *z_bar;
    ad_status status = ad_apply_accumulate(r->b->tape, &e->sum[at], e->is_set[at], &c);
    e->is_set[at] = true;
    return status;
}

/* The adjoints of single elements join that of the array. */
static ad_status collect_elements(run *r, uint32_t i)
{
    elements *e = &r->elements[i];
    if (e->sum == NULL)
        return AD_OK;
    const int64_t n = n_elements(r, i);
    const ad_attr attr = {.shape = r->values[i].array};
    ad_value packed;
    bool is_passive = true;
    for (int64_t k = 0; k < n; k++)
        is_passive &= e->sum[k].entry == AD_NONE;
    ad_status status = n <= INT32_MAX ? AD_OK : AD_NO_MEMORY;
    if (is_passive && status == AD_OK) { /* all constants, of which PACK makes none */
        packed =
            (ad_value){0.0, ad_array_new(attr.shape->ndim, attr.shape->shape), AD_NONE};
        if (packed.array == NULL)
            return AD_NO_MEMORY;
        for (int64_t k = 0; k < n; k++)
            packed.array->data[k] = e->sum[k].scalar;
    } else if (status == AD_OK)
        status = ad_apply(r->b->tape, AD_OP_PACK, (int)n, e->sum, &attr, &packed);
    drop_elements(e, n);
    return status == AD_OK ? add(r, i, &packed) : status;
}

/* Operands of a loop, what is known of them, and what is made for them. */
typedef struct loop {
    ad_value *args, *derived;
    bool *is_known, *is_made;
} loop;

static void loop_free(loop *l, int n)
{
    if (l->derived != NULL)
        ad_values_drop(n, l->derived);
    free(l->args);
    free(l->derived);
    free(l->is_known);
    free(l->is_made);
}

static ad_status loop_start(loop *l, const run *r, const ad_instr *instr)
{
    const size_t n = (size_t)instr->n_args + 1;
    const uint32_t *at = ad_instr_args(r->p, instr);
    *l = (loop){calloc(n, sizeof *l->args), calloc(n, sizeof *l->derived),
                calloc(n, sizeof *l->is_known), calloc(n, sizeof *l->is_made)};
    if (l->args == NULL || l->derived == NULL || l->is_known == NULL ||
        l->is_made == NULL) {
        loop_free(l, 0);
        return AD_NO_MEMORY;
    }
    for (int k = 0; k < instr->n_args; k++)
        l->args[k] = r->values[at[k]];
    return AD_OK;
}

static ad_status reverse_loop(run *r, uint32_t i, const ad_instr *instr)
{
    const uint32_t *at = ad_instr_args(r->p, instr);
    loop l;
    ad_status status = loop_start(&l, r, instr);
    if (status != AD_OK)
        return status;
    for (int k = 0; k < instr->n_args; k++)
        l.is_known[k] = r->is_active[at[k]];
    status = ad_scan_reverse(r->b, l.args, l.is_known, &r->values[i], &r->derived[i],
                             l.derived, l.is_made);
    for (int k = 0; k < instr->n_args && status == AD_OK; k++) {
        if (!l.is_made[k] || !l.is_known[k])
            continue;
        status = add(r, at[k], &l.derived[k]);
        l.derived[k].array = NULL; /* it was taken */
    }
    loop_free(&l, instr->n_args);
    return status;
}

/* Of whose result the few numbers that are read are found again among zeros (runs.h), and
 * need no array of all that it has. */
static bool is_long_loop(const ad_program *p, uint32_t i)
{
    enum { LONG = 64 };
    return p->instr[i].op == AD_OP_SCAN && ad_program_size(p, i) > LONG;
}

static ad_status reverse_structural(run *r, uint32_t i, const ad_instr *instr)
{
    if (instr->op == AD_OP_SCAN)
        return reverse_loop(r, i, instr);
    if (instr->op == AD_OP_STRIDED && instr->shape == 0 &&
        ad_program_shape(r->p, instr->args[0]) != NULL &&
        !is_long_loop(r->p, instr->args[0]))
        return add_element(r, instr->args[0], ad_program_attr(r->p, i).offset,
                           &r->derived[i]);
    ad_node *node = as_node(r, i);
    ad_status status = node != NULL ? AD_OK : AD_NO_MEMORY;
    const uint32_t *args = ad_instr_args(r->p, instr);
    for (int k = 0; k < instr->n_args && status == AD_OK; k++) {
        ad_value c;
        if (!r->is_active[args[k]] || !passes(r->p, instr, k))
            continue;
        status = ad_rule_adjoint(r->b->tape, instr->op, node, k, &r->values[i],
                                 &r->derived[i], &c);
        if (status == AD_OK)
            status = add(r, args[k], &c);
    }
    free(node);
    return status;
}

/* A constant of zeros: it contributes nothing. */
static bool is_zero(const ad_value *v)
{
    if (v->entry != AD_NONE)
        return false;
    bool is = v->array != NULL || v->scalar == 0.0;
    for (int64_t i = 0; v->array != NULL && i < v->array->size && is; i++)
        is = v->array->data[i] == 0.0;
    return is;
}

ad_status ad_transform_reverse(ad_builder *b, const ad_program *p,
                               const ad_value *values, const bool *is_wanted,
                               const ad_value *seeds, ad_value *x_bar, bool *has_x_bar)
{
    run r;
    ad_status status = run_start(&r, b, p, values);
    b->keeps_carry = false; /* that is for loops of p, not for those that derive them */
    if (status == AD_OK)
        mark_active(&r, is_wanted);
    for (uint32_t k = 0; k < p->n_outputs && status == AD_OK; k++) {
        ad_value seed = seeds[k];
        if (!r.is_active[p->outputs[k]] || is_zero(&seed))
            continue;
        if (seed.array != NULL)
            ad_array_keep(seed.array);
        status = add(&r, p->outputs[k], &seed);
    }
    for (uint32_t i = p->n; i-- > 0 && status == AD_OK;) {
        const ad_instr *instr = &p->instr[i];
        b->line = instr->line;
        if ((status = collect_elements(&r, i)) != AD_OK)
            break;
        if (!r.is_set[i] || !r.is_active[i] || instr->op == AD_OP_INPUT)
            continue;
        status = ad_op_get(instr->op)->n_args > 0 ? reverse_elementwise(&r, i, instr)
                                                  : reverse_structural(&r, i, instr);
    }
    for (uint32_t k = 0; k < p->n_inputs && status == AD_OK; k++) {
        has_x_bar[k] = is_wanted[k] && r.is_set[k];
        if (!has_x_bar[k])
            continue;
        x_bar[k] = r.derived[k];
        r.derived[k].array = NULL;
    }
    b->line = 0;
    run_free(&r);
    return status;
}

/* ---- Forward -------------------------------------------------------------------------- */

static ad_status forward_elementwise(run *r, uint32_t i, const ad_instr *instr)
{
    ad_tape *tape = r->b->tape;
    ad_value args[AD_MAX_ARITY] = {{0.0, NULL, AD_NONE}};
    for (int k = 0; k < instr->n_args; k++)
        args[k] = r->values[instr->args[k]];
    for (int k = 0; k < instr->n_args; k++) {
        ad_value full, term;
        if (!r->is_set[instr->args[k]] || !passes(r->p, instr, k))
            continue;
        ad_status status = ad_apply_broadcast_to(tape, &r->derived[instr->args[k]],
                                                 r->values[i].array, &full);
        if (status == AD_OK) {
            status = ad_apply_partial(tape, instr->op, k, instr->n_args, args,
                                      &r->values[i], &full, false, false, &term);
            ad_value_drop(&full);
        }
        if (status == AD_OK)
            status = add(r, i, &term);
        if (status != AD_OK)
            return status;
    }
    return AD_OK;
}

static ad_status forward_loop(run *r, uint32_t i, const ad_instr *instr)
{
    const uint32_t *at = ad_instr_args(r->p, instr);
    loop l;
    ad_value z_dot;
    ad_status status = loop_start(&l, r, instr);
    if (status != AD_OK)
        return status;
    bool any = false;
    for (int k = 0; k < instr->n_args; k++) {
        any |= l.is_known[k] = r->is_set[at[k]];
        l.derived[k] = r->derived[at[k]];
    }
    if (any) {
        status =
            ad_scan_forward(r->b, l.args, &r->values[i], l.derived, l.is_known, &z_dot);
        if (status == AD_OK)
            status = add(r, i, &z_dot);
    }
    loop_free(&l, 0); /* its tangents are borrowed */
    return status;
}

static ad_status forward_structural(run *r, uint32_t i, const ad_instr *instr)
{
    if (instr->op == AD_OP_SCAN)
        return forward_loop(r, i, instr);
    const uint32_t *args = ad_instr_args(r->p, instr);
    const size_t n = (size_t)instr->n_args + 1;
    ad_node *node = as_node(r, i);
    ad_value *x_dot = calloc(n, sizeof *x_dot), z_dot;
    bool *is_active = calloc(n, sizeof *is_active), any = false;
    ad_status status =
        node != NULL && x_dot != NULL && is_active != NULL ? AD_OK : AD_NO_MEMORY;
    for (int k = 0; k < instr->n_args && status == AD_OK; k++) {
        x_dot[k] = r->derived[args[k]];
        any |= is_active[k] = r->is_set[args[k]] && passes(r->p, instr, k);
    }
    if (status == AD_OK && any) {
        status = ad_rule_tangent(r->b->tape, instr->op, node, &r->values[i], x_dot,
                                 is_active, &z_dot);
        if (status == AD_OK)
            status = add(r, i, &z_dot);
    }
    free(node);
    free(x_dot);
    free(is_active);
    return status;
}

ad_status ad_transform_forward(ad_builder *b, const ad_program *p,
                               const ad_value *values, const ad_value *x_dot,
                               const bool *has_x_dot, ad_value *z_dot, bool *has_z_dot)
{
    run r;
    ad_status status = run_start(&r, b, p, values);
    if (status == AD_OK)
        mark_active(&r, has_x_dot);
    for (uint32_t i = 0; i < p->n && status == AD_OK; i++) {
        const ad_instr *instr = &p->instr[i];
        b->line = instr->line;
        if (!r.is_active[i])
            continue;
        if (instr->op == AD_OP_INPUT) {
            ad_value seed = x_dot[instr->args[0]];
            if (seed.array != NULL)
                ad_array_keep(seed.array);
            status = add(&r, i, &seed);
        } else
            status = ad_op_get(instr->op)->n_args > 0
                         ? forward_elementwise(&r, i, instr)
                         : forward_structural(&r, i, instr);
    }
    for (uint32_t k = 0; k < p->n_outputs && status == AD_OK; k++) {
        has_z_dot[k] = r.is_set[p->outputs[k]];
        if (!has_z_dot[k])
            continue;
        z_dot[k] = r.derived[p->outputs[k]];
        if (z_dot[k].array != NULL)
            ad_array_keep(z_dot[k].array);
    }
    b->line = 0;
    run_free(&r);
    return status;
}
