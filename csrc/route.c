/*
 * route.c - see route.h.
 */
#include "route.h"

#include <stdlib.h>
#include <string.h>

/* Rows of the chunk at hand that are on one path. Made when the first comes. */
typedef struct track {
    int64_t *todo, *mine; /* numbers of rows: to be asked, and asked */
    int64_t n_todo, n_mine;
    uint32_t *turns; /* by guard and outcome 0 or 1 */
    ad_batch_state guards, all;
    double *guards_scratch, *all_scratch;
    bool is_open;
} track;

typedef struct run {
    const ad_route *route;
    track *tracks;
    int32_t *differs; /* of the rows being asked */
    double *outcome;
    int64_t *gone; /* which of those do not stay */
    int64_t first_position;
    int64_t n;
    const volatile int *stop;
    ad_matmul_hook hook;
    ad_message *message;
} run;

static void track_close(track *t)
{
    if (t->is_open) {
        ad_batch_close(&t->guards);
        ad_batch_close(&t->all);
    }
    free(t->todo);
    free(t->mine);
    free(t->turns);
    free(t->guards_scratch);
    free(t->all_scratch);
}

static double *scratch_for(const ad_batch *batch)
{
    if (batch->code == NULL)
        return NULL;
    const int64_t n = ad_batch_scratch(batch->code, batch->n_lanes);
    return malloc((size_t)(n + 1) * sizeof(double));
}

/* The path for another outcome of a guard, or AD_NONE. NaN is equal to itself here. */
static uint32_t find_turn(const ad_route_path *path, uint32_t guard, double outcome)
{
    for (uint32_t k = 0; k < path->n_turns; k++) {
        const ad_turn *t = &path->turns[k];
        const bool is_nan = outcome != outcome && t->outcome != t->outcome;
        if (t->guard == guard && (t->outcome == outcome || is_nan))
            return t->path;
    }
    return AD_NONE;
}

/* The same; most guards are comparisons, whose turns are in a table. */
static uint32_t turn(const track *t, const ad_route_path *path, uint32_t guard,
                     double outcome)
{
    if (outcome == 0.0 || outcome == 1.0)
        return t->turns[2 * guard + (outcome == 1.0)];
    return find_turn(path, guard, outcome);
}

static uint32_t *table_of(const ad_route_path *path)
{
    const uint32_t n =
        path->guards.code != NULL ? ad_code_program(path->guards.code)->n_guards : 0;
    uint32_t *table = malloc((2 * (size_t)n + 1) * sizeof *table);
    for (uint32_t k = 0; k < 2 * n && table != NULL; k++)
        table[k] = find_turn(path, k / 2, k % 2);
    return table;
}

static ad_status track_open(track *t, const ad_route_path *path)
{
    if (t->is_open)
        return AD_OK;
    /* One place more than rows: one is written to ahead. */
    t->todo = malloc((AD_ROUTE_CHUNK + 1) * sizeof *t->todo);
    t->mine = malloc((AD_ROUTE_CHUNK + 1) * sizeof *t->mine);
    t->turns = table_of(path);
    t->guards_scratch = scratch_for(&path->guards);
    t->all_scratch = scratch_for(&path->all);
    if (t->todo == NULL || t->mine == NULL || t->turns == NULL ||
        t->all_scratch == NULL ||
        (t->guards_scratch == NULL && path->guards.code != NULL))
        return AD_NO_MEMORY;
    t->is_open = true;
    ad_status status = ad_batch_open(&t->all, &path->all, t->all_scratch);
    if (status == AD_OK && path->guards.code != NULL)
        status = ad_batch_open(&t->guards, &path->guards, t->guards_scratch);
    return status;
}

