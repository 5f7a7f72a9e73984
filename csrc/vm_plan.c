/*
 * vm_plan.c - what stands on whose slots, in which order steps run, what shares a loop.
 *
 * The order is the program's, but for loops: while one is open, instructions that fit it
 * join it; those that need nothing it makes go before it; those that need what it makes
 * wait until it closes. It closes when one that would fit needs one that waits, or has
 * another number of elements. So a sum of squares and its gradient, written over whole
 * arrays, is one pass over the data. Every pass here is one over the program.
 */
#include <stdlib.h>
#include <string.h>

#include "vm_code.h"

/* ---- Classes --------------------------------------------------------------------- */

static bool all_zero_strides(const ad_array *walked, const int64_t *strides)
{
    for (int i = 0; walked != NULL && i < walked->ndim; i++)
        if (walked->shape[i] != 1 && strides[i] != 0)
            return false;
    return true;
}

/* Does a walk with these strides go over neighbours in a row? */
static bool is_contiguous(const ad_array *shape, const int64_t *strides)
{
    int64_t step = 1;
    for (int i = shape != NULL ? shape->ndim : 0; i-- > 0;) {
        if (shape->shape[i] != 1 && strides[i] != step)
            return false;
        step *= shape->shape[i];
    }
    return true;
}

static ad_shape_class class_of_row(const ad_program *p, uint32_t i)
{
    const ad_instr *instr = &p->instr[i];
    const int64_t n = ad_program_size(p, i);
    if (n == 1)
        return AD_SCALAR;
    const uint32_t *args = ad_instr_args(p, instr);
    for (int k = 0; k < instr->n_args; k++) {
        const int64_t size = ad_program_size(p, args[k]);
        if (size != n && size != 1)
            return AD_BROADCAST;
    }
    return AD_LINEAR;
}

ad_shape_class ad_plan_class(const ad_program *p, uint32_t i)
{
    const ad_instr *instr = &p->instr[i];
    if (instr->op < AD_N_ROWS)
        return class_of_row(p, i);
    if (instr->op != AD_OP_STRIDED && instr->op != AD_OP_STRIDED_ADD)
        return AD_STRUCTURAL;
    const ad_array *x = ad_program_shape(p, instr->args[0]);
    const ad_attr attr = ad_program_attr(p, i);
    if (instr->op == AD_OP_STRIDED && all_zero_strides(attr.shape, attr.strides) &&
        (x == NULL || x->size == 1))
        return AD_SPREAD;
    if (instr->op == AD_OP_STRIDED_ADD && all_zero_strides(x, attr.strides) &&
        ad_program_size(p, i) == 1)
        return AD_TOTAL;
    if (instr->op == AD_OP_STRIDED_ADD && is_contiguous(x, attr.strides) &&
        ad_program_size(p, instr->args[0]) > 1)
        return AD_PAD;
    return AD_STRUCTURAL;
}

/* ---- Small arrays ------------------------------------------------------------------ */

/* Rows whose last bit does not hang on how they are run. */
static bool is_exact(uint16_t op)
{
    switch (op) {
    case AD_OP_NEG:
    case AD_OP_ADD:
    case AD_OP_SUB:
    case AD_OP_MUL:
    case AD_OP_DIV:
    case AD_OP_RECIPROCAL:
    case AD_OP_SQUARE:
    case AD_OP_SQRT:
    case AD_OP_GUARDED_MUL: return true;
    }
    return false;
}

uint32_t ad_plan_small(const ad_program *p, uint32_t i)
{
    const ad_shape_class class = ad_plan_class(p, i);
    const int64_t n = class == AD_TOTAL ? ad_program_size(p, p->instr[i].args[0])
                                        : ad_program_size(p, i);
    const bool may_be =
        class == AD_TOTAL || (class == AD_LINEAR && is_exact(p->instr[i].op));
    return may_be && n > 1 && n <= AD_SMALL ? (uint32_t)n : 0;
}

/* ---- Slots that are shared --------------------------------------------------------- */

