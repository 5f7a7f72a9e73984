/*
 * index_sets.c - see index_sets.h.
 *
 * To expand unions, 64 of them go down together: each set has a word that says which of
 * the 64 contain it, and sets are taken from the highest id to the lowest, so that each
 * is looked at once for all 64.
 */
#include "index_sets.h"

#include <stdlib.h>
#include <string.h>

#include "pending.h"

enum { FIRST_CAP = 1024, AT_ONCE = 64 };

static const uint32_t MAX_SETS = UINT32_MAX - 1;

/* ---- Life ------------------------------------------------------------------------- */

void ad_sets_free(ad_sets *s)
{
    free(s->sets);
    free(s->numbers);
    free(s->unions);
    free(s->lists);
}

static bool grow_sets(ad_sets *s, uint32_t more)
{
    if (more <= s->cap - s->n)
        return true;
    if (more > MAX_SETS - s->n)
        return false;
    uint64_t cap = ((uint64_t)s->n + more) * 3 / 2 + FIRST_CAP;
    cap = cap > MAX_SETS ? MAX_SETS : cap;
    ad_set *grown = realloc(s->sets, (size_t)cap * sizeof *grown);
    if (grown == NULL)
        return false;
    s->sets = grown;
    s->cap = (uint32_t)cap;
    return true;
}

static bool grow_numbers(ad_sets *s, size_t more)
{
    if (more <= s->cap_numbers - s->n_numbers)
        return true;
    const size_t cap = (s->n_numbers + more) * 3 / 2 + FIRST_CAP;
    uint32_t *grown = realloc(s->numbers, cap * sizeof *grown);
    if (grown == NULL)
        return false;
    s->numbers = grown;
    s->cap_numbers = cap;
    return true;
}

ad_status ad_sets_init(ad_sets *s, uint32_t n)
{
    memset(s, 0, sizeof *s);
    s->cap_unions = s->cap_lists = FIRST_CAP;
    s->unions = calloc(s->cap_unions, sizeof *s->unions);
    s->lists = calloc(s->cap_lists, sizeof *s->lists);
    if (s->unions == NULL || s->lists == NULL || n >= MAX_SETS ||
        !grow_sets(s, n + 1) || !grow_numbers(s, n)) {
        ad_sets_free(s);
        return AD_NO_MEMORY;
    }
    s->sets[s->n++] = (ad_set){.n = 0};
    for (uint32_t i = 0; i < n; i++) { /* single numbers are found without the hash */
        s->numbers[s->n_numbers] = i;
        s->sets[s->n++] = (ad_set){.at = s->n_numbers++, .n = 1};
    }
    return AD_OK;
}

/* ---- Unions ----------------------------------------------------------------------- */

static size_t mix(uint64_t h)
{
    h *= 0x9E3779B97F4A7C15u;
    return (size_t)(h ^ h >> 32);
}

static size_t hash_pair(uint32_t a, uint32_t b)
{
    return mix((uint64_t)a << 32 | b);
}

static size_t hash_list(const uint32_t *numbers, uint32_t n)
{
    uint64_t h = n;
    for (uint32_t i = 0; i < n; i++)
        h = mix(h ^ numbers[i]);
    return mix(h);
}

/* Where the union of a and b is noted, or is to be. */
static ad_set_union *find_union(ad_set_union *unions, size_t cap, uint32_t a,
                                uint32_t b)
{
    size_t i = hash_pair(a, b);
    for (;; i++) {
        ad_set_union *u = &unions[i & (cap - 1)];
        if (u->a == 0 || (u->a == a && u->b == b))
            return u;
    }
}

static bool grow_unions(ad_sets *s)
{
    if (s->n_unions * 2 < s->cap_unions)
        return true;
    const size_t cap = s->cap_unions * 2;
    ad_set_union *unions = calloc(cap, sizeof *unions);
    if (unions == NULL)
        return false;
    for (size_t i = 0; i < s->cap_unions; i++) {
        const ad_set_union *u = &s->unions[i];
        if (u->a != 0)
            *find_union(unions, cap, u->a, u->b) = *u;
    }
    free(s->unions);
    s->unions = unions;
    s->cap_unions = cap;
    return true;
}

/* Where the list with these numbers is noted, or is to be. */
static uint32_t *find_list(const ad_sets *s, uint32_t *lists, size_t cap,
                           const uint32_t *numbers, uint32_t n)
{
    size_t i = hash_list(numbers, n);
    for (;; i++) {
        uint32_t *id = &lists[i & (cap - 1)];
        if (*id == 0)
            return id;
        const ad_set *set = &s->sets[*id];
        if (set->n == n &&
            memcmp(s->numbers + set->at, numbers, n * sizeof *numbers) == 0)
            return id;
    }
}

