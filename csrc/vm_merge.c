/*
 * vm_merge.c - ad_vm_merge of vm_code.h: loops that go over the same rows become one.
 *
 * A value and its gradient are two loops, of which the second makes again what the first
 * has made. In one body equal instructions are shared, and rows are read once.
 *
 *     a = scan x, y            sums           a, b = scan x, y, seed
 *     c = f(..)                         ->    ...
 *     b = scan x, y, seed      sums           f(..) and what else reads a or b
 *
 * Invariant: only loops without a carry, an exit, a count or carries to compute again, of
 * as many steps, none of which needs what another one makes; so nothing but the order of
 * instructions changes.
 * A shared operand that is a number goes into the body, where it is folded.
 */
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "builder.h"
#include "scan.h"
#include "vm_code.h"

enum { MOST = 16 }; /* loops in one */

typedef struct group {
    const ad_program *p;
    uint32_t members[MOST], n;
    uint8_t *depends; /* of each value of p: on a member's result */
} group;

/* ---- Which -------------------------------------------------------------------------- */

static const ad_scan *scan_at(const ad_program *p, uint32_t i)
{
    return p->instr[i].op == AD_OP_SCAN ? p->extras[p->instr[i].extra].attr.scan : NULL;
}

static bool is_free(const ad_scan *s)
{
    return s != NULL && s->n_carry == 0 && !s->has_exit && !s->has_count &&
           s->readback == NULL;
}

static bool is_number(const ad_program *p, uint32_t i)
{
    return p->instr[i].op == AD_OP_CONST && p->instr[i].shape == 0;
}

static bool shares_a_number(const ad_program *p, uint32_t i)
{
    const uint32_t *args = ad_instr_args(p, &p->instr[i]);
    for (uint32_t k = 0; k < scan_at(p, i)->n_shared; k++)
        if (is_number(p, args[k]))
            return true;
    return false;
}

/* Do two loops read the same rows? */
static bool reads_with(const ad_program *p, uint32_t i, uint32_t j)
{
    const ad_scan *s = scan_at(p, i), *t = scan_at(p, j);
    const uint32_t *a = ad_instr_args(p, &p->instr[i]) + s->n_shared;
    const uint32_t *b = ad_instr_args(p, &p->instr[j]) + t->n_shared;
    for (uint32_t k = 0; k < s->n_rows; k++)
        for (uint32_t l = 0; l < t->n_rows; l++)
            if (a[k] == b[l])
                return true;
    return false;
}

static bool needs_member(const group *g, uint32_t i)
{
    const uint32_t *args = ad_instr_args(g->p, &g->p->instr[i]);
    for (int k = 0; k < g->p->instr[i].n_args; k++)
        if (g->depends[args[k]])
            return true;
    return false;
}

/* The loops that go with the one at `first`; is there anything to do? */
static bool gather(group *g, uint32_t first)
{
    const ad_program *p = g->p;
    memset(g->depends, 0, p->n);
    g->n = 0;
    for (uint32_t i = first; i < p->n; i++) {
        g->depends[i] = needs_member(g, i);
        const bool joins =
            g->n < MOST && is_free(scan_at(p, i)) && !g->depends[i] &&
            (g->n == 0 || (scan_at(p, i)->n_steps == scan_at(p, first)->n_steps &&
                           reads_with(p, first, i)));
        if (joins) {
            g->members[g->n++] = i;
            g->depends[i] = 1;
        }
    }
    return g->n > 1 || shares_a_number(p, first);
}

static bool find_group(group *g, uint32_t *from)
{
    for (; *from < g->p->n; ++*from)
        if (is_free(scan_at(g->p, *from)) && gather(g, *from))
            return true;
    return false;
}

/* ---- One body of many ------------------------------------------------------------------ */

typedef struct merger {
    const group *g;
    ad_builder *b;         /* of the body */
    ad_value *values[MOST]; /* of the members' bodies, in it */
    uint32_t *operands, n_operands; /* of the loop: values of p, in the body's order */
    uint32_t n_shared;
} merger;

/* The body's input for an operand, which is new if none before has it. */
static ad_status find_input(merger *m, uint32_t first, uint32_t operand,
                            const ad_array *shape, ad_value *input)
{
    uint32_t at = first;
    while (at < m->n_operands && m->operands[at] != operand)
        at++;
    if (at == m->n_operands) {
        uint32_t value;
        m->operands[m->n_operands++] = operand;
        const ad_status status = ad_builder_input(m->b, shape, &value);
        if (status != AD_OK)
            return status;
    }
    *input = ad_builder_value(m->b, at);
    return AD_OK;
}

