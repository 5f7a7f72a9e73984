/*
 * collect.c - what is garbage on a tape: mark from the handles, compact upwards.
 *
 * Operands lie below results, so one descending pass marks everything that is
 * reachable and one ascending pass closes the gaps; entries below `from` need not
 * be looked at, for nothing below refers to anything above. That makes a
 * collection of the young entries cost the young entries only.
 *
 * An entry one of whose operands was swept and freed can never be swept again:
 * it is freed too, and a handle on it lets go of the tape. So a list of old
 * losses pins nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "tape.h"

typedef struct marks {
    uint64_t *bits;   /* one per entry from `from` on */
    uint32_t *before; /* live entries before each word of bits */
    uint32_t from, n;
} marks;

static inline void mark(marks *m, uint32_t entry)
{
    if (entry >= m->from && entry < m->n)
        m->bits[(entry - m->from) >> 6] |= 1ull << ((entry - m->from) & 63);
}

static inline bool is_marked(const marks *m, uint32_t entry)
{
    return m->bits[(entry - m->from) >> 6] >> ((entry - m->from) & 63) & 1;
}

/* Where a live entry goes. */
static inline uint32_t moved(const marks *m, uint32_t entry)
{
    if (entry < m->from || entry >= m->n)
        return entry;
    uint32_t i = entry - m->from;
    uint64_t below = m->bits[i >> 6] & ((1ull << (i & 63)) - 1);
    return m->from + m->before[i >> 6] + ad_count_bits(below);
}

/* Call `visit` on the address of each active operand's index. */
#define FOR_OPERANDS(at, visit)                                                 \
    switch ((ad_kind)(at)->kind) {                                           \
    case AD_KIND_BINARY: visit((at)->u.y); /* fall through */                \
    case AD_KIND_UNARY:                                                         \
    case AD_KIND_X_CONST:                                                       \
    case AD_KIND_CONST_Y: visit((at)->x); break;                             \
    case AD_KIND_NODE:                                                          \
        for (int k = 0; k < (at)->u.node->n_args; k++)                       \
            visit((at)->u.node->args[k].entry);                              \
        break;                                                                  \
    case AD_KIND_LEAF:                                                          \
    case AD_KIND_FREED: break;                                                  \
    }

/* Free what stands on something freed, from below upwards. */
static void spread_freed(ad_tape *tape, uint32_t from)
{
    const ad_entry *entries = tape->entries;
    for (uint32_t i = from; i < tape->n; i++) {
        bool dead = false;
#define LOOK(operand)                                                           \
    dead |= (operand) != AD_NONE && entries[operand].kind == AD_KIND_FREED
        FOR_OPERANDS(&entries[i], LOOK)
#undef LOOK
        if (dead)
            ad_entry_release(tape, &tape->entries[i]);
    }
}

static void mark_handles(ad_tape *tape, marks *m, ad_handle *ring)
{
    ad_handle *next;
    for (ad_handle *h = ring->prev; h != ring; h = next) {
        next = h->prev;
        if (h->entry < m->from && ring == &tape->handles)
            break; /* sorted: the rest is lower still */
        if (h->entry < m->from)
            continue;
        if (tape->entries[h->entry].kind == AD_KIND_FREED && ring == &tape->handles) {
            ad_handle_unlink(h);
            h->flags = (h->flags & 0xffffu) | (uint32_t)tape->entries[h->entry].op
                                                  << 16;
            h->entry = AD_SWEPT;
        } else
            mark(m, h->entry);
    }
}

static void mark_operands(ad_tape *tape, marks *m)
{
    for (uint32_t i = tape->n; i-- > m->from;) {
        if (!is_marked(m, i))
            continue;
#define MARK(operand) mark(m, operand)
        FOR_OPERANDS(&tape->entries[i], MARK)
#undef MARK
    }
}

static uint32_t count_before(marks *m)
{
    uint32_t total = 0, n_words = (m->n - m->from + 63) / 64;
    for (uint32_t w = 0; w < n_words; w++) {
        m->before[w] = total;
        total += ad_count_bits(m->bits[w]);
    }
    return total;
}

