/*
 * builder.h - a program under construction.
 *
 * A builder stands behind a tape whose `redirect` is set, so that everything which
 * goes through ad_apply (operations of tensors, structural rules, formulas of rows)
 * lands in the program instead. Two modes:
 *
 *   tracing     operands carry values as always; each operation is computed and,
 *               where an operand is a value of the program, appended
 *   not tracing operands have shapes only (ghosts); constants are folded, equal
 *               instructions are shared, and what IEEE allows is simplified
 *
 * In both an ad_value's `entry` is a value of the program, or AD_NONE for a
 * constant, which has its elements.
 */
#ifndef AD_BUILDER_H
#define AD_BUILDER_H

#include "program.h"

typedef struct ad_place {
    uint32_t hash, value; /* AD_NONE: free */
} ad_place;

typedef struct ad_builder {
    ad_tape *tape;
    ad_program *program;
    bool is_tracing;
    bool keeps_carry; /* loops keep what a reverse transform reads */
    bool drops_calls; /* a CALL is its value: nothing will be differentiated */
    uint32_t line; /* that what is appended comes from; 0: ask the upper layer */
    void *owner;   /* the upper layer's */
    uint32_t cap_instr, cap_operands, cap_shapes, cap_extras, cap_guards;
    ad_place *table; /* of instructions, for equal ones to be found */
    uint32_t cap_table, n_table;
} ad_builder;

/* NULL: no memory. Its tape has no upper layer yet. */
ad_builder *ad_builder_new(bool is_tracing);

/* The builder behind a tape, or NULL. */
ad_builder *ad_builder_of(const ad_tape *tape);

/* Gives up the program; the tape goes when its last handle does. */
void ad_builder_free(ad_builder *b);

/* The next input, of a shape (NULL: a scalar). All inputs come before all else,
 * save in tracing, where more may be found on the way (see ad_builder_finish). */
ad_status ad_builder_input(ad_builder *b, const ad_array *shape, uint32_t *value);

/* A constant as a value of the program. A builder that traces copies the elements of
 * an array, for their owner may change them; else they are shared. */
ad_status ad_builder_constant(ad_builder *b, const ad_value *v, uint32_t *value);

/* Value `i` as an operand: a constant with its elements, anything else with its
 * shape. New reference. */
ad_value ad_builder_value(const ad_builder *b, uint32_t i);

/* Is a value 0 or 1 by comparison? 1: a comparison, or elements of one; -1: made of such
 * by arithmetic; 0: neither. */
int ad_builder_is_mask(const ad_builder *b, uint32_t value);

/* Does no derivative pass through it? Of values made by STOP itself. */
bool ad_builder_is_stopped(const ad_builder *b, uint32_t value);

/* A choice hung on a scalar value. Passive values have no guard. */
ad_status ad_builder_guard(ad_builder *b, uint32_t value, double outcome,
                           uint32_t line);

/*
 * Append all of p with its guards: ad_program_replay, then ad_builder_guards. inputs: p's,
 * borrowed. values: room for p->n, new references, which ad_values_drop gives up (all of
 * them, also on failure).
 */
ad_status ad_builder_inline(ad_builder *b, const ad_program *p, const ad_value *inputs,
                            ad_value *values);

/* Append the guards of p, of which these are the values. */
ad_status ad_builder_guards(ad_builder *b, const ad_program *p, const ad_value *values);
void ad_values_drop(int64_t n, ad_value *values);

/*
 * The program of these outputs: what neither they nor a guard need is left out;
 * inputs stay, in their order. New reference; the builder is as before.
 */
ad_status ad_builder_finish(ad_builder *b, uint32_t n_outputs, const ad_value *outputs,
                            bool keeps_guards, ad_program **program);

#endif