static bool grow_lists(ad_sets *s)
{
    if (s->n_lists * 2 < s->cap_lists)
        return true;
    const size_t cap = s->cap_lists * 2;
    uint32_t *lists = calloc(cap, sizeof *lists);
    if (lists == NULL)
        return false;
    for (size_t i = 0; i < s->cap_lists; i++)
        if (s->lists[i] != 0) {
            const ad_set *set = &s->sets[s->lists[i]];
            *find_list(s, lists, cap, s->numbers + set->at, set->n) = s->lists[i];
        }
    free(s->lists);
    s->lists = lists;
    s->cap_lists = cap;
    return true;
}

static uint32_t fail(ad_sets *s)
{
    s->has_failed = true;
    return 0;
}

static uint32_t list_of(ad_sets *s, const uint32_t *numbers, uint32_t n)
{
    if (!grow_lists(s) || !grow_sets(s, 1) || !grow_numbers(s, n))
        return fail(s);
    uint32_t *found = find_list(s, s->lists, s->cap_lists, numbers, n);
    if (*found != 0)
        return *found;
    memcpy(s->numbers + s->n_numbers, numbers, n * sizeof *numbers);
    s->sets[s->n] = (ad_set){.at = s->n_numbers, .n = n};
    s->n_numbers += n;
    s->n_lists++;
    *found = s->n;
    return s->n++;
}

/* Merge two lists; how many numbers that makes. */
static uint32_t merge(const uint32_t *a, uint32_t n_a, const uint32_t *b, uint32_t n_b,
                      uint32_t *to)
{
    uint32_t i = 0, j = 0, n = 0;
    while (i < n_a && j < n_b) {
        const uint32_t x = a[i], y = b[j];
        to[n++] = x < y ? x : y;
        i += x <= y;
        j += y <= x;
    }
    while (i < n_a)
        to[n++] = a[i++];
    while (j < n_b)
        to[n++] = b[j++];
    return n;
}

static uint32_t lazy_union(ad_sets *s, uint32_t a, uint32_t b)
{
    const ad_set *x = &s->sets[a], *y = &s->sets[b];
    if (y->n == 0 && (y->a == a || y->b == a))
        return b;
    if (x->n == 0 && (x->a == b || x->b == b))
        return a;
    if (!grow_sets(s, 1))
        return fail(s);
    s->sets[s->n] = (ad_set){.a = a, .b = b};
    return s->n++;
}

static uint32_t make_union(ad_sets *s, uint32_t a, uint32_t b)
{
    const ad_set *x = &s->sets[a], *y = &s->sets[b];
    if (x->n == 0 || y->n == 0)
        return lazy_union(s, a, b);
    uint32_t numbers[2 * AD_SET_LISTED];
    const uint32_t n =
        merge(s->numbers + x->at, x->n, s->numbers + y->at, y->n, numbers);
    if (n == x->n)
        return a;
    if (n == y->n)
        return b;
    return n <= AD_SET_LISTED ? list_of(s, numbers, n) : lazy_union(s, a, b);
}

uint32_t ad_sets_union(ad_sets *s, uint32_t a, uint32_t b)
{
    if (a == b || b == 0)
        return a;
    if (a == 0)
        return b;
    if (a > b) {
        const uint32_t low = b;
        b = a;
        a = low;
    }
    if (s->has_failed || !grow_unions(s))
        return fail(s);
    ad_set_union *found = find_union(s->unions, s->cap_unions, a, b);
    if (found->a == 0) {
        *found = (ad_set_union){a, b, make_union(s, a, b)};
        s->n_unions++;
    }
    return found->is;
}

/* ---- Expansion -------------------------------------------------------------------- */

/* Rows under way. */
typedef struct rows {
    int64_t *starts;
    int32_t *columns;
    size_t n, cap;
} rows;

static bool add_columns(rows *r, const uint32_t *columns, size_t n)
{
    if (n > r->cap - r->n) {
        const size_t cap = (r->n + n) * 3 / 2 + FIRST_CAP;
        int32_t *grown = realloc(r->columns, cap * sizeof *grown);
        if (grown == NULL)
            return false;
        r->columns = grown;
        r->cap = cap;
    }
    for (size_t i = 0; i < n; i++)
        r->columns[r->n++] = (int32_t)columns[i];
    return true;
}

/* Scratch for 64 unions that go down together. */
typedef struct descent {
    uint64_t *in_set;    /* of each set: which of the 64 contain it */
    uint64_t *in_column; /* of each number */
    uint32_t *touched;   /* numbers that any of the 64 contains, n_touched of them */
    uint32_t n_touched;
    uint32_t *row; /* one row's numbers */
    ad_pending pending;
} descent;

