/*
 * array.h - reference-counted float64 arrays in C order.
 *
 *     ad_array (header)              ad_buffer
 *     +--------------------+         +---------------------+
 *     | refs  ndim  size   |   +---> | refs  version       |
 *     | data  buffer ------+---+     | owner, release      |
 *     | shape[0 .. ndim)   |         | elements ...        |
 *     +--------------------+         +---------------------+
 *
 * Several headers may share a buffer (a reshaped array, a detached one), as
 * PyTorch's tensors share storage. Invariants: elements are contiguous; a buffer
 * is written only by whoever may change values in place, and every such write
 * bumps `version`, so that a sweep can tell that a saved value is gone. A header
 * without a buffer is a shape and nothing else. Counts are not atomic: the
 * caller holds the interpreter's lock.
 */
#ifndef AD_ARRAY_H
#define AD_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

enum { AD_MAX_NDIM = 32 };

typedef struct ad_buffer {
    int64_t refs;
    int64_t version;
    uint32_t changed_line; /* see ad_array_changed */
    void (*release)(void *owner); /* NULL: the elements are in the same block */
    void *owner;
    size_t block_bytes; /* of the block that starts with this struct */
} ad_buffer;

typedef struct ad_array {
    int32_t refs;
    int16_t ndim;
    bool is_in_buffer; /* the header lies in its buffer's block */
    int64_t size;      /* number of elements */
    double *data;
    ad_buffer *buffer;
    int64_t shape[];
} ad_array;

/* New array with elements not set; NULL when memory runs out. */
ad_array *ad_array_new(int ndim, const int64_t *shape);

/* A header of `shape` on a's buffer; sizes must agree. New reference. */
ad_array *ad_array_share(ad_array *a, int ndim, const int64_t *shape);

/* A ghost: a header without elements, for the shape alone. New reference. */
ad_array *ad_array_ghost(int ndim, const int64_t *shape);

/* A header over memory that `owner` keeps alive; `release(owner)` is called
 * when the last header is gone. */
ad_array *ad_array_borrow(int ndim, const int64_t *shape, double *data, void *owner,
                          void (*release)(void *owner));

void ad_array_free(ad_array *a); /* when refs reaches 0; see ad_array_drop */

static inline ad_array *ad_array_keep(ad_array *a)
{
    a->refs++;
    return a;
}

static inline void ad_array_drop(ad_array *a)
{
    if (a != NULL && --a->refs == 0)
        ad_array_free(a);
}

/* True when nobody else can see the elements, so that they may be overwritten. */
static inline bool ad_array_is_private(const ad_array *a)
{
    return a->refs == 1 && a->buffer != NULL && a->buffer->refs == 1 &&
           a->buffer->release == NULL;
}

bool ad_array_same_shape(const ad_array *a, const ad_array *b);
ad_array *ad_array_copy(const ad_array *a);

/* Elements somewhere, in C order; with lanes each is n_lanes doubles side by side. */
typedef struct ad_span {
    int ndim;
    const int64_t *shape;
    int64_t size; /* elements */
    double *data;
} ad_span;

static inline ad_span ad_span_of(const ad_array *a)
{
    return (ad_span){a->ndim, a->shape, a->size, a->data};
}

/* Write "(2, 3)" into text. */
void ad_shape_text(int ndim, const int64_t *shape, char *text, int text_bytes);

/* Shape that a and b broadcast to (NumPy's rule); false when they do not. */
bool ad_shape_broadcast(int a_ndim, const int64_t *a, int b_ndim, const int64_t *b,
                        int *ndim, int64_t *shape);

int64_t ad_shape_size(int ndim, const int64_t *shape);

/* Element strides with which an operand of shape `from` is read while walking
 * `to`: 0 along axes that are repeated. `from` must broadcast to `to`. */
void ad_shape_strides(int from_ndim, const int64_t *from, int to_ndim,
                      const int64_t *to, int64_t *strides);

/*
 * A walk over a shape for up to four operands with strides, as runs along the
 * last axis. Neighbouring axes that all operands cross evenly are merged, so a
 * walk over contiguous operands is a single run.
 */
enum { AD_WALK_MAX = 4 };

typedef struct ad_walk {
    int ndim, n;
    int64_t run;                   /* elements in a run */
    int64_t n_runs;
    int64_t step[AD_WALK_MAX];     /* stride of each operand inside a run */
    int64_t offset[AD_WALK_MAX];   /* where each operand's current run starts */
    int64_t shape[AD_MAX_NDIM];
    int64_t index[AD_MAX_NDIM];
    int64_t stride[AD_WALK_MAX][AD_MAX_NDIM];
} ad_walk;

void ad_walk_start(ad_walk *walk, int ndim, const int64_t *shape, int n,
                   const int64_t *const *strides);
void ad_walk_next(ad_walk *walk); /* go to the next run */

#endif
