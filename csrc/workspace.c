/*
 * workspace.c - see workspace.h.
 */
#include "workspace.h"

#include <stdlib.h>

enum { FIRST_CAP = 8192, KEEP_TOUCHED = 1 << 17 };

void ad_workspace_free(ad_workspace *ws)
{
    if (ws == NULL)
        return;
    free(ws->pending.bits);
    free(ws->pending.summary);
    free(ws->adjoint);
    free(ws->entry);
    free(ws);
}

static ad_workspace *workspace_new(uint32_t n_entries)
{
    ad_workspace *ws = calloc(1, sizeof *ws);
    if (ws == NULL)
        return NULL;
    ws->cap = n_entries < FIRST_CAP ? FIRST_CAP : n_entries + n_entries / 4;
    ws->pending.bits = calloc((size_t)ws->cap / 64 + 1, 8);
    ws->pending.summary = calloc((size_t)ws->cap / 4096 + 1, 8);
    ws->adjoint = calloc(ws->cap, sizeof *ws->adjoint);
    if (ws->pending.bits == NULL || ws->pending.summary == NULL ||
        ws->adjoint == NULL) {
        ad_workspace_free(ws);
        return NULL;
    }
    return ws;
}

ad_workspace *ad_workspace_take(ad_tape *tape, uint32_t n_entries, bool creates_graph)
{
    ad_workspace *ws = tape->workspace;
    tape->workspace = NULL;
    if (ws != NULL && ws->cap < n_entries) {
        ad_workspace_free(ws);
        ws = NULL;
    }
    if (ws == NULL && (ws = workspace_new(n_entries)) == NULL)
        return NULL;
    if (creates_graph && ws->entry == NULL &&
        (ws->entry = malloc((size_t)ws->cap * sizeof *ws->entry)) == NULL) {
        tape->workspace = ws;
        return NULL;
    }
    return ws;
}

void ad_workspace_give(ad_tape *tape, ad_workspace *ws, int64_t n_touched)
{
    free(ws->entry);
    ws->entry = NULL;
    if (tape->workspace != NULL || n_touched > KEEP_TOUCHED)
        ad_workspace_free(ws);
    else
        tape->workspace = ws;
}
