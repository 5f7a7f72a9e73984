/*
 * vm_lower.c - ad_vm_lower of vm_code.h: a program as it is run. What only derivatives
 * would read is left out: CALLs, and what loops keep for nobody. Where a loop wants its
 * carries kept by few snapshots, it keeps those, and the loops that read them compute
 * the rest again.
 *
 * That is so where all that reads the kept carries are rows of loops over the same steps
 * the other way; else they are all kept, which is never wrong.
 */
#include <stdlib.h>

#include "apply.h"
#include "builder.h"
#include "runs.h"
#include "scan.h"
#include "vm_code.h"

typedef enum keeping {
    NOT_KEEPING, /* no loop, or it keeps nothing */
    UNREAD,
    KEEPS_FEW,
    KEEPS_ALL,
} keeping;

typedef struct lowering {
    const ad_program *p;
    keeping *of;       /* of each instruction, if it is a loop */
    uint32_t *view_of; /* the loop of whose kept carries it is one, or AD_NONE */
    uint32_t *carry;   /* and which */
    ad_builder *b;
    ad_value *values;
} lowering;

static const ad_scan *loop_at(const ad_program *p, uint32_t i)
{
    return p->instr[i].op == AD_OP_SCAN ? p->extras[p->instr[i].extra].attr.scan : NULL;
}

/* ---- Who reads what loops keep ------------------------------------------------------ */

/* Elements of x that a STRIDED shows: the last of them, and one more. */
static int64_t end_of_view(const ad_program *p, uint32_t i)
{
    const ad_array *shape = ad_program_shape(p, i);
    const ad_extra *extra = &p->extras[p->instr[i].extra];
    int64_t end = extra->attr.offset + 1;
    for (int k = 0; shape != NULL && k < shape->ndim; k++)
        if (extra->attr.strides[k] > 0)
            end += (shape->shape[k] - 1) * extra->attr.strides[k];
    return end;
}

/* Instruction i reads the result of loop x. */
static void read_result(lowering *w, uint32_t i, uint32_t x)
{
    const ad_program *p = w->p;
    const ad_scan *s = loop_at(p, x);
    const ad_extra *extra =
        p->instr[i].extra != AD_NONE ? &p->extras[p->instr[i].extra] : NULL;
    if (p->instr[i].op != AD_OP_STRIDED) {
        w->of[x] = KEEPS_ALL;
        return;
    }
    if (end_of_view(p, i) <= ad_scan_offset(s, AD_SCAN_KEPT, 0))
        return;
    if (w->of[x] == UNREAD)
        w->of[x] = s->n_snapshots > 0 && s->n_snapshots < s->n_steps &&
                           !(s->has_count && s->is_reversed) /* lanes join on the way */
                       ? KEEPS_FEW
                       : KEEPS_ALL;
    for (uint32_t k = 0; k < s->n_carry; k++)
        if (extra->attr.offset == ad_scan_offset(s, AD_SCAN_KEPT, k) &&
            ad_program_size(p, i) ==
                ad_program_size(s->body, s->n_shared + k) * s->n_steps &&
            ad_runs_is_contiguous(ad_program_shape(p, i), extra->n_strides,
                                  extra->attr.strides)) {
            w->view_of[i] = x;
            w->carry[i] = k;
            return;
        }
    w->of[x] = KEEPS_ALL;
}

/* Instruction i reads as operand k what loop x keeps. */
static void read_kept(lowering *w, uint32_t i, uint32_t k, uint32_t x)
{
    const ad_scan *reader = loop_at(w->p, i), *s = loop_at(w->p, x);
    if (reader == NULL || reader->n_steps != s->n_steps ||
        reader->n_snapshots != s->n_snapshots || reader->has_exit ||
        reader->has_count != (s->has_exit || s->has_count) ||
        reader->is_reversed == s->is_reversed ||
        k < reader->has_count + reader->n_shared + reader->n_carry)
        w->of[x] = KEEPS_ALL;
}

static void read_value(lowering *w, uint32_t value)
{
    if (w->of[value] != NOT_KEEPING)
        w->of[value] = KEEPS_ALL;
    if (w->view_of[value] != AD_NONE)
        w->of[w->view_of[value]] = KEEPS_ALL;
}

/* Is it a view of carries that are computed again? */
static bool is_few(const lowering *w, uint32_t i)
{
    return w->view_of[i] != AD_NONE && w->of[w->view_of[i]] == KEEPS_FEW;
}

static bool reads_back(const lowering *w, uint32_t i)
{
    const uint32_t *args = ad_instr_args(w->p, &w->p->instr[i]);
    for (int k = 0; loop_at(w->p, i) != NULL && k < w->p->instr[i].n_args; k++)
        if (is_few(w, args[k]))
            return true;
    return false;
}

