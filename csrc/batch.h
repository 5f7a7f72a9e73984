/*
 * batch.h - a program over many rows: blocks of lanes in, results out.
 *
 * Each row is one point. An input has a row's elements side by side, `stride` doubles
 * from one row to the next, or is shared by all rows (stride 0). An output is stored
 * row by row, or added up over the rows. Where a row's guards do not all come out as
 * the program wants, nothing of the row is stored or added, and the caller learns which
 * guard was the first to differ, and how it came out.
 *
 * Sums do not depend on how rows are shared out among threads: each block of
 * ad_batch.n_lanes rows has a place of its own for its part, in `parts`, and
 * ad_batch_sum adds these up pairwise.
 */
#ifndef AD_BATCH_H
#define AD_BATCH_H

#include "vm.h"

typedef struct ad_batch_input {
    const double *data;
    int64_t stride;
} ad_batch_input;

typedef struct ad_batch_output {
    double *data;    /* rows side by side; or, if summed, the parts of blocks */
    bool is_summed;
} ad_batch_output;

typedef struct ad_batch {
    const ad_code *code;
    int64_t n_lanes;       /* of a block */
    int64_t n_rows;        /* to run */
    const int64_t *rows;   /* their numbers; NULL: 0, 1, 2, ... */
    const ad_batch_input *inputs;
    const ad_batch_output *outputs;
    int32_t *differs;      /* for each of n_rows: the first guard that came out
                              otherwise, or -1; NULL where there are no guards */
    double *outcome;       /* how it came out */
    bool has_part; /* of sums: blocks are added to this one part; else each ... */
    int64_t part; /* ... block has its own */
} ad_batch;

/* How many blocks the rows make. */
static inline int64_t ad_batch_blocks(const ad_batch *batch)
{
    return (batch->n_rows + batch->n_lanes - 1) / batch->n_lanes;
}

/* Doubles of scratch that ad_batch_run needs, workspace included. */
int64_t ad_batch_scratch(const ad_code *code, int64_t n_lanes);

/* What a thread works with: set up once, for all runs with this code, these shared inputs
 * and so many lanes. */
typedef struct ad_batch_state {
    const ad_batch *batch; /* of the run at hand */
    const ad_program *p;
    double *ws; /* of the code */
    double *result; /* outputs, one after another: element by lane */
    uint8_t *is_bad; /* lanes with a NaN, then lanes whose guards differ */
    int64_t first, n; /* positions of this block */
    bool is_dense; /* its rows lie side by side */
} ad_batch_state;

/* AD_NO_MEMORY, or the state is to be closed. scratch: ad_batch_scratch doubles. */
ad_status ad_batch_open(ad_batch_state *state, const ad_batch *batch, double *scratch);
void ad_batch_close(ad_batch_state *state);

/* Run blocks [from, to) of a batch that differs from the one it was opened for in nothing
 * but rows, part and where guards are told. */
ad_status ad_batch_run_with(ad_batch_state *state, const ad_batch *batch, int64_t from,
                            int64_t to, const volatile int *stop, ad_matmul_hook hook,
                            ad_message *message);

/*
 * Run blocks [from, to). Threads may run disjoint ranges at once, each with a scratch of
 * its own. `stop` is looked at between blocks: when it is set the call returns early.
 */
ad_status ad_batch_run(const ad_batch *batch, double *scratch, int64_t from, int64_t to,
                       const volatile int *stop, ad_matmul_hook hook,
                       ad_message *message);

/* total[0..size) = sum of n_blocks parts of that size, pairwise. */
void ad_batch_sum(int64_t n_blocks, int64_t size, const double *parts, double *total);

#endif
