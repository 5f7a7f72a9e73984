/*
 * block.h - memory for elements, with large blocks kept for the next to ask.
 *
 * A fresh block of megabytes costs more in page faults than an operation on it.
 * What a loop frees it soon asks for again, in the same sizes, so that blocks of
 * AD_BLOCK_LEAST bytes and more wait in a short list, the latest on top: it is
 * the one most likely in cache.
 *
 * Invariants: blocks that wait add up to AD_BLOCKS_KEPT bytes at most; and a
 * request that they cannot serve first gives back as many bytes as it takes, so
 * that what is in use and what waits never exceed the most that was ever in use.
 * The list is the one piece of memory that all tapes share. It is static because
 * arrays die with no tape at hand; as for their counts, the caller holds the
 * interpreter's lock.
 */
#ifndef AD_BLOCK_H
#define AD_BLOCK_H

#include <stddef.h>

enum {
    AD_BLOCK_LEAST = 1 << 17, /* below, malloc keeps its own lists */
    AD_BLOCKS_KEPT = 1 << 27,
};

/* `bytes` of memory, aligned as malloc does; NULL when there is none. */
void *ad_block_new(size_t bytes);

/* Give it back, with the size that was asked for. */
void ad_block_free(void *block, size_t bytes);

#endif
