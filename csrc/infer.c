/*
 * infer.c - see infer.h.
 */
#include "infer.h"

#include <string.h>

#include "linalg.h"
#include "op.h"
#include "scan.h"

/* A shared header of the shape, or NULL for no axes. */
static ad_status to_shape(int ndim, const int64_t *extents, ad_array **shape)
{
    *shape = ndim > 0 ? ad_array_ghost(ndim, extents) : NULL;
    return ndim > 0 && *shape == NULL ? AD_NO_MEMORY : AD_OK;
}

static ad_status like(const ad_array *a, ad_array **shape)
{
    return to_shape(a != NULL ? a->ndim : 0, a != NULL ? a->shape : NULL, shape);
}

static ad_status misfit(ad_message *message, int op)
{
    return ad_fail(message, AD_SHAPE, "%s: the operands' shapes do not fit together",
                   ad_op_name(op));
}

static ad_status broadcast(ad_message *message, int op, int n_args,
                           const ad_value *args, ad_array **shape)
{
    int64_t extents[AD_MAX_NDIM];
    int ndim = 0;
    for (int k = 0; k < n_args; k++) {
        const ad_array *a = args[k].array;
        if (a != NULL &&
            !ad_shape_broadcast(ndim, extents, a->ndim, a->shape, &ndim, extents))
            return misfit(message, op);
    }
    return to_shape(ndim, extents, shape);
}

static ad_status joined(ad_message *message, int n_args, const ad_value *args, int axis,
                        ad_array **shape)
{
    int64_t extents[AD_MAX_NDIM], total = 0;
    const ad_array *first = args[0].array;
    if (first == NULL || axis < 0 || axis >= first->ndim)
        return misfit(message, AD_OP_CAT);
    for (int k = 0; k < n_args; k++) {
        const ad_array *a = args[k].array;
        bool fits = a != NULL && a->ndim == first->ndim;
        for (int i = 0; fits && i < first->ndim; i++)
            fits = i == axis || a->shape[i] == first->shape[i];
        if (!fits)
            return misfit(message, AD_OP_CAT);
        total += a->shape[axis];
    }
    memcpy(extents, first->shape, (size_t)first->ndim * sizeof extents[0]);
    extents[axis] = total;
    return to_shape(first->ndim, extents, shape);
}

static ad_status product(ad_message *message, const ad_array *x, const ad_array *y,
                         const ad_attr *attr, ad_array **shape)
{
    int64_t extents[AD_MAX_NDIM + 2];
    int ndim;
    if (x == NULL || y == NULL || x->ndim < 2 || y->ndim < 2)
        return misfit(message, AD_OP_MATMUL);
    const int64_t *from_x = x->shape + x->ndim - 2, *from_y = y->shape + y->ndim - 2;
    if (from_x[attr->trans_x ? 0 : 1] != from_y[attr->trans_y ? 1 : 0] ||
        !ad_shape_broadcast(x->ndim - 2, x->shape, y->ndim - 2, y->shape, &ndim,
                            extents))
        return misfit(message, AD_OP_MATMUL);
    extents[ndim] = from_x[attr->trans_x ? 1 : 0];
    extents[ndim + 1] = from_y[attr->trans_y ? 0 : 1];
    return to_shape(ndim + 2, extents, shape);
}

static ad_status decomposed(ad_message *message, int op, int n_args,
                            const ad_value *args, const ad_attr *attr, ad_array **shape)
{
    const ad_array *operands[2] = {NULL, NULL};
    int64_t extents[AD_MAX_NDIM];
    int ndim;
    for (int k = 0; k < n_args && k < 2; k++)
        if ((operands[k] = args[k].array) == NULL || operands[k]->ndim < 2)
            return misfit(message, op);
    if (n_args != (op == AD_OP_SOLVE || op == AD_OP_LSTSQ ? 2 : 1))
        return misfit(message, op);
    ad_status status = ad_linalg_shape(message, op, operands, attr, &ndim, extents);
    return status == AD_OK ? to_shape(ndim, extents, shape) : status;
}

ad_status ad_infer_shape(ad_message *message, int op, int n_args, const ad_value *args,
                         const ad_attr *attr, ad_array **shape)
{
    if (ad_op_get(op)->n_args > 0)
        return broadcast(message, op, n_args, args, shape);
    if (op == AD_OP_SCAN) {
        const int64_t size = ad_scan_size(attr->scan);
        return to_shape(1, &size, shape);
    }
    if (op == AD_OP_CAT)
        return joined(message, n_args, args, attr->axis, shape);
    if (op == AD_OP_MATMUL)
        return product(message, args[0].array, args[1].array, attr, shape);
    if (ad_linalg_has(op))
        return decomposed(message, op, n_args, args, attr, shape);
    if (op == AD_OP_PUT || op == AD_OP_CUMSUM || op == AD_OP_STOP || op == AD_OP_CALL)
        return like(args[0].array, shape);
    return like(attr->shape, shape);
}