/* Inputs of one kind for all members: inputs[j][k] for operand k of member j. */
static ad_status find_inputs(merger *m, bool is_shared, ad_value **inputs)
{
    const ad_program *p = m->g->p;
    const uint32_t first = m->n_operands;
    ad_status status = AD_OK;
    for (uint32_t j = 0; j < m->g->n; j++) {
        const uint32_t i = m->g->members[j];
        const ad_scan *s = scan_at(p, i);
        const uint32_t *args = ad_instr_args(p, &p->instr[i]);
        const uint32_t end = is_shared ? s->n_shared : s->body->n_inputs;
        for (uint32_t k = is_shared ? 0 : s->n_shared; k < end && status == AD_OK; k++)
            if (is_shared && is_number(p, args[k]))
                inputs[j][k] = (ad_value){p->instr[args[k]].number, NULL, AD_NONE};
            else
                status = find_input(m, first, args[k], ad_program_shape(s->body, k),
                                    &inputs[j][k]);
    }
    return status;
}

/* Outputs of all members: rows of each, then sums of each. */
static uint32_t collect_outputs(const merger *m, ad_value *outputs)
{
    uint32_t n = 0;
    for (int part = 0; part < 2; part++)
        for (uint32_t j = 0; j < m->g->n; j++) {
            const ad_scan *s = scan_at(m->g->p, m->g->members[j]);
            const uint32_t first = part == 0 ? 0 : s->n_out_rows;
            const uint32_t end = part == 0 ? s->n_out_rows : s->body->n_outputs;
            for (uint32_t k = first; k < end; k++)
                outputs[n++] = m->values[j][s->body->outputs[k]];
        }
    return n;
}

static ad_status fill_body(merger *m, ad_value **inputs, ad_value *outputs,
                           ad_program **body)
{
    const group *g = m->g;
    ad_status status = find_inputs(m, true, inputs);
    m->n_shared = m->n_operands;
    if (status == AD_OK)
        status = find_inputs(m, false, inputs);
    for (uint32_t j = 0; j < g->n && status == AD_OK; j++)
        status = ad_builder_inline(m->b, scan_at(g->p, g->members[j])->body, inputs[j],
                                   m->values[j]);
    if (status != AD_OK)
        return status;
    const uint32_t n = collect_outputs(m, outputs);
    return ad_builder_finish(m->b, n, outputs, false, body);
}

/* The body; fills the merger's operands, which are the caller's to free. */
static ad_status merge_bodies(merger *m, ad_program **body)
{
    const group *g = m->g;
    ad_value *inputs[MOST] = {NULL}, *outputs;
    size_t n_inputs = 1, n_outputs = 1;
    ad_status status = AD_OK;
    for (uint32_t j = 0; j < g->n; j++) {
        const ad_program *one = scan_at(g->p, g->members[j])->body;
        inputs[j] = calloc((size_t)one->n_inputs + 1, sizeof *inputs[j]);
        m->values[j] = calloc((size_t)one->n + 1, sizeof *m->values[j]);
        if (inputs[j] == NULL || m->values[j] == NULL)
            status = AD_NO_MEMORY;
        n_inputs += one->n_inputs;
        n_outputs += one->n_outputs;
    }
    m->operands = malloc(n_inputs * sizeof *m->operands);
    outputs = calloc(n_outputs, sizeof *outputs);
    m->b = ad_builder_new(false);
    if (m->operands == NULL || outputs == NULL || m->b == NULL)
        status = AD_NO_MEMORY;
    if (status == AD_OK)
        status = fill_body(m, inputs, outputs, body);
    for (uint32_t j = 0; j < g->n; j++) {
        const ad_program *one = scan_at(g->p, g->members[j])->body;
        if (inputs[j] != NULL)
            ad_values_drop(one->n_inputs, inputs[j]);
        if (m->values[j] != NULL)
            ad_values_drop(one->n, m->values[j]);
        free(inputs[j]);
        free(m->values[j]);
    }
    free(outputs);
    ad_builder_free(m->b);
    return status;
}

/* ---- The program around it ------------------------------------------------------------- */

/* n elements of a vector from *offset on, which moves behind them. */
static ad_status take_run(ad_tape *tape, const ad_value *vector, int64_t *offset,
                          int64_t n, ad_value *out)
{
    const int64_t one[1] = {1};
    ad_array *shape = ad_array_ghost(1, &n);
    if (shape == NULL)
        return AD_NO_MEMORY;
    const ad_attr attr = {.offset = *offset, .shape = shape, .strides = one};
    *offset += n;
    const ad_status status = ad_apply(tape, AD_OP_STRIDED, 1, vector, &attr, out);
    ad_array_drop(shape);
    return status;
}

