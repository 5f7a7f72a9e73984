/*
 * coloring.c - see coloring.h.
 *
 * Columns: Curtis, Powell and Reid (1974), doi:10.1093/imamat/13.1.117. Stars: algorithm
 * 4.1 of Gebremedhin, Tarafdar, Manne and Pothen (2007), doi:10.1137/050639879, which
 * keeps the two-coloured stars seen so far, so that one look at a neighbour's hub tells
 * whether a path of four would close.
 */
#include "coloring.h"

#include <stdlib.h>
#include <string.h>

/* What costs neighbours squared is worth it up to here; see coloring.h, and set_apart. */
enum { MANY_NEIGHBOURS = 256 };

/* ---- Patterns --------------------------------------------------------------------- */

void ad_pattern_transpose(int32_t n_rows, int32_t n_columns, const int64_t *starts,
                          const int32_t *columns, int64_t *t_starts, int32_t *t_columns)
{
    memset(t_starts, 0, ((size_t)n_columns + 1) * sizeof *t_starts);
    for (int64_t k = 0; k < starts[n_rows]; k++)
        t_starts[columns[k] + 1]++;
    for (int32_t j = 0; j < n_columns; j++)
        t_starts[j + 1] += t_starts[j];
    for (int32_t i = 0; i < n_rows; i++)
        for (int64_t k = starts[i]; k < starts[i + 1]; k++)
            t_columns[t_starts[columns[k]]++] = i;
    for (int32_t j = n_columns; j > 0; j--)
        t_starts[j] = t_starts[j - 1];
    t_starts[0] = 0;
}

/* Those of n with the highest degree first, equal ones in their order. NULL: no memory. */
static int32_t *largest_first(int32_t n, const int64_t *degree)
{
    int64_t most = 0;
    for (int32_t i = 0; i < n; i++)
        most = degree[i] > most ? degree[i] : most;
    const int64_t n_classes = most < n ? most + 1 : (int64_t)n + 1; /* n and on: one */
    int64_t *at = calloc((size_t)n_classes + 1, sizeof *at);
    int32_t *order = malloc(((size_t)n + 1) * sizeof *order);
    for (int pass = 0; pass < 2 && at != NULL && order != NULL; pass++) {
        for (int32_t i = 0; i < n; i++) {
            const int64_t d = degree[i] < n_classes ? degree[i] : n_classes - 1;
            const int64_t class = n_classes - 1 - d;
            if (pass == 0)
                at[class + 1]++;
            else
                order[at[class]++] = i;
        }
        for (int64_t c = 0; c < n_classes && pass == 0; c++)
            at[c + 1] += at[c];
    }
    if (at == NULL) {
        free(order);
        order = NULL;
    }
    free(at);
    return order;
}

/* ---- Columns ---------------------------------------------------------------------- */

typedef struct columns {
    int32_t n_rows, n;
    const int64_t *starts;
    const int32_t *columns;
    int64_t *t_starts; /* rows of each column */
    int32_t *rows;
    int32_t *taken_by; /* of each colour: the last column that could not have it, + 1 */
} columns;

/* First fit; returns the number of colours. order NULL: as they stand. */
static int32_t color_in_order(const columns *c, const int32_t *order, int32_t *color)
{
    int32_t n_colors = 0;
    for (int32_t j = 0; j < c->n; j++)
        color[j] = -1;
    memset(c->taken_by, 0, ((size_t)c->n + 1) * sizeof *c->taken_by);
    for (int32_t place = 0; place < c->n; place++) {
        const int32_t j = order != NULL ? order[place] : place;
        for (int64_t r = c->t_starts[j]; r < c->t_starts[j + 1]; r++) {
            const int32_t row = c->rows[r];
            for (int64_t k = c->starts[row]; k < c->starts[row + 1]; k++) {
                const int32_t other = color[c->columns[k]];
                if (other >= 0)
                    c->taken_by[other] = j + 1;
            }
        }
        int32_t free_color = 0;
        while (c->taken_by[free_color] == j + 1)
            free_color++;
        color[j] = free_color;
        n_colors = free_color >= n_colors ? free_color + 1 : n_colors;
    }
    return n_colors;
}

