/*
 * sparsity_rules.c - what each row passes on of the sets of its operands.
 *
 * Elementwise rows need nothing but the table: an operand passes on its set unless its
 * partial is zero for certain. Structural rows have a rule each, found by the row's
 * name: a new row does not compile without one.
 */
#include <stdlib.h>
#include <string.h>

#include "sparsity_step.h"

/* Is all that a partial reads constant, so that its value is known here? */
static bool is_known(const ad_sparsity_step *t, const ad_op_info *info, int k)
{
    if (info->uses[k] & AD_USES_Z)
        return false;
    for (int j = 0; j < t->instr->n_args; j++)
        if ((info->uses[k] >> j & 1) && constant(t, j) == NULL)
            return false;
    return true;
}

/* Join the sets of operand k where its partial is not zero for certain. */
static void join_operand(const ad_sparsity_step *t, int k)
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
static void join_scalar(const ad_sparsity_step *t, int k)
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

static void elementwise(const ad_sparsity_step *t)
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
static void join_strided(const ad_sparsity_step *t, const ad_array *shape, bool is_sum)
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

static void join_RESHAPE(const ad_sparsity_step *t)
{
    memcpy(t->to, cells_of(t, 0), (size_t)size_of(t, 0) * sizeof *t->to);
}

static void join_STRIDED(const ad_sparsity_step *t)
{
    join_strided(t, t->shape, false);
}

static void join_STRIDED_ADD(const ad_sparsity_step *t)
{
    join_strided(t, shape_of(t, 0), true);
}

static void join_GATHER(const ad_sparsity_step *t)
{
    const ad_index *index = t->attr.index;
    for (int64_t k = 0; k < index->size; k++)
        t->to[k] = index->at[k] >= 0 ? cells_of(t, 0)[index->at[k]] : 0;
}

static void join_GATHER_ADD(const ad_sparsity_step *t)
{
    const ad_index *index = t->attr.index;
    for (int64_t k = 0; k < index->size; k++)
        if (index->at[k] >= 0)
            join(t, index->at[k], cells_of(t, 0)[k]);
}

static void join_PUT(const ad_sparsity_step *t)
{
    const ad_index *index = t->attr.index;
    const int64_t n = size_of(t, 1);
    const uint32_t *y = cells_of(t, 1);
    if (!is_empty(t->s, t->args[0]))
        join_RESHAPE(t);
    for (int64_t k = 0; k < index->size; k++)
        t->to[index->at[k]] = is_empty(t->s, t->args[1]) ? 0 : y[n == 1 ? 0 : k];
}

static void join_CUMSUM(const ad_sparsity_step *t)
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

static void join_CAT(const ad_sparsity_step *t)
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
static void join_lines(const ad_sparsity_step *t, const product *a, int64_t z)
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
static void join_products(const ad_sparsity_step *t, const product *a, int64_t z)
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

static void join_batch(const ad_sparsity_step *t, product *a)
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

static void join_MATMUL(const ad_sparsity_step *t)
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

static void join_PACK(const ad_sparsity_step *t)
{
    for (int k = 0; k < t->instr->n_args; k++)
        t->to[k] = *cells_of(t, k);
}

/* Axes of the result that belong to one matrix; those before are a batch. */
static int matrix_axes(int op)
{
    return op == AD_OP_DET ? 0 : op == AD_OP_SLOGDET ? 1 : 2;
}

/* Join all sets of one of operand k's matrices, or of its column `column` alone. */
static uint32_t join_matrix(const ad_sparsity_step *t, int k, int64_t which,
                            int64_t column)
{
    const ad_array *x = shape_of(t, k);
    const int64_t n = x->shape[x->ndim - 1], size = x->shape[x->ndim - 2] * n;
    uint32_t all = 0;
    for (int64_t e = column < 0 ? 0 : column; e < size; e += column < 0 ? 1 : n)
        all = ad_sets_union(t->s->sets, all, cells_of(t, k)[which * size + e]);
    return all;
}

/* One matrix of the result: all of x, and in SOLVE and LSTSQ the column of y. */
static void join_result(const ad_sparsity_step *t, const int64_t *which, int64_t first,
                        int64_t size)
{
    const bool has_x = !is_empty(t->s, t->args[0]);
    const bool has_y = t->instr->n_args > 1 && !is_empty(t->s, t->args[1]);
    const uint32_t x = has_x ? join_matrix(t, 0, which[0], -1) : 0;
    for (int64_t e = 0; e < size; e++)
        join(t, first + e, x);
    const int64_t n = has_y ? t->shape->shape[t->shape->ndim - 1] : 0;
    for (int64_t column = 0; column < n; column++) {
        const uint32_t y = join_matrix(t, 1, which[1], column);
        for (int64_t e = column; e < size; e += n)
            join(t, first + e, y);
    }
}

/* Linear algebra: matrices of a batch are told apart. */
static void join_matrices(const ad_sparsity_step *t)
{
    const ad_array *z = t->shape;
    const int ndim = (z != NULL ? z->ndim : 0) - matrix_axes(t->instr->op);
    const int64_t *shape = z != NULL ? z->shape : NULL;
    int64_t strides[3][AD_MAX_NDIM], size = 1;
    const int64_t *all[] = {strides[0], strides[1], strides[2]};
    for (int k = 0; k < 3; k++) {
        const ad_array *x = k < t->instr->n_args ? shape_of(t, k) : NULL;
        if (ndim > 0)
            ad_shape_strides(x != NULL ? x->ndim - 2 : ndim,
                             x != NULL ? x->shape : shape, ndim, shape, strides[k]);
    }
    for (int i = ndim; z != NULL && i < z->ndim; i++)
        size *= z->shape[i];
    ad_walk walk;
    ad_walk_start(&walk, ndim, shape, 3, all);
    for (int64_t r = 0; r < walk.n_runs && size > 0; r++) {
        for (int64_t i = 0; i < walk.run; i++) {
            int64_t which[3];
            for (int k = 0; k < 3; k++)
                which[k] = walk.offset[k] + i * walk.step[k];
            join_result(t, which, which[2] * size, size);
        }
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
}

/* No derivative passes, or there is nothing to pass. */
static void join_nothing(const ad_sparsity_step *t)
{
    (void)t;
}

#define join_SCAN ad_sparsity_scan
#define join_CALL ad_sparsity_call
#define join_REDUCE_MAX join_STRIDED_ADD
#define join_CUSTOM join_nothing
#define join_INPUT join_nothing /* set from the start */
#define join_CONST join_nothing
#define join_STOP join_nothing
#define join_SOLVE join_matrices
#define join_LSTSQ join_matrices
#define join_CHOLESKY join_matrices
#define join_EIGH join_matrices
#define join_SVD join_matrices
#define join_DET join_matrices
#define join_COFACTOR join_matrices
#define join_SLOGDET join_matrices

static void (*const rules[])(const ad_sparsity_step *t) = {
#define OPS(id, ...) join_##id,
#include "structural.def"
#undef OPS
};

enum { FIRST_STRUCTURAL = AD_OP_RESHAPE };

void ad_sparsity_rule(const ad_sparsity_step *t)
{
    if (t->instr->op < FIRST_STRUCTURAL)
        elementwise(t);
    else
        rules[t->instr->op - FIRST_STRUCTURAL](t);
}
