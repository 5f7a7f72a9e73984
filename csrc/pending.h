/*
 * pending.h - for sweeps: the set of entries that wait, highest or lowest first.
 *
 * One bit per entry, and one summary bit per 64 of those, so that stepping over
 * a gap of g entries reads g/4096 words. All bits are 0 between sweeps.
 */
#ifndef AD_PENDING_H
#define AD_PENDING_H

#include <stdbool.h>

#include "compat.h"

typedef struct ad_pending {
    uint64_t *bits;
    uint64_t *summary;
} ad_pending;

static inline void ad_pending_add(ad_pending *p, uint32_t i)
{
    p->bits[i >> 6] |= 1ull << (i & 63);
    p->summary[i >> 12] |= 1ull << (i >> 6 & 63);
}

static inline bool ad_pending_has(const ad_pending *p, uint32_t i)
{
    return p->bits[i >> 6] >> (i & 63) & 1;
}

/* Take out the highest entry of word `*word` or below. False when empty. */
static inline bool ad_pending_pop_highest(ad_pending *p, uint32_t *word, uint32_t *i)
{
    uint32_t w = *word;
    uint64_t bits = p->bits[w];
    if (bits == 0) {
        p->summary[w >> 6] &= ~(1ull << (w & 63));
        uint32_t s = w >> 6;
        while (p->summary[s] == 0)
            if (s-- == 0)
                return false;
        w = s << 6 | ad_highest_bit(p->summary[s]);
        *word = w;
        bits = p->bits[w];
    }
    uint32_t bit = ad_highest_bit(bits);
    p->bits[w] = bits & ~(1ull << bit);
    *i = w << 6 | bit;
    return true;
}

/*
 * The same set with the word at hand in a register, for the loop over scalars:
 * most operands lie close below their result.
 */
typedef struct ad_pending_top {
    uint64_t bits; /* of `word`; the set's own copy is void meanwhile */
    uint32_t word;
} ad_pending_top;

static inline ad_pending_top ad_pending_open(const ad_pending *p, uint32_t word)
{
    return (ad_pending_top){p->bits[word], word};
}

static inline void ad_pending_close(ad_pending *p, const ad_pending_top *top)
{
    p->bits[top->word] = top->bits;
}

static inline void ad_pending_top_add(ad_pending *p, ad_pending_top *top, uint32_t i)
{
    if (i >> 6 == top->word)
        top->bits |= 1ull << (i & 63);
    else
        ad_pending_add(p, i);
}

static inline bool ad_pending_top_pop(ad_pending *p, ad_pending_top *top, uint32_t *i)
{
    if (top->bits == 0) {
        p->bits[top->word] = 0;
        if (!ad_pending_pop_highest(p, &top->word, i))
            return false;
        top->bits = p->bits[top->word];
        return true;
    }
    uint32_t bit = ad_highest_bit(top->bits);
    top->bits &= ~(1ull << bit);
    *i = top->word << 6 | bit;
    return true;
}

/* Take out the lowest entry of word `*word` or above, up to word `last`. */
static inline bool ad_pending_pop_lowest(ad_pending *p, uint32_t *word, uint32_t last,
                                         uint32_t *i)
{
    uint32_t w = *word;
    uint64_t bits = p->bits[w];
    if (bits == 0) {
        p->summary[w >> 6] &= ~(1ull << (w & 63));
        uint32_t s = w >> 6;
        while (p->summary[s] == 0)
            if (++s > last >> 6)
                return false;
        w = s << 6 | ad_lowest_bit(p->summary[s]);
        *word = w;
        bits = p->bits[w];
    }
    uint32_t bit = ad_lowest_bit(bits);
    p->bits[w] = bits & ~(1ull << bit);
    *i = w << 6 | bit;
    return true;
}

#endif
