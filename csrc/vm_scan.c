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
#include "schedule.h"
#include "vm_code.h"

/* A value that goes into the body or comes out of it: n doubles, all lanes. */
typedef struct port {
    double *at;    /* in the body's workspace */
    int64_t n;
    bool is_outside; /* an input that the body may read where it is: ad_code_load */
} port;

typedef struct scan_run {
    const ad_run *run;
    const ad_scan *s;
    const ad_code *body;
    const uint32_t *slots; /* of operands */
    double *z, *ws;        /* result; the body's workspace */
    double *is_going;      /* of each lane: 1 while its loop goes on */
    port *in, *out;        /* inputs and outputs of the body */
    const double **rows;   /* operands: those of rows are read at each step */
    double *kept, *done;   /* parts of the result, or NULL */
    int64_t b;
    int64_t next_kept, n_kept; /* of few: the step of the next, how many there are */
    ad_backward *back;         /* NULL: all operands are as they are */
} scan_run;

/* The body's slots and scratch, of which what does not grow with lanes is counted as if
 * it did; flags of lanes; and what rounding takes. */
int64_t ad_vm_scan_scratch(const ad_scan *scan, ad_code *const *bodies)
{
    enum { FLAGS = 1, ROUNDING = 24 };
    const ad_code *body = bodies[0];
    return body->n_slots + body->scratch_elements + body->scratch_doubles + FLAGS +
           ROUNDING + ad_backward_scratch(scan, bodies);
}

static const double *operand(const scan_run *r, uint32_t k)
{
    return ad_vm_at(r->run, r->slots[k + r->s->has_count]);
}

static double *part(const scan_run *r, ad_scan_part which, uint32_t k)
{
    return r->z + ad_scan_offset(r->s, which, k) * r->b;
}

/* Mostly a few doubles, for which a call would take longer. */
static void copy(double *to, const double *from, int64_t n)
{
    enum { FEW = 8 };
    if (n > FEW)
        memcpy(to, from, (size_t)n * sizeof *to);
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i];
}

