/*
 * batch.c - see batch.h.
 *
 * A block is loaded lane by lane (rows become columns), run, and its results put into
 * `result`; lanes in which a NaN came out are run once more with the sweep rule's guarded
 * products, and patched there; then what is good is stored.
 */
#include "batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "kernel.h"

typedef ad_batch_state run;

/* So many rows come from beyond the caches. */
enum { FAR_AWAY = 1 << 16 };

static int64_t result_size(const ad_program *p)
{
    int64_t size = 0;
    for (uint32_t k = 0; k < p->n_outputs; k++)
        size += ad_program_size(p, p->outputs[k]);
    return size;
}

int64_t ad_batch_scratch(const ad_code *code, int64_t n_lanes)
{
    return ad_code_workspace(code, n_lanes) +
           (result_size(ad_code_program(code)) + 1) * n_lanes;
}

static int64_t row_at(const run *r, int64_t lane)
{
    return r->batch->rows != NULL ? r->batch->rows[r->first + lane] : r->first + lane;
}

static bool lie_side_by_side(const run *r)
{
    const int64_t *rows = r->batch->rows;
    for (int64_t lane = 1; rows != NULL && lane < r->n; lane++)
        if (rows[r->first + lane] != rows[r->first] + lane)
            return false;
    return true;
}

static void load_shared(double *to, const double *from, int64_t size, int64_t n_lanes)
{
    for (int64_t e = 0; e < size; e++)
        ad_kernel_fill(n_lanes, from[e], to + e * n_lanes);
}

/* Shared inputs are the same for all blocks: once for each workspace. */
static void prepare(run *r)
{
    const int64_t n_lanes = r->batch->n_lanes;
    ad_code_prepare(r->batch->code, r->ws, n_lanes);
    for (uint32_t k = 0; k < r->p->n_inputs; k++) {
        const ad_batch_input *in = &r->batch->inputs[k];
        if (in->stride == 0 && n_lanes == 1)
            ad_code_load(r->batch->code, r->ws, k, in->data);
        else if (in->stride == 0)
            load_shared(r->ws + ad_code_input(r->batch->code, k) * n_lanes, in->data,
                        ad_program_size(r->p, k), n_lanes);
    }
}

/* Ask for the rows behind this block: they arrive while it is worked on. */
static void ask_for_next(const run *r, const ad_batch_input *in)
{
    enum { LINE = 8 };
    const int64_t next = r->first + r->n, rest = r->batch->n_rows - next;
    const int64_t n = (rest < r->n ? rest : r->n) * in->stride;
    for (int64_t i = 0; i < n && r->batch->rows == NULL; i += LINE)
        AD_PREFETCH(in->data + next * in->stride + i);
}

static void load_rows(const run *r, const ad_batch_input *in, double *to, int64_t size)
{
    const int64_t n_lanes = r->batch->n_lanes;
    if (size == 1 && in->stride == 1 && r->is_dense) {
        memcpy(to, in->data + row_at(r, 0), (size_t)r->n * sizeof *to);
        return;
    }
    if (size == 1 && r->batch->rows != NULL) {
        const int64_t *rows = r->batch->rows + r->first;
        for (int64_t lane = 0; lane < r->n; lane++)
            to[lane] = in->data[rows[lane] * in->stride];
        return;
    }
    for (int64_t lane = 0; lane < r->n; lane++) {
        const double *from = in->data + row_at(r, lane) * in->stride;
        for (int64_t e = 0; e < size; e++)
            to[e * n_lanes + lane] = from[e];
    }
}

/* Lanes beyond the last row repeat it, so that they raise no alarm of their own. */
static void load(const run *r)
{
    const int64_t n_lanes = r->batch->n_lanes;
    const bool is_far = r->batch->n_rows >= FAR_AWAY;
    for (uint32_t k = 0; k < r->p->n_inputs; k++) {
        const ad_batch_input *in = &r->batch->inputs[k];
        double *to = r->ws + ad_code_input(r->batch->code, k) * n_lanes;
        const int64_t size = ad_program_size(r->p, k);
        if (in->stride == 0)
            continue;
        if (n_lanes == 1) {
            ad_code_load(r->batch->code, r->ws, k,
                         in->data + row_at(r, 0) * in->stride);
            continue;
        }
        load_rows(r, in, to, size);
        if (is_far)
            ask_for_next(r, in);
        for (int64_t e = 0; e < size && r->n < n_lanes; e++)
            ad_kernel_fill(n_lanes - r->n, to[e * n_lanes + r->n - 1],
                           to + e * n_lanes + r->n);
    }
}

