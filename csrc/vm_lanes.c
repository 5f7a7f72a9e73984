/*
 * vm_lanes.c - runs steps over lanes, and array steps of rows over one or many.
 *
 * A row over n elements with B lanes is its kernel over n B doubles where every operand
 * has n elements. An operand with fewer is spread over a block first.
 */
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "kernel.h"
#include "vm_code.h"

/* Elements of a block: the doubles of a short kernel, and whole blocks of a sum. */
static int64_t block_of(int64_t n_lanes)
{
    return n_lanes == 1 ? AD_BLOCK : AD_SUM_BLOCK;
}

int64_t ad_loop_scratch(int64_t n, int64_t n_buffers, int64_t n_sums)
{
    return n_buffers * (n < AD_BLOCK_MOST ? n : AD_BLOCK_MOST) + n_sums * AD_SUM_DEPTH;
}

/* n elements, each with the lanes of `from`. */
static void spread(int64_t n, int64_t n_lanes, const double *from, double *to)
{
    if (n_lanes == 1)
        ad_kernel_fill(n, *from, to);
    else
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * n_lanes, from, (size_t)n_lanes * sizeof *to);
}

/* ---- Loops ------------------------------------------------------------------------- */

typedef struct loop_run {
    const ad_run *run;
    const ad_loop *loop;
    double *buffers;
    int64_t width;  /* doubles of a buffer */
    double *stacks; /* of sums */
} loop_run;

static double *find(const loop_run *l, uint32_t where, int64_t at)
{
    if (where & AD_IN_BUFFER)
        return l->buffers + (where & ~AD_IN_BUFFER) * l->width;
    return ad_vm_at(l->run, where) + at * l->run->n_lanes;
}

/* Elements `at` to at + n of x among zeros. */
static void pad(const loop_run *l, const ad_step *step, int64_t at, int64_t n,
                double *z)
{
    const int64_t b = l->run->n_lanes, begin = step->y, end = begin + step->w;
    const int64_t from = begin > at ? (begin < at + n ? begin : at + n) : at;
    const int64_t to = end < at + n ? (end > from ? end : from) : at + n;
    ad_kernel_fill((from - at) * b, 0.0, z);
    if (to > from) {
        /* In a buffer x is the block at hand: of as many elements as z. */
        const int64_t first = step->x & AD_IN_BUFFER ? from - at : from - begin;
        const double *x = find(l, step->x, 0) + first * b;
        ad_kernel_add_zero((to - from) * b, x, z + (from - at) * b);
    }
    ad_kernel_fill((at + n - to) * b, 0.0, z + (to - at) * b);
}

/* One step over n elements of a block that begins at element `at`. */
static void run_step(const loop_run *l, const ad_step *step, ad_sum *sums, int64_t at,
                     int64_t n)
{
    const ad_run *run = l->run;
    const int op = step->op[run->mode];
    const double *x = find(l, step->x, at);
    if (op == AD_STEP_PAD) {
        pad(l, step, at, n, find(l, step->z, at));
        return;
    }
    if (op == AD_STEP_SUM) {
        ad_sum_feed(&sums[step->w], n, x);
        return;
    }
    double *z = find(l, step->z, at);
    if (op == AD_STEP_COPY) {
        memcpy(z, x, (size_t)(n * run->n_lanes) * sizeof *z);
        return;
    }
    ad_kernel_primal(op)(n * run->n_lanes, x, find(l, step->y, at),
                         find(l, step->w, at), z);
}

static void end_sums(const loop_run *l, const ad_sum *sums)
{
    const ad_run *run = l->run;
    const ad_step *steps = run->code->loop_steps + l->loop->first;
    for (uint32_t k = 0; k < l->loop->n_steps; k++) {
        if (steps[k].op[AD_FAST] != AD_STEP_SUM)
            continue;
        double *z = run->ws + steps[k].z * run->n_lanes;
        ad_sum_end(&sums[steps[k].w], z);
        for (int64_t i = 0; i < run->n_lanes; i++)
            z[i] = 0.0 + z[i]; /* as a sum that starts from 0: no -0 */
    }
}

/* From so many doubles on, arrays come from beyond the caches. */
enum { FAR_AWAY = 1 << 18 };

/* Ask for a step's x and y of the block that begins at `at`: they arrive while the block
 * before it is worked on. */
static void ask_for(const loop_run *l, const ad_step *step, int64_t at, int64_t n)
{
    enum { LINE = 8 };
    const uint32_t from[] = {step->x, step->y};
    for (int k = 0; k < 2 && step->op[AD_FAST] != AD_STEP_PAD; k++)
        for (int64_t i = 0; i < n && !(from[k] & AD_IN_BUFFER); i += LINE)
            AD_PREFETCH(find(l, from[k], at) + i);
}

static void run_blocks(const loop_run *l, ad_sum *sums)
{
    const ad_loop *loop = l->loop;
    const ad_step *steps = l->run->code->loop_steps + loop->first;
    const int64_t b = l->run->n_lanes;
    /* A lone step over arrays needs no blocks. */
    const bool is_whole = loop->n_steps == 1 && loop->n_buffers == 0;
    const bool is_far = loop->n * b >= FAR_AWAY;
    for (int64_t at = 0, n; at < loop->n; at += n) {
        n = is_whole ? loop->n : ad_block_length(loop->n - at, block_of(b));
        const int64_t next = at + n, rest = loop->n - next;
        for (uint32_t k = 0; k < loop->n_steps; k++) {
            if (is_far && rest >= n)
                ask_for(l, &steps[k], next, n * b);
            run_step(l, &steps[k], sums, at, n);
        }
    }
}

