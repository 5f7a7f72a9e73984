/*
 * vm_code.c - makes code of a program: gives slots, writes steps, jobs and loops.
 *
 * Follows the order of a plan (vm_plan.c). A value's slots are given back after the
 * last step that reads them, its own result being given room before, so that the two
 * never overlap. Members of a loop are one step here: what a loop reads is given back
 * after the loop.
 */
#include <stdlib.h>
#include <string.h>

#include "elementwise.h"
#include "vm_code.h"
#include "vm_scan.h"

typedef struct maker {
    const ad_program *p;
    ad_code *code;
    ad_plan plan;
    ad_slots *slots;
    ad_room *room;       /* of bases */
    uint32_t *last_read; /* of bases: by which step; UINT32_MAX: lives to the end */
    uint32_t *buffer;    /* of values in the loop at hand; AD_NONE: not in one */
    uint32_t *inner;     /* of bases: which member is the last to read it */
    uint32_t *idle, n_idle; /* buffers that are free */
    bool *is_outside;       /* of bases */
    uint32_t cap_pool;
    bool has_failed;
} maker;

/* ---- Slots --------------------------------------------------------------------------- */

static uint32_t slot_of(const maker *m, uint32_t value)
{
    return m->room[m->plan.base[value]].slot + m->plan.shift[value];
}

static void take(maker *m, uint32_t value)
{
    const int64_t size = ad_program_size(m->p, value);
    if (size > 0 && !ad_slots_take(m->slots, size, &m->room[value]))
        m->has_failed = true;
}

static void give_if_last(maker *m, uint32_t base, uint32_t now)
{
    if (m->last_read[base] != now || m->room[base].room == 0)
        return;
    if (!ad_slots_give(m->slots, m->room[base]))
        m->has_failed = true;
    m->room[base].room = 0; /* once only */
}

/* Give back what instruction i, at step `now`, was the last to read or to make. */
static void give_back(maker *m, uint32_t i, uint32_t now)
{
    const uint32_t *args;
    const int n_args = ad_plan_args(&m->plan, i, &args);
    for (int k = 0; k < n_args; k++)
        give_if_last(m, m->plan.base[args[k]], now);
    give_if_last(m, i, now);
}

/* The slots of what is read outside, which the pointers to it follow. */
static void place_outside(maker *m)
{
    ad_code *code = m->code;
    for (uint32_t i = 0; i < m->p->n && !m->has_failed; i++) {
        if (!m->is_outside[i])
            continue;
        ad_room pointer;
        if (!ad_slots_take(m->slots, 1, &pointer)) {
            m->has_failed = true;
            return;
        }
        code->outside[code->n_outside++] =
            (ad_outside){m->room[i].slot, pointer.slot, ad_program_size(m->p, i)};
        code->outside_end = m->room[i].slot + (uint32_t)ad_program_size(m->p, i);
    }
}

static void place_inputs_and_constants(maker *m)
{
    const ad_program *p = m->p;
    for (uint32_t i = 0; i < p->n_inputs; i++)
        take(m, i);
    for (uint32_t i = p->n_inputs; i < p->n; i++) {
        if (p->instr[i].op != AD_OP_CONST)
            continue;
        take(m, i);
        uint32_t *pair = &m->code->consts[2 * m->code->n_consts++];
        pair[0] = i;
        pair[1] = slot_of(m, i);
    }
    place_outside(m);
}

/* Step of the k-th in order, where a loop is one step: that of its end. */
static void find_last_reads(maker *m)
{
    const ad_program *p = m->p;
    const ad_plan *plan = &m->plan;
    uint32_t loop = 0;
    for (uint32_t at = 0; at < plan->n_order; at++) {
        while (loop < plan->n_loops && plan->loops[2 * loop + 1] <= at)
            loop++;
        const bool is_inside = loop < plan->n_loops && plan->loops[2 * loop] <= at;
        const uint32_t now = is_inside ? plan->loops[2 * loop + 1] : at + 1;
        const uint32_t i = plan->order[at], *args;
        const int n_args = ad_plan_args(plan, i, &args);
        m->last_read[i] = now;
        for (int k = 0; k < n_args; k++)
            m->last_read[plan->base[args[k]]] = now;
    }
    for (uint32_t i = 0; i < p->n; i++)
        if (p->instr[i].op == AD_OP_INPUT || p->instr[i].op == AD_OP_CONST)
            m->last_read[i] = UINT32_MAX;
    for (uint32_t k = 0; k < p->n_outputs; k++)
        m->last_read[plan->base[p->outputs[k]]] = UINT32_MAX;
    for (uint32_t k = 0; k < p->n_guards; k++)
        m->last_read[plan->base[p->guards[k].value]] = UINT32_MAX;
}