static void find_keeping(lowering *w)
{
    const ad_program *p = w->p;
    for (uint32_t i = 0; i < p->n; i++) {
        const ad_scan *s = loop_at(p, i);
        w->of[i] = s != NULL && s->keeps_carry ? UNREAD : NOT_KEEPING;
        w->view_of[i] = AD_NONE;
        const uint32_t *args = ad_instr_args(p, &p->instr[i]);
        const int n_args = p->instr[i].op != AD_OP_INPUT ? p->instr[i].n_args : 0;
        for (int k = 0; k < n_args; k++) {
            if (w->of[args[k]] != NOT_KEEPING)
                read_result(w, i, args[k]);
            if (w->view_of[args[k]] != AD_NONE)
                read_kept(w, i, (uint32_t)k, w->view_of[args[k]]);
        }
    }
    for (uint32_t k = 0; k < p->n_outputs; k++)
        read_value(w, p->outputs[k]);
    for (uint32_t k = 0; k < p->n_guards; k++)
        read_value(w, p->guards[k].value);
    for (uint32_t i = 0; i < p->n;
         i++) /* one that is computed again has all it reads */
        if (w->of[i] == KEEPS_FEW && reads_back(w, i))
            w->of[i] = KEEPS_ALL;
}

/* ---- What is made of them ------------------------------------------------------------ */

static ad_status apply_loop(lowering *w, uint32_t i, const ad_scan *like, int n_args,
                            const ad_value *args)
{
    ad_scan *scan = ad_scan_new(like);
    if (scan == NULL)
        return AD_NO_MEMORY;
    const ad_attr attr = {.scan = scan};
    w->b->line = w->p->instr[i].line;
    ad_status status =
        ad_apply(w->b->tape, AD_OP_SCAN, n_args, args, &attr, &w->values[i]);
    if (status != AD_OK)
        w->values[i].array = NULL;
    ad_scan_drop(scan);
    return status;
}

/* A carry that a loop keeps, all the snapshots of it. */
static ad_status snapshots(const lowering *w, uint32_t x, uint32_t k, ad_value *out)
{
    const uint32_t made = w->values[x].entry;
    const ad_scan *s = loop_at(w->b->program, made);
    const int64_t extent = ad_program_size(s->body, s->n_shared + k) * s->n_snapshots;
    const int64_t one = 1;
    ad_array *shape = ad_array_ghost(1, &extent);
    if (shape == NULL)
        return AD_NO_MEMORY;
    const ad_attr attr = {
        .offset = ad_scan_offset(s, AD_SCAN_KEPT, k), .shape = shape, .strides = &one};
    ad_status status =
        ad_apply(w->b->tape, AD_OP_STRIDED, 1, &w->values[x], &attr, out);
    ad_array_drop(shape);
    return status;
}

/* Which of the loops found so far is x? One more, if none. */
static uint32_t place_of(uint32_t x, uint32_t *loops, uint32_t *n)
{
    for (uint32_t j = 0; j < *n; j++)
        if (loops[j] == x)
            return j;
    loops[*n] = x;
    return (*n)++;
}

/* The loops whose carries instruction i reads; n_extra: operands that this adds. */
static ad_readback *find_readback(const lowering *w, uint32_t i, uint32_t *loops,
                                  uint32_t *n_extra)
{
    const ad_scan *s = loop_at(w->p, i);
    const uint32_t *args = ad_instr_args(w->p, &w->p->instr[i]);
    uint32_t n = 0;
    for (uint32_t k = s->has_count; k < ad_scan_n_args(s); k++)
        if (is_few(w, args[k]))
            place_of(w->view_of[args[k]], loops, &n);
    ad_readback *back = ad_readback_new(n, s->body->n_inputs);
    *n_extra = 0;
    for (uint32_t j = 0; j < n && back != NULL; j++) {
        const ad_scan *made = loop_at(w->b->program, w->values[loops[j]].entry);
        uint32_t first = 0;
        for (uint32_t before = 0; before < j; before++)
            first += back->loops[before]->n_carry;
        for (uint32_t k = s->has_count; k < ad_scan_n_args(s); k++)
            if (is_few(w, args[k]) && w->view_of[args[k]] == loops[j])
                back->carry_of[k - s->has_count] = first + w->carry[args[k]];
        back->loops[back->n_loops++] = ad_scan_keep((ad_scan *)made);
        *n_extra += made->body->n_inputs;
    }
    return back;
}

/* Operands of loop i: where it computes carries again, its first state in their place;
 * then those of the loops. New references in made; all of them are to be dropped. */
