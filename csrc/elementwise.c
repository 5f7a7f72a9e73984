/*
 * elementwise.c - broadcasting around the kernels of kernel.h.
 *
 * Kernels want contiguous operands. A walk cuts the result into runs in which
 * every operand advances by one element or stands still; what stands still is
 * spread into a small block first, and the run is done block by block. So is a
 * product whose partial has to be computed: it goes no further than the nearest
 * cache.
 */
#include "elementwise.h"

#include <string.h>

#include "formula.h"
#include "kernel.h"

/* An operand as a run of contiguous elements. */
typedef struct reader {
    const double *data; /* NULL: an operand that the kernel does not read */
    int64_t step;
    double spread[AD_BLOCK_MOST];
} reader;

static void reader_start(reader *r, const double *data, int64_t step, int64_t run)
{
    r->data = data;
    r->step = step;
    if (step == 0 && data != NULL)
        ad_kernel_fill(run < AD_BLOCK_MOST ? run : AD_BLOCK_MOST, *data, r->spread);
}

static const double *reader_at(const reader *r, int64_t i)
{
    return r->data == NULL || r->step == 0 ? r->spread : r->data + i;
}

/* One kernel, or for a product a partial and its product with g. */
typedef struct job {
    ad_primal_kernel primal;   /* NULL: a product */
    ad_partial_kernel partial; /* NULL: the partial is an operand or z itself, ... */
    int operand;               /* ... this one; 3 is z */
    unsigned reads;            /* bit k: operand k */
    const double *z, *g;       /* of a product; z is anything when not read */
    double *out;
    bool is_strict, adds;
} job;

static void run_product(const job *j, const double *const *in, int64_t at, int64_t n)
{
    double block[AD_BLOCK_MOST];
    const double *p = block;
    if (j->partial != NULL)
        j->partial(n, in[0], in[1], in[2], j->z + at, block);
    else
        p = j->operand < AD_MAX_ARITY ? in[j->operand] : j->z + at;
    ad_kernel_product(n, p, j->g + at, j->out + at, j->is_strict, j->adds);
}

static void run_kernel(const job *j, const reader *readers, int64_t at, int64_t i,
                       int64_t n)
{
    const double *in[AD_MAX_ARITY];
    for (int k = 0; k < AD_MAX_ARITY; k++)
        in[k] = reader_at(&readers[k], i);
    if (j->primal != NULL)
        j->primal(n, in[0], in[1], in[2], j->out + at + i);
    else
        run_product(j, in, at + i, n);
}

static bool is_walked(const job *j, int k, const ad_value *args)
{
    return (j->reads >> k & 1) && args[k].array != NULL;
}

/* Every operand is a scalar, not read, or has the result's shape. */
static bool is_flat(const job *j, const ad_value *args, int ndim, const int64_t *shape)
{
    for (int k = 0; k < AD_MAX_ARITY; k++) {
        if (!is_walked(j, k, args))
            continue;
        const ad_array *a = args[k].array;
        if (a->ndim != ndim || memcmp(a->shape, shape, (size_t)ndim * 8) != 0)
            return false;
    }
    return true;
}

/* One run over the whole result. */
static void walk_flat(ad_walk *walk, int ndim, const int64_t *shape)
{
    walk->ndim = 0;
    walk->run = ad_shape_size(ndim, shape);
    walk->n_runs = walk->run > 0;
    for (int k = 0; k < AD_WALK_MAX; k++)
        walk->offset[k] = 0, walk->step[k] = 1;
}

static void walk_broadcast(ad_walk *walk, const job *j, const ad_value *args, int ndim,
                           const int64_t *shape)
{
    static const int64_t no_strides[AD_MAX_NDIM] = {0};
    int64_t strides[AD_WALK_MAX][AD_MAX_NDIM];
    const int64_t *all[AD_WALK_MAX];
    for (int k = 0; k < AD_MAX_ARITY; k++) {
        all[k] = no_strides;
        if (!is_walked(j, k, args))
            continue;
        const ad_array *a = args[k].array;
        ad_shape_strides(a->ndim, a->shape, ndim, shape, strides[k]);
        all[k] = strides[k];
    }
    ad_shape_strides(ndim, shape, ndim, shape, strides[AD_MAX_ARITY]);
    all[AD_MAX_ARITY] = strides[AD_MAX_ARITY];
    ad_walk_start(walk, ndim, shape, AD_WALK_MAX, all);
}

