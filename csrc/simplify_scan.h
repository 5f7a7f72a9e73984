/*
 * simplify_scan.h - a sum of what a loop without a carry made in each step is made in the
 * loop, so that the rows are never stored. For simplify.c.
 */
#ifndef AD_SIMPLIFY_SCAN_H
#define AD_SIMPLIFY_SCAN_H

#include "builder.h"

/* *out (new reference) is the sum of all elements of x, if x is the rows of one scalar
 * output of such a loop; false otherwise, or without memory. */
bool ad_simplify_sum_of_rows(ad_builder *b, const ad_value *x, ad_value *out);

#endif
