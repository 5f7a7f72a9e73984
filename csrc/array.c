/*
 * array.c - storage and shapes of array.h; no arithmetic but fill and add.
 *
 * The only file that allocates elements. Large blocks are aligned to huge pages
 * and advised as such, for a first touch then costs a tenth.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { HUGE_PAGE_BYTES = 1 << 21 };

/* ---- Buffers ---------------------------------------------------------------- */

/* Header and elements in one block; the struct's size keeps 8-byte alignment,
 * and kernels use unaligned loads. */
static ad_buffer *buffer_new(int64_t bytes)
{
    size_t total = sizeof(ad_buffer) + (size_t)bytes;
    ad_buffer *b;
#if defined(__linux__)
    if (bytes >= 2 * HUGE_PAGE_BYTES) {
        b = aligned_alloc(HUGE_PAGE_BYTES, (total + HUGE_PAGE_BYTES - 1) &
                                               ~(size_t)(HUGE_PAGE_BYTES - 1));
        if (b != NULL)
            madvise(b, total, MADV_HUGEPAGE);
    } else
#endif
        b = malloc(total);
    if (b == NULL)
        return NULL;
    b->refs = 1;
    b->version = 0;
    b->release = NULL;
    b->owner = NULL;
    b->bytes = bytes;
    return b;
}

static void buffer_drop(ad_buffer *b)
{
    if (b == NULL || --b->refs > 0)
        return;
    if (b->release != NULL)
        b->release(b->owner);
    free(b);
}

/* ---- Arrays ------------------------------------------------------------------ */

static ad_array *header_new(int ndim, const int64_t *shape)
{
    ad_array *a = malloc(sizeof *a + (size_t)ndim * sizeof a->shape[0]);
    if (a == NULL)
        return NULL;
    a->refs = 1;
    a->ndim = ndim;
    a->size = ad_shape_size(ndim, shape);
    a->data = NULL;
    a->buffer = NULL;
    if (ndim > 0)
        memcpy(a->shape, shape, (size_t)ndim * sizeof a->shape[0]);
    return a;
}

ad_array *ad_array_new(int ndim, const int64_t *shape)
{
    ad_array *a = header_new(ndim, shape);
    if (a == NULL)
        return NULL;
    if (a->size > INT64_MAX / 16 || (a->buffer = buffer_new(a->size * 8)) == NULL) {
        free(a);
        return NULL;
    }
    a->data = (double *)(a->buffer + 1);
    return a;
}

ad_array *ad_array_share(ad_array *a, int ndim, const int64_t *shape)
{
    ad_array *b = header_new(ndim, shape);
    if (b == NULL)
        return NULL;
    b->data = a->data;
    b->buffer = a->buffer;
    if (b->buffer != NULL)
        b->buffer->refs++;
    return b;
}

ad_array *ad_array_ghost(const ad_array *a)
{
    return header_new(a->ndim, a->shape);
}

ad_array *ad_array_borrow(int ndim, const int64_t *shape, double *data, void *owner,
                          void (*release)(void *owner))
{
    ad_array *a = header_new(ndim, shape);
    ad_buffer *b = buffer_new(0);
    if (a == NULL || b == NULL) {
        free(a);
        free(b);
        return NULL;
    }
    b->release = release;
    b->owner = owner;
    a->buffer = b;
    a->data = data;
    return a;
}

void ad_array_free(ad_array *a)
{
    buffer_drop(a->buffer);
    free(a);
}

bool ad_array_same_shape(const ad_array *a, const ad_array *b)
{
    return a->ndim == b->ndim &&
           memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof a->shape[0]) == 0;
}

ad_array *ad_array_copy(const ad_array *a)
{
    ad_array *b = ad_array_new(a->ndim, a->shape);
    if (b != NULL && a->size > 0)
        memcpy(b->data, a->data, (size_t)a->size * sizeof a->data[0]);
    return b;
}

void ad_array_fill(ad_array *a, double value)
{
    for (int64_t i = 0; i < a->size; i++)
        a->data[i] = value;
}