/* What each member made, out of what the one loop makes. */
static ad_status part_results(const group *g, ad_tape *tape, const ad_scan *merged,
                              const ad_value *all, ad_value *values)
{
    int64_t rows_at = 0, sums_at = ad_scan_offset(merged, AD_SCAN_SUMS, 0);
    ad_status status = AD_OK;
    for (uint32_t j = 0; j < g->n && status == AD_OK; j++) {
        const ad_scan *s = scan_at(g->p, g->members[j]);
        const int64_t n_rows = ad_scan_offset(s, AD_SCAN_SUMS, 0);
        const int64_t n_sums = ad_scan_size(s) - n_rows;
        ad_value *out = &values[g->members[j]], pieces[2];
        if (n_sums == 0 || n_rows == 0) {
            status = take_run(tape, all, n_sums == 0 ? &rows_at : &sums_at,
                              n_rows + n_sums, out);
            continue;
        }
        const ad_attr joined = {.axis = 0};
        status = take_run(tape, all, &rows_at, n_rows, &pieces[0]);
        if (status != AD_OK)
            continue;
        status = take_run(tape, all, &sums_at, n_sums, &pieces[1]);
        if (status == AD_OK)
            status = ad_apply(tape, AD_OP_CAT, 2, pieces, &joined, out);
        ad_values_drop(status == AD_OK ? 2 : 1, pieces);
    }
    return status;
}

static ad_status apply_merged(const group *g, ad_builder *b, ad_value *values)
{
    merger m = {.g = g};
    ad_program *body = NULL;
    ad_scan *scan = NULL;
    ad_value *args = NULL, all;
    ad_status status = merge_bodies(&m, &body);
    if (status == AD_OK) {
        ad_scan spec = {.body = body,
                        .n_steps = scan_at(g->p, g->members[0])->n_steps,
                        .n_shared = m.n_shared,
                        .n_rows = m.n_operands - m.n_shared};
        for (uint32_t j = 0; j < g->n; j++)
            spec.n_out_rows += scan_at(g->p, g->members[j])->n_out_rows;
        spec.n_out_sums = body->n_outputs - spec.n_out_rows;
        scan = ad_scan_new(&spec);
        args = malloc(((size_t)m.n_operands + 1) * sizeof *args);
        if (scan == NULL || args == NULL)
            status = AD_NO_MEMORY;
    }
    if (status == AD_OK) {
        const ad_attr attr = {.scan = scan};
        for (uint32_t k = 0; k < m.n_operands; k++)
            args[k] = values[m.operands[k]];
        b->line = g->p->instr[g->members[0]].line;
        status = ad_apply(b->tape, AD_OP_SCAN, (int)m.n_operands, args, &attr, &all);
    }
    if (status == AD_OK) {
        status = part_results(g, b->tape, scan, &all, values);
        ad_value_drop(&all);
    }
    free(args);
    free(m.operands);
    ad_scan_drop(scan);
    ad_program_drop(body);
    return status;
}

/* What comes before the last member and needs none of them; the loop; the rest. */
static ad_status put_in_order(ad_builder *b, const ad_program *p,
                              const ad_value *inputs, ad_value *values, void *context)
{
    const group *g = context;
    const uint32_t last = g->members[g->n - 1];
    ad_status status = AD_OK;
    for (uint32_t i = 0; i < last && status == AD_OK; i++)
        if (!g->depends[i])
            status = ad_program_replay_one(b->tape, p, i, inputs, values);
    if (status == AD_OK)
        status = apply_merged(g, b, values);
    uint32_t member = 0;
    for (uint32_t i = 0; i < p->n && status == AD_OK; i++)
        if (member < g->n && g->members[member] == i)
            member++;
        else if (g->depends[i] || i > last)
            status = ad_program_replay_one(b->tape, p, i, inputs, values);
    return status;
}

ad_program *ad_vm_merge(ad_program *p)
{
    uint32_t n_scans = 0, from = 0;
    for (uint32_t i = 0; i < p->n; i++)
        n_scans += is_free(scan_at(p, i));
    ad_program_keep(p);
    for (; n_scans > 0 && p != NULL; n_scans--) {
        group g = {.p = p, .depends = malloc((size_t)p->n + 1)};
        ad_program *made = NULL;
        const bool is_found = g.depends != NULL && find_group(&g, &from);
        if (is_found)
            made = ad_vm_rebuild(p, put_in_order, &g);
        const bool is_done = g.depends != NULL && !is_found;
        free(g.depends);
        if (is_done)
            return p;
        ad_program_drop(p);
        p = made;
        from = 0; /* numbers are new */
    }
    return p;
}
