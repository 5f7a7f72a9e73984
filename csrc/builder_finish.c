/*
 * builder_finish.c - ad_builder_finish of builder.h: a program out of what was built.
 *
 * Marks what outputs and guards need, numbers it anew with inputs in front, and copies
 * it into arrays of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "builder.h"
#include "call.h"
#include "scan.h"

static void mark_live(const ad_program *p, uint8_t *is_live)
{
    for (uint32_t i = p->n; i-- > 0;) {
        const ad_instr *instr = &p->instr[i];
        if (instr->op == AD_OP_INPUT)
            is_live[i] = 1;
        const uint32_t *args = ad_instr_args(p, instr);
        for (int k = 0; is_live[i] && k < instr->n_args; k++)
            is_live[args[k]] = 1;
    }
}

/* New numbers: inputs first, then the rest in their order. */
static uint32_t number(const ad_program *p, const uint8_t *is_live, uint32_t *renamed)
{
    uint32_t n = p->n_inputs;
    for (uint32_t i = 0; i < p->n; i++)
        renamed[i] = p->instr[i].op == AD_OP_INPUT ? p->instr[i].args[0]
                     : is_live[i]                  ? n++
                                                   : AD_NONE;
    return n;
}

static ad_status copy_extra(const ad_extra *from, ad_extra *to)
{
    *to = *from;
    if (from->n_strides > 0) {
        size_t bytes = (size_t)from->n_strides * sizeof *from->attr.strides;
        int64_t *strides = malloc(bytes);
        if (strides == NULL) {
            *to = (ad_extra){.n_strides = 0};
            return AD_NO_MEMORY;
        }
        memcpy(strides, from->attr.strides, bytes);
        to->attr.strides = strides;
    }
    if (from->attr.index != NULL)
        from->attr.index->refs++;
    if (from->attr.aux != NULL)
        ad_array_keep(from->attr.aux);
    if (from->attr.scan != NULL)
        ad_scan_keep(from->attr.scan);
    if (from->attr.call != NULL)
        ad_call_keep(from->attr.call);
    if (from->value != NULL)
        ad_array_keep(from->value);
    return AD_OK;
}

/* Copy what is live of `from` into q, whose arrays are large enough. */
static ad_status copy_live(const ad_program *from, const uint8_t *is_live,
                           const uint32_t *renamed, ad_program *q)
{
    for (uint32_t i = 0; i < from->n; i++) {
        if (!is_live[i])
            continue;
        ad_instr *to = &q->instr[renamed[i]];
        const uint32_t *args = ad_instr_args(from, &from->instr[i]);
        *to = from->instr[i];
        uint32_t *at = to->args;
        if (to->n_args > 3) {
            to->args[0] = q->n_operands;
            at = q->operands + q->n_operands;
            q->n_operands += (uint32_t)to->n_args;
        }
        for (int k = 0; k < to->n_args; k++)
            at[k] = renamed[args[k]];
        if (to->extra == AD_NONE)
            continue;
        ad_status status =
            copy_extra(&from->extras[to->extra], &q->extras[q->n_extras]);
        to->extra = q->n_extras++;
        if (status != AD_OK)
            return status;
    }
    return AD_OK;
}

static bool allocate(const ad_program *like, uint32_t n, uint32_t n_outputs,
                     ad_program *q)
{
    q->refs = 1;
    q->instr = calloc((size_t)n + 1, sizeof *q->instr);
    q->operands = calloc((size_t)like->n_operands + 1, sizeof *q->operands);
    q->shapes = calloc((size_t)like->n_shapes, sizeof *q->shapes);
    q->extras = calloc((size_t)like->n_extras + 1, sizeof *q->extras);
    q->outputs = calloc((size_t)n_outputs + 1, sizeof *q->outputs);
    q->guards = calloc((size_t)like->n_guards + 1, sizeof *q->guards);
    return q->instr != NULL && q->operands != NULL && q->shapes != NULL &&
           q->extras != NULL && q->outputs != NULL && q->guards != NULL;
}

static ad_status finish(ad_builder *b, uint32_t n_outputs, const uint32_t *outputs,
                        bool keeps_guards, uint8_t *is_live, uint32_t *renamed,
                        ad_program *q)
{
    const ad_program *p = b->program;
    const uint32_t n_guards = keeps_guards ? p->n_guards : 0;
    for (uint32_t k = 0; k < n_outputs; k++)
        is_live[outputs[k]] = 1;
    for (uint32_t k = 0; k < n_guards; k++)
        is_live[p->guards[k].value] = 1;
    mark_live(p, is_live);
    q->n = number(p, is_live, renamed);
    if (!allocate(p, q->n, n_outputs, q))
        return AD_NO_MEMORY;
    for (uint32_t i = 1; i < p->n_shapes; i++)
        q->shapes[i] = ad_array_keep(p->shapes[i]);
    q->n_shapes = p->n_shapes;
    q->n_inputs = p->n_inputs;
    ad_status status = copy_live(p, is_live, renamed, q);
    for (uint32_t k = 0; k < n_outputs; k++)
        q->outputs[q->n_outputs++] = renamed[outputs[k]];
    for (uint32_t k = 0; k < n_guards; k++) {
        q->guards[q->n_guards] = p->guards[k];
        q->guards[q->n_guards++].value = renamed[p->guards[k].value];
    }
    return status;
}

ad_status ad_builder_finish(ad_builder *b, uint32_t n_outputs, const ad_value *outputs,
                            bool keeps_guards, ad_program **program)
{
    uint32_t *ids = malloc(((size_t)n_outputs + 1) * sizeof *ids);
    ad_status status = ids != NULL ? AD_OK : AD_NO_MEMORY;
    for (uint32_t k = 0; k < n_outputs && status == AD_OK; k++) {
        ids[k] = outputs[k].entry;
        if (ids[k] == AD_NONE)
            status = ad_builder_constant(b, &outputs[k], &ids[k]);
    }
    uint8_t *is_live = calloc((size_t)b->program->n + 1, 1);
    uint32_t *renamed = calloc((size_t)b->program->n + 1, sizeof *renamed);
    ad_program *q = calloc(1, sizeof *q);
    if (status == AD_OK && (is_live == NULL || renamed == NULL || q == NULL))
        status = AD_NO_MEMORY;
    if (status == AD_OK)
        status = finish(b, n_outputs, ids, keeps_guards, is_live, renamed, q);
    free(ids);
    free(is_live);
    free(renamed);
    if (status != AD_OK) {
        ad_program_drop(q);
        return status;
    }
    *program = q;
    return AD_OK;
}
