/*
 * kernel_product.c - partial times adjoint (or tangent), a loop for each operand
 * of each elementwise row. The sweep rule stands here, for arrays, once.
 */
#include "kernel.h"

#include <stddef.h>

#include "kernel_math.h"
#include "op.h"

#define PRODUCT(id, k, partial)                                                 \
    AD_CLONES static void product_##id##_##k(                                   \
        int64_t n, const double *xs, const double *ys, const double *ws,        \
        const double *zs, const double *gs, double *out, bool strict)  \
    {                                                                           \
        (void)xs, (void)ys, (void)ws, (void)zs;                                 \
        const int guard = !strict;                                              \
        AD_SAME_INDEX                                                           \
        for (int64_t i = 0; i < n; i++) {                                       \
            READ;                                                               \
            const double g = gs[i], p = partial;                                \
            out[i] = guard & ((p == 0.0) | (g == 0.0)) ? 0.0 : p * g;           \
        }                                                                       \
    }

#define READ                                                                    \
    double x = xs[i], z = zs[i];                                                \
    (void)x, (void)z
#define OP1(id, names, value, dx, ...) PRODUCT(id, 0, dx)
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
#define OP2(id, names, value, dx, dy, ...) PRODUCT(id, 0, dx) PRODUCT(id, 1, dy)
#include "ops.def"
#undef OP2
#undef OP3
#undef READ

#define READ                                                                    \
    double x = xs[i], y = ys[i], w = ws[i], z = zs[i];                          \
    (void)x, (void)y, (void)w, (void)z
#define OP2(id, ...)
#define OP3(id, names, value, dx, dy, dw, ...)                                  \
    PRODUCT(id, 0, dx) PRODUCT(id, 1, dy) PRODUCT(id, 2, dw)
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
#undef READ

static const ad_product_kernel kernels[][AD_MAX_ARITY] = {
#define OP1(id, ...) {product_##id##_0, NULL, NULL},
#define OP2(id, ...) {product_##id##_0, product_##id##_1, NULL},
#define OP3(id, ...) {product_##id##_0, product_##id##_1, product_##id##_2},
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
};

ad_product_kernel ad_kernel_product(int op, int k)
{
    return kernels[op][k];
}
