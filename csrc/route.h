/*
 * route.h - a function of several paths over many rows: each row on its own path.
 *
 * The rows of a chunk are sorted first: on each path they run the guards' slice of its
 * program, stay where all guards come out as recorded, and else turn to the path that
 * the first guard to differ leads to. Then each path runs its program on just its rows.
 *
 *      rows of a chunk --> guards of path 0 --> rows of path 0 --> program of path 0
 *                               | turns                                  |
 *                               +------> guards of path 1 --> ...        v
 *                               | to no known path                    outputs
 *                               +------> lost: told to the caller
 *
 * Which path a row took is kept, for another run at the same values (a reverse run after
 * a forward one): rows are then not asked again.
 *
 * Results do not depend on how chunks are shared out among threads: sums have a part for
 * each chunk, and paths add to it in their order.
 */
#ifndef AD_ROUTE_H
#define AD_ROUTE_H

#include "batch.h"

enum { AD_ROUTE_CHUNK = 1 << 14 };

/* Where rows go for which this guard is the first to differ, with this outcome. */
typedef struct ad_turn {
    uint32_t guard, path;
    double outcome;
} ad_turn;

typedef struct ad_route_path {
    ad_batch guards; /* the slice: no outputs; code NULL where the path has no guards */
    ad_batch all; /* what is wanted: no guards */
    uint32_t n_turns;
    const ad_turn *turns;
} ad_route_path;

typedef struct ad_route {
    int64_t n_rows;
    const int64_t *rows; /* their numbers, ascending; NULL: 0, 1, 2, ... */
    uint32_t n_paths;
    const ad_route_path *paths; /* rows start on the first */
    int32_t *lost_path; /* of each of n_rows: where it was lost, or -1 */
    int32_t *guard; /* ... by which guard */
    double *outcome; /* ... and how that came out */
    int32_t *path_of; /* by number of row: its path, told if it was -1; NULL will do */
} ad_route;

static inline int64_t ad_route_chunks(const ad_route *route)
{
    return (route->n_rows + AD_ROUTE_CHUNK - 1) / AD_ROUTE_CHUNK;
}

/* Run chunks [from, to); threads may run disjoint ranges at once. `counts`: how many rows
 * each path took is added to it. As ad_batch_run otherwise. */
ad_status ad_route_run(const ad_route *route, int64_t from, int64_t to, int64_t *counts,
                       const volatile int *stop, ad_matmul_hook hook,
                       ad_message *message);

#endif
