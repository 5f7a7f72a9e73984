/*
 * tape.c - recording and giving back; what is garbage is decided in collect.c.
 */
#include "tape.h"

#include <stdlib.h>
#include <string.h>

#include "workspace.h"

enum {
    FIRST_CAP = 4096,
    ROOM = 3,                 /* entries that one operation may take */
    NURSERY = 1 << 17,        /* 3 MB: outgrows no cache, rarely scanned */
    IDLE_CAP = 1 << 18,       /* blocks above this are given back when idle */
};

/* ---- Life -------------------------------------------------------------------- */

static void ring_init(ad_handle *ring)
{
    ring->prev = ring->next = ring;
}

static bool ring_is_empty(const ad_handle *ring)
{
    return ring->next == ring;
}

ad_tape *ad_tape_new(void)
{
    ad_tape *tape = calloc(1, sizeof *tape);
    if (tape == NULL)
        return NULL;
    ring_init(&tape->handles);
    ring_init(&tape->pins);
    tape->is_recording = tape->is_plain = true;
    tape->nursery = NURSERY;
    tape->first_node = AD_NONE;
    tape->failed_entry = AD_NONE;
    return tape;
}

static void tape_free(ad_tape *tape)
{
    ad_workspace_free(tape->workspace);
    free(tape->entries);
    free(tape->watches);
    free(tape->lines);
    free(tape->trash);
    free(tape);
}

static void free_if_abandoned(ad_tape *tape)
{
    if (tape->is_orphan && tape->n_locks == 0 && ring_is_empty(&tape->handles) &&
        ring_is_empty(&tape->pins))
        tape_free(tape);
}

void ad_tape_abandon(ad_tape *tape)
{
    tape->is_orphan = true;
    ad_tape_trim(tape);
}

void ad_tape_lock(ad_tape *tape)
{
    tape->n_locks++;
}

void ad_tape_discard(ad_tape *tape, void *object)
{
    if (object == NULL)
        return;
    if (tape->n_trash == tape->cap_trash) {
        int32_t cap = tape->cap_trash * 2 + 16;
        void **trash = realloc(tape->trash, (size_t)cap * sizeof *trash);
        if (trash == NULL)
            return; /* a leak is better than running code in the middle */
        tape->trash = trash;
        tape->cap_trash = cap;
    }
    tape->trash[tape->n_trash++] = object;
}

void ad_tape_unlock(ad_tape *tape)
{
    while (tape->n_locks == 1 && tape->n_trash > 0)
        tape->object_drop(tape->trash[--tape->n_trash]);
    tape->n_locks--;
}

/* ---- Room -------------------------------------------------------------------- */

static ad_status resize(ad_tape *tape, uint32_t cap)
{
    ad_entry *entries = realloc(tape->entries, (size_t)cap * sizeof *entries);
    if (entries == NULL)
        return AD_NO_MEMORY;
    tape->entries = entries;
    tape->cap = cap;
    return AD_OK;
}

static ad_status grow(ad_tape *tape)
{
    if (tape->cap >= AD_MAX_ENTRIES)
        return AD_FULL;
    uint64_t cap = (uint64_t)tape->cap + tape->cap / 2 + FIRST_CAP;
    return resize(tape, cap < AD_MAX_ENTRIES ? (uint32_t)cap : AD_MAX_ENTRIES);
}

/* The next push that must ask for room: at the end, or when a collection is due. */
static void set_limit(ad_tape *tape)
{
    uint64_t due = (uint64_t)tape->old_n + tape->nursery;
    bool is_due_first = tape->n_locks == 0 && due < tape->cap && due > tape->n + ROOM;
    tape->limit = is_due_first ? (uint32_t)due : tape->cap;
}

ad_status ad_tape_make_room(ad_tape *tape)
{
    ad_status status = AD_OK;
    if (tape->n_locks == 0 && tape->n + ROOM - tape->old_n > tape->nursery) {
        /* Everything is looked at when enough was pushed to pay for it. */
        tape->pushed += tape->n - tape->old_n;
        bool is_full = tape->pushed > 2ull * tape->old_n + tape->nursery;
        status = ad_tape_collect(tape, is_full ? 0 : tape->old_n);
    }
    if (status == AD_OK && tape->n + ROOM > tape->cap)
        status = grow(tape);
    set_limit(tape);
    return status;
}

static ad_status note_line(ad_tape *tape, uint32_t index)
{
    if (index >= tape->cap_lines) {
        ad_line *lines = realloc(tape->lines, (size_t)tape->cap * sizeof *lines);
        if (lines == NULL)
            return AD_NO_MEMORY;
        memset(lines + tape->cap_lines, 0,
               (size_t)(tape->cap - tape->cap_lines) * sizeof *lines);
        tape->lines = lines;
        tape->cap_lines = tape->cap;
    }
    tape->lines[index] = (ad_line){tape->line_id(), 0};
    return AD_OK;
}