static void find_bases(ad_plan *plan)
{
    const ad_program *p = plan->program;
    for (uint32_t i = 0; i < p->n; i++) {
        const ad_instr *instr = &p->instr[i];
        const ad_attr attr =
            instr->op == AD_OP_STRIDED ? ad_program_attr(p, i) : (ad_attr){0};
        plan->base[i] = i;
        plan->shift[i] = 0;
        plan->pair[i] = AD_NONE;
        const bool is_view = instr->op == AD_OP_RESHAPE || instr->op == AD_OP_STOP ||
                             instr->op == AD_OP_CALL ||
                             (instr->op == AD_OP_STRIDED && ad_program_size(p, i) > 0 &&
                              is_contiguous(attr.shape, attr.strides));
        plan->has_no_step[i] =
            is_view || instr->op == AD_OP_INPUT || instr->op == AD_OP_CONST;
        if (is_view) {
            plan->base[i] = plan->base[instr->args[0]];
            plan->shift[i] = plan->shift[instr->args[0]] + (uint32_t)attr.offset;
        }
    }
}

/* ---- Products that must be guarded --------------------------------------------------- */

/* Operands, as bits, in which a NaN may become a number: none in what moves, adds up
 * and multiplies; all in what is not known to pass them on. */
static unsigned absorbs(uint16_t op)
{
    if (op < AD_N_ROWS)
        return ad_op_get(op)->absorbs_nan;
    switch (op) {
    case AD_OP_RESHAPE:
    case AD_OP_STRIDED:
    case AD_OP_STRIDED_ADD:
    case AD_OP_GATHER:
    case AD_OP_GATHER_ADD:
    case AD_OP_PUT:
    case AD_OP_CUMSUM:
    case AD_OP_CAT:
    case AD_OP_PACK:
    case AD_OP_MATMUL:
    case AD_OP_REDUCE_MAX:
    case AD_OP_STOP: return 0;
    }
    return UINT32_MAX;
}

static void spread_guarded(ad_plan *plan)
{
    const ad_program *p = plan->program;
    for (uint32_t i = p->n; i-- > 0;) {
        const ad_instr *instr = &p->instr[i];
        const uint32_t *args = ad_instr_args(p, instr);
        const unsigned bits = absorbs(instr->op);
        for (int k = 0; k < instr->n_args; k++)
            plan->is_guarded[args[k]] |=
                plan->is_guarded[i] || (bits >> (k < 31 ? k : 31) & 1);
    }
}

/*
 * What a body makes goes round to its inputs: if a NaN in one of those may be absorbed,
 * or in what the loop makes, all outputs are to be right.
 */
static void find_guarded(ad_plan *plan, ad_plan_kind kind)
{
    const ad_program *p = plan->program;
    bool goes_on = kind == AD_PLAN_GUARDED_BODY;
    for (uint32_t k = 0; k < p->n_guards; k++)
        plan->is_guarded[p->guards[k].value] = true;
    spread_guarded(plan);
    for (uint32_t k = 0; k < p->n_inputs && kind == AD_PLAN_BODY; k++)
        goes_on |= plan->is_guarded[k];
    for (uint32_t k = 0; k < p->n_outputs && goes_on; k++)
        plan->is_guarded[p->outputs[k]] = true;
    if (goes_on)
        spread_guarded(plan);
}

/* ---- The order, and loops -------------------------------------------------------------- */

typedef enum state { OUTSIDE, MADE, WAITS } state;

typedef struct scheduler {
    ad_plan *plan;
    uint8_t *state;    /* of each base: made by the open loop, or waiting for it */
    uint32_t *members; /* of the open loop */
    uint32_t *waiting;
    uint32_t n_members, n_waiting;
    int64_t n; /* elements of the open loop */
} scheduler;

static void close_loop(scheduler *s)
{
    ad_plan *plan = s->plan;
    const uint32_t n = ad_plan_pair_members(plan, s->n_members, s->members, s->state);
    if (n > 0) {
        uint32_t *pair = &plan->loops[2 * plan->n_loops++];
        pair[0] = plan->n_order;
        pair[1] = plan->n_order + n;
    }
    for (uint32_t k = 0; k < n; k++)
        plan->order[plan->n_order++] = s->members[k];
    for (uint32_t k = 0; k < s->n_waiting; k++)
        plan->order[plan->n_order++] = s->waiting[k];
    /* From here on nothing of it is in the way; members that have no step are read by
     * members only. */
    for (uint32_t k = 0; k < n; k++)
        s->state[s->members[k]] = OUTSIDE;
    for (uint32_t k = 0; k < s->n_waiting; k++)
        s->state[s->waiting[k]] = OUTSIDE;
    s->n_members = s->n_waiting = 0;
}

