/*
 * kernel_primal.c - values of the elementwise rows and of pairs, a loop for each.
 */
#include "kernel.h"

#include <stddef.h>

#include "kernel_math.h"
#include "op.h"

#define PRIMAL(id, value)                                                       \
    AD_CLONES static void primal_##id(int64_t n, const double *xs,              \
                                      const double *ys, const double *ws,       \
                                      double *restrict zs)                      \
    {                                                                           \
        (void)ys, (void)ws;                                                     \
        for (int64_t i = 0; i < n; i++) {                                       \
            READ;                                                               \
            zs[i] = value;                                                      \
        }                                                                       \
    }

#define READ double x = xs[i]
#define OP1(id, names, value, ...) PRIMAL(id, value)
#define OP2(id, ...)
#define OP3(id, ...)
#include "ops.def"
#undef OP1
#undef OP2
#undef READ

#define READ double x = xs[i], y = ys[i]
#define OP1(id, ...)
#define OP2(id, names, value, ...) PRIMAL(id, value)
#include "ops.def"
#undef OP2
#undef OP3
#undef READ

#define READ double x = xs[i], y = ys[i], w = ws[i]
#define OP2(id, ...)
#define OP3(id, names, value, ...) PRIMAL(id, value)
#include "ops.def"
#define PAIR(id, value) PRIMAL(PAIR_##id, value)
#include "pairs.def"
#undef PAIR
#undef OP1
#undef OP2
#undef OP3
#undef READ

static const ad_primal_kernel kernels[] = {
#define OP1(id, ...) primal_##id,
#define OP2(id, ...) primal_##id,
#define OP3(id, ...) primal_##id,
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
#define PAIR(id, ...) primal_PAIR_##id,
#include "pairs.def"
#undef PAIR
};

ad_primal_kernel ad_kernel_primal(int op)
{
    return kernels[op];
}
