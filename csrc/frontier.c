/*
 * frontier.c - see frontier.h.
 *
 * Entries wait in a bitmap and are taken from the top, so each is seen once and those
 * below the floor come last.
 */
#include "frontier.h"

#include "workspace.h"

static void add_operands(const ad_entry *e, ad_pending *waiting)
{
    if (e->kind <= AD_KIND_BINARY)
        ad_pending_add(waiting, e->x);
    if (e->kind == AD_KIND_BINARY)
        ad_pending_add(waiting, e->u.y);
    for (int k = 0; e->kind == AD_KIND_NODE && k < e->u.node->n_args; k++)
        if (e->u.node->args[k].entry != AD_NONE)
            ad_pending_add(waiting, e->u.node->args[k].entry);
}

static bool reads_marked(const ad_entry *e, const ad_pending *marked)
{
    if (e->kind <= AD_KIND_BINARY && ad_pending_has(marked, e->x))
        return true;
    if (e->kind == AD_KIND_BINARY)
        return ad_pending_has(marked, e->u.y);
    for (int k = 0; e->kind == AD_KIND_NODE && k < e->u.node->n_args; k++)
        if (e->u.node->args[k].entry != AD_NONE &&
            ad_pending_has(marked, e->u.node->args[k].entry))
            return true;
    return false;
}

void ad_mark_dependents(const ad_tape *tape, uint32_t floor, uint32_t top,
                        ad_pending *marked)
{
    for (uint32_t i = floor; i <= top; i++)
        if (reads_marked(&tape->entries[i], marked))
            ad_pending_add(marked, i);
}

static bool is_outside(const ad_entry *e, uint32_t i, uint32_t floor)
{
    return i < floor || (e->kind == AD_KIND_LEAF && e->u.leaf->handle != NULL);
}

ad_status ad_frontier(ad_tape *tape, int n_out, const uint32_t *outputs, int n_ends,
                      const uint32_t *ends, uint32_t floor,
                      ad_status (*on_found)(void *context, uint32_t entry),
                      void *context)
{
    uint32_t top = 0, word, i;
    for (int k = 0; k < n_out; k++)
        top = outputs[k] > top ? outputs[k] : top;
    for (int k = 0; k < n_ends; k++)
        top = ends[k] > top ? ends[k] : top;
    ad_workspace *ws = ad_workspace_take(tape, top + 1, false);
    ad_workspace *marks = ad_workspace_take(tape, top + 1, false);
    ad_status status = ws != NULL && marks != NULL ? AD_OK : AD_NO_MEMORY;
    if (status == AD_OK) {
        for (int k = 0; k < n_ends; k++)
            ad_pending_add(&marks->pending, ends[k]);
        for (int k = 0; k < n_out; k++)
            ad_pending_add(&ws->pending, outputs[k]);
        word = top >> 6;
        while (ad_pending_pop_highest(&ws->pending, &word, &i)) {
            const ad_entry *e = &tape->entries[i];
            if (status != AD_OK || ad_pending_has(&marks->pending, i))
                continue;
            if (is_outside(e, i, floor))
                status = on_found(context, i);
            else
                add_operands(e, &ws->pending);
        }
        word = top >> 6;
        while (ad_pending_pop_highest(&marks->pending, &word, &i))
            ;
    }
    if (marks != NULL)
        ad_workspace_give(tape, marks, top);
    if (ws != NULL)
        ad_workspace_give(tape, ws, top);
    return status;
}
