/*
 * bag.c - see bag.h.
 */
#include "bag.h"

#include <stdlib.h>

#include "apply.h"
#include "kernel.h"

void ad_bag_free(ad_bag *list)
{
    ad_values_drop(list->n, list->v);
    free(list->v);
    *list = (ad_bag){NULL, 0, 0};
}

/* Takes the reference, also on failure. */
ad_status ad_bag_put(ad_bag *list, ad_value v)
{
    if (list->n == list->cap) {
        uint32_t cap = 2 * list->cap + 8;
        ad_value *grown = realloc(list->v, cap * sizeof *grown);
        if (grown == NULL) {
            ad_value_drop(&v);
            return AD_NO_MEMORY;
        }
        list->v = grown;
        list->cap = cap;
    }
    list->v[list->n++] = v;
    return AD_OK;
}

ad_status ad_bag_put_kept(ad_bag *list, const ad_value *v)
{
    if (v->array != NULL)
        ad_array_keep(v->array);
    return ad_bag_put(list, *v);
}

/* A new input of the body that is being made, shaped like a value of another one. */
ad_status ad_bag_put_input(ad_bag *list, ad_builder *b, const ad_program *like,
                           uint32_t i)
{
    uint32_t value;
    ad_status status = ad_builder_input(b, ad_program_shape(like, i), &value);
    return status == AD_OK ? ad_bag_put(list, ad_builder_value(b, value)) : status;
}

ad_status ad_bag_put_zeros(ad_bag *list, const ad_array *shape)
{
    ad_value zeros = {0.0, NULL, AD_NONE};
    if (shape != NULL) {
        zeros.array = ad_array_new(shape->ndim, shape->shape);
        if (zeros.array == NULL)
            return AD_NO_MEMORY;
        ad_kernel_fill(zeros.array->size, 0.0, zeros.array->data);
    }
    return ad_bag_put(list, zeros);
}
