/*
 * structural.c - kernels that move, add up and combine elements.
 *
 * STRIDED and STRIDED_ADD are each other's adjoint and between them make every
 * view, broadcast, slice, transpose and sum; GATHER and GATHER_ADD likewise for
 * arbitrary indices. A walk goes over the shape that has strides: the result's
 * for STRIDED, the operand's for STRIDED_ADD and REDUCE_MAX.
 *
 * All work on spans, in which an element is n_lanes doubles side by side. Arrays are
 * the case of one lane, for which some have a loop of its own.
 */
#include "structural.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* Walk `a` in its own order beside memory that is read with attr's strides. */
static void walk_pair(ad_walk *walk, const ad_span *a, const int64_t *strides)
{
    int64_t own[AD_MAX_NDIM];
    const int64_t *all[] = {own, strides};
    ad_shape_strides(a->ndim, a->shape, a->ndim, a->shape, own);
    ad_walk_start(walk, a->ndim, a->shape, 2, all);
}

/* n elements, `step` apart, to n in a row. */
static void copy_run(int64_t n, int64_t step, int64_t n_lanes, const double *from,
                     double *to)
{
    if (step == 1)
        memcpy(to, from, (size_t)(n * n_lanes) * sizeof *to);
    else if (n_lanes > 1)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * n_lanes, from + i * step * n_lanes,
                   (size_t)n_lanes * sizeof *to);
    else if (step == 0)
        ad_kernel_fill(n, *from, to);
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i * step];
}

/* n elements in a row, added to n that are `step` apart. */
static void add_run(int64_t n, int64_t step, int64_t n_lanes, const double *from,
                    double *restrict to)
{
    if (step == 0 && n_lanes == 1)
        *to += ad_kernel_sum(n, from);
    else if (step == 0)
        ad_kernel_sum_lanes(n, n_lanes, from, to);
    else if (step == 1)
        ad_kernel_add(n * n_lanes, from, to);
    else if (n_lanes > 1)
        for (int64_t i = 0; i < n; i++)
            ad_kernel_add(n_lanes, from + i * n_lanes, to + i * step * n_lanes);
    else
        for (int64_t i = 0; i < n; i++)
            to[i * step] += from[i];
}

/* Windows are short runs by the thousand, where going from one to the next costs more
 * than a run: then the last outer axis is left to a loop of its own. */
enum { SHORT_RUN = 32 };

typedef struct plane {
    int64_t rows, step[2];
} plane;

static plane short_rows(ad_walk *walk, int64_t n_lanes)
{
    plane p = {1, {0, 0}};
    if (n_lanes == 1 && walk->ndim > 0 && walk->run < SHORT_RUN && walk->n_runs > 0) {
        const int last = --walk->ndim;
        p = (plane){walk->shape[last], {walk->stride[0][last], walk->stride[1][last]}};
        walk->n_runs /= p.rows;
    }
    return p;
}

static void copy_plane(const plane *p, int64_t n, int64_t step, const double *from,
                       double *restrict to)
{
    for (int64_t j = 0; j < p->rows; j++, from += p->step[1], to += p->step[0])
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i * step];
}

static void add_plane(const plane *p, int64_t n, int64_t step, const double *from,
                      double *restrict to)
{
    for (int64_t j = 0; j < p->rows; j++, from += p->step[0], to += p->step[1])
        for (int64_t i = 0; i < n; i++)
            to[i * step] += from[i];
}

