/*
 * vm_scan.h - loops, for vm_*.c only.
 */
#ifndef AD_VM_SCAN_H
#define AD_VM_SCAN_H

#include "scan.h"
#include "vm_code.h"

ad_status ad_vm_scan(const ad_run *run, const ad_job *job);

/* Scratch of a loop: elements that each lane needs. bodies: its own, then those of its
 * readback. */
int64_t ad_vm_scan_scratch(const ad_scan *scan, ad_code *const *bodies);

/* ---- For vm_scan.c: vm_readback.c ----------------------------------------------------- */

typedef struct ad_backward
    ad_backward; /* carries computed again, one step's at a time */

/* Scratch of it: elements that each lane needs. */
int64_t ad_backward_scratch(const ad_scan *scan, ad_code *const *bodies);

/* Take over what the loops kept. slots: of the job's operands. NULL: no memory. */
ad_backward *ad_backward_new(const ad_run *run, const ad_scan *scan,
                             ad_code *const *bodies, const uint32_t *slots,
                             double *scratch);
void ad_backward_free(ad_backward *back);

/* Go to what a step began with; steps are asked for from higher to lower ones. Of lanes
 * whose loops had ended by then, what it gives is of no use. */
ad_status ad_backward_to(ad_backward *back, int64_t wanted);

/* The carry, counted over all loops, that it has gone to. */
const double *ad_backward_carry(const ad_backward *back, uint32_t carry);

#endif