static void descent_free(descent *d)
{
    free(d->in_set);
    free(d->in_column);
    free(d->touched);
    free(d->row);
    free(d->pending.bits);
    free(d->pending.summary);
}

static bool descent_init(descent *d, const ad_sets *s, uint32_t n_columns)
{
    memset(d, 0, sizeof *d);
    d->in_set = calloc((size_t)s->n + 1, sizeof *d->in_set);
    d->in_column = calloc((size_t)n_columns + 1, sizeof *d->in_column);
    d->touched = malloc(((size_t)n_columns + 1) * sizeof *d->touched);
    d->row = malloc(((size_t)n_columns + 1) * sizeof *d->row);
    d->pending.bits = calloc((s->n >> 6) + 1, sizeof(uint64_t));
    d->pending.summary = calloc((s->n >> 12) + 1, sizeof(uint64_t));
    return d->in_set != NULL && d->in_column != NULL && d->touched != NULL &&
           d->row != NULL && d->pending.bits != NULL && d->pending.summary != NULL;
}

static void reach(descent *d, uint32_t id, uint64_t which)
{
    d->in_set[id] |= which;
    ad_pending_add(&d->pending, id);
}

static void visit(descent *d, const ad_sets *s, uint32_t id)
{
    const ad_set *set = &s->sets[id];
    const uint64_t which = d->in_set[id];
    d->in_set[id] = 0;
    if (set->n == 0) {
        reach(d, set->a, which);
        reach(d, set->b, which);
        return;
    }
    for (uint32_t i = 0; i < set->n; i++) {
        const uint32_t column = s->numbers[set->at + i];
        if (d->in_column[column] == 0)
            d->touched[d->n_touched++] = column;
        d->in_column[column] |= which;
    }
}

static int compare_numbers(const void *x, const void *y)
{
    const uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

/* Numbers that were touched, in order: sorted if they are few, else found in order. */
static void sort_touched(descent *d, uint32_t n_columns)
{
    if (d->n_touched < n_columns / 32) {
        qsort(d->touched, d->n_touched, sizeof d->touched[0], compare_numbers);
        return;
    }
    d->n_touched = 0;
    for (uint32_t column = 0; column < n_columns; column++)
        if (d->in_column[column] != 0)
            d->touched[d->n_touched++] = column;
}

/* Expand ids[0 .. n), n <= 64, all unions. */
static bool expand_unions(descent *d, const ad_sets *s, int n, const uint32_t *ids,
                          uint32_t n_columns, rows *to)
{
    uint32_t word = s->n >> 6, id;
    d->n_touched = 0;
    for (int i = 0; i < n; i++)
        reach(d, ids[i], 1ull << i);
    while (ad_pending_pop_highest(&d->pending, &word, &id))
        visit(d, s, id);
    sort_touched(d, n_columns);
    bool is_done = true;
    for (int i = 0; i < n; i++) {
        size_t n_row = 0;
        for (uint32_t k = 0; k < d->n_touched; k++) {
            d->row[n_row] = d->touched[k];
            n_row += d->in_column[d->touched[k]] >> i & 1;
        }
        is_done = is_done && add_columns(to, d->row, n_row);
        to->starts[i + 1] = (int64_t)to->n;
    }
    for (uint32_t k = 0; k < d->n_touched; k++)
        d->in_column[d->touched[k]] = 0;
    return is_done;
}

ad_status ad_sets_expand(const ad_sets *s, int64_t n, const uint32_t *ids,
                         uint32_t n_columns, int64_t *starts, int32_t **columns)
{
    descent d;
    rows to = {.starts = starts};
    bool is_done = !s->has_failed && descent_init(&d, s, n_columns);
    starts[0] = 0;
    for (int64_t i = 0, next; i < n && is_done; i = next) {
        const ad_set *set = &s->sets[ids[i]];
        to.starts = starts + i;
        next = i + 1;
        if (set->n > 0 || ids[i] == 0) {
            is_done = add_columns(&to, s->numbers + set->at, set->n);
            starts[next] = (int64_t)to.n;
            continue;
        }
        while (next < n && next - i < AT_ONCE && ids[next] != 0 &&
               s->sets[ids[next]].n == 0)
            next++;
        is_done = expand_unions(&d, s, (int)(next - i), ids + i, n_columns, &to);
    }
    if (!s->has_failed)
        descent_free(&d);
    if (!is_done) {
        free(to.columns);
        return AD_NO_MEMORY;
    }
    *columns = to.columns;
    return AD_OK;
}