/* ---- Steps ---------------------------------------------------------------------------- */

static void pool(maker *m, uint32_t slot)
{
    ad_code *code = m->code;
    if (code->n_pooled == m->cap_pool) {
        const uint32_t cap = m->cap_pool > 0 ? 2 * m->cap_pool : 64;
        uint32_t *grown = realloc(code->slots, cap * sizeof *grown);
        if (grown == NULL) {
            m->has_failed = true;
            return;
        }
        code->slots = grown;
        m->cap_pool = cap;
    }
    code->slots[code->n_pooled++] = slot;
}

static void need_scratch(maker *m, int64_t elements, int64_t doubles)
{
    ad_code *code = m->code;
    if (elements > code->scratch_elements)
        code->scratch_elements = elements;
    if (doubles > code->scratch_doubles)
        code->scratch_doubles = doubles;
}

static bool is_square(const ad_program *p, uint32_t i)
{
    if (p->instr[i].op != AD_OP_POW)
        return false;
    const ad_instr *y = &p->instr[p->instr[i].args[1]];
    return y->op == AD_OP_CONST && y->shape == 0 &&
           ad_elementwise_cheapest(AD_OP_POW, y->number) == AD_OP_SQUARE;
}

/* Opcodes of a row: a guarded product may be a plain one unless it could hide a NaN. */
static ad_step step_of_row(maker *m, uint32_t i)
{
    ad_step step = {.op = {m->p->instr[i].op, m->p->instr[i].op}};
    if (m->plan.pair[i] != AD_NONE) {
        const ad_pair *pair = &m->plan.pairs[m->plan.pair[i]];
        memcpy(step.op, pair->op, sizeof step.op);
        m->code->has_guarded |= pair->op[AD_FAST] != pair->op[AD_GUARDED];
        return step;
    }
    if (is_square(m->p, i))
        step.op[AD_FAST] = step.op[AD_GUARDED] = AD_OP_SQUARE;
    if (step.op[AD_FAST] == AD_OP_GUARDED_MUL && !m->plan.is_guarded[i]) {
        step.op[AD_FAST] = AD_OP_MUL;
        m->code->has_guarded = true;
    }
    return step;
}

static void set_operand(ad_step *step, int k, uint32_t where)
{
    uint32_t *operand = k == 0 ? &step->x : k == 1 ? &step->y : &step->w;
    *operand = where;
}

static void add_scalar(maker *m, uint32_t i)
{
    ad_step step = step_of_row(m, i);
    const uint32_t *args;
    const int n_args = ad_plan_args(&m->plan, i, &args);
    step.z = slot_of(m, i);
    for (int k = 0; k < AD_MAX_ARITY; k++)
        set_operand(&step, k, slot_of(m, args[k < n_args ? k : 0]));
    m->code->steps[m->code->n_steps++] = step;
}

static void add_job(maker *m, ad_job job)
{
    ad_code *code = m->code;
    code->jobs[code->n_jobs] = job;
    code->steps[code->n_steps++] =
        (ad_step){.op = {AD_STEP_JOB, AD_STEP_JOB}, .x = code->n_jobs++};
}

static ad_code *make_code(ad_program *p, ad_plan_kind kind);

