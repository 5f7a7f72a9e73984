/*
 * vm_widen.c - ad_vm_widen of vm_code.h: a loop over rows of numbers becomes arrays.
 *
 * Where a step reads numbers and does a few rows of ops.def, its instructions are put into
 * the program once, on arrays of as many elements as there are steps. They then share a
 * pass over blocks with whatever stands around them; what hangs on shared operands only is
 * done once, and two such loops share what they have in common.
 *
 *     s = scan p, x     sums                 e = exp(p * x)      (n,)
 *         e = exp(p * x)  ()          ->     s = sum(e)          ()
 *
 * Invariant: without a carry, an exit, a count or carries to compute again, from
 * AD_LOOP_LEAST steps on; a body of at most MOST instructions, of which those that read rows
 * are rows of ops.def, or packs that are nothing but an output which is summed.
 */
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "builder.h"
#include "scan.h"
#include "vm_code.h"

enum { MOST = 64 };

static const ad_scan *scan_at(const ad_program *p, uint32_t i)
{
    return p->instr[i].op == AD_OP_SCAN ? p->extras[p->instr[i].extra].attr.scan : NULL;
}

/* ---- Which -------------------------------------------------------------------------- */

static bool has_scalars_only(const ad_program *body, uint32_t i)
{
    const uint32_t *args = ad_instr_args(body, &body->instr[i]);
    for (int k = 0; k < body->instr[i].n_args; k++)
        if (body->instr[args[k]].shape != 0)
            return false;
    return true;
}

static bool is_summed_only(const ad_scan *s, uint32_t value)
{
    const ad_program *body = s->body;
    for (uint32_t i = 0; i < body->n; i++)
        for (int k = 0; k < body->instr[i].n_args; k++)
            if (ad_instr_args(body, &body->instr[i])[k] == value)
                return false;
    for (uint32_t k = 0; k < s->n_out_rows; k++)
        if (body->outputs[k] == value)
            return false;
    return true;
}

/* Can instruction i be done on arrays, if it reads rows? */
static bool widens(const ad_scan *s, uint32_t i)
{
    const ad_instr *instr = &s->body->instr[i];
    if (instr->op == AD_OP_INPUT)
        return instr->shape == 0;
    return has_scalars_only(s->body, i) &&
           ((instr->op < AD_N_ROWS && instr->shape == 0) ||
            (instr->op == AD_OP_PACK && is_summed_only(s, i)));
}

/* Can all that reads rows be done on arrays, and do all outputs read some? Says what does. */
static bool can_widen(const ad_scan *s, bool *reads_rows)
{
    const ad_program *body = s->body;
    for (uint32_t i = 0; i < body->n; i++) {
        const ad_instr *instr = &body->instr[i];
        const uint32_t *args = ad_instr_args(body, instr);
        reads_rows[i] = instr->op == AD_OP_INPUT && instr->args[0] >= s->n_shared;
        for (int k = 0; k < instr->n_args; k++)
            reads_rows[i] |= reads_rows[args[k]];
        if (reads_rows[i] && !widens(s, i))
            return false;
    }
    for (uint32_t k = 0; k < body->n_outputs; k++)
        if (!reads_rows[body->outputs[k]])
            return false;
    return true;
}

static bool is_wide(const ad_program *p, uint32_t i)
{
    bool reads_rows[MOST];
    const ad_scan *s = scan_at(p, i);
    return s != NULL && s->n_carry == 0 && !s->has_exit && !s->has_count &&
           s->readback == NULL && s->n_steps >= AD_LOOP_LEAST && s->body->n <= MOST &&
           can_widen(s, reads_rows);
}

/* ---- How ---------------------------------------------------------------------------- */

/* The sum of an array as a number, or of a number over all steps. */
static ad_status add_up(ad_tape *tape, const ad_value *x, ad_value *out)
{
    const int64_t none[1] = {0};
    const ad_attr attr = {.strides = none};
    return ad_apply(tape, AD_OP_STRIDED_ADD, 1, x, &attr, out);
}

/* A number in a shape of one element. */
static ad_status as_vector(ad_tape *tape, ad_value *x)
{
    const int64_t one = 1;
    ad_array *shape = ad_array_ghost(1, &one);
    if (shape == NULL)
        return AD_NO_MEMORY;
    const ad_attr attr = {.shape = shape};
    ad_value vector;
    const ad_status status = ad_apply(tape, AD_OP_RESHAPE, 1, x, &attr, &vector);
    ad_array_drop(shape);
    if (status == AD_OK) {
        ad_value_drop(x);
        *x = vector;
    }
    return status;
}

