/*
 * kernel_partial.c - partials of the elementwise rows, a loop for each operand of
 * each row; kernel_move.c multiplies them with an adjoint.
 */
#include "kernel.h"

#include <stddef.h>

#include "kernel_math.h"
#include "op.h"

#define PARTIAL(id, k, partial)                                                 \
    AD_CLONES static void partial_##id##_##k(                                   \
        int64_t n, const double *xs, const double *ys, const double *ws,        \
        const double *zs, double *restrict ps)                                  \
    {                                                                           \
        (void)xs, (void)ys, (void)ws, (void)zs;                                 \
        for (int64_t i = 0; i < n; i++) {                                       \
            READ;                                                               \
            ps[i] = partial;                                                    \
        }                                                                       \
    }

#define READ                                                                    \
    double x = xs[i], z = zs[i];                                                \
    (void)x, (void)z
#define OP1(id, names, value, dx, ...) PARTIAL(id, 0, dx)
#define OP2(id, ...)
#define OP3(id, ...)
#include "ops.def"
#undef OP1
#undef OP2
#undef READ

#define READ                                                                    \
    double x = xs[i], y = ys[i], z = zs[i];                                     \
    (void)x, (void)y, (void)z
#define OP1(id, ...)
#define OP2(id, names, value, dx, dy, ...) PARTIAL(id, 0, dx) PARTIAL(id, 1, dy)
#include "ops.def"
#undef OP2
#undef OP3
#undef READ

#define READ                                                                    \
    double x = xs[i], y = ys[i], w = ws[i], z = zs[i];                          \
    (void)x, (void)y, (void)w, (void)z
#define OP2(id, ...)
#define OP3(id, names, value, dx, dy, dw, ...)                                  \
    PARTIAL(id, 0, dx) PARTIAL(id, 1, dy) PARTIAL(id, 2, dw)
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
#undef READ

static const ad_partial_kernel kernels[][AD_MAX_ARITY] = {
#define OP1(id, ...) {partial_##id##_0, NULL, NULL},
#define OP2(id, ...) {partial_##id##_0, partial_##id##_1, NULL},
#define OP3(id, ...) {partial_##id##_0, partial_##id##_1, partial_##id##_2},
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
};

ad_partial_kernel ad_kernel_partial(int op, int k)
{
    return kernels[op][k];
}