/* One more body of the code. False: no memory. */
static bool add_body(maker *m, ad_program *program, ad_plan_kind kind)
{
    ad_code *code = m->code, *body = make_code(program, kind);
    ad_code **grown = realloc(code->bodies, (code->n_bodies + 1) * sizeof *grown);
    if (grown != NULL)
        code->bodies = grown;
    if (grown == NULL || body == NULL) {
        ad_code_free(body);
        m->has_failed = true;
        return false;
    }
    code->bodies[code->n_bodies++] = body;
    code->needs_hook |= body->needs_hook;
    code->has_guarded |= body->has_guarded;
    return true;
}

/* The body of a loop, which is the job's, and of those whose carries it computes again:
 * rightly at once, as they were computed the first time. */
static void add_scan(maker *m, uint32_t i, ad_job *job)
{
    const ad_scan *s = ad_program_attr(m->p, i).scan;
    const ad_readback *back = s->readback;
    const bool is_guarded = m->plan.is_guarded[i] || s->has_exit;
    job->run = ad_vm_scan;
    job->body = m->code->n_bodies;
    bool is_made =
        add_body(m, s->body, is_guarded ? AD_PLAN_GUARDED_BODY : AD_PLAN_BODY);
    for (uint32_t j = 0; back != NULL && j < back->n_loops && is_made; j++)
        is_made = add_body(m, back->loops[j]->body, AD_PLAN_GUARDED_BODY);
    if (is_made)
        need_scratch(m, ad_vm_scan_scratch(s, m->code->bodies + job->body), 0);
}

static void add_structural(maker *m, uint32_t i)
{
    const ad_instr *instr = &m->p->instr[i];
    ad_job job = {.run = ad_vm_structural,
                  .instr = i,
                  .args = m->code->n_pooled,
                  .z = slot_of(m, i)};
    const uint32_t *args = ad_instr_args(m->p, instr);
    for (int k = 0; k < instr->n_args; k++)
        pool(m, slot_of(m, args[k]));
    if (instr->op < AD_N_ROWS) { /* its opcodes stand after the operands */
        const ad_step step = step_of_row(m, i);
        job.run = ad_vm_broadcast;
        pool(m, step.op[AD_FAST]);
        pool(m, step.op[AD_GUARDED]);
        need_scratch(m, ad_loop_scratch(ad_program_size(m->p, i), AD_MAX_ARITY, 0), 0);
    } else if (instr->op == AD_OP_SCAN)
        add_scan(m, i, &job);
    else if (instr->op == AD_OP_PACK)
        job.run = ad_vm_pack;
    else {
        need_scratch(m, 0, ad_vm_structural_scratch(m->p, i));
        m->code->needs_hook |= ad_vm_structural_needs_hook(m->p, i);
    }
    add_job(m, job);
}

/* ---- Small arrays ------------------------------------------------------------------------ */

static void add_elements(maker *m, uint32_t i)
{
    const uint32_t *args;
    const int n_args = ad_plan_args(&m->plan, i, &args);
    ad_step step = step_of_row(m, i);
    for (uint32_t e = 0; e < ad_program_size(m->p, i); e++) {
        step.z = slot_of(m, i) + e;
        for (int k = 0; k < AD_MAX_ARITY; k++) {
            const uint32_t x = args[k < n_args ? k : 0];
            set_operand(&step, k,
                        slot_of(m, x) + (ad_program_size(m->p, x) > 1 ? e : 0));
        }
        m->code->steps[m->code->n_steps++] = step;
    }
}

/* One after the other, as kernel_sum.c does with so few. */
static void add_total(maker *m, uint32_t i)
{
    const uint32_t x = slot_of(m, m->p->instr[i].args[0]), z = slot_of(m, i);
    const uint32_t n = ad_plan_small(m->p, i) - 1;
    ad_room partial[AD_SMALL];
    for (uint32_t e = 0; e < n; e++) {
        if (e + 1 < n && !ad_slots_take(m->slots, 1, &partial[e]))
            m->has_failed = true;
        if (m->has_failed)
            return;
        const uint16_t op = e == 0 ? AD_STEP_SUM_BEGIN : AD_OP_ADD;
        m->code->steps[m->code->n_steps++] =
            (ad_step){.op = {op, op},
                      .x = e == 0 ? x : partial[e - 1].slot,
                      .y = x + e + 1,
                      .w = x,
                      .z = e + 1 < n ? partial[e].slot : z};
    }
    for (uint32_t e = 0; e + 1 < n; e++)
        m->has_failed |= !ad_slots_give(m->slots, partial[e]);
}

