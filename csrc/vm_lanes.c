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

/* A step with addresses: operands x, y, w and the result for element 0, and how many
 * doubles an element is further on; 0 in a buffer, which holds the block at hand. */
typedef struct placed {
    const ad_step *step;
    ad_primal_kernel kernel; /* NULL: a step that only loops have */
    double *at[4];
    int64_t move[4];
} placed;

enum { MOST_FAR = 16 };

typedef struct loop_run {
    const ad_run *run;
    const ad_loop *loop;
    double *buffers;
    int64_t width;  /* doubles of a buffer */
    double *stacks; /* of sums */
    placed *steps;
    const double
        *far[MOST_FAR]; /* arrays to ask for while the block before is worked on */
    int n_far;
} loop_run;

static void place(const loop_run *l, const ad_step *step, placed *p)
{
    const uint32_t where[] = {step->x, step->y, step->w, step->z};
    const int op = step->op[l->run->mode];
    *p = (placed){.step = step,
                  .kernel = op < AD_STEP_JOB ? ad_kernel_primal(op) : NULL};
    for (int k = 0; k < 4; k++) {
        const bool is_number = p->kernel == NULL && (k == 1 || k == 2);
        if (is_number)
            continue;
        if (where[k] & AD_IN_BUFFER) {
            p->at[k] = l->buffers + (where[k] & ~AD_IN_BUFFER) * l->width;
        } else {
            p->at[k] = ad_vm_at(l->run, where[k]);
            p->move[k] = l->run->n_lanes;
        }
    }
    if (op == AD_STEP_SUM)
        p->move[3] = 0;
}

/* Elements `at` to at + n of x among zeros. */
static void pad(const loop_run *l, const placed *p, int64_t at, int64_t n)
{
    const int64_t b = l->run->n_lanes, begin = p->step->y, end = begin + p->step->w;
    const int64_t from = begin > at ? (begin < at + n ? begin : at + n) : at;
    const int64_t to = end < at + n ? (end > from ? end : from) : at + n;
    double *z = p->at[3] + at * p->move[3];
    ad_kernel_fill((from - at) * b, 0.0, z);
    if (to > from) {
        /* In a buffer x is the block at hand: of as many elements as z. */
        const int64_t first = p->move[0] == 0 ? from - at : from - begin;
        ad_kernel_add_zero((to - from) * b, p->at[0] + first * b, z + (from - at) * b);
    }
    ad_kernel_fill((at + n - to) * b, 0.0, z + (to - at) * b);
}

/* One step over n elements of a block that begins at element `at`. */
static void run_step(const loop_run *l, const placed *p, ad_sum *sums, int64_t at,
                     int64_t n)
{
    const double *x = p->at[0] + at * p->move[0];
    double *z = p->at[3] + at * p->move[3];
    if (p->kernel != NULL)
        p->kernel(n * l->run->n_lanes, x, p->at[1] + at * p->move[1],
                  p->at[2] + at * p->move[2], z);
    else if (p->step->op[AD_FAST] == AD_STEP_PAD)
        pad(l, p, at, n);
    else if (p->step->op[AD_FAST] == AD_STEP_SUM)
        ad_sum_feed(&sums[p->step->w], n, x);
    else
        memcpy(z, x, (size_t)(n * l->run->n_lanes) * sizeof *z);
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

static void add_far(loop_run *l, const double *at)
{
    int k = 0;
    while (k < l->n_far && l->far[k] != at)
        k++;
    if (k == l->n_far && k < MOST_FAR)
        l->far[l->n_far++] = at;
}

static void place_steps(loop_run *l)
{
    const ad_loop *loop = l->loop;
    for (uint32_t k = 0; k < loop->n_steps; k++) {
        placed *p = &l->steps[k];
        place(l, l->run->code->loop_steps + loop->first + k, p);
        for (int j = 0; j < 2 && loop->n * l->run->n_lanes >= FAR_AWAY; j++)
            if (p->move[j] != 0 && p->step->op[AD_FAST] != AD_STEP_PAD)
                add_far(l, p->at[j]);
    }
}

/* Before step k of a block: ask for its share of what the next block, n doubles of each
 * array from `next` on, will read. All at once would wait for one another. */
static void ask_for(const loop_run *l, uint32_t k, int64_t next, int64_t n)
{
    enum { LINE = 8 };
    const int64_t n_lines = (n + LINE - 1) / LINE, n_steps = l->loop->n_steps;
    for (int j = 0; j < l->n_far; j++)
        for (int64_t i = n_lines * k / n_steps; i < n_lines * (k + 1) / n_steps; i++)
            AD_PREFETCH(l->far[j] + next + i * LINE);
}

static void run_blocks(const loop_run *l, ad_sum *sums)
{
    const ad_loop *loop = l->loop;
    const int64_t b = l->run->n_lanes;
    /* A lone step over arrays needs no blocks. */
    const bool is_whole = loop->n_steps == 1 && loop->n_buffers == 0;
    for (int64_t at = 0, n; at < loop->n; at += n) {
        n = is_whole ? loop->n : ad_block_length(loop->n - at, block_of(b));
        const int64_t next = at + n;
        for (uint32_t k = 0; k < loop->n_steps; k++) {
            if (l->n_far > 0 && loop->n - next >= n)
                ask_for(l, k, next * b, n * b);
            run_step(l, &l->steps[k], sums, at, n);
        }
    }
}

ad_status ad_vm_loop(const ad_run *run, const ad_job *job)
{
    enum { FEW = 8, FEW_STEPS = 32 };
    const ad_loop *loop = &run->code->loops[job->instr];
    const int64_t b = run->n_lanes;
    const int64_t length = loop->n < AD_BLOCK_MOST ? loop->n : AD_BLOCK_MOST;
    ad_sum few[FEW], *sums = few;
    placed few_steps[FEW_STEPS];
    loop_run l = {
        .run = run, .loop = loop, .buffers = run->scratch, .width = length * b};
    l.steps = few_steps;
    l.stacks = l.buffers + loop->n_buffers * l.width;
    if (loop->n_sums > FEW)
        sums = malloc(loop->n_sums * sizeof *sums);
    if (loop->n_steps > FEW_STEPS)
        l.steps = malloc(loop->n_steps * sizeof *l.steps);
    const bool has_room = sums != NULL && l.steps != NULL;
    if (has_room) {
        for (uint32_t k = 0; k < loop->n_sums; k++)
            ad_sum_start(&sums[k], b, l.stacks + k * AD_SUM_DEPTH * b);
        for (uint32_t k = 0; k < loop->n_spreads; k++)
            spread(length, b, run->ws + run->code->slots[loop->first_spread + k] * b,
                   l.buffers + k * l.width);
        place_steps(&l);
        run_blocks(&l, sums);
        end_sums(&l, sums);
    }
    if (sums != few)
        free(sums);
    if (l.steps != few_steps)
        free(l.steps);
    return has_room ? AD_OK : AD_NO_MEMORY;
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
