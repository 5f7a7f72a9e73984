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
 */
#ifndef AD_SCAN_H
#define AD_SCAN_H

#include "program.h"

typedef struct ad_scan {
    int64_t refs;
    ad_program *body; /* owned; it has no guards */
    int64_t n_steps;  /* the most there are */
    uint32_t n_shared, n_carry, n_rows;     /* inputs of the body */
    uint32_t n_out_rows, n_out_sums;        /* outputs, beside the carry */
    bool is_reversed, keeps_carry, has_exit, has_count;
} ad_scan;

/* A copy of a description, with a reference to the body. NULL: no memory. */
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
