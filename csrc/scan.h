/*
 * scan.h - loops in programs: one instruction, whose body is a program of its own.
 *
 * The body is run once for each step. What goes in and comes out, in this order:
 *
 *      the loop's operands    the body's inputs   the body's outputs    the loop's result
 *     +----------------------+-------------------+--------------------+------------------+
 *     | count (has_count)    |                   | go on (has_exit)   |                  |
 *     | shared ...           | shared ...        |                    |                  |
 *     | first carry ...      | carry ...         | next carry ...     | last carry ...   |
 *     | n_steps rows of each | a row of each     | a row of each      | rows of each ... |
 *     |                      |                   | summed ...         | sums ...         |
 *     |                      |                   |                    | steps done (exit)|
 *     |                      |                   |                    | carry before each|
 *     |                      |                   |                    |  step (kept) ... |
 *     +----------------------+-------------------+--------------------+------------------+
 *
 * The result is one vector, of which views show the parts. A step whose `go on` is 0 is
 * the end: nothing it made counts. With a count only so many steps are run, the first
 * ones; reversed, steps run from the last to the first. Rows that no step made are 0.
 *
 * Without a carry the steps are independent: they may run side by side, as lanes.
 *
 * n_snapshots is a wish, and changes no result: whoever runs the loop may keep so few of
 * the carries, and compute the others again (ad_readback).
 */
#ifndef AD_SCAN_H
#define AD_SCAN_H

#include "program.h"

typedef struct ad_readback ad_readback;

typedef struct ad_scan {
    int64_t refs;
    ad_program *body; /* owned; it has no guards */
    int64_t n_steps;  /* the most there are */
    uint32_t n_shared, n_carry, n_rows;     /* inputs of the body */
    uint32_t n_out_rows, n_out_sums;        /* outputs, beside the carry */
    bool is_reversed, keeps_carry, has_exit, has_count;
    int64_t n_snapshots; /* carries to keep for the way back; 0: all */

    /* Only in programs about to be run, made by vm_lower_scan.c: */
    bool keeps_few; /* what is kept are n_snapshots carries, as schedule.h says */
    ad_readback *readback; /* NULL, or loops whose carries it computes again */
} ad_scan;

/* Loops over the same steps the other way, whose carries this one reads: as operands it
 * has, behind its own and loop after loop, their shared, what each kept, and their rows. */
struct ad_readback {
    int64_t refs;
    uint32_t n_loops;
    ad_scan **loops; /* owned */
    uint32_t *carry_of; /* of each input of the body: the carry that it is, counted over
                           all loops; AD_NONE: an operand as usual */
};

/* Room for n_loops loops, none there yet. NULL: no memory. */
ad_readback *ad_readback_new(uint32_t n_loops, uint32_t n_inputs);
void ad_readback_drop(ad_readback *readback);

/* A copy of a description, with references to what it has. NULL: no memory. */
ad_scan *ad_scan_new(const ad_scan *like);
void ad_scan_drop(ad_scan *scan); /* NULL will do */

static inline ad_scan *ad_scan_keep(ad_scan *scan)
{
    scan->refs++;
    return scan;
}

/* Operands of the loop, and outputs of the body, that a description speaks of. */
static inline uint32_t ad_scan_n_args(const ad_scan *s)
{
    return s->has_count + s->n_shared + s->n_carry + s->n_rows;
}
static inline uint32_t ad_scan_n_outputs(const ad_scan *s)
{
    return s->has_exit + s->n_carry + s->n_out_rows + s->n_out_sums;
}

/* Elements of the result. */
int64_t ad_scan_size(const ad_scan *scan);

/* Where a part of the result begins: last carry k, output rows k, sum k, kept carry k,
 * or the number of steps done. */
typedef enum ad_scan_part {
    AD_SCAN_CARRY,
    AD_SCAN_ROWS,
    AD_SCAN_SUMS,
    AD_SCAN_DONE,
    AD_SCAN_KEPT, /* last: a loop that is to keep it still has the rest where it was */
} ad_scan_part;
int64_t ad_scan_offset(const ad_scan *scan, ad_scan_part part, uint32_t k);

/* The body's value that a part speaks of: its shape is that of one row. */
uint32_t ad_scan_value_of(const ad_scan *scan, ad_scan_part part, uint32_t k);

#endif
