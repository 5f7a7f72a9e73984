/*
 * sparsity.c - see sparsity.h. Instruction by instruction, each element gets the set of
 * input elements that it depends on (index_sets.h); values that nothing reads any more
 * give their sets back. What a row passes on is in sparsity_rules.c.
 */
#include "sparsity.h"

#include <stdlib.h>
#include <string.h>

#include "sparsity_step.h"

/* ---- The pass --------------------------------------------------------------------- */

uint32_t *ad_sparsity_room(ad_sparsity *s, uint32_t value)
{
    if (ad_program_shape(s->p, value) == NULL)
        return &s->values[value].one;
    const int64_t size = ad_program_size(s->p, value);
    s->values[value].at = calloc((size_t)size + 1, sizeof(uint32_t));
    s->sets->has_failed |= s->values[value].at == NULL;
    return s->values[value].at;
}

void ad_sparsity_drop(ad_sparsity *s, uint32_t value)
{
    free(s->values[value].at);
    s->values[value].at = NULL;
}

static void run_instr(ad_sparsity *s, uint32_t i)
{
    const ad_instr *instr = &s->p->instr[i];
    const uint32_t *args = ad_instr_args(s->p, instr);
    bool is_active = false;
    ad_sparsity_drop(s, i); /* a loop comes here again */
    s->values[i].one = 0;
    for (int k = 0; k < instr->n_args; k++)
        is_active |= !is_empty(s, args[k]);
    if (is_active && instr->op != AD_OP_STOP) {
        ad_sparsity_step t = {s,
                              instr,
                              args,
                              ad_program_attr(s->p, i),
                              ad_program_shape(s->p, i),
                              ad_sparsity_room(s, i)};
        if (t.to != NULL)
            ad_sparsity_rule(&t);
    }
    for (int k = 0; k < instr->n_args; k++)
        if (s->last_use[args[k]] == i)
            ad_sparsity_drop(s, args[k]);
    if (s->last_use[i] == 0 && i >= s->p->n_inputs)
        ad_sparsity_drop(s, i); /* nothing reads it: of a guard */
}

static void find_last_uses(const ad_program *p, uint32_t *last_use)
{
    for (uint32_t i = 0; i < p->n; i++) {
        const uint32_t *args = ad_instr_args(p, &p->instr[i]);
        for (int k = 0; k < p->instr[i].n_args; k++)
            last_use[args[k]] = i;
    }
    for (uint32_t k = 0; k < p->n_outputs; k++)
        last_use[p->outputs[k]] = AD_NONE;
}

void ad_sparsity_release(ad_sparsity *s)
{
    for (uint32_t i = 0; i < s->p->n && s->values != NULL; i++)
        ad_sparsity_drop(s, i);
    free(s->values);
    free(s->last_use);
}

bool ad_sparsity_prepare(ad_sparsity *s)
{
    s->values = calloc((size_t)s->p->n + 1, sizeof *s->values);
    s->last_use = calloc((size_t)s->p->n + 1, sizeof *s->last_use);
    if (s->values == NULL || s->last_use == NULL) {
        s->sets->has_failed = true;
        return false;
    }
    find_last_uses(s->p, s->last_use);
    return true;
}

void ad_sparsity_run(ad_sparsity *s)
{
    for (uint32_t i = s->p->n_inputs; i < s->p->n && !s->sets->has_failed; i++)
        run_instr(s, i);
}

/* ---- Inputs and outputs ----------------------------------------------------------- */

/* Give each element of the wanted inputs its column. */
static void set_inputs(ad_sparsity *s, const bool *is_wanted)
{
    uint32_t next = 1;
    for (uint32_t k = 0; k < s->p->n_inputs && !s->sets->has_failed; k++) {
        if (!is_wanted[k] || s->last_use[k] == 0)
            next += is_wanted[k] ? (uint32_t)ad_program_size(s->p, k) : 0;
        else {
            uint32_t *to = ad_sparsity_room(s, k);
            for (int64_t e = 0; e < ad_program_size(s->p, k) && to != NULL; e++)
                to[e] = next++;
        }
    }
}

/* The sets of the outputs' elements, one after another. */
static ad_status expand_outputs(const ad_sparsity *s, const bool *is_wanted,
                                ad_pattern *pattern)
{
    uint32_t *ids = calloc((size_t)pattern->n_rows + 1, sizeof *ids);
    pattern->starts = calloc((size_t)pattern->n_rows + 1, sizeof *pattern->starts);
    if (ids == NULL || pattern->starts == NULL) {
        free(ids);
        return AD_NO_MEMORY;
    }
    int64_t row = 0;
    for (uint32_t k = 0; k < s->p->n_outputs; k++) {
        if (!is_wanted[k])
            continue;
        const ad_cells *c = &s->values[s->p->outputs[k]];
        const int64_t n = ad_program_size(s->p, s->p->outputs[k]);
        if (c->at != NULL)
            memcpy(ids + row, c->at, (size_t)n * sizeof *ids);
        else if (n == 1)
            ids[row] = c->one;
        row += n;
    }
    ad_status status =
        ad_sets_expand(s->sets, pattern->n_rows, ids, (uint32_t)pattern->n_columns,
                       pattern->starts, &pattern->columns);
    free(ids);
    return status;
}

static ad_status measure(const ad_program *p, const bool *is_wanted_input,
                         const bool *is_wanted_output, ad_pattern *pattern,
                         ad_message *message)
{
    for (uint32_t k = 0; k < p->n_inputs; k++)
        pattern->n_columns += is_wanted_input[k] ? ad_program_size(p, k) : 0;
    for (uint32_t k = 0; k < p->n_outputs; k++)
        pattern->n_rows += is_wanted_output[k] ? ad_program_size(p, p->outputs[k]) : 0;
    if (pattern->n_rows < INT32_MAX && pattern->n_columns < INT32_MAX)
        return AD_OK;
    return ad_fail(message, AD_SHAPE,
                   "a sparse matrix may have 2147483646 rows and columns at most, got "
                   "%lld and %lld",
                   (long long)pattern->n_rows, (long long)pattern->n_columns);
}

ad_status ad_sparsity_jacobian(const ad_program *p, const bool *is_wanted_input,
                               const bool *is_wanted_output, ad_pattern *pattern,
                               ad_message *message)
{
    *pattern = (ad_pattern){.n_rows = 0};
    ad_status status = measure(p, is_wanted_input, is_wanted_output, pattern, message);
    if (status != AD_OK)
        return status;
    ad_sets sets;
    if (ad_sets_init(&sets, (uint32_t)pattern->n_columns) != AD_OK)
        return AD_NO_MEMORY;
    ad_sparsity s = {.p = p, .sets = &sets};
    status = AD_NO_MEMORY;
    if (ad_sparsity_prepare(&s)) {
        set_inputs(&s, is_wanted_input);
        ad_sparsity_run(&s);
        if (!sets.has_failed)
            status = expand_outputs(&s, is_wanted_output, pattern);
    }
    ad_sparsity_release(&s);
    ad_sets_free(&sets);
    if (status != AD_OK)
        ad_pattern_free(pattern);
    return status;
}

void ad_pattern_free(ad_pattern *pattern)
{
    free(pattern->starts);
    free(pattern->columns);
    *pattern = (ad_pattern){.n_rows = 0};
}
