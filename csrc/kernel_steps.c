/*
 * kernel_steps.c - the cheap rows and pairs of code, many steps in one call.
 *
 * For sums and products over some tens of lanes the call of a kernel costs as much as
 * its loop. Here one function goes from step to step, until it meets one that it does
 * not have. Formulas are those of the tables; below is only which rows are cheap.
 */
#include "kernel.h"

#include "kernel_math.h"
#include "op.h"

/* PICK(CHEAP_x) is KEEP where CHEAP_x is defined here, DROP elsewhere. */
#define CHEAP_NEG ~, KEEP
#define CHEAP_ADD ~, KEEP
#define CHEAP_SUB ~, KEEP
#define CHEAP_MUL ~, KEEP
#define CHEAP_DIV ~, KEEP
#define CHEAP_RECIPROCAL ~, KEEP
#define CHEAP_SQUARE ~, KEEP
#define CHEAP_SQRT ~, KEEP
#define CHEAP_GUARDED_MUL ~, KEEP
#define SECOND(a, b, ...) b
#define PICK(...) SECOND(__VA_ARGS__, DROP, ~)

#define DROP(op, value)
#define KEEP(op, value)                                                         \
    case op:                                                                    \
        AD_SAME_INDEX                                                           \
        for (int64_t i = 0; i < n; i++) {                                       \
            READ;                                                               \
            zs[i] = value;                                                      \
        }                                                                       \
        continue;

enum {
    BEFORE_PAIRS = AD_OP_RESHAPE - 1,
#define PAIR(id, ...) STEP_##id,
#include "pairs.def"
#undef PAIR
};

AD_CLONES const ad_step *ad_kernel_steps(const ad_step *step, int mode, int64_t n_lanes,
                                         int64_t n_used, double *ws)
{
    const int64_t n = n_used / 8 * 8; /* it is; so the compiler knows */
    for (;; step++) {
        const double *xs = ws + step->x * n_lanes, *ys = ws + step->y * n_lanes;
        const double *ws_ = ws + step->w * n_lanes;
        double *zs = ws + step->z * n_lanes;
        switch (step->op[mode]) {
#define OP1(id, names, value, ...) PICK(CHEAP_##id)(AD_OP_##id, value)
#define OP2(id, ...)
#define OP3(id, ...)
#define READ const double x = xs[i]
#include "ops.def"
#undef OP1
#undef OP2
#undef READ
#define OP1(id, ...)
#define OP2(id, names, value, ...) PICK(CHEAP_##id)(AD_OP_##id, value)
#define READ const double x = xs[i], y = ys[i]
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
#undef READ
#define READ const double x = xs[i], y = ys[i], w = ws_[i]
#define PAIR(id, value) KEEP(STEP_##id, value)
#include "pairs.def"
#undef PAIR
        }
        return step;
    }
}
