/*
 * program_layout.h - what a saved program looks like. Private to program_write.c and
 * program_read.c.
 *
 *     magic (8)  version (4)  program  checksum (8: FNV-1a of all before it)
 *
 * A program is a list of tables, each a count (4) and its rows. Numbers are little
 * endian; b: 1 byte, h: 2, i: 4, q: 8 (signed), d: a double, *: as many as were said.
 *
 *     names       b, bytes*               of the operations that occur
 *     lines       h, bytes*               texts of source lines
 *     shapes      b, q*                   of 1 and on; shape 0 is a scalar's
 *     extras      b flags, b, i axis, q offset, q* strides
 *                 [q, q* index]  [b, q* shape, d* elements]
 *                 [q steps, b flags, i shared, i carry, i rows, i out rows, i sums,
 *                  [q snapshots], program]   a loop, and its body
 *                 [i active, b has rules, [program, program]]   a call's
 *     operands    i
 *     inputs      (the count only)
 *     instr       h name, i n_args, i* args, i shape, i extra, i line
 *                 [d number: a CONST without shape]
 *     outputs     i
 *     guards      i value, i line, d outcome
 *
 * More than three args stand among the operands, and one number says where. Lines are
 * numbers in the table of lines from 1; 0: none.
 */
#ifndef AD_PROGRAM_LAYOUT_H
#define AD_PROGRAM_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

enum { VERSION = 1, MAGIC_BYTES = 8, CHECKSUM_BYTES = 8, MAX_DEPTH = 32 };

enum {
    IS_REVERSED = 1,
    KEEPS_CARRY = 2,
    HAS_EXIT = 4,
    HAS_COUNT = 8,
    HAS_SNAPSHOTS = 16
}; /* loops */

static const char MAGIC[] = "\x89"
                            "adp\r\n\x1a\n"; /* what a transfer as text would change */

enum {
    HAS_REVERSE = 1,
    HAS_TRANS_X = 2,
    HAS_TRANS_Y = 4,
    HAS_INDEX = 8,
    HAS_VALUE = 16,
    HAS_SCAN = 32,
    IS_LENIENT = 64,
    HAS_CALL = 128
};

static inline uint64_t checksum(const uint8_t *data, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ data[i]) * 0x100000001b3u;
    return h;
}

#endif
