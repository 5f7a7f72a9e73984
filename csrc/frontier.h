/*
 * frontier.h - what a piece of the tape reads from outside itself, and what of it
 * depends on its inputs.
 *
 * A transform of a function owns the entries from its lowest input (the floor) on. What
 * its outputs were computed from below the floor, and leaves that it met, are values of
 * somebody else that the function closes over.
 */
#ifndef AD_FRONTIER_H
#define AD_FRONTIER_H

#include "pending.h"
#include "tape.h"

/*
 * Call on_found for each entry outside that outputs[0..n_out) depend on, highest first:
 * those below `floor`, and LEAF entries with an owner. Entries ends[0..n_ends) and what
 * lies below them do not count. Stops at the first status that is not AD_OK.
 */
ad_status ad_frontier(ad_tape *tape, int n_out, const uint32_t *outputs, int n_ends,
                      const uint32_t *ends, uint32_t floor,
                      ad_status (*on_found)(void *context, uint32_t entry),
                      void *context);

/*
 * Add to `marked` every entry from `floor` to `top` with an operand that is marked: what
 * depends on the entries marked before, none of which lies below the floor. Costs a look
 * at each entry in between.
 */
void ad_mark_dependents(const ad_tape *tape, uint32_t floor, uint32_t top,
                        ad_pending *marked);

#endif