/* Entries from n on are gone; what comes in their place has no line yet. */
static void trim_lines(ad_tape *tape, uint32_t n)
{
    uint32_t end = tape->n < tape->cap_lines ? tape->n : tape->cap_lines;
    if (n < end)
        memset(tape->lines + n, 0, (size_t)(end - n) * sizeof *tape->lines);
}

ad_status ad_tape_push(ad_tape *tape, const ad_entry *entry, uint32_t *index)
{
    ad_status status = AD_OK;
    if (tape->n == tape->cap && (status = grow(tape)) != AD_OK)
        return status;
    if (tape->wants_lines && (status = note_line(tape, tape->n)) != AD_OK)
        return status;
    if (entry->kind == AD_KIND_NODE) {
        tape->node_bytes += entry->u.node->bytes;
        tape->credit += entry->u.node->bytes / 64;
        if (tape->first_node > tape->n)
            tape->first_node = tape->n;
    }
    if (entry->kind == AD_KIND_NODE || entry->kind == AD_KIND_LEAF)
        tape->last_owner = tape->n;
    tape->entries[tape->n] = *entry;
    *index = tape->n++;
    return AD_OK;
}

/* ---- Leaves ------------------------------------------------------------------- */

ad_status ad_tape_leaf_entry(ad_tape *tape, ad_leaf *leaf, double value, bool is_array,
                             uint32_t *index)
{
    ad_handle *h = leaf->handle;
    if (h->tape == tape && h->entry < AD_SWEPT) {
        *index = h->entry;
        return AD_OK;
    }
    ad_entry entry = {.value = value, .kind = AD_KIND_LEAF, .u.leaf = leaf};
    entry.flags = is_array ? AD_FLAG_ARRAY : 0;
    ad_status status = ad_tape_push(tape, &entry, index);
    if (status == AD_OK) {
        leaf->refs++;
        tape->n_leaf_entries++;
        h->tape = tape;
        h->entry = *index;
    }
    return status;
}

void ad_leaf_drop(ad_tape *tape, ad_leaf *leaf)
{
    if (--leaf->refs > 0)
        return;
    if (leaf->handle == NULL)
        ad_tape_discard(tape, leaf->owner);
    free(leaf);
}

void ad_leaf_changed(ad_leaf *leaf)
{
    ad_handle *h = leaf->handle;
    if (h->entry >= AD_SWEPT)
        return;
    ad_tape_mark_stale(h->tape, h->entry);
    h->entry = AD_NONE;
}

/* ---- Entries ------------------------------------------------------------------ */

void ad_node_drop(ad_tape *tape, ad_node *node)
{
    if (--node->refs > 0)
        return;
    for (int k = 0; k < node->n_args; k++)
        ad_array_drop(node->args[k].array);
    ad_array_drop(node->result);
    ad_array_drop(node->attr.aux);
    ad_index_drop(node->attr.index);
    free((void *)node->attr.strides);
    ad_tape_discard(tape, node->attr.object);
    free(node);
}

void ad_entry_release(ad_tape *tape, ad_entry *entry)
{
    if (entry->kind == AD_KIND_NODE) {
        tape->node_bytes -= entry->u.node->bytes;
        ad_node_drop(tape, entry->u.node);
    } else if (entry->kind == AD_KIND_LEAF) {
        ad_handle *h = entry->u.leaf->handle;
        if (h != NULL && h->tape == tape && h->entry < AD_SWEPT &&
            &tape->entries[h->entry] == entry)
            h->entry = AD_NONE;
        ad_leaf_drop(tape, entry->u.leaf);
    }
    entry->kind = AD_KIND_FREED;
}

bool ad_entry_saves(const ad_entry *entry)
{
    const ad_op_info *info = ad_op_get(entry->op);
    switch ((ad_kind)entry->kind) {
    case AD_KIND_UNARY:
    case AD_KIND_X_CONST: return info->uses[0] != 0;
    case AD_KIND_CONST_Y: return info->uses[1] != 0;
    case AD_KIND_BINARY: return (info->uses[0] | info->uses[1]) != 0;
    case AD_KIND_NODE:
        if (info->n_args == 0)
            return !info->is_linear;
        for (int k = 0; k < info->n_args; k++)
            if (entry->u.node->args[k].entry != AD_NONE && info->uses[k] != 0)
                return true;
        return false;
    case AD_KIND_LEAF:
    case AD_KIND_FREED: return false;
    }
    return false;
}

ad_index *ad_index_new(int64_t size)
{
    ad_index *index = malloc(sizeof *index + (size_t)size * sizeof index->at[0]);
    if (index != NULL) {
        index->refs = 1;
        index->size = size;
    }
    return index;
}

void ad_index_drop(ad_index *index)
{
    if (index != NULL && --index->refs == 0)
        free(index);
}

/* ---- The dead tail ------------------------------------------------------------- */

/* Forget the watches of entries from n on. */
static void trim_watches(ad_tape *tape, uint32_t n)
{
    while (tape->n_watches > 0 && tape->watches[tape->n_watches - 1].entry >= n) {
        ad_watch watch = tape->watches[--tape->n_watches];
        if (watch.is_owned)
            ad_tape_discard(tape, watch.owner);
    }
}

