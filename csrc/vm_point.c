/*
 * vm_point.c - runs steps at one point: the interpreter of scalar rows.
 *
 * Each row of ops.def is a case, from its formula as ad_op_value has it, so that the
 * two agree to the last bit. Where the compiler can, a case jumps straight to the next
 * step's: the processor then predicts each row's successors by themselves.
 */
#include "elementary.h"
#include "vm_code.h"

/* Computed jumps are no part of C11. */
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wpedantic"
#define CASE(op) at_##op:
#define NEXT                                                                    \
    do {                                                                        \
        step++;                                                                 \
        goto *targets[*(const uint16_t *)((const char *)step + mode)];          \
    } while (0)
#define START goto *targets[*(const uint16_t *)((const char *)step + mode)];
#define STOP
#else
#define CASE(op) case op:
#define NEXT                                                                    \
    step++;                                                                     \
    continue
#define START                                                                   \
    for (;;)                                                                    \
        switch (step->op[run->mode]) {
#define STOP }
#endif

#define ROW(id, value)                                                          \
    CASE(id)                                                                    \
    {                                                                           \
        READ;                                                                   \
        ws[step->z] = value;                                                    \
        NEXT;                                                                   \
    }

ad_status ad_vm_point(const ad_run *run)
{
#if defined(__GNUC__)
    static const void *const targets[] = {
#define OP1(id, ...) &&at_AD_OP_##id,
#define OP2(id, ...) &&at_AD_OP_##id,
#define OP3(id, ...) &&at_AD_OP_##id,
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
#define PAIR(id, ...) &&at_AD_STEP_##id,
#include "pairs.def"
#undef PAIR
        &&at_AD_STEP_JOB, &&at_AD_STEP_END};
    const size_t mode = (size_t)run->mode * sizeof(uint16_t);
#endif
    const ad_step *step = run->code->steps;
    double *ws = run->ws;
    START

#define OP1(id, names, value, ...) ROW(AD_OP_##id, value)
#define OP2(id, ...)
#define OP3(id, ...)
#define READ const double x = ws[step->x]
#include "ops.def"
#undef OP1
#undef OP2
#undef READ
#define OP1(id, ...)
#define OP2(id, names, value, ...) ROW(AD_OP_##id, value)
#define READ const double x = ws[step->x], y = ws[step->y]
#include "ops.def"
#undef OP2
#undef OP3
#undef READ
#define OP2(id, ...)
#define OP3(id, names, value, ...) ROW(AD_OP_##id, value)
#define READ const double x = ws[step->x], y = ws[step->y], w = ws[step->w]
#define PAIR(id, value) ROW(AD_STEP_##id, value)
#include "ops.def"
#include "pairs.def"
#undef PAIR
#undef OP1
#undef OP2
#undef OP3
#undef READ

    CASE(AD_STEP_JOB)
    {
        const ad_job *job = &run->code->jobs[step->x];
        const ad_status status = job->run(run, job);
        if (status != AD_OK)
            return status;
        NEXT;
    }
    CASE(AD_STEP_END)
    {
        return AD_OK;
    }
    STOP
}
