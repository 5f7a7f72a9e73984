/*
 * block.c - see block.h.
 *
 * Sizes are rounded up to an eighth of a power of two, so that a block serves
 * every size of its class. Blocks of several huge pages are aligned to them and
 * advised as such: their first touch then costs a tenth.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "block.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { HUGE_PAGE_BYTES = 1 << 21, MAX_KEPT = 32 };

/* Larger blocks go at once: one would crowd out the rest. With the address
 * sanitizer all do, for it to see uses of freed memory. */
#if defined(__SANITIZE_ADDRESS__)
enum { MAX_BYTES = 0 };
#else
enum { MAX_BYTES = AD_BLOCKS_KEPT / 4 };
#endif

typedef struct kept_block {
    void *memory;
    size_t bytes;
} kept_block;

/* Oldest first. */
static struct {
    kept_block block[MAX_KEPT];
    int n;
    size_t bytes;
} kept;

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* The size of the class that `bytes` falls in. */
static size_t class_of(size_t bytes)
{
    size_t eighth = AD_BLOCK_LEAST / 8;
    while (eighth < bytes / 16)
        eighth *= 2;
    return round_up(bytes, eighth);
}

static void *memory_new(size_t bytes)
{
#if defined(__linux__)
    if (bytes >= 2 * HUGE_PAGE_BYTES) {
        bytes = round_up(bytes, HUGE_PAGE_BYTES);
        void *memory = aligned_alloc(HUGE_PAGE_BYTES, bytes);
        if (memory != NULL)
            madvise(memory, bytes, MADV_HUGEPAGE);
        return memory;
    }
#endif
    return malloc(bytes);
}

static void *take(int i)
{
    void *memory = kept.block[i].memory;
    kept.bytes -= kept.block[i].bytes;
    kept.n--;
    memmove(&kept.block[i], &kept.block[i + 1],
            (size_t)(kept.n - i) * sizeof kept.block[0]);
    return memory;
}

static void give_back(size_t bytes)
{
    size_t goal = kept.bytes > bytes ? kept.bytes - bytes : 0;
    while (kept.bytes > goal)
        free(take(0));
}

void *ad_block_new(size_t bytes)
{
    if (bytes < AD_BLOCK_LEAST)
        return malloc(bytes);
    if (bytes > SIZE_MAX / 4)
        return NULL;
    bytes = class_of(bytes);
    for (int i = kept.n; i-- > 0;)
        if (kept.block[i].bytes == bytes)
            return take(i);
    give_back(bytes);
    return memory_new(bytes);
}

void ad_block_free(void *block, size_t bytes)
{
    if (bytes < AD_BLOCK_LEAST) {
        free(block);
        return;
    }
    bytes = class_of(bytes);
    if (bytes > MAX_BYTES) {
        free(block);
        return;
    }
    while (kept.n == MAX_KEPT || kept.bytes + bytes > AD_BLOCKS_KEPT)
        free(take(0));
    kept.block[kept.n++] = (kept_block){block, bytes};
    kept.bytes += bytes;
}