ad_status ad_vm_loop(const ad_run *run, const ad_job *job)
{
    enum { FEW = 8 };
    const ad_loop *loop = &run->code->loops[job->instr];
    const int64_t b = run->n_lanes;
    const int64_t length = loop->n < AD_BLOCK_MOST ? loop->n : AD_BLOCK_MOST;
    ad_sum few[FEW], *sums = few;
    if (loop->n_sums > FEW && (sums = malloc(loop->n_sums * sizeof *sums)) == NULL)
        return AD_NO_MEMORY;
    loop_run l = {run, loop, run->scratch, length * b, NULL};
    l.stacks = l.buffers + loop->n_buffers * l.width;
    for (uint32_t k = 0; k < loop->n_sums; k++)
        ad_sum_start(&sums[k], b, l.stacks + k * AD_SUM_DEPTH * b);
    for (uint32_t k = 0; k < loop->n_spreads; k++)
        spread(length, b, run->ws + run->code->slots[loop->first_spread + k] * b,
               l.buffers + k * l.width);
    run_blocks(&l, sums);
    end_sums(&l, sums);
    if (sums != few)
        free(sums);
    return AD_OK;
}

/* ---- Broadcasts ---------------------------------------------------------------------- */

/* Walk the result; `n_args` operands, then the result itself. */
static void walk_shapes(const ad_program *p, uint32_t i, ad_walk *walk)
{
    const ad_instr *instr = &p->instr[i];
    const ad_array *z = ad_program_shape(p, i);
    int64_t strides[AD_WALK_MAX][AD_MAX_NDIM];
    const int64_t *all[AD_WALK_MAX];
    for (int k = 0; k <= instr->n_args; k++) {
        const ad_array *a = k < instr->n_args ? ad_program_shape(p, instr->args[k]) : z;
        ad_shape_strides(a != NULL ? a->ndim : 0, a != NULL ? a->shape : NULL, z->ndim,
                         z->shape, strides[k]);
        all[k] = strides[k];
    }
    ad_walk_start(walk, z->ndim, z->shape, instr->n_args + 1, all);
}

/* One run, in blocks where an operand has to be spread. */
static void broadcast_run(const ad_run *run, const ad_walk *walk,
                          ad_primal_kernel kernel, const double *const *from, double *z)
{
    const int64_t b = run->n_lanes;
    const double *in[AD_MAX_ARITY] = {from[0], from[0], from[0]};
    const int64_t length = walk->run < AD_BLOCK_MOST ? walk->run : AD_BLOCK_MOST;
    bool in_blocks = false;
    int n_args = walk->n - 1;
    for (int k = 0; k < n_args; k++) {
        in[k] = from[k];
        if (walk->step[k] != 0)
            continue;
        double *buffer = run->scratch + k * length * b;
        spread(length, b, from[k], buffer);
        in[k] = buffer;
        in_blocks = true;
    }
    for (int64_t at = 0, n; at < walk->run; at += n) {
        n = in_blocks ? ad_block_length(walk->run - at, block_of(b)) : walk->run;
        kernel(n * b, in[0], in[1], in[2], z + at * b);
        for (int k = 0; k < n_args; k++)
            in[k] += walk->step[k] * n * b;
    }
}

ad_status ad_vm_broadcast(const ad_run *run, const ad_job *job)
{
    const ad_program *p = run->code->program;
    const uint32_t *slots = run->code->slots + job->args;
    const int n_args = p->instr[job->instr].n_args;
    const int op = (int)slots[n_args + run->mode];
    ad_walk walk;
    walk_shapes(p, job->instr, &walk);
    walk.n = n_args + 1;
    for (int64_t r = 0; r < walk.n_runs; r++) {
        const double *from[AD_MAX_ARITY];
        for (int k = 0; k < n_args; k++)
            from[k] = run->ws + (slots[k] + walk.offset[k]) * run->n_lanes;
        broadcast_run(run, &walk, ad_kernel_primal(op), from,
                      run->ws + (job->z + walk.offset[n_args]) * run->n_lanes);
        if (r + 1 < walk.n_runs)
            ad_walk_next(&walk);
    }
    return AD_OK;
}

/* ---- All steps ------------------------------------------------------------------------- */

enum { LINE = 8 };

ad_status ad_vm_lanes(const ad_run *run)
{
    double *ws = run->ws;
    const int64_t b = run->n_lanes;
    /* Whole vectors: what a lane comes to must not hang on its neighbours. */
    const int64_t rounded = (run->n_used + LINE - 1) / LINE * LINE;
    const int64_t n = rounded < b ? rounded : b;
    for (const ad_step *step = run->code->steps;; step++) {
        if (n % LINE == 0)
            step = ad_kernel_steps(step, run->mode, b, n, ws);
        const int op = step->op[run->mode];
        if (op == AD_STEP_END)
            return AD_OK;
        if (op == AD_STEP_JOB) {
            const ad_job *job = &run->code->jobs[step->x];
            const ad_status status = job->run(run, job);
            if (status != AD_OK)
                return status;
            continue;
        }
        ad_kernel_primal(op)(n, ws + step->x * b, ws + step->y * b, ws + step->w * b,
                             ws + step->z * b);
    }
}