/* The body's input k takes these elements. */
static void load(const scan_run *r, uint32_t k, const double *from)
{
    if (r->in[k].is_outside)
        ad_code_load(r->body, r->ws, k, from);
    else
        copy(r->in[k].at, from, r->in[k].n);
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

/* Where everything stands, so that nothing is looked up in a step. */
static bool find_ports(scan_run *r)
{
    const ad_scan *s = r->s;
    const ad_program *body = s->body;
    const size_t n = (size_t)body->n_inputs + body->n_outputs + 1;
    r->in = malloc(n * (sizeof *r->in + sizeof *r->rows));
    if (r->in == NULL)
        return false;
    r->out = r->in + body->n_inputs;
    r->rows = (const double **)(r->in + n);
    for (uint32_t k = 0; k < body->n_inputs; k++) {
        r->in[k] = (port){r->ws + ad_code_input(r->body, k) * r->b,
                          ad_program_size(body, k) * r->b,
                          r->b == 1 && ad_plan_is_large(body, k)};
        r->rows[k] = operand(r, k);
    }
    for (uint32_t k = 0; k < body->n_outputs; k++)
        r->out[k] = (port){r->ws + ad_code_output(r->body, k) * r->b,
                           ad_program_size(body, body->outputs[k]) * r->b, false};
    r->kept = s->keeps_carry ? part(r, AD_SCAN_KEPT, 0) : NULL;
    r->done = s->has_exit ? part(r, AD_SCAN_DONE, 0) : NULL;
    return true;
}

static void start(const scan_run *r)
{
    const ad_scan *s = r->s;
    double *last = r->z;
    memset(r->z, 0, (size_t)(ad_scan_size(s) * r->b) * sizeof *r->z);
    ad_code_prepare(r->body, r->ws, r->b);
    for (uint32_t k = 0; k < s->n_shared; k++)
        load(r, k, operand(r, k));
    for (uint32_t k = s->n_shared; k < s->n_shared + s->n_carry; k++) {
        copy(last, operand(r, k), r->in[k].n);
        last += r->in[k].n;
    }
    for (int64_t lane = 0; lane < r->b; lane++)
        r->is_going[lane] = 1.0;
}

/* Where the carries before a step are kept: behind so many others; -1: not at all. */
static int64_t place_to_keep(scan_run *r, int64_t step, int64_t t)
{
    const ad_scan *s = r->s;
    if (!s->keeps_few)
        return s->keeps_carry ? t : -1;
    if (step != r->next_kept)
        return -1;
    const int64_t stride =
        ad_schedule_stride(s->n_steps - step, s->n_snapshots - r->n_kept);
    r->next_kept = stride > 0 ? step + stride : -1;
    return r->n_kept++;
}

static void load_step(scan_run *r, int64_t step, int64_t t)
{
    const ad_scan *s = r->s;
    const int64_t place = place_to_keep(r, step, t);
    const ad_readback *readback = s->readback;
    double *last = r->z, *kept = place >= 0 ? r->kept : NULL;
    for (uint32_t k = s->n_shared; k < s->n_shared + s->n_carry; k++) {
        const int64_t n = r->in[k].n;
        load(r, k, last);
        if (kept != NULL) {
            copy(kept + place * n, last, n);
            kept += (s->keeps_few ? s->n_snapshots : s->n_steps) * n;
        }
        last += n;
    }
    for (uint32_t k = s->n_shared + s->n_carry; k < s->body->n_inputs; k++)
        if (readback != NULL && readback->carry_of[k] != AD_NONE)
            load(r, k, ad_backward_carry(r->back, readback->carry_of[k]));
        else
            load(r, k, r->rows[k] + t * r->in[k].n);
}

/* Which lanes go on? False: none. */
static bool goes_on(const scan_run *r, int64_t step)
{
    const double *flag = r->s->has_exit ? r->out[0].at : NULL;
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

/* is_masked: of lanes that do not go on nothing counts. */
static void store_step(const scan_run *r, int64_t t, bool is_masked)
{
    const ad_scan *s = r->s;
    const port *out = r->out + s->has_exit;
    double *to = r->z;
    for (uint32_t j = 0; j < s->n_carry; j++, out++) {
        if (is_masked)
            copy_going(r, to, out->at, to, out->n);
        else
            copy(to, out->at, out->n);
        to += out->n;
    }
    for (uint32_t j = 0; j < s->n_out_rows; j++, out++) {
        if (is_masked)
            copy_going(r, to + t * out->n, out->at, NULL, out->n);
        else
            copy(to + t * out->n, out->at, out->n);
        to += s->n_steps * out->n;
    }
    for (uint32_t j = 0; j < s->n_out_sums; j++, out++) {
        for (int64_t i = 0; i < out->n; i++)
            to[i] += !is_masked || r->is_going[i % r->b] != 0.0 ? out->at[i] : 0.0;
        to += out->n;
    }
    for (int64_t lane = 0; r->done != NULL && lane < r->b; lane++)
        r->done[lane] += r->is_going[lane];
}

/* ---- Independent steps, as lanes ------------------------------------------------------- */

enum { LEAST_FOR_LANES = 8 };

static bool is_independent(const ad_scan *s)
{
    return s->n_carry == 0 && !s->has_exit && !s->has_count && s->readback == NULL &&
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

/* All steps; the status of the first that fails. */
static ad_status go_round(scan_run *r)
{
    const ad_scan *s = r->s;
    const ad_run *run = r->run;
    /* A lone lane that does not go on ends the loop, or skips the step. */
    const bool is_masked = r->b > 1 && (s->has_exit || s->has_count);
    ad_status status = AD_OK;
    start(r);
    for (int64_t step = 0; step < s->n_steps && status == AD_OK; step++) {
        /* Backwards the count says where to begin: lanes join as it is reached. */
        const int64_t t = s->is_reversed ? s->n_steps - 1 - step : step;
        if (s->has_count && !goes_on(r, t)) {
            if (s->is_reversed)
                continue;
            break;
        }
        if (r->back != NULL)
            status = ad_backward_to(r->back, s->n_steps - 1 - step);
        if (status != AD_OK)
            break;
        load_step(r, step, t);
        status = ad_code_run(r->body, r->ws, r->b, run->n_used, run->mode == AD_GUARDED,
                             run->hook, run->message);
        if (status != AD_OK || (s->has_exit && !goes_on(r, t)))
            break;
        store_step(r, t, is_masked);
    }
    return status;
}

ad_status ad_vm_scan(const ad_run *run, const ad_job *job)
{
    const ad_program *p = run->code->program;
    const ad_attr attr = ad_program_attr(p, job->instr);
    ad_code *const *bodies = run->code->bodies + job->body;
    const int64_t b = run->n_lanes;
    scan_run r = {.run = run,
                  .s = attr.scan,
                  .body = bodies[0],
                  .slots = run->code->slots + job->args,
                  .z = run->ws + job->z * b,
                  .is_going = run->scratch,
                  .ws = run->scratch + (b + 7) / 8 * 8,
                  .b = b};
    if (b == 1 && is_independent(r.s))
        return run_as_rows(&r);
    if (!find_ports(&r))
        return AD_NO_MEMORY;
    ad_status status = AD_OK;
    if (r.s->readback != NULL) {
        double *scratch = run->scratch + b * (ad_vm_scan_scratch(r.s, bodies) -
                                              ad_backward_scratch(r.s, bodies));
        r.back = ad_backward_new(run, r.s, bodies, r.slots, scratch);
        status = r.back != NULL ? AD_OK : AD_NO_MEMORY;
    }
    if (status == AD_OK)
        status = go_round(&r);
    ad_backward_free(r.back);
    free(r.in);
    return status;
}
