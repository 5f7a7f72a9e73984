/*
 * sparsity_step.h - one instruction of a program whose pattern is wanted.
 *
 * Private to sparsity.c (the pass), sparsity_rules.c (what a row passes on) and
 * sparsity_scan.c (loops). A rule joins sets of operands' elements into those of the
 * result, which are empty when it begins.
 */
#ifndef AD_SPARSITY_STEP_H
#define AD_SPARSITY_STEP_H

#include "index_sets.h"
#include "program.h"

/* Sets of a value's elements. */
typedef struct ad_cells {
    uint32_t *at; /* NULL: a scalar's, or all empty */
    uint32_t one; /* a scalar's */
} ad_cells;

typedef struct ad_sparsity {
    const ad_program *p;
    ad_sets *sets; /* a loop's body shares them */
    ad_cells *values;      /* of each instruction */
    uint32_t *last_use; /* of each instruction; AD_NONE: an output */
} ad_sparsity;

/* An instruction under way. */
typedef struct ad_sparsity_step {
    ad_sparsity *s;
    const ad_instr *instr;
    const uint32_t *args;
    ad_attr attr;
    const ad_array *shape; /* of the result; NULL: a scalar */
    uint32_t *to;          /* its sets, empty at first */
} ad_sparsity_step;

static inline bool is_empty(const ad_sparsity *s, uint32_t value)
{
    return s->values[value].at == NULL && s->values[value].one == 0;
}

static inline const uint32_t *cells_of(const ad_sparsity_step *t, int k)
{
    const ad_cells *c = &t->s->values[t->args[k]];
    return c->at != NULL ? c->at : &c->one;
}

static inline const ad_array *shape_of(const ad_sparsity_step *t, int k)
{
    return ad_program_shape(t->s->p, t->args[k]);
}

static inline int64_t size_of(const ad_sparsity_step *t, int k)
{
    return ad_program_size(t->s->p, t->args[k]);
}

/* Elements of a constant, or NULL if the operand is not one. */
static inline const double *constant(const ad_sparsity_step *t, int k)
{
    const ad_instr *i = &t->s->p->instr[t->args[k]];
    if (i->op != AD_OP_CONST)
        return NULL;
    return i->shape == 0 ? &i->number : t->s->p->extras[i->extra].value->data;
}

static inline void join(const ad_sparsity_step *t, int64_t to, uint32_t set)
{
    t->to[to] = ad_sets_union(t->s->sets, t->to[to], set);
}

static inline void strides_of(const ad_array *a, const ad_array *shape,
                              int64_t *strides)
{
    if (shape != NULL)
        ad_shape_strides(a != NULL ? a->ndim : 0, a != NULL ? a->shape : NULL,
                         shape->ndim, shape->shape, strides);
}

/* Values and last uses of s->p, none with sets. False: no memory, which is noted. */
bool ad_sparsity_prepare(ad_sparsity *s);
void ad_sparsity_release(ad_sparsity *s);

/* Room for the sets of a value's elements, all empty; NULL: no memory, noted. */
uint32_t *ad_sparsity_room(ad_sparsity *s, uint32_t value);
void ad_sparsity_drop(ad_sparsity *s, uint32_t value);

/* All instructions, from inputs that have their sets. */
void ad_sparsity_run(ad_sparsity *s);

/* What an instruction passes on. */
void ad_sparsity_rule(const ad_sparsity_step *t);
void ad_sparsity_scan(const ad_sparsity_step *t);
void ad_sparsity_call(const ad_sparsity_step *t);

#endif