/* ---- Loops ---------------------------------------------------------------------------- */

static bool is_linear_scalar(const maker *m, const ad_loop *loop, uint32_t value)
{
    return loop->n > 1 && ad_program_size(m->p, value) == 1;
}

/* Pass 1: which scalars are spread, into the first buffers; who reads what last. */
static void find_spreads(maker *m, ad_loop *loop, uint32_t n, const uint32_t *members)
{
    for (uint32_t j = 0; j < n; j++) {
        const uint32_t *args;
        const int n_args = ad_plan_args(&m->plan, members[j], &args);
        m->inner[members[j]] = j;
        for (int k = 0; k < n_args; k++) {
            m->inner[m->plan.base[args[k]]] = j;
            if (!is_linear_scalar(m, loop, args[k]) || m->buffer[args[k]] != AD_NONE)
                continue;
            pool(m, slot_of(m, args[k]));
            m->buffer[args[k]] = loop->n_spreads++;
        }
    }
    loop->n_buffers = loop->n_spreads;
}

static uint32_t operand_of(const maker *m, const ad_loop *loop, uint32_t value)
{
    const uint32_t key = is_linear_scalar(m, loop, value) ? value : m->plan.base[value];
    return m->buffer[key] != AD_NONE ? AD_IN_BUFFER | m->buffer[key]
                                     : slot_of(m, value);
}

/* Where a member's result goes: a buffer if nothing outside reads it. */
static uint32_t place_member(maker *m, ad_loop *loop, uint32_t i, uint32_t now)
{
    if (m->last_read[i] == now && loop->n > 1 && ad_program_size(m->p, i) > 1) {
        m->buffer[i] = m->n_idle > 0 ? m->idle[--m->n_idle] : loop->n_buffers++;
        return AD_IN_BUFFER | m->buffer[i];
    }
    take(m, i);
    return slot_of(m, i);
}

static void release_buffer(maker *m, const ad_loop *loop, uint32_t base, uint32_t j)
{
    const uint32_t buffer = m->buffer[base];
    if (buffer == AD_NONE || buffer < loop->n_spreads || m->inner[base] != j)
        return;
    m->idle[m->n_idle++] = buffer;
    m->inner[base] = AD_NONE; /* once only */
}

/* A member that adds up: everything, or into other places. */
static void set_sum(const maker *m, ad_loop *loop, uint32_t i, ad_step *step)
{
    const bool is_pad = ad_plan_class(m->p, i) == AD_PAD;
    step->op[AD_FAST] = step->op[AD_GUARDED] = is_pad ? AD_STEP_PAD : AD_STEP_SUM;
    step->y = (uint32_t)ad_program_attr(m->p, i).offset;
    step->w = is_pad ? (uint32_t)ad_program_size(m->p, m->p->instr[i].args[0])
                     : loop->n_sums++;
}

static void add_member(maker *m, ad_loop *loop, uint32_t i, uint32_t j, uint32_t now)
{
    const ad_instr *instr = &m->p->instr[i];
    const uint32_t *args;
    const int n_args = ad_plan_args(&m->plan, i, &args);
    ad_step step = step_of_row(m, i);
    for (int k = 0; k < AD_MAX_ARITY; k++)
        set_operand(&step, k, operand_of(m, loop, args[k < n_args ? k : 0]));
    if (instr->op == AD_OP_STRIDED && m->last_read[i] == now) {
        m->buffer[i] = step.x & ~AD_IN_BUFFER; /* it is the scalar's */
        return;
    }
    step.z = place_member(m, loop, i, now);
    if (instr->op == AD_OP_STRIDED)
        step.op[AD_FAST] = step.op[AD_GUARDED] = AD_STEP_COPY;
    if (instr->op == AD_OP_STRIDED_ADD)
        set_sum(m, loop, i, &step);
    m->code->loop_steps[m->code->n_loop_steps++] = step;
    for (int k = 0; k < n_args; k++)
        release_buffer(m, loop, m->plan.base[args[k]], j);
    release_buffer(m, loop, i, j);
}