static ad_status readback_operands(const lowering *w, uint32_t i,
                                   const ad_readback *back, const uint32_t *loops,
                                   ad_value *args, ad_value *made, int *n_made)
{
    const uint32_t *at = ad_instr_args(w->p, &w->p->instr[i]);
    int n = w->p->instr[i].n_args;
    ad_status status = AD_OK;
    for (int k = 0; k < n; k++)
        args[k] = w->values[at[k]];
    for (uint32_t j = 0; j < back->n_loops; j++) {
        const ad_scan *s = back->loops[j];
        const uint32_t *of = ad_instr_args(w->p, &w->p->instr[loops[j]]);
        for (uint32_t k = 0; k < s->body->n_inputs && status == AD_OK; k++) {
            args[n] = w->values[of[k + s->has_count]];
            if (k >= s->n_shared && k < s->n_shared + s->n_carry) {
                status = snapshots(w, loops[j], k - s->n_shared, &made[*n_made]);
                if (status == AD_OK)
                    args[n] = made[(*n_made)++];
            }
            n++;
        }
    }
    return status;
}

static ad_status lower_readback(lowering *w, uint32_t i)
{
    const int n_args = w->p->instr[i].n_args;
    uint32_t *loops = calloc((size_t)n_args + 1, sizeof *loops), n_extra = 0;
    ad_readback *back = loops != NULL ? find_readback(w, i, loops, &n_extra) : NULL;
    const size_t n = (size_t)n_args + n_extra;
    ad_value *args = calloc(n + 1, sizeof *args), *made = calloc(n + 1, sizeof *made);
    ad_status status =
        back != NULL && args != NULL && made != NULL ? AD_OK : AD_NO_MEMORY;
    int n_made = 0;
    if (status == AD_OK)
        status = readback_operands(w, i, back, loops, args, made, &n_made);
    if (status == AD_OK) {
        ad_scan like = *loop_at(w->p, i);
        like.readback = back;
        like.keeps_few = w->of[i] == KEEPS_FEW;
        like.keeps_carry = w->of[i] == KEEPS_FEW || w->of[i] == KEEPS_ALL;
        status = apply_loop(w, i, &like, (int)n, args);
    }
    if (made != NULL)
        ad_values_drop(n_made, made);
    ad_readback_drop(back);
    free(loops);
    free(args);
    free(made);
    return status;
}

static ad_status lower_loop(lowering *w, uint32_t i)
{
    const ad_instr *instr = &w->p->instr[i];
    const uint32_t *at = ad_instr_args(w->p, instr);
    if (reads_back(w, i))
        return lower_readback(w, i);
    ad_value *args = calloc((size_t)instr->n_args + 1, sizeof *args);
    if (args == NULL)
        return AD_NO_MEMORY;
    for (int k = 0; k < instr->n_args; k++)
        args[k] = w->values[at[k]];
    ad_scan like = *loop_at(w->p, i);
    like.keeps_few = w->of[i] == KEEPS_FEW;
    like.keeps_carry = w->of[i] == KEEPS_FEW || w->of[i] == KEEPS_ALL;
    ad_status status = apply_loop(w, i, &like, instr->n_args, args);
    free(args);
    return status;
}

/* ---- The whole -------------------------------------------------------------------------- */

static bool is_lowered(const lowering *w)
{
    for (uint32_t i = 0; i < w->p->n; i++)
        if (w->p->instr[i].op == AD_OP_CALL || w->of[i] == UNREAD ||
            w->of[i] == KEEPS_FEW)
            return false;
    return true;
}

static ad_status lower_one(lowering *w, uint32_t i, const ad_value *inputs)
{
    if (w->of[i] != NOT_KEEPING || reads_back(w, i))
        return lower_loop(w, i);
    if (is_few(w, i))
        return snapshots(w, w->view_of[i], w->carry[i], &w->values[i]);
    return ad_program_replay_one(w->b->tape, w->p, i, inputs, w->values);
}

static ad_status fill(ad_builder *b, const ad_program *p, const ad_value *inputs,
                      ad_value *values, void *context)
{
    lowering *w = context;
    ad_status status = AD_OK;
    b->drops_calls = true;
    w->b = b;
    w->values = values;
    for (uint32_t i = 0; i < p->n && status == AD_OK; i++)
        status = lower_one(w, i, inputs);
    return status;
}

ad_program *ad_vm_lower(ad_program *p)
{
    lowering w = {.p = p,
                  .of = calloc((size_t)p->n + 1, sizeof *w.of),
                  .view_of = calloc((size_t)p->n + 1, sizeof *w.view_of),
                  .carry = calloc((size_t)p->n + 1, sizeof *w.carry)};
    ad_program *made = NULL;
    if (w.of != NULL && w.view_of != NULL && w.carry != NULL) {
        find_keeping(&w);
        made = is_lowered(&w) ? ad_program_keep(p) : ad_vm_rebuild(p, fill, &w);
    }
    free(w.of);
    free(w.view_of);
    free(w.carry);
    return made;
}
