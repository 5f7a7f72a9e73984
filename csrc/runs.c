/*
 * runs.c - see runs.h. Each step goes to a lower value, so it ends.
 */
#include "runs.h"

#include <string.h>

#include "array.h"

enum {
    MOST_PIECES = 16
}; /* of a join that is looked through: there may be many views */

bool ad_runs_is_contiguous(const ad_array *shape, int n_strides, const int64_t *strides)
{
    int64_t dense[AD_MAX_NDIM + 1];
    if (shape == NULL)
        return true;
    if (n_strides != shape->ndim)
        return false;
    ad_shape_strides(shape->ndim, shape->shape, shape->ndim, shape->shape, dense);
    return shape->size == 0 ||
           memcmp(dense, strides, (size_t)shape->ndim * sizeof *dense) == 0;
}

typedef enum outcome { STAYS, MOVES, IS_ZERO } outcome;

/* Into the piece of a join of vectors that has all of the run. */
static outcome enter_join(const ad_program *p, const ad_instr *instr, ad_run_of *run)
{
    const uint32_t *args = ad_instr_args(p, instr);
    int64_t end = 0;
    if (instr->n_args > MOST_PIECES || p->extras[instr->extra].attr.axis != 0)
        return STAYS;
    for (int k = 0; k < instr->n_args; k++) {
        const int64_t begin = end;
        end += ad_program_size(p, args[k]);
        if (run->first >= begin && run->first + run->size <= end) {
            run->value = args[k];
            run->first -= begin;
            return MOVES;
        }
    }
    return STAYS;
}

/* Into what was put among zeros, or those. */
static outcome enter_pad(const ad_program *p, const ad_instr *instr, ad_run_of *run)
{
    const ad_extra *extra = &p->extras[instr->extra];
    const ad_array *shape = ad_program_shape(p, instr->args[0]);
    const int64_t begin = extra->attr.offset;
    const int64_t end = begin + ad_program_size(p, instr->args[0]);
    if (!ad_runs_is_contiguous(shape, extra->n_strides, extra->attr.strides))
        return STAYS;
    if (run->first + run->size <= begin || run->first >= end)
        return IS_ZERO;
    if (run->first < begin || run->first + run->size > end)
        return STAYS;
    run->value = instr->args[0];
    run->first -= begin;
    return MOVES;
}

static outcome enter(const ad_program *p, ad_run_of *run)
{
    const ad_instr *instr = &p->instr[run->value];
    const ad_extra *extra = instr->extra != AD_NONE ? &p->extras[instr->extra] : NULL;
    if (instr->op == AD_OP_CAT)
        return enter_join(p, instr, run);
    if (instr->op == AD_OP_STRIDED_ADD)
        return enter_pad(p, instr, run);
    if (instr->op == AD_OP_PACK && run->size == 1) {
        run->value = ad_instr_args(p, instr)[run->first];
        run->first = 0;
        return MOVES;
    }
    if (instr->op == AD_OP_STRIDED &&
        ad_runs_is_contiguous(ad_program_shape(p, run->value), extra->n_strides,
                              extra->attr.strides))
        run->first += extra->attr.offset;
    else if (instr->op != AD_OP_RESHAPE)
        return STAYS;
    run->value = instr->args[0];
    return MOVES;
}

bool ad_runs_follow(const ad_program *p, ad_run_of *run)
{
    ad_run_of at = *run;
    bool is_found = false;
    while (at.size > 0) {
        const uint16_t op = p->instr[at.value].op;
        if (enter(p, &at) != MOVES)
            break;
        if (op == AD_OP_STRIDED || op == AD_OP_RESHAPE)
            continue;
        *run = at;
        is_found = true;
    }
    if (is_found && p->instr[at.value].op == AD_OP_SCAN)
        *run = at; /* so that it is seen what of a loop is read */
    return is_found;
}

/* Constants, or packed ones. */
static bool has_zeros(const ad_program *p, const ad_run_of *run)
{
    const ad_instr *instr = &p->instr[run->value];
    const uint32_t *args = ad_instr_args(p, instr);
    if (instr->op == AD_OP_CONST && instr->shape == 0)
        return instr->number == 0.0;
    if (instr->op != AD_OP_CONST && instr->op != AD_OP_PACK)
        return false;
    for (int64_t i = run->first; i < run->first + run->size; i++) {
        const ad_instr *element = instr->op == AD_OP_PACK ? &p->instr[args[i]] : instr;
        const double number = instr->op == AD_OP_PACK
                                  ? element->number
                                  : p->extras[instr->extra].value->data[i];
        if (element->op != AD_OP_CONST || number != 0.0)
            return false;
    }
    return true;
}

/* As far as it goes without sums. */
static bool is_zero_here(const ad_program *p, ad_run_of *run)
{
    outcome found = MOVES;
    while (run->size > 0 && found == MOVES)
        found = enter(p, run);
    return run->size == 0 || found == IS_ZERO || has_zeros(p, run);
}

bool ad_runs_are_zero(const ad_program *p, ad_run_of *run)
{
    while (!is_zero_here(p, run)) {
        const ad_instr *instr = &p->instr[run->value];
        const int64_t size = ad_program_size(p, run->value);
        if (instr->op != AD_OP_ADD || ad_program_size(p, instr->args[0]) != size ||
            ad_program_size(p, instr->args[1]) != size)
            return false;
        ad_run_of x = *run, y = *run;
        x.value = instr->args[0];
        y.value = instr->args[1];
        if (is_zero_here(p, &y))
            *run = x;
        else if (is_zero_here(p, &x))
            *run = y;
        else
            return false;
    }
    return true;
}