static int64_t longest_row(int32_t n_rows, const int64_t *starts)
{
    int64_t longest = 0;
    for (int32_t i = 0; i < n_rows; i++)
        if (starts[i + 1] - starts[i] > longest)
            longest = starts[i + 1] - starts[i];
    return longest;
}

/* Both orders; `other` has room for colours. The longest row is a lower bound. */
static ad_status color_twice(const columns *c, int64_t longest, int32_t *color,
                             int32_t *other, int64_t *degree, int32_t *n_colors)
{
    *n_colors = color_in_order(c, NULL, color);
    if (*n_colors <= longest)
        return AD_OK;
    for (int32_t j = 0; j < c->n; j++) {
        degree[j] = 0;
        for (int64_t r = c->t_starts[j]; r < c->t_starts[j + 1]; r++)
            degree[j] += c->starts[c->rows[r] + 1] - c->starts[c->rows[r]] - 1;
    }
    int32_t *order = largest_first(c->n, degree);
    if (order == NULL)
        return AD_NO_MEMORY;
    const int32_t n_other = color_in_order(c, order, other);
    free(order);
    if (n_other < *n_colors) {
        memcpy(color, other, (size_t)c->n * sizeof *color);
        *n_colors = n_other;
    }
    return AD_OK;
}

ad_status ad_color_columns(int32_t n_rows, int32_t n_columns, const int64_t *starts,
                           const int32_t *columns_, int32_t *color, int32_t *n_colors)
{
    const int64_t longest = longest_row(n_rows, starts);
    if (longest > MANY_NEIGHBOURS && longest * 2 > n_columns) {
        for (int32_t j = 0; j < n_columns; j++)
            color[j] = j;
        *n_colors = n_columns;
        return AD_OK;
    }
    const size_t n = (size_t)n_columns + 1;
    columns c = {.n_rows = n_rows,
                 .n = n_columns,
                 .starts = starts,
                 .columns = columns_,
                 .t_starts = malloc(n * sizeof *c.t_starts),
                 .rows = malloc(((size_t)starts[n_rows] + 1) * sizeof *c.rows),
                 .taken_by = malloc((n + 1) * sizeof *c.taken_by)};
    int32_t *other = malloc(n * sizeof *other);
    int64_t *degree = malloc(n * sizeof *degree);
    ad_status status = AD_NO_MEMORY;
    if (c.t_starts != NULL && c.rows != NULL && c.taken_by != NULL && other != NULL &&
        degree != NULL) {
        ad_pattern_transpose(n_rows, n_columns, starts, columns_, c.t_starts, c.rows);
        status = color_twice(&c, longest, color, other, degree, n_colors);
    }
    free(c.t_starts);
    free(c.rows);
    free(c.taken_by);
    free(other);
    free(degree);
    return status;
}

/* ---- Stars ------------------------------------------------------------------------ */

typedef struct stars {
    int32_t n;
    const int64_t *starts;
    const int32_t *columns;
    int32_t *color; /* -1: none yet; hubs of many: their own, at the end */
    bool *is_apart; /* those with many neighbours */
    int64_t *back; /* of entry (v, w): entry (w, v) */
    int64_t *star; /* of each entry between coloured vertices */
    int32_t *hub; /* of each star: its centre, or -1 for a single edge */
    int64_t n_stars;
    int32_t *taken_by; /* of each colour, as in columns */
    int64_t *first; /* of each colour: entry of the first neighbour with it ... */
    int32_t *first_of; /* ... of this vertex, + 1 */
    int32_t *treated; /* of each vertex: for which one, + 1 */
} stars;

/* The neighbour at an entry of v's, or -1 where there is nothing to mind. */
static int32_t colored_neighbour(const stars *s, int32_t v, int64_t entry)
{
    const int32_t w = s->columns[entry];
    return w == v || s->is_apart[w] || s->color[w] < 0 ? -1 : w;
}

