/*
 * compat.h - the few things that C11 leaves to compilers, under one name each.
 *
 * The only file with compiler conditions, but for the SIMD of kernel_math.h. May be
 * included by anyone.
 */
#ifndef AD_COMPAT_H
#define AD_COMPAT_H

#include <stdlib.h>
#ifdef _WIN32
#include <malloc.h>
#endif
#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)

#include <intrin.h>

#define AD_ALWAYS_INLINE static __forceinline
#define AD_THREAD_LOCAL __declspec(thread)
#define AD_PREFETCH(address) ((void)(address))

static __forceinline uint32_t ad_highest_bit(uint64_t bits)
{
    unsigned long i;
    _BitScanReverse64(&i, bits);
    return i;
}

static __forceinline uint32_t ad_lowest_bit(uint64_t bits)
{
    unsigned long i;
    _BitScanForward64(&i, bits);
    return i;
}

static __forceinline uint32_t ad_count_bits(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (uint32_t)(bits * 0x0101010101010101u >> 56);
}

#else

#define AD_ALWAYS_INLINE static inline __attribute__((always_inline))
#define AD_PREFETCH(address) __builtin_prefetch(address)

/* A module's own thread-local variables are found fastest by this model. */
#if defined(__ELF__)
#define AD_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define AD_THREAD_LOCAL _Thread_local
#endif

/* Position of the highest and the lowest set bit; bits must not be 0. */
static inline uint32_t ad_highest_bit(uint64_t bits)
{
    return 63u - (uint32_t)__builtin_clzll(bits);
}

static inline uint32_t ad_lowest_bit(uint64_t bits)
{
    return (uint32_t)__builtin_ctzll(bits);
}

static inline uint32_t ad_count_bits(uint64_t bits)
{
    return (uint32_t)__builtin_popcountll(bits);
}

#endif
/* Memory that begins at a line of the cache, for workspaces; NULL: none. */
static inline void *ad_lines_new(size_t bytes)
{
    bytes = (bytes + 63) / 64 * 64 + 64;
#ifdef _WIN32
    return _aligned_malloc(bytes, 64);
#else
    return aligned_alloc(64, bytes);
#endif
}

static inline void ad_lines_free(void *lines)
{
#ifdef _WIN32
    _aligned_free(lines);
#else
    free(lines);
#endif
}

#endif