void ad_array_accumulate(ad_array *a, const ad_array *b)
{
    double *restrict to = a->data;
    const double *restrict from = b->data;
    for (int64_t i = 0; i < a->size; i++)
        to[i] += from[i];
}

/* ---- Shapes ------------------------------------------------------------------ */

/* Product of the extents; INT64_MAX when it does not fit. */
int64_t ad_shape_size(int ndim, const int64_t *shape)
{
    int64_t size = 1;
    for (int i = 0; i < ndim; i++)
        if (shape[i] == 0)
            return 0;
    for (int i = 0; i < ndim; i++) {
        if (size > INT64_MAX / shape[i])
            return INT64_MAX;
        size *= shape[i];
    }
    return size;
}

void ad_shape_text(int ndim, const int64_t *shape, char *text, int text_bytes)
{
    int at = snprintf(text, (size_t)text_bytes, "(");
    for (int i = 0; i < ndim && at < text_bytes - 24; i++)
        at += snprintf(text + at, (size_t)(text_bytes - at), "%s%lld",
                       i > 0 ? ", " : "", (long long)shape[i]);
    snprintf(text + at, (size_t)(text_bytes - at), ndim == 1 ? ",)" : ")");
}

bool ad_shape_broadcast(int a_ndim, const int64_t *a, int b_ndim, const int64_t *b,
                        int *ndim, int64_t *shape)
{
    int n = a_ndim > b_ndim ? a_ndim : b_ndim;
    for (int i = 1; i <= n; i++) {
        int64_t p = i <= a_ndim ? a[a_ndim - i] : 1;
        int64_t q = i <= b_ndim ? b[b_ndim - i] : 1;
        if (p != q && p != 1 && q != 1)
            return false;
        shape[n - i] = p == 1 ? q : p;
    }
    *ndim = n;
    return true;
}

void ad_shape_strides(int from_ndim, const int64_t *from, int to_ndim,
                      const int64_t *to, int64_t *strides)
{
    int64_t stride = 1;
    for (int i = 1; i <= to_ndim; i++) {
        int64_t extent = i <= from_ndim ? from[from_ndim - i] : 1;
        bool repeated = extent == 1 && to[to_ndim - i] != 1;
        strides[to_ndim - i] = i > from_ndim || repeated ? 0 : stride;
        stride *= extent;
    }
}

/* ---- Walks ------------------------------------------------------------------- */

void ad_walk_start(ad_walk *walk, int ndim, const int64_t *shape, int n,
                   const int64_t *const *strides)
{
    walk->n = n;
    int m = 0; /* axes so far, last one still open to merging */
    for (int i = 0; i < ndim; i++) {
        if (shape[i] == 1)
            continue;
        bool merges = m > 0;
        for (int k = 0; k < n && merges; k++)
            merges = walk->stride[k][m - 1] == strides[k][i] * shape[i];
        if (merges)
            walk->shape[m - 1] *= shape[i];
        else
            walk->shape[m++] = shape[i];
        for (int k = 0; k < n; k++)
            walk->stride[k][m - 1] = strides[k][i];
    }
    if (m == 0) {
        walk->shape[m++] = ad_shape_size(ndim, shape);
        for (int k = 0; k < n; k++)
            walk->stride[k][0] = 1;
    }
    walk->ndim = m - 1; /* outer axes; the last is the run */
    walk->run = walk->shape[m - 1];
    walk->n_runs = walk->run > 0 ? 1 : 0;
    for (int i = 0; i < walk->ndim; i++) {
        walk->n_runs *= walk->shape[i];
        walk->index[i] = 0;
    }
    for (int k = 0; k < n; k++) {
        walk->offset[k] = 0;
        walk->step[k] = walk->stride[k][m - 1];
    }
}

void ad_walk_next(ad_walk *walk)
{
    for (int i = walk->ndim - 1; i >= 0; i--) {
        for (int k = 0; k < walk->n; k++)
            walk->offset[k] += walk->stride[k][i];
        if (++walk->index[i] < walk->shape[i])
            return;
        for (int k = 0; k < walk->n; k++)
            walk->offset[k] -= walk->stride[k][i] * walk->shape[i];
        walk->index[i] = 0;
    }
}
