/*
 * sparsity_scan.c - patterns of what holds programs: of a loop, step by step, the body's
 * instructions again; of a call, those of its tangent.
 */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "scan.h"
#include "sparsity_step.h"

/* Give an input its sets; NULL: empty ones. */
static void give(ad_sparsity *s, uint32_t input, const uint32_t *from)
{
    ad_sparsity_drop(s, input);
    s->values[input].one = 0;
    uint32_t *to = from != NULL ? ad_sparsity_room(s, input) : NULL;
    if (to != NULL)
        memcpy(to, from, (size_t)ad_program_size(s->p, input) * sizeof *to);
}

/* Join the sets of a value with those at `to`. */
static void join_value(const ad_sparsity *s, uint32_t value, uint32_t *to)
{
    const ad_cells *c = &s->values[value];
    if (is_empty(s, value))
        return;
    for (int64_t e = 0; e < ad_program_size(s->p, value); e++)
        to[e] = ad_sets_union(s->sets, to[e], c->at != NULL ? c->at[e] : c->one);
}

/* What the operands of a loop give the body at a step. */
static void give_step(const ad_sparsity_step *t, const ad_scan *scan, ad_sparsity *body,
                      int64_t row)
{
    const uint32_t first_row = scan->n_shared + scan->n_carry;
    for (uint32_t k = 0; k < scan->body->n_inputs; k++) {
        const int arg = (int)k + scan->has_count;
        const int64_t size = ad_program_size(scan->body, k);
        if (k >= scan->n_shared && k < first_row)
            continue; /* a carry: join_step gives it */
        const uint32_t *from = is_empty(t->s, t->args[arg]) ? NULL : cells_of(t, arg);
        give(body, k, from != NULL && k >= first_row ? from + row * size : from);
    }
}

/* Note what a step reads and makes. carry: sets of all carries, one after another. */
static void join_step(const ad_sparsity_step *t, const ad_scan *scan, ad_sparsity *body,
                      int64_t row, uint32_t *carry)
{
    const uint32_t *outputs = scan->body->outputs + scan->has_exit;
    int64_t at = 0;
    for (uint32_t k = 0; k < scan->n_carry; k++) {
        const uint32_t input = scan->n_shared + k;
        give(body, input, carry + at);
        at += ad_program_size(scan->body, input);
        if (scan->keeps_carry)
            join_value(body, input,
                       t->to + ad_scan_offset(scan, AD_SCAN_KEPT, k) +
                           row * ad_program_size(scan->body, input));
    }
    ad_sparsity_run(body);
    memset(carry, 0, (size_t)at * sizeof *carry);
    at = 0;
    for (uint32_t k = 0; k < scan->n_carry; k++) {
        join_value(body, outputs[k], carry + at);
        at += ad_program_size(scan->body, outputs[k]);
    }
    for (uint32_t k = 0; k < scan->n_out_rows; k++) {
        const uint32_t value = outputs[scan->n_carry + k];
        join_value(body, value,
                   t->to + ad_scan_offset(scan, AD_SCAN_ROWS, k) +
                       row * ad_program_size(scan->body, value));
    }
    for (uint32_t k = 0; k < scan->n_out_sums; k++)
        join_value(body, outputs[scan->n_carry + scan->n_out_rows + k],
                   t->to + ad_scan_offset(scan, AD_SCAN_SUMS, k));
}

static int64_t carry_size(const ad_scan *scan)
{
    int64_t size = 0;
    for (uint32_t k = 0; k < scan->n_carry; k++)
        size += ad_program_size(scan->body, scan->n_shared + k);
    return size;
}

/* The sets that the carries begin with. */
static void first_carry(const ad_sparsity_step *t, const ad_scan *scan, uint32_t *carry)
{
    for (uint32_t k = 0; k < scan->n_carry; k++) {
        const int arg = (int)(scan->n_shared + k) + scan->has_count;
        const int64_t size = ad_program_size(scan->body, scan->n_shared + k);
        if (!is_empty(t->s, t->args[arg]))
            memcpy(carry, cells_of(t, arg), (size_t)size * sizeof *carry);
        carry += size;
    }
}

/*
 * Step by step, as it runs. Where a loop may stop early its last carry is any step's,
 * and once a step changes no carry and no rows come in, nor does any after it, so that
 * a loop of at most a million steps does not take as many here.
 */
void ad_sparsity_scan(const ad_sparsity_step *t)
{
    const ad_scan *scan = t->attr.scan;
    const int64_t size = carry_size(scan);
    const bool may_stop = scan->has_exit || scan->has_count;
    const bool is_uniform =
        scan->n_rows == 0 && scan->n_out_rows == 0 && !scan->keeps_carry;
    ad_sparsity body = {.p = scan->body, .sets = t->s->sets};
    uint32_t *carry = calloc((size_t)size + 1, sizeof *carry);
    uint32_t *before = calloc((size_t)size + 1, sizeof *before);
    if (carry == NULL || before == NULL)
        t->s->sets->has_failed = true;
    else if (ad_sparsity_prepare(&body)) {
        first_carry(t, scan, carry);
        for (int64_t i = 0; i < scan->n_steps && !body.sets->has_failed; i++) {
            const int64_t row = scan->is_reversed ? scan->n_steps - 1 - i : i;
            memcpy(before, carry, (size_t)size * sizeof *carry);
            for (int64_t e = 0; e < size && may_stop; e++)
                join(t, e, carry[e]);
            give_step(t, scan, &body, row);
            join_step(t, scan, &body, row, carry);
            if (is_uniform && memcmp(before, carry, (size_t)size * sizeof *carry) == 0)
                break;
        }
        for (int64_t e = 0; e < size; e++)
            join(t, e, carry[e]);
    }
    ad_sparsity_release(&body);
    free(carry);
    free(before);
}

void ad_sparsity_call(const ad_sparsity_step *t)
{
    const ad_call *call = t->attr.call;
    if (call->tangent == NULL)
        return; /* nothing can be differentiated through it */
    ad_sparsity body = {.p = call->tangent, .sets = t->s->sets};
    if (ad_sparsity_prepare(&body)) {
        for (int k = 1; k <= (int)call->n_active; k++)
            give(&body, (uint32_t)k,
                 is_empty(t->s, t->args[k]) ? NULL : cells_of(t, k));
        ad_sparsity_run(&body);
        join_value(&body, call->tangent->outputs[0], t->to);
    }
    ad_sparsity_release(&body);
}