/* A number that reads rows, but was folded to one, as an array of n. */
static ad_status as_rows(ad_tape *tape, int64_t n, ad_value *x)
{
    if (x->array != NULL)
        return AD_OK;
    const int64_t none[1] = {0};
    ad_array *shape = ad_array_ghost(1, &n);
    if (shape == NULL)
        return AD_NO_MEMORY;
    const ad_attr attr = {.shape = shape, .strides = none};
    const ad_status status = ad_apply(tape, AD_OP_STRIDED, 1, x, &attr, x);
    ad_array_drop(shape);
    return status;
}

/* Value i of the body, added up over the steps, as a vector. */
static ad_status put_sums(ad_builder *b, const ad_scan *s, uint32_t i, ad_value *values,
                          ad_value *out)
{
    const ad_program *body = s->body;
    const bool is_pack = body->instr[i].op == AD_OP_PACK;
    const int n = is_pack ? body->instr[i].n_args : 1;
    const uint32_t *args = is_pack ? ad_instr_args(body, &body->instr[i]) : &i;
    ad_value *sums = calloc((size_t)n, sizeof *sums);
    ad_status status = sums != NULL ? AD_OK : AD_NO_MEMORY;
    int done = 0;
    for (; done < n && status == AD_OK; done++) {
        ad_value *x = &values[args[done]];
        if ((status = as_rows(b->tape, s->n_steps, x)) == AD_OK)
            status = add_up(b->tape, x, &sums[done]);
        if (status != AD_OK)
            break;
    }
    if (status == AD_OK && is_pack) {
        const ad_attr attr = ad_program_attr(body, i);
        status = ad_apply(b->tape, AD_OP_PACK, n, sums, &attr, out);
    } else if (status == AD_OK && (status = as_vector(b->tape, &sums[0])) == AD_OK) {
        *out = sums[0];
        done = 0;
    }
    if (sums != NULL)
        ad_values_drop(done, sums);
    free(sums);
    return status;
}

/* The body's instructions on arrays; packs are for put_sums. */
static ad_status inline_body(ad_builder *b, const ad_program *body,
                             const ad_value *inputs, const bool *reads_rows,
                             ad_value *values)
{
    ad_status status = AD_OK;
    for (uint32_t i = 0; i < body->n && status == AD_OK; i++)
        if (!reads_rows[i] || body->instr[i].op != AD_OP_PACK)
            status = ad_program_replay_one(b->tape, body, i, inputs, values);
    return status;
}

static ad_status widen_one(ad_builder *b, const ad_program *p, uint32_t at,
                           ad_value *outer)
{
    const ad_scan *s = scan_at(p, at);
    const ad_program *body = s->body;
    const uint32_t *args = ad_instr_args(p, &p->instr[at]), n = body->n_outputs;
    ad_value inputs[MOST], values[MOST] = {{0}};
    ad_value *pieces = calloc((size_t)n + 1, sizeof *pieces);
    bool reads_rows[MOST];
    ad_status status = pieces != NULL ? AD_OK : AD_NO_MEMORY;
    (void)can_widen(s, reads_rows);
    for (uint32_t k = 0; k < body->n_inputs; k++)
        inputs[k] = outer[args[k]];
    if (status == AD_OK)
        status = inline_body(b, body, inputs, reads_rows, values);
    uint32_t done = 0;
    for (; done < n && status == AD_OK; done++) {
        const uint32_t i = body->outputs[done];
        if (done >= s->n_out_rows) {
            status = put_sums(b, s, i, values, &pieces[done]);
        } else if ((status = as_rows(b->tape, s->n_steps, &values[i])) == AD_OK) {
            pieces[done] = values[i];
            ad_array_keep(pieces[done].array);
        }
        if (status != AD_OK)
            break;
    }
    const ad_attr attr = {.axis = 0};
    if (status == AD_OK)
        status = ad_apply(b->tape, AD_OP_CAT, (int)n, pieces, &attr, &outer[at]);
    if (pieces != NULL)
        ad_values_drop(done, pieces);
    ad_values_drop(body->n, values);
    free(pieces);
    return status;
}

static ad_status fill(ad_builder *b, const ad_program *p, const ad_value *inputs,
                      ad_value *values, void *context)
{
    (void)context;
    ad_status status = AD_OK;
    for (uint32_t i = 0; i < p->n && status == AD_OK; i++)
        status = is_wide(p, i) ? widen_one(b, p, i, values)
                               : ad_program_replay_one(b->tape, p, i, inputs, values);
    return status;
}

ad_program *ad_vm_widen(ad_program *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (is_wide(p, i))
            return ad_vm_rebuild(p, fill, NULL);
    return ad_program_keep(p);
}