/* Position among the route's rows of a row of this chunk. */
static int64_t position_of(const run *r, int64_t row)
{
    const int64_t *rows = r->route->rows;
    if (rows == NULL)
        return row;
    int64_t low = r->first_position, high = low + r->n - 1;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void lose(const run *r, uint32_t path, int64_t k, int64_t row)
{
    const int64_t at = position_of(r, row);
    r->route->lost_path[at] = (int32_t)path;
    r->route->guard[at] = r->differs[k];
    r->route->outcome[at] = r->outcome[k];
}

/* Ask the rows that wait on a path; they stay, turn, or are lost. */
static ad_status sort_path(run *r, uint32_t p)
{
    track *t = &r->tracks[p];
    const ad_route_path *path = &r->route->paths[p];
    const int64_t n = t->n_todo;
    ad_status status = AD_OK;
    t->n_todo = 0;
    if (path->guards.code != NULL) {
        ad_batch batch = path->guards;
        batch.rows = t->todo;
        batch.n_rows = n;
        batch.differs = r->differs;
        batch.outcome = r->outcome;
        status = ad_batch_run_with(&t->guards, &batch, 0, ad_batch_blocks(&batch),
                                   r->stop, r->hook, r->message);
    }
    if (status != AD_OK || *r->stop)
        return status;
    if (path->guards.code == NULL) {
        memcpy(t->mine + t->n_mine, t->todo, (size_t)n * sizeof *t->mine);
        t->n_mine += n;
        return AD_OK;
    }
    /* Who stays is told apart without a branch: it is as good as random. */
    int64_t n_gone = 0;
    for (int64_t k = 0; k < n; k++) {
        const bool stays = r->differs[k] < 0;
        t->mine[t->n_mine] = t->todo[k];
        t->n_mine += stays;
        r->gone[n_gone] = k;
        n_gone += !stays;
    }
    for (int64_t i = 0; i < n_gone && status == AD_OK; i++) {
        const int64_t k = r->gone[i];
        const uint32_t to = turn(t, path, (uint32_t)r->differs[k], r->outcome[k]);
        if (to == AD_NONE) {
            lose(r, p, k, t->todo[k]);
            continue;
        }
        track *other = &r->tracks[to];
        if (!other->is_open)
            status = track_open(other, &r->route->paths[to]);
        if (status == AD_OK)
            other->todo[other->n_todo++] = t->todo[k];
    }
    return status;
}

/* Rows that are still sent about: where a guard hangs on the last digit, two programs may
 * not agree on it. */
static void lose_all(run *r)
{
    for (uint32_t p = 0; p < r->route->n_paths; p++) {
        track *t = &r->tracks[p];
        r->differs[0] = 0;
        r->outcome[0] = 0.0;
        while (t->n_todo > 0)
            lose(r, p, 0, t->todo[--t->n_todo]);
    }
}

/* A row turns at most once to each path. */
static ad_status sort_rows(run *r)
{
    bool any = true;
    ad_status status = AD_OK;
    for (uint32_t times = 0; any && status == AD_OK && !*r->stop; times++) {
        any = false;
        if (times > r->route->n_paths)
            lose_all(r);
        for (uint32_t p = 0; p < r->route->n_paths && status == AD_OK; p++)
            if (r->tracks[p].n_todo > 0) {
                any = true;
                status = sort_path(r, p);
            }
    }
    return status;
}

/* Rows whose path is known go there, the others begin on the first. */
static ad_status deal_rows(run *r)
{
    const ad_route *route = r->route;
    ad_status status = AD_OK;
    for (int64_t k = 0; k < r->n && status == AD_OK; k++) {
        const int64_t at = r->first_position + k;
        const int64_t row = route->rows != NULL ? route->rows[at] : at;
        const int32_t known = route->path_of != NULL ? route->path_of[row] : -1;
        track *t = &r->tracks[known < 0 ? 0 : known];
        if (!t->is_open)
            status = track_open(t, &route->paths[known < 0 ? 0 : known]);
        route->lost_path[at] = -1;
        if (status == AD_OK && known < 0)
            t->todo[t->n_todo++] = row;
        else if (status == AD_OK)
            t->mine[t->n_mine++] = row;
    }
    return status;
}

static ad_status run_chunk(run *r, int64_t chunk, int64_t *counts)
{
    const ad_route *route = r->route;
    r->first_position = chunk * AD_ROUTE_CHUNK;
    r->n = route->n_rows - r->first_position;
    r->n = r->n < AD_ROUTE_CHUNK ? r->n : AD_ROUTE_CHUNK;
    ad_status status = deal_rows(r);
    if (status == AD_OK)
        status = sort_rows(r);
    for (uint32_t p = 0; p < route->n_paths && status == AD_OK && !*r->stop; p++) {
        track *t = &r->tracks[p];
        if (t->n_mine == 0)
            continue;
        ad_batch batch = route->paths[p].all;
        batch.rows = t->mine;
        batch.n_rows = t->n_mine;
        for (int64_t k = 0; route->path_of != NULL && k < t->n_mine; k++)
            route->path_of[t->mine[k]] = (int32_t)p;
        batch.has_part = true;
        batch.part = chunk;
        counts[p] += t->n_mine;
        t->n_mine = 0;
        status = ad_batch_run_with(&t->all, &batch, 0, ad_batch_blocks(&batch), r->stop,
                                   r->hook, r->message);
    }
    return status;
}

ad_status ad_route_run(const ad_route *route, int64_t from, int64_t to, int64_t *counts,
                       const volatile int *stop, ad_matmul_hook hook,
                       ad_message *message)
{
    run r = {.route = route, .stop = stop, .hook = hook, .message = message};
    r.tracks = calloc((size_t)route->n_paths + 1, sizeof *r.tracks);
    r.differs = malloc(AD_ROUTE_CHUNK * sizeof *r.differs);
    r.outcome = malloc(AD_ROUTE_CHUNK * sizeof *r.outcome);
    r.gone = malloc((AD_ROUTE_CHUNK + 1) * sizeof *r.gone);
    const bool has_room =
        r.tracks != NULL && r.differs != NULL && r.outcome != NULL && r.gone != NULL;
    ad_status status = has_room ? AD_OK : AD_NO_MEMORY;
    for (int64_t chunk = from; chunk < to && status == AD_OK && !*stop; chunk++)
        status = run_chunk(&r, chunk, counts);
    for (uint32_t p = 0; p < route->n_paths && r.tracks != NULL; p++)
        track_close(&r.tracks[p]);
    free(r.tracks);
    free(r.differs);
    free(r.outcome);
    free(r.gone);
    return status;
}
