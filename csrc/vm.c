/*
 * vm.c - what callers see of code: its workspace, constants, and a run; see vm.h.
 *
 *     +--------------------------------+-----------+
 *     | slots, n_lanes doubles of each | scratch   |       a workspace
 *     +--------------------------------+-----------+
 */
#include <string.h>

#include "kernel.h"
#include "vm_code.h"

enum {
    CACHE_DOUBLES = 1 << 15, /* of a workspace that is well inside a cache */
    LEAST_LANES = 8,
    MOST_LANES = 512,
};

int64_t ad_code_workspace(const ad_code *code, int64_t n_lanes)
{
    const int64_t by_lane = code->scratch_elements * n_lanes;
    const int64_t scratch =
        by_lane > code->scratch_doubles ? by_lane : code->scratch_doubles;
    return (code->n_slots + 7) / 8 * 8 * n_lanes + scratch;
}

int64_t ad_code_best_lanes(const ad_code *code)
{
    int64_t n_lanes = MOST_LANES;
    while (n_lanes > LEAST_LANES && code->n_slots * n_lanes > CACHE_DOUBLES)
        n_lanes /= 2;
    return n_lanes;
}

/* Elements for one point: there, or if it is read elsewhere, where that is. */
static void put(const ad_code *code, double *ws, uint32_t slot, const double *data,
                int64_t size)
{
    for (uint32_t k = 0; k < code->n_outside; k++) {
        if (code->outside[k].slot != slot)
            continue;
        const bool is_aligned = (uintptr_t)data % sizeof *data == 0;
        const double *at = is_aligned ? data : ws + slot;
        memcpy(&ws[code->outside[k].pointer], &at, sizeof at);
        if (is_aligned)
            return;
    }
    if (size > 0)
        memcpy(ws + slot, data, (size_t)size * sizeof *ws);
}

void ad_code_load(const ad_code *code, double *ws, uint32_t k, const double *data)
{
    put(code, ws, code->inputs[k], data, ad_program_size(code->program, k));
}

void ad_code_prepare(const ad_code *code, double *ws, int64_t n_lanes)
{
    const ad_program *p = code->program;
    for (uint32_t k = 0; k < code->n_consts; k++) {
        const uint32_t i = code->consts[2 * k];
        double *to = ws + code->consts[2 * k + 1] * n_lanes;
        const ad_array *value =
            p->instr[i].extra != AD_NONE ? p->extras[p->instr[i].extra].value : NULL;
        if (value == NULL)
            ad_kernel_fill(n_lanes, p->instr[i].number, to);
        else if (n_lanes == 1) {
            put(code, ws, code->consts[2 * k + 1], value->data, value->size);
            continue;
        }
        for (int64_t e = 0; value != NULL && e < value->size; e++)
            ad_kernel_fill(n_lanes, value->data[e], to + e * n_lanes);
    }
}

int64_t ad_code_input(const ad_code *code, uint32_t k)
{
    return code->inputs[k];
}

int64_t ad_code_output(const ad_code *code, uint32_t k)
{
    return code->outputs[k];
}

int64_t ad_code_guard(const ad_code *code, uint32_t k)
{
    return code->guards[k];
}

bool ad_code_has_guarded(const ad_code *code)
{
    return code->has_guarded;
}

void ad_code_set_linalg(ad_code *code, ad_linalg_hook hook)
{
    code->linalg = hook;
    for (uint32_t k = 0; k < code->n_bodies; k++)
        ad_code_set_linalg(code->bodies[k], hook);
}

bool ad_code_needs_hook(const ad_code *code)
{
    return code->needs_hook;
}

ad_status ad_code_run(const ad_code *code, double *ws, int64_t n_lanes, int64_t n_used,
                      bool is_guarded, ad_matmul_hook hook, ad_message *message)
{
    const ad_run run = {.code = code,
                        .ws = ws,
                        .scratch = ws + (code->n_slots + 7) / 8 * 8 * n_lanes,
                        .n_lanes = n_lanes,
                        .n_used = n_used,
                        .mode = is_guarded ? AD_GUARDED : AD_FAST,
                        .hook = hook,
                        .message = message};
    return n_lanes == 1 ? ad_vm_point(&run) : ad_vm_lanes(&run);
}

const ad_program *ad_code_program(const ad_code *code)
{
    return code->program;
}