/* Entries below `floor` stay. Returns whether objects were dropped, which may have held
 * handles themselves. */
static bool trim_once(ad_tape *tape, uint32_t floor)
{
    uint32_t n = ring_is_empty(&tape->handles) ? 0 : tape->handles.prev->entry + 1;
    n = n > floor ? n : floor;
    for (ad_handle *pin = tape->pins.next; pin != &tape->pins; pin = pin->next)
        if (pin->entry >= n)
            n = pin->entry + 1;
    if (n >= tape->n)
        return false;
    bool owns = tape->last_owner >= n || tape->n_watches > 0;
    if (owns) {
        ad_tape_lock(tape);
        trim_watches(tape, n);
        uint32_t top = tape->last_owner < tape->n ? tape->last_owner + 1 : tape->n;
        for (uint32_t i = top; i-- > n;)
            ad_entry_release(tape, &tape->entries[i]);
        if (tape->last_owner >= n)
            tape->last_owner = n > 0 ? n - 1 : 0;
    }
    trim_lines(tape, n);
    tape->n = n;
    if (tape->n_scanned > n)
        tape->n_scanned = n;
    if (tape->old_n > n)
        tape->old_n = n;
    if (tape->first_node >= n)
        tape->first_node = AD_NONE;
    if (tape->cap > IDLE_CAP && n < tape->cap / 8 && floor == 0)
        (void)resize(tape, n * 2 + IDLE_CAP); /* the old block serves if not */
    set_limit(tape);
    if (owns)
        ad_tape_unlock(tape);
    return owns;
}

void ad_tape_trim(ad_tape *tape)
{
    if (tape->n_locks > 0)
        return;
    while (trim_once(tape, 0))
        ;
    free_if_abandoned(tape);
}

void ad_tape_trim_above(ad_tape *tape, uint32_t floor)
{
    (void)trim_once(tape, floor);
}

void ad_handle_insert(ad_tape *tape, ad_handle *h, uint32_t entry)
{
    ad_handle *below = tape->handles.prev;
    while (below != &tape->handles && below->entry > entry)
        below = below->prev;
    h->tape = tape;
    h->entry = entry;
    h->prev = below;
    h->next = below->next;
    below->next->prev = h;
    below->next = h;
}

/* ---- Pins and watches ----------------------------------------------------------- */

void ad_pin_link(ad_tape *tape, ad_handle *pin, uint32_t entry)
{
    pin->tape = tape;
    pin->entry = entry;
    pin->next = tape->pins.next;
    pin->prev = &tape->pins;
    pin->next->prev = pin;
    tape->pins.next = pin;
}

void ad_pin_release(ad_handle *pin)
{
    ad_tape *tape = pin->tape;
    ad_handle_unlink(pin);
    pin->entry = AD_NONE;
    ad_tape_trim(tape);
}

ad_status ad_watch_add(ad_tape *tape, uint32_t entry, void *owner)
{
    if (tape->n_watches == tape->cap_watches) {
        int32_t cap = tape->cap_watches * 2 + 16;
        ad_watch *watches = realloc(tape->watches, (size_t)cap * sizeof *watches);
        if (watches == NULL)
            return AD_NO_MEMORY;
        tape->watches = watches;
        tape->cap_watches = cap;
    }
    int32_t at = tape->n_watches++;
    for (; at > 0 && tape->watches[at - 1].entry > entry; at--)
        tape->watches[at] = tape->watches[at - 1];
    tape->watches[at] = (ad_watch){entry, false, owner};
    tape->entries[entry].flags |= AD_FLAG_WATCHED;
    return AD_OK;
}

/* Where `owner` watches; -1: nowhere. The latest is the likeliest. */
static int32_t watch_of(const ad_tape *tape, const void *owner)
{
    int32_t i = tape->n_watches;
    while (i-- > 0 && tape->watches[i].owner != owner)
        ;
    return i;
}

void ad_watch_remove(ad_tape *tape, void *owner)
{
    int32_t at = watch_of(tape, owner);
    if (at < 0)
        return;
    ad_watch *watch = &tape->watches[at];
    memmove(watch, watch + 1, (size_t)(--tape->n_watches - at) * sizeof *watch);
}

bool ad_watch_own(ad_tape *tape, void *owner)
{
    int32_t at = watch_of(tape, owner);
    if (at >= 0)
        tape->watches[at].is_owned = true;
    return at >= 0;
}

ad_watch *ad_watch_find(ad_tape *tape, uint32_t entry, int nth)
{
    int32_t low = 0, high = tape->n_watches; /* the first of `entry` lies between */
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (tape->watches[middle].entry < entry)
            low = middle + 1;
        else
            high = middle;
    }
    low += nth;
    return low < tape->n_watches && tape->watches[low].entry == entry
               ? &tape->watches[low]
               : NULL;
}
