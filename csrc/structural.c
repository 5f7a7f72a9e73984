/*
 * structural.c - kernels that move, add up and combine elements.
 *
 * STRIDED and STRIDED_ADD are each other's adjoint and between them make every
 * view, broadcast, slice, transpose and sum; GATHER and GATHER_ADD likewise for
 * arbitrary indices. A walk goes over the shape that has strides: the result's
 * for STRIDED, the operand's for STRIDED_ADD and REDUCE_MAX.
 */
#include "structural.h"

#include <math.h>
#include <string.h>

#include "kernel.h"

static void contiguous_strides(const ad_array *a, int64_t *strides)
{
    ad_shape_strides(a->ndim, a->shape, a->ndim, a->shape, strides);
}

/* Walk `a` in its own order beside memory that is read with attr's strides. */
static void walk_pair(ad_walk *walk, const ad_array *a, const int64_t *strides)
{
    int64_t own[AD_MAX_NDIM];
    const int64_t *all[] = {own, strides};
    contiguous_strides(a, own);
    ad_walk_start(walk, a->ndim, a->shape, 2, all);
}

static void strided(const ad_array *x, const ad_attr *attr, ad_array *z)
{
    ad_walk walk;
    walk_pair(&walk, z, attr->strides);
    for (int64_t r = 0; r < walk.n_runs; r++) {
        double *to = z->data + walk.offset[0];
        const double *from = x->data + attr->offset + walk.offset[1];
        const int64_t step = walk.step[1];
        if (step == 1)
            memcpy(to, from, (size_t)walk.run * sizeof *to);
        else if (step == 0)
            ad_kernel_fill(walk.run, *from, to);
        else
            for (int64_t i = 0; i < walk.run; i++)
                to[i] = from[i * step];
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
}

static void strided_add(const ad_array *x, const ad_attr *attr, ad_array *z)
{
    ad_kernel_fill(z->size, 0.0, z->data);
    ad_walk walk;
    walk_pair(&walk, x, attr->strides);
    for (int64_t r = 0; r < walk.n_runs; r++) {
        const double *from = x->data + walk.offset[0];
        double *restrict to = z->data + attr->offset + walk.offset[1];
        const int64_t step = walk.step[1];
        if (step == 0)
            *to += ad_kernel_sum(walk.run, from);
        else if (step == 1)
            ad_kernel_add(walk.run, from, to);
        else
            for (int64_t i = 0; i < walk.run; i++)
                to[i * step] += from[i];
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
}

static void gather(const ad_array *x, const ad_index *index, ad_array *z)
{
    for (int64_t k = 0; k < z->size; k++)
        z->data[k] = index->at[k] < 0 ? 0.0 : x->data[index->at[k]];
}

static void gather_add(const ad_array *x, const ad_index *index, ad_array *z)
{
    ad_kernel_fill(z->size, 0.0, z->data);
    for (int64_t k = 0; k < x->size; k++)
        if (index->at[k] >= 0)
            z->data[index->at[k]] += x->data[k];
}

static void put(const ad_array *x, const ad_array *y, const ad_index *index,
                ad_array *z)
{
    if (x->size > 0)
        memcpy(z->data, x->data, (size_t)x->size * sizeof *x->data);
    for (int64_t k = 0; k < index->size; k++)
        z->data[index->at[k]] = y->data[y->size == 1 ? 0 : k];
}

/* Extents before, of and after an axis. */
static void split_axis(const ad_array *a, int axis, int64_t *outer, int64_t *n,
                       int64_t *inner)
{
    *outer = ad_shape_size(axis, a->shape);
    *n = a->shape[axis];
    *inner = ad_shape_size(a->ndim - axis - 1, a->shape + axis + 1);
}

static void cumsum(const ad_array *x, const ad_attr *attr, ad_array *z)
{
    int64_t outer, n, inner;
    split_axis(x, attr->axis, &outer, &n, &inner);
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

static ad_status cat(ad_message *message, int n_args, const ad_array *const *args,
                     int axis, ad_array **z)
{
    int64_t shape[AD_MAX_NDIM], outer, n, inner, total = 0;
    const ad_array *first = args[0];
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
        total += args[k]->shape[axis];
    }
    memcpy(shape, first->shape, (size_t)first->ndim * sizeof shape[0]);
    shape[axis] = total;
    if ((*z = ad_array_new(first->ndim, shape)) == NULL)
        return AD_NO_MEMORY;
    int64_t before = 0;
    for (int k = 0; k < n_args; k++) {
        split_axis(args[k], axis, &outer, &n, &inner);
        for (int64_t o = 0; o < outer && n * inner > 0; o++)
            memcpy((*z)->data + (o * total + before) * inner,
                   args[k]->data + o * n * inner, (size_t)(n * inner) * sizeof(double));
        before += n;
    }
    return AD_OK;
}

/* ---- Products ------------------------------------------------------------------ */

/* From this many multiplications on a BLAS gains more than a call to it costs. */
static const double LARGE_PRODUCT = 128.0 * 128.0 * 128.0;

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

static ad_status matmul(ad_message *message, const ad_array *x, const ad_array *y,
                        const ad_attr *attr, ad_matmul_hook hook, ad_array **z)
{
    const bool tx = attr->trans_x, ty = attr->trans_y;
    const int64_t m = x->shape[x->ndim - (tx ? 1 : 2)];
    const int64_t k = x->shape[x->ndim - (tx ? 2 : 1)];
    const int64_t n = y->shape[y->ndim - (ty ? 2 : 1)];
    int64_t shape[AD_MAX_NDIM];
    int ndim;
    if (k != y->shape[y->ndim - (ty ? 1 : 2)] ||
        !ad_shape_broadcast(x->ndim - 2, x->shape, y->ndim - 2, y->shape, &ndim, shape))
        return misfit(message, x, y, attr);
    int64_t x_strides[AD_MAX_NDIM], y_strides[AD_MAX_NDIM], z_strides[AD_MAX_NDIM];
    const int64_t *all[] = {x_strides, y_strides, z_strides};
    ad_shape_strides(x->ndim - 2, x->shape, ndim, shape, x_strides);
    ad_shape_strides(y->ndim - 2, y->shape, ndim, shape, y_strides);
    ad_shape_strides(ndim, shape, ndim, shape, z_strides);
    ad_walk walk;
    ad_walk_start(&walk, ndim, shape, 3, all);
    shape[ndim] = m;
    shape[ndim + 1] = n;
    if ((*z = ad_array_new(ndim + 2, shape)) == NULL)
        return AD_NO_MEMORY;
    const bool is_large = (double)m * (double)n * (double)k > LARGE_PRODUCT;
    for (int64_t r = 0; r < walk.n_runs; r++) {
        for (int64_t i = 0; i < walk.run; i++) {
            const double *a = x->data + (walk.offset[0] + i * walk.step[0]) * m * k;
            const double *b = y->data + (walk.offset[1] + i * walk.step[1]) * k * n;
            double *c = (*z)->data + (walk.offset[2] + i * walk.step[2]) * m * n;
            if (is_large && hook != NULL && hook(m, n, k, a, tx, b, ty, c))
                continue;
            ad_kernel_fill(m * n, 0.0, c);
            ad_kernel_matmul(m, n, k, a, tx, b, ty, c);
        }
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
    return AD_OK;
}

/* ---- Maxima --------------------------------------------------------------------- */

/* NaN wins, as in NumPy and PyTorch. */
static inline double larger(double a, double b)
{
    return a > b || isnan(a) ? a : b;
}

static void reduce_max(const ad_array *x, const ad_attr *attr, ad_array *z)
{
    const double sign = attr->reverse ? -1.0 : 1.0;
    ad_kernel_fill(z->size, -INFINITY, z->data);
    ad_walk walk;
    walk_pair(&walk, x, attr->strides);
    for (int64_t r = 0; r < walk.n_runs; r++) {
        const double *from = x->data + walk.offset[0];
        double *to = z->data + walk.offset[1];
        for (int64_t i = 0; i < walk.run; i++)
            to[i * walk.step[1]] = larger(to[i * walk.step[1]], sign * from[i]);
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
    for (int64_t i = 0; i < z->size && attr->reverse; i++)
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
        walk_pair(&walk, x, attr->strides);
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

ad_status ad_structural_value(ad_message *message, int op, int n_args,
                              const ad_array *const *args, const ad_attr *attr,
                              ad_matmul_hook hook, ad_array **z)
{
    if (op == AD_OP_CAT)
        return cat(message, n_args, args, attr->axis, z);
    if (op == AD_OP_MATMUL)
        return matmul(message, args[0], args[1], attr, hook, z);
    const ad_array *x = args[0];
    const bool is_like_x = op == AD_OP_PUT || op == AD_OP_CUMSUM || op == AD_OP_STOP;
    const ad_array *like = is_like_x ? x : attr->shape;
    int ndim = like != NULL ? like->ndim : 0;
    const int64_t *shape = like != NULL ? like->shape : NULL;
    *z = op == AD_OP_RESHAPE || op == AD_OP_STOP ? ad_array_share((ad_array *)x, ndim, shape)
                             : ad_array_new(ndim, shape);
    if (*z == NULL)
        return AD_NO_MEMORY;
    if (op == AD_OP_STRIDED)
        strided(x, attr, *z);
    else if (op == AD_OP_STRIDED_ADD)
        strided_add(x, attr, *z);
    else if (op == AD_OP_GATHER)
        gather(x, attr->index, *z);
    else if (op == AD_OP_GATHER_ADD)
        gather_add(x, attr->index, *z);
    else if (op == AD_OP_PUT)
        put(x, args[1], attr->index, *z);
    else if (op == AD_OP_CUMSUM)
        cumsum(x, attr, *z);
    else if (op == AD_OP_REDUCE_MAX)
        reduce_max(x, attr, *z);
    return AD_OK;
}
