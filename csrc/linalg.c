/*
 * linalg.c - see linalg.h. Checks shapes and makes room; the hook fills it.
 */
#include "linalg.h"

#include <string.h>

bool ad_linalg_has(int op)
{
    return op == AD_OP_SOLVE || op == AD_OP_LSTSQ || op == AD_OP_CHOLESKY ||
           op == AD_OP_EIGH || op == AD_OP_SVD || op == AD_OP_DET ||
           op == AD_OP_COFACTOR || op == AD_OP_SLOGDET;
}

uint8_t ad_linalg_uses(int op, int k)
{
    if (op == AD_OP_SOLVE)
        return k == 0 ? AD_USES_X | AD_USES_Z : AD_USES_X;
    if (op == AD_OP_LSTSQ)
        return k == 0 ? AD_USES_X | AD_USES_Y | AD_USES_Z : AD_USES_X;
    if (op == AD_OP_COFACTOR)
        return AD_USES_X | AD_USES_Z;
    return op == AD_OP_DET || op == AD_OP_SLOGDET ? AD_USES_X : AD_USES_Z;
}

static ad_status not_square(ad_message *message, int op, const ad_array *x)
{
    char text[128];
    ad_shape_text(x->ndim, x->shape, text, sizeof text);
    return ad_fail(message, AD_SHAPE,
                   "%s: expected a square matrix or a batch of them, got shape %s",
                   ad_op_name(op), text);
}

/* Shape of the x in op(x) z = y, with trans the transpose of each. */
static ad_status shape_of_solution(ad_message *message, int op, const ad_array *x,
                                   const ad_array *y, bool trans, int *ndim,
                                   int64_t *shape)
{
    char left[128], right[128];
    const int64_t rows = x->shape[x->ndim - (trans ? 1 : 2)];
    if (rows == y->shape[y->ndim - 2] &&
        ad_shape_broadcast(x->ndim - 2, x->shape, y->ndim - 2, y->shape, ndim, shape)) {
        shape[*ndim] = x->shape[x->ndim - (trans ? 2 : 1)];
        shape[*ndim + 1] = y->shape[y->ndim - 1];
        *ndim += 2;
        return AD_OK;
    }
    ad_shape_text(x->ndim, x->shape, left, sizeof left);
    ad_shape_text(y->ndim, y->shape, right, sizeof right);
    return ad_fail(message, AD_SHAPE,
                   "%s: a matrix of shape %s%s and right-hand sides of shape %s do not "
                   "fit; both must have the same number of rows, and batches broadcast",
                   ad_op_name(op), left, trans ? " transposed" : "", right);
}

ad_status ad_linalg_shape(ad_message *message, int op, const ad_array *const *args,
                          const ad_attr *attr, int *ndim, int64_t *shape)
{
    const ad_array *x = args[0];
    const int last = x->ndim - 1, before = x->ndim - 2;
    if (before < 0 ||
        (op != AD_OP_SVD && op != AD_OP_LSTSQ && x->shape[last] != x->shape[before]))
        return not_square(message, op, x);
    if (op == AD_OP_SOLVE || op == AD_OP_LSTSQ)
        return args[1]->ndim < 2 ? AD_SHAPE
                                 : shape_of_solution(message, op, x, args[1],
                                                     attr->trans_x, ndim, shape);
    memcpy(shape, x->shape, (size_t)x->ndim * sizeof *shape);
    *ndim = op == AD_OP_DET ? before : op == AD_OP_SLOGDET ? last : x->ndim;
    if (op == AD_OP_SLOGDET)
        shape[before] = 2;
    else if (op == AD_OP_EIGH)
        shape[before] += 1;
    else if (op == AD_OP_SVD) {
        const int64_t m = x->shape[before], n = x->shape[last];
        shape[before] = 1 + m + n;
        shape[last] = m < n ? m : n;
    }
    return AD_OK;
}

ad_status ad_linalg_value(ad_message *message, int op, const ad_array *const *args,
                          const ad_attr *attr, ad_linalg_hook hook, ad_array **z)
{
    int64_t shape[AD_MAX_NDIM];
    int ndim;
    ad_status status = ad_linalg_shape(message, op, args, attr, &ndim, shape);
    if (status != AD_OK)
        return status;
    if (hook == NULL)
        return ad_fail(message, AD_LINALG, "%s: no LAPACK is at hand", ad_op_name(op));
    if ((*z = ad_array_new(ndim, shape)) == NULL)
        return AD_NO_MEMORY;
    const ad_span result = ad_span_of(*z);
    ad_span operands[2];
    const int n_args = op == AD_OP_SOLVE || op == AD_OP_LSTSQ ? 2 : 1;
    for (int k = 0; k < n_args; k++)
        operands[k] = ad_span_of(args[k]);
    status = hook(op, n_args, operands, attr, &result, message);
    if (status != AD_OK)
        ad_array_drop(*z);
    return status;
}
