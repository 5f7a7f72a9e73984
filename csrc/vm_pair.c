/*
 * vm_pair.c - finds products that are done in one step with the sum that reads them.
 *
 * Such a product is read by nothing else. One pass from the end: when it comes to an
 * instruction, all that read it have been seen, so that its readers are counted; a
 * negation whose readers have all turned to its operand is found to have none.
 */
#include <stdlib.h>

#include "vm_code.h"

/* Operands of a product that is put off stay alive until then. */
enum { FARTHEST = 64 };

static uint32_t *count_readers(const ad_program *p)
{
    uint32_t *readers = calloc((size_t)p->n + 1, sizeof *readers);
    for (uint32_t i = 0; i < p->n && readers != NULL; i++)
        for (int k = 0; k < p->instr[i].n_args; k++)
            readers[ad_instr_args(p, &p->instr[i])[k]]++;
    for (uint32_t k = 0; k < p->n_outputs && readers != NULL; k++)
        readers[p->outputs[k]]++;
    for (uint32_t k = 0; k < p->n_guards && readers != NULL; k++)
        readers[p->guards[k].value]++;
    return readers;
}

static bool is_product(uint16_t op)
{
    return op == AD_OP_MUL || op == AD_OP_GUARDED_MUL;
}

/* A row, of scalars or of n elements and scalars; no loop of several steps. */
static bool is_short(const ad_program *p, uint32_t i, int64_t n)
{
    const ad_shape_class class = ad_plan_class(p, i);
    return ad_program_size(p, i) == n && n > 0 &&
           (class == AD_SCALAR || (class == AD_LINEAR && n < AD_LOOP_LEAST));
}

/* The operand of sum i that is a product which can join it: 0 or 1, or -1. */
static int find_product(const ad_program *p, const uint32_t *readers, uint32_t i)
{
    const uint32_t *args = p->instr[i].args;
    const int64_t n = ad_program_size(p, i);
    int found = -1;
    for (int k = 0; k < 2; k++) {
        const uint32_t m = args[k];
        const bool joins = is_product(p->instr[m].op) && readers[m] == 1 &&
                           i - m <= FARTHEST && is_short(p, m, n) && args[0] != args[1];
        /* Of two, the later one is likelier to be what the sum waits for. */
        if (joins && (found < 0 || m > args[found]))
            found = k;
    }
    return found;
}

/* w + x (-y) is w - x y, to the last bit; the negation may be left without readers. */
static bool skip_negation(const ad_program *p, uint32_t *readers, ad_pair *pair)
{
    for (int k = 0; k < 2; k++) {
        const uint32_t neg = pair->args[k];
        if (p->instr[neg].op != AD_OP_NEG ||
            ad_program_size(p, neg) != ad_program_size(p, p->instr[neg].args[0]))
            continue;
        pair->args[k] = p->instr[neg].args[0];
        readers[neg]--;
        readers[pair->args[k]]++;
        return true;
    }
    return false;
}

static ad_pair make_pair(ad_plan *plan, uint32_t *readers, uint32_t i, int k)
{
    const ad_program *p = plan->program;
    const uint32_t *sum = p->instr[i].args, *product = p->instr[sum[k]].args;
    ad_pair pair = {.args = {product[0], product[1], sum[1 - k]}};
    if (p->instr[i].op == AD_OP_SUB) {
        pair.op[AD_FAST] = k == 0 ? AD_STEP_MUL_SUB : AD_STEP_SUB_MUL;
        pair.op[AD_GUARDED] = k == 0 ? AD_STEP_G_MUL_SUB : AD_STEP_G_SUB_MUL;
    } else if (skip_negation(p, readers, &pair)) {
        pair.op[AD_FAST] = AD_STEP_SUB_MUL;
        pair.op[AD_GUARDED] = AD_STEP_G_ADD_NEG;
    } else {
        pair.op[AD_FAST] = AD_STEP_MUL_ADD;
        pair.op[AD_GUARDED] = AD_STEP_G_MUL_ADD;
    }
    if (p->instr[sum[k]].op == AD_OP_MUL)
        pair.op[AD_GUARDED] = pair.op[AD_FAST];
    else if (plan->is_guarded[sum[k]])
        pair.op[AD_FAST] = pair.op[AD_GUARDED];
    return pair;
}

bool ad_plan_pair(ad_plan *plan)
{
    const ad_program *p = plan->program;
    uint32_t *readers = count_readers(p), n = 0;
    for (uint32_t i = 0; i < p->n; i++)
        n += p->instr[i].op == AD_OP_ADD || p->instr[i].op == AD_OP_SUB;
    plan->pairs = malloc(((size_t)n + 1) * sizeof *plan->pairs);
    const bool has_room = readers != NULL && plan->pairs != NULL;
    for (uint32_t i = p->n; i-- > 0 && has_room;) {
        const uint16_t op = p->instr[i].op;
        if (op == AD_OP_NEG && readers[i] == 0) {
            plan->has_no_step[i] = true;
            readers[p->instr[i].args[0]]--;
        }
        if ((op != AD_OP_ADD && op != AD_OP_SUB) ||
            !is_short(p, i, ad_program_size(p, i)))
            continue;
        const int k = find_product(p, readers, i);
        if (k < 0)
            continue;
        plan->has_no_step[p->instr[i].args[k]] = true;
        plan->pair[i] = plan->n_pairs;
        plan->pairs[plan->n_pairs++] = make_pair(plan, readers, i, k);
    }
    free(readers);
    return has_room;
}
