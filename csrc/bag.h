/*
 * bag.h - a list of values that grows and owns them; for what puts programs together.
 *
 * Who puts something gives up the reference, also on failure.
 */
#ifndef AD_BAG_H
#define AD_BAG_H

#include "builder.h"

typedef struct ad_bag {
    ad_value *v;
    uint32_t n, cap;
} ad_bag;

void ad_bag_free(ad_bag *list);
ad_status ad_bag_put(ad_bag *list, ad_value v);

/* One more reference of a value. */
ad_status ad_bag_put_kept(ad_bag *list, const ad_value *v);

/* A new input of the program that b builds, shaped like value i of another one. */
ad_status ad_bag_put_input(ad_bag *list, ad_builder *b, const ad_program *like,
                           uint32_t i);

/* A constant. NULL: a number. */
ad_status ad_bag_put_zeros(ad_bag *list, const ad_array *shape);

#endif