static void compact(ad_tape *tape, const marks *m)
{
    uint32_t to = m->from;
    tape->first_node = tape->first_node < m->from ? tape->first_node : AD_NONE;
    tape->last_owner = m->from > 0 ? m->from - 1 : 0;
    for (uint32_t i = m->from; i < m->n; i++) {
        ad_entry *entry = &tape->entries[i];
        if (!is_marked(m, i)) {
            ad_entry_release(tape, entry);
            continue;
        }
#define MOVE(operand) operand = moved(m, operand)
        FOR_OPERANDS(entry, MOVE)
#undef MOVE
        if (entry->kind == AD_KIND_NODE && tape->first_node == AD_NONE)
            tape->first_node = to;
        if (entry->kind == AD_KIND_NODE || entry->kind == AD_KIND_LEAF)
            tape->last_owner = to;
        if (entry->kind == AD_KIND_LEAF) {
            ad_handle *h = entry->u.leaf->handle;
            if (h != NULL && h->tape == tape && h->entry == i)
                h->entry = to;
        }
        if (to < tape->cap_lines)
            tape->lines[to] = i < tape->cap_lines ? tape->lines[i] : (ad_line){0, 0};
        entry->flags &= (uint8_t)~AD_FLAG_OPERAND;
        tape->entries[to++] = *entry;
    }
    for (uint32_t i = to; i < m->n && i < tape->cap_lines; i++)
        tape->lines[i] = (ad_line){0, 0};
    if (tape->n_scanned > m->from)
        tape->n_scanned = m->from;
    tape->n = to;
}

static void move_holders(ad_tape *tape, const marks *m)
{
    for (ad_handle *h = tape->handles.prev; h != &tape->handles; h = h->prev) {
        if (h->entry < m->from)
            break;
        h->entry = moved(m, h->entry);
    }
    for (ad_handle *h = tape->pins.next; h != &tape->pins; h = h->next)
        h->entry = moved(m, h->entry);
    int32_t kept = 0;
    for (int32_t i = 0; i < tape->n_watches; i++) {
        ad_watch watch = tape->watches[i];
        bool is_gone = watch.entry >= m->from &&
                       (!is_marked(m, watch.entry) ||
                        tape->entries[watch.entry].kind == AD_KIND_FREED);
        if (is_gone) {
            if (watch.is_owned)
                ad_tape_discard(tape, watch.owner);
            continue;
        }
        watch.entry = moved(m, watch.entry);
        tape->watches[kept++] = watch;
    }
    tape->n_watches = kept;
}

ad_status ad_tape_collect(ad_tape *tape, uint32_t from)
{
    uint32_t n = tape->n, n_words = (n - from + 63) / 64;
    marks m = {.from = from, .n = n};
    m.bits = calloc(n_words + 1, sizeof *m.bits);
    m.before = malloc((n_words + 1) * sizeof *m.before);
    if (m.bits == NULL || m.before == NULL) {
        free(m.bits);
        free(m.before);
        return AD_NO_MEMORY;
    }
    ad_tape_lock(tape);
    spread_freed(tape, from);
    mark_handles(tape, &m, &tape->handles);
    mark_handles(tape, &m, &tape->pins);
    mark_operands(tape, &m);
    count_before(&m);
    move_holders(tape, &m);
    compact(tape, &m);
    free(m.bits);
    free(m.before);
    tape->n_collections++;
    if (from == 0)
        tape->pushed = 0;
    /* Survivors in number move to the old entries; few are looked at again. */
    if (from == 0 || tape->n - from > (n - from) / 2 || from != tape->old_n)
        tape->old_n = tape->n;
    ad_tape_unlock(tape);
    return AD_OK;
}

bool ad_tape_is_operand(ad_tape *tape, uint32_t entry)
{
    for (; tape->n_scanned < tape->n; tape->n_scanned++) {
#define NOTE(operand)                                                                  \
    if ((operand) < tape->n)                                                           \
    tape->entries[operand].flags |= AD_FLAG_OPERAND
        FOR_OPERANDS(&tape->entries[tape->n_scanned], NOTE)
#undef NOTE
    }
    return tape->entries[entry].flags & AD_FLAG_OPERAND;
}

void ad_tape_collect_arrays(ad_tape *tape)
{
    if (tape->n_locks > 0 || tape->first_node == AD_NONE)
        return;
    int64_t cost = (int64_t)tape->n - tape->first_node;
    if (tape->credit < cost)
        return;
    tape->credit -= cost + 16;
    uint32_t old_n = tape->old_n;
    (void)ad_tape_collect(tape, tape->first_node); /* later will do, too */
    if (tape->old_n > old_n && old_n < tape->n)
        tape->old_n = old_n;
}
