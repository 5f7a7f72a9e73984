/*
 * vm_readback.c - carries of loops, backwards, out of few of them: see ad_readback of
 * scan.h, and schedule.h for which to keep on the way.
 *
 *      scratch    workspace of each body ... | carries now | snapshots, a stack
 *
 * Carries and snapshots hold those of all loops, one after another: the loops go through
 * the same steps together. The lowest snapshot is that of step 0.
 */
#include <stdlib.h>
#include <string.h>

#include "schedule.h"
#include "vm_scan.h"

enum { ALIGNMENT = 8 };

typedef struct one {
    const ad_scan *s;
    const ad_code *body;
    double *ws;
    const uint32_t *slots; /* of its operands: shared, what it kept, rows */
} one;

struct ad_backward {
    const ad_run *run;
    int64_t b, n_steps, n_snapshots;
    int64_t width;    /* doubles of all carries */
    int64_t depth;    /* snapshots there are */
    int64_t *at;      /* and their steps */
    double **carries; /* where each of all carries is now */
    double *now, *kept;
    uint32_t n_loops;
    one loops[];
};

static int64_t of_body(const ad_code *body)
{
    return (body->n_slots + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT +
           body->scratch_elements + body->scratch_doubles + 2 * ALIGNMENT;
}

static int64_t carry_size(const ad_scan *s, uint32_t k)
{
    return ad_program_size(s->body, s->n_shared + k);
}

static int64_t width_of(const ad_readback *back)
{
    int64_t width = 0;
    for (uint32_t j = 0; j < back->n_loops; j++)
        for (uint32_t k = 0; k < back->loops[j]->n_carry; k++)
            width += carry_size(back->loops[j], k);
    return width;
}

int64_t ad_backward_scratch(const ad_scan *scan, ad_code *const *bodies)
{
    const ad_readback *back = scan->readback;
    int64_t n = 0;
    if (back == NULL)
        return 0;
    for (uint32_t j = 0; j < back->n_loops; j++)
        n += of_body(bodies[1 + j]);
    return n + width_of(back) * (1 + back->loops[0]->n_snapshots);
}

static void copy(double *to, const double *from, int64_t n)
{
    if (n > 0)
        memcpy(to, from, (size_t)n * sizeof *to);
}

static const double *operand(const ad_backward *back, const one *loop, uint32_t k)
{
    return ad_vm_at(back->run, loop->slots[k]);
}

/* The body's input k takes these elements, or reads them where they are. */
static void load(const ad_backward *back, const one *loop, uint32_t k,
                 const double *from)
{
    const ad_program *body = loop->s->body;
    if (back->b == 1 && ad_plan_is_large(body, k))
        ad_code_load(loop->body, loop->ws, k, from);
    else
        copy(loop->ws + ad_code_input(loop->body, k) * back->b, from,
             ad_program_size(body, k) * back->b);
}

/* ---- At the beginning ----------------------------------------------------------------- */

/* Lay a loop out; returns where the scratch behind its own begins. */
static double *place_loop(ad_backward *back, one *loop, double *scratch)
{
    loop->ws = scratch;
    ad_code_prepare(loop->body, loop->ws, back->b);
    for (uint32_t k = 0; k < loop->s->n_shared; k++)
        load(back, loop, k, operand(back, loop, k));
    return scratch + of_body(loop->body) * back->b;
}

/* The snapshots that the loops kept, as the same schedule says once more. Loops that
 * ended early kept fewer: nobody goes back to what they have not reached. */
static void take_snapshots(ad_backward *back)
{
    for (int64_t step = 0, stride = 1; stride > 0; step += stride) {
        double *to = back->kept + back->depth * back->width;
        for (uint32_t j = 0; j < back->n_loops; j++) {
            const one *loop = &back->loops[j];
            for (uint32_t k = 0; k < loop->s->n_carry; k++) {
                const int64_t n = carry_size(loop->s, k) * back->b;
                copy(to, operand(back, loop, loop->s->n_shared + k) + back->depth * n,
                     n);
                to += n;
            }
        }
        back->at[back->depth++] = step;
        stride = ad_schedule_stride(back->n_steps - step,
                                    back->n_snapshots + 1 - back->depth);
    }
}

ad_backward *ad_backward_new(const ad_run *run, const ad_scan *scan,
                             ad_code *const *bodies, const uint32_t *slots,
                             double *scratch)
{
    const ad_readback *readback = scan->readback;
    uint32_t n_carry = 0, n_args = ad_scan_n_args(scan);
    for (uint32_t j = 0; j < readback->n_loops; j++)
        n_carry += readback->loops[j]->n_carry;
    ad_backward *back = calloc(1, sizeof *back + readback->n_loops * sizeof(one));
    if (back == NULL)
        return NULL;
    back->run = run;
    back->b = run->n_lanes;
    back->n_steps = scan->n_steps;
    back->n_snapshots = readback->loops[0]->n_snapshots;
    back->width = width_of(readback) * back->b;
    back->n_loops = readback->n_loops;
    back->at = calloc((size_t)back->n_snapshots + 1, sizeof *back->at);
    back->carries = calloc((size_t)n_carry + 1, sizeof *back->carries);
    if (back->at == NULL || back->carries == NULL) {
        ad_backward_free(back);
        return NULL;
    }
    for (uint32_t j = 0; j < back->n_loops; j++) {
        back->loops[j] = (one){
            .s = readback->loops[j], .body = bodies[1 + j], .slots = slots + n_args};
        scratch = place_loop(back, &back->loops[j], scratch);
        n_args += back->loops[j].s->body->n_inputs;
    }
    back->now = scratch;
    back->kept = scratch + back->width;
    double *at = back->now;
    for (uint32_t j = 0, which = 0; j < back->n_loops; j++)
        for (uint32_t k = 0; k < back->loops[j].s->n_carry; k++) {
            back->carries[which++] = at;
            at += carry_size(back->loops[j].s, k) * back->b;
        }
    take_snapshots(back);
    return back;
}

void ad_backward_free(ad_backward *back)
{
    if (back == NULL)
        return;
    free(back->at);
    free(back->carries);
    free(back);
}

/* ---- A step back ------------------------------------------------------------------------ */

/* One step forward from the carries now: their next. */
static ad_status advance(ad_backward *back, int64_t step)
{
    const ad_run *run = back->run;
    double *now = back->now;
    for (uint32_t j = 0; j < back->n_loops; j++) {
        const one *loop = &back->loops[j];
        const ad_scan *s = loop->s;
        const int64_t t = s->is_reversed ? s->n_steps - 1 - step : step;
        double *at = now;
        for (uint32_t k = 0; k < s->n_carry; k++) {
            const int64_t n = carry_size(s, k) * back->b;
            load(back, loop, s->n_shared + k, at);
            at += n;
        }
        for (uint32_t k = s->n_shared + s->n_carry; k < s->body->n_inputs; k++) {
            const int64_t n = ad_program_size(s->body, k) * back->b;
            load(back, loop, k, operand(back, loop, k) + t * n);
        }
        ad_status status =
            ad_code_run(loop->body, loop->ws, back->b, run->n_used,
                        run->mode == AD_GUARDED, run->hook, run->message);
        if (status != AD_OK)
            return status;
        for (uint32_t k = 0; k < s->n_carry; k++) {
            const int64_t n = carry_size(s, k) * back->b;
            copy(now, loop->ws + ad_code_output(loop->body, k + s->has_exit) * back->b,
                 n);
            now += n;
        }
    }
    return AD_OK;
}

ad_status ad_backward_to(ad_backward *back, int64_t wanted)
{
    while (back->at[back->depth - 1] > wanted)
        back->depth--;
    int64_t step = back->at[back->depth - 1];
    copy(back->now, back->kept + (back->depth - 1) * back->width, back->width);
    int64_t next = step;
    while (step < wanted) {
        if (step == next) {
            const int64_t stride = ad_schedule_stride(
                wanted + 1 - step, back->n_snapshots + 1 - back->depth);
            next = stride > 0 ? step + stride : -1;
        }
        ad_status status = advance(back, step++);
        if (status != AD_OK)
            return status;
        if (step == next) {
            back->at[back->depth] = step;
            copy(back->kept + back->depth++ * back->width, back->now, back->width);
        }
    }
    return AD_OK;
}

const double *ad_backward_carry(const ad_backward *back, uint32_t carry)
{
    return back->carries[carry];
}
