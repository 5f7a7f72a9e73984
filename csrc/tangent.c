/*
 * tangent.c - the tangent sweep: derivatives along a direction, from below.
 *
 * First the entries that lead from the outputs downwards are marked, then one
 * pass upwards over the marked ones; both cost what they reach.
 */
#include <stdlib.h>

#include "apply.h"
#include "rules.h"
#include "sweep.h"
#include "workspace.h"

typedef struct run {
    ad_tape *tape;
    ad_workspace *ws;    /* marks to visit, then tangents */
    ad_pending *active;  /* entries that have a tangent */
    uint32_t *made_by;   /* entry of each tangent when the tape records, or NULL */
    bool is_strict;
} run;

static ad_value get_tangent(const run *r, uint32_t i)
{
    ad_value v = {0.0, NULL, r->made_by != NULL ? r->made_by[i] : AD_NONE};
    if (r->tape->entries[i].flags & AD_FLAG_ARRAY)
        v.array = r->ws->adjoint[i].array;
    else
        v.scalar = r->ws->adjoint[i].scalar;
    return v;
}

/* Takes v's reference. */
static void set_tangent(run *r, uint32_t i, const ad_value *v)
{
    if (r->tape->entries[i].flags & AD_FLAG_ARRAY)
        r->ws->adjoint[i].array = v->array;
    else
        r->ws->adjoint[i].scalar = v->scalar;
    if (r->made_by != NULL)
        r->made_by[i] = v->entry;
    ad_pending_add(r->active, i);
}

static bool is_active(const run *r, uint32_t entry)
{
    return entry != AD_NONE && ad_pending_has(r->active, entry);
}

static ad_status tangent_structural(run *r, uint32_t i, int op, const ad_node *node,
                                    const ad_value *z)
{
    size_t n = (size_t)node->n_args;
    ad_value *x_dot = calloc(n + 1, sizeof *x_dot), z_dot;
    bool *active = calloc(n + 1, sizeof *active), any = false;
    ad_status status = x_dot != NULL && active != NULL ? AD_OK : AD_NO_MEMORY;
    for (size_t k = 0; k < n && status == AD_OK; k++)
        if ((active[k] = is_active(r, node->args[k].entry))) {
            x_dot[k] = get_tangent(r, node->args[k].entry);
            any = true;
        }
    if (status == AD_OK && any) {
        status = ad_rule_tangent(r->tape, op, node, z, x_dot, active, &z_dot);
        if (status == AD_OK)
            set_tangent(r, i, &z_dot);
    }
    free(x_dot);
    free(active);
    return status;
}

static ad_status tangent_elementwise(run *r, uint32_t i, int op, int n_args,
                                     const ad_value *args, const ad_value *z)
{
    ad_value z_dot = {0.0, NULL, AD_NONE};
    bool is_set = false;
    ad_status status = AD_OK;
    for (int k = 0; k < n_args && status == AD_OK; k++) {
        if (!is_active(r, args[k].entry))
            continue;
        ad_value x_dot = get_tangent(r, args[k].entry), full, term;
        status = ad_apply_broadcast_to(r->tape, &x_dot, z->array, &full);
        if (status != AD_OK)
            break;
        status = ad_apply_partial(r->tape, op, k, n_args, args, z, &full, r->is_strict,
                                  false, &term);
        ad_value_drop(&full);
        if (status == AD_OK)
            status = ad_apply_accumulate(r->tape, &z_dot, is_set, &term);
        is_set = true;
    }
    if (status == AD_OK && is_set)
        set_tangent(r, i, &z_dot);
    else
        ad_value_drop(&z_dot);
    return status;
}

static ad_status tangent_entry(run *r, uint32_t i)
{
    if (is_active(r, i))
        return AD_OK; /* an input: its seed stands */
    ad_status status = ad_entry_check_saved(r->tape, i);
    const ad_entry e = r->tape->entries[i];
    ad_value args[AD_MAX_ARITY];
    int n_args = ad_entry_args(r->tape, &e, args);
    ad_value z = ad_entry_result(&e, i);
    if (status != AD_OK)
        return status;
    if (e.kind == AD_KIND_FREED)
        return AD_FREED;
    const uint32_t n_before = r->tape->n;
    status = n_args < 0 ? tangent_structural(r, i, e.op, e.u.node, &z)
                        : tangent_elementwise(r, i, e.op, n_args, args, &z);
    if (e.flags & AD_FLAG_INPLACE)
        ad_tape_excuse(r->tape, n_before);
    return status;
}

