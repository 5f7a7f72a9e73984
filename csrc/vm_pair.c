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

/* Can product m be put off to sum i? In a loop if both are members, which arrays of the
 * loop's length are; its operands are there anyhow. */
static bool can_join(const ad_plan *plan, uint32_t m, uint32_t i, const uint8_t *made)
{
    const ad_program *p = plan->program;
    const int64_t n = ad_program_size(p, i);
    if (!is_product(p->instr[m].op) || plan->readers[m] != 1)
        return false;
    return made != NULL ? made[m] && ad_program_size(p, m) == n
                        : i - m <= FARTHEST && is_short(p, m, n);
}

/* The operand of sum i that is a product which can join it: 0 or 1, or -1. */
static int find_product(const ad_plan *plan, uint32_t i, const uint8_t *made)
{
    const uint32_t *args = plan->program->instr[i].args;
    int found = -1;
    for (int k = 0; k < 2; k++) {
        const uint32_t m = args[k];
        const bool joins = args[0] != args[1] && can_join(plan, m, i, made);
        /* Of two, the later one is likelier to be what the sum waits for. */
        if (joins && (found < 0 || m > args[found]))
            found = k;
    }
    return found;
}

/* w + x (-y) is w - x y, to the last bit; the negation may be left without readers. */
static bool skip_negation(ad_plan *plan, ad_pair *pair)
{
    const ad_program *p = plan->program;
    for (int k = 0; k < 2; k++) {
        const uint32_t neg = pair->args[k];
        if (p->instr[neg].op != AD_OP_NEG ||
            ad_program_size(p, neg) != ad_program_size(p, p->instr[neg].args[0]))
            continue;
        pair->args[k] = p->instr[neg].args[0];
        plan->readers[neg]--;
        plan->readers[pair->args[k]]++;
        return true;
    }
    return false;
}

static ad_pair make_pair(ad_plan *plan, uint32_t i, int k)
{
    const ad_program *p = plan->program;
    const uint32_t *sum = p->instr[i].args, *product = p->instr[sum[k]].args;
    ad_pair pair = {.args = {product[0], product[1], sum[1 - k]}};
    if (p->instr[i].op == AD_OP_SUB) {
        pair.op[AD_FAST] = k == 0 ? AD_STEP_MUL_SUB : AD_STEP_SUB_MUL;
        pair.op[AD_GUARDED] = k == 0 ? AD_STEP_G_MUL_SUB : AD_STEP_G_SUB_MUL;
    } else if (skip_negation(plan, &pair)) {
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

/* Instruction i, when all that read it have been seen. */
static void look_at(ad_plan *plan, uint32_t i, const uint8_t *made)
{
    const ad_program *p = plan->program;
    const uint16_t op = p->instr[i].op;
    if (op == AD_OP_NEG && plan->readers[i] == 0) {
        plan->has_no_step[i] = true;
        plan->readers[p->instr[i].args[0]]--;
    }
    if (op != AD_OP_ADD && op != AD_OP_SUB)
        return;
    const int k = find_product(plan, i, made);
    if (k < 0)
        return;
    plan->has_no_step[p->instr[i].args[k]] = true;
    plan->pair[i] = plan->n_pairs;
    plan->pairs[plan->n_pairs++] = make_pair(plan, i, k);
}

bool ad_plan_pair(ad_plan *plan)
{
    const ad_program *p = plan->program;
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n; i++)
        n += p->instr[i].op == AD_OP_ADD || p->instr[i].op == AD_OP_SUB;
    plan->readers = count_readers(p);
    plan->pairs = malloc(((size_t)n + 1) * sizeof *plan->pairs);
    if (plan->readers == NULL || plan->pairs == NULL)
        return false;
    for (uint32_t i = p->n; i-- > 0;)
        if (p->instr[i].op < AD_N_ROWS && is_short(p, i, ad_program_size(p, i)))
            look_at(plan, i, NULL);
    return true;
}

uint32_t ad_plan_pair_members(ad_plan *plan, uint32_t n, uint32_t *members,
                              const uint8_t *made)
{
    for (uint32_t j = n; j-- > 0;)
        look_at(plan, members[j], made);
    uint32_t n_left = 0;
    for (uint32_t j = 0; j < n; j++)
        if (!plan->has_no_step[members[j]])
            members[n_left++] = members[j];
    return n_left;
}
