/*
 * vm_scan.c - runs loops: a body's code, step by step; see scan.h.
 *
 * The body has a workspace of its own inside the scratch of the run. Shared operands are
 * put into it once; the carry goes round: from the body's outputs to the place of the
 * last carry in the result, and from there to the body's inputs. With lanes, a lane whose
 * loop has ended waits: its carry is kept, and what the body makes for it is dropped.
 */
#include "vm_scan.h"

#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "vm_code.h"

typedef struct scan_run {
    const ad_run *run;
    const ad_scan *s;
    const ad_code *body;
    const uint32_t *slots; /* of operands */
    double *z, *ws;        /* result; the body's workspace */
    double *is_going;      /* of each lane: 1 while its loop goes on */
    int64_t b;
} scan_run;

/* The body's slots and scratch, of which what does not grow with lanes is counted as if
 * it did; flags of lanes; and what rounding takes. */
int64_t ad_vm_scan_scratch(const ad_code *body)
{
    enum { FLAGS = 1, ROUNDING = 24 };
    return body->n_slots + body->scratch_elements + body->scratch_doubles + FLAGS +
           ROUNDING;
}

static const double *operand(const scan_run *r, uint32_t k)
{
    return ad_vm_at(r->run, r->slots[k + r->s->has_count]);
}

static double *input(const scan_run *r, uint32_t k)
{
    return r->ws + ad_code_input(r->body, k) * r->b;
}

static const double *output(const scan_run *r, uint32_t k)
{
    return r->ws + ad_code_output(r->body, k) * r->b;
}

static double *part(const scan_run *r, ad_scan_part which, uint32_t k)
{
    return r->z + ad_scan_offset(r->s, which, k) * r->b;
}

/* Doubles of the body's input or output, all lanes. */
static int64_t size_of(const scan_run *r, uint32_t value)
{
    return ad_program_size(r->s->body, value) * r->b;
}

static void copy(double *to, const double *from, int64_t n)
{
    if (n > 0)
        memcpy(to, from, (size_t)n * sizeof *to);
}

/* The body's input k takes these elements. */
static void load(const scan_run *r, uint32_t k, const double *from)
{
    if (r->b == 1)
        ad_code_load(r->body, r->ws, k, from);
    else
        copy(input(r, k), from, size_of(r, k));
}

/* to = from in lanes that go on, `other` (or 0 for NULL) in the rest. */
static void copy_going(const scan_run *r, double *to, const double *from,
                       const double *other, int64_t n)
{
    for (int64_t i = 0; i < n; i += r->b)
        for (int64_t lane = 0; lane < r->b; lane++) {
            const double rest = other != NULL ? other[i + lane] : 0.0;
            to[i + lane] = r->is_going[lane] != 0.0 ? from[i + lane] : rest;
        }
}

/* Where a part stands, so that nothing is looked up in a step. */
static void start(const scan_run *r)
{
    const ad_scan *s = r->s;
    memset(r->z, 0, (size_t)(ad_scan_size(s) * r->b) * sizeof *r->z);
    ad_code_prepare(r->body, r->ws, r->b);
    for (uint32_t k = 0; k < s->n_shared; k++)
        load(r, k, operand(r, k));
    for (uint32_t k = 0; k < s->n_carry; k++)
        copy(part(r, AD_SCAN_CARRY, k), operand(r, s->n_shared + k),
             size_of(r, s->n_shared + k));
    for (int64_t lane = 0; lane < r->b; lane++)
        r->is_going[lane] = 1.0;
}

static void load_step(const scan_run *r, int64_t t)
{
    const ad_scan *s = r->s;
    double *last = r->z, *kept = s->keeps_carry ? part(r, AD_SCAN_KEPT, 0) : NULL;
    for (uint32_t k = s->n_shared; k < s->n_shared + s->n_carry; k++) {
        const int64_t n = size_of(r, k);
        load(r, k, last);
        if (kept != NULL) {
            copy(kept + t * n, last, n);
            kept += s->n_steps * n;
        }
        last += n;
    }
    for (uint32_t k = s->n_shared + s->n_carry; k < s->body->n_inputs; k++) {
        const int64_t n = size_of(r, k);
        load(r, k, operand(r, k) + t * n);
    }
}

/* Which lanes go on? False: none. */
static bool goes_on(const scan_run *r, int64_t step)
{
    const double *flag = r->s->has_exit ? output(r, 0) : NULL;
    const double *count = r->s->has_count ? r->run->ws + r->slots[0] * r->b : NULL;
    bool any = false;
    for (int64_t lane = 0; lane < r->b; lane++) {
        if (flag != NULL && flag[lane] == 0.0)
            r->is_going[lane] = 0.0;
        if (count != NULL)
            r->is_going[lane] = (double)step < count[lane];
        any |= r->is_going[lane] != 0.0 && lane < r->run->n_used;
    }
    return any;
}

