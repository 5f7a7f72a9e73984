/*
 * vm_structural.c - runs structural instructions over one point or lanes.
 *
 * Most have kernels that take lanes (structural.c). What has none, or is faster on the
 * elements of one lane side by side, goes lane by lane: gathered into scratch, run as
 * one point, scattered back.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "linalg.h"
#include "structural.h"
#include "vm_code.h"

/* ---- Lane by lane -------------------------------------------------------------------- */

/* From so many multiplications on, tiles gain more than gathering lanes costs. */
static const double LARGE_FOR_LANES = 16.0 * 16.0 * 16.0;

static ad_span span_of(const ad_program *p, uint32_t value, double *data)
{
    const ad_array *shape = ad_program_shape(p, value);
    ad_span span = {.size = 1, .data = data};
    if (shape != NULL)
        span = (ad_span){shape->ndim, shape->shape, shape->size, data};
    return span;
}

/* The one place to say which instructions have no kernel for lanes. */
static bool goes_by_lane(const ad_program *p, uint32_t i)
{
    if (ad_linalg_has(p->instr[i].op))
        return true;
    if (p->instr[i].op != AD_OP_MATMUL)
        return false;
    const ad_array *x = ad_program_shape(p, p->instr[i].args[0]);
    const ad_array *z = ad_program_shape(p, i);
    const int64_t m = z->shape[z->ndim - 2], n = z->shape[z->ndim - 1];
    const int64_t k = m > 0 ? x->shape[x->ndim - 1] * x->shape[x->ndim - 2] / m : 0;
    return (double)m * (double)n * (double)k > LARGE_FOR_LANES;
}

int64_t ad_vm_structural_scratch(const ad_program *p, uint32_t i)
{
    if (!goes_by_lane(p, i))
        return 0;
    const uint32_t *args = ad_instr_args(p, &p->instr[i]);
    int64_t doubles = ad_program_size(p, i);
    for (int k = 0; k < p->instr[i].n_args; k++)
        doubles += ad_program_size(p, args[k]);
    return doubles;
}

/* ... and the one place that runs an instruction on the elements of a single lane. */
static ad_status run_alone(const ad_run *run, uint32_t i, const ad_span *args,
                           const ad_span *z)
{
    const ad_program *p = run->code->program;
    const ad_attr attr = ad_program_attr(p, i);
    const int op = p->instr[i].op, n_args = p->instr[i].n_args;
    if (ad_linalg_has(op)) {
        if (run->code->linalg == NULL)
            return ad_fail(run->message, AD_LINALG, "%s: no LAPACK is at hand",
                           ad_op_name(op));
        return run->code->linalg(op, n_args, args, &attr, z, run->message);
    }
    ad_structural_run(op, n_args, args, &attr, 1, run->hook, z);
    return AD_OK;
}

static ad_status by_lane(const ad_run *run, uint32_t i, const ad_span *args,
                         const ad_span *z, ad_span *own)
{
    const int n_args = run->code->program->instr[i].n_args;
    const int64_t b = run->n_lanes;
    ad_status status = AD_OK;
    for (int64_t lane = 0; lane < run->n_used && status == AD_OK; lane++) {
        double *at = run->scratch;
        for (int k = 0; k < n_args; k++) {
            own[k] = args[k];
            own[k].data = at;
            for (int64_t e = 0; e < args[k].size; e++)
                *at++ = args[k].data[e * b + lane];
        }
        ad_span result = *z;
        result.data = at;
        status = run_alone(run, i, own, &result);
        for (int64_t e = 0; e < z->size && status == AD_OK; e++)
            z->data[e * b + lane] = at[e];
    }
    return status;
}

/* ---- The job ---------------------------------------------------------------------------- */

bool ad_vm_structural_needs_hook(const ad_program *p, uint32_t i)
{
    if (ad_linalg_has(p->instr[i].op))
        return true;
    if (p->instr[i].op != AD_OP_MATMUL)
        return false;
    const uint32_t *values = p->instr[i].args;
    const ad_span args[] = {span_of(p, values[0], NULL), span_of(p, values[1], NULL)};
    const ad_attr attr = ad_program_attr(p, i);
    return ad_structural_wants_hook(p->instr[i].op, args, &attr);
}

ad_status ad_vm_structural(const ad_run *run, const ad_job *job)
{
    enum { FEW = 4 };
    const ad_program *p = run->code->program;
    const ad_instr *instr = &p->instr[job->instr];
    const uint32_t *values = ad_instr_args(p, instr);
    const int64_t b = run->n_lanes;
    ad_span few[2 * FEW], *args = few;
    if (instr->n_args > FEW &&
        (args = malloc(2 * (size_t)instr->n_args * sizeof *args)) == NULL)
        return AD_NO_MEMORY;
    for (int k = 0; k < instr->n_args; k++)
        args[k] = span_of(p, values[k],
                          run->ws + run->code->slots[job->args + (uint32_t)k] * b);
    const ad_span z = span_of(p, job->instr, run->ws + job->z * b);
    ad_status status = AD_OK;
    if (b == 1)
        status = run_alone(run, job->instr, args, &z);
    else if (goes_by_lane(p, job->instr))
        status = by_lane(run, job->instr, args, &z, args + instr->n_args);
    else {
        const ad_attr attr = ad_program_attr(p, job->instr);
        ad_structural_run(instr->op, instr->n_args, args, &attr, b, NULL, &z);
    }
    if (args != few)
        free(args);
    return status;
}

/* Operands may be hundreds of thousands: no span for each. */
ad_status ad_vm_pack(const ad_run *run, const ad_job *job)
{
    const int64_t n = run->code->program->instr[job->instr].n_args, b = run->n_lanes;
    const uint32_t *slots = run->code->slots + job->args;
    double *z = run->ws + job->z * b;
    for (int64_t k = 0; k < n && b == 1; k++)
        z[k] = run->ws[slots[k]];
    for (int64_t k = 0; k < n && b > 1; k++)
        memcpy(z + k * b, run->ws + slots[k] * b, (size_t)b * sizeof *z);
    return AD_OK;
}
