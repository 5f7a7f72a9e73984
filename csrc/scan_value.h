/*
 * scan_value.h - the value of a loop, for a tape: ad_tape.scan.
 *
 * Where a tape only computes (or traces: it computes and records) a SCAN is made a program
 * of its own and run.
 */
#ifndef AD_SCAN_VALUE_H
#define AD_SCAN_VALUE_H

#include "tape.h"

ad_status ad_scan_value(ad_tape *tape, int n_args, const ad_value *args,
                        const ad_attr *attr, ad_value *out);

#endif
