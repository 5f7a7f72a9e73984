/*
 * replay.c - ad_program_replay of program.h: a program, applied to a tape.
 */
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "builder.h"
#include "program.h"

/* A constant, or the input that an instruction stands for. New reference. */
static ad_value given(const ad_program *p, const ad_instr *instr,
                      const ad_value *inputs)
{
    ad_value v = {instr->number, NULL, AD_NONE};
    if (instr->op == AD_OP_INPUT)
        v = inputs[instr->args[0]];
    else if (instr->extra != AD_NONE)
        v.array = p->extras[instr->extra].value;
    if (v.array != NULL)
        ad_array_keep(v.array);
    return v;
}

static ad_status apply_instr(ad_tape *tape, const ad_program *p, uint32_t i,
                             ad_value *values)
{
    const ad_instr *instr = &p->instr[i];
    const uint32_t *at = ad_instr_args(p, instr);
    ad_value few[4], *args = few;
    if (instr->n_args > 4 &&
        (args = malloc((size_t)instr->n_args * sizeof *args)) == NULL)
        return AD_NO_MEMORY;
    for (int k = 0; k < instr->n_args; k++)
        args[k] = values[at[k]];
    ad_attr attr = ad_program_attr(p, i);
    const bool has_attr = ad_op_get(instr->op)->n_args == 0;
    ad_status status = ad_apply(tape, instr->op, instr->n_args, args,
                                has_attr ? &attr : NULL, &values[i]);
    if (status != AD_OK)
        values[i].array = NULL;
    if (args != few)
        free(args);
    return status;
}

ad_status ad_program_replay_one(ad_tape *tape, const ad_program *p, uint32_t i,
                                const ad_value *inputs, ad_value *values)
{
    const ad_instr *instr = &p->instr[i];
    ad_builder *b = ad_builder_of(tape);
    if (b != NULL)
        b->line = instr->line;
    if (instr->op != AD_OP_INPUT && instr->op != AD_OP_CONST)
        return apply_instr(tape, p, i, values);
    values[i] = given(p, instr, inputs);
    return AD_OK;
}

ad_status ad_program_replay(ad_tape *tape, const ad_program *p, const ad_value *inputs,
                            ad_value *values)
{
    memset(values, 0, (size_t)p->n * sizeof *values);
    ad_builder *b = ad_builder_of(tape);
    ad_status status = AD_OK;
    for (uint32_t i = 0; i < p->n && status == AD_OK; i++)
        status = ad_program_replay_one(tape, p, i, inputs, values);
    if (b != NULL)
        b->line = 0;
    return status;
}