static void store_step(const scan_run *r, int64_t t, bool is_masked)
{
    const ad_scan *s = r->s;
    uint32_t k = s->has_exit;
    double *to = r->z;
    for (uint32_t j = 0; j < s->n_carry; j++, k++) {
        const int64_t n = size_of(r, s->body->outputs[k]);
        if (is_masked)
            copy_going(r, to, output(r, k), to, n);
        else
            copy(to, output(r, k), n);
        to += n;
    }
    for (uint32_t j = 0; j < s->n_out_rows; j++, k++) {
        const int64_t n = size_of(r, s->body->outputs[k]);
        if (is_masked)
            copy_going(r, to + t * n, output(r, k), NULL, n);
        else
            copy(to + t * n, output(r, k), n);
        to += s->n_steps * n;
    }
    for (uint32_t j = 0; j < s->n_out_sums; j++, k++) {
        const int64_t n = size_of(r, s->body->outputs[k]);
        const double *from = output(r, k);
        for (int64_t i = 0; i < n; i++)
            to[i] += !is_masked || r->is_going[i % r->b] != 0.0 ? from[i] : 0.0;
        to += n;
    }
    to = s->has_exit ? part(r, AD_SCAN_DONE, 0) : NULL;
    for (int64_t lane = 0; to != NULL && lane < r->b; lane++)
        to[lane] += r->is_going[lane];
}

/* ---- Independent steps, as lanes ------------------------------------------------------- */

enum { LEAST_FOR_LANES = 8 };

static bool is_independent(const ad_scan *s)
{
    return s->n_carry == 0 && !s->has_exit && !s->has_count &&
           s->n_steps >= LEAST_FOR_LANES;
}

/* At one point: rows of the operands are rows of a batch. */
static ad_status run_as_rows(const scan_run *r)
{
    const ad_scan *s = r->s;
    const ad_program *body = s->body;
    static const int never = 0;
    ad_batch batch = {
        .code = r->body, .n_lanes = ad_code_best_lanes(r->body), .n_rows = s->n_steps};
    while (batch.n_lanes > LEAST_FOR_LANES && batch.n_lanes / 2 >= s->n_steps)
        batch.n_lanes /= 2;
    const int64_t n_blocks = ad_batch_blocks(&batch);
    int64_t n_parts = 0;
    for (uint32_t k = 0; k < s->n_out_sums; k++)
        n_parts +=
            n_blocks * ad_program_size(body, ad_scan_value_of(s, AD_SCAN_SUMS, k));
    ad_batch_input *inputs = calloc((size_t)body->n_inputs + 1, sizeof *inputs);
    ad_batch_output *outputs = calloc((size_t)body->n_outputs + 1, sizeof *outputs);
    double *scratch =
        malloc((size_t)(ad_batch_scratch(r->body, batch.n_lanes) + n_parts + 1) *
               sizeof *scratch);
    ad_status status = AD_NO_MEMORY;
    if (inputs != NULL && outputs != NULL && scratch != NULL) {
        double *parts = scratch + ad_batch_scratch(r->body, batch.n_lanes);
        for (uint32_t k = 0; k < body->n_inputs; k++)
            inputs[k] = (ad_batch_input){
                operand(r, k), k < s->n_shared ? 0 : ad_program_size(body, k)};
        for (uint32_t k = 0; k < s->n_out_rows; k++)
            outputs[k].data = part(r, AD_SCAN_ROWS, k);
        for (uint32_t k = 0; k < s->n_out_sums; k++) {
            outputs[s->n_out_rows + k] = (ad_batch_output){parts, true};
            parts +=
                n_blocks * ad_program_size(body, ad_scan_value_of(s, AD_SCAN_SUMS, k));
        }
        batch.inputs = inputs;
        batch.outputs = outputs;
        status = ad_batch_run(&batch, scratch, 0, n_blocks, &never, r->run->hook,
                              r->run->message);
        for (uint32_t k = 0; k < s->n_out_sums && status == AD_OK; k++)
            ad_batch_sum(n_blocks,
                         ad_program_size(body, ad_scan_value_of(s, AD_SCAN_SUMS, k)),
                         outputs[s->n_out_rows + k].data, part(r, AD_SCAN_SUMS, k));
    }
    free(inputs);
    free(outputs);
    free(scratch);
    return status;
}

ad_status ad_vm_scan(const ad_run *run, const ad_job *job)
{
    const ad_program *p = run->code->program;
    const ad_attr attr = ad_program_attr(p, job->instr);
    const int64_t b = run->n_lanes;
    scan_run r = {.run = run,
                  .s = attr.scan,
                  .body = run->code->bodies[job->body],
                  .slots = run->code->slots + job->args,
                  .z = run->ws + job->z * b,
                  .is_going = run->scratch,
                  .ws = run->scratch + (b + 7) / 8 * 8,
                  .b = b};
    const ad_scan *s = r.s;
    const bool is_masked = s->has_exit || s->has_count;
    if (b == 1 && is_independent(s))
        return run_as_rows(&r);
    start(&r);
    for (int64_t step = 0; step < s->n_steps; step++) {
        /* Backwards the count says where to begin: lanes join as it is reached. */
        const int64_t t = s->is_reversed ? s->n_steps - 1 - step : step;
        if (s->has_count && !goes_on(&r, t)) {
            if (s->is_reversed)
                continue;
            break;
        }
        load_step(&r, t);
        ad_status status =
            ad_code_run(r.body, r.ws, b, run->n_used, run->mode == AD_GUARDED,
                        run->hook, run->message);
        if (status != AD_OK)
            return status;
        if (s->has_exit && !goes_on(&r, t))
            break;
        store_step(&r, t, is_masked);
    }
    return AD_OK;
}