/* v would join two neighbours of one colour: it must differ from all theirs. */
static void treat(const stars *s, int32_t v, int32_t w)
{
    for (int64_t k = s->starts[w]; k < s->starts[w + 1]; k++) {
        const int32_t x = colored_neighbour(s, w, k);
        if (x >= 0 && x != v)
            s->taken_by[s->color[x]] = v + 1;
    }
    s->treated[w] = v + 1;
}

static void forbid_hubs(const stars *s, int32_t v, int32_t w)
{
    for (int64_t k = s->starts[w]; k < s->starts[w + 1]; k++) {
        const int32_t x = colored_neighbour(s, w, k);
        if (x >= 0 && x != v && s->hub[s->star[k]] == x)
            s->taken_by[s->color[x]] = v + 1;
    }
}

static void forbid(const stars *s, int32_t v)
{
    for (int64_t k = s->starts[v]; k < s->starts[v + 1]; k++) {
        const int32_t w = colored_neighbour(s, v, k);
        if (w < 0)
            continue;
        const int32_t c = s->color[w];
        s->taken_by[c] = v + 1;
        if (s->first_of[c] != v + 1) {
            s->first_of[c] = v + 1;
            s->first[c] = k;
            forbid_hubs(s, v, w);
            continue;
        }
        const int32_t q = s->columns[s->first[c]];
        if (s->treated[q] != v + 1)
            treat(s, v, q);
        treat(s, v, w);
    }
}

/* An entry of w's to a neighbour coloured as v, other than v; -1: none. */
static int64_t same_beside(const stars *s, int32_t v, int32_t w)
{
    for (int64_t k = s->starts[w]; k < s->starts[w + 1]; k++) {
        const int32_t x = colored_neighbour(s, w, k);
        if (x >= 0 && x != v && s->color[x] == s->color[v])
            return k;
    }
    return -1;
}

/* v has its colour: its edges join stars, or begin some. */
static void join_stars(stars *s, int32_t v)
{
    for (int64_t k = s->starts[v]; k < s->starts[v + 1]; k++) {
        const int32_t w = colored_neighbour(s, v, k);
        if (w < 0)
            continue;
        const int64_t beside = same_beside(s, v, w), first = s->first[s->color[w]];
        if (beside >= 0) {
            s->star[k] = s->star[beside];
            s->hub[s->star[k]] = w;
        } else if (first != k) {
            s->star[k] = s->star[first];
            s->hub[s->star[k]] = v;
        } else {
            s->hub[s->n_stars] = -1;
            s->star[k] = s->n_stars++;
        }
        s->star[s->back[k]] = s->star[k];
    }
}

static int32_t color_stars(stars *s, const int32_t *order)
{
    int32_t n_colors = 0;
    const size_t bytes = ((size_t)s->n + 1) * sizeof(int32_t);
    memset(s->taken_by, 0, bytes);
    memset(s->first_of, 0, bytes);
    memset(s->treated, 0, bytes);
    memset(s->color, 0xff, (size_t)s->n * sizeof *s->color);
    s->n_stars = 0;
    for (int32_t place = 0; place < s->n; place++) {
        const int32_t v = order != NULL ? order[place] : place;
        if (s->is_apart[v])
            continue;
        forbid(s, v);
        int32_t free_color = 0;
        while (s->taken_by[free_color] == v + 1)
            free_color++;
        s->color[v] = free_color;
        n_colors = free_color >= n_colors ? free_color + 1 : n_colors;
        join_stars(s, v);
    }
    for (int32_t v = 0; v < s->n; v++)
        if (s->is_apart[v])
            s->color[v] = n_colors++;
    return n_colors;
}

static void find_back(stars *s, int64_t *cursor)
{
    memcpy(cursor, s->starts, (size_t)s->n * sizeof *cursor);
    for (int32_t v = 0; v < s->n; v++)
        for (int64_t k = s->starts[v]; k < s->starts[v + 1]; k++)
            s->back[k] = cursor[s->columns[k]]++;
}

/* A vertex with very many neighbours gets a colour of its own: then it is on no path with
 * two colours, and need not be looked through for each of its neighbours. */
