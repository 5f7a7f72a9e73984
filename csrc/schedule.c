/*
 * schedule.c - see schedule.h.
 */
#include "schedule.h"

int64_t ad_schedule_stride(int64_t n_left, int64_t n_snapshots)
{
    const int64_t c = n_snapshots;
    if (c <= 1 || n_left <= 1)
        return 0;
    if (c >= n_left)
        return 1;
    /* reach(c, r) = C(c + r, c) for the least r for which it is at least n_left, and
     * those before it; less than n_left * n_left until then. */
    int64_t before = 1, reach = 1;
    for (int64_t r = 1; reach < n_left; r++) {
        before = reach;
        const double next = (double)reach * (double)(c + r) / (double)r;
        reach = next < (double)n_left ? (reach * (c + r)) / r : n_left;
        if (reach >= n_left) {
            /* C(c - 1 + r - 1, c - 1) = C(c + r - 1, c) c / (c + r - 1) */
            const int64_t least =
                (int64_t)((double)before * (double)c / (double)(c + r - 1) + 0.5);
            const int64_t stride = n_left - least;
            return before < stride ? before : stride > 0 ? stride : 1;
        }
    }
    return 1;
}