/* Outputs to `result`: all lanes, or only those that are bad. */
static void take_results(run *r, bool only_bad)
{
    const int64_t n_lanes = r->batch->n_lanes;
    double *to = r->result;
    for (uint32_t k = 0; k < r->p->n_outputs; k++) {
        const double *from = r->ws + ad_code_output(r->batch->code, k) * n_lanes;
        const int64_t n = ad_program_size(r->p, r->p->outputs[k]) * n_lanes;
        if (!only_bad && n > 0)
            memcpy(to, from, (size_t)n * sizeof *to);
        for (int64_t i = 0; only_bad && i < n; i++)
            to[i] = r->is_bad[i % n_lanes] ? from[i] : to[i];
        to += n;
    }
}

static bool has_nan(const run *r)
{
    const int64_t n_lanes = r->batch->n_lanes;
    for (uint32_t k = 0; k < r->p->n_outputs; k++)
        if (ad_kernel_has_nan(ad_program_size(r->p, r->p->outputs[k]) * n_lanes,
                              r->ws + ad_code_output(r->batch->code, k) * n_lanes))
            return true;
    return false;
}

/* Mark lanes of the results in which there is a NaN. */
static void mark_nan(run *r)
{
    const int64_t n_lanes = r->batch->n_lanes, n = result_size(r->p) * n_lanes;
    memset(r->is_bad, 0, (size_t)n_lanes);
    for (int64_t i = 0; i < n; i++)
        r->is_bad[i % n_lanes] |= r->result[i] != r->result[i];
}

/* Which guard of each lane differs first? Marks those lanes bad; is there one? */
static bool check_guards(run *r)
{
    const ad_batch *batch = r->batch;
    bool any = false;
    if (r->p->n_guards == 0)
        return false;
    memset(r->is_bad, 0, (size_t)batch->n_lanes);
    int32_t *differs = batch->differs + r->first;
    double *outcome = batch->outcome + r->first;
    for (int64_t lane = 0; lane < r->n; lane++)
        differs[lane] = -1;
    for (uint32_t k = 0; k < r->p->n_guards; k++)
        any |= ad_kernel_differs(r->n,
                                 r->ws + ad_code_guard(batch->code, k) * batch->n_lanes,
                                 r->p->guards[k].outcome, (int32_t)k, differs, outcome);
    for (int64_t lane = 0; lane < r->n && any; lane++)
        r->is_bad[lane] = differs[lane] >= 0;
    return any;
}

static void store_rows(const run *r, double *to, const double *from, int64_t size,
                       bool any_bad)
{
    const int64_t n_lanes = r->batch->n_lanes;
    if (size == 1 && !any_bad && r->is_dense) {
        memcpy(to + row_at(r, 0), from, (size_t)r->n * sizeof *to);
        return;
    }
    if (size == 1 && !any_bad) {
        const int64_t *rows = r->batch->rows + r->first;
        for (int64_t lane = 0; lane < r->n; lane++)
            to[rows[lane]] = from[lane];
        return;
    }
    for (int64_t lane = 0; lane < r->n; lane++) {
        double *row = to + row_at(r, lane) * size;
        if (!any_bad || !r->is_bad[lane])
            for (int64_t e = 0; e < size; e++)
                row[e] = from[e * n_lanes + lane];
    }
}

static void store_sum(const run *r, double *to, double *from, int64_t size,
                      bool any_bad)
{
    const int64_t n_lanes = r->batch->n_lanes;
    const bool is_own = !r->batch->has_part;
    double *part = to + (is_own ? r->first / n_lanes : r->batch->part) * size;
    for (int64_t e = 0; e < size; e++) {
        for (int64_t lane = 0; any_bad && lane < r->n; lane++)
            if (r->is_bad[lane])
                from[e * n_lanes + lane] = 0.0;
        const double sum = ad_kernel_sum(r->n, from + e * n_lanes);
        part[e] = is_own ? sum : part[e] + sum;
    }
}

