/*
 * sparsity.c - see sparsity.h. Instruction by instruction, each element gets the set of
 * input elements that it depends on (index_sets.h); values that nothing reads any more
 * give their sets back.
 *
 * Each structural row has its rule here, found by the row's name: a new row does not
 * compile without one.
 */
#include "sparsity.h"

#include <stdlib.h>
#include <string.h>

#include "index_sets.h"
#include "scan.h"

/* Sets of a value's elements. */
typedef struct cells {
    uint32_t *at; /* NULL: a scalar's, or all empty */
    uint32_t one; /* a scalar's */
} cells;

typedef struct state {
    const ad_program *p;
    ad_sets *sets; /* a loop's body shares them */
    cells *values;      /* of each instruction */
    uint32_t *last_use; /* of each instruction; AD_NONE: an output */
} state;

/* An instruction under way. */
typedef struct step {
    state *s;
    const ad_instr *instr;
    const uint32_t *args;
    ad_attr attr;
    const ad_array *shape; /* of the result; NULL: a scalar */
    uint32_t *to;          /* its sets, empty at first */
} step;

static bool is_empty(const state *s, uint32_t value)
{
    return s->values[value].at == NULL && s->values[value].one == 0;
}

static const uint32_t *cells_of(const step *t, int k)
{
    const cells *c = &t->s->values[t->args[k]];
    return c->at != NULL ? c->at : &c->one;
}

static const ad_array *shape_of(const step *t, int k)
{
    return ad_program_shape(t->s->p, t->args[k]);
}

static int64_t size_of(const step *t, int k)
{
    return ad_program_size(t->s->p, t->args[k]);
}

/* Elements of a constant, or NULL if the operand is not one. */
static const double *constant(const step *t, int k)
{
    const ad_instr *i = &t->s->p->instr[t->args[k]];
    if (i->op != AD_OP_CONST)
        return NULL;
    return i->shape == 0 ? &i->number : t->s->p->extras[i->extra].value->data;
}

static void join(const step *t, int64_t to, uint32_t set)
{
    t->to[to] = ad_sets_union(t->s->sets, t->to[to], set);
}

/* ---- Elementwise rows --------------------------------------------------------------- */

static void strides_of(const ad_array *a, const ad_array *shape, int64_t *strides)
{
    if (shape != NULL)
        ad_shape_strides(a != NULL ? a->ndim : 0, a != NULL ? a->shape : NULL,
                         shape->ndim, shape->shape, strides);
}

/* Is all that a partial reads constant, so that its value is known here? */
static bool is_known(const step *t, const ad_op_info *info, int k)
{
    if (info->uses[k] & AD_USES_Z)
        return false;
    for (int j = 0; j < t->instr->n_args; j++)
        if ((info->uses[k] >> j & 1) && constant(t, j) == NULL)
            return false;
    return true;
}