/* Walk the result's shape and feed the kernel. */
static void run_job(const job *j, const ad_value *args, int ndim, const int64_t *shape)
{
    reader in[AD_MAX_ARITY];
    ad_walk walk;
    if (is_flat(j, args, ndim, shape))
        walk_flat(&walk, ndim, shape);
    else
        walk_broadcast(&walk, j, args, ndim, shape);
    for (int k = 0; k < AD_MAX_ARITY; k++) {
        in[k].data = NULL;
        if ((j->reads >> k & 1) && args[k].array == NULL)
            reader_start(&in[k], &args[k].scalar, 0, walk.run);
    }
    for (int64_t r = 0; r < walk.n_runs; r++) {
        bool in_blocks = j->partial != NULL;
        for (int k = 0; k < AD_MAX_ARITY; k++) {
            if (is_walked(j, k, args))
                reader_start(&in[k], args[k].array->data + walk.offset[k], walk.step[k],
                             walk.run);
            in_blocks |= in[k].data != NULL && in[k].step == 0;
        }
        int64_t at = walk.offset[AD_MAX_ARITY];
        for (int64_t i = 0, n; i < walk.run; i += n) {
            n = in_blocks ? ad_block_length(walk.run - i, AD_BLOCK) : walk.run;
            run_kernel(j, in, at, i, n);
        }
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
}

static int cheapest(int op, const ad_value *args)
{
    const bool has_scalar = ad_op_get(op)->n_args == 2 && args[1].array == NULL;
    return has_scalar ? ad_elementwise_cheapest(op, args[1].scalar) : op;
}

ad_status ad_elementwise_value(ad_message *message, int op, int n_args,
                               const ad_value *args, ad_value *out)
{
    int ndim = 0;
    int64_t shape[AD_MAX_NDIM];
    const ad_array *first = NULL;
    for (int k = 0; k < n_args; k++) {
        const ad_array *a = args[k].array;
        if (a == NULL)
            continue;
        if (!ad_shape_broadcast(ndim, shape, a->ndim, a->shape, &ndim, shape)) {
            char left[128], right[128];
            ad_shape_text(first->ndim, first->shape, left, sizeof left);
            ad_shape_text(a->ndim, a->shape, right, sizeof right);
            return ad_fail(message, AD_SHAPE,
                           "%s: shapes %s and %s do not broadcast; extents must be "
                           "equal or 1, counted from the last axis",
                           ad_op_name(op), left, right);
        }
        if (first == NULL || a->size > first->size)
            first = a;
    }
    out->scalar = 0.0;
    out->entry = AD_NONE;
    out->array = ad_array_new(ndim, shape);
    if (out->array == NULL)
        return AD_NO_MEMORY;
    op = cheapest(op, args);
    job j = {.primal = ad_kernel_primal(op),
             .reads = (1u << ad_op_get(op)->n_args) - 1,
             .out = out->array->data};
    run_job(&j, args, ndim, shape);
    return AD_OK;
}

void ad_elementwise_product(int op, int k, const ad_value *args, const ad_array *result,
                            const ad_array *g, bool is_strict, bool adds, ad_array *out)
{
    if (k == 0)
        op = cheapest(op, args);
    const ad_op_info *info = ad_op_get(op);
    const ad_formula *partial = info->partial[k];
    bool reads_z = result != NULL && result->data != NULL;
    job j = {.reads = info->uses[k],
             .z = reads_z ? result->data : g->data,
             .g = g->data,
             .out = out->data,
             .is_strict = is_strict,
             .adds = adds};
    if (partial->kind == AD_FORMULA_OPERAND)
        j.operand = partial->index;
    else
        j.partial = ad_kernel_partial(op, k);
    run_job(&j, args, g->ndim, g->shape);
}