/* Run; lanes with a NaN again, guarded. Do outputs stand in `result`, not in ws? */
static ad_status compute(run *r, ad_matmul_hook hook, ad_message *message,
                         bool *is_apart)
{
    const ad_batch *batch = r->batch;
    ad_status status =
        ad_code_run(batch->code, r->ws, batch->n_lanes, r->n, false, hook, message);
    *is_apart = false;
    if (status != AD_OK || !ad_code_has_guarded(batch->code) || !has_nan(r))
        return status;
    take_results(r, false);
    *is_apart = true;
    mark_nan(r);
    status = ad_code_run(batch->code, r->ws, batch->n_lanes, r->n, true, hook, message);
    if (status == AD_OK)
        take_results(r, true);
    return status;
}

static ad_status run_block(run *r, ad_matmul_hook hook, ad_message *message)
{
    const ad_batch *batch = r->batch;
    const int64_t n_lanes = batch->n_lanes;
    bool is_apart;
    load(r);
    ad_status status = compute(r, hook, message, &is_apart);
    if (status != AD_OK)
        return status;
    const bool any_bad = check_guards(r);
    if (any_bad && !is_apart) /* sums change what they leave out */
        take_results(r, false);
    is_apart |= any_bad;
    double *next = r->result;
    for (uint32_t k = 0; k < r->p->n_outputs; k++) {
        const ad_batch_output *out = &batch->outputs[k];
        const int64_t n = ad_program_size(r->p, r->p->outputs[k]);
        double *from =
            is_apart ? next : r->ws + ad_code_output(batch->code, k) * n_lanes;
        if (out->is_summed)
            store_sum(r, out->data, from, n, any_bad);
        else
            store_rows(r, out->data, from, n, any_bad);
        next += n * n_lanes;
    }
    return AD_OK;
}

ad_status ad_batch_open(run *r, const ad_batch *batch, double *scratch)
{
    *r = (run){.batch = batch, .p = ad_code_program(batch->code), .ws = scratch};
    r->result = scratch + ad_code_workspace(batch->code, batch->n_lanes);
    r->is_bad = malloc((size_t)batch->n_lanes);
    if (r->is_bad == NULL)
        return AD_NO_MEMORY;
    prepare(r);
    return AD_OK;
}

void ad_batch_close(run *r)
{
    free(r->is_bad);
    r->is_bad = NULL;
}

ad_status ad_batch_run_with(run *r, const ad_batch *batch, int64_t from, int64_t to,
                            const volatile int *stop, ad_matmul_hook hook,
                            ad_message *message)
{
    ad_status status = AD_OK;
    r->batch = batch;
    for (int64_t block = from; block < to && status == AD_OK && !*stop; block++) {
        r->first = block * batch->n_lanes;
        r->n = batch->n_rows - r->first;
        r->n = r->n < batch->n_lanes ? r->n : batch->n_lanes;
        r->is_dense = lie_side_by_side(r);
        status = run_block(r, hook, message);
    }
    return status;
}

ad_status ad_batch_run(const ad_batch *batch, double *scratch, int64_t from, int64_t to,
                       const volatile int *stop, ad_matmul_hook hook,
                       ad_message *message)
{
    run r;
    ad_status status = ad_batch_open(&r, batch, scratch);
    if (status == AD_OK)
        status = ad_batch_run_with(&r, batch, from, to, stop, hook, message);
    ad_batch_close(&r);
    return status;
}

/* One element at a time, from a copy in a row: parts are few beside rows. */
void ad_batch_sum(int64_t n_blocks, int64_t size, const double *parts, double *total)
{
    enum { FEW = 1024 };
    double few[FEW];
    for (int64_t e = 0; e < size; e++) {
        double *column =
            n_blocks > FEW ? malloc((size_t)n_blocks * sizeof *column) : few;
        total[e] = 0.0;
        for (int64_t b = 0; b < n_blocks; b++) {
            if (column != NULL)
                column[b] = parts[b * size + e];
            else
                total[e] += parts[b * size + e];
        }
        if (column != NULL)
            total[e] = ad_kernel_sum(n_blocks, column);
        if (column != few)
            free(column);
    }
}