/* Elements of the loop that an instruction would fit, 0: none. */
static int64_t loop_of(const ad_program *p, uint32_t i)
{
    const ad_shape_class class = ad_plan_class(p, i);
    int64_t n = 0;
    if (class == AD_TOTAL)
        n = ad_program_size(p, p->instr[i].args[0]);
    else if (class == AD_LINEAR || class == AD_SPREAD || class == AD_PAD)
        n = ad_program_size(p, i);
    return n < AD_LOOP_LEAST ? 0 : n;
}

/* What it needs of the open loop: MADE, but only as whole arrays; or WAITS. */
static state needs(const scheduler *s, uint32_t i)
{
    const ad_plan *plan = s->plan;
    const ad_program *p = plan->program;
    const uint32_t *args;
    const int n_args = ad_plan_args(plan, i, &args);
    state most = OUTSIDE;
    for (int k = 0; k < n_args; k++) {
        state of = s->state[plan->base[args[k]]];
        if (of == MADE && ad_program_size(p, args[k]) != s->n)
            of = WAITS;
        most = of > most ? of : most;
    }
    return most;
}

static void schedule_one(scheduler *s, uint32_t i)
{
    ad_plan *plan = s->plan;
    const int64_t n = loop_of(plan->program, i);
    const state need = needs(s, i);
    if (n == 0 && need != OUTSIDE) {
        s->waiting[s->n_waiting++] = i;
        s->state[i] = WAITS;
    } else if (n == 0) {
        plan->order[plan->n_order++] = i;
    } else {
        if (need == WAITS || n != s->n)
            close_loop(s);
        s->n = n;
        s->members[s->n_members++] = i;
        s->state[i] = ad_program_size(plan->program, i) == n ? MADE : WAITS;
    }
}

static bool make_order(ad_plan *plan)
{
    const ad_program *p = plan->program;
    const size_t n = p->n > 0 ? p->n : 1;
    scheduler s = {.plan = plan,
                   .state = calloc(n, 1),
                   .members = malloc(n * sizeof *s.members),
                   .waiting = malloc(n * sizeof *s.waiting)};
    const bool has_room = s.state != NULL && s.members != NULL && s.waiting != NULL;
    for (uint32_t i = 0; i < p->n && has_room; i++)
        if (!plan->has_no_step[i])
            schedule_one(&s, i);
    if (has_room)
        close_loop(&s);
    free(s.state);
    free(s.members);
    free(s.waiting);
    return has_room;
}

bool ad_plan_make(ad_plan *plan, const ad_program *p, ad_plan_kind kind)
{
    const size_t n = p->n > 0 ? p->n : 1;
    *plan = (ad_plan){.program = p,
                      .base = malloc(n * sizeof *plan->base),
                      .shift = malloc(n * sizeof *plan->shift),
                      .pair = malloc(n * sizeof *plan->pair),
                      .has_no_step = malloc(n * sizeof *plan->has_no_step),
                      .order = malloc(n * sizeof *plan->order),
                      .loops = malloc(2 * n * sizeof *plan->loops),
                      .is_guarded = calloc(n, sizeof *plan->is_guarded)};
    bool is_made = plan->base != NULL && plan->shift != NULL && plan->order != NULL &&
                   plan->loops != NULL && plan->is_guarded != NULL &&
                   plan->pair != NULL && plan->has_no_step != NULL;
    if (is_made) {
        find_bases(plan);
        find_guarded(plan, kind);
        is_made = ad_plan_pair(plan) && make_order(plan);
    }
    if (!is_made)
        ad_plan_drop(plan);
    return is_made;
}

void ad_plan_drop(ad_plan *plan)
{
    free(plan->base);
    free(plan->shift);
    free(plan->pair);
    free(plan->readers);
    free(plan->pairs);
    free(plan->has_no_step);
    free(plan->order);
    free(plan->loops);
    free(plan->is_guarded);
    *plan = (ad_plan){0};
}
