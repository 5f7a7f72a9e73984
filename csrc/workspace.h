/*
 * workspace.h - for sweeps: adjoints of the entries that wait.
 *
 * All zero between sweeps, so that nothing need be cleared: memory that no sweep
 * touches is never touched. An adjoint is a double, or an array that the
 * workspace owns; with a graph also the entry that made it.
 */
#ifndef AD_WORKSPACE_H
#define AD_WORKSPACE_H

#include "pending.h"
#include "tape.h"

typedef union ad_adjoint {
    double scalar;
    ad_array *array;
} ad_adjoint;

typedef struct ad_workspace {
    ad_pending pending;
    ad_adjoint *adjoint;
    uint32_t *entry; /* NULL unless the sweep creates a graph */
    uint32_t cap;
} ad_workspace;

/* The tape's own workspace, or a new one while that is in use. NULL: no memory. */
ad_workspace *ad_workspace_take(ad_tape *tape, uint32_t n_entries, bool creates_graph);

/* Give it back; n_touched entries were in use: after many, its memory goes. */
void ad_workspace_give(ad_tape *tape, ad_workspace *ws, int64_t n_touched);

void ad_workspace_free(ad_workspace *workspace); /* NULL will do */

#endif
