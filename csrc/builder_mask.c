/*
 * builder_mask.c - what kind of value a value under construction is: see
 * ad_builder_is_mask of builder.h. Found by looking at the operations that made it.
 */
#include "builder.h"

static bool is_comparison(int op)
{
    return op >= AD_OP_GT && op <= AD_OP_NE;
}

static bool has_elements_of_first(int op)
{
    return op == AD_OP_RESHAPE || op == AD_OP_STRIDED || op == AD_OP_GATHER ||
           op == AD_OP_REDUCE_MAX || op == AD_OP_STOP || op == AD_OP_PUT ||
           op == AD_OP_CAT;
}

/* May NumPy's result for bools be a bool? */
static bool is_arithmetic(int op)
{
    return op == AD_OP_ADD || op == AD_OP_MUL || op == AD_OP_MAXIMUM ||
           op == AD_OP_MINIMUM || op == AD_OP_WHERE;
}

static int is_mask(const ad_program *p, uint32_t i, int depth);

/* Are all operands masks, or arrays of constants, which may have been bools? */
static int has_masks_only(const ad_program *p, const ad_instr *instr, int depth)
{
    const uint32_t *args = ad_instr_args(p, instr);
    for (int k = instr->op == AD_OP_WHERE; k < instr->n_args; k++) {
        const ad_instr *from = &p->instr[args[k]];
        if (from->op == AD_OP_CONST ? from->extra == AD_NONE
                                    : is_mask(p, args[k], depth - 1) == 0)
            return 0;
    }
    return 1;
}

static int is_mask(const ad_program *p, uint32_t i, int depth)
{
    for (;;) {
        const ad_instr *instr = &p->instr[i];
        const uint32_t *args = ad_instr_args(p, instr);
        if (is_comparison(instr->op))
            return 1;
        if (has_elements_of_first(instr->op)) {
            i = args[0];
            continue;
        }
        return is_arithmetic(instr->op) && depth > 0 ? -has_masks_only(p, instr, depth)
                                                     : 0;
    }
}

int ad_builder_is_mask(const ad_builder *b, uint32_t value)
{
    return is_mask(b->program, value, 8);
}

bool ad_builder_is_stopped(const ad_builder *b, uint32_t value)
{
    return b->program->instr[value].op == AD_OP_STOP;
}
