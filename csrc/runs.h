/*
 * runs.h - where consecutive elements of a program's value were made: views, joins and
 * sums with zeros are looked through. For what appends to a program.
 */
#ifndef AD_RUNS_H
#define AD_RUNS_H

#include "program.h"

/* Elements first, first + 1, ... of a value, in C order. */
typedef struct ad_run_of {
    uint32_t value;
    int64_t first, size;
} ad_run_of;

/* Are these strides those of elements as they lie? */
bool ad_runs_is_contiguous(const ad_array *shape, int n_strides,
                           const int64_t *strides);

/* Go through joins and what is put among zeros, and the views between; true if there were
 * any. Views of other views stay, save of loops: adjoints are gathered in their size. A
 * PACK is gone into for one element, and zeros are not known for what they are. */
bool ad_runs_follow(const ad_program *p, ad_run_of *run);

/* As that, and through sums of which one operand is zero there. True: all are zero.
 * Costs what it looks at: up to all elements of a constant. */
bool ad_runs_are_zero(const ad_program *p, ad_run_of *run);

#endif