/* Move what lies below the outputs, and not below all inputs, from ws->pending to
 * `visit`. */
static void mark_below(run *r, ad_pending *visit, uint32_t top, uint32_t floor)
{
    uint32_t word = top >> 6, i;
    const ad_entry *entries = r->tape->entries;
    while (ad_pending_pop_highest(&r->ws->pending, &word, &i)) {
        const ad_entry *e = &entries[i];
        if (i < floor)
            continue;
        ad_pending_add(visit, i);
        if (e->kind <= AD_KIND_BINARY)
            ad_pending_add(&r->ws->pending, e->x);
        if (e->kind == AD_KIND_BINARY)
            ad_pending_add(&r->ws->pending, e->u.y);
        for (int k = 0; e->kind == AD_KIND_NODE && k < e->u.node->n_args; k++)
            if (e->u.node->args[k].entry != AD_NONE)
                ad_pending_add(&r->ws->pending, e->u.node->args[k].entry);
    }
}

/* Forget all tangents; workspaces go back with every bit 0. */
static void clear(run *r, ad_pending *visit, uint32_t top)
{
    uint32_t word = top >> 6, i;
    while (ad_pending_pop_highest(r->active, &word, &i)) {
        if (r->tape->entries[i].flags & AD_FLAG_ARRAY)
            ad_array_drop(r->ws->adjoint[i].array);
        r->ws->adjoint[i].scalar = 0.0;
        r->ws->adjoint[i].array = NULL;
    }
    word = top >> 6;
    while (ad_pending_pop_highest(visit, &word, &i))
        ;
}

ad_status ad_sweep_tangent(ad_tape *tape, int n_in, const uint32_t *inputs,
                           const ad_value *seeds, int n_out, const uint32_t *outputs,
                           bool is_strict, ad_value *out, bool *is_reached)
{
    uint32_t top = 0, floor = AD_NONE, i, word = 0;
    for (int k = 0; k < n_out; k++)
        top = outputs[k] > top ? outputs[k] : top;
    for (int k = 0; k < n_in; k++) {
        top = inputs[k] > top ? inputs[k] : top;
        floor = inputs[k] < floor ? inputs[k] : floor;
    }
    ad_workspace *ws = ad_workspace_take(tape, top + 1, tape->is_recording);
    ad_workspace *marks = ad_workspace_take(tape, top + 1, false);
    ad_workspace *order = ad_workspace_take(tape, top + 1, false);
    ad_status status = AD_NO_MEMORY;
    if (ws != NULL && marks != NULL && order != NULL) {
        run r = {tape, ws, &marks->pending, ws->entry, is_strict};
        ad_tape_lock(tape);
        status = AD_OK;
        for (int k = 0; k < n_out; k++)
            ad_pending_add(&ws->pending, outputs[k]);
        mark_below(&r, &order->pending, top, floor);
        for (int k = 0; k < n_in; k++) {
            if (seeds[k].array != NULL)
                ad_array_keep(seeds[k].array);
            set_tangent(&r, inputs[k], &seeds[k]);
        }
        while (status == AD_OK &&
               ad_pending_pop_lowest(&order->pending, &word, top >> 6, &i))
            status = tangent_entry(&r, i);
        for (int k = 0; k < n_out; k++) {
            is_reached[k] = status == AD_OK && is_active(&r, outputs[k]);
            if (!is_reached[k])
                continue;
            out[k] = get_tangent(&r, outputs[k]);
            if (out[k].array != NULL)
                ad_array_keep(out[k].array);
        }
        clear(&r, &order->pending, top);
        ad_tape_unlock(tape);
    }
    if (order != NULL)
        ad_workspace_give(tape, order, top);
    if (marks != NULL)
        ad_workspace_give(tape, marks, top);
    if (ws != NULL)
        ad_workspace_give(tape, ws, top);
    return status;
}