static void strided(const ad_span *x, const ad_attr *attr, int64_t n_lanes,
                    const ad_span *z)
{
    ad_walk walk;
    walk_pair(&walk, z, attr->strides);
    const plane rows = short_rows(&walk, n_lanes);
    for (int64_t r = 0; r < walk.n_runs; r++) {
        const double *from = x->data + (attr->offset + walk.offset[1]) * n_lanes;
        double *to = z->data + walk.offset[0] * n_lanes;
        if (rows.rows > 1)
            copy_plane(&rows, walk.run, walk.step[1], from, to);
        else
            copy_run(walk.run, walk.step[1], n_lanes, from, to);
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
}

static void strided_add(const ad_span *x, const ad_attr *attr, int64_t n_lanes,
                        const ad_span *z)
{
    ad_kernel_fill(z->size * n_lanes, 0.0, z->data);
    ad_walk walk;
    walk_pair(&walk, x, attr->strides);
    /* A sum of many elements in a row is added up in pairs: not in a plane. */
    const plane rows =
        walk.step[1] == 0 ? (plane){1, {0, 0}} : short_rows(&walk, n_lanes);
    for (int64_t r = 0; r < walk.n_runs; r++) {
        const double *from = x->data + walk.offset[0] * n_lanes;
        double *to = z->data + (attr->offset + walk.offset[1]) * n_lanes;
        if (rows.rows > 1)
            add_plane(&rows, walk.run, walk.step[1], from, to);
        else
            add_run(walk.run, walk.step[1], n_lanes, from, to);
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
}

static void gather(const ad_span *x, const ad_index *index, int64_t n_lanes,
                   const ad_span *z)
{
    const double *from = x->data;
    double *to = z->data;
    if (n_lanes == 1) {
        ad_kernel_gather(z->size, index->at, from, to);
        return;
    }
    for (int64_t k = 0; k < z->size; k++) {
        const int64_t at = index->at[k];
        if (at < 0)
            ad_kernel_fill(n_lanes, 0.0, to + k * n_lanes);
        else
            copy_run(1, 1, n_lanes, from + at * n_lanes, to + k * n_lanes);
    }
}

static void gather_add(const ad_span *x, const ad_index *index, int64_t n_lanes,
                       const ad_span *z)
{
    ad_kernel_fill(z->size * n_lanes, 0.0, z->data);
    for (int64_t k = 0; k < x->size; k++) {
        const int64_t at = index->at[k];
        if (at < 0)
            continue;
        if (n_lanes == 1)
            z->data[at] += x->data[k];
        else
            ad_kernel_add(n_lanes, x->data + k * n_lanes, z->data + at * n_lanes);
    }
}

static void put(const ad_span *x, const ad_span *y, const ad_index *index,
                int64_t n_lanes, const ad_span *z)
{
    if (x->size > 0)
        copy_run(x->size, 1, n_lanes, x->data, z->data);
    for (int64_t k = 0; k < index->size; k++)
        copy_run(1, 1, n_lanes, y->data + (y->size == 1 ? 0 : k) * n_lanes,
                 z->data + index->at[k] * n_lanes);
}

/* Extents before, of and after an axis; lanes are the innermost. */
static void split_axis(const ad_span *a, int axis, int64_t n_lanes, int64_t *outer,
                       int64_t *n, int64_t *inner)
{
    *outer = ad_shape_size(axis, a->shape);
    *n = a->shape[axis];
    *inner = ad_shape_size(a->ndim - axis - 1, a->shape + axis + 1) * n_lanes;
}

static void cumsum(const ad_span *x, const ad_attr *attr, int64_t n_lanes,
                   const ad_span *z)
{
    int64_t outer, n, inner;
    split_axis(x, attr->axis, n_lanes, &outer, &n, &inner);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++) {
            int64_t at = attr->reverse ? n - 1 - i : i;
            int64_t before = attr->reverse ? at + 1 : at - 1;
            double *to = z->data + (o * n + at) * inner;
            const double *sum = z->data + (o * n + before) * inner;
            const double *from = x->data + (o * n + at) * inner;
            for (int64_t j = 0; j < inner; j++)
                to[j] = i == 0 ? from[j] : sum[j] + from[j];
        }
}

static void cat(int n_args, const ad_span *args, int axis, int64_t n_lanes,
                const ad_span *z)
{
    int64_t outer, n, inner, before = 0;
    const int64_t total = z->shape[axis];
    for (int k = 0; k < n_args; k++) {
        split_axis(&args[k], axis, n_lanes, &outer, &n, &inner);
        for (int64_t o = 0; o < outer && n * inner > 0; o++)
            memcpy(z->data + (o * total + before) * inner, args[k].data + o * n * inner,
                   (size_t)(n * inner) * sizeof(double));
        before += n;
    }
}

/* The shape that CAT makes. */
static ad_status cat_shape(ad_message *message, int n_args, const ad_array *const *args,
                           int axis, int64_t *shape)
{
    const ad_array *first = args[0];
    memcpy(shape, first->shape, (size_t)first->ndim * sizeof shape[0]);
    shape[axis] = 0;
    for (int k = 0; k < n_args; k++) {
        bool fits = args[k]->ndim == first->ndim;
        for (int i = 0; i < first->ndim && fits; i++)
            fits = i == axis || args[k]->shape[i] == first->shape[i];
        if (!fits) {
            char left[128], right[128];
            ad_shape_text(first->ndim, first->shape, left, sizeof left);
            ad_shape_text(args[k]->ndim, args[k]->shape, right, sizeof right);
            return ad_fail(message, AD_SHAPE,
                           "cat: operand 0 has shape %s and operand %d has %s; they "
                           "may differ along axis %d only",
                           left, k, right, axis);
        }
        shape[axis] += args[k]->shape[axis];
    }
    return AD_OK;
}

/* ---- Products ------------------------------------------------------------------ */

/* From this many multiplications on a BLAS gains more than a call to it costs. */
static const double LARGE_PRODUCT = 80.0 * 80.0 * 80.0;

static ad_status misfit(ad_message *message, const ad_array *x, const ad_array *y,
                        const ad_attr *attr)
{
    char left[128], right[128];
    ad_shape_text(x->ndim, x->shape, left, sizeof left);
    ad_shape_text(y->ndim, y->shape, right, sizeof right);
    return ad_fail(message, AD_SHAPE,
                   "matmul: shapes %s%s and %s%s do not fit; the last extent of the "
                   "first must equal the last but one of the second",
                   left, attr->trans_x ? " transposed" : "", right,
                   attr->trans_y ? " transposed" : "");
}

/* Extents of the matrices, (m, k) and (k, n); those of the batch are before. */
typedef struct product {
    int64_t m, n, k;
} product;

static product extents_of(int x_ndim, const int64_t *x, int y_ndim, const int64_t *y,
                          const ad_attr *attr)
{
    return (product){.m = x[x_ndim - (attr->trans_x ? 1 : 2)],
                     .k = x[x_ndim - (attr->trans_x ? 2 : 1)],
                     .n = y[y_ndim - (attr->trans_y ? 2 : 1)]};
}

/* The shape that MATMUL makes. */
static ad_status matmul_shape(ad_message *message, const ad_array *x, const ad_array *y,
                              const ad_attr *attr, int *ndim, int64_t *shape)
{
    const product p = extents_of(x->ndim, x->shape, y->ndim, y->shape, attr);
    if (p.k != y->shape[y->ndim - (attr->trans_y ? 1 : 2)] ||
        !ad_shape_broadcast(x->ndim - 2, x->shape, y->ndim - 2, y->shape, ndim, shape))
        return misfit(message, x, y, attr);
    shape[(*ndim)++] = p.m;
    shape[(*ndim)++] = p.n;
    return AD_OK;
}

static bool is_large(const product *p)
{
    return (double)p->m * (double)p->n * (double)p->k > LARGE_PRODUCT;
}

bool ad_structural_wants_hook(int op, const ad_span *args, const ad_attr *attr)
{
    if (op != AD_OP_MATMUL)
        return false;
    const product p =
        extents_of(args[0].ndim, args[0].shape, args[1].ndim, args[1].shape, attr);
    return is_large(&p);
}

static void matmul_one(const product *p, const ad_attr *attr, int64_t n_lanes,
                       ad_matmul_hook hook, const double *a, const double *b, double *c)
{
    const bool tx = attr->trans_x, ty = attr->trans_y;
    if (n_lanes > 1) {
        ad_kernel_matmul_lanes(p->m, p->n, p->k, a, tx, b, ty, n_lanes, c);
        return;
    }
    if (is_large(p) && hook != NULL && hook(p->m, p->n, p->k, a, tx, b, ty, c))
        return;
    ad_kernel_fill(p->m * p->n, 0.0, c);
    ad_kernel_matmul(p->m, p->n, p->k, a, tx, b, ty, c);
}

static void matmul(const ad_span *x, const ad_span *y, const ad_attr *attr,
                   int64_t n_lanes, ad_matmul_hook hook, const ad_span *z)
{
    const product p = extents_of(x->ndim, x->shape, y->ndim, y->shape, attr);
    const int ndim = z->ndim - 2;
    int64_t x_strides[AD_MAX_NDIM], y_strides[AD_MAX_NDIM], z_strides[AD_MAX_NDIM];
    const int64_t *all[] = {x_strides, y_strides, z_strides};
    ad_shape_strides(x->ndim - 2, x->shape, ndim, z->shape, x_strides);
    ad_shape_strides(y->ndim - 2, y->shape, ndim, z->shape, y_strides);
    ad_shape_strides(ndim, z->shape, ndim, z->shape, z_strides);
    ad_walk walk;
    ad_walk_start(&walk, ndim, z->shape, 3, all);
    for (int64_t r = 0; r < walk.n_runs; r++) {
        for (int64_t i = 0; i < walk.run; i++) {
            int64_t at[3];
            for (int k = 0; k < 3; k++)
                at[k] = (walk.offset[k] + i * walk.step[k]) * n_lanes;
            matmul_one(&p, attr, n_lanes, hook, x->data + at[0] * p.m * p.k,
                       y->data + at[1] * p.k * p.n, z->data + at[2] * p.m * p.n);
        }
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
}

/* ---- Maxima --------------------------------------------------------------------- */

/* NaN wins, as in NumPy and PyTorch. */
static inline double larger(double a, double b)
{
    return a > b || isnan(a) ? a : b;
}

static void reduce_max(const ad_span *x, const ad_attr *attr, int64_t n_lanes,
                       const ad_span *z)
{
    const double sign = attr->reverse ? -1.0 : 1.0;
    ad_kernel_fill(z->size * n_lanes, -INFINITY, z->data);
    ad_walk walk;
    walk_pair(&walk, x, attr->strides);
    for (int64_t r = 0; r < walk.n_runs; r++) {
        const double *from = x->data + walk.offset[0] * n_lanes;
        double *to = z->data + walk.offset[1] * n_lanes;
        for (int64_t i = 0; i < walk.run; i++, to += walk.step[1] * n_lanes)
            for (int64_t l = 0; l < n_lanes; l++)
                to[l] = larger(to[l], sign * from[i * n_lanes + l]);
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
    for (int64_t i = 0; i < z->size * n_lanes && attr->reverse; i++)
        z->data[i] = -z->data[i];
}

static inline bool is_extreme(double x, double z)
{
    return x == z || (isnan(x) && isnan(z));
}

ad_status ad_structural_shares(const ad_array *x, const ad_array *z,
                               const ad_attr *attr, ad_array **shares)
{
    ad_array *count = ad_array_new(z->ndim, z->shape);
    *shares = ad_array_new(x->ndim, x->shape);
    if (count == NULL || *shares == NULL) {
        ad_array_drop(count);
        ad_array_drop(*shares);
        return AD_NO_MEMORY;
    }
    ad_kernel_fill(count->size, 0.0, count->data);
    for (int pass = 0; pass < 2; pass++) {
        ad_walk walk;
        const ad_span walked = ad_span_of(x);
        walk_pair(&walk, &walked, attr->strides);
        for (int64_t r = 0; r < walk.n_runs; r++) {
            for (int64_t i = 0; i < walk.run; i++) {
                int64_t from = walk.offset[0] + i;
                int64_t to = walk.offset[1] + i * walk.step[1];
                bool is_tie = is_extreme(x->data[from], z->data[to]);
                if (pass == 0)
                    count->data[to] += is_tie;
                else
                    (*shares)->data[from] = is_tie ? 1.0 / count->data[to] : 0.0;
            }
            if (r + 1 < walk.n_runs)
                ad_walk_next(&walk);
        }
    }
    ad_array_drop(count);
    return AD_OK;
}

/* ---- Dispatch -------------------------------------------------------------------- */

void ad_structural_run(int op, int n_args, const ad_span *args, const ad_attr *attr,
                       int64_t n_lanes, ad_matmul_hook hook, const ad_span *z)
{
    if (op == AD_OP_STRIDED)
        strided(&args[0], attr, n_lanes, z);
    else if (op == AD_OP_STRIDED_ADD)
        strided_add(&args[0], attr, n_lanes, z);
    else if (op == AD_OP_GATHER)
        gather(&args[0], attr->index, n_lanes, z);
    else if (op == AD_OP_GATHER_ADD)
        gather_add(&args[0], attr->index, n_lanes, z);
    else if (op == AD_OP_PUT)
        put(&args[0], &args[1], attr->index, n_lanes, z);
    else if (op == AD_OP_CUMSUM)
        cumsum(&args[0], attr, n_lanes, z);
    else if (op == AD_OP_CAT)
        cat(n_args, args, attr->axis, n_lanes, z);
    else if (op == AD_OP_MATMUL)
        matmul(&args[0], &args[1], attr, n_lanes, hook, z);
    else if (op == AD_OP_REDUCE_MAX)
        reduce_max(&args[0], attr, n_lanes, z);
    else if (op == AD_OP_PACK)
        for (int k = 0; k < n_args; k++)
            memcpy(z->data + k * n_lanes, args[k].data,
                   (size_t)n_lanes * sizeof *z->data);
}

ad_status ad_structural_value(ad_message *message, int op, int n_args,
                              const ad_array *const *args, const ad_attr *attr,
                              ad_matmul_hook hook, ad_array **z)
{
    ad_span few[4], *spans = few;
    int64_t extents[AD_MAX_NDIM + 2];
    const bool is_first = op == AD_OP_STOP || op == AD_OP_CALL; /* z = x */
    const bool is_like_x =
        op == AD_OP_PUT || op == AD_OP_CUMSUM || op == AD_OP_CAT || is_first;
    const ad_array *like = is_like_x ? args[0] : attr->shape;
    int ndim = like != NULL ? like->ndim : 0;
    const int64_t *shape = like != NULL ? like->shape : NULL;
    ad_status status = AD_OK;
    if (op == AD_OP_CAT)
        status = cat_shape(message, n_args, args, attr->axis, extents);
    else if (op == AD_OP_MATMUL)
        status = matmul_shape(message, args[0], args[1], attr, &ndim, extents);
    if (status != AD_OK)
        return status;
    if (op == AD_OP_CAT || op == AD_OP_MATMUL)
        shape = extents;
    if (op == AD_OP_RESHAPE || is_first) {
        *z = ad_array_share((ad_array *)args[0], ndim, shape);
        return *z != NULL ? AD_OK : AD_NO_MEMORY;
    }
    if (n_args > 4 && (spans = malloc((size_t)n_args * sizeof *spans)) == NULL)
        return AD_NO_MEMORY;
    if ((*z = ad_array_new(ndim, shape)) != NULL) {
        for (int k = 0; k < n_args; k++)
            spans[k] = ad_span_of(args[k]);
        const ad_span to = ad_span_of(*z);
        ad_structural_run(op, n_args, spans, attr, 1, hook, &to);
    }
    if (spans != few)
        free(spans);
    return *z != NULL ? AD_OK : AD_NO_MEMORY;
}
