/*
 * array.c - storage and shapes of array.h; no arithmetic.
 *
 * An array that owns its elements is one block, which the buffer's count keeps
 * alive: the buffer, the header, then the elements on a cache line of their own,
 * for a vector that straddles two lines costs two loads. A header that joined a
 * buffer later, and one over borrowed memory, has a block to itself.
 */
#include "array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"

enum { LINE_BYTES = 64 }; /* of a cache, and the widest vector */

/* ---- Life -------------------------------------------------------------------- */

static void buffer_init(ad_buffer *b, size_t block_bytes)
{
    b->refs = 1;
    b->version = 0;
    b->changed_line = 0;
    b->release = NULL;
    b->owner = NULL;
    b->block_bytes = block_bytes;
}

static void buffer_drop(ad_buffer *b)
{
    if (b == NULL || --b->refs > 0)
        return;
    if (b->release != NULL)
        b->release(b->owner);
    ad_block_free(b, b->block_bytes);
}

static size_t header_bytes(int ndim)
{
    return sizeof(ad_array) + (size_t)ndim * sizeof(int64_t);
}

static void header_init(ad_array *a, int ndim, const int64_t *shape, int64_t size)
{
    a->refs = 1;
    a->ndim = (int16_t)ndim;
    a->is_in_buffer = false;
    a->size = size;
    a->data = NULL;
    a->buffer = NULL;
    for (int i = 0; i < ndim; i++)
        a->shape[i] = shape[i];
}

static ad_array *header_new(int ndim, const int64_t *shape)
{
    ad_array *a = malloc(header_bytes(ndim));
    if (a != NULL)
        header_init(a, ndim, shape, ad_shape_size(ndim, shape));
    return a;
}

ad_array *ad_array_new(int ndim, const int64_t *shape)
{
    const int64_t size = ad_shape_size(ndim, shape);
    if (size > INT64_MAX / 16)
        return NULL;
    const size_t bytes = sizeof(ad_buffer) + header_bytes(ndim) + LINE_BYTES +
                         (size_t)size * sizeof(double);
    ad_buffer *b = ad_block_new(bytes);
    if (b == NULL)
        return NULL;
    buffer_init(b, bytes);
    ad_array *a = (ad_array *)(b + 1);
    header_init(a, ndim, shape, size);
    a->is_in_buffer = true;
    a->buffer = b;
    const uintptr_t end = (uintptr_t)a + header_bytes(ndim);
    a->data = (double *)((end + LINE_BYTES - 1) & ~(uintptr_t)(LINE_BYTES - 1));
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

ad_array *ad_array_ghost(int ndim, const int64_t *shape)
{
    return header_new(ndim, shape);
}

ad_array *ad_array_borrow(int ndim, const int64_t *shape, double *data, void *owner,
                          void (*release)(void *owner))
{
    ad_array *a = header_new(ndim, shape);
    ad_buffer *b = malloc(sizeof *b);
    if (a == NULL || b == NULL) {
        free(a);
        free(b);
        return NULL;
    }
    buffer_init(b, sizeof *b);
    b->release = release;
    b->owner = owner;
    a->buffer = b;
    a->data = data;
    return a;
}

void ad_array_free(ad_array *a)
{
    ad_buffer *b = a->buffer;
    if (!a->is_in_buffer)
        free(a);
    buffer_drop(b);
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