/* n members, in order; `now` is the step that reads for all of them. */
static void add_loop(maker *m, uint32_t n, const uint32_t *members, uint32_t now)
{
    ad_code *code = m->code;
    ad_loop loop = {.n = ad_plan_loop_length(m->p, members[0]),
                    .first = code->n_loop_steps,
                    .first_spread = code->n_pooled};
    m->n_idle = 0;
    find_spreads(m, &loop, n, members);
    for (uint32_t j = 0; j < n; j++)
        add_member(m, &loop, members[j], j, now);
    for (uint32_t j = 0; j < n; j++) {
        const uint32_t *args;
        const int n_args = ad_plan_args(&m->plan, members[j], &args);
        for (int k = 0; k < n_args; k++)
            m->buffer[args[k]] = AD_NONE;
        give_back(m, members[j], now);
        m->buffer[members[j]] = AD_NONE;
    }
    loop.n_steps = code->n_loop_steps - loop.first;
    need_scratch(m, ad_loop_scratch(loop.n, loop.n_buffers, loop.n_sums), 0);
    code->loops[code->n_loops] = loop;
    add_job(m, (ad_job){.run = ad_vm_loop, .instr = code->n_loops++});
}

/* ---- The whole -------------------------------------------------------------------------- */

static void add_one(maker *m, uint32_t i, uint32_t now)
{
    const ad_shape_class class = ad_plan_class(m->p, i);
    const int64_t size = ad_program_size(m->p, i);
    const bool is_small = ad_plan_small(m->p, i) > 0;
    if (class == AD_LINEAR && size > 0 && !is_small) {
        add_loop(m, 1, &i, now);
        return;
    }
    if (size > 0) {
        take(m, i);
        if (class == AD_SCALAR)
            add_scalar(m, i);
        else if (is_small && class == AD_LINEAR)
            add_elements(m, i);
        else if (is_small)
            add_total(m, i);
        else
            add_structural(m, i);
    }
    give_back(m, i, now);
}

static void add_steps(maker *m)
{
    const ad_plan *plan = &m->plan;
    uint32_t loop = 0;
    for (uint32_t at = 0; at < plan->n_order && !m->has_failed;) {
        if (loop < plan->n_loops && plan->loops[2 * loop] == at) {
            const uint32_t end = plan->loops[2 * loop++ + 1];
            add_loop(m, end - at, plan->order + at, end);
            at = end;
        } else {
            add_one(m, plan->order[at], at + 1);
            at++;
        }
    }
    m->code->steps[m->code->n_steps++] = (ad_step){.op = {AD_STEP_END, AD_STEP_END}};
}

static uint32_t *slots_of(const maker *m, uint32_t n, const uint32_t *values)
{
    uint32_t *slots = malloc((n > 0 ? n : 1) * sizeof *slots);
    for (uint32_t k = 0; k < n && slots != NULL; k++)
        slots[k] = slot_of(m, values != NULL ? values[k] : k);
    return slots;
}

static bool place_ends(maker *m)
{
    const ad_program *p = m->p;
    ad_code *code = m->code;
    uint32_t *guards = malloc((p->n_guards > 0 ? p->n_guards : 1) * sizeof *guards);
    for (uint32_t k = 0; k < p->n_guards && guards != NULL; k++)
        guards[k] = slot_of(m, p->guards[k].value);
    code->guards = guards;
    code->inputs = slots_of(m, p->n_inputs, NULL);
    code->outputs = slots_of(m, p->n_outputs, p->outputs);
    code->n_slots = ad_slots_end(m->slots);
    return guards != NULL && code->inputs != NULL && code->outputs != NULL;
}

