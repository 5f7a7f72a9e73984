/*
 * schedule.h - which of the states of a loop to keep when they are wanted backwards and
 * there is room for a few: the binomial schedule of Griewank and Walther (ACM TOMS 26,
 * 2000, "revolve"). With c snapshots and each step done at most r times on the way, beside
 * its own reversal, C(c + r, c) steps can be reversed, and none fewer times.
 *
 *     steps  0 . . . . . . . . . n-1
 *            ^           ^     ^
 *            snapshots: denser towards the end, which is wanted first; those that are
 *            no longer wanted are kept elsewhere
 */
#ifndef AD_SCHEDULE_H
#define AD_SCHEDULE_H

#include <stdint.h>

/*
 * A snapshot is kept of the state now; the one n_left - 1 steps on is wanted first, then
 * all before it. n_snapshots: how many there may be, with this one. Returns after how
 * many steps to keep the next; 0: there is no room, or no step between.
 */
int64_t ad_schedule_stride(int64_t n_left, int64_t n_snapshots);

#endif
