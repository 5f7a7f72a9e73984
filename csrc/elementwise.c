/*
 * elementwise.c - broadcasting around the kernels of kernel.h.
 *
 * Kernels want contiguous operands. A walk cuts the result into runs in which
 * every operand advances by one element or stands still; what stands still is
 * spread into a small block first, and the run is done block by block.
 */
#include "elementwise.h"

#include <string.h>

#include "kernel.h"

enum { BLOCK = 512 };

/* An operand as a run of contiguous elements. */
typedef struct reader {
    const double *data;
    int64_t step;
    double spread[BLOCK];
} reader;

static void reader_start(reader *r, const double *data, int64_t step, int64_t run)
{
    r->data = data;
    r->step = step;
    if (step == 0 && data != NULL)
        for (int64_t i = 0; i < run && i < BLOCK; i++)
            r->spread[i] = *data;
}

static const double *reader_at(const reader *r, int64_t i)
{
    return r->data == NULL || r->step == 0 ? r->spread : r->data + i;
}

typedef struct job {
    ad_primal_kernel primal;
    ad_product_kernel product;
    const double *z, *g; /* of a product; NULL when not read */
    double *out;
    bool is_strict;
    bool adds; /* to what `out` holds */
} job;

static void run_kernel(const job *j, const reader *in, int64_t at, int64_t i, int64_t n)
{
    const double *x = reader_at(&in[0], i), *y = reader_at(&in[1], i);
    const double *w = reader_at(&in[2], i);
    double *out = j->out + at + i;
    if (j->primal != NULL) {
        j->primal(n, x, y, w, out);
        return;
    }
    const double *g = j->g + at + i, *z = j->z != NULL ? j->z + at + i : g;
    double block[BLOCK];
    j->product(n, x, y, w, z, g, j->adds ? block : out, j->is_strict);
    if (j->adds)
        ad_kernel_add(n, block, out);
}

/* Walk the result's shape and feed the kernel. */
static void run_job(const job *j, int n_args, const ad_value *args, int ndim,
                    const int64_t *shape)
{
    static const int64_t no_strides[AD_MAX_NDIM] = {0};
    int64_t strides[AD_MAX_ARITY][AD_MAX_NDIM], whole[AD_MAX_NDIM];
    const int64_t *all[AD_WALK_MAX];
    bool is_flat = true; /* every operand is a scalar or has the result's shape */
    reader in[AD_MAX_ARITY];
    for (int k = 0; k < AD_MAX_ARITY; k++) {
        const ad_array *a = k < n_args ? args[k].array : NULL;
        in[k].data = NULL;
        all[k] = no_strides;
        if (a == NULL || a->data == NULL)
            continue;
        if (a->ndim != ndim || memcmp(a->shape, shape, (size_t)ndim * 8) != 0)
            is_flat = false;
    }
    ad_walk walk;
    if (is_flat) {
        walk.run = ad_shape_size(ndim, shape);
        walk.n_runs = walk.run > 0;
        for (int k = 0; k < AD_WALK_MAX; k++)
            walk.offset[k] = 0, walk.step[k] = 1;
        walk.ndim = 0;
    } else {
        for (int k = 0; k < n_args; k++)
            if (args[k].array != NULL && args[k].array->data != NULL) {
                ad_shape_strides(args[k].array->ndim, args[k].array->shape, ndim, shape,
                                 strides[k]);
                all[k] = strides[k];
            }
        ad_shape_strides(ndim, shape, ndim, shape, whole);
        all[AD_MAX_ARITY] = whole;
        ad_walk_start(&walk, ndim, shape, AD_WALK_MAX, all);
    }
    for (int64_t r = 0; r < walk.n_runs; r++) {
        bool is_spread = false;
        for (int k = 0; k < n_args; k++) {
            const ad_array *a = args[k].array;
            if (a == NULL) {
                if (r == 0)
                    reader_start(&in[k], &args[k].scalar, 0, walk.run);
                is_spread = true;
            } else if (a->data != NULL) {
                reader_start(&in[k], a->data + walk.offset[k], walk.step[k], walk.run);
                is_spread |= walk.step[k] == 0;
            }
        }
        int64_t at = walk.offset[AD_MAX_ARITY];
        int64_t block = is_spread || j->adds ? BLOCK : walk.run;
        for (int64_t i = 0; i < walk.run; i += block)
            run_kernel(j, in, at, i, walk.run - i < block ? walk.run - i : block);
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
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
    job j = {.primal = ad_kernel_primal(op), .out = out->array->data};
    run_job(&j, n_args, args, ndim, shape);
    return AD_OK;
}

void ad_elementwise_product(int op, int k, int n_args, const ad_value *args,
                            const ad_array *result, const ad_array *g, bool is_strict,
                            bool adds, ad_array *out)
{
    job j = {.product = ad_kernel_product(op, k),
             .z = result != NULL ? result->data : NULL,
             .g = g->data,
             .out = out->data,
             .is_strict = is_strict,
             .adds = adds};
    run_job(&j, n_args, args, g->ndim, g->shape);
}