static bool make_room(maker *m)
{
    const ad_program *p = m->p;
    ad_code *code = m->code;
    const size_t n = (size_t)p->n + 1;
    size_t n_consts = 1, n_jobs = 1, n_large = 1, n_steps = 1;
    for (uint32_t i = 0; i < p->n; i++) {
        n_consts += p->instr[i].op == AD_OP_CONST;
        n_large += ad_plan_is_large(p, i);
    }
    for (uint32_t k = 0; k < m->plan.n_order; k++) {
        n_jobs += ad_plan_class(p, m->plan.order[k]) != AD_SCALAR;
        n_steps += 1 + ad_plan_small(p, m->plan.order[k]);
    }
    m->slots = ad_slots_new(p->n_shapes + 1);
    m->room = calloc(n, sizeof *m->room);
    m->last_read = calloc(n, sizeof *m->last_read);
    m->buffer = malloc(n * sizeof *m->buffer);
    m->inner = malloc(n * sizeof *m->inner);
    m->idle = malloc(n_jobs * sizeof *m->idle);
    m->is_outside = calloc(n, sizeof *m->is_outside);
    code->outside = malloc(n_large * sizeof *code->outside);
    code->steps = malloc(n_steps * sizeof *code->steps);
    code->jobs = malloc(n_jobs * sizeof *code->jobs);
    code->loops = malloc(n_jobs * sizeof *code->loops);
    code->loop_steps = malloc(n_jobs * sizeof *code->loop_steps);
    code->consts = malloc(2 * n_consts * sizeof *code->consts);
    if (m->buffer != NULL)
        memset(m->buffer, 0xff, n * sizeof *m->buffer); /* AD_NONE */
    return m->slots != NULL && m->room != NULL && m->last_read != NULL &&
           m->buffer != NULL && m->inner != NULL && m->idle != NULL &&
           m->is_outside != NULL && code->outside != NULL && code->steps != NULL &&
           code->jobs != NULL && code->loops != NULL && code->loop_steps != NULL &&
           code->consts != NULL;
}

static void drop_maker(maker *m)
{
    ad_plan_drop(&m->plan);
    ad_slots_free(m->slots);
    free(m->room);
    free(m->last_read);
    free(m->buffer);
    free(m->inner);
    free(m->idle);
    free(m->is_outside);
}

static ad_code *make_lowered(ad_program *p, ad_plan_kind kind)
{
    maker m = {.p = p, .code = calloc(1, sizeof *m.code)};
    if (m.code == NULL)
        return NULL;
    m.code->program = ad_program_keep(p);
    bool is_made = ad_plan_make(&m.plan, p, kind) && make_room(&m);
    if (is_made) {
        find_last_reads(&m);
        ad_plan_outside(&m.plan, m.is_outside);
        place_inputs_and_constants(&m);
        if (!m.has_failed)
            add_steps(&m);
        is_made = !m.has_failed && place_ends(&m);
    }
    drop_maker(&m);
    if (!is_made) {
        ad_code_free(m.code);
        return NULL;
    }
    return m.code;
}

static ad_code *make_code(ad_program *p, ad_plan_kind kind)
{
    ad_program *lowered = ad_vm_lower(p);
    ad_program *wide = NULL;
    if (lowered != NULL)
        wide = kind == AD_PLAN_WHOLE ? ad_vm_widen(lowered) : ad_program_keep(lowered);
    ad_program *merged = wide != NULL ? ad_vm_merge(wide) : NULL;
    ad_code *code = merged != NULL ? make_lowered(merged, kind) : NULL;
    ad_program_drop(lowered);
    ad_program_drop(wide);
    ad_program_drop(merged);
    return code;
}

ad_code *ad_code_new(ad_program *p)
{
    return make_code(p, AD_PLAN_WHOLE);
}

void ad_code_free(ad_code *code)
{
    if (code == NULL)
        return;
    ad_program_drop(code->program);
    for (uint32_t k = 0; k < code->n_bodies; k++)
        ad_code_free(code->bodies[k]);
    free(code->bodies);
    free(code->steps);
    free(code->jobs);
    free(code->loops);
    free(code->loop_steps);
    free(code->slots);
    free(code->inputs);
    free(code->outputs);
    free(code->guards);
    free(code->consts);
    free(code->outside);
    free(code);
}