static void set_apart(stars *s, int64_t *degree)
{
    int64_t many = MANY_NEIGHBOURS;
    while (many * many < s->starts[s->n])
        many *= 2;
    for (int32_t v = 0; v < s->n; v++) {
        degree[v] = s->starts[v + 1] - s->starts[v];
        s->is_apart[v] = degree[v] > many;
    }
}

static void free_stars(stars *s)
{
    free(s->color);
    free(s->is_apart);
    free(s->back);
    free(s->star);
    free(s->hub);
    free(s->taken_by);
    free(s->first);
    free(s->first_of);
    free(s->treated);
}

static bool make_stars(stars *s)
{
    const size_t n = (size_t)s->n + 1, m = (size_t)s->starts[s->n] + 1;
    s->color = malloc(n * sizeof *s->color);
    s->is_apart = malloc(n * sizeof *s->is_apart);
    s->back = malloc(m * sizeof *s->back);
    s->star = malloc(m * sizeof *s->star);
    s->hub = malloc(m * sizeof *s->hub);
    s->taken_by = malloc(n * sizeof *s->taken_by);
    s->first = malloc(n * sizeof *s->first);
    s->first_of = malloc(n * sizeof *s->first_of);
    s->treated = malloc(n * sizeof *s->treated);
    return s->color != NULL && s->is_apart != NULL && s->back != NULL &&
           s->star != NULL && s->hub != NULL && s->taken_by != NULL &&
           s->first != NULL && s->first_of != NULL && s->treated != NULL;
}

ad_status ad_color_star(int32_t n, const int64_t *starts, const int32_t *columns_,
                        int32_t *color, int32_t *n_colors)
{
    stars s = {.n = n, .starts = starts, .columns = columns_};
    int64_t *degree = malloc(((size_t)n + 1) * sizeof *degree);
    int32_t *order = NULL;
    ad_status status = AD_NO_MEMORY;
    if (make_stars(&s) && degree != NULL) {
        find_back(&s, degree);
        set_apart(&s, degree);
        order = largest_first(n, degree);
    }
    if (order != NULL) {
        status = AD_OK;
        *n_colors = color_stars(&s, NULL);
        memcpy(color, s.color, (size_t)n * sizeof *color);
        const int32_t n_other = color_stars(&s, order);
        if (n_other < *n_colors) {
            *n_colors = n_other;
            memcpy(color, s.color, (size_t)n * sizeof *color);
        }
    }
    free_stars(&s);
    free(degree);
    free(order);
    return status;
}

ad_status ad_color_read(int32_t n, int32_t n_colors, const int64_t *starts,
                        const int32_t *columns_, const int32_t *color, int64_t *at,
                        bool *is_complete)
{
    int32_t *n_seen = calloc((size_t)n_colors + 1, sizeof *n_seen);
    if (n_seen == NULL)
        return AD_NO_MEMORY;
    for (int32_t i = 0; i < n; i++) {
        for (int64_t k = starts[i]; k < starts[i + 1]; k++)
            n_seen[color[columns_[k]]]++;
        for (int64_t k = starts[i]; k < starts[i + 1]; k++) {
            const int32_t c = color[columns_[k]];
            at[k] = n_seen[c] == 1 ? (int64_t)c * n + i : -1;
        }
        for (int64_t k = starts[i]; k < starts[i + 1]; k++)
            n_seen[color[columns_[k]]] = 0;
    }
    free(n_seen);
    int64_t *cursor = malloc(((size_t)n + 1) * sizeof *cursor);
    if (cursor == NULL)
        return AD_NO_MEMORY;
    *is_complete = true;
    memcpy(cursor, starts, (size_t)n * sizeof *cursor);
    for (int32_t i = 0; i < n; i++) /* read (i, j) where (j, i) stands */
        for (int64_t k = starts[i]; k < starts[i + 1]; k++) {
            const int64_t back = cursor[columns_[k]]++;
            if (at[k] < 0)
                at[k] = at[back];
            *is_complete = *is_complete && at[k] >= 0;
        }
    free(cursor);
    return AD_OK;
}