/* Join the sets of operand k where its partial is not zero for certain. */
static void join_operand(const step *t, int k)
{
    const ad_op_info *info = ad_op_get(t->instr->op);
    const bool checks = is_known(t, info, k);
    const double *known[AD_MAX_ARITY + 1] = {NULL};
    int64_t strides[AD_MAX_ARITY + 1][AD_MAX_NDIM];
    const int64_t *all[AD_MAX_ARITY + 1] = {strides[0], strides[1], strides[2],
                                            strides[3]};
    memset(strides, 0, sizeof strides);
    for (int j = 0; j < t->instr->n_args; j++) {
        strides_of(shape_of(t, j), t->shape, strides[j]);
        known[j] = checks && (info->uses[k] >> j & 1) ? constant(t, j) : NULL;
    }
    strides_of(t->shape, t->shape, strides[AD_MAX_ARITY]);
    ad_walk walk;
    ad_walk_start(&walk, t->shape != NULL ? t->shape->ndim : 0,
                  t->shape != NULL ? t->shape->shape : NULL, AD_WALK_MAX, all);
    const uint32_t *from = cells_of(t, k);
    for (int64_t r = 0; r < walk.n_runs; r++) {
        for (int64_t i = 0; i < walk.run; i++) {
            int64_t at[AD_MAX_ARITY + 1];
            double v[AD_MAX_ARITY] = {0};
            for (int j = 0; j <= AD_MAX_ARITY; j++)
                at[j] = walk.offset[j] + i * walk.step[j];
            for (int j = 0; j < AD_MAX_ARITY && checks; j++)
                v[j] = known[j] != NULL ? known[j][at[j]] : 0.0;
            if (!checks || ad_op_partial(t->instr->op, k, v[0], v[1], v[2], 0.0) != 0.0)
                join(t, at[AD_MAX_ARITY], from[at[k]]);
        }
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
}

/* The same for scalars, without a walk. */
static void join_scalar(const step *t, int k)
{
    const ad_op_info *info = ad_op_get(t->instr->op);
    double v[AD_MAX_ARITY] = {0};
    if (info->uses[k] != 0 && is_known(t, info, k)) {
        for (int j = 0; j < t->instr->n_args; j++)
            v[j] = info->uses[k] >> j & 1 ? *constant(t, j) : 0.0;
        if (ad_op_partial(t->instr->op, k, v[0], v[1], v[2], 0.0) == 0.0)
            return;
    }
    join(t, 0, *cells_of(t, k));
}

static void elementwise(const step *t)
{
    const ad_op_info *info = ad_op_get(t->instr->op);
    for (int k = 0; k < t->instr->n_args; k++) {
        const bool is_zero = info->partial_is_const[k] && info->partial_const[k] == 0.0;
        if (is_zero || is_empty(t->s, t->args[k]))
            continue;
        if (t->shape == NULL)
            join_scalar(t, k);
        else
            join_operand(t, k);
    }
}

/* ---- Structural rows ---------------------------------------------------------------- */

/* Walk `shape` in its own order beside the attributes' strides; join one way or the
 * other. */
static void join_strided(const step *t, const ad_array *shape, bool is_sum)
{
    int64_t own[AD_MAX_NDIM];
    const int64_t *all[] = {own, t->attr.strides};
    const uint32_t *from = cells_of(t, 0);
    strides_of(shape, shape, own);
    ad_walk walk;
    ad_walk_start(&walk, shape != NULL ? shape->ndim : 0,
                  shape != NULL ? shape->shape : NULL, 2, all);
    for (int64_t r = 0; r < walk.n_runs; r++) {
        for (int64_t i = 0; i < walk.run; i++) {
            const int64_t at = walk.offset[0] + i * walk.step[0];
            const int64_t there = t->attr.offset + walk.offset[1] + i * walk.step[1];
            join(t, is_sum ? there : at, from[is_sum ? at : there]);
        }
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
}

static void join_RESHAPE(const step *t)
{
    memcpy(t->to, cells_of(t, 0), (size_t)size_of(t, 0) * sizeof *t->to);
}

static void join_STRIDED(const step *t)
{
    join_strided(t, t->shape, false);
}

static void join_STRIDED_ADD(const step *t)
{
    join_strided(t, shape_of(t, 0), true);
}

static void join_GATHER(const step *t)
{
    const ad_index *index = t->attr.index;
    for (int64_t k = 0; k < index->size; k++)
        t->to[k] = index->at[k] >= 0 ? cells_of(t, 0)[index->at[k]] : 0;
}

static void join_GATHER_ADD(const step *t)
{
    const ad_index *index = t->attr.index;
    for (int64_t k = 0; k < index->size; k++)
        if (index->at[k] >= 0)
            join(t, index->at[k], cells_of(t, 0)[k]);
}

static void join_PUT(const step *t)
{
    const ad_index *index = t->attr.index;
    const int64_t n = size_of(t, 1);
    const uint32_t *y = cells_of(t, 1);
    if (!is_empty(t->s, t->args[0]))
        join_RESHAPE(t);
    for (int64_t k = 0; k < index->size; k++)
        t->to[index->at[k]] = is_empty(t->s, t->args[1]) ? 0 : y[n == 1 ? 0 : k];
}

static void join_CUMSUM(const step *t)
{
    const ad_array *x = t->shape;
    const int axis = t->attr.axis;
    const int64_t outer = ad_shape_size(axis, x->shape), n = x->shape[axis];
    const int64_t inner = ad_shape_size(x->ndim - axis - 1, x->shape + axis + 1);
    const int64_t step = t->attr.reverse ? -inner : inner;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < inner; j++) {
            int64_t at = o * n * inner + j + (t->attr.reverse ? (n - 1) * inner : 0);
            for (int64_t i = 0; i < n; i++, at += step) {
                t->to[at] = cells_of(t, 0)[at];
                if (i > 0)
                    join(t, at, t->to[at - step]);
            }
        }
}

static void join_CAT(const step *t)
{
    const ad_array *z = t->shape;
    const int axis = t->attr.axis;
    const int64_t outer = ad_shape_size(axis, z->shape);
    const int64_t inner = ad_shape_size(z->ndim - axis - 1, z->shape + axis + 1);
    const int64_t row = z->shape[axis] * inner;
    int64_t before = 0;
    for (int k = 0; k < t->instr->n_args; k++) {
        const int64_t n = shape_of(t, k)->shape[axis] * inner;
        for (int64_t o = 0; o < outer && n > 0 && !is_empty(t->s, t->args[k]); o++)
            memcpy(t->to + o * row + before, cells_of(t, k) + o * n,
                   (size_t)n * sizeof *t->to);
        before += n;
    }
}

/* One product x (m, k) y (k, n), of which operand `active` has the sets at `from`; the
 * other one's elements are at `other`, or NULL if they are not known. */
typedef struct product {
    int64_t m, k, n;
    bool trans_x, trans_y;
    int active;
    const uint32_t *from;
    const double *other;
    uint32_t *lines; /* scratch: m or n */
} product;

static int64_t place(int64_t row, int64_t column, int64_t n_rows, int64_t n_columns,
                     bool is_transposed)
{
    return is_transposed ? column * n_rows + row : row * n_columns + column;
}

/* The other operand is not known: row i of z depends on all of row i of x, column j on
 * all of column j of y. */
static void join_lines(const step *t, const product *a, int64_t z)
{
    const bool is_x = a->active == 0;
    const int64_t n_lines = is_x ? a->m : a->n;
    for (int64_t line = 0; line < n_lines; line++) {
        a->lines[line] = 0;
        for (int64_t l = 0; l < a->k; l++) {
            const int64_t at = is_x ? place(line, l, a->m, a->k, a->trans_x)
                                    : place(l, line, a->k, a->n, a->trans_y);
            a->lines[line] = ad_sets_union(t->s->sets, a->lines[line], a->from[at]);
        }
    }
    for (int64_t i = 0; i < a->m; i++)
        for (int64_t j = 0; j < a->n; j++)
            join(t, z + i * a->n + j, a->lines[is_x ? i : j]);
}

/* The other operand is constant: its zeros do not count. */
static void join_products(const step *t, const product *a, int64_t z)
{
    const bool is_x = a->active == 0;
    for (int64_t i = 0; i < a->m; i++)
        for (int64_t j = 0; j < a->n; j++)
            for (int64_t l = 0; l < a->k; l++) {
                const int64_t x = place(i, l, a->m, a->k, a->trans_x);
                const int64_t y = place(l, j, a->k, a->n, a->trans_y);
                if (a->other[is_x ? y : x] != 0.0)
                    join(t, z + i * a->n + j, a->from[is_x ? x : y]);
            }
}

static void join_batch(const step *t, product *a)
{
    const ad_array *x = shape_of(t, 0), *y = shape_of(t, 1), *z = t->shape;
    const ad_array *active = a->active == 0 ? x : y, *other = a->active == 0 ? y : x;
    const uint32_t *from = cells_of(t, a->active);
    const double *known = constant(t, 1 - a->active);
    int64_t strides[3][AD_MAX_NDIM];
    const int64_t *all[] = {strides[0], strides[1], strides[2]};
    const int ndim = z->ndim - 2;
    ad_shape_strides(active->ndim - 2, active->shape, ndim, z->shape, strides[0]);
    ad_shape_strides(other->ndim - 2, other->shape, ndim, z->shape, strides[1]);
    ad_shape_strides(ndim, z->shape, ndim, z->shape, strides[2]);
    const int64_t x_size = a->m * a->k, y_size = a->k * a->n;
    ad_walk walk;
    ad_walk_start(&walk, ndim, z->shape, 3, all);
    for (int64_t r = 0; r < walk.n_runs; r++) {
        for (int64_t i = 0; i < walk.run; i++) {
            const int64_t at = walk.offset[0] + i * walk.step[0];
            const int64_t beside = walk.offset[1] + i * walk.step[1];
            const int64_t to = (walk.offset[2] + i * walk.step[2]) * a->m * a->n;
            a->from = from + at * (a->active == 0 ? x_size : y_size);
            a->other = known != NULL
                           ? known + beside * (a->active == 0 ? y_size : x_size)
                           : NULL;
            if (known != NULL)
                join_products(t, a, to);
            else
                join_lines(t, a, to);
        }
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
}

static void join_MATMUL(const step *t)
{
    const ad_array *x = shape_of(t, 0), *z = t->shape;
    product a = {.m = z->shape[z->ndim - 2],
                 .n = z->shape[z->ndim - 1],
                 .k = x->shape[x->ndim - (t->attr.trans_x ? 2 : 1)],
                 .trans_x = t->attr.trans_x,
                 .trans_y = t->attr.trans_y};
    if (z->size == 0)
        return;
    a.lines = malloc((size_t)(a.m > a.n ? a.m : a.n) * sizeof *a.lines);
    t->s->sets->has_failed |= a.lines == NULL;
    for (a.active = 0; a.active < 2 && a.lines != NULL; a.active++)
        if (!is_empty(t->s, t->args[a.active]))
            join_batch(t, &a);
    free(a.lines);
}

static void join_PACK(const step *t)
{
    for (int k = 0; k < t->instr->n_args; k++)
        t->to[k] = *cells_of(t, k);
}

/* A decomposition: every element of the result may hang on every element of all
 * operands; of a batch too, which says more than is so. */
static void join_all(const step *t)
{
    const int64_t n = t->shape != NULL ? t->shape->size : 1;
    for (int k = 0; k < t->instr->n_args && n > 0; k++)
        for (int64_t e = 0; e < size_of(t, k) && !is_empty(t->s, t->args[k]); e++)
            join(t, 0, cells_of(t, k)[e]);
    for (int64_t i = 1; i < n; i++)
        t->to[i] = t->to[0];
}

static void join_SCAN(const step *t);

/* No derivative passes, or there is nothing to pass. */
static void join_nothing(const step *t)
{
    (void)t;
}

#define join_REDUCE_MAX join_STRIDED_ADD
#define join_CUSTOM join_nothing
#define join_INPUT join_nothing /* set from the start */
#define join_CONST join_nothing
#define join_STOP join_nothing
#define join_SOLVE join_all
#define join_LSTSQ join_all
#define join_CHOLESKY join_all
#define join_EIGH join_all
#define join_SVD join_all
#define join_DET join_all
#define join_COFACTOR join_all
#define join_SLOGDET join_all

static void (*const rules[])(const step *t) = {
#define OPS(id, ...) join_##id,
#include "structural.def"
#undef OPS
};

/* ---- The pass --------------------------------------------------------------------- */

enum { FIRST_STRUCTURAL = AD_OP_RESHAPE };

/* Room for the sets of a value's elements, all empty. */
static uint32_t *room_for(state *s, uint32_t value)
{
    if (ad_program_shape(s->p, value) == NULL)
        return &s->values[value].one;
    const int64_t size = ad_program_size(s->p, value);
    s->values[value].at = calloc((size_t)size + 1, sizeof(uint32_t));
    s->sets->has_failed |= s->values[value].at == NULL;
    return s->values[value].at;
}

static void drop(state *s, uint32_t value)
{
    free(s->values[value].at);
    s->values[value].at = NULL;
}

static void run_instr(state *s, uint32_t i)
{
    const ad_instr *instr = &s->p->instr[i];
    const uint32_t *args = ad_instr_args(s->p, instr);
    bool is_active = false;
    for (int k = 0; k < instr->n_args; k++)
        is_active |= !is_empty(s, args[k]);
    if (is_active && instr->op != AD_OP_STOP) {
        step t = {s,
                  instr,
                  args,
                  ad_program_attr(s->p, i),
                  ad_program_shape(s->p, i),
                  room_for(s, i)};
        if (t.to != NULL && instr->op < FIRST_STRUCTURAL)
            elementwise(&t);
        else if (t.to != NULL)
            rules[instr->op - FIRST_STRUCTURAL](&t);
    }
    for (int k = 0; k < instr->n_args; k++)
        if (s->last_use[args[k]] == i)
            drop(s, args[k]);
    if (s->last_use[i] == 0 && i >= s->p->n_inputs)
        drop(s, i); /* nothing reads it: of a guard */
}

static void find_last_uses(const ad_program *p, uint32_t *last_use)
{
    for (uint32_t i = 0; i < p->n; i++) {
        const uint32_t *args = ad_instr_args(p, &p->instr[i]);
        for (int k = 0; k < p->instr[i].n_args; k++)
            last_use[args[k]] = i;
    }
    for (uint32_t k = 0; k < p->n_outputs; k++)
        last_use[p->outputs[k]] = AD_NONE;
}

static void free_state(state *s)
{
    for (uint32_t i = 0; i < s->p->n && s->values != NULL; i++)
        drop(s, i);
    free(s->values);
    free(s->last_use);
}

static bool make_state(state *s)
{
    s->values = calloc((size_t)s->p->n + 1, sizeof *s->values);
    s->last_use = calloc((size_t)s->p->n + 1, sizeof *s->last_use);
    if (s->values == NULL || s->last_use == NULL) {
        s->sets->has_failed = true;
        return false;
    }
    find_last_uses(s->p, s->last_use);
    return true;
}

/* All instructions, from inputs that have their sets. */
static void run(state *s)
{
    for (uint32_t i = s->p->n_inputs; i < s->p->n && !s->sets->has_failed; i++)
        run_instr(s, i);
}

/* ---- Loops ------------------------------------------------------------------------ */

/* Give an input its sets; NULL: empty ones. */
static void give(state *s, uint32_t input, const uint32_t *from)
{
    drop(s, input);
    s->values[input].one = 0;
    uint32_t *to = from != NULL ? room_for(s, input) : NULL;
    if (to != NULL)
        memcpy(to, from, (size_t)ad_program_size(s->p, input) * sizeof *to);
}

/* Join the sets of a value with those at `to`. */
static void join_value(const state *s, uint32_t value, uint32_t *to)
{
    const cells *c = &s->values[value];
    if (is_empty(s, value))
        return;
    for (int64_t e = 0; e < ad_program_size(s->p, value); e++)
        to[e] = ad_sets_union(s->sets, to[e], c->at != NULL ? c->at[e] : c->one);
}

/* What the operands of a loop give the body at a step. */
static void give_step(const step *t, const ad_scan *scan, state *body, int64_t row)
{
    const uint32_t first_row = scan->n_shared + scan->n_carry;
    for (uint32_t k = 0; k < scan->body->n_inputs; k++) {
        const int arg = (int)k + scan->has_count;
        const int64_t size = ad_program_size(scan->body, k);
        if (k >= scan->n_shared && k < first_row)
            continue; /* a carry: join_step gives it */
        const uint32_t *from = is_empty(t->s, t->args[arg]) ? NULL : cells_of(t, arg);
        give(body, k, from != NULL && k >= first_row ? from + row * size : from);
    }
}

/* Note what a step reads and makes. carry: sets of all carries, one after another. */
static void join_step(const step *t, const ad_scan *scan, state *body, int64_t row,
                      uint32_t *carry)
{
    const uint32_t *outputs = scan->body->outputs + scan->has_exit;
    int64_t at = 0;
    for (uint32_t k = 0; k < scan->n_carry; k++) {
        const uint32_t input = scan->n_shared + k;
        give(body, input, carry + at);
        at += ad_program_size(scan->body, input);
        if (scan->keeps_carry)
            join_value(body, input,
                       t->to + ad_scan_offset(scan, AD_SCAN_KEPT, k) +
                           row * ad_program_size(scan->body, input));
    }
    run(body);
    memset(carry, 0, (size_t)at * sizeof *carry);
    at = 0;
    for (uint32_t k = 0; k < scan->n_carry; k++) {
        join_value(body, outputs[k], carry + at);
        at += ad_program_size(scan->body, outputs[k]);
    }
    for (uint32_t k = 0; k < scan->n_out_rows; k++) {
        const uint32_t value = outputs[scan->n_carry + k];
        join_value(body, value,
                   t->to + ad_scan_offset(scan, AD_SCAN_ROWS, k) +
                       row * ad_program_size(scan->body, value));
    }
    for (uint32_t k = 0; k < scan->n_out_sums; k++)
        join_value(body, outputs[scan->n_carry + scan->n_out_rows + k],
                   t->to + ad_scan_offset(scan, AD_SCAN_SUMS, k));
}

static int64_t carry_size(const ad_scan *scan)
{
    int64_t size = 0;
    for (uint32_t k = 0; k < scan->n_carry; k++)
        size += ad_program_size(scan->body, scan->n_shared + k);
    return size;
}

/* The sets that the carries begin with. */
static void first_carry(const step *t, const ad_scan *scan, uint32_t *carry)
{
    for (uint32_t k = 0; k < scan->n_carry; k++) {
        const int arg = (int)(scan->n_shared + k) + scan->has_count;
        const int64_t size = ad_program_size(scan->body, scan->n_shared + k);
        if (!is_empty(t->s, t->args[arg]))
            memcpy(carry, cells_of(t, arg), (size_t)size * sizeof *carry);
        carry += size;
    }
}

/*
 * Step by step, as it runs. Where a loop may stop early its last carry is any step's,
 * and once a step changes no carry and no rows come in, nor does any after it, so that
 * a loop of at most a million steps does not take as many here.
 */
static void join_SCAN(const step *t)
{
    const ad_scan *scan = t->attr.scan;
    const int64_t size = carry_size(scan);
    const bool may_stop = scan->has_exit || scan->has_count;
    const bool is_uniform =
        scan->n_rows == 0 && scan->n_out_rows == 0 && !scan->keeps_carry;
    state body = {.p = scan->body, .sets = t->s->sets};
    uint32_t *carry = calloc((size_t)size + 1, sizeof *carry);
    uint32_t *before = calloc((size_t)size + 1, sizeof *before);
    if (carry == NULL || before == NULL)
        t->s->sets->has_failed = true;
    else if (make_state(&body)) {
        first_carry(t, scan, carry);
        for (int64_t i = 0; i < scan->n_steps && !body.sets->has_failed; i++) {
            const int64_t row = scan->is_reversed ? scan->n_steps - 1 - i : i;
            memcpy(before, carry, (size_t)size * sizeof *carry);
            for (int64_t e = 0; e < size && may_stop; e++)
                join(t, e, carry[e]);
            give_step(t, scan, &body, row);
            join_step(t, scan, &body, row, carry);
            if (is_uniform && memcmp(before, carry, (size_t)size * sizeof *carry) == 0)
                break;
        }
        for (int64_t e = 0; e < size; e++)
            join(t, e, carry[e]);
    }
    free_state(&body);
    free(carry);
    free(before);
}

/* ---- Inputs and outputs ----------------------------------------------------------- */

/* Give each element of the wanted inputs its column. */
static void set_inputs(state *s, const bool *is_wanted)
{
    uint32_t next = 1;
    for (uint32_t k = 0; k < s->p->n_inputs && !s->sets->has_failed; k++) {
        if (!is_wanted[k] || s->last_use[k] == 0)
            next += is_wanted[k] ? (uint32_t)ad_program_size(s->p, k) : 0;
        else {
            uint32_t *to = room_for(s, k);
            for (int64_t e = 0; e < ad_program_size(s->p, k) && to != NULL; e++)
                to[e] = next++;
        }
    }
}

/* The sets of the outputs' elements, one after another. */
static ad_status expand_outputs(const state *s, const bool *is_wanted,
                                ad_pattern *pattern)
{
    uint32_t *ids = calloc((size_t)pattern->n_rows + 1, sizeof *ids);
    pattern->starts = calloc((size_t)pattern->n_rows + 1, sizeof *pattern->starts);
    if (ids == NULL || pattern->starts == NULL) {
        free(ids);
        return AD_NO_MEMORY;
    }
    int64_t row = 0;
    for (uint32_t k = 0; k < s->p->n_outputs; k++) {
        if (!is_wanted[k])
            continue;
        const cells *c = &s->values[s->p->outputs[k]];
        const int64_t n = ad_program_size(s->p, s->p->outputs[k]);
        if (c->at != NULL)
            memcpy(ids + row, c->at, (size_t)n * sizeof *ids);
        else if (n == 1)
            ids[row] = c->one;
        row += n;
    }
    ad_status status =
        ad_sets_expand(s->sets, pattern->n_rows, ids, (uint32_t)pattern->n_columns,
                       pattern->starts, &pattern->columns);
    free(ids);
    return status;
}

static ad_status measure(const ad_program *p, const bool *is_wanted_input,
                         const bool *is_wanted_output, ad_pattern *pattern,
                         ad_message *message)
{
    for (uint32_t k = 0; k < p->n_inputs; k++)
        pattern->n_columns += is_wanted_input[k] ? ad_program_size(p, k) : 0;
    for (uint32_t k = 0; k < p->n_outputs; k++)
        pattern->n_rows += is_wanted_output[k] ? ad_program_size(p, p->outputs[k]) : 0;
    if (pattern->n_rows < INT32_MAX && pattern->n_columns < INT32_MAX)
        return AD_OK;
    return ad_fail(message, AD_SHAPE,
                   "a sparse matrix may have 2147483646 rows and columns at most, got "
                   "%lld and %lld",
                   (long long)pattern->n_rows, (long long)pattern->n_columns);
}

ad_status ad_sparsity_jacobian(const ad_program *p, const bool *is_wanted_input,
                               const bool *is_wanted_output, ad_pattern *pattern,
                               ad_message *message)
{
    *pattern = (ad_pattern){.n_rows = 0};
    ad_status status = measure(p, is_wanted_input, is_wanted_output, pattern, message);
    if (status != AD_OK)
        return status;
    ad_sets sets;
    if (ad_sets_init(&sets, (uint32_t)pattern->n_columns) != AD_OK)
        return AD_NO_MEMORY;
    state s = {.p = p, .sets = &sets};
    status = AD_NO_MEMORY;
    if (make_state(&s)) {
        set_inputs(&s, is_wanted_input);
        run(&s);
        if (!sets.has_failed)
            status = expand_outputs(&s, is_wanted_output, pattern);
    }
    free_state(&s);
    ad_sets_free(&sets);
    if (status != AD_OK)
        ad_pattern_free(pattern);
    return status;
}

void ad_pattern_free(ad_pattern *pattern)
{
    free(pattern->starts);
    free(pattern->columns);
    *pattern = (ad_pattern){.n_rows = 0};
}
