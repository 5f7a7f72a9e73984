/*
 * vm_outside.c - what a run at one point reads where its owner has it: large inputs and
 * constants, which are not copied into the workspace.
 *
 * Such a value is read by loops over as many elements and by scans only, which ask for
 * the address (ad_vm_at); anything else that reads it, or an output or guard that is it,
 * wants it in its slots. For vm_code.c and vm.c.
 */
#include "scan.h"
#include "vm_code.h"

int64_t ad_plan_loop_length(const ad_program *p, uint32_t i)
{
    return ad_program_size(p,
                           ad_plan_class(p, i) == AD_TOTAL ? p->instr[i].args[0] : i);
}

bool ad_plan_is_large(const ad_program *p, uint32_t i)
{
    return (p->instr[i].op == AD_OP_INPUT || p->instr[i].op == AD_OP_CONST) &&
           ad_program_size(p, i) >= AD_LOOP_LEAST;
}

/* Can step i read operand k of n elements wherever it is? n_loop: elements of the loop
 * that the step is in, or 0. */
static bool reads_outside(const ad_program *p, uint32_t i, int k, int64_t n,
                          int64_t n_loop)
{
    if (p->instr[i].op == AD_OP_SCAN)
        return k > 0 || !p->extras[p->instr[i].extra].attr.scan->has_count;
    return n_loop > 0 && (n == n_loop || ad_plan_class(p, i) == AD_PAD);
}

void ad_plan_outside(const ad_plan *plan, bool *is_outside)
{
    const ad_program *p = plan->program;
    uint32_t loop = 0;
    for (uint32_t i = 0; i < p->n; i++)
        is_outside[i] = ad_plan_is_large(p, i);
    for (uint32_t at = 0; at < plan->n_order; at++) {
        while (loop < plan->n_loops && plan->loops[2 * loop + 1] <= at)
            loop++;
        const bool is_inside = loop < plan->n_loops && plan->loops[2 * loop] <= at;
        const int64_t n_loop =
            is_inside ? ad_plan_loop_length(p, plan->order[plan->loops[2 * loop]]) : 0;
        const uint32_t i = plan->order[at], *args;
        const int n_args = ad_plan_args(plan, i, &args);
        for (int k = 0; k < n_args; k++)
            is_outside[plan->base[args[k]]] &=
                reads_outside(p, i, k, ad_program_size(p, args[k]), n_loop);
    }
    for (uint32_t k = 0; k < p->n_outputs; k++)
        is_outside[plan->base[p->outputs[k]]] = false;
    for (uint32_t k = 0; k < p->n_guards; k++)
        is_outside[plan->base[p->guards[k].value]] = false;
}
