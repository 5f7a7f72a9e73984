/*
 * vm_slots.c - slots of the workspace, by size, for vm_code.c.
 *
 * A free room is kept under its own size, in a list of the last given back first: it is
 * the likeliest to be in a cache. Where a size has none, the next few larger ones are
 * asked, up to twice the size. So taking and giving back cost a constant, and what is
 * wasted is at most half.
 *
 *     sizes, sorted    | 1 | 3 | 128 | 1000 | ...      room of a size: rounded up to
 *     free rooms         v       v                     lines of a cache where large
 */
#include <stdlib.h>

#include "vm_code.h"

enum { LINE = 8, LARGE = 64, N_TRIED = 4 };

typedef struct stack {
    int64_t room;
    uint32_t *slots;
    uint32_t n, cap;
} stack;

struct ad_slots {
    int64_t end;
    uint32_t n, cap;
    stack sizes[];
};

ad_slots *ad_slots_new(uint32_t n_sizes)
{
    ad_slots *s = calloc(1, sizeof *s + (size_t)n_sizes * sizeof s->sizes[0]);
    if (s != NULL)
        s->cap = n_sizes;
    return s;
}

void ad_slots_free(ad_slots *s)
{
    for (uint32_t i = 0; s != NULL && i < s->n; i++)
        free(s->sizes[i].slots);
    free(s);
}

static int64_t room_of(int64_t size)
{
    return size < LARGE ? size : (size + LINE - 1) / LINE * LINE;
}

/* The first size that is not below `room`. */
static uint32_t find(const ad_slots *s, int64_t room)
{
    uint32_t low = 0, high = s->n;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (s->sizes[middle].room < room)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool ad_slots_take(ad_slots *s, int64_t size, ad_room *taken)
{
    const int64_t room = room_of(size);
    const uint32_t first = find(s, room);
    for (uint32_t i = first; i < s->n && i < first + N_TRIED; i++) {
        stack *of = &s->sizes[i];
        if (of->room > 2 * room)
            break;
        if (of->n > 0) {
            *taken = (ad_room){of->slots[--of->n], (uint32_t)of->room};
            return true;
        }
    }
    if (size >= LARGE)
        s->end = (s->end + LINE - 1) / LINE * LINE;
    if (room > (int64_t)AD_IN_BUFFER - s->end)
        return false;
    *taken = (ad_room){(uint32_t)s->end, (uint32_t)room};
    s->end += room;
    return true;
}

bool ad_slots_give(ad_slots *s, ad_room given)
{
    const int64_t room = given.room;
    const uint32_t at = find(s, room);
    if (at == s->n || s->sizes[at].room != room) {
        if (s->n == s->cap)
            return true; /* never so: the caller said how many there are */
        for (uint32_t i = s->n++; i > at; i--)
            s->sizes[i] = s->sizes[i - 1];
        s->sizes[at] = (stack){.room = room};
    }
    stack *of = &s->sizes[at];
    if (of->n == of->cap) {
        const uint32_t cap = of->cap > 0 ? 2 * of->cap : 16;
        uint32_t *grown = realloc(of->slots, cap * sizeof *grown);
        if (grown == NULL)
            return false;
        of->slots = grown;
        of->cap = cap;
    }
    of->slots[of->n++] = given.slot;
    return true;
}

int64_t ad_slots_end(const ad_slots *s)
{
    return s->end;
}
