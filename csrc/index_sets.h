/*
 * index_sets.h - sets of small numbers, and unions of them, by the million.
 *
 * A set is an id. Up to AD_SET_LISTED numbers are kept as a sorted list, and lists that
 * are equal have the same id, so that stencils which a program repeats cost nothing
 * new. A larger set is the union of two others and is not looked into before
 * ad_sets_expand: a running sum over n elements takes n ids and not n^2 numbers.
 *
 * Invariants: id 0 is the empty set; the parts of a union have lower ids.
 */
#ifndef AD_INDEX_SETS_H
#define AD_INDEX_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

enum { AD_SET_LISTED = 64 };

typedef struct ad_set {
    uint64_t at;      /* a list: where in `numbers` */
    uint32_t n;       /* how many it has; 0: the union of a and b (or empty) */
    uint32_t a, b;
} ad_set;

/* A union that was asked for before. */
typedef struct ad_set_union {
    uint32_t a, b, is;
} ad_set_union;

typedef struct ad_sets {
    ad_set *sets;
    uint32_t n, cap;
    uint32_t *numbers;
    size_t n_numbers, cap_numbers;
    ad_set_union *unions; /* open hash; a == 0: free */
    uint32_t *lists;      /* open hash of lists by content; 0: free */
    size_t cap_unions, n_unions, cap_lists, n_lists;
    bool has_failed;      /* no memory: what came after that is void */
} ad_sets;

/* Sets {0}, {1}, .. {n - 1} with ids 1 .. n. */
ad_status ad_sets_init(ad_sets *s, uint32_t n);
void ad_sets_free(ad_sets *s);

/* The union of two sets; 0 once memory has run out. */
uint32_t ad_sets_union(ad_sets *s, uint32_t a, uint32_t b);

/*
 * The numbers of n sets as rows: row i is columns[starts[i] .. starts[i + 1]), sorted.
 * starts has room for n + 1; *columns is new. n_columns: all numbers lie below it.
 */
ad_status ad_sets_expand(const ad_sets *s, int64_t n, const uint32_t *ids,
                         uint32_t n_columns, int64_t *starts, int32_t **columns);

#endif
